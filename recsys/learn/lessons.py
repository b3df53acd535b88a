"""The last choices as lessons for the trees: what could be chosen, in small whole numbers, and what was.

The fold hands over every choice set that the weights learn from, with its utilities before that. Features are rounded
down to a grid that is the same for everyone, so no exact value is kept and no threshold lies between two of them. The
lessons are a part of the state, and so a pure function of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.features import FEATURES, N_FEATURES

__all__ = ["GRID", "KEPT", "LEVELS", "SPANS", "WIDEST", "Lessons", "Window", "levels_of"]

KEPT: Final = 3_200  # lessons: what every stage of the trees that may be needed was grown from (recsys.learn.stages)
WIDEST: Final = 32  # candidates of one lesson; of more, the one decided on and others at equal distances
LEVELS: Final = 255  # of each feature
UNTOUCHED: Final = np.float32(np.log(1000.0))  # the offset of what stands for everything untouched
_SLACK: Final = 256  # lessons more than are kept, so that old ones are let go of in groups

# From where to where each feature is told apart, by the group of its formula: beyond, all is the same to the trees.
_LOG_COUNT, _LIFT, _FLAG = (-3.0, 7.2), (-1.0, 11.0), (-0.5, 1.5)
_SPANS: Final = {
    **dict.fromkeys(("follows", "follows_two", "follows_at_hour", "follows_gap", "near", "context"), _LIFT),
    **dict.fromkeys(("inverse_lag", "is_last", "is_one_before", "in_session", "new"), _FLAG),
    "log_lag": (-9.5, 0.5),
    "log_age": (-12.0, 6.0),
    "last_and_gap": (-6.0, 10.0),
    "due": (-6.0, 0.5),
    "overdue": (-4.2, 4.2),
}
SPANS: Final = tuple(_SPANS.get(feature.name, _LOG_COUNT) for feature in FEATURES)
# The least value and the width of a level of each feature, shape (2, N_FEATURES).
GRID: Final = np.array([(low, (high - low) / LEVELS) for low, high in SPANS]).T
_LEAST: Final = GRID[0][:, None]
_PER_UNIT: Final = 1.0 / GRID[1][:, None]


class Window(NamedTuple):
    """Some lessons, one after another: ``m`` of them, ``n`` candidates.

    Parameters
    ----------
    levels : array of uint8, shape (n, N_FEATURES)
    utilities, offsets, given : arrays of float32, shape (n,)
        What the linear model said before it learnt, the logarithm of what each candidate stands for, and what the trees
        of the prior added (0 where it has none).
    sizes, targets : arrays of int, shape (m,)
        Candidates of each lesson, and which of them was decided on.
    weights : array of float32, shape (m,)
        Above 0: chosen. Below: turned down.
    at_us : array of int64, shape (m,)
        The time of the event with which it was learnt.
    """

    levels: NDArray[np.uint8]
    utilities: NDArray[np.float32]
    offsets: NDArray[np.float32]
    given: NDArray[np.float32]
    sizes: NDArray[np.intp]
    targets: NDArray[np.intp]
    weights: NDArray[np.float32]
    at_us: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.intp]:
        """Where each lesson begins, shape (m,)."""
        return self.sizes.cumsum() - self.sizes

    def part(self, begin: int, end: int) -> Window:
        """Give the lessons from ``begin`` up to before ``end``, by their place in this window. No copy."""
        edges = np.concatenate(([0], self.sizes.cumsum()))
        rows, some = slice(int(edges[begin]), int(edges[end])), slice(begin, end)
        return Window(*(one[rows] for one in self[:4]), *(one[some] for one in self[4:]))  # type: ignore[arg-type]

    def digest_parts(self) -> list[bytes]:
        """Give all of it but the times as bytes, little-endian."""
        kinds = ("u1", "<f4", "<f4", "<f4", "<i8", "<i8", "<f4")
        arrays: tuple[NDArray[Any], ...] = self[:7]
        return [one.astype(kind).tobytes() for one, kind in zip(arrays, kinds, strict=True)]


class Lessons:
    """The last ``KEPT`` lessons, numbered from 0 in the order in which they were learnt.

    Stability: provisional
    """

    __slots__ = ("_blocks", "_n_held", "at_us", "n")

    def __init__(self) -> None:
        self.n = 0  # ever learnt
        self.at_us = 0  # of the event being folded
        self._blocks: list[Window] = []
        self._n_held = 0

    def add(
        self,
        features: NDArray[np.float64],
        sizes: Sequence[int],
        targets: Sequence[int],
        weights: Sequence[float],
        offsets: NDArray[np.float64],
        utilities: NDArray[np.float64],
        given: NDArray[np.float64] | None = None,
    ) -> None:
        """Take in a block of choices as :meth:`recsys.learn.choice.ChoiceModel.learn` gets it. O(n d).

        ``given`` is what the prior's trees add, None where it has none.
        """
        counts, at = np.array(sizes, np.intp), np.array(targets, np.intp)
        added = np.zeros(len(utilities), np.float32) if given is None else given.astype(np.float32)
        columns = (levels_of(features).T, utilities.astype(np.float32), offsets.astype(np.float32), added)
        if counts.max() > WIDEST:
            kept, counts, at, more = _thinned(counts, at)
            columns = (columns[0][kept], columns[1][kept], columns[2][kept] + more, added[kept])
        times = np.full(len(counts), self.at_us, np.int64)
        levels = np.ascontiguousarray(columns[0])
        self._blocks.append(Window(levels, *columns[1:], counts, at, np.array(weights, np.float32), times))
        self.n += len(counts)
        self._n_held += len(counts)
        if self._n_held >= KEPT + _SLACK:
            self._restore(self.window(max(self.n - KEPT, 0), self.n))

    @property
    def first(self) -> int:
        """The number of the oldest lesson that is kept."""
        return max(self.n - KEPT, 0)

    def window(self, begin: int, end: int) -> Window:
        """Give the lessons numbered from ``begin`` up to before ``end``, all of which must be held. O(n)."""
        number, some = self.n - self._n_held, []
        for block in self._blocks:
            first, last = max(begin - number, 0), min(end - number, len(block.sizes))
            if first < last:
                some.append(block if last - first == len(block.sizes) else block.part(first, last))
            number += len(block.sizes)
        if not some:
            return _EMPTY
        return Window(*(np.concatenate(parts) for parts in zip(*some, strict=True)))

    def arrays(self) -> Window:
        """Give all lessons that are kept: equal for equal logs, however they came."""
        return self.window(self.first, self.n)

    def restore(self, n: int, held: Window) -> None:
        """Take over what :meth:`arrays` gave."""
        self.n = n
        self._restore(held)

    def _restore(self, held: Window) -> None:
        self._blocks, self._n_held = ([held] if len(held.sizes) else []), len(held.sizes)


_EMPTY: Final = Window(
    np.zeros((0, N_FEATURES), np.uint8),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.intp),
    np.zeros(0, np.intp),
    np.zeros(0, np.float32),
    np.zeros(0, np.int64),
)


def levels_of(features: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round features, shape (N_FEATURES, n), down to the grid: which level each has, 0 to 254. O(n)."""
    level = features - _LEAST
    level *= _PER_UNIT
    np.maximum(level, 0.0, out=level)
    np.minimum(level, LEVELS - 1.0, out=level)
    found: NDArray[np.uint8] = level.astype(np.uint8)
    return found


def _thinned(
    sizes: NDArray[np.intp], targets: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Leave candidates out of lessons that are too wide, at equal distances, never the one decided on nor the first.

    Which stay; sizes and targets anew; and the logarithm of what each that stays now stands for.
    """
    kept, new_sizes, new_targets, more = [], [], [], []
    begin = 0
    for size, target in zip(sizes.tolist(), targets.tolist(), strict=True):
        chosen = {0, target} if size > WIDEST else set(range(size))
        others = [i for i in range(size) if i not in chosen]
        room = WIDEST - len(chosen)
        some = others if len(others) <= room else [others[i * len(others) // room] for i in range(room)]
        columns = sorted({*chosen, *some})
        share = np.log(len(others) / len(some)) if some else 0.0
        more += [share if i in some else 0.0 for i in columns]
        kept += [begin + i for i in columns]
        new_sizes.append(len(columns))
        new_targets.append(columns.index(target))
        begin += size
    return np.array(kept, np.intp), np.array(new_sizes), np.array(new_targets), np.array(more, np.float32)
