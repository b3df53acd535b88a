"""Times of day and ages have names, and every group has its words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.learn.moment import moment
from recsys.rank.reasons import GROUPS
from recsys.rank.words import Evidence, ago, daypart, phrase
from recsys.types import Scalar
from tests.learn.histories import DAY, HOUR, MONDAY_S

MINUTE = 60.0


@pytest.mark.parametrize(
    ("hour", "minute", "part"),
    [
        (0, 0, "nights"),
        (4, 59, "nights"),
        (5, 0, "mornings"),
        (11, 59, "mornings"),
        (12, 0, "afternoons"),
        (16, 59, "afternoons"),
        (17, 0, "evenings"),
        (21, 59, "evenings"),
        (22, 0, "nights"),
        (23, 59, "nights"),
    ],
)
@pytest.mark.parametrize(("day", "kind"), [(0, "weekday"), (4, "weekday"), (5, "weekend"), (6, "weekend")])
def test_every_minute_of_the_week_has_a_name(hour: int, minute: int, part: str, day: int, kind: str) -> None:
    assert daypart(day * 1440 + hour * 60 + minute) == f"{kind} {part}"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "just now"),
        (59.9, "just now"),
        (60.0, "1 minute ago"),
        (119.0, "1 minute ago"),
        (2 * MINUTE, "2 minutes ago"),
        (HOUR - 0.1, "59 minutes ago"),
        (HOUR, "1 hour ago"),
        (DAY - 1, "23 hours ago"),
        (DAY, "1 day ago"),
        (2 * DAY, "2 days ago"),
        (30 * DAY - 1, "29 days ago"),
        (30 * DAY, "1 month ago"),
        (60 * DAY, "2 months ago"),
        (365 * DAY - 1, "12 months ago"),
        (365 * DAY, "1 year ago"),
        (40 * 365 * DAY, "40 years ago"),
    ],
)
def test_ages_are_told_in_their_largest_unit(seconds: float, words: str) -> None:
    assert ago(seconds) == words


CONTEXTS: list[dict[str, Scalar]] = [{}, {"place": "home"}, {"alone": True, "n": 1}]


@given(
    st.sampled_from(GROUPS),
    st.sampled_from((-1e-9, -2.0, 1e-9, 2.0)),
    st.sampled_from((0, 1, 7)),
    st.sampled_from((0, 1, 5)),
    st.sampled_from(("", "Bread")),
    st.booleans(),
    st.sampled_from(CONTEXTS),
    st.integers(0, 10_079),
)
def test_every_group_and_direction_has_words(
    group: str,
    contribution: float,
    uses: int,
    n_events: int,
    last_title: str,
    is_last: bool,
    context: dict[str, Scalar],
    minute: int,
) -> None:
    now = moment(round((MONDAY_S + minute * MINUTE) * 1e6), 0, context)
    last_at = now.at_s - 5 * DAY if n_events or uses else None
    text = phrase(group, contribution, Evidence(n_events, last_at, now, now.at_s, last_title, uses, is_last))
    assert text == text.strip() != ""
    assert not re.search(r"None|nan|inf\b|[{}]|  |\b1 times|\b0 times|never|lambda", text), text
    assert text[0].islower(), "it stands within a sentence"


@pytest.mark.parametrize(
    ("group", "sign", "evidence", "words"),
    [
        ("frequency", 1, {"uses": 12}, "you use this often (12 times)"),
        ("frequency", 1, {"uses": 4}, "you use this often (4 times)"),
        ("frequency", 1, {"uses": 3}, "you used this before (3 times)"),
        ("frequency", 1, {"uses": 1}, "you used this before (once)"),
        ("frequency", 1, {"uses": 0}, "it is new to you"),
        ("frequency", -1, {"uses": 0}, "you have not used this yet"),
        ("frequency", -1, {"uses": 1}, "you use others more (once so far)"),
        ("recency", 1, {"uses": 1, "last_at": MONDAY_S - 2 * HOUR}, "you used this 2 hours ago"),
        ("recency", -1, {"uses": 1, "last_at": MONDAY_S - 9 * DAY}, "you used this 9 days ago, others later"),
        ("recency", -1, {"uses": 0}, "you have not used this lately"),
        ("rhythm", 1, {"n_events": 3}, "you often use this on weekday nights"),
        ("rhythm", 1, {"n_events": 0}, "it may suit weekday nights"),
        ("rhythm", -1, {"n_events": 1}, "you seldom use this on weekday nights"),
        ("sequence", 1, {"n_events": 3}, "usually right after Bread"),
        ("sequence", 1, {"n_events": 0}, "it fits after Bread"),
        ("sequence", 1, {"n_events": 2, "is_last": True}, "you often use this again right away"),
        ("sequence", -1, {"is_last": True}, "you have just used this"),
        ("sequence", -1, {}, "seldom right after Bread"),
        ("interval", 1, {"uses": 4}, "it is about due again"),
        ("interval", -1, {"uses": 4}, "it is not due now"),
        ("context", 1, {"n_events": 2}, "you often use this when alone is True and place is home"),
        ("context", 1, {"n_events": 0}, "it may suit you when alone is True and place is home"),
        ("context", -1, {"n_events": 2}, "you seldom use this when alone is True and place is home"),
        ("fatigue", -1, {"n_events": 1}, "it was shown once without being chosen"),
        ("fatigue", -1, {"n_events": 4}, "it was shown 4 times without being chosen"),
        ("fatigue", -1, {"n_events": 0}, "it was shown less than others"),
        ("fatigue", 1, {"n_events": 0}, "others were shown more often"),
        ("feedback", -1, {"n_events": 2}, "you turned this down 2 times"),
        ("feedback", 1, {"n_events": 0}, "others were turned down"),
        ("steer", 1, {}, "you asked for more like this"),
        ("steer", -1, {}, "you asked for less like this"),
    ],
)
def test_the_words_say_what_happened(group: str, sign: int, evidence: dict[str, object], words: str) -> None:
    now = moment(round(MONDAY_S * 1e6), 0, {"place": "home", "alone": True})
    basis = {"n_events": 0, "last_at": None, "uses": 3, "is_last": False, **evidence}
    assert phrase(group, float(sign), Evidence(moment=now, newest_s=now.at_s, last_title="Bread", **basis)) == words


def test_no_words_claim_a_habit_without_events_behind_it() -> None:
    now = moment(round(MONDAY_S * 1e6), 0, {"place": "home"})
    for group in GROUPS:
        text = phrase(group, 1.0, Evidence(0, None, now, now.at_s, "Bread", 0))
        assert not re.search(r"you often|usually|you used", text), text


def test_an_age_counts_from_the_newest_event_when_the_clock_stands_before_it() -> None:
    now = moment(round((MONDAY_S - DAY) * 1e6), 0, {})
    assert Evidence(1, MONDAY_S - HOUR, now, MONDAY_S, "", 1).age == "1 hour ago"
    assert Evidence(1, MONDAY_S + HOUR, now, MONDAY_S, "", 1).age == "just now"
