"""What the features need to know of a question, and of the candidates it is asked about.

A *question* is one moment: a ranking now, or a choice that was made. :func:`ask`
copies what will have changed when the answer is worked out (rings and a few
numbers); :func:`gather` looks up the candidates of many questions at once.
The arithmetic that makes features of it is :mod:`recsys.learn.features`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.learn.layout import DECAYED, EMPTY_RING, FOLLOWERS, N_BINS, N_ROWS, RING, WEEK_ROW
from recsys.learn.moment import HALF_HOURS, Moment
from recsys.learn.versions import Versions, newest, versions

__all__ = [
    "BASE_FLOOR",
    "BEFORE",
    "GAP",
    "HALF_HOUR",
    "HOUR_BIN",
    "IN_SESSION",
    "MAX_LAG",
    "NOW",
    "POSITION",
    "SHOWN_AT",
    "WEEK_BIN",
    "Candidates",
    "Gathered",
    "Question",
    "ask",
    "gather",
]

BASE_FLOOR: Final = 0.02  # what an item without uses has of the share that transitions back off to
MAX_LAG: Final = 1e4
_NOT_SHOWN: Final = -1e300  # the time of an impression to leave out, where there is none

HOUR_BIN: Final = N_ROWS  # rows of ``columns``: those of ``Behaviour.table``, then the two bins of the rhythms
WEEK_BIN: Final = N_ROWS + 1
N_COLUMN_ROWS: Final = N_ROWS + 2

# Entries of ``numbers``.
NOW, POSITION, GAP, IN_SESSION, BEFORE, N_SLOTS, HALF_HOUR, WEEK_HOUR, N_WAITING, SHOWN_AT = range(10)

_new: Final = tuple.__new__  # a named tuple in a third of the time
_NO_NAMES: Final = np.empty((0, 1), np.int32)  # not needed of a slice
_NO_CUE: Final = (0, EMPTY_RING)
Under = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
Candidates = Sequence[int] | NDArray[np.intp] | slice


class Question(NamedTuple):
    """One moment asked about.

    Parameters
    ----------
    numbers : tuple of float
        Time in seconds, position, silence in seconds, uses in this session, the item before the last, slots in use,
        half-hour, hour of the week, uses that wait, and the time of an impression to leave out.
    ring : bytes
        What followed the last item, a record of ``FOLLOWERS``.
    cues : list of (int, bytes)
        What was used under each value of the context: see ``Behaviour.under``.
    """

    numbers: tuple[float, ...]
    ring: bytes
    cues: list[tuple[int, bytes]]


class Gathered(NamedTuple):
    """Raw values of ``n`` columns of candidates, for ``m`` questions.

    Parameters
    ----------
    columns : array of float64, shape (N_COLUMN_ROWS, n)
    of : array of int, shape (n,), or None
        The question that each column belongs to; None when there is one question.
    numbers : array of float64, shape (10, m)
    factors : array of float64, shape (DECAYED + 2, m)
        What turns the fading rows and the rhythms into counts as of each question, and the scale of shares.
    ring : array of FOLLOWERS, shape (m,)
    named : pair of arrays of int
        Columns and the entries, over all rings one after another, that name their candidates.
    under : list of (array of int, shape (c,), array of int, shape (c,), array of int, shape (m,))
        For each value of the context the columns of candidates that were used under it, in ascending order, how often,
        and how many uses under it there are.
    n_cues : array of int, shape (m,)
    """

    columns: NDArray[np.float64]
    of: NDArray[np.intp] | None
    numbers: NDArray[np.float64]
    factors: NDArray[np.float64]
    ring: NDArray[np.void]
    named: tuple[NDArray[np.intp], NDArray[np.intp]]
    under: list[Under]
    n_cues: NDArray[np.intp]

    def only(self, columns: NDArray[np.intp]) -> Gathered:
        """Keep some columns, in ascending order, where there is one question."""
        return self._replace(
            columns=self.columns[:, columns],
            named=_among(columns, *self.named),
            under=[(*_among(columns, *used), sizes) for *used, sizes in self.under],
        )


def ask(b: Behaviour, moment: Moment, shown_at_s: float | None = None) -> Question:
    """Copy what a question needs that the next events will change. O(1)."""
    now_s, minute, cues = moment
    if b.started and now_s < b.newest_s:
        now_s = b.newest_s
    gap_s, in_session = 0.0, b.position - b.session_start
    if b.last:
        gap_s = now_s - b.last_s
        if gap_s > b.session_gap_s:
            in_session = 0
    numbers = (
        now_s,
        b.position,
        gap_s,
        in_session if in_session < MAX_LAG else MAX_LAG - 1.0,
        b.before,
        len(b.ids),
        minute % 1440 // 30,
        minute // 60,
        b.n_waiting,
        _NOT_SHOWN if shown_at_s is None else shown_at_s,
    )
    return _new(Question, (numbers, b.follows_last(), [b.under(cue) for cue in cues]))


def gather(
    b: Behaviour,
    questions: Sequence[Question],
    candidates: Sequence[Candidates],
    rhythm: NDArray[np.float32] | None = None,
) -> Gathered:
    """Look up the candidates of each question as of its moment.

    ``rhythm`` are the versions of the rhythms of what waits; without them, as much is computed as one question needs.
    A slice stands for all slots in it, where there is one question. O(n).
    """
    numbers = np.fromiter(chain.from_iterable([q.numbers for q in questions]), np.float64, 10 * len(questions))
    numbers = numbers.reshape(-1, 10).T
    half_hour, week_hour, n_waiting = numbers[HALF_HOUR : N_WAITING + 1].astype(np.intp)
    found, at = versions(b), _at(candidates)
    columns = _columns(b, at, half_hour, week_hour)
    if b.n_waiting:
        have, entry = _waiting(b, at, n_waiting, found)
        columns[:N_ROWS, have] = found.table[:, entry]
        if rhythm is None:
            columns[N_ROWS:, have] = found.bins(b, int(half_hour[0]), int(week_hour[0]))[:, entry]
        else:
            columns[HOUR_BIN, have] = rhythm[entry, at.each(half_hour, have)]
            columns[WEEK_BIN, have] = rhythm[entry, at.each(week_hour, have) + HALF_HOURS]
    rings = np.frombuffer(b"".join([q.ring for q in questions]), FOLLOWERS)
    n_cues = [len(q.cues) for q in questions]
    under = [_under(at, questions, layer) for layer in range(max(n_cues))]
    factors = _factors(b, numbers, found)
    return Gathered(columns, at.of, numbers, factors, rings, _named(at, rings["item"]), under, np.array(n_cues))


class _At(NamedTuple):
    """Where the candidates are: their slots, how many, and the question each belongs to, None for the one there is.

    ``names`` are the slots again, shape (n, 1), as rings spell them.
    """

    slots: NDArray[np.intp] | slice
    n: int
    of: NDArray[np.intp] | None
    names: NDArray[np.int32]

    def each(self, values: NDArray[np.intp], chosen: NDArray[np.intp] | None = None) -> NDArray[np.intp] | np.intp:
        """Give the questions' values for all candidates or those chosen: one number where there is one question."""
        if self.of is None:
            return values[0]  # type: ignore[no-any-return]
        return values[self.of] if chosen is None else values[self.of[chosen]]


def _at(candidates: Sequence[Candidates]) -> _At:
    if len(candidates) == 1:
        only = candidates[0]
        if isinstance(only, slice):
            return _At(only, only.stop - only.start, None, _NO_NAMES)
        slots = np.asarray(only, np.intp)
        return _At(slots, len(slots), None, slots.astype(np.int32)[:, None])
    sizes = list(map(len, candidates))  # type: ignore[arg-type]
    n = sum(sizes)
    slots = np.fromiter(chain.from_iterable(candidates), np.intp, n)  # type: ignore[arg-type]
    return _At(slots, n, np.arange(len(sizes)).repeat(sizes), slots.astype(np.int32)[:, None])


def _columns(b: Behaviour, at: _At, half_hour: NDArray[np.intp], week_hour: NDArray[np.intp]) -> NDArray[np.float64]:
    """Copy what is merged."""
    columns = np.empty((N_COLUMN_ROWS, at.n))
    if isinstance(at.slots, slice):
        columns[:N_ROWS] = b.table[:, at.slots]
        columns[HOUR_BIN] = b.rhythm[at.slots, half_hour[0]]
        columns[WEEK_BIN] = b.rhythm[at.slots, week_hour[0] + HALF_HOURS]
    else:
        b.table.take(at.slots, axis=1, out=columns[:N_ROWS], mode="clip")  # all in range: "clip" spares a buffer
        cells, begin = b.rhythm.reshape(-1), at.slots * N_BINS
        columns[HOUR_BIN] = cells.take(begin + at.each(half_hour))
        columns[WEEK_BIN] = cells.take(begin + at.each(week_hour) + HALF_HOURS)
    return columns


def _waiting(
    b: Behaviour, at: _At, n_before: NDArray[np.intp], found: Versions
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the columns that something waits for, and the entry of each one's version."""
    if not isinstance(at.slots, slice):
        return newest(found, at.slots, at.each(n_before))
    touched, entry = np.array(list(b.fresh), np.intp), np.array(list(b.fresh.values()), np.intp)
    inside = (touched >= at.slots.start) & (touched < at.slots.stop)
    return touched[inside] - at.slots.start, entry[inside]


def _factors(b: Behaviour, numbers: NDArray[np.float64], found: Versions) -> NDArray[np.float64]:
    factors = np.empty((DECAYED + 2, numbers.shape[1]))
    powers, fading = factors[: DECAYED + 1], factors[:DECAYED]
    powers[:DECAYED] = b.exponents(numbers[POSITION], numbers[NOW])
    powers[DECAYED] = b.rhythm_exponents(numbers[NOW])
    np.exp2(np.negative(powers, out=powers), out=powers)
    uses_week = found.uses_week[numbers[N_WAITING].astype(np.intp)] * fading[WEEK_ROW]
    np.divide(1.0, uses_week + BASE_FLOOR * numbers[N_SLOTS], out=factors[DECAYED + 1])
    return factors


def _named(at: _At, items: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the columns named by the entries of the questions' rings, shape (m, RING), and those entries.

    Sorted by column, then by entry.
    """
    if isinstance(at.slots, slice):
        items = items[0]
        entries = ((items >= at.slots.start) & (items < at.slots.stop)).nonzero()[0]
        return items[entries].astype(np.intp) - at.slots.start, entries
    if at.of is None:
        columns, entries = (at.names == items).nonzero()
        return columns, entries
    hits = (at.names == items.take(at.of, axis=0)).ravel().nonzero()[0]
    columns = hits // RING
    return columns, hits + (at.of[columns] - columns) * RING


def _among(
    columns: NDArray[np.intp], named: NDArray[np.intp], values: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the places in ``columns`` of those that are named there, and their values."""
    at = columns.searchsorted(named)
    kept = (columns.take(at, mode="clip") == named).nonzero()[0]
    return at[kept], values[kept]


def _under(at: _At, questions: Sequence[Question], layer: int) -> Under:
    """Count the uses under the questions' value number ``layer``; see ``Gathered.under``."""
    values = [q.cues[layer] if layer < len(q.cues) else _NO_CUE for q in questions]
    named, _ = _named(at, np.frombuffer(b"".join([ring for _, ring in values]), np.int32).reshape(-1, RING))
    uses = np.bincount(named, minlength=at.n)
    columns = uses.nonzero()[0]
    return columns, uses[columns], np.array([size for size, _ in values])
