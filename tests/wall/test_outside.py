"""What stays outside the walls is a list, each row of it is of a test that exists, and has a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wall.outside import MARK, OUTSIDE, reason_outside, standing_guard

ROOT = Path(__file__).parents[2]


def test_every_row_names_tests_that_exist() -> None:
    for start, reason in OUTSIDE.items():
        file, _, name = start.partition("::")
        assert f"def {name or 'test_'}" in (ROOT / file).read_text(encoding="utf-8")
        assert reason


@pytest.mark.parametrize("guard", ["the seal", "strace"])
def test_inside_a_wall_a_listed_test_is_skipped_with_the_reason_and_others_run(guard: str) -> None:
    for start in OUTSIDE:
        assert f"not inside {guard}: it " in str(reason_outside(f"{start}::test_it[x]", guard))
        assert reason_outside(f"{start}::test_it[x]", None) is None
    assert reason_outside("tests/wall/test_session.py::test_it", guard) is None


def test_a_container_with_a_filter_of_its_own_is_not_taken_for_the_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MARK, raising=False)
    assert standing_guard() in (None, "strace")
