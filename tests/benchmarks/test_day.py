"""A day is lived by everyone in full, and what it cost is read from the process that lived it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from benchmarks import day
from benchmarks.day import BARE, OURS, PARTS, SCENARIOS, Plan, live

TINY = Plan(n_minutes=6, n_events=10, n_rankings=4, n_candidates=5, n_items=5, n_earlier=10)


class Counted:
    """A contender that only counts."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def record(self, *_: object) -> None:
        self.calls.append("record")

    def rank(self, *_: object) -> None:
        self.calls.append("rank")

    def maintain(self) -> None:
        self.calls.append("maintain")

    def close(self) -> None:
        self.calls.append("close")


def test_a_day_has_all_its_events_rankings_and_minutes_spread_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(day, "Bare", lambda *_: Counted(calls))
    live(BARE, TINY, tmp_path / "log.db")
    assert [calls.count(what) for what in ("record", "rank", "maintain", "close")] == [10, 4, 6, 1]
    assert calls[-1] == "close"
    third = calls.index("maintain", calls.index("maintain", calls.index("maintain") + 1) + 1)
    assert calls[:third].count("record") == 5, "half of the events in half of the day"
    assert Plan().step_s * Plan().n_events == 86_400


def test_parts_are_processor_time_and_no_more_than_the_whole(tmp_path: Path) -> None:
    cost = live(OURS, TINY, tmp_path / "log.db")
    parts_s = [cost[part] for part in PARTS]
    assert all(part_s is not None and part_s >= 0 for part_s in parts_s)
    assert 0 < sum(parts_s) <= cost["cpu_s"] <= 60
    assert cost["grown_mb"] > 0
    assert cost["peak_mb"] > 10


def test_time_asleep_is_no_processor_time(tmp_path: Path) -> None:
    meter = day._Meter(tmp_path / "log.db")
    meter.spend("rank", time.sleep, 0.2)
    cost = meter.read()
    assert cost["rank"] < 0.1
    assert cost["wall_s"] >= 0.2


def test_bytes_written_are_counted_where_the_system_counts_them(tmp_path: Path) -> None:
    meter = day._Meter(tmp_path / "log.db")
    if meter.read()["handed_mb"] is None:
        pytest.skip("there is no /proc/self/io here")
    (tmp_path / "log.db-wal").write_bytes(b"x" * 500_000)
    cost = meter.read()
    assert 0.5 <= cost["handed_mb"] < 0.6
    assert cost["grown_mb"] == 0.5


def test_without_the_counters_the_column_is_empty_and_the_result_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day, "_contenders", lambda: ([OURS, BARE], {"a peer": "it is not installed"}))
    lived = dict.fromkeys((*PARTS, "cpu_s", "wall_s", "grown_mb", "peak_mb"), 1.0) | {
        "written_mb": None,
        "handed_mb": None,
    }
    monkeypatch.setattr(day, "_in_fresh_process", lambda *_: lived)
    result = SCENARIOS["speed/typical-day"](None, quick=True)
    assert result.skipped == {"a peer": "it is not installed", "bytes written": "there is no /proc/self/io here"}
    costs, parts = result.tables
    assert [row[0] for row in costs.rows] == [OURS, BARE]
    assert costs.rows[0][4] == pytest.approx(day.WATTS), "one second at full load"
    assert costs.rows[0][5] is None
    assert [row[1:] for row in parts.rows] == [(1.0, 1.0, 1.0)] * 2


def test_a_plan_goes_to_another_process_as_it_is_written() -> None:
    assert eval(repr(TINY), {"Plan": Plan}) == dataclasses.replace(TINY)  # noqa: S307 - as the other process does


def test_the_scenario_runs_on_a_small_slice() -> None:
    result = SCENARIOS["speed/typical-day"](None, quick=True)
    costs, _ = result.tables
    assert [row[0] for row in costs.rows[:2]] == [OURS, BARE]
    assert all(row[1] > 0 and row[2] > 0 for row in costs.rows)
