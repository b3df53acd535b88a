"""The connections of one store: who may use which one, when, and in which process.

One connection writes, under a lock, and any number of connections read, each
used by one reader at a time. Short reads and long ones never wait for a writer,
except in a ``":memory:"`` store, which has the one connection only.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from _thread import RLock
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeVar

from recsys.errors import RecsysError, StoreError, WrongKeyError
from recsys.log import opening, scan
from recsys.log.failure import DATABASE_ERRORS, translated, when_closed, when_doomed, when_forked
from recsys.log.readers import READERS, Reader, Readers

if TYPE_CHECKING:
    from recsys.log.cipher import Cipher

__all__ = ["Block", "Reader", "Readers", "Writer", "is_open", "refuse", "view"]

_T = TypeVar("_T")
_get_pid = os.getpid


class Writer:
    """The writing connection: a context manager whose block is one transaction.

    It may be entered again inside itself; the inner blocks join the outermost.

    Parameters
    ----------
    path : str
        From ``opening.path_of``.
    synchronous : {"full", "normal"}
        What a commit waits for.
    busy_timeout_ms : int
        How long to wait for another process, milliseconds.
    cipher : Cipher, optional
        What the file is encrypted with.

    Stability: provisional
    """

    def __init__(self, path: str, *, synchronous: str, busy_timeout_ms: int, cipher: Cipher | None = None) -> None:
        self.pid = _get_pid()
        self.lock = RLock()
        self.depth = 0  # of nested blocks; only the thread that holds the lock changes it
        self.doomed = False  # an error inside an inner block: the outermost one cannot commit any more
        self.closed = False
        self.busy_timeout_ms = busy_timeout_ms
        self._path = path
        self._synchronous = synchronous
        refuse(path, cipher)
        with scan.OPENING.lock:
            scan.OPENING.n += 1
        try:
            self._connect(cipher)
            self.file = None if path == opening.MEMORY else opening.file_id(path)
            _WRITERS.add(self)
        finally:
            with scan.OPENING.lock:
                scan.OPENING.n -= 1
        # The lineage that we know of; and where it stood before this transaction bumped it, if it did.
        self.seen = self._pragma("data_version")
        self.cookie = self._pragma("schema_version")
        self._own_from: int | None = None

    def _connect(self, cipher: Cipher | None) -> None:
        self.cipher = cipher
        self.db = opening.connect_writer(
            self._path, synchronous=self._synchronous, busy_timeout_ms=self.busy_timeout_ms, cipher=cipher
        )
        self.cursor = self.db.cursor()
        self.side = self.db.cursor()

    def reconnect(self, likely: Cipher, other: Cipher) -> None:
        """Go on with a fresh connection and the key that fits; under the lock. Closed if that fails."""
        self.side.close()
        self.cursor.close()
        self.db.close()
        try:
            try:
                self._connect(likely)
            except WrongKeyError:
                self._connect(other)
        except BaseException:
            self.closed = True
            _WRITERS.discard(self)
            raise
        self.seen = -1  # What others did in between shows in the cookie.

    def __enter__(self) -> sqlite3.Cursor:
        self.enter()
        try:
            if not self.depth:
                self._require_file()
                self._own_from = None
                self.cursor.execute("BEGIN IMMEDIATE")
            elif self.doomed:
                raise when_doomed()
            self.depth += 1
        except BaseException as error:
            if not self.depth:
                self._roll_back()
            self.lock.release()
            if isinstance(error, DATABASE_ERRORS):
                raise translated(error) from None
            raise
        return self.cursor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, RecsysError):
            self.doomed = True  # Half of the work may be done; our own errors are raised before or after it.
        self.leave(commit=error is None)
        if isinstance(error, DATABASE_ERRORS):
            raise translated(error) from None

    def leave(self, *, commit: bool) -> None:
        """Leave a block; the outermost one commits or rolls back."""
        self.depth -= 1
        try:
            if not self.depth:
                self._end(commit=commit)
        finally:
            self.lock.release()

    def enter(self) -> None:
        """Take the lock, after checking that this is the right process and the connection open."""
        if _get_pid() != self.pid:
            raise when_forked()
        self.lock.acquire()
        if self.closed:
            self.lock.release()
            raise when_closed()

    def _require_file(self) -> None:
        """Raise when the file that is open no longer stands at the path: what is written to it would not be found."""
        if self.file is None:
            return
        try:
            found = os.lstat(self._path)
            same = (found.st_dev, found.st_ino) == self.file[:2]  # a number that is in use is given to no other file
        except OSError:
            same = False
        if not same:
            raise StoreError(
                "the file was moved, replaced or deleted while it was open: put it back, or close it and open it again"
            )

    @property
    def mine(self) -> bool:
        """Whether this thread is inside a transaction."""
        if not self.depth or not self.lock.acquire(blocking=False):
            return False
        try:
            return self.depth > 0
        finally:
            self.lock.release()

    def bump(self) -> None:
        """Say that something else than an append at the end has changed. Inside a transaction only.

        SQLite's schema cookie counts it: it lies in the file's header, is seen by every
        other connection, is rolled back with the transaction and leaves no row behind.
        """
        now = self._pragma("schema_version")
        following = now + 1 if now < 2**31 - 1 else 1
        self.cursor.execute(f"PRAGMA schema_version = {following}")
        if now == self.cookie:  # Otherwise another process has bumped it, and we have yet to notice.
            self._own_from = now if self._own_from is None else self._own_from
            self.cookie = following

    def observe(self) -> Literal["same", "grown", "changed"]:
        """What others did since the last call: ``"same"``, ``"grown"`` or ``"changed"``."""
        self.enter()
        try:
            seen = self._pragma("data_version")
            if seen == self.seen:
                return "same"
            # Read after the other: a change in between is then told twice and never missed.
            cookie = self._pragma("schema_version")
            grown = cookie == self.cookie
            self.seen, self.cookie = seen, cookie
        except DATABASE_ERRORS as error:
            raise translated(error) from None
        else:
            return "grown" if grown else "changed"
        finally:
            self.lock.release()

    def maintain(self, work: Callable[[], _T]) -> _T:
        """Do a piece of work that cannot be part of a transaction."""
        self.enter()
        try:
            if self.depth:
                raise StoreError("this cannot be done inside a transaction: leave its block first")
            return work()
        except DATABASE_ERRORS as error:
            raise translated(error) from None
        finally:
            self.lock.release()

    def vacuum(self) -> None:
        """Write the whole file anew. SQLite bumps the cookie itself, for which nobody has to rebuild anything."""
        before = self._pragma("schema_version")
        opening.set_attach_limit(self.db, 1)  # VACUUM attaches its own temporary database.
        try:
            self.cursor.execute("VACUUM")
        finally:
            opening.set_attach_limit(self.db, 0)
        if before == self.cookie and self._pragma("schema_version") == before + 1:  # and nobody else's in between
            self.cookie = before + 1

    def truncate_wal(self, timeout_ms: int | None = None) -> bool:
        """Fold the whole WAL into the file and empty it; False when a reader or a writer is in the way."""
        try:
            if timeout_ms is not None:
                self.cursor.execute(f"PRAGMA busy_timeout = {timeout_ms}")
            busy = self.cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            if timeout_ms is not None:
                self.cursor.execute(f"PRAGMA busy_timeout = {self.busy_timeout_ms}")
        return not busy

    def close(self, readers: Readers | None) -> None:
        """Roll back what is open, close the readers, empty the WAL if nobody is in the way, and close."""
        if _get_pid() != self.pid:
            raise when_forked()
        with self.lock:
            if self.closed:
                return
            self._roll_back()
            self.closed = True
            if readers is not None:
                readers.close()
            with suppress(*DATABASE_ERRORS):
                self.truncate_wal(0)
            self.side.close()
            self.cursor.close()  # An open statement would keep the file open beyond the connection's own close.
            self.db.close()
            _WRITERS.discard(self)
            with scan.OPENING.lock:  # whoever is just opening this file may hold locks that closing would drop
                if self.file and not scan.OPENING.n and not any(other.file == self.file for other in list(_WRITERS)):
                    scan.let_go(self.file)

    def _end(self, *, commit: bool) -> None:
        """Commit or roll back the outermost block."""
        doomed, self.doomed = self.doomed, False
        if not commit or doomed or self.closed:
            self._roll_back()
            if commit:
                raise when_doomed() if doomed else when_closed()
            return
        try:
            self.cursor.execute("COMMIT")
        except BaseException as failure:
            self._roll_back()
            if isinstance(failure, DATABASE_ERRORS):
                raise translated(failure) from None
            raise

    def _roll_back(self) -> None:
        if self._own_from is not None:
            self.cookie, self._own_from = self._own_from, None
        # Some errors, such as a full disk, have rolled back already.
        if not self.closed and self.db.in_transaction:
            with suppress(*DATABASE_ERRORS):
                self.cursor.execute("ROLLBACK")

    def _pragma(self, name: str) -> int:
        number: int = self.cursor.execute(f"PRAGMA {name}").fetchone()[0]
        return number


class Block:
    """What a caller's own transaction is: as the writer's blocks, but errors that pass through it are the caller's.

    Stability: provisional
    """

    __slots__ = ("_writer",)

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __enter__(self) -> None:
        self._writer.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.leave(commit=error is None)


@contextmanager
def view(writer: Writer, readers: Readers | None) -> Iterator[tuple[sqlite3.Cursor, sqlite3.Cursor]]:
    """Two cursors on one consistent view, for a read that ends inside the block.

    The writing connection when this thread is inside a transaction (so that it sees its own
    rows) or when there is no other; a reading one otherwise.
    """
    if readers is None or writer.mine:
        writer.enter()
        try:
            yield writer.cursor, writer.side
        except DATABASE_ERRORS as error:
            raise translated(error) from None
        finally:
            writer.lock.release()
        return
    reader = readers.take()
    try:
        with reader.lock:
            if reader.closed:
                raise when_closed()
            yield reader.cursor, reader.side
    except DATABASE_ERRORS as error:
        raise translated(error) from None
    finally:
        readers.give_back(reader)


def is_open(path: str) -> bool:
    """Whether this process has a store open at the path.

    Stability: provisional
    """
    if path == opening.MEMORY or not os.path.lexists(path):
        return False
    file = opening.file_id(path)  # whatever the path is spelt like
    return any(writer.file == file for writer in list(_WRITERS))


def refuse(path: str, cipher: Cipher | None) -> None:
    """Refuse a file that this process may not open, or not in this way, because of how it is open already.

    Stability: provisional
    """
    _refuse_inherited(path)
    _refuse_mixed(path, cipher)


def _refuse_inherited(path: str) -> None:
    """Refuse a file that the parent of this forked process had open.

    SQLite's own memory, copied by the fork, takes the parent's locks for ours. It would lock
    nothing, the parent would remove the WAL under us, and acknowledged events would be lost.
    """
    pid = _get_pid()
    inherited = {writer.file for writer in list(_WRITERS) if writer.pid != pid}
    if inherited and path != opening.MEMORY and os.path.lexists(path) and opening.file_id(path) in inherited:
        raise when_forked()


def _refuse_mixed(path: str, cipher: Cipher | None) -> None:
    """Refuse a file that this process has open the other way, encrypted or plain.

    SQLite and SQLCipher do not know of each other, so closing the file in one would drop the locks of the other.
    """
    if path == opening.MEMORY or not os.path.lexists(path):
        return
    file = opening.file_id(path)
    if any(writer.file == file and (writer.cipher is None) is not (cipher is None) for writer in list(_WRITERS)):
        how = "with a key: give it" if cipher is None else "and is not encrypted: open it without a key"
        raise WrongKeyError(f"the file is open in this process {how}")


def _abandon() -> None:
    """In a forked child: never let the parent's connections be closed here.

    Closing would roll back, checkpoint or unlink what the parent is using, so one reference
    to each of them is given away for good.
    """
    import ctypes

    scan.OPENING.reset()
    for owner in (*_WRITERS, *READERS):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


_WRITERS: weakref.WeakSet[Writer] = weakref.WeakSet()  # every one that is open
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)
