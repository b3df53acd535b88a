"""What would another policy have got? Its value, estimated from what was logged with propensities.

In go the rows of a log: the reward of each, and how probable the logged action was under the policy that logged it and
under the target policy. Out comes an :class:`~recsys.reports.Estimate`: a mean reward a round with its interval, and
how much of the log it rests on. A log that cannot tell is an ``InputError``, not a number.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.errors import InputError
from recsys.reports import Estimate

__all__ = ["IntervalKind", "doubly_robust", "fitted_means", "ips", "snips"]

Floats: TypeAlias = NDArray[np.float64]
IntervalKind: TypeAlias = Literal["normal", "bootstrap", "bernstein"]

_MOST = 1e120  # the greatest weight whose square is far from the greatest float
_CHUNK = 1 << 20  # cells of a resampling matrix held at once: 8 MB


def ips(
    reward: ArrayLike,
    *,
    target: ArrayLike,
    logging: ArrayLike,
    rounds: ArrayLike | None = None,
    clip: float | None = None,
    interval: IntervalKind = "normal",
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Estimate the target policy's value by inverse propensity scores (Horvitz and Thompson [1]_).

    ``V = 1/n Σ_i w_i r_i`` with ``w_i = target_i / logging_i``: unbiased where the logging policy could do whatever the
    target policy does. Clipped, ``w_i = min(target_i / logging_i, clip)``: less variance, and biased downwards where
    rewards are not negative.

    Parameters
    ----------
    reward : array_like of float, shape (n_rows,)
        Finite.
    target : array_like of float in [0, 1], shape (n_rows,)
        Probability of the logged action under the target policy.
    logging : array_like of float in (0, 1], shape (n_rows,)
        Its probability under the policy that logged it: the propensity.
    rounds : array_like, shape (n_rows,), optional
        Which round each row belongs to, such as the slate of a position: a round's value is the sum over its rows, and
        rounds, not rows, are taken to be independent. None: each row is a round.
    clip : float, optional
        Greatest weight, above 0.
    interval : {"normal", "bootstrap", "bernstein"}
        ``"normal"``: ``V ± z s/√n`` with the standard deviation ``s`` over rounds. ``"bootstrap"``: percentiles over
        resampled rounds. ``"bernstein"``: the empirical Bernstein bound [2]_, which holds for every ``n`` and is wide;
        needs ``clip`` and rewards in [0, 1], and bounds the value of the clipped weights. The first two are too narrow
        where only a handful of rewards are not 0, and a point where none is.
    level : float
        Coverage in (0, 1).
    n_resamples : int
        Of the bootstrap, at least 1.
    seed : int
        Of the bootstrap: one seed, one interval.

    Returns
    -------
    Estimate
        Of a single round nothing is known of the spread: its interval has no ends. Cost: O(n_rows), and
        O(n_resamples · n_rounds) for the bootstrap.

    Raises
    ------
    InputError
        When shapes differ or a value is out of its range; when the log does not overlap with the target policy: every
        propensity is 1 and the target policy does something else, or it would never do what was logged.

    References
    ----------
    .. [1] Horvitz, Thompson: A generalization of sampling without replacement from a finite universe, JASA 47, 1952.
    .. [2] Maurer, Pontil: Empirical Bernstein bounds and sample variance penalization, COLT 2009.

    Stability: provisional

    Examples
    --------
    >>> found = ips([1.0, 0.0, 1.0, 0.0], target=[0.9, 0.1, 0.9, 0.1], logging=[0.5, 0.5, 0.5, 0.5])
    >>> round(found.value, 6), found.n, round(found.n_effective, 3)
    (0.9, 4, 2.439)
    """
    log = _logged(reward, target, logging, rounds, clip)
    sums = _by_round(log, log.weight * log.reward)
    spread = _Spread(interval, level, n_resamples, seed)
    if interval == "bernstein":
        half = _bernstein(sums, log, clip, level)
        return _estimate(log, "ips", interval, float(sums.mean()), half)
    return _ratio(log, "ips", sums, np.ones(log.n), 1.0, spread)


def snips(
    reward: ArrayLike,
    *,
    target: ArrayLike,
    logging: ArrayLike,
    rounds: ArrayLike | None = None,
    clip: float | None = None,
    interval: IntervalKind = "normal",
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Estimate the target policy's value by self-normalised inverse propensity scores (Swaminathan and Joachims [1]_).

    ``V = m Σ_i w_i r_i / Σ_i w_i`` with ``m`` rows a round. The weights of a policy average 1, and dividing by what
    they did average takes out the luck of how many great ones were drawn: biased by O(1/n), never outside the range of
    the rewards (of a row), and a constant added to every reward moves it by that constant.

    Parameters
    ----------
    reward, target, logging, rounds, clip, level, n_resamples, seed
        As in :func:`ips`.
    interval : {"normal", "bootstrap"}
        ``"normal"``: the delta method, ``s`` over ``m (Σ_round w r − (V/m) Σ_round w) / mean_round(Σ w)``.

    Returns
    -------
    Estimate
        Costs as :func:`ips`.

    Raises
    ------
    InputError
        As in :func:`ips`.

    References
    ----------
    .. [1] Swaminathan, Joachims: The self-normalized estimator for counterfactual learning, NIPS 2015.

    Stability: provisional

    Examples
    --------
    >>> found = snips([1.0, 0.0, 1.0], target=[0.9, 0.1, 0.9], logging=[0.5, 0.5, 0.5])
    >>> round(found.value, 3), round(found.mean_weight, 3)
    (0.947, 1.267)
    """
    log = _logged(reward, target, logging, rounds, clip)
    sums, weights = _by_round(log, log.weight * log.reward), _by_round(log, log.weight)
    spread = _Spread(interval, level, n_resamples, seed)
    return _ratio(log, "snips", sums, weights, len(log.reward) / log.n, spread)


def doubly_robust(
    reward: ArrayLike,
    *,
    target: ArrayLike,
    logging: ArrayLike,
    predicted: ArrayLike,
    expected: ArrayLike,
    rounds: ArrayLike | None = None,
    clip: float | None = None,
    interval: IntervalKind = "normal",
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Estimate the target policy's value from a reward model and correct it by propensities (Dudík et al. [1]_).

    ``V = 1/n Σ_i [ Σ_a target(a|x_i) q(x_i, a) + w_i (r_i − q(x_i, a_i)) ]``: unbiased if the propensities are right or
    the model is, and the better the model, the less variance. The model ``q`` must not have seen row ``i``
    (:func:`fitted_means` is fitted on other rows).

    Parameters
    ----------
    reward, target, logging, rounds, clip, level, n_resamples, seed
        As in :func:`ips`.
    predicted : array_like of float, shape (n_rows,)
        ``q(x_i, a_i)``: the model's mean reward of the logged action.
    expected : array_like of float, shape (n_rows,)
        ``Σ_a target(a|x_i) q(x_i, a)``: its mean reward under the target policy.
    interval : {"normal", "bootstrap"}
        As in :func:`ips`, over the rounds' terms.

    Returns
    -------
    Estimate
        Costs as :func:`ips`.

    Raises
    ------
    InputError
        As in :func:`ips`.

    References
    ----------
    .. [1] Dudík, Langford, Li: Doubly robust policy evaluation and learning, ICML 2011; with Erhan: Doubly robust
       policy evaluation and optimization, Statistical Science 29(4), 2014.

    Stability: provisional

    Examples
    --------
    >>> right = {"predicted": [1.0, 0.0], "expected": [0.9, 0.9]}  # action 0 gives 1, action 1 gives 0
    >>> found = doubly_robust([1.0, 0.0], target=[0.9, 0.1], logging=[0.5, 0.5], **right)
    >>> found.low, found.value, found.high
    (0.9, 0.9, 0.9)
    """
    log = _logged(reward, target, logging, rounds, clip)
    q, under_target = (
        _numbers(values, name, log.reward.shape) for values, name in ((predicted, "predicted"), (expected, "expected"))
    )
    sums = _by_round(log, under_target + log.weight * (log.reward - q))
    return _ratio(log, "doubly robust", sums, np.ones(log.n), 1.0, _Spread(interval, level, n_resamples, seed))


def fitted_means(
    action: ArrayLike,
    reward: ArrayLike,
    *,
    n_actions: int,
    strength: float = 10.0,
    n_folds: int = 5,
    seed: int = 0,
) -> Floats:
    """Fit the simplest reward model, cross-fitted: each action's mean reward in the other folds, shrunk to that of all.

    ``q_f(a) = (Σ_{i ∉ f, a_i = a} r_i + strength · r̄_f) / (#{i ∉ f, a_i = a} + strength)`` with the mean ``r̄_f`` of all
    rows outside fold ``f``.

    Parameters
    ----------
    action : array_like of int, shape (n_rows,)
        From 0 to ``n_actions - 1``.
    reward : array_like of float, shape (n_rows,)
        Finite.
    n_actions : int
        At least 1.
    strength : float
        How many rows of evidence the overall mean counts as, above 0.
    n_folds : int
        2 to n_rows; rows are dealt to folds by a seeded shuffle.
    seed : int
        Of the shuffle.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_actions)
        Row ``i``: every action's mean reward as seen without the fold of row ``i``, so that
        ``predicted = q[arange(n), action]`` and ``expected = (q * target_of_every_action).sum(1)``.
        Cost: O(n_rows · n_actions).

    Raises
    ------
    InputError
        When an argument is out of its range.

    Stability: provisional

    Examples
    --------
    >>> fitted_means([0, 0, 1, 1], [1.0, 1.0, 0.0, 0.0], n_actions=2, n_folds=2, strength=1e-9).shape
    (4, 2)
    """
    r = _numbers(reward, "reward", None)
    chosen = np.asarray(action)
    if chosen.shape != r.shape or chosen.dtype.kind not in "iu":
        raise InputError("action: whole numbers, shape (n_rows,), are needed", field="action")
    if n_actions < 1 or (len(r) and not 0 <= chosen.min() <= chosen.max() < n_actions):
        raise InputError("action: numbers from 0 to n_actions - 1 are needed", field="action")
    if not 2 <= n_folds <= len(r):  # noqa: PLR2004 - as the message says
        raise InputError("n_folds: from 2 to the number of rows", field="n_folds")
    if not strength > 0 or not math.isfinite(strength):
        raise InputError("strength: a finite number above 0 is needed", field="strength")
    fold = np.random.default_rng(seed).permutation(len(r)) % n_folds
    means = np.empty((n_folds, n_actions))
    for f in range(n_folds):
        other = fold != f
        sums = np.bincount(chosen[other], r[other], n_actions)
        counts = np.bincount(chosen[other], minlength=n_actions)
        means[f] = (sums + strength * r[other].mean()) / (counts + strength)
    return means[fold]


class _Logged(NamedTuple):
    """Checked rows: ``reward``, ``weight`` and the round's number (n_rows,), ``n`` rounds."""

    reward: Floats
    weight: Floats
    of: NDArray[np.intp]
    n: int
    share_clipped: float


class _Spread(NamedTuple):
    kind: str
    level: float
    n_resamples: int
    seed: int


def _logged(
    reward: ArrayLike, target: ArrayLike, logging: ArrayLike, rounds: ArrayLike | None, clip: float | None
) -> _Logged:
    r = _numbers(reward, "reward", None)
    wanted, logged = _numbers(target, "target", r.shape), _numbers(logging, "logging", r.shape)
    if not len(r):
        raise InputError("reward: at least one row is needed", field="reward")
    if (wanted < 0).any() or (wanted > 1).any():
        raise InputError("target: probabilities in [0, 1] are needed", field="target")
    if (logged <= 0).any() or (logged > 1).any():
        raise InputError("logging: propensities in (0, 1] are needed", field="logging")
    if clip is not None and not 0 < clip < math.inf:
        raise InputError("clip: a finite weight above 0 is needed", field="clip")
    if (logged == 1.0).all() and (wanted < 1.0).any():
        raise InputError(
            "no overlap: every propensity is 1, so nothing was left to chance and the log cannot say what the target "
            "policy would have got",
            field="logging",
        )
    if not wanted.any():
        raise InputError("no overlap: the target policy would never do what was logged", field="target")
    with np.errstate(over="ignore"):
        quotient = wanted / logged
    weight = np.minimum(quotient, math.inf if clip is None else clip)
    if weight.max() > _MOST:
        raise InputError("logging: a propensity is too small to divide by; clip the weights", field="logging")
    of, n = _codes(rounds, len(r))
    return _Logged(r, weight, of, n, float((weight < quotient).mean()))


def _numbers(values: ArrayLike, name: str, shape: tuple[int, ...] | None) -> Floats:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: numbers are needed", field=name) from None
    if found.ndim != 1 or (shape is not None and found.shape != shape) or not np.isfinite(found).all():
        raise InputError(f"{name}: finite numbers, shape (n_rows,), are needed", field=name)
    return found


def _codes(rounds: ArrayLike | None, n_rows: int) -> tuple[NDArray[np.intp], int]:
    if rounds is None:
        return np.arange(n_rows), n_rows
    given = np.asarray(rounds)
    if given.shape != (n_rows,) or given.dtype.kind not in "iuUS":
        raise InputError("rounds: one whole number or name a row is needed", field="rounds")
    names, of = np.unique(given, return_inverse=True)
    return of, len(names)


def _by_round(log: _Logged, values: Floats) -> Floats:
    return np.bincount(log.of, values, log.n).astype(np.float64, copy=False)


def _ratio(log: _Logged, name: str, above: Floats, below: Floats, scale: float, spread: _Spread) -> Estimate:
    """Estimate ``scale Σ above / Σ below`` over rounds; a mean where ``below`` is 1."""
    ratio = above.sum() / below.sum()
    if not 0.0 < spread.level < 1.0:
        raise InputError("level: must lie in (0, 1)", field="level")
    if spread.kind == "normal":
        terms = scale * (above - ratio * below) / below.mean()
        half = NormalDist().inv_cdf(0.5 + spread.level / 2) * _standard_error(terms)
        return _estimate(log, name, spread.kind, scale * ratio, half)
    if spread.kind != "bootstrap":
        raise InputError('interval: "normal" or "bootstrap", and "bernstein" for ips', field="interval")
    if spread.n_resamples < 1:
        raise InputError("n_resamples: at least 1 is needed", field="n_resamples")
    if log.n == 1:
        return _estimate(log, name, spread.kind, scale * ratio, math.inf)
    rng = np.random.default_rng(spread.seed)
    values = np.empty(spread.n_resamples)
    step = max(1, _CHUNK // log.n)
    for start in range(0, spread.n_resamples, step):
        drawn = rng.integers(log.n, size=(min(step, spread.n_resamples - start), log.n))
        total = below[drawn].sum(axis=1)
        some = values[start : start + len(drawn)]
        np.divide(above[drawn].sum(axis=1), total, out=some, where=total > 0)
        some[total <= 0] = ratio  # none with a weight was drawn: it says nothing
    tail = 50.0 * (1.0 - spread.level)
    low, high = np.percentile(scale * values, [tail, 100.0 - tail])
    value = scale * ratio
    return _estimate(log, name, spread.kind, value, value - min(float(low), value), max(float(high), value) - value)


def _standard_error(terms: Floats) -> float:
    return float(terms.std(ddof=1)) / math.sqrt(len(terms)) if len(terms) > 1 else math.inf


def _bernstein(sums: Floats, log: _Logged, clip: float | None, level: float) -> float:
    """Half the width of the empirical Bernstein interval for means of values in ``[0, clip · rows a round]``."""
    if clip is None:
        raise InputError('clip: the interval "bernstein" needs the greatest weight', field="clip")
    if (log.reward < 0).any() or (log.reward > 1).any():
        raise InputError('reward: the interval "bernstein" needs rewards in [0, 1]', field="reward")
    if not 0.0 < level < 1.0:
        raise InputError("level: must lie in (0, 1)", field="level")
    if log.n == 1:
        return math.inf
    most = clip * float(np.bincount(log.of).max())
    doubt = math.log(4.0 / (1.0 - level))
    return math.sqrt(2.0 * float(sums.var(ddof=1)) * doubt / log.n) + 7.0 * most * doubt / (3.0 * (log.n - 1))


def _estimate(
    log: _Logged, name: str, interval: str, value: float, below: float, above: float | None = None
) -> Estimate:
    each = _by_round(log, log.weight) / np.bincount(log.of, minlength=log.n)
    return Estimate(
        value=float(value),
        low=float(value - below),
        high=float(value + (below if above is None else above)),
        n=log.n,
        n_effective=float(each.sum() ** 2 / (each**2).sum()),
        mean_weight=float(log.weight.mean()),
        largest_weight=float(log.weight.max()),
        share_clipped=log.share_clipped,
        estimator=name,
        interval=interval,
    )
