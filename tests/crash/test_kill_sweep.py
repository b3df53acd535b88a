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
from tests.crash.deeds import DEEDS, GROWING, SWEPT, marks_in, opened
from tests.crash.kill_sweep import Point, Ward, killed, killed_at_tree, points, sampled
from tests.crash.nursery import Nursery
from tests.crash.verdict import faults_in, wrong_marks
from tests.keyed import plain_only
from tests.small_trees import needs_trees

N_POINTS = 32
N_TREES = 3


def test_a_kill_at_any_call_loses_nothing_and_leaves_no_byte_of_what_was_forgotten(w: Ward) -> None:
    found = {deed: points(w, deed) for deed in SWEPT}
    deaths = [killed(w, point) for point in sampled(found, N_POINTS, seed=1)]
    executed = [death for death in deaths if death is not None]
    assert len(executed) >= N_POINTS - 2
    assert {death.point.deed for death in executed} == {deed for deed in SWEPT if found[deed]}
    assert min(map(len, found.values())) > 0
    assert [death for death in executed if death.faults] == []


@needs_trees
def test_a_kill_among_growing_trees_leaves_none_that_is_not_of_the_log(w: Ward) -> None:
    """Each deed with trees is killed at one call; and one that grows, at trees, before they are grown or written."""
    found = {deed: points(w, deed) for deed in random.Random(3).sample(GROWING, N_TREES)}
    deaths = [killed(w, point) for point in sampled(found, 2 * N_TREES, seed=1)]
    deaths += [killed_at_tree(w, "grow", n, grown=n % 2 == 0) for n in (1, 2, 4, 7)]
    executed = [death for death in deaths if death is not None]
    assert len(executed) >= 2 * N_TREES + 2
    assert [death for death in executed if death.faults] == []


@needs_trees
@pytest.mark.parametrize(
    ("fault", "deed", "wanted"),
    [
        ("trees stay", "grow: forget events", "trees of another log are in the file"),
        ("trees unripe", "grow", "finished trees are not those of an undisturbed life"),
    ],
)
def test_trees_that_stay_or_are_written_unripe_are_noticed(w: Ward, fault: str, deed: str, wanted: str) -> None:
    found = points(w, deed, fault=fault, sound=False)
    deaths = (killed(w, point, fault=fault) for point in random.Random(1).sample(found, len(found)))
    assert any(one == wanted for death in deaths if death for one in death.faults)


@needs_trees
def test_trees_that_are_dropped_in_a_transaction_of_their_own_are_noticed(w: Ward) -> None:
    """Found between the two transactions: at the first write after the one in which the events were deleted."""
    job = {"fault": "trees later"}
    found = points(w, "grow: forget half grown", sound=False, **job)
    first_sync = next(place for place, point in enumerate(found) if point.call == "fdatasync")
    deaths = [killed(w, point, **job) for point in found[first_sync : first_sync + 12]]
    assert any(fault == "trees of another log are in the file" for death in deaths if death for fault in death.faults)


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
