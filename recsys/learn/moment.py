"""The moment of an event or a question, in the terms in which habits repeat.

A :class:`Moment` holds the time in seconds and its place in the local day and
week, and the context as the labels of its ``key=value`` pairs.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from recsys.types import Context

__all__ = ["HALF_HOURS", "WEEK_HOURS", "Moment", "cue_label", "moment"]

HALF_HOURS = 48  # bins of a local day
WEEK_HOURS = 168  # bins of a local week, Monday 00:00 first
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


class Moment(NamedTuple):
    """When something happened or is asked, and under which circumstances.

    Parameters
    ----------
    at_s : float
        Seconds since 1970-01-01 UTC.
    week_minute : int
        Minute of the local week, 0 (Monday 00:00) to 10,079.
    cues : tuple of str
        One label for each ``key=value`` pair of the context, sorted.
    """

    at_s: float
    week_minute: int
    cues: tuple[str, ...]

    @property
    def half_hour(self) -> int:
        """Half-hour of the local day, 0 to 47."""
        return self.week_minute % 1440 // 30

    @property
    def week_hour(self) -> int:
        """Hour of the local week, 0 to 167."""
        return self.week_minute // 60


def moment(at_us: int, offset_min: int, context: Context) -> Moment:
    """Place a time and a context. O(size of the context)."""
    local_min = at_us // 60_000_000 + offset_min
    week_minute = (local_min + _EPOCH_WEEKDAY * 1440) % 10080
    cues = tuple(sorted([cue_label(k, v) for k, v in context.items()])) if context else ()
    return tuple.__new__(Moment, (at_us / 1e6, week_minute, cues))


def cue_label(key: str, value: object) -> str:
    """Give the one spelling of a context pair: JSON tells ``1``, ``1.0``, ``true`` and ``"1"`` apart."""
    if type(value) is str:  # the same spelling, an order of magnitude quicker
        return f"[{encode_basestring_ascii(key)}, {encode_basestring_ascii(value)}]"
    return json.dumps([key, value], ensure_ascii=True)
