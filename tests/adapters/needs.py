"""What the tests of the desktop adapters need, and why they are skipped where it is not there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.wall.outside import standing_guard

ADAPTERS = Path(__file__).parents[2] / "adapters"


def qt() -> None:
    """Skip the module unless PySide6 and the adapter are installed; draw off screen."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    why = "needs PySide6 and the Qt adapter: scripts/test-adapters-gui installs both"
    pytest.importorskip("PySide6.QtWidgets", reason=why)
    pytest.importorskip("recsys_qt", reason=why)
    import PySide6

    if sys.version_info < (3, 12) and PySide6.__version__.startswith("6.12.0"):
        pytest.skip("PySide6 6.12.0 ends the process before Python 3.12", allow_module_level=True)


def tk() -> None:
    """Skip the module unless Tk, a display and the adapter are there."""
    why = "needs Tk, a display and the Tk adapter: scripts/test-adapters-gui has all three"
    tkinter = pytest.importorskip("tkinter", reason=why)
    pytest.importorskip("recsys_tk", reason=why)
    if sys.platform.startswith("linux") and "DISPLAY" not in os.environ:
        pytest.skip(why, allow_module_level=True)
    if standing_guard() is not None:
        pytest.skip(
            "a display is spoken to through a socket, which no test within the wall may open", allow_module_level=True
        )
    try:
        tkinter.Tk().destroy()
    except tkinter.TclError:
        pytest.skip(why, allow_module_level=True)
