"""LightGBM's LambdaRank, trained anew on the latest choices at the first ranking of each day."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.features import local_day
from benchmarks.peers.ownlog import SEED, OwnLog
from recsys.learn.tree_parameters import checked
from recsys.settings import Settings
from recsys.types import Event

if TYPE_CHECKING:
    from lightgbm import Booster

__all__ = ["LambdaRank"]

_FIRST = 10  # choices of something known before trees are worth growing
# Shallow trees and few rounds, because one person's choices are hundreds of lists and not millions; one thread
# and fixed orders, so that the same log gives the same trees. Only what is on the package's list gets to LightGBM.
_OPTIONS = {
    "objective": "lambdarank",
    "num_leaves": 7,
    "min_data_in_leaf": 20,
    "learning_rate": 0.1,
    "max_bin": 63,
    "force_col_wise": True,
    "seed": SEED,
}


class LambdaRank(OwnLog):
    """Gradient-boosted trees on the pairwise loss that is weighed by the change of NDCG.

    Each list is a choice and its negatives. Between the nights the trees stay as they are, but
    their features are up to date; a log that has grown by half within a day has its trees grown
    anew too, since logs of an hour would have none otherwise. Before the first trees it ranks by
    the number of choices.
    Sources: Burges: From RankNet to LambdaRank to LambdaMART, 2010; Ke et al.: LightGBM, NeurIPS 2017.

    Parameters
    ----------
    n_lists : int
        How many of the latest choices are trained on. 1,000 with 20 negatives and 50 rounds ranked better by 0.01
        on users not held aside, at more than twice the time.
    n_rounds : int
        Trees.
    growth : float
        By which factor a log grows before it is trained on again within a day.
    n_negatives : int
        Others in the list of one choice.
    settings : Settings or None
        Which kinds are choices; None takes the defaults.
    """

    def __init__(
        self,
        *,
        n_lists: int = 400,
        n_rounds: int = 30,
        growth: float = 1.5,
        n_negatives: int = 5,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(n_negatives, settings)
        self.model: Booster | None = None
        self._lists: deque[NDArray[np.float32]] = deque(maxlen=n_lists)
        self._n_rounds = n_rounds
        self._growth = growth
        self._n = 0  # lists so far
        self._n_fitted = 0
        self._day: int | None = None

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        if self._is_due(event):
            self._grow(event)
        X = self.features.read(event, candidates)
        if self.model is None:
            return X[:, 0]
        return np.asarray(self.model.predict(X, num_threads=1), dtype=np.float64)

    def fit(self, event: Event, items: Sequence[str], y: NDArray[np.int64]) -> None:
        del y  # the chosen item comes first
        if len(items) > 1:
            self._lists.append(self.features.read(event, items).astype(np.float32))
            self._n += 1

    def _is_due(self, event: Event) -> bool:
        if self._n < _FIRST or self._n == self._n_fitted:
            return False
        return local_day(event) != self._day or self._n >= self._growth * self._n_fitted

    def _grow(self, event: Event) -> None:
        import lightgbm

        options = checked(_OPTIONS)
        self._day, self._n_fitted = local_day(event), self._n
        group = [len(rows) for rows in self._lists]
        y = np.zeros(sum(group), dtype=np.int64)
        y[np.cumsum([0, *group[:-1]])] = 1
        data = lightgbm.Dataset(np.concatenate(self._lists), y, group=group, params=options)
        self.model = lightgbm.train(options, data, num_boost_round=self._n_rounds)
