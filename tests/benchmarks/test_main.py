"""Scenarios run in turn, say how far they are, and what is missing is named, not fatal."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks.data import MissingDataError
from benchmarks.report import Result, Table

TABLE = Table("made up", ("what", "n"), [("a", 1)])
seen: list[object] = []


def plain(data: Path | None, *, quick: bool) -> Result:
    seen.append((data, quick))
    return Result("quality/plain", [TABLE], {}, quick, skipped={"a peer": "it is not installed"})


def spread(data: Path | None, *, quick: bool, jobs: int = 0) -> Result:
    seen.append((data, quick, jobs))
    return Result("quality/spread", [TABLE], {}, quick)


def missing(data: Path | None, *, quick: bool) -> Result:
    raise MissingDataError(f"no data set: {data}, {quick}")


@pytest.fixture(autouse=True)
def made_up_scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    seen.clear()
    scenarios: Mapping[str, Callable[..., Result]] = {
        "quality/plain": plain, "quality/missing": missing, "quality/spread": spread,
    }  # fmt: skip
    module = types.ModuleType("made_up")
    module.SCENARIOS = scenarios
    monkeypatch.setitem(sys.modules, "made_up", module)
    monkeypatch.setattr(runner, "GROUPS", {"quality": "made_up"})


def test_each_scenario_gets_what_it_takes_and_skips_are_summed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(["all", "--quick", "--jobs", "2", "--data", "d", "--out", str(tmp_path)]) == 0
    assert seen == [(Path("d"), True), (Path("d"), True, 2)]
    said = capsys.readouterr().err
    assert "[1/3] quality/plain" in said
    assert "[3/3] quality/spread" in said
    assert "1 scenarios skipped:\n  quality/missing: no data set: d, True" in said
    assert "1 left out of what ran:\n  quality/plain: a peer: it is not installed" in said
    assert sorted(path.name for path in (tmp_path / "quality").glob("*.json")) == ["plain.json", "spread.json"]


def test_without_jobs_each_scenario_takes_its_own() -> None:
    assert runner.main(["quality", "--quick", "--only", "quality/spread"]) == 0
    assert seen == [(None, True, 0)]


def test_a_run_of_which_nothing_ran_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["quality", "--quick", "--only", "quality/missing"]) == 1
    assert "skipped quality/missing" in capsys.readouterr().err


def test_an_unknown_scenario_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["quality", "--only", "quality/odd"]) == 2
    assert "quality/odd; there are: quality/plain, quality/missing, quality/spread" in capsys.readouterr().err
    assert seen == []


def test_every_group_has_scenarios_named_after_it() -> None:
    import importlib

    for group, module in {
        "speed": "benchmarks.speed",
        "privacy": "benchmarks.privacy",
        "size": "benchmarks.size",
    }.items():
        assert all(name.startswith(f"{group}/") for name in importlib.import_module(module).SCENARIOS)
