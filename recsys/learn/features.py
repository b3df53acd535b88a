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
    AGAINST,
    COUNT,
    DAY_S,
    LAST_POSITION,
    LAST_S,
    LOG_INTERVAL,
    N_COUNTS,
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


FEATURES: Final = (
    Feature("uses_12_events", "frequency", "log of uses, fading by half every 12 events"),
    Feature("uses_50_events", "frequency", "log of uses, fading by half every 50 events"),
    Feature("uses_250_events", "frequency", "log of uses, fading by half every 250 events"),
    Feature("uses_2_hours", "recency", "log of uses, fading by half every 2.4 hours"),
    Feature("uses_day", "frequency", "log of uses, fading by half every day"),
    Feature("uses_week", "frequency", "log of uses, fading by half every week"),
    Feature("uses_40_days", "frequency", "log of uses, fading by half every 40 days"),
    Feature("uses_ever", "frequency", "log of all uses"),
    Feature("inverse_lag", "recency", "1 / events since the last use"),
    Feature("log_lag", "recency", "minus log of events since the last use"),
    Feature("log_age", "recency", "minus log of hours since the last use"),
    Feature("is_last", "sequence", "whether it is the item used last"),
    Feature("is_one_before", "sequence", "whether it is the item used before the last"),
    Feature("hour", "rhythm", "log of fading uses near this time of day"),
    Feature("week_hour", "rhythm", "log of fading uses near this hour of the week"),
    Feature("follows", "sequence", "log lift of following the last item"),
    Feature("follows_two", "sequence", "log lift of following the last two items"),
    Feature("follows_at_hour", "sequence", "log lift of following the last item near this time of day, lately"),
    Feature("follows_gap", "sequence", "log lift of following the last item after a silence like this one, lately"),
    Feature("in_session", "recency", "whether it was used in this session"),
    Feature("last_and_gap", "sequence", "for the item used last: log of hours since"),
    Feature("due", "interval", "how near the time since its last use is to its usual interval"),
    Feature("overdue", "interval", "log of time since its last use over its usual interval"),
    Feature("context", "context", "mean log lift under each value of the context"),
    Feature("shown", "fatigue", "log of fading impressions since its last use"),
    Feature("against", "feedback", "log of fading evidence against it"),
    Feature("new", "frequency", "whether it was never used"),
)
N_FEATURES: Final = len(FEATURES)
_ROW: Final = {feature.name: i for i, feature in enumerate(FEATURES)}

# Rows of the matrix that take the rows of ``Behaviour.decayed`` in their order.
_COUNTS: Final = slice(0, N_COUNTS)
_EVER, _INVERSE_LAG, _LOG_LAG, _LOG_AGE = (_ROW[n] for n in ("uses_ever", "inverse_lag", "log_lag", "log_age"))
_IS_LAST, _IS_BEFORE, _HOUR, _WEEK = (_ROW[n] for n in ("is_last", "is_one_before", "hour", "week_hour"))
_FOLLOWS: Final = slice(_ROW["follows"], _ROW["follows_gap"] + 1)
_IN_SESSION, _LAST_GAP, _DUE, _OVERDUE = (_ROW[n] for n in ("in_session", "last_and_gap", "due", "overdue"))
_CONTEXT, _SHOWN, _AGAINST, _NEW = (_ROW[n] for n in ("context", "shown", "against", "new"))

_COUNT_FLOOR: Final = 0.05  # added to fading counts before the logarithm
_RHYTHM_FLOOR: Final = 0.1
_BASE_FLOOR: Final = 0.02  # what an item without uses has of the share that transitions back off to
_KAPPA: Final = np.array([1.0, 0.5, 0.5, 0.5])[:, None]  # pseudo-uses given to that share, a transition feature
_MAX_AGE_S: Final = 3e8
_MAX_LAG: Final = 1e4
_FOLLOW_HALF_LIFE_S: Final = 30 * DAY_S
_GAP_WIDTH: Final = 0.7  # of the bump over log(seconds of silence)
_ROW_STARTS: Final = np.arange(4)[:, None] * (RING + 1)
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
    gap_s = now_s - b.newest_s if b.started else 0.0
    whole = isinstance(slots, slice)
    decayed = b.decayed[:, slots] if whole else b.decayed.take(slots, axis=1)
    plain = b.plain[:, slots] if whole else b.plain.take(slots, axis=1)
    fading = b.fading(now_s)
    decayed = decayed * fading[:, None]
    out = np.empty((N_FEATURES, decayed.shape[1]))
    np.log(decayed[:N_COUNTS] + _COUNT_FLOOR, out=out[_COUNTS])
    age_s = _ages(b, plain, now_s, gap_s, out)
    _intervals(plain, age_s, out)
    _rhythms(b, slots, moment, now_s, out)
    share = (decayed[WEEK_ROW] + _BASE_FLOOR) / (b.totals[WEEK_ROW] * fading[WEEK_ROW] + _BASE_FLOOR * b.n_slots)
    _follows(b, slots, moment, now_s, gap_s, share, out)
    _contexts(b, slots, moment, share, out)
    shown = decayed[SHOWN]
    if shown_at_s is not None:
        shown = np.maximum(shown - 2.0 ** (-(now_s - shown_at_s) / (SHOWN_HALF_LIFE * DAY_S)), 0.0)
    np.log1p(shown, out=out[_SHOWN])
    np.log1p(decayed[AGAINST], out=out[_AGAINST])
    return out


def _ages(
    b: Behaviour, plain: NDArray[np.float64], now_s: float, gap_s: float, out: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Recency in events and in time; returns the ages in seconds, 1 to 3e8."""
    position, session = float(b.cursor[0]), float(b.cursor[4])
    count = plain[COUNT]
    last_position = plain[LAST_POSITION]
    lag = np.minimum(position - last_position, _MAX_LAG)
    out[_EVER] = np.log(count + 0.3)
    np.divide(1.0, lag, out=out[_INVERSE_LAG])
    np.negative(np.log(lag), out=out[_LOG_LAG])
    age_s = now_s - plain[LAST_S]
    np.clip(age_s, 1.0, _MAX_AGE_S, out=age_s)
    np.negative(np.log(age_s / 3600.0 + 0.02), out=out[_LOG_AGE])
    np.equal(lag, 1.0, out=out[_IS_LAST], casting="unsafe")
    np.equal(lag, 2.0, out=out[_IS_BEFORE], casting="unsafe")
    if gap_s > b.session_gap_s:
        out[_IN_SESSION] = 0.0
    else:
        np.greater_equal(last_position, session, out=out[_IN_SESSION], casting="unsafe")
    np.multiply(out[_IS_LAST], math.log(gap_s / 3600.0 + 0.02), out=out[_LAST_GAP])
    np.equal(count, 0.0, out=out[_NEW], casting="unsafe")
    return age_s


def _intervals(plain: NDArray[np.float64], age_s: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """How the time since the last use compares with the item's usual interval (after two uses)."""
    interval = plain[LOG_INTERVAL]
    has = interval > 0.0
    ratio = np.log(age_s) - interval
    np.clip(ratio, -4.0, 4.0, out=ratio)
    out[_OVERDUE] = ratio * has
    out[_DUE] = np.where(has, -np.abs(ratio), -2.0)


def _rhythms(
    b: Behaviour, slots: NDArray[np.intp] | slice, moment: Moment, now_s: float, out: NDArray[np.float64]
) -> None:
    fading = b.rhythm_fading(now_s)
    for row, histogram in ((_HOUR, b.day[moment.half_hour]), (_WEEK, b.week[moment.week_hour])):
        np.multiply(histogram[slots], fading, out=out[row])
    block = out[_HOUR : _WEEK + 1]
    block += _RHYTHM_FLOOR
    np.log(block, out=block)


def _follows(  # noqa: PLR0913 - one call, in the order of the formula
    b: Behaviour,
    slots: NDArray[np.intp] | slice,
    moment: Moment,
    now_s: float,
    gap_s: float,
    share: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Log lifts ``log(v / share + kappa)``, v the weight of an item among what followed the last one."""
    last, before = int(b.cursor[1]), int(b.cursor[2])
    size = min(int(b.next_n[last]), RING)
    if not size:
        out[_FOLLOWS] = np.log(_KAPPA)
        return
    items = b.next_item[last, :size]
    weights = np.ones((4, size))
    weights[1] = b.next_before[last, :size] == before
    lately = np.exp2((b.next_at[last, :size] - now_s) / _FOLLOW_HALF_LIFE_S)
    np.multiply(lately, _HOUR_BUMP[moment.half_hour - b.next_half_hour[last, :size].astype(np.intp)], out=weights[2])
    off = (b.next_log_gap[last, :size] - math.log(gap_s + 60.0)) / _GAP_WIDTH
    np.multiply(lately, np.exp(-0.5 * off * off), out=weights[3])
    lifts = _scattered(b, items, weights, slots)
    lifts /= share
    lifts += _KAPPA
    np.log(lifts, out=out[_FOLLOWS])


def _contexts(
    b: Behaviour,
    slots: NDArray[np.intp] | slice,
    moment: Moment,
    share: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Mean over the context's values of ``log((v + 1·share) / ((V + 1)·share))``."""
    rows = [b.cues[cue] for cue in moment.cues if cue in b.cues]
    row_out = out[_CONTEXT]
    row_out[:] = 0.0
    for row in rows:
        size = min(int(b.cue_n[row]), RING)
        lifts = _scattered(b, b.cue_item[row, :size], np.ones((1, size)), slots)[0]
        lifts /= share
        row_out += np.log((lifts + 1.0) / (size + 1.0))
    if rows:
        row_out /= len(moment.cues)


def _scattered(
    b: Behaviour, items: NDArray[np.int32], weights: NDArray[np.float64], slots: NDArray[np.intp] | slice
) -> NDArray[np.float64]:
    """Sum ``weights`` (k, m) by the slots ``items`` (m,) and give each candidate its sums, shape (k, n)."""
    n_rows, size = weights.shape
    scratch = b.scratch
    scratch[items] = np.arange(1, size + 1)
    place = scratch[items]
    starts = _ROW_STARTS[:n_rows]
    sums = np.bincount((place + starts).ravel(), weights=weights.ravel(), minlength=n_rows * (RING + 1))
    given = sums.reshape(n_rows, RING + 1).take(scratch[slots], axis=1)
    scratch[items] = 0
    return given
