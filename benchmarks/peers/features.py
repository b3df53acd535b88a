"""What a practitioner would compute of every candidate: one person's own log in, a feature matrix out.

The peers that learn weights share these features, so that they differ in how they learn and not
in what they see. Learning a choice is O(1) and reading is O(n_items), with no pass over the log.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.evaluate.rules import is_choice
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["ITEM_FEATURES", "MOMENT_FEATURES", "Features", "local_day", "local_hour", "local_weekday"]

_US = 1_000_000
_MINUTE_US = 60 * _US
_DAY_US = 86_400 * _US
_HALF_LIVES_DAYS = (1.0, 7.0, 30.0)
_HALF_LIVES_CHOICES = (5.0, 20.0, 100.0)
_BACKOFF = 1.0  # weight of the broader share in a share with few observations
_RARE = 0.1  # choices that an item without any in a situation counts as, so that logarithms are finite
_NEAR_HOURS = ((-1, 0.5), (0, 1.0), (1, 0.5))
_NOTHING: dict[int, float] = {}

_DECAYED = (
    *(f"log_n_half_life_{days:g}_days" for days in _HALF_LIVES_DAYS),
    *(f"log_n_half_life_{choices:g}_choices" for choices in _HALF_LIVES_CHOICES),
)
# The columns that differ between the candidates of one moment. "p" is a share with back-off, "n" a count.
ITEM_FEATURES = (
    "log_n",
    *_DECAYED,
    "log_age_s",
    "log_age_choices",
    "inverse_age_choices",
    "is_last",
    "is_one_before_last",
    "is_in_session",
    "log_n_after_last",
    "log_p_after_last",
    "p_after_last",
    "log_p_after_last_two",
    "p_after_last_two",
    "log_p_near_hour",
    "p_near_hour",
    "log_p_weekday",
    "log_p_hour_of_week",
    "p_hour_of_week",
    "log_interval_s",
    "log_overdue",
    "is_overdue",
    "log_overdue_choices",
    "log_p_context",
    "p_context",
    "log_n_against",
    "is_last_after_break",
    "log_p_after_last_after_break",
)
# The columns that are the same for all of them; only trees and crosses can use these.
MOMENT_FEATURES = ("log_gap_s", "is_after_break", "hour", "weekday", "log_n_items")


class Features:
    """Counts over one log, kept up choice by choice, and the features of any items at a moment.

    Parameters
    ----------
    settings : Settings or None
        Which kinds are choices and how long a break ends a session; None takes the defaults.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.items: list[str] = []  # in the order of their first choice
        self.place: dict[str, int] = {}
        self.last: tuple[str, ...] = ()  # the last two choices, the newest last
        self._n = 0
        self._at_us = 0
        self._session_start = 0  # which choice began the session, from 1
        # One row an item. Decayed counts are as of the item's last choice.
        self._count = np.zeros(0)
        self._decayed = np.zeros((0, len(_HALF_LIVES_DAYS) + len(_HALF_LIVES_CHOICES)))
        self._first_us = np.zeros(0)
        self._last_us = np.zeros(0)
        self._first_n = np.zeros(0)
        self._last_n = np.zeros(0)
        self._against = np.zeros(0)
        # situation -> row of the item -> how often it was chosen in it
        self._chosen: dict[Hashable, dict[int, float]] = {}

    def read(self, moment: Event, items: Sequence[str]) -> NDArray[np.float64]:
        """Return the features of items that were chosen before, shape (n_items, n_features).

        The columns are ``ITEM_FEATURES`` and then ``MOMENT_FEATURES``. Cost: O(n_items).
        """
        rows = np.array([self.place[item] for item in items], dtype=np.int64)
        gap_us = max(0, moment.at_us - self._at_us)
        broke = float(gap_us > self.settings.session_gap_minutes * _MINUTE_US)
        columns = self._ages(moment, rows, broke) | self._after(moment, rows)
        columns |= {
            "log_n_against": np.log1p(self._against[rows]),
            "is_last_after_break": columns["is_last"] * broke,
            "log_p_after_last_after_break": columns["log_p_after_last"] * broke,
        }
        n_item_features = len(ITEM_FEATURES)
        X = np.empty((len(rows), n_item_features + len(MOMENT_FEATURES)))
        for j, name in enumerate(ITEM_FEATURES):
            X[:, j] = columns[name]
        log_n_items = math.log1p(len(self.items))
        X[:, n_item_features:] = (
            math.log1p(gap_us / _US), broke, local_hour(moment), local_weekday(moment), log_n_items,
        )  # fmt: skip
        return X

    def _ages(self, moment: Event, rows: NDArray[np.int64], broke: float) -> dict[str, NDArray[np.float64]]:
        """Return what follows from how often, how long ago and how regularly each item was chosen."""
        count = self._count[rows]
        age_us: NDArray[np.float64] = np.maximum(0.0, moment.at_us - self._last_us[rows])
        age_s, age_choices = age_us / _US, self._n + 1.0 - self._last_n[rows]
        repeats, again = np.maximum(1.0, count - 1.0), count > 1
        interval_s = (self._last_us[rows] - self._first_us[rows]) / _US / repeats
        interval_choices = (self._last_n[rows] - self._first_n[rows]) / repeats
        overdue = np.where(again, np.clip(np.log((age_s + 1.0) / (interval_s + 1.0)), -5.0, 5.0), 0.0)
        overdue_choices = np.where(again, np.clip(np.log(age_choices / (interval_choices + 1.0)), -5.0, 5.0), 0.0)
        decayed = np.log1p(self._decayed_counts(rows, age_us, age_choices))
        return dict(zip(_DECAYED, decayed.T, strict=True)) | {
            "log_n": np.log1p(count),
            "log_age_s": np.log1p(age_s),
            "log_age_choices": np.log(age_choices),
            "inverse_age_choices": 1.0 / age_choices,
            "is_last": (age_choices == 1.0).astype(np.float64),
            "is_one_before_last": (age_choices == 2.0).astype(np.float64),
            "is_in_session": (self._last_n[rows] >= self._session_start) * (1.0 - broke),
            "log_interval_s": np.where(again, np.log1p(interval_s), 0.0),
            "log_overdue": overdue,
            "is_overdue": (overdue > 0).astype(np.float64),
            "log_overdue_choices": overdue_choices,
        }

    def _after(self, moment: Event, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Return what follows from how often each item was chosen in situations like this one."""
        share = self._count[rows] / max(self._n, 1)
        after, after_two = self._sequence(rows, share)
        near, weekday, hour_of_week = self._rhythm(moment, rows, share)
        context = self._context(moment, rows, share)
        floor = _RARE / (self._n + 1.0)
        return {
            "log_n_after_last": np.log1p(self._counts(("after", self.last[-1:]), rows)),
            "log_p_after_last": np.log(after + floor),
            "p_after_last": after,
            "log_p_after_last_two": np.log(after_two + floor),
            "p_after_last_two": after_two,
            "log_p_near_hour": np.log(near + floor),
            "p_near_hour": near,
            "log_p_weekday": np.log(weekday + floor),
            "log_p_hour_of_week": np.log(hour_of_week + floor),
            "p_hour_of_week": hour_of_week,
            "log_p_context": np.log(context + floor),
            "p_context": context,
        }

    def learn(self, event: Event) -> None:
        """Count a choice, or the evidence of a negative kind against an item that was chosen before."""
        if is_choice(event, self.settings):
            self._choose(event)
        elif self.is_against(event):
            self._against[self.place[event.item_id]] += 1.0

    def is_against(self, event: Event) -> bool:
        """Return whether the event is of a negative kind and about an item that was chosen before."""
        return event.item_id in self.place and self.settings.kind_weights.get(event.kind, 1.0) < 0

    def _choose(self, event: Event) -> None:
        row = self._row(event)
        self._n += 1
        if self._n == 1 or event.at_us - self._at_us > self.settings.session_gap_minutes * _MINUTE_US:
            self._session_start = self._n
        age_us, age_choices = max(0.0, event.at_us - self._last_us[row]), self._n - self._last_n[row]
        here = np.array([row])
        self._decayed[row] = self._decayed_counts(here, np.array([age_us]), np.array([age_choices]))[0] + 1.0
        self._count[row] += 1.0
        self._last_us[row], self._last_n[row] = event.at_us, self._n
        for situation in self._situations(event):
            in_it = self._chosen.setdefault(situation, {})
            in_it[row] = in_it.get(row, 0.0) + 1.0
        self._at_us = event.at_us
        self.last = (*self.last, event.item_id)[-2:]

    def _row(self, event: Event) -> int:
        row = self.place.get(event.item_id)
        if row is None:
            row = self.place[event.item_id] = len(self.items)
            self.items.append(event.item_id)
            if row >= len(self._count):
                self._grow(max(16, 2 * row))
            self._first_us[row] = self._last_us[row] = event.at_us
            self._first_n[row] = self._last_n[row] = self._n + 1
        return row

    def _grow(self, n_rows: int) -> None:
        for name in ("_count", "_decayed", "_first_us", "_last_us", "_first_n", "_last_n", "_against"):
            old: NDArray[np.float64] = getattr(self, name)
            new = np.zeros((n_rows, *old.shape[1:]))
            new[: len(old)] = old
            setattr(self, name, new)

    def _decayed_counts(
        self, rows: NDArray[np.int64], age_us: NDArray[np.float64], age_choices: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        ages = np.empty((len(rows), self._decayed.shape[1]))
        n_days = len(_HALF_LIVES_DAYS)
        ages[:, :n_days] = age_us[:, None] / (_DAY_US * np.array(_HALF_LIVES_DAYS))
        ages[:, n_days:] = age_choices[:, None] / np.array(_HALF_LIVES_CHOICES)
        decayed: NDArray[np.float64] = self._decayed[rows] * np.exp2(-ages)
        return decayed

    def _situations(self, event: Event) -> list[Hashable]:
        """Return what is counted for each choice: what it came after, when it was, and in which context."""
        hour, weekday = local_hour(event), local_weekday(event)
        after: list[Hashable] = [("after", self.last[-m:]) for m in range(1, len(self.last) + 1)]
        when: list[Hashable] = [("hour", hour), ("weekday", weekday), ("hour of week", weekday, hour)]
        return [*after, *when, *(("context", key, value) for key, value in event.context.items())]

    def _counts(self, situation: Hashable, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        in_it = self._chosen.get(situation, _NOTHING)
        counts = np.zeros(len(self.items))
        if in_it:
            counts[np.fromiter(in_it.keys(), np.int64, len(in_it))] = np.fromiter(
                in_it.values(), np.float64, len(in_it)
            )
        return counts[rows]

    def _share(self, situation: Hashable, rows: NDArray[np.int64], broader: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``(n(situation, i) + κ p(i)) / (n(situation) + κ)`` with the broader share ``p`` and κ = 1."""
        total = sum(self._chosen.get(situation, _NOTHING).values())
        share: NDArray[np.float64] = (self._counts(situation, rows) + _BACKOFF * broader) / (total + _BACKOFF)
        return share

    def _sequence(
        self, rows: NDArray[np.int64], share: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        after = self._share(("after", self.last[-1:]), rows, share)
        return after, self._share(("after", self.last), rows, after) if len(self.last) > 1 else after

    def _rhythm(
        self, moment: Event, rows: NDArray[np.int64], share: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        hour, weekday = local_hour(moment), local_weekday(moment)
        near, total = _BACKOFF * share, _BACKOFF
        for step, weight in _NEAR_HOURS:
            situation = ("hour", (hour + step) % 24)
            near = near + weight * self._counts(situation, rows)
            total += weight * sum(self._chosen.get(situation, _NOTHING).values())
        near /= total
        return (
            near,
            self._share(("weekday", weekday), rows, share),
            self._share(("hour of week", weekday, hour), rows, near),
        )

    def _context(self, moment: Event, rows: NDArray[np.int64], share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean share over what is true at the moment; the overall share when nothing is said."""
        if not moment.context:
            return share
        shares = [self._share(("context", key, value), rows, share) for key, value in moment.context.items()]
        mean: NDArray[np.float64] = np.mean(shares, axis=0)
        return mean


def local_hour(event: Event) -> int:
    """Return the hour of the event's own clock, 0 to 23."""
    return (event.at_us // _MINUTE_US + event.offset_min) // 60 % 24


def local_weekday(event: Event) -> int:
    """Return the day of the week on the event's own clock, 0 (Thursday, as the 1st of January 1970) to 6."""
    return local_day(event) % 7


def local_day(event: Event) -> int:
    """Return the day on the event's own clock, counted from the 1st of January 1970."""
    return (event.at_us // _MINUTE_US + event.offset_min) // 1440
