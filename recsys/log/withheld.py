"""What may be read of a file in which nothing may be written: not a byte of it changes, whatever its version."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from recsys.log import opening, schema, soundness
from recsys.log.connection import Writer, refuse
from recsys.log.store import Store, cipher_of

if TYPE_CHECKING:
    from recsys.log.cipher import Cipher

__all__ = ["copy", "findings", "seen"]

_OLD = "the file is of an older version: it is made current when it is next written to, and checked then"


def seen(path: str, key: bytes | Callable[[], bytes] | None) -> tuple[bool, bool]:
    """Whether a consent stands in a file, and whether an erasure is pending in it; neither where there is none.

    Parameters
    ----------
    path : str
        From ``opening.path_of``, not memory.
    key : bytes or callable, optional
        As for ``Store``.

    Raises
    ------
    StoreError
        When it is no file of ours.

    Cost: what opening the file costs, without its rows.

    Stability: provisional
    """
    if not opening.is_there(path):
        return False, False
    cipher = cipher_of(key)
    refuse(path, cipher)
    found = opening.untouched(path, cipher, _look)
    if found is None:  # what a rekey left half done
        with Store(path, key=key) as store:
            return bool(store.consents()), store.erasure_pending()
    return found


def copy(path: str, cipher: Cipher | None, writer: Writer) -> None:
    """See ``Store.copy_of``."""
    refuse(path, cipher)
    opening.untouched(path, cipher, lambda db: _copy(db, writer))


def findings(path: str, key: bytes | Callable[[], bytes] | None) -> list[soundness.Finding]:
    """See ``Store.check``. Of an older file only the pages are looked at.

    Stability: provisional
    """
    cipher = cipher_of(key)
    refuse(path, cipher)
    return opening.untouched(path, cipher, _findings) or []


def has_stages(path: str, key: bytes | Callable[[], bytes] | None) -> bool:
    """Whether a file has trees in it; not a byte of it changes. Raises as opening does.

    Stability: provisional
    """
    cipher = cipher_of(key)
    refuse(path, cipher)
    return bool(opening.untouched(path, cipher, _has_stages))


def _has_stages(db: sqlite3.Connection) -> bool:
    there = "stages" in schema.TABLES.get(schema.examine(db), {})
    return there and db.execute("SELECT 1 FROM stages LIMIT 1").fetchone() is not None


def _look(db: sqlite3.Connection) -> tuple[bool, bool]:
    version = schema.examine(db)
    if not version or "consents" not in schema.TABLES[version]:
        return False, False
    n_consents, n_pending = db.execute(
        "SELECT (SELECT COUNT(*) FROM consents), (SELECT COUNT(*) FROM pending WHERE what = 'erasure')"
    ).fetchone()
    return n_consents > 0, n_pending > 0


def _copy(db: sqlite3.Connection, writer: Writer) -> None:
    db.execute("BEGIN")  # all tables as they stand at one moment; closing the connection ends it
    version = schema.examine(db)
    with writer as cursor:
        for table in schema.TABLES[schema.SCHEMA_VERSION]:
            cursor.execute(f"DROP TABLE {table}")
        for table, text in schema.TABLES[version or schema.SCHEMA_VERSION].items():
            cursor.execute(text)
            rows = db.execute(f"SELECT * FROM {table}").fetchall() if version else []
            if rows:
                cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        cursor.execute(f"PRAGMA user_version = {version or schema.SCHEMA_VERSION}")
    schema.prepare(writer.db)


def _findings(db: sqlite3.Connection) -> list[soundness.Finding]:
    version, cursor = schema.examine(db), db.cursor()
    if version == schema.SCHEMA_VERSION:
        return soundness.findings(cursor)
    return [soundness.pages(cursor) or ("ok", "pages", "sound"), ("warning", "schema", _OLD)]
