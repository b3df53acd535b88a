"""Growing trees on top of the linear model: the only module that loads LightGBM, and only to grow.

A tree is grown to the gradient of the choice model's own loss, with the linear model's utilities as where it starts:
``u = w·x + Σ trees``, ``P(c | S) = exp(u_c) / Σ_j exp(u_j)``. So what the trees add is a correction in the same unit,
and the sum is still a choice model. LightGBM is given levels, weights of no person, and gradients; what it keeps of
the scores itself is not used. So a tree depends on the lessons and the trees before it alone, and growing may stop and
go on anywhere. Taken over are tests and values: LightGBM's text, which has least and greatest values, is never kept.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from recsys.errors import MissingExtraError
from recsys.learn.forest import LEAVES, Forest, Tree
from recsys.learn.tree_parameters import Value, checked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recsys.learn.lessons import Window

__all__ = ["PARAMETERS", "Grower", "can_grow", "trees_of"]

# Few leaves and small steps: one person's choices are hundreds, and the linear model has said most of it already.
PARAMETERS: Final[Mapping[str, Value]] = checked(
    {
        "num_leaves": LEAVES,
        "learning_rate": 0.03,
        "min_data_in_leaf": 100,
        "min_sum_hessian_in_leaf": 1.0,
        "lambda_l2": 50.0,
        "max_bin": 63,
        "min_data_in_bin": 1,
        "bin_construct_sample_cnt": 2_000,  # drawn with the seed; more take longer than a step may
        "force_col_wise": True,
        "feature_pre_filter": False,  # where it leaves no feature, LightGBM fails
        "seed": 0,
    }
)
_NEARLY_SURE: Final = 0.95  # as in recsys.learn.choice
_LEAST_CURVE: Final = 1e-6
_FIELD: Final = re.compile(
    r"^(split_feature|threshold|left_child|right_child|internal_value|leaf_value)=(.*)$", re.MULTILINE
)


def can_grow() -> bool:
    """Whether LightGBM is installed; it is not loaded."""
    from importlib.util import find_spec

    return find_spec("lightgbm") is not None


class Grower:
    """Grows trees one by one on some lessons.

    Parameters
    ----------
    window : Window
        At least one lesson.
    forest : Forest, optional
        The trees that were grown before, on these lessons or earlier ones.
    parameters : mapping, optional
        What :func:`recsys.learn.tree_parameters.checked` gave; at most eight leaves.

    Raises
    ------
    MissingExtraError
        When LightGBM is not installed.

    Stability: provisional
    """

    def __init__(self, window: Window, forest: Forest | None, parameters: Mapping[str, Value] | None = None) -> None:
        lightgbm = _lightgbm()
        starts, self._sizes = window.starts, window.sizes
        self._starts = starts
        self._chosen = np.zeros(len(window.levels), np.bool_)
        self._chosen[starts + window.targets] = True
        self._weights = window.weights.astype(np.float64)
        self._scores = window.utilities.astype(np.float64) + window.given + window.offsets
        self._levels = window.levels.T
        if forest is not None and forest.n_trees:
            self._scores += forest.scores(self._levels)
        options = {
            **(PARAMETERS if parameters is None else parameters),
            "objective": "custom",
        }  # the loss is ours: no name of one of LightGBM's
        data = lightgbm.Dataset(window.levels.astype(np.float32), np.zeros(len(window.levels)), params=options)
        tells = bool((window.levels.min(axis=0) < window.levels.max(axis=0)).any())  # LightGBM refuses what does not
        self._booster = lightgbm.Booster(options, data) if tells else None
        self._n = 0

    def grow(self) -> Tree | None:
        """Grow the next tree; None when there is nothing left to tell apart."""
        if self._booster is None or self._booster.update(fobj=lambda *_: self._gradients()):
            return None
        text: str = self._booster.model_to_string(num_iteration=1, start_iteration=self._n)
        self._n += 1
        tree = trees_of(text)[0]
        one = Forest.of([tree], n_leaves=len(tree.leaf), n_features=len(self._levels))
        self._scores += one.scores(self._levels)
        return tree

    def _gradients(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the slope of the loss by each score, and its curve (without what crosses scores).

        Chosen with weight ``a``: ``a (p − y)`` and ``a p (1 − p)``. Turned down: a choice of the others, whose slope
        is that of a choice with the weight ``a p_r / (1 − p_r)`` below 0.
        """
        scores = self._scores - np.maximum.reduceat(self._scores, self._starts).repeat(self._sizes)
        p = np.exp(scores)
        p /= np.add.reduceat(p, self._starts).repeat(self._sizes)
        odds = np.minimum(p[self._chosen], _NEARLY_SURE)
        odds /= 1.0 - odds
        strength = np.where(self._weights < 0, self._weights * odds, self._weights).repeat(self._sizes)
        return strength * (p - self._chosen), np.maximum(np.abs(strength) * p * (1.0 - p), _LEAST_CURVE)


def trees_of(text: str) -> list[Tree]:
    """Take the trees out of the text that LightGBM has just made; whole numbers were given, so thresholds are cut."""
    found = []
    for part in text.split("\nTree=")[1:]:
        fields: dict[str, list[float]] = {
            name: [float(number) for number in numbers.split()] for name, numbers in _FIELD.findall(part)
        }
        feature, threshold, left, right = ([math.floor(number) for number in fields[name]] for name in _COUNTS)
        found.append(Tree(feature, threshold, left, right, fields["internal_value"], fields["leaf_value"]))
    return found


_COUNTS: Final = ("split_feature", "threshold", "left_child", "right_child")


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError:
        raise MissingExtraError("trees") from None
    return lightgbm
