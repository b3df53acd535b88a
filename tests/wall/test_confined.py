"""Confined by Landlock to its data folder the core does all it does, and nothing gets out of the folder (N2, F6)."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wall import confined
from tests.wall.leaks import OUTSIDE_WRITES
from tests.wall.session import CALLS

REASON = confined.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))
ROOT = Path(__file__).parents[2]


def run_confined(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.wall.confined", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)


def test_the_whole_public_face_works_when_only_its_folder_can_be_written(tmp_path: Path) -> None:
    done = run_confined(tmp_path, "-m", "tests.wall.session", str(tmp_path), "6", "40")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == set(CALLS)
    assert (tmp_path / "me.db").stat().st_size > 0


def listed(folder: Path) -> list[tuple[str, int]]:
    return sorted((path.name, path.lstat().st_size) for path in folder.iterdir())


@pytest.mark.parametrize("write", OUTSIDE_WRITES)
def test_a_planted_write_outside_is_refused_and_inside_it_is_not(write: str, tmp_path: Path) -> None:
    inside, outside = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "there").write_text("old")
    before = listed(outside)
    assert run_confined(inside, "-c", OUTSIDE_WRITES[write].format(str(outside))).returncode != 0
    assert listed(outside) == before
    assert run_confined(inside, "-c", OUTSIDE_WRITES[write].format(str(inside))).returncode == 0
    assert listed(inside) != before


@pytest.mark.parametrize("arguments", [[], ["{folder}"], ["{folder}/absent", "-c", "pass"]])
def test_without_a_folder_and_something_to_run_the_usage_is_said(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert confined.main([word.format(folder=tmp_path) for word in arguments]) == 2
    assert capsys.readouterr().err == f"{confined.USAGE}\n"


def test_a_refused_write_is_a_permission_error() -> None:
    done = run_confined(ROOT / "docs", "-c", "import os\ntry: open('x', 'w')\nexcept OSError as e: os._exit(e.errno)")
    assert done.returncode == errno.EACCES
    assert not (ROOT / "x").exists()
