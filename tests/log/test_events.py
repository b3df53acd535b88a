"""Events go in as a set and come out in their order, just as they were."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ClosedError, CorruptError, InputError
from recsys.log import Store
from recsys.log.rows import event_of_row, row_of_event
from recsys.types import Event
from tests.keyed import plain_only
from tests.log.examples import HOSTILE, SURROGATE, contexts, event, ids, made, shown, tamper

FULL = Event(5, "u", "i", "play", -330, 2.5, {"b": 1, "a": "x", "c": True, "d": 1.0, "e": False}, "s")


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "me.db" if request.param == "file" else ":memory:", synchronous="normal") as opened:
        yield opened


def test_an_event_comes_back_just_as_it_was(store: Store) -> None:
    store.append([FULL], late=False)
    (found,) = store.events()
    assert found == FULL
    assert [type(value) for value in found.context.values()] == [str, int, bool, float, bool]
    assert list(found.context) == sorted(FULL.context)


def test_nothing_comes_out_of_an_empty_log(store: Store) -> None:
    assert (list(store.events()), store.newest(), store.n_events(), store.find(["x"])) == ([], None, 0, [])
    assert store.append([], late=False) == []


def test_events_come_in_the_order_of_time_and_uid_whatever_order_they_went_in(store: Store) -> None:
    events = [Event(at, uid, "a") for at in (-(2**63), -1, 0, 2**63 - 1) for uid in ("Z", "a", "b", "ä", "🎷")]
    store.append(events[::-1], late=True)
    assert list(store.events()) == events == sorted(events, key=lambda one: one.key)
    assert store.newest() == events[-1].key
    assert store.n_events() == len(events)


def test_a_stretch_of_the_log_can_be_read(store: Store) -> None:
    events = [Event(at, uid, "a") for at in range(4) for uid in "ab"]
    store.append(events, late=False)
    for first, last in itertools.product(range(len(events)), repeat=2):
        found = list(store.events(after=events[first].key, until=events[last].key))
        assert found == events[first + 1 : last + 1]
    assert list(store.events(after=(1, ""))) == events[2:]
    assert list(store.events(until=(1, "a"))) == events[:3]


def test_the_newest_before_a_moment_is_found(store: Store) -> None:
    store.append([Event(1, "b", "a"), Event(1, "a", "a"), Event(5, "c", "a")], late=False)
    assert [store.newest(before_us=at_us) for at_us in (-3, 1, 2, 5, 6)] == [None, None, (1, "b"), (1, "b"), (5, "c")]


@pytest.mark.parametrize("bound", [1, (1,), ("a", 1), [1, "a"], (2**63, "a"), (1, SURROGATE), (1, "a", 2), (True, "a")])
def test_a_bound_that_is_no_key_is_the_callers_mistake(store: Store, bound: object) -> None:
    for name in ("after", "until"):
        with pytest.raises(InputError) as caught:
            store.events(**{name: bound})
        assert caught.value.field == name


@plain_only
def test_a_stretch_is_found_by_the_key_and_not_by_looking_at_every_row(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        statements: list[str] = []
        list(store.events())
        (reader,) = store._readers._all
        reader.db.set_trace_callback(statements.append)
        list(store.events(after=(1, "a"), until=(2, "b")))
        (select,) = [text for text in statements if text.startswith("SELECT")]
        plan = reader.db.execute(f"EXPLAIN QUERY PLAN {select}").fetchall()
        assert len(plan) == 1
        assert plan[0][3].startswith("SEARCH events USING PRIMARY KEY")


def test_a_shown_slate_comes_back_with_its_items_by_position(store: Store) -> None:
    slate = shown(1, "b", "a", "b")
    store.append([slate, event(2, "a", slate="slate-1"), shown(3, *HOSTILE)], late=False)
    assert next(iter(store.events())) == slate
    assert [place[0] for place in list(store.events())[2].shown] == list(HOSTILE)
    assert store.find([slate.uid]) == [slate]
    assert store.events_of("", 10) == [shown(3, *HOSTILE), slate]


def test_a_slate_of_no_items_is_an_event_without_a_slate(store: Store) -> None:
    empty = event(1, "", "shown")
    store.append([empty], late=False)
    assert list(store.events()) == [empty]


def test_importing_twice_gives_the_same_set(store: Store) -> None:
    events = [FULL, shown(1, "a", "b"), event(2, context={"b": 1, "a": 2})]
    assert store.append(events, late=True) == events
    assert store.append(events, late=True) == []
    assert store.append([events[2], event(3)], late=True) == [event(3)]
    assert store.append([event(4), event(4)], late=True) == [event(4)]
    assert store.append([event(4)], late=True) == []
    assert store.n_events() == 5


def test_context_keys_in_another_order_are_the_same_event(store: Store) -> None:
    store.append([event(1, context={"a": 1, "b": 2})], late=False)
    assert store.append([event(1, context={"b": 2, "a": 1})], late=True) == []


@pytest.mark.parametrize(
    "other",
    [
        event(1, "b"),
        event(1, kind="play"),
        event(1, value=0.0),
        event(1, context={"a": 1}),
        event(1, offset_min=1),
        event(1, slate="s"),
    ],
)
@pytest.mark.parametrize("company", [(), (event(7), event(8))])
def test_a_different_event_in_a_taken_place_is_refused_and_nothing_changes(
    store: Store, other: Event, company: tuple[Event, ...]
) -> None:
    store.append([event(1)], late=False)
    with pytest.raises(InputError) as caught:
        store.append([*company, other], late=True)
    assert caught.value.field == "uid"
    assert list(store.events()) == [event(1)]


def test_the_same_uid_at_another_time_is_another_event(store: Store) -> None:
    store.append([Event(1, "u", "a"), Event(2, "u", "a")], late=False)
    assert store.n_events() == 2
    assert [found.at_us for found in store.find(["u"])] == [1, 2]


@pytest.mark.parametrize("company", [(), (event(7), event(8))])
def test_a_slate_is_shown_once(store: Store, company: tuple[Event, ...]) -> None:
    store.append([shown(1, "a", "b")], late=False)
    again = Event(2_000_000, "x", "", "shown", slate="slate-1", shown=(("c", 5, 0.5),))
    with pytest.raises(InputError) as caught:
        store.append([*company, again], late=True)
    assert caught.value.field == "slate"
    assert list(store.events()) == [shown(1, "a", "b")]
    with pytest.raises(InputError):
        store.append([shown(3, "a"), Event(9, "y", "", "shown", slate="slate-3", shown=(("c", 5, 0.5),))], late=True)
    assert list(store.events()) == [shown(1, "a", "b")]


@pytest.mark.parametrize("company", [(), (event(7), event(8))])
def test_a_refusal_inside_a_transaction_takes_nothing_with_it(store: Store, company: tuple[Event, ...]) -> None:
    with store.transact():
        store.append([event(1)], late=False)
        for bad in (event(1, "b"), Event(2, "s", "", "shown", slate="slate-3", shown=(("c", 0, 0.5),))):
            store.append([shown(3, "a")], late=True)
            with pytest.raises(InputError):
                store.append([*company, bad], late=True)
        store.append([event(9)], late=False)
    assert list(store.events()) == [event(1), shown(3, "a"), event(9)]


REFUSED = [
    ("at_us", Event(2**63, "u", "a")),
    ("at_us", Event(-(2**63) - 1, "u", "a")),
    ("at_us", Event(1.5, "u", "a")),
    ("at_us", Event(True, "u", "a")),
    ("at_us", Event("1", "u", "a")),
    ("uid", Event(1, "", "a")),
    ("uid", Event(1, 7, "a")),
    ("uid", Event(1, SURROGATE, "a")),
    ("item_id", Event(1, "u", "")),
    ("item_id", Event(1, "u", None)),
    ("item_id", Event(1, "u", b"a")),
    ("item_id", Event(1, "u", SURROGATE)),
    ("kind", Event(1, "u", "a", "")),
    ("kind", Event(1, "u", "a", SURROGATE)),
    ("offset_min", Event(1, "u", "a", "k", 1441)),
    ("offset_min", Event(1, "u", "a", "k", -1441)),
    ("offset_min", Event(1, "u", "a", "k", 1.0)),
    ("value", Event(1, "u", "a", value=math.nan)),
    ("value", Event(1, "u", "a", value=math.inf)),
    ("value", Event(1, "u", "a", value=-math.inf)),
    ("value", Event(1, "u", "a", value=10**400)),
    ("value", Event(1, "u", "a", value="1")),
    ("value", Event(1, "u", "a", value=True)),
    ("context", Event(1, "u", "a", context={"k": math.nan})),
    ("context", Event(1, "u", "a", context={"k": math.inf})),
    ("context", Event(1, "u", "a", context={"k": 2**63})),
    ("context", Event(1, "u", "a", context={"k": None})),
    ("context", Event(1, "u", "a", context={"k": [1]})),
    ("context", Event(1, "u", "a", context={1: "x"})),
    ("context", Event(1, "u", "a", context={SURROGATE: 1})),
    ("context", Event(1, "u", "a", context={"k": SURROGATE})),
    ("slate", Event(1, "u", "a", slate="")),
    ("slate", Event(1, "u", "a", slate=SURROGATE)),
    ("slate", Event(1, "u", "a", slate=7)),
    ("slate", Event(1, "u", "", "shown", slate="s")),
    ("slate", Event(1, "u", "", "shown", shown=(("a", 0, 0.5),))),
    ("shown", Event(1, "u", "a", "click", slate="s", shown=(("a", 0, 0.5),))),
    ("shown", Event(1, "u", "", "shown", slate="s", shown=(("", 0, 0.5),))),
    ("shown", Event(1, "u", "", "shown", slate="s", shown=((SURROGATE, 0, 0.5),))),
    ("shown", Event(1, "u", "", "shown", slate="s", shown=(("a", -1, 0.5),))),
    ("shown", Event(1, "u", "", "shown", slate="s", shown=(("a", 0, 0.5), ("b", 0, 0.5)))),
    ("shown", Event(1, "u", "", "shown", slate="s", shown=(("a", 1, 0.5), ("b", 0, 0.5)))),
    ("shown", Event(1, "u", "", "shown", slate="s", shown=(("a", 0, 0.0),))),
    ("shown", Event(1, "u", "", "shown", slate="s", shown=(("a", 0, 1.5),))),
    ("shown", Event(1, "u", "", "shown", slate="s", shown=(("a", 0, math.nan),))),
]


@pytest.mark.parametrize(("field", "bad"), REFUSED, ids=[f"{field}-{n}" for n, (field, _) in enumerate(REFUSED)])
def test_what_could_not_be_read_back_is_refused_and_nothing_changes(field: str, bad: Event) -> None:
    with Store(":memory:") as store:
        with pytest.raises(InputError) as caught:
            store.append([event(1), bad], late=True)
        assert caught.value.field == field
        assert "surrogate " not in str(caught.value) or "lone surrogate cannot" in str(caught.value)
        assert store.n_events() == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(store: Store, text: str) -> None:
    hostile = Event(1, text, text, text if text != "shown" else "x", context={text: text}, slate=text)
    store.append([hostile], late=False)
    assert list(store.events()) == store.find([text]) == store.events_of(text, 1) == [hostile]
    assert store.check()[1] == ("ok", "schema", "sound")


@given(
    st.builds(
        Event,
        at_us=st.integers(-(2**63), 2**63 - 1),
        uid=ids,
        item_id=ids,
        kind=ids.filter(lambda kind: kind != "shown"),
        offset_min=st.integers(-1440, 1440),
        value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        context=contexts,
        slate=st.none() | ids,
    )
)
def test_every_event_equals_the_event_of_its_row(one: Event) -> None:
    assert event_of_row(row_of_event(one)) == one


def test_events_of_an_item_come_newest_first_and_no_more_than_asked_for(store: Store) -> None:
    store.append([event(number, "ab"[number % 2]) for number in range(10)], late=False)
    assert store.events_of("a", 3) == [event(number, "a") for number in (8, 6, 4)]
    assert store.events_of("a", 0) == store.events_of("none", 5) == []
    for limit in (-1, 1.0, True, "1"):
        with pytest.raises(InputError):
            store.events_of("a", limit)


def test_many_ids_are_found_at_once(store: Store) -> None:
    events = [event(number) for number in range(3000)]
    store.append(events, late=False)
    assert store.find([one.uid for one in events[::-1]] + ["unknown"] * 5) == events
    for bad in ("one string", 7, [7], [SURROGATE]):
        with pytest.raises(InputError):
            store.find(bad)


def test_a_log_longer_than_a_batch_is_read_to_its_end(store: Store) -> None:
    events = [event(number) for number in range(2500)] + [shown(2500, "a")]
    store.append(events, late=False)
    assert list(store.events()) == events


def test_reading_sees_one_moment_whatever_is_written_meanwhile(store: Store) -> None:
    events = [shown(number, "a", "b") for number in range(2500)]
    store.append(events, late=False)
    reading = store.events()
    assert next(reading) == events[0]
    store.delete(items=["b"])
    store.delete(uids=[events[2000].uid])
    store.append([event(3000), event(-1)], late=True)
    assert list(reading) == events[1:]
    assert store.n_events() == 2501


def test_several_readings_can_be_open_at_once(store: Store) -> None:
    store.append([event(number) for number in range(3000)], late=False)
    first = store.events()
    next(first)
    store.append([event(3000)], late=False)
    second, third = store.events(), store.events(after=event(2998).key)
    assert len(list(zip(second, third, strict=False))) == 2
    assert len(list(first)) == 2999
    assert len(list(store.events())) == 3001


def test_a_reading_that_is_dropped_lets_go_of_its_snapshot(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db", busy_timeout_ms=0) as store:
        store.append([event(number) for number in range(3000)], late=False)
        reading = store.events()
        next(reading)
        store.append([event(5000)], late=False)
        assert not store.truncate_wal()
        del reading
        assert store.truncate_wal()
        assert store.sizes()["wal"] == 0


def test_reading_inside_a_transaction_sees_what_it_wrote(store: Store) -> None:
    store.append([event(1)], late=False)
    with store.transact():
        store.append([event(2)], late=False)
        assert list(store.events()) == [event(1), event(2)]
        assert (store.n_events(), store.newest(), store.find([event(2).uid])) == (2, event(2).key, [event(2)])
        for one in store.events():
            store.delete(uids=[one.uid])
        assert store.n_events() == 0


def test_a_reading_ends_with_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "me.db")
    store.append([event(number) for number in range(3000)], late=False)
    reading = store.events()
    next(reading)
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["me.db"]
    with pytest.raises(ClosedError):
        list(reading)


DAMAGES = {
    "a time that is text": "UPDATE events SET at_us = 'soon'",
    "a uid that is bytes": "UPDATE events SET uid = x'00'",
    "an empty uid": "UPDATE events SET uid = ''",
    "an item id that is bytes": "UPDATE events SET item_id = x'00'",
    "an empty item id": "UPDATE events SET item_id = ''",
    "an empty kind": "UPDATE events SET kind = ''",
    "an offset out of range": "UPDATE events SET offset_min = 100000",
    "an offset that is a fraction": "UPDATE events SET offset_min = 0.5",
    "a value that is text": "UPDATE events SET value = 'much'",
    "a value without end": "UPDATE events SET value = 9e999",
    "a context that is no JSON": "UPDATE events SET context = '{'",
    "a context that is a list": "UPDATE events SET context = '[]'",
    "a context with more behind it": "UPDATE events SET context = '{} x'",
    "a context with NaN": """UPDATE events SET context = '{"a":NaN}'""",
    "a context with a list in it": """UPDATE events SET context = '{"a":[1]}'""",
    "a context too deep": f"UPDATE events SET context = '{'[' * 100_000}'",
    "a context that is bytes": "UPDATE events SET context = x'7b7d'",
    "text that is not UTF-8": "UPDATE events SET item_id = CAST(x'ff' AS TEXT)",
    "an empty slate id": "UPDATE events SET slate = ''",
    "a slate without items": "UPDATE events SET kind = 'shown', slate = 's'",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_value_is_noticed(tmp_path: Path, damage: str) -> None:
    path = tamper(made(tmp_path / "me.db", event(1)), DAMAGES[damage])
    with Store(path) as store:
        with pytest.raises(CorruptError):
            list(store.events())
        assert [severity for severity, what, _ in store.check() if what == "events"] == ["error"]


@pytest.mark.parametrize(
    "damage",
    ["position = 'first'", "position = -1", "item_id = ''", "item_id = x'00'", "propensity = 0", "propensity = 9e999"],
)
def test_a_damaged_slate_is_noticed(tmp_path: Path, damage: str) -> None:
    path = tamper(made(tmp_path / "me.db", shown(1, "a")), f"UPDATE slates SET {damage}")
    with Store(path) as store:
        with pytest.raises(CorruptError):
            list(store.events())
        assert [severity for severity, what, _ in store.check() if what == "events"] == ["error"]


def test_a_damaged_key_is_noticed_wherever_keys_are_compared(tmp_path: Path) -> None:
    path = tamper(
        made(tmp_path / "me.db", event(1), event(2)), "UPDATE events SET at_us = 'soon' WHERE at_us = 2000000"
    )
    with Store(path) as store:
        for call in (store.newest, lambda: store.delete(items=["a"])):
            with pytest.raises(CorruptError):
                call()
        assert store.n_events() == 2


def test_events_between_two_keys_are_counted(tmp_path: Path) -> None:
    with Store(tmp_path / "log.db") as store:
        store.append([event(n) for n in range(1, 8)], late=False)
        keys = [e.key for e in store.events()]
        for first, last in itertools.product((None, *keys), repeat=2):
            expected = [k for k in keys if (first is None or k > first) and (last is None or k < last)]
            assert store.n_events(after=first, before=last) == len(expected)
