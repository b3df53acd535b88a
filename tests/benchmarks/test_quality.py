"""The quality scenarios run on tiny sets, reproduce the published figures on the real one, and name what is missing."""

from __future__ import annotations

import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import alone, candidates, films, likes, news, packaged, quality, shop, unseen
from benchmarks.__main__ import main
from benchmarks.data import MissingDataError, data_folder, load, missing_sets
from benchmarks.peers import available
from benchmarks.quality import FLAT, LEARNER, SCENARIOS
from benchmarks.replays import published_ranks, replay_logs
from benchmarks.report import Cell, Result
from benchmarks.rules import RULES
from recsys.evaluate import MostUsed, acc_at_k, ndcg_at_k
from recsys.prior import Prior
from recsys.reports import Metric
from tests.benchmarks import tiny

# Scenarios of a form of their own, with tests of their own.
APART = {
    "quality/off-policy",
    "quality/trees",
    *(name for module in (alone, candidates, films, likes, news, shop, unseen) for name in module.SCENARIOS),
}


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny sets, and flat priors in place of the fitted ones."""
    tiny.write_all(tmp_path)
    if importlib.util.find_spec("pyarrow"):
        tiny.write_packages(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(packaged, "MIN_EVENTS", 16)
    priors = tmp_path / "priors"
    priors.mkdir()
    for name in quality.COLD_START_SETS:
        Prior.flat().dump(priors / f"without-{name}.json", {})
    monkeypatch.setattr(quality, "PRIORS", priors)
    return tmp_path


def run(name: str, sets: Path, *, quick: bool = True) -> Result:
    """Run a scenario in this process."""
    if name.startswith("quality/completejourney"):
        pytest.importorskip("pyarrow", reason="pyarrow reads the packaged sets")
    jobs = {"jobs": 1} if "jobs" in inspect.signature(SCENARIOS[name]).parameters else {}
    return SCENARIOS[name](sets, quick=quick, **jobs)


def cells(rows: list[tuple[Cell, ...]]) -> dict[str, tuple[Cell, ...]]:
    return {str(row[0]): row[1:] for row in rows}


def mean(cell: Cell) -> float:
    assert isinstance(cell, Metric)
    return cell.mean


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in APART])
def test_each_scenario_ranks_with_every_rule_and_every_peer_that_is_there(name: str, sets: Path) -> None:
    result = run(name, sets)
    assert (result.id, result.quick) == (name, True)
    present, missing = available()
    assert {*RULES, *present, LEARNER, FLAT} <= set(cells(result.tables[0].rows))
    assert missing.items() <= result.skipped.items()
    assert all(len(row) == len(table.columns) for table in result.tables for row in table.rows)


def test_a_cycle_is_learnt_by_the_learner_and_the_sequence_rule_and_not_by_the_counts(sets: Path) -> None:
    tiny.write_geolife(sets, n=80)
    rows = cells(run("quality/geolife-places", sets, quick=False).tables[0].rows)
    assert mean(rows["Markov, second order"][0]) == 1.0
    assert mean(rows["recsys"][0]) == 1.0
    assert mean(rows["most used"][0]) == 0.5  # a is every second choice


def test_a_set_has_a_table_each_for_all_repeats_positions_and_users_held_aside(sets: Path) -> None:
    tables = run("quality/uci-online-retail", sets, quick=False).tables
    # Of each log's scored lines 25 are new products, and then ten of the products come again.
    titles = [table.title for table in tables]
    assert [title.partition(" (")[0].partition(",")[0] for title in titles] == [
        "second half of the lines of 200 customers",
        "repeat targets alone",
        "by position in the log",
        "users held aside while tuning",
    ]
    assert "(70 choices, 2 users, 71.4% new)" in titles[0]
    assert "(20 choices, 2 users)" in titles[1]
    assert tables[1].notes[0].startswith("71.4% of what was chosen was new: no model can rank it")
    assert "(35 choices, 1 users)" in titles[3]
    for name, row in cells(tables[1].rows).items():
        assert mean(row[2]) == pytest.approx(mean(cells(tables[0].rows)[name][2]) * 70 / 20)
    assert tables[2].columns == (
        "model",
        *(f"choice {span}" for span in ("1 to 5", "6 to 20", "1 to 20", "21 to 100", "101+")),
    )
    assert tables[2].rows[-1] == ("choices, new among them", "10, 100%", "30, 100%", "40, 100%", "100, 80%", "0, -")


def test_invoices_are_predicted_whole(sets: Path) -> None:
    tables = run("quality/uci-online-retail-baskets", sets, quick=False).tables
    assert "(2 baskets, 2 users, 0.0% new)" in tables[0].title
    # Every product but the returned one was bought once before: by id the first ten are those of the last invoice.
    assert [mean(cell) for cell in cells(tables[0].rows)["most used"]] == [1.0, 1.0, 1.0]
    assert tables[2].rows[-1][1] == "4, 50%"


def test_the_early_choices_are_those_of_the_whole_pass(sets: Path) -> None:
    quality._PASSES.clear()
    alone = run("quality/cold-start", sets, quick=False)
    whole = run("quality/kypo-shell", sets, quick=False)
    again = run("quality/cold-start", sets, quick=False)
    assert [table.rows for table in alone.tables] == [table.rows for table in again.tables]
    early = next(table for table in alone.tables if "kypo-shell" in table.title)
    by_position = next(table for table in whole.tables if "by position" in table.title)
    assert [row[:4] for row in by_position.rows] == [row[:4] for row in early.rows]


def test_a_set_that_is_missing_leaves_the_early_choices_of_the_others(sets: Path) -> None:
    (sets / "kypo-shell" / "interactions.csv.gz").unlink()
    result = run("quality/cold-start", sets)
    assert not any("kypo-shell" in table.title for table in result.tables)
    assert any("geolife-places" in table.title for table in result.tables)
    assert result.skipped["kypo-shell"].startswith("the data set kypo-shell is missing")


def test_films_are_named_with_why_the_own_log_cannot_rank_them(sets: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow reads the packaged sets")
    skipped = run("quality/cold-start", sets).skipped
    assert skipped["movielens-100k"].startswith("no choice is ever repeated")


def test_published_answers_are_matched_point_by_point(sets: Path) -> None:
    replayed = replay_logs(load("geolife-places", sets), {"used": MostUsed}).by_protocol()
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
    replayed = replay_logs(load("geolife-places", sets), {"used": MostUsed}).by_protocol()
    with pytest.raises(ValueError, match="other points"):
        published_ranks(replayed, sets)


def test_the_published_figures_come_out_of_the_published_answers() -> None:
    try:
        folder = data_folder()
    except MissingDataError as missing:
        pytest.skip(str(missing))
    if missing_sets(folder, ["geolife-places"]):
        pytest.skip("the data set geolife-places is missing")
    replayed = replay_logs(load("geolife-places", folder), {"used": MostUsed}).by_protocol()
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


def test_a_prior_that_was_not_fitted_is_named_with_its_command(sets: Path) -> None:
    (quality.PRIORS / "without-kypo-shell.json").unlink()
    with pytest.raises(MissingDataError, match=r"fit_prior --leave-out kypo-shell"):
        run("quality/kypo-shell", sets)


def test_the_command_prints_tables_and_writes_results(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["quality", "--data", str(sets), "--only", "quality/kypo-shell", "--quick", "--jobs", "1"]
    assert main([*arguments, "--out", str(out), "--date", "2031-01-02"]) == 0
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
    assert main(["quality", "--quick", *only]) == 1
    printed = capsys.readouterr()
    assert all(f"skipped {name}: no data folder" in printed.err for name in only[1::2])


def test_trees_stand_beside_the_linear_model_on_the_same_choices(sets: Path) -> None:
    pytest.importorskip("lightgbm")
    (table, *_) = run("quality/trees", sets).tables
    assert {str(row[0]).rpartition(", ")[2] for row in table.rows} == {"all", "held aside"}
    for row in table.rows:
        of = dict(zip(table.columns, row, strict=True))
        if not of["of them for the sum"]:
            assert of["with trees, under the gate"] == of["linear"], "the linear model serves alone"


def test_an_unknown_scenario_is_an_error_that_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "--only", "quality/nothing"]) == 2
    assert "quality/kypo-shell" in capsys.readouterr().err


def test_the_module_runs_as_a_command(sets: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "quality", "--data", str(sets / "gone"), "--quick"]
    command += ["--only", "quality/kypo-shell"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "skipped quality/kypo-shell: no data folder" in done.stderr
