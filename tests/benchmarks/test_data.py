"""The loaders read the sets' columns into logs by each set's protocol; what is missing is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import data
from benchmarks.data import SETS, MissingDataError, data_folder, load, load_items, missing_sets, published_answers
from benchmarks.packaged import PACKAGES
from tests.benchmarks import tiny

US = 1_000_000


def test_geolife_scores_the_points_that_are_marked(tmp_path: Path) -> None:
    tiny.write_geolife(tmp_path, n=8)
    logs = load("geolife-places", tmp_path)
    assert [log.user for log in logs] == ["1", "2"]
    first = logs[0]
    assert [event.item_id for event in first.events] == list("bacabaca")
    assert first.scored.tolist() == [False] * 4 + [True] * 4
    event = first.events[1]
    assert (event.at_us, event.kind, event.value, event.offset_min) == ((tiny.START + 3600) * US, "visit", 60.0, 0)


def test_uids_keep_the_order_of_the_file_within_ties(tmp_path: Path) -> None:
    tiny.write_kypo(tmp_path)
    for log in load("kypo-shell", tmp_path):
        assert log.events == sorted(log.events, key=lambda event: event.key)
        assert [event.item_id for event in log.events] == [tiny.CYCLE[i % 4] for i in range(len(log.events))]
        assert len({event.uid for event in log.events}) == len(log.events)


def test_kypo_takes_the_first_users_with_fifty_events_and_scores_their_second_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.write_kypo(tmp_path, {"k0": 60, "k1": 49, "k2": 51, "k3": 99})
    logs = load("kypo-shell", tmp_path)
    assert [log.user for log in logs] == ["k0", "k2", "k3"]
    assert [int(log.scored.sum()) for log in logs] == [30, 26, 50]
    assert all(log.scored[len(log.events) // 2 :].all() for log in logs)
    assert [log.user for log in load("kypo-shell", tmp_path, every_user=True)] == ["k0", "k1", "k2", "k3"]
    assert [log.user for log in load("kypo-shell", tmp_path, limit=1)] == ["k0"]
    monkeypatch.setattr(data, "_KYPO_USERS", 2)
    assert [log.user for log in load("kypo-shell", tmp_path)] == ["k0", "k2"]


def test_retail_keeps_products_clips_quantities_and_never_scores_a_return(tmp_path: Path) -> None:
    tiny.write_retail(tmp_path)
    logs = load("uci-online-retail", tmp_path)
    events, scored = logs[0].events, logs[0].scored
    assert len(events) == 71, "without the fee"
    assert [event.item_id for event in events[:60]] == [f"p{i:02}" for i in range(60)], "the document's order"
    assert (events[3].value, events[60].value, events[60].kind) == (1000.0, -1000.0, "return")
    assert logs[0].baskets == ("1",) * 60 + ("2",) + ("3",) * 10
    assert not scored[:35].any()
    assert scored.tolist()[35:] == [True] * 25 + [False] + [True] * 10


def test_retail_draws_its_users_with_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = [f"c{i:02}" for i in range(12)]
    tiny.write_retail(tmp_path, users)
    monkeypatch.setattr(data, "_RETAIL_USERS", 4)
    drawn = [log.user for log in load("uci-online-retail", tmp_path)]
    assert len(drawn) == 4
    assert drawn == sorted(drawn) == [log.user for log in load("uci-online-retail", tmp_path)]
    assert drawn != users[:4]


def test_slates_become_shown_events_and_the_clicks_in_them(tmp_path: Path) -> None:
    rows = [
        ("e0", "old", 100, "click", 12.0, "", "", 50.0),
        ("e0", "x", 200, "impression", 0.0, "77", 0, ""),
        ("e0", "y", 200, "impression", 1.0, "77", 1, ""),
        ("e0", "y", 200, "click", 30.0, "77", "", 100.0),
        ("e0", "z", 200, "impression", 0.0, "78", 0, ""),
        ("e1", "x", 50, "click", "", "", "", ""),
    ]
    tiny.write_interactions(tmp_path, "ebnerd-test-sample", rows)
    first, second = load("ebnerd-test-sample", tmp_path)
    old, shown, click, other = first.events
    assert (old.kind, old.slate, old.value) == ("click", None, 12.0)
    assert (shown.kind, shown.item_id, shown.slate) == ("shown", "", "77")
    assert shown.shown == (("x", 0, 1.0), ("y", 1, 1.0))
    assert (click.item_id, click.slate, click.at_us) == ("y", "77", 200 * US)
    assert (other.kind, other.slate) == ("shown", "78")
    assert first.scored.tolist() == [True, False, True, False]
    assert second.events[0].value is None


def test_a_study_without_clock_gets_a_minute_a_step(tmp_path: Path) -> None:
    tiny.write_interactions(tmp_path, "nemig-en", [("n0", "a", 1, "click", 1.0, "", "", "history")])
    assert load("nemig-en", tmp_path)[0].events[0].at_us == 60 * US


def test_stars_become_likes_views_and_dislikes(tmp_path: Path) -> None:
    stars = (5.0, 4.0, 3.5, 2.0, 0.5)
    rows = [("1", f"m{i}", 100 + i, "rating", s) for i, s in enumerate(stars)]
    tiny.write_interactions(tmp_path, "movielens-latest-small", rows)
    log = load("movielens-latest-small", tmp_path)[0]
    assert [event.kind for event in log.events] == ["like", "like", "view", "dislike", "dislike"]
    assert log.scored.tolist() == [True, True, True, False, False]


def test_hates_are_kept_and_not_scored(tmp_path: Path) -> None:
    rows = [("1", i, 100, kind, 1.0, 1, 1, 2500, 9000, 0, 0, 0, 0) for i, kind in (("v1", "like"), ("v2", "hate"))]
    tiny.write_interactions(tmp_path, "kuairand27k-like-hate", rows)
    log = load("kuairand27k-like-hate", tmp_path)[0]
    assert [(event.kind, event.value) for event in log.events] == [("like", 2.5), ("hate", 2.5)]
    assert log.scored.tolist() == [True, False]


def test_the_catalogue_holds_titles_tags_and_attributes_of_products(tmp_path: Path) -> None:
    tiny.write_retail(tmp_path)
    items = load_items("uci-online-retail", tmp_path)
    assert len(items) == 60
    assert (items[3].id, items[3].title, items[3].tags, items[3].attributes) == (
        "p03",
        "PRODUCT 3",
        (),
        {"median_price": 0.5},
    )
    header = ("item_id", "title", "categories", "year")
    tiny.write_rows(tmp_path, "movielens-latest-small", "items.csv.gz", header, [("1", "Toy", "Fun|Kids", "1995")])
    assert load_items("movielens-latest-small", tmp_path)[0].tags == ("Fun", "Kids")


def test_missing_sets_are_named(tmp_path: Path) -> None:
    tiny.write_kypo(tmp_path)
    in_folder = [name for name in SETS if name not in PACKAGES]
    assert missing_sets(tmp_path, in_folder) == [name for name in in_folder if name != "kypo-shell"]
    for call in (lambda: load("nemig-en", tmp_path), lambda: load_items("nemig-en", tmp_path)):
        with pytest.raises(MissingDataError, match="nemig-en"):
            call()
    with pytest.raises(MissingDataError, match="geolife-places"):
        published_answers(tmp_path)


def test_the_folder_is_the_given_one_else_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    assert data_folder(tmp_path / "here") == tmp_path / "here"
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path / "gone"))
    with pytest.raises(MissingDataError, match="RECSYS_DATA"):
        data_folder()
