"""Bounded sources of candidates find what is there, and are measured where the sets are missing too."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import candidates
from benchmarks.large import ASKED_S, stocked


def test_sources_that_let_in_everything_miss_nothing(tmp_path: Path) -> None:
    result = candidates.candidates(tmp_path, quick=True)
    rows = result.tables[0].rows
    assert [row[0] for row in rows] == ["made up, content", "made up, pack"]
    assert all(row[2] == 1.0 for row in rows)
    assert set(result.skipped) == {"movielens-latest-small", "uci-online-retail"}


@pytest.mark.parametrize("what", ["content", "pack"])
def test_sources_without_room_miss_most(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_TOP", "_NEWEST", "_POPULAR", "_DRAWN", "_POSTINGS"):
        monkeypatch.setattr(candidates, name, 1)
    with stocked(what, 2000, 20) as rec:
        recall, let_in, _, _ = candidates._measured([(rec, ASKED_S)])
    assert recall < 0.9
    assert let_in < 400
