"""The catalogue is upserted, items go with or without a tombstone, and checkpoints are bytes under a key."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.errors import CheckpointError, CorruptError, InputError
from recsys.log import Store
from recsys.types import Event, Item
from tests.log.examples import HOSTILE, SURROGATE, event, item, made, tamper

RICH = Item("a", "A", ("x", "y", "x", ""), {"n": 1, "f": 1.5, "s": "text", "b": False})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "me.db", synchronous="normal") as opened:
        yield opened


def test_an_item_comes_back_just_as_it_was(store: Store) -> None:
    assert store.put_items([RICH, Item("bare")]) == 2
    assert store.item("a") == (RICH, False)
    assert store.item("bare") == (Item("bare"), False)
    assert store.item("none") is None
    assert [type(value) for value in store.item("a")[0].attributes.values()] == [bool, float, int, str]


def test_items_come_by_id(store: Store) -> None:
    store.put_items([item(name) for name in "cabä"])
    assert [found.id for found, removed in store.items() if not removed] == ["a", "b", "c", "ä"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(store: Store, text: str) -> None:
    hostile = Item(text, text, (text, text), {text: text})
    store.put_items([hostile])
    assert store.item(text) == (hostile, False)
    assert store.drop_items([text]) == 1
    assert list(store.items()) == []


def test_an_item_put_again_is_replaced_and_only_changes_count(store: Store) -> None:
    store.put_items([RICH, item("b")])
    assert store.put_items([RICH, item("b")]) == 0
    assert store.put_items([Item("a"), item("b"), item("c"), item("c")]) == 2
    assert store.item("a") == (Item("a"), False)


def test_a_dropped_item_leaves_a_tombstone_only_when_told_to(store: Store) -> None:
    store.put_items([RICH, item("b"), item("c")])
    assert store.drop_items(["a", "b", "unknown", "a"], keep_tombstone={"a", "c"}) == 2
    assert list(store.items()) == [(Item("a", tags=RICH.tags), True), (item("c"), False)]
    assert store.drop_items(["a"], keep_tombstone={"a"}) == 0
    assert store.drop_items(["a"]) == 1
    assert store.item("a") is None


def test_an_item_can_return_from_its_tombstone(store: Store) -> None:
    store.put_items([RICH])
    store.drop_items(["a"], keep_tombstone={"a"})
    assert store.put_items([RICH]) == 1
    assert store.item("a") == (RICH, False)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("id", Item("")),
        ("id", Item(SURROGATE)),
        ("id", Item(7)),
        ("title", Item("a", SURROGATE)),
        ("title", Item("a", None)),
        ("tags", Item("a", "", "text")),
        ("tags", Item("a", "", ("x", 7))),
        ("tags", Item("a", "", (SURROGATE,))),
        ("attributes", Item("a", "", (), {"n": math.nan})),
        ("attributes", Item("a", "", (), {"n": None})),
        ("attributes", Item("a", "", (), {7: 7})),
        ("attributes", Item("a", "", (), {"n": 2**63})),
    ],
)
def test_what_could_not_be_read_back_is_refused_and_nothing_changes(store: Store, field: str, bad: Item) -> None:
    with pytest.raises(InputError) as caught:
        store.put_items([item("b"), bad])
    assert caught.value.field == field
    assert list(store.items()) == []


@pytest.mark.parametrize(
    "damage",
    [
        "title = x'00'",
        "tags = '{}'",
        "tags = '[1]'",
        "attributes = '[]'",
        "removed = 2",
        "attributes = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_damaged_item_is_noticed(tmp_path: Path, damage: str) -> None:
    path = made(tmp_path / "me.db", event(1))
    with Store(path) as store:
        store.put_items([RICH])
    tamper(path, f"UPDATE items SET {damage}")
    with Store(path) as store:
        with pytest.raises(CorruptError):
            store.item("a")
        with pytest.raises(CorruptError):
            list(store.items())
        assert [severity for severity, what, _ in store.check() if what == "items"] == ["error"]


def test_ten_thousand_items_take_well_under_a_second(store: Store) -> None:
    items = [Item(f"item-{number}", f"Item {number}", ("a", "b"), {"year": number}) for number in range(10_000)]
    start = time.perf_counter()
    assert store.put_items(items) == 10_000
    assert time.perf_counter() - start < 1.0


def test_checkpoints_are_listed_oldest_first_and_loaded_by_key(store: Store) -> None:
    keys = [(1, "b"), (1, "a"), (-5, "z")]
    for key in keys:
        store.save_checkpoint(key, 3, "basis", repr(key).encode())
    assert [(key, n, basis) for key, n, basis, _ in store.checkpoints()] == [(key, 3, "basis") for key in sorted(keys)]
    assert [size for *_, size in store.checkpoints()] == [len(repr(key)) for key in sorted(keys)]
    assert store.load_checkpoint((1, "a")) == b"(1, 'a')"
    store.save_checkpoint((1, "a"), 4, "other", b"\0")
    assert store.load_checkpoint((1, "a")) == b"\0"
    assert store.checkpoints()[1] == ((1, "a"), 4, "other", 1)


def test_checkpoints_are_dropped_by_key_or_all_at_once(store: Store) -> None:
    for number in range(5):
        store.save_checkpoint((number, "u"), number, "basis", b"blob")
    assert store.drop_checkpoints([(1, "u"), (3, "u"), (9, "u")]) == 2
    assert store.drop_checkpoints([]) == 0
    assert [key for key, *_ in store.checkpoints()] == [(0, "u"), (2, "u"), (4, "u")]
    assert store.drop_checkpoints() == 3
    with pytest.raises(CheckpointError):
        store.load_checkpoint((0, "u"))


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("key", ((1,), 1, "b", b"")),
        ("n_events", ((1, "u"), -1, "b", b"")),
        ("n_events", ((1, "u"), 2**63, "b", b"")),
        ("basis", ((1, "u"), 1, 7, b"")),
        ("blob", ((1, "u"), 1, "b", "text")),
    ],
)
def test_a_checkpoint_of_other_types_is_the_callers_mistake(
    store: Store, field: str, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(InputError) as caught:
        store.save_checkpoint(*arguments)
    assert caught.value.field == field


def test_a_damaged_checkpoint_is_noticed(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        store.save_checkpoint((1, "u"), 1, "basis", b"blob")
    tamper(tmp_path / "me.db", "UPDATE checkpoints SET blob = 'text', n_events = 'many'")
    with Store(tmp_path / "me.db") as store:
        with pytest.raises(CorruptError):
            store.checkpoints()
        with pytest.raises(CheckpointError):
            store.load_checkpoint((1, "u"))
        assert store.drop_checkpoints() == 1


def test_a_late_event_drops_only_the_checkpoints_that_lack_it(store: Store) -> None:
    events = [event(number) for number in range(10)]
    store.append(events, late=False)
    for one in events:
        store.save_checkpoint(one.key, 1, "basis", b"")
    store.append([event(20)], late=False)
    assert len(store.checkpoints()) == 10
    assert store.append([event(4)], late=True) == []
    assert len(store.checkpoints()) == 10
    store.append([event(30), Event(events[4].at_us, "later", "b")], late=True)
    assert [key for key, *_ in store.checkpoints()] == [one.key for one in events[:5]]
