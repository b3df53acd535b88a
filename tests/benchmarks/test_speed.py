"""Every scenario with a ceiling runs on a small slice, and a verdict says what it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import fresh
from benchmarks.__main__ import main
from benchmarks.data import MissingDataError
from benchmarks.speed import BUDGETED, BUDGETS, Budget


@pytest.mark.parametrize("name", BUDGETED)
def test_each_scenario_runs_on_a_small_slice(name: str) -> None:
    try:
        result = BUDGETED[name](None, quick=True)
    except MissingDataError as missing:
        pytest.skip(str(missing))
    assert (result.id, result.quick) == (name, True)
    (table,) = result.tables
    assert table.rows
    for row in table.rows:
        assert len(row) == len(table.columns)
        assert row[-1] in {"aim met", "floor met", "not met"}
        assert all(not isinstance(cell, float) or cell > 0 for cell in row)


def test_every_ceiling_has_its_scenario() -> None:
    assert [name.removeprefix("speed/") for name in BUDGETED] == list(BUDGETS)
    assert all(budget.aim < budget.floor for budget in BUDGETS.values())


def test_a_verdict_names_what_is_met() -> None:
    budget = Budget(floor=15.0, aim=8.0)
    assert [budget.verdict(ratio) for ratio in (7.9, 8.0, 8.1, 15.0, 15.1)] == [
        "aim met",
        "aim met",
        "floor met",
        "floor met",
        "not met",
    ]


def test_speed_needs_no_data_and_its_results_hold_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path / "gone"))
    assert main(["speed", "--only", "speed/rank", "--quick", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "speed" / "rank.json").read_text(encoding="utf-8")
    assert json.loads(text)["seeds"] == {"world": 7}
    assert str(fresh.ROOT) not in text
    assert "recsys-bench" not in text
