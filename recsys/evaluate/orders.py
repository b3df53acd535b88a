"""Would another order of what was shown have been better? Answered from the person's own log.

In go the events of a log; its slates that were shown come out with the propensity of each position and what was chosen.
The question is about the order alone: the set of items of a slate is taken as given. Of the orders which that set
could have had, the stored propensities say how likely each was, so nothing else need be known of how it came about.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.evaluate.counterfactual import ips, snips
from recsys.evaluate.replay import learner
from recsys.evaluate.rules import is_choice
from recsys.prior import Prior
from recsys.reports import Counterfactual, Estimate, Metric
from recsys.settings import Settings
from recsys.types import Event

__all__ = [
    "DEPTH",
    "LoggedSlate",
    "examination",
    "logged_slates",
    "position_probabilities",
    "value_of_order",
    "what_if",
]

Floats: TypeAlias = NDArray[np.float64]

DEPTH = 10  # positions of a slate that are looked at: 2^DEPTH sets are summed over
_LEAST = 1e-25  # of the greatest weight of a slate: products of DEPTH of them stay above the least float
_CERTAIN = 1.0 - 1e-9  # propensities from here on leave nothing to chance that could be weighed
_PSEUDO = 1.0  # choices at each of two positions that stand for "the second is looked at as often as the first"
_LEVEL_TAILS = (2.5, 97.5)
_TINY = 1e-100  # keeps quotients of chances finite
_AT_ONCE = 1000  # slates whose sums over sets are held at once


@dataclass(frozen=True, slots=True, repr=False)
class LoggedSlate:
    """A slate that was shown: its items from the top, each with its propensity and its reward.

    Parameters
    ----------
    item_ids : tuple of str
        From position 0, without a gap; at most ``DEPTH``.
    propensity : tuple of float in (0, 1]
        The probability that the item stood there, given those above it.
    reward : tuple of float
        1 for an item that was chosen from it, else 0.

    Stability: provisional
    """

    item_ids: tuple[str, ...]
    propensity: tuple[float, ...]
    reward: tuple[float, ...]

    def __repr__(self) -> str:
        return f"LoggedSlate(<redacted>, n={len(self.item_ids)}, n_chosen={sum(self.reward):g})"

    @property
    def by_chance(self) -> bool:
        """Whether another item than each but the last had a chance to stand there."""
        return all(p < _CERTAIN for p in self.propensity[:-1])


def what_if(
    events: Iterable[Event],
    *,
    explore: float = 0.0,
    settings: Settings | None = None,
    prior: Prior | None = None,
    n_resamples: int = 500,
    seed: int = 0,
) -> Counterfactual:
    """Say what the slates of a log would have been worth in the order of a learner with these settings.

    The learner walks the log as it happened and orders the items of every slate before it knows what comes after. It
    knows no context of that moment and leaves out the person's steering, neither of which is kept with a slate. With
    ``Settings(trees=True)`` it orders by what would have served then, the linear model or its sum with trees that are
    grown on the way; where LightGBM is not installed, by the linear model.

    Parameters
    ----------
    events : iterable of Event
        One log, in its order.
    explore : float
        Temperature of the other order: 0 by score, else at least 0.001.
    settings : Settings or None
        Of the other learner; None takes the defaults. Its ``kind_weights`` also say what is a choice.
    prior : Prior or None
        Where the other learner starts; None takes the one that ships with the package.
    n_resamples, seed
        Of the intervals.

    Returns
    -------
    Counterfactual
        Cost: a fold of the log, and O(n_slates · (2^k k + n_resamples k²)) for slates of ``k`` items.

    Raises
    ------
    InputError
        When an option is out of its range.

    Stability: provisional
    """
    settings = settings or Settings()
    model, log = learner(settings, prior), list(events)
    scores: dict[str | None, Floats] = {}
    for event in log:
        ids = _top(event)
        if len(ids) > 1:
            scores[event.slate] = model.scores(event, ids)
        model.learn(event)
    slates = [slate for slate in logged_slates(log, settings) if len(slate.item_ids) > 1]
    return value_of_order(slates, list(scores.values()), explore=explore, n_resamples=n_resamples, seed=seed)


def logged_slates(events: Iterable[Event], settings: Settings | None = None) -> list[LoggedSlate]:
    """Give the slates that were shown, in their order, with what was chosen from each afterwards.

    What stands below a gap (an item that was forgotten) is left out: its propensities depend on what is gone.

    Parameters
    ----------
    events : iterable of Event
        One log, in its order.
    settings : Settings or None
        Which kinds are choices; None takes the defaults.

    Returns
    -------
    list of LoggedSlate
        Cost: O(n_events).

    Stability: provisional

    Examples
    --------
    >>> shown = Event(1, "a", "", "shown", slate="s", shown=(("tea", 0, 0.5), ("milk", 1, 1.0)))
    >>> found = logged_slates([shown, Event(2, "b", "milk", slate="s")])
    >>> found[0].propensity, found[0].reward
    ((0.5, 1.0), (0.0, 1.0))
    """
    settings = settings or Settings()
    found: dict[str, tuple[tuple[str, ...], tuple[float, ...], list[float]]] = {}
    for event in events:
        if event.slate is None:
            continue
        if ids := _top(event):
            found[event.slate] = (ids, tuple(p for _, _, p in event.shown[: len(ids)]), [0.0] * len(ids))
        elif event.slate in found and is_choice(event, settings):
            ids, _, reward = found[event.slate]
            if event.item_id in ids:
                reward[ids.index(event.item_id)] = 1.0
    return [LoggedSlate(ids, propensity, tuple(reward)) for ids, propensity, reward in found.values()]


def position_probabilities(weights: Floats, rest: Floats) -> Floats:
    """Give how likely each item of a set was to stand at each position, given that the set took the first ones.

    A slate is drawn item by item, each in proportion to its weight among those left (Plackett and Luce). Given that the
    first ``k`` are the set ``S``, an order of it has a probability in proportion to
    ``Π_j v_j / (rest + Σ_{l ≥ j} v_l)``; sums over orders are sums over subsets, since a factor depends on an order
    only through the set of what is left.

    Parameters
    ----------
    weights : ndarray of float64, shape (n, k)
        ``v``, above 0.
    rest : ndarray of float64, shape (n,)
        The weight of everything that was not shown, at least 0.

    Returns
    -------
    ndarray of float64, shape (n, k, k)
        ``[slate, item, position]``; rows and columns sum to 1. Cost: O(n k 2^k).

    Stability: provisional

    Examples
    --------
    >>> position_probabilities(np.array([[3.0, 1.0]]), np.zeros(1)).tolist()
    [[[0.75, 0.25], [0.25, 0.75]]]
    """
    n, k = weights.shape
    scale = weights.sum(axis=1) + rest
    v, left = weights / scale[:, None], rest / scale
    per_step = 1.0 / v.sum(axis=1)  # every order has k factors, so that a factor more in each changes nothing
    full = (1 << k) - 1
    total = np.empty((full + 1, n))  # the weight of what is left, by the set of the slate's items in it
    total[0] = left
    for among in range(1, full + 1):
        low = (among & -among).bit_length() - 1
        total[among] = total[among & (among - 1)] + v[:, low]
    step = np.divide(per_step, total, out=np.zeros_like(total), where=total > 0)
    above, below = np.zeros((full + 1, n)), np.zeros((full + 1, n))  # of a set placed first, and of one placed last
    above[0] = below[0] = 1.0
    for among in range(1, full + 1):
        for i in _members(among):
            without = among ^ (1 << i)
            above[among] += above[without] * v[:, i] * step[full ^ without]
            below[among] += below[without] * v[:, i] * step[among]
    found = np.zeros((n, k, k))
    for placed in range(full):
        now = full ^ placed
        for i in _members(now):
            found[:, i, placed.bit_count()] += above[placed] * v[:, i] * step[now] * below[now ^ (1 << i)]
    found /= below[full][:, None, None]
    return found


def examination(chances: Floats, reward: Floats) -> Floats:
    """Estimate how likely each position is to be looked at, from what chance put there.

    An item is chosen when its position is looked at and it is wanted. For two neighbouring positions the same items are
    compared with themselves, each weighted by how often it could have stood at either,
    ``h_i = P_i(j) P_i(j+1) / (P_i(j) + P_i(j+1))``: then ``Σ c_i h_i / P_i`` over what was chosen there is
    ``e_j Σ h_i r_i`` on average at both, so that the quotient is ``e_{j+1} / e_j`` (intervention harvesting [1]_ with
    overlap weights [2]_, none of which exceeds 1). One choice is added to each side.

    Parameters
    ----------
    chances : ndarray of float64, shape (n, k, k)
        As of :func:`position_probabilities`, items in the order in which they stood; 0 beyond the end of a slate.
    reward : ndarray of float64, shape (n, k)
        By position; 0 beyond the end.

    Returns
    -------
    ndarray of float64 in (0, 1], shape (k,)
        The greatest is 1: only ratios can be known. Cost: O(n k).

    References
    ----------
    .. [1] Agarwal, Zaitsev, Wang, Li, Najork, Joachims: Estimating position bias without intrusive interventions, WSDM
       2019.
    .. [2] Li, Morgan, Zaslavsky: Balancing covariates via propensity score weighting, JASA 113, 2018.

    Stability: provisional
    """
    upper, lower = _compared(chances, reward)
    return _chained(upper.sum(axis=0), lower.sum(axis=0))


def value_of_order(
    slates: Sequence[LoggedSlate],
    scores: Sequence[Floats],
    *,
    explore: float = 0.0,
    n_resamples: int = 500,
    seed: int = 0,
) -> Counterfactual:
    """Estimate what slates would have been worth in another order of their items.

    By position (Li et al. [1]_, item-position model, self-normalised as in :func:`~recsys.evaluate.snips`):
    ``w_j = T_j(j) / P_j(j)`` for the item at position ``j``, with its chances ``P`` as shown and ``T`` in the other
    order. By examination (there, position-based model): ``w_j = Σ_l e_l T_j(l) / Σ_l e_l P_j(l)``, divided by
    the mean of ``Σ_j e_j w_j / Σ_j e_j``, whose expectation is 1. Its interval and the gain's are percentiles over
    resampled slates, with ``e`` estimated anew for each.

    Parameters
    ----------
    slates : sequence of LoggedSlate
        Of two items or more. Those whose order was not left to chance are passed over.
    scores : sequence of ndarray of float64
        For each slate one finite score an item; the other order is by score, equal ones by id.
    explore : float
        Above 0: the other order is drawn at this temperature.
    n_resamples, seed
        Of the intervals.

    Returns
    -------
    Counterfactual
        Costs as :func:`what_if`, without the fold.

    Raises
    ------
    InputError
        When the scores do not fit the slates or an option is out of its range.

    References
    ----------
    .. [1] Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay, Wen: Offline evaluation of ranking policies with click
       models, KDD 2018.

    Stability: provisional
    """
    _check(slates, scores, explore, n_resamples)
    kept = [(slate, values) for slate, values in zip(slates, scores, strict=True) if slate.by_chance]
    n_choices = int(sum(sum(slate.reward) for slate, _ in kept))
    reason = "slates" if not slates else "overlap" if not kept else "choices" if not n_choices else ""
    if reason:
        return Counterfactual(reason, len(slates), len(kept), n_choices, (), None, None, None, None)
    played = _played(kept, explore)
    shown = ips(played.rows(played.reward), target=played.ones, logging=played.ones, rounds=played.of)
    stood, wanted = (
        played.rows(np.diagonal(chances, axis1=1, axis2=2)).clip(_TINY, 1.0) for chances in (played.shown, played.other)
    )
    by_position = snips(played.rows(played.reward), target=wanted, logging=stood, rounds=played.of)
    e, by_examination, gain = _by_examination(played, n_resamples, seed)
    found = tuple(e.tolist())
    return Counterfactual("", len(slates), len(kept), n_choices, found, shown, by_position, by_examination, gain)


class _Played(NamedTuple):
    """Slates as arrays padded with 0: ``there``, ``reward`` (n, k); chances as shown, in the other order (n, k, k)."""

    there: NDArray[np.bool_]
    reward: Floats
    shown: Floats
    other: Floats

    @property
    def of(self) -> NDArray[np.intp]:
        return self.there.nonzero()[0]

    @property
    def ones(self) -> Floats:
        return np.ones(np.count_nonzero(self.there))

    def rows(self, values: Floats) -> Floats:
        """Give the values of the positions there are, slate by slate."""
        return np.asarray(values[self.there], np.float64)


def _top(event: Event) -> tuple[str, ...]:
    """Give the items of an impression from position 0 up to the first gap; none for another event."""
    ids = []
    for place, (item_id, position, _) in enumerate(event.shown[:DEPTH]):
        if position != place:
            break
        ids.append(item_id)
    return tuple(ids)


def _members(among: int) -> list[int]:
    return [i for i in range(among.bit_length()) if among >> i & 1]


def _played(kept: Sequence[tuple[LoggedSlate, Floats]], explore: float) -> _Played:
    sizes = np.array([len(slate.item_ids) for slate, _ in kept])
    n, most = len(kept), int(sizes.max())
    there = np.arange(most) < sizes[:, None]
    reward, shown, other = np.zeros((n, most)), np.zeros((n, most, most)), np.zeros((n, most, most))
    reward[there] = [one for slate, _ in kept for one in slate.reward]
    for k in np.unique(sizes).tolist():
        alike = np.flatnonzero(sizes == k)
        for start in range(0, len(alike), _AT_ONCE):
            some = alike[start : start + _AT_ONCE]
            p = np.array([kept[i][0].propensity for i in some])
            left = np.concatenate((np.ones((len(some), 1)), np.cumprod(1.0 - p, axis=1)), axis=1)
            shown[some, :k, :k] = position_probabilities(_floored(p * left[:, :-1]), left[:, -1])
            other[some, :k, :k] = _ordered([kept[i] for i in some], explore)
    return _Played(there, reward, shown, other)


def _ordered(alike: Sequence[tuple[LoggedSlate, Floats]], explore: float) -> Floats:
    """Give the chances of the other order, for slates of one size."""
    u = np.array([values for _, values in alike], np.float64)
    n, k = u.shape
    if explore:
        weights = np.exp(np.maximum((u - u.max(axis=1, keepdims=True)) / explore, math.log(_LEAST)))
        return position_probabilities(weights, np.zeros(n))
    found = np.zeros((n, k, k))
    for row, (slate, values) in enumerate(alike):
        order = sorted(range(k), key=lambda i: (-values[i], slate.item_ids[i]))
        found[row, order, range(k)] = 1.0
    return found


def _floored(weights: Floats) -> Floats:
    return np.asarray(np.maximum(weights, _LEAST * weights.max(axis=1, keepdims=True)), np.float64)


def _compared(chances: Floats, reward: Floats) -> tuple[Floats, Floats]:
    """Give each slate's weighted choices at the upper and the lower of every two neighbouring positions, (n, k - 1)."""
    at = np.diagonal(chances, axis1=1, axis2=2)
    below, above = np.diagonal(chances, 1, 1, 2), np.diagonal(chances, -1, 1, 2)
    upper, lower = at[:, :-1] + below, at[:, 1:] + above
    return (
        reward[:, :-1] * np.divide(below, upper, out=np.zeros_like(upper), where=upper > 0),
        reward[:, 1:] * np.divide(above, lower, out=np.zeros_like(lower), where=lower > 0),
    )


def _chained(upper: Floats, lower: Floats) -> Floats:
    e = np.cumprod(np.concatenate(([1.0], (lower + _PSEUDO) / (upper + _PSEUDO))))
    return np.asarray(e / e.max(), np.float64)


def _by_examination(played: _Played, n_resamples: int, seed: int) -> tuple[Floats, Estimate, Metric]:
    upper, lower = _compared(played.shown, played.reward)
    each = played.reward.sum(axis=1)
    n = len(each)

    def valued(e: Floats) -> tuple[Floats, Floats, Floats]:
        below = played.shown @ e
        w = np.divide(played.other @ e, below, out=np.zeros_like(below), where=below > 0)
        of_weight = (w * e).sum(axis=1) / (played.there * e).sum(axis=1)
        return w, (w * played.reward).sum(axis=1), of_weight

    e = _chained(upper.sum(axis=0), lower.sum(axis=0))
    w, sums, of_weight = valued(e)
    value = sums.sum() / of_weight.sum()
    rng = np.random.default_rng(seed)
    found = np.empty((n_resamples, 2))
    for b in range(n_resamples):
        times = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
        _, some, some_weight = valued(_chained(times @ upper, times @ lower))
        other = times @ some / (times @ some_weight)
        found[b] = other, other - times @ each / n
    (low, low_gain), (high, high_gain) = np.percentile(found, _LEVEL_TAILS, axis=0)
    gain = float(value - each.mean())
    return (
        e,
        Estimate(
            value=float(value),
            low=min(float(low), float(value)),
            high=max(float(high), float(value)),
            n=n,
            n_effective=float(of_weight.sum() ** 2 / (of_weight**2).sum()),
            mean_weight=float(of_weight.mean()),
            largest_weight=float(w.max()),
            share_clipped=0.0,
            estimator="examination",
            interval="bootstrap",
        ),
        Metric(gain, min(float(low_gain), gain), max(float(high_gain), gain)),
    )


def _check(slates: Sequence[LoggedSlate], scores: Sequence[Floats], explore: float, n_resamples: int) -> None:
    if not 0.0 <= explore <= 100.0 or 0.0 < explore < 0.001:  # noqa: PLR2004 - as the message says
        raise InputError("explore: 0, or 0.001 to 100", field="explore")
    if n_resamples < 1:
        raise InputError("n_resamples: at least 1 is needed", field="n_resamples")
    if any(not 1 < len(slate.item_ids) <= DEPTH for slate in slates):
        raise InputError(f"slates: 2 to {DEPTH} items are needed", field="slates")
    sound = len(slates) == len(scores) and all(
        np.shape(values) == (len(slate.item_ids),) and np.isfinite(values).all()
        for slate, values in zip(slates, scores, strict=False)
    )
    if not sound:
        raise InputError("scores: one finite score an item of each slate is needed", field="scores")
