"""Small trees over the levels of features: how they score candidates, and why, in NumPy alone.

A tree tests at each inner node whether a feature's level is at most a threshold, and goes left if so. Scoring follows
Lucchese et al. (QuickScorer, SIGIR 2015): each test that fails strikes out the leaves to its left, as bits of one byte,
and the leftmost leaf that is left is the one reached. So all tests of all trees are compared with all candidates at
once. A leaf's value splits exactly along the path to it (Saabas 2014): every node has a value, and what a step adds
to it belongs to the feature that was tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.features import N_FEATURES
from recsys.learn.lessons import levels_of

__all__ = ["LEAVES", "MOST_LEAVES", "NODES", "Arrays", "Forest", "Tree", "joined"]

LEAVES: Final = 4  # of a tree that is grown here, at most
NODES: Final = LEAVES - 1
MOST_LEAVES: Final = 8  # of any tree: a bit each
# The leftmost leaf that is not struck out; there is always one.
_LEFTMOST: Final = np.array(
    [min((~gone & -~gone).bit_length() - 1, MOST_LEAVES - 1) for gone in range(1 << MOST_LEAVES)]
)


class Tree(NamedTuple):
    """One tree: inner nodes from the root on, and leaves. ``~leaf`` in ``left`` and ``right`` stands for a leaf.

    Parameters
    ----------
    feature, threshold, left, right : sequences of int, length ``n_leaves - 1``
    value : sequence of float, length ``n_leaves - 1``
        Of the inner nodes.
    leaf : sequence of float, length ``n_leaves``
    """

    feature: Sequence[int]
    threshold: Sequence[int]
    left: Sequence[int]
    right: Sequence[int]
    value: Sequence[float]
    leaf: Sequence[float]


class Arrays(NamedTuple):
    """Trees of at most ``l`` leaves as arrays; a node that a smaller tree lacks is all zeros.

    Parameters
    ----------
    feature, threshold : arrays of uint8, shape (t, l - 1)
    left, right : arrays of int8, shape (t, l - 1)
    value : array of float64, shape (t, l - 1)
    leaf : array of float64, shape (t, l)
    """

    feature: NDArray[np.uint8]
    threshold: NDArray[np.uint8]
    left: NDArray[np.int8]
    right: NDArray[np.int8]
    value: NDArray[np.float64]
    leaf: NDArray[np.float64]


# What walking the trees gives: what each inner node strikes out, (t, l - 1); which leaf comes where from the left,
# (t, l); and what each feature has of each of those, (t, l, n_features).
Walked = tuple[NDArray[np.uint8], NDArray[np.intp], NDArray[np.float64]]


class Forest:
    """Trees that score many candidates at once.

    Parameters
    ----------
    arrays : Arrays
        Of ``t`` trees, each with an inner node at least.
    walked : tuple of arrays, optional
        What walking them gives, where it is known.
    n_features : int
        Of the levels that they test.

    Raises
    ------
    ValueError
        When they are no trees.

    Stability: provisional
    """

    def __init__(self, arrays: Arrays, walked: Walked | None = None, *, n_features: int = N_FEATURES) -> None:
        self.arrays = arrays
        self.n_features = n_features
        feature, threshold, leaf = arrays.feature, arrays.threshold, arrays.leaf
        self.n_trees, self.n_leaves = leaf.shape
        if feature.size and int(feature.max()) >= n_features:
            raise ValueError("a feature that there is not")
        if not (np.isfinite(leaf).all() and np.isfinite(arrays.value).all()):
            raise ValueError("a value that is no number")
        self.walked = self._all_walked() if walked is None else walked
        struck, place, parts = self.walked
        # Node by node, so that the first nodes of all trees lie together.
        self._feature = feature.T.ravel().astype(np.intp)
        self._threshold = threshold.T.reshape(-1, 1)
        self._struck = struck.T.reshape(-1, 1)
        self._ways = 1 << self.n_leaves  # in which leaves can be struck out
        self._begin = np.arange(0, self.n_trees * self._ways, self._ways)[:, None]
        held = np.take_along_axis(leaf, place, axis=1)
        self._values = held[:, _LEFTMOST[: self._ways].clip(max=self.n_leaves - 1)].ravel()  # by what is struck out
        self._first = np.arange(0, self.n_trees * self.n_leaves, self.n_leaves)[:, None]
        self._parts = parts.reshape(-1, n_features)
        # What the trees can add at most, over what they add at least.
        self.spread = float((held.max(axis=1) - held.min(axis=1)).sum()) if self.n_trees else 0.0

    @classmethod
    def of(cls, trees: Sequence[Tree], *, n_leaves: int = LEAVES, n_features: int = N_FEATURES) -> Forest:
        """Put trees of so many leaves, at most, into arrays."""
        t = len(trees)
        small, signed = np.zeros((2, t, n_leaves - 1), np.uint8), np.zeros((2, t, n_leaves - 1), np.int8)
        value, leaf = np.zeros((t, n_leaves - 1)), np.zeros((t, n_leaves))
        for row, tree in enumerate(trees):
            n = len(tree.feature)
            small[:, row, :n], signed[:, row, :n] = tree[:2], tree[2:4]
            value[row, :n], leaf[row, : n + 1] = tree.value, tree.leaf
        return cls(Arrays(small[0], small[1], signed[0], signed[1], value, leaf), n_features=n_features)

    @property
    def root(self) -> float:
        """What all roots have together: what is added before anything is tested."""
        return float(self.arrays.value[:, 0].sum()) if self.n_trees else 0.0

    @property
    def size_bytes(self) -> int:
        """How many bytes the arrays have."""
        return sum(one.nbytes for one in self.arrays)

    def struck(self, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give which leaves of each tree each candidate's failed tests strike out, shape (t, n), as bits. O(t n).

        ``levels`` has the shape (n_features, n).
        """
        fails = levels.take(self._feature, axis=0) > self._threshold
        struck = fails.view(np.uint8)
        struck *= self._struck
        by_node = struck.reshape(self.n_leaves - 1, self.n_trees, levels.shape[1])
        gone: NDArray[np.uint8] = np.bitwise_or.reduce(by_node, axis=0)
        return gone

    def scores(self, levels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Give the sum of the trees for each candidate, shape (n,): what LightGBM calls the raw score."""
        if levels.shape[1] == 1:  # one column would be summed in another order
            return self.scores(np.repeat(levels, 2, axis=1))[:1]
        given: NDArray[np.float64] = np.add.reduce(self._values.take(self.struck(levels) + self._begin), axis=0)
        return given

    def of_features(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the scores of features, shape (N_FEATURES, n)."""
        return self.scores(levels_of(features))

    def contributions(self, levels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Give what each feature adds to each candidate's score, shape (n_features, n).

        A candidate's sum and what all roots have together are its score. O(t n n_features).
        """
        given: NDArray[np.float64] = np.add.reduce(self._parts.take(self._places(levels), axis=0), axis=0).T
        return given

    def average(self, levels: NDArray[np.uint8], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the weighted sum of the candidates' contributions, shape (n_features,). O(t n)."""
        reached = self._places(levels)
        times = np.bincount(reached.ravel(), np.tile(weights, self.n_trees), len(self._parts))
        given: NDArray[np.float64] = times @ self._parts
        return given

    def _places(self, levels: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Give which leaf each candidate reaches in each tree, counted from the left over all trees, shape (t, n)."""
        reached: NDArray[np.intp] = _LEFTMOST.take(self.struck(levels)).clip(max=self.n_leaves - 1) + self._first
        return reached

    def _all_walked(self) -> Walked:
        struck = np.zeros((self.n_trees, self.n_leaves - 1), np.uint8)
        place = np.zeros((self.n_trees, self.n_leaves), np.intp)
        parts = np.zeros((self.n_trees, self.n_leaves, self.n_features))
        for t in range(self.n_trees):
            self._walk(t, struck[t], place[t], parts[t])
        return struck, place, parts

    def _walk(self, t: int, struck: NDArray[np.uint8], place: NDArray[np.intp], parts: NDArray[np.float64]) -> None:
        """Number a tree's leaves from the left; note what each inner node strikes out, and what makes up each leaf."""
        feature, _, left, right, value, leaf = (one[t].tolist() for one in self.arrays)
        placed: list[int] = []

        def visit(node: int, worth: float, path: list[tuple[int, float]]) -> int:
            """Give the bits of the leaves below a node."""
            if node < 0:
                for tested, added in path:
                    parts[len(placed), tested] += added
                placed.append(~node)
                return 1 << (len(placed) - 1)
            both = []
            for child in (left[node], right[node]):
                inner = node < child < self.n_leaves - 1
                if not (inner or (-self.n_leaves <= child < 0 and len(placed) < self.n_leaves)):
                    raise ValueError("no tree")
                theirs = leaf[~child] if child < 0 else value[child]
                both.append(visit(child, theirs, [*path, (feature[node], theirs - worth)]))
            struck[node] = both[0]
            return both[0] | both[1]

        visit(0, value[0], [])
        place[: len(placed)] = placed


def joined(one: Forest, other: Forest) -> Forest:
    """Put two forests one after the other."""
    pairs: zip[tuple[NDArray[Any], NDArray[Any]]] = zip(one.arrays, other.arrays, strict=True)
    (struck, place, parts), (struck_then, place_then, parts_then) = one.walked, other.walked
    walked = (
        np.concatenate((struck, struck_then)),
        np.concatenate((place, place_then)),
        np.concatenate((parts, parts_then)),
    )
    return Forest(Arrays(*(np.concatenate(pair) for pair in pairs)), walked, n_features=one.n_features)
