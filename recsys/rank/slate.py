"""One ranking, from candidates to a slate that can explain itself; and one item's explanation."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.learn.choice import BEGINNING, utilities
from recsys.learn.features import features_of, rough_features_of
from recsys.learn.fold import State, regime
from recsys.learn.gather import Gathered, ask, gather
from recsys.learn.moment import moment
from recsys.rank.arrange import Placed, place
from recsys.rank.candidates import Catalogue, Pool
from recsys.rank.grown import Grown, Heights, known
from recsys.rank.narrow import WIDE, narrowed
from recsys.rank.reasons import averages_of, basis
from recsys.rank.rest import among, places_of
from recsys.rank.told import Like, Said, Told
from recsys.types import Context, Event, Recommendation, Slate

if TYPE_CHECKING:
    from recsys.rank.knowledge import Knowledge
    from recsys.rank.likeness import Likeness
    from recsys.rank.rules import Rules
    from recsys.reports import Explanation

__all__ = ["Question", "explanation", "slate"]

Question = tuple[int, int, Context]  # at_us, offset_min, context
Features = NDArray[np.float64] | NDArray[np.float32]
Averages = tuple[NDArray[np.float64], float]
_BY_SCORE: Final[Sequence[str]] = ()


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
    likeness: Likeness | None = None,
    rules: Rules | None = None,
    grown: Grown | None = None,
) -> Slate:
    """Rank a pool; pure. O(n_candidates + k log k)."""
    n_candidates, means, now = _size(pool), None, moment(*question)
    pool, boosts, n_best = (pool, None, k) if rules is None else rules.prepared(pool, catalogue, k)
    asked = ask(state.behaviour, now)
    w, begins = state.choices[regime(asked)].w, regime(asked) == BEGINNING
    pool, told_averages = _with_told(state, pool, now.at_s, knowledge, likeness, boosts, begins=begins)
    gathered = gather(state.behaviour, [asked], [pool.slots])
    if not explore and n_best is not None and gathered.columns.shape[1] >= WIDE:
        pool, gathered, means = _first_look(pool, gathered, w, n_best, grown)
    features = features_of(gathered)
    scores, heights = _scores(w, pool, features, grown)
    if rules is None:
        placed, decided = place(pool, scores, k, explore, seed), _BY_SCORE
    else:
        placed, decided = rules.arranged(pool, scores, k, explore, seed, catalogue.items)
    said = _said(state.behaviour, catalogue, pool, placed, told_averages)
    columns, last_title = [column for _, column, _, _ in placed], _last_title(state, catalogue)
    averages, of_trees = means or _means(pool, features, grown, heights)
    if grown is not None and heights is not None:
        said += grown.said(heights, of_trees, columns)
    why = basis(state.behaviour, pool, features, w, now, columns, last_title, averages, said, decided).reasons
    ranked = [
        Recommendation(item_id, score, position, propensity, catalogue.known(item_id, state.behaviour), why)
        for position, (item_id, _, score, propensity) in enumerate(placed)
    ]
    return Slate(os.urandom(8).hex(), *question[:2], tuple(ranked), n_candidates)


def _first_look(
    pool: Pool, gathered: Gathered, w: NDArray[np.float64], k: int, grown: Grown | None
) -> tuple[Pool, Gathered, tuple[Averages, list[NDArray[np.float64]]]]:
    """Leave out who cannot be among the ``k`` best; and give the means over all, roughly."""
    rough = rough_features_of(gathered)
    utility = w.astype(np.float32) @ rough
    means = _means(pool, rough, grown, None if grown is None else grown.heights(pool, rough, utility))
    leads = None
    if grown is not None and grown.given is not None:
        leads = known(pool) if pool.allowed is None else known(pool) & pool.allowed
    return *narrowed(pool, gathered, utility, w, k, 0.0 if grown is None else grown.spread(pool), leads), means


def explanation(
    state: State,
    catalogue: Catalogue,
    pool: Pool,
    question: Question,
    item_id: str,
    events: Sequence[Event],
    knowledge: Knowledge | None = None,
    likeness: Likeness | None = None,
    grown: Grown | None = None,
) -> Explanation:
    """Explain one item's score among a pool; pure. O(n_candidates)."""
    from recsys.reports import Explanation

    now = moment(*question)
    asked = ask(state.behaviour, now)
    w, begins = state.choices[regime(asked)].w, regime(asked) == BEGINNING
    pool = _with_column(state, pool, item_id)
    pool, told_averages = _with_told(state, pool, now.at_s, knowledge, likeness, begins=begins)
    features = features_of(gather(state.behaviour, [asked], [pool.slots]))
    scores, heights = _scores(w, pool, features, grown)
    column = _column(pool, item_id)
    score = float(scores[column]) + _untouched(pool, column, item_id)
    placed = [(item_id, column, score, 1.0)]
    said = _said(state.behaviour, catalogue, pool, placed, told_averages)
    last_title, (averages, of_trees) = _last_title(state, catalogue), _means(pool, features, grown, heights)
    if grown is not None and heights is not None:
        said += grown.said(heights, of_trees, [column])
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


def _scores(
    w: NDArray[np.float64], pool: Pool, features: NDArray[np.float64], grown: Grown | None
) -> tuple[NDArray[np.float64], Heights | None]:
    """Give each column's score, and what the trees looked at."""
    scores, added, heights = utilities(w, features), pool.added(), None
    if grown is not None:
        heights = grown.heights(pool, features, scores)
        scores = scores + heights.scores
    return (scores if added is None else scores + added), heights


def _means(
    pool: Pool, features: Features, grown: Grown | None, heights: Heights | None
) -> tuple[Averages, list[NDArray[np.float64]]]:
    """Give the means over the candidates: of features and steering, and of what each feature adds in the trees."""
    of_trees = [] if grown is None or heights is None else grown.averages(pool, heights)
    return averages_of(pool, features), of_trees


def _with_told(
    state: State,
    pool: Pool,
    at_s: float,
    knowledge: Knowledge | None,
    likeness: Likeness | None,
    boosts: Told | None = None,
    *,
    begins: bool,
) -> tuple[Pool, list[NDArray[np.float64]]]:
    """Add what a pack, the items' content and the app say of the candidates, and the means over all of them."""
    told: list[Told] = []
    elsewhere = None
    if knowledge is not None:
        of_pack = knowledge.told(state.behaviour, pool, begins=begins)
        elsewhere = of_pack.rows >= 0, of_pack.rows_untouched >= 0
        told.append(of_pack)
    if likeness is not None:
        of_content = likeness.told(state.behaviour, pool, at_s, elsewhere, begins=begins)
        if of_content is not None:
            told.append(of_content)
    if boosts is not None:
        told.append(boosts)
    return pool._replace(told=told), [one.averages(pool.allowed) for one in told]


def _with_column(state: State, pool: Pool, item_id: str) -> Pool:
    """Give what is no candidate a column all the same, so that it is scored as it would be if it were one."""
    if item_id in pool.ids or among(item_id, pool.untouched):
        return pool
    n = len(pool.ids)
    slots = np.arange(n) if isinstance(pool.slots, slice) else pool.slots
    allowed = np.ones(n, np.bool_) if pool.allowed is None else pool.allowed
    return pool._replace(
        slots=np.append(slots, state.behaviour.slots.get(item_id, 0)),
        ids=[*pool.ids, item_id],
        allowed=np.append(allowed, False),
        offsets=None if pool.offsets is None else np.append(pool.offsets, 0.0),
    )


def _said(
    b: Behaviour,
    catalogue: Catalogue,
    pool: Pool,
    placed: Sequence[Placed],
    averages: Sequence[NDArray[np.float64]],
) -> list[Said]:
    """Copy what is said of the items of a slate."""
    if not pool.told:
        return []
    columns = np.array([column for _, column, _, _ in placed], np.intp)
    places = np.array([_place(pool, column, item_id) for item_id, column, _, _ in placed], np.intp)
    found = []
    for one, average in zip(pool.told, averages, strict=True):
        like = _likes(b, catalogue, one.most_like(columns, places)) if "like" in one.groups else ()
        found.append(Said(one.names, one.groups, one.of(columns, places), average, one.weights, like))
    return found


def _likes(b: Behaviour, catalogue: Catalogue, slots: Sequence[int]) -> list[Like]:
    last_s = b.last_uses_s(np.array(slots, np.intp)).tolist()
    return [
        Like(catalogue.title(b.ids[slot]), int(b.own_n[slot]), at_s) if slot else Like("", 0, None)
        for slot, at_s in zip(slots, last_s, strict=True)
    ]


def _place(pool: Pool, column: int, item_id: str) -> int:
    """Where an item stands among the untouched; -1 for one with a column of its own, and for no candidate at all."""
    if pool.ids[column] == item_id:
        return -1
    found = places_of(pool.untouched, (item_id,))
    return found[0] if found else -1


def _untouched(pool: Pool, column: int, item_id: str) -> float:
    """What is added to the score of an item without a column of its own."""
    place = _place(pool, column, item_id)
    return float(pool.added_untouched()[place]) if place >= 0 else 0.0


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
    if pool.untouched and pool.told:
        theirs = pool.added_untouched() + float(scores[0])
        above += int(np.count_nonzero(theirs > score))
        above += sum(pool.untouched[i] < item_id for i in np.flatnonzero(theirs == score).tolist())
    elif pool.untouched:
        shared = float(scores[0])
        if shared > score:
            above += len(pool.untouched)
        elif shared == score:
            above += bisect_left(pool.untouched, item_id)
    return above
