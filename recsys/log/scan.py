"""Reading through the log's own files for what must not be in them.

To open a file that SQLite has open and close it again would drop every lock that this process holds on it. So a
descriptor opened here stays open until the process has closed its last connection to the log (:func:`let_go`).
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections.abc import Sequence
from contextlib import suppress

__all__ = ["OPENING", "SIDES", "let_go", "scan"]

SIDES = ("", "-wal", "-shm", "-journal")  # the files of a log: what is added to its path

_CHUNK = 1 << 18  # bytes read at a time: they stay in the processor's cache while they are searched
_READ_ONLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

_Id = tuple[int, int]
_OPEN: dict[_Id, dict[_Id, int]] = {}  # of the log, then of each of its files: device and inode -> descriptor


class Opening:
    """How many logs are being opened just now: what is let go meanwhile could drop a lock of theirs.

    Stability: provisional
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew, in a forked child."""
        self.lock, self.n = allocate_lock(), 0


OPENING = Opening()


def scan(path: str, needles: Sequence[str]) -> tuple[list[str], int, int]:
    """Find which of the texts are in the files of a log, as UTF-8.

    Parameters
    ----------
    path : str
        Of the log, absolute.
    needles : sequence of str
        What to look for.

    Returns
    -------
    found : list of str
        Those that are there.
    n_files, size_bytes : int
        What was read. O(size of the files × needles).

    Stability: provisional
    """
    encoded = [needle.encode() for needle in needles]
    found: set[int] = set()
    n_files = size_bytes = 0
    opened = _OPEN.setdefault(_identity(path), {})
    for side in SIDES:
        descriptor = _descriptor(opened, path + side)
        if descriptor is not None:
            n_files += 1
            size_bytes += _search(descriptor, encoded, found)
    return [needles[number] for number in sorted(found)], n_files, size_bytes


def let_go(log: tuple[int, ...]) -> None:
    """Close what was opened for a log, by its device and inode, to which this process has no connection any more.

    Stability: provisional
    """
    for descriptor in _OPEN.pop((log[0], log[1]), {}).values():
        with suppress(OSError):
            os.close(descriptor)


def _identity(file: str) -> _Id:
    status = os.lstat(file)
    return (status.st_dev, status.st_ino)


def _descriptor(opened: dict[_Id, int], file: str) -> int | None:
    """Give the descriptor that is open for a file, or open one; None when there is no such file."""
    try:
        identity = _identity(file)
        if identity not in opened:
            opened[identity] = os.open(file, _READ_ONLY)
    except OSError:
        return None
    return opened[identity]


def _search(descriptor: int, needles: Sequence[bytes], found: set[int]) -> int:
    """Add to ``found`` the numbers of the needles that are in the file; its size in bytes."""
    overlap = max(map(len, needles), default=1) - 1
    buffer = bytearray(overlap + _CHUNK)
    kept = at = 0  # what is kept of the piece before stands at the beginning of the buffer
    while n := _read_into(memoryview(buffer)[kept:], descriptor, at):
        at, end = at + n, kept + n
        found.update(i for i, needle in enumerate(needles) if i not in found and buffer.find(needle, 0, end) >= 0)
        kept = min(overlap, end)
        buffer[:kept] = buffer[end - kept : end]
    return at


def _read_into(room: memoryview, descriptor: int, at: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [room], at)
    if hasattr(os, "pread"):
        piece = os.pread(descriptor, len(room), at)
    else:
        os.lseek(descriptor, at, os.SEEK_SET)  # Windows
        piece = os.read(descriptor, len(room))
    room[: len(piece)] = piece
    return len(piece)
