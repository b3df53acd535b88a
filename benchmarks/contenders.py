"""What one event and one ranking cost each peer and rule, beside the recommender, all in turns in one run.

Everyone learns the same made-up past, then takes the same events and ranks the same candidates
after each, as in a replay; whatever a model does not do (keep a log, say) it does not pay for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.lived import CONTEXT, folder, lived, recorder
from benchmarks.peers import PEERS, available
from benchmarks.report import Cell, Result, Table
from benchmarks.rules import RULES
from benchmarks.timing import Timing, in_turns
from benchmarks.world import SEED, Happening, happenings, item_id
from recsys.evaluate.replay import LearnerModel, Model
from recsys.recommender import Recommender
from recsys.types import Event

__all__ = ["SCENARIOS", "as_event", "first_of_each_library"]

OURS = "recsys, in memory"
DURABLE = "recsys, durable"
_BETTER = "lower and further left is better"


def learn_and_rank(data: Path | None, *, quick: bool) -> Result:
    """Time learning one event and ranking a hundred candidates, for every model that can run here."""
    del data
    n, n_items, n_past = (4, 100, 150) if quick else (150, 1_000, 2_000)
    warm_up = n // 10
    models, skipped = available()
    made: dict[str, Model] = {name: make() for name, make in {OURS: LearnerModel, **RULES, **models}.items()}
    for i, happening in enumerate(happenings(n_past, n_items)):
        event = as_event(happening, i)
        for model in made.values():
            model.learn(event)
    candidates = [item_id(i * (n_items // 100)) for i in range(100)]
    coming = list(happenings(n + warm_up, n_items, first=n_past))
    with folder() as into, lived(into / "ours.db", n_items, n_past) as rec:
        learners = [recorder(rec, coming), *(_learner(model, coming, n_past) for model in made.values())]
        rankers = [_ranker(rec, candidates, coming), *(_scorer(model, candidates, coming) for model in made.values())]
        timings = in_turns([*learners, *rankers], n, warm_up=warm_up)
    learnt, ranked = timings[: len(learners)], timings[len(learners) :]
    rows = dict(zip([DURABLE, *made], zip(learnt, ranked, strict=True), strict=True))
    note = f"{n:,} calls each in turns, one process; {n_items:,} known items, {n_past:,} events learnt before."
    return Result("speed/peers", [_table(rows, note), _picture(rows)], {"world": SEED}, quick, skipped)


SCENARIOS: Mapping[str, Callable[..., Result]] = {"speed/peers": learn_and_rank}


def first_of_each_library() -> tuple[dict[str, str], dict[str, str]]:
    """Return library → the name of its first peer that can run here; and of the others why they cannot."""
    models, missing = available()
    first: dict[str, str] = {}
    for name, peer in PEERS.items():
        if peer.needs and name in models:
            first.setdefault(peer.needs[0], name)
    return first, missing


def as_event(happening: Happening, n: int) -> Event:
    """Return the n-th event of the made-up world as models take it."""
    at_us = round(float(str(happening["at"])) * 1e6)
    return Event(at_us, f"{n:016x}", str(happening["item_id"]), "play", context=CONTEXT)


def _learner(model: Model, coming: Sequence[Happening], first: int) -> Callable[[int], object]:
    upcoming = iter([as_event(happening, first + n) for n, happening in enumerate(coming)])
    return lambda _: model.learn(next(upcoming))


def _scorer(model: Model, candidates: Sequence[str], coming: Sequence[Happening]) -> Callable[[int], object]:
    moments = iter([replace(as_event(happening, 0), uid="", item_id="") for happening in coming])
    return lambda _: model.scores(next(moments), candidates)


def _ranker(rec: Recommender, candidates: Sequence[str], coming: Sequence[Happening]) -> Callable[[int], object]:
    moments = iter([float(str(happening["at"])) for happening in coming])
    return lambda _: rec.rank(candidates, k=10, at=next(moments), context=CONTEXT)


def _table(rows: Mapping[str, tuple[Timing, Timing]], note: str) -> Table:
    columns = ("model", "learn: p50 [µs]", "p99 [µs]", "mean [µs]", "mean, ratio to recsys",
               "rank 100: p50 [µs]", "p99 [µs]", "mean [µs]", "mean, ratio to recsys")  # fmt: skip
    learn, rank = rows[OURS]
    cells: list[tuple[Cell, ...]] = [
        (
            name,
            *(learnt.p50_us, learnt.p99_us, learnt.mean_us, learnt.mean_us / learn.mean_us),
            *(ranked.p50_us, ranked.p99_us, ranked.mean_us, ranked.mean_us / rank.mean_us),
        )
        for name, (learnt, ranked) in rows.items()
    ]
    notes = [
        note,
        "One event every half hour, so a day is 48 rounds. Ratios are of means: some models save their learning up.",
        f"{DURABLE}: record with its commit (synchronous full), and rank, which orders and words ten.",
        "The others score in memory and keep nothing.",
    ]
    return Table("learn one event and rank 100 candidates", columns, cells, notes, plot=None)


def _picture(rows: Mapping[str, tuple[Timing, Timing]]) -> Table:
    cells: list[tuple[Cell, ...]] = [(name, ranked.mean_us, learnt.mean_us) for name, (learnt, ranked) in rows.items()]
    columns = ("model", "rank 100 candidates, mean [µs]", "learn one event, mean [µs]")
    return Table("what one call costs each model", columns, cells, plot="scatter", better=_BETTER)
