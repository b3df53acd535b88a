"""What the uses that wait change, without changing it yet.

For each use that waits, its item's *version* right after it: the column of
statistics as if that use and all before it had been merged. A reader takes the
newest version before the moment asked about, or else the merged statistics;
merging takes the newest version of each item. With ``S`` (n, n) the 0/1 matrix of
which earlier use was of the same item, all versions are a few products with ``S``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.learn.layout import BLOCK, COUNT, LAST_POSITION, LAST_S, LOG_INTERVAL, N_BINS, N_COUNTS, SHOWN, WEEK_ROW
from recsys.learn.moment import HALF_HOURS
from recsys.learn.rhythm import bin_bumps, rhythm_bumps

__all__ = ["Versions", "merged", "newest", "versions"]

_BEFORE: Final = np.tri(BLOCK)  # which uses are not after which
_ENTRIES: Final = np.arange(BLOCK)
_PIECE: Final = 54  # bins multiplied at once: few enough that BLAS keeps to one thread, and wakes no other
_KEYS: Final = BLOCK + 1  # entries an item's key has room for


class Versions(NamedTuple):
    """The versions of ``n`` uses that wait.

    Parameters
    ----------
    keys : array of int, shape (1 + n,)
        Sorted: first -1, then ``slot * _KEYS + entry`` of each use.
    table : array of float64, shape (N_ROWS, n)
        The columns of ``Behaviour.table``.
    uses_week : array of float64, shape (1 + n,)
        All uses, fading by half every week, before the first use and after each.
    slots, half_hour, week_hour : arrays of int, shape (n,)
        Of which item, and when, each use was.
    spread : array of float32, shape (n, n)
        What each version has of each use's bump over the rhythms.
    asked : dict
        The bins that were asked for last.
    """

    keys: NDArray[np.intp]
    table: NDArray[np.float64]
    uses_week: NDArray[np.float64]
    slots: NDArray[np.intp]
    half_hour: NDArray[np.intp]
    week_hour: NDArray[np.intp]
    spread: NDArray[np.float32]
    asked: dict[tuple[int, int], NDArray[np.float32]]

    def rhythm(self, b: Behaviour) -> NDArray[np.float32]:
        """Give the rows of ``Behaviour.rhythm``, shape (n, N_BINS). O(n² N_BINS)."""
        bumps = rhythm_bumps(self.half_hour, self.week_hour)
        rhythm: NDArray[np.float32] = b.rhythm[self.slots]
        for at in range(0, N_BINS, _PIECE):
            rhythm[:, at : at + _PIECE] += self.spread @ bumps[:, at : at + _PIECE]
        return rhythm

    def bins(self, b: Behaviour, half_hour: int, week_hour: int) -> NDArray[np.float32]:
        """Give two bins of the rhythms alone, shape (2, n), and keep them for the next question. O(n²)."""
        key = (half_hour, week_hour)
        if key not in self.asked:
            bins: NDArray[np.float32] = bin_bumps(*key, self.half_hour, self.week_hour) @ self.spread.T
            bins += b.rhythm[self.slots, ((half_hour,), (HALF_HOURS + week_hour,))]
            self.asked.clear()
            self.asked[key] = bins
        return self.asked[key]


def versions(b: Behaviour) -> Versions:
    """Compute the versions of all uses that wait, once until another does; pure. O(n²)."""
    if b.versions is None:
        b.versions = _versions(b)
    return b.versions


def _versions(b: Behaviour) -> Versions:
    n = b.n_waiting
    slots_f, at_s, weight, position, half_hour, week_hour, interval = b.waiting[:n].T
    slots = slots_f.astype(np.intp)
    same = _BEFORE[:n, :n] * (slots[:, None] == slots)
    table = b.table.take(slots, axis=1)
    added = np.exp2(b.exponents(position, at_s)[:N_COUNTS])
    added *= weight
    table[:N_COUNTS] += added @ same.T
    table[SHOWN] = 0.0
    table[COUNT] += same @ weight
    table[LAST_POSITION] = position
    table[LAST_S] = at_s
    table[LOG_INTERVAL] = interval
    keys = np.empty(n + 1, np.intp)
    keys[0] = -1
    keys[1:] = slots * _KEYS + _ENTRIES[:n]
    keys[1:].sort()
    uses_week = np.empty(n + 1)
    uses_week[0] = b.uses_week
    uses_week[1:] = added[WEEK_ROW]
    uses_week.cumsum(out=uses_week)
    spread = (same * (weight * np.exp2(b.rhythm_exponents(at_s)))).astype(np.float32)
    times = half_hour.astype(np.intp), week_hour.astype(np.intp)
    return Versions(keys, table, uses_week, slots, *times, spread, {})


def newest(
    found: Versions, slots: NDArray[np.intp], n_before: NDArray[np.intp] | np.intp
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give which of the slots have a version among the first ``n_before`` uses that wait, and its entry.

    ``n_before`` is one number, or one for each slot.
    """
    begin = slots * _KEYS
    entry = found.keys[found.keys.searchsorted(begin + n_before) - 1] - begin
    have = (entry >= 0).nonzero()[0]
    return have, entry[have]


def merged(b: Behaviour) -> NDArray[np.float64]:
    """Give ``Behaviour.table``, cut to the slots in use, as if what waits had been merged; pure. O(items)."""
    table = b.table[:, : b.n_slots].copy()
    table[:, list(b.fresh)] = versions(b).table[:, list(b.fresh.values())]
    return table
