"""Accuracy against what it costs: the bytes of the model and the time of one ranking, beside GPT-3.5's answers.

Times are taken one model at a time in one process, whatever else the other scenarios use.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.jobs import Models, each_log
from benchmarks.logs import Log
from benchmarks.peers import size_bytes
from benchmarks.quality_tables import row_of
from benchmarks.replays import Replayed, published_ranks
from benchmarks.report import Cell, Table
from recsys.evaluate.metrics import acc_at_k, ndcg_at_k
from recsys.evaluate.replay import LearnerModel, Model, replay
from recsys.learn.checkpoint import encode
from recsys.types import Event

__all__ = ["GPT", "Cost", "cost_of", "model_bytes", "pareto_tables"]

GPT: Final = "GPT-3.5 (size and time estimated)"
# Neither is published for gpt-3.5-turbo-0613. GPT-3 has 175 thousand million weights (Brown et al. 2020), here of
# two bytes. An answer is about 60 tokens where one place was asked for (the study's own log) and about 100 where
# ten were; through the API a token took 35 to 73 ms in 2023 (taivo.ai, "GPT-3.5 and GPT-4 response times").
GPT_BYTES: Final = 175_000_000_000 * 2
GPT_ONE_MS, GPT_TEN_MS = 60 * 50.0, 100 * 50.0

NOTES: Final = (
    (
        "Bytes: what is kept of one person at the end of the log, median over people (recsys: the checkpoint, "
        "without the log). Milliseconds: one ranking of all that the person had chosen, median over points, in memory."
    ),
    (
        "GPT-3.5's accuracy is that of its published answers. Its bytes and milliseconds are estimates of the order of "
        "magnitude, since neither is published: the 175 thousand million weights of GPT-3 (Brown et al. 2020) at two "
        "bytes each, and about 100 tokens of answer (60 for one place) at about 50 ms each (35 to 73 ms were measured "
        "through the API in 2023, taivo.ai)."
    ),
    (
        "Comparable: the points, the targets, and that nothing later than the point was seen; every model had the "
        "hour and weekday of the target."
    ),
    (
        "Not comparable: GPT-3.5 read at most the last 40 stays before the test period and the 5 before the point "
        "(arXiv 2308.15197 and its code) and was not trained on the person, while the others had the whole log so far; "
        "one model serves everybody and any task, while the others only rank one person's places; its list ends at "
        "ten; it was asked through an API in 2023, so that its time includes the network."
    ),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one model did on one log.

    Parameters
    ----------
    ranks : ndarray of int64, shape (n_scored,)
        Of the choices that the protocol scores.
    rank_ms : ndarray of float64, shape (n_ranked,)
        Time of each ranking; a choice of something new needs none.
    learn_ms : ndarray of float64, shape (n_events,)
        Time to learn each event.
    size_bytes : int
        Of the model at the end of the log.
    """

    ranks: NDArray[np.int64]
    rank_ms: NDArray[np.float64]
    learn_ms: NDArray[np.float64]
    size_bytes: int


class _Timed:
    """A model, with a watch on each call."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.rank_ms: list[float] = []
        self.learn_ms: list[float] = []

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        started = time.perf_counter_ns()
        scores = self._model.scores(event, candidates)
        self.rank_ms.append((time.perf_counter_ns() - started) / 1e6)
        return scores

    def learn(self, event: Event) -> None:
        started = time.perf_counter_ns()
        self._model.learn(event)
        self.learn_ms.append((time.perf_counter_ns() - started) / 1e6)


def cost_of(log: Log, model: Model) -> Cost:
    """Replay a log by its protocol with a watch in hand."""
    timed = _Timed(model)
    outcomes = replay(log.events, {"it": timed}, scored=lambda index, _: bool(log.scored[index]))["it"]
    ranks = np.array([outcome.rank for outcome in outcomes], dtype=np.int64)
    return Cost(ranks, np.array(timed.rank_ms), np.array(timed.learn_ms), model_bytes(model))


def model_bytes(model: Model) -> int:
    """Return the bytes that a trained model needs on disk; of the learner its checkpoint, without the log."""
    if isinstance(model, LearnerModel):
        return len(encode(model._state, "0" * 32))  # noqa: SLF001 - a model holds its state, and nothing else asks for it
    return size_bytes(model)


def pareto_tables(logs: Sequence[Log], models: Models, points: Replayed, folder: Path, label: str) -> list[Table]:
    """Return accuracy beside bytes and milliseconds on the points with published answers, and what learning costs.

    ``points`` are all that the protocol scores, in the order of the logs.
    """
    costs = each_log(cost_of, logs, models, jobs=1, label=label)
    ranked = {name: np.concatenate([cost.ranks for cost in of_logs]) for name, of_logs in costs.items()}
    whole = Replayed(points.users, points.log, points.nth, points.nth_scored, points.targets, ranked, points.is_new)
    kept, answers = published_ranks(whole, folder)
    by_ndcg: list[tuple[Cell, ...]] = [(GPT, *_ndcg(answers["top10"], kept.users), GPT_BYTES, GPT_TEN_MS)]
    by_hit: list[tuple[Cell, ...]] = [(GPT, *_hit(answers["top1"], kept.users), GPT_BYTES, GPT_ONE_MS, None)]
    for name, of_logs in costs.items():
        n_bytes = int(np.median([cost.size_bytes for cost in of_logs]))
        rank_ms = _median(of_logs, lambda cost: cost.rank_ms)
        learn_ms = float(np.concatenate([cost.learn_ms for cost in of_logs]).mean())
        by_ndcg.append((name, *_ndcg(kept.ranks[name], kept.users), n_bytes, rank_ms))
        by_hit.append((name, *_hit(kept.ranks[name], kept.users), n_bytes, rank_ms, learn_ms))
    what = f"geolife-places, {len(kept.users):,} points with published answers"
    heads = ("model (bytes)", "one ranking (ms)")
    first = Table(
        f"NDCG@10 against bytes and time, {what}", ("model", "NDCG@10", *heads), by_ndcg, list(NOTES), "scatter"
    )
    learning = "learning one event (ms, mean)"
    second = Table(f"Acc@1 against bytes and time, {what}", ("model", "Acc@1", *heads, learning), by_hit, [], None)
    second.notes.append("GPT-3.5 here: one place asked for. It learns nothing.")
    return [first, second]


def _ndcg(ranks: NDArray[np.int64], users: Sequence[str]) -> list[Cell]:
    return row_of({"NDCG@10": ndcg_at_k(ranks, 10)}, users)


def _hit(ranks: NDArray[np.int64], users: Sequence[str]) -> list[Cell]:
    return row_of({"Acc@1": acc_at_k(ranks, 1)}, users)


def _median(of_logs: Sequence[Cost], times: Callable[[Cost], NDArray[np.float64]]) -> float:
    return float(np.median(np.concatenate([times(cost) for cost in of_logs])))
