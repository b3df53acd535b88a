"""Predict, then learn: walk a log as it happened and rank every choice before it is known.

In go events and named models; out come, for each model, the rank of what was
chosen among all that had been chosen before. :func:`evaluate_log` sums this up
against "most used" and "most recent" for one person's own log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.evaluate.metrics import acc_at_k, block_interval, ndcg_at_k, reciprocal_rank
from recsys.evaluate.rules import MostRecent, MostUsed, is_choice
from recsys.learn.fold import fold, new_state, score
from recsys.learn.trees import can_grow
from recsys.prior import Prior
from recsys.reports import Evaluation, Metric
from recsys.settings import Settings
from recsys.types import Event

if TYPE_CHECKING:
    from recsys.evaluate.grown import GrownModel

__all__ = ["METRICS", "LearnerModel", "Model", "Outcome", "evaluate_log", "learner", "rank_of", "replay"]


class Model(Protocol):
    """Anything that ranks candidates at a moment and learns from events.

    Stability: provisional
    """

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        """Return one finite score a candidate, shape (n_candidates,); higher is better.

        ``event`` is the moment: its time, offset and context. What was chosen is blanked.
        """
        ...

    def learn(self, event: Event) -> None:
        """Take in the whole event. Called for every event of the log, in its order."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one model ranked one choice.

    Parameters
    ----------
    index : int
        The event's place in the log, from 0.
    rank : int
        1-based rank of the chosen item; 0 when it had never been chosen before (a miss).
    n_candidates : int
        How many items were ranked.
    is_new : bool
        True when the item had never been chosen before.

    Stability: stable
    """

    index: int
    rank: int
    n_candidates: int
    is_new: bool


# The table of metrics that Evaluation carries: name, value by rank.
METRICS: Mapping[str, Callable[[NDArray[np.int64]], NDArray[np.float64]]] = {
    "acc@1": lambda ranks: acc_at_k(ranks, 1),
    "acc@5": lambda ranks: acc_at_k(ranks, 5),
    "ndcg@10": lambda ranks: ndcg_at_k(ranks, 10),
    "mrr": reciprocal_rank,
}


def replay(
    events: Iterable[Event],
    models: Mapping[str, Model],
    *,
    scored: Callable[[int, Event], bool] | None = None,
    settings: Settings | None = None,
) -> dict[str, list[Outcome]]:
    """Walk a log in order; before each scored choice let every model rank, then let it learn.

    The candidates of a choice are all items chosen before it in this log, in the order
    of their first choice. Events that are no choices (shown, steered, negative kinds) are
    learnt and never scored. A model sees a copy of the event without the item, value,
    slate and uid, so it cannot peek.

    Parameters
    ----------
    events : iterable of Event
        One log, in its order ``(at_us, uid)``.
    models : mapping of str to Model
        By name; each is changed by learning.
    scored : callable or None
        ``scored(index, event)`` says which choices count; None scores every choice.
    settings : Settings or None
        Which kinds are choices; None takes the defaults.

    Returns
    -------
    dict of str to list of Outcome
        For every model, one outcome a scored choice; all lists have the same indices.
        Cost: O(n_scored * n_items) for each model, plus what the models take.

    Raises
    ------
    InputError
        When a model's scores are not finite or not of shape (n_candidates,).

    Stability: provisional

    Examples
    --------
    >>> log = [Event(at_us=i, uid=str(i), item_id=item) for i, item in enumerate("abab")]
    >>> [outcome.rank for outcome in replay(log, {"most recent": MostRecent()})["most recent"]]
    [0, 0, 2, 2]
    """
    settings = settings or Settings()
    outcomes: dict[str, list[Outcome]] = {name: [] for name in models}
    candidates: list[str] = []
    place: dict[str, int] = {}
    for index, event in enumerate(events):
        choice = is_choice(event, settings)
        if choice and (scored is None or scored(index, event)):
            target = place.get(event.item_id)
            if target is None:
                missed = Outcome(index, 0, len(candidates), is_new=True)
                for kept in outcomes.values():
                    kept.append(missed)
            else:
                moment = replace(event, uid="", item_id="", value=None, slate=None)
                for name, model in models.items():
                    rank = rank_of(target, model.scores(moment, tuple(candidates)), candidates)
                    outcomes[name].append(Outcome(index, rank, len(candidates), is_new=False))
        for model in models.values():
            model.learn(event)
        if choice and event.item_id not in place:
            place[event.item_id] = len(candidates)
            candidates.append(event.item_id)
    return outcomes


def rank_of(target: int, scores: NDArray[np.float64], candidates: Sequence[str]) -> int:
    """Return the 1-based rank of one candidate: by score, equal scores by id.

    ``rank = 1 + #(higher score) + #(equal score and smaller id)``, which is the place
    the item would take in a slate.

    Parameters
    ----------
    target : int
        Position of the item in ``candidates``.
    scores : ndarray of float64, shape (n_candidates,)
        Finite.
    candidates : sequence of str
        Distinct ids.

    Returns
    -------
    int
        From 1 to n_candidates. Cost: O(n_candidates).

    Raises
    ------
    InputError
        When the scores are not finite or not of shape (n_candidates,).

    Stability: provisional

    Examples
    --------
    >>> rank_of(0, np.array([0.5, 0.5, 0.9]), ["b", "a", "c"])
    3
    """
    if scores.shape != (len(candidates),) or not np.isfinite(scores).all():
        raise InputError("a model gives one finite score a candidate", field="scores")
    own, item_id = scores[target], candidates[target]
    n_higher = int(np.count_nonzero(scores > own))
    n_before = sum(candidates[i] < item_id for i in np.flatnonzero(scores == own).tolist())
    return 1 + n_higher + n_before


class LearnerModel:
    """The learner of this package as a :class:`Model`: one state, scored and folded.

    Parameters
    ----------
    settings : Settings or None
        None takes the defaults.
    prior : Prior or None
        Where the weights start; None takes the one that ships with the package.

    Stability: provisional
    """

    def __init__(self, settings: Settings | None = None, prior: Prior | None = None) -> None:
        self._state = new_state(prior or Prior.default(), settings or Settings())

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        """Return the utility of each candidate at the event's moment, shape (n_candidates,)."""
        return score(self._state, candidates, at_us=event.at_us, offset_min=event.offset_min, context=event.context)

    def learn(self, event: Event) -> None:
        """Fold the event into the state."""
        fold(self._state, event)


def learner(settings: Settings | None = None, prior: Prior | None = None) -> LearnerModel | GrownModel:
    """Give the model that a recommender with these settings ranks by.

    With ``trees``, that is the sum of the linear model and the trees wherever it would serve; where LightGBM is not
    installed to grow them, without own trees.

    Stability: provisional
    """
    has_trees = prior is not None and prior.trees is not None
    if settings is not None and settings.trees and (has_trees or can_grow()):
        from recsys.evaluate.grown import GrownModel

        return GrownModel(settings, prior)
    return LearnerModel(settings, prior)


def evaluate_log(events: Iterable[Event], settings: Settings | None = None, prior: Prior | None = None) -> Evaluation:
    """Say whether the learner beats "most used" and "most recent" on one person's log.

    Every choice that had at least one candidate is scored; a choice of a new item counts
    as a miss. With ``Settings(trees=True)``, ``"recsys"`` is what would have served: the
    linear model or its sum with trees, which are grown on the way; ``"without trees"`` is the
    linear model alone. Where LightGBM is not installed only that is judged, as ``"recsys"``.
    The intervals come from moving blocks of 20 events (:func:`block_interval`), because one
    person's events hang together.

    Parameters
    ----------
    events : iterable of Event
        The log, in its order.
    settings : Settings or None
        None takes the defaults.
    prior : Prior or None
        None takes the one that ships with the package.

    Returns
    -------
    Evaluation
        For ``"recsys"``, ``"most used"`` and ``"most recent"``, and with trees ``"without trees"``. With nothing to
        score ``n_scored`` is 0 and every metric is 0. Cost: O(n_events * n_items), and growing a stage for each 128
        choices.

    Stability: stable
    """
    log, own = list(events), learner(settings, prior)
    models: dict[str, Model] = {"recsys": own, "most used": MostUsed(settings), "most recent": MostRecent(settings)}
    if not isinstance(own, LearnerModel):
        from recsys.evaluate.grown import Ungrown

        models["without trees"] = Ungrown(own)
    metrics: dict[str, dict[str, Metric]] = {}
    n_scored = 0
    for name, outcomes in replay(log, models, settings=settings).items():
        ranks = np.array([o.rank for o in outcomes if o.n_candidates], dtype=np.int64)
        n_scored = len(ranks)
        metrics[name] = {metric: block_interval(value(ranks)) for metric, value in METRICS.items()}
    n_by_trees = 0 if isinstance(own, LearnerModel) else own.n_by_trees
    return Evaluation(n_events=len(log), n_scored=n_scored, metrics=metrics, n_by_trees=n_by_trees)
