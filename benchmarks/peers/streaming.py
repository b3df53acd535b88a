"""river's logistic regression, one mini-batch a choice, on standardised features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.features import ITEM_FEATURES
from benchmarks.peers.ownlog import OwnLog
from benchmarks.peers.scale import Scale
from recsys.settings import Settings
from recsys.types import Event

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RiverLogistic"]

_N_FEATURES = len(ITEM_FEATURES)


class RiverLogistic(OwnLog):
    """``river.linear_model.LogisticRegression`` with Adam, by ``learn_many`` and ``predict_proba_many``.

    One step of Adam (Kingma, Ba 2015) along the mean gradient of the log loss over the choice and
    its negatives. Mini-batches, because predicting a hundred candidates one dictionary at a time
    takes river ten times as long. The scale is our own: river's, learnt by mini-batches, can come
    to variances below 0 by rounding.

    Parameters
    ----------
    step : float
        Adam's learning rate: of 0.003, 0.01, 0.03 and 0.1 the best over three sets, on users not held aside.
    l2 : float
        The penalty; river's own default, and 0.003 did not help.
    n_negatives : int
        Examples against, for one choice.
    settings : Settings or None
        Which kinds are choices; None takes the defaults.
    """

    def __init__(
        self, *, step: float = 0.01, l2: float = 0.0, n_negatives: int = 10, settings: Settings | None = None
    ) -> None:
        super().__init__(n_negatives, settings)
        from river import linear_model, optim

        self._scale = Scale(_N_FEATURES)
        self.model: Any = linear_model.LogisticRegression(optimizer=optim.Adam(step), l2=l2)
        self._is_fitted = False

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        X = self.features.read(event, candidates)[:, :_N_FEATURES]
        if not self._is_fitted:
            return X[:, 0]
        with np.errstate(over="ignore"):  # a probability that rounds to 0
            return np.asarray(self.model.predict_proba_many(self._frame(X))[True], dtype=np.float64)

    def fit(self, event: Event, items: Sequence[str], y: NDArray[np.int64]) -> None:
        import pandas as pd

        X = self.features.read(event, items)[:, :_N_FEATURES]
        self._scale.learn(X)
        with np.errstate(over="ignore"):
            self.model.learn_many(self._frame(X), pd.Series(y == 1))
        self._is_fitted = True

    def _frame(self, X: NDArray[np.float64]) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self._scale(X), columns=list(ITEM_FEATURES))
