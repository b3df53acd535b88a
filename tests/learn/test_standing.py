"""How candidates stand beside the leaders: one question at a time and many at once, and the level of what trees add."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.learn.features import N_FEATURES
from recsys.learn.forest import Forest
from recsys.learn.lessons import LEVELS
from recsys.learn.standing import LEADERS, N_STANDINGS, STANDINGS, added, standing
from tests.learn.standing_world import random_forest

Floats = NDArray[np.float64]


def asked(m: int, seed: int = 0) -> tuple[Floats, Floats, NDArray[np.bool_], NDArray[np.intp]]:
    """Some questions: features, utilities (with ties), who is known, sizes."""
    draw = np.random.default_rng(seed)
    sizes = draw.integers(1, 30, m)
    n = int(sizes.sum())
    return (
        draw.normal(0.0, 3.0, (N_FEATURES, n)),
        np.round(draw.normal(0.0, 2.0, n), 1),
        draw.random(n) < 0.8,
        sizes.astype(np.intp),
    )


def slowly(features: Floats, utilities: Floats, may_lead: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """The slow twin: distances from the best of the ten leaders, of one question, before they are put on the grid."""
    theirs = sorted(utilities[may_lead], reverse=True)
    leads = may_lead & (utilities >= theirs[:LEADERS][-1])
    rows = [row - row[leads].max() for row in features]
    rows.append(utilities - utilities[leads].max())
    rows.append(np.full(len(utilities), -np.log(np.exp(utilities[leads] - utilities[leads].max()).sum())))
    return np.array(rows), leads


def test_many_questions_at_once_equal_one_after_another() -> None:
    features, utilities, known, sizes = asked(60)
    every = standing(features, utilities, known, sizes)
    begin, n_told = 0, 0
    for size in sizes.tolist():
        some = slice(begin, begin + size)
        one = standing(features[:, some], utilities[some], known[some], np.array([size]))
        assert one.levels.tobytes() == np.ascontiguousarray(every.levels[:, some]).tobytes()
        assert one.leads.tolist() == every.leads[some].tolist()
        if known[some].any():
            distances, leads = slowly(features[:, some], utilities[some], known[some])
            assert one.leads.tolist() == leads.tolist()
            for row, level in zip(distances, one.levels, strict=True):
                order = np.argsort(row)
                assert (np.diff(level[order].astype(int)) >= 0).all(), "levels keep the order of distances"
            n_told += 1
        begin += size
    assert n_told > 50


def test_the_order_of_candidates_and_who_else_is_there_change_no_bit() -> None:
    forest = random_forest(30)
    for seed in range(20):
        features, utilities, known, _ = asked(1, seed)
        utilities += np.random.default_rng(seed).normal(0.0, 1e-3, len(utilities))
        n = len(utilities)
        known[:] = np.arange(n) > 0
        stand = standing(features, utilities, known, np.array([n]))
        given, level = added(forest, stand, utilities, np.array([n]))
        for order in (np.random.default_rng(seed).permutation(n), np.flatnonzero(stand.leads | (np.arange(n) == 0))):
            size = np.array([len(order)])
            again = standing(features[:, order], utilities[order], known[order], size)
            assert again.levels.tobytes() == np.ascontiguousarray(stand.levels[:, order]).tobytes()
            told, level_again = added(forest, again, utilities[order], size)
            assert (told.tobytes(), level_again.tobytes()) == (given[order].tobytes(), level.tobytes())


def test_levels_lie_on_one_grid_for_everyone() -> None:
    features, utilities, known, sizes = asked(40, seed=1)
    first = standing(features, utilities, known, sizes)
    moved = standing(features + 1.5, utilities + 7.0, known, sizes)
    assert first.levels.max() < LEVELS
    assert np.abs(first.levels.astype(int) - moved.levels).max() <= 1, "a constant for all candidates says nothing"
    assert len(STANDINGS) == N_STANDINGS == len(first.levels)


def test_only_what_is_allowed_leads() -> None:
    features, utilities, known, _ = asked(1, seed=2)
    known[:] = True
    best = int(utilities.argmax())
    allowed = np.ones(len(known), np.bool_)
    allowed[best] = False
    one = standing(features, utilities, known, np.array([len(known)]), allowed)
    assert not one.leads[best]
    assert one.levels[N_FEATURES, best] == LEVELS - 1, "better than the first of those who lead"


def test_where_nobody_leads_all_stand_alike_and_nothing_is_added() -> None:
    features, utilities, known, _ = asked(1, seed=3)
    sizes = np.array([len(known)])
    one = standing(features, utilities, np.zeros(len(known), np.bool_), sizes)
    assert len(np.unique(one.levels, axis=1).T) == 1
    given, level = added(random_forest(5), one, utilities, sizes)
    assert given.tolist() == [0.0] * len(known)
    assert np.isfinite(level).all()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_known_stays_as_likely_as_it_was_beside_what_was_never_used(seed: int) -> None:
    features, utilities, known, sizes = asked(30, seed)
    forest = random_forest(20, seed)
    stand = standing(features, utilities, known, sizes)
    given, level = added(forest, stand, utilities, sizes)
    assert np.ptp(given) > 0.1
    assert not given[~known].any()
    begin = 0
    for size, one in zip(sizes.tolist(), level.tolist(), strict=True):
        leads = np.arange(begin, begin + size)[stand.leads[begin : begin + size]]
        before, after = (np.exp(scores[leads]).sum() for scores in (utilities, utilities + given))
        np.testing.assert_allclose(after, before, rtol=1e-12)
        alone = forest.scores(np.ascontiguousarray(stand.levels[:, begin : begin + size]))
        np.testing.assert_allclose(given[begin : begin + size], (alone + one) * known[begin : begin + size], atol=1e-12)
        begin += size


def test_trees_of_eight_leaves_equal_lightgbm() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    from recsys.learn.trees import trees_of

    draw = np.random.default_rng(5)
    X = draw.integers(0, LEVELS, (4_000, N_STANDINGS)).astype(np.uint8)
    y = (X[:, 3] * 0.5 + X[:, 29] * (X[:, 7] > 90) + draw.normal(0, 60, 4_000) > 160).astype(int)
    options = {"objective": "binary", "num_leaves": 8, "num_threads": 1, "verbosity": -1, "boost_from_average": False}
    booster = lightgbm.train(options, lightgbm.Dataset(X.astype(float), y), 40)
    forest = Forest.of(trees_of(booster.model_to_string()), n_leaves=8, n_features=N_STANDINGS)
    raw = booster.predict(X.astype(float), raw_score=True, num_threads=1)
    assert np.ptp(raw) > 0.5
    levels = np.ascontiguousarray(X.T)
    np.testing.assert_allclose(forest.scores(levels), raw, rtol=0, atol=1e-12)
    parts = forest.contributions(levels)
    np.testing.assert_allclose(parts.sum(axis=0) + forest.root, raw, rtol=0, atol=1e-10)
    np.testing.assert_allclose(forest.average(levels, np.ones(4_000)), parts.sum(axis=1), rtol=1e-9, atol=1e-8)
