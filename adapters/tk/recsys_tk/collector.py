"""Keeps Python's garbage collector off a thread that must not end widgets.

The collector runs in whichever thread happens to allocate, and ends what it finds there: windows too, which a toolkit
answers by ending the process. So it stands still while a learner's thread works, and the GUI thread catches up. No
toolkit: the adapters for Qt and Tk carry the same file.
"""

from __future__ import annotations

import gc

__all__ = ["Collector"]


class Collector:
    """Holds the collector while anything is being worked on; one for each learner, used in the GUI thread alone.

    Stability: provisional
    """

    _n_held = 0
    _was_enabled = True

    def __init__(self) -> None:
        self._holds = False

    def hold(self) -> None:
        """Let nothing be collected, until :meth:`release` and that of every other learner."""
        if self._holds:
            return
        self._holds = True
        if not Collector._n_held:
            Collector._was_enabled = gc.isenabled()
            gc.disable()
        Collector._n_held += 1

    def release(self) -> None:
        """Let it be collected again, in this thread, if the host had that on."""
        if not self._holds:
            return
        self._holds = False
        Collector._n_held -= 1
        if not Collector._n_held and Collector._was_enabled:
            gc.enable()
