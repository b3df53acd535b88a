"""The scenario of the shop: on made-up customers, who come back for what they have and go on to what comes next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import shop
from benchmarks.shop import FREQUENCY, PACK, PLAIN, SCENARIOS
from recsys.publish import Hyper
from recsys.reports import Metric
from tests.benchmarks import tiny

N = 12


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Each of 120 customers begins somewhere; a basket has the thing of the one before, and the next in the row."""
    rows = [
        (f"c{who:03}", f"p{(who * 5 + step + part) % N:02}", 1_000_000 + 86_400 * step, "purchase", 1.0, step, 1.0)
        for who in range(120)
        for step in range(5)
        for part in (0, 1)
    ]
    tiny.write_interactions(tmp_path, "uci-online-retail", rows)
    items = [(f"p{i:02}", f"PRODUCT {i}", "", 1.0, 1) for i in range(N)]
    header = ("item_id", "title", "categories", "median_price", "is_product")
    tiny.write_rows(tmp_path, "uci-online-retail", "items.csv.gz", header, items)
    return tmp_path


def test_the_pack_knows_what_is_new_and_the_own_log_what_comes_back(
    sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop, "HYPER", Hyper(n_factors=8, epochs=10, rate=0.02, people=4))
    result = SCENARIOS["quality/uci-online-retail-pack"](sets, quick=False)
    (table,) = result.tables
    rows = {str(row[0]): [cell.mean for cell in row[1:] if isinstance(cell, Metric)] for row in table.rows}
    assert {FREQUENCY, "item kNN", PLAIN, PACK} <= rows.keys()
    assert table.title.startswith("uci-online-retail: 72 baskets of 18 customers, 12 items")
    assert rows[PACK][2] > 0.9, "the next in the row, out of all that is new"
    assert rows[PACK][2] > max(rows[name][2] for name in (FREQUENCY, PLAIN)) + 0.2
    assert rows[PACK][0] > rows[PLAIN][0]


def test_baskets_without_anything_new_do_not_count_for_what_is_new() -> None:
    logs = [tiny_log()]
    values = shop._values(lambda _: [(["a", "b"], ["b"]), (["a"], [])], logs)
    assert values[0].tolist() == pytest.approx([1.0, 1.0, 1.0, 1.0])
    assert values[1, :2].tolist() == pytest.approx([1.0, 1.0])
    assert np.isnan(values[1, 2:]).all()


def tiny_log() -> shop.Log:
    from recsys.types import Event

    bought = [("a", 1), ("a", 2), ("b", 2), ("a", 3)]
    events = [Event(at * 1_000_000, f"{n:04}", item, "purchase", 0) for n, (item, at) in enumerate(bought)]
    return shop.Log("c", events, np.ones(4, np.bool_))
