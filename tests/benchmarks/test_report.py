"""Results print in any terminal and hold nothing of the machine but what explains a number."""

from __future__ import annotations

import itertools
import json
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import plot, report
from benchmarks.plot import write_plots
from benchmarks.report import Result, Table, machine, markdown, print_result, write_result
from recsys.reports import Metric

if TYPE_CHECKING:
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

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


SCALE = Table("by length", ("events", "recsys p50", "bare p50"), [(10, 1.0, 2.0), (100, 1.5, 2.5)], plot="lines")
COST = Table(
    "gain by cost",
    ("model", "NDCG@10", "learn [µs]", "size [bytes]"),
    [("recsys", Metric(0.5, 0.4, 0.6), 20.0, 4000), ("most used", 0.3, 2.0, 100), ("absent", None, None, None)],
    plot="scatter",
)


def test_plots_are_png_of_the_width_of_a_page_and_the_same_every_time(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")
    result = Result("speed/made-up", [*RESULT.tables, SCALE, COST], {})
    first = write_plots(result, tmp_path / "a")
    second = write_plots(result, tmp_path / "b")
    assert [path.name for path in first.values()] == ["made-up.png", "made-up-2.png", "made-up-3.png"]
    for n, path in first.items():
        assert path.read_bytes() == second[n].read_bytes()
        assert str(tmp_path).encode() not in path.read_bytes()
        assert b"Software" not in path.read_bytes()
        assert image.imread(path).shape[1] == 1500
    changed = Table(SCALE.title, SCALE.columns, [(10, 1.0, 2.0), (100, 1.5, 2.6)], plot="lines")
    (other,) = write_plots(Result("speed/made-up", [changed], {}), tmp_path / "c").values()
    assert other.read_bytes() != first[1].read_bytes()


def test_what_has_no_intervals_or_is_not_wanted_is_not_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plain = Table("t", ("what", "n"), [("a", 1)])
    unwanted = Table("t", ("what", "gain"), [("a", Metric(0.5, 0.4, 0.6))], plot=None)
    assert write_plots(Result("speed/plain", [plain, unwanted], {}), tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_the_page_shows_the_plots_that_were_drawn_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = Result("speed/made-up", [Table("no plot", ("what", "n"), [("a", 1)]), SCALE], {})
    _, page = write_result(result, tmp_path, plots=write_plots(result, tmp_path))
    shown = re.findall(r"!\[(.*)\]\((.*)\)", page.read_text(encoding="utf-8"))
    assert shown == [("by length", "made-up-2.png")]
    assert (page.parent / "made-up-2.png").is_file()
    assert "![" not in markdown(result)


def test_what_was_not_run_stands_in_the_result_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = Result("speed/made-up", RESULT.tables, {}, skipped={"a peer": "it is not installed"})
    print_result(result)
    json_file, page = write_result(result, tmp_path)
    assert "a peer: it is not installed" in capsys.readouterr().out
    assert "a peer: it is not installed" in page.read_text(encoding="utf-8")
    assert json.loads(json_file.read_text(encoding="utf-8"))["skipped"] == {"a peer": "it is not installed"}


def test_labels_are_moved_apart_as_little_as_possible() -> None:
    assert plot._apart([0.0, 50.0], 10.0) == [0.0, 50.0]
    assert plot._apart([0.0, 4.0, 50.0], 10.0) == [-3.0, 7.0, 50.0]
    moved = plot._apart([0.0, 1.0, 12.0, 13.0, 99.0], 10.0)
    assert all(b - a >= 10.0 - 1e-9 for a, b in itertools.pairwise(moved))


def test_names_of_points_cover_neither_points_nor_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    taken: list[Bbox] = []
    settle = plot._settle

    def watched(label: Annotation, point: Sequence[float], others: Sequence[Bbox], room: Bbox) -> Bbox:
        box = settle(label, point, others, room)
        assert all(plot._shared(box, other) == 0 for other in others)
        taken.append(box)
        return box

    monkeypatch.setattr(plot, "_settle", watched)
    near = [(f"a model of number {n}", 0.5 + 0.001 * n, 10.0 + 0.1 * n) for n in range(6)]
    table = Table("near", ("model", "gain", "cost"), [*near], plot="scatter")
    write_plots(Result("speed/near", [table], {}), tmp_path)
    assert len(taken) == 6


def test_a_line_to_a_point_is_known_to_run_through_a_name() -> None:
    transforms = pytest.importorskip("matplotlib.transforms")
    label, name = transforms.Bbox.from_bounds(0, 100, 40, 10), transforms.Bbox.from_bounds(0, 50, 40, 10)
    assert plot._crossed(label, (20.0, 0.0), [name]) == 1
    assert plot._crossed(label, (20.0, 200.0), [name]) == 0


def test_long_numbers_are_written_short() -> None:
    assert [plot._suffixed(value) for value in (0.5, 1, 200, 5e3, 1e6, 3.5e11)] == [
        "0.5", "1", "200", "5 k", "1 M", "350 G",
    ]  # fmt: skip


def test_a_title_says_what_it_is_about() -> None:
    table = Table("repeat targets alone", ("model",), [])
    assert plot._titled("quality/kypo-shell", table) == "kypo-shell: repeat targets alone (higher is better)"
    table = Table("by position in the log, kypo-shell", ("model",), [])
    assert plot._titled("quality/kypo-shell", table).startswith("by position in the log, kypo-shell (")
