"""F3, R1, R4: killed at a drawn sample of all system calls that change a file, every deed leaves it as it must be.

``scripts/crash`` goes through all of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash import deeds
from tests.crash.deeds import DEEDS, SWEPT, marks_in, opened
from tests.crash.kill_sweep import Point, Ward, killed, points, sampled
from tests.crash.nursery import Nursery
from tests.crash.verdict import faults_in, wrong_marks
from tests.keyed import plain_only

N_POINTS = 32


def test_a_kill_at_any_call_loses_nothing_and_leaves_no_byte_of_what_was_forgotten(w: Ward) -> None:
    found = {deed: points(w, deed) for deed in SWEPT}
    deaths = [killed(w, point) for point in sampled(found, N_POINTS, seed=1)]
    executed = [death for death in deaths if death is not None]
    assert len(executed) >= N_POINTS - 2
    assert {death.point.deed for death in executed} == {deed for deed in SWEPT if found[deed]}
    assert min(map(len, found.values())) > 0
    assert [death for death in executed if death.faults] == []


@plain_only
def test_a_forget_that_deletes_and_no_more_is_noticed(w: Ward) -> None:
    """F7: rows deleted and the WAL emptied, as one would; a kill in between leaves bytes that nobody removes."""
    found = points(w, "forget items", fault="naive", sound=False)
    deaths = (killed(w, point, fault="naive") for point in random.Random(1).sample(found, len(found)))
    faults = (fault for death in deaths if death is not None for fault in death.faults)
    assert any(fault.startswith("bytes of a forgotten event are left") for fault in faults)


def test_a_point_that_no_process_reached_does_not_count(w: Ward) -> None:
    assert killed(w, Point("add", "pwrite64", 9_999, ("me.db",))) is None


# The verdict


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with closing(Nursery()) as found:
        yield found


def test_a_verdict_tells_lost_returned_and_half_done_from_sound(tmp_path: Path, nursery: Nursery) -> None:
    deeds.fill(tmp_path / "me.db")
    done = {name: [["about", 0], ["done", 0, ""]] for name in DEEDS}

    def verdict(name: str, said: list[list[object]]) -> list[str]:
        return sorted({fault.split(":")[0] for fault in faults_in(tmp_path, DEEDS[name], said, nursery)})

    assert verdict("record late", [["about", 0]]) == ["an acknowledged event is lost"]  # the one recorded before
    assert verdict("record", []) == ["a forgotten event came back"]  # the verdict's own event, recorded to go on
    with opened(tmp_path / "me.db") as rec:
        rec.forget(since=deeds.START + deeds.N_BASE)
    assert verdict("record", done["record"]) == ["an acknowledged event is lost"]


def test_a_verdict_finds_bytes_and_what_is_pending(tmp_path: Path, nursery: Nursery) -> None:
    deeds.fill(tmp_path / "me.db")
    with opened(tmp_path / "me.db") as rec:
        rec.record_many([deeds.event(40)])
        rec.forget(items=[deeds.HUSH])
        (tmp_path / "left").write_text("something " + deeds.word(5))
        rec._store._writer.cursor.execute("INSERT INTO pending VALUES ('another matter')")
    said = [["about", 0], ["done", 0, "erased"]]
    faults = faults_in(tmp_path, DEEDS["forget items"], said, nursery)
    assert faults == [
        f"bytes of a forgotten event are left: left: {deeds.word(5).encode()!r}",
        "an erasure is left pending",
    ]


def test_marks_that_are_neither_before_nor_after_are_half_a_step(tmp_path: Path) -> None:
    deeds.fill(tmp_path / "me.db")
    with opened(tmp_path / "me.db") as rec:
        found = marks_in(rec)
    before, after = deeds.FILLED, deeds.FILLED - deeds.of([5, 13])
    assert set(found) == before
    assert wrong_marks(found, [before]) == wrong_marks(found, [before, after]) == []
    assert wrong_marks(found, [after]) == ["a forgotten event came back: 2"]
    half = [mark for mark in found if mark not in deeds.of([5])]
    assert wrong_marks(half, [before, after]) == ["half of a step is there"]
    assert wrong_marks(half, [before]) == ["an acknowledged event is lost: 1"]
    assert wrong_marks([*found, found[0]], [before]) == ["half of a step is there: something twice"]
