"""What forgetting costs, and what is left of what was forgotten.

The costs are ratios to the least that erases rows from a SQLite file (DELETE, VACUUM, a truncating
checkpoint), timed in turns on a copy of the same file. What is left is looked for byte by byte in every file of
the folder, beside a log that is only kept and deletes as SQLite does by itself.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import as_event
from benchmarks.encryption import encryption
from benchmarks.fresh import printed
from benchmarks.lived import folder, lived, past
from benchmarks.one_person import pack_one_person
from benchmarks.report import Cell, Result, Table
from benchmarks.timing import Timing, in_turns
from benchmarks.world import SEED, catalogue, happenings
from recsys.learn.checkpoint import encode
from recsys.recommender import Recommender
from recsys.reports import Receipt
from recsys.types import Event

__all__ = ["CASES", "SCENARIOS", "Case", "Found", "look_for"]

CANARY = "canary-7f3a9c"
BASELINE = "DELETE, VACUUM, checkpoint"


class Case(NamedTuple):
    """Something to forget: keys that are in the log, how to forget one of them, and the least that deletes it."""

    keys: str
    forget: Callable[[Recommender, str], Receipt]
    delete: str
    once: bool = False  # a file can forget it only once


CASES: Mapping[str, Case] = {
    "one event of today": Case(
        "SELECT uid FROM events ORDER BY at_us DESC LIMIT 20",
        lambda rec, uid: rec.forget(events=[uid]),
        "DELETE FROM events WHERE uid = ?",
    ),
    "one early event": Case(
        "SELECT uid FROM events ORDER BY at_us LIMIT 20 OFFSET (SELECT count(*) / 10 FROM events)",
        lambda rec, uid: rec.forget(events=[uid]),
        "DELETE FROM events WHERE uid = ?",
    ),
    "an item": Case(
        "SELECT item_id FROM events GROUP BY item_id ORDER BY abs(count(*) - 20), item_id LIMIT 20",
        lambda rec, item_id: rec.forget(items=[item_id]),
        "DELETE FROM events WHERE item_id = ?",
    ),
    "everything": Case(
        "SELECT uid FROM events LIMIT 20",
        lambda rec, _: rec.forget(everything=True),
        "DELETE FROM events WHERE ? != ''",
        once=True,
    ),
}


def forget_cost(data: Path | None, *, quick: bool) -> Result:
    """Time forgetting an event, an item and everything on logs of a thousand to a hundred thousand events."""
    del data
    lengths = (200, 400) if quick else (1_000, 10_000, 100_000)
    n_items = 50 if quick else 1_000
    rows: dict[tuple[str, int], _Forgotten] = {}
    for length in lengths:
        n = 2 if quick else 3 if length > 50_000 else 9
        for what, case in CASES.items():
            rows[what, length] = _forgotten(case, n_items, length, n)
    tables = [_picture(rows, lengths), _details(rows)]
    return Result("privacy/forget-cost", tables, {"world": SEED}, quick)


def residue(data: Path | None, *, quick: bool) -> Result:
    """Forget one item in the midst of a life; look for its bytes, and for its traces in what was learnt."""
    del data
    n_items, n_events = (40, 200) if quick else (1_000, 10_000)
    told, untold = _life(n_items, n_events)
    needles = [CANARY, f"context-{CANARY}", f"title-{CANARY}", *(event.uid for event in told if event not in untold)]
    with folder() as into:
        rows: list[tuple[Cell, ...]] = [_ours(into / "ours", n_items, told, untold, needles)]
        rows += [_bare(into / f"bare-{n}", how, told, needles) for n, how in enumerate(_HOW)]
    columns = ("store and how it forgets", "found before", "found after, open", "found after, closed", "files read",
               "bytes read", "state is as if never known")  # fmt: skip
    notes = [
        f"{len(needles):,} needles: the item's id, its title, a context value, and the ids of its events.",
        f"{n_events:,} other events; every file of the folder is read by another process.",
        "A log alone has learnt nothing that could still know the item; an app's model beside it would.",
        f"secure_delete as this build of SQLite has it is {_secure_delete()}; SQLite's own default is 0.",
    ]
    table = Table("times that bytes of a forgotten item are found in the files", columns, rows, notes, plot=None)
    return Result("privacy/residue", [table], {"world": SEED}, quick)


SCENARIOS: Mapping[str, Callable[..., Result]] = {
    "privacy/forget-cost": forget_cost,
    "privacy/residue": residue,
    "privacy/encryption": encryption,
    "privacy/pack-one-person": pack_one_person,
}


class _Forgotten(NamedTuple):
    ours: Timing
    baseline: Timing
    n_refolded: float  # events folded again by ours, the median


def _forgotten(case: Case, n_items: int, n_events: int, n: int) -> _Forgotten:
    n_files = n if case.once else 1
    n_refolded: list[int] = []
    with folder() as into, ExitStack() as stack:
        recs = [stack.enter_context(lived(into / f"{i}.db", n_items, n_events)) for i in range(n_files)]
        copies = [shutil.copy(past(n_items, n_events), into / f"bare-{i}.db") for i in range(n_files)]
        bares = [stack.enter_context(closing(sqlite3.connect(copy, isolation_level=None))) for copy in copies]
        keys = [key for (key,) in bares[0].execute(case.keys)]

        def ours(i: int) -> None:
            receipt = case.forget(recs[i % n_files], keys[i])
            assert receipt.status == "erased"
            assert receipt.n_events
            n_refolded.append(receipt.n_refolded)

        def delete(i: int) -> None:
            bare = bares[i % n_files]
            assert bare.execute(case.delete, (keys[i],)).rowcount
            bare.execute("VACUUM")
            bare.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        forgotten, deleted = in_turns([ours, delete], n)
    return _Forgotten(forgotten, deleted, statistics.median(n_refolded))


def _picture(rows: Mapping[tuple[str, int], _Forgotten], lengths: Sequence[int]) -> Table:
    columns = ("events in the log", *(f"recsys: {what}" for what in CASES), f"{BASELINE}: one event")
    first = next(iter(CASES))
    cells: list[tuple[Cell, ...]] = [
        (
            length,
            *(rows[what, length].ours.p50_us / 1000 for what in CASES),
            rows[first, length].baseline.p50_us / 1000,
        )
        for length in lengths
    ]
    return Table("forgetting: milliseconds, medians", columns, cells, plot="lines")


def _details(rows: Mapping[tuple[str, int], _Forgotten]) -> Table:
    columns = ("what is forgotten", "events in the log", "recsys p50 [ms]", f"{BASELINE} p50 [ms]", "ratio",
               "events folded again", "calls")  # fmt: skip
    cells: list[tuple[Cell, ...]] = [
        (
            what,
            length,
            row.ours.p50_us / 1000,
            row.baseline.p50_us / 1000,
            row.ours.p50_us / row.baseline.p50_us,
            row.n_refolded,
            row.ours.n,
        )
        for (what, length), row in rows.items()
    ]
    notes = [
        "In turns, on copies of one file. The baseline erases rows; recsys also folds again what came after them.",
        "An early event is a tenth of the log from its beginning; the items have about twenty events each.",
    ]
    return Table("forgetting, beside the least that erases", columns, cells, notes, plot=None)


def _life(n_items: int, n_events: int) -> tuple[list[Event], list[Event]]:
    """Return the events of a life with the canary in it, and of the same life without."""
    untold = [as_event(happening, n) for n, happening in enumerate(happenings(n_events, n_items))]
    canaries = [
        Event(event.at_us + 1, f"uid-{n:03}-7f3a9c", CANARY, "play", context={"place": f"context-{CANARY}"})
        for n, event in enumerate(untold[n_events // 3 :: n_events // 30])
    ]
    return sorted([*untold, *canaries], key=lambda event: event.key), untold


def _ours(
    path: Path, n_items: int, told: Iterable[Event], untold: Iterable[Event], needles: Sequence[str]
) -> tuple[Cell, ...]:
    path.mkdir()
    with Recommender(path / "log.db") as rec, Recommender(":memory:") as never:
        for lives in (rec, never):
            lives.add(catalogue(n_items))
        rec.add([{"id": CANARY, "title": f"title-{CANARY}"}])
        _record(rec, told)
        _record(never, untold)
        knew = _state(rec) != _state(never)
        before = look_for(needles, path)
        rec.remove([CANARY])
        assert rec.forget(items=[CANARY]).status == "erased"
        after = look_for(needles, path)
        same = _state(rec) == _state(never)
    assert knew, "the states differ as long as the item is known"
    closed = look_for(needles, path)
    return _row("recsys: forget(items=...)", before, after, closed, "yes" if same else "no")


def _record(rec: Recommender, events: Iterable[Event]) -> None:
    waiting = list(events)
    for start in range(0, len(waiting), 500):
        rec.record_many(waiting[start : start + 500])


def _state(rec: Recommender) -> bytes:
    live = rec._live  # noqa: SLF001 - all that was learnt, which no public call gives out
    return encode(live.state, live.basis)


class _How(NamedTuple):
    name: str
    before: tuple[str, ...]  # pragmas
    after: tuple[str, ...] = ()


_HOW = (
    _How("sqlite3: DELETE, SQLite's own defaults", ("PRAGMA secure_delete=0",)),
    _How("sqlite3: DELETE, WAL", ("PRAGMA journal_mode=WAL",)),
    _How("sqlite3: DELETE, WAL, VACUUM, checkpoint", ("PRAGMA journal_mode=WAL",),
         ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")),
)  # fmt: skip


def _bare(path: Path, how: _How, told: Iterable[Event], needles: Sequence[str]) -> tuple[Cell, ...]:
    path.mkdir()
    with closing(sqlite3.connect(path / "log.db", isolation_level=None)) as bare:
        for pragma in how.before:
            bare.execute(pragma).fetchall()
        bare.execute("CREATE TABLE items (id TEXT PRIMARY KEY, title TEXT)")
        bare.execute(
            "CREATE TABLE events (at_us INTEGER, uid TEXT, item_id TEXT, context TEXT, PRIMARY KEY (at_us, uid))"
        )
        bare.execute("INSERT INTO items VALUES (?, ?)", (CANARY, f"title-{CANARY}"))
        rows = [(event.at_us, event.uid, event.item_id, json.dumps(dict(event.context))) for event in told]
        bare.execute("BEGIN")
        bare.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
        bare.execute("COMMIT")
        before = look_for(needles, path)
        bare.execute("DELETE FROM items WHERE id = ?", (CANARY,))
        bare.execute("DELETE FROM events WHERE item_id = ?", (CANARY,))
        for statement in how.after:
            bare.execute(statement).fetchall()
        after = look_for(needles, path)
    return _row(how.name, before, after, look_for(needles, path), None)


class Found(NamedTuple):
    """How often the needles were found, in how many files and bytes."""

    n: int
    n_files: int
    size_bytes: int


# Another process looks: to open and close a file that SQLite has open would drop its locks in this one.
_LOOK = """
import json, pathlib
needles, folder = json.loads({asked!r})
found = [path.read_bytes() for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file()]
encoded = [needle.encode(code) for needle in needles for code in ("utf-8", "utf-16-le")]
print(json.dumps([sum(b.count(needle) for b in found for needle in encoded), len(found), sum(map(len, found))]))
"""


def look_for(needles: Sequence[str], path: Path) -> Found:
    """Count the needles, as UTF-8 and as UTF-16, in every file below the folder."""
    asked = json.dumps([list(needles), str(path)])
    return Found(*json.loads(printed(_LOOK.format(asked=asked))))


def _row(name: str, before: Found, after: Found, closed: Found, state: str | None) -> tuple[Cell, ...]:
    return (name, before.n, after.n, closed.n, after.n_files, after.size_bytes, state)


def _secure_delete() -> int:
    with closing(sqlite3.connect(":memory:")) as bare:
        (value,) = bare.execute("PRAGMA secure_delete").fetchone()
    return int(value)
