"""Standardisation as the examples come: features in, features with mean 0 and variance 1 so far out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scale"]

_CONSTANT = 1e-9  # a standard deviation below this is a column that never changed


class Scale:
    """Running mean and variance of each column.

    Two batches with sums of squares ``M2`` about their means join as
    ``M2 = M2_a + M2_b + δ² n_a n_b / (n_a + n_b)``, ``δ`` the difference of the means.
    Source: Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    """

    def __init__(self, n_columns: int) -> None:
        self._n = 0
        self._mean = np.zeros(n_columns)
        self._m2 = np.zeros(n_columns)

    def learn(self, X: NDArray[np.float64]) -> None:
        """Take in a batch of examples, shape (n_examples, n_columns)."""
        n, mean = len(X), X.mean(axis=0)
        step = mean - self._mean
        self._m2 += ((X - mean) ** 2).sum(axis=0) + step * step * self._n * n / (self._n + n)
        self._mean += step * n / (self._n + n)
        self._n += n

    def __call__(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the examples standardised by what was learnt; a column that never changed is only centred."""
        deviation = np.sqrt(self._m2 / max(self._n, 1))
        scaled: NDArray[np.float64] = (X - self._mean) / np.where(deviation > _CONSTANT, deviation, 1.0)
        return scaled
