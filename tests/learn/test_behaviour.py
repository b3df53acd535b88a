"""Statistics grow with the number of items and never with the number of events."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.learn.behaviour import Behaviour
from recsys.learn.features import FEATURES
from recsys.learn.fold import State, fold_all
from recsys.learn.layout import CUES, DECAYED, HEAVY, NOBODY, OWN_RING, PAST, PLACES, RECENT, RING
from recsys.learn.moment import moment
from recsys.types import Event
from tests.learn.histories import DAY, MONDAY_S, YEAR, event, examples, feature_matrix, histories, learnt, shown, uses


def features_of(state: State, items: list[str], at_s: float) -> list[tuple[str, bytes]]:
    """Every item's features, to the last bit."""
    slots = np.array([state.behaviour.slots[item] for item in items])
    columns = feature_matrix(state.behaviour, slots, moment(round(at_s * 1e6), 0, {"place": "home"}))
    return [(item, columns[:, i].tobytes()) for i, item in enumerate(items)]


@pytest.mark.parametrize("n_items", [60, 90, 170, 700])
def test_items_are_taken_in_without_end_and_the_early_ones_keep_what_they_had(n_items: int) -> None:
    names = [f"i{n}" for n in range(n_items)]
    log = uses([*names, *names[:5]])
    state = learnt(log)
    assert state.behaviour.ids == ["", *names]
    assert [state.behaviour.slots[name] for name in names] == list(range(1, n_items + 1))
    roomy = Behaviour(state.behaviour.session_gap_s)
    roomy._allot(2 * n_items)  # room for all from the beginning
    other = learnt([])
    other.behaviour = roomy
    fold_all(other, log)
    at_s = log[-1].at_us / 1e6
    assert features_of(state, names, at_s) == features_of(other, names, at_s)


def test_the_item_never_seen_stays_empty() -> None:
    log = [*uses("abcab"), shown(5, MONDAY_S + DAY, "s", "az"), event(6, MONDAY_S + DAY, "q", "loathe")]
    at = moment(round((MONDAY_S + DAY) * 1e6), 0, {})
    empty = feature_matrix(learnt(log).behaviour, np.array([0]), at)[:, 0]
    by_name = dict(zip([f.name for f in FEATURES], empty.tolist(), strict=True))
    assert by_name["new"] == 1.0
    assert by_name["shown"] == by_name["against"] == by_name["in_session"] == by_name["is_last"] == 0.0
    assert by_name["uses_ever"] == pytest.approx(np.log(0.3))


def size_bytes(b: Behaviour) -> int:
    return sum(array.nbytes for _, array in b.arrays())


def test_memory_does_not_grow_with_the_number_of_events() -> None:
    once = learnt(uses("abcdef")).behaviour
    often = learnt(uses("abcdef" * 60)).behaviour
    assert size_bytes(often) == size_bytes(once)
    wide = learnt(uses([f"i{n}" for n in range(106)])).behaviour
    assert (size_bytes(wide) - size_bytes(once)) / 100 < 2000, "bytes an item"


def test_rings_keep_the_newest_entries() -> None:
    b = learnt(uses("ab" * 100)).behaviour
    a = b.slots["a"]
    assert int(b.own_n[a]) == 100
    assert sorted(b.own_at[a].tolist()) == [int(MONDAY_S) + 3600 * n for n in range(200 - 2 * OWN_RING, 200, 2)]
    assert sorted(b.places[a].tolist()) == list(range(200 - 2 * PLACES, 200, 2))
    assert Counter(b.recent[-RECENT:]) == {a: RECENT // 2, b.slots["b"]: RECENT // 2}


def past_of(events: list[Event], n_places: int = PLACES) -> tuple[list[tuple[object, ...]], dict[str, list[int]]]:
    """The slow twin: the last uses, oldest first, and where among all uses each item's newest ones are."""
    used = [e for e in events if e.kind in ("click", "view", "love", "faint")]
    past: list[tuple[object, ...]] = []
    places: dict[str, list[int]] = {}
    for n, e in enumerate(used):
        silence_s = (e.at_us - used[max(n - 1, 0)].at_us) / 1e6
        half_hour = (e.at_us // 60_000_000 + e.offset_min) % 1440 // 30
        past.append((e.item_id, e.at_us // 1_000_000, pytest.approx(math.log(silence_s + 60.0)), half_hour))
        places.setdefault(e.item_id, []).append(n)
    return past[-PAST:], {item: found[-n_places:] for item, found in places.items()}


def remembered(b: Behaviour) -> tuple[list[tuple[object, ...]], dict[str, list[int]]]:
    """The same, of the real thing."""
    cells = [n % PAST for n in range(max(b.position - PAST, 0), b.position)]
    items = [b.ids[slot] for slot in b.past_item[cells]]
    rest = (array[cells].tolist() for array in (b.past_at, b.past_log_gap, b.past_half_hour))
    places = {b.ids[slot]: sorted(b.places[slot][b.places[slot] != NOBODY].tolist()) for slot in range(b.n_slots)}
    return list(zip(items, *rest, strict=True)), {item: found for item, found in places.items() if found}


@examples(0.6)
@given(histories())
def test_the_past_and_the_places_in_it_are_what_their_slow_twin_says(events: list[Event]) -> None:
    assert remembered(learnt(events).behaviour) == past_of(events)


def test_the_past_goes_round_and_keeps_the_newest_uses_of_all_items() -> None:
    rng = np.random.default_rng(4)
    events = uses([f"i{n}" for n in rng.zipf(1.2, 2 * PAST + 300) % 90], every_s=600.0)
    b = learnt(events).behaviour
    assert remembered(b) == past_of(events)
    assert remembered(b) != past_of(events, PLACES + 1), "one place more is noticed"
    assert remembered(b) != past_of(events[:-1]), "one use less is noticed"
    assert remembered(b)[0][0][1] == int(MONDAY_S) + 600 * (PAST + 300), "the oldest kept"


def follow(events: list[Event], item: str) -> list[tuple[str, int]]:
    """The slow twin of followers: what came right after the uses of an item, and in which second."""
    past, places = past_of(events)
    begin = sum(e.kind == "click" for e in events) - len(past)
    after = [place + 1 - begin for place in places.get(item, [])]
    return [(str(past[n][0]), int(str(past[n][1]))) for n in after if 0 < n < len(past)]


@pytest.mark.parametrize("n_events", [1, 2, 7, 300, PAST + 70])
@pytest.mark.parametrize("n_items", [1, 2, 5, 80])
def test_followers_are_what_their_slow_twin_says(n_events: int, n_items: int) -> None:
    rng = np.random.default_rng(n_events)
    events = uses([f"i{n}" for n in rng.integers(0, n_items, n_events)])
    b = learnt(events).behaviour
    for slot in range(1, b.n_slots):
        items, at = b.followers(slot)
        found = [(b.ids[item], second) for item, second in zip(items.tolist(), at.tolist(), strict=True)]
        assert sorted(found) == sorted(follow(events, b.ids[slot]))
    after_last = [item for item, _ in follow(events, events[-1].item_id)]
    for n in (1, 3, 16, RING):
        newest = [b.ids[slot] for slot in b.newest_followers(n)]
        assert sorted(newest) == sorted(after_last[-n:]), n


def test_before_any_use_nothing_follows_and_the_last_items_stand_nowhere() -> None:
    b = learnt([]).behaviour
    nowhere = np.full(PLACES, NOBODY, np.int32).tobytes()
    assert b.newest_followers(RING) == []
    assert [array.tolist() for array in b.followers(0)] == [[], []]
    assert b.places_of_last(3) == (nowhere,) * 3
    b = learnt(uses("ab")).behaviour
    assert b.places_of_last(3) == (b.places[2].tobytes(), b.places[1].tobytes(), nowhere), "the last one's first"
    b = learnt(uses("abb")).behaviour
    assert b.places_of_last(3) == (b.places[2].tobytes(), b.places[2].tobytes(), b.places[1].tobytes())


def test_context_values_are_capped() -> None:
    log = [event(n, MONDAY_S + n, "ab"[n % 2], context={"n": n, "m": -n}) for n in range(CUES)]
    b = learnt(log).behaviour
    assert len(b.cues) == CUES
    assert sorted(b.cues.values()) == list(range(CUES)), "each has a place of its own"


@examples(0.08)
@given(st.integers(0, 2**32 - 1))
def test_the_heavy_items_are_the_most_used_lately(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log = uses([f"i{n}" for n in rng.zipf(1.4, 250) % 80], every_s=DAY)
    b = learnt(log).behaviour
    log = log[: len(log) - b.n_waiting]  # as of the last merge
    now = log[-1].at_us / 1e6
    counts: dict[str, float] = {}
    for e in log:
        counts[e.item_id] = counts.get(e.item_id, 0.0) + 2 ** (-(now - e.at_us / 1e6) / (40 * DAY))
    held = [b.ids[slot] for slot in b.heavy if slot]
    assert len(held) == len(set(held)) == min(HEAVY, len(counts))
    lightest = min(counts[item] for item in held)
    assert all(counts[item] <= lightest * (1 + 1e-9) for item in counts if item not in held)


@examples(0.3)
@given(histories(most=12, repeats=3))
def test_everything_stays_finite_and_counts_stay_positive(events: list[object]) -> None:
    b = learnt(events).behaviour  # type: ignore[arg-type]
    for name, array in b.arrays():
        for part in array.dtype.names or [...]:
            assert np.isfinite(array[part].astype(np.float64)).all(), (name, part)
    assert b.uses_week >= 0
    assert (b.table[:DECAYED] >= 0).all()
    assert (b.rhythm >= 0).all()


def test_after_years_of_silence_old_uses_are_gone_and_new_ones_count() -> None:
    log = [event(0, 0.0, "a"), event(1, 80 * YEAR, "b")]
    state = learnt(log)
    at = moment(round(80 * YEAR * 1e6), 0, {})
    columns = feature_matrix(state.behaviour, np.array([0, *(state.behaviour.slots[i] for i in "ab")]), at)
    rows = {f.name: columns[i] for i, f in enumerate(FEATURES)}
    for name in ("uses_2_hours", "uses_day", "uses_week", "uses_40_days", "hour", "week_hour"):
        never, a, b = rows[name].tolist()
        assert a == never < b
    assert rows["uses_ever"][1] == rows["uses_ever"][2]
