"""Which of many candidates can be among the best: a first look in single precision.

Logarithms of single precision cost a tenth of those of double precision. Scores computed in it are
off by no more than a known slack, so whoever stands further than twice that below the ``k``-th
cannot be among the ``k`` best. The others are scored again, exactly: the slate is to the
last bit what scoring everyone exactly gives.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.gather import Gathered
from recsys.learn.standing import REACH
from recsys.rank.candidates import Pool

__all__ = ["WIDE", "narrowed"]

WIDE: Final = 2048  # candidates from which a first look pays
# How far off a score of single precision is, at most, times Σ|w|. Features lie within ±64 and each is within 8 units in
# the last place, which is 64 · 2⁻²¹; their products and sum add less than 32 roundings of 64 · 2⁻²⁴.
_SLACK: Final = 64 * 2.0**-21 + 32 * 64 * 2.0**-24


def narrowed(
    pool: Pool,
    gathered: Gathered,
    utilities: NDArray[np.float32],
    w: NDArray[np.float64],
    k: int,
    spread: float | NDArray[np.float64] = 0.0,
    leads: NDArray[np.bool_] | None = None,
) -> tuple[Pool, Gathered]:
    """Leave out who cannot be among the ``k`` best, by their utilities ``w·x`` in single precision.

    ``spread`` is how much more what is yet to be added (by trees) may be for a candidate than for what stands before
    it, for all or shape (n,); ``leads`` are those, shape (n,), of whom trees of a pack speak if they are within reach
    of the first, and who therefore stay then.
    Column 0, whose features the untouched items share, always stays, and comes first. O(n).
    """
    added = pool.added()
    scores = utilities if added is None else utilities + added.astype(np.float32)
    allowed = np.ones(len(scores), np.bool_) if pool.allowed is None else pool.allowed.copy()
    held = scores[allowed]
    if k < len(held):
        slack = _SLACK * float(np.abs(w).sum() + np.abs(scores).max())
        least = np.partition(held, len(held) - k)[len(held) - k] if k else np.inf
        near = scores >= least - 2.0 * slack - spread
        allowed &= near if leads is None else near | _within_reach(utilities, leads, w)
    kept = allowed.nonzero()[0]
    columns = np.concatenate(([0], kept[kept > 0]))
    offsets = None if pool.offsets is None else pool.offsets[columns]
    slots = columns if isinstance(pool.slots, slice) else pool.slots[columns]
    ids = [pool.ids[column] for column in columns.tolist()]
    told = [one.only(columns) for one in pool.told]
    return Pool(slots, ids, allowed[columns], pool.untouched, offsets, told), gathered.only(columns)


def _within_reach(
    utilities: NDArray[np.float32], leads: NDArray[np.bool_], w: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Give who may be within reach of the first, shape (n,)."""
    held = utilities[leads]
    if len(held) <= REACH:
        return leads
    least = np.partition(held, len(held) - REACH)[len(held) - REACH]
    slack = _SLACK * float(np.abs(w).sum() + np.abs(held).max())
    near: NDArray[np.bool_] = utilities >= least - 2.0 * slack
    return near & leads
