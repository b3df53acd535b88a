"""Where the parts of the work run: here one after another, in threads by Dask, or on a cluster that Dask runs.

All three map the same functions over the same parts and know nothing of what these do. What lies between two steps is
held in memory, in files, or by the cluster's workers; whoever plans the work only passes it on. An app never loads
this: it is the one place of recsys that may speak to another machine, and only to the one whose address it was given.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from operator import getitem
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

import recsys
from recsys.errors import InputError, MissingExtraError, RecsysError, StateError

__all__ = ["WITHIN_S", "Here", "Laid", "Progress", "Spread", "Threads", "cluster", "laid", "loaded", "reduced"]

WITHIN_S: Final = 10.0
_ADDRESS: Final = re.compile(r"(?:(?:tcp|tls|ws|wss)://)?(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_ADDED: Final = 8  # parts that are added at once

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a step, how many of its parts are done, and how many there are."""


class Spread(Protocol):
    """What runs functions over parts. What it gives may be handed to the next call; gathered, it is a value."""

    @property
    def lays(self) -> bool:
        """Whether files of this machine may hold what lies between two steps."""

    def map(
        self, step: str, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], progress: Progress
    ) -> list[Any]:
        """Call the function with each tuple of arguments, and wait for all; the results in the order of the tasks."""

    def split(self, held: Any, n: int) -> list[Any]:
        """Take a result that is a list of ``n`` apart."""

    def gather(self, held: list[Any]) -> list[Any]:
        """Fetch results."""

    def shared(self, value: Any) -> Any:
        """Hand a value out once, where many tasks take it."""


class Here:
    """One part after another, in this process."""

    lays = True

    def map(
        self, step: str, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], progress: Progress
    ) -> list[Any]:
        """Call the function with each tuple of arguments."""
        given = []
        for n, task in enumerate(tasks, 1):
            given.append(function(*task))
            progress(step, n, len(tasks))
        return given

    def split(self, held: Any, n: int) -> list[Any]:
        """Return the list."""
        return [held[i] for i in range(n)]

    def gather(self, held: list[Any]) -> list[Any]:
        """Return the list."""
        return held

    def shared(self, value: Any) -> Any:
        """Return the value."""
        return value


class Threads(Here):
    """As many parts at a time as there are processors, by Dask's scheduler of threads.

    Parameters
    ----------
    n_threads : int, optional

    Raises
    ------
    MissingExtraError
        Without Dask.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        try:
            import dask
        except ImportError:
            raise MissingExtraError("publish") from None
        self._dask, self._n = dask, n_threads

    def map(
        self, step: str, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], progress: Progress
    ) -> list[Any]:
        """Call the function with each tuple of arguments."""
        lock, n_done = threading.Lock(), 0

        def called(n: int) -> Any:
            nonlocal n_done
            given = function(*tasks[n])
            with lock:
                n_done += 1
                progress(step, n_done, len(tasks))
            return given

        call = self._dask.delayed(called, pure=False, traverse=False)
        return list(self._dask.compute(*map(call, range(len(tasks))), scheduler="threads", num_workers=self._n))


class _Cluster:
    lays = False

    def __init__(self, client: Any) -> None:
        self._client = client

    def map(
        self, step: str, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], progress: Progress
    ) -> list[Any]:
        from distributed import as_completed

        futures = [self._client.submit(function, *task, pure=False) for task in tasks]
        for n, future in enumerate(as_completed(futures), 1):
            if future.status != "finished":
                raise _reason(future)
            progress(step, n, len(tasks))
        return futures

    def split(self, held: Any, n: int) -> list[Any]:
        return list(self._client.map(getitem, [held] * n, range(n), pure=False))

    def gather(self, held: list[Any]) -> list[Any]:
        return list(self._client.gather(held))

    def shared(self, value: Any) -> Any:
        return self._client.scatter(value, broadcast=True, hash=False)


@contextmanager
def cluster(address: str, *, within_s: float = WITHIN_S) -> Iterator[Spread]:
    """Let a cluster do the work: its workers have this version of recsys and find the tables under the same paths.

    Parameters
    ----------
    address : str
        Of its scheduler, as in ``tcp://scheduler:8786``.
    within_s : float
        How long to wait for the scheduler, and then for a worker.

    Raises
    ------
    MissingExtraError
        Without ``distributed``.
    InputError
        When the address is none, or nothing useful answers there in time.
    StateError
        When the cluster is lost meanwhile.
    """
    if not _ADDRESS.fullmatch(address):
        raise InputError("the scheduler's address is needed, such as tcp://scheduler:8786", field="scheduler")
    try:
        import distributed
    except ImportError:
        raise MissingExtraError("publish") from None
    lost = (OSError, distributed.scheduler.KilledWorker, distributed.client.FutureCancelledError)
    try:
        client = distributed.Client(address, timeout=within_s, set_as_default=False)
    except (OSError, ValueError):
        raise InputError(
            f"no scheduler answered at this address within {within_s:g} seconds", field="scheduler"
        ) from None
    try:
        with client.as_current():
            _check_workers(client, within_s)
            yield _Cluster(client)
    except RecsysError:
        raise
    except lost:
        raise StateError("the cluster was lost, or its workers died again and again: do they lack memory?") from None
    finally:
        with suppress(OSError):
            client.close(timeout=within_s)


def _check_workers(client: Any, within_s: float) -> None:
    try:
        client.wait_for_workers(1, timeout=within_s)
    except TimeoutError:
        raise InputError(
            f"the scheduler has no worker, and none came within {within_s:g} seconds", field="scheduler"
        ) from None
    future = client.submit(_version, pure=False)
    try:
        version = future.result(timeout=within_s)
    except Exception:  # noqa: BLE001 (whatever a worker without recsys says)
        version = ""
    if version != _version():
        raise InputError("the workers need the same version of recsys and NumPy", field="scheduler")


def _version() -> str:
    return f"{recsys.__version__} {np.__version__}"


def _reason(future: Any) -> BaseException:
    error = future.exception()
    return error if isinstance(error, BaseException) else StateError("a part of the work was taken from the cluster")


class Laid(NamedTuple):
    """Some records that lie in a file."""

    path: str
    begin: int
    n: int
    dtype: list[tuple[str, str]]


def laid(records: NDArray[Any], bounds: Sequence[int], path: Path | None) -> list[NDArray[Any] | Laid]:
    """Cut records at their bounds; with a path, lay them in that file, which must not exist, and say where they are."""
    if path is None:
        return [records[begin:end] for begin, end in pairwise(bounds)]
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 (of that mode)
        records.tofile(file)
    dtype = [(name, records.dtype[name].str) for name in records.dtype.names or ()]
    return [Laid(str(path), begin, end - begin, dtype) for begin, end in pairwise(bounds)]


def loaded(part: NDArray[Any] | Laid) -> NDArray[Any]:
    """Give the records of a part."""
    if not isinstance(part, Laid):
        return part
    dtype = np.dtype(part.dtype)
    return np.fromfile(part.path, dtype, part.n, offset=part.begin * dtype.itemsize)


def reduced(
    spread: Spread,
    step: str,
    added: Callable[[Sequence[NDArray[Any]]], NDArray[Any]],
    parts: list[Any],
    progress: Progress,
) -> NDArray[Any]:
    """Add parts, some at a time, until one is left, and fetch it."""
    while len(parts) > 1:
        some = [(parts[n : n + _ADDED],) for n in range(0, len(parts), _ADDED)]
        parts = spread.map(step, partial(_added, added), some, progress)
    return added(spread.gather(parts))


def _added(added: Callable[[Sequence[NDArray[Any]]], NDArray[Any]], parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return added(parts)
