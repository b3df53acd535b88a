"""How a file is created, checked and opened, and with which pragmas.

What goes in is a path; what comes out is a connection to a file that is ours,
current and private, or an error with not a byte of the file changed.

A file that exists is never opened other than by SQLite: closing any descriptor
of it would drop the locks that other connections of this process hold on it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from recsys.errors import BusyError, CorruptError, InputError, RecsysError, StoreError, WrongKeyError
from recsys.log import schema
from recsys.log.failure import FOREIGN_ERRORS, not_a_database, translated

if TYPE_CHECKING:
    from recsys.log.cipher import Cipher

__all__ = [
    "MEMORY",
    "PRAGMAS",
    "address",
    "connect_reader",
    "connect_writer",
    "file_id",
    "is_there",
    "path_of",
    "set_attach_limit",
    "size_of",
    "sizes_of",
    "untouched",
]

_T = TypeVar("_T")

MEMORY = ":memory:"

# What every connection sets, in this order. DEFENSIVE mode is not among them: it would forbid the lineage, which is
# `PRAGMA schema_version = n` (see connection.Writer.bump).
PRAGMAS: Mapping[str, str | int] = MappingProxyType(
    {
        "trusted_schema": "OFF",  # What a schema calls is not trusted.
        "cell_size_check": "ON",  # Damaged pages are noticed early.
        "temp_store": "MEMORY",  # No temporary files.
        "foreign_keys": "OFF",  # There are none.
        "secure_delete": "ON",  # Deleted content is overwritten with zeros (not enough alone: see erase).
    }
)
# What the writing connection sets on top.
WRITER_PRAGMAS: Mapping[str, str | int] = MappingProxyType(
    {
        "wal_autocheckpoint": 1000,  # pages of 4,096 bytes: the WAL is folded into the file after about 4 MB
        "journal_size_limit": 0,  # bytes: what stays of the WAL after it was folded in and started anew
    }
)

_SIDES = (("db", ""), ("wal", "-wal"), ("shm", "-shm"), ("ballast", "-ballast"))
_OLDEST_SQLITE = (3, 24, 0)  # for UPSERT
_ENCRYPTED_PAGE = 4096  # bytes; an encrypted file has whole pages only
_NO_KEY = (
    "the file is encrypted, or its beginning is damaged, or it is no SQLite database at all: give its key; without one "
    "restore a copy, choose another path, or move it away with recsys.set_aside() and start anew"
)
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")  # https://www.sqlite.org/fileformat2.html#the_rollback_journal
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # Windows has none; there the check before has to do.


def path_of(path: str | os.PathLike[str]) -> str:
    """The path as a string, absolute, or ``":memory:"``.

    Raises
    ------
    InputError
        When it is not a usable path.

    Stability: provisional
    """
    try:
        text = os.fspath(path)
    except TypeError:
        raise InputError("path: a string or a path is needed", field="path") from None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InputError("path: a non-empty string without NUL is needed", field="path")
    return text if text == MEMORY else os.path.abspath(text)


def connect_writer(
    path: str, *, synchronous: str, busy_timeout_ms: int, cipher: Cipher | None = None
) -> sqlite3.Connection:
    """A connection that may write, to a file that is created when absent and made current when old.

    Parameters
    ----------
    path : str
        From ``path_of``.
    synchronous : {"full", "normal"}
        What a commit waits for.
    busy_timeout_ms : int
        How long to wait for another process, milliseconds.
    cipher : Cipher, optional
        What the file is encrypted with; None for a plain file.

    Raises
    ------
    StoreError
        When it is not a file of ours; not a byte of it has changed then.

    Stability: provisional
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError("this Python has an SQLite older than 3.24, which the log needs: use a newer Python")
    was_empty = False
    if path != MEMORY:
        _create_or_check(path)
        before = file_id(path)
        was_empty = not size_of(path)
        if not was_empty and not _is_unborn(path):
            _examine_untouched(path, cipher)
    db = _connect(path, "rw", busy_timeout_ms, cipher)
    try:
        if path != MEMORY and file_id(path) != before:
            raise StoreError("the file was replaced while it was being opened: open it again")
        schema.examine(db)
        _set(db, PRAGMAS)
        _start_wal(db, busy_timeout_ms, expected="memory" if path == MEMORY else "wal")
        _set(db, {**WRITER_PRAGMAS, "synchronous": synchronous})
        schema.prepare(db)
        set_attach_limit(db, 0)
    except BaseException as error:
        db.close()
        if not isinstance(error, FOREIGN_ERRORS):
            raise
        failure = translated(error)
        if cipher and was_empty and isinstance(failure, (CorruptError, WrongKeyError)) and size_of(path):
            # Another process was quicker, and the file has its salt, not the one that this connection made up.
            return connect_writer(path, synchronous=synchronous, busy_timeout_ms=busy_timeout_ms, cipher=cipher)
        raise failure from None
    return db


def connect_reader(path: str, *, busy_timeout_ms: int, cipher: Cipher | None = None) -> sqlite3.Connection:
    """A connection that can only read, to a file that ``connect_writer`` has opened.

    Stability: provisional
    """
    db = _connect(path, "ro", busy_timeout_ms, cipher)
    _set(db, PRAGMAS)
    set_attach_limit(db, 0)
    return db


def is_there(path: str) -> bool:
    """Whether a file with any content stands at the path; refuses what is no regular file. Nothing is made or changed.

    Stability: provisional
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise translated(error) from None
    _refuse_odd(path, found)
    return found.st_size > 0 and not _is_unborn(path)


def untouched(path: str, cipher: Cipher | None, look: Callable[[sqlite3.Connection], _T]) -> _T | None:
    """What a look at a file that exists gives, without changing a byte and without leaving files beside it.

    Parameters
    ----------
    path : str
        From ``path_of``, of a file for which ``is_there`` holds.
    cipher : Cipher, optional
        What it is encrypted with.
    look : callable
        Given a connection that can only read; called again when another process wrote meanwhile.

    Returns
    -------
    object
        What ``look`` gave; None, without a look, when the change of its key was interrupted, which only a connection
        that may write can undo.

    Stability: provisional
    """
    while True:
        before = _traces(path)
        # Without a WAL the file alone is the truth; `immutable` then takes no lock and makes no -wal and -shm.
        alone = not (size_of(path + "-wal") or size_of(path + "-journal"))
        try:
            if cipher:
                cipher.accept(path)
                if size_of(path + "-journal"):
                    return None
            elif not alone:
                _first_page(path)
            db = _connect(path, "immutable" if alone else "ro", 5000, cipher)
            try:
                found = look(db)
            finally:
                db.close()
        except (*FOREIGN_ERRORS, RecsysError) as error:
            if alone and _traces(path) != before:
                continue  # Another process is writing: what was read without locks may be half of it.
            if not cipher and not_a_database(error) and not size_of(path) % _ENCRYPTED_PAGE:
                raise WrongKeyError(_NO_KEY) from None
            raise translated(error) from None
        if not alone or _traces(path) == before:
            return found


def set_attach_limit(db: sqlite3.Connection, limit: int) -> None:
    """How many further files the connection may attach; without effect before Python 3.11.

    Stability: provisional
    """
    limit_attached = getattr(db, "limit_attached", None)
    if limit_attached:  # a connection of SQLCipher's
        limit_attached(limit)
    elif hasattr(db, "setlimit"):
        db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, limit)


def file_id(path: str) -> tuple[int, int, int]:
    """Which file stands at the path: device, inode, and the type, since the number of a deleted inode is used again.

    Stability: provisional
    """
    found = os.lstat(path)
    return (found.st_dev, found.st_ino, stat.S_IFMT(found.st_mode))


def _create_or_check(path: str) -> None:
    """Create the file when it is absent; refuse what is not a regular file."""
    _refuse_links_beside(path)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        try:
            # Nobody can hold locks on a file that did not exist, so this descriptor may be closed.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | _NO_FOLLOW, 0o600))
            found = os.lstat(path)
        except FileExistsError:
            found = os.lstat(path)
        except OSError as error:
            raise translated(error) from None
    except OSError as error:
        raise translated(error) from None
    _refuse_odd(path, found)


def _refuse_links_beside(path: str) -> None:
    for side in ("-wal", "-shm", "-journal", "-ballast"):
        if os.path.islink(path + side):  # noqa: PTH114 - pathlib is slow to import
            raise StoreError("a file beside the log is a symbolic link: remove it")


def _refuse_odd(path: str, found: os.stat_result) -> None:
    """Refuse what is not a regular file, or has links beside it."""
    _refuse_links_beside(path)
    if stat.S_ISLNK(found.st_mode):
        raise StoreError("the path is a symbolic link: give the path of the file itself")
    if not stat.S_ISREG(found.st_mode):
        raise StoreError("the path is not a regular file: choose another path")
    if found.st_size == 1:  # to SQLite, an empty database
        raise CorruptError("the file is not an SQLite database: choose another path")


def _examine_untouched(path: str, cipher: Cipher | None) -> None:
    """Refuse a file that is not ours without changing a byte and without leaving files beside it."""
    untouched(path, cipher, schema.examine)


def _first_page(path: str) -> None:
    """Raise when the file is no database by itself, before its WAL is looked at and a -shm made for that."""
    db = _connect(path, "immutable", 5000)
    try:
        db.execute("PRAGMA schema_version").fetchone()
    except FOREIGN_ERRORS as error:
        if not_a_database(error):
            raise
        # All else may be because another process is writing, and is found under locks if it is not.
    finally:
        db.close()


def _is_unborn(path: str) -> bool:
    """Whether the file was being created when its process died: SQLite then makes it empty again, and it is examined.

    The journal says so: its header tells how many pages the file had before the change that was cut short.
    """
    try:
        with open(path + "-journal", "rb") as journal:  # noqa: PTH123 - pathlib is slow to import
            header = journal.read(20)
    except OSError:
        return False
    return header[:8] == _JOURNAL_MAGIC and header[16:20] == bytes(4)


def _traces(path: str) -> list[tuple[int, int] | None]:
    """Size and time of the file and of those beside it; they change when somebody writes."""
    found: list[tuple[int, int] | None] = []
    for side in ("", "-wal", "-journal"):
        try:
            status = os.lstat(path + side)
        except OSError:
            found.append(None)
        else:
            found.append((status.st_size, status.st_mtime_ns))
    return found


def _connect(path: str, mode: str, busy_timeout_ms: int, cipher: Cipher | None = None) -> sqlite3.Connection:
    name, timeout_s = address(path, mode), busy_timeout_ms / 1000
    if cipher:
        return cipher.connect(name, timeout_s)
    return sqlite3.connect(name, uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False)


def _set(db: sqlite3.Connection, pragmas: Mapping[str, str | int]) -> None:
    for name, value in pragmas.items():
        db.execute(f"PRAGMA {name} = {value}")


def _start_wal(db: sqlite3.Connection, busy_timeout_ms: int, *, expected: str) -> None:
    """Two processes that create the same file get BUSY at once, without the busy timeout: so wait here."""
    deadline = time.monotonic() + busy_timeout_ms / 1000
    while True:
        try:
            mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if isinstance(translated(error), BusyError) and time.monotonic() < deadline:
                time.sleep(0.005)
                continue
            raise
        if mode != expected:
            raise StoreError("the file system offers no shared memory, which the log needs: choose a local directory")
        return


def size_of(path: str) -> int:
    """How many bytes stand at the path; 0 when nothing does.

    Stability: provisional
    """
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def sizes_of(path: str) -> dict[str, int]:
    """Bytes of the file and of those beside it, see ``Store.sizes``.

    Stability: provisional
    """
    return {name: size_of(path + side) for name, side in _SIDES}


def address(path: str, mode: str) -> str:
    """Spell an absolute path as SQLite's URI; ``pathlib`` can do it too, and is slow to import.

    Parameters
    ----------
    path : str
        From ``path_of``; memory is its own address.
    mode : {"rw", "ro", "immutable"}
        ``"immutable"``: only to read, without locks, and what lies beside the file is not looked at.

    Stability: provisional
    """
    if path == MEMORY:
        return path
    query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    for character, code in (("%", "%25"), ("?", "%3f"), ("#", "%23"), (os.sep, "/")):
        path = path.replace(character, code)
    return f"file:///{path.lstrip('/')}?{query}"
