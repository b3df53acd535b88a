"""Trees are a function of the log: however growing was cut, whatever was forgotten, wherever the process died."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from recsys import Recommender, Settings
from recsys.grove import Growing
from recsys.learn import stages
from recsys.learn.checkpoint import encode
from recsys.log import deletion
from tests.keyed import plain_only
from tests.properties.trees_world import SETTINGS, grown, lived, opened, rows, sliced, take_steps

pytest.importorskip("lightgbm")
pytestmark = plain_only

N = 700


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[object, ...]]:
    """The stages of a life that was recorded in one go, with trees grown at the end in large steps."""
    found = grown(tmp_path_factory.mktemp("once") / "log.db", lived(N))
    assert len(found) >= 3, "several stages, of which some go on and some begin anew"
    return found


@pytest.mark.parametrize("seed", range(3))
def test_trees_are_the_same_bytes_however_growing_was_cut(
    tmp_path: Path, once: dict[int, tuple[object, ...]], seed: int
) -> None:
    draw, n_reopened = random.Random(seed), 0
    rec = opened(tmp_path / "log.db")
    for events in sliced(lived(N), seed):
        rec.record_many(events)
        take_steps(rec, draw.randrange(25))
        if draw.random() < 0.5:
            rec.close()
            rec, n_reopened = opened(tmp_path / "log.db"), n_reopened + 1
    n_steps = take_steps(rec)
    assert n_steps + n_reopened > 5
    assert rows(rec) == once
    assert rec.maintain() is False, "all is done"
    assert {finding.severity for finding in rec.check()} == {"ok"}
    rec.close()


@pytest.mark.parametrize("which", ["the newest", "the oldest", "an item", "a day in the middle", "late"])
def test_forgetting_leaves_the_trees_of_a_log_that_never_knew(tmp_path: Path, which: str) -> None:
    events = lived(N)
    with closing(opened(tmp_path / "log.db")) as rec:
        rec.record_many(events)
        take_steps(rec, budget_ms=1_000)
        before = rows(rec)
        if which == "an item":
            gone = {event.uid for event in events if event.item_id == "item-3"}
        else:
            at = {"the newest": [-1], "the oldest": [0], "late": [N - 200], "a day in the middle": range(300, 340)}
            gone = {events[i].uid for i in at[which]}
        receipt = rec.forget(events=gone)
        assert receipt.status == "erased"
        oldest = min(event.at_us for event in events if event.uid in gone)
        assert all(at_us < oldest for at_us, *_ in rows(rec).values()), "what knew of it went with it"
        left = {n: row for n, row in before.items() if row[0] < oldest}
        assert rows(rec) == left, "and what did not, stayed"
        assert receipt.n_stages == len(before) - len(left)
        take_steps(rec)
        after, state = rows(rec), encode(rec._live.state, "")
    never = [event for event in events if event.uid not in gone]
    with closing(opened(tmp_path / "never.db")) as other:
        other.record_many(never)
        take_steps(other, budget_ms=1_000)
        assert encode(other._live.state, "") == state
        assert rows(other) == after
    assert after != before or which == "the newest"


def left_of_the_trees(path: Path) -> int:
    """Forget in the middle; how many pieces of the stages that knew of it stand in the files afterwards."""
    events = lived(N)
    with closing(opened(path)) as rec:
        rec.record_many(events)
        take_steps(rec, budget_ms=1_000)
        oldest = events[-250].at_us
        blobs = [blob for at_us, _, blob in rows(rec).values() if isinstance(at_us, int) and at_us >= oldest]
        pieces = [piece for blob in blobs if isinstance(blob, bytes) for piece in (blob[:32], blob[-32:])]
        assert len(pieces) >= 4
        assert all(piece in everything(path) for piece in pieces), "before, they are there"
        assert rec.forget(events=[events[-250].uid]).status == "erased"
        return sum(piece in everything(path) for piece in pieces)


def everything(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))


def test_no_byte_of_forgotten_trees_is_left_in_the_files(tmp_path: Path) -> None:
    assert left_of_the_trees(tmp_path / "log.db") == 0


def test_trees_that_stayed_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "drop_stages_from", lambda *_: 0)
    assert left_of_the_trees(tmp_path / "log.db") > 0


def test_what_comes_late_drops_the_trees_that_did_not_know_it(
    tmp_path: Path, once: dict[int, tuple[object, ...]]
) -> None:
    events = lived(N)
    with closing(opened(tmp_path / "log.db")) as rec:
        rec.record_many([event for n, event in enumerate(events) if n != 50])
        take_steps(rec, budget_ms=1_000)
        rec.record_many([events[50]])
        assert rows(rec) == {}
        take_steps(rec, budget_ms=1_000)
        assert rows(rec) == once


@pytest.mark.parametrize("meanwhile", ["forgotten", "recorded", "paused", "closed"])
def test_what_happens_while_a_tree_grows_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, once: dict[int, tuple[object, ...]], meanwhile: str
) -> None:
    """Trees grow outside the lock: what was grown from a log that is another by then is not written."""
    events, advance, n_done = lived(N), Growing.advance, 0
    rec = opened(tmp_path / "log.db")
    rec.record_many(events[: N - 50])
    while rec._live.worth_saving:
        rec.maintain(50)

    def slowly(growing: Growing, deadline: float) -> None:
        nonlocal n_done
        advance(growing, deadline)
        n_done += 1
        if n_done == 3:
            if meanwhile == "forgotten":
                assert rec.forget(events=[events[20].uid]).status == "erased"
            elif meanwhile == "recorded":
                rec.record_many(events[N - 50 :])
            elif meanwhile == "paused":
                rec.pause()
            else:
                rec.close()

    monkeypatch.setattr(Growing, "advance", slowly)
    take_steps(rec, 3)
    if meanwhile in ("paused", "closed"):
        rec.close()
        rec = opened(tmp_path / "log.db")
    if meanwhile == "forgotten":
        assert rows(rec) == {}
    if meanwhile != "recorded":
        rec.record_many(events[N - 50 :])
    take_steps(rec)
    assert n_done > 3
    gone = {events[20].uid} if meanwhile == "forgotten" else set()
    wanted = grown(tmp_path / "never.db", [e for e in events if e.uid not in gone]) if gone else once
    assert rows(rec) == wanted
    rec.close()


def test_a_killed_process_loses_at_most_a_step(tmp_path: Path, once: dict[int, tuple[object, ...]]) -> None:
    path, n_kills = tmp_path / "log.db", 0
    with closing(opened(path)) as rec:
        rec.record_many(lived(N))
    code = """
import os, sys, random
from pathlib import Path
from recsys.learn.trees import Grower
from tests.properties.trees_world import opened, take_steps

grow, n = Grower.grow, int(sys.argv[2])
def dies(self):
    global n
    n -= 1
    if not n:
        os.kill(os.getpid(), 9)
    return grow(self)
Grower.grow = dies
take_steps(opened(Path(sys.argv[1])))
"""
    n_trees = 0
    for after in (1, 2, 9, 30, 5):
        child = subprocess.run([sys.executable, "-c", code, str(path), str(after)], check=False, cwd=Path.cwd())
        assert child.returncode == -signal.SIGKILL
        n_kills += 1
        with closing(opened(path)) as rec:
            there = rec._grove.stages(rec._store, rec._live)
            now = sum(stages.goal(s.number) if s.complete else s.forest.n_trees for s in there)
            assert now >= n_trees + (after - 1 if not n_trees else 0)
            n_trees = now
    with closing(opened(path)) as rec:
        take_steps(rec)
        assert rows(rec) == once
    assert n_kills == 5
    assert n_trees > 32


def test_damaged_trees_are_the_original_or_grown_anew_and_never_a_death(tmp_path: Path) -> None:
    """Every cut and every flipped byte, in a child process; and a few of them through the file and grown anew."""
    path = tmp_path / "log.db"
    sound = grown(path, lived(450))
    number = max(sound)
    blob, basis = sound[number][2], sound[number][1]
    assert isinstance(blob, bytes)
    (tmp_path / "blob").write_bytes(blob)
    code = """
import sys
from pathlib import Path
from recsys.errors import CheckpointError
from recsys.learn.stages import Stage

blob, basis = Path(sys.argv[1]).read_bytes(), sys.argv[2]
assert Stage.decode(blob, basis).encode(basis) == blob
tried = 0
def refused(damaged):
    global tried
    try:
        Stage.decode(damaged, basis)
    except CheckpointError:
        tried += 1
    else:
        raise SystemExit("taken up")
for n in range(len(blob)):
    refused(blob[:n])
for n in range(len(blob)):
    for bit in range(8):
        refused(blob[:n] + bytes([blob[n] ^ 1 << bit]) + blob[n + 1:])
refused(blob + b"x")
try:
    Stage.decode(blob, "another basis")
except CheckpointError:
    print(tried)
"""
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "blob"), str(basis)], check=False, capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) == 9 * len(blob) + 1
    for damaged in (b"", blob[:-1], bytes([blob[0] ^ 1]) + blob[1:], blob[:200] + b"\xff" * 40 + blob[240:]):
        copy = Path(shutil.copy(path, tmp_path / "copy.db"))
        db = sqlite3.connect(copy)
        db.execute("UPDATE stages SET blob = ? WHERE number = ?", (damaged, number))
        db.commit()
        db.close()
        with closing(opened(copy)) as rec:
            with pytest.warns(RuntimeWarning, match="damaged trees"):
                rec.recommend(3, at=1_800_000_000)
            take_steps(rec)
            assert rows(rec) == sound


def test_trees_with_a_sound_digest_and_another_log_are_not_taken_up(tmp_path: Path) -> None:
    one, other = grown(tmp_path / "one.db", lived(450)), grown(tmp_path / "other.db", lived(450, seed=1))
    assert one.keys() == other.keys()
    with closing(opened(tmp_path / "one.db")) as rec:
        for number, (at_us, basis, blob) in other.items():
            rec._store.save_stage(number, at_us, basis, blob)  # type: ignore[arg-type]
        rec._grove.doubtful = True
        assert rec._grove.stages(rec._store, rec._live) == []
        assert any(finding.severity == "warning" and finding.what == "trees" for finding in rec.check())
        take_steps(rec)
        assert rows(rec) == one


def test_serving_needs_no_lightgbm_and_without_it_nothing_is_grown(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(opened(path)) as rec:
        rec.record_many(lived(N))
        take_steps(rec, budget_ms=1_000)
        rec.record_many(lived(N + 200)[N:])
        n_before = len(rows(rec))
    code = """
import sys
from pathlib import Path
sys.modules["lightgbm"] = None  # as if it were not there
from recsys.learn.stages import Verdict
from recsys import grove
real = grove.Grove.verdict
grove.Grove.verdict = lambda *given: real(*given)._replace(serves=True)
from tests.properties.trees_world import opened
rec = opened(Path(sys.argv[1]))
slate = rec.recommend(5, at=1_800_000_000)
assert len(slate) == 5 and rec._grown().own.n_trees
assert rec.maintain(50) is False and rec.maintain(50) is False
assert sys.modules["lightgbm"] is None
rec.close()
print(sorted(name for name in sys.modules if name.split(".")[0] in ("lightgbm", "scipy", "pandas", "sklearn")))
"""
    child = subprocess.run([sys.executable, "-c", code, str(path)], check=False, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    assert child.stdout.strip() == "['lightgbm']"
    with closing(opened(path)) as rec:
        assert len(rows(rec)) <= n_before


def test_without_the_setting_nothing_is_kept_or_grown(tmp_path: Path) -> None:
    with closing(Recommender(tmp_path / "log.db", settings=Settings(ballast=False))) as rec:
        rec.record_many(lived(450))
        take_steps(rec, budget_ms=100)
        assert rec._live.state.lessons is None
        assert rec.stats().trees is None
        assert rec._store.stages() == []


def test_reading_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    grown(path, lived(450))
    before = path.read_bytes()
    with closing(Recommender(path, settings=SETTINGS)) as rec:
        rec.pause()
        rec.recommend(5, at=1_800_000_000)
        assert rec.stats().trees is not None
        assert rec.maintain(50) is False
    assert path.read_bytes() == before
