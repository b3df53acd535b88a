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

__all__ = ["LEADERS", "N_STANDINGS", "REACH", "STANDINGS", "WHOLE", "Added", "Standing", "added", "standing"]

LEADERS: Final = 10
REACH: Final = 256  # candidates of the greatest utility of which trees speak; the others come after them as before
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
    """How those of the candidates stand that are within reach of the first; ``r`` of ``n``.

    Parameters
    ----------
    at : array of int, shape (r,)
        Which they are, in ascending order. None that stands for what was never used: trees do not speak of that.
    levels : array of uint8, shape (N_STANDINGS, r)
        0 to 254. Where nobody may lead, all stand alike.
    utilities : array, shape (r,)
    may_lead, leads : arrays of bool, shape (r,)
        Who may be among the leaders, and who is.
    sizes : array of int, shape (m,)
        How many they are of each question.
    """

    at: NDArray[np.intp]
    levels: NDArray[np.uint8]
    utilities: NDArray[Any]
    may_lead: NDArray[np.bool_]
    leads: NDArray[np.bool_]
    sizes: NDArray[np.intp]


class Added(NamedTuple):
    """What trees add.

    Parameters
    ----------
    scores : array of float64, shape (n,)
        To each candidate.
    level : array of float64, shape (m,)
        What of it is added to all that is known.
    least : array of float64, shape (m,)
        The trees' part for what is known and out of reach.
    """

    scores: NDArray[np.float64]
    level: NDArray[np.float64]
    least: NDArray[np.float64]


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
        O(n log n + r N_FEATURES).
    """
    may_lead = known if allowed is None else known & allowed
    held = np.where(may_lead, utilities, _FAR)
    near = known & (utilities >= _least(held, sizes, REACH).repeat(sizes))
    at = near.nonzero()[0]
    starts = sizes.cumsum() - sizes
    n = np.add.reduceat(near, starts, dtype=np.intp)
    which = np.arange(len(sizes)).repeat(n)
    leads = may_lead[at] & (utilities[at] >= _least(held, sizes, LEADERS)[which])
    said, of = utilities[at], features[:, at]
    out = np.empty((N_STANDINGS, len(at)))
    best = np.full((N_FEATURES + 1, len(sizes)), _FAR)
    if len(at):
        some = n > 0
        rows = np.concatenate((of, said[None]))
        best[:, some] = np.maximum.reduceat(np.where(leads, rows, _FAR), (n.cumsum() - n)[some], axis=1)
        np.subtract(rows, best[:, which], out=out[:-1])
    with np.errstate(divide="ignore"):
        out[-1] = -np.log(_sums(np.exp(np.minimum(out[N_FEATURES], 0.0)), leads, which, len(sizes)))[which]
    out[:, (best[-1] <= _FAR)[which]] = 0.0
    out -= _LEAST
    out *= _PER_UNIT
    np.maximum(out, 0.0, out=out)
    np.minimum(out, LEVELS - 1.0, out=out)
    return Standing(at, out.astype(np.uint8), said, may_lead[at], leads, n)


def added(forest: Forest, stand: Standing, known: NDArray[np.bool_], sizes: NDArray[np.intp]) -> Added:
    """Give what trees add to each candidate's score.

    What is known is levelled, so that it stays as likely as the linear model has it beside what was never used: with
    ``t`` for the trees, ``level = −log(Σ exp(u_j + t_j) / Σ exp(u_j))`` over the leaders, and ``t_i + level`` is added;
    nothing to what was never used. What is out of reach is given the least ``t`` of those within, so that it comes
    after them as before. O(n + n_trees r).
    """
    m = len(sizes)
    given, which = forest.scores(stand.levels), np.arange(m).repeat(stand.sizes)
    first = np.full(m, _FAR)
    least = np.full(m, np.inf)
    np.maximum.at(first, which[stand.leads], stand.utilities[stand.leads])
    np.minimum.at(least, which[stand.may_lead], given[stand.may_lead])
    least[np.isinf(least)] = 0.0
    odds = np.exp(np.minimum(stand.utilities - first[which], 0.0))
    before, after = (_sums(one, stand.leads, which, m) for one in (odds, odds * np.exp(given)))
    level = np.zeros(m)
    np.log(before, out=level, where=before > 0.0)
    np.subtract(level, np.log(after, out=np.zeros(m), where=after > 0.0), out=level)
    scores = (least + level).repeat(sizes) * known
    scores[stand.at] = given + level[which]
    return Added(scores, level, least)


def _sums(values: NDArray[Any], leads: NDArray[np.bool_], which: NDArray[np.intp], m: int) -> NDArray[np.float64]:
    """Sum over the leaders of each question, shape (m,): to the same bits in whatever order candidates are given."""
    which, held = which[leads], values[leads].astype(np.float64)
    held = held[np.lexsort((held, which))]
    n = np.bincount(which, minlength=m)
    sums, some = np.zeros(m), n > 0
    if len(held):
        sums[some] = np.add.reduceat(held, (n.cumsum() - n)[some])
    return sums


def _least(held: NDArray[Any], sizes: NDArray[np.intp], k: int) -> NDArray[Any]:
    """Give the ``k``-th greatest utility of each question, or the least of fewer, shape (m,)."""
    if len(sizes) == 1:
        n = len(held)
        return np.partition(held, n - k)[n - k : n - k + 1] if n > k else held.min(keepdims=True)
    order = np.lexsort((-held, np.arange(len(sizes)).repeat(sizes)))
    return held[order[sizes.cumsum() - sizes + np.minimum(sizes, k) - 1]]
