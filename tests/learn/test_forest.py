"""The evaluator equals LightGBM's own, its reasons add up, and nothing that is no tree is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.errors import CheckpointError
from recsys.learn import stages
from recsys.learn.features import FEATURES, N_FEATURES
from recsys.learn.forest import LEAVES, NODES, Arrays, Forest, Tree, joined
from recsys.learn.lessons import GRID, LEVELS, levels_of
from recsys.learn.stages import Stage
from recsys.learn.trees import trees_of

lightgbm = pytest.importorskip("lightgbm")


def levels(n: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, LEVELS, (N_FEATURES, n)).astype(np.uint8)


def random_trees(n: int, seed: int = 0) -> list[Tree]:
    """Trees of two to four leaves, of every shape that LightGBM makes."""
    draw = np.random.default_rng(seed)
    shapes = (
        ([-1], [-2]),
        ([-1, -2], [1, -3]),
        ([1, -1], [-2, -3]),
        ([1, -1, -2], [2, -3, -4]),
        ([-1, -2, -3], [1, 2, -4]),
        ([1, 2, -1], [-2, -3, -4]),
        ([-1, 2, -2], [1, -3, -4]),
    )
    found = []
    for i in range(n):
        left, right = shapes[i % len(shapes)]
        k = len(left)
        features, thresholds = draw.integers(0, N_FEATURES, k).tolist(), draw.integers(0, LEVELS, k).tolist()
        found.append(
            Tree(features, thresholds, left, right, draw.normal(size=k).tolist(), draw.normal(size=k + 1).tolist())
        )
    return found


def walked(tree: Tree, column: NDArray[np.uint8]) -> tuple[float, NDArray[np.float64]]:
    """The slow twin: walk down one tree; the leaf's value, and what each feature added on the way."""
    node, worth, parts = 0, tree.value[0], np.zeros(N_FEATURES)
    while node >= 0:
        child = tree.left[node] if column[tree.feature[node]] <= tree.threshold[node] else tree.right[node]
        theirs = tree.leaf[~child] if child < 0 else tree.value[child]
        parts[tree.feature[node]] += theirs - worth
        node, worth = child, theirs
    return worth, parts


def test_all_trees_at_once_equal_one_walk_after_another() -> None:
    trees, candidates = random_trees(49), levels(200)
    forest = Forest.of(trees)
    twins = [[walked(tree, column) for tree in trees] for column in candidates.T]
    np.testing.assert_allclose(forest.scores(candidates), [sum(w for w, _ in one) for one in twins], rtol=0, atol=1e-12)
    parts = forest.contributions(candidates)
    np.testing.assert_allclose(parts.T, [sum(p for _, p in one) for one in twins], rtol=0, atol=1e-12)
    roots = sum(tree.value[0] for tree in trees)
    np.testing.assert_allclose(parts.sum(axis=0) + roots, forest.scores(candidates), rtol=0, atol=1e-12)
    weights = np.random.default_rng(1).uniform(size=200)
    np.testing.assert_allclose(forest.average(candidates, weights), parts @ weights, rtol=0, atol=1e-10)
    assert np.ptp(forest.scores(candidates)) <= forest.spread


@pytest.mark.parametrize("objective", ["lambdarank", "binary"])
def test_scores_equal_those_of_lightgbm(objective: str) -> None:
    X, draw = levels(3_000, 2).T, np.random.default_rng(3)
    y = (X[:, 3] * 0.5 + X[:, 7] + draw.normal(0, 60, 3_000) > 200).astype(int)
    options = {"objective": objective, "num_leaves": LEAVES, "num_threads": 1, "verbosity": -1, "min_data_in_bin": 1}
    data = lightgbm.Dataset(X.astype(float), y, group=[30] * 100 if objective == "lambdarank" else None)
    booster = lightgbm.train(options | {"boost_from_average": False}, data, 60)
    forest = Forest.of(trees_of(booster.model_to_string()))
    assert forest.n_trees == 60
    raw = booster.predict(X.astype(float), raw_score=True, num_threads=1)
    assert np.ptp(raw) > 0.5
    np.testing.assert_allclose(forest.scores(np.ascontiguousarray(X.T)), raw, rtol=0, atol=1e-12)


def test_equal_candidates_score_alike_whatever_stands_beside_them() -> None:
    forest, candidates = Forest.of(random_trees(31)), levels(60)
    every = forest.scores(candidates)
    for n in (1, 2, 7):
        assert forest.scores(candidates[:, :n]).tobytes() == every[:n].tobytes()


def test_forests_are_put_one_after_the_other() -> None:
    trees, candidates = random_trees(20), levels(30)
    both = joined(Forest.of(trees[:7]), Forest.of(trees[7:]))
    assert both.scores(candidates).tobytes() == Forest.of(trees).scores(candidates).tobytes()
    assert joined(Forest.of([]), Forest.of([])).scores(candidates).tolist() == [0.0] * 30


@pytest.mark.parametrize(
    ("left", "right"),
    [([0], [-2]), ([-1], [0]), ([1, 0], [-1, -2]), ([-1, 1], [1, -2]), ([5], [-1]), ([-9], [-1]), ([-1], [2])],
)
def test_what_is_no_tree_is_refused(left: list[int], right: list[int]) -> None:
    """A child that is its own parent would be walked for ever."""
    k = len(left)
    with pytest.raises((ValueError, OverflowError)):
        Forest.of([Tree([0] * k, [9] * k, left, right, [0.0] * k, [0.0] * (k + 1))])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_refused(value: float) -> None:
    for inner, leaf in (([value], [0.0, 1.0]), ([0.0], [0.0, value])):
        with pytest.raises(ValueError, match="no number"):
            Forest.of([Tree([0], [9], [-1], [-2], inner, leaf)])


def test_a_stage_with_a_sound_digest_and_bad_trees_is_refused() -> None:
    sound = Forest.of(random_trees(5)).arrays
    stage = Stage(3, complete=True, forest=Forest(sound), made_from=b"x" * 16)
    assert Stage.decode(stage.encode("b"), "b").encode("b") == stage.encode("b")
    bad = Forest.__new__(Forest)
    bad.arrays = Arrays(sound.feature + np.uint8(200), *sound[1:])
    bad.n_trees = 5
    with pytest.raises(CheckpointError):
        Stage.decode(stage._replace(forest=bad).encode("b"), "b")


def test_features_are_rounded_down_to_the_grid() -> None:
    low, width = GRID
    assert GRID.shape == (2, len(FEATURES))
    for level in (0, 1, 100, LEVELS - 1):
        inside = (low + (level + 0.5) * width)[:, None]
        assert (levels_of(inside) == level).all()
    assert (levels_of((low - 9.0)[:, None]) == 0).all()
    assert (levels_of((low + 1e6)[:, None]) == LEVELS - 1).all()
    assert NODES == LEAVES - 1


def test_the_schedule_needs_no_more_lessons_than_are_kept() -> None:
    from recsys.learn.lessons import KEPT

    for n in range(stages.FIRST, 40_000, 97):
        there = stages.needed(n)
        assert there[-1] == stages.newest(n)
        assert stages.begins(there[0]) == there[0], "the first begins anew"
        assert n - max(stages.ending(there[0]) - stages.WINDOW, 0) <= KEPT
        assert 0 < stages.goal(there[-1]) <= stages.MOST_TREES
    assert list(stages.needed(stages.FIRST - 1)) == []


def test_the_gate_opens_for_what_is_clearly_better_and_for_nothing_else() -> None:
    draw = np.random.default_rng(0)

    def evidence(gain: float, n: int = 8) -> list[NDArray[np.float32]]:
        linear = draw.uniform(0.2, 0.8, (n, stages.EVERY))
        both = linear + gain + draw.normal(0, 0.1, linear.shape)
        return [np.stack([a, a, b]).astype(np.float32) for a, b in zip(linear, both, strict=True)]

    better, worse = stages.verdict(9, evidence(0.05)), stages.verdict(9, evidence(-0.05))
    assert better.serves
    assert better.low > 0.0
    assert not worse.serves
    assert worse.high < 0.0
    assert not stages.verdict(3, evidence(0.05, 2)).serves, "too little is known"
    silent = [np.full((3, stages.EVERY), np.nan, np.float32)] * 8
    assert not stages.verdict(9, silent).serves
    opened = sum(stages.verdict(9, evidence(0.0)).serves for _ in range(200))
    assert opened < 20, "of 200 that are no better"
