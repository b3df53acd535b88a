"""What a person does, as decayed counts: the statistics that the features read.

Everything is kept in arrays with one slot an item (slot 0 is the item that was
never seen: all zeros, for ever), so memory grows with the number of distinct
items and never with the number of events. Three kinds of things are kept:

* **counts** that fade, at half-lives in events and in days (forward decay:
  an event adds ``2 ** ((t - landmark) / half_life)``, a reader multiplies by
  ``2 ** (-(now - landmark) / half_life)``; Cormode et al., "Forward Decay",
  ICDE 2009);
* **rhythms**: fading histograms over the local day and the local week, each
  use spread over its neighbourhood;
* **rings**: for each item the last ``RING`` uses that followed it, for each
  context value the last ``RING`` uses under it, and for each item its own last
  ``OWN_RING`` uses. An older entry is overwritten: that is how transitions are
  capped, at ``RING`` an item.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.moment import HALF_HOURS, WEEK_HOURS, Moment

__all__ = [
    "COUNT",
    "DECAYED",
    "LAST_POSITION",
    "LAST_S",
    "LOG_INTERVAL",
    "N_ROWS",
    "OWN_RING",
    "RING",
    "Behaviour",
]

DAY_S: Final = 86400.0
EVENT_HALF_LIVES: Final = (12.0, 50.0, 250.0)  # events
DAY_HALF_LIVES: Final = (0.1, 1.0, 7.0, 40.0)  # days
SHOWN_HALF_LIFE: Final = 7.0  # days
AGAINST_HALF_LIFE: Final = 40.0  # days
RHYTHM_HALF_LIFE: Final = 30.0  # days

# Rows of ``table``: first those that fade, which are uses at each half-life, impressions since the last use,
# and evidence against.
N_COUNTS: Final = len(EVENT_HALF_LIVES) + len(DAY_HALF_LIVES)
N_BY_EVENTS: Final = len(EVENT_HALF_LIVES)
SHOWN: Final = N_COUNTS
AGAINST: Final = N_COUNTS + 1
DECAYED: Final = N_COUNTS + 2
WEEK_ROW: Final = N_BY_EVENTS + 2  # the 7-day count is what transitions back off to
_RATES: Final = 1.0 / np.array(
    EVENT_HALF_LIVES + tuple(d * DAY_S for d in (*DAY_HALF_LIVES, SHOWN_HALF_LIFE, AGAINST_HALF_LIFE))
)

# Then those that do not.
COUNT: Final = DECAYED  # weight of all uses
LAST_POSITION: Final = DECAYED + 1  # in positive events, of the last use
LAST_S: Final = DECAYED + 2  # seconds, of the last use
LOG_INTERVAL: Final = DECAYED + 3  # running mean of log(seconds between uses)
N_ROWS: Final = DECAYED + 4
_LASTS: Final = slice(LAST_POSITION, LAST_S + 1)
_NEVER: Final = -1e9  # where and when the last use of an item without one was

RING: Final = 32  # uses remembered after each item and under each context value
OWN_RING: Final = 16  # uses remembered of each item
RECENT: Final = 64  # last uses, for choice sets
HEAVY: Final = 32  # most used items, for choice sets
CUES: Final = 256  # context values remembered; the one unused for longest makes room
_SPARE: Final = 24  # slots beyond a multiple of 64: rows a power of two apart would crowd one set of the CPU's cache
_LIMIT: Final = 200.0  # renormalise before 2**exponent grows past this
_RHYTHM_LIMIT: Final = 60.0  # the same for float32


def _bump(n_bins: int, width_bins: float) -> NDArray[np.float32]:
    """Gaussian bumps on a circle: row ``i`` is centred on bin ``i``; zero beyond four widths."""
    steps = np.arange(n_bins)
    distance = np.minimum(steps, n_bins - steps)
    bump = np.exp(-0.5 * (distance / width_bins) ** 2) * (distance <= 4 * width_bins)
    turned: NDArray[np.float32] = bump[np.subtract.outer(steps, steps) % n_bins].astype(np.float32)
    return turned


def _week_bump() -> NDArray[np.float32]:
    """One hour wide in the day; other working days count 0.3, weekend days 0.3 with each other, else 0.05."""
    days = np.full((7, 7), 0.05)
    days[:5, :5] = days[5:, 5:] = 0.3
    np.fill_diagonal(days, 1.0)
    return np.kron(days, _bump(24, 1.0)).astype(np.float32)


_DAY_BUMP: Final = _bump(HALF_HOURS, 1.5)
_WEEK_BUMP: Final = _week_bump()

# name: dtype, shape for one slot, which axis counts slots, value of an empty slot
_SLOTTED: Final[dict[str, tuple[str, tuple[int, ...], int]]] = {
    "table": ("f8", (N_ROWS,), 1),
    "day": ("f4", (HALF_HOURS,), 1),
    "week": ("f4", (WEEK_HOURS,), 1),
    "own_at": ("u4", (OWN_RING,), 0),
    "own_minute": ("u2", (OWN_RING,), 0),
    "own_n": ("i8", (), 0),
    "next_item": ("i4", (RING,), 0),
    "next_before": ("i4", (RING,), 0),
    "next_at": ("u4", (RING,), 0),
    "next_half_hour": ("u1", (RING,), 0),
    "next_log_gap": ("f4", (RING,), 0),
    "next_n": ("i8", (), 0),
    "shown_n": ("i4", (), 0),  # impressions since the last use
    "shown_at": ("u4", (), 0),
    "against_n": ("i4", (), 0),
    "against_at": ("u4", (), 0),
}
_FIXED: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "totals": ("f8", (DECAYED,)),
    "landmarks": ("f8", (DECAYED,)),
    "recent": ("i4", (RECENT,)),
    "heavy": ("i4", (HEAVY,)),
    "cue_item": ("i4", (CUES, RING)),
    "cue_at": ("u4", (CUES, RING)),
    "cue_n": ("i8", (CUES,)),
    "clock": ("f8", (3,)),  # newest event's second, the rhythms' landmark, whether anything happened
    "cursor": ("i8", (5,)),  # position, last item, the one before, the one before that, session start
}


class Behaviour:
    """Fading statistics of one person's uses of items.

    Reads cost O(candidates), updates O(1) in the log's length; memory is about
    1.6 kB for each distinct item.

    Stability: provisional
    """

    table: NDArray[np.float64]
    day: NDArray[np.float32]
    week: NDArray[np.float32]
    own_at: NDArray[np.uint32]
    own_minute: NDArray[np.uint16]
    own_n: NDArray[np.int64]
    next_item: NDArray[np.int32]
    next_before: NDArray[np.int32]
    next_at: NDArray[np.uint32]
    next_half_hour: NDArray[np.uint8]
    next_log_gap: NDArray[np.float32]
    next_n: NDArray[np.int64]
    shown_n: NDArray[np.int32]
    shown_at: NDArray[np.uint32]
    against_n: NDArray[np.int32]
    against_at: NDArray[np.uint32]
    totals: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    recent: NDArray[np.int32]
    heavy: NDArray[np.int32]
    cue_item: NDArray[np.int32]
    cue_at: NDArray[np.uint32]
    cue_n: NDArray[np.int64]
    clock: NDArray[np.float64]
    cursor: NDArray[np.int64]

    def __init__(self, session_gap_s: float) -> None:
        self.session_gap_s = session_gap_s
        self.slots: dict[str, int] = {}
        self.ids: list[str] = [""]
        self.cues: dict[str, int] = {}
        self._capacity = _roomy(1)
        for name, (dtype, shape, axis) in _SLOTTED.items():
            setattr(self, name, np.zeros(_with_slots(shape, axis, self._capacity), dtype))
        for name, (dtype, fixed) in _FIXED.items():
            setattr(self, name, np.zeros(fixed, dtype))
        self.table[_LASTS] = _NEVER
        self.scratch = np.zeros(self._capacity, np.intp)
        self._added = np.ones(DECAYED)

    # -- what a reader needs ------------------------------------------------

    @property
    def n_slots(self) -> int:
        """Number of slots in use, the never-seen item's among them."""
        return len(self.ids)

    @property
    def newest_s(self) -> float:
        """Second of the newest event; 0 before any."""
        return float(self.clock[0])

    @property
    def started(self) -> bool:
        """Whether anything was folded."""
        return bool(self.clock[2])

    def silence_s(self, now_s: float) -> float:
        """Give the seconds since the last use of any item, 0 before the first. What was only shown ends no silence."""
        last = int(self.cursor[1])
        return now_s - float(self.table[LAST_S, last]) if last else 0.0

    def fading(self, now_s: float) -> NDArray[np.float64]:
        """Give the factor, shape (DECAYED,), that turns the fading rows into counts as of ``now_s``."""
        exponents = self._exponents(now_s)
        np.negative(exponents, out=exponents)
        return np.exp2(exponents, out=exponents)

    def rhythm_fading(self, now_s: float) -> float:
        """Give the factor that turns ``day`` and ``week`` into counts as of ``now_s``."""
        return float(2.0 ** (-(now_s - float(self.clock[1])) / (RHYTHM_HALF_LIFE * DAY_S)))

    def ring_order(self, n_written: int, size: int) -> NDArray[np.intp]:
        """Give a ring's slots, oldest entry first."""
        if n_written <= size:
            return np.arange(n_written)
        return (np.arange(size) + n_written) % size

    # -- learning -------------------------------------------------------------

    def slot(self, item_id: str) -> int:
        """Give the item's slot, making one at its first appearance."""
        found = self.slots.get(item_id)
        if found is not None:
            return found
        new = len(self.ids)
        if new >= self._capacity:
            self._grow()
        self.slots[item_id] = new
        self.ids.append(item_id)
        return new

    def advance(self, now_s: float) -> float:
        """Move the clock to an event and return the seconds since the last use.

        What is learnt next, by ``use``, ``show`` or ``oppose``, is learnt as of that time.
        """
        if not self.clock[2]:
            self.clock[:] = (now_s, now_s, 1.0)
            self.landmarks[N_BY_EVENTS:] = now_s
        self.clock[0] = now_s
        exponents = self._exponents(now_s)
        if exponents.max() > _LIMIT:
            self._renormalise(exponents, now_s)
            exponents = self._exponents(now_s)
        if now_s - float(self.clock[1]) > _RHYTHM_LIMIT * RHYTHM_HALF_LIFE * DAY_S:
            factor = np.float32(self.rhythm_fading(now_s))
            self.day *= factor
            self.week *= factor
            self.clock[1] = now_s
        self._added = np.exp2(exponents, out=exponents)
        return self.silence_s(now_s)

    def use(self, slot: int, moment: Moment, gap_s: float, weight: float) -> None:
        """Learn that the item was used. ``weight`` > 0; ``gap_s`` from :meth:`advance`. O(1)."""
        position, last, before = self.cursor[:3].tolist()
        if gap_s > self.session_gap_s:
            self.cursor[4] = position
        if last:
            self._follow(last, before, slot, moment, gap_s)
        for cue in moment.cues:
            self._under(self._cue(cue), slot, moment.at_s)
        added = weight * self._added[:N_COUNTS]
        self.table[:N_COUNTS, slot] += added
        self.totals[:N_COUNTS] += added
        self.table[SHOWN, slot] = 0.0
        self.shown_n[slot] = 0
        self._own(slot, moment, position, weight)
        self._rhythm(slot, moment, weight)
        self.recent[position % RECENT] = slot
        self._heavy(slot)
        self.cursor[:4] = (position + 1, slot, last, before)

    def show(self, slots: NDArray[np.intp], now_s: float) -> None:
        """Learn that the items were on screen. ``slots`` are distinct."""
        self.table[SHOWN, slots] += self._added[SHOWN]
        self.shown_n[slots] += 1
        self.shown_at[slots] = int(now_s)

    def oppose(self, slot: int, now_s: float, weight: float) -> None:
        """Learn evidence against the item. ``weight`` > 0."""
        self.table[AGAINST, slot] += weight * self._added[AGAINST]
        self.against_n[slot] += 1
        self.against_at[slot] = int(now_s)

    # -- the parts of a use -----------------------------------------------------

    def _exponents(self, now_s: float) -> NDArray[np.float64]:
        age = np.empty(DECAYED)
        age[:N_BY_EVENTS] = self.cursor[0]
        age[N_BY_EVENTS:] = now_s
        age -= self.landmarks
        age *= _RATES
        return age

    def _renormalise(self, exponents: NDArray[np.float64], now_s: float) -> None:
        """Move the landmarks that are far behind to now, so that ``2 ** exponent`` stays in range."""
        due = exponents > _LIMIT
        factor = np.where(due, np.exp2(-exponents), 1.0)
        self.table[:DECAYED] *= factor[:, None]
        self.totals *= factor
        reached = np.full(DECAYED, now_s)
        reached[:N_BY_EVENTS] = self.cursor[0]
        self.landmarks = np.where(due, reached, self.landmarks)

    def _follow(self, last: int, before: int, slot: int, moment: Moment, gap_s: float) -> None:
        n = int(self.next_n[last])
        at = n % RING
        self.next_item[last, at] = slot
        self.next_before[last, at] = before
        self.next_at[last, at] = int(moment.at_s)
        self.next_half_hour[last, at] = moment.half_hour
        self.next_log_gap[last, at] = math.log(gap_s + 60.0)
        self.next_n[last] = n + 1

    def _under(self, row: int, slot: int, now_s: float) -> None:
        n = int(self.cue_n[row])
        self.cue_item[row, n % RING] = slot
        self.cue_at[row, n % RING] = int(now_s)
        self.cue_n[row] = n + 1

    def _cue(self, label: str) -> int:
        row = self.cues.pop(label, None)
        if row is None:
            row = len(self.cues)
            if row >= CUES:
                row = self.cues.pop(next(iter(self.cues)))
            self.cue_item[row] = 0
            self.cue_at[row] = 0
            self.cue_n[row] = 0
        self.cues[label] = row
        return row

    def _own(self, slot: int, moment: Moment, position: int, weight: float) -> None:
        n = int(self.own_n[slot])
        self.own_at[slot, n % OWN_RING] = int(moment.at_s)
        self.own_minute[slot, n % OWN_RING] = moment.week_minute
        self.own_n[slot] = n + 1
        if n:
            interval = math.log(max(moment.at_s - float(self.table[LAST_S, slot]), 1.0))
            mean = float(self.table[LOG_INTERVAL, slot])
            self.table[LOG_INTERVAL, slot] = mean + max(0.2, 1.0 / n) * (interval - mean)
        self.table[COUNT, slot] += weight
        self.table[LAST_S, slot] = moment.at_s
        self.table[LAST_POSITION, slot] = position

    def _rhythm(self, slot: int, moment: Moment, weight: float) -> None:
        scale = np.float32(weight / self.rhythm_fading(moment.at_s))
        self.day[:, slot] += scale * _DAY_BUMP[moment.half_hour]
        self.week[:, slot] += scale * _WEEK_BUMP[moment.week_hour]

    def _heavy(self, slot: int) -> None:
        if slot in self.heavy.tolist():
            return
        slowest = self.table[N_COUNTS - 1]
        held = slowest[self.heavy]
        weakest = held.argmin()
        if slowest[slot] > held[weakest]:
            self.heavy[weakest] = slot

    # -- storage ----------------------------------------------------------------

    def arrays(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """Give every array, by name, cut to the slots in use."""
        for name, (_, _, axis) in _SLOTTED.items():
            whole = getattr(self, name)
            yield name, whole[:, : self.n_slots] if axis else whole[: self.n_slots]
        for name in _FIXED:
            yield name, getattr(self, name)

    def restore(self, ids: list[str], cues: list[tuple[str, int]], arrays: dict[str, NDArray[np.generic]]) -> None:
        """Take back what :meth:`arrays` gave. ``ids`` without slot 0, in slot order."""
        self.ids = ["", *ids]
        self.slots = {item_id: i for i, item_id in enumerate(ids, start=1)}
        self.cues = dict(cues)
        self._capacity = _roomy(len(self.ids))
        for name, (dtype, shape, axis) in _SLOTTED.items():
            whole = np.zeros(_with_slots(shape, axis, self._capacity), dtype)
            if name == "table":
                whole[_LASTS] = _NEVER
            whole[(slice(None),) * axis + (slice(self.n_slots),)] = arrays[name]
            setattr(self, name, whole)
        for name in _FIXED:
            setattr(self, name, np.array(arrays[name]))
        self.scratch = np.zeros(self._capacity, np.intp)

    @staticmethod
    def expected(n_slots: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Give the dtype and shape of every array of :meth:`arrays` for ``n_slots`` slots."""
        slotted = {name: (dtype, _with_slots(shape, axis, n_slots)) for name, (dtype, shape, axis) in _SLOTTED.items()}
        return slotted | dict(_FIXED)

    def _grow(self) -> None:
        grown = _roomy(self._capacity)
        for name, (dtype, shape, axis) in _SLOTTED.items():
            whole = np.zeros(_with_slots(shape, axis, grown), dtype)
            if name == "table":
                whole[_LASTS] = _NEVER
            whole[(slice(None),) * axis + (slice(self._capacity),)] = getattr(self, name)
            setattr(self, name, whole)
        self.scratch = np.zeros(grown, np.intp)
        self._capacity = grown


def _roomy(n_slots: int) -> int:
    """Give a capacity for more than so many slots: about a quarter more."""
    return (n_slots + n_slots // 4 + 64) // 64 * 64 + _SPARE


def _with_slots(shape: tuple[int, ...], axis: int, n_slots: int) -> tuple[int, ...]:
    return (*shape, n_slots) if axis else (n_slots, *shape)
