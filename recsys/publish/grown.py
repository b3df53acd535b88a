"""The trees of a pack: what many people's choices teach beyond the weights of the linear model.

Every person's log is lived through with the pack's prior, as on a device, and each choice of what was used before is
kept with how all that was used before stood beside each other (:mod:`recsys.learn.standing`) and what the linear model
said before it learnt. Trees are grown on the choices of half of the people, until those of the other half are foreseen
no better; they are published, grown anew on all, only if the sum ranks what the other half chose clearly better than
the linear model alone: the interval, by people drawn anew, lies above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.evaluate.metrics import bootstrap_difference
from recsys.learn.fold import LOG_UNTOUCHED, fold_all, learn_pending, new_state
from recsys.learn.forest import MOST_LEAVES, Forest, Tree
from recsys.learn.lessons import Lessons, Window
from recsys.learn.stages import ndcg_of
from recsys.learn.standing import N_STANDINGS, standing
from recsys.learn.tree_parameters import Value, checked
from recsys.learn.trees import Grower, can_grow
from recsys.prior.weights import Prior
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["MOST_TREES", "PARAMETERS", "Lived", "arrays_of", "grown", "lived"]

PARAMETERS: Final[Mapping[str, Value]] = checked(
    {
        "num_leaves": MOST_LEAVES,
        "learning_rate": 0.05,
        "min_data_in_leaf": 200,
        "min_sum_hessian_in_leaf": 1.0,
        "lambda_l2": 20.0,
        "max_bin": 255,
        "min_data_in_bin": 1,
        "force_col_wise": True,
        "feature_pre_filter": False,
        "seed": 0,
    }
)
MOST_TREES: Final = 256  # 38 kB
_PATIENCE: Final = 20  # trees that foresee the other half no better
_LESSONS_OF_ONE: Final = 1_000
_ROWS: Final = 4_000_000  # candidates of all lessons together
# Wider choice sets than devices learn from: how candidates stand is to be as it is where everything is ranked.
_SETTINGS: Final = Settings(choice_set_size=128)
_LEAST_PEOPLE: Final = 20  # in each half

Progress = Callable[[str, int, int], None]
Floats = NDArray[np.float64]


class _Standings(Lessons):
    """Keeps, of every choice of what was used before, how all that was used before stood."""

    def add(
        self,
        features: Floats,
        sizes: Sequence[int],
        targets: Sequence[int],
        weights: Sequence[float],
        offsets: Floats,
        utilities: Floats,
        given: Floats | None = None,
    ) -> None:
        del given
        counts = np.array(sizes, np.intp)
        starts, at = counts.cumsum() - counts, np.array(targets, np.intp)
        known = np.ones(len(utilities), np.bool_)
        known[starts] = offsets[starts] != LOG_UNTOUCHED
        stand = standing(features, utilities, known, counts)  # nobody is out of reach: choice sets are narrower
        # Only among what is known: the first of a set may stand for all else.
        n_known = np.add.reduceat(known, starts, dtype=np.intp)
        told = known[starts + at] & (n_known > 1)
        rows = known & told.repeat(counts)
        levels = np.ascontiguousarray(stand.levels.T)
        said, apart = utilities[rows].astype(np.float32), offsets[rows].astype(np.float32)
        nothing, n = np.zeros(len(said), np.float32), int(told.sum())
        at -= counts - n_known
        weight = np.array(weights, np.float32)[told]
        window = Window(
            levels[told.repeat(n_known)], said, apart, nothing, n_known[told], at[told], weight, np.zeros(n, np.int64)
        )
        if n:
            self._blocks.append(window)
            self.n += n
            self._n_held += n


class Lived(NamedTuple):
    """The choices of some people, one after another, and whose they are, shape (m,)."""

    window: Window
    person: NDArray[np.intp]


def lived(logs: Sequence[Sequence[Event]], prior: Prior) -> Lived:
    """Live through people's logs; of one at most a thousand choices are kept, at equal distances.

    Parameters
    ----------
    logs : sequence of sequence of Event
        Each in the log's order.
    prior : Prior
        Its trees are not asked.
    """
    windows, person = list[Window](), list[NDArray[np.intp]]()
    rows_of_one = _ROWS // max(len(logs), 1)
    for number, events in enumerate(logs):
        state = new_state(prior, _SETTINGS)
        state.lessons = kept = _Standings()
        fold_all(state, events)
        learn_pending(state)
        if not kept.n:
            continue
        window = kept.window(0, kept.n)
        most = min(_LESSONS_OF_ONE, max(rows_of_one * kept.n // len(window.levels), 1))
        if kept.n > most:
            window = _some(window, np.linspace(0, kept.n - 1, most).astype(np.intp))
        windows.append(window)
        person.append(np.full(len(window.sizes), number))
    if not windows:
        return Lived(Lessons().window(0, 0), np.zeros(0, np.intp))
    return Lived(Window(*(np.concatenate(parts) for parts in zip(*windows, strict=True))), np.concatenate(person))


def grown(of: Lived, progress: Progress) -> tuple[Forest | None, dict[str, Any]]:
    """Grow trees on what people lived; None unless they clearly help people who did not teach them.

    Returns
    -------
    Forest or None
    dict
        ``trees``: how many are published; ``trees_people`` and ``trees_choices`` of the half that judged;
        ``trees_ndcg``: NDCG@10 of the linear model and of the sum there; ``trees_gain``: the difference with its
        interval. O(choices · trees).
    """
    report: dict[str, Any] = {"trees": 0}
    half = of.person % 2 == 0
    if not can_grow() or min(len(np.unique(of.person[some])) for some in (half, ~half)) < _LEAST_PEOPLE:
        return None, report
    teaching, judging = (_some(of.window, some.nonzero()[0]) for some in (half, ~half))
    n, added = _how_many(teaching, judging, progress)
    linear = judging.utilities.astype(np.float64)
    values = ndcg_of(judging, (linear, linear + added)).astype(np.float64)
    told, whose = ~np.isnan(values[0]), of.person[~half]
    report |= {"trees_people": len(np.unique(whose)), "trees_choices": int(told.sum())}
    if not n or not told.any():
        return None, report
    gain = bootstrap_difference(values[1, told], values[0, told], whose[told].tolist())
    report["trees_ndcg"] = values[:, told].mean(axis=1).tolist()
    report["trees_gain"] = [gain.mean, gain.low, gain.high]
    if gain.low <= 0.0:
        return None, report
    grower, trees = Grower(of.window, None, PARAMETERS), list[Tree]()
    while len(trees) < n and (tree := grower.grow()) is not None:
        trees.append(tree)
        progress("growing trees on everyone", len(trees), n)
    report["trees"] = len(trees)
    return Forest.of(trees, n_leaves=MOST_LEAVES, n_features=N_STANDINGS), report


def arrays_of(forest: Forest) -> dict[str, NDArray[Any]]:
    """Give the trees as arrays of a pack."""
    named = zip(forest.arrays._fields, forest.arrays, strict=True)
    return {f"tree_{name}": np.asarray(array) for name, array in named}


def _how_many(teaching: Window, judging: Window, progress: Progress) -> tuple[int, Floats]:
    """Say after how many trees the others are foreseen best, and what these add to the others' scores."""
    grower = Grower(teaching, None, PARAMETERS)
    levels, added = judging.levels.T, np.zeros(len(judging.levels))
    best, n_best, added_best, n = _loss(judging, added), 0, added.copy(), 0
    while n < min(MOST_TREES, n_best + _PATIENCE) and (tree := grower.grow()) is not None:
        n += 1
        added += Forest.of([tree], n_leaves=len(tree.leaf), n_features=N_STANDINGS).scores(levels)
        loss = _loss(judging, added)
        if loss < best:
            best, n_best, added_best = loss, n, added.copy()
        progress("growing trees on half of the people", n, MOST_TREES)
    return n_best, added_best


def _loss(window: Window, added: Floats) -> float:
    """Give the mean of minus the logarithm of the probability of what was chosen."""
    starts, sizes = window.starts, window.sizes
    scores = window.utilities + window.offsets + added
    scores -= np.maximum.reduceat(scores, starts).repeat(sizes)
    fit = scores[starts + window.targets] - np.log(np.add.reduceat(np.exp(scores), starts))
    return -float(fit.mean())


def _some(window: Window, at: NDArray[np.intp]) -> Window:
    """Keep the lessons at some places."""
    which = np.zeros(len(window.sizes), np.bool_)
    which[at] = True
    rows = which.repeat(window.sizes)
    return Window(*(one[rows] for one in window[:4]), *(one[which] for one in window[4:]))  # type: ignore[arg-type]
