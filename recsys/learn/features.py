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
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.learn.gather import (
    BASE_FLOOR,
    GAP,
    HALF_HOUR,
    HOUR_BIN,
    IN_SESSION,
    LAGS,
    LASTS,
    MAX_LAG,
    NOW,
    POSITION,
    SHOWN_AT,
    WEEK_BIN,
    Gathered,
)
from recsys.learn.layout import (
    AGAINST,
    COUNT,
    DAY_S,
    DECAYED,
    LAST_POSITION,
    LAST_S,
    LOG_INTERVAL,
    N_COUNTS,
    PAST,
    PAST_MASK,
    RATES,
    SHOWN,
    WEEK_ROW,
)
from recsys.learn.moment import HALF_HOURS

Real = TypeVar("Real", np.float32, np.float64)

__all__ = ["FEATURES", "FEATURE_VERSION", "N_FEATURES", "Feature", "features_of", "rough_features_of"]

FEATURE_VERSION: Final = 2  # raise it when any feature changes: checkpoints and priors depend on it


class Feature(NamedTuple):
    """A feature's name, the group its reason belongs to, and its meaning."""

    name: str
    group: str
    meaning: str


# The order: those that fade and others of ``Behaviour.table``, then all others that end in a logarithm, then the rest.
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
    Feature("near", "sequence", "log lift of coming soon after any of the last items, near this time of day, lately"),
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
_FOLLOWS: Final = slice(_ROW["follows"], _ROW["near"] + 1)
_LOGS: Final = slice(0, _FOLLOWS.stop)

_KAPPA: Final = np.array([1.0, 0.5, 0.5, 0.5, 1.0])[:, None]  # pseudo-uses given to the share backed off to
# What is added before the logarithm: to fading counts, impressions and evidence against, all uses, lag, hours,
# rhythms, lifts.
_FLOORS: Final = np.array([0.05] * N_COUNTS + [1.0, 1.0, 0.3, 0.0, 0.02, 0.1, 0.1, *_KAPPA[:, 0]])[:, None]
_MAX_AGE_S: Final = 3e8
_HOUR_S: Final = 3600.0
_TWO: Final = np.int32(2)
_FOLLOW_HALF_LIFE_S: Final = 60 * DAY_S
_ANY_HOUR: Final = 0.15  # of what came soon after at another time of day
# What came after the a-th last item, l uses later, counts 1 / sqrt(a l).
_NEARNESS: Final = 1.0 / np.sqrt(np.outer(np.arange(1.0, LASTS + 1), np.arange(1.0, LAGS + 1))).ravel()
_GAP_WIDTH: Final = 0.7  # of the bump over log(seconds of silence)
_WIDE: Final = 2048  # columns from which it pays to look where a logarithm is needed
_ONE_AND_TWO: Final = np.array([[1.0], [2.0]])
_SHOWN_RATE: Final = float(RATES[SHOWN])
_NOW, _POSITION, _IN_SESSION_USES, _LOG_GAP_HOURS, _SHOWN_ONCE = range(5)
_hours_apart = np.arange(HALF_HOURS)
_HOUR_BUMP: Final = np.exp(-0.5 * (np.minimum(_hours_apart, HALF_HOURS - _hours_apart) / 3.0) ** 2)


def features_of(g: Gathered) -> NDArray[np.float64]:
    """Compute the features of everything gathered, shape (N_FEATURES, n).

    The same bits come out whether many questions are answered at once or one by one.
    """
    return _features(g, np.float64)


def rough_features_of(g: Gathered) -> NDArray[np.float32]:
    """Compute the features in single precision: within 8 units in the last place of 64."""
    return _features(g, np.float32)


def _features(g: Gathered, dtype: type[Real]) -> NDArray[Real]:
    raw, factors, numbers = g.columns, g.factors, _numbers(g)
    if g.of is not None:
        factors, numbers = factors.take(g.of, axis=1), numbers.take(g.of, axis=1)
    out = np.empty((N_FEATURES, raw.shape[1]), dtype)
    np.multiply(raw[:DECAYED], factors[:DECAYED], out=out[:DECAYED])
    shown = out[SHOWN]
    shown -= numbers[_SHOWN_ONCE]
    np.maximum(shown, 0.0, out=shown)
    out[_EVER] = raw[COUNT]
    np.multiply(raw[HOUR_BIN : WEEK_BIN + 1], factors[DECAYED], out=out[_HOUR : _HOUR + 2])
    share = out[WEEK_ROW] + dtype(BASE_FLOOR)
    share *= factors[DECAYED + 1]
    _context(g, share, out[_CONTEXT])
    _ages(raw, numbers, out)
    _followers(g, share, out[_FOLLOWS])
    _logarithms(out, g.after.columns)
    signed = out[_LOG_LAG : _LOG_AGE + 1]
    np.negative(signed, out=signed)
    _intervals(raw[LOG_INTERVAL], out)
    return out


def _logarithms(out: NDArray[Real], followed: NDArray[np.intp]) -> None:
    """Turn the first rows into logarithms, over their floors; of many columns, only where they may differ."""
    floors = _FLOORS.astype(out.dtype)
    if out.shape[1] < _WIDE:
        _log(out[_LOGS], floors)
        return
    for rows in (slice(0, SHOWN), slice(_EVER, _FOLLOWS.start)):
        _log(out[rows], floors[rows])
    for row in (SHOWN, AGAINST):
        if out[row].any():
            _log(out[row], floors[row])
    some = np.unique(followed)
    few = out[_FOLLOWS, some]
    _log(few, floors[_FOLLOWS])
    out[_FOLLOWS] = np.log(floors[_FOLLOWS])
    out[_FOLLOWS, some] = few


def _log(rows: NDArray[Real], floors: NDArray[Real]) -> None:
    rows += floors
    np.log(rows, out=rows)


def _numbers(g: Gathered) -> NDArray[np.float64]:
    """What every column of a question needs of it: see the entries ``_NOW`` and on."""
    gap_s = g.numbers[GAP]
    numbers = np.empty((5, len(gap_s)))
    numbers[_NOW] = g.numbers[NOW]
    numbers[_POSITION] = g.numbers[POSITION]
    numbers[_IN_SESSION_USES] = g.numbers[IN_SESSION]
    np.log(gap_s / _HOUR_S + 0.02, out=numbers[_LOG_GAP_HOURS])
    np.exp2((g.numbers[SHOWN_AT] - g.numbers[NOW]) * _SHOWN_RATE, out=numbers[_SHOWN_ONCE])
    return numbers


def _ages(raw: NDArray[np.float64], numbers: NDArray[np.float64], out: NDArray[Real]) -> None:
    """Recency in events and in time, and the flags that follow from it."""
    np.equal(raw[COUNT], 0.0, out=out[_NEW], casting="unsafe")
    lag = out[_LOG_LAG]
    np.subtract(numbers[_POSITION], raw[LAST_POSITION], out=lag)
    np.minimum(lag, MAX_LAG, out=lag)
    np.divide(1.0, lag, out=out[_INVERSE_LAG])
    np.equal(lag, _ONE_AND_TWO, out=out[_IS_LAST : _IS_BEFORE + 1], casting="unsafe")
    np.less_equal(lag, numbers[_IN_SESSION_USES], out=out[_IN_SESSION], casting="unsafe")
    np.multiply(out[_IS_LAST], numbers[_LOG_GAP_HOURS], out=out[_LAST_GAP])
    age = out[_LOG_AGE]
    np.subtract(numbers[_NOW], raw[LAST_S], out=age)
    np.minimum(age, _MAX_AGE_S, out=age)
    age *= 1.0 / _HOUR_S


def _intervals(interval: NDArray[np.float64], out: NDArray[Real]) -> None:
    """How the time since the last use compares with the item's usual interval (after two uses)."""
    ratio, due = out[_OVERDUE], out[_DUE]
    has = interval > 0.0
    np.add(out[_LOG_AGE], interval, out=ratio)  # minus log(hours) plus log(seconds)
    np.subtract(math.log(_HOUR_S), ratio, out=ratio)
    np.minimum(ratio, 4.0, out=ratio)
    np.maximum(ratio, -4.0, out=ratio)
    ratio *= has
    np.multiply(has, 2.0, out=due)
    due -= 2.0
    due -= np.abs(ratio)


def _context(g: Gathered, share: NDArray[Real], out: NDArray[Real]) -> None:
    """Mean over the context's values of ``log((v + share) / ((V + 1)·share))``, ``v`` of the ``V`` uses under one."""
    none = np.zeros(len(g.n_cues))
    out[:] = 0.0
    for columns, uses, sizes in g.under:
        lift = uses / share[columns]
        lift += 1.0
        out[columns] += np.log(lift, out=lift)
        none -= np.log(sizes + 1.0)
    if g.under:
        out += _each(g, none)
        out /= _each(g, np.maximum(g.n_cues, 1.0))


def _each(g: Gathered, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values if g.of is None else values[g.of]


def _followers(g: Gathered, share: NDArray[Real], out: NDArray[Real]) -> None:
    """Sum, for each candidate, five weights over its uses that came after one of the last items, over its share.

    The first four over those right after the very last item: 1; whether the item before was the same; nearness in the
    day, lately; nearness of the silence, lately. The fifth over all of them: how soon after, nearness in the day,
    lately.
    """
    after, past = g.after, g.past
    out[:] = 0.0
    if not len(after.columns):
        return
    cell, n = after.position & PAST_MASK, out.shape[1]
    scale = 1.0 / share.take(after.columns)
    lately = past.at.take(cell) - _asked(g, g.numbers[NOW], after.of)
    lately *= 1.0 / _FOLLOW_HALF_LIFE_S
    np.exp2(lately, out=lately)
    lately *= scale
    half_hour = g.numbers[HALF_HOUR].astype(np.intp)
    same_hour = _HOUR_BUMP.take(past.half_hour.take(cell) - _asked(g, half_hour, after.of))
    near = _NEARNESS.take(after.which)
    near *= same_hour + _ANY_HOUR
    near *= lately
    out[4] = np.bincount(after.columns, near, n)
    right = (after.which == 0).nonzero()[0]
    columns, of, cell = after.columns.take(right), after.of.take(right), cell.take(right)
    scale, lately, same_hour = scale.take(right), lately.take(right), same_hour.take(right)
    out[0] = np.bincount(columns, scale, n)
    scale *= _same_before(after.position.take(right), of, g)
    out[1] = np.bincount(columns, scale, n)
    same_hour *= lately
    out[2] = np.bincount(columns, same_hour, n)
    off = past.log_gap.take(cell) - _asked(g, np.log(g.numbers[GAP] + 60.0), of)
    off *= off
    off *= -0.5 / _GAP_WIDTH**2
    lately *= np.exp(off, out=off)
    out[3] = np.bincount(columns, lately, n)


def _asked(g: Gathered, values: NDArray[Any], of: NDArray[np.intp]) -> NDArray[Any]:
    """Give each use its question's value: the only one where there is one question."""
    return values if g.of is None else values.take(of)


def _same_before(position: NDArray[np.int32], of: NDArray[np.intp], g: Gathered) -> NDArray[np.bool_]:
    """Whether the use two before each past use, and before each question, was of the same item."""
    if g.of is None:
        asked = g.past.item[(int(g.numbers[POSITION, 0]) - 2) % PAST]
    else:
        asked = g.past.item.take((g.numbers[POSITION].astype(np.int32) - _TWO) & PAST_MASK).take(of)
    before: NDArray[np.bool_] = g.past.item.take((position - _TWO) & PAST_MASK) == asked
    before &= position >= _TWO
    return before
