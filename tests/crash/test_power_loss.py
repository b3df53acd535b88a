"""F4, R1: whatever of its unsynced writes a power cut takes, the file is sound and what was forgotten stays gone.

``scripts/crash`` goes through thousands of states.
"""

from __future__ import annotations

import random

import pytest

from tests.crash.kill_sweep import Ward
from tests.crash.power_loss import CONTROLS, Disk, Image, State, images, judged, lived, replayed, states
from tests.crash.syscalls import Call
from tests.small_trees import needs_trees

N_STATES, N_STATES_WITH_TREES = 100, 25
GROWING_LIFE = "life, with trees"
FOLDER = "/f"


def drawn(w: Ward, **job: object) -> list[State]:
    """States of a life, in a drawn order."""
    calls, folder = lived(w, **job)
    found = list(states(calls, folder, n_random=1, every=50))
    return random.Random(1).sample(found, len(found))


def test_no_power_cut_loses_what_was_acknowledged_or_brings_back_what_was_forgotten(w: Ward) -> None:
    chosen = drawn(w)[:N_STATES]
    assert len(chosen) == N_STATES
    assert [
        (state.said[-1:], faults) for state, faults in zip(chosen, replayed(w, chosen), strict=True) if faults
    ] == []


@needs_trees
def test_no_power_cut_leaves_trees_that_are_not_of_the_log(w: Ward) -> None:
    calls, folder = lived(w, GROWING_LIFE)
    found = list(states(calls, folder, n_random=1, every=200))
    chosen = random.Random(1).sample(found, N_STATES_WITH_TREES)
    assert [faults for faults in replayed(w, chosen, GROWING_LIFE) if faults] == []


@pytest.mark.parametrize(("job", "fault"), CONTROLS, ids=[" ".join(job.values()) for job, _ in CONTROLS])
def test_a_planted_fault_is_found(w: Ward, job: dict[str, object], fault: str) -> None:
    """F7: less than everything is not enough."""
    assert any(found.startswith(fault) for state in drawn(w, **job) for found in judged(w, state))


# The simulated disk


def left(calls: list[Call], n_random: int = 40) -> list[Image]:
    """Every image that may be left after these calls."""
    disk = Disk({"old": b"o" * 1024})
    for call in calls:
        disk.take(call, FOLDER)
    return list(images(disk, n_random, random.Random(1)))


def write(name: str, at: int, data: bytes) -> Call:
    return Call("pwrite64", f"{FOLDER}/{name}", data, at)


SYNC_OLD = Call("fdatasync", f"{FOLDER}/old")
SYNC_FOLDER = Call("fsync", FOLDER)


def test_a_write_may_be_lost_kept_or_torn_until_its_file_is_synced() -> None:
    change = write("old", 0, b"n" * 1024)
    old, new = b"o" * 512, b"n" * 512
    assert {image["old"] for image in left([change])} == {old + old, new + new, old + new, new + old}
    assert {image["old"] for image in left([change, SYNC_OLD])} == {new + new}
    assert {image["old"] for image in left([change, SYNC_FOLDER])} > {new + new}


def test_a_later_write_may_be_kept_where_an_earlier_one_is_lost() -> None:
    found = {
        image["old"][:1] + image["old"][600:601] for image in left([write("old", 0, b"1"), write("old", 600, b"2")])
    }
    assert found == {b"oo", b"1o", b"o2", b"12"}


def test_a_write_beyond_the_end_leaves_a_hole() -> None:
    assert b"o" * 1024 + bytes(512) + b"x" in {image["old"] for image in left([write("old", 1536, b"x")])}


def test_a_change_of_size_may_be_lost_until_the_file_is_synced() -> None:
    cut = Call("ftruncate", f"{FOLDER}/old", number=0)
    assert {image["old"] for image in left([cut])} == {b"", b"o" * 1024}
    assert {image["old"] for image in left([cut, SYNC_OLD])} == {b""}


def test_a_name_may_be_lost_or_return_until_the_folder_is_synced() -> None:
    make, drop = Call("create", f"{FOLDER}/new"), Call("unlink", f"{FOLDER}/old")
    rename = Call("rename", f"{FOLDER}/old", other=f"{FOLDER}/moved")
    assert {tuple(image) for image in left([make])} == {("old",), ("new", "old")}
    assert {tuple(image) for image in left([make, drop])} == {("old",), ("new", "old"), ("new",)}
    assert {tuple(image) for image in left([make, SYNC_FOLDER])} == {("new", "old")}
    assert {tuple(image) for image in left([rename])} == {("old",), ("moved",)}
    assert {image.get("old") for image in left([write("old", 0, b"o" * 1024), SYNC_OLD, drop])} == {b"o" * 1024, None}
