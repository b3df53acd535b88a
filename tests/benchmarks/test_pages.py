"""The page of results shows what the results say, every scenario with a plot, and what is not measured yet."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks.__main__ import GROUPS
from benchmarks.pages import PAGE, refresh, shown
from benchmarks.report import Cell, Result, Table, write_result
from recsys.reports import Metric

# What draws nothing: its tables stand on the page or in the results alone.
PLAIN = {
    "speed/import", "speed/record", "speed/rank", "speed/recommend", "speed/fold", "speed/forget", "speed/memory",
    "speed/log-length", "speed/wheel", "speed/typical-day", "privacy/residue", "privacy/encryption",
    "privacy/pack-one-person",
    "quality/candidates", "quality/trees", "speed/trees",
    "speed/large-catalogue",
    "size/installed", "size/import", "quality/off-policy", "quality/uci-online-retail-pack",
}  # fmt: skip


def metric(mean: float) -> Metric:
    return Metric(mean, mean - 0.1, mean + 0.1)


def result_of(name: str, best: float) -> Result:
    rows: list[tuple[Cell, ...]] = [
        ("most used", metric(0.1), metric(0.3)),
        ("Markov, first order", metric(0.2), metric(best)),
        ("LinUCB, hybrid", metric(0.3), metric(0.2)),
        ("recsys, flat prior", metric(0.4), metric(0.5)),
        ("recsys", metric(0.5), metric(0.6)),
    ]
    table = Table("made up", ("model", "Acc@1", "NDCG@10"), rows, ["It is made up."])
    return Result(name, [table], {}, skipped={"a peer": "it is not installed"})


def test_a_page_is_filled_from_the_results_and_its_text_stays(tmp_path: Path) -> None:
    results, page = tmp_path / "results", tmp_path / "docs" / "page.md"
    for name, best in (("quality/one", 0.35), ("quality/two", 0.25)):
        write_result(result_of(name, best), results)
    (results / "quality" / "one.png").write_bytes(b"a picture")
    page.parent.mkdir()
    page.write_text(
        "# Title\n\n<!-- overview quality - -->\nold\n<!-- end -->\n\ntext\n\n"
        "<!-- plot quality/one 1 -->\n<!-- end -->\n"
        "<!-- table quality/one 1 -->\n<!-- end -->\n<!-- notes quality/one 1 -->\n<!-- end -->\n"
        "<!-- plot quality/three 2 -->\n<!-- end -->\nend\n"
    )
    written = refresh(page, results)
    text = page.read_text()
    assert written == [page, page.parent / "plots" / "one.png"]
    assert written[1].read_bytes() == b"a picture"
    assert "\nold\n" not in text
    assert text.startswith("# Title\n\n<!-- overview quality - -->\n| set | recsys |")
    assert (
        "| [one](../benchmarks/results/quality/one.md) | 0.600 (0.500) | 0.500 (0.400) | LinUCB, hybrid: 0.200" in text
    )
    assert "Markov, first order: 0.350 (0.200) |" in text
    assert "most used: 0.300 (0.100) |" in text  # the best rule of the second
    assert "![quality/one: made up](plots/one.png)" in text
    assert "| recsys | 0.500 [0.400, 0.600] | 0.600 [0.500, 0.700] |" in text
    assert "* It is made up.\n* Not run: a peer: it is not installed" in text
    assert "*Not measured here yet: `python -m benchmarks quality --only quality/three`.*" in text
    assert text.endswith("<!-- end -->\nend\n")
    refresh(page, results)
    assert page.read_text() == text


def test_what_has_a_budget_is_shown_beside_it(tmp_path: Path) -> None:
    timed = Table("t", ("what", "p50 [µs]", "baseline", "ratio", "floor", "aim", "verdict"), [
        ("rank", 400.0, "argsort", 31.0, 40.0, 15.0, "floor met"),
    ])  # fmt: skip
    sized = Table("s", ("what", "size [MB]", "floor", "aim", "verdict"), [("wheel", 0.24, 1.0, 0.4, "aim met")])
    free = Table("f", ("what", "n"), [("anything", 1)])
    for name, table in (("rank", timed), ("wheel", sized), ("growth", free)):
        write_result(Result(f"speed/{name}", [table], {}), tmp_path)
    page = tmp_path / "page.md"
    page.write_text("<!-- overview speed - -->\n<!-- end -->\n")
    refresh(page, tmp_path)
    rows = page.read_text().splitlines()[3:-1]
    assert rows == ["| rank | argsort | 31 | 40 | 15 | floor met |", "| wheel | - | 0.24 MB | 1 | 0.4 | aim met |"]


def test_every_scenario_is_on_the_page_with_a_plot_or_draws_none() -> None:
    scenarios = {name for module in GROUPS.values() for name in importlib.import_module(module).SCENARIOS}
    plotted = {name for what, name, _ in shown(PAGE) if what == "plot"}
    assert plotted | PLAIN == scenarios
    assert not plotted & PLAIN
    assert {name for what, name, _ in shown(PAGE) if what != "overview"} <= scenarios


def test_the_pictures_of_the_page_are_there_and_no_others() -> None:
    text = PAGE.read_text(encoding="utf-8")
    linked = {part.partition(")")[0] for part in text.split("](plots/")[1:]}
    assert linked == {path.name for path in (PAGE.parent / "plots").glob("*")}


def made_up_run(data: Path | None, *, quick: bool) -> Result:
    del data, quick
    return result_of("quality/one", 0.3)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_the_command_renews_the_page_when_it_writes_the_results(
    elsewhere: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[Path] = []
    module = types.ModuleType("made_up")
    module.__dict__["SCENARIOS"] = {"quality/one": made_up_run}
    monkeypatch.setitem(sys.modules, "made_up", module)
    monkeypatch.setattr(runner, "GROUPS", {"quality": "made_up"})
    monkeypatch.setattr(runner, "RESULTS", tmp_path)
    monkeypatch.setattr(runner, "refresh", lambda _, results: renewed.append(results))
    assert runner.main(["quality", *(["--out", str(tmp_path / "other")] if elsewhere else [])]) == 0
    assert renewed == ([] if elsewhere else [tmp_path])


def test_the_blocks_of_the_page_are_closed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(shown(PAGE)) == text.count("<!-- end -->") == text.count("<!-- ") / 2
