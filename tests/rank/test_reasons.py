"""Reasons add up to the score's distance from the average, and each names the events that are really behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.learn.features import FEATURES
from recsys.learn.fold import fold_all, score
from recsys.learn.layout import OWN_RING, PLACES
from recsys.rank.candidates import STEER_STRENGTH
from recsys.rank.reasons import GROUPS
from recsys.types import Event, Reason
from tests.learn.histories import (
    CONTEXTS,
    DAY,
    HOUR,
    MINUTE,
    MONDAY_S,
    SILENCES,
    event,
    examples,
    histories,
    shown,
    uses,
)
from tests.rank.worlds import World, asked, by_group, candidates, world


def reasons_of(
    events: Sequence[Event], item_id: str, at_s: float, context: dict[str, str | int | float | bool] | None = None
) -> dict[str, Reason]:
    """Why an item of the whole catalogue stands where it stands, by group."""
    w = world(events)
    slate = w.slate(w.everything(), asked(at_s, context))
    return dict(by_group(slate[slate.item_ids.index(item_id)].reasons))


def test_every_feature_belongs_to_a_group_and_steering_is_one_more() -> None:
    assert set(GROUPS) == {feature.group for feature in FEATURES} | {"steer"}
    assert len(set(GROUPS)) == len(GROUPS)


# -- sums ------------------------------------------------------------------------------


def mean_score(w: World, found: dict[str, tuple[int, float]], at_s: float, context: dict[str, object]) -> float:
    """The candidates' mean score, one candidate after another."""
    asked_for = {"at_us": round(at_s * 1e6), "offset_min": 0, "context": context}
    total = sum(float(score(w.state, [i], **asked_for)[0]) + offset for i, (_, offset) in found.items())
    return total / len(found)


@examples(0.4)
@given(
    histories(most=10, repeats=2),
    st.sampled_from(SILENCES),
    st.sampled_from(CONTEXTS),
    st.sampled_from((None, ["a", "nobody", "z", "h"])),
    st.sets(st.sampled_from("abcdefgh"), max_size=3),
)
def test_reasons_and_terms_add_up_to_the_distance_from_the_average(
    events: list[Event], later_s: float, context: dict[str, object], own: list[str] | None, exclude: set[str]
) -> None:
    w = world([*events, event(9_000, 2e9, "fruit", "steer", value=0.3), event(9_001, 2e9, "h", "steer", value=-1.0)])
    at_s = 2e9 + later_s
    pool = w.given(*own) if own else w.everything(exclude)
    slate = w.slate(pool, asked(at_s, context), k=4)
    mean = mean_score(w, candidates(pool), at_s, context)
    for r in slate:
        assert sum(reason.contribution for reason in r.reasons) == pytest.approx(r.score - mean, abs=1e-9)
        assert [reason.contribution for reason in r.reasons] == sorted(
            (reason.contribution for reason in r.reasons), reverse=True
        )
        assert len({reason.group for reason in r.reasons}) == len(r.reasons)
        assert all(reason.contribution for reason in r.reasons), "what adds nothing is no reason"
        for reason in r.reasons:
            assert reason.text == str(reason) != ""
            assert not re.search(r"None|nan|[{}]|  ", reason.text)
            assert reason.n_events >= 0
            assert (reason.last_at is None) == (reason.n_events == 0)
            assert reason.last_at is None or 0.0 <= reason.last_at <= 2e9


def test_groups_are_the_sums_of_their_terms() -> None:
    w = world([*uses("abcabca"), event(20, MONDAY_S + DAY, "fruit", "steer", value=0.5)])
    pool = w.everything()
    question = asked(MONDAY_S + DAY)
    told = w.explain(pool, question, "a")
    assert [term.feature for term in told.terms] == [*(feature.name for feature in FEATURES), "steer"]
    for reason in told.reasons:
        terms = [term.contribution for term in told.terms if term.group == reason.group]
        assert reason.contribution == pytest.approx(sum(terms), abs=1e-12)
    for term in told.terms:
        assert term.contribution == pytest.approx(term.weight * (term.value - term.average), abs=1e-12)
    steer = told.terms[-1]
    assert (steer.value, steer.weight) == (0.5 * STEER_STRENGTH, 1.0)
    assert steer.average == pytest.approx(4 * 0.5 * STEER_STRENGTH / 8), "four of eight are fruit"


def test_an_only_candidate_has_no_reasons_for_it_is_the_average() -> None:
    w = world(uses("ab"))
    (only,) = w.slate(w.given("a"), asked(MONDAY_S + DAY))
    assert sum(abs(reason.contribution) for reason in only.reasons) < 1e-12


def test_reasons_stay_what_they_were() -> None:
    w = world([*uses("abcabc", every_s=HOUR), shown(9, MONDAY_S + DAY, "s", "ab")])
    context = {"place": "home"}
    slate = w.slate(w.everything(), asked(MONDAY_S + DAY, context))
    twin = [r.reasons for r in w.slate(w.everything(), asked(MONDAY_S + DAY, context))]
    more = [event(n, MONDAY_S + n * DAY, "bd"[n % 2], context=context) for n in range(10, 90)]
    fold_all(w.state, [*more, event(90, MONDAY_S + 90 * DAY, "a", "loathe"), shown(91, MONDAY_S + 91 * DAY, "t", "a")])
    assert [r.reasons for r in slate] == twin
    assert [r.reasons for r in w.slate(w.everything(), asked(MONDAY_S + DAY, context))] != twin


# -- the events behind them -----------------------------------------------------------------


def test_usually_right_after_counts_how_often_it_came_right_after() -> None:
    log = uses("abxabxabxcbxa", every_s=MINUTE)  # b came after a three times, at minutes 1, 4 and 7
    after = reasons_of(log, "b", MONDAY_S + 13 * MINUTE)["sequence"]
    assert after.text == "usually right after Apples"
    assert (after.n_events, after.last_at) == (3, MONDAY_S + 7 * MINUTE)
    assert after.contribution > 0
    other = reasons_of(log, "c", MONDAY_S + 13 * MINUTE)["sequence"]
    assert (other.n_events, other.last_at) == (0, None)


def test_right_after_counts_no_further_back_than_is_remembered() -> None:
    log = uses("ab" * 90 + "a", every_s=MINUTE)
    after = reasons_of(log, "b", newest(log))["sequence"]
    assert (after.n_events, after.last_at) == (PLACES - 1, MONDAY_S + 179 * MINUTE), "its newest place is the last use"


def newest(events: Sequence[Event]) -> float:
    return max(e.at_us for e in events) / 1e6


def test_the_item_used_last_is_not_said_to_come_after_itself() -> None:
    log = uses("aab", every_s=MINUTE)
    again = reasons_of(log, "b", newest(log) + 5)["sequence"]
    assert again.text == "you have just used this"
    log = uses("bbbb", every_s=MINUTE)
    again = reasons_of(log, "b", newest(log) + 5)["sequence"]
    assert (again.text, again.n_events) == ("you often use this again right away", 3)


def morning(n: int, day: int, item_id: str, hour: float = 8.0, **more: object) -> Event:
    """A use at this local hour, in a place two hours east of Greenwich."""
    return event(n, MONDAY_S + day * DAY + (hour - 2.0) * HOUR, item_id, offset_min=120, **more)


def test_weekday_mornings_are_counted_in_local_time() -> None:
    log = [morning(n, day, "a") for n, day in enumerate((0, 1, 2, 3, 4))]  # Monday to Friday, 8 o'clock
    log += [morning(5, 5, "a"), morning(6, 6, "a", 20.0), morning(7, 7, "b", 20.0), morning(8, 8, "a", 4.5)]
    w = world(log)
    tuesday = MONDAY_S + 15 * DAY
    slate = w.slate(w.everything(), (round((tuesday + 6 * HOUR) * 1e6), 120, {}))
    rhythm = by_group(slate[slate.item_ids.index("a")].reasons)["rhythm"]
    assert rhythm.text == "you often use this on weekday mornings"
    assert (rhythm.n_events, rhythm.last_at) == (5, MONDAY_S + 4 * DAY + 6 * HOUR)
    slate = w.slate(w.everything(), (round((tuesday + 6 * HOUR) * 1e6), -240, {}))
    rhythm = by_group(slate[slate.item_ids.index("a")].reasons)["rhythm"]
    assert "weekday nights" in rhythm.text, "two o'clock, four hours west"
    assert (rhythm.n_events, rhythm.last_at) == (1, MONDAY_S + 8 * DAY + 2.5 * HOUR)


def test_a_rhythm_looks_at_the_last_uses() -> None:
    early = [morning(n, 7 * n, "a") for n in range(10)]  # ten Mondays
    late = [morning(n, 7 * n + 5, "a", 15.0) for n in range(10, 10 + OWN_RING - 2)]  # then Saturday afternoons
    reasons = reasons_of([*early, *late], "a", newest(late) + 2 * DAY - 7 * HOUR)
    assert reasons["rhythm"].n_events == 2, "two Mondays are left among the last uses"


def test_how_often_and_how_long_ago_are_the_items_own() -> None:
    log = [*uses("abacada", every_s=HOUR), event(7, MONDAY_S + 7 * HOUR, "a", "loathe")]
    found = reasons_of(log, "a", MONDAY_S + 10 * HOUR)
    assert found["frequency"].text == "you use this often (4 times)"
    assert (found["frequency"].n_events, found["frequency"].last_at) == (4, MONDAY_S + 6 * HOUR)
    assert (found["recency"].n_events, found["recency"].last_at) == (4, MONDAY_S + 6 * HOUR)
    assert "4 hours ago" in found["recency"].text
    new = reasons_of(log, "h", MONDAY_S + 10 * HOUR)
    assert (new["frequency"].n_events, new["frequency"].last_at) == (0, None)


def test_a_context_counts_the_uses_under_it_and_each_use_once() -> None:
    home, work = {"place": "home", "alone": True}, {"place": "work", "alone": True}
    log = [event(n, MONDAY_S + n * HOUR, "abab"[n % 4], context=home if n < 5 else work) for n in range(10)]
    log[2] = event(2, MONDAY_S + 2 * HOUR, "a", context=home)
    at_s = MONDAY_S + DAY
    under = reasons_of(log, "a", at_s, {"place": "home"})["context"]
    assert under.text == "you often use this when place is home"
    assert (under.n_events, under.last_at) == (3, MONDAY_S + 4 * HOUR)
    both = reasons_of(log, "a", at_s, {"place": "home", "alone": True})["context"]
    assert (both.n_events, both.last_at) == (5, MONDAY_S + 8 * HOUR), "alone covers all five, home three of them"
    assert both.text == "you often use this when alone is True and place is home"
    assert "context" not in reasons_of(log, "a", at_s)
    assert "context" not in reasons_of(log, "a", at_s, {"place": "elsewhere"})


def test_fatigue_counts_the_showings_since_the_last_use() -> None:
    log = [shown(n, MONDAY_S + n, f"s{n}", "ab") for n in range(3)]
    log += [event(3, MONDAY_S + 3, "a", slate="s2"), shown(4, MONDAY_S + 4, "s4", "ab")]
    found = {item: reasons_of(log, item, MONDAY_S + HOUR)["fatigue"] for item in "abh"}
    assert (found["a"].n_events, found["a"].last_at) == (1, MONDAY_S + 4)
    assert (found["b"].n_events, found["b"].last_at) == (4, MONDAY_S + 4)
    assert found["b"].text == "it was shown 4 times without being chosen"
    assert found["b"].contribution < found["a"].contribution < found["h"].contribution
    assert (found["h"].text, found["h"].n_events) == ("others were shown more often", 0)


def test_feedback_counts_what_was_turned_down() -> None:
    log = [*uses("ab"), event(2, MONDAY_S + DAY, "b", "loathe"), event(3, MONDAY_S + DAY + 1, "b", "skip")]
    down = reasons_of(log, "b", MONDAY_S + 2 * DAY)["feedback"]
    assert (down.n_events, down.last_at) == (2, MONDAY_S + DAY + 1)
    assert down.text == "you turned this down 2 times"
    assert reasons_of(log, "a", MONDAY_S + 2 * DAY)["feedback"].text == "others were turned down"


def test_steering_is_a_reason_of_its_own() -> None:
    log = [*uses("ab"), event(2, MONDAY_S + DAY, "fruit", "steer", value=-1.0)]
    for item, text in (("a", "you asked for less like this"), ("b", "you asked for more like this")):
        reason = reasons_of(log, item, MONDAY_S + DAY)["steer"]
        assert reason.text == text or item == "b", "what was left alone stands out by it"
        assert (reason.n_events, reason.last_at) == (0, None)
    assert reasons_of(log, "a", MONDAY_S + DAY)["steer"].contribution == pytest.approx(-STEER_STRENGTH / 2)


def test_an_age_is_never_negative_however_early_the_clock() -> None:
    reasons = reasons_of(uses("ab", every_s=MINUTE), "b", MONDAY_S - 400 * DAY)
    assert "just now" in reasons["recency"].text
    assert all(np.isfinite(reason.contribution) for reason in reasons.values())
