"""What is used up, and what is not of its time, is not on offer; and is again as soon as that is not so any more."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import InputError, Item, Recommender, Settings
from recsys.rank import shelf
from tests.properties.eyes import as_seen, nothing_changes

AT: Final = 1_700_000_000
NAMES: Final = ("a", "b", "c", "d", "e")
EVERYTHING: Final = Settings(once=True)
FILMS: Final = Settings(once=["film"])
TIMED: Final = Settings(created="from", expires="until")


def offered(rec: Recommender, at: float = AT + 3600, **ask: object) -> set[str]:
    return set(rec.recommend(100, at=at, **ask).item_ids)  # type: ignore[arg-type]


# -- once ------------------------------------------------------------------------------


def test_what_is_used_once_is_not_recommended_again_until_that_use_is_forgotten() -> None:
    with Recommender(":memory:", settings=FILMS) as rec:
        rec.add([{"id": "film", "tags": ["film", "old"]}, {"id": "song", "tags": ["old"]}])
        rec.record_many([{"item_id": name, "at": AT} for name in ("film", "song", "never added")])
        assert offered(rec) == {"song", "never added"}
        assert rec.rank(["film", "song"], at=AT + 3600).n_candidates == 2, "the host's own list stays whole"
        rec.forget(items=["film"])
        assert offered(rec) == {"song", "film", "never added"}


def test_what_is_turned_down_or_shown_is_not_used_up() -> None:
    with Recommender(":memory:", settings=Settings(once=True, kind_weights={"glance": 0.0})) as rec:
        rec.add([{"id": name} for name in "abcd"])
        rec.record("a", "dislike", at=AT)
        rec.record("b", "glance", at=AT + 1)
        rec.shown(rec.recommend(4, at=AT + 2), at=AT + 2)
        rec.record("c", "view", at=AT + 3)
        assert offered(rec) == {"a", "b", "d"}


def test_a_change_of_tags_counts_at_once_and_settings_change_nothing_that_is_learnt(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path) as rec:
        rec.add([{"id": "x", "tags": ["song"]}])
        rec.record("x", at=AT)
        assert offered(rec) == {"x"}
        before = rec._live.basis
    with Recommender(path, settings=FILMS) as rec:
        assert rec._live.basis == before
        assert offered(rec) == {"x"}
        rec.add([{"id": "x", "tags": ["film"]}])
        assert offered(rec) == set()
        assert rec.explain("x", at=AT).n_candidates == 0


def test_an_item_that_was_steered_is_used_up_like_any_other() -> None:
    with Recommender(":memory:", settings=EVERYTHING) as rec:
        rec.add([{"id": "a", "tags": ["t"]}, {"id": "b", "tags": ["t"]}])
        rec.steer("t", 1.0, at=AT)
        rec.record("a", at=AT + 1)
        assert offered(rec) == {"b"}


# -- times -----------------------------------------------------------------------------


def test_an_item_is_offered_from_its_beginning_until_before_its_end() -> None:
    with Recommender(":memory:", settings=TIMED) as rec:
        rec.add([{"id": "news", "from": AT, "until": AT + 10}, {"id": "soon", "from": AT + 5}, {"id": "always"}])
        assert offered(rec, AT - 0.5) == {"always"}
        assert offered(rec, AT) == {"always", "news"}
        assert offered(rec, AT + 9.5) == {"always", "news", "soon"}
        assert offered(rec, AT + 10) == {"always", "soon"}
        assert offered(rec, AT) == {"always", "news"}, "time may go back"
        rec.record("news", at=AT + 1)
        assert offered(rec, AT + 10) == {"always", "soon"}
        rec.add([{"id": "news", "from": AT, "until": AT + 20}])
        assert offered(rec, AT + 10) == {"always", "soon", "news"}
        rec.remove(["soon"])
        assert offered(rec, AT + 10) == {"always", "news"}


times = st.none() | st.sampled_from((AT, AT + 10, AT + 20, AT + 20.5))
stocks = st.fixed_dictionaries({name: st.tuples(times, times) for name in NAMES})


@given(stocks, st.lists(st.sampled_from(NAMES), max_size=3), st.lists(st.sampled_from((0, 9, 10, 20, 20.25, 30))))
def test_what_is_offered_is_what_the_items_say(
    stock: Mapping[str, tuple[float | None, float | None]], used: list[str], moments: list[float]
) -> None:
    with Recommender(":memory:", settings=TIMED) as rec:
        for name, (begin, end) in stock.items():
            given_times = {"from": begin, "until": end}
            rec.add([{"id": name} | {key: value for key, value in given_times.items() if value is not None}])
        rec.record_many([{"item_id": name, "at": AT - 60 + n} for n, name in enumerate(used)])
        for later in moments:
            with nothing_changes(rec):
                found = rec.recommend(10, at=AT + later)
            assert set(found.item_ids) == {
                name
                for name, (begin, end) in stock.items()
                if (begin is None or begin <= AT + later) and (end is None or AT + later < end)
            }
            assert found.n_candidates == len(found)


def test_times_that_are_left_over_from_a_catalogue_are_noticed() -> None:
    def stale(self: shelf.Shelf, catalogue: object, at_s: float) -> Collection[str]:
        if self._closed is None:
            return closed_at(self, catalogue, at_s)  # type: ignore[arg-type]
        return self._closed[2]

    closed_at = shelf.Shelf._closed_at
    with patch.object(shelf.Shelf, "_closed_at", stale), pytest.raises(AssertionError):
        test_an_item_is_offered_from_its_beginning_until_before_its_end()


def test_what_was_no_time_before_the_attribute_was_named_is_none(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path) as rec:
        rec.add([{"id": "a", "from": "2019-01-01"}, {"id": "b", "from": True}, {"id": "c", "from": 1e12}])
        assert offered(rec) == {"a", "b", "c"}, "attributes are the host's, until it names them"
    with Recommender(path, settings=TIMED) as rec:
        assert offered(rec) == {"a", "b"}


@pytest.mark.parametrize("odd", ["2026-01-01", True, -1, AT * 1000, 1e300])
def test_a_time_that_is_none_is_refused_when_it_is_added(odd: object) -> None:
    with Recommender(":memory:", settings=TIMED) as rec:
        for name in ("from", "until"):
            with nothing_changes(rec), pytest.raises(InputError) as caught:
                rec.add([{"id": "fine"}, Item("odd", attributes={name: odd})])  # type: ignore[dict-item]
            assert caught.value.field == "attributes"


@pytest.mark.parametrize(
    "odd",
    [
        *({"once": odd} for odd in ("film", 1, [""], None, {"a": 1}, math.nan)),
        *({name: odd} for name in ("created", "expires") for odd in ("", 5, "tags", "k" * 65, True)),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(odd: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        Settings(**odd)  # type: ignore[arg-type]
    assert caught.value.field == next(iter(odd))


def test_settings_do_not_show_which_tags_are_used_once() -> None:
    assert "once=<2 tags>" in repr(Settings(once=["ab", "cd"]))
    assert "once=True" in repr(EVERYTHING)


def test_a_shelf_on_which_everything_is_offered_gives_the_same_slates() -> None:
    with Recommender(":memory:") as plain, Recommender(":memory:", settings=Settings(once=["x"], created="y")) as rec:
        for one in (plain, rec):
            one.add([{"id": name} for name in NAMES])
            one.record_many([{"item_id": "aba"[n], "at": AT + n} for n in range(3)])
        ask = {"at": AT + 60, "explore": 1.0, "seed": 5}
        assert as_seen(plain.recommend(**ask)) == as_seen(rec.recommend(**ask))
        assert as_seen(plain.recommend(at=AT)) == as_seen(rec.recommend(at=AT))
