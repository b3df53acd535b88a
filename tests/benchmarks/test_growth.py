"""What grows is measured for every size against a baseline, and can be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import growth
from benchmarks.growth import SCENARIOS
from benchmarks.plot import write_plots
from benchmarks.timing import Timing


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_has_a_growing_scale_and_positive_times(name: str, tmp_path: Path) -> None:
    result = SCENARIOS[name](None, quick=True)
    assert (result.id, result.quick) == (name, True)
    for table in result.tables:
        assert table.plot == "lines"
        sizes = [row[0] for row in table.rows]
        assert len(sizes) > 1
        assert sizes == sorted(set(sizes))
        for _, p50, p99, baseline_p50, baseline_p99, ratio in table.rows:
            assert 0 < p50 <= p99
            assert 0 < baseline_p50 <= baseline_p99
            assert ratio == f"{p50 / baseline_p50:.1f}"
    pytest.importorskip("matplotlib")
    assert len(write_plots(result, tmp_path)) == len(result.tables)


def test_growth_is_said_as_a_factor_between_the_ends() -> None:
    bare = Timing(10.0, 20.0, 10.0, 5)
    rows = [
        (10, Timing(100.0, 200.0, 100.0, 5), bare),
        (1000, Timing(250.0, 300.0, 250.0, 5), bare),
    ]
    table = growth._table("rank", "candidates", "sorting", rows, "A note.")
    assert table.notes[0] == "From 10 to 1,000, 100 times as many, the median of recsys grows 2.50 times."
    assert [row[-1] for row in table.rows] == ["10.0", "25.0"]
