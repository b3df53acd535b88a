"""A log that cannot be opened is set aside, never deleted on its own account; but what is forgotten takes it along.

Its bytes cannot be searched for single events any more, so the next ``forget`` deletes it whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recsys.errors import BusyError, FullError, StoreError, WrongKeyError
from recsys.log import ballast, scan
from recsys.log.connection import is_open
from recsys.log.failure import translated
from recsys.log.opening import path_of, size_of

__all__ = ["destroy", "set_aside"]

_MARK = "-aside-"
_WITH_IT = ("", "-wal", "-journal")
_SIDES = tuple(side.removeprefix("-") for side in _WITH_IT)
_PATIENCE_MS = 1000  # with another process that is writing
_CHUNK = 1 << 20  # bytes copied at a time
_LOCKED_FROM, _LOCKED_BYTES = (
    0x40000000,
    512,
)  # what SQLite locks: https://www.sqlite.org/fileformat.html#the_lock_byte_page
_DESCRIPTORS = 16  # more than opening a log takes
_BINARY = getattr(os, "O_BINARY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def set_aside(path: str | os.PathLike[str], *, key: bytes | Callable[[], bytes] | None = None) -> str:
    """Move a log that cannot be opened out of the way, so that a new one may begin at its path.

    The file keeps its content, with its WAL, under another name beside it, mode 0600, for whoever can mend it. The
    next ``forget`` of a recommender at the path deletes it: it may hold what is to be forgotten. Killed at any
    moment, it leaves the log with its WAL where they were, or all of it aside. O(size of the file).

    Parameters
    ----------
    path : str or os.PathLike
        Of the log. Nobody may have it open. What is no log at all, such as a text, is moved as well.
    key : bytes or callable, optional
        What the log is encrypted with. Give it: without its key, or with a wrong one, a sound encrypted log cannot
        be told from one whose beginning is damaged, and is moved.

    Returns
    -------
    str
        Where it is now.

    Raises
    ------
    InputError
        When it is not a usable path or key.
    StoreError
        Nothing was moved: there is no regular file at the path or it is empty, the log can be opened and is sound,
        it is open in this process, or it cannot be renamed. ``BusyError`` when another process has it open, as
        SQLite's locks tell; ``FullError`` when there is no room for a copy of its WAL.
    MissingExtraError
        When a key is given and ``sqlcipher3`` is not installed.

    Stability: provisional
    """
    log = path_of(path)
    _refuse_what_is_none(log)
    if not _is_damaged(log, key):
        raise StoreError("the log is sound and can be opened: nothing was moved")
    with _alone(log):
        return _moved(log)


def destroy(path: str) -> int:
    """Delete every file that was set aside from a path; how many logs there were.

    Where there is no log, what is left of its WAL goes too. What cannot be deleted, or is open, raises.

    Stability: provisional
    """
    log, n = Path(path), 0
    try:
        for entry in sorted(log.parent.iterdir()):
            number, _, side = entry.name.removeprefix(log.name + _MARK).partition("-")
            is_ours = entry.name.startswith(log.name + _MARK) and number.isdecimal() and side in _SIDES
            if is_ours and not entry.is_dir():
                if is_open(str(entry)):
                    raise BusyError("a log that was set aside is open in this process: close it first")
                n += not side
                entry.unlink()
        if not os.path.lexists(path):
            for side in (*_WITH_IT[1:], "-shm"):
                Path(path + side).unlink(missing_ok=True)
    except OSError as error:
        raise translated(error) from None
    return n


def _refuse_what_is_none(log: str) -> None:
    if any(Path(log + side).is_symlink() for side in (*_WITH_IT, "-shm", ballast.SIDE)):
        raise StoreError("the path, or a file beside it, is a symbolic link: give the path of the file itself")
    if not Path(log).is_file():
        raise StoreError("there is no regular file at the path")
    if not size_of(log):
        raise StoreError("the file is empty: a new log can begin in it")
    if is_open(log):
        raise StoreError("the file is open in this process: close it first")


def _is_damaged(log: str, key: bytes | Callable[[], bytes] | None) -> bool:
    """Whether a store cannot be opened, or finds itself unsound. Raises when that cannot be told now."""
    from recsys.log.store import Store

    _require_descriptors()
    try:
        with Store(log, busy_timeout_ms=_PATIENCE_MS, key=key) as store:
            return any(severity == "error" for severity, _, _ in store.check())
    except WrongKeyError:
        return key is None or _is_damaged(log, None)  # plain, maybe, and sound
    except (BusyError, FullError):
        raise
    except StoreError:
        return True


def _require_descriptors() -> None:
    """Raise ``StoreError`` where a sound log could seem damaged only for want of file descriptors."""
    held: list[int] = []
    try:
        held.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(_DESCRIPTORS))
    except OSError as error:
        raise translated(error) from None
    finally:
        for descriptor in held:
            os.close(descriptor)


@contextmanager
def _alone(log: str) -> Iterator[None]:
    """Hold all the bytes that SQLite locks, whether or not the file is still a database.

    Closing the descriptor drops the locks of this process on the file, so nobody here may have, or just open, it.
    Without ``fcntl``, on Windows, a file that somebody has open cannot be renamed anyway.
    """
    with scan.OPENING.lock:
        if scan.OPENING.n or is_open(log):
            raise BusyError("a log is just being opened in this process: try again")
        try:
            import fcntl
        except ImportError:
            yield
            return
        try:
            descriptor = os.open(log, os.O_RDWR | _NO_FOLLOW)
        except OSError as error:
            raise translated(error) from None
        try:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKED_BYTES, _LOCKED_FROM)
            except OSError:
                raise BusyError("another process has the file open: close it there first") from None
            yield
        finally:
            os.close(descriptor)


def _moved(log: str) -> str:
    """The WAL is copied first and deleted last. One that is left where no log is, SQLite deletes for the next log."""
    number = 1
    while any(os.path.lexists(f"{log}{_MARK}{number}{side}") for side in _WITH_IT):
        number += 1
    target = f"{log}{_MARK}{number}"
    sides = [side for side in _WITH_IT[1:] if os.path.lexists(log + side)]
    try:
        for side in sides:
            _copy(log + side, target + side)
        Path(log).chmod(0o600)
        Path(log).rename(target)
    except OSError as error:
        for side in sides:
            with suppress(OSError):
                Path(target + side).unlink(missing_ok=True)
        raise translated(error) from None
    for side in (*sides, "-shm"):
        with suppress(OSError):
            Path(log + side).unlink(missing_ok=True)
    return target


def _copy(source: str, target: str) -> None:
    """Copy a file that SQLite holds no locks on, and wait until it is on the disk."""
    reading = os.open(source, os.O_RDONLY | _BINARY | _NO_FOLLOW)
    try:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | _NO_FOLLOW, 0o600)
        try:
            while piece := os.read(reading, _CHUNK):
                while piece:
                    piece = piece[os.write(writing, piece) :]
            os.fsync(writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
