"""Vowpal Wabbit's logistic regression in this process, with crosses of the item and what is true at the moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.features import ITEM_FEATURES
from benchmarks.peers.ownlog import OwnLog
from benchmarks.peers.scale import Scale
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["VowpalWabbit"]

_N_FEATURES = len(ITEM_FEATURES)
# Crosses of the item (i) with the hour, the weekday, the last choice, the last two, and the context.
_CROSSES = "-q it -q id -q il -q im -q ik"
_LINE = "|i item%d |f " + " ".join(f"{j}:%.3f" for j in range(_N_FEATURES))


class VowpalWabbit(OwnLog):
    """``vw --loss_function logistic`` with its adaptive, normalised and invariant updates.

    Sources: Karampatziakis, Langford: Online importance weight aware updates, 2011; Ross, Mineiro, Langford:
    Normalized online learning, 2013; Weinberger et al.: Feature hashing for large scale multitask learning, 2009.

    Parameters
    ----------
    step : float
        The learning rate; vw's own default, which did better than 0.03 and 0.1 on users not held aside.
    bits : int
        Of the table of weights, 2^bits: 256 kB at 16, in which logs of this length hardly collide.
    n_negatives : int
        Examples against, for one choice.
    settings : Settings or None
        Which kinds are choices; None takes the defaults.
    """

    def __init__(
        self, *, step: float = 0.5, bits: int = 16, n_negatives: int = 10, settings: Settings | None = None
    ) -> None:
        super().__init__(n_negatives, settings)
        import vowpalwabbit

        options = f"--loss_function logistic -l {step} -b {bits} {_CROSSES} --random_seed 1 --quiet"
        self.model: Any = vowpalwabbit.Workspace(options, enable_logging=False)
        self._scale = Scale(_N_FEATURES)

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        predict = self.model.predict
        return np.array([predict(line) for line in self._lines(event, candidates, learn=False)], dtype=np.float64)

    def fit(self, event: Event, items: Sequence[str], y: NDArray[np.int64]) -> None:
        for label, line in zip(y.tolist(), self._lines(event, items, learn=True), strict=True):
            self.model.learn(f"{1 if label else -1} {line}")

    def _lines(self, event: Event, items: Sequence[str], *, learn: bool) -> list[str]:
        """Return one example an item in vw's text format, without the label."""
        X = self.features.read(event, items)[:, :_N_FEATURES]
        if learn:
            self._scale.learn(X)
        shared = "".join(f"|{space} {' '.join(tokens)} " for space, tokens in self.situations(event).items())
        place = self.features.place
        rows = zip(items, self._scale(X).tolist(), strict=True)
        return [shared + _LINE % (place[item], *row) for item, row in rows]
