"""How the cost grows with the log, the items known and the candidates; each size is timed in turns with a baseline.

Each scenario returns tables of the size against the median and the 99th percentile of single
calls, microseconds, ours and the baseline's, to be drawn over logarithmic axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.lived import folder, lived, product, ranker, recommender, recorder, sorter
from benchmarks.report import Cell, Result, Table
from benchmarks.timing import Timing, in_turns
from benchmarks.world import SEED, BareLog, happenings, item_id
from recsys.settings import Settings

__all__ = ["SCENARIOS"]

_SORT = "argsort of X @ w"
_PRODUCT = "X @ w"
_INSERT = "sqlite3 insert, commit"
# At least so many calls of each size are timed; small ones, which are quick, more often.
_MOST, _LEAST = 600, 60


def with_log(data: Path | None, *, quick: bool) -> Result:
    """Time recording and ranking on logs of a thousand to a million events, all of them in turns."""
    del data
    lengths = (200, 600) if quick else (1_000, 10_000, 100_000, 1_000_000)
    n, n_items = (10, 100) if quick else (_MOST, 1_000)
    warm_up = n // 10
    with folder() as into, ExitStack() as stack:
        calls: dict[str, list[Callable[[int], object]]] = {"record": [], _INSERT: [], "rank": []}
        for length in lengths:
            settings = Settings(synchronous="normal")
            rec = stack.enter_context(lived(into / f"{length}.db", n_items, length, settings=settings))
            bare = BareLog(into / f"bare-{length}.db", synchronous="normal")
            stack.callback(bare.close)
            bare.fill(length)
            calls["record"].append(recorder(rec, list(happenings(2 * n, n_items, first=length))))
            calls[_INSERT].append(_inserter(bare, length))
            calls["rank"].append(ranker(rec, [item_id(i) for i in range(100)], length))
        ranked = in_turns([*calls["rank"], sorter(100)], n, warm_up=warm_up)
        recorded = in_turns([*calls["record"], *calls[_INSERT]], n, warm_up=warm_up)
    k, x = len(lengths), "events in the log"
    note = f"{n:,} calls of each length in turns; {n_items:,} known items; synchronous normal; file in the page cache."
    records = list(zip(lengths, recorded[:k], recorded[k:], strict=True))
    ranks = [(length, ours, ranked[k]) for length, ours in zip(lengths, ranked[:k], strict=True)]
    tables = [
        _table("record one event", x, _INSERT, records, note),
        _table("rank 100 candidates", x, _SORT, ranks, note),
    ]
    return _result("growth-log", tables, quick=quick)


def with_items(data: Path | None, *, quick: bool) -> Result:
    """Time ranking 100 and recommending ten where a hundred to a hundred thousand items are known."""
    del data
    sizes = (100, 200) if quick else (100, 1_000, 10_000, 100_000)
    n_events = 300 if quick else 10_000
    ranked: list[tuple[int, Timing, Timing]] = []
    recommended: list[tuple[int, Timing, Timing]] = []
    for n_items in sizes:
        n = _rounds(n_items, quick=quick)
        with folder() as into, lived(into / "ours.db", n_items, n_events) as rec:
            candidates = [item_id(i * (n_items // 100)) for i in range(100)]
            calls = [ranker(rec, candidates, n_events), sorter(100)]
            ours, baseline = in_turns(calls, n, warm_up=3)  # apart from recommending, which fills the caches
            ranked.append((n_items, ours, baseline))
            ours, baseline = in_turns([recommender(rec, n_events), product(n_items)], n, warm_up=3)
            recommended.append((n_items, ours, baseline))
    x, note = "items known", f"{n_events:,} events in the log, of the first {n_events:,} items at most."
    tables = [
        _table("rank 100 candidates", x, _SORT, ranked, note),
        _table("recommend ten of everything", x, _PRODUCT, recommended, note),
    ]
    return _result("growth-items", tables, quick=quick)


def with_candidates(data: Path | None, *, quick: bool) -> Result:
    """Time ranking ten to a hundred thousand candidates, all of them items of one catalogue."""
    del data
    sizes = (10, 100) if quick else (10, 100, 1_000, 10_000, 100_000)
    n_items, n_events = (200, 300) if quick else (100_000, 10_000)
    rows: list[tuple[int, Timing, Timing]] = []
    with folder() as into, lived(into / "ours.db", n_items, n_events) as rec:
        for size in sizes:
            candidates = [item_id(i * (n_items // size)) for i in range(size)]
            calls = [ranker(rec, candidates, n_events), sorter(size)]
            ours, baseline = in_turns(calls, _rounds(size, quick=quick), warm_up=3)
            rows.append((size, ours, baseline))
    note = f"{n_items:,} items known, {n_events:,} events in the log."
    return _result("growth-candidates", [_table("rank", "candidates", _SORT, rows, note)], quick=quick)


SCENARIOS: Mapping[str, Callable[..., Result]] = {
    "speed/growth-log": with_log,
    "speed/growth-items": with_items,
    "speed/growth-candidates": with_candidates,
}


def _rounds(size: int, *, quick: bool) -> int:
    return 5 if quick else max(_LEAST, min(_MOST, 1_000_000 // size))


def _inserter(bare: BareLog, n_events: int) -> Callable[[int], object]:
    return lambda i: bare.insert(n_events + i)


def _table(what: str, x: str, baseline: str, rows: Sequence[tuple[int, Timing, Timing]], note: str) -> Table:
    columns = (x, "recsys p50", "recsys p99", f"{baseline} p50", f"{baseline} p99", "ratio of p50")
    cells: list[tuple[Cell, ...]] = [
        (size, ours.p50_us, ours.p99_us, other.p50_us, other.p99_us, f"{ours.p50_us / other.p50_us:.1f}")
        for size, ours, other in rows
    ]
    (_, first, _), (_, last, _) = rows[0], rows[-1]
    grown = f"From {rows[0][0]:,} to {rows[-1][0]:,}, {rows[-1][0] / rows[0][0]:,.0f} times as many, "
    grown += f"the median of recsys grows {last.p50_us / first.p50_us:.2f} times."
    return Table(f"{what}: microseconds a call, by {x}", columns, cells, [grown, note], plot="lines")


def _result(name: str, tables: list[Table], *, quick: bool) -> Result:
    return Result(f"speed/{name}", tables, {"world": SEED}, quick)
