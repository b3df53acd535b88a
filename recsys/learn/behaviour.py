"""What a person does, as decayed counts: the statistics that the features read.

Everything is kept in arrays with one slot an item (slot 0 is the item that was
never seen: nothing, for ever), so memory grows with the number of distinct
items and never with the number of events. Three kinds of things are kept:

* **counts** that fade, at half-lives in events and in days (forward decay:
  an event adds ``2 ** ((t - landmark) / half_life)``, a reader multiplies by
  ``2 ** (-(now - landmark) / half_life)``; Cormode et al., "Forward Decay",
  ICDE 2009);
* **rhythms**: fading histograms over the local day and the local week, each
  use spread over its neighbourhood;
* **rings**: the last ``PAST`` uses, for each item where among them its own last
  ``PLACES`` stand, for each context value the last ``RING`` uses under it, and
  for each item when its own last ``OWN_RING`` uses were. An older entry is
  overwritten: that is how transitions are capped, at ``PLACES`` an item.

Rings take a use at once. Counts and rhythms take up to ``BLOCK`` uses together,
in a few matrix products: until :meth:`Behaviour.merge` a use *waits*, and a
reader adds what waits (:mod:`recsys.learn.versions`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.learn.layout import (
    AGAINST,
    BLOCK,
    CUES,
    DECAYED,
    EMPTY_RING,
    ENTRY,
    FAR_EVENTS,
    FAR_S,
    FIXED,
    HEAVY,
    LAST_S,
    LOG_INTERVAL,
    N_BY_EVENTS,
    N_COUNTS,
    NOBODY,
    OWN_RING,
    PAST,
    PLACES,
    PLACES_BYTES,
    RATES,
    RECENT,
    RHYTHM_FAR_S,
    RHYTHM_RATE,
    RING,
    SHOWN,
    SLOTTED,
    WAITING,
    WEEK_ROW,
    Arrays,
    allotted,
    roomy,
)
from recsys.learn.moment import Moment

if TYPE_CHECKING:
    from recsys.learn.versions import Versions

__all__ = ["Behaviour"]

_RINGS = ("past_item", "past_at", "past_log_gap", "past_half_hour", "cue_item", "cue_at", "cue_n", "waiting")

_NEWEST_WEIGHS = 0.2  # the newest interval in an item's usual one, after the first five
_AT, _INTERVAL = WAITING.index("at_s"), WAITING.index("log_interval")


class Behaviour:
    """Fading statistics of one person's uses of items.

    Reads cost O(candidates), updates O(1) in the log's length; memory is about
    1.3 kB for each distinct item.

    Stability: provisional
    """

    table: NDArray[np.float64]
    rhythm: NDArray[np.float32]
    own_at: NDArray[np.uint32]
    own_minute: NDArray[np.uint16]
    own_n: NDArray[np.int64]
    places: NDArray[np.int32]
    shown_n: NDArray[np.int32]
    shown_at: NDArray[np.uint32]
    against_n: NDArray[np.int32]
    against_at: NDArray[np.uint32]
    cue_item: NDArray[np.int32]
    cue_at: NDArray[np.uint32]
    cue_n: NDArray[np.int64]
    past_item: NDArray[np.int32]
    past_at: NDArray[np.uint32]
    past_log_gap: NDArray[np.float32]
    past_half_hour: NDArray[np.uint8]
    waiting: NDArray[np.float64]

    def __init__(self, session_gap_s: float) -> None:
        self.session_gap_s = session_gap_s
        self.slots: dict[str, int] = {}
        self.ids: list[str] = [""]
        self.cues: dict[str, int] = {}
        self.recent: list[int] = [0] * RECENT
        self.heavy: list[int] = [0] * HEAVY
        self.fresh: dict[int, int] = {}  # slot -> its newest use among those that wait
        self.versions: Versions | None = None  # kept until another use waits
        self.started, self.newest_s, self.last_s = False, 0.0, 0.0
        self.landmark_s = self.landmark_position = self.rhythm_landmark_s = self.uses_week = 0.0
        self.position = self.last = self.session_start = self.n_waiting = 0
        for name in _RINGS:
            dtype, shape = FIXED[name]
            setattr(self, name, np.zeros(shape, dtype))
        self.cue_item[:] = NOBODY
        self._set_far()
        self._allot(roomy(1))

    # -- what a reader needs ------------------------------------------------

    @property
    def n_slots(self) -> int:
        """Number of slots in use, the never-seen item's among them."""
        return len(self.ids)

    def last_uses_s(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        """Give when each item was used last, in seconds; long ago for never."""
        at_s: NDArray[np.float64] = self.table[LAST_S, slots]
        for i, slot in enumerate(slots.tolist()):
            if slot in self.fresh:
                at_s[i] = self._waiting[self.fresh[slot], _AT]
        return at_s

    def exponents(self, position: NDArray[np.float64], at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give, for moments of shape (n,), half-lives since the landmarks, shape (DECAYED, n)."""
        since = np.empty((DECAYED, len(at_s)))
        since[:N_BY_EVENTS] = position - self.landmark_position
        since[N_BY_EVENTS:] = at_s - self.landmark_s
        since *= RATES[:, None]
        return since

    def rhythm_exponents(self, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give, for moments of shape (n,), half-lives of the rhythms since their landmark."""
        return (at_s - self.rhythm_landmark_s) * RHYTHM_RATE

    def places_of_last(self, n: int) -> tuple[bytes, ...]:
        """Copy where the last ``n`` items stand among the past uses, the last one's places first."""
        newest, places = self.recent[-n:], self._places_bytes
        return tuple([places[slot * PLACES_BYTES : (slot + 1) * PLACES_BYTES].tobytes() for slot in reversed(newest)])

    def newest_followers(self, n: int) -> list[int]:
        """Give the newest ``n`` uses after the last item, fewer if there are fewer, in any order."""
        last = self.last
        n_written, begin = self._own_n[last], last * PLACES
        end = n_written % PLACES
        places = self._places[begin + max(end - n - 1, 0) : begin + end].tolist()  # the newest is the last use itself
        if n_written > end and n + 1 > end:
            places += self._places[begin + PLACES - (n + 1 - end) : begin + PLACES].tolist()
        oldest, last_place, item = self.position - PAST, self.position - 1, self._past_item
        return [item[(place + 1) % PAST] for place in places if oldest < place < last_place]

    def followers(self, slot: int) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
        """Give what came right after each remembered use of an item, and in which second; shapes (n,)."""
        after = self.places[slot].astype(np.int64) + 1
        cells = after[(after > max(self.position - PAST, 0)) & (after < self.position)] % PAST
        return self.past_item[cells], self.past_at[cells]

    def under(self, cue: str) -> tuple[int, bytes]:
        """Copy what was used under a context value: how many entries, and the ring of items."""
        row = self.cues.get(cue)
        if row is None:
            return 0, EMPTY_RING
        n = self._cue_n[row]
        return min(RING, n), self._cue_item[row * RING : row * RING + RING].tobytes()

    # -- learning -------------------------------------------------------------

    def slot(self, item_id: str) -> int:
        """Give the item's slot, making one at its first appearance."""
        found = self.slots.get(item_id)
        if found is not None:
            return found
        new = len(self.ids)
        if new >= self._capacity:
            self._allot(roomy(self._capacity), {name: getattr(self, name) for name in SLOTTED}, self._capacity)
        self.slots[item_id] = new
        self.ids.append(item_id)
        return new

    def must_merge(self, now_s: float) -> bool:
        """Whether what waits must be merged before an event: there is no room, or the landmarks are too far behind."""
        return self.n_waiting == BLOCK or now_s > self._far_s

    def advance(self, now_s: float) -> float:
        """Move the clock to an event and return the seconds since the last use, 0 before the first.

        What was only shown ends no silence. Needs ``must_merge`` to be false.

        What is learnt next, by ``use``, ``show`` or ``oppose``, is learnt as of that time.
        """
        if now_s > self._far_s:
            self._move_landmarks(now_s)
        self.newest_s = now_s
        return now_s - self.last_s if self.last else 0.0

    def use(self, slot: int, moment: Moment, gap_s: float, weight: float) -> None:
        """Learn that the item was used. ``weight`` > 0; ``gap_s`` from :meth:`advance`. O(1)."""
        position = self.position
        at_s, minute = moment.at_s, moment.week_minute
        half_hour, second = minute % 1440 // 30, int(at_s)
        if gap_s > self.session_gap_s:
            self.session_start = position
        at = position % PAST
        self._past_item[at], self._past_at[at] = slot, second
        self._past_log_gap[at], self._past_half_hour[at] = math.log(gap_s + 60.0), half_hour
        for cue in moment.cues:
            self._under(self._cue(cue), slot, second)
        interval = self._own(slot, at_s, second, minute)
        entry = self.n_waiting
        ENTRY.pack_into(
            self._waiting_bytes, entry * ENTRY.size, slot, at_s, weight, position, half_hour, minute // 60, interval
        )
        self.n_waiting = entry + 1
        self.versions = None
        self.fresh[slot] = entry
        self._shown_n[slot] = 0
        self.recent.append(slot)
        if len(self.recent) > 4 * RECENT:
            del self.recent[:-RECENT]
        self.position, self.last, self.last_s = position + 1, slot, at_s

    def show(self, slots: NDArray[np.intp], now_s: float) -> None:
        """Learn that the items were on screen. ``slots`` are distinct; nothing may wait."""
        self.table[SHOWN, slots] += self._weight_now(SHOWN, now_s)
        self.shown_n[slots] += 1
        self.shown_at[slots] = int(now_s)

    def oppose(self, slot: int, now_s: float, weight: float) -> None:
        """Learn evidence against the item. ``weight`` > 0; nothing may wait."""
        self.table[AGAINST, slot] += weight * self._weight_now(AGAINST, now_s)
        self.against_n[slot] += 1
        self.against_at[slot] = int(now_s)

    def merge(self, found: Versions, rhythm: NDArray[np.float32]) -> None:
        """Take in the uses that wait, as their versions say."""
        touched, newest = list(self.fresh), list(self.fresh.values())
        self.table[:, touched] = found.table[:, newest]
        self.rhythm[touched] = rhythm[newest]
        self.uses_week = float(found.uses_week[-1])
        self.versions = None
        self.waiting[: self.n_waiting] = 0.0
        self.n_waiting = 0
        self.fresh.clear()
        pool = np.array(sorted({*self.heavy, *touched} - {0}))
        order = np.argsort(-self.table[N_COUNTS - 1, pool], kind="stable")[:HEAVY]
        self.heavy = [*pool[order].tolist(), *[0] * (HEAVY - len(order))]
        if self.position - self.landmark_position > FAR_EVENTS:
            self._move_landmarks(self.newest_s)

    # -- the parts of a use -----------------------------------------------------

    def _move_landmarks(self, now_s: float) -> None:
        """Move the landmarks to now, so that ``2 ** exponent`` stays in range. O(items)."""
        if self.started:
            here, now = np.array([float(self.position)]), np.array([now_s])
            factors = np.exp2(-self.exponents(here, now))
            self.table[:DECAYED] *= factors
            self.uses_week *= float(factors[WEEK_ROW, 0])
            if now_s - self.rhythm_landmark_s > RHYTHM_FAR_S:
                self.rhythm *= np.exp2(-self.rhythm_exponents(now)).astype(np.float32)
                self.rhythm_landmark_s = now_s
        else:
            self.started, self.rhythm_landmark_s = True, now_s
        self.landmark_s, self.landmark_position = now_s, float(self.position)
        self.versions = None
        self._set_far()

    def _set_far(self) -> None:
        """Say from when on the landmarks must move; at once before any event."""
        far_s = min(self.landmark_s + FAR_S, self.rhythm_landmark_s + RHYTHM_FAR_S)
        self._far_s = far_s if self.started else -math.inf

    def _weight_now(self, row: int, now_s: float) -> float:
        return float(np.exp2((now_s - self.landmark_s) * RATES[row]))

    def _under(self, row: int, slot: int, second: int) -> None:
        n = self._cue_n[row]
        self._cue_n[row] = n + 1
        at = row * RING + n % RING
        self._cue_item[at] = slot
        self._cue_at[at] = second

    def _cue(self, label: str) -> int:
        row = self.cues.pop(label, None)
        if row is None:
            row = len(self.cues)
            if row >= CUES:
                row = self.cues.pop(next(iter(self.cues)))
            self.cue_item[row] = NOBODY
            self.cue_at[row] = 0
            self.cue_n[row] = 0
        self.cues[label] = row
        return row

    def _own(self, slot: int, at_s: float, second: int, minute: int) -> float:
        """Remember a use in its item's own ring; the item's usual interval after it."""
        n = self._own_n[slot]
        self._own_n[slot] = n + 1
        self._places[slot * PLACES + n % PLACES] = self.position
        at = slot * OWN_RING + n % OWN_RING
        self._own_at[at] = second
        self._own_minute[at] = minute
        if not n:
            return 0.0
        entry = self.fresh.get(slot)
        if entry is None:
            before_s, mean = self._table[LAST_S, slot], self._table[LOG_INTERVAL, slot]
        else:
            before_s, mean = self._waiting[entry, _AT], self._waiting[entry, _INTERVAL]
        since_s = at_s - before_s
        interval = math.log(since_s) if since_s > 1.0 else 0.0
        mean += max(_NEWEST_WEIGHS, 1.0 / n) * (interval - mean)
        return float(mean)

    # -- storage ----------------------------------------------------------------

    def arrays(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """Give every array, by name, cut to the slots in use."""
        for name, (_, _, axis) in SLOTTED.items():
            whole = getattr(self, name)
            yield name, whole[:, : self.n_slots] if axis else whole[: self.n_slots]
        landmarks = (self.landmark_s, self.landmark_position, self.rhythm_landmark_s)
        cursor = (self.position, self.last, self.session_start, self.n_waiting)
        for name in _RINGS:
            yield name, getattr(self, name)
        yield "recent", np.array(self.recent[-RECENT:], np.int32)
        yield "heavy", np.array(self.heavy, np.int32)
        yield "clock", np.array((self.started, self.newest_s, self.last_s, *landmarks, self.uses_week))
        yield "cursor", np.array(cursor, np.int64)

    def restore(self, ids: list[str], cues: list[tuple[str, int]], arrays: dict[str, NDArray[np.generic]]) -> None:
        """Take back what :meth:`arrays` gave. ``ids`` without slot 0, in slot order."""
        self.ids = ["", *ids]
        self.slots = {item_id: i for i, item_id in enumerate(ids, start=1)}
        self.cues = dict(cues)
        for name in _RINGS:
            getattr(self, name)[:] = arrays[name]
        self.recent, self.heavy = arrays["recent"].tolist(), arrays["heavy"].tolist()
        started, self.newest_s, self.last_s, *landmarks, self.uses_week = arrays["clock"].tolist()
        self.started = bool(started)
        self.landmark_s, self.landmark_position, self.rhythm_landmark_s = landmarks
        cursor = arrays["cursor"].tolist()
        self.position, self.last, self.session_start, self.n_waiting = cursor
        self.fresh = {int(self.waiting[entry, 0]): entry for entry in range(self.n_waiting)}
        self._set_far()
        self._allot(roomy(len(self.ids)), arrays, len(self.ids))

    def _allot(self, capacity: int, given: Arrays | None = None, n_given: int = 0) -> None:
        """Make the arrays with one entry an item, the first of which may be given, and look at them."""
        self._capacity = capacity
        for name, array in allotted(capacity, given, n_given).items():
            setattr(self, name, array)
        self._look()

    def _look(self) -> None:
        """Look at the arrays through memory views: a single cell costs half as much that way."""
        self._places, self._places_bytes = _flat(self.places), self.places.data.cast("B")
        self._past_item, self._past_at = _flat(self.past_item), _flat(self.past_at)
        self._past_log_gap, self._past_half_hour = _flat(self.past_log_gap), _flat(self.past_half_hour)
        self._own_n, self._shown_n = _flat(self.own_n), _flat(self.shown_n)
        self._own_at, self._own_minute = _flat(self.own_at), _flat(self.own_minute)
        self._cue_item, self._cue_at, self._cue_n = _flat(self.cue_item), _flat(self.cue_at), _flat(self.cue_n)
        self._table, self._waiting = self.table.data, self.waiting.data
        self._waiting_bytes = self._waiting.cast("B")


def _flat(array: NDArray[np.generic]) -> Any:
    return array.data.cast("B").cast(array.dtype.char)  # type: ignore[arg-type]
