"""The trees of a log kept in step with it: read from the file, grown in steps, and asked which of them serve.

What stands in the file is a cache: a stage is taken up only when its digest agrees and it was grown from just the
lessons that the log teaches now. Growing is done in steps that may end anywhere: the first holds what is needed (a
copy, so that nobody waits for it), the next grow tree by tree, and each is written before it ends.
"""

from __future__ import annotations

import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

import numpy as np
from numpy.typing import NDArray

from recsys.errors import CheckpointError, CorruptError
from recsys.learn import stages
from recsys.learn.forest import Forest, Tree, joined
from recsys.learn.stages import OfPrior, Stage, Verdict
from recsys.learn.trees import PARAMETERS, Grower

if TYPE_CHECKING:
    from recsys.learn.lessons import Lessons, Window
    from recsys.live import Live
    from recsys.log import Store
    from recsys.reports import TreeStats

__all__ = ["Grove", "Growing"]

_NOTHING: Final = Forest.of([])
_FIRST_TREE: Final = 0.2  # of the time that it takes LightGBM to be told the lessons, a tree takes at most
_LOADING_S: Final = 0.1  # no less, while lessons are told in a fifth of it
_ALL: Final = -1  # stands for every stage: the table cannot be read row by row


@final
class Growing:
    """A stage that is being grown, apart from everything that others may change meanwhile.

    Stability: provisional
    """

    def __init__(
        self,
        window: Window,
        begun: Stage,
        goal: int,
        basis: str = "",
        version: int = 0,
        *,
        before: Stage | None = None,
        after: tuple[Window, Stage] | None = None,
    ) -> None:
        self.begun = begun
        self.evidence: NDArray[np.float32] | None = None  # of the last stage, on the lessons after it
        self._before, self._after = before, after
        self.at_us = int(window.at_us.max())
        self.version = version  # of the state that it is grown from
        self.basis = basis
        self.stage, self.blob = begun, b""  # how far it has come, and that as bytes
        self._window = window
        self._goal = goal
        self._grower: Grower | None = None
        self._trees: list[Tree] = []
        self._finished = begun.forest.n_trees >= goal

    def advance(self, deadline: float) -> None:
        """Grow trees until the stage is complete or the time, of ``time.perf_counter``, is near; at least one.

        The first time LightGBM is loaded and told the lessons, which may be all that there is time for.

        Raises
        ------
        MissingExtraError
            When LightGBM is not installed.
        """
        if not self.begun.made_from:
            self.begun = self.begun._replace(made_from=_made_from(self._window, self._before))
        if self._after is not None:
            self.evidence, self._after = stages.judged(self._after[0], self._after[1].forest), None
        taken = 0.0  # by the last tree
        if self._grower is None:
            began = time.perf_counter()
            self._grower = Grower(self._window, self.begun.forest)
            told = time.perf_counter() - began
            # Not where LightGBM had to be loaded: a process that takes one step only would never grow a tree.
            taken = told * _FIRST_TREE if told < _LOADING_S else 0.0
        while not self._finished and (not taken or time.perf_counter() + taken < deadline):
            began = time.perf_counter()
            tree = self._grower.grow()
            if tree is not None:
                self._trees.append(tree)
            self._finished = tree is None or self.begun.forest.n_trees + len(self._trees) >= self._goal
            taken = time.perf_counter() - began
        forest = joined(self.begun.forest, Forest.of(self._trees))
        self.stage = Stage(self.begun.number, self._finished, forest, self.begun.made_from)
        self.blob = self.stage.encode(self.basis)


@final
class Grove:
    """The stages of trees of one log.

    Stability: provisional
    """

    def __init__(self) -> None:
        self.barren = False  # LightGBM is not there
        self.doubtful = True  # whether the file has to be looked at
        self._version = 0
        self._stages: dict[int, Stage] = {}
        self._evidence: dict[int, NDArray[np.float32]] = {}
        self._damaged: list[int] = []
        self._growing: Growing | None = None
        self._busy = False
        self._verdict: Verdict | None = None
        self._of_prior: tuple[tuple[int, int], OfPrior] | None = None

    def serving(self, store: Store, live: Live) -> tuple[Forest | None, Forest | None]:
        """Give the trees that join the score now, those of the prior and own ones.

        Own trees go on from those of the prior, so they serve only beside these.
        """
        given = live.state.trees
        if given is not None and not self.of_prior(live).serves:
            return None, None
        found = self.verdict(store, live)
        return given, self._stages[found.stage].forest if found.serves else None

    def of_prior(self, live: Live) -> OfPrior:
        """Say whether the trees of the prior serve, and why."""
        lessons = _lessons(live)
        at = live.version, stages.newest(lessons.n)
        if self._of_prior is None or self._of_prior[0] != at:
            self._of_prior = at, stages.of_prior(lessons)
        return self._of_prior[1]

    def verdict(self, store: Store, live: Live) -> Verdict:
        """Say which model serves and why, as of the newest stage that is complete."""
        self._refresh(store, live)
        if self._verdict is None:
            last = max((number for number, stage in self._stages.items() if stage.complete), default=0)
            self._verdict = stages.verdict(last, [evidence for _, evidence in self.judged(live, last)])
        return self._verdict

    def judged(self, live: Live, last: int) -> list[tuple[int, NDArray[np.float32]]]:
        """Give the stages that decide about another one, each with what :func:`recsys.learn.stages.judged` says."""
        lessons = _lessons(live)
        found: list[tuple[int, NDArray[np.float32]]] = []
        for number in range(max(last - stages.JUDGED, 1), last):
            stage = self._stages.get(number)
            if stage is None or not stage.complete:
                found.clear()  # a gap: only what comes after it
                continue
            if number not in self._evidence:
                self._evidence[number] = stages.judged(stages.lessons_after(lessons, number), stage.forest)
            found.append((number, self._evidence[number]))
        return found

    def stages(self, store: Store, live: Live) -> list[Stage]:
        """Give the stages that there are, in ascending order."""
        self._refresh(store, live)
        return [stage for _, stage in sorted(self._stages.items())]

    def missing(self, store: Store, live: Live) -> int:
        """Give the number of the stage that is to be grown next; 0 when none is."""
        self._refresh(store, live)
        for number in stages.needed(_lessons(live).n):
            if number not in self._stages or not self._stages[number].complete:
                return number
        return 0

    def decided(self, store: Store, live: Live) -> list[Verdict]:
        """Give the newest decision and those before it all of whose evidence is there, oldest first.

        As many for equal logs, whenever their trees were grown: of 5 at least, or of all stages so far. O(lessons).
        """
        why = self.verdict(store, live)
        first = min(self._stages, default=0)
        whole = range(first + stages.JUDGED if first > 1 else 1, why.stage)
        before = [number for number in whole if number in self._stages]
        return [stages.verdict(n, [evidence for _, evidence in self.judged(live, n)]) for n in before] + (
            [why] if why.stage else []
        )

    def counted(self, store: Store, live: Live) -> TreeStats:
        """Say which model serves and why. O(stages), the first time O(lessons)."""
        from recsys.reports import Metric, PackTrees, TreeDecision, TreeStage, TreeStats

        why = self.verdict(store, live)
        history = []
        for number, evidence in self.judged(live, why.stage):
            held = evidence[:, ~np.isnan(evidence[0])].astype(np.float64)
            means = held.mean(axis=1).tolist() if held.shape[1] else (0.0, 0.0, 0.0)
            history.append(TreeStage(number, held.shape[1], *means))
        given, of_prior = live.state.trees, None
        if given is not None:
            prior = self.of_prior(live)
            gain = Metric(prior.gain, prior.low, prior.high)
            of_prior = PackTrees(prior.serves, given.n_trees, prior.n_lessons, prior.linear, prior.both, gain)
        return TreeStats(
            serves=why.serves and (of_prior is None or of_prior.serves),
            stage=why.stage,
            growing=self.missing(store, live),
            n_trees=self._stages[why.stage].forest.n_trees if why.stage else 0,
            size_bytes=sum(size for *_, size in _rows(store) or ()),
            n_choices=why.n_lessons,
            linear=why.linear,
            trees=why.trees,
            both=why.both,
            gain=Metric(why.gain, why.low, why.high),
            history=tuple(history),
            decisions=tuple(
                TreeDecision(
                    stage=one.stage,
                    n_learnt=stages.ending(one.stage),
                    n_trees=self._stages[one.stage].forest.n_trees,
                    serves=one.serves,
                    n_choices=one.n_lessons,
                    gain=one.gain,
                    standard_error=one.standard_error,
                )
                for one in self.decided(store, live)
            ),
            pack=of_prior,
        )

    def finding(self, store: Store, live: Live) -> tuple[str, str, str]:
        """Say whether the trees in the file are what the log teaches, as far as their digests tell."""
        self.doubtful = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.stages(store, live)
        old = range(1, stages.needed(_lessons(live).n).start)  # of no use any more: dropped by the next step
        if any(number not in old for number in self._damaged):
            return ("warning", "trees", "some are damaged or of another log: call maintain()")
        return ("ok", "trees", f"{len(found)} stages, grown from what the log teaches")

    def is_due(self, store: Store, live: Live) -> bool:
        """Whether a step could do something: grow, or drop what is of no use."""
        return not self.barren and (bool(self._damaged) or self.missing(store, live) > 0)

    def begin(self, store: Store, live: Live) -> Growing | None:
        """Take what the next step needs; None when there is nothing to do, or another thread is doing it."""
        if self._busy or not self.is_due(store, live):
            return None
        if self._damaged:
            self._drop(store)
        number = self.missing(store, live)
        if not number:
            return None
        growing = self._growing
        if growing is None or growing.begun.number != number or growing.version != live.version:
            growing = self._begun(live, number)
        self._growing, self._busy = growing, True
        return growing

    def end(self, growing: Growing, store: Store, live: Live) -> None:
        """Write how far a step has come, inside a transaction in which the state is in step with the log."""
        self._busy = False
        if growing.version != live.version or growing.basis != live.basis:  # what it was grown from has changed
            self._growing = None
            return
        stage = growing.stage
        sizes = {number: size for number, _, basis, size in _rows(store) or () if basis == growing.basis}
        if sizes.get(stage.number, 0) > len(growing.blob):  # another process has come further
            self._growing, self.doubtful = None, True
            return
        store.save_stage(stage.number, growing.at_us, growing.basis, growing.blob)
        self._refresh(store, live)
        self._stages[stage.number] = stage
        if growing.evidence is not None:
            self._evidence[stage.number - 1] = growing.evidence
        if stage.complete:
            self._growing = self._verdict = None
            old = [number for number in self._stages if number not in stages.needed(_lessons(live).n)]
            store.drop_stages(old)
            for number in old:
                del self._stages[number]
                self._evidence.pop(number, None)

    def give_up(self, *, barren: bool = False) -> None:
        """Say that a step has come to nothing: what stands in the file is looked at anew."""
        self._busy, self._growing, self.doubtful = False, None, True
        self.barren = self.barren or barren

    def _begun(self, live: Live, number: int) -> Growing:
        lessons = _lessons(live)
        window = stages.lessons_of(lessons, number)
        before = None if stages.begins(number) == number else self._stages[number - 1]
        begun, last = self._stages.get(number), self._stages.get(number - 1)
        # What it is made from is digested, and what the last one was worth judged, with nobody waiting.
        if begun is None:
            begun = Stage(number, False, before.forest if before else _NOTHING, b"")
        is_judged = last is None or not last.complete or number - 1 in self._evidence
        after = None if last is None or is_judged else (stages.lessons_after(lessons, number - 1), last)
        return Growing(window, begun, stages.goal(number), live.basis, live.version, before=before, after=after)

    def _refresh(self, store: Store, live: Live) -> None:
        """Read the stages from the file, if they or the state may be others than they were."""
        if self._version == live.version and not self.doubtful:
            return
        if self._version != live.version:
            self._evidence.clear()
            self._growing = None
        self._stages, self._damaged, self._verdict = {}, [], None
        self._version, self.doubtful = live.version, False
        rows = _rows(store)
        if rows is None:
            rows, self._damaged = [], [_ALL]
        self._damaged += [number for number, _, basis, _ in rows if basis != live.basis]
        needed, n_damaged = stages.needed(_lessons(live).n), len(self._damaged) if not rows else 0
        for number, at_us, basis, _ in rows:
            if basis != live.basis:
                continue
            try:
                stage = Stage.decode(store.load_stage(number), basis)
            except CheckpointError:
                if any(number == there for there, *_ in _rows(store) or ()):  # not dropped by another process meanwhile
                    n_damaged += 1
                    self._damaged.append(number)
                continue
            if stage.number == number and number in needed and self._fits(live, stage, at_us):
                self._stages[number] = stage
            else:
                self._damaged.append(number)
        if n_damaged:
            message = "damaged trees were found; they are grown anew from the log"
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    def _fits(self, live: Live, stage: Stage, at_us: int) -> bool:
        """Whether a stage was grown from just these lessons, the last of that time, and the trees before."""
        lessons, number = _lessons(live), stage.number
        begins = stages.begins(number) == number
        before = None if begins else self._stages.get(number - 1)
        if not begins and (before is None or not before.complete):
            return False
        window = stages.lessons_of(lessons, number)
        return at_us == int(window.at_us.max()) and stage.made_from == _made_from(window, before)

    def _drop(self, store: Store) -> None:
        with suppress(CorruptError):
            store.drop_stages(None if _ALL in self._damaged else self._damaged)
        self._damaged = []


def _rows(store: Store) -> list[tuple[int, int, str, int]] | None:
    """Give what the file says of its stages; None where that cannot be read."""
    try:
        return store.stages()
    except CorruptError:
        return None


def _made_from(window: Window, before: Stage | None) -> bytes:
    return stages.made_from(window, before, PARAMETERS)


def _lessons(live: Live) -> Lessons:
    lessons = live.state.lessons
    assert lessons is not None  # noqa: S101 - there is a grove only where the settings ask for lessons
    return lessons
