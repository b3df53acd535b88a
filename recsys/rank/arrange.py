"""From scores to an ordered list: the best first, or drawn with known probabilities.

Choices are Plackett–Luce, so exploring is adding Gumbel noise: ordering by
``u_i / τ + G_i`` with independent standard Gumbel ``G_i`` draws a list in which
the item at each position was drawn from those left with probability
``exp(u_i/τ) / Σ_left exp(u_j/τ)`` (Yellott 1977). That is the propensity kept with each position.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.rank.candidates import Pool

__all__ = ["Placed", "place"]

_BLOCK: Final = 64
_FEW: Final = 256
_OPEN: Final = 1e-12  # keeps logarithms of uniform draws finite

Placed = tuple[str, int, float, float]  # item id, column, score, propensity


def place(pool: Pool, scores: NDArray[np.float64], k: int, explore: float, seed: int | None) -> list[Placed]:
    """Order the candidates.

    Parameters
    ----------
    pool : Pool
        The candidates; its untouched ones share the score of column 0, and add to it what is told of each.
    scores : array of float64, shape (n_columns,)
        Utilities, offsets included; finite.
    k : int
        At most how many to give, best first.
    explore : float
        Temperature ``τ``: 0 orders by score, ties by item id; above, draws.
    seed : int or None
        Seed of the draws; None draws anew each time.

    Returns
    -------
    list of (item id, column, score, propensity)
        O(n + k log k).
    """
    if explore > 0:
        return _drawn(pool, scores, k, explore, seed)
    kept = scores if pool.allowed is None else np.where(pool.allowed, scores, -np.inf)
    best = _best(kept, k, pool)
    if pool.untouched:
        best += _best_untouched(float(scores[0]), pool, k)
        best.sort()
    return [(item_id, column, -minus, 1.0) for minus, item_id, column in best[:k]]


def _best_untouched(shared: float, pool: Pool, k: int) -> list[tuple[float, str, int]]:
    """Give the ``k`` best untouched as ``_best`` does, in no order."""
    if not pool.told:
        return [(-shared, item_id, 0) for item_id in pool.untouched[:k]]
    scores = pool.added_untouched()
    scores += shared
    chosen = _at_least(scores, k)
    if len(chosen) > k > 0:  # of equals the first are enough: ids ascend
        of_chosen = scores[chosen]
        least = np.partition(of_chosen, len(chosen) - k)[len(chosen) - k]
        chosen = np.concatenate([chosen[of_chosen > least], chosen[of_chosen == least][:k]])
    return [(-s, pool.untouched[i], 0) for s, i in zip(scores[chosen].tolist(), chosen.tolist(), strict=True)]


def _best(scores: NDArray[np.float64], k: int, pool: Pool) -> list[tuple[float, str, int]]:
    """Give the ``k`` greatest as ``(-score, id, column)``, sorted; minus infinity is left out."""
    columns = _at_least(scores, k)
    columns = columns[scores[columns] > -np.inf]
    ids = pool.ids
    found = [(-s, ids[c], c) for s, c in zip(scores[columns].tolist(), columns.tolist(), strict=True)]
    found.sort()
    return found[:k]


def _at_least(scores: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    """Give where the ``k`` greatest stand, and what equals the last of them, and a few more. O(n + k).

    The ``k``-th greatest of the maxima of blocks is no greater than the ``k``-th greatest of all.
    """
    n = len(scores)
    n_blocks = max(n // _BLOCK, 1)
    if not 0 < k < n:
        return np.arange(n if k else 0)
    if k < n_blocks:
        maxima = scores[: n_blocks * _BLOCK].reshape(_BLOCK, n_blocks).max(axis=0)
        least = np.partition(maxima, n_blocks - k)[n_blocks - k]
        some: NDArray[np.intp] = (scores >= least).nonzero()[0]
        if least > -np.inf:
            return some if len(some) <= _FEW else some[_at_least_exactly(scores[some], k)]
    return _at_least_exactly(scores, k)


def _at_least_exactly(scores: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    n = len(scores)
    return (scores >= np.partition(scores, n - k)[n - k]).nonzero()[0] if k < n else np.arange(n)


def _drawn(pool: Pool, scores: NDArray[np.float64], k: int, explore: float, seed: int | None) -> list[Placed]:
    columns = np.arange(len(scores)) if pool.allowed is None else np.flatnonzero(pool.allowed)
    order = sorted(columns.tolist(), key=pool.ids.__getitem__)  # draws do not depend on the order of the columns
    column = np.array(order + [0] * len(pool.untouched), np.intp)
    if not len(column):
        return []
    score = scores[column]
    if pool.told and pool.untouched:
        score[len(order) :] += pool.added_untouched()
    utility = score / explore
    uniform = np.random.default_rng(seed).random(len(column))
    noisy = utility - np.log(-np.log(np.clip(uniform, _OPEN, 1.0 - _OPEN)))
    drawn = np.argsort(-noisy, kind="stable")[:k]
    # The logarithm of what was left at each position: all, less those above; summed from the last one.
    left = np.logaddexp.accumulate([_log_sum(np.delete(utility, drawn)), *utility[drawn][::-1]])[:0:-1]
    propensity = np.exp(utility[drawn] - left)
    tiny = np.finfo(np.float64).tiny
    return [
        (
            pool.ids[order[i]] if i < len(order) else pool.untouched[i - len(order)],
            int(column[i]),
            float(score[i]),
            min(max(p, tiny), 1.0),
        )
        for i, p in zip(drawn.tolist(), propensity.tolist(), strict=True)
    ]


def _log_sum(utility: NDArray[np.float64]) -> float:
    """Give ``log Σ exp(u)`` without overflow or underflow; minus infinity for none."""
    if not len(utility):
        return -np.inf
    most = float(utility.max())
    return most + float(np.log(np.exp(utility - most).sum()))
