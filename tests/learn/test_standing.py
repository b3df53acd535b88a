"""How candidates stand beside the leaders: one question at a time and many at once, and the level of what trees add."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.learn.features import N_FEATURES
from recsys.learn.forest import Forest
from recsys.learn.lessons import LEVELS
from recsys.learn.standing import LEADERS, N_STANDINGS, STANDINGS, Standing, added, standing
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


def one_of(stand: Standing, some: slice) -> tuple[bytes, list[int], list[bool]]:
    """What was said of the candidates of one question."""
    here = (stand.at >= some.start) & (stand.at < some.stop)
    return stand.levels[:, here].tobytes(), (stand.at[here] - some.start).tolist(), stand.leads[here].tolist()


def parts(sizes: NDArray[np.intp]) -> list[slice]:
    ends = sizes.cumsum().tolist()
    return [slice(end - size, end) for end, size in zip(ends, sizes.tolist(), strict=True)]


@pytest.mark.parametrize("reach", [256, 12])
def test_many_questions_at_once_equal_one_after_another(reach: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys.learn.standing.REACH", reach)
    features, utilities, known, sizes = asked(60)
    forest, n_told = random_forest(10), 0
    every = standing(features, utilities, known, sizes)
    given = added(forest, every, known, sizes)
    for number, some in enumerate(parts(sizes)):
        size = np.array([some.stop - some.start])
        one = standing(features[:, some], utilities[some], known[some], size)
        assert one_of(one, slice(0, int(size[0]))) == one_of(every, some)
        alone = added(forest, one, known[some], size)
        assert alone.scores.tobytes() == given.scores[some].tobytes()
        assert (alone.level[0], alone.least[0]) == (given.level[number], given.least[number])
        if known[some].any():
            distances, leads = slowly(features[:, some], utilities[some], known[some])
            assert one.leads.tolist() == leads[one.at].tolist()
            for row, level in zip(distances[:, one.at], one.levels, strict=True):
                assert (np.diff(level[np.argsort(row)].astype(int)) >= 0).all(), "levels keep the order of distances"
            n_told += 1
    assert n_told > 50


def test_what_is_out_of_reach_comes_after_what_is_within_in_the_order_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys.learn.standing.REACH", 12)
    features, utilities, known, sizes = asked(40, seed=4)
    stand = standing(features, utilities, known, sizes)
    given = added(random_forest(30), stand, known, sizes)
    within, n_beyond = np.zeros(len(known), np.bool_), 0
    within[stand.at] = True
    for number, some in enumerate(parts(sizes)):
        beyond, near = known[some] & ~within[some], within[some]
        if not beyond.any():
            continue
        n_beyond += int(beyond.sum())
        assert near.sum() >= 12
        assert (utilities + given.scores)[some][near].min() >= (utilities + given.scores)[some][beyond].max()
        assert len(set(given.scores[some][beyond])) == 1
        assert given.least[number] + given.level[number] <= 1e-12
    assert n_beyond > 50


def test_the_order_of_candidates_and_who_else_is_there_change_no_bit() -> None:
    forest = random_forest(30)
    for seed in range(20):
        features, utilities, known, _ = asked(1, seed)
        utilities += np.random.default_rng(seed).normal(0.0, 1e-3, len(utilities))
        n = len(utilities)
        known[:] = np.arange(n) > 0
        given = added(forest, standing(features, utilities, known, np.array([n])), known, np.array([n]))
        order = np.random.default_rng(seed).permutation(n)
        stand = standing(features[:, order], utilities[order], known[order], np.array([n]))
        again = added(forest, stand, known[order], np.array([n]))
        assert again.scores.tobytes() == given.scores[order].tobytes()
        assert (again.level[0], again.least[0]) == (given.level[0], given.least[0])


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
    assert not one.leads[one.at == best].any()
    assert one.levels[N_FEATURES, one.at == best] == LEVELS - 1, "better than the first of those who lead"


def test_where_nobody_is_known_nothing_is_added() -> None:
    features, utilities, known, _ = asked(1, seed=3)
    known[:] = False
    sizes = np.array([len(known)])
    given = added(random_forest(5), standing(features, utilities, known, sizes), known, sizes)
    assert given.scores.tolist() == [0.0] * len(known)
    assert (given.level.tolist(), given.least.tolist()) == ([0.0], [0.0])


def test_where_nobody_may_lead_all_stand_alike() -> None:
    features, utilities, known, _ = asked(1, seed=3)
    one = standing(features, utilities, known, np.array([len(known)]), np.zeros(len(known), np.bool_))
    assert len(one.at) == known.sum()
    assert len(np.unique(one.levels, axis=1).T) == 1


@pytest.mark.parametrize("seed", range(3))
def test_what_is_known_stays_as_likely_as_it_was_beside_what_was_never_used(seed: int) -> None:
    features, utilities, known, sizes = asked(30, seed)
    forest = random_forest(20, seed)
    stand = standing(features, utilities, known, sizes)
    given = added(forest, stand, known, sizes)
    assert np.ptp(given.scores) > 0.1
    assert not given.scores[~known].any()
    leads = np.zeros(len(known), np.bool_)
    leads[stand.at[stand.leads]] = True
    alone = np.zeros(len(known))
    alone[stand.at] = forest.scores(stand.levels)
    for some, one in zip(parts(sizes), given.level.tolist(), strict=True):
        before, after = (np.exp(scores[some][leads[some]]).sum() for scores in (utilities, utilities + given.scores))
        np.testing.assert_allclose(after, before, rtol=1e-12)
        np.testing.assert_allclose(given.scores[some], (alone[some] + one) * known[some], atol=1e-12)


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
