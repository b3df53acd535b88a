"""Growing goes on: past a disk that is full, beside others who grow, and through what is of no use any more."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from recsys import FullError, Recommender, Settings
from recsys.grove import Grove
from recsys.learn import stages
from recsys.log import Store
from tests.properties.trees_world import lived
from tests.small_trees import grow, needs_trees, small_trees, stages_in

pytestmark = needs_trees
SETTINGS = Settings(trees=True, synchronous="normal", ballast=False, choice_set_size=8)
N = 60
Rows = dict[int, tuple[int, str, bytes]]


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with small_trees():
        yield


@pytest.fixture
def wanted(small: None) -> Rows:  # noqa: ARG001 - the schedule
    with closing(opened(":memory:")) as rec:
        rec.record_many(lived(N))
        grow(rec)
        return stages_in(rec)


def opened(path: Path | str) -> Recommender:
    return Recommender(path, settings=SETTINGS)


def ripe(path: Path) -> Recommender:
    """One whose next step is to grow."""
    rec = opened(path)
    rec.record_many(lived(N))
    while rec._live.worth_saving:
        rec.maintain(50)
    return rec


def failing(real: Callable[[Store], AbstractContextManager[None]], *, begun: bool) -> Callable[[Store], object]:
    """A transaction that comes to nothing, before or after what is done in it."""

    @contextmanager
    def transaction(store: Store) -> Iterator[None]:
        if not begun:
            raise FullError("no space")
        with real(store):
            yield
            raise FullError("no space")

    return transaction


@pytest.mark.parametrize("begun", [False, True], ids=["before it begins", "at its end"])
@pytest.mark.parametrize("n_before", [0, 2, 3])
def test_a_step_that_could_not_be_written_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Rows, n_before: int, *, begun: bool
) -> None:
    with closing(ripe(tmp_path / "log.db")) as rec:
        for _ in range(n_before):
            rec.maintain(1e-6)
        before = stages_in(rec)
        with monkeypatch.context() as full:
            full.setattr(Store, "fleeting", failing(Store.fleeting, begun=begun))
            with pytest.raises(FullError):
                rec.maintain(1_000)
        assert stages_in(rec) == before
        grow(rec)
        assert stages_in(rec) == wanted


def test_what_is_of_no_use_any_more_is_dropped_though_it_could_not_be_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(ripe(tmp_path / "log.db")) as rec:
        grow(rec)
        first = min(stages_in(rec))
        rec.record_many(lived(N + 30)[N:])
        rec._grove.doubtful = True
        assert {finding.severity for finding in rec.check()} == {"ok"}, "old ones are no fault"

        def full(*_: object) -> int:
            raise FullError("no space")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "drop_stages", full)
            with pytest.raises(FullError):
                rec.maintain(1_000)
        assert first in stages_in(rec)
        grow(rec)
        assert first not in stages_in(rec)


def test_one_that_is_behind_does_not_undo_what_another_grew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Rows
) -> None:
    path, begin = tmp_path / "log.db", Grove.begin
    with closing(ripe(path)) as slow, closing(opened(path)) as quick:

        def overtaken(*given: object) -> object:
            monkeypatch.setattr(Grove, "begin", begin)
            growing = begin(*given)  # type: ignore[arg-type]
            grow(quick)
            return growing

        monkeypatch.setattr(Grove, "begin", overtaken)
        slow.maintain(1e-6)
        assert stages_in(quick) == wanted
        assert slow.maintain(50) is False


def test_what_is_told_of_decisions_is_what_was_decided_at_the_time(tmp_path: Path) -> None:
    """And it is the same for one that learnt all in one go, and is told of a bounded number of decisions."""
    events, decided = lived(240, seed=2), {}
    with closing(opened(tmp_path / "log.db")) as rec, closing(opened(":memory:")) as at_once:
        for at in range(0, len(events), 3):
            rec.record_many(events[at : at + 3])
            grow(rec)
            trees = rec.stats().trees
            if trees.stage:
                decided[trees.stage] = (trees.serves, trees.n_choices, trees.gain.mean, trees.n_trees)
            told = {d.stage: (d.serves, d.n_choices, d.gain, d.n_trees) for d in trees.decisions}
            assert told.items() <= decided.items()
            assert min(trees.stage, 1 + stages.REMEMBERED) <= len(told) <= stages.JUDGED + stages.REMEMBERED + 3
            assert all(d.n_learnt == stages.ending(d.stage) for d in trees.decisions)
        at_once.record_many(events)
        grow(at_once)
        assert at_once.stats().trees.decisions == rec.stats().trees.decisions
    assert {serves for serves, *_ in decided.values()} == {False, True}, "both have served"


def test_the_gate_opens_where_the_gain_told_is_more_than_its_errors_told() -> None:
    with closing(opened(":memory:")) as rec:
        rec.record_many(lived(240, seed=2))
        grow(rec)
        decisions = rec.stats().trees.decisions
        assert all(d.serves == (d.gain > stages._CLEAR * d.standard_error) for d in decisions if d.standard_error)
        assert sum(d.standard_error > 0.0 for d in decisions) >= 3


def test_a_stage_that_another_drops_while_it_is_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, load = tmp_path / "log.db", Store.load_stage
    with closing(ripe(path)) as rec, closing(opened(path)) as other:
        grow(rec)
        rec._grove.doubtful = True

        def dropped(store: Store, number: int) -> bytes:
            monkeypatch.setattr(Store, "load_stage", load)
            other._store.drop_stages()
            return load(store, number)

        monkeypatch.setattr(Store, "load_stage", dropped)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert rec._grove.stages(rec._store, rec._live) == []
