"""What the pytest plugin does once a fixture is asked for; ``recsys_pytest``, beside the package, registers it.

``Guards`` holds the tripwires of one test and says at its end what they noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys.testing.forensics import Forensic, assert_private
from recsys.testing.tripwire import Watch, no_network, sealed

__all__ = ["Guards"]


class Guards:
    """The guards of one test.

    Stability: provisional
    """

    def __init__(self) -> None:
        self._watches: list[Watch] = []
        self._folder: Path | None = None
        self._forensic: Forensic | None = None

    @contextmanager
    def no_network(self) -> Iterator[Watch]:
        """Watch for networks; what is tried after the test's own call, by other fixtures, is told at the end."""
        with no_network() as watch:
            self._watches.append(watch)
            yield watch

    @contextmanager
    def sealed_dir(self, folder: Path) -> Iterator[Path]:
        """Watch for what is written outside the folder."""
        self._folder = folder
        with sealed(folder) as watch:
            self._watches.append(watch)
            yield folder
        self._check_modes()  # of what was written since, by a fixture that closes the app, say

    def forensic(self, folder: Path | None) -> Forensic:
        """Give the one that looks for needles, in the sealed folder if there is one."""
        self._forensic = self._forensic or Forensic()
        return self._forensic if folder is None else self._forensic.watch(folder)

    def verify(self) -> None:
        """Require that nothing was noticed: asked when the test's own call has passed."""
        __tracebackhide__ = True
        for watch in self._watches:
            watch.verify()
        self._check_modes()
        if self._forensic is not None and self._forensic.unasked:
            raise AssertionError("needles were given, but nobody asked whether they are gone: call assert_gone()")

    def _check_modes(self) -> None:
        """Require that no file is open to others; told once a test."""
        folder, self._folder = self._folder, None
        if folder is not None:
            assert_private(folder)
            self._folder = folder

    def swallowed(self) -> str:
        """What was tried, as a text, for a test that failed anyway; empty when nothing was."""
        found = [f"{watch.name}: {attempt}" for watch in self._watches for attempt in watch.attempts]
        for watch in self._watches:
            watch.heard()
        return "\n".join(dict.fromkeys(found))
