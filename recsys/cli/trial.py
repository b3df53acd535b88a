"""Predict, then learn, with a real recommender on a real file, and the two rules to beat beside it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys import Recommender, Settings
from recsys.evaluate import Model, MostRecent, MostUsed, acc_at_k, ndcg_at_k, replay
from recsys.evaluate.rules import is_choice
from recsys.types import Event

__all__ = ["RIVALS", "SETTINGS", "K", "Trial", "moment_of", "run", "trailing_mean"]

K = 10
RECSYS = "recsys"
RIVALS = ("most used", "most recent")
# A demo need not survive a power cut.
SETTINGS = Settings(synchronous="normal")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


@dataclass(frozen=True, slots=True, repr=False)
class Trial:
    """What came out.

    Parameters
    ----------
    ranks : mapping of str to array of int64, shape (n_choices,)
        For each ranker the place of what was chosen in the list made just before; 0 when it was not in it.
    at_us : list of int
        When each choice was made.
    n_new : int
        Choices of an item never chosen before: nobody could know.
    recommend_ms, record_ms : float
        Median time of one call.
    seconds : float
        How long all of it took.
    """

    ranks: Mapping[str, NDArray[np.int64]]
    at_us: Sequence[int]
    n_new: int
    recommend_ms: float
    record_ms: float
    seconds: float

    def ndcg(self, ranker: str) -> NDArray[np.float64]:
        """Return NDCG@10 of each choice, shape (n_choices,)."""
        return ndcg_at_k(self.ranks[ranker], K)

    def share_within(self, ranker: str, k: int) -> float:
        """Return how often what was chosen stood among the first ``k``."""
        return float(acc_at_k(self.ranks[ranker], k).mean())


def run(
    recommender: Recommender,
    events: Sequence[Event],
    titles: Mapping[str, str],
    advance: Callable[[], object],
) -> Trial:
    """Walk through a log as it happened: ask for a top ten before each choice, then record what was done.

    Parameters
    ----------
    recommender : Recommender
        On a new file. An item enters its catalogue when it is first used.
    events : sequence of Event
        In order; at least one of them a choice.
    titles : mapping of str to str
        By item.
    advance : callable
        Called after every event.
    """
    started = time.perf_counter()
    ranks: list[int] = []
    at_us: list[int] = []
    recommending: list[float] = []
    recording: list[float] = []
    seen: set[str] = set()
    n_new = 0
    for event in events:
        at = moment_of(event.at_us, event.offset_min)
        if is_choice(event, SETTINGS):
            before = time.perf_counter()
            slate = recommender.recommend(K, at=at)
            recommending.append(time.perf_counter() - before)
            ranks.append(next((r.position + 1 for r in slate if r.item_id == event.item_id), 0))
            at_us.append(event.at_us)
            n_new += event.item_id not in seen
        if event.item_id not in seen and titles.get(event.item_id):
            recommender.add([{"id": event.item_id, "title": titles[event.item_id]}])
        seen.add(event.item_id)
        before = time.perf_counter()
        recommender.record(event.item_id, event.kind, value=event.value, at=at)
        recording.append(time.perf_counter() - before)
        advance()
    return Trial(
        ranks={RECSYS: np.array(ranks, np.int64), **_rivals(events)},
        at_us=at_us,
        n_new=n_new,
        recommend_ms=float(np.median(recommending) * 1000),
        record_ms=float(np.median(recording) * 1000),
        seconds=time.perf_counter() - started,
    )


def _rivals(events: Sequence[Event]) -> dict[str, NDArray[np.int64]]:
    rules: dict[str, Model] = {"most used": MostUsed(SETTINGS), "most recent": MostRecent(SETTINGS)}
    outcomes = replay(events, rules, settings=SETTINGS)
    return {name: np.array([outcome.rank for outcome in outcomes[name]], np.int64) for name in RIVALS}


def moment_of(at_us: int, offset_min: int) -> dt.datetime:
    """Return an aware datetime, exact to the microsecond."""
    return (EPOCH + dt.timedelta(microseconds=at_us)).astimezone(dt.timezone(dt.timedelta(minutes=offset_min)))


def trailing_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the mean of each value and up to ``window - 1`` before it, shape as given.

    Examples
    --------
    >>> trailing_mean(np.array([1.0, 3.0, 5.0]), 2)
    array([1., 2., 4.])
    """
    total = np.concatenate(([0.0], np.cumsum(values)))
    stop = np.arange(1, len(values) + 1)
    start = np.maximum(stop - window, 0)
    means: NDArray[np.float64] = (total[stop] - total[start]) / (stop - start)
    return means
