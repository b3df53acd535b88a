"""The Tk example within walls: without a network, and watched; what it forgets is in no file."""

from __future__ import annotations

from pathlib import Path

from tests.adapters import needs

needs.tk()

from tests.adapters.gui_walls import check_life, displayed_only, no_network


def test_the_film_list_lives_without_a_network_and_forgets(tmp_path: Path) -> None:
    check_life("tk", no_network(), tmp_path)


def test_it_speaks_to_the_display_alone(tmp_path: Path) -> None:
    assert displayed_only("tk", tmp_path) > 0
