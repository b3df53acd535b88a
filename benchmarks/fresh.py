"""Measure code in fresh processes: how long it takes, and how much memory stands in RAM after it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.timing import Timing, timing

__all__ = ["ROOT", "fresh_processes", "printed", "resident_mb"]

ROOT = Path(__file__).parents[1]

_STOPWATCH = "import time; start = time.perf_counter_ns(); {code}; print((time.perf_counter_ns() - start) / 1000)"
_SCALES = """
{code}
try:
    with open("/proc/self/statm") as statm:
        import resource
        print(int(statm.read().split()[1]) * resource.getpagesize() / 1e6)
except OSError:
    import resource, sys
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6)
"""


def fresh_processes(codes: Sequence[str], n: int) -> list[Timing]:
    """Time each piece of code in n fresh processes, in turns, after one round that fills the file cache."""
    taken: list[list[float]] = [[] for _ in codes]
    for i in range(n + 1):
        for which, code in enumerate(codes):
            us = float(printed(_STOPWATCH.format(code=code)))
            if i:  # the first round fills the file cache
                taken[which].append(us)
    return [timing(np.array(row)) for row in taken]


def resident_mb(code: str) -> float:
    """Return what stands in RAM at the end of a fresh process that ran the code, megabytes."""
    return float(printed(_SCALES.format(code=code)))


def printed(script: str) -> str:
    """Return the last line that a fresh process printed."""
    # What is installed comes compiled: let the first round write what this checkout lacks.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip().splitlines()[-1]
