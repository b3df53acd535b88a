"""The words of the reasons: one table, a group and a direction to a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.moment import Moment

__all__ = ["Evidence", "ago", "daypart", "phrase", "together"]

_PARTS: Final = ((5, "nights"), (12, "mornings"), (17, "afternoons"), (22, "evenings"), (24, "nights"))
_WEEKEND: Final = 5  # Saturday
_OFTEN: Final = 4  # uses from which "often" is said


def daypart(week_minute: int) -> str:
    """Name a minute of the week: "weekday mornings", "weekend nights", ..."""
    day, minute = divmod(week_minute, 1440)
    part = next(name for until, name in _PARTS if minute < until * 60)
    return f"{'weekend' if day >= _WEEKEND else 'weekday'} {part}"


def ago(seconds: float) -> str:
    """Say an age in words: "just now", "3 hours ago", "2 days ago"."""
    for unit_s, name in ((86400.0 * 365, "year"), (86400.0 * 30, "month"), (86400.0, "day"), (3600.0, "hour")):
        n = int(seconds // unit_s)
        if n:
            return f"{n} {name}{'s' if n > 1 else ''} ago"
    n = int(seconds // 60)
    return f"{n} minute{'s' if n > 1 else ''} ago" if n else "just now"


class Evidence:
    """How many events stand behind a group, when the newest was, and what the words need."""

    __slots__ = ("is_last", "last_at", "last_title", "moment", "n_events", "newest_s", "uses")

    def __init__(  # the order of the sentence above
        self,
        n_events: int,
        last_at: float | None,
        moment: Moment,
        newest_s: float,
        last_title: str,
        uses: int,
        is_last: bool = False,  # noqa: FBT001, FBT002 - the last of a record's fields
    ) -> None:
        self.n_events = n_events
        self.last_at = last_at
        self.moment = moment
        self.newest_s = newest_s
        self.last_title = last_title
        self.uses = uses
        self.is_last = is_last

    def of(self, at: NDArray[np.uint32]) -> Evidence:
        """The same, with the events at these seconds."""
        return self.counted(len(at), float(at.max()) if len(at) else None)

    def counted(self, n_events: int, last_at: float | None) -> Evidence:
        """The same, with this count and newest time."""
        self.n_events, self.last_at = n_events, last_at
        return self

    @property
    def age(self) -> str:
        """The newest event's age in words."""
        now_s = max(self.moment.at_s, self.newest_s)
        return "never" if self.last_at is None else ago(max(now_s - self.last_at, 0.0))


def phrase(group: str, contribution: float, evidence: Evidence) -> str:
    """Word one group for a person."""
    return _WORDS[group][contribution > 0](evidence)


def together(group: str, title: str, n_events: int) -> str:
    """Word why one item goes with another, which has this title."""
    if group == "like":
        return f"it is like {title}"
    if group == "sequence":
        return f"you used it near {title} {_times(n_events)}"
    return f"it goes with {title}"


def _context(evidence: Evidence) -> str:
    pairs = [json.loads(cue) for cue in evidence.moment.cues]
    return "when " + " and ".join(f"{key} is {value}" for key, value in pairs) if pairs else "in any case"


def _often(e: Evidence) -> str:
    if e.uses >= _OFTEN:
        return f"you use this often ({_times(e.uses)})"
    return f"you used this before ({_times(e.uses)})" if e.uses else "it is new to you"


def _recent(e: Evidence) -> str:
    return f"you used this {e.age}" if e.uses else "it has not had its turn lately"


def _rhythm(e: Evidence) -> str:
    when = daypart(e.moment.week_minute)
    return f"you often use this on {when}" if e.n_events else f"it may suit {when}"


def _sequence(e: Evidence) -> str:
    if e.is_last:
        return "you often use this again right away" if e.n_events else "you have just used this"
    return f"usually right after {e.last_title}" if e.n_events else f"it fits after {e.last_title or 'a start'}"


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


_WORDS: Final[Mapping[str, Mapping[bool, Callable[[Evidence], str]]]] = {
    "frequency": {
        True: _often,
        False: lambda e: f"you use others more ({_times(e.uses)} so far)" if e.uses else "you have not used this yet",
    },
    "recency": {
        True: _recent,
        False: lambda e: f"you used this {e.age}, others later" if e.uses else "you have not used this lately",
    },
    "rhythm": {True: _rhythm, False: lambda e: f"you seldom use this on {daypart(e.moment.week_minute)}"},
    "sequence": {
        True: _sequence,
        False: lambda e: (
            "you have just used this" if e.is_last else f"seldom right after {e.last_title or 'the start'}"
        ),
    },
    "interval": {
        True: lambda e: "it is about due again" if e.uses > 1 else "it keeps no rhythm yet",
        False: lambda e: "it is not due now" if e.uses > 1 else "it has not come back yet",
    },
    "context": {
        True: lambda e: f"{'you often use this' if e.n_events else 'it may suit you'} {_context(e)}",
        False: lambda e: f"you seldom use this {_context(e)}",
    },
    "fatigue": {
        True: lambda e: "others were shown more often" if not e.n_events else "it was shown without being chosen",
        False: lambda e: (
            f"it was shown {_times(e.n_events)} without being chosen" if e.n_events else "it was shown less than others"
        ),
    },
    "feedback": {
        True: lambda e: "others were turned down" if not e.n_events else "you turned this down",
        False: lambda e: f"you turned this down {_times(e.n_events)}" if e.n_events else "others were turned down less",
    },
    "like": {
        True: lambda e: f"it is like {e.last_title}" if e.last_title else "it is like what you use",
        False: lambda e: (
            "other things are more like what you use" if not e.uses else "there are new things like those you use"
        ),
    },
    "kind": {
        True: lambda _: "it is of a kind that you choose",
        False: lambda e: "it is of a kind that you choose less" if not e.uses else "there are new things of your kind",
    },
    "age": {
        True: lambda _: "it is new",
        False: lambda _: "others are newer",
    },
    "taste": {
        True: lambda _: "people who used the same as you go on to this",
        False: lambda _: "people who used the same as you go on to other things",
    },
    "near": {
        True: lambda e: f"it goes with {e.last_title}" if e.last_title else "it goes with what you used last",
        False: lambda e: f"other things go with {e.last_title or 'what you used last'} more",
    },
    "popular": {
        True: lambda _: "many people use this",
        False: lambda _: "others are used by more people",
    },
    "liked": {
        True: lambda _: "people who are shown this choose it",
        False: lambda _: "people who are shown others choose them more",
    },
    "again": {
        True: lambda _: "people come back to this",
        False: lambda _: "people come back to other things more",
    },
    "boost": {
        True: lambda _: "the app suggests this",
        False: lambda _: "the app suggests others more",
    },
    "pinned": {False: lambda _: "the app puts this first"},
    "diversity": {False: lambda _: "it is unlike what stands above it"},
    "habits": {
        True: lambda _: "it fits your habits best on the whole",
        False: lambda _: "others fit your habits better on the whole",
    },
    "steer": {
        True: lambda _: "you asked for more like this",
        False: lambda _: "you asked for less like this",
    },
}
