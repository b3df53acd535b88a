"""Forests of made-up trees over how candidates stand."""

from __future__ import annotations

import numpy as np

from recsys.learn.forest import MOST_LEAVES, Forest, Tree
from recsys.learn.lessons import LEVELS
from recsys.learn.standing import N_STANDINGS

__all__ = ["random_forest", "random_tree"]


def random_tree(draw: np.random.Generator, n_leaves: int) -> Tree:
    """Grow a tree as LightGBM does: a leaf at random is split, and keeps its number on the left."""
    left, right, above = [0] * (n_leaves - 1), [0] * (n_leaves - 1), {0: (-1, False)}
    for node in range(n_leaves - 1):
        leaf = int(draw.integers(node + 1))
        parent, is_right = above[leaf]
        if parent >= 0:
            (right if is_right else left)[parent] = node
        left[node], right[node] = ~leaf, ~(node + 1)
        above[leaf], above[node + 1] = (node, False), (node, True)
    features, thresholds = (draw.integers(0, most, n_leaves - 1).tolist() for most in (N_STANDINGS, LEVELS))
    values, leaves = (draw.normal(0.0, 0.2, n).tolist() for n in (n_leaves - 1, n_leaves))
    return Tree(features, thresholds, left, right, values, leaves)


def random_forest(n_trees: int, seed: int = 0) -> Forest:
    """So many trees of two to eight leaves."""
    draw = np.random.default_rng(seed)
    trees = [random_tree(draw, int(draw.integers(2, MOST_LEAVES + 1))) for _ in range(n_trees)]
    return Forest.of(trees, n_leaves=MOST_LEAVES, n_features=N_STANDINGS)
