"""A Beta bandit with Thompson sampling, one arm an item, as Firefox's ``relevancy`` component has it.

Every arm starts at Beta(1, 1). An impression that was selected adds 1 to α, one that was
not adds 1 to β; nothing decays and no context matters. An arm's score is one draw from its
distribution. Source: mozilla/application-services, components/relevancy/src/{lib,db}.rs
(``bandit_init``, ``bandit_select``, ``bandit_update``).

What counts as an impression: relevancy is told of each item that it displayed. A log of one's
own holds no lists shown, so every item that was a candidate counts as displayed: a choice selects
one item, which is an arm from then on, and passes over all others that were chosen before.
A negative kind is an impression of its item that was not selected.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.ownlog import SEED
from recsys.evaluate.rules import is_choice
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["BetaThompson"]


class BetaThompson:
    """Rank by one draw from each item's Beta(1 + selected, 1 + not selected).

    Parameters
    ----------
    settings : Settings or None
        Which kinds are choices; None takes the defaults.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._rng = np.random.default_rng(SEED)
        self._place: dict[str, int] = {}
        self._alpha = np.ones(16)
        self._beta = np.ones(16)

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:  # noqa: ARG002 - no moment matters
        arms = [self._place[item] for item in candidates]
        return self._rng.beta(self._alpha[arms], self._beta[arms])

    def learn(self, event: Event) -> None:
        if is_choice(event, self._settings):
            arm = self._arm(event.item_id)
            self._beta[: len(self._place)] += 1.0
            self._beta[arm] -= 1.0
            self._alpha[arm] += 1.0
        elif event.item_id in self._place and self._settings.kind_weights.get(event.kind, 1.0) < 0:
            self._beta[self._place[event.item_id]] += 1.0

    def _arm(self, item: str) -> int:
        arm = self._place.setdefault(item, len(self._place))
        if arm >= len(self._alpha):
            more = np.ones(len(self._alpha))
            self._alpha, self._beta = np.append(self._alpha, more), np.append(self._beta, more)
        return arm
