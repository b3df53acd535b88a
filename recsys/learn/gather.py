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
from recsys.learn.layout import BLOCK, DECAYED, EMPTY_RING, N_BINS, N_ROWS, PAST, PAST_MASK, PLACES, RING, WEEK_ROW
from recsys.learn.moment import HALF_HOURS, Moment
from recsys.learn.versions import Versions, newest, versions

__all__ = [
    "BASE_FLOOR",
    "GAP",
    "HALF_HOUR",
    "HOUR_BIN",
    "IN_SESSION",
    "LAGS",
    "LASTS",
    "MAX_LAG",
    "NOW",
    "POSITION",
    "SHOWN_AT",
    "WEEK_BIN",
    "After",
    "Candidates",
    "Gathered",
    "Past",
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

LASTS: Final = 3  # last items that are looked for in the past
LAGS: Final = 4  # uses after each place where one of them is found that speak for what comes next
_KEPT: Final = PAST - BLOCK - LAGS  # last uses that are looked at: none is overwritten while a question waits
_CELLS: Final = 1 << 18  # of a table from questions and slots to columns, at most

# Entries of ``numbers``.
NOW, POSITION, GAP, IN_SESSION, N_SLOTS, HALF_HOUR, WEEK_HOUR, N_WAITING, SHOWN_AT = range(9)
N_NUMBERS: Final = 9

_new: Final = tuple.__new__  # a named tuple in a third of the time
_NO_CUE: Final = (0, EMPTY_RING)
Under = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
_LAST_ONES: Final = np.arange(1, LASTS + 1, dtype=np.int32)
_LAG_STEPS: Final = np.arange(1, LAGS + 1, dtype=np.int32)
_ONE: Final = np.int32(1)
_ONLY: Final = np.zeros(1, np.intp)  # the number of the one question
Candidates = Sequence[int] | NDArray[np.intp] | slice


class Question(NamedTuple):
    """One moment asked about.

    Parameters
    ----------
    numbers : tuple of float
        Time in seconds, position, silence in seconds, uses in this session, slots in use,
        half-hour, hour of the week, uses that wait, and the time of an impression to leave out.
    places : tuple of bytes
        Where the last ``LASTS`` items stand among the past uses, the last one's places first.
    cues : list of (int, bytes)
        What was used under each value of the context: see ``Behaviour.under``.
    """

    numbers: tuple[float, ...]
    places: tuple[bytes, ...]
    cues: list[tuple[int, bytes]]


class After(NamedTuple):
    """Past uses that came soon after one of the last items, and whose items are candidates; ``e`` of them.

    Parameters
    ----------
    columns : array of int, shape (e,)
        The candidate that each is a use of.
    of : array of int, shape (e,)
        The question.
    position : array of int, shape (e,)
        Its place among all uses.
    which : array of int, shape (e,)
        ``before * LAGS + lag``, both from 0: which of the last items it came after, the very last first, and how many
        uses lay between.
    """

    columns: NDArray[np.intp]
    of: NDArray[np.intp]
    position: NDArray[np.int32]
    which: NDArray[np.intp]


class Past(NamedTuple):
    """The last ``PAST`` uses, each at its position modulo ``PAST``; arrays of shape (PAST,).

    Parameters
    ----------
    item : array of int32
        The slot.
    at : array of uint32
        The second.
    log_gap : array of float32
        log(seconds of silence before it + 60).
    half_hour : array of uint8
        Of the local day.
    """

    item: NDArray[np.int32]
    at: NDArray[np.uint32]
    log_gap: NDArray[np.float32]
    half_hour: NDArray[np.uint8]


class Gathered(NamedTuple):
    """Raw values of ``n`` columns of candidates, for ``m`` questions.

    Parameters
    ----------
    columns : array of float64, shape (N_COLUMN_ROWS, n)
    of : array of int, shape (n,), or None
        The question that each column belongs to; None when there is one question.
    numbers : array of float64, shape (N_NUMBERS, m)
    factors : array of float64, shape (DECAYED + 2, m)
        What turns the fading rows and the rhythms into counts as of each question, and the scale of shares.
    past : Past
        Not a copy: it changes with the next event.
    after : After
        Question by question, in the order of the places; equal orders for equal questions.
    under : list of (array of int, shape (c,), array of int, shape (c,), array of int, shape (m,))
        For each value of the context the columns of candidates that were used under it, in ascending order, how often,
        and how many uses under it there are.
    n_cues : array of int, shape (m,)
    """

    columns: NDArray[np.float64]
    of: NDArray[np.intp] | None
    numbers: NDArray[np.float64]
    factors: NDArray[np.float64]
    past: Past
    after: After
    under: list[Under]
    n_cues: NDArray[np.intp]

    def only(self, columns: NDArray[np.intp]) -> Gathered:
        """Keep some columns, in ascending order, where there is one question."""
        return self._replace(
            columns=self.columns[:, columns],
            after=_after_among(columns, self.after),
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
        len(b.ids),
        minute % 1440 // 30,
        minute // 60,
        b.n_waiting,
        _NOT_SHOWN if shown_at_s is None else shown_at_s,
    )
    return _new(Question, (numbers, b.places_of_last(LASTS), [b.under(cue) for cue in cues]))


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
    numbers = np.fromiter(chain.from_iterable([q.numbers for q in questions]), np.float64, N_NUMBERS * len(questions))
    numbers = numbers.reshape(-1, N_NUMBERS).T
    half_hour, week_hour, n_waiting = numbers[HALF_HOUR : N_WAITING + 1].astype(np.intp)
    found, at = versions(b), _at(candidates)
    columns = _columns(b, at, half_hour, week_hour)
    if b.n_waiting:
        have, entry = _waiting(b, at, n_waiting, found)
        columns[:N_ROWS, have] = found.table.take(entry, axis=1)
        if rhythm is None:
            columns[N_ROWS:, have] = found.bins(b, int(half_hour[0]), int(week_hour[0])).take(entry, axis=1)
        else:
            columns[HOUR_BIN, have] = rhythm[entry, at.each(half_hour, have)]
            columns[WEEK_BIN, have] = rhythm[entry, at.each(week_hour, have) + HALF_HOURS]
    places = np.frombuffer(b"".join(chain.from_iterable([q.places for q in questions])), np.int32)
    where = _Where(at, len(questions), len(b.ids))
    after = _after(b, where, places.reshape(-1, LASTS, PLACES), numbers[POSITION].astype(np.int64))
    n_cues = [len(q.cues) for q in questions]
    under = [_under(where, questions, layer) for layer in range(max(n_cues))]
    factors = _factors(b, numbers, found)
    past = Past(b.past_item, b.past_at, b.past_log_gap, b.past_half_hour)
    return Gathered(columns, at.of, numbers, factors, past, after, under, np.array(n_cues))


class _At(NamedTuple):
    """The candidates: their slots, how many, and the question each belongs to, None for the one there is."""

    slots: NDArray[np.intp] | slice
    n: int
    of: NDArray[np.intp] | None

    def each(self, values: NDArray[np.intp], chosen: NDArray[np.intp] | None = None) -> NDArray[np.intp] | np.intp:
        """Give the questions' values for all candidates or those chosen: one number where there is one question."""
        if self.of is None:
            return values[0]  # type: ignore[no-any-return]
        return values[self.of] if chosen is None else values[self.of[chosen]]


def _at(candidates: Sequence[Candidates]) -> _At:
    if len(candidates) == 1:
        only = candidates[0]
        if isinstance(only, slice):
            return _At(only, only.stop - only.start, None)
        slots = np.asarray(only, np.intp)
        return _At(slots, len(slots), None)
    sizes = list(map(len, candidates))  # type: ignore[arg-type]
    n = sum(sizes)
    slots = np.fromiter(chain.from_iterable(candidates), np.intp, n)  # type: ignore[arg-type]
    return _At(slots, n, np.arange(len(sizes)).repeat(sizes))


class _Where:
    """Where each question's candidates are: from an item to one more than its column, to 0 where it is none of them.

    A table with a cell for each question and slot, and one more for nobody; made for some questions at a time where it
    would grow too large.
    """

    def __init__(self, at: _At, n_questions: int, n_slots: int) -> None:
        self.at, self.n_questions, self.n_cells = at, n_questions, n_slots + 1
        self.step = max(_CELLS // self.n_cells, 1)
        self.whole = None if isinstance(at.slots, slice) or n_questions > self.step else self._table(0)

    def find(self, of: NDArray[np.intp], items: NDArray[np.int32]) -> NDArray[np.int32]:
        """Look up items, shape (e, k); row by row of the question ``of``, which ascends."""
        if isinstance(self.at.slots, slice):
            columns = items - np.int32(self.at.slots.start - 1)
            columns *= (items >= self.at.slots.start) & (items < self.at.slots.stop)
            return columns
        if self.n_questions == 1 and self.whole is not None:
            return self.whole.take(items)
        if self.whole is not None:
            return self.whole.take(items + self._begin(of))
        found = np.empty(items.shape, np.int32)
        for begin in range(0, self.n_questions, self.step):
            some = slice(*of.searchsorted((begin, begin + self.step)))
            found[some] = self._table(begin).take(items[some] + self._begin(of[some] - begin))
        return found

    def _begin(self, of: NDArray[np.intp]) -> NDArray[np.intp]:
        return (of * self.n_cells + 1)[:, None]  # a question's first cell is nobody's, whose number is -1

    def _table(self, begin: int) -> NDArray[np.int32]:
        of, slots = self.at.of, np.asarray(self.at.slots, np.intp)
        if of is None:  # the one question's last cell is nobody's
            table = np.zeros(self.n_cells, np.int32)
            table[slots] = np.arange(1, len(slots) + 1, dtype=np.int32)
            return table
        first, last = of.searchsorted((begin, begin + self.step))
        table = np.zeros(min(self.step, self.n_questions - begin) * self.n_cells, np.int32)
        table[slots[first:last] + (of[first:last] - begin) * self.n_cells + 1] = np.arange(first + 1, last + 1)
        return table


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


def _after(b: Behaviour, where: _Where, places: NDArray[np.int32], position: NDArray[np.int64]) -> After:
    """Look what came within ``LAGS`` uses after each place of the last items, shape (m, LASTS, PLACES). O(m + n)."""
    now = position.astype(np.int32)
    newest = now[:, None] - _LAST_ONES  # where the last items themselves stand
    held = places < newest[:, :, None]
    held &= places >= np.maximum(now - _KEPT, 0)[:, None, None]
    entries = held.reshape(-1).nonzero()[0]
    row = entries // PLACES  # question * LASTS + before
    found = places.reshape(-1).take(entries)[:, None] + _LAG_STEPS
    if len(now) == 1:
        of, before = _ONLY.repeat(len(row)), row
        kept = found < now
    else:
        of = row // LASTS
        before = row - of * LASTS
        kept = found < now.take(of)[:, None]
    columns = where.find(of, b.past_item.take(found & PAST_MASK))
    kept &= columns > 0
    kept_cells = kept.reshape(-1).nonzero()[0]
    entry = kept_cells // LAGS
    which = before.take(entry)
    which -= entry
    which *= LAGS
    which += kept_cells  # before * LAGS + lag
    return After(columns.reshape(-1).take(kept_cells) - _ONE, of.take(entry), found.reshape(-1).take(kept_cells), which)


def _after_among(columns: NDArray[np.intp], after: After) -> After:
    """Keep the uses of some of the candidates, whose columns are given in ascending order."""
    at = columns.searchsorted(after.columns)
    kept = (columns.take(at, mode="clip") == after.columns).nonzero()[0]
    return After(at[kept], *(values[kept] for values in after[1:]))


def _among(
    columns: NDArray[np.intp], named: NDArray[np.intp], values: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the places in ``columns`` of those that are named there, and their values."""
    at = columns.searchsorted(named)
    kept = (columns.take(at, mode="clip") == named).nonzero()[0]
    return at[kept], values[kept]


def _under(where: _Where, questions: Sequence[Question], layer: int) -> Under:
    """Count the uses under the questions' value number ``layer``; see ``Gathered.under``."""
    values = [q.cues[layer] if layer < len(q.cues) else _NO_CUE for q in questions]
    rings = np.frombuffer(b"".join([ring for _, ring in values]), np.int32).reshape(-1, RING)
    columns = where.find(np.arange(len(values)), rings)
    uses = np.bincount(columns.reshape(-1))[1:]
    used = uses.nonzero()[0]
    return used, uses[used], np.array([size for size, _ in values])
