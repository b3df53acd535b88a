"""What trees add to the score of candidates, and to the reasons for it.

Two forests may join ``w·x``: the one that came with a pack, which looks at how candidates stand beside each other
(:mod:`recsys.learn.standing`), and the one that was grown on the person's own choices, which looks at features. Along
their paths both split into what each feature adds (:mod:`recsys.learn.forest`), so that an item's distance from the
average candidate still splits exactly, group by group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.features import FEATURES
from recsys.learn.forest import Forest
from recsys.learn.lessons import levels_of
from recsys.learn.standing import STANDINGS, WHOLE, Standing, added, standing
from recsys.rank.candidates import Pool
from recsys.rank.told import Said

__all__ = ["Grown", "Heights", "known"]

_OWN: Final = tuple((f"{feature.name}, trees", feature.group) for feature in FEATURES)
_GIVEN: Final = (
    *((f"{name}, trees of the pack", group) for name, group in STANDINGS),
    ("level, trees of the pack", WHOLE),
)


class Heights(NamedTuple):
    """What the forests look at, and what follows from it once for all candidates.

    Parameters
    ----------
    given : Standing or None
        For the pack's: how candidates stand.
    known : array of bool, shape (n,), or None
        Of what the pack's speak.
    level, least : float
        What the pack's add to all that is known, besides what its leaves hold; and what these hold for the others.
    own : array of uint8, shape (n_features, n), or None
        For the own: the levels of features.
    scores : array of float64, shape (n,)
        What all of them add.
    """

    given: Standing | None
    known: NDArray[np.bool_] | None
    level: float
    least: float
    own: NDArray[np.uint8] | None
    scores: NDArray[np.float64]


class Grown(NamedTuple):
    """The trees that join the score now; None of which there are none."""

    given: Forest | None
    own: Forest | None

    def spread(self, pool: Pool) -> float | NDArray[np.float64]:
        """Give how much more they may add for a candidate than for what stands before it, for all or shape (n,).

        The pack's add the least, and no more than 0, to what is known and out of reach, and 0 to what is not known.
        """
        own = 0.0 if self.own is None else self.own.spread
        return own if self.given is None else own + np.where(known(pool), 0.0, self.given.spread)

    def heights(
        self,
        pool: Pool,
        features: NDArray[np.float64] | NDArray[np.float32],
        utilities: NDArray[np.float64] | NDArray[np.float32],
    ) -> Heights:
        """Ask them; ``utilities`` are ``w·x`` alone. O(n (n_features + n_trees))."""
        given, told, level, least, own, scores = None, None, 0.0, 0.0, None, np.zeros(features.shape[1])
        if self.given is not None:
            sizes, told = np.array([features.shape[1]]), known(pool)
            given = standing(features, utilities, told, sizes, pool.allowed)
            scores, (level,), (least,) = added(self.given, given, told, sizes)
        if self.own is not None:
            own = levels_of(features)
            scores = scores + self.own.scores(own)
        return Heights(given, told, float(level), float(least), own, scores)

    def averages(self, pool: Pool, heights: Heights) -> list[NDArray[np.float64]]:
        """Give of each forest the mean over the candidates of what each feature adds. O(n_trees n)."""
        found = list[NDArray[np.float64]]()
        weights = np.ones(len(heights.scores)) if pool.allowed is None else pool.allowed.astype(np.float64)
        if pool.untouched:
            weights[0] += len(pool.untouched)
        n = max(float(weights.sum()), 1.0)
        if self.given is not None and heights.given is not None and heights.known is not None:
            near, of_known = weights[heights.given.at], float(weights[heights.known].sum())
            n_near = float(near.sum())
            whole = heights.level * of_known + self.given.root * n_near + heights.least * (of_known - n_near)
            found.append(np.append(self.given.average(heights.given.levels, near), whole) / n)
        if self.own is not None and heights.own is not None:
            found.append(self.own.average(heights.own, weights) / n)
        return found

    def said(self, heights: Heights, averages: Sequence[NDArray[np.float64]], columns: Sequence[int]) -> list[Said]:
        """Give what they say of some columns."""
        found, at = list[tuple[Any, NDArray[np.float64]]](), np.array(columns, np.intp)
        if self.given is not None and heights.given is not None and heights.known is not None:
            place = np.searchsorted(heights.given.at, at).clip(max=max(len(heights.given.at) - 1, 0))
            near = heights.given.at[place] == at if len(heights.given.at) else np.zeros(len(at), np.bool_)
            parts = np.zeros((len(_GIVEN), len(at)))
            parts[:-1, near] = self.given.contributions(heights.given.levels[:, place[near]])
            parts[-1] = (heights.level + np.where(near, self.given.root, heights.least)) * heights.known[at]
            found.append((_GIVEN, parts))
        if self.own is not None and heights.own is not None:
            found.append((_OWN, self.own.contributions(heights.own[:, at])))
        given = []
        for (told, parts), average in zip(found, averages, strict=True):
            names, groups = zip(*told, strict=True)
            given.append(Said(names, groups, parts, average, np.ones(len(names))))
        return given


def known(pool: Pool) -> NDArray[np.bool_]:
    """Give which columns the log tells of, shape (n,): the others stand for what was never used."""
    slots = np.arange(len(pool.ids)) if isinstance(pool.slots, slice) else pool.slots
    told: NDArray[np.bool_] = slots != 0
    return told
