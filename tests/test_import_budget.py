"""What ``import recsys`` and the hot path load: NumPy, sqlite3 and quiet parts of the standard library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core_smoke import FORBIDDEN

ROOT = Path(__file__).parents[1]

# Every call of the public face: N4.
USE = """
import pathlib, sys, tests.wall.session
made = tests.wall.session.live(pathlib.Path(sys.argv[1]), 8, 0)
assert len(made) >= 20
"""


def loaded_by(code: str, folder: Path) -> set[str]:
    """Which forbidden modules a fresh process has after `code` that it did not have after NumPy and sqlite3."""
    script = f"""
import sys, numpy, sqlite3
before = set(sys.modules)
{code}
import json
print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))
"""
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    by_numpy, after = (set(names) for names in json.loads(done.stdout.splitlines()[-1]))
    print("of the forbidden modules, NumPy and sqlite3 alone load:", sorted(by_numpy & set(FORBIDDEN)) or "none")
    return after & set(FORBIDDEN)


@pytest.mark.parametrize("code", ["import recsys", USE], ids=["import", "use"])
def test_the_core_loads_nothing_that_can_reach_a_network_and_nothing_heavy(code: str, tmp_path: Path) -> None:
    assert loaded_by(code, tmp_path) == set()


@pytest.mark.parametrize("name", ["socket", "ssl", "asyncio", "urllib.request", "subprocess", "ftplib", "click"])
def test_a_planted_import_is_seen(name: str, tmp_path: Path) -> None:
    assert name in loaded_by(f"import {name}", tmp_path)
