"""Every model on every log, on all cores: what is independent runs in processes of its own.

Logs and models in, one result a log for each model out, in the order of the logs whatever the
number of processes. How far it is goes to stderr.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

from benchmarks.logs import Log
from benchmarks.peers import PEERS
from benchmarks.rules import RULES
from recsys.evaluate.replay import Model

__all__ = ["Models", "by_name", "each_log"]

T = TypeVar("T")
# Name -> what makes a fresh one; picklable, since it is called in another process.
Models = Mapping[str, Callable[[], Model]]

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_LOGS: list[Log] = []  # of a worker process, given to it once


def by_name(names: Iterable[str]) -> dict[str, Callable[[], Model]]:
    """Return the named rules and peers as factories that can be sent to another process."""
    return {name: partial(_fresh, name) for name in names}


def each_log(
    work: Callable[[Log, Model], T], logs: Sequence[Log], models: Models, *, jobs: int | None = None, label: str = ""
) -> dict[str, list[T]]:
    """Return ``work(log, fresh model)`` of every log, for each model.

    Parameters
    ----------
    work : callable
        Picklable, as its results are.
    logs : sequence of Log
        Each meets a fresh model.
    models : mapping of str to callable
        By name.
    jobs : int or None
        How many processes; None takes one a core, 1 works in this one.
    label : str
        What stands before the progress on stderr; empty prints none.
    """
    tasks = [(work, make, i) for make in models.values() for i in range(len(logs))]
    wanted = min(jobs or os.cpu_count() or 1, max(len(tasks), 1))
    if wanted == 1:
        done = (work(logs[i], make()) for work, make, i in tasks)
        return _collect(done, list(models), len(logs), label)
    # Started afresh rather than forked: a fork would inherit the threads of whatever library was loaded.
    with _one_thread_each(), ProcessPoolExecutor(wanted, get_context("spawn"), _take, (list(logs),)) as pool:
        return _collect(pool.map(_run, *zip(*tasks, strict=True)), list(models), len(logs), label)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep the linear algebra of the processes started meanwhile from sharing cores that others have."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _fresh(name: str) -> Model:
    return RULES[name]() if name in RULES else PEERS[name].make()


def _take(logs: list[Log]) -> None:
    _LOGS[:] = logs


def _run(work: Callable[[Log, Model], T], make: Callable[[], Model], index: int) -> T:
    return work(_LOGS[index], make())


def _collect(done: Iterator[T], names: Sequence[str], n_logs: int, label: str) -> dict[str, list[T]]:
    started = time.monotonic()
    results: dict[str, list[T]] = {}
    for name in names:
        results[name] = []
        for n in range(1, n_logs + 1):
            results[name].append(next(done))
            _show(label, name, n, n_logs, time.monotonic() - started)
    return results


def _show(label: str, name: str, n: int, n_logs: int, seconds: float) -> None:
    live = sys.stderr.isatty()
    if label and (live or n == n_logs):
        start, end = ("\r\x1b[K", "" if n < n_logs else "\n") if live else ("", "\n")
        print(f"{start}{label}: {name}, {n} of {n_logs} logs, {seconds:.0f} s", end=end, file=sys.stderr, flush=True)
