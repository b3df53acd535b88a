"""The quality scenarios run on tiny sets, reproduce the published figures on the real one, and name what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import quality
from benchmarks.__main__ import main
from benchmarks.data import Log, MissingDataError, data_folder, load, missing_sets
from benchmarks.quality import SCENARIOS, published_ranks, replay_logs
from benchmarks.report import Cell
from recsys.evaluate import MostRecent, MostUsed, acc_at_k, ndcg_at_k
from recsys.prior import Prior
from recsys.reports import Metric
from recsys.types import Event
from tests.benchmarks import tiny


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny sets, and flat priors in place of the fitted ones."""
    tiny.write_all(tmp_path)
    priors = tmp_path / "priors"
    priors.mkdir()
    for name in quality.COLD_START_SETS:
        Prior.flat().dump(priors / f"without-{name}.json", {})
    monkeypatch.setattr(quality, "PRIORS", priors)
    return tmp_path


def cells(rows: list[tuple[Cell, ...]]) -> dict[str, tuple[Cell, ...]]:
    return {str(row[0]): row[1:] for row in rows}


def mean(cell: Cell) -> float:
    assert isinstance(cell, Metric)
    return cell.mean


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_runs_on_a_small_slice(name: str, sets: Path) -> None:
    result = SCENARIOS[name](sets, quick=True)
    assert (result.id, result.quick) == (name, True)
    for table in result.tables:
        rows = cells(table.rows)
        assert {"most used", "most recent", quality.LEARNER, quality.FLAT} <= set(rows)
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_a_cycle_is_learnt_by_the_learner_and_the_sequence_rule_and_not_by_the_counts(sets: Path) -> None:
    rows = cells(quality.geolife(sets, quick=False).tables[0].rows)
    assert mean(rows["Markov, second order"][0]) == 1.0
    assert mean(rows["recsys"][0]) == 1.0
    assert mean(rows["most used"][0]) == 0.5  # a is every second choice


def test_published_answers_are_matched_point_by_point(sets: Path) -> None:
    replayed = replay_logs(load("geolife-places", sets), {"used": MostUsed})
    kept, answers = published_ranks(replayed, sets)
    assert set(kept.users) == {"1"}
    assert len(kept.targets) == 20
    assert answers["top1"].tolist() == [0, 1] * 10
    assert answers["top10"].tolist() == [2] * 20
    assert kept.ranks["used"].tolist() == replayed.ranks["used"].tolist()[:20]


def test_answers_to_other_points_are_refused(sets: Path) -> None:
    answers = [("1", 0, "zz", "a", "a|b")]
    header = ("user_id", "nth_scored", "truth", "top1", "top10")
    tiny.write_rows(sets, "geolife-places", "gpt35_predictions.csv.gz", header, answers)
    replayed = replay_logs(load("geolife-places", sets), {"used": MostUsed})
    with pytest.raises(ValueError, match="other points"):
        published_ranks(replayed, sets)


def test_the_published_figures_come_out_of_the_published_answers() -> None:
    try:
        folder = data_folder()
    except MissingDataError as missing:
        pytest.skip(str(missing))
    if missing_sets(folder, ["geolife-places"]):
        pytest.skip("the data set geolife-places is missing")
    replayed = replay_logs(load("geolife-places", folder), {"used": MostUsed})
    kept, answers = published_ranks(replayed, folder)
    assert (len(replayed.targets), len(kept.targets)) == (3459, 3252)
    figures = {
        "Acc@1, one asked for": acc_at_k(answers["top1"], 1),
        "Acc@1": acc_at_k(answers["top10"], 1),
        "Acc@5": acc_at_k(answers["top10"], 5),
        "Acc@10": acc_at_k(answers["top10"], 10),
        "NDCG@10": ndcg_at_k(answers["top10"], 10),
    }
    published = {"Acc@1, one asked for": 0.458, "Acc@1": 0.367, "Acc@5": 0.829, "Acc@10": 0.875, "NDCG@10": 0.648}
    assert {name: round(float(values.mean()), 3) for name, values in figures.items()} == published


def test_choices_are_numbered_within_each_log() -> None:
    events = [Event(n, f"{n:02}", item, kind) for n, (item, kind) in enumerate([("a", "click"), ("b", "hate")] * 3)]
    logs = [Log(user, events, np.array([False, True] * 3)) for user in ("me", "you")]
    every = replay_logs(logs, {"it": MostUsed}, every_choice=True)
    assert (every.users, every.nth.tolist()) == (["me"] * 3 + ["you"] * 3, [1, 2, 3] * 2)
    assert every.nth_scored.tolist() == [0, 1, 2] * 2
    assert (every.targets, every.is_new.tolist()) == (["a"] * 6, [True, False, False] * 2)
    two = replay_logs(logs, {"it": MostUsed}, every_choice=True, last=2)
    assert two.nth.tolist() == [1, 2] * 2
    by_protocol = replay_logs(logs, {"it": MostUsed})
    assert by_protocol.users == [], "the protocol marked rejections only, which are never scored"


def test_a_log_meets_a_fresh_model() -> None:
    logs = [
        Log(user, [Event(n, f"{n:02}", item) for n, item in enumerate(items)], np.ones(4, dtype=np.bool_))
        for user, items in (("me", "aaab"), ("you", "abab"))
    ]
    ranks = replay_logs(logs, {"used": MostUsed, "recent": MostRecent}).ranks
    assert ranks["used"].tolist() == [0, 1, 1, 0, 0, 0, 1, 2]
    assert ranks["recent"].tolist() == [0, 1, 1, 0, 0, 0, 2, 2]


def test_a_prior_that_was_not_fitted_is_named_with_its_command(sets: Path) -> None:
    (quality.PRIORS / "without-kypo-shell.json").unlink()
    with pytest.raises(MissingDataError, match=r"fit_prior --leave-out kypo-shell"):
        quality.kypo(sets, quick=True)


def test_the_command_prints_tables_and_writes_results(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["quality", "--data", str(sets), "--only", "quality/kypo-shell", "--quick", "--out", str(out)]
    assert main([*arguments, "--date", "2031-01-02"]) == 0
    assert "Markov, first order" in capsys.readouterr().out
    written = json.loads((out / "quality" / "kypo-shell.json").read_text(encoding="utf-8"))
    assert (written["id"], written["date"], written["quick"]) == ("quality/kypo-shell", "2031-01-02", True)
    assert set(written["machine"]) == {"cpu", "cores", "system", "python", "numpy", "sqlite"}
    assert written["tables"][0]["rows"][0][1].keys() == {"mean", "low", "high"}
    page = (out / "quality" / "kypo-shell.md").read_text(encoding="utf-8")
    assert "| most used | " in page
    assert str(sets) not in page + json.dumps(written)


def test_what_is_missing_is_named_and_the_rest_runs(
    sets: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (sets / "kypo-shell" / "interactions.csv.gz").unlink()
    only = ["--only", "quality/kypo-shell", "--only", "quality/geolife-places"]
    assert main(["quality", "--data", str(sets), "--quick", *only]) == 0
    printed = capsys.readouterr()
    assert "quality/geolife-places" in printed.out
    assert "skipped quality/kypo-shell: the data set kypo-shell is missing" in printed.err
    monkeypatch.setenv("RECSYS_DATA", str(sets / "gone"))
    assert main(["quality", "--quick"]) == 1
    assert all(f"skipped {name}: no data folder" in capsys.readouterr().err for name in list(SCENARIOS)[:1])


def test_an_unknown_scenario_is_an_error_that_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "--only", "quality/nothing"]) == 2
    assert "quality/kypo-shell" in capsys.readouterr().err


def test_the_module_runs_as_a_command(sets: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "quality", "--data", str(sets / "gone"), "--quick"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "4 of 4 scenarios skipped" in done.stderr
