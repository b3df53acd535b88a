"""Time two things in turns, so that whatever else the machine does falls on both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Timing", "in_turns", "timing"]

Call = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Timing:
    """The median, the 99th percentile and the mean of single calls, microseconds."""

    p50_us: float
    p99_us: float
    mean_us: float
    n: int


def in_turns(calls: Sequence[Call], n: int, *, warm_up: int = 0) -> list[Timing]:
    """Call each with 0, 1, ..., n - 1 in turns, the first one changing every round; time every call.

    Parameters
    ----------
    calls : sequence of callable
        Each is given the number of the round; what it returns is dropped.
    n : int
        Rounds timed, at least 1.
    warm_up : int
        Rounds before those, not timed; they go on with the numbers from n.
    """
    for i in range(n, n + warm_up):
        for call in calls:
            call(i)
    taken_ns = np.zeros((len(calls), n), dtype=np.int64)
    for i in range(n):
        for turn in range(len(calls)):
            which = (turn + i) % len(calls)
            start = time.perf_counter_ns()
            calls[which](i)
            taken_ns[which, i] = time.perf_counter_ns() - start
    return [timing(row / 1000.0) for row in taken_ns]


def timing(taken_us: NDArray[np.float64]) -> Timing:
    """Return the percentiles of single times, microseconds."""
    p50, p99 = np.percentile(taken_us, [50.0, 99.0])
    return Timing(float(p50), float(p99), float(taken_us.mean()), len(taken_us))
