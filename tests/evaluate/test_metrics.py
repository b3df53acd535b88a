"""The metrics agree with hand-made numbers and with scikit-learn, and the intervals with what they promise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsys.errors import InputError
from recsys.evaluate import (
    acc_at_k,
    block_interval,
    bootstrap_difference,
    bootstrap_interval,
    ndcg,
    ndcg_at_k,
    reciprocal_rank,
)
from recsys.reports import Metric

RANKS = [1, 2, 5, 6, 10, 11, 0, None]


def test_accuracy_counts_targets_among_the_first_k() -> None:
    assert acc_at_k(RANKS, 1).tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert acc_at_k(RANKS, 5).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_ndcg_of_one_target_is_its_discount() -> None:
    expected = [1.0, 1 / math.log2(3), 1 / math.log2(6), 1 / math.log2(7), 1 / math.log2(11), 0.0, 0.0, 0.0]
    assert ndcg_at_k(RANKS, 10).tolist() == pytest.approx(expected)


def test_reciprocal_rank_is_one_over_the_rank() -> None:
    assert reciprocal_rank(RANKS).tolist() == pytest.approx([1, 1 / 2, 1 / 5, 1 / 6, 1 / 10, 1 / 11, 0, 0])


def test_metrics_keep_the_shape_of_the_ranks() -> None:
    assert acc_at_k(np.ones((2, 3), dtype=np.int64), 1).shape == (2, 3)
    assert ndcg_at_k([], 10).shape == (0,)
    assert reciprocal_rank(4).tolist() == 0.25
    assert acc_at_k(np.array([[1, None], [None, 2]]), 1).tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("ranks", [[-1], [1.5], [math.nan], ["a"], ["a", None], [True]])
def test_what_is_no_rank_is_an_input_error(ranks: list[object]) -> None:
    with pytest.raises(InputError) as caught:
        reciprocal_rank(ranks)  # type: ignore[arg-type]
    assert caught.value.field == "ranks"


@pytest.mark.parametrize("k", [0, -1, 1.0, True])
def test_a_cutoff_below_one_is_an_input_error(k: int) -> None:
    calls: list[Callable[[], object]] = [
        lambda: acc_at_k([1], k),
        lambda: ndcg_at_k([1], k),
        lambda: ndcg([1.0], [1.0], k),
    ]
    for call in calls:
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.field == "k"


def test_graded_ndcg_agrees_with_a_hand_made_example() -> None:
    # Järvelin and Kekäläinen's gains 3, 2, 3, 0, 1, 2 in the order shown.
    gains = [3, 2, 3, 0, 1, 2]
    dcg = 3 + 2 / math.log2(3) + 3 / 2 + 0 + 1 / math.log2(6) + 2 / math.log2(7)
    ideal = 3 + 3 / math.log2(3) + 2 / 2 + 2 / math.log2(5) + 1 / math.log2(6)
    assert float(ndcg(gains, [6, 5, 4, 3, 2, 1])) == pytest.approx(dcg / ideal)
    assert float(ndcg(gains, [6, 5, 4, 3, 2, 1], 1)) == 1.0


@given(
    gains=arrays(np.float64, (3, 8), elements=st.integers(0, 4).map(float)),
    order=st.permutations(range(8)),
    k=st.integers(1, 9),
)
def test_graded_ndcg_agrees_with_scikit_learn_without_ties(
    gains: np.ndarray[tuple[int, int], np.dtype[np.float64]], order: list[int], k: int
) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores = np.tile(np.array(order, dtype=np.float64), (3, 1))
    assert ndcg(gains, scores, k).mean() == pytest.approx(metrics.ndcg_score(gains, scores, k=k))


@given(
    gains=arrays(np.float64, 7, elements=st.integers(0, 4).map(float)),
    scores=arrays(np.float64, 7, elements=st.integers(0, 2).map(float)),
    k=st.integers(1, 7),
)
def test_with_ties_it_agrees_with_scikit_learn_ignoring_ties_once_the_order_of_input_breaks_them(
    gains: np.ndarray[tuple[int], np.dtype[np.float64]], scores: np.ndarray[tuple[int], np.dtype[np.float64]], k: int
) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    broken = scores - np.arange(7) / 100
    theirs = metrics.ndcg_score(gains[None, :], broken[None, :], k=k, ignore_ties=True)
    assert float(ndcg(gains, scores, k)) == pytest.approx(theirs)


def test_scikit_learns_average_over_ties_is_the_mean_of_ours_over_all_orders() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    gains, scores = np.array([3.0, 0.0, 1.0, 2.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    ours = [ndcg(gains[list(p)], scores[list(p)], 4) for p in itertools.permutations(range(5))]
    theirs = metrics.ndcg_score(gains[None, :], scores[None, :], k=4)
    assert np.mean(ours) == pytest.approx(theirs)
    assert float(ndcg(gains, scores, 4)) != pytest.approx(theirs), "on this input the two rules differ"


def test_nothing_relevant_gives_zero_and_no_warning() -> None:
    assert ndcg([[0.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [1.0, 2.0]]).tolist() == [0.0, 1.0]
    assert ndcg(np.zeros((2, 0)), np.zeros((2, 0))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("relevance", "scores", "field"),
    [
        ([1.0], [1.0, 2.0], "scores"),
        (1.0, 1.0, "scores"),
        ([-1.0], [1.0], "relevance"),
        ([math.nan], [1.0], "relevance"),
        ([1.0], [math.inf], "scores"),
    ],
)
def test_what_cannot_be_ranked_is_an_input_error(relevance: object, scores: object, field: str) -> None:
    with pytest.raises(InputError) as caught:
        ndcg(relevance, scores)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_ndcg_of_one_target_is_graded_ndcg_with_one_gain() -> None:
    for rank in range(1, 13):
        gains = np.zeros(12)
        gains[rank - 1] = 1.0
        assert float(ndcg_at_k(rank, 10)) == pytest.approx(float(ndcg(gains, -np.arange(12.0), 10)))


def slow_bootstrap(values: list[float], groups: list[str], n_resamples: int, seed: int) -> tuple[float, float]:
    """Draw groups, pool their events, take the mean: the same with lists."""
    names = list(dict.fromkeys(groups))
    rng = np.random.default_rng(seed)
    means = []
    for drawn in rng.integers(len(names), size=(n_resamples, len(names))):
        pool = [v for g in drawn for v, group in zip(values, groups, strict=True) if group == names[g]]
        means.append(np.mean(pool))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


@given(
    events=st.lists(st.tuples(st.sampled_from("abcd"), st.floats(-5, 5)), min_size=2, max_size=12),
    seed=st.integers(0, 9),
)
def test_the_bootstrap_agrees_with_its_slow_twin(events: list[tuple[str, float]], seed: int) -> None:
    groups, values = [g for g, _ in events], [v for _, v in events]
    if len(set(groups)) == 1:
        return
    metric = bootstrap_interval(values, groups, n_resamples=30, seed=seed)
    low, high = slow_bootstrap(values, groups, 30, seed)
    assert metric.mean == pytest.approx(np.mean(values))
    assert metric.low == pytest.approx(min(low, metric.mean))
    assert metric.high == pytest.approx(max(high, metric.mean))


def test_the_interval_is_as_wide_as_theory_says_when_groups_are_single_events() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=2000)
    metric = bootstrap_interval(values, np.arange(2000), n_resamples=2000)
    assert metric.high - metric.low == pytest.approx(2 * 1.96 / math.sqrt(2000), rel=0.1)


def test_resampling_people_is_wider_than_resampling_events_when_people_differ() -> None:
    people = np.repeat(np.arange(20), 50)
    values = (people % 2).astype(float)
    by_person = bootstrap_interval(values, people)
    by_event = bootstrap_interval(values, np.arange(len(values)))
    assert by_person.high - by_person.low > 4 * (by_event.high - by_event.low)


def test_the_interval_covers_the_truth_about_as_often_as_its_level() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for seed in range(200):
        means = rng.normal(0.3, 1.0, size=30)
        values = (means[:, None] + rng.normal(size=(30, 5))).ravel()
        metric = bootstrap_interval(values, np.repeat(np.arange(30), 5), n_resamples=300, seed=seed)
        hits += metric.low <= 0.3 <= metric.high
    assert 175 <= hits <= 200  # 95% of 200 is 190; percentile intervals of 30 groups cover a little less


def test_pairing_takes_out_what_two_models_share() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(size=500)
    better = shared + 0.05 + 0.01 * rng.normal(size=500)
    gain = bootstrap_difference(better, shared, np.arange(500))
    assert gain.mean == pytest.approx(0.05, abs=0.01)
    assert gain.low > 0
    alone = bootstrap_interval(better, np.arange(500))
    assert gain.high - gain.low < (alone.high - alone.low) / 10


def test_one_seed_gives_one_interval() -> None:
    values, groups = np.arange(50.0), np.arange(50) % 7
    assert bootstrap_interval(values, groups, seed=3) == bootstrap_interval(values, groups, seed=3)
    assert bootstrap_interval(values, groups, seed=3) != bootstrap_interval(values, groups, seed=4)
    assert block_interval(values, seed=3) == block_interval(values, seed=3)


def test_large_samples_are_resampled_in_pieces_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    values, groups = np.arange(50.0), np.arange(50) % 7
    whole = bootstrap_interval(values, groups), block_interval(values)
    monkeypatch.setattr("recsys.evaluate.metrics._CHUNK", 10)
    assert (bootstrap_interval(values, groups), block_interval(values)) == whole


def test_nothing_to_score_gives_zeros_and_one_group_its_range() -> None:
    assert bootstrap_interval([], []) == block_interval([]) == Metric(0.0, 0.0, 0.0)
    assert bootstrap_interval([0.0, 1.0, 1.0, 1.0], ["me"] * 4) == Metric(0.75, 0.0, 1.0)
    assert block_interval([1.0]) == Metric(1.0, 1.0, 1.0)


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=60), block_events=st.integers(1, 70))
def test_the_block_interval_holds_the_mean(values: list[float], block_events: int) -> None:
    metric = block_interval(values, block_events=block_events, n_resamples=50)
    assert metric.low <= metric.mean <= metric.high
    assert metric.mean == pytest.approx(np.mean(values))


def test_blocks_are_wider_than_single_events_when_neighbours_agree() -> None:
    values = np.repeat(np.arange(40) % 2, 20).astype(float)
    blocks, singles = block_interval(values), block_interval(values, block_events=1)
    assert blocks.high - blocks.low > 2 * (singles.high - singles.low)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: bootstrap_interval([1.0], ["a", "b"]), "groups"),
        (lambda: bootstrap_interval([math.nan], ["a"]), "values"),
        (lambda: bootstrap_interval([[1.0]], ["a"]), "values"),
        (lambda: bootstrap_interval([1.0], ["a"], n_resamples=0), "n_resamples"),
        (lambda: bootstrap_interval([1.0], ["a"], level=1.0), "level"),
        (lambda: bootstrap_difference([1.0], [1.0, 2.0], ["a"]), "other"),
        (lambda: block_interval([1.0], block_events=0), "block_events"),
    ],
)
def test_what_cannot_be_resampled_is_an_input_error(call: object, field: str) -> None:
    assert callable(call)
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
