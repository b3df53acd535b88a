"""What can be said for sure from samples: binomial bounds, a chi-square bound, a lower bound on epsilon."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Sample = NDArray[np.int64]  # (n_draws, n_tags)
Event = Callable[[Sample], NDArray[np.bool_]]
Chooser = Callable[[Sequence[float]], int]

_HALVINGS = 50
_QUANTILES = np.linspace(0.02, 0.98, 17)


def clopper_pearson(n_hits: int, n: int, confidence: float) -> tuple[float, float]:
    """The exact two-sided interval of a binomial probability: each tail beyond it has half of ``1 - confidence``."""
    each = (1.0 - confidence) / 2.0
    low = 0.0 if n_hits == 0 else _solve(lambda p: _at_least(n_hits, n, p) - each)
    high = 1.0 if n_hits == n else _solve(lambda p: each - (1.0 - _at_least(n_hits + 1, n, p)))
    return low, high


def _solve(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if rising(middle) > 0.0 else (middle, high)
    return (low + high) / 2.0


def _at_least(k: int, n: int, p: float) -> float:
    """``P(Binomial(n, p) >= k)``: the sum of its terms."""
    if p <= 0.0 or p >= 1.0:
        return float(p >= 1.0 or k <= 0)
    j = np.arange(k, n + 1)
    logs = _log_factorials(n)
    terms = logs[n] - logs[j] - logs[n - j] + j * math.log(p) + (n - j) * math.log1p(-p)
    return float(np.exp(terms).sum())


def _log_factorials(n: int) -> NDArray[np.float64]:
    if n not in _CACHE:
        _CACHE[n] = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    return _CACHE[n]


_CACHE: dict[int, NDArray[np.float64]] = {}


def chi_square_bound(statistic: float, n_free: int) -> float:
    """An upper bound on the p-value of a chi-square statistic, by Chernoff: no more than ``(r e^(1-r))^(df/2)``."""
    r = statistic / n_free
    return 1.0 if r <= 1.0 else math.exp(n_free / 2.0 * (1.0 - r + math.log(r)))


def chi_square(draws: Sequence[int], scale: Fraction) -> tuple[float, int]:
    """The chi-square statistic of draws against discrete Laplace noise, tails pooled, and its degrees of freedom."""
    n, expected = len(draws), dict[int, float]()
    reach = 0
    while probability(reach, scale) * n >= 10.0:
        reach += 1
    for x in range(-reach, reach + 1):
        expected[x] = n * (probability(x, scale) if abs(x) < reach else tail(reach, scale))
    pooled = np.clip(np.asarray(draws), -reach, reach)
    found = {int(x): int(k) for x, k in zip(*np.unique(pooled, return_counts=True), strict=True)}
    return sum((found.get(x, 0) - e) ** 2 / e for x, e in expected.items()), len(expected) - 1


def probability(x: int, scale: Fraction) -> float:
    """The closed form of discrete Laplace noise."""
    r = math.exp(-1 / scale)
    return (1.0 - r) / (1.0 + r) * r ** abs(x)


def tail(x: int, scale: Fraction) -> float:
    """The probability of ``x`` or more, ``x >= 1``."""
    r = math.exp(-1 / scale)
    return r**x / (1.0 + r)


def epsilon_lower_bound(ours: Sample, theirs: Sample, confidence: float = 0.999) -> float:
    """What epsilon is at least, whatever is claimed: from outputs under two logs.

    The event that tells the two best is chosen on the first half of the draws and judged on the second, so that the
    bound holds with the given confidence.
    """
    half = len(ours) // 2
    event, swapped = max(
        ((event, swapped) for event in events_of(ours[:half], theirs[:half]) for swapped in (False, True)),
        key=lambda choice: _promise(_hits(choice[0], ours[:half], theirs[:half]), swapped=choice[1]),
    )
    p, q = (clopper_pearson(n, len(ours) - half, confidence) for n in _hits(event, ours[half:], theirs[half:]))
    low, high = (q[0], p[1]) if swapped else (p[0], q[1])
    return math.log(low / high) if low > 0.0 else -math.inf


def _hits(event: Event, ours: Sample, theirs: Sample) -> tuple[int, int]:
    return int(np.count_nonzero(event(ours))), int(np.count_nonzero(event(theirs)))


def _promise(hits: tuple[int, int], *, swapped: bool) -> float:
    """About what the bound would be: the logarithm of the ratio, less three standard errors of it."""
    a, b = hits[::-1] if swapped else hits
    return math.log((a + 0.5) / (b + 0.5)) - 3.0 * math.sqrt(1.0 / (a + 0.5) + 1.0 / (b + 0.5))


def events_of(ours: Sample, theirs: Sample) -> list[Event]:
    """Sets of outputs to try: each count alone from above, from below and at one value, and corners of two counts."""
    both = np.concatenate([ours, theirs])
    n_tags = both.shape[1]
    cuts = [sorted({round(v) for v in np.quantile(both[:, i], _QUANTILES)}) for i in range(n_tags)]
    found: list[Event] = []
    for i in range(n_tags):
        for v in cuts[i]:
            found += [_above(i, v), _below(i, v), _equal(i, v)]
            found += [_corner(i, v, j, u) for j in range(n_tags) if j != i for u in cuts[j]]
    return found


def _above(i: int, v: int) -> Event:
    return lambda x: x[:, i] >= v


def _below(i: int, v: int) -> Event:
    return lambda x: x[:, i] <= v


def _equal(i: int, v: int) -> Event:
    return lambda x: x[:, i] == v


def _corner(i: int, v: int, j: int, u: int) -> Event:
    return lambda x: (x[:, i] >= v) & (x[:, j] <= u)


def outcomes(draw: Callable[[Chooser], int], least: float) -> tuple[Mapping[int, float], float]:
    """Every outcome of a sampler over every course of its choices: how likely each is, and what is left open.

    Parameters
    ----------
    draw : callable
        ``draw(choose)`` gives an outcome; ``choose(weights)`` the index of one of these probabilities.
    least : float
        A course less likely is left open: its probability belongs to some outcome.
    """
    found: dict[int, float] = {}
    left_open = 0.0
    todo: list[tuple[int, ...]] = [()]  # choices made, to be made again by the next run
    while todo:
        made = todo.pop()
        course = _Course(made, least)
        try:
            outcome = draw(course)
        except _Branches as branches:
            todo += [(*made, index) for index in range(branches.n)]
        except _TooUnlikely:
            left_open += course.chance
        else:
            found[outcome] = found.get(outcome, 0.0) + course.chance
    return found, left_open


class _Branches(Exception):  # noqa: N818 - a signal
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n


class _TooUnlikely(Exception):  # noqa: N818 - a signal
    pass


class _Course:
    """Makes the choices that it is given, and says when it is at their end."""

    def __init__(self, made: tuple[int, ...], least: float) -> None:
        self.todo = list(reversed(made))
        self.least = least
        self.chance = 1.0

    def __call__(self, weights: Sequence[float]) -> int:
        if self.chance < self.least:
            raise _TooUnlikely
        if not self.todo:
            raise _Branches(len(weights))
        index = self.todo.pop()
        self.chance *= weights[index]
        return index
