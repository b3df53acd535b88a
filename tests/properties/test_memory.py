"""Memory grows with the number of items and never with the number of events."""

from __future__ import annotations

import random
import sys
from collections import OrderedDict, deque
from typing import Final

import numpy as np
import pytest

from recsys import Event, Settings
from recsys.learn.behaviour import Behaviour
from recsys.learn.checkpoint import basis, encode
from recsys.learn.fold import PENDING, State, fold, new_state
from recsys.learn.layout import CUES, PAST, PLACES, RING
from recsys.learn.moment import cue_label
from recsys.prior import Prior
from recsys.testing import strategies as some

N_ITEMS: Final = 50
N_EVENTS: Final = 20_000
SETTINGS: Final = Settings()


def busy_life(n_events: int, *, n_items: int = N_ITEMS) -> list[Event]:
    """Every item in turn, then at random, under ever new contexts, with slates that are shown and chosen from."""
    draw = random.Random(7)
    events: list[Event] = []
    for n in range(n_events):
        item = f"item-{n if n < n_items else draw.randrange(n_items)}"
        at_us = (some.START + 600 * n) * 1_000_000
        context = {"place": draw.randrange(400)} if n % 3 == 0 else {}
        slate = None
        if n % 10 == 9:
            places = tuple((f"item-{draw.randrange(k, n_items, 5)}", k, 0.5) for k in range(5))
            events.append(Event(at_us - 1, f"s{n}", "", "shown", slate=f"slate-{n}", shown=places))
            slate = f"slate-{n}"
        events.append(Event(at_us, f"u{n}", item, "skip" if n % 17 == 16 else "play", 60, None, context, slate))
    return events


def sizes(state: State) -> dict[str, int]:
    """How much there is of everything that is kept."""
    arrays = dict(state.behaviour.arrays())
    return {
        **{name: array.nbytes for name, array in arrays.items()},
        "items": len(state.behaviour.slots),
        "weights": sum(model.w.nbytes + model.precision.nbytes for model in state.choices),
        "context values": max(len(state.behaviour.cues), CUES),
        "slates": max(len(state.slates), PENDING),
        "steers": len(state.steers),
    }


def grown(events: list[Event], *, after: int) -> dict[str, tuple[int, int]]:
    """What has grown since so many events: name, then and at the end."""
    state = new_state(Prior.default(), SETTINGS)
    for event in events[:after]:
        fold(state, event)
    then = sizes(state)
    for event in events[after:]:
        fold(state, event)
    now = sizes(state)
    assert len(encode(state, basis(Prior.default(), SETTINGS))) < 2 * sum(now.values())
    return {name: (then[name], now[name]) for name in now if then[name] != now[name]}


def test_once_every_item_was_seen_nothing_grows_any_more() -> None:
    assert grown(busy_life(N_EVENTS), after=100) == {}


def test_growth_with_new_items_is_noticed() -> None:
    assert grown(busy_life(300, n_items=200), after=100).keys() > {"items", "own_n"}


# The slow twin: for each item what came right after its last uses, for each context value what was used under it.


def twin(events: list[Event]) -> tuple[dict[str, list[str]], OrderedDict[str, deque[str]]]:
    under: OrderedDict[str, deque[str]] = OrderedDict()
    uses = [event for event in events if event.kind == "play"]
    places: dict[str, deque[int]] = {}
    for n, event in enumerate(uses):
        places.setdefault(event.item_id, deque(maxlen=PLACES)).append(n)
        for label in sorted(cue_label(key, value) for key, value in event.context.items()):
            if label not in under and len(under) == CUES:
                under.popitem(last=False)  # unused for longest
            under.setdefault(label, deque(maxlen=RING)).append(event.item_id)
            under.move_to_end(label)
    oldest = max(len(uses) - PAST, 0)
    after = {item: [uses[n + 1].item_id for n in ring if oldest <= n < len(uses) - 1] for item, ring in places.items()}
    return {item: found for item, found in after.items() if found}, under


def remembered(behaviour: Behaviour) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The same, of the real thing; what followed is put into the order in which it happened."""
    b = behaviour

    def names(ring: list[int], n: int) -> list[str]:
        return [b.ids[ring[k % RING]] for k in range(max(n - RING, 0), n)]

    def after(slot: int) -> list[str]:
        items, at = b.followers(slot)
        return [b.ids[item] for item in items[np.argsort(at, kind="stable")].tolist()]

    followed = {b.ids[slot]: after(slot) for slot in range(b.n_slots)}
    under = {label: names(b.cue_item[row].tolist(), int(b.cue_n[row])) for label, row in b.cues.items()}
    return {item: found for item, found in followed.items() if found}, under


def agrees_with_the_twin(events: list[Event]) -> bool:
    state = new_state(Prior.default(), SETTINGS)
    for event in events:
        fold(state, event)
    followed, under = remembered(state.behaviour)
    slow_followed, slow_under = twin(events)
    return followed == slow_followed and list(under.items()) == [(label, [*ring]) for label, ring in slow_under.items()]


def test_transitions_and_context_values_are_capped_as_in_the_slow_twin() -> None:
    events = busy_life(3_000, n_items=8)
    followed, under = twin(events)
    assert max(map(len, followed.values())) == PLACES
    assert len(under) == CUES
    assert agrees_with_the_twin(events)


def test_what_followed_is_forgotten_with_the_past_as_in_the_slow_twin() -> None:
    events = busy_life(PAST + 1_500, n_items=700)
    followed, _ = twin(events)
    n_uses = sum(event.kind == "play" for event in events)
    assert max(map(len, followed.values())) < PLACES
    assert sum(map(len, followed.values())) == PAST - 1 < n_uses
    assert agrees_with_the_twin(events)


def test_one_place_more_than_there_is_room_for_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PLACES", PLACES + 1)
    assert not agrees_with_the_twin(busy_life(3_000, n_items=8))


def test_a_context_value_that_makes_room_too_early_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    cue = Behaviour._cue

    def first_come_first_gone(self: Behaviour, label: str) -> int:
        return self.cues[label] if label in self.cues else cue(self, label)

    monkeypatch.setattr(Behaviour, "_cue", first_come_first_gone)
    assert not agrees_with_the_twin(busy_life(3_000, n_items=8))
