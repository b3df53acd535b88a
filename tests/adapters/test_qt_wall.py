"""The Qt example within walls: without a network, sealed, and watched; what it forgets is in no file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.adapters import needs

needs.qt()

from tests.adapters.gui_walls import check_life, displayed_only, no_network
from tests.adapters.hosts import SEALED
from tests.wall.sealed import why_not

OFF_SCREEN = {"QT_QPA_PLATFORM": "offscreen"}
ON_X = {"QT_QPA_PLATFORM": "xcb"}


def test_the_film_list_lives_without_a_network_and_forgets(tmp_path: Path) -> None:
    check_life("qt", no_network(), tmp_path, OFF_SCREEN)


def test_the_film_list_lives_within_the_seal(tmp_path: Path) -> None:
    if why_not():
        pytest.skip(str(why_not()))
    check_life("qt", SEALED, tmp_path, OFF_SCREEN)


def test_off_screen_it_makes_no_network_call(tmp_path: Path) -> None:
    assert displayed_only("qt", tmp_path, OFF_SCREEN) == 0


def test_on_an_x_display_it_speaks_to_the_display_alone(tmp_path: Path) -> None:
    if "DISPLAY" not in os.environ:
        pytest.skip("needs an X display: scripts/test-adapters-gui has one of Xvfb")
    code = "from PySide6.QtWidgets import QApplication; QApplication([])"
    tried = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env={**os.environ, **ON_X})
    if tried.returncode != 0:
        pytest.skip("Qt does not find its libraries of X (Debian: libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1)")
    assert displayed_only("qt", tmp_path, ON_X) > 0
