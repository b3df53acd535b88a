"""scikit-learn's logistic regression by stochastic gradient, one small step a choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.features import ITEM_FEATURES
from benchmarks.peers.ownlog import SEED, OwnLog
from benchmarks.peers.scale import Scale
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["StochasticGradient"]

_N_FEATURES = len(ITEM_FEATURES)
_CLASSES = np.array([0, 1])


class StochasticGradient(OwnLog):
    """``SGDClassifier(loss="log_loss").partial_fit`` on standardised features.

    Minimises ``mean log(1 + exp(-y f(x))) + alpha/2 |w|²`` by ``w ← w - eta0 ∇`` example by example
    (scikit-learn's user guide, "Stochastic Gradient Descent"). Before the first choice of something
    known it ranks by the number of choices.

    Parameters
    ----------
    eta0 : float
        The step. Constant, because a schedule that falls towards 0 would stop following the person; 0.01 did best
        of 0.003, 0.01 and 0.03 over three sets, on users not held aside.
    alpha : float
        The penalty; scikit-learn's own default.
    n_negatives : int
        Examples against, for one choice.
    settings : Settings or None
        Which kinds are choices; None takes the defaults.
    """

    def __init__(
        self, *, eta0: float = 0.01, alpha: float = 1e-4, n_negatives: int = 10, settings: Settings | None = None
    ) -> None:
        super().__init__(n_negatives, settings)
        from sklearn.linear_model import SGDClassifier

        self.model: Any = SGDClassifier(
            loss="log_loss", learning_rate="constant", eta0=eta0, alpha=alpha, shuffle=False, random_state=SEED
        )
        self._scale = Scale(_N_FEATURES)
        self._is_fitted = False

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        X = self.features.read(event, candidates)[:, :_N_FEATURES]
        if not self._is_fitted:
            return X[:, 0]
        return np.asarray(self.model.decision_function(self._scale(X)), dtype=np.float64)

    def fit(self, event: Event, items: Sequence[str], y: NDArray[np.int64]) -> None:
        X = self.features.read(event, items)[:, :_N_FEATURES]
        self._scale.learn(X)
        self.model.partial_fit(self._scale(X), y, classes=_CLASSES)
        self._is_fitted = True
