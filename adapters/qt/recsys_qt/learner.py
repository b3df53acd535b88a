"""The thread on which a recommender works, so that the GUI thread never waits for it.

The core starts no threads; this is the host's side, so here is one. In go jobs, functions of the recommender; out come
their results, in the GUI thread. Nothing else touches the recommender.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar, cast

from PySide6.QtCore import QCoreApplication, QObject, QThread, QTimer, Signal, Slot
from recsys import ConsentError, PausedError, Recommender, RecsysError
from shiboken6 import isValid

from recsys_qt.collector import Collector

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["Learner"]

T = TypeVar("T")
Job: TypeAlias = "Callable[[Recommender], object]"
Then: TypeAlias = "Callable[[object], None] | None"


class Learner(QObject):
    """One recommender and the thread on which it works.

    Parameters
    ----------
    recommender : Recommender or callable
        A recommender, which stays the host's to close; or a function that opens one, which is called on the thread, so
        that opening a large log holds nothing up, and whose recommender is closed by :meth:`close`.
    idle_ms : int
        How long nothing must be asked before background work begins, milliseconds; 0 leaves ``maintain`` to the host.
    budget_ms : float
        Of one step of background work.
    switch_interval_s : float or None
        How soon a running Python thread lets another have the interpreter (``sys.setswitchinterval``), until
        :meth:`close`. At Python's 5 ms every call from Qt into Python may take so long while the thread works.
        None leaves it alone.
    parent : QObject, optional
        The owner.

    Notes
    -----
    Belongs to the thread that makes it, in which all of its methods are called and all its signals arrive. Jobs are
    done one after another, in the order asked.

    Stability: provisional
    """

    failed = Signal(object)
    """An exception that a job raised. What recsys raises carries nothing of a person's."""
    opened = Signal()
    """The recommender is there."""
    _done = Signal(object)

    def __init__(
        self,
        recommender: Recommender | Callable[[], Recommender],
        *,
        idle_ms: int = 500,
        budget_ms: float = 5.0,
        switch_interval_s: float | None = 0.00005,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._thread = _Thread(recommender, self._done.emit)
        self._n_waiting = 0
        self._collector = Collector()
        self._work_left = True
        self._budget_ms = budget_ms
        self._interval_s = sys.getswitchinterval()
        self._done.connect(self._deliver)
        self._idle = QTimer(self, singleShot=True, interval=idle_ms)
        self._idle.timeout.connect(self._maintain)
        self._idles = idle_ms > 0
        if switch_interval_s is not None:
            sys.setswitchinterval(switch_interval_s)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)
        atexit.register(self.close)  # of an app that ends with an exception, too, what was told is written
        self._thread.start()  # at no lower priority: it may hold the interpreter that the GUI thread waits for
        self.ask(lambda _: None, lambda _: self.opened.emit())

    @property
    def n_waiting(self) -> int:
        """How many jobs were asked for whose results have not arrived."""
        return self._n_waiting

    def ask(self, job: Callable[[Recommender], T], then: Callable[[T], None] | None = None) -> None:
        """Have something done by the recommender, a pure read; a pending one is dropped by :meth:`close`.

        Parameters
        ----------
        job : callable
            ``job(recommender) -> result``; runs on the thread.
        then : callable, optional
            ``then(result)``; runs in the GUI thread. Not called when the job raised: then ``failed`` is emitted.

        Stability: provisional
        """
        self._put(job, cast("Then", then), keep=False)

    def tell(self, job: Callable[[Recommender], T], then: Callable[[T], None] | None = None) -> None:
        """Have something written by the recommender: as :meth:`ask`, and done before :meth:`close` returns.

        What is refused because recording is paused, or not consented to, is let go without a word.

        Stability: provisional
        """
        self._work_left = True
        self._put(job, cast("Then", then), keep=True)

    def wait(self, timeout_ms: int = 10_000) -> bool:
        """Handle events until all that was asked for has arrived; False when that took too long. For tests."""
        from PySide6.QtCore import QDeadlineTimer, QEventLoop

        deadline = QDeadlineTimer(timeout_ms)
        while self._n_waiting and not deadline.hasExpired():
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 10)
            QThread.msleep(1)
        return not self._n_waiting

    @Slot()
    def close(self) -> None:
        """Finish what is to be written and end the thread; may be called at any time and again.

        Waits for the job that is being done.

        Stability: provisional
        """
        if self._thread.closing:
            return
        if isValid(self._idle):
            self._idle.stop()
        self._thread.finish()
        self._collector.release()
        atexit.unregister(self.close)
        sys.setswitchinterval(self._interval_s)

    def _put(self, job: Job, then: Then, *, keep: bool) -> None:
        if self._thread.closing:
            return
        self._idle.stop()
        self._n_waiting += 1
        self._collector.hold()
        self._thread.jobs.put((job, then, keep))

    @Slot(object)
    def _deliver(self, done: tuple[Then, object, BaseException | None]) -> None:
        then, result, error = done
        self._n_waiting -= 1
        if not self._n_waiting:
            self._collector.release()
        try:
            if error is not None:
                self._fail(error)
            elif then is not None and not self._thread.closing and _is_there(then):
                then(result)
        finally:
            if not self._n_waiting and self._idles and self._work_left and not self._thread.closing:
                self._idle.start()

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, (PausedError, ConsentError)):
            return
        self.failed.emit(error)
        if not isinstance(error, RecsysError):
            raise error  # a fault of the job's own: Qt prints it

    def _maintain(self) -> None:
        budget_ms = self._budget_ms
        self._put(lambda rec: rec.maintain(budget_ms), self._maintained, keep=False)

    def _maintained(self, more: object) -> None:
        self._work_left = bool(more)


def _is_there(then: Callable[[object], None]) -> bool:
    """Whether what waits for a result was not deleted meanwhile."""
    owner = getattr(then, "__self__", None)
    return not isinstance(owner, QObject) or isValid(owner)


class _Thread(QThread):
    """Does one job after another."""

    def __init__(self, recommender: Recommender | Callable[[], Recommender], deliver: Callable[[object], None]) -> None:
        super().__init__()
        self.jobs: SimpleQueue[tuple[Job, Then, bool] | None] = SimpleQueue()
        self.closing = False
        self._given = recommender
        self._deliver = deliver

    def finish(self) -> None:
        """End the thread, once what must be written is."""
        self.closing = True
        self.jobs.put(None)
        self.wait()

    def run(self) -> None:
        """Open, work, close."""
        recommender: Recommender | None = None
        trouble: BaseException | None = None
        try:
            recommender = self._given if isinstance(self._given, Recommender) else self._given()
        except Exception as raised:  # noqa: BLE001 - whatever it is, the GUI thread is told
            trouble = raised
        while (asked := self.jobs.get()) is not None:
            job, then, keep = asked
            if self.closing and not keep:
                continue
            result: object = None
            error = trouble
            if recommender is not None:
                try:
                    result = job(recommender)
                except Exception as raised:  # noqa: BLE001 - the same
                    error = raised
            self._deliver((then, result, error))
            del asked, job, result, error  # what was asked for is the GUI thread's now
        if recommender is not None and recommender is not self._given:
            recommender.close()
