"""The connections of a store that can only read: idle ones, and those in use.

They never wait for whoever writes.
"""

from __future__ import annotations

import os
import weakref
from _thread import allocate_lock
from typing import TYPE_CHECKING

from recsys.errors import BusyError
from recsys.log import opening
from recsys.log.failure import DATABASE_ERRORS, FOREIGN_ERRORS, translated, when_closed, when_forked

if TYPE_CHECKING:
    from recsys.log.cipher import Cipher
    from recsys.log.connection import Writer

__all__ = ["READERS", "Reader", "Readers"]

_MAX_IDLE_READERS = 4
_get_pid = os.getpid


class Reader:
    """A connection that can only read, used by one reader at a time.

    The lock is held while rows are fetched, so that closing never happens underneath.

    Stability: provisional
    """

    def __init__(self, path: str, busy_timeout_ms: int, cipher: Cipher | None) -> None:
        self.lock = allocate_lock()
        self.closed = False
        self.db = opening.connect_reader(path, busy_timeout_ms=busy_timeout_ms, cipher=cipher)
        self.cursor = self.db.cursor()
        self.side = self.db.cursor()  # for a second query while the first one is still being read

    def begin(self) -> None:
        """Begin a snapshot, of the first row read."""
        with self.lock:
            if self.closed:
                raise when_closed()
            self.cursor.execute("BEGIN")

    def finish(self) -> None:
        """Let go of the snapshot."""
        with self.lock:
            if not self.closed and self.db.in_transaction:
                self.cursor.execute("ROLLBACK")  # This cursor, because a query left half read would hold on to it.

    def close(self) -> None:
        """Close; a reader in another thread then gets ``ClosedError`` from its next row on."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
            self.cursor.close()
            self.side.close()
            self.db.close()


class Readers:
    """All reading connections of a store: the idle ones and those in use.

    They belong to whoever reads, not to a thread, so a thread that ends leaves none behind.

    Stability: provisional
    """

    def __init__(self, path: str, writer: Writer) -> None:
        self._path = path
        self._writer = writer
        self._idle: list[Reader] = []
        self._all: set[Reader] = set()
        READERS.add(self)

    def take(self) -> Reader:
        """A reader with a snapshot begun."""
        self.check()
        try:
            reader = self._idle.pop()
        except IndexError:
            reader = self._fresh()
        if reader.closed:  # stopped in the moment in which it was given back
            reader = self._fresh()
        try:
            reader.begin()
        except DATABASE_ERRORS as error:
            self._drop(reader)
            raise translated(error) from None
        return reader

    def _fresh(self) -> Reader:
        try:
            reader = Reader(self._path, self._writer.busy_timeout_ms, self._writer.cipher)
        except FOREIGN_ERRORS as error:
            raise translated(error) from None
        self._all.add(reader)
        if self._writer.closed:
            self._drop(reader)
            raise when_closed() from None
        return reader

    def give_back(self, reader: Reader) -> None:
        """End of the reading. In a forked child nothing happens: the connection is the parent's."""
        if _get_pid() != self._writer.pid:
            return
        try:
            reader.finish()
        except DATABASE_ERRORS:
            self._drop(reader)
            return
        if reader.closed or len(self._idle) >= _MAX_IDLE_READERS:
            self._drop(reader)
        else:
            self._idle.append(reader)

    def check(self) -> None:
        """Raise unless this is the right process and the store is open."""
        if _get_pid() != self._writer.pid:
            raise when_forked()
        if self._writer.closed:
            raise when_closed()

    def close(self) -> None:
        """Close them all, also those in use."""
        self._idle.clear()
        for reader in list(self._all):
            self._drop(reader)

    def stop(self) -> None:
        """Close those in use; whoever reads gets ``ClosedError`` from its next row on."""
        for reader in self._all.difference(self._idle):
            self._drop(reader)

    def let_go(self) -> None:
        """Close the idle ones; ``BusyError`` when one is in use."""
        while self._idle:
            self._drop(self._idle.pop())
        if self._all:
            raise BusyError("something is still being read from the file: finish that first, or try again")

    def _drop(self, reader: Reader) -> None:
        self._all.discard(reader)
        reader.close()


READERS: weakref.WeakSet[Readers] = weakref.WeakSet()  # every one that is open
