"""How a use at one time speaks for other times: bumps over the local day and the local week."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.layout import N_BINS
from recsys.learn.moment import HALF_HOURS

__all__ = ["bin_bumps", "rhythm_bumps"]


def _bump(n_bins: int, width_bins: float) -> NDArray[np.float64]:
    """Gaussian bumps on a circle: row ``i`` is centred on bin ``i``; zero beyond four widths."""
    steps = np.arange(n_bins)
    distance = np.minimum(steps, n_bins - steps)
    bump = np.exp(-0.5 * (distance / width_bins) ** 2) * (distance <= 4 * width_bins)
    turned: NDArray[np.float64] = bump[np.subtract.outer(steps, steps) % n_bins]
    return turned


def _week_bump() -> NDArray[np.float64]:
    """One hour wide in the day; other working days count 0.3, weekend days 0.3 with each other, else 0.05."""
    days = np.full((7, 7), 0.05)
    days[:5, :5] = days[5:, 5:] = 0.3
    np.fill_diagonal(days, 1.0)
    return np.kron(days, _bump(24, 1.0))


_DAY_BUMP: Final = _bump(HALF_HOURS, 1.5).astype(np.float32)
_WEEK_BUMP: Final = _week_bump().astype(np.float32)


def rhythm_bumps(half_hour: NDArray[np.intp], week_hour: NDArray[np.intp]) -> NDArray[np.float32]:
    """Give what uses at these times add to all bins of a rhythm, shape (n, N_BINS)."""
    bumps = np.empty((len(half_hour), N_BINS), np.float32)
    bumps[:, :HALF_HOURS] = _DAY_BUMP[half_hour]
    bumps[:, HALF_HOURS:] = _WEEK_BUMP[week_hour]
    return bumps


def bin_bumps(day: int, week: int, half_hour: NDArray[np.intp], week_hour: NDArray[np.intp]) -> NDArray[np.float32]:
    """Give what uses at these times add to one bin of the day and one of the week, shape (2, n)."""
    bumps = np.empty((2, len(half_hour)), np.float32)
    _DAY_BUMP[day].take(half_hour, out=bumps[0])  # as symmetric as the circle
    _WEEK_BUMP[week].take(week_hour, out=bumps[1])
    return bumps
