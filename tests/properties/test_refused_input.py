"""What is refused, call by call: a table of arguments, each with the strategy of its bad values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import Event, InputError, Item, Recommendation, Recommender, Settings, Slate
from recsys.inputs import LIMITS
from recsys.learn.versions import versions
from recsys.testing import strategies as some
from tests.properties.eyes import nothing_changes

AT: Final = some.START + 1_000_000
Call = Callable[[Recommender, object], object]


def _texts(limit: str, *, empty: bool = False) -> st.SearchStrategy[object]:
    """What is no text, or not one that may be used; with ``empty`` an empty one is fine."""
    too_long = st.integers(LIMITS[limit] + 1, LIMITS[limit] + 9).flatmap(lambda n: st.sampled_from(["x" * n, "ß" * n]))
    broken = st.sampled_from(["\0", "a\0b", "\ud800", "a\udfffb", "🎷\0"])
    other = st.sampled_from([3, 2.5, b"bytes", [], {}, object(), True, float("nan"), np.int64(1), ["a"]])
    return too_long | broken | other if empty else too_long | broken | other | st.just("") | st.none()


def _lists(of: str) -> st.SearchStrategy[object]:
    """What is no list of texts, or one in which a text is bad."""
    none_at_all = st.sampled_from([5, 2.5, "a string", b"bytes", {"a": 1}, MappingProxyType({}), object(), True])
    return none_at_all | st.builds(lambda good, bad: [*good, bad], st.just(["a", "b"]), _texts(of))


NOT_FINITE: Final = st.sampled_from([math.nan, math.inf, -math.inf, np.float32("nan"), np.inf, Decimal("NaN"), 10**400])
NO_NUMBER: Final = st.sampled_from(["1", b"1", [], {}, True, False, 1j, object(), np.array([1.0, 2.0]), float])
NO_INTEGER: Final = st.sampled_from([1.0, 2.5, "1", True, np.bool_(True), np.array(3.5), int, math.nan, object(), []])
NUMBERS: Final = NOT_FINITE | NO_NUMBER
TIMES: Final = NUMBERS.filter(lambda t: t is not True and t is not False) | st.sampled_from(
    [-1.0, -0.001, 2.0**32, 1e300, datetime(2024, 1, 1), "2024-01-01", True]  # noqa: DTZ001 - that is what is refused
)
SCALARS: Final = st.sampled_from(
    [math.nan, math.inf, np.float64("nan"), 2**63, -(2**63) - 1, None, [], {}, b"x", 1j, (1,), object(), np.arange(2)]
)
_CROWD: Final = {f"key-{n}": n for n in range(65)}
CONTEXTS: Final = (
    st.sampled_from([5, "text", [("a", 1)], _CROWD, {"": 1}, {"k" * 65: 1}, {1: 2}, {"\0": 1}, {"\ud800": 1}])
    | st.builds(lambda key, value: {"good": 1, key: value}, st.sampled_from("ab"), SCALARS)
    | st.sampled_from([{"a": "x" * 257}, {"a": "\0"}, {"a": "\ud800"}])
)
PATHS: Final = st.sampled_from([5, 0, 2.5, True, b"bytes", "", "a\0b", "\ud800", None, object(), []])
KEYS: Final = st.sampled_from(
    [b"k", bytes(31), bytes(33), "k" * 32, bytearray(32), 5, lambda: b"k", lambda: None, dict]
)
WHERES: Final = st.builds(
    lambda key, value: {"tags": "good", key: value},
    st.sampled_from(["year", "title", "id"]),
    st.sampled_from([math.nan, np.float64("nan"), 2**63, None, b"x", 1j, object(), [None], [[1]]])
    | st.sampled_from([{}, {"min": 2, "max": 1}, {"least": 1}]),
) | st.sampled_from([{"tags": {"min": 1}}, {"tags": 5}, {"tags": [""]}, {5: 5}, {"year": {"min": 1, "max": "2"}}])
SEEDS: Final = NO_INTEGER | st.sampled_from([-1, 2**63])
ITEMS: Final = (
    st.builds(lambda bad: {"id": bad}, _texts("id"))
    | st.builds(Item, _texts("id"))
    | st.builds(lambda bad: {"id": "new", "title": bad}, _texts("title", empty=True))
    | st.builds(lambda bad: {"id": "new", "tags": bad}, _lists("tag") | st.just(["t", "t"]) | st.just(["t"] * 65))
    | st.builds(lambda bad: {"id": "new", "year": bad}, SCALARS.filter(lambda value: value is not None))
    | st.sampled_from([{}, {"title": "no id"}, 5, "text", None, {"id": "new", 7: 1}, {"id": "new", **_CROWD}])
    | st.sampled_from([Item("new", attributes={"id": "x"}), Item("new", attributes=5), Item("new", tags=5)])
)
_GOOD: Final = Event(AT * 1_000_000, "u", "a")


def _event(**odd: object) -> Event:
    fields = {name: getattr(_GOOD, name) for name in _GOOD.__dataclass_fields__}
    return Event(**{**fields, **odd})


_SHOWN: Final = {"item_id": "", "kind": "shown", "slate": "s"}
EVENTS: Final = (
    st.sampled_from([5, "text", None, {}, {"item_id": "a", "unknown": 1}, {"item_id": "a", "kind": "steer"}])
    | st.builds(lambda bad: {"item_id": bad}, _texts("id"))
    | st.builds(lambda bad: {"item_id": "a", "at": bad}, TIMES)
    | st.builds(lambda bad: {"item_id": "a", "context": bad}, CONTEXTS)
    | st.builds(lambda bad: _event(at_us=bad), NO_INTEGER | st.sampled_from([-1, 2**32 * 1_000_000]))
    | st.builds(lambda bad: _event(offset_min=bad), NO_INTEGER | st.sampled_from([-1_441, 1_441]))
    | st.builds(lambda bad: _event(uid=bad), _texts("uid", empty=True))
    | st.builds(lambda bad: _event(value=bad), NUMBERS)
    | st.builds(lambda bad: _event(kind="steer", value=bad), NUMBERS | st.sampled_from([None, 1.001, -2]))
    | st.builds(lambda bad: _event(context=bad), CONTEXTS)
    | st.builds(lambda bad: _event(slate=bad), _texts("uid").filter(lambda slate: slate is not None))
    | st.sampled_from([_event(kind="shown"), _event(shown=(("a", 0, 1.0),)), _event(kind="shown", slate="s")])
    | st.sampled_from([(("a", 0, 0.0),), (("a", 0, 1.5),), (("a", 0, math.nan),), (("a", 1, 1.0), ("b", 0, 1.0))]).map(
        lambda bad: _event(**_SHOWN, shown=bad)
    )
    | st.sampled_from([(("a", 0, 1.0), ("a", 1, 1.0)), (("", 0, 1.0),), (("a", -1, 1.0),), (("a", 0.5, 1.0),)]).map(
        lambda bad: _event(**_SHOWN, shown=bad)
    )
)


def _slate(identifier: str, *places: tuple[object, object, object]) -> Slate:
    ranked = tuple(Recommendation(i, 0.0, place, chance, True, lambda _: ()) for i, place, chance in places)
    return Slate(identifier, 0, 0, ranked, len(ranked))


_LONG: Final = tuple((f"i{n}", n, 1.0) for n in range(LIMITS["slate"] + 1))
SLATES: Final = st.sampled_from(
    [
        *(5, None, "id", [], _slate("s"), _slate("", ("a", 0, 1.0)), _slate("x" * 65, ("a", 0, 1.0))),
        *(_slate("s", ("a", 0, math.nan)), _slate("s", ("a", 0, 1.0), ("a", 1, 1.0))),
        *(_slate("s", (3, 0, 1.0)), _slate("s", *_LONG)),
    ]
)


_NO_MAPPINGS: Final = st.sampled_from([5, "text", [], [("t", 1)], True, {"": 1}, {5: 1}, {"\0": 1}, {"x" * 513: 1}])
RULES: Final[dict[str, st.SearchStrategy[object]]] = {
    "diversity": NUMBERS | st.sampled_from([-0.001, 1.001]),
    "caps": _NO_MAPPINGS
    | st.builds(lambda n: {"t": 1, "u": n}, NO_INTEGER | st.sampled_from([-1, 10_001, None]))
    | st.just({f"tag-{n}": n % 2 for n in range(10_001)}),
    "boosts": _NO_MAPPINGS | st.builds(lambda w: {"t": 1, "u": w}, NUMBERS | st.sampled_from([-10.01, 11, None])),
    "pinned": _lists("id") | st.just(["a", "a"]),
}


def _asked(rec: Recommender, call: str, **ask: object) -> object:
    return rec.recommend(**ask) if call == "recommend" else rec.rank(["a", "b"], **ask)


class Refused(NamedTuple):
    """A call, and the values of the one argument for which it is refused."""

    call: Call
    bad: st.SearchStrategy[object]


REFUSED: Final[dict[str, Refused]] = {
    "Recommender path": Refused(lambda _, x: Recommender(x), PATHS),
    "Recommender key": Refused(lambda _, x: Recommender(":memory:", key=x), KEYS),
    "Recommender settings": Refused(lambda _, x: Recommender(":memory:", settings=x), st.sampled_from([5, {}, "x"])),
    "Recommender prior": Refused(lambda _, x: Recommender(":memory:", prior=x), st.sampled_from([5, "none", b"x", []])),
    "add items": Refused(lambda rec, x: rec.add(x), st.sampled_from([5, "text", b"x", {"id": "a"}, None])),
    "add item": Refused(lambda rec, x: rec.add([{"id": "fine"}, x]), ITEMS),
    "add created": Refused(lambda rec, x: rec.add([{"id": "fine"}, Item("z", attributes={"created": x})]), TIMES),
    "add twice": Refused(lambda rec, x: rec.add([{"id": x}, Item("z"), {"id": x}]), some.ids()),
    "remove": Refused(lambda rec, x: rec.remove(x), _lists("id") | st.just(["a", "a"])),
    "record item_id": Refused(lambda rec, x: rec.record(x), _texts("id")),
    "record kind": Refused(lambda rec, x: rec.record("a", x), _texts("kind") | st.sampled_from(["shown", "steer"])),
    "record value": Refused(lambda rec, x: rec.record("a", value=x), NUMBERS),
    "record at": Refused(lambda rec, x: rec.record("a", at=x), TIMES),
    "record context": Refused(lambda rec, x: rec.record("a", context=x), CONTEXTS),
    "record slate": Refused(lambda rec, x: rec.record("a", slate=x), _texts("uid").filter(lambda x: x is not None)),
    "record_many": Refused(
        lambda rec, x: rec.record_many(x), st.sampled_from([5, "text", b"x", {"item_id": "a"}.keys(), None])
    ),
    "record_many event": Refused(lambda rec, x: rec.record_many([{"item_id": "a"}, _GOOD, x]), EVENTS),
    "record_many key": Refused(
        lambda rec, x: rec.record_many([_event(uid="n"), _event(uid="n", item_id=x)]),
        some.ids().filter(lambda i: i != "a"),
    ),
    "shown slate": Refused(lambda rec, x: rec.shown(x), SLATES),
    "shown at": Refused(lambda rec, x: rec.shown(rec.recommend(1), at=x), TIMES),
    "shown twice": Refused(lambda rec, x: rec.shown(_slate("shown before", (x, 0, 1.0))), some.ids()),
    "steer tag_or_item": Refused(lambda rec, x: rec.steer(x, 0.5), _texts("id")),
    "steer weight": Refused(lambda rec, x: rec.steer("a", x), NUMBERS | st.sampled_from([1.001, -2, None])),
    "steer at": Refused(lambda rec, x: rec.steer("a", 0.5, at=x), TIMES),
    "similar item_id": Refused(lambda rec, x: rec.similar(x), _texts("id")),
    "similar k": Refused(lambda rec, x: rec.similar("a", x), NO_INTEGER | st.sampled_from([-1, 10_001, None])),
    "similar at": Refused(lambda rec, x: rec.similar("a", at=x), TIMES),
    "recommend k": Refused(lambda rec, x: rec.recommend(x), NO_INTEGER | st.sampled_from([-1, 10_001, None])),
    "recommend at": Refused(lambda rec, x: rec.recommend(at=x), TIMES),
    "recommend context": Refused(lambda rec, x: rec.recommend(context=x), CONTEXTS),
    "recommend exclude": Refused(lambda rec, x: rec.recommend(exclude=x), _lists("id")),
    "recommend where": Refused(lambda rec, x: rec.recommend(where=x), st.sampled_from([5, "text", [], True]) | WHERES),
    "recommend explore": Refused(lambda rec, x: rec.recommend(explore=x), NUMBERS | st.sampled_from([-1, 1e-4, 101])),
    "recommend seed": Refused(lambda rec, x: rec.recommend(explore=1.0, seed=x), SEEDS),
    **{
        f"{call} {name}": Refused(lambda rec, x, call=call, name=name: _asked(rec, call, **{name: x}), bad)
        for call in ("recommend", "rank")
        for name, bad in RULES.items()
    },
    **{
        f"{call} {name} and explore": Refused(
            lambda rec, x, call=call, name=name: _asked(rec, call, explore=1.0, **{name: x}), st.just(good)
        )
        for call in ("recommend", "rank")
        for name, good in (("diversity", 0.5), ("caps", {"t": 1}))
    },
    "what_if explore": Refused(lambda rec, x: rec.what_if(explore=x), NUMBERS | st.sampled_from([-1, 1e-4, 101])),
    "what_if settings": Refused(lambda rec, x: rec.what_if(settings=x), st.sampled_from([5, {}, "x"])),
    "what_if prior": Refused(lambda rec, x: rec.what_if(prior=x), st.sampled_from([5, "none", b"x", []])),
    "rank item_ids": Refused(lambda rec, x: rec.rank(x), _lists("id") | st.just(["a", "b", "a"])),
    "rank twice": Refused(lambda rec, x: rec.rank([x, "other", x]), some.ids()),
    "rank k": Refused(lambda rec, x: rec.rank(["a"], k=x), NO_INTEGER | st.sampled_from([-1, 1_000_001])),
    "rank at": Refused(lambda rec, x: rec.rank(["a"], at=x), TIMES),
    "rank context": Refused(lambda rec, x: rec.rank(["a"], context=x), CONTEXTS),
    "rank explore": Refused(lambda rec, x: rec.rank(["a"], explore=x), NUMBERS),
    "rank seed": Refused(lambda rec, x: rec.rank(["a"], seed=x), SEEDS),
    "explain item_id": Refused(lambda rec, x: rec.explain(x), _texts("id")),
    "explain at": Refused(lambda rec, x: rec.explain("a", at=x), TIMES),
    "explain context": Refused(lambda rec, x: rec.explain("a", context=x), CONTEXTS),
    "forget events": Refused(lambda rec, x: rec.forget(events=x), _lists("uid")),
    "forget items": Refused(lambda rec, x: rec.forget(items=x), _lists("id")),
    "forget kinds": Refused(lambda rec, x: rec.forget(kinds=x), _lists("kind")),
    "forget since": Refused(lambda rec, x: rec.forget(since=x), TIMES),
    "forget until": Refused(lambda rec, x: rec.forget(until=x), TIMES),
    "forget everything": Refused(lambda rec, x: rec.forget(everything=x), st.sampled_from([1, 0, "yes", None, False])),
    "forget everything and": Refused(lambda rec, x: rec.forget(everything=True, items=x), st.just(["a"]) | st.just([])),
    "export path": Refused(lambda rec, x: rec.export(x), PATHS),
    "import_ path": Refused(lambda rec, x: rec.import_(x), PATHS),
    "rekey": Refused(lambda rec, x: rec.rekey(x), KEYS | st.just(bytes(32))),  # the file is a plain one
    "consent purpose": Refused(lambda rec, x: rec.consent(x), _texts("value")),
    "consent at": Refused(lambda rec, x: rec.consent("learning", at=x), TIMES),
    "maintain at": Refused(lambda rec, x: rec.maintain(at=x), TIMES),
    "maintain budget_ms": Refused(lambda rec, x: rec.maintain(x), NUMBERS | st.sampled_from([-1, 4e6])),
}


@pytest.fixture(scope="module")
def rec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommender]:
    path: Path = tmp_path_factory.mktemp("refused") / "me.db"
    with Recommender(path, settings=Settings(synchronous="normal", checkpoint_events=16, created="created")) as opened:
        opened.add([{"id": "a", "title": "A", "tags": ["t"]}, {"id": "b"}])
        opened.record_many(
            [{"item_id": "abc"[n % 3], "at": some.START + n, "context": {"n": n % 2}} for n in range(20)]
        )
        opened.shown(_slate("shown before", ("a", 0, 0.5)), at=some.START + 30)
        opened.remove(["c"])
        yield opened


@pytest.mark.parametrize("name", REFUSED)
@settings(max_examples=12)
@given(data=st.data())
def test_what_is_refused_changes_nothing(rec: Recommender, name: str, data: st.DataObject) -> None:
    refused = REFUSED[name]
    bad = data.draw(refused.bad)
    with nothing_changes(rec), pytest.raises(InputError) as caught:
        refused.call(rec, bad)
    assert caught.value.field
    assert isinstance(caught.value.field, str)


PLANTED: Final[dict[str, Call]] = {
    "the file": lambda rec, x: rec.record("a", at=AT + x),
    "the state": lambda rec, _: setattr(rec._live.state.behaviour, "newest_s", 1.0),
    "the catalogue": lambda rec, x: rec._catalogue.put([Item(f"new-{x}")]),
    "the versions": lambda rec, _: versions(rec._live.state.behaviour).uses_week.fill(-1.0),
}


@pytest.mark.parametrize("part", PLANTED)
def test_a_change_behind_a_refusal_is_noticed(part: str) -> None:
    with (
        Recommender(":memory:") as own,
        pytest.raises(AssertionError, match=f"changed: .*{'the state' if part == 'the file' else part}"),
        nothing_changes(own),
    ):
        PLANTED[part](own, 1)


def test_a_change_of_the_file_alone_is_noticed(rec: Recommender) -> None:
    with pytest.raises(AssertionError, match=r"changed: \['the file'\]"), nothing_changes(rec):
        rec._store.drop_checkpoints()


def test_every_call_of_the_public_face_with_an_argument_is_in_the_table() -> None:
    methods = {name for name, value in vars(Recommender).items() if callable(value) and not name.startswith("_")}
    without_arguments = {"profile", "evaluate", "pause", "resume", "check", "stats", "close", "consents", "withdraw"}
    assert {name.split()[0] for name in REFUSED} == methods - without_arguments | {"Recommender"}


def test_texts_of_other_kinds_are_taken_for_what_they_are_equal_to() -> None:
    class Loud(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "LOUD"

    with Recommender(":memory:") as rec:
        rec.record(Loud("quiet"), at=AT)
        rec.record(np.str_("numpy"), at=AT + 1)  # type: ignore[arg-type]
        assert sorted(rec.recommend(2, at=AT).item_ids) == ["numpy", "quiet"]
        assert [len(rec.rank([np.str_("a"), Loud("b")], at=AT)), len(rec.recommend(np.int64(1), at=AT))] == [2, 1]
