"""How candidates stand beside the leaders of a question, in small whole numbers: what a pack's trees look at.

What a feature is worth depends on what it competes with: a lift of 5 says much among lifts of 1, and nothing among
lifts of 9. So each feature is taken as its distance from the best of the *leaders*, the ten candidates of the greatest
utility ``w·x``; beside these stand the distance of the utility itself from the greatest, and how sure the linear model
is of its first, ``−log Σ exp(u_j − u_first)`` over the leaders. That carries over from person to person, where the
features themselves do not. All are rounded down to a grid that is the same for everyone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.features import FEATURES, N_FEATURES
from recsys.learn.lessons import LEVELS, SPANS

if TYPE_CHECKING:
    from recsys.learn.forest import Forest

__all__ = ["LEADERS", "N_STANDINGS", "STANDINGS", "WHOLE", "Standing", "added", "standing"]

LEADERS: Final = 10
WHOLE: Final = "habits"  # the group of what is said of the score as a whole
# Their names and groups of reasons: first the features, then what is said of the whole score.
STANDINGS: Final = (
    *((f"{feature.name}, beside the best", feature.group) for feature in FEATURES),
    ("utility, beside the best", WHOLE),
    ("how sure the first is", WHOLE),
)
N_STANDINGS: Final = len(STANDINGS)

_widths = [high - low for low, high in SPANS]
# The least value and the width of a level of each, shape (2, N_STANDINGS): all that lies beyond is alike.
_GRID: Final = np.array(
    [(low, (high - low) / LEVELS) for low, high in (*((-w, w / 4) for w in _widths), (-12.0, 0.5), (-2.4, 0.1))]
).T
_LEAST: Final = _GRID[0][:, None]
_PER_UNIT: Final = 1.0 / _GRID[1][:, None]
_FAR: Final = -1e9  # below every feature and utility


class Standing(NamedTuple):
    """How the candidates of some questions stand.

    Parameters
    ----------
    levels : array of uint8, shape (N_STANDINGS, n)
        0 to 254. Where nobody may lead, all stand alike.
    leads : array of bool, shape (n,)
        Who is among the leaders.
    known : array of bool, shape (n,)
        Who is no stand-in for what was never used: trees speak of these alone.
    """

    levels: NDArray[np.uint8]
    leads: NDArray[np.bool_]
    known: NDArray[np.bool_]


def standing(
    features: NDArray[np.float64] | NDArray[np.float32],
    utilities: NDArray[np.float64] | NDArray[np.float32],
    known: NDArray[np.bool_],
    sizes: NDArray[np.intp],
    allowed: NDArray[np.bool_] | None = None,
) -> Standing:
    """Compare candidates with the leaders of their question.

    Parameters
    ----------
    features : array, shape (N_FEATURES, n)
    utilities : array, shape (n,)
        ``w·x``, without what others add.
    known : array of bool, shape (n,)
        Who is no stand-in for what was never used.
    sizes : array of int, shape (m,)
        Candidates of each question, one after another; above 0.
    allowed : array of bool, shape (n,), optional
        Who of the known may lead; None: all.

    Returns
    -------
    Standing
        O(n (N_FEATURES + log n)).
    """
    starts = sizes.cumsum() - sizes
    may_lead = known if allowed is None else known & allowed
    held = np.where(may_lead, utilities, _FAR)
    leads = may_lead & (held >= _least(held, starts, sizes).repeat(sizes))
    out = np.empty((N_STANDINGS, len(held)))
    best = np.maximum.reduceat(np.where(leads, features, _FAR), starts, axis=1)
    first = np.maximum.reduceat(held, starts)
    np.subtract(features, best.repeat(sizes, axis=1), out=out[:N_FEATURES])
    behind = np.subtract(utilities, first.repeat(sizes), out=out[N_FEATURES])
    with np.errstate(divide="ignore"):
        out[-1] = -np.log(_sums(np.exp(np.minimum(behind, 0.0)), leads, sizes)).repeat(sizes)
    if not (first > _FAR).all():
        out[:, (first <= _FAR).repeat(sizes)] = 0.0
    out -= _LEAST
    out *= _PER_UNIT
    np.maximum(out, 0.0, out=out)
    np.minimum(out, LEVELS - 1.0, out=out)
    return Standing(out.astype(np.uint8), leads, known)


def added(
    forest: Forest,
    stand: Standing,
    utilities: NDArray[np.float64] | NDArray[np.float32],
    sizes: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give what trees add to each candidate's score, shape (n,), and what of it is the level, shape (m,).

    What is known is levelled, so that it stays as likely as the linear model has it beside what was never used: with
    ``t`` for the trees, ``level = −log(Σ exp(u_j + t_j) / Σ exp(u_j))`` over the leaders, and ``t_i + level`` is added;
    nothing to what was never used. O(n_trees n).
    """
    starts = sizes.cumsum() - sizes
    given = forest.scores(stand.levels)
    first = np.maximum.reduceat(np.where(stand.leads, utilities, _FAR), starts)
    odds = np.exp(np.minimum(utilities - first.repeat(sizes), 0.0))
    before, after = (_sums(one, stand.leads, sizes) for one in (odds, odds * np.exp(given)))
    level = np.zeros(len(sizes))
    np.log(before, out=level, where=before > 0.0)
    np.subtract(level, np.log(after, out=np.zeros(len(sizes)), where=after > 0.0), out=level)
    return (given + level.repeat(sizes)) * stand.known, level


def _sums(values: NDArray[Any], leads: NDArray[np.bool_], sizes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sum over the leaders of each question, shape (m,): to the same bits in whatever order candidates are given."""
    which = np.arange(len(sizes)).repeat(sizes)[leads]
    held = values[leads].astype(np.float64)
    held = held[np.lexsort((held, which))]
    n = np.bincount(which, minlength=len(sizes))
    sums, some = np.zeros(len(sizes)), n > 0
    if len(held):
        sums[some] = np.add.reduceat(held, (n.cumsum() - n)[some])
    return sums


def _least(held: NDArray[Any], starts: NDArray[np.intp], sizes: NDArray[np.intp]) -> NDArray[Any]:
    """Give the utility of the last leader of each question, shape (m,)."""
    if len(sizes) == 1:
        n = len(held)
        return (
            np.partition(held, n - LEADERS)[n - LEADERS : n - LEADERS + 1] if n > LEADERS else held.min(keepdims=True)
        )
    order = np.lexsort((-held, np.arange(len(sizes)).repeat(sizes)))
    return held[order[starts + np.minimum(sizes, LEADERS) - 1]]
