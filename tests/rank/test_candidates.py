"""Every item that is known and not removed is a candidate once, with its own statistics and its own steering."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from recsys.learn.fold import fold
from recsys.rank.candidates import STEER_STRENGTH, Catalogue
from recsys.types import Event, Item
from tests.learn.histories import MONDAY_S, event, examples, learnt, shown, uses
from tests.rank.worlds import TITLES, World, candidates, catalogue, world


def steers(*weights: tuple[str, float], start: int = 100) -> list[Event]:
    return [event(start + n, MONDAY_S + start + n, to, "steer", value=v) for n, (to, v) in enumerate(weights)]


def test_items_of_the_catalogue_and_of_the_log_are_candidates_with_their_own_slots() -> None:
    w = world([*uses(["z", "b", "z"], every_s=1.0), shown(3, MONDAY_S + 3, "s", ["y"])])
    slots = w.state.behaviour.slots
    found = candidates(w.everything())
    assert set(found) == {*TITLES, "z", "y"}
    for item_id, (slot, offset) in found.items():
        assert (slot, offset) == (slots.get(item_id, 0), 0.0)


def test_without_events_the_catalogue_is_ranked_and_without_both_nothing_is() -> None:
    assert set(candidates(world([]).everything())) == set(TITLES)
    assert candidates(world([], Catalogue([])).everything()) == {}


def test_what_was_removed_is_no_candidate_though_its_history_stays() -> None:
    w = world(uses("abz", every_s=1.0), catalogue("abc", removed="z"))
    assert set(candidates(w.everything())) == {"a", "b", "c"}
    w.catalogue.drop(["a", "c"], ["a"])
    assert set(candidates(w.everything())) == {"b"}
    w.catalogue.put([Item("a"), Item("z")])
    assert set(candidates(w.everything())) == {"a", "b", "z"}
    assert candidates(w.everything())["z"][0] == w.state.behaviour.slots["z"], "what was learnt of it counts again"


@pytest.mark.parametrize("exclude", [["a"], ["d"], ["a", "d", "nobody", "a"], [""], list(TITLES)])
def test_what_is_excluded_is_no_candidate_this_once(exclude: list[str]) -> None:
    w = world(uses("ab", every_s=1.0))
    assert set(candidates(w.everything(exclude))) == set(TITLES) - set(exclude)
    assert set(candidates(w.everything())) == set(TITLES)


def test_where_keeps_items_by_what_the_host_said_of_them() -> None:
    w = world(uses("abz", every_s=1.0))
    asked: list[Item] = []

    def fruit(item: Item) -> bool:
        asked.append(item)
        return "fruit" in item.tags

    assert set(candidates(w.everything(where=fruit))) == {"a", "d", "f", "g"}
    assert sorted(item.id for item in asked) == sorted({*TITLES, "z"}), "each is asked about once"
    assert next(item for item in asked if item.id == "z") == Item("z"), "an item of the log has no attributes"
    assert set(candidates(w.everything(["a", "d"], fruit))) == {"f", "g"}
    assert candidates(w.everything(where=lambda _: False)) == {}
    assert set(candidates(w.everything(where=lambda item: item.id))) == {*TITLES, "z"}, "any truth will do"


# -- steering ----------------------------------------------------------------------


def offsets(w: World) -> dict[str, float]:
    return {item_id: offset for item_id, (_, offset) in candidates(w.everything()).items() if offset}


def test_steering_moves_the_item_and_every_item_with_the_tag() -> None:
    log = uses("abz", every_s=1.0)
    assert offsets(world([*log, *steers(("a", 0.5))])) == {"a": 0.5 * STEER_STRENGTH}
    assert offsets(world([*log, *steers(("z", -1.0))])) == {"z": -STEER_STRENGTH}
    assert offsets(world([*log, *steers(("h", 1.0))])) == {"h": STEER_STRENGTH}, "untouched"
    fruit = dict.fromkeys("adfg", 0.25 * STEER_STRENGTH)
    assert offsets(world([*log, *steers(("fruit", 0.25))])) == fruit
    both = offsets(world([*log, *steers(("fruit", 0.25), ("dry", -1.0), ("g", 0.5))]))
    assert both == pytest.approx({**fruit, "d": -0.75 * STEER_STRENGTH, "g": -0.25 * STEER_STRENGTH})
    assert offsets(world([*log, *steers(("fruit", 0.25), ("fruit", 0.0))])) == {}
    assert offsets(world([*log, *steers(("nobody", 1.0))])) == {}


def test_steering_makes_nobody_a_candidate() -> None:
    w = world([*uses("ab", every_s=1.0), *steers(("fruit", 1.0), ("nobody", 1.0), ("x", 1.0))], catalogue(removed="x"))
    assert set(candidates(w.everything())) == set(TITLES)
    assert set(candidates(w.everything(["a", "d"]))) == set(TITLES) - {"a", "d"}
    assert set(candidates(w.everything(where=lambda item: item.id in "abg"))) == {"a", "b", "g"}


def test_an_item_whose_id_is_a_tag_is_moved_once() -> None:
    stock = Catalogue([(Item("jazz", tags=("jazz",)), False), (Item("x", tags=("jazz",)), False)])
    assert offsets(world(steers(("jazz", 0.5)), stock)) == {"jazz": 0.5 * STEER_STRENGTH, "x": 0.5 * STEER_STRENGTH}


def test_tags_follow_the_catalogue() -> None:
    w = world(steers(("new", 1.0)))
    assert offsets(w) == {}
    w.catalogue.put([Item("a", tags=("new",)), Item("k", tags=("new",))])
    assert offsets(w) == {"a": STEER_STRENGTH, "k": STEER_STRENGTH}
    w.catalogue.put([Item("a")])
    w.catalogue.drop(["k"], [])
    assert offsets(w) == {}


# -- the host's own list -----------------------------------------------------------------


def test_the_hosts_own_list_is_taken_as_it_is() -> None:
    w = world(uses("ab", every_s=1.0), catalogue("abc", removed="d"))
    found = w.given("b", "nobody", "d", "a")
    assert list(candidates(found).items()) == [("b", (2, 0.0)), ("nobody", (0, 0.0)), ("d", (0, 0.0)), ("a", (1, 0.0))]
    assert candidates(w.given()) == {}
    steered = world([*uses("ab", every_s=1.0), *steers(("fruit", 0.5), ("nobody", -0.5))])
    assert candidates(steered.given("nobody", "g", "b")) == {"nobody": (0, -2.0), "g": (0, 2.0), "b": (2, 0.0)}


def test_titles_and_what_is_known() -> None:
    w = world(uses("az", every_s=1.0), catalogue("abc", removed="d"))
    assert [w.catalogue.title(i) for i in ("a", "c", "z", "d")] == ["Apples", "c", "z", "d"]
    known = [i for i in ("a", "b", "z", "d", "nobody") if w.catalogue.known(i, w.state.behaviour)]
    assert known == ["a", "b", "z"]


# -- untouched items, while everything around them changes -----------------------------------

NAMES = [f"i{n:02}" for n in range(12)]


class Untouched(RuleBasedStateMachine):
    """Items come, go, are used and forgotten; the untouched ones are always those without a slot."""

    @initialize()
    def begin(self) -> None:
        self.log: list[Event] = []
        self.world = world([], Catalogue([]))

    @rule(item_ids=st.lists(st.sampled_from(NAMES), max_size=6))
    def add(self, item_ids: list[str]) -> None:
        self.world.catalogue.put([Item(item_id) for item_id in item_ids])

    @rule(item_ids=st.lists(st.sampled_from(NAMES), max_size=3))
    def remove(self, item_ids: list[str]) -> None:
        tombstones = [item_id for item_id in item_ids if item_id in self.world.state.behaviour.slots]
        self.world.catalogue.drop(item_ids, tombstones)

    @rule(item_id=st.sampled_from(NAMES), kind=st.sampled_from(("click", "loathe", "glance", "shown")))
    def happen(self, item_id: str, kind: str) -> None:
        n = len(self.log)
        e = shown(n, MONDAY_S + n, f"s{n}", [item_id]) if kind == "shown" else event(n, MONDAY_S + n, item_id, kind)
        self.log.append(e)
        fold(self.world.state, e)

    @rule(item_id=st.sampled_from(NAMES))
    def forget(self, item_id: str) -> None:
        self.log = [e for e in self.log if item_id not in (e.item_id, *(shown_id for shown_id, _, _ in e.shown))]
        self.world.state = learnt(self.log)
        self.world.catalogue.forget_slots()

    @invariant()
    def the_untouched_are_those_without_a_slot(self) -> None:
        stock, b = self.world.catalogue, self.world.state.behaviour
        assert list(stock.untouched(b)) == sorted(set(stock.items) - set(b.slots))
        assert set(candidates(self.world.everything())) == (set(stock.items) | set(b.ids[1:])) - stock.removed


TestUntouched = Untouched.TestCase
TestUntouched.settings = examples(0.4)


@examples(0.5)
@given(
    st.lists(st.sampled_from("abdz"), max_size=5),
    st.lists(st.sampled_from("abdfgz"), max_size=3),
    st.lists(st.sampled_from([*"abgz", "nobody"]), max_size=3),
    st.lists(st.tuples(st.sampled_from(["a", "g", "z", "fruit", "dry", "nobody"]), st.floats(-1, 1)), max_size=4),
    st.sampled_from([None, lambda item: "fruit" in item.tags]),
)
def test_the_candidates_are_what_their_slow_twin_says(
    used: list[str],
    removed: list[str],
    exclude: list[str],
    given_steers: Sequence[tuple[str, float]],
    where: Callable[[Item], bool] | None,
) -> None:
    stock = catalogue(removed=removed)
    stock.drop(removed, removed)
    w = world([*uses(used, every_s=1.0), *steers(*given_steers)], stock)
    slots, weights = w.state.behaviour.slots, w.state.steers
    expected = {}
    for item_id in {*TITLES, *used} - {*removed, *exclude}:
        item = stock.items.get(item_id, Item(item_id))
        if where is None or where(item):
            moved = sum(weights.get(name, 0.0) for name in {item_id, *item.tags})
            expected[item_id] = (slots.get(item_id, 0), pytest.approx(STEER_STRENGTH * moved))
    found = candidates(w.everything(exclude, where))
    note(str(found))
    assert found == expected
    assert np.isfinite([offset for _, offset in found.values()]).all()
