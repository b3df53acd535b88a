"""Each check of the contract finds the ranker that breaks it, and finds no other; a sound one passes them all."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from recsys import InputError, Recommender, Settings
from recsys.testing import RANKER_CHECKS, check_ranker, ranker_findings

WEEK: Final = 7 * 86_400.0


class Ranked(NamedTuple):
    """One result."""

    item_id: str
    score: float
    position: int
    known: bool


class Sound:
    """The smallest ranker that keeps the contract: uses, halved each week."""

    def __init__(self) -> None:
        self.uses: list[tuple[float, str]] = []
        self.closed = False

    def record(self, item_id: str, kind: str = "click", *, at: float) -> None:  # noqa: ARG002 - all kinds are uses
        self._open()
        if at != at:  # noqa: PLR0124 - so is a NaN told
            raise ValueError(self.refusal(item_id))
        self.uses.append((at, item_id))

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        self._open()
        ids = list(item_ids)
        self.check(ids, k)
        used = {item_id for _, item_id in self.uses}
        ordered = sorted((-self.score(item_id, at), item_id) for item_id in ids)[:k]
        return [Ranked(item_id, -lost, n, item_id in used) for n, (lost, item_id) in enumerate(ordered)]

    def recommend(self, k: int, *, at: float) -> Sequence[Ranked]:
        return self.rank(sorted({item_id for _, item_id in self.uses}), k=k, at=at)

    def forget(self, *, items: Sequence[str]) -> None:
        self.uses = [(at, item_id) for at, item_id in self.uses if item_id not in items]

    def close(self) -> None:
        self.closed = True

    def score(self, item_id: str, at: float) -> float:
        return sum(0.5 ** ((at - used) / WEEK) for used, one in self.uses if one == item_id)

    def check(self, ids: list[str], k: int | None) -> None:
        if len(set(ids)) < len(ids) or (k is not None and k < 0):
            raise ValueError(self.refusal(ids[0] if ids else ""))

    def refusal(self, _: str) -> str:
        return "that cannot be ranked"

    def _open(self) -> None:
        if self.closed:
            raise RuntimeError("closed")


class Infinite(Sound):
    """Some scores are no numbers to sort by."""

    def score(self, item_id: str, at: float) -> float:
        return super().score(item_id, at) or float("-inf")


class FromOne(Sound):
    """Counts positions from one."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        return [r._replace(position=r.position + 1) for r in super().rank(item_ids, k=k, at=at)]


class LearnsFromBeingAsked(Sound):
    """Takes a question for a use."""

    def recommend(self, k: int, *, at: float) -> Sequence[Ranked]:
        slate = super().recommend(k, at=at)
        self.uses.append((at, slate[0].item_id))
        return slate


class KeepsTheOrderGiven(Sound):
    """Lets what came first stand a hair before."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        ids = list(item_ids)
        self.check(ids, k)
        hair = {item_id: 1e-9 * n for n, item_id in enumerate(ids)}
        slate = super().rank(ids, at=at)
        scored = sorted((-r.score - hair[r.item_id], r) for r in slate)[:k]
        return [r._replace(score=-lost, position=n) for n, (lost, r) in enumerate(scored)]


class SortsInPlace(Sound):
    """Sorts the caller's own list."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        slate = super().rank(item_ids, k=k, at=at)
        if isinstance(item_ids, list):
            item_ids.sort()
        return slate


class Pads(Sound):
    """Fills up to k."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        slate = list(super().rank(item_ids, k=k, at=at))
        while slate and k is not None and k > len(slate):
            slate.append(slate[-1]._replace(position=len(slate)))
        return slate


class LeavesOutTheUnknown(Sound):
    """Ranks only what it has seen."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        self.check([], k)
        slate = [r for r in super().rank(item_ids, at=at) if r.known]
        return [r._replace(position=n) for n, r in enumerate(slate[:k])]


class MergesDuplicates(Sound):
    """Takes an id given twice for one."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        return super().rank(dict.fromkeys(item_ids), k=k, at=at)


class Seeded(Sound):
    """Another answer for each ranker made, and the same from each."""

    def __init__(self) -> None:
        super().__init__()
        self.jitter = random.random() * 1e-9

    def score(self, item_id: str, at: float) -> float:
        return super().score(item_id, at) + self.jitter


class KnowsEverything(Sound):
    """Marks every id as known."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        return [r._replace(known=True) for r in super().rank(item_ids, k=k, at=at)]


class TiesBackwards(Sound):
    """Orders ties from the end of the alphabet."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        self.check([], k)
        slate = sorted(super().rank(item_ids, at=at), key=lambda r: r.item_id, reverse=True)
        slate.sort(key=lambda r: -r.score)
        return [r._replace(position=n) for n, r in enumerate(slate[:k])]


class WorstFirstWhenFew(Sound):
    """Gives the worst when one is asked for."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        slate = super().rank(item_ids, k=k, at=at)
        worst = list(super().rank(item_ids, at=at))[-1:]
        return [worst[0]._replace(position=0)] if k == 1 else slate


class TakesNegativeK(Sound):
    """Takes a negative k for none."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
        return super().rank(item_ids, k=None if k is None else max(k, 0), at=at)


class TellsTheId(Sound):
    """Names the id in its errors."""

    def refusal(self, item_id: str) -> str:
        return f"cannot rank {item_id!r}"


class NeverLearnsAfterAMonth(Sound):
    """Is full after a month."""

    def record(self, item_id: str, kind: str = "click", *, at: float) -> None:
        super().record(item_id, kind, at=at)
        if len(self.uses) > 69 and item_id.startswith("used"):
            self.uses.pop()


class ForgetsTheNewestOnly(Sound):
    """Forgets the last use and keeps the others."""

    def forget(self, *, items: Sequence[str]) -> None:
        gone = [use for use in self.uses if use[1] in items]
        self.uses.remove(gone[-1])


class AnswersWhenClosed(Sound):
    """Cannot be closed."""

    def close(self) -> None:
        pass


BROKEN: Final[dict[type[Sound], str]] = {
    Infinite: "well formed",
    FromOne: "well formed",
    LearnsFromBeingAsked: "reads change nothing",
    KeepsTheOrderGiven: "order of the input",
    SortsInPlace: "input left alone",
    Pads: "never pads",
    LeavesOutTheUnknown: "never pads",
    MergesDuplicates: "duplicates refused",
    Seeded: "deterministic",
    KnowsEverything: "unknown ids",
    TiesBackwards: "ties by id",
    WorstFirstWhenFew: "k",
    TakesNegativeK: "k",
    TellsTheId: "errors tell nothing",
    NeverLearnsAfterAMonth: "learns",
    ForgetsTheNewestOnly: "forgets",
    AnswersWhenClosed: "closed",
}


def test_a_sound_ranker_passes() -> None:
    assert ranker_findings(Sound) == []
    assert ranker_findings(Sound()) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_ranker_is_found_by_the_check_that_is_meant_for_it_alone(broken: type[Sound]) -> None:
    assert {finding.what for finding in ranker_findings(broken)} == {BROKEN[broken]}


def test_every_check_has_a_broken_ranker() -> None:
    assert set(BROKEN.values()) == set(RANKER_CHECKS)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_recommender_keeps_its_contract(in_memory: bool, tmp_path: Path) -> None:
    made = iter(range(1_000))

    def make() -> Recommender:
        path = ":memory:" if in_memory else tmp_path / f"{next(made)}.db"
        return Recommender(path, settings=Settings(synchronous="normal"))

    only = None if in_memory else ["reads change nothing", "forgets"]
    assert ranker_findings(make, only=only) == []


def test_a_read_that_writes_to_a_file_is_found(tmp_path: Path) -> None:
    class LogsQuestions(Sound):
        def rank(self, item_ids: Iterable[str], *, k: int | None = None, at: float) -> Sequence[Ranked]:
            with (tmp_path / "questions.log").open("a") as log:
                log.write("asked\n")
            return super().rank(item_ids, k=k, at=at)

    (tmp_path / "questions.log").touch()
    assert ranker_findings(LogsQuestions) == []
    (found,) = ranker_findings(LogsQuestions, paths=[tmp_path])
    assert found.message == "reading changed the files or the state"


def test_all_that_is_found_is_told_at_once() -> None:
    class Bad(TellsTheId, MergesDuplicates, KnowsEverything):
        def close(self) -> None:
            pass

    with pytest.raises(AssertionError) as caught:
        check_ranker(Bad)
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "duplicates refused",
        "unknown ids",
        "errors tell nothing",
        "closed",
        "closed",
    ]


def test_a_ranker_that_falls_over_is_found() -> None:
    class Falls(Sound):
        def score(self, item_id: str, at: float) -> float:
            raise KeyError(item_id, at)

    found = ranker_findings(Falls, only=["well formed"])
    assert [finding.message for finding in found] == ["raised KeyError where an answer is due"]


@pytest.mark.parametrize("ranker", [7, "x", object(), lambda: 7])
def test_what_is_no_ranker_is_refused(ranker: object) -> None:
    with pytest.raises(InputError):
        check_ranker(ranker)


def test_the_name_of_no_check_is_refused() -> None:
    with pytest.raises(InputError):
        check_ranker(Sound, only=["well dressed"])


@pytest.mark.parametrize(
    "wrong", [{"only": 5}, {"only": [5]}, {"only": [[]]}, {"paths": 5}, {"paths": "me.db"}, {"paths": [5]}]
)
def test_what_is_no_list_of_checks_or_paths_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        check_ranker(lambda: Recommender(":memory:"), **wrong)
