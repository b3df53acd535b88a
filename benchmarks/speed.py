"""What it costs: every row is a ratio to a baseline that was timed in turns with it, in the same run, on one core.

The world is made up from a seed (:mod:`benchmarks.world`); the ceilings are a table. The group's other
scenarios, which have no ceilings, come from their own modules.
"""

from __future__ import annotations

import shutil
import sqlite3
import statistics
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import contenders, day, growth, large, trees
from benchmarks.fresh import fresh_processes, resident_mb
from benchmarks.lived import N_FEATURES, folder, lived, past, product, ranker, recommender, recorder, sorter
from benchmarks.report import Cell, Result, Table
from benchmarks.size import wheel_bytes
from benchmarks.timing import Timing, in_turns
from benchmarks.world import SEED, BareLog, happenings, item_id
from recsys.learn.fold import fold_all, new_state
from recsys.log.store import Store
from recsys.prior import Prior
from recsys.settings import Settings

__all__ = ["BUDGETED", "BUDGETS", "SCENARIOS", "Budget"]


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that something may cost: a floor that must hold, and an aim."""

    floor: float
    aim: float

    def verdict(self, measured: float) -> str:
        """Say which of the two is met."""
        return "aim met" if measured <= self.aim else "floor met" if measured <= self.floor else "not met"


# Ratios to the baseline; for memory megabytes on top of it, for the wheel megabytes.
BUDGETS: Mapping[str, Budget] = {
    "import": Budget(1.25, 1.1),
    "record": Budget(15.0, 8.0),
    "rank": Budget(40.0, 15.0),
    "recommend": Budget(20.0, 6.0),
    "fold": Budget(30.0, 10.0),
    "forget": Budget(2.0, 1.3),
    "memory": Budget(40.0, 15.0),
    "log-length": Budget(1.3, 1.1),
    "wheel": Budget(1.0, 0.4),
}

# What is known of the items of a large catalogue, as ``large.stocked`` and as the tables name it.
_KNOWN: Final = {
    "ids": "ids alone",
    "content": "with content",
    "pack": "with a pack",
    "both": "with content and a pack",
}
_TIMED = ("what", "p50 [µs]", "p99 [µs]", "baseline", "p50 [µs]", "p99 [µs]", "ratio", "floor", "aim", "verdict")


def import_time(data: Path | None, *, quick: bool) -> Result:
    del data
    ours, baseline = fresh_processes(["import recsys", "import numpy"], 3 if quick else 40)
    row = _row("import recsys", ours, "import numpy", baseline, BUDGETS["import"])
    return _result("import", _TIMED, [row], ["Each in a fresh process, files in the cache."], quick=quick)


def record(data: Path | None, *, quick: bool) -> Result:
    del data
    n, n_items = (20, 50) if quick else (1500, 1000)
    rows = []
    for synchronous in ("full", "normal"):
        with folder() as into, ExitStack() as stack:
            settings = Settings(synchronous=synchronous)
            rec = stack.enter_context(lived(into / "ours.db", n_items, 3 * n_items, settings=settings))
            bare = BareLog(into / "bare.db", synchronous=synchronous)
            stack.callback(bare.close)
            coming = list(happenings(2 * n, n_items, first=3 * n_items))
            ours, baseline = in_turns([recorder(rec, coming), bare.insert], n, warm_up=n // 10)
        what = f"record, durable and learnt, {n_items:,} known items, synchronous {synchronous}"
        rows.append(_row(what, ours, "sqlite3 WAL insert, commit", baseline, BUDGETS["record"]))
    return _result("record", _TIMED, rows, [f"{n:,} events each; both files in one folder."], quick=quick)


def rank(data: Path | None, *, quick: bool) -> Result:
    del data
    n, n_items = (20, 120) if quick else (2000, 1000)
    with folder() as into, lived(into / "ours.db", n_items, 3 * n_items) as rec:
        candidates = [item_id(i * (n_items // 100)) for i in range(100)]
        calls = [ranker(rec, candidates, 3 * n_items, step_s=60), sorter(100)]
        ours, baseline = in_turns(calls, n, warm_up=n // 10)
    row = _row("rank 100 candidates, k=10", ours, "argsort(-(X @ w))[:10]", baseline, BUDGETS["rank"])
    return _result("rank", _TIMED, [row], [f"{n_items:,} known items; X is (100, {N_FEATURES})."], quick=quick)


def recommend(data: Path | None, *, quick: bool) -> Result:
    del data
    rows = []
    for n_items, n in ((200, 20),) if quick else ((10_000, 1000), (100_000, 200)):
        n_events = min(n_items, 10_000)
        with folder() as into, lived(into / "ours.db", n_items, n_events) as rec:
            ours, baseline = in_turns([recommender(rec, n_events), product(n_items)], n, warm_up=3)
        what = f"recommend(10), catalogue of {n_items:,}"
        rows.append(_row(what, ours, f"X @ w, ({n_items:,}, {N_FEATURES})", baseline, BUDGETS["recommend"]))
        for told, known in _KNOWN.items():
            with large.stocked(told, n_items) as rec:
                ours, baseline = in_turns([large.asker(rec), product(n_items)], max(n // 4, 10), warm_up=3)
            named = f"{known}, catalogue of {n_items:,}"
            rows.append(_row(named, ours, f"X @ w, ({n_items:,}, {N_FEATURES})", baseline, BUDGETS["recommend"]))
    notes = ["Titles, tags and years, up to 10,000 events in the log; in the other rows 300. All items are scored."]
    return _result("recommend", _TIMED, rows, notes, quick=quick)


def fold(data: Path | None, *, quick: bool) -> Result:
    del data
    n_items, n_events, piece = (50, 200, 50) if quick else (1000, 40_000, 200)
    with folder() as into, ExitStack() as stack:
        lived(into / "ours.db", n_items, n_events).close()
        store = stack.enter_context(Store(into / "ours.db"))
        bare = sqlite3.connect(into / "ours.db")
        stack.callback(bare.close)
        state = new_state(Prior.default(), Settings())
        keys = bare.execute("SELECT at_us, uid FROM events ORDER BY at_us, uid").fetchall()[piece - 1 :: piece]
        ends = [(0, ""), *keys]
        query = "SELECT * FROM events WHERE (at_us, uid) > (?, ?) AND (at_us, uid) <= (?, ?) ORDER BY at_us, uid"
        pieces, baseline = in_turns(
            [
                lambda i: fold_all(state, store.events(after=ends[i], until=ends[i + 1])),
                lambda i: bare.execute(query, (*ends[i], *ends[i + 1])).fetchall(),
            ],
            len(keys),
        )
        assert state.n_events == piece * len(keys)
    what = f"read and fold {piece} events, {n_items:,} items"
    row = _row(what, pieces, f"sqlite3 read of {piece} rows", baseline, BUDGETS["fold"])
    note = f"{pieces.p50_us / piece:.0f} µs an event; {n_events:,} events in pieces of {piece}."
    return _result("fold", _TIMED, [row], [note], quick=quick)


def memory(data: Path | None, *, quick: bool) -> Result:
    del data
    n_items, n_events, n = (100, 300, 1) if quick else (10_000, 100_000, 5)
    with folder() as into:
        path = into / "ours.db"
        lived(path, n_items, n_events).close()
        opened = f"from recsys import Recommender; rec = Recommender({str(path)!r})"
        codes = ["import numpy", opened, f"{opened}; rec.recommend(10)"]
        baseline, *ours = (statistics.median(resident_mb(code) for _ in range(n)) for code in codes)
    of = f"{n_items:,} items, {n_events:,} events"
    budget = BUDGETS["memory"]
    rows: list[tuple[Cell, ...]] = []
    for what, mb in zip((f"opened: {of}", f"opened and asked once: {of}"), ours, strict=True):
        extra = mb - baseline
        rows.append((what, mb, baseline, extra, budget.floor, budget.aim, budget.verdict(extra)))
    columns = ("what", "resident [MB]", "import numpy [MB]", "more [MB]", "floor", "aim", "verdict")
    return _result("memory", columns, rows, [f"Median of {n} fresh processes."], quick=quick, title="resident memory")


def forget(data: Path | None, *, quick: bool) -> Result:
    del data
    n_items, n_events, n = (100, 300, 2) if quick else (10_000, 100_000, 20)
    with folder() as into, ExitStack() as stack:
        rec = stack.enter_context(lived(into / "ours.db", n_items, n_events))
        bare = sqlite3.connect(shutil.copy(past(n_items, n_events), into / "bare.db"), isolation_level=None)
        stack.callback(bare.close)
        keys = bare.execute("SELECT at_us, uid FROM events ORDER BY at_us DESC LIMIT ?", (n,)).fetchall()

        def delete(i: int) -> None:
            bare.execute("DELETE FROM events WHERE (at_us, uid) = (?, ?)", keys[i])
            bare.execute("VACUUM")
            bare.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        def ours(i: int) -> None:
            assert rec.forget(events=[keys[i][1]]).status == "erased"

        forgotten, deleted = in_turns([ours, delete], n)
    what = f"forget one recent event of {n_events:,}"
    row = _row(what, forgotten, "DELETE, VACUUM, checkpoint", deleted, BUDGETS["forget"])
    return _result("forget", _TIMED, [row], ["Both on the same file."], quick=quick)


def log_length(data: Path | None, *, quick: bool) -> Result:
    del data
    lengths = (300, 1000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    n, n_items = (20, 100) if quick else (1000, 1000)
    rows: list[tuple[Cell, ...]] = []
    with folder() as into, ExitStack() as stack:
        settings = Settings(synchronous="normal")
        recs = [
            stack.enter_context(lived(into / f"{length}.db", n_items, length, settings=settings)) for length in lengths
        ]
        candidates = [item_id(i) for i in range(100)]
        rankers = [ranker(rec, candidates, length) for rec, length in zip(recs, lengths, strict=True)]
        ranked = in_turns(rankers, n, warm_up=n // 10)
        coming = [list(happenings(2 * n, n_items, first=length)) for length in lengths]
        recorders = [recorder(rec, events) for rec, events in zip(recs, coming, strict=True)]
        recorded = in_turns(recorders, n, warm_up=n // 10)
    for what, timings in (("rank 100 candidates", ranked), ("record, synchronous normal", recorded)):
        for length, ours in zip(lengths[1:], timings[1:], strict=True):
            named = f"{what}, log of {length:,}"
            rows.append(_row(named, ours, f"log of {lengths[0]:,}", timings[0], BUDGETS["log-length"]))
    return _result("log-length", _TIMED, rows, [f"{n_items:,} known items."], quick=quick)


def wheel(data: Path | None, *, quick: bool) -> Result:
    del data
    mb = wheel_bytes() / 1e6
    budget = BUDGETS["wheel"]
    row: tuple[Cell, ...] = ("wheel", mb, budget.floor, budget.aim, budget.verdict(mb))
    return _result(
        "wheel",
        ("what", "size [MB]", "floor", "aim", "verdict"),
        [row],
        [],
        quick=quick,
        title="size of what is installed",
    )


BUDGETED: Mapping[str, Callable[..., Result]] = {
    "speed/import": import_time,
    "speed/record": record,
    "speed/rank": rank,
    "speed/recommend": recommend,
    "speed/fold": fold,
    "speed/forget": forget,
    "speed/memory": memory,
    "speed/log-length": log_length,
    "speed/wheel": wheel,
}
SCENARIOS: Mapping[str, Callable[..., Result]] = {
    **BUDGETED,
    **contenders.SCENARIOS,
    **growth.SCENARIOS,
    **day.SCENARIOS,
    **large.SCENARIOS,
    "speed/trees": trees.trees_speed,
}


def _row(what: str, ours: Timing, against: str, baseline: Timing, budget: Budget) -> tuple[Cell, ...]:
    ratio = ours.p50_us / baseline.p50_us
    verdict = budget.verdict(ratio)
    times = (ours.p50_us, ours.p99_us, against, baseline.p50_us, baseline.p99_us)
    return (what, *times, ratio, budget.floor, budget.aim, verdict)


def _result(
    name: str,
    columns: tuple[str, ...],
    rows: list[tuple[Cell, ...]],
    notes: list[str],
    *,
    quick: bool,
    title: str = "medians of single calls, one core",
) -> Result:
    return Result(f"speed/{name}", [Table(title, columns, rows, notes)], {"world": SEED}, quick)
