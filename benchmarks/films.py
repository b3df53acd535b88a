"""Films: what a person chooses next of what that person has not chosen yet, out of the whole catalogue.

People are split. From most of them a pack is built, and the peers are fitted on the same people; on the others
every model is asked after each choice. None of those is in the pack. What was chosen before is left out
of every list, since nobody rates a film twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import data_folder, load, load_items
from benchmarks.logs import Log
from benchmarks.packaged import PACKAGES
from benchmarks.peers import sasrec
from benchmarks.peers.crowd import available_peers
from benchmarks.quality_tables import SEED, row_of
from benchmarks.report import Cell, Result, Table
from recsys import Recommender
from recsys.evaluate.metrics import ndcg_at_k
from recsys.prior.pack import write
from recsys.publish import Hyper, Person, build
from recsys.types import Item

__all__ = ["SCENARIOS", "SPLIT_SEED", "movielens_100k", "movielens_small", "people_of", "ranks_of", "row"]

SPLIT_SEED: Final = 1
_IN_PACK: Final = 0.85  # of the people; the others are asked about
_LEAST_PEOPLE: Final = 5
_K: Final = 10
PACK: Final = "recsys, with a pack"
_QUICK_PEOPLE: Final = 60
HYPER: Final = Hyper()


def movielens_100k(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Rank the 1,682 films of MovieLens 100k."""
    del jobs
    return _films("movielens-100k", data, quick=quick)


def movielens_small(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Rank the 9,724 films of MovieLens latest-small."""
    del jobs
    return _films("movielens-latest-small", data, quick=quick)


SCENARIOS = {"quality/movielens-100k": movielens_100k, "quality/movielens-latest-small": movielens_small}


def _films(name: str, data: Path | None, *, quick: bool) -> Result:
    learnt, asked, items = people_of(name, data, quick=quick)
    peers, skipped = available_peers()
    without = sasrec.missing()
    skipped |= without
    if not without:
        peers |= {"SASRec (torch)": partial(sasrec.SasRec, epochs=1) if quick else sasrec.SasRec}
    numbers = {item.id: number for number, item in enumerate(items)}
    histories = [_numbers(log, numbers) for log in learnt]
    ranks: dict[str, NDArray[np.int64]] = {}
    costs: dict[str, tuple[float, float]] = {}
    for peer, made in peers.items():
        ranks[peer], rank_ms = _ranks_of_peer(made(histories, len(items)), asked, numbers)
        costs[peer] = (rank_ms, np.nan)
    ranks[PACK], rank_ms, size_bytes, n_items = _ranks_with_pack(learnt, asked, items, quick=quick)
    costs[PACK] = (rank_ms, size_bytes / n_items)
    users = [log.user for log in asked for _ in log.events[1:]]
    title = f"{name}: {len(users):,} choices of {len(asked)} people, {len(items):,} films ranked"
    columns = ("model", "NDCG@10", "NDCG@10, people alike", "one list (ms)", "pack (bytes an item)")
    rows = [(model, *row(ranks[model], users), *_told(costs[model])) for model in ranks]
    notes = [
        f"{len(learnt)} other people taught the pack and the peers. {_times(ranks)}",
        "Equal times are put in a drawn order. Peers see what was used, not when; SASRec sees its order, too.",
        "The person's part of ALS is solved for at each question; of BPR it is the mean of the films used.",
        f"A film or a pair of films is in the pack when {_LEAST_PEOPLE} people or more have it.",
    ]
    return Result(
        f"quality/{name}",
        [Table(title, columns, rows, notes)],
        {"bootstrap": SEED, "split": SPLIT_SEED},
        quick,
        skipped,
    )


def people_of(name: str, data: Path | None, *, quick: bool) -> tuple[list[Log], list[Log], list[Item]]:
    """Split the people of a set: those who may teach, those who are asked about; and give its catalogue."""
    folder = Path() if name in PACKAGES else data_folder(data)
    logs = [_ties_drawn(log) for log in load(name, folder, every_user=True, limit=_QUICK_PEOPLE if quick else None)]
    order = np.random.default_rng(SPLIT_SEED).permutation(len(logs))
    n_learnt = int(_IN_PACK * len(logs))
    learnt, asked = ([logs[i] for i in some] for some in (order[:n_learnt], order[n_learnt:]))
    return learnt, asked, load_items(name, folder)


def _ties_drawn(log: Log) -> Log:
    """Put what happened at one time in a drawn order: the file's may tell of the ids."""
    keys = np.random.default_rng(SPLIT_SEED).random(len(log.events))
    order = sorted(range(len(keys)), key=lambda i: (log.events[i].at_us, keys[i]))
    events = [replace(log.events[i], uid=f"{n:016x}", kind="view") for n, i in enumerate(order)]
    return Log(log.user, events, log.scored[order])


def _numbers(log: Log, numbers: dict[str, int]) -> NDArray[np.intp]:
    return np.array([numbers[event.item_id] for event in log.events], np.intp)


def _ranks_of_peer(peer: object, asked: Sequence[Log], numbers: dict[str, int]) -> tuple[NDArray[np.int64], float]:
    ranks, spent_ms = [], []
    for log in asked:
        items = _numbers(log, numbers)
        for n in range(1, len(items)):
            started = time.perf_counter()
            scores = np.array(peer.scores(items[:n]), np.float64)  # type: ignore[attr-defined]
            scores[items[:n]] = -np.inf
            spent_ms.append((time.perf_counter() - started) * 1e3)
            mine = scores[items[n]]
            ranks.append(1 + int((scores > mine).sum()) + int((scores == mine).sum() - 1) // 2)
    return np.array(ranks, np.int64), float(np.median(spent_ms))


def _ranks_with_pack(
    learnt: Sequence[Log], asked: Sequence[Log], items: Sequence[Item], *, quick: bool
) -> tuple[NDArray[np.int64], float, int, int]:
    people = [Person(log.user, [e.item_id for e in log.events], [e.at_us / 1e6 for e in log.events]) for log in learnt]
    built = build(people, least_people=_LEAST_PEOPLE, hyper=replace(HYPER, epochs=1) if quick else HYPER)
    with TemporaryDirectory(prefix="recsys-bench-") as folder:
        path = Path(folder) / "app.pack"
        size = write(path, built.arrays, provenance={}, n_people=built.n_people, least_people=built.least_people)
        ranks, rank_ms = ranks_of(asked, items, path)
    return ranks, rank_ms, size, int(built.report["items"])


def ranks_of(asked: Sequence[Log], items: Sequence[Item], prior: Path | None) -> tuple[NDArray[np.int64], float]:
    """Ask recsys before each choice but a person's first: the rank of what was chosen, and the median milliseconds.

    What is not among the first ten has the last rank.
    """
    ranks, spent_ms = [], []
    for log in asked:
        with Recommender(":memory:", prior=prior) as rec:
            rec.add(items)
            for n, event in enumerate(log.events):
                if n:
                    used = [e.item_id for e in log.events[:n]]
                    started = time.perf_counter()
                    slate = rec.recommend(_K, at=event.at_us / 1e6, exclude=used)
                    spent_ms.append((time.perf_counter() - started) * 1e3)
                    found = slate.item_ids
                    ranks.append(found.index(event.item_id) + 1 if event.item_id in found else len(items))
                rec.record_many([event])
    return np.array(ranks, np.int64), float(np.median(spent_ms))


def row(ranks: NDArray[np.int64], users: Sequence[str]) -> list[Cell]:
    """Give NDCG@10 with every choice alike, and with every person alike."""
    values = ndcg_at_k(ranks, _K)
    people = sorted(set(users))
    of = np.array(users)
    alike = np.array([values[of == person].mean() for person in people])
    return [*row_of({"NDCG@10": values}, users), *row_of({"NDCG@10": alike}, people)]


def _told(cost: tuple[float, float]) -> list[Cell]:
    return [None if np.isnan(value) else round(value, 2) for value in cost]


def _times(ranks: dict[str, NDArray[np.int64]]) -> str:
    means = {model: float(ndcg_at_k(of, _K).mean()) for model, of in ranks.items()}
    best = max((model for model in means if model != PACK), key=means.__getitem__)
    return f"The pack has {means[PACK] / max(means[best], 1e-9):.2f} times the NDCG@10 of the best peer, {best}."
