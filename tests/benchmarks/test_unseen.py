"""The scenario of items that no pack has seen: only who is told what they are can tell them apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import unseen
from benchmarks.unseen import PACK, SCENARIOS, UNTOLD
from recsys.publish import Hyper, Person
from recsys.reports import Metric
from tests.benchmarks import tiny
from tests.benchmarks.test_alone import sets as films  # noqa: F401 - a fixture

pytest.importorskip("sklearn")
QUICK = Hyper(n_factors=4, epochs=2, rate=0.02, people=4)


def test_content_tells_apart_what_no_pack_has(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    taught: list[Person] = []
    build = unseen.build

    def watched(people: list[Person], **options: object) -> object:
        taught.extend(people)
        return build(people, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(unseen, "build", watched)
    monkeypatch.setattr(unseen, "HYPER", QUICK)
    (table,) = SCENARIOS["quality/movielens-latest-small-unseen"](films, quick=False).tables
    means = {str(row[0]): row[1].mean for row in table.rows if isinstance(row[1], Metric)}
    held = unseen._held([unseen.Item(f"{i}{part:02}") for i in range(8) for part in range(12)])
    assert len(held) == 19
    assert not held & {item for person in taught for item in person.items}
    assert means[PACK] > means[UNTOLD] + 0.2


def test_a_shop_is_asked_for_what_is_new_in_each_basket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen, "HYPER", QUICK)
    kinds = ("LAMP", "MUG", "BAG", "CLOCK", "FRAME")
    rows = [
        (f"c{who:03}", f"{who % 5}{(who + 2 * step + part) % 12:02}", 10**6 + 86_400 * step, "purchase", 1.0, step, 1.0)
        for who in range(120)
        for step in range(4)
        for part in (0, 1)
    ]
    tiny.write_interactions(tmp_path, "uci-online-retail", rows)
    items = [(f"{k}{i:02}", f"{kind} {kind}S N{i}X", "", 1.0, 1) for k, kind in enumerate(kinds) for i in range(12)]
    header = ("item_id", "title", "categories", "median_price", "is_product")
    tiny.write_rows(tmp_path, "uci-online-retail", "items.csv.gz", header, items)
    (table,) = SCENARIOS["quality/uci-online-retail-unseen"](tmp_path, quick=False).tables
    means = {str(row[0]): row[1].mean for row in table.rows if isinstance(row[1], Metric)}
    assert "12 items that no pack has" in table.title
    assert means[PACK] > means[UNTOLD] + 0.1
