"""Results print in any terminal and hold nothing of the machine but what explains a number."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.plot import write_plots
from benchmarks.report import Result, Table, machine, markdown, print_result, write_result
from recsys.reports import Metric

RESULT = Result(
    "speed/made-up",
    [
        Table(
            "made up",
            ("what", "µs", "with interval"),
            [("a", 1.5, Metric(0.5, 0.25, 0.75)), ("much", 123456.7, None), ("n", 12345, "met")],
            ["A note."],
        )
    ],
    {"data": 7},
)
SHOWN = ["0.500 [0.250, 0.750]", "123,457", "12,345", "1.5", "met", "A note."]


@pytest.mark.parametrize("rich", [True, False])
def test_tables_print_whole_with_and_without_rich(
    rich: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not rich:

        def missing(*_: object) -> None:
            raise ModuleNotFoundError

        monkeypatch.setattr(report, "_print_rich", missing)
    monkeypatch.setenv("COLUMNS", "20")
    print_result(RESULT)
    printed = capsys.readouterr().out
    assert all(text in printed for text in ["speed/made-up: made up", *SHOWN])


def test_markdown_holds_the_table_the_seeds_and_the_command() -> None:
    page = markdown(RESULT, "2031-01-02")
    assert "| a | 1.5 | 0.500 [0.250, 0.750] |" in page
    assert "| much | 123,457 | - |" in page
    for text in ("data 7", "python -m benchmarks speed --only speed/made-up", "2031-01-02", "* A note."):
        assert text in page


def test_a_quick_result_says_so_wherever_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    quick = Result(RESULT.id, RESULT.tables, RESULT.seeds, quick=True)
    print_result(quick)
    assert "numbers mean nothing" in capsys.readouterr().out
    assert "numbers mean nothing" in markdown(quick)
    assert "numbers mean nothing" not in markdown(RESULT)


def test_results_are_written_as_json_and_markdown_without_a_date_of_their_own(tmp_path: Path) -> None:
    paths = write_result(RESULT, tmp_path)
    assert paths == [tmp_path / "speed" / "made-up.json", tmp_path / "speed" / "made-up.md"]
    body = json.loads(paths[0].read_text(encoding="utf-8"))
    assert (body["date"], body["seeds"]) == (None, {"data": 7})
    assert body["tables"][0]["rows"][0] == ["a", 1.5, {"mean": 0.5, "low": 0.25, "high": 0.75}]


def test_the_machine_has_no_name() -> None:
    text = json.dumps(machine())
    assert all(name not in text for name in (platform.node(), str(Path.cwd()), str(Path.home())) if name)


def test_what_has_intervals_is_drawn_the_same_every_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (first,) = write_plots(RESULT, tmp_path / "a")
    (second,) = write_plots(RESULT, tmp_path / "b")
    assert first == tmp_path / "a" / "speed" / "made-up.svg"
    assert first.read_bytes() == second.read_bytes()
    drawn = first.read_text(encoding="utf-8")
    assert "with interval" in drawn
    assert str(tmp_path) not in drawn
    plain = Result("speed/plain", [Table("t", ("what", "n"), [("a", 1)])], {})
    assert write_plots(plain, tmp_path) == []
