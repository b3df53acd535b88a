"""Turns are fair, and the made-up world is the same every time."""

from __future__ import annotations

import itertools
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.timing import in_turns, timing
from benchmarks.world import BareLog, catalogue, happenings, item_id


def test_calls_take_turns_and_the_first_changes() -> None:
    seen: list[tuple[str, int]] = []
    in_turns([lambda i: seen.append(("a", i)), lambda i: seen.append(("b", i))], 3, warm_up=1)
    assert seen == [("a", 3), ("b", 3), ("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]


def test_each_call_gets_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: now[0])

    def takes(us: int) -> None:
        now[0] += us * 1000

    fast, slow = in_turns([lambda _: takes(2), lambda i: takes(10 + i)], 101)
    assert (fast.p50_us, fast.p99_us, fast.mean_us, fast.n) == (2.0, 2.0, 2.0, 101)
    assert (slow.p50_us, slow.p99_us, slow.mean_us, slow.n) == (60.0, 109.0, 60.0, 101)


def test_percentiles_are_of_single_calls() -> None:
    assert timing(np.arange(101.0)).p50_us == 50.0
    assert timing(np.array([1.0, 1.0, 1.0, 97.0])).mean_us == 25.0


def test_the_world_is_the_same_every_time_and_touches_every_item_first() -> None:
    events = list(happenings(300, 100))
    assert events == list(happenings(300, 100))
    assert [event["item_id"] for event in events[:100]] == [item_id(n) for n in range(100)]
    assert len({event["item_id"] for event in events[100:]}) < 100, "some items are favourites"
    times = [float(str(event["at"])) for event in [*events, *happenings(5, 100, first=300)]]
    assert all(b - a == 1800 for a, b in itertools.pairwise(times))
    assert len({str(item["id"]) for item in catalogue(50)}) == 50


def test_the_bare_log_is_durable_and_written_ahead(tmp_path: Path) -> None:
    bare = BareLog(tmp_path / "bare.db", synchronous="full")
    for n in range(3):
        bare.insert(n)
    other = sqlite3.connect(tmp_path / "bare.db")
    assert other.execute("SELECT count(*) FROM events").fetchone() == (3,)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    bare.close()
