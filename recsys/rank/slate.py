"""One ranking, from candidates to a slate that can explain itself; and one item's explanation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.learn.choice import utilities
from recsys.learn.features import features_of, rough_features_of
from recsys.learn.fold import State, regime
from recsys.learn.gather import ask, gather
from recsys.learn.moment import moment
from recsys.rank.arrange import Placed, place
from recsys.rank.candidates import Catalogue, Pool
from recsys.rank.narrow import WIDE, narrowed
from recsys.rank.reasons import Said, averages_of, basis
from recsys.types import Context, Event, Recommendation, Slate

if TYPE_CHECKING:
    from recsys.rank.knowledge import Knowledge
    from recsys.reports import Explanation

__all__ = ["Question", "explanation", "slate"]

Question = tuple[int, int, Context]  # at_us, offset_min, context


def slate(
    state: State,
    catalogue: Catalogue,
    pool: Pool,
    question: Question,
    *,
    k: int,
    explore: float,
    seed: int | None,
    knowledge: Knowledge | None = None,
) -> Slate:
    """Rank a pool; pure. O(n_candidates + k log k)."""
    at_us, offset_min, context = question
    now = moment(at_us, offset_min, context)
    n_candidates, averages = _size(pool), None
    asked = ask(state.behaviour, now)
    w = state.choices[regime(asked)].w
    pool, told_average = _with_told(state, pool, knowledge)
    gathered = gather(state.behaviour, [asked], [pool.slots])
    if not explore and gathered.columns.shape[1] >= WIDE:
        rough = rough_features_of(gathered)
        averages = averages_of(pool, rough)
        pool, gathered = narrowed(pool, gathered, rough, w, k)
    features = features_of(gathered)
    scores = _scores(w, pool, features)
    placed = place(pool, scores, k, explore, seed)
    columns = [column for _, column, _, _ in placed]
    said = _said(pool, knowledge, placed, told_average)
    last_title = _last_title(state, catalogue)
    averages = averages or averages_of(pool, features)
    why = basis(state.behaviour, pool, features, w, now, columns, last_title, averages, said).reasons
    items, slots = catalogue.items, state.behaviour.slots
    ranked = tuple(
        [
            Recommendation(item_id, score, position, propensity, item_id in items or item_id in slots, why)
            for position, (item_id, _, score, propensity) in enumerate(placed)
        ]
    )
    return Slate(os.urandom(8).hex(), at_us, offset_min, ranked, n_candidates)


def explanation(
    state: State,
    catalogue: Catalogue,
    pool: Pool,
    question: Question,
    item_id: str,
    events: Sequence[Event],
    knowledge: Knowledge | None = None,
) -> Explanation:
    """Explain one item's score among a pool; pure. O(n_candidates)."""
    from recsys.reports import Explanation

    now = moment(*question)
    asked = ask(state.behaviour, now)
    w = state.choices[regime(asked)].w
    pool, told_average = _with_told(state, pool, knowledge)
    features = features_of(gather(state.behaviour, [asked], [pool.slots]))
    scores = _scores(w, pool, features)
    column = _column(pool, item_id)
    score = float(scores[column]) + _untouched(pool, column, item_id)
    said = _said(pool, knowledge, [(item_id, column, score, 1.0)], told_average)
    last_title, averages = _last_title(state, catalogue), averages_of(pool, features)
    why = basis(state.behaviour, pool, features, w, now, [column], last_title, averages, said)
    terms = why.terms(0)
    return Explanation(
        item_id=item_id,
        score=score,
        average_score=score - sum(term.contribution for term in terms),
        rank=1 + _n_above(pool, scores, score, item_id),
        n_candidates=_size(pool),
        terms=terms,
        reasons=why.reasons(0),
        events=tuple(events),
    )


def _scores(w: NDArray[np.float64], pool: Pool, features: NDArray[np.float64]) -> NDArray[np.float64]:
    scores, added = utilities(w, features), pool.added()
    return scores if added is None else scores + added


def _with_told(state: State, pool: Pool, knowledge: Knowledge | None) -> tuple[Pool, NDArray[np.float64] | None]:
    """Add what a pack says of the candidates, and the means over all of them."""
    if knowledge is None:
        return pool, None
    told = knowledge.told(state.behaviour, pool)
    return pool._replace(told=told), told.averages(pool.allowed)


def _said(
    pool: Pool, knowledge: Knowledge | None, placed: Sequence[Placed], average: NDArray[np.float64] | None
) -> Said | None:
    """Copy what the pack says of the items of a slate."""
    told = pool.told
    if knowledge is None or told is None or average is None:
        return None
    rows, unused = np.empty(len(placed), np.int32), np.ones(len(placed), np.bool_)
    for i, (item_id, column, _, _) in enumerate(placed):
        if pool.ids[column] == item_id:
            rows[i], unused[i] = told.rows[column], told.unused[column]
        else:
            rows[i] = knowledge.row(item_id)
    return Said(told.features(rows, unused), average, told.weights)


def _untouched(pool: Pool, column: int, item_id: str) -> float:
    """What is added to the score of an item without a column of its own."""
    if pool.told is None or pool.ids[column] == item_id:
        return 0.0
    try:
        return float(pool.told.offsets_untouched()[pool.untouched.index(item_id)])
    except ValueError:  # it is no candidate at all
        return 0.0


def _size(pool: Pool) -> int:
    n = len(pool.ids) if pool.allowed is None else int(np.count_nonzero(pool.allowed))
    return n + len(pool.untouched)


def _last_title(state: State, catalogue: Catalogue) -> str:
    last = state.behaviour.last
    return catalogue.title(state.behaviour.ids[last]) if last else ""


def _column(pool: Pool, item_id: str) -> int:
    """Find the item's own column; an item without one has the features of column 0."""
    try:
        return pool.ids.index(item_id)
    except ValueError:
        return 0


def _n_above(pool: Pool, scores: NDArray[np.float64], score: float, item_id: str) -> int:
    """Count the candidates that stand before the item: a higher score, or the same and a smaller id."""
    allowed = np.ones(len(scores), np.bool_) if pool.allowed is None else pool.allowed
    above = int(np.count_nonzero(scores[allowed] > score))
    above += sum(pool.ids[i] < item_id for i in np.flatnonzero(allowed & (scores == score)).tolist())
    if pool.untouched and pool.told is not None:
        theirs = pool.told.offsets_untouched() + float(scores[0])
        above += int(np.count_nonzero(theirs > score))
        above += sum(pool.untouched[i] < item_id for i in np.flatnonzero(theirs == score).tolist())
    elif pool.untouched:
        shared = float(scores[0])
        if shared > score:
            above += len(pool.untouched)
        elif shared == score:
            above += sum(other < item_id for other in pool.untouched)
    return above
