"""What begins a session and what comes next within it are learnt apart; what happens in one instant has no order."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given

from recsys.learn.checkpoint import encode
from recsys.learn.choice import BEGINNING, REGIMES, WITHIN, utilities
from recsys.learn.fold import fold, learn_pending, new_state, regime, score
from recsys.learn.gather import ask
from recsys.learn.layout import BLOCK
from recsys.learn.moment import moment
from recsys.prior import Prior
from recsys.settings import Settings
from recsys.types import Event
from tests.learn.histories import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY_S,
    PRIOR,
    SETTINGS,
    event,
    examples,
    feature_matrix,
    histories,
    learnt,
    shown,
    uses,
)
from tests.learn.spy import UNTOUCHED, choices, weights

GAP_S = SETTINGS.session_gap_minutes * MINUTE


def at_once(items: Iterable[str], at_s: float, first: int = 100) -> list[Event]:
    """Uses of all items in one instant, in this order in the log."""
    return [event(first + n, at_s, item) for n, item in enumerate(items)]


# -- regimes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silence_s", "expected"),
    [(0.0, WITHIN), (MINUTE, WITHIN), (GAP_S, WITHIN), (GAP_S + 1e-6, BEGINNING), (DAY, BEGINNING)],
)
def test_a_silence_longer_than_the_gap_makes_the_next_use_a_beginning(silence_s: float, expected: int) -> None:
    log = uses("abc", every_s=MINUTE)
    at_s = log[-1].at_us / 1e6 + silence_s
    assert regime(ask(learnt(log).behaviour, moment(round(at_s * 1e6), 0, {}))) == expected
    assert choices([*log, event(3, at_s, "a")])[-1].regime == REGIMES[expected]


@pytest.mark.parametrize("before", [[], [shown(0, MONDAY_S, "s", "ab")], [event(0, MONDAY_S, "a", "loathe")]])
def test_the_first_use_of_all_is_a_beginning(before: list[Event]) -> None:
    question = ask(learnt(before).behaviour, moment(round((MONDAY_S + 1) * 1e6), 0, {}))
    assert regime(question) == BEGINNING


@pytest.mark.parametrize(("every_s", "taught"), [(MINUTE, WITHIN), (DAY, BEGINNING)])
def test_choices_of_one_regime_leave_the_other_as_it_was(every_s: float, taught: int) -> None:
    state = learnt(uses("abcab" * 20, every_s=every_s))
    learn_pending(state)
    untaught = 1 - taught
    for name in ("w", "precision"):
        given_before = PRIOR.w0 if name == "w" else PRIOR.precision0
        arrays = [getattr(model, name).tobytes() for model in state.choices]
        assert arrays[untaught] == given_before[untaught].tobytes()
        assert arrays[taught] != given_before[taught].tobytes()


@examples(0.3)
@given(histories(most=12, repeats=3))
def test_what_one_regime_learns_does_not_depend_on_the_other(events: list[Event]) -> None:
    state = learnt(events)
    for regime_ in (BEGINNING, WITHIN):
        w0, covariance = PRIOR.w0.copy(), PRIOR.covariance.copy()
        w0[regime_] += 1.0
        covariance[regime_] *= 2.0
        other = learnt(events, prior=Prior(w0, covariance))
        assert weights(other)[1 - regime_] == weights(state)[1 - regime_]
        assert weights(other)[regime_] != weights(state)[regime_]


def test_each_regime_scores_with_its_own_weights() -> None:
    state = learnt(uses("abcab" * 12, every_s=20 * MINUTE))
    newest_us = round(state.behaviour.newest_s * 1e6)
    slots = np.array([state.behaviour.slots[item] for item in "abc"])
    for later_s, model in ((HOUR, state.choices[BEGINNING]), (MINUTE, state.choices[WITHIN])):
        at_us = newest_us + round(later_s * 1e6)
        features = feature_matrix(state.behaviour, slots, moment(at_us, 0, {}))
        scores = score(state, "abc", at_us=at_us, offset_min=0, context={})
        assert scores.tolist() == utilities(model.w, features).tolist()
        others = [utilities(other.w, features).tolist() for other in state.choices if other is not model]
        assert others != [scores.tolist()]


def test_what_begins_the_day_is_told_from_what_follows() -> None:
    items = ["mail", "news", "map", "bank"]
    log: list[Event] = []  # every day mail, and then two of the others
    for day in range(40):
        for n, item in enumerate([items[0], items[1 + day % 3], items[1 + (day + 1) % 3]]):
            log.append(event(len(log), MONDAY_S + day * DAY + n * MINUTE, item))
    state = learnt(log)
    morning_us = round((MONDAY_S + 40 * DAY) * 1e6)
    assert int(score(state, items, at_us=morning_us, offset_min=0, context={}).argmax()) == 0
    fold(state, event(len(log), morning_us / 1e6, "mail"))
    later = score(state, items, at_us=morning_us + 60_000_000, offset_min=0, context={})
    assert int(later.argmin()) == 0, "mail begins, and never follows"


# -- instants ------------------------------------------------------------------------------


def told(events: list[Event], since: int) -> list[tuple[int, int, str, str]]:
    """Number, number of the event that was asked first, regime and target of what is taught since an event."""
    return [(s.number, s.asked, s.regime, s.target) for s in choices(events) if s.number >= since]


def test_everything_in_the_instant_that_began_a_session_is_asked_what_the_first_was_asked() -> None:
    log = [*uses("abc", every_s=MINUTE), *at_once("bca", MONDAY_S + DAY)]
    assert told(log, 3) == [
        (3, 3, "beginning", "b"),
        (4, 4, "within", "c"),
        (4, 3, "beginning", "c"),
        (5, 5, "within", "a"),
        (5, 3, "beginning", "a"),
    ]
    first, _, second, _, third = (s for s in choices(log) if s.number >= 3)
    assert first.items == second.items == third.items == [UNTOUCHED, "a", "b", "c"]
    assert first.offsets == second.offsets == third.offsets


def test_a_moment_later_is_another_instant_and_asked_for_itself() -> None:
    log = [*uses("abc", every_s=MINUTE), *at_once("b", MONDAY_S + DAY), *at_once("c", MONDAY_S + DAY + 1e-6, 200)]
    assert told(log, 3) == [(3, 3, "beginning", "b"), (4, 4, "within", "c")]


def test_an_instant_that_began_no_session_is_asked_nothing_twice() -> None:
    log = [*uses("abc", every_s=MINUTE), *at_once("bca", MONDAY_S + 3 * MINUTE)]
    assert told(log, 3) == [(n, n, "within", item) for n, item in ((3, "b"), (4, "c"), (5, "a"))]


def test_what_was_new_when_the_instant_began_stays_new_to_its_question() -> None:
    log = [*uses("ab", every_s=MINUTE), *at_once("zyz", MONDAY_S + DAY)]
    assert told(log, 2) == [
        (2, 2, "beginning", UNTOUCHED),
        (3, 3, "within", UNTOUCHED),
        (3, 2, "beginning", UNTOUCHED),
        (4, 4, "within", "z"),
        (4, 2, "beginning", UNTOUCHED),
    ]


@pytest.mark.parametrize("kind", ["shown", "loathe"])
def test_what_is_learnt_at_once_ends_the_instants_question(kind: str) -> None:
    at_s = MONDAY_S + DAY
    between = shown(101, at_s, "s", "ab") if kind == "shown" else event(101, at_s, "a", kind)
    log = [*uses("abc", every_s=MINUTE), *at_once("b", at_s), between, *at_once("c", at_s, 200)]
    assert told(log, 5) == [(5, 5, "within", "c")]


@pytest.mark.parametrize("kind", ["shown", "loathe"])
def test_what_comes_first_in_an_instant_and_is_no_use_leaves_the_question_to_the_first_use(kind: str) -> None:
    at_s = MONDAY_S + DAY
    first = shown(99, at_s, "s", "ab") if kind == "shown" else event(99, at_s, "a", kind)
    log = [*uses("abc", every_s=MINUTE), first, *at_once("bc", at_s)]
    assert told(log, 4) == [(4, 4, "beginning", "b"), (5, 5, "within", "c"), (5, 4, "beginning", "c")]


def test_a_choice_from_a_slate_is_not_asked_what_began_the_session() -> None:
    log = [*uses("abc", every_s=MINUTE), shown(3, MONDAY_S + 4 * MINUTE, "s", "abc")]
    clicked = event(101, MONDAY_S + DAY, "c", slate="s")
    log += [*at_once("b", MONDAY_S + DAY), clicked, *at_once("a", MONDAY_S + DAY, 200)]
    assert told(log, 4)[:2] == [(4, 4, "beginning", "b"), (5, 5, "within", "c")]
    assert told(log, 6) == [(6, 6, "within", "a"), (6, 4, "beginning", "a")]


def test_drawn_candidates_of_an_instant_stand_for_those_not_drawn_when_it_began() -> None:
    items = [f"i{n}" for n in range(120)]
    log = [*uses(items, every_s=MINUTE), *at_once(["i3", "i50", "new", "i90"], MONDAY_S + 9 * DAY)]
    seen = [s for s in choices(log, Settings(choice_set_size=32)) if s.asked == len(items)]
    assert [s.target for s in seen] == ["i3", "i50", UNTOUCHED, "i90"]
    assert all("new" not in s.items for s in seen)
    certain = [{item for item, share in zip(s.items, s.offsets, strict=True) if share == 0.0} for s in seen]
    assert certain[0] == certain[1] == certain[2] == certain[3], "the same stand for themselves"
    for s in seen:
        shares = [np.exp(share) for item, share in zip(s.items, s.offsets, strict=True) if item != UNTOUCHED]
        assert sum(shares) == pytest.approx(len(items))


def test_an_instant_of_more_than_a_block_is_asked_up_to_the_block() -> None:
    items = [f"i{n}" for n in range(BLOCK + 20)]
    log = [*uses(items, every_s=MINUTE), *at_once(items, MONDAY_S + 9 * DAY, 1000)]
    begun = [s.number - len(items) for s in choices(log) if s.asked == len(items)]
    assert begun == list(range(BLOCK))
    assert len([s for s in choices(log) if s.regime == "within" and s.number > len(items)]) == len(items) - 1


def test_the_weights_stand_still_during_an_instant_and_move_with_the_next() -> None:
    state = learnt(uses("abcab", every_s=MINUTE))
    seen = []
    for e in [*at_once("bca", MONDAY_S + DAY), event(200, MONDAY_S + DAY + 1.0, "a")]:
        fold(state, e)
        seen.append(weights(state))
    assert seen[0] == seen[1] == seen[2]
    assert all(now != before for now, before in zip(seen[3], seen[2], strict=True)), "both of them"


def test_the_order_within_an_instant_does_not_change_what_begins_a_session() -> None:
    """All of an instant are taught as its beginning, whichever of them the log names first."""

    def beginnings(order: str) -> list[bytes]:
        log = [*uses("abcde", every_s=MINUTE), *at_once(order, MONDAY_S + DAY)]
        state = new_state(PRIOR, SETTINGS)
        for e in log:
            fold(state, e)
        learn_pending(state)
        model = state.choices[BEGINNING]
        return [model.w.round(12).tobytes(), model.precision.round(9).tobytes()]

    assert beginnings("ace") == beginnings("eca") == beginnings("cea") != beginnings("acd")


@pytest.mark.parametrize("size", [8, 64])
def test_a_read_in_the_middle_of_an_instant_changes_nothing(size: int) -> None:
    settings = Settings(choice_set_size=size)
    items = [f"i{n}" for n in range(40)]
    log = [*uses(items, every_s=MINUTE), *at_once(items[3:9], MONDAY_S + DAY)]
    one, other = new_state(PRIOR, settings), new_state(PRIOR, settings)
    for e in log:
        fold(one, e)
        fold(other, e)
        score(other, items, at_us=e.at_us, offset_min=0, context={})  # a read between
    assert one.instant is not None
    assert encode(one, "basis") == encode(other, "basis") == encode(learnt(log, settings), "basis")
