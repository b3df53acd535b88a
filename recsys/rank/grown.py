"""What trees add to the score of candidates, and to the reasons for it.

The trees' sum is added to ``w·x``; along its paths it splits into what each feature adds (:mod:`recsys.learn.forest`),
so that an item's distance from the average candidate still splits exactly, group by group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.features import FEATURES
from recsys.learn.forest import Forest
from recsys.learn.lessons import levels_of
from recsys.rank.candidates import Pool
from recsys.rank.told import Said

__all__ = ["average_of", "said_by"]

_NAMES: Final = tuple(f"{feature.name}, trees" for feature in FEATURES)
_GROUPS: Final = tuple(feature.group for feature in FEATURES)
_ONES: Final = np.ones(len(FEATURES))


def average_of(forest: Forest, pool: Pool, features: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the mean over the candidates of what each feature adds, shape (n_features,). O(n_trees n)."""
    weights = np.ones(features.shape[1]) if pool.allowed is None else pool.allowed.astype(np.float64)
    if pool.untouched:
        weights[0] += len(pool.untouched)
    return forest.average(levels_of(features), weights) / max(float(weights.sum()), 1.0)


def said_by(
    forest: Forest, features: NDArray[np.float64], average: NDArray[np.float64], columns: Sequence[int]
) -> Said:
    """Give what the trees say of some columns."""
    parts = forest.contributions(levels_of(features[:, np.array(columns, np.intp)]))
    return Said(_NAMES, _GROUPS, parts, average, _ONES)
