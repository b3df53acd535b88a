"""The one place where an error of SQLite or of the operating system becomes one of ours.

What goes in is whatever ``sqlite3`` or ``os`` raised; what comes out is an
error of :mod:`recsys.errors` whose message holds no SQL, no path and no content.
Raise it ``from None``.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Mapping
from types import MappingProxyType

from recsys.errors import (
    BusyError,
    ClosedError,
    CorruptError,
    ForkedError,
    FullError,
    InputError,
    RecsysError,
    StoreError,
)

__all__ = [
    "DATABASE_ERRORS",
    "FOREIGN_ERRORS",
    "not_a_database",
    "translated",
    "when_closed",
    "when_doomed",
    "when_forked",
]

# What a call into sqlite3 may raise on account of the file. The last one when SQLite's own message about
# a damaged file quotes bytes of it that are not UTF-8.
DATABASE_ERRORS = (sqlite3.Error, sqlite3.Warning, UnicodeDecodeError)
FOREIGN_ERRORS = (*DATABASE_ERRORS, OSError)

_BUSY = "another process is writing to the file: try again"
_FULL = "no space is left for the file; nothing was written"
_NO_DATABASE = (
    "the file is not an SQLite database, or its beginning is damaged: choose another path, restore a copy, "
    "or move it away with recsys.set_aside() and start anew"
)
_DAMAGED = (
    "the file is damaged and was left as it is: restore a copy, or move it away with recsys.set_aside() and start anew"
)

_NOT_A_DATABASE = 26
# SQLite's primary result codes, https://www.sqlite.org/rescode.html
_BY_CODE: Mapping[int, tuple[type[StoreError], str]] = MappingProxyType(
    {
        3: (StoreError, "the file may not be opened: check its permissions"),
        5: (BusyError, _BUSY),
        6: (BusyError, _BUSY),
        8: (StoreError, "the file is read-only: check the permissions of the file and of its directory"),
        10: (StoreError, "the file could not be read or written: check the disk"),
        11: (CorruptError, _DAMAGED),
        13: (FullError, _FULL),
        14: (StoreError, "the file could not be opened: check that its directory exists and may be written"),
        _NOT_A_DATABASE: (CorruptError, _NO_DATABASE),
    }
)
_IOERR_SHMSIZE = 10 | (19 << 8)  # The disk was too full for the -shm file.

# Python 3.10 gives no result code, and some of these never had one: fall back on SQLite's words.
_BY_WORDS: tuple[tuple[str, int], ...] = (
    ("locked", 5),
    ("is full", 13),
    ("malformed", 11),
    ("could not decode to utf-8", 11),
    ("not a database", _NOT_A_DATABASE),
    ("readonly", 8),
    ("disk i/o", 10),
    ("unable to open", 14),
    ("access permission denied", 3),
)

_BY_ERRNO: Mapping[int, int] = MappingProxyType(
    {errno.ENOSPC: 13, getattr(errno, "EDQUOT", errno.ENOSPC): 13, errno.EROFS: 8, errno.EIO: 10}
)


def translated(error: BaseException) -> RecsysError:
    """Our error for one of ``FOREIGN_ERRORS``.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    RecsysError
        To be raised ``from None``.

    Stability: provisional
    """
    if isinstance(error, RecsysError):
        return error
    words = str(error).lower()
    if "closed" in words and isinstance(error, sqlite3.ProgrammingError):
        return when_closed()
    if "too big" in words:
        return InputError("a value is too long for the log", field="value")
    return _from_code(_code_of(error, words))


def not_a_database(error: BaseException) -> bool:
    """Whether SQLite took the file for no database at all: it is none, or encrypted, or its beginning is damaged.

    Stability: provisional
    """
    return _code_of(error, str(error).lower()) == _NOT_A_DATABASE


def _code_of(error: BaseException, words: str) -> int:
    """SQLite's primary result code for an error, 0 when there is none for it."""
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0, 14)
    if isinstance(error, UnicodeDecodeError):
        return 11
    code = getattr(error, "sqlite_errorcode", None)
    if code == _IOERR_SHMSIZE:
        return 13
    if code is None or code & 0xFF not in _BY_CODE:
        return next((number for text, number in _BY_WORDS if text in words), 0)
    return int(code) & 0xFF


def _from_code(code: int) -> RecsysError:
    kind, message = _BY_CODE.get(code, (StoreError, "the file could not be used: run check() on a copy of it"))
    return kind(message)


def when_forked() -> RecsysError:
    """What is said in a process that was forked while the file was open."""
    return ForkedError(
        "a file that was open when this process was forked cannot be used in it: "
        'close it before the fork, or start the process with "spawn"'
    )


def when_doomed() -> RecsysError:
    """What is said of a transaction that cannot be committed any more."""
    return StoreError("the transaction was undone by an error inside it: leave its block and begin again")


def when_closed() -> RecsysError:
    """What is said after closing."""
    return ClosedError("the store was closed: open a new one")
