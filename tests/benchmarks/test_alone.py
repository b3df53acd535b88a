"""Films by content alone: on made-up people who go through a series, told by its title."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.alone import OURS, SCENARIOS
from benchmarks.peers.tfidf import WEIGHTINGS
from recsys.reports import Metric
from tests.benchmarks import tiny

pytest.importorskip("sklearn")

N_SERIES, N_PARTS = 8, 12
SERIES = ("Dune", "Emma", "Alien", "Rocky", "Heidi", "Vertigo", "Zorro", "Faust")


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Forty people; each sees the parts of one series in an order of its own."""
    rows = [
        (f"u{who:02}", f"{who % N_SERIES}{(who + 5 * step) % N_PARTS:02}", 1_000_000 + 60 * step, "rating", "4")
        for who in range(40)
        for step in range(9)
    ]
    tiny.write_interactions(tmp_path, "movielens-latest-small", rows)
    items = [
        (f"{i}{part:02}", f"{SERIES[i]} part{part} ({1960 + i})", f"G{i % 3}|All", str(1960 + i))
        for i in range(N_SERIES)
        for part in range(N_PARTS)
    ]
    header = ("item_id", "title", "categories", "year")
    tiny.write_rows(tmp_path, "movielens-latest-small", "items.csv.gz", header, items)
    return tmp_path


def test_what_is_of_the_series_comes_first_without_anybody_elses_log(sets: Path) -> None:
    result = SCENARIOS["quality/movielens-latest-small-content"](sets, quick=False)
    (table,) = result.tables
    means = {str(row[0]): row[1].mean for row in table.rows if isinstance(row[1], Metric)}
    assert means.keys() == {OURS, *(f"neighbours, {weighting}" for weighting in WEIGHTINGS)}
    assert table.title.startswith("movielens-latest-small, no pack: 48 choices of 6 people, 96 films")
    by_chance = sum(1.0 / (1 + i) for i in range(1, 11)) / 96
    assert min(means.values()) > 0.25 > 4 * by_chance  # one of the 4 to 11 parts left of twelve, out of 96
    assert "times it." in table.notes[0]
