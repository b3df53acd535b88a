"""R3: a disk that is full or broken gives an error of ours, and nothing else is lost by it.

``scripts/crash`` lets every write, sync and change of size fail.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from recsys import FullError
from tests.crash import deeds, full_disk
from tests.crash.deeds import HUSH, START, event, marks_in, needles, opened
from tests.crash.kill_sweep import Ward, points
from tests.crash.nursery import found_in
from tests.crash.storage_errors import ERRORS, TRIED, suffered, troubles, wrong_in
from tests.small_trees import needs_trees

N_EACH = 3


def test_a_storage_error_is_an_error_of_ours_and_passes(w: Ward) -> None:
    draw = random.Random(2)
    chosen = [trouble for deed in TRIED for trouble in draw.sample(troubles(points(w, deed)), N_EACH)]
    outcomes = [suffered(w, trouble) for trouble in chosen]
    assert [outcome for outcome in outcomes if outcome.faults] == []
    assert len(outcomes) == N_EACH * len(TRIED)
    assert {trouble.error for trouble in chosen} == set(ERRORS)
    ends = {end for outcome in outcomes for end in outcome.ends}
    assert ends & {"StoreError", "FullError"}  # the errors did arrive
    assert ends & {"erased", "pending"}


@needs_trees
def test_a_storage_error_while_trees_grow_passes_and_they_are_grown(w: Ward) -> None:
    draw = random.Random(2)
    chosen = [trouble for deed in ("grow", "grow: go on") for trouble in draw.sample(troubles(points(w, deed)), 4)]
    outcomes = [suffered(w, trouble) for trouble in chosen]
    assert [outcome for outcome in outcomes if outcome.faults] == []
    assert {end for outcome in outcomes for end in outcome.ends} & {"StoreError", "FullError"}


def test_a_foreign_error_a_wrong_one_and_silence_are_noticed() -> None:
    good = [["about", 0], ["failed", 0, "FullError"], ["answered", 3], ["about", 1], ["done", 1, None]]
    good += [["about", 2], ["done", 2, ""]]
    assert wrong_in(good, 0, opens=False) == []
    assert wrong_in([*good, ["broke", "OperationalError"]], 0, opens=False) == [
        "an error that is not ours: OperationalError"
    ]
    assert wrong_in(good, 11, opens=False) == ["it died: 11"]
    wrong_kind = [["about", 0], ["failed", 0, "InputError"], *good[2:]]
    assert wrong_in(wrong_kind, 0, opens=False) == ["an error of another kind: InputError"]
    assert wrong_in([line for line in good if line[0] != "answered"], 0, opens=False) == ["it does not answer"]
    stuck = [*good[:-1], ["failed", 2, "FullError"]]
    assert [fault[:15] for fault in wrong_in(stuck, 0, opens=False)] == ["it does not go "]


def test_forgetting_works_on_a_full_disk_and_recording_says_that_it_is_full(tmp_path: Path) -> None:
    """R3: the ballast gives the room."""
    path = tmp_path / "me.db"
    with full_disk.mounted(tmp_path, 4096) as reason:
        if reason:
            pytest.skip(reason)
        deeds.fill(path)
        with opened(path) as rec:
            full_disk.fill(tmp_path)
            before = marks_in(rec)
            with pytest.raises(FullError):
                rec.record_many([event(n) for n in range(50, 3_000)])
            assert marks_in(rec) == before
            assert len(rec.recommend(3, at=START + 100)) == 3
            assert rec.forget(items=[HUSH]).status == "erased"
            after = marks_in(rec)
            assert set(before) - set(after) == deeds.FORGET_ITEM.drops
            full_disk.free(tmp_path)
            rec.record("item-0", at=START + 60)
            rec.maintain()
            assert [finding for finding in rec.check() if finding.severity == "error"] == []
        gone = [*needles(set(before) - set(after), after)]
        assert len(gone) > 20
        assert found_in(tmp_path, gone) == []


def test_a_full_disk_is_really_full(tmp_path: Path) -> None:
    with full_disk.mounted(tmp_path, 64) as reason:
        if reason:
            pytest.skip(reason)
        full_disk.fill(tmp_path)
        with pytest.raises(OSError, match="space"):
            (tmp_path / "more").write_bytes(b"more")
        full_disk.free(tmp_path)
        (tmp_path / "more").write_bytes(b"more")
