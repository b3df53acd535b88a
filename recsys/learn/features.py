"""The features of a candidate: pure functions of the log before the moment asked about.

All are logarithms, ratios or flags, so that weights carry from one domain to
another. A constant added to one feature for every candidate changes no ranking
and no choice probability, so normalisers that are the same for all candidates
are left out.

The matrix is kept feature by feature, shape ``(n_features, n_candidates)``: its
transpose is the ``X`` of the choice model's formulas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import (
    COUNT,
    DAY_S,
    DECAYED,
    LOG_INTERVAL,
    N_COUNTS,
    N_ROWS,
    RING,
    SHOWN,
    SHOWN_HALF_LIFE,
    WEEK_ROW,
    Behaviour,
)
from recsys.learn.moment import HALF_HOURS, Moment

__all__ = ["FEATURES", "FEATURE_VERSION", "N_FEATURES", "Feature", "feature_matrix"]

FEATURE_VERSION: Final = 1  # raise it when any feature changes: checkpoints and priors depend on it


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature's name, the group its reason belongs to, and its meaning."""

    name: str
    group: str
    meaning: str


# The order is that in which they are computed: the rows of ``Behaviour.table`` first, then all others that end in
# a logarithm, then the rest.
FEATURES: Final = (
    Feature("uses_12_events", "frequency", "log of uses, fading by half every 12 events"),
    Feature("uses_50_events", "frequency", "log of uses, fading by half every 50 events"),
    Feature("uses_250_events", "frequency", "log of uses, fading by half every 250 events"),
    Feature("uses_2_hours", "recency", "log of uses, fading by half every 2.4 hours"),
    Feature("uses_day", "frequency", "log of uses, fading by half every day"),
    Feature("uses_week", "frequency", "log of uses, fading by half every week"),
    Feature("uses_40_days", "frequency", "log of uses, fading by half every 40 days"),
    Feature("shown", "fatigue", "log of fading impressions since its last use"),
    Feature("against", "feedback", "log of fading evidence against it"),
    Feature("uses_ever", "frequency", "log of all uses"),
    Feature("log_lag", "recency", "minus log of events since the last use"),
    Feature("log_age", "recency", "minus log of hours since the last use"),
    Feature("hour", "rhythm", "log of fading uses near this time of day"),
    Feature("week_hour", "rhythm", "log of fading uses near this hour of the week"),
    Feature("follows", "sequence", "log lift of following the last item"),
    Feature("follows_two", "sequence", "log lift of following the last two items"),
    Feature("follows_at_hour", "sequence", "log lift of following the last item near this time of day, lately"),
    Feature("follows_gap", "sequence", "log lift of following the last item after a silence like this one, lately"),
    Feature("inverse_lag", "recency", "1 / events since the last use"),
    Feature("is_last", "sequence", "whether it is the item used last"),
    Feature("is_one_before", "sequence", "whether it is the item used before the last"),
    Feature("in_session", "recency", "whether it was used in this session"),
    Feature("last_and_gap", "sequence", "for the item used last: log of hours since"),
    Feature("due", "interval", "how near the time since its last use is to its usual interval"),
    Feature("overdue", "interval", "log of time since its last use over its usual interval"),
    Feature("context", "context", "mean log lift under each value of the context"),
    Feature("new", "frequency", "whether it was never used"),
)
N_FEATURES: Final = len(FEATURES)
_ROW: Final = {feature.name: i for i, feature in enumerate(FEATURES)}
_EVER, _LOG_LAG, _LOG_AGE, _HOUR = (_ROW[n] for n in ("uses_ever", "log_lag", "log_age", "hour"))
_INVERSE_LAG, _IS_LAST, _IS_BEFORE, _IN_SESSION = (
    _ROW[n] for n in ("inverse_lag", "is_last", "is_one_before", "in_session")
)
_LAST_GAP, _DUE, _OVERDUE, _CONTEXT, _NEW = (_ROW[n] for n in ("last_and_gap", "due", "overdue", "context", "new"))
_TABLE: Final = slice(0, N_ROWS)  # the last of its rows, the interval, is moved on before ``hour`` takes its place
_FOLLOWS: Final = slice(_ROW["follows"], _ROW["follows_gap"] + 1)
_LOGS: Final = slice(0, _FOLLOWS.stop)

_KAPPA: Final = np.array([1.0, 0.5, 0.5, 0.5])[:, None]  # pseudo-uses given to the share backed off to
# What is added before the logarithm: to fading counts, impressions and evidence against, all uses, lag, hours,
# rhythms, lifts.
_FLOORS: Final = np.array([0.05] * N_COUNTS + [1.0, 1.0, 0.3, 0.0, 0.02, 0.1, 0.1, *_KAPPA[:, 0]])[:, None]
_BASE_FLOOR: Final = 0.02  # what an item without uses has of the share that transitions back off to
_MAX_AGE_S: Final = 3e8
_MAX_LAG: Final = 1e4
_HOUR_S: Final = 3600.0
_FOLLOW_HALF_LIFE_S: Final = 30 * DAY_S
_GAP_WIDTH: Final = 0.7  # of the bump over log(seconds of silence)
_ROW_STARTS: Final = np.arange(4)[:, None] * (RING + 1)
_PLACES: Final = np.arange(1, RING + 1)
_hours_apart = np.arange(HALF_HOURS)
_HOUR_BUMP: Final = np.exp(-0.5 * (np.minimum(_hours_apart, HALF_HOURS - _hours_apart) / 3.0) ** 2)


def feature_matrix(
    behaviour: Behaviour,
    slots: NDArray[np.intp] | slice,
    moment: Moment,
    *,
    shown_at_s: float | None = None,
) -> NDArray[np.float64]:
    """Compute every feature of every candidate.

    Parameters
    ----------
    behaviour : Behaviour
        The statistics; not changed.
    slots : array of int, shape (n,), or slice
        The candidates' slots, 0 for never seen. A slice is read without copying.
    moment : Moment
        When. A time before the newest event counts as the newest event's.
    shown_at_s : float, optional
        Leave out one impression of that time: the candidates are the slate that was shown then.

    Returns
    -------
    array of float64, shape (N_FEATURES, n)
        Finite. O(n).
    """
    b = behaviour
    now_s = max(moment.at_s, b.newest_s) if b.started else moment.at_s
    gap_s = b.silence_s(now_s)
    if isinstance(slots, slice):
        whole = b.table[:, slots]
        out = np.empty((N_FEATURES, whole.shape[1]))
        out[_TABLE] = whole
    else:
        out = np.empty((N_FEATURES, len(slots)))
        np.take(b.table, slots, axis=1, out=out[_TABLE], mode="clip")  # slots are in range; "clip" spares a buffer
    fading = b.fading(now_s)
    out[:DECAYED] *= fading[:, None]
    if shown_at_s is not None:
        one = 2.0 ** (-(now_s - shown_at_s) / (SHOWN_HALF_LIFE * DAY_S))
        out[SHOWN] = np.maximum(out[SHOWN] - one, 0.0)
    out[_OVERDUE] = out[LOG_INTERVAL]
    out[_HOUR] = b.day[moment.half_hour][slots]
    out[_HOUR + 1] = b.week[moment.week_hour][slots]
    rhythms = out[_HOUR : _HOUR + 2]
    rhythms *= b.rhythm_fading(now_s)
    share = out[WEEK_ROW] + _BASE_FLOOR
    share *= 1.0 / (b.totals[WEEK_ROW] * fading[WEEK_ROW] + _BASE_FLOOR * b.n_slots)
    _ages(b, now_s, gap_s, out)
    _follows(b, slots, moment, now_s, gap_s, share, out)
    _contexts(b, slots, moment, share, out)
    logs = out[_LOGS]
    logs += _FLOORS
    np.log(logs, out=logs)
    signed = out[_LOG_LAG : _LOG_AGE + 1]
    np.negative(signed, out=signed)
    _intervals(out)
    return out


def _ages(b: Behaviour, now_s: float, gap_s: float, out: NDArray[np.float64]) -> None:
    """Recency in events and in time, and the flags that follow from it."""
    position, session = int(b.cursor[0]), int(b.cursor[4])
    np.equal(out[COUNT], 0.0, out=out[_NEW], casting="unsafe")
    lag = out[_LOG_LAG]
    np.subtract(position, lag, out=lag)
    np.minimum(lag, _MAX_LAG, out=lag)
    np.divide(1.0, lag, out=out[_INVERSE_LAG])
    np.equal(lag, 1.0, out=out[_IS_LAST], casting="unsafe")
    np.equal(lag, 2.0, out=out[_IS_BEFORE], casting="unsafe")
    in_session = 0.0 if gap_s > b.session_gap_s else min(position - session, _MAX_LAG - 1.0)
    np.less_equal(lag, in_session, out=out[_IN_SESSION], casting="unsafe")
    np.multiply(out[_IS_LAST], math.log(gap_s / _HOUR_S + 0.02), out=out[_LAST_GAP])
    age = out[_LOG_AGE]
    np.subtract(now_s, age, out=age)
    np.minimum(age, _MAX_AGE_S, out=age)
    age *= 1.0 / _HOUR_S


def _intervals(out: NDArray[np.float64]) -> None:
    """How the time since the last use compares with the item's usual interval (after two uses)."""
    ratio, due = out[_OVERDUE], out[_DUE]
    has = ratio > 0.0
    np.add(out[_LOG_AGE], ratio, out=ratio)  # minus log(hours) plus log(seconds)
    np.subtract(math.log(_HOUR_S), ratio, out=ratio)
    np.minimum(ratio, 4.0, out=ratio)
    np.maximum(ratio, -4.0, out=ratio)
    ratio *= has
    np.multiply(has, 2.0, out=due)
    due -= 2.0
    due -= np.abs(ratio)


def _follows(  # one call, in the order of the formula
    b: Behaviour,
    slots: NDArray[np.intp] | slice,
    moment: Moment,
    now_s: float,
    gap_s: float,
    share: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Lifts ``v / share``, v the weight of an item among what followed the last one; the log of plus kappa follows."""
    last, before = int(b.cursor[1]), int(b.cursor[2])
    size = min(int(b.next_n[last]), RING)
    lifts = out[_FOLLOWS]
    if not size:
        lifts[:] = 0.0
        return
    weights = np.empty((4, size))
    weights[0] = 1.0
    np.equal(b.next_before[last, :size], before, out=weights[1], casting="unsafe")
    lately = b.next_at[last, :size] - now_s
    lately *= 1.0 / _FOLLOW_HALF_LIFE_S
    np.exp2(lately, out=lately)
    np.multiply(lately, _HOUR_BUMP[moment.half_hour - b.next_half_hour[last, :size].astype(np.intp)], out=weights[2])
    off = b.next_log_gap[last, :size] - math.log(gap_s + 60.0)
    off *= off
    off *= -0.5 / _GAP_WIDTH**2
    np.multiply(lately, np.exp(off, out=off), out=weights[3])
    np.divide(_scattered(b, b.next_item[last, :size], weights, slots), share, out=lifts)


def _contexts(
    b: Behaviour,
    slots: NDArray[np.intp] | slice,
    moment: Moment,
    share: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Mean over the context's values of ``log((v + 1·share) / ((V + 1)·share))``."""
    mean = out[_CONTEXT]
    mean[:] = 0.0
    if not moment.cues:
        return
    for row in [b.cues[cue] for cue in moment.cues if cue in b.cues]:
        size = min(int(b.cue_n[row]), RING)
        lifts = _scattered(b, b.cue_item[row, :size], np.ones((1, size)), slots)[0]
        lifts /= share
        mean += np.log((lifts + 1.0) / (size + 1.0))
    mean /= len(moment.cues)


def _scattered(
    b: Behaviour, items: NDArray[np.int32], weights: NDArray[np.float64], slots: NDArray[np.intp] | slice
) -> NDArray[np.float64]:
    """Sum ``weights`` (k, m) by the slots ``items`` (m,) and give each candidate its sums, shape (k, n)."""
    n_rows, size = weights.shape
    scratch = b.scratch
    scratch[items] = _PLACES[:size]
    cells = scratch[items] + _ROW_STARTS[:n_rows]
    sums: NDArray[np.float64] = np.bincount(
        cells.ravel(), weights=weights.ravel(), minlength=n_rows * (RING + 1)
    ).astype(np.float64, copy=False)
    table = sums.reshape(n_rows, RING + 1)
    given = np.take(table, scratch[slots], axis=1)
    scratch[items] = 0
    return given
