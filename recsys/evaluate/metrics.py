"""Ranking metrics and their intervals, in plain NumPy.

In go the 1-based ranks of the targets (0 or None: the target was not among the
candidates, a miss); out come one value an event, and means with bootstrap intervals.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.errors import InputError
from recsys.reports import Metric

__all__ = [
    "acc_at_k",
    "block_interval",
    "bootstrap_difference",
    "bootstrap_interval",
    "ndcg",
    "ndcg_at_k",
    "reciprocal_rank",
]

Floats: TypeAlias = NDArray[np.float64]
Ranks: TypeAlias = ArrayLike | Sequence[int | None]

_CHUNK = 1 << 20  # cells of a resampling matrix held at once: 8 MB


def acc_at_k(ranks: Ranks, k: int) -> Floats:
    """Return 1 where the target stands among the first ``k``, else 0.

    ``Acc@k = 1 if 1 <= rank <= k else 0``, the hit rate of one target.

    Parameters
    ----------
    ranks : array_like of int or None, any shape
        1-based ranks of the targets; 0 or None is a miss.
    k : int
        Cut-off, at least 1.

    Returns
    -------
    ndarray of float64, the shape of ``ranks``
        0 or 1 for every event. Cost: O(n).

    Raises
    ------
    InputError
        When a rank is negative or no whole number, or ``k`` is less than 1.

    Stability: stable

    Examples
    --------
    >>> acc_at_k([1, 3, 0, None], k=2).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    rank = _ranks(ranks)
    return ((rank >= 1) & (rank <= _cutoff(k))).astype(np.float64)


def ndcg_at_k(ranks: Ranks, k: int) -> Floats:
    """Return the normalised discounted cumulative gain of one target.

    ``NDCG@k = 1 / log2(1 + rank) if 1 <= rank <= k else 0``: with a single relevant
    item the ideal gain is 1 [1]_.

    Parameters
    ----------
    ranks : array_like of int or None, any shape
        1-based ranks of the targets; 0 or None is a miss.
    k : int
        Cut-off, at least 1.

    Returns
    -------
    ndarray of float64 in [0, 1], the shape of ``ranks``
        Cost: O(n).

    Raises
    ------
    InputError
        When a rank is negative or no whole number, or ``k`` is less than 1.

    References
    ----------
    .. [1] Järvelin, Kekäläinen: Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4), 2002.

    Stability: stable

    Examples
    --------
    >>> ndcg_at_k([1, 3, 11, 0], k=10).tolist()
    [1.0, 0.5, 0.0, 0.0]
    """
    rank = _ranks(ranks)
    hit = (rank >= 1) & (rank <= _cutoff(k))
    return np.where(hit, 1.0 / np.log2(1.0 + np.where(hit, rank, 1)), 0.0)


def reciprocal_rank(ranks: Ranks) -> Floats:
    """Return ``1 / rank`` of every target, 0 for a miss; the mean of it is the MRR [1]_.

    Parameters
    ----------
    ranks : array_like of int or None, any shape
        1-based ranks of the targets; 0 or None is a miss.

    Returns
    -------
    ndarray of float64 in [0, 1], the shape of ``ranks``
        Cost: O(n).

    Raises
    ------
    InputError
        When a rank is negative or no whole number.

    References
    ----------
    .. [1] Voorhees: The TREC-8 question answering track report, 1999.

    Stability: stable

    Examples
    --------
    >>> reciprocal_rank([1, 4, None]).tolist()
    [1.0, 0.25, 0.0]
    """
    rank = _ranks(ranks)
    return np.where(rank >= 1, 1.0 / np.maximum(rank, 1), 0.0)


def ndcg(relevance: ArrayLike, scores: ArrayLike, k: int | None = None) -> Floats:
    """Return the NDCG of graded relevances in the order of the scores.

    ``DCG@k = sum_{j=1..k} relevance of the j-th / log2(1 + j)`` and
    ``NDCG@k = DCG@k / DCG@k of the best order`` [1]_; 0 where nothing is relevant.
    Equal scores stand in the order of the input, so that an order which is
    canonical before stays canonical (scikit-learn averages over ties instead).

    Parameters
    ----------
    relevance : array_like of float, shape (..., n_items)
        Gains, at least 0, used as they are (linear gain).
    scores : array_like of float, shape (..., n_items)
        Higher is better; finite.
    k : int or None
        Cut-off, at least 1; None takes all items.

    Returns
    -------
    ndarray of float64 in [0, 1], shape (...)
        Cost: O(n_items log n_items) a row.

    Raises
    ------
    InputError
        When the shapes differ, a value is not finite, a relevance is negative, or ``k`` is less than 1.

    References
    ----------
    .. [1] Järvelin, Kekäläinen: Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4), 2002.

    Stability: stable

    Examples
    --------
    >>> float(ndcg([3.0, 0.0, 1.0], [0.9, 0.1, 0.5]))
    1.0
    >>> round(float(ndcg([0.0, 1.0], [0.5, 0.5])), 3)
    0.631
    """
    gain = np.asarray(relevance, dtype=np.float64)
    score = np.asarray(scores, dtype=np.float64)
    if gain.ndim == 0 or gain.shape != score.shape:
        raise InputError("relevance and scores must have one shape (..., n_items)", field="scores")
    if not np.isfinite(gain).all() or (gain < 0).any():
        raise InputError("relevances must be finite and not negative", field="relevance")
    if not np.isfinite(score).all():
        raise InputError("scores must be finite", field="scores")
    n_items = gain.shape[-1]
    depth = n_items if k is None else min(_cutoff(k), n_items)
    discount = 1.0 / np.log2(np.arange(2.0, depth + 2.0))
    order = np.argsort(-score, axis=-1, kind="stable")[..., :depth]
    dcg = np.take_along_axis(gain, order, axis=-1) @ discount
    ideal = -np.sort(-gain, axis=-1)[..., :depth] @ discount
    return np.asarray(np.divide(dcg, ideal, out=np.zeros_like(dcg), where=np.asarray(ideal) > 0), dtype=np.float64)


def bootstrap_interval(
    values: ArrayLike,
    groups: Sequence[Hashable] | NDArray[np.generic],
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Metric:
    """Return the mean over events, with an interval from resampling groups.

    The events of one person hang together, so persons (groups) are drawn with
    replacement, not events: the cluster bootstrap with percentile limits [1]_.
    The mean of a resample is the sum of its values over the number of its values.

    Parameters
    ----------
    values : array_like of float, shape (n_events,)
        Finite; one metric value an event, or a paired difference of two.
    groups : sequence, length n_events
        The group of each event, such as its user.
    n_resamples : int
        How many resamples, at least 1.
    level : float
        Coverage in (0, 1).
    seed : int
        Of ``numpy.random.default_rng``: one seed, one interval.

    Returns
    -------
    Metric
        ``low <= mean <= high``; ``mean`` is the plain mean over events. With fewer than two
        groups nothing is known of the spread, and the limits are the least and the greatest
        value. No events: all zero. Cost: O(n_events log n_events + n_resamples * n_groups).

    Raises
    ------
    InputError
        When the lengths differ, a value is not finite, or an option is out of its range.

    References
    ----------
    .. [1] Field, Welsh: Bootstrapping clustered data, J. R. Stat. Soc. B 69(3), 2007.

    Stability: stable

    Examples
    --------
    >>> metric = bootstrap_interval([1.0, 0.0, 1.0, 1.0], ["ann", "ann", "bob", "bob"])
    >>> metric.mean, metric.low, metric.high
    (0.75, 0.5, 1.0)
    """
    value = _values(values)
    _check_resampling(n_resamples, level)
    if len(groups) != len(value):
        raise InputError("one group a value is needed", field="groups")
    if not len(value):
        return Metric(0.0, 0.0, 0.0)
    codes: dict[Hashable, int] = {}
    code = np.fromiter((codes.setdefault(group, len(codes)) for group in groups), dtype=np.int64, count=len(value))
    if len(codes) == 1:
        return Metric(float(value.mean()), float(value.min()), float(value.max()))
    sums = np.bincount(code, weights=value)
    counts = np.bincount(code).astype(np.float64)
    rng = np.random.default_rng(seed)
    means = np.empty(n_resamples)
    step = max(1, _CHUNK // len(codes))
    for start in range(0, n_resamples, step):
        drawn = rng.integers(len(codes), size=(min(step, n_resamples - start), len(codes)))
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return _percentiles(value, means, level)


def bootstrap_difference(
    values: ArrayLike,
    other: ArrayLike,
    groups: Sequence[Hashable] | NDArray[np.generic],
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Metric:
    """Return the mean of ``values - other``, paired by event, with its interval.

    Two models scored on the same events share the luck of those events; pairing
    takes it out. When the interval does not hold 0 the difference is clear of chance.

    Parameters
    ----------
    values, other : array_like of float, shape (n_events,)
        The same metric of two models on the same events in the same order.
    groups, n_resamples, level, seed
        As in :func:`bootstrap_interval`, at the same cost.

    Returns
    -------
    Metric
        Of the difference; positive when ``values`` is the greater.

    Raises
    ------
    InputError
        As in :func:`bootstrap_interval`, and when the two lengths differ.

    Stability: stable

    Examples
    --------
    >>> bootstrap_difference([1.0, 1.0], [0.0, 1.0], ["ann", "bob"]).mean
    0.5
    """
    left, right = _values(values), _values(other)
    if len(left) != len(right):
        raise InputError("both models must be scored on the same events", field="other")
    return bootstrap_interval(left - right, groups, n_resamples=n_resamples, level=level, seed=seed)


def block_interval(
    values: ArrayLike, *, block_events: int = 20, n_resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Metric:
    """Return the mean over one person's events, with an interval from moving blocks.

    One person is one group, so here neighbouring events are kept together instead:
    blocks of ``block_events`` starting anywhere in the log, which wraps around so
    that every event is drawn equally often (the circular block bootstrap [1]_).

    Parameters
    ----------
    values : array_like of float, shape (n_events,)
        Finite; in the order of the log.
    block_events : int
        Length of a block, at least 1; at most a quarter of the log is used.
    n_resamples, level, seed
        As in :func:`bootstrap_interval`.

    Returns
    -------
    Metric
        ``low <= mean <= high``. No events: all zero. Cost: O(n_resamples * n_events / block_events).

    Raises
    ------
    InputError
        When a value is not finite or an option is out of its range.

    References
    ----------
    .. [1] Politis, Romano: A circular block-resampling procedure for stationary data, 1992.

    Stability: stable

    Examples
    --------
    >>> block_interval([1.0] * 30)
    Metric(mean=1.0, low=1.0, high=1.0)
    """
    value = _values(values)
    _check_resampling(n_resamples, level)
    if block_events < 1:
        raise InputError("a block holds at least 1 event", field="block_events")
    if not len(value):
        return Metric(0.0, 0.0, 0.0)
    n_events = len(value)
    length = max(1, min(block_events, n_events // 4))
    total = np.concatenate(([0.0], np.cumsum(np.concatenate((value, value[: length - 1])))))
    block_sums = total[length:] - total[:-length]
    n_blocks = math.ceil(n_events / length)
    rng = np.random.default_rng(seed)
    means = np.empty(n_resamples)
    step = max(1, _CHUNK // n_blocks)
    for start in range(0, n_resamples, step):
        drawn = rng.integers(n_events, size=(min(step, n_resamples - start), n_blocks))
        means[start : start + len(drawn)] = block_sums[drawn].sum(axis=1) / (n_blocks * length)
    return _percentiles(value, means, level)


def _ranks(ranks: Ranks) -> NDArray[np.int64]:
    given = np.asarray(ranks)
    if given.dtype == object:
        try:
            filled = [0 if rank is None else rank for rank in given.ravel().tolist()]
            given = np.asarray(filled, dtype=np.float64).reshape(given.shape)
        except (TypeError, ValueError):
            raise InputError("ranks are whole numbers, or None for a miss", field="ranks") from None
    if given.size == 0:
        return np.zeros(given.shape, dtype=np.int64)
    if given.dtype.kind not in "iuf" or not (np.isfinite(given).all() and (given == np.floor(given)).all()):
        raise InputError("ranks are whole numbers, or None for a miss", field="ranks")
    if (given < 0).any():
        raise InputError("ranks count from 1; 0 is a miss", field="ranks")
    return given.astype(np.int64)


def _cutoff(k: int) -> int:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError("k is a whole number, at least 1", field="k")
    return int(k)


def _values(values: ArrayLike) -> Floats:
    value = np.asarray(values, dtype=np.float64)
    if value.ndim != 1 or not np.isfinite(value).all():
        raise InputError("values are finite, shape (n_events,)", field="values")
    return value


def _check_resampling(n_resamples: int, level: float) -> None:
    if n_resamples < 1:
        raise InputError("at least 1 resample is needed", field="n_resamples")
    if not 0.0 < level < 1.0:
        raise InputError("level must lie in (0, 1)", field="level")


def _percentiles(value: Floats, means: Floats, level: float) -> Metric:
    mean = float(value.mean())
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    # Few groups can put both percentiles on one side of the mean; the interval always holds it.
    return Metric(mean, min(float(low), mean), max(float(high), mean))
