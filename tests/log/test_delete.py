"""What is deleted takes with it all that knew of it, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import InputError
from recsys.log import Store
from recsys.log.deletion import Deleted
from recsys.types import Event
from tests.log.examples import SURROGATE, digests, event, item, shown, undone


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "me.db" if request.param == "file" else ":memory:", synchronous="normal") as opened:
        yield opened


def filled(store: Store) -> list[Event]:
    """Ten events: clicks on a and b, plays of c, and two slates."""
    events = [event(number, "ab"[number % 2]) for number in range(6)]
    events += [shown(6, "a", "b"), shown(7, "a"), event(8, "c", "play"), event(9, "a", "play")]
    store.append(events, late=False)
    for one in (events[2], events[6], events[9]):
        store.save_checkpoint(one.key, 1, "basis", b"blob")
    store.put_items([item("a")])
    return events


def left(store: Store) -> list[int]:
    return [one.at_us // 1_000_000 for one in store.events()]


def rows_of(store: Store, table: str) -> int:
    return store._writer.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


def test_events_are_deleted_by_their_ids(store: Store) -> None:
    events = filled(store)
    assert store.delete(uids=[events[8].uid, events[3].uid, "unknown"]) == Deleted(2, 0, 2, events[3].key)
    assert left(store) == [0, 1, 2, 4, 5, 6, 7, 9]
    assert [key for key, *_ in store.checkpoints()] == [events[2].key]


def test_a_checkpoint_at_the_deleted_event_goes_and_one_just_before_stays(store: Store) -> None:
    events = filled(store)
    assert store.delete(uids=[events[6].uid]).n_checkpoints == 2
    assert [key for key, *_ in store.checkpoints()] == [events[2].key]


def test_events_are_deleted_by_kind(store: Store) -> None:
    events = filled(store)
    assert store.delete(kinds=["play", "unknown"]) == Deleted(2, 0, 1, events[8].key)
    assert left(store) == [*range(8)]


def test_events_are_deleted_from_a_moment_until_before_another(store: Store) -> None:
    events = filled(store)
    assert store.delete(since_us=events[4].at_us, until_us=events[7].at_us) == Deleted(3, 2, 2, events[4].key)
    assert left(store) == [0, 1, 2, 3, 7, 8, 9]


def test_a_slate_goes_with_the_event_that_showed_it(store: Store) -> None:
    filled(store)
    assert store.delete(kinds=["shown"]).n_slate_rows == 3
    assert rows_of(store, "slates") == 0


def test_an_item_is_deleted_from_slates_too_and_an_empty_slate_goes(store: Store) -> None:
    events = filled(store)
    assert store.delete(items=["a"]) == Deleted(5, 2, 3, events[0].key)
    assert left(store) == [1, 3, 5, 6, 8]
    assert store.find([events[6].uid])[0].shown == (("b", 1, 0.5),)


def test_a_slate_that_only_lost_an_item_still_invalidates_what_knew_it(store: Store) -> None:
    events = filled(store)
    deleted = store.delete(items=["b"], kinds=["shown"])
    assert deleted == Deleted(0, 1, 2, events[6].key)
    assert left(store) == [*range(10)]


def test_slates_outside_the_other_criteria_keep_the_item(store: Store) -> None:
    events = filled(store)
    assert store.delete(items=["a"], kinds=["click"]) == Deleted(3, 0, 3, events[0].key)
    assert store.delete(items=["a"], since_us=events[7].at_us) == Deleted(2, 1, 0, events[7].key)
    assert store.delete(items=["a"], uids=[events[0].uid]) == Deleted(0, 0, 0, None)
    assert store.find([events[6].uid]) == [events[6]]


def test_criteria_of_different_names_must_all_apply(store: Store) -> None:
    events = filled(store)
    assert store.delete(items=["a"], kinds=["play"], since_us=events[9].at_us) == Deleted(1, 0, 1, events[9].key)
    assert store.delete(uids=[events[0].uid], kinds=["play"]).n_events == 0


@pytest.mark.parametrize("name", ["uids", "items", "kinds"])
def test_an_empty_list_means_nothing(store: Store, name: str) -> None:
    filled(store)
    assert store.delete(**{name: []}) == Deleted(0, 0, 0, None)
    assert len(left(store)) == 10


def test_what_is_unknown_is_not_found_and_not_a_byte_changes(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        filled(store)
    before = digests(tmp_path / "me.db")
    with Store(tmp_path / "me.db") as store:
        assert store.delete(uids=["'; DROP TABLE events; --"]) == Deleted(0, 0, 0, None)
    assert digests(tmp_path / "me.db") == before


def test_everything_is_the_log_and_the_caches_but_not_the_catalogue(store: Store) -> None:
    events = filled(store)
    assert store.delete(everything=True) == Deleted(10, 3, 3, events[0].key)
    assert [rows_of(store, table) for table in ("events", "slates", "checkpoints", "items")] == [0, 0, 0, 1]
    assert store.delete(everything=True) == Deleted(0, 0, 0, None)


@pytest.mark.parametrize("criteria", [{}, {"everything": True, "kinds": ["a"]}, {"everything": True, "uids": []}])
def test_it_must_be_clear_what_is_meant(store: Store, criteria: dict[str, object]) -> None:
    filled(store)
    with pytest.raises(InputError):
        store.delete(**criteria)
    assert len(left(store)) == 10


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        *((name, bad) for name in ("uids", "items", "kinds") for bad in ("text", b"text", 7, [7], [SURROGATE])),
        *((name, bad) for name in ("since_us", "until_us") for bad in (1.5, "1", True, 2**63)),
    ],
)
def test_a_criterion_of_another_type_is_the_callers_mistake(store: Store, field: str, bad: object) -> None:
    with pytest.raises(InputError) as caught:
        store.delete(**{field: bad})
    assert caught.value.field == field


@pytest.mark.parametrize("n", [899, 900, 901, 20_000])
def test_long_lists_work(store: Store, n: int) -> None:
    events = [event(number, f"i{number}") for number in range(n)] + [shown(n, *(f"i{number}" for number in range(n)))]
    store.append([*events, event(n + 1, "stays"), shown(n + 2, "stays", "i0")], late=False)
    deleted = store.delete(items=[f"i{number}" for number in range(n)])
    assert deleted == Deleted(n + 1, n + 1, 0, events[0].key)
    assert left(store) == [n + 1, n + 2]
    assert store.delete(uids=[one.uid for one in events] + [event(n + 1).uid], kinds=["click"]).n_events == 1


def test_deleting_joins_the_transaction_around_it(store: Store) -> None:
    filled(store)
    with undone(store):
        store.delete(items=["a"])
        assert len(left(store)) == 5
    assert len(left(store)) == 10
    assert len(store.checkpoints()) == 3


def slow_delete(events: list[Event], criteria: dict[str, object]) -> tuple[list[Event], Deleted]:
    """The obvious way: what is left of the events, and the account of it."""
    items = criteria.get("items")
    kept, touched, n_events, n_rows = [], [], 0, 0
    for one in events:
        fits = (
            ("uids" not in criteria or one.uid in criteria["uids"])
            and ("kinds" not in criteria or one.kind in criteria["kinds"])
            and criteria.get("since_us", one.at_us) <= one.at_us < criteria.get("until_us", one.at_us + 1)
        )
        places = tuple(place for place in one.shown if not (fits and items is not None and place[0] in items))
        if fits and (items is None or one.item_id in items or (one.shown and not places)):
            n_events, n_rows, touched = n_events + 1, n_rows + len(one.shown), [*touched, one.key]
            continue
        if places != one.shown:
            n_rows, touched = n_rows + len(one.shown) - len(places), [*touched, one.key]
            one = Event(one.at_us, one.uid, "", "shown", slate=one.slate, shown=places)  # noqa: PLW2901
        kept.append(one)
    return kept, Deleted(n_events, n_rows, 0, min(touched, default=None))


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.fixed_dictionaries({}, optional={
    "uids": st.lists(st.integers(0, 29).map(lambda number: f"{number:016x}"), max_size=12),
    "items": st.lists(st.sampled_from("abcd"), max_size=3),
    "kinds": st.lists(st.sampled_from(["click", "play", "shown"]), max_size=2),
    "since_us": st.integers(0, 30).map(lambda second: second * 1_000_000),
    "until_us": st.integers(0, 30).map(lambda second: second * 1_000_000),
}).filter(bool))  # fmt: skip
def test_deleting_equals_the_obvious_way(seed: int, criteria: dict[str, object]) -> None:
    chance = random.Random(seed)
    events = [
        shown(number, *chance.choices("abcd", k=chance.randint(1, 4)))
        if chance.random() < 0.4
        else event(number, chance.choice("abcd"), chance.choice(["click", "play"]))
        for number in range(30)
    ]
    with Store(":memory:") as store:
        store.append(events, late=False)
        kept, account = slow_delete(events, criteria)
        assert store.delete(**criteria) == account
        assert list(store.events()) == kept
        assert [finding for finding in store.check() if finding[0] != "ok"] == []


def test_a_removed_item_leaves_its_tombstone_until_it_is_not_even_steered(store: Store) -> None:
    store.append([event(1, "a"), event(2, "b"), event(3, "a", "steer", value=0.5)], late=False)
    store.put_items([item("a")])
    store.drop_items(["a"], keep_tombstone={"a"})
    assert store.delete(uids=[event(2).uid]).tombstones == ()
    assert store.delete(uids=[event(1).uid]).tombstones == ()
    assert store.delete(uids=[event(3).uid]).tombstones == ("a",)
    assert [*store.items()] == []


def test_only_ids_that_nothing_else_is_likely_to_hold_are_looked_for(store: Store) -> None:
    telling = "0123456789abcdef"
    store.append([Event(1, "0000000000000003", "a"), Event(2, telling, "a"), Event(3, "short", "a")], late=False)
    assert store.delete(everything=True).needles == (telling,)
