"""Films by content alone: no pack, nobody else's log; what a person chooses next by titles, genres and the own log.

The people asked about are those of :mod:`benchmarks.films`, after each of whose choices every model ranks all films
not chosen yet. The peer is scikit-learn's TF-IDF with several profiles; the best of them on these very people is what
recsys is held against.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.films import SPLIT_SEED, people_of, ranks_of, row
from benchmarks.logs import Log
from benchmarks.peers.tfidf import WEIGHTINGS, TfidfNeighbours, missing
from benchmarks.quality_tables import SEED
from benchmarks.report import Result, Table
from recsys.evaluate.metrics import bootstrap_difference, ndcg_at_k
from recsys.types import Item

__all__ = ["OURS", "SCENARIOS", "movielens_100k_content", "movielens_small_content"]

OURS: Final = "recsys, no pack"
_K: Final = 10


def movielens_100k_content(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Rank the 1,682 films of MovieLens 100k by what they are."""
    del jobs
    return _content("movielens-100k", data, quick=quick)


def movielens_small_content(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Rank the 9,742 films of MovieLens latest-small by what they are."""
    del jobs
    return _content("movielens-latest-small", data, quick=quick)


SCENARIOS = {
    "quality/movielens-100k-content": movielens_100k_content,
    "quality/movielens-latest-small-content": movielens_small_content,
}


def _content(name: str, data: Path | None, *, quick: bool) -> Result:
    _, asked, items = people_of(name, data, quick=quick)
    skipped = missing()
    ranks, costs = ({}, {}) if skipped else _neighbours(asked, items)
    ranks[OURS], costs[OURS] = ranks_of(asked, items, None)
    users = [log.user for log in asked for _ in log.events[1:]]
    title = f"{name}, no pack: {len(users):,} choices of {len(asked)} people, {len(items):,} films ranked"
    rows = [(model, *row(of, users), round(costs[model], 2)) for model, of in ranks.items()]
    notes = [
        *_gain(ranks, users),
        "The weights of recsys ship: fitted on a shop, but two of ten, which the other people of the film sets chose.",
        "Neighbours: scikit-learn's TF-IDF of titles and genres, cosine to a weighted mean of what was chosen.",
        "Equal times are put in a drawn order. Every choice counts, whatever the rating.",
    ]
    columns = ("model", "NDCG@10", "NDCG@10, people alike", "one list (ms)")
    seeds = {"bootstrap": SEED, "split": SPLIT_SEED}
    return Result(f"quality/{name}-content", [Table(title, columns, rows, notes)], seeds, quick, skipped)


def _neighbours(asked: Sequence[Log], items: Sequence[Item]) -> tuple[dict[str, NDArray[np.int64]], dict[str, float]]:
    numbers = {item.id: number for number, item in enumerate(items)}
    neighbours = TfidfNeighbours(items)
    ranks, costs = {}, {}
    for weighting, weights in WEIGHTINGS.items():
        of_each, spent_ms = [], []
        for log in asked:
            chosen = np.array([numbers[event.item_id] for event in log.events], np.intp)
            for n in range(1, len(chosen)):
                started = time.perf_counter()
                scores = neighbours.scores(chosen[:n], weights(n))
                scores[chosen[:n]] = -np.inf
                spent_ms.append((time.perf_counter() - started) * 1e3)
                mine = scores[chosen[n]]
                of_each.append(1 + int((scores > mine).sum()) + int((scores == mine).sum() - 1) // 2)
        ranks[f"neighbours, {weighting}"] = np.array(of_each, np.int64)
        costs[f"neighbours, {weighting}"] = float(np.median(spent_ms))
    return ranks, costs


def _gain(ranks: dict[str, NDArray[np.int64]], users: Sequence[str]) -> list[str]:
    """Say by how much recsys leads the best of the peers, paired by choice."""
    values = {model: ndcg_at_k(of, _K) for model, of in ranks.items()}
    peers = [model for model in values if model != OURS]
    if not peers:
        return []
    best = max(peers, key=lambda model: float(values[model].mean()))
    gain = bootstrap_difference(values[OURS], values[best], users, seed=SEED)
    times = float(values[OURS].mean()) / max(float(values[best].mean()), 1e-9)
    return [f"NDCG@10: {OURS} {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] over {best}, {times:.2f} times it."]
