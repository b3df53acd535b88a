"""Damaged trees, in a child process: the original or grown anew, never a death, and never another ranking.

What ``test_trees.py`` does to the bytes of one stage alone is here done to stages in a file that is then used; and
to bytes whose digest was made to agree, which no accident does: they are refused, or are trees.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from recsys import Recommender, Settings
from tests.keyed import plain_only
from tests.properties.eyes import ROOT
from tests.properties.trees_world import lived
from tests.small_trees import grow, needs_trees, small_trees

pytestmark = [needs_trees, plain_only]
SETTINGS: Final = Settings(trees=True, synchronous="normal", ballast=False, choice_set_size=8)
EVERY: Final = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 61  # so manyth bit, and cut

_COMMON: Final = """
import sqlite3, sys, warnings
from contextlib import closing
from pathlib import Path
import numpy as np
from recsys import Recommender
from recsys.digest import blake2b
from recsys.errors import CheckpointError
from recsys.learn.stages import Stage
from tests.properties.test_damaged_trees import SETTINGS
from tests.small_trees import grow, small_trees, stages_in

path, every, fault = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
stack = small_trees()
stack.__enter__()
warnings.simplefilter("ignore")
if fault == "no digest":
    decode, real = Stage.decode, blake2b(b"").digest
    from recsys.learn import stages
    class Any:
        def __init__(self, body, **_): pass
        def digest(self): return Same()
    class Same:
        def __eq__(self, other): return True
        def __ne__(self, other): return False
    stages_blake2b = stages.blake2b
    Stage.decode = classmethod(lambda cls, blob, basis: agreed(blob, basis))
    def agreed(blob, basis):
        body = blob[32:]
        return decode(stages_blake2b(body, digest_size=32, key=basis.encode()).digest() + body, basis)
with closing(Recommender(path, settings=SETTINGS)) as rec:
    sound = stages_in(rec)
    seen = [(r.item_id, r.score) for r in rec.recommend(9, at=1_800_000_000)]
number, (at_us, basis, blob) = max(sound.items())
db = sqlite3.connect(path, isolation_level=None)

def tried(sql, *values):
    \"\"\"Damage the file; look; let it grow anew; whether all is as it was.\"\"\"
    db.execute(sql, values)
    with closing(Recommender(path, settings=SETTINGS)) as rec:
        rec.recommend(9, at=1_800_000_000)
        rec.stats(), rec.check()
        grow(rec)
        same = stages_in(rec) == sound
        same = same and [(r.item_id, r.score) for r in rec.recommend(9, at=1_800_000_000)] == seen
    if not same:
        print("another:", sql, len(values and values[0] or b""))
    return 1
"""

_BYTES: Final = """
put = "UPDATE stages SET blob = ? WHERE number = " + str(number)
n = sum(tried(put, blob[:at]) for at in range(0, len(blob), every))
n += sum(tried(put, blob[: bit // 8] + bytes([blob[bit // 8] ^ 1 << bit % 8]) + blob[bit // 8 + 1 :])
         for bit in range(0, 8 * len(blob), 5 * every))
print(n)
"""
_FEW: Final = """
put = "UPDATE stages SET blob = ? WHERE number = " + str(number)
for at in range(70, len(blob), 40):
    tried(put, blob[:at] + bytes([blob[at] ^ 64]) + blob[at + 1 :])
print(len(blob))
"""

_ROWS: Final = """
first = min(sound)
n = sum(tried(sql) for sql in (
    "UPDATE stages SET blob = 'text'", "UPDATE stages SET blob = x''", "UPDATE stages SET basis = 'another'",
    "UPDATE stages SET basis = x'00'", "UPDATE stages SET at_us = 'late'", "UPDATE stages SET at_us = -1",
    f"UPDATE stages SET number = number + 1000", f"UPDATE stages SET number = -number",
    f"DELETE FROM stages WHERE number = {first}", f"DELETE FROM stages WHERE number = {number}", "DELETE FROM stages",
    f"UPDATE stages SET blob = (SELECT blob FROM stages WHERE number = {first}) WHERE number = {number}",
    f"UPDATE stages SET blob = (SELECT blob FROM stages WHERE number = {number})",
    f"INSERT INTO stages SELECT 9999, at_us, basis, blob FROM stages WHERE number = {number}",
    f"UPDATE stages SET blob = randomblob(4096)", "UPDATE stages SET blob = zeroblob(300)"))
print(n)
"""

_AGREED: Final = """
body, n_refused, n_trees = blob[32:], 0, 0
levels = np.random.default_rng(0).integers(0, 255, (64, 40)).astype(np.uint8)
for bit in range(0, 8 * len(body), max(every // 8, 1)):
    damaged = body[: bit // 8] + bytes([body[bit // 8] ^ 1 << bit % 8]) + body[bit // 8 + 1 :]
    try:
        stage = Stage.decode(blake2b(damaged, digest_size=32, key=basis.encode()).digest() + damaged, basis)
    except CheckpointError:
        n_refused += 1
        continue
    n_trees += 1
    scores = stage.forest.scores(levels)
    assert np.isfinite(scores).all(), bit
    parts = stage.forest.contributions(levels)
    assert parts.shape[1] == 40
assert n_refused and n_trees
print(n_refused + n_trees)
"""


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    with small_trees(), closing(Recommender(path, settings=SETTINGS)) as rec:
        rec.record_many(lived(40))
        grow(rec)
    return path


def tried(path: Path, code: str, fault: str = "") -> list[str]:
    """What the child says: how much was tried, last; before it, what was wrong."""
    command = [sys.executable, "-c", _COMMON + code, str(path), str(EVERY), fault]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.returncode == 0, f"it died: {child.returncode}\n{child.stderr[-2000:]}"
    return child.stdout.splitlines()


def test_cut_and_flipped_stages_in_a_file_are_grown_anew(grown: Path) -> None:
    *wrong, n = tried(grown, _BYTES)
    assert wrong == []
    assert int(n) > 10


def test_rows_of_stages_that_make_no_sense_are_grown_anew(grown: Path) -> None:
    *wrong, n = tried(grown, _ROWS)
    assert wrong == []
    assert int(n) == 16


def test_damage_whose_digest_agrees_is_refused_or_trees(grown: Path) -> None:
    *wrong, n = tried(grown, _AGREED)
    assert wrong == []
    assert int(n) > 400


def test_trees_that_are_taken_up_without_a_look_at_the_digest_are_noticed(grown: Path) -> None:
    *wrong, _ = tried(grown, _FEW, "no digest")
    assert wrong != []
