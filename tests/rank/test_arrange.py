"""Candidates come best first, ties by id; exploring draws with the probabilities it writes down."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.rank.arrange import Placed, place
from recsys.rank.candidates import Pool

Floats = NDArray[np.float64]
ids = st.text("abcd", min_size=1, max_size=3)


@st.composite
def pools(draw: st.DrawFn) -> tuple[Pool, Floats]:
    """A pool and its scores, ties among them: the host's own list, or a catalogue with untouched items."""
    names = draw(st.lists(ids, unique=True, max_size=12))
    if draw(st.booleans()):
        pool = Pool(np.arange(len(names)), names)
    else:
        n_touched = draw(st.integers(0, len(names)))
        columns = ["", *names[:n_touched]]
        allowed = np.array([False, *(draw(st.booleans()) for _ in range(n_touched))])
        pool = Pool(slice(0, len(columns)), columns, allowed, sorted(names[n_touched:]))
    scores = draw(st.lists(st.integers(-2, 2) | st.floats(-5, 5), min_size=len(pool.ids), max_size=len(pool.ids)))
    return pool, np.array(scores, np.float64)


def scored(pool: Pool, scores: Floats) -> dict[str, float]:
    """Every candidate's score."""
    found = {
        item_id: float(score)
        for column, (item_id, score) in enumerate(zip(pool.ids, scores, strict=True))
        if pool.allowed is None or pool.allowed[column]
    }
    return found | {item_id: float(scores[0]) for item_id in pool.untouched}


@given(pools(), st.integers(0, 15))
def test_without_exploring_the_best_come_first_and_ties_by_id(pool_and_scores: tuple[Pool, Floats], k: int) -> None:
    pool, scores = pool_and_scores
    found = place(pool, scores, k, 0.0, None)
    every = scored(pool, scores)
    best = sorted(every, key=lambda item_id: (-every[item_id], item_id))[:k]
    assert [item_id for item_id, _, _, _ in found] == best
    for item_id, column, score, propensity in found:
        assert (score, propensity) == (every[item_id], 1.0)
        assert column == (0 if item_id in pool.untouched else list(pool.ids).index(item_id))


def log_propensities(found: list[Placed], every: dict[str, float], temperature: float) -> list[float]:
    """``log(exp(u_i/τ) / Σ_left exp(u_j/τ))``, position by position."""
    left = dict(every)
    logs = []
    for item_id, _, _, _ in found:
        most = max(left.values())
        total = math.fsum(math.exp((u - most) / temperature) for u in left.values())
        logs.append((left.pop(item_id) - most) / temperature - math.log(total))
    return logs


@given(pools(), st.integers(0, 15), st.sampled_from((0.001, 0.3, 1.0, 100.0)), st.integers(0, 2**63 - 1))
def test_an_explored_list_names_its_own_probabilities(
    pool_and_scores: tuple[Pool, Floats], k: int, temperature: float, seed: int
) -> None:
    pool, scores = pool_and_scores
    every = scored(pool, scores)
    found = place(pool, scores, k, temperature, seed)
    assert len(found) == len({item_id for item_id, _, _, _ in found}) == min(k, len(every))
    for (item_id, column, score, propensity), log_p in zip(
        found, log_propensities(found, every, temperature), strict=True
    ):
        assert score == every[item_id] == scores[column]
        assert 0.0 < propensity <= 1.0
        assert propensity == pytest.approx(max(math.exp(log_p), np.finfo(float).tiny), rel=1e-9, abs=1e-300)
    assert place(pool, scores, k, temperature, seed) == found, "a seed repeats the draw"


def test_lists_are_drawn_as_often_as_their_propensities_say() -> None:
    pool = Pool(slice(0, 3), ["", "a", "b"], np.array([False, True, True]), ["c", "d"])
    scores = np.array([0.5, 1.5, 0.0])
    n_draws, counts, says = 6000, Counter[tuple[str, ...]](), {}
    for seed in range(n_draws):
        found = place(pool, scores, 2, 0.8, seed)
        names = tuple(item_id for item_id, _, _, _ in found)
        counts[names] += 1
        says[names] = math.prod(propensity for _, _, _, propensity in found)
    assert len(says) == 12
    assert sum(says.values()) == pytest.approx(1.0)
    chi_square = sum((counts[names] - n_draws * p) ** 2 / (n_draws * p) for names, p in says.items())
    assert chi_square < 31.3, "11 degrees of freedom, one in a thousand"


def test_a_draw_does_not_depend_on_the_order_of_the_columns() -> None:
    names = ["d", "a", "c", "b"]
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    order = [2, 0, 3, 1]
    turned = Pool(np.arange(4), [names[i] for i in order])
    for seed in range(20):
        one = place(Pool(np.arange(4), names), scores, 3, 1.0, seed)
        other = place(turned, scores[order], 3, 1.0, seed)
        assert [(i, s, p) for i, _, s, p in one] == [(i, s, pytest.approx(p)) for i, _, s, p in other]


def test_without_a_seed_every_draw_is_another() -> None:
    pool = Pool(np.arange(50), [f"i{n:02}" for n in range(50)])
    lists = {tuple(item_id for item_id, _, _, _ in place(pool, np.zeros(50), 10, 1.0, None)) for _ in range(5)}
    assert len(lists) == 5


def test_a_low_temperature_orders_by_score_and_a_high_one_forgets_it() -> None:
    pool, scores = Pool(np.arange(3), ["a", "b", "c"]), np.array([0.0, 2.0, 1.0])
    for seed in range(30):
        assert [i for i, _, _, _ in place(pool, scores, 3, 0.001, seed)] == ["b", "c", "a"]
        assert place(pool, scores, 1, 100.0, seed)[0][3] == pytest.approx(1 / 3, rel=0.02)


@pytest.mark.parametrize("explore", [0.0, 1.0])
def test_no_candidates_give_an_empty_list(explore: float) -> None:
    nobody = Pool(slice(0, 2), ["", "a"], np.array([False, False]), [])
    for pool, scores in ((nobody, np.zeros(2)), (Pool(np.array([], np.intp), []), np.zeros(0))):
        assert place(pool, scores, 5, explore, 1) == []
    some = Pool(slice(0, 2), ["", "a"], np.array([False, False]), ["b"])
    assert place(some, np.zeros(2), 0, explore, 1) == []
    assert [item_id for item_id, _, _, _ in place(some, np.zeros(2), 5, explore, 1)] == ["b"]
