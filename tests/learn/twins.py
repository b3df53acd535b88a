"""The slow twin of every feature, straight from the plain list of events.

No arrays, no forward decay, no slots: each feature is a sum, a maximum or a last
time over the events before the moment, as its meaning in ``FEATURES`` says. The
numbers (half-lives, floors, widths) are written out again here, so that a slip in
one place shows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recsys.types import Context, Event

HOUR, DAY = 3600.0, 86_400.0
RING = 32  # uses under a context value that are remembered
PLACES = 64  # uses of each item that are remembered with what came after them
REACH = 4028  # last uses that are looked back at: 4096 are kept, and 68 of them may be overwritten
CUES = 256  # context values that are remembered
NEVER_S = 3e8  # the age of what was never used, and the greatest age
NEVER_LAG = 10_000


def week_minute(at_us: int, offset_min: int) -> int:
    """Minute of the local week from the calendar, Monday 00:00 first."""
    local = datetime(1970, 1, 1) + timedelta(microseconds=at_us, minutes=offset_min)  # noqa: DTZ001 - local by hand
    return local.weekday() * 1440 + local.hour * 60 + local.minute


def labels(context: Context) -> list[str]:
    """The pairs of a context, each with one spelling, sorted."""
    return sorted(json.dumps([key, value]) for key, value in context.items())


@dataclass(frozen=True)
class Use:
    """A use of an item: an event whose kind weighs more than 0."""

    item: str
    at_s: float
    week_minute: int
    cues: list[str]
    weight: float

    @property
    def half_hour(self) -> int:
        return self.week_minute % 1440 // 30


class Past:
    """The events before a moment, sorted into uses, slates shown and evidence against."""

    def __init__(self, events: Sequence[Event], kind_weights: Mapping[str, float], session_gap_s: float) -> None:
        self.newest_s = max((e.at_us / 1e6 for e in events), default=None)
        self.session_gap_s = session_gap_s
        self.uses: list[Use] = []
        self.impressions: list[tuple[str, float]] = []  # since the item's last use
        self.against: list[tuple[str, float, float]] = []
        self.known: list[str] = []
        for e in events:
            self._take(e, kind_weights.get(e.kind, 1.0))

    def _take(self, e: Event, weight: float) -> None:
        at_s = e.at_us / 1e6
        touched: list[str] = []
        if e.kind == "shown":
            touched = [item for item, _, _ in e.shown]
            self.impressions += [(item, at_s) for item in touched]
        elif e.kind != "steer" and weight > 0:
            touched = [e.item_id]
            minute = week_minute(e.at_us, e.offset_min)
            self.uses.append(Use(e.item_id, at_s, minute, labels(e.context), weight))
            self.impressions = [(item, at) for item, at in self.impressions if item != e.item_id]
        elif e.kind != "steer" and weight < 0:
            touched = [e.item_id]
            self.against.append((e.item_id, at_s, -weight))
        self.known += [item for item in touched if item not in self.known]


class Question:
    """A moment asked about, and what of the past every feature reads."""

    def __init__(
        self, past: Past, at_us: int, offset_min: int, context: Context, shown_at_s: float | None = None
    ) -> None:
        self.past = past
        self.uses = past.uses
        self.now_s = max(at_us / 1e6, past.newest_s or 0.0)
        self.minute = week_minute(at_us, offset_min)
        self.half_hour = self.minute % 1440 // 30
        self.cues = labels(context)
        self.shown_at_s = shown_at_s
        self.last = self.uses[-1] if self.uses else None
        self.silence_s = self.now_s - self.last.at_s if self.last else 0.0

    def uses_of(self, item: str) -> list[Use]:
        return [use for use in self.uses if use.item == item]

    def fading_uses(self, item: str, half_life_s: float) -> float:
        return sum(use.weight * 2 ** (-(self.now_s - use.at_s) / half_life_s) for use in self.uses_of(item))

    def lag(self, item: str) -> int:
        """Uses since the item's last, itself counted."""
        since = [use.item for use in reversed(self.uses)]
        return min(since.index(item) + 1, NEVER_LAG) if item in since else NEVER_LAG

    def age_s(self, item: str) -> float:
        used = self.uses_of(item)
        return min(self.now_s - used[-1].at_s, NEVER_S) if used else NEVER_S

    def share(self, item: str) -> float:
        """The item's part of all uses of the week, with a little for everyone, the never-seen item among them."""
        everything = sum(use.weight * 2 ** (-(self.now_s - use.at_s) / (7 * DAY)) for use in self.uses)
        return (self.fading_uses(item, 7 * DAY) + 0.02) / (everything + 0.02 * (len(self.past.known) + 1))

    def places(self, before: int) -> list[int]:
        """Where the item used last (``before`` 1), or the one before (2), or before that (3), was used earlier."""
        n = len(self.uses)
        if n < before:
            return []
        places = [i for i, use in enumerate(self.uses) if use.item == self.uses[-before].item]
        return [i for i in places[-PLACES:] if n - REACH <= i < n - before]

    def followers(self) -> list[tuple[Use, str | None, float]]:
        """What came right after the last item, each with what came before that and the silence between."""
        return [
            (self.uses[i + 1], self.uses[i - 1].item if i else None, self.uses[i + 1].at_s - self.uses[i].at_s)
            for i in self.places(1)
        ]

    def lift(self, item: str, weighed: float, pseudo_uses: float) -> float:
        return math.log(weighed / self.share(item) + pseudo_uses)


def log_uses_by_events(half_life: float) -> Callable[[Question, str], float]:
    def feature(q: Question, item: str) -> float:
        n = len(q.uses)
        total = sum(use.weight * 2 ** (-(n - i) / half_life) for i, use in enumerate(q.uses) if use.item == item)
        return math.log(total + 0.05)

    return feature


def log_uses_by_time(half_life_s: float) -> Callable[[Question, str], float]:
    return lambda q, item: math.log(q.fading_uses(item, half_life_s) + 0.05)


def uses_ever(q: Question, item: str) -> float:
    return math.log(sum(use.weight for use in q.uses_of(item)) + 0.3)


def hour(q: Question, item: str) -> float:
    total = 0.1
    for use in q.uses_of(item):
        apart = abs(use.half_hour - q.half_hour)
        apart = min(apart, 48 - apart)
        near = math.exp(-0.5 * (apart / 1.5) ** 2) if apart <= 6 else 0.0
        total += use.weight * near * 2 ** (-(q.now_s - use.at_s) / (30 * DAY))
    return math.log(total)


def week_hour(q: Question, item: str) -> float:
    total = 0.1
    for use in q.uses_of(item):
        apart = abs(use.week_minute % 1440 // 60 - q.minute % 1440 // 60)
        apart = min(apart, 24 - apart)
        near = math.exp(-0.5 * apart**2) if apart <= 4 else 0.0
        day, today = use.week_minute // 1440, q.minute // 1440
        alike = 1.0 if day == today else 0.3 if (day >= 5) == (today >= 5) else 0.05
        total += use.weight * near * alike * 2 ** (-(q.now_s - use.at_s) / (30 * DAY))
    return math.log(total)


def follows(q: Question, item: str) -> float:
    return q.lift(item, sum(use.item == item for use, _, _ in q.followers()), 1.0)


def follows_two(q: Question, item: str) -> float:
    one_before = q.uses[-2].item if len(q.uses) > 1 else None
    return q.lift(item, sum(use.item == item and before == one_before for use, before, _ in q.followers()), 0.5)


def lately(q: Question, use: Use) -> float:
    return 2 ** (-(q.now_s - math.floor(use.at_s)) / (60 * DAY))  # rings keep whole seconds


def same_hour(q: Question, use: Use) -> float:
    apart = abs(use.half_hour - q.half_hour)
    return math.exp(-0.5 * (min(apart, 48 - apart) / 3.0) ** 2)


def follows_at_hour(q: Question, item: str) -> float:
    total = sum(lately(q, use) * same_hour(q, use) for use, _, _ in q.followers() if use.item == item)
    return q.lift(item, total, 0.5)


def follows_gap(q: Question, item: str) -> float:
    total = 0.0
    for use, _, silence_s in q.followers():
        off = (math.log(silence_s + 60.0) - math.log(q.silence_s + 60.0)) / 0.7
        total += (use.item == item) * lately(q, use) * math.exp(-0.5 * off * off)
    return q.lift(item, total, 0.5)


def near(q: Question, item: str) -> float:
    total = 0.0
    for before in (1, 2, 3):
        for i in q.places(before):
            for lag in (1, 2, 3, 4):
                if i + lag < len(q.uses) and q.uses[i + lag].item == item:
                    use = q.uses[i + lag]
                    total += (same_hour(q, use) + 0.15) * lately(q, use) / math.sqrt(before * lag)
    return q.lift(item, total, 1.0)


def in_session(q: Question, item: str) -> float:
    if q.silence_s > q.past.session_gap_s:
        return 0.0
    session: list[str] = []
    for i, use in enumerate(q.uses):
        if i and use.at_s - q.uses[i - 1].at_s > q.past.session_gap_s:
            session = []
        session.append(use.item)
    return float(item in session)


def last_and_gap(q: Question, item: str) -> float:
    return math.log(q.silence_s / HOUR + 0.02) if q.lag(item) == 1 else 0.0


def log_interval(q: Question, item: str) -> float:
    """The running mean of log(seconds between uses): the true mean of the first five, then the newest weighs 0.2."""
    times = [use.at_s for use in q.uses_of(item)]
    mean = 0.0
    for n, (before, after) in enumerate(zip(times, times[1:]), start=1):  # noqa: B905, RUF007 - the second is shorter
        mean += max(0.2, 1 / n) * (math.log(max(after - before, 1.0)) - mean)
    return mean


def overdue(q: Question, item: str) -> float:
    usual = log_interval(q, item)
    since = math.log((q.age_s(item) / HOUR + 0.02) * HOUR)  # as in log_age, 72 seconds are added
    return min(max(since - usual, -4.0), 4.0) if usual > 0 else 0.0


def due(q: Question, item: str) -> float:
    return -abs(overdue(q, item)) if log_interval(q, item) > 0 else -2.0


def context(q: Question, item: str) -> float:
    remembered: dict[str, list[str]] = {}  # by the time of their last use, oldest first
    for use in q.uses:
        for cue in use.cues:
            items = remembered.pop(cue, [])
            if not items and len(remembered) >= CUES:
                del remembered[next(iter(remembered))]
            remembered[cue] = [*items, use.item][-RING:]
    total = 0.0
    for cue in q.cues:
        items = remembered.get(cue, [])
        if items:
            total += math.log((items.count(item) / q.share(item) + 1.0) / (len(items) + 1.0))
    return total / len(q.cues) if q.cues else 0.0


def shown(q: Question, item: str) -> float:
    total = sum(2 ** (-(q.now_s - at_s) / (7 * DAY)) for name, at_s in q.past.impressions if name == item)
    if q.shown_at_s is not None:
        total = max(total - 2 ** (-(q.now_s - q.shown_at_s) / (7 * DAY)), 0.0)
    return math.log(1 + total)


def against(q: Question, item: str) -> float:
    total = sum(w * 2 ** (-(q.now_s - at_s) / (40 * DAY)) for name, at_s, w in q.past.against if name == item)
    return math.log(1 + total)


TWINS: Mapping[str, Callable[[Question, str], float]] = {
    "uses_12_events": log_uses_by_events(12),
    "uses_50_events": log_uses_by_events(50),
    "uses_250_events": log_uses_by_events(250),
    "uses_2_hours": log_uses_by_time(2.4 * HOUR),
    "uses_day": log_uses_by_time(DAY),
    "uses_week": log_uses_by_time(7 * DAY),
    "uses_40_days": log_uses_by_time(40 * DAY),
    "uses_ever": uses_ever,
    "inverse_lag": lambda q, item: 1 / q.lag(item),
    "log_lag": lambda q, item: -math.log(q.lag(item)),
    "log_age": lambda q, item: -math.log(q.age_s(item) / HOUR + 0.02),
    "is_last": lambda q, item: float(q.lag(item) == 1),
    "is_one_before": lambda q, item: float(q.lag(item) == 2),
    "hour": hour,
    "week_hour": week_hour,
    "follows": follows,
    "follows_two": follows_two,
    "follows_at_hour": follows_at_hour,
    "follows_gap": follows_gap,
    "near": near,
    "in_session": in_session,
    "last_and_gap": last_and_gap,
    "due": due,
    "overdue": overdue,
    "context": context,
    "shown": shown,
    "against": against,
    "new": lambda q, item: float(not q.uses_of(item)),
}
