"""A session makes every call of the public face, and the same ones for the same seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from recsys import Recommender
from tests.wall.session import CALLS, live


def public_methods() -> set[str]:
    return {name for name in dir(Recommender) if not name.startswith("_")}


def test_a_session_knows_every_call_of_the_public_face() -> None:
    assert set(CALLS) - {"record_now"} == public_methods()


def test_a_session_makes_every_call_and_the_same_ones_for_the_same_seed(tmp_path: Path) -> None:
    made: list[Counter[str]] = []
    for seed in (1, 1, 2):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(live(folder, seed, 5))
        assert (folder / "me.db").stat().st_size > 0
    assert set(made[0]) == set(CALLS)
    assert made[0] == made[1] != made[2]
