"""Whole baskets instead of lines: all lines of an invoice share a moment, and so does their prediction.

At the first line of a basket every model ranks the items of earlier baskets as of that moment, and
only then learns all lines of the basket. Relevant are the distinct items chosen in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from benchmarks.jobs import Models, each_log
from benchmarks.logs import Log
from benchmarks.replays import Measured
from recsys.evaluate.replay import Model
from recsys.evaluate.rules import is_choice
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["BASKET_METRICS", "REPEATS_METRIC", "Basket", "baskets_of", "predict_baskets", "replay_baskets"]

_K = 10
_DISCOUNT = 1.0 / np.log2(np.arange(2.0, _K + 2.0))
REPEATS_METRIC = "NDCG@10, repeats alone"


@dataclass(frozen=True, slots=True)
class Basket:
    """One basket of a log.

    Parameters
    ----------
    events : list of Event
        All its lines.
    chosen : tuple of str
        The distinct items chosen in it, in the order of the lines; none when all was returned, which
        is learnt and not scored.
    """

    events: list[Event]
    chosen: tuple[str, ...]


def baskets_of(log: Log, settings: Settings | None = None) -> list[Basket]:
    """Cut a log into baskets: by the set's own ids where it knows them, else by the moment."""
    settings = settings or Settings()
    keys: Sequence[object] = log.baskets or [event.at_us for event in log.events]
    pairs: Iterator[tuple[object, Event]] = zip(keys, log.events, strict=True)
    cut = [[event for _, event in group] for _, group in groupby(pairs, key=lambda pair: pair[0])]
    return [Basket(lines, tuple(dict.fromkeys(e.item_id for e in lines if is_choice(e, settings)))) for lines in cut]


def ndcg_of_basket(hits: NDArray[np.bool_], n_relevant: int) -> float:
    """Return the NDCG@10 of a ranking, given which of its first ten are relevant.

    ``Σ_j hit_j / log2(1 + j)`` over ``Σ_{j <= min(10, n_relevant)} 1 / log2(1 + j)``: what is
    relevant and cannot be ranked lowers the value. 0 when nothing is relevant.
    Source: Järvelin, Kekäläinen: Cumulated gain-based evaluation of IR techniques, 2002.
    """
    ideal = float(_DISCOUNT[: min(_K, n_relevant)].sum())
    return float(_DISCOUNT[: len(hits)][hits].sum()) / ideal if n_relevant else 0.0


# Metric -> value by the hits among the first ten, the number of distinct items, and of those chosen before.
BASKET_METRICS: Mapping[str, Callable[[NDArray[np.bool_], int, int], float]] = {
    "hit@1": lambda hits, _n, _n_known: float(hits[:1].any()),
    "NDCG@10": lambda hits, n, _n_known: ndcg_of_basket(hits, n),
    "Recall@10": lambda hits, n, _n_known: float(hits.sum()) / n,
    REPEATS_METRIC: lambda hits, _n, n_known: ndcg_of_basket(hits, n_known),
}


def predict_baskets(log: Log, model: Model) -> NDArray[np.float64]:
    """Return the metrics of every basket in which something was chosen, shape (n_baskets, n_metrics)."""
    settings = Settings()
    rows: list[list[float]] = []
    known: dict[str, None] = {}  # in the order of their first choice
    for basket in baskets_of(log, settings):
        if basket.chosen:
            candidates = tuple(known)
            first = next(event for event in basket.events if is_choice(event, settings))
            moment = replace(first, uid="", item_id="", value=None, slate=None)
            ranked = _first_ten(model.scores(moment, candidates), candidates) if candidates else []
            hits = np.array([item in basket.chosen for item in ranked], dtype=np.bool_)
            n_known = sum(item in known for item in basket.chosen)
            rows.append([value(hits, len(basket.chosen), n_known) for value in BASKET_METRICS.values()])
        for event in basket.events:
            model.learn(event)
        known.update(dict.fromkeys(basket.chosen))
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(BASKET_METRICS))


def replay_baskets(
    logs: Sequence[Log], models: Models, *, jobs: int | None = 1, label: str = ""
) -> tuple[Measured, NDArray[np.bool_]]:
    """Predict every basket of every log with fresh models; mark those of the second half of each log.

    A log's first basket is never marked: there is nothing to rank before it.
    """
    results = each_log(predict_baskets, logs, models, jobs=jobs, label=label)
    users: list[str] = []
    numbers: list[tuple[int, int, bool]] = []
    is_new: list[float] = []
    for number, log in enumerate(logs):
        known: set[str] = set()
        chosen = [basket.chosen for basket in baskets_of(log) if basket.chosen]
        for n, items in enumerate(chosen):
            users.append(log.user)
            numbers.append((number, n + 1, n >= max(1, len(chosen) // 2)))
            is_new.append(sum(item not in known for item in items) / len(items))
            known.update(items)
    table = np.array(numbers, dtype=np.int64).reshape(len(numbers), 3)
    whole = {name: np.concatenate(of_logs) for name, of_logs in results.items()}
    values = {metric: {name: v[:, i] for name, v in whole.items()} for i, metric in enumerate(BASKET_METRICS)}
    measured = Measured(users, table[:, 0], table[:, 1], np.array(is_new, dtype=np.float64), values)
    return measured, table[:, 2].astype(np.bool_)


def _first_ten(scores: NDArray[np.float64], candidates: Sequence[str]) -> list[str]:
    """Return the ten highest, equal scores by id, as in :func:`recsys.evaluate.replay.rank_of`."""
    if scores.shape != (len(candidates),) or not np.isfinite(scores).all():
        raise ValueError("a model gives one finite score a candidate")
    least = np.sort(scores)[-min(_K, len(scores))]
    near = np.flatnonzero(scores >= least).tolist()
    return [candidates[i] for i in sorted(near, key=lambda i: (-scores[i], candidates[i]))[:_K]]
