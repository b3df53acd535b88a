"""Encryption at rest: connections to a log whose every page is encrypted and authenticated, by SQLCipher.

What goes in is a key, 32 bytes that the host keeps; what comes out are connections that look and fail like
``sqlite3``'s own, so that nothing else here knows whether a file is encrypted. The only importer of ``sqlcipher3``.

A file says "not a database" to a wrong key and to a damaged first page alike, so both are a ``WrongKeyError``;
damage to any other page is a ``CorruptError``. Pages are authenticated one by one: who can write to the file can put
back an older version of a page, which is damage to SQLite at best and goes unnoticed at worst.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from recsys.errors import BusyError, CorruptError, InputError, MissingExtraError, RecsysError, StoreError, WrongKeyError
from recsys.log import opening
from recsys.log.connection import Readers, Writer
from recsys.log.failure import DATABASE_ERRORS, FOREIGN_ERRORS, not_a_database, translated

__all__ = ["KEY_BYTES", "Cipher", "rekey"]

_T = TypeVar("_T")
Key = bytes | Callable[[], bytes]

KEY_BYTES = 32
_PAGE = 4096  # bytes of a page; SQLCipher's own default, and what `cipher_compatibility = 4` says
_SALT, _TAG = 16, 64  # bytes: what page 1 begins with, and the HMAC-SHA512 with which every page ends
_LOOKS = 3  # at a first page that fits no key, since another process may just be writing it
_LOOK_AGAIN_S = 0.005

_WRONG = (
    "the key does not open the file: give the one that it was made with, or that rekey() gave it last; "
    "if this is the one, the beginning of the file is damaged: restore a copy, "
    "or move it away with recsys.set_aside() and start anew"
)
_NOT_ENCRYPTED = (
    "the file is not encrypted: open it without a key, or export() it and import_() it into a new file with one"
)

_IN_USE = "something else has the file open, another recommender or another process: close it first, or try again"


class Cipher:
    """A key that was checked, and the connections that it opens.

    Parameters
    ----------
    key : bytes or callable
        32 random bytes, or a callable without arguments that returns them; it is called once, here.

    Raises
    ------
    InputError
        When the key is anything else. An exception that the callable raises is named by its class and stays
        reachable as ``__context__``; it is not shown with ours, because it may quote the key.
    MissingExtraError
        Without ``sqlcipher3``.

    Stability: provisional
    """

    __slots__ = ("_key",)

    def __init__(self, key: Key) -> None:
        self._key = _key_of(key)
        _driver()

    def __repr__(self) -> str:
        return "Cipher(<redacted>)"

    def connect(self, name: str, timeout_s: float) -> sqlite3.Connection:
        """A connection to a file, or to memory, whose first page this key opens.

        Raises
        ------
        WrongKeyError
            When it does not. An empty file is opened by every key, and encrypted with it when it is written.
        """
        db = _connected(name, timeout_s)
        try:
            db.execute(f"PRAGMA key = \"x'{self._key.hex()}'\"")  # raw: no key derivation, and nothing before it
            db.execute("PRAGMA cipher_compatibility = 4")  # as files are written today, whatever becomes the default
            if not db.execute("PRAGMA cipher_version").fetchone():  # else the "encrypted" file would be a plain one
                raise MissingExtraError("encrypted")
            db.execute("PRAGMA schema_version").fetchone()  # reads the first page
        except BaseException as error:
            db.close()
            if isinstance(error, DATABASE_ERRORS) and not_a_database(error):
                raise WrongKeyError(_WRONG) from None
            raise
        return cast("sqlite3.Connection", db)

    def rekey(self, db: sqlite3.Connection) -> None:
        """Encrypt every page anew with this key, in one transaction of a connection that another key opened."""
        db.execute(f"PRAGMA rekey = \"x'{self._key.hex()}'\"")

    def accept(self, path: str) -> None:
        """Refuse a file that this key does not open, without changing a byte or making a file beside it.

        Stability: provisional
        """
        for _ in range(_LOOKS):
            if self._opens(path):
                return
            time.sleep(_LOOK_AGAIN_S)
        raise WrongKeyError(_NOT_ENCRYPTED if _is_plain(path) else _WRONG)

    def _opens(self, path: str) -> bool:
        """Whether the first page is this key's, wherever it stands: a rekey may have been interrupted."""
        to_restore = list(_first_pages_of_journal(path))
        if to_restore:  # What SQLite will put back, whatever the file holds by now.
            return self._sealed(to_restore[0])
        try:
            self.connect(opening.address(path, "immutable"), 0).close()
        except WrongKeyError:
            return any(self._sealed(page) for page in _first_pages_of_wal(path))
        except DATABASE_ERRORS as error:
            if not isinstance(translated(error), CorruptError):
                raise
            # The first page is this key's. It tells of more pages than there are, as while a WAL is folded in.
        return True

    def _sealed(self, page: bytes) -> bool:
        """Whether a first page bears this key's HMAC: https://www.zetetic.net/sqlcipher/design/."""
        import hashlib
        import hmac

        salt, body, tag = page[:_SALT], page[_SALT:-_TAG], page[-_TAG:]
        key = hashlib.pbkdf2_hmac("sha512", self._key, bytes(byte ^ 0x3A for byte in salt), 2, len(self._key))
        return hmac.compare_digest(hmac.digest(key, body + (1).to_bytes(4, "little"), "sha512"), tag)


def rekey(writer: Writer, readers: Readers | None, key: Key) -> None:
    """See ``Store.rekey``.

    Nobody else may have the file open, so it leaves the WAL for a rollback journal under an exclusive lock. The
    old pages lie in the journal until the new ones are on the disk; whichever moment the power fails at, one of the
    two keys opens the file. Whatever happened, the writer goes on with a fresh connection and the key that fits.
    """
    writer.enter()
    try:
        old = writer.cipher
        if old is None:
            raise InputError(f"key: {_NOT_ENCRYPTED}", field="key")
        new = Cipher(key)
        if writer.depth:
            raise StoreError("this cannot be done inside a transaction: leave its block first")
        if readers is None:
            writer.cipher = new  # in memory there is nothing at rest
            return
        readers.let_go()
        failure: RecsysError = StoreError("the key could not be changed: the file keeps the one it has")
        likely = new
        try:
            _alone(writer.db, writer.busy_timeout_ms)
            new.rekey(writer.db)
        except DATABASE_ERRORS as error:
            failure, likely = translated(error), old
            if isinstance(failure, BusyError):
                failure = BusyError(_IN_USE)
        writer.reconnect(likely, old if likely is new else new)
        if writer.cipher is not new:  # The file says what happened.
            raise failure
    finally:
        writer.lock.release()


def _alone(db: sqlite3.Connection, busy_timeout_ms: int) -> None:
    """Hold the file for this connection only, its WAL folded in and gone; SQLite does not wait here, so wait."""
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA synchronous = EXTRA")
    deadline = time.monotonic() + busy_timeout_ms / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode = DELETE").fetchone()
        except DATABASE_ERRORS as error:
            if not isinstance(translated(error), BusyError) or time.monotonic() >= deadline:
                raise
            time.sleep(_LOOK_AGAIN_S)
        else:
            return


def _key_of(key: Key) -> bytes:
    if callable(key):
        try:
            key = key()
        except Exception as error:  # noqa: BLE001 (it is the host's, of any kind)
            raise InputError(f"key: the callable raised {type(error).__name__}", field="key") from None
    if type(key) is not bytes or len(key) != KEY_BYTES:
        raise InputError(f"key: {KEY_BYTES} bytes are needed, or a callable that returns them", field="key")
    return key


def _is_plain(path: str) -> bool:
    """Whether it opens without a key."""
    try:
        db = _connected(opening.address(path, "immutable"), 0)
    except FOREIGN_ERRORS:
        return False
    try:
        db.execute("PRAGMA schema_version").fetchone()
    except DATABASE_ERRORS:
        return False
    finally:
        db.close()
    return True


def _first_pages_of_journal(path: str) -> Iterator[bytes]:
    """The first page as a rollback journal will put it back: https://www.sqlite.org/fileformat.html#the_rollback_journal."""
    content = _read(path + "-journal")
    if content[:8] == b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" and int.from_bytes(content[8:12], "big"):
        sector = int.from_bytes(content[20:24], "big")
        for start in range(sector, len(content) - _PAGE - 7, _PAGE + 8):
            if content[start : start + 4] == b"\0\0\0\1":
                yield content[start + 4 : start + 4 + _PAGE]


def _first_pages_of_wal(path: str) -> Iterator[bytes]:
    """Every version of the first page in the WAL: https://www.sqlite.org/fileformat.html#the_write_ahead_log."""
    content = _read(path + "-wal")
    for start in range(32, len(content) - _PAGE - 23, _PAGE + 24):
        if content[start : start + 4] == b"\0\0\0\1" and content[start + 8 : start + 16] == content[16:24]:
            yield content[start + 24 : start + 24 + _PAGE]


def _read(path: str) -> bytes:
    """A file beside the log, on which SQLite holds no locks that closing it could drop."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (pathlib is slow to import)
            return file.read()
    except OSError:
        return b""


# What follows makes SQLCipher's connections fail as sqlite3's do: its error classes are kin to none of those.


def _driver() -> Any:
    try:
        from sqlcipher3 import dbapi2
    except ImportError:
        raise MissingExtraError("encrypted") from None
    return dbapi2


def _connected(name: str, timeout_s: float) -> _Connection:
    settings: dict[str, Any] = {"isolation_level": None, "check_same_thread": False, "timeout": timeout_s}
    db = _Connection(_native(_driver().connect, name, uri=True, **settings))
    db.execute("PRAGMA cipher_log_level = NONE")  # of the process: it would write to standard error
    return db


def _native(call: Callable[..., _T], *arguments: Any, **options: Any) -> _T:
    """The result of a call into SQLCipher, its errors as sqlite3's of the same name."""
    try:
        return call(*arguments, **options)
    except (_driver().Error, _driver().Warning) as error:
        native = getattr(sqlite3, type(error).__name__)(*error.args)
        native.sqlite_errorcode = getattr(error, "sqlite_errorcode", None)
        try:
            raise native from None
        finally:
            del native  # which holds this frame, which would hold it, and with it the statement and its connection


class _Cursor:
    """As much of ``sqlite3.Cursor`` as the log uses."""

    __slots__ = ("_cursor", "connection")

    def __init__(self, connection: _Connection, cursor: Any) -> None:
        self.connection = connection
        self._cursor = cursor

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> _Cursor:
        _native(self._cursor.execute, sql, parameters)
        return self

    def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> _Cursor:
        _native(self._cursor.executemany, sql, rows)
        return self

    def fetchone(self) -> Any:
        return _native(self._cursor.fetchone)

    def fetchmany(self, size: int) -> list[Any]:
        return _native(self._cursor.fetchmany, size)

    def fetchall(self) -> list[Any]:
        return _native(self._cursor.fetchall)

    def __iter__(self) -> _Cursor:
        return self

    def __next__(self) -> Any:
        return _native(self._cursor.__next__)

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)

    def close(self) -> None:
        _native(self._cursor.close)


class _Connection:
    """As much of ``sqlite3.Connection`` as the log uses."""

    __slots__ = ("_db",)

    def __init__(self, db: Any) -> None:
        self._db = db

    def cursor(self) -> _Cursor:
        return _Cursor(self, _native(self._db.cursor))

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> _Cursor:
        cursor = self.cursor()
        try:
            return cursor.execute(sql, parameters)
        except BaseException:
            cursor.close()  # An open statement would keep the file open beyond the connection's own close.
            raise

    @property
    def in_transaction(self) -> bool:
        return bool(self._db.in_transaction)

    @property
    def total_changes(self) -> int:
        return int(self._db.total_changes)

    def limit_attached(self, limit: int) -> None:
        """As ``setlimit``, which SQLCipher's module does not have, for the one limit that matters here."""
        self._db.set_authorizer(None if limit else _refuse_attach)

    def close(self) -> None:
        _native(self._db.close)


def _refuse_attach(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action == _SQLITE_ATTACH else sqlite3.SQLITE_OK


_SQLITE_ATTACH = 24  # https://www.sqlite.org/c3ref/c_alter_table.html
