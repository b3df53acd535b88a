"""The thread on which a recommender works, so that Tk's main loop never waits for it.

The core starts no threads; this is the host's side, so here is one. In go jobs, functions of the recommender; out come
their results, in the main loop, which looks for them while any is due. Nothing else touches the recommender.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
import tkinter as tk
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar, cast

from recsys import ConsentError, PausedError, Recommender

from recsys_tk.collector import Collector

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["Learner"]

T = TypeVar("T")
Job: TypeAlias = "Callable[[Recommender], object]"
Then: TypeAlias = "Callable[[object], None] | None"
Otherwise: TypeAlias = "Callable[[], None] | None"


class Learner:
    """One recommender and the thread on which it works.

    Parameters
    ----------
    widget : tkinter.Misc
        Any widget of the app; its end closes the learner.
    recommender : Recommender or callable
        A recommender, which stays the host's to close; or a function that opens one, which is called on the thread, so
        that opening a large log holds nothing up, and whose recommender is closed by :meth:`close`.
    failed : callable, optional
        ``failed(exception)``, told what a job raised. What recsys raises carries nothing of a person's. None: Tk's own
        ``report_callback_exception``.
    poll_ms : int
        How often the main loop looks for results while any is due, milliseconds.
    idle_ms : int
        How long nothing must be asked before background work begins; 0 leaves ``maintain`` to the host.
    budget_ms : float
        Of one step of background work.
    switch_interval_s : float or None
        How soon a running Python thread lets another have the interpreter (``sys.setswitchinterval``), until
        :meth:`close`. None leaves it alone.

    Notes
    -----
    All methods belong to the thread of the main loop. Jobs are done one after another, in the order asked.

    Stability: provisional
    """

    def __init__(
        self,
        widget: tk.Misc,
        recommender: Recommender | Callable[[], Recommender],
        *,
        failed: Callable[[BaseException], None] | None = None,
        poll_ms: int = 10,
        idle_ms: int = 500,
        budget_ms: float = 5.0,
        switch_interval_s: float | None = 0.00005,
    ) -> None:
        self._widget = widget
        self._failed = failed or self._report
        self._poll_ms, self._idle_ms, self._budget_ms = poll_ms, idle_ms, budget_ms
        self._jobs: SimpleQueue[tuple[Job, Then, Otherwise, bool] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Then, Otherwise, object, BaseException | None]] = SimpleQueue()
        self._n_waiting = 0
        self._collector = Collector()
        self._closing = False
        self._work_left = True
        self._polling: str | None = None
        self._idle: str | None = None
        self._interval_s = sys.getswitchinterval()
        if switch_interval_s is not None:
            sys.setswitchinterval(switch_interval_s)
        widget.bind("<Destroy>", self._destroyed, add="+")
        self._thread = threading.Thread(target=self._run, args=(recommender,), name="recsys", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # of an app that ends with an exception, too, what was told is written
        self.ask(lambda _: None)

    @property
    def n_waiting(self) -> int:
        """How many jobs were asked for whose results have not arrived."""
        return self._n_waiting

    def ask(
        self,
        job: Callable[[Recommender], T],
        then: Callable[[T], None] | None = None,
        *,
        otherwise: Callable[[], None] | None = None,
    ) -> None:
        """Have something done by the recommender, a pure read; a pending one is dropped by :meth:`close`.

        Parameters
        ----------
        job : callable
            ``job(recommender) -> result``; runs on the thread.
        then : callable, optional
            ``then(result)``; runs in the main loop.
        otherwise : callable, optional
            ``otherwise()``, in its place when the job raised; ``failed`` is told as well.

        Stability: provisional
        """
        self._put(job, cast("Then", then), otherwise, keep=False)

    def tell(self, job: Callable[[Recommender], T], then: Callable[[T], None] | None = None) -> None:
        """Have something written by the recommender: as :meth:`ask`, and done before :meth:`close` returns.

        What is refused because recording is paused, or not consented to, is let go without a word.

        Stability: provisional
        """
        self._work_left = True
        self._put(job, cast("Then", then), None, keep=True)

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Run the main loop's events until all that was asked for has arrived; False if that took longer. For tests."""
        until = time.monotonic() + timeout_s
        while self._n_waiting and time.monotonic() < until:
            self._widget.update()
            time.sleep(0.002)
        return not self._n_waiting

    def close(self) -> None:
        """Finish what is to be written and end the thread; may be called at any time and again.

        Waits for the job that is being done.

        Stability: provisional
        """
        if self._closing:
            return
        self._closing = True
        self._jobs.put(None)
        self._thread.join()
        self._collector.release()
        atexit.unregister(self.close)
        for timer in filter(None, (self._polling, self._idle)):
            with suppress(tk.TclError):  # the app may be gone
                self._widget.after_cancel(timer)
        sys.setswitchinterval(self._interval_s)

    def _put(self, job: Job, then: Then, otherwise: Otherwise, *, keep: bool) -> None:
        if self._closing:
            return
        if self._idle is not None:
            self._widget.after_cancel(self._idle)
            self._idle = None
        self._n_waiting += 1
        self._collector.hold()
        self._jobs.put((job, then, otherwise, keep))
        if self._polling is None:
            self._polling = self._widget.after(self._poll_ms, self._poll)

    def _poll(self) -> None:
        """Take in what is done; look again while more is due."""
        self._polling = None
        try:
            while not self._closing:
                self._deliver(*self._done.get_nowait())
        except Empty:
            pass
        finally:
            if self._n_waiting and self._polling is None and not self._closing:
                self._polling = self._widget.after(self._poll_ms, self._poll)

    def _deliver(self, then: Then, otherwise: Otherwise, result: object, error: BaseException | None) -> None:
        self._n_waiting -= 1
        if not self._n_waiting:
            self._collector.release()
        try:
            if error is not None:
                self._tell_of(error, otherwise)
            elif then is not None:
                then(result)
        finally:
            if not self._n_waiting and self._work_left and self._idle_ms and self._idle is None and not self._closing:
                self._idle = self._widget.after(self._idle_ms, self._maintain)

    def _tell_of(self, error: BaseException, otherwise: Otherwise) -> None:
        if otherwise is not None:
            otherwise()
        if not isinstance(error, (PausedError, ConsentError)):
            self._failed(error)

    def _report(self, error: BaseException) -> None:
        self._widget._root().report_callback_exception(type(error), error, error.__traceback__)  # type: ignore[attr-defined]  # noqa: SLF001

    def _maintain(self) -> None:
        self._idle = None
        budget_ms = self._budget_ms
        self._put(lambda rec: rec.maintain(budget_ms), self._maintained, None, keep=False)

    def _maintained(self, more: object) -> None:
        self._work_left = bool(more)

    def _destroyed(self, event: tk.Event[tk.Misc]) -> None:
        if event.widget is self._widget:
            self.close()

    def _run(self, given: Recommender | Callable[[], Recommender]) -> None:
        """Open, work, close; on the thread."""
        recommender: Recommender | None = None
        trouble: BaseException | None = None
        try:
            recommender = given if isinstance(given, Recommender) else given()
        except Exception as raised:  # noqa: BLE001 - whatever it is, the main loop is told
            trouble = raised
        while (asked := self._jobs.get()) is not None:
            job, then, otherwise, keep = asked
            if self._closing and not keep:
                continue
            result: object = None
            error = trouble
            if recommender is not None:
                try:
                    result = job(recommender)
                except Exception as raised:  # noqa: BLE001 - the same
                    error = raised
            self._done.put((then, otherwise, result, error))
            del asked, job, result, error
        if recommender is not None and recommender is not given:
            recommender.close()
