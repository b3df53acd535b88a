"""What is required is found whole and without extras, and sizes are those of the files."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import size
from benchmarks.fresh import ROOT
from benchmarks.size import EVENTS, IN_MEMORY, LIBRARIES, OURS, REQUIRES, SCENARIOS, learn_small, required

if sys.version_info >= (3, 11):
    import tomllib


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib comes with Python 3.11")
def test_what_recsys_requires_is_what_its_project_file_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [need.partition(">")[0] for need in project["dependencies"]] == list(REQUIRES)


def test_requirements_are_followed_to_the_end_and_extras_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {
        "a": ["B-b>=1", "c; extra == 'more'", "d ; python_version < '3'"],
        "b-b": ["e (>=2)", "a"],
        "e": None,
    }
    monkeypatch.setattr(importlib.metadata, "requires", needs.__getitem__)
    assert required(["A"]) == ["a", "b-b", "e"]


def test_installed_sizes_are_those_of_the_files_without_bytecode() -> None:
    result = SCENARIOS["size/installed"](None, quick=True)
    rows = {row[0]: row for row in result.tables[0].rows}
    tracked = subprocess.run(["git", "ls-files", "recsys"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode == 0 and tracked.stdout:
        n_bytes = sum((ROOT / name).stat().st_size for name in tracked.stdout.splitlines())
        assert rows[OURS][1] == pytest.approx(n_bytes / 1e6)
    assert rows[OURS][2] > rows[OURS][1]
    assert rows[OURS][3] == 1.0
    for name, row in rows.items():
        if name in LIBRARIES:
            assert row[2] >= row[1] > 0
            assert row[3] == pytest.approx(row[2] / rows[OURS][2])
    assert all(name in rows or name in result.skipped for name in [*LIBRARIES, "recsys, as a wheel"])


def test_a_file_counts_once_and_bytecode_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_bytes(b"x" * 10)
    (tmp_path / "a.pyc").write_bytes(b"x" * 1000)

    class Recorded:
        def __init__(self, name: str) -> None:
            self.name = name

        def locate(self) -> Path:
            return tmp_path / self.name

    names = ["a.py", "a.pyc", "a.py", "gone"]
    monkeypatch.setattr(importlib.metadata, "files", lambda _: [Recorded(name) for name in names])
    assert size._size_bytes("made-up") == 10


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = size.Library("no_such_module", "import no_such_module")
    monkeypatch.setattr(size, "LIBRARIES", {"no-such": absent})
    assert size._libraries() == ([], {"no-such": "it is not installed"})


def test_imports_are_timed_and_a_small_log_is_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size, "LIBRARIES", {})
    monkeypatch.setattr(size, "first_of_each_library", lambda: ({}, {}))
    imported, learnt = SCENARIOS["size/import"](None, quick=True).tables
    assert [row[0] for row in imported.rows] == ["import numpy", "import recsys"]
    assert all(cell > 0 for row in imported.rows for cell in row[1:6])
    assert imported.rows[0][3] == imported.rows[1][4] == 1.0
    assert [row[0] for row in learnt.rows] == [EVENTS, IN_MEMORY, size.DURABLE]
    assert all(row[1] > 10 for row in learnt.rows)


def test_what_was_learnt_is_kept(tmp_path: Path) -> None:
    model, scores = learn_small(IN_MEMORY, tmp_path, 5, 20)
    assert scores.shape == (5,)
    assert model is not None
    assert learn_small(EVENTS, tmp_path, 5, 20) == (None, None)
