"""The learner with trees as a model of the replay: what a recommender with ``Settings(trees=True)`` ranks by.

Those of a prior serve until the own log shows that they harm. Own ones are grown as soon as a stage is due, which is
what ``maintain`` comes to; the gate says what serves until the next. Growing loads LightGBM.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.grove import Growing
from recsys.learn import stages
from recsys.learn.fold import fold, new_state, score
from recsys.learn.forest import Forest
from recsys.learn.stages import Stage, Verdict
from recsys.learn.trees import PARAMETERS, can_grow
from recsys.prior import Prior
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["GrownModel", "Ungrown"]


class GrownModel:
    """The learner of this package with trees on top, wherever they would serve.

    Parameters
    ----------
    settings : Settings or None
        None takes the defaults; trees are grown in any case.
    prior : Prior or None
        None takes the one that ships with the package.

    Stability: provisional
    """

    def __init__(self, settings: Settings | None = None, prior: Prior | None = None) -> None:
        self.state = new_state(prior or Prior.default(), replace(settings or Settings(), trees=True))
        self._evidence: dict[int, NDArray[np.float32]] = {}
        self.newest: Stage | None = None
        self.verdict: Verdict | None = None
        self.n_by_trees = 0  # how often was asked while trees joined the score
        self.given_serves = True  # those of the prior, where it has any
        self._n_judged = 0  # the stage as of which that was said

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        """Return the utility of each candidate at the event's moment, shape (n_candidates,): of what serves then."""
        given = self.state.trees if self.given_serves else None
        serves = self.newest is not None and self.verdict is not None and self.verdict.serves and self.given_serves
        self.n_by_trees += serves or given is not None
        return self.scored(event, candidates, self.newest.forest if serves and self.newest else None, given)

    def scored(
        self, event: Event, candidates: Sequence[str], forest: Forest | None, given: Forest | None = None
    ) -> NDArray[np.float64]:
        """Return the utilities with these own trees, and these of the prior, or with none."""
        moment: dict[str, Any] = {"at_us": event.at_us, "offset_min": event.offset_min, "context": event.context}
        return score(self.state, candidates, **moment, forest=forest, given=given)

    def learn(self, event: Event) -> None:
        """Fold the event into the state; grow the stages that are due, of which each is whole."""
        fold(self.state, event)
        lessons = self.state.lessons
        assert lessons is not None  # noqa: S101 - the settings ask for them
        if self.state.trees is not None and self._n_judged != stages.newest(lessons.n):
            self._n_judged = stages.newest(lessons.n)
            self.given_serves = stages.of_prior(lessons).serves
        if not can_grow():
            return
        n_grown = self.newest.number if self.newest else 0
        for number in range(n_grown + 1, stages.newest(lessons.n) + 1):
            self._grow(number)

    def _grow(self, number: int) -> None:
        lessons, newest = self.state.lessons, self.newest
        assert lessons is not None  # noqa: S101
        before = None if newest is None or stages.begins(number) == number else newest
        window = stages.lessons_of(lessons, number)
        made_from = stages.made_from(window, before, PARAMETERS)
        begun = Stage(number, complete=False, forest=before.forest if before else Forest.of([]), made_from=made_from)
        growing = Growing(window, begun, stages.goal(number))
        growing.advance(math.inf)
        if newest is not None:
            self._evidence[newest.number] = stages.judged(stages.lessons_after(lessons, newest.number), newest.forest)
            self._evidence.pop(number - 1 - stages.JUDGED, None)
        self.newest = growing.stage
        self.verdict = stages.verdict(number, [*self._evidence.values()])


class Ungrown:
    """The linear model of a grown one, alone; it learns with that.

    Stability: provisional
    """

    def __init__(self, grown: GrownModel) -> None:
        self._grown = grown

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        """Return ``w·x`` of each candidate at the event's moment, shape (n_candidates,)."""
        return self._grown.scored(event, candidates, None)

    def learn(self, event: Event) -> None:
        """Do nothing."""
