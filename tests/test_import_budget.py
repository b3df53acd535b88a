"""What ``import recsys`` and the hot path load: NumPy, sqlite3 and quiet parts of the standard library."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.core_smoke import FORBIDDEN

USE = """
import recsys
with recsys.Recommender(":memory:") as rec:
    rec.add([{"id": "a"}, {"id": "b"}])
    rec.record("a", at=1_700_000_000.0)
    slate = rec.recommend(2, at=1_700_000_100.0)
    rec.shown(slate)
    rec.record("b", slate=slate)
    slate[0].reasons
    rec.explain("a")
    rec.forget(items=["a"])
    rec.maintain()
"""


def loaded_by(code: str) -> set[str]:
    """Which forbidden modules a fresh process has after `code` that it did not have after NumPy and sqlite3."""
    script = f"""
import sys, numpy, sqlite3
before = set(sys.modules)
{code}
import json
print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    by_numpy, after = (set(names) for names in json.loads(done.stdout.splitlines()[-1]))
    print("of the forbidden modules, NumPy and sqlite3 alone load:", sorted(by_numpy & set(FORBIDDEN)) or "none")
    return after & set(FORBIDDEN)


@pytest.mark.parametrize("code", ["import recsys", USE], ids=["import", "use"])
def test_the_core_loads_nothing_that_can_reach_a_network_and_nothing_heavy(code: str) -> None:
    assert loaded_by(code) == set()


@pytest.mark.parametrize("name", ["socket", "ssl", "asyncio", "urllib.request", "click"])
def test_a_planted_import_is_seen(name: str) -> None:
    assert name in loaded_by(f"import {name}")
