"""The profile tells what was learnt: the items used most lately, clear rhythms and sequences, weights and steers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from recsys.learn.checkpoint import encode
from recsys.learn.choice import REGIMES
from recsys.learn.features import FEATURES
from recsys.rank.profile import profile
from recsys.reports import Habit, Profile
from recsys.types import Event
from tests.learn.histories import DAY, HOUR, MINUTE, MONDAY_S, PRIOR, event, examples, histories, shown, uses
from tests.rank.worlds import world


def told(events: list[Event]) -> Profile:
    w = world(events)
    return profile(w.state, w.catalogue, PRIOR)


def texts(events: list[Event]) -> list[str]:
    return [habit.text for habit in told(events).habits]


def habit(events: list[Event], text: str) -> Habit:
    (found,) = [habit for habit in told(events).habits if habit.text == text]
    return found


def test_before_any_event_there_is_only_the_prior() -> None:
    it = told([])
    assert (it.n_events, it.n_items, it.habits, it.steers) == (0, 0, (), {})
    assert {name: weight for name, (weight, _) in it.weights.items()} == it.prior_weights
    names = [feature.name for feature in FEATURES]
    assert list(it.weights) == [*(f"{name}, beginning" for name in names), *(f"{name}, within" for name in names)]
    for of_regime, w0, covariance in zip(REGIMES, PRIOR.w0, PRIOR.covariance, strict=True):
        told_of = [it.weights[f"{name}, {of_regime}"] for name in names]
        assert [weight for weight, _ in told_of] == w0.tolist()
        assert [deviation for _, deviation in told_of] == pytest.approx(np.sqrt(np.diag(covariance)).tolist())


def test_it_counts_events_and_the_items_that_were_used() -> None:
    log = [*uses("aab"), shown(3, MONDAY_S + DAY, "s", "xy"), event(4, MONDAY_S + DAY, "z", "loathe")]
    assert (told(log).n_events, told(log).n_items) == (5, 2)


def test_the_items_used_most_lately_come_first_by_their_titles() -> None:
    log = uses("cccccccaaaz", every_s=DAY)
    found = [habit for habit in told(log).habits if ": used " in habit.text]
    assert [habit.text for habit in found] == ["c: used 7 times", "Apples: used 3 times", "z: used 1 time"]
    assert [habit.item_id for habit in found] == ["c", "a", "z"]
    assert [habit.n_events for habit in found] == [7, 3, 1]
    assert [habit.last_at for habit in found] == [MONDAY_S + 6 * DAY, MONDAY_S + 9 * DAY, MONDAY_S + 10 * DAY]
    assert sum(habit.share for habit in found) == pytest.approx(1.0)
    weights = [sum(2 ** (-(10 - day) / 40) for day in days) for days in (range(7), range(7, 10), [10])]
    assert [habit.share for habit in found] == pytest.approx([weight / sum(weights) for weight in weights])
    log = [*uses("c" * 7, every_s=DAY), *uses("aaa", start_s=MONDAY_S + 400 * DAY)]
    assert texts(log)[0] == "Apples: used 3 times", "lately, not ever"


def test_a_clear_rhythm_is_told_and_an_unclear_one_is_not() -> None:
    mornings = [event(n, MONDAY_S + n * DAY + 8 * HOUR, "a") for n in range(4)]
    clear = habit(mornings, "Apples: mostly on weekday mornings")
    assert (clear.share, clear.n_events, clear.last_at) == (1.0, 4, MONDAY_S + 3 * DAY + 8 * HOUR)
    evenings = [event(n, MONDAY_S + n * DAY + 19 * HOUR, "a") for n in range(4, 9)]
    assert not [text for text in texts(mornings[:2]) if "mostly" in text], "two are too few"
    mixed = [*mornings, *evenings]  # Monday to Thursday mornings; Friday evening, the weekend's two, two more
    assert [text for text in texts(mixed) if "mostly" in text] == []
    mixed = [*mornings, *evenings[:3]]
    assert habit(mixed, "Apples: mostly on weekday mornings").share == pytest.approx(4 / 7)


def test_what_usually_follows_is_told() -> None:
    log = uses("abcabcabca", every_s=DAY)
    follows = habit(log, "Apples: then usually Bread")
    assert (follows.share, follows.n_events, follows.last_at) == (1.0, 3, MONDAY_S + 7 * DAY)
    assert "Bread: then usually c" in texts(log)
    assert not [text for text in texts(uses("abab")) if "then usually" in text], "two are too few"
    assert not [text for text in texts(uses("abacadaeabacadae")) if text.startswith("Apples: then")]


def test_at_most_twenty_items_are_told_of() -> None:
    log = uses([f"i{n}" for n in range(50)])
    assert len(told(log).habits) == 20
    assert len(told([]).habits) == 0


def test_evidence_moves_weights_and_narrows_their_doubt() -> None:
    before = told([])
    for every_s, regime, other in ((HOUR, "beginning", "within"), (MINUTE, "within", "beginning")):
        it = told(uses("abc" * 30, every_s=every_s))
        moved = {name for name, (weight, _) in it.weights.items() if abs(weight - it.prior_weights[name]) > 0.01}
        assert moved & {f"follows, {regime}", f"follows_two, {regime}", f"near, {regime}"}
        assert all(name.endswith(f", {regime}") for name in moved)
        assert all(it.weights[name][1] <= before.weights[name][1] * (1 + 1e-9) for name in it.weights)
        assert it.weights[f"uses_ever, {regime}"][1] < before.weights[f"uses_ever, {regime}"][1]
        assert it.weights[f"uses_ever, {other}"] == before.weights[f"uses_ever, {other}"], "nothing was learnt of it"


def test_steers_are_listed_by_name() -> None:
    log = [event(n, MONDAY_S + n, to, "steer", value=v) for n, (to, v) in enumerate((("jazz", 0.5), ("a", -1.0)))]
    assert list(told(log).steers.items()) == [("a", -1.0), ("jazz", 0.5)]


@examples(0.3)
@given(histories(most=12, repeats=3))
def test_it_is_a_pure_read_and_its_numbers_are_sound(events: list[Event]) -> None:
    w = world(events)
    before = encode(w.state, "basis")
    it = profile(w.state, w.catalogue, PRIOR)
    assert encode(w.state, "basis") == before
    assert it.n_events == len(events)
    for found in it.habits:
        assert 0.0 < found.share <= 1.0 + 1e-12
        assert found.n_events > 0
        assert found.last_at is not None
        assert "None" not in found.text
    assert all(np.isfinite(pair).all() and pair[1] > 0 for pair in it.weights.values())
