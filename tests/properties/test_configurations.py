"""The same log gives the same bytes whatever number of threads BLAS takes."""

from __future__ import annotations

import os
import sys

import pytest

from tests.properties.eyes import python

_FOLDED = """
import hashlib, sys
import numpy as np
from recsys import Prior, Settings, live
from recsys.learn import choice
from recsys.learn.checkpoint import encode
from tests.properties.test_memory import busy_life
if sys.argv[1] == "at once":
    choice._gram = lambda A: A @ A.copy().T  # not by the routine for symmetric products, and not in pieces
state = live.new_state(Prior.default(), Settings(choice_set_size=1_000))
for event in busy_life(1_000, n_items=400):
    live.fold(state, event)
print(hashlib.sha256(encode(state, "any")).hexdigest())
"""


def folded(n_threads: int, products: str) -> str:
    """A digest of a state, learnt with so many threads of OpenBLAS and this kind of products."""
    done = python(_FOLDED, products, OPENBLAS_NUM_THREADS=str(n_threads))
    assert done.returncode == 0, done.stderr
    return done.stdout


processors = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs OpenBLAS and two processors"
)


@processors
def test_what_is_learnt_does_not_depend_on_the_number_of_threads() -> None:
    """U5."""
    assert folded(1, "as they are") == folded(2, "as they are")


@processors
def test_products_that_go_to_several_threads_are_noticed() -> None:
    assert folded(1, "at once") != folded(2, "at once")
