"""Trees for short lives: a schedule that comes to stages, to new beginnings and to decisions after tens of lessons.

The real one needs 256 lessons before the first stage, and hundreds of events for each that follows. Within
:func:`small_trees`, in the test's own process and never through any setting, all that counts lessons or trees is
smaller, and the gate opens for a gain of a quarter of its standard error, so that now and then the sum does serve.
What is tried is the same code. No file that was made within is opened outside of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Final
from unittest.mock import patch

import pytest

from recsys import Recommender, grove
from recsys.learn import lessons, stages, trees
from tests.properties.needles import samples

__all__ = ["grow", "needs_trees", "numbers_in", "pieces", "small_trees", "stages_in"]

needs_trees = pytest.mark.skipif(find_spec("lightgbm") is None, reason="LightGBM is not installed (the extra: trees)")

_STAGES: Final = {
    "FIRST": 12,
    "EVERY": 6,
    "WINDOW": 24,
    "MOST_ROWS": 200,
    "AT_FIRST": 3,
    "MORE": 1,
    "MOST_TREES": 5,
    "JUDGED": 4,
    "REMEMBERED": 2,
    "_BLOCK": 2,
    "_LEAST_BLOCKS": 2,
    "_CLEAR": 0.25,
}
_LESSONS: Final = {"KEPT": 84, "_SLACK": 12}  # what all stages that may be needed were grown from
_PARAMETERS: Final = {
    **trees.PARAMETERS,
    "min_data_in_leaf": 5,
    "min_sum_hessian_in_leaf": 1e-3,
    "lambda_l2": 1.0,
    "learning_rate": 0.3,
}


@contextmanager
def small_trees() -> Iterator[None]:
    """Have stages come early, in this process, for the block."""
    with ExitStack() as stack:
        for module, numbers in ((stages, _STAGES), (lessons, _LESSONS)):
            for name, number in numbers.items():
                stack.enter_context(patch.object(module, name, number))
        for module in (trees, grove):
            stack.enter_context(patch.object(module, "PARAMETERS", _PARAMETERS))
        stages.begins.cache_clear()
        stack.callback(stages.begins.cache_clear)
        yield


def grow(rec: Recommender, budget_ms: float = 1_000.0) -> int:
    """Do all background work, in steps of that length; how many steps there were."""
    for n in range(1, 1_000):
        if not rec.maintain(budget_ms):
            return n
    raise AssertionError("maintain has no end")


def pieces(blob: bytes) -> list[bytes]:
    """What a stage's bytes are known again by: its digest, what it was made from, and some of its numbers."""
    return [blob[:32], blob[45:61], *samples(blob)]


def numbers_in(rec: Recommender) -> set[bytes]:
    """Every value of the trees that is written out, eight bytes each, and pairs of what is kept of each lesson."""
    values = [one for s in rec._grove.stages(rec._store, rec._live) for one in (s.forest.arrays[4], s.forest.arrays[5])]
    found = {number.astype("<f8").tobytes() for array in values for number in array.ravel()}
    held = rec._live.state.lessons.arrays()
    said = held.utilities.astype("<f4").tobytes()
    found |= {said[4 * at : 4 * at + 8] for at in held.starts.tolist()}
    return {number for number in found if len(set(number)) >= 5}  # 0.0 or 0.5 may stand anywhere


def stages_in(rec: Recommender) -> dict[int, tuple[int, str, bytes]]:
    """Every stage that stands in the file: its time, its basis and its bytes."""
    store = rec._store
    return {number: (at_us, basis, store.load_stage(number)) for number, at_us, basis, _ in store.stages()}
