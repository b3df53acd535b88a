"""``scripts/wall`` runs a selection three times, says what each wall cost, and fails when one found something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.wall import sealed, strace
from tests.wall.leaks import LEAKS
from tests.wall.outside import OUTSIDE

ROOT = Path(__file__).parents[2]
REASON = sealed.why_not() or strace.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


def wall(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.wall", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)


def test_a_sound_selection_passes_every_wall_and_the_cost_is_printed() -> None:
    done = wall("--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout[done.stdout.rindex("to plain") :].splitlines()[1:]
    assert [line.split()[0] for line in table] == ["plain", "sealed", "traced"]
    assert table[0].split()[2:] == ["1.00", "passed"]
    assert table[2].endswith("passed, network calls: 0")


def test_what_stays_outside_is_found_by_name() -> None:
    done = wall("--outside", "--collect-only", "-q")
    assert done.returncode == 0, done.stdout
    assert [start for start in OUTSIDE if start not in done.stdout] == []


def test_a_test_that_leaks_passes_plainly_and_fails_at_both_walls(tmp_path: Path) -> None:
    test = tmp_path / "test_leak.py"
    test.write_text(f"def test_it():\n    exec({LEAKS['a socket by its number']!r})\n")
    done = wall(str(test))
    assert done.returncode == 1
    table = done.stdout[done.stdout.rindex("to plain") :].splitlines()[1:]
    assert table[0].endswith("  passed")
    assert table[1].endswith(f"  FAILED ({sealed.SEALED_TO_DEATH})")
    assert table[2].endswith("  FAILED (1), network calls: 1")
