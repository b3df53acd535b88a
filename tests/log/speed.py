"""How fast the store is, as ratios to bare sqlite3 with the same pragmas: ``python -m tests.log.speed``."""

from __future__ import annotations

import gc
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from recsys.log import Store
from recsys.log.opening import PRAGMAS
from recsys.log.schema import SCHEMA_VERSION, TABLES
from recsys.types import Event, Item
from tests.log.examples import compact

_INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def bare(path: Path) -> sqlite3.Connection:
    """A plain connection to a new file with the same tables and pragmas."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    for name, value in {**PRAGMAS, "synchronous": "normal"}.items():
        db.execute(f"PRAGMA {name} = {value}")
    for text in TABLES[SCHEMA_VERSION].values():
        db.execute(text)
    return db


def event(number: int, *, context: bool = False) -> Event:
    return Event(
        10**15 + number * 10**6,
        f"{number * 2654435761 % 2**64:016x}",
        f"item-{number % 1000}",
        "click",
        60,
        context={"place": "home"} if context else {},
    )


def median_us(work: Callable[[int], object], n: int, start: int) -> float:
    """The median microseconds of one call."""
    times = []
    for number in range(start, start + n):
        before = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - before)
    return statistics.median(times) * 1e6


def append_ratio(folder: Path, n: int = 3000, rounds: int = 5) -> tuple[float, float]:
    """Microseconds of a bare begin, insert, commit and of ``Store.append``, the rounds taken in turn."""
    db, store = bare(folder / "bare.db"), Store(folder / "store.db", synchronous="normal")
    events = [event(number) for number in range(n * rounds)]
    rows = [(e.at_us, e.uid, e.offset_min, e.item_id, e.kind, None, None, None) for e in events]

    def insert(number: int) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.execute(_INSERT, rows[number])
        db.execute("COMMIT")

    def append(number: int) -> None:
        store.append((events[number],), late=False)

    both = [(median_us(insert, n, i * n), median_us(append, n, i * n)) for i in range(rounds)]
    db.close()
    store.close()
    return min(one for one, _ in both), min(other for _, other in both)


def replay_ratio(folder: Path, n: int = 100_000, rounds: int = 5) -> tuple[float, float]:
    """Microseconds a row of a bare ``SELECT *`` and of ``Store.events``, every other one with a context."""
    with Store(folder / "replay.db", synchronous="normal") as store:
        store.append([event(number, context=number % 2 == 0) for number in range(n)], late=False)
        db = sqlite3.connect(folder / "replay.db")
        times = []
        for _ in range(rounds):
            gc.collect()
            start = time.perf_counter()
            rows = db.execute("SELECT * FROM events").fetchall()
            middle = time.perf_counter()
            del rows
            gc.collect()
            again = time.perf_counter()
            for _event in store.events():
                pass
            times.append((middle - start, time.perf_counter() - again))
        db.close()
    return min(one for one, _ in times) / n * 1e6, min(other for _, other in times) / n * 1e6


def others(folder: Path) -> dict[str, float]:
    """Microseconds of the rest."""
    with Store(folder / "others.db", synchronous="normal") as store:
        store.append([event(number) for number in range(100_000)], late=False)
        items = [Item(f"item-{number}", f"Item {number}", ("a", "b"), {"year": 1959}) for number in range(10_000)]
        found = {"observe, same": median_us(lambda _: store.observe(), 5000, 0)}
        found["newest"] = median_us(lambda _: store.newest(), 5000, 0)
        found["n_events of 100,000"] = median_us(lambda _: store.n_events(), 5, 0)
        found["put 10,000 items"] = median_us(lambda _: store.put_items(items), 1, 0)
        found["put them again"] = median_us(lambda _: store.put_items(items), 1, 0)
        found["read 10,000 items"] = median_us(lambda _: list(store.items()), 3, 0)
        found["late append"] = median_us(lambda i: store.append((event(-i),), late=True), 500, 1)
        found["find 1 of 100,000"] = median_us(lambda i: store.find([event(i).uid]), 5, 5000)
        found["delete 1 of 100,000"] = median_us(lambda i: store.delete(uids=[event(i).uid]), 5, 5000)
        found["delete 1 in a known minute"] = median_us(
            lambda i: store.delete(uids=[event(i).uid], since_us=event(i).at_us, until_us=event(i).at_us + 1), 50, 6000
        )
        found["compact"] = median_us(lambda _: compact(store), 1, 0)
        found["check"] = median_us(lambda _: store.check(), 1, 0)
    return found


def main() -> None:
    print(f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")
    with tempfile.TemporaryDirectory() as name:
        for what, (one, other) in {
            "append one event": append_ratio(Path(name)),
            "replay, a row": replay_ratio(Path(name)),
        }.items():
            print(f"{what:30} bare {one:8.2f} us   store {other:8.2f} us   ratio {other / one:.2f}")
        for what, microseconds in others(Path(name)).items():
            print(f"{what:30} {microseconds:12.2f} us")


if __name__ == "__main__":
    main()
