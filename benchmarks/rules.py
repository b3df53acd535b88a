"""The simple rules that the learner is measured against, as models for replay.

Each is what its source says with every choice weighed alike, learns an event in O(1)
and scores in O(n_candidates). "Most used" and "most recent" are part of the package.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.evaluate.replay import Model
from recsys.evaluate.rules import MostRecent, MostUsed, is_choice
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["RULES", "DecayedCount", "FirefoxFrecency", "HourOfWeek", "Markov", "ZoxideFrecency"]

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_WEEK_US = 7 * _DAY_US
_NOTHING: Counter[str] = Counter()


class FirefoxFrecency:
    """Firefox's frecency since version 147, with one weight for all visits.

    ``score = n_visits * mean over the last 10 visits of exp(-λ (t_ref - t_visit))`` with
    ``t_ref`` the last visit and ``λ = ln 2 / 30 days``; ranked by the day on which the
    score will have decayed to 1, ``t_ref + ln(score) / λ``.
    Source: Firefox, browser/components/urlbar/docs/ranking.rst.
    """

    half_life_days = 30.0
    n_sampled = 10

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._count: Counter[str] = Counter()
        self._visits: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=self.n_sampled))
        self._day: dict[str, float] = {}

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:  # noqa: ARG002 - the order does not depend on the moment
        return np.array([self._day[item] for item in candidates], dtype=np.float64)

    def learn(self, event: Event) -> None:
        if not is_choice(event, self._settings):
            return
        item = event.item_id
        self._count[item] += 1
        visits = self._visits[item]
        visits.append(event.at_us)
        rate = math.log(2.0) / self.half_life_days
        decayed = [math.exp(-rate * (event.at_us - at_us) / _DAY_US) for at_us in visits]
        score = sum(decayed) / len(decayed) * self._count[item]
        self._day[item] = event.at_us / _DAY_US + math.log(score) / rate


class ZoxideFrecency(MostUsed):
    """zoxide's frecency: the count, times 4, 2, ½ or ¼ by the time since the last use.

    The last use within an hour, a day, a week, or longer ago. Its ageing, which begins at a
    total count of 10,000, is left out: no log here comes that far.
    Source: zoxide, src/db/dir.rs.
    """

    steps = ((_HOUR_US, 4.0), (_DAY_US, 2.0), (_WEEK_US, 0.5))
    oldest = 0.25

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._at_us: dict[str, int] = {}

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        factors = [self._factor(max(0, event.at_us - self._at_us[item])) for item in candidates]
        return super().scores(event, candidates) * np.array(factors, dtype=np.float64)

    def learn(self, event: Event) -> None:
        super().learn(event)
        if is_choice(event, self._settings):
            self._at_us[event.item_id] = event.at_us

    def _factor(self, age_us: int) -> float:
        return next((factor for limit_us, factor in self.steps if age_us < limit_us), self.oldest)


class DecayedCount:
    """Count choices, each worth half as much after every further ``half_life_choices`` choices.

    ``score = Σ 2^(-(n - i) / half-life)`` over an item's choices ``i`` of ``n``: exponential
    decay on the log's own clock, which suits logs of an hour and of a year alike.
    Source: Cormode, Shkapenyuk, Srivastava, Xu: Forward decay, ICDE 2009.
    """

    def __init__(self, half_life_choices: float, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._rate = math.log(2.0) / half_life_choices
        self._n = 0
        self._log_score: dict[
            str, float
        ] = {}  # ln Σ exp(rate * i): undecayed, so never rewritten and never overflowing

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:  # noqa: ARG002 - no moment matters
        return np.array([self._log_score[item] for item in candidates], dtype=np.float64)

    def learn(self, event: Event) -> None:
        if is_choice(event, self._settings):
            self._n += 1
            before = self._log_score.get(event.item_id, -math.inf)
            self._log_score[event.item_id] = float(np.logaddexp(before, self._rate * self._n))


class Markov(MostUsed):
    """What followed the last ``order`` choices, backing off order by order to the most used.

    ``p_m(i | h) = (n(h, i) + κ p_{m-1}(i | shorter h)) / (n(h) + κ)``, ``p_0(i) = n(i) / n``, κ = 1.
    Source: MacKay, Peto: A hierarchical Dirichlet language model, 1995.
    """

    backoff = 1.0

    def __init__(self, order: int, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._last: deque[str] = deque(maxlen=order)
        self._next: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        p = super().scores(event, candidates)
        p /= p.sum()
        for history in self._histories():
            follow = self._next.get(history, _NOTHING)
            n = np.array([follow.get(item, 0) for item in candidates], dtype=np.float64)
            p = (n + self.backoff * p) / (n.sum() + self.backoff)
        return p

    def learn(self, event: Event) -> None:
        super().learn(event)
        if is_choice(event, self._settings):
            for history in self._histories():
                self._next[history][event.item_id] += 1
            self._last.append(event.item_id)

    def _histories(self) -> list[tuple[str, ...]]:
        last = tuple(self._last)
        return [last[-m:] for m in range(1, len(last) + 1)]


class HourOfWeek(MostUsed):
    """The most used at this hour of the week, local time, backing off to the most used.

    ``p(i | hour) = (n(hour, i) + κ n(i) / n) / (n(hour) + κ)``, κ = 1.
    """

    backoff = 1.0

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._in_hour: defaultdict[int, Counter[str]] = defaultdict(Counter)

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        p = super().scores(event, candidates)
        in_hour = self._in_hour.get(hour_of_week(event), _NOTHING)
        n = np.array([in_hour.get(item, 0) for item in candidates], dtype=np.float64)
        smoothed: NDArray[np.float64] = (n + self.backoff * p / p.sum()) / (n.sum() + self.backoff)
        return smoothed

    def learn(self, event: Event) -> None:
        super().learn(event)
        if is_choice(event, self._settings):
            self._in_hour[hour_of_week(event)][event.item_id] += 1


def hour_of_week(event: Event) -> int:
    """Return the local hour of the week, 0 to 167; which weekday is 0 does not matter."""
    return (event.at_us // 60_000_000 + event.offset_min) // 60 % 168


# The rows of the quality tables: name, a fresh model.
RULES: Mapping[str, Callable[[], Model]] = {
    "most used": MostUsed,
    "most recent": MostRecent,
    "frecency (Firefox)": FirefoxFrecency,
    "frecency (zoxide)": ZoxideFrecency,
    "decayed count (20 choices)": lambda: DecayedCount(20.0),
    "Markov, first order": lambda: Markov(1),
    "Markov, second order": lambda: Markov(2),
    "hour of week": HourOfWeek,
}
