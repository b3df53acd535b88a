"""What the features need of the statistics at one moment, copied out in a few steps.

Gathering is the part that must happen before the statistics move on; the
arithmetic that makes features of it (:mod:`recsys.learn.features`) can wait and
be done for many choices at once.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import DAY_S, DECAYED, N_ROWS, RING, SHOWN_HALF_LIFE, WEEK_ROW, Behaviour
from recsys.learn.moment import Moment

__all__ = [
    "BASE_FLOOR",
    "CONTEXT",
    "HALF_HOUR",
    "HOUR_BIN",
    "IN_SESSION",
    "LOG_GAP",
    "LOG_GAP_HOURS",
    "MAX_LAG",
    "NOW",
    "N_COLUMN_ROWS",
    "N_RING_ROWS",
    "N_SCALARS",
    "OFFSET",
    "PLACE",
    "POSITION",
    "RHYTHM_FADING",
    "RING_AT",
    "RING_HALF_HOUR",
    "RING_LOG_GAP",
    "RING_PLACE",
    "RING_SAME",
    "SHARE_SCALE",
    "SHOWN_ONCE",
    "WEEK_BIN",
    "Gathered",
    "gather",
]

BASE_FLOOR: Final = 0.02  # what an item without uses has of the share that transitions back off to
MAX_LAG: Final = 1e4

# Rows of ``columns``: those of ``Behaviour.table``, then the two rhythms, then these.
HOUR_BIN: Final = N_ROWS
WEEK_BIN: Final = N_ROWS + 1
PLACE: Final = N_ROWS + 2  # 1 + an entry of the ring that names the candidate, 0 for none
CONTEXT: Final = N_ROWS + 3
OFFSET: Final = N_ROWS + 4  # added to the column's utility when a choice is learnt; no feature
N_COLUMN_ROWS: Final = N_ROWS + 5

# Rows of ``ring``: what followed the last item, an entry a column.
RING_PLACE, RING_SAME, RING_AT, RING_HALF_HOUR, RING_LOG_GAP = range(5)
N_RING_ROWS: Final = 5

# Entries of ``scalars``: the factors of the fading rows, then these.
(
    RHYTHM_FADING,
    SHARE_SCALE,
    NOW,
    POSITION,
    IN_SESSION,
    LOG_GAP_HOURS,
    LOG_GAP,
    HALF_HOUR,
    SHOWN_ONCE,
) = range(DECAYED, DECAYED + 9)
N_SCALARS: Final = DECAYED + 9

_PLACES: Final = np.arange(1, RING + 1)


class Gathered(NamedTuple):
    """Raw values, all float64: ``columns`` (18, n candidates), ``ring`` (5, m entries), ``scalars`` (18,)."""

    columns: NDArray[np.float64]
    ring: NDArray[np.float64]
    scalars: NDArray[np.float64]


def gather(
    b: Behaviour, slots: NDArray[np.intp] | slice, moment: Moment, *, shown_at_s: float | None = None
) -> Gathered:
    """Copy out what the candidates' features need; see :func:`recsys.learn.features.feature_matrix`. O(n)."""
    now_s = max(moment.at_s, b.newest_s) if b.started else moment.at_s
    gap_s = b.silence_s(now_s)
    position, last, before, _, session_start = b.cursor.tolist()
    scalars = np.empty(N_SCALARS)
    fading = b.fading(now_s)
    scalars[:DECAYED] = fading
    scalars[DECAYED:] = (
        b.rhythm_fading(now_s),
        1.0 / (float(b.totals[WEEK_ROW]) * float(fading[WEEK_ROW]) + BASE_FLOOR * b.n_slots),
        now_s,
        position,
        0.0 if gap_s > b.session_gap_s else min(position - session_start, MAX_LAG - 1.0),
        math.log(gap_s / 3600.0 + 0.02),
        math.log(gap_s + 60.0),
        moment.half_hour,
        0.0 if shown_at_s is None else 2.0 ** (-(now_s - shown_at_s) / (SHOWN_HALF_LIFE * DAY_S)),
    )
    columns = _columns(b, slots, moment)
    ring = _ring(b, last, before, slots, columns)
    if moment.cues:
        columns[CONTEXT] = _context(b, moment, slots, columns, scalars)
    return Gathered(columns, ring, scalars)


def _columns(b: Behaviour, slots: NDArray[np.intp] | slice, moment: Moment) -> NDArray[np.float64]:
    if isinstance(slots, slice):
        whole = b.table[:, slots]
        columns = np.empty((N_COLUMN_ROWS, whole.shape[1]))
        columns[:N_ROWS] = whole
    else:
        columns = np.empty((N_COLUMN_ROWS, len(slots)))
        b.table.take(slots, axis=1, out=columns[:N_ROWS], mode="clip")  # all in range: "clip" spares a buffer
    columns[HOUR_BIN] = b.day[moment.half_hour][slots]
    columns[WEEK_BIN] = b.week[moment.week_hour][slots]
    columns[PLACE:] = 0.0
    return columns


def _ring(
    b: Behaviour, last: int, before: int, slots: NDArray[np.intp] | slice, columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Copy what followed the last item, and say which candidate stands where in it."""
    size = min(int(b.next_n[last]), RING)
    ring = np.empty((N_RING_ROWS, size))
    if size:
        items, scratch = b.next_item[last, :size], b.scratch
        scratch[items] = _PLACES[:size]
        ring[RING_PLACE] = scratch[items]
        columns[PLACE] = scratch[slots]
        scratch[items] = 0
        ring[RING_SAME] = b.next_before[last, :size] == before
        ring[RING_AT] = b.next_at[last, :size]
        ring[RING_HALF_HOUR] = b.next_half_hour[last, :size]
        ring[RING_LOG_GAP] = b.next_log_gap[last, :size]
    return ring


def _context(
    b: Behaviour,
    moment: Moment,
    slots: NDArray[np.intp] | slice,
    columns: NDArray[np.float64],
    scalars: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean over the context's values of ``log((v + share) / ((V + 1)·share))``."""
    share = (columns[WEEK_ROW] * scalars[WEEK_ROW] + BASE_FLOOR) * scalars[SHARE_SCALE]
    mean = np.zeros(columns.shape[1])
    scratch = b.scratch
    for row in [b.cues[cue] for cue in moment.cues if cue in b.cues]:
        size = min(int(b.cue_n[row]), RING)
        items = b.cue_item[row, :size]
        scratch[items] = _PLACES[:size]
        uses = np.bincount(scratch[items], minlength=RING + 1)[scratch[slots]]
        scratch[items] = 0
        mean += np.log((uses / share + 1.0) / (size + 1.0))
    mean /= len(moment.cues)
    return mean
