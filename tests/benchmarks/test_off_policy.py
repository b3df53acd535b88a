"""The scenario of the estimators runs on a made-up shop, knows its truth, and names what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import off_policy
from benchmarks.data import MissingDataError, load_bandit
from benchmarks.off_policy import ESTIMATORS, QUICK
from benchmarks.quality import SCENARIOS
from benchmarks.report import Cell, Table
from recsys.reports import Metric
from tests.benchmarks import tiny


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    tiny.write_bandit(tmp_path)
    return tmp_path


def rows(table: Table) -> dict[str, tuple[Cell, ...]]:
    return {str(row[0]): row[1:] for row in table.rows}


def test_a_bandit_log_is_read_by_policy_and_campaign(sets: Path) -> None:
    logs = load_bandit("open-bandit-zozo", sets)
    assert set(logs) == {(policy, campaign) for policy in ("random", "bts") for campaign in ("all", "men")}
    log = logs["bts", "men"]
    assert log.n_actions == 3
    assert np.bincount(log.action).tolist() == [60, 40, 20]
    assert log.propensity[log.action == 1].tolist() == [1 / 3] * 40
    assert np.bincount(log.action, log.reward).tolist() == [60, 20, 0]


def test_the_random_policy_is_found_from_the_other_log_to_the_digit(sets: Path) -> None:
    result = SCENARIOS["quality/off-policy"](sets, quick=True)
    assert (result.id, result.quick, len(result.tables)) == ("quality/off-policy", True, 5)
    assert all(len(row) == len(table.columns) for table in result.tables for row in table.rows)
    found = rows(result.tables[0])
    for campaign in ("all", "men"):
        estimate, truth, meets, _, largest, mean, clipped = found[f"{campaign}, IPS"]
        assert isinstance(estimate, Metric)
        assert isinstance(truth, Metric)
        assert estimate.mean == pytest.approx(500.0)  # every item as often as its propensity says
        assert truth.mean == pytest.approx(500.0)
        assert (meets, largest, mean, clipped) == ("yes", pytest.approx(2.0), pytest.approx(1.0), 0.0)


def test_every_estimator_and_target_policy_has_its_row(sets: Path) -> None:
    tables = SCENARIOS["quality/off-policy"](sets, quick=True).tables
    assert set(rows(tables[2])) == set(ESTIMATORS)
    assert len(tables[1].rows) == 2 * 4 * 3
    assert len(tables[4].rows) == 5
    for table in tables[1:4]:
        for row in table.rows:
            assert isinstance(row[1], Metric)
            assert 0.0 <= row[1].low <= row[1].mean <= row[1].high <= 1.0


def test_one_seed_gives_one_result(sets: Path) -> None:
    one, other = (SCENARIOS["quality/off-policy"](sets, quick=True).tables for _ in range(2))
    assert [table.rows for table in one] == [table.rows for table in other]


def test_the_correction_for_positions_errs_less_than_none() -> None:
    worth, looked = off_policy._persons(QUICK._replace(n_persons=10, n_slates=200))
    error = {name: float(row[2]) for name, row in rows(worth).items() if isinstance(row[2], float)}
    assert error["by examination"] < error["uncorrected: every position looked at alike"]
    assert [row[1] for row in looked.rows] == [1.0, 0.65, 0.45, 0.3, 0.2]


def test_a_set_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="the data set open-bandit-zozo is missing"):
        SCENARIOS["quality/off-policy"](tmp_path, quick=True)
    with pytest.raises(MissingDataError, match="no data folder"):
        SCENARIOS["quality/off-policy"](tmp_path / "gone", quick=True)
