"""The choice model: an online Bayesian conditional logit.

A choice of ``c`` among the candidates ``S`` has the probability

    P(c | S) = exp(w·x_c) / Σ_j exp(w·x_j)          (McFadden 1974)

with ``w ~ N(w0, P0)``. Each block of choices moves the Gaussian by one Newton
step (online Laplace approximation; Opper & Winther 1998); for a block of one:

    p = softmax(X w),  x̄ = Σ_i p_i x_i
    Λ ← Λ0 + f (Λ − Λ0) + a Σ_i p_i (x_i − x̄)(x_i − x̄)ᵀ
    w ← w + a Λ⁻¹ (x_c − x̄)

with ``Λ0 = P0⁻¹``, ``a`` the weight of the event's kind, and ``f`` slightly
below 1, so that evidence from long ago makes room for new habits while the
prior stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["BEGINNING", "REGIMES", "WITHIN", "ChoiceModel", "utilities"]

# What begins a session is chosen by other habits than what comes next within it: there is one model for each.
REGIMES: Final = ("beginning", "within")
BEGINNING, WITHIN = range(2)
MEMORY: Final = 0.998  # f: what is kept of the evidence at each update
_PIECE: Final = 256  # columns multiplied at once: few enough that BLAS keeps to one thread and rounds alike
_NEARLY_SURE: Final = 0.95  # a rejected item's probability is clamped here: the step stays bounded


def utilities(w: NDArray[np.float64], features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give ``w·x`` of every column, to the same last bit whatever the other columns are.

    Equal features give equal scores, which a BLAS product does not promise, so
    ties are real ties. O(d n).
    """
    if features.shape[1] == 1:  # one column would be summed in another order
        return utilities(w, np.repeat(features, 2, axis=1))[:1]
    given: NDArray[np.float64] = np.add.reduce(features * w[:, None], axis=0)
    return given


def _gram(A: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give ``A Aᵀ`` of a matrix (d, n), summed over pieces of the columns; symmetric to the last bit."""
    total: NDArray[np.float64] = A[:, :_PIECE] @ A[:, :_PIECE].T
    for at in range(_PIECE, A.shape[1], _PIECE):
        total += A[:, at : at + _PIECE] @ A[:, at : at + _PIECE].T
    return total


class ChoiceModel:
    """Weights ``w`` (d,) with precision ``Λ`` (d, d), moved by blocks of choices.

    Parameters
    ----------
    w0 : array of float64, shape (d,)
        The prior's mean.
    precision0 : array of float64, shape (d, d)
        The prior's precision ``Λ0``; positive definite.

    Stability: provisional
    """

    def __init__(self, w0: NDArray[np.float64], precision0: NDArray[np.float64]) -> None:
        self.precision0 = precision0
        self.w = w0.copy()
        self.precision = precision0.copy()

    def learn(
        self,
        features: NDArray[np.float64],
        sizes: Sequence[int],
        targets: Sequence[int],
        weights: Sequence[float],
        offsets: NDArray[np.float64],
    ) -> None:
        """Take one step for a block of ``m`` choices, all seen from the weights before it.

        Parameters
        ----------
        features : array of float64, shape (d, n)
            The choice sets one after another, feature by feature.
        sizes : sequence of int, length m
            Columns of each choice set; they sum to n.
        targets : sequence of int, length m
            The column, within its set, that was chosen or turned down.
        weights : sequence of float, length m
            Above 0: chosen. Below 0: turned down, which is a choice of the others; the gradient of
            ``log(1 − p_r)`` is ``−p_r/(1 − p_r) (x_r − x̄)`` and its Fisher information
            ``p_r/(1 − p_r) (x_r − x̄)(x_r − x̄)ᵀ``.
        offsets : array of float64, shape (n,)
            Added to each column's utility: the logarithm of how many candidates it stands for. A set that was drawn
            from more candidates then teaches what all of them would (McFadden 1978).

        O(n d² + d³).
        """
        counts = np.array(sizes)
        starts = counts.cumsum() - counts
        columns = starts + np.array(targets)
        strength = np.array(weights)
        p = self._probabilities(features, starts, counts, offsets)
        average = np.add.reduceat(features * p, starts, axis=1)
        away = features[:, columns] - average
        odds = np.minimum(p[columns], _NEARLY_SURE)
        odds /= 1.0 - odds
        chosen = np.maximum(strength, 0.0)
        p *= chosen.repeat(counts)
        # Σ p (x − x̄)(x − x̄)ᵀ = Σ p x xᵀ − x̄ x̄ᵀ for each choice
        information = _gram(features * np.sqrt(p, out=p)) - _gram(average * np.sqrt(chosen))
        against = strength < 0
        if against.any():
            strength = np.where(against, strength * odds, strength)
            information += _gram(away * np.sqrt(np.where(against, -strength, 0.0)))
        self._step(information, away @ strength, MEMORY ** len(sizes))

    def deviation(self) -> NDArray[np.float64]:
        """Give the posterior standard deviation of each weight, shape (d,)."""
        return np.sqrt(np.diag(np.linalg.inv(self.precision)))

    def _probabilities(
        self,
        features: NDArray[np.float64],
        starts: NDArray[np.intp],
        counts: NDArray[np.intp],
        offsets: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Give each column's choice probability within its set."""
        pieces = range(0, features.shape[1], _PIECE)
        utility: NDArray[np.float64] = np.concatenate([self.w @ features[:, at : at + _PIECE] for at in pieces])
        utility += offsets
        utility -= np.maximum.reduceat(utility, starts).repeat(counts)
        p = np.exp(utility, out=utility)
        p /= np.add.reduceat(p, starts).repeat(counts)
        return p

    def _step(self, information: NDArray[np.float64], gradient: NDArray[np.float64], kept: float) -> None:
        precision = self.precision * kept
        precision += (1.0 - kept) * self.precision0  # f Λ + (1 − f) Λ0 = Λ0 + f (Λ − Λ0)
        precision += information
        w = self.w + np.linalg.solve(precision, gradient)
        self.precision, self.w = precision, w
