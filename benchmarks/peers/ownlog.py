"""What every learning peer shares: features, and examples of what was and was not chosen.

Events go in; a peer gets one batch of examples for each choice of an item that was chosen
before, the chosen one first, and ranks by what it learnt of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.features import Features, local_hour, local_weekday
from recsys.evaluate.rules import is_choice
from recsys.settings import Settings
from recsys.types import Event, Scalar

__all__ = ["SEED", "OwnLog"]

SEED = 20240501
_MAX_SLATES = 64  # lists shown that are remembered until something of them is chosen


class OwnLog:
    """A peer without its learner: :meth:`scores` and :meth:`fit` are left to the families.

    The choice of an item that was chosen before is one example for it and ``n_negatives``
    against others: those that the list showed, if it was chosen from a list, else any
    that were chosen before. A negative kind is one example against its item. The choice of
    a new item teaches no weights, because a new item is never among the candidates.

    Parameters
    ----------
    n_negatives : int
        At most how many others are drawn for one choice.
    settings : Settings or None
        Which kinds are choices; None takes the defaults.
    """

    def __init__(self, n_negatives: int, settings: Settings | None = None) -> None:
        self.features = Features(settings)
        self.n_negatives = n_negatives
        self._rng = np.random.default_rng(SEED)
        self._slates: dict[str, tuple[str, ...]] = {}
        self._tokens: dict[tuple[str, Scalar], int] = {}

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        """Return one score a candidate; all of them were chosen before."""
        raise NotImplementedError

    def fit(self, event: Event, items: Sequence[str], y: NDArray[np.int64]) -> None:
        """Learn from examples at a moment: 1 for the chosen item, which comes first, 0 for the others."""
        raise NotImplementedError

    def learn(self, event: Event) -> None:
        """Learn from the event what it says, then count it in the features."""
        if event.kind == "shown" and event.slate is not None:
            self._slates[event.slate] = tuple(item for item, _, _ in event.shown)
            if len(self._slates) > _MAX_SLATES:
                del self._slates[next(iter(self._slates))]
        known = event.item_id in self.features.place
        if known and is_choice(event, self.features.settings):
            items = [event.item_id, *self._negatives(event)]
            self.fit(event, items, np.eye(1, len(items), dtype=np.int64)[0])
        elif self.features.is_against(event):
            self.fit(event, [event.item_id], np.zeros(1, dtype=np.int64))
        self.features.learn(event)

    def situations(self, event: Event) -> dict[str, list[str]]:
        """Return what is true at the moment as tokens, by namespace, for learners of crosses with the item.

        ``t`` the hour, ``d`` the weekday, ``l`` the last choice, ``m`` the last two, ``k`` the context.
        Items stand as their place in the log, so that any id makes a valid token.
        """
        place, last = self.features.place, self.features.last
        spaces = {
            "t": [f"hour{local_hour(event)}"],
            "d": [f"weekday{local_weekday(event)}"],
            "l": [f"after{place[item]}" for item in last[-1:]],
            "m": ["after" + "then".join(str(place[item]) for item in last)] if len(last) > 1 else [],
            "k": [f"context{self._tokens.setdefault(pair, len(self._tokens))}" for pair in event.context.items()],
        }
        return {space: tokens for space, tokens in spaces.items() if tokens}

    def _negatives(self, event: Event) -> list[str]:
        items: Sequence[str] = self.features.items
        if event.slate in self._slates:
            items = [item for item in self._slates[event.slate] if item in self.features.place]
        n = len(items)
        drawn = range(n) if n <= self.n_negatives + 1 else self._rng.permutation(n)[: self.n_negatives + 1].tolist()
        return [items[i] for i in drawn if items[i] != event.item_id][: self.n_negatives]
