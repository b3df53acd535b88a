"""Every feature is what its slow twin says, whichever other candidates are asked about with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.learn.features import FEATURES, N_FEATURES, features_of
from recsys.learn.fold import State
from recsys.learn.gather import LAGS, ask, gather
from recsys.learn.layout import BLOCK, CUES, PAST, PLACES, RING
from recsys.learn.moment import moment
from recsys.learn.versions import versions
from recsys.types import Context, Event
from tests.learn import twins
from tests.learn.histories import (
    CONTEXTS,
    DAY,
    HOUR,
    ITEMS,
    MINUTE,
    MONDAY_S,
    OFFSETS,
    SETTINGS,
    SILENCES,
    YEAR,
    event,
    examples,
    feature_matrix,
    histories,
    learnt,
    shown,
    uses,
)

Floats = NDArray[np.float64]

NAMES = [feature.name for feature in FEATURES]
NEVER_SEEN = "an item that was never seen"
# What is kept in float32: the rhythms' sums, and the silences between an item and what followed it.
ROUGH = {"hour": 2e-6, "week_hour": 2e-6, "follows_gap": 1e-5}
FINE = 1e-9


def fast(
    state: State,
    items: Sequence[str],
    at_s: float,
    *,
    offset_min: int = 0,
    context: Context | None = None,
    shown_at_s: float | None = None,
) -> Floats:
    """The features, shape (N_FEATURES, n), of these items."""
    slots = np.array([state.behaviour.slots.get(item, 0) for item in items], np.intp)
    asked = moment(round(at_s * 1e6), offset_min, context or {})
    return feature_matrix(state.behaviour, slots, asked, shown_at_s=shown_at_s)


def slow(
    events: Sequence[Event],
    items: Sequence[str],
    at_s: float,
    *,
    offset_min: int = 0,
    context: Context | None = None,
    shown_at_s: float | None = None,
) -> Floats:
    past = twins.Past(events, SETTINGS.kind_weights, SETTINGS.session_gap_minutes * MINUTE)
    question = twins.Question(past, round(at_s * 1e6), offset_min, context or {}, shown_at_s)
    return np.array([[twins.TWINS[name](question, item) for item in items] for name in NAMES])


def differing(ours: Floats, theirs: Floats) -> list[str]:
    """The names of the features that are not the same."""
    assert ours.shape == theirs.shape
    assert np.isfinite(ours).all()
    return [
        name
        for name, a, b in zip(NAMES, ours, theirs, strict=True)
        if not np.allclose(a, b, rtol=ROUGH.get(name, FINE), atol=ROUGH.get(name, FINE))
    ]


def one(events: Sequence[Event], name: str, item: str, at_s: float, *, context: Context | None = None) -> float:
    """One feature of one item, the fast way, after the slow way was asked too."""
    ours = fast(learnt(events), [item], at_s, context=context)
    assert differing(ours, slow(events, [item], at_s, context=context)) == []
    return float(ours[NAMES.index(name), 0])


def newest_s(events: Sequence[Event]) -> float:
    return max((e.at_us / 1e6 for e in events), default=MONDAY_S)


def test_every_feature_has_a_slow_twin() -> None:
    assert set(twins.TWINS) == set(NAMES)
    assert len(NAMES) == N_FEATURES


@examples(0.8)
@given(
    histories(),
    st.sampled_from((-3 * YEAR, -DAY, -1.0, *SILENCES, 40 * YEAR)),
    st.sampled_from(OFFSETS),
    st.sampled_from(CONTEXTS),
)
def test_features_are_what_their_slow_twins_say(
    events: list[Event], later_s: float, offset_min: int, context: Context
) -> None:
    state = learnt(events)
    at_s = max(newest_s(events) + later_s, 0.0)
    items = [*ITEMS, NEVER_SEEN]
    ours = fast(state, items, at_s, offset_min=offset_min, context=context)
    assert differing(ours, slow(events, items, at_s, offset_min=offset_min, context=context)) == []
    for slate in [e for e in events if e.kind == "shown"][-2:]:
        items, shown_at_s = [item for item, _, _ in slate.shown], slate.at_us / 1e6
        ours = fast(state, items, at_s, shown_at_s=shown_at_s)
        assert differing(ours, slow(events, items, at_s, shown_at_s=shown_at_s)) == []


@examples(0.4)
@given(histories(), st.sampled_from((-DAY, *SILENCES)), st.sampled_from(CONTEXTS), st.randoms())
def test_a_candidates_features_do_not_depend_on_the_other_candidates(
    events: list[Event], later_s: float, context: Context, random: object
) -> None:
    b = learnt(events).behaviour
    asked = moment(round(max(newest_s(events) + later_s, 0.0) * 1e6), 0, context)
    everyone = feature_matrix(b, slice(0, b.n_slots), asked)
    assert everyone.tobytes() == feature_matrix(b, np.arange(b.n_slots), asked).tobytes()
    for slot in range(b.n_slots):
        column = everyone[:, slot].tobytes()
        assert feature_matrix(b, np.array([slot]), asked).tobytes() == column
        assert feature_matrix(b, slice(slot, slot + 1), asked).tobytes() == column
    mixed = [*range(b.n_slots), 0, 0]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert feature_matrix(b, np.array(mixed), asked).tobytes() == everyone[:, mixed].tobytes()


@examples(0.3)
@given(histories())
def test_features_computed_for_many_moments_at_once_are_the_same_bits(events: list[Event]) -> None:
    state = learnt(events)
    b, now_s = state.behaviour, newest_s(events)
    asked = [
        (np.arange(b.n_slots), moment(round((now_s + ahead) * 1e6), 60, context))
        for ahead, context in ((0.0, {}), (90.0, {"place": "home"}), (5 * DAY, {}))
    ]
    questions, candidates = [ask(b, now) for _, now in asked], [slots for slots, _ in asked]
    together = features_of(gather(b, questions, candidates, versions(b).rhythm(b)))
    apart = [feature_matrix(b, slots, now) for slots, now in asked]
    np.testing.assert_array_equal(together, np.concatenate(apart, axis=1))


@given(histories(most=6, repeats=1))
def test_asking_changes_nothing_and_no_candidates_give_no_columns(events: list[Event]) -> None:
    b = learnt(events).behaviour
    before = [(name, array.tobytes()) for name, array in b.arrays()]
    asked = moment(round(newest_s(events) * 1e6), 0, {"place": "home", "unheard": "of"})
    assert feature_matrix(b, np.array([], np.intp), asked).shape == (N_FEATURES, 0)
    first = feature_matrix(b, slice(0, b.n_slots), asked)
    assert feature_matrix(b, slice(0, b.n_slots), asked).tobytes() == first.tobytes()
    assert [(name, array.tobytes()) for name, array in b.arrays()] == before


@pytest.mark.parametrize("missing", [0, 20, -1])
def test_the_comparison_notices_a_history_that_lacks_one_event(missing: int) -> None:
    events = uses("abcacb" * 6)
    lacking = [e for i, e in enumerate(events) if i != missing % len(events)]
    at_s = newest_s(events) + MINUTE
    assert differing(fast(learnt(events), ITEMS, at_s), slow(lacking, ITEMS, at_s))
    assert differing(fast(learnt(events), ITEMS, at_s), slow(events, ITEMS, at_s)) == []


def test_before_any_event_all_items_are_alike() -> None:
    columns = fast(learnt([]), ["a", "b"], MONDAY_S, context={"place": "home"})
    assert differing(columns, slow([], ["a", "b"], MONDAY_S, context={"place": "home"})) == []
    assert (columns[:, 0] == columns[:, 1]).all()


@pytest.mark.parametrize("start_s", [0.0, 1.0, MONDAY_S])
def test_what_was_never_used_is_as_old_as_can_be_whatever_the_clock(start_s: float) -> None:
    events = [event(0, start_s, "a"), shown(1, start_s, "s", "b"), event(2, start_s, "c", "loathe")]
    for item in ("b", "c", NEVER_SEEN):
        assert one(events, "log_age", item, start_s + 5.0) == pytest.approx(-np.log(3e8 / 3600 + 0.02))


def test_only_the_last_places_of_an_item_count() -> None:
    early, late = "ab" * 40, "ac" * (PLACES - 1)  # the newest place is that of the last use itself
    events = uses([*early, *late, "a"])
    assert one(events, "follows", "b", newest_s(events)) == 0.0, "all its followers were overwritten"
    assert one(events, "follows", "c", newest_s(events)) > 3.0
    events = uses([*early, *late[:-2], "a"])
    assert one(events, "follows", "b", newest_s(events)) > 0.0, "one is left"


def wrapped(n_between: int) -> list[Event]:
    """The uses r, a, s, t, r, b, many others, and a: the last item's only other place is long ago."""
    others = [f"i{n % 9}" for n in range(n_between)]
    return uses([*"rastrb", *others, "a"], every_s=MINUTE)


def test_only_the_last_uses_of_all_are_looked_back_at() -> None:
    kept = PAST - BLOCK - LAGS
    for n_between, held in ((kept - 6, True), (kept - 5, False), (PAST - 3, False), (2 * PAST, False)):
        events = wrapped(n_between)
        state, at_s = learnt(events), newest_s(events)
        assert state.behaviour.position == n_between + 7
        ours = fast(state, "sbra", at_s)
        assert differing(ours, slow(events, "sbra", at_s)) == []
        follows, near = ours[NAMES.index("follows")], ours[NAMES.index("near")]
        assert (follows > 0.0).tolist() == [held, False, False, False], "right after a came s"
        assert (near > 0.0).tolist() == [held, held, held, False], "four uses later b at the last"


@pytest.mark.parametrize("n_events", [PAST - 20, PAST + 150])
def test_a_past_that_is_written_over_is_what_the_slow_twins_say(n_events: int) -> None:
    rng = np.random.default_rng(n_events)
    items = [f"i{n}" for n in rng.zipf(1.3, n_events) % 60]
    times = MONDAY_S + rng.choice([MINUTE, HOUR, 9 * HOUR], n_events).cumsum()
    events = [event(n, at_s, items[n]) for n, at_s in enumerate(times.tolist())]
    asked = [*dict.fromkeys([*items[-8:], "i1", NEVER_SEEN])]
    at_s = newest_s(events) + HOUR
    assert differing(fast(learnt(events), asked, at_s), slow(events, asked, at_s)) == []


def test_what_comes_soon_after_any_of_the_last_three_items_is_near() -> None:
    events = uses([*"abcdefgh" * 3, *"xaybz"], every_s=MINUTE)
    at_s = newest_s(events) + MINUTE
    by_item = {item: one(events, "near", item, at_s) for item in "abcdefghxyz"}
    assert min(by_item[item] for item in "cdef") > 1.0, "up to four uses after b, the last but one"
    assert by_item["c"] > by_item["d"] > by_item["e"] > by_item["f"], "sooner is nearer"
    assert by_item["g"] == by_item["h"] == 0.0, "too late for b"
    assert all(one(events, "follows", item, at_s) == 0.0 for item in "abcdefgh"), "nothing ever followed z"


def test_what_is_near_counts_less_at_another_time_of_day_and_long_after() -> None:
    events = uses([*"abcabc", "a"], every_s=MINUTE)
    now, half_a_day, months = (newest_s(events) + later_s for later_s in (MINUTE, DAY / 2, 120 * DAY))

    def weight(at_s: float) -> float:
        """What stands over the share: without the pseudo-use, relative to an item's that was never near."""
        share = twins.Question(
            twins.Past(events, SETTINGS.kind_weights, SETTINGS.session_gap_minutes * MINUTE), round(at_s * 1e6), 0, {}
        ).share("b")
        return (np.exp(one(events, "near", "b", at_s)) - 1.0) * share

    assert weight(now) / weight(half_a_day) == pytest.approx(1.15 / 0.15, rel=0.02)
    assert weight(now) / weight(months) == pytest.approx(4.0, rel=0.02)


def test_only_the_last_uses_under_a_context_value_count() -> None:
    home = {"place": "home"}
    events = [event(i, MONDAY_S + i, "a" if i < 10 else "b", context=home) for i in range(10 + RING)]
    at_s = newest_s(events)
    assert one(events, "context", "a", at_s, context=home) == pytest.approx(-np.log(RING + 1))
    assert one(events[:-1], "context", "a", at_s, context=home) > -np.log(RING + 1), "one is left"


def test_the_context_value_unused_for_longest_makes_room() -> None:
    events = []
    for n in range(CUES + 20):
        context = {"n": n, "place": "home"} if n % 2 else {"n": n}
        events.append(event(n, MONDAY_S + n, "ab"[n % 2], context=context))
    n_values = CUES + 20 + 1
    state, at_s = learnt(events), newest_s(events)
    n_forgotten = 0
    for n in range(n_values):
        context = {"n": n}
        ours = fast(state, "ab", at_s, context=context)
        if n % 16 == 0 or n > CUES + 16:
            assert differing(ours, slow(events, "ab", at_s, context=context)) == []
        n_forgotten += not ours[NAMES.index("context")].any()
    assert n_forgotten == n_values - CUES + 1, "the oldest, and the one that never was"
    home = {"place": "home"}
    assert one(events, "context", "b", at_s, context=home) > one(events, "context", "a", at_s, context=home)


def test_a_context_value_comes_back_empty_after_it_had_made_room() -> None:
    events = [event(0, MONDAY_S, "a", context={"n": 0})]
    events += [event(n, MONDAY_S + n, "b", context={"n": n}) for n in range(1, CUES + 1)]
    events += [event(CUES + 1, MONDAY_S + CUES + 1, "b", context={"n": 0})]
    assert one(events, "context", "a", newest_s(events), context={"n": 0}) == pytest.approx(-np.log(2.0))


def test_being_used_ends_fatigue_and_nothing_else_does() -> None:
    events = [shown(n, MONDAY_S + n, f"s{n}", "ab") for n in range(3)]
    at_s = MONDAY_S + 10.0
    tired = one(events, "shown", "a", at_s)
    assert tired == pytest.approx(np.log(4.0), rel=1e-4)
    assert one([*events, event(3, at_s, "a", "glance")], "shown", "a", at_s) == tired
    assert one([*events, event(3, at_s, "a", "loathe")], "shown", "a", at_s) == tired
    assert one([*events, event(3, at_s, "b")], "shown", "a", at_s) == tired
    assert one([*events, event(3, at_s, "a")], "shown", "a", at_s) == 0.0
    assert one([*events, event(3, at_s, "a"), shown(4, at_s, "s4", "a")], "shown", "a", at_s) == np.log(2.0)


def test_a_slate_is_asked_about_as_if_it_had_not_been_shown() -> None:
    events = [*uses("ab"), shown(2, MONDAY_S + DAY, "s", "abc")]
    at_s = MONDAY_S + 2 * DAY
    row = NAMES.index("shown")
    assert fast(learnt(events), "abc", at_s)[row] == pytest.approx(np.log(1 + 2 ** (-1 / 7)))
    assert fast(learnt(events), "abc", at_s, shown_at_s=MONDAY_S + DAY)[row] == pytest.approx(0.0, abs=1e-15)
    again = [*events, event(3, at_s, "a")]
    left_out = fast(learnt(again), "a", at_s, shown_at_s=MONDAY_S + DAY)[row]
    assert left_out == 0.0, "what was used since has no impressions, and not fewer than none"


def test_evidence_against_adds_up_by_weight_and_fades() -> None:
    events = [event(0, MONDAY_S, "a", "loathe"), event(1, MONDAY_S, "a", "skip")]
    assert one(events, "against", "a", MONDAY_S) == pytest.approx(np.log(11.5))
    assert one(events, "against", "a", MONDAY_S + 40 * DAY) == pytest.approx(np.log(1 + 10.5 / 2))
    assert one(events, "new", "a", MONDAY_S) == 1.0
    used = [*events, event(2, MONDAY_S, "a")]
    assert one(used, "against", "a", MONDAY_S) == pytest.approx(np.log(11.5)), "a use does not take it back"


def test_a_silence_longer_than_the_gap_starts_a_new_session() -> None:
    gap_s = SETTINGS.session_gap_minutes * MINUTE
    for silence_s, still in ((gap_s, 1.0), (gap_s + 1e-6, 0.0)):
        assert one(uses("a"), "in_session", "a", MONDAY_S + silence_s) == still
        events = [*uses("a"), event(1, MONDAY_S + silence_s, "b")]
        assert one(events, "in_session", "a", MONDAY_S + silence_s) == still
        assert one(events, "in_session", "b", MONDAY_S + silence_s) == 1.0


@pytest.mark.parametrize("kind", ["shown", "steer", "glance", "loathe"])
def test_what_is_no_use_neither_ends_a_silence_nor_keeps_a_session_alive(kind: str) -> None:
    at_s = MONDAY_S + 3 * DAY
    between = shown(1, at_s, "s", "ab") if kind == "shown" else event(1, at_s, "b", kind, value=0.5)
    events = [*uses("a"), between]
    assert one(events, "in_session", "a", at_s + 1) == 0.0
    assert one(events, "last_and_gap", "a", at_s) == pytest.approx(np.log(72.02))
    events = [*events, event(2, at_s + 5, "b")]
    assert one(events, "in_session", "a", at_s + 6) == 0.0
    assert one(events, "in_session", "b", at_s + 6) == 1.0


def test_the_item_that_follows_after_such_a_silence_is_told_apart() -> None:
    events = []
    for n in range(12):  # after a minute b, after five hours c
        events.append(event(2 * n, MONDAY_S + n * DAY, "a"))
        later_s, item = (MINUTE, "b") if n % 2 else (5 * HOUR, "c")
        events.append(event(2 * n + 1, MONDAY_S + n * DAY + later_s, item))
    events.append(event(24, MONDAY_S + 12 * DAY, "a"))
    soon, late = MONDAY_S + 12 * DAY + MINUTE, MONDAY_S + 12 * DAY + 5 * HOUR
    assert one(events, "follows_gap", "b", soon) > one(events, "follows_gap", "c", soon) + 1.0
    assert one(events, "follows_gap", "c", late) > one(events, "follows_gap", "b", late) + 1.0


def test_sums_outlive_centuries_of_half_lives_and_ages_are_clamped() -> None:
    events = [event(n, n * 75 * DAY + 100.0, "ab"[n % 2], "love") for n in range(400)]  # 82 years
    at_s = newest_s(events)
    for asked_s in (at_s - 60 * YEAR, at_s, at_s + 7 * DAY, at_s + 8 * YEAR):
        ours = fast(learnt(events), ["a", "b", NEVER_SEEN], asked_s)
        assert differing(ours, slow(events, ["a", "b", NEVER_SEEN], asked_s)) == []
