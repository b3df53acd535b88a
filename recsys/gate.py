"""The one lock of a recommender, and what is checked before a call may go on."""

from __future__ import annotations

import os
from _thread import RLock  # which `threading` hands on, and takes a millisecond to load
from typing import final

from recsys.errors import ClosedError, ConsentError, ForkedError, PausedError

__all__ = ["Gate"]


@final
class Gate:
    """Lets one thread in at a time: ``with gate.reading:``, ``with gate.writing:``. Both nest.

    Raises ``ForkedError`` in a forked child, ``ClosedError`` once ``closed`` is set, and for
    writing ``PausedError`` while ``paused`` is set and ``ConsentError`` while ``withheld`` is. What needs no
    consent, such as the app's catalogue or to forget, goes ``with gate.arranging:``.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.pid = os.getpid()
        self.closed = False
        self.paused = False
        self.withheld = False
        self.reading = _Entry(self)
        self.arranging = _Entry(self, unpaused=True)
        self.writing = _Entry(self, unpaused=True, allowed=True)

    def require_consent(self) -> None:
        """Raise ``ConsentError`` while nothing may be written."""
        if self.withheld:
            raise ConsentError("nothing is written without the person's consent: ask, then call consent(purpose)")

    @property
    def forked(self) -> bool:
        """Whether this is another process than the one that made the gate."""
        return os.getpid() != self.pid


@final
class _Entry:
    __slots__ = ("_allowed", "_gate", "_unpaused")

    def __init__(self, gate: Gate, *, unpaused: bool = False, allowed: bool = False) -> None:
        self._gate = gate
        self._unpaused = unpaused
        self._allowed = allowed

    def __enter__(self) -> None:
        gate = self._gate
        if gate.forked:  # before the lock, which another thread may have held when this process was forked
            raise ForkedError("this was opened before a fork: open a new one in the child")
        gate.lock.acquire()
        if gate.closed or (gate.paused and self._unpaused) or (gate.withheld and self._allowed):
            try:
                if gate.closed:
                    raise ClosedError("this was closed: open a new one")
                if gate.paused:
                    raise PausedError("paused: nothing is written until resume()")
                gate.require_consent()
            finally:
                gate.lock.release()

    def __exit__(self, *_: object) -> None:
        self._gate.lock.release()
