"""U1: a recommender that differs from one that never knew is found, be it by a bit, and what differs is named."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import pytest

from recsys import Event, InputError, Item, Recommender
from recsys.testing import assert_never_known

SECRET: Final = "the-night-shift"  # noqa: S105 - a place
START: Final = 1_700_000_000


def history() -> list[Event]:
    draw = random.Random(7)
    places = ("home", SECRET)
    return [
        Event(
            (START + n * 5_000) * 1_000_000,
            f"{n:016x}",
            f"item-{draw.randrange(5)}",
            draw.choice(("click", "play")),
            60,
            draw.random(),
            {"place": draw.choice(places)},
        )
        for n in range(30)
    ]


@contextmanager
def twins() -> Iterator[tuple[Recommender, Recommender]]:
    items = [Item(f"item-{n}", SECRET, ("t",), {"note": SECRET}) for n in range(5)]
    with Recommender(":memory:") as rec, Recommender(":memory:") as oracle:
        for one, events in (rec, history()), (oracle, [e for e in history() if e.item_id != "item-3"]):
            one.add(items)
            one.record_many(events)
        rec.forget(items=["item-3"])
        yield rec, oracle


def test_what_was_forgotten_was_never_known() -> None:
    with twins() as (rec, oracle):
        assert_never_known(rec, oracle)


def _one_bit(rec: Recommender) -> None:
    w = rec._live.state.choices[0].w
    w[0] = np.nextafter(w[0], np.inf)


def _count(rec: Recommender) -> None:
    rec.remove(["item-0"])


def _one_value(rec: Recommender) -> None:
    event = next(e for e in history() if e.item_id == "item-0")
    rec.forget(events=[event.uid])
    rec.record_many([Event(event.at_us, event.uid, "item-0", event.kind, 60, 0.5, event.context)])


FAULTS: Final[dict[str, tuple[Callable[[Recommender], object], str]]] = {
    "one bit of a weight": (_one_bit, r"state, bytes, from byte \d+"),
    "one event more": (lambda rec: rec.record("item-0", at=START), "log, number of events"),
    "the value of an event": (_one_value, r"log, event \d+, value"),
    "a steer": (lambda rec: rec.steer(SECRET, 0.5, at=START + 10**7), "log, number of events"),
    "a title": (lambda rec: rec.add([{"id": "item-0", "title": "x" + SECRET}]), "catalogue 0 0, title"),
    "an item out of the catalogue": (_count, "catalogue 0 0, title"),
    "one item more": (lambda rec: rec.add([{"id": "item-9"}]), "catalogue, how many"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_twin_that_differs_is_found_and_what_differs_is_named_without_its_content(fault: str) -> None:
    plant, where = FAULTS[fault]
    with twins() as (rec, oracle):
        plant(rec)
        with pytest.raises(AssertionError) as caught:
            assert_never_known(rec, oracle)
    assert re.fullmatch(rf"not as if it had never been known: {where} differs", str(caught.value))
    assert SECRET not in str(caught.value)


class Adapter:
    """A host's own face on a recommender."""

    def __init__(self, rec: Recommender) -> None:
        self.rec = rec

    def recommend(self, k: int, **moment: Any) -> object:
        return self.rec.recommend(k, **moment)

    def profile(self) -> object:
        return {"habits": self.rec.profile().habits, SECRET: 1}


def test_adapters_are_compared_by_what_they_show() -> None:
    with twins() as (rec, oracle):
        one, other = Adapter(rec), Adapter(oracle)
        assert_never_known(one, other, at=[START + 10**6], contexts=[{}, {"place": SECRET}])
        _one_bit(rec)
        _one_bit(rec)
        rec._live.state.choices[0].w[:] += 1e-6
        with pytest.raises(AssertionError, match="recommend, moment 0, context 0, item 0, score differs") as caught:
            assert_never_known(one, other, at=[START + 10**6], contexts=[{}])
        assert SECRET not in str(caught.value)


def test_a_key_that_is_content_is_not_told() -> None:
    class Shows(Adapter):
        def profile(self) -> object:
            return {SECRET: self.rec is first}

    with twins() as (first, other), pytest.raises(AssertionError, match="profile, entry 0 differs"):
        assert_never_known(Shows(first), Shows(other), at=[START + 10**6], contexts=[{}])


@pytest.mark.parametrize("asked", [{"at": []}, {"contexts": []}])
def test_asking_nothing_is_refused(asked: dict[str, Any]) -> None:
    with twins() as (rec, oracle), pytest.raises(InputError):
        assert_never_known(rec, oracle, **asked)


def test_adapters_need_moments_and_a_method_to_ask() -> None:
    with twins() as (rec, oracle):
        with pytest.raises(InputError, match="moments"):
            assert_never_known(Adapter(rec), Adapter(oracle))
        with pytest.raises(InputError, match="recommend"):
            assert_never_known(object(), object(), at=[0.0], contexts=[{}])


@pytest.mark.parametrize(
    "wrong", [{"at": 5}, {"at": ["noon"]}, {"at": [None]}, {"contexts": 5}, {"contexts": [5]}, {"contexts": {"a": 1}}]
)
def test_what_is_no_list_of_moments_or_contexts_is_refused(wrong: dict[str, Any]) -> None:
    with Recommender(":memory:") as rec, pytest.raises(InputError):
        assert_never_known(rec, rec, **wrong)
