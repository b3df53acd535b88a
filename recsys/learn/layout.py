"""How the statistics lie in memory: half-lives, the rows and columns of every array, and their room to grow.

A table of arrays, ``SLOTTED`` (one entry an item) and ``FIXED`` (as many as they are),
is all that storage, growth and checkpoints go by.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.moment import HALF_HOURS, WEEK_HOURS

__all__ = [
    "AGAINST",
    "BLOCK",
    "COUNT",
    "CUES",
    "DAY_HALF_LIVES",
    "DAY_S",
    "DECAYED",
    "EMPTY_RING",
    "ENTRY",
    "EVENT_HALF_LIVES",
    "FAR_EVENTS",
    "FAR_S",
    "FIXED",
    "HEAVY",
    "LAST_POSITION",
    "LAST_S",
    "LOG_INTERVAL",
    "NOBODY",
    "N_BINS",
    "N_BY_EVENTS",
    "N_COUNTS",
    "N_ROWS",
    "OWN_RING",
    "PAST",
    "PAST_MASK",
    "PLACES",
    "PLACES_BYTES",
    "RATES",
    "RECENT",
    "RHYTHM_FAR_S",
    "RHYTHM_HALF_LIFE",
    "RHYTHM_RATE",
    "RING",
    "SHOWN",
    "SLOTTED",
    "WAITING",
    "WEEK_ROW",
    "Arrays",
    "Dtype",
    "allotted",
    "expected",
    "roomy",
    "with_slots",
]

Arrays = Mapping[str, NDArray[np.generic]]
Dtype = str

DAY_S: Final = 86400.0
EVENT_HALF_LIVES: Final = (12.0, 50.0, 250.0)  # events
DAY_HALF_LIVES: Final = (0.1, 1.0, 7.0, 40.0)  # days
RHYTHM_HALF_LIFE: Final = 30.0  # days
_SHOWN_HALF_LIFE: Final = 7.0  # days
_AGAINST_HALF_LIFE: Final = 40.0  # days

# Rows of ``table``: first those that fade, which are uses at each half-life, impressions since the last use,
# and evidence against.
N_COUNTS: Final = len(EVENT_HALF_LIVES) + len(DAY_HALF_LIVES)
N_BY_EVENTS: Final = len(EVENT_HALF_LIVES)
SHOWN: Final = N_COUNTS
AGAINST: Final = N_COUNTS + 1
DECAYED: Final = N_COUNTS + 2
WEEK_ROW: Final = N_BY_EVENTS + 2  # the 7-day count is what transitions back off to
RATES: Final = 1.0 / np.array(
    EVENT_HALF_LIVES + tuple(d * DAY_S for d in (*DAY_HALF_LIVES, _SHOWN_HALF_LIFE, _AGAINST_HALF_LIFE))
)
RHYTHM_RATE: Final = 1.0 / (RHYTHM_HALF_LIFE * DAY_S)

# Then those that do not.
COUNT: Final = DECAYED  # weight of all uses
LAST_POSITION: Final = DECAYED + 1  # in positive events, of the last use
LAST_S: Final = DECAYED + 2  # seconds, of the last use
LOG_INTERVAL: Final = DECAYED + 3  # running mean of log(seconds between uses)
N_ROWS: Final = DECAYED + 4
_NEVER: Final = -1e9  # where and when the last use of an item without one was
NOBODY: Final = -1  # in an entry of a ring that was never written

N_BINS: Final = HALF_HOURS + WEEK_HOURS  # of ``rhythm``: the day's, then the week's

# Columns of ``waiting``, one row a use.
WAITING: Final = ("slot", "at_s", "weight", "position", "half_hour", "week_hour", "log_interval")
ENTRY: Final = struct.Struct(f"={len(WAITING)}d")

BLOCK: Final = 64  # uses merged, and choices learnt from, at once, at most
RING: Final = 32  # uses remembered under each context value
OWN_RING: Final = 16  # uses remembered of each item
PAST: Final = 4096  # last uses remembered of all items: which, when, after how long a silence
PAST_MASK: Final = np.int32(PAST - 1)  # a position and this is its cell: PAST is a power of two
PLACES: Final = 64  # of each item, which of these uses were its own: the newest ones
PLACES_BYTES: Final = 4 * PLACES
RECENT: Final = 64  # last uses, for choice sets
HEAVY: Final = 32  # most used items, for choice sets
CUES: Final = 256  # context values remembered; the one unused for longest makes room
_SPARE: Final = 24  # slots beyond a multiple of 64: rows a power of two apart would crowd one set of the CPU's cache
_LIMIT: Final = 200.0  # the landmarks move when an event is so many of the shortest half-lives away from them
FAR_EVENTS: Final = _LIMIT * min(EVENT_HALF_LIVES)
FAR_S: Final = _LIMIT * min(DAY_HALF_LIVES) * DAY_S
RHYTHM_FAR_S: Final = 60.0 * RHYTHM_HALF_LIFE * DAY_S  # fewer: these are kept in float32
EMPTY_RING: Final = np.full(RING, NOBODY, np.int32).tobytes()

# name: dtype, shape for one slot, which axis counts slots
SLOTTED: Final[dict[str, tuple[Dtype, tuple[int, ...], int]]] = {
    "table": ("f8", (N_ROWS,), 1),
    "rhythm": ("f4", (N_BINS,), 0),
    "own_at": ("u4", (OWN_RING,), 0),
    "own_minute": ("u2", (OWN_RING,), 0),
    "own_n": ("i8", (), 0),
    "places": ("i4", (PLACES,), 0),  # positions; NOBODY where there is none
    "shown_n": ("i4", (), 0),  # impressions since the last use
    "shown_at": ("u4", (), 0),
    "against_n": ("i4", (), 0),
    "against_at": ("u4", (), 0),
}
FIXED: Final[dict[str, tuple[Dtype, tuple[int, ...]]]] = {
    "past_item": ("i4", (PAST,)),  # at its position modulo PAST
    "past_at": ("u4", (PAST,)),  # second
    "past_log_gap": ("f4", (PAST,)),  # log(seconds of silence before it + 60)
    "past_half_hour": ("u1", (PAST,)),  # of the local day
    "cue_item": ("i4", (CUES, RING)),
    "cue_at": ("u4", (CUES, RING)),
    "cue_n": ("i8", (CUES,)),
    "waiting": ("f8", (BLOCK, len(WAITING))),
    "recent": ("i4", (RECENT,)),  # the newest last; 0 before the first
    "heavy": ("i4", (HEAVY,)),  # as of the last merge, the most used first
    # whether anything happened, newest event's second, last use's, the landmarks: second, position, rhythms' second;
    # all uses fading by half every week
    "clock": ("f8", (7,)),
    "cursor": ("i8", (4,)),  # position, last item, session start, uses that wait
}


def allotted(capacity: int, given: Arrays | None = None, n_given: int = 0) -> dict[str, NDArray[np.generic]]:
    """Make the arrays of ``SLOTTED`` with room for so many slots, the first of which are given."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, (dtype, shape, axis) in SLOTTED.items():
        whole = arrays[name] = np.zeros(with_slots(shape, axis, capacity), dtype)
        if name == "table":
            whole[LAST_POSITION : LAST_S + 1] = _NEVER
        elif name == "places":
            whole[:] = NOBODY
        if given is not None:
            whole[(slice(None),) * axis + (slice(n_given),)] = given[name]
    return arrays


def expected(n_slots: int) -> dict[str, tuple[Dtype, tuple[int, ...]]]:
    """Give the dtype and shape of every array for ``n_slots`` slots, as ``Behaviour.arrays`` gives them."""
    slotted = {name: (dtype, with_slots(shape, axis, n_slots)) for name, (dtype, shape, axis) in SLOTTED.items()}
    return slotted | dict(FIXED)


def roomy(n_slots: int) -> int:
    """Give a capacity for more than so many slots: about a quarter more."""
    return (n_slots + n_slots // 4 + 64) // 64 * 64 + _SPARE


def with_slots(shape: tuple[int, ...], axis: int, n_slots: int) -> tuple[int, ...]:
    """Give the shape of an array of so many slots."""
    return (*shape, n_slots) if axis else (n_slots, *shape)
