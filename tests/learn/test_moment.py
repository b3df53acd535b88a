"""A moment's place in the local day and week, and the one spelling of each context pair."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.learn.moment import HALF_HOURS, WEEK_HOURS, cue_label, moment
from tests.learn.histories import END_US

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

scalars = st.one_of(
    st.text(max_size=4),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)


def at_us(text: str) -> int:
    """Microseconds since 1970 of an ISO time."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


@given(st.integers(0, END_US - 1), st.integers(-1439, 1439))
def test_the_local_week_is_the_calendars(time_us: int, offset_min: int) -> None:
    zone = timezone(timedelta(minutes=offset_min))
    local = (EPOCH + timedelta(microseconds=time_us)).astimezone(zone)
    it = moment(time_us, offset_min, {})
    assert it.week_minute == local.weekday() * 1440 + local.hour * 60 + local.minute
    assert it.half_hour == local.hour * 2 + local.minute // 30 < HALF_HOURS
    assert it.week_hour == local.weekday() * 24 + local.hour < WEEK_HOURS
    assert it.at_s == time_us / 1e6, "the offset moves the clock on the wall, not the time"


@pytest.mark.parametrize(
    ("text", "offset_min", "week_minute"),
    [
        ("2024-01-01T00:00:00+00:00", 0, 0),  # a Monday
        ("2023-12-31T23:59:59.999999+00:00", 0, 10_079),
        ("2023-12-31T23:00:00+00:00", 60, 0),
        ("2024-01-01T00:00:00+00:00", -1, 10_079),
        ("2024-01-01T00:00:00+00:00", 345, 345),
        ("2024-01-01T00:00:00+00:00", 1440, 1440),
        ("2024-01-01T00:00:00+00:00", -1440, 8640),
        ("1970-01-01T00:00:00+00:00", 0, 3 * 1440),  # a Thursday
        ("1970-01-01T00:00:00+00:00", -1440, 2 * 1440),
        ("2024-03-31T00:59:59+00:00", 60, 6 * 1440 + 119),  # Berlin, the last second of winter time
        ("2024-03-31T01:00:00+00:00", 120, 6 * 1440 + 180),  # an hour was skipped
        ("2024-10-27T00:59:59+00:00", 120, 6 * 1440 + 179),
        ("2024-10-27T01:00:00+00:00", 60, 6 * 1440 + 120),  # an hour comes twice
    ],
)
def test_weeks_begin_on_local_mondays(text: str, offset_min: int, week_minute: int) -> None:
    assert moment(at_us(text), offset_min, {}).week_minute == week_minute


def test_half_past_eight_stays_half_past_eight_when_clocks_change() -> None:
    friday, monday = moment(at_us("2024-03-29T08:30+01:00"), 60, {}), moment(at_us("2024-04-01T08:30+02:00"), 120, {})
    assert friday.half_hour == monday.half_hour == 17
    assert monday.at_s - friday.at_s == 71 * 3600


def test_values_that_only_look_alike_are_told_apart() -> None:
    values = (1, 1.0, True, "1", "true", "True", 0, 0.0, -0.0, False, "", "1.0")
    assert len({cue_label("n", value) for value in values}) == len(values)
    assert cue_label("a", "b") != cue_label("b", "a")
    assert cue_label("a=b", "c") != cue_label("a", "b=c")


@given(st.text(max_size=4), scalars, st.text(max_size=4), scalars)
def test_two_pairs_share_a_label_only_if_they_are_the_same(a: str, x: object, b: str, y: object) -> None:
    same = (a, type(x), repr(x)) == (b, type(y), repr(y))
    assert (cue_label(a, x) == cue_label(b, y)) == same
    assert json.loads(cue_label(a, x)) == [a, x]
    assert cue_label(a, x).isascii()


@given(st.dictionaries(st.text(max_size=3), scalars, max_size=4))
def test_the_order_of_a_context_does_not_matter(context: dict[str, object]) -> None:
    turned = dict(reversed(list(context.items())))
    assert moment(0, 0, context) == moment(0, 0, turned)
    assert list(moment(0, 0, context).cues) == sorted(cue_label(key, value) for key, value in context.items())
