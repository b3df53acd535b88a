"""The rules that any recommender must beat: the most used, and the most recent.

Both are models in the sense of :class:`recsys.evaluate.replay.Model`; learning an
event costs O(1), scoring O(n_candidates).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.settings import Settings
from recsys.types import Event

__all__ = ["MostRecent", "MostUsed", "is_choice"]


def is_choice(event: Event, settings: Settings) -> bool:
    """Return whether the event chose an item: neither shown, steered nor of a kind that weighs 0 or less.

    Parameters
    ----------
    event : Event
        Any event of a log.
    settings : Settings
        For its weight; kinds not named there weigh 1.

    Returns
    -------
    bool
        Cost: O(1).

    Stability: provisional
    """
    return event.kind not in {"shown", "steer"} and settings.weight(event.kind, event.value) > 0


class MostUsed:
    """Score each item by how often it was chosen.

    Parameters
    ----------
    settings : Settings or None
        Which kinds are choices; None takes the defaults.

    Stability: stable
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._count: Counter[str] = Counter()

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:  # noqa: ARG002 - no moment matters
        """Return the number of choices of each candidate, shape (n_candidates,)."""
        count = self._count
        return np.array([count[item] for item in candidates], dtype=np.float64)

    def learn(self, event: Event) -> None:
        """Count the event, if it is a choice."""
        if is_choice(event, self._settings):
            self._count[event.item_id] += 1


class MostRecent:
    """Score each item by its last choice: the later, the higher.

    Parameters
    ----------
    settings : Settings or None
        Which kinds are choices; None takes the defaults.

    Stability: stable
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._last: dict[str, int] = {}
        self._n_choices = 0

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:  # noqa: ARG002 - no moment matters
        """Return the number of the last choice of each candidate, 0 if there is none, shape (n_candidates,)."""
        last = self._last
        return np.array([last.get(item, 0) for item in candidates], dtype=np.float64)

    def learn(self, event: Event) -> None:
        """Note the event's place in the log, if it is a choice."""
        if is_choice(event, self._settings):
            self._n_choices += 1
            self._last[event.item_id] = self._n_choices
