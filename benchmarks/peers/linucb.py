"""LinUCB with hybrid linear models: ridge regression on the reward and a bonus for what is uncertain.

``E[r] = zᵀβ + xᵀθ_a`` with ``z`` the features of the item at the moment, shared by all arms, and
``x`` the moment alone, with weights of the arm's own; ``score = zᵀβ + xᵀθ_a + α √s``.
Source: Li, Chu, Langford, Schapire: A contextual-bandit approach to personalized news article
recommendation, WWW 2010, algorithm 2, whose symbols the code uses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.features import ITEM_FEATURES, local_hour, local_weekday
from benchmarks.peers.ownlog import OwnLog
from benchmarks.peers.scale import Scale
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["HybridLinUCB"]

_N_FEATURES = len(ITEM_FEATURES)
_K = _N_FEATURES + 1  # z: the features and a constant
_D = 4  # x: a constant, the hour on a circle, the weekend
_WEEKEND = (2, 3)  # days after Thursday


class HybridLinUCB(OwnLog):
    """Algorithm 2 on standardised features, where the items of one choice's examples are learnt at once.

    A reward is 1 for what was chosen and 0 for its negatives.

    Parameters
    ----------
    alpha : float
        The weight of the bonus. Small, since all candidates are known to the person: on users not held aside 0.1 was
        as good as none, 0.3 a little and 1 far worse.
    ridge : float
        The penalty on the shared weights ``β``; 1 in the paper.
    ridge_arm : float
        The penalty on an arm's own weights ``θ_a``; 1 in the paper, where an arm gets thousands of trials; with the
        few that it gets from one person 10 did better on all three sets.
    n_negatives : int
        Examples against, for one choice.
    settings : Settings or None
        Which kinds are choices; None takes the defaults.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.1,
        ridge: float = 1.0,
        ridge_arm: float = 10.0,
        n_negatives: int = 20,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(n_negatives, settings)
        self._alpha = alpha
        self._scale = Scale(_N_FEATURES)
        self._fresh = ridge_arm * np.eye(_D)
        self._A0 = ridge * np.eye(_K)
        self._b0 = np.zeros(_K)
        # One row an arm.
        self._A = np.tile(self._fresh, (16, 1, 1))
        self._B = np.zeros((16, _D, _K))
        self._b = np.zeros((16, _D))

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        arms = [self.features.place[item] for item in candidates]
        z, x = self._z(self.features.read(event, candidates)), _moment(event)
        A0_inv = np.linalg.inv(self._A0)
        beta = A0_inv @ self._b0
        B, A_inv_x = self._B[arms], np.linalg.inv(self._A[arms]) @ x
        u = z - (A_inv_x[:, None, :] @ B)[:, 0]
        s = ((u @ A0_inv) * u).sum(axis=1) + A_inv_x @ x
        mean = z @ beta + (A_inv_x * (self._b[arms] - B @ beta)).sum(axis=1)
        return np.asarray(mean + self._alpha * np.sqrt(np.maximum(s, 0.0)), dtype=np.float64)

    def fit(self, event: Event, items: Sequence[str], y: NDArray[np.int64]) -> None:
        arms = np.array([self.features.place[item] for item in items])
        X = self.features.read(event, items)
        self._scale.learn(X[:, :_N_FEATURES])
        z, x = self._z(X), _moment(event)
        self._share(arms, 1.0)
        self._A[arms] += np.outer(x, x)
        self._B[arms] += x[:, None] * z[:, None, :]
        self._b[arms] += y[:, None] * x
        self._A0 += z.T @ z
        self._b0 += z.T @ y
        self._share(arms, -1.0)

    def learn(self, event: Event) -> None:
        super().learn(event)
        n = len(self._A)
        if len(self.features.items) > n:
            self._A = np.concatenate([self._A, np.tile(self._fresh, (n, 1, 1))])
            self._B = np.concatenate([self._B, np.zeros((n, _D, _K))])
            self._b = np.concatenate([self._b, np.zeros((n, _D))])

    def _share(self, arms: NDArray[np.int64], sign: float) -> None:
        """Add to (or take from) the shared ``A_0`` and ``b_0`` what the arms' own weights explain."""
        B = self._B[arms]
        A_inv_B = np.linalg.solve(self._A[arms], B)
        self._A0 += sign * np.tensordot(B, A_inv_B, axes=((0, 1), (0, 1)))
        self._b0 += sign * (A_inv_B * self._b[arms][:, :, None]).sum(axis=(0, 1))

    def _z(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([np.ones(len(X)), self._scale(X[:, :_N_FEATURES])])


def _moment(event: Event) -> NDArray[np.float64]:
    angle = 2.0 * np.pi * local_hour(event) / 24.0
    return np.array([1.0, np.sin(angle), np.cos(angle), float(local_weekday(event) in _WEEKEND)])
