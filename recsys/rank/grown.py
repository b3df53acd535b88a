"""What trees add to the score of candidates, and to the reasons for it.

Two forests may join ``w·x``: the one that came with a pack, which looks at how candidates stand beside each other
(:mod:`recsys.learn.standing`), and the one that was grown on the person's own choices, which looks at features. Along
their paths both split into what each feature adds (:mod:`recsys.learn.forest`), so that an item's distance from the
average candidate still splits exactly, group by group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.features import FEATURES
from recsys.learn.forest import Forest
from recsys.learn.lessons import levels_of
from recsys.learn.standing import STANDINGS, standing
from recsys.rank.candidates import Pool
from recsys.rank.told import Said

__all__ = ["Grown", "Heights", "may_lead"]

_OWN: Final = tuple((f"{feature.name}, trees", feature.group) for feature in FEATURES)
_GIVEN: Final = tuple((f"{name}, trees of the pack", group) for name, group in STANDINGS)


class Heights(NamedTuple):
    """What the forests look at: of the pack's how candidates stand, of the own the levels of features."""

    given: NDArray[np.uint8] | None
    own: NDArray[np.uint8] | None


class Grown(NamedTuple):
    """The trees that join the score now; None of which there are none."""

    given: Forest | None
    own: Forest | None

    @property
    def spread(self) -> float:
        """How much more they may add for one candidate than for another."""
        return sum(forest.spread for forest in self if forest is not None)

    def heights(
        self,
        pool: Pool,
        features: NDArray[np.float64] | NDArray[np.float32],
        utilities: NDArray[np.float64] | NDArray[np.float32],
    ) -> Heights:
        """Give what they look at; ``utilities`` are ``w·x`` alone. O(n n_features)."""
        given = None
        if self.given is not None:
            given = standing(features, utilities, may_lead(pool), np.array([features.shape[1]]))
        return Heights(given, None if self.own is None else levels_of(features))

    def scores(self, heights: Heights) -> NDArray[np.float64] | float:
        """Give what they add to each candidate's score, shape (n,). O(n_trees n)."""
        added: NDArray[np.float64] | float = 0.0
        for forest, levels in zip(self, heights, strict=True):
            if forest is not None and levels is not None:
                added = added + forest.scores(levels)
        return added

    def averages(self, pool: Pool, heights: Heights) -> list[NDArray[np.float64]]:
        """Give of each forest the mean over the candidates of what each feature adds. O(n_trees n)."""
        found: list[NDArray[np.float64]] = []
        for forest, levels in zip(self, heights, strict=True):
            if forest is not None and levels is not None:
                weights = np.ones(levels.shape[1]) if pool.allowed is None else pool.allowed.astype(np.float64)
                if pool.untouched:
                    weights[0] += len(pool.untouched)
                found.append(forest.average(levels, weights) / max(float(weights.sum()), 1.0))
        return found

    def said(self, heights: Heights, averages: Sequence[NDArray[np.float64]], columns: Sequence[int]) -> list[Said]:
        """Give what they say of some columns."""
        found, at = list[Said](), np.array(columns, np.intp)
        for forest, levels, told in zip(self, heights, (_GIVEN, _OWN), strict=True):
            if forest is not None and levels is not None:
                names, groups = zip(*told, strict=True)
                parts = forest.contributions(levels[:, at])
                found.append(Said(names, groups, parts, averages[len(found)], np.ones(len(names))))
        return found


def may_lead(pool: Pool) -> NDArray[np.bool_]:
    """Give who others may be compared with: candidates that the log tells of, shape (n,)."""
    slots = np.arange(len(pool.ids)) if isinstance(pool.slots, slice) else pool.slots
    known: NDArray[np.bool_] = slots != 0
    return known if pool.allowed is None else known & pool.allowed
