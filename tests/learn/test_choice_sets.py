"""What a choice is taught to have been made among: a slate as far as it was seen, or what is active and a few more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from recsys.learn.fold import LOG_UNTOUCHED, PENDING
from recsys.learn.layout import BLOCK
from recsys.settings import Settings
from recsys.types import Event
from tests.learn.histories import (
    DAY,
    MONDAY_S,
    SETTINGS,
    event,
    examples,
    histories,
    learnt,
    shown,
    uses,
    wandering,
)
from tests.learn.spy import UNTOUCHED, choices, last, spied

GAP_S = SETTINGS.session_gap_minutes * 60.0


def test_the_weights_move_after_every_choice_at_first_and_then_after_growing_blocks() -> None:
    events = [event(n, MONDAY_S + 60 * n, "abcde"[n % 5]) for n in range(1, 4500)]
    blocks = spied(events).blocks
    assert blocks[:60] == [1] * 60
    assert sorted(blocks[:-1]) == blocks[:-1]
    assert set(blocks[:-1]) == set(range(1, BLOCK + 1))
    assert sum(blocks) == len(events) - 1, "the first event has nothing to be chosen among"


# -- slates -----------------------------------------------------------------------


def clicked(*items: str, slate: str = "s", of: str = "abcdef") -> list[Event]:
    """A slate, and clicks on some of its items a second apart."""
    clicks = [event(n, MONDAY_S + n, item, slate=slate) for n, item in enumerate(items, start=1)]
    return [shown(0, MONDAY_S, "s", of), *clicks]


@pytest.mark.parametrize(("item", "examined"), [("a", "ab"), ("c", "abcd"), ("e", "abcdef"), ("f", "abcdef")])
def test_a_slate_is_examined_up_to_and_just_past_the_click(item: str, examined: str) -> None:
    seen = last(clicked(item))
    assert seen.items == list(examined)
    assert (seen.target, seen.weight, seen.shown_at_s, set(seen.offsets)) == (item, 1.0, MONDAY_S, {0.0})


def test_a_second_click_is_a_choice_among_what_was_left() -> None:
    seen = choices(clicked("c", "e", "a"))
    assert [s.items for s in seen] == [["a", "b", "c", "d"], ["a", "b", "d", "e", "f"], ["a", "b"]]
    assert [s.target for s in seen] == ["c", "e", "a"]


def test_a_dislike_settles_an_item_of_a_slate_too() -> None:
    events = [*clicked(), event(1, MONDAY_S + 1, "b", "loathe", slate="s"), event(2, MONDAY_S + 2, "c", slate="s")]
    first, second = choices(events)
    assert (first.items, first.target, first.weight) == (["a", "b", "c"], "b", -10.0)
    assert (second.items, second.target, second.weight) == (["a", "c", "d"], "c", 1.0)


def test_a_kind_that_weighs_nothing_leaves_an_item_of_a_slate_to_be_chosen() -> None:
    events = [*clicked(), event(1, MONDAY_S + 1, "b", "glance", slate="s"), event(2, MONDAY_S + 2, "b", slate="s")]
    assert last(events).items == ["a", "b", "c"]


def test_the_last_item_left_of_a_slate_teaches_nothing() -> None:
    assert choices(clicked("a", of="a")) == []
    assert len(choices(clicked("a", "b", of="ab"))) == 1


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (clicked("z"), "it was not in the slate"),
        (clicked("c", "c"), "it was chosen from it before"),
        (clicked("c", slate="another"), "that slate was never shown"),
        ([*uses("ab"), event(2, MONDAY_S + DAY, "a")], "there was no slate"),
    ],
)
def test_everything_else_is_a_choice_among_all_that_is_active(events: list[Event], why: str) -> None:
    seen = last(events)
    known = {item for e in events[:-1] for item in ([item for item, _, _ in e.shown] or [e.item_id])}
    assert seen.shown_at_s is None, why
    assert sorted(seen.items) == sorted({UNTOUCHED, *known})
    assert seen.target == (events[-1].item_id if events[-1].item_id in known else UNTOUCHED)
    assert seen.offsets == [LOG_UNTOUCHED if item == UNTOUCHED else 0.0 for item in seen.items]
    assert LOG_UNTOUCHED > 0


def test_only_the_newest_slates_wait_for_a_choice() -> None:
    slates = [shown(n, MONDAY_S + n, f"slate-{n}", "abc") for n in range(PENDING + 1)]
    at = len(slates)
    for slate, waits in (("slate-0", False), ("slate-1", True), (f"slate-{PENDING}", True)):
        seen = last([*slates, event(at, MONDAY_S + at, "b", slate=slate)])
        assert (seen.shown_at_s is not None) == waits
    again = shown(at, MONDAY_S + at, "slate-1", "cab")
    newer = shown(at + 1, MONDAY_S + at + 1, "newer", "abc")
    seen = last([*slates, again, newer, event(at + 2, MONDAY_S + at + 2, "a", slate="slate-1")])
    assert (seen.items, seen.shown_at_s) == (["c", "a", "b"], MONDAY_S + at), "shown again, it waits anew"
    assert len(learnt([*slates, again, newer]).slates) == PENDING


Told = tuple[int, int, str, list[str], str, float, float | None]


def expected(events: Sequence[Event]) -> list[Told]:
    """The slow twin: the choices of a log of few items and less than a block, from the rules as they are told."""
    known: list[str] = []
    slates: dict[str, tuple[list[str], float, set[str]]] = {}
    found: list[Told] = []
    used_us = newest_us = first = None  # the last use, the last event, and the first choice of the instant
    for number, e in enumerate(events):
        weight = SETTINGS.kind_weights.get(e.kind, 1.0)
        begins, first = (True, None) if e.at_us != newest_us else (False, first)
        newest_us = e.at_us
        if e.kind == "shown":
            items = [item for item, _, _ in e.shown]
            slates[e.slate or ""] = (items, e.at_us / 1e6, set())
            known += [item for item in items if item not in known]
            first = None
        elif e.kind != "steer" and weight:
            silence_s = None if used_us is None else e.at_us / 1e6 - used_us / 1e6
            regime = "beginning" if silence_s is None or silence_s > GAP_S else "within"
            items, shown_at_s, settled = slates.get(e.slate or "", ([], 0.0, set()))
            if e.item_id in items and e.item_id not in settled:
                among = [item for item in items[: items.index(e.item_id) + 2] if item not in settled]
                found.append((number, number, regime, among, e.item_id, weight, shown_at_s))
            else:
                asked = [(number, regime, [UNTOUCHED, *known])]
                if begins and regime == "beginning" and known:
                    first = asked[0]
                elif first:
                    asked.append(first)
                for at, of, among in asked:
                    target = e.item_id if e.item_id in among else UNTOUCHED
                    found.append((number, at, of, among, target, weight, None))
            settled.add(e.item_id)
            known += [e.item_id] if e.item_id not in known else []
            used_us = e.at_us if weight > 0 else used_us
            first = first if weight > 0 else None
    return [told for told in found if len(told[3]) > 1]


@examples(0.6)
@given(histories(repeats=2))
def test_choices_are_what_their_slow_twin_says(events: list[Event]) -> None:
    found = [(s.number, s.asked, s.regime, s.items, s.target, s.weight, s.shown_at_s) for s in choices(events)]
    assert found == expected(events)


# -- choices without a slate ------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 4, 7, 8, 16, 64, 200])
def test_a_choice_set_is_bounded_and_holds_the_chosen_and_the_recent(size: int) -> None:
    events = wandering(400, 300)
    known: set[str] = set()
    for seen in choices(events, Settings(choice_set_size=size)):
        known |= {e.item_id for e in events[len(known) : seen.number]}
        chosen = events[seen.number].item_id
        assert len(seen.items) == len(set(seen.items)) <= size
        assert seen.target == (chosen if chosen in known else UNTOUCHED)
        assert {UNTOUCHED, seen.target} <= set(seen.items) <= {UNTOUCHED, *known}
        if len(known) < size:
            assert set(seen.items) == {UNTOUCHED, *known}
        else:
            n_recent = min(size // 4, 64)
            recent = {e.item_id for e in events[max(seen.number - n_recent, 0) : seen.number]}
            assert recent <= set(seen.items)


@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_drawn_candidates_stand_for_all_those_not_drawn(size: int) -> None:
    items = [f"i{n % 97 if n < 300 else n * n % 97}" for n in range(600)]
    events = [event(n, MONDAY_S + 60 * n, item) for n, item in enumerate(items)]
    for seen in choices(events, replace(SETTINGS, choice_set_size=size))[-200:]:
        stands_for = dict(zip(seen.items, np.exp(seen.offsets), strict=True))
        assert stands_for.pop(UNTOUCHED) == pytest.approx(np.exp(LOG_UNTOUCHED))
        drawn = [share for share in stands_for.values() if share > 1]
        assert sum(stands_for.values()) == pytest.approx(97) or not drawn
        assert len(set(drawn)) <= 1, "each stands for as many as the next"


def test_large_choice_sets_are_bounded_too() -> None:
    log = uses([*(f"i{n}" for n in range(320)), "i3"])
    for size in (270, 319, 1000):
        seen = last(log, Settings(choice_set_size=size))
        assert {UNTOUCHED, "i3"} <= set(seen.items)
        assert len(seen.items) <= min(size, 321)


def test_a_choice_set_holds_what_usually_follows_and_something_from_far_away() -> None:
    log = uses([*"ab" * 3, *(f"i{n}" for n in range(200)), "a", "z"])
    seen = last(log)
    assert "b" in seen.items, "what followed the last item, though long ago"
    early = {f"i{n}" for n in range(150)}
    appeared = {item for s in choices(wandering(600, 300))[300:] for item in s.items}
    assert early & set(seen.items), "some were drawn"
    assert len(appeared) > 120, "and others each time"
