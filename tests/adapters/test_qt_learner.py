"""The learner's thread: results in the GUI thread, in order; nothing written is lost; nothing blocks."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters import needs

needs.qt()

from PySide6.QtWidgets import QApplication
from recsys import InputError, Recommender
from recsys_qt import Learner, RankedModel
from shiboken6 import delete
from tests.adapters.qt_world import Rows, pump


@pytest.fixture(scope="module", autouse=True)
def application() -> Iterator[QApplication]:
    yield QApplication.instance() or QApplication([])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "me.db"


def test_jobs_run_on_one_other_thread_in_order_and_answers_arrive_in_this_one(path: Path) -> None:
    learner = Learner(lambda: Recommender(path))
    where: list[tuple[int, int, int]] = []
    for n in range(20):
        learner.ask(lambda _, n=n: (n, threading.get_ident()), lambda r: where.append((*r, threading.get_ident())))
    assert learner.wait()
    learner.close()
    assert [n for n, _, _ in where] == list(range(20))
    assert len({worker for _, worker, _ in where}) == 1
    assert {here for _, _, here in where} == {threading.get_ident()}
    assert where[0][1] != threading.get_ident()


def test_what_was_told_is_written_before_close_returns_and_what_was_asked_is_dropped(path: Path) -> None:
    learner = Learner(lambda: Recommender(path))
    answered: list[object] = []
    learner.ask(lambda _: time.sleep(0.1))
    for n in range(30):
        learner.tell(lambda rec, n=n: rec.record(f"item-{n}", at=1_700_000_000 + n))
        learner.ask(lambda rec: rec.recommend(5), answered.append)
    learner.close()
    learner.close()
    learner.tell(lambda rec: rec.record("too-late"))
    pump(20)
    with Recommender(path) as recommender:
        assert recommender.stats().n_events == 30
    assert answered == []


def test_a_recommender_that_was_given_stays_the_host_s(path: Path) -> None:
    with Recommender(path) as recommender:
        learner = Learner(recommender)
        learner.tell(lambda rec: rec.record("a"))
        learner.close()
        assert recommender.stats().n_events == 1


def test_what_a_job_raises_arrives_as_failed_and_the_next_goes_on(path: Path) -> None:
    learner = Learner(lambda: Recommender(path))
    failures: list[object] = []
    answers: list[object] = []
    learner.failed.connect(failures.append)
    learner.ask(lambda rec: rec.recommend(-1), answers.append)
    learner.ask(lambda rec: len(rec.recommend(1)), answers.append)
    assert learner.wait()
    learner.close()
    assert [type(failure) for failure in failures] == [InputError]
    assert answers == [0]


def test_a_recommender_that_cannot_be_opened_fails_each_job(tmp_path: Path) -> None:
    bad = tmp_path / "me.db"
    bad.write_bytes(b"no database" * 100)
    learner = Learner(lambda: Recommender(bad))
    failures: list[object] = []
    learner.failed.connect(failures.append)
    learner.tell(lambda rec: rec.record("a"))
    assert learner.wait()
    learner.close()
    assert len(failures) == 2  # opening, too, is asked for
    assert all(isinstance(failure, OSError) for failure in failures)


def test_while_paused_nothing_is_written_and_nothing_fails(path: Path) -> None:
    learner = Learner(lambda: Recommender(path))
    failures: list[object] = []
    learner.failed.connect(failures.append)
    learner.ask(lambda rec: rec.pause())
    learner.tell(lambda rec: rec.record("a"))
    assert learner.wait()
    learner.close()
    assert failures == []
    with Recommender(path) as recommender:
        assert recommender.stats().n_events == 0


def test_the_event_loop_goes_on_while_a_long_job_runs(path: Path) -> None:
    learner = Learner(lambda: Recommender(path))
    learner.wait()
    done: list[float] = []
    learner.ask(lambda _: time.sleep(0.3), lambda _: done.append(1.0))
    turns = 0
    while not done:
        QApplication.processEvents()
        turns += 1
    learner.close()
    assert turns > 10


def test_background_work_is_done_when_nothing_is_asked() -> None:
    class Counted:
        n_maintained = 0

        def maintain(self, budget_ms: float) -> bool:
            Counted.n_maintained += budget_ms > 0
            return Counted.n_maintained < 3

        def close(self) -> None: ...

    learner = Learner(Counted, idle_ms=5)
    pump(200)
    learner.close()
    assert Counted.n_maintained == 3
    quiet = Learner(Counted, idle_ms=0)
    pump(50)
    quiet.close()
    assert Counted.n_maintained == 3


def test_the_switch_interval_is_given_back(path: Path) -> None:
    before = sys.getswitchinterval()
    learner = Learner(lambda: Recommender(path), switch_interval_s=0.0005)
    assert sys.getswitchinterval() == pytest.approx(0.0005)
    learner.close()
    assert sys.getswitchinterval() == before


def test_nothing_is_collected_on_the_thread(path: Path) -> None:
    """A window that is garbage must not be ended there."""
    where: list[int] = []

    class Window:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            where.append(threading.get_ident())

    def work(_: Recommender) -> int:
        return len([[n] for n in range(100_000)])

    learner = Learner(lambda: Recommender(path))
    gc.collect()
    for _ in range(20):
        Window()
        learner.ask(work)
    assert learner.wait()
    learner.close()
    gc.collect()
    assert len(where) == 20
    assert set(where) == {threading.get_ident()}
    assert gc.isenabled()


def test_an_answer_for_what_was_deleted_is_let_go(path: Path) -> None:
    learner = Learner(lambda: Recommender(path))
    failures: list[object] = []
    learner.failed.connect(failures.append)
    model = RankedModel(learner)
    model.setSourceModel(Rows([("a", ["a", "b"])]))
    delete(model)
    assert learner.wait()
    learner.close()
    assert failures == []


APP_THAT_FAILS = """
import sys
from PySide6.QtWidgets import QApplication
from recsys import Recommender
from recsys_qt import Learner
application = QApplication([])
learner = Learner(lambda: Recommender(sys.argv[1]))
learner.tell(lambda rec: rec.record("a"))
raise SystemExit(3)
"""


def test_an_app_that_ends_without_a_word_loses_nothing_and_ends(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", APP_THAT_FAILS, path], capture_output=True, check=False, timeout=60)
    assert done.returncode == 3, done.stderr
    with Recommender(path) as recommender:
        assert recommender.stats().n_events == 1
