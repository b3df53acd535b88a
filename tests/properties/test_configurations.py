"""The same log gives the same bytes whatever number of threads BLAS takes."""

from __future__ import annotations

import functools
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


# What a computer may differ in: the kernels of BLAS, what NumPy uses of the processor, how many threads there are.
CONFIGURATIONS = (
    {},
    {"OPENBLAS_CORETYPE": "Haswell"},
    {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"},
    {"OPENBLAS_CORETYPE": "Sandybridge", "OPENBLAS_NUM_THREADS": "1"},
)
_ON_A_BASIS = """
import hashlib
from recsys import Prior, Settings, live
from recsys.learn import checkpoint
from tests.properties.test_memory import busy_life
settings = Settings(choice_set_size=32)
state = live.new_state(Prior.default(), settings)
for event in busy_life(300, n_items=60):
    live.fold(state, event)
bases = [checkpoint.basis(Prior.default(), settings)]
checkpoint._rounding = lambda: ""
bases.append(checkpoint.basis(Prior.default(), settings))
print(hashlib.sha256(checkpoint.encode(state, "any")).hexdigest(), *bases)
"""


@functools.cache
def learnt() -> list[tuple[str, ...]]:
    """On every configuration: a digest of a log's state, its basis, and what it were if rounding were no part of it."""
    found = []
    for configuration in CONFIGURATIONS:
        done = python(_ON_A_BASIS, PYTHONWARNINGS="ignore", **configuration)
        assert done.returncode == 0, done.stderr
        found.append(tuple(done.stdout.split()))
    return found


def stands_for_several(bases: list[str]) -> list[str]:
    """Those of the bases on which not every configuration learns the same."""
    return [
        basis
        for basis in bases
        if len({state for (state, *_), of in zip(learnt(), bases, strict=True) if of == basis}) > 1
    ]


def test_one_basis_stands_for_one_state_whatever_computes_it() -> None:
    """U5: a checkpoint is only taken up where it would have been written alike."""
    assert stands_for_several([basis for _, basis, _ in learnt()]) == []


def test_a_basis_that_does_not_know_how_a_processor_rounds_is_noticed() -> None:
    if len({state for state, *_ in learnt()}) == 1:
        pytest.skip("all that NumPy and BLAS can be asked for rounds alike here")
    assert stands_for_several([basis for *_, basis in learnt()]) != []
