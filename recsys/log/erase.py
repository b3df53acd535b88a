"""Erasure: what was deleted from the tables leaves the file too.

A deleted row is not gone: its bytes stay in the WAL, and copies of them in the gaps of pages that were once
split, which ``secure_delete`` does not reach. So forgetting has two phases. The transaction that deletes also
says that an erasure is pending (:func:`mark`). Then :func:`erase` folds the WAL into the file and empties it,
writes the whole file anew, does the first again, and only then takes the word back. Whatever happens in between,
the word is found at the next opening, and the work is done first of all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from recsys.errors import BusyError, FullError, RecsysError
from recsys.log import ballast, opening, scan
from recsys.log.connection import Readers, Writer, view
from recsys.log.failure import FOREIGN_ERRORS, translated
from recsys.log.lasting import lasting

__all__ = ["REASONS", "Erasure", "erase", "is_pending", "mark"]

# Why an erasure could not be finished, and what to do.
REASONS = {
    "reader": "something else uses the file as it was before: erased at the next try after it has ended",
    "busy": "another process is writing to the file: erased at the next try",
    "full": "no space is left to write the file anew: erased at the next try after some is free",
    "failed": "the file could not be written: check the disk",
    "aside": "a log that was set aside is open, or cannot be deleted: close it; erased at the next try",
    "found": "bytes of what was forgotten were found in the file: erased at the next try",
}

# Every column that may hold a text of the host's, to tell what is left behind from what is still told.
_TOLD = (
    ("events", ("uid", "item_id", "kind", "context", "slate")),
    ("slates", ("slate", "item_id")),
    ("items", ("id", "title", "tags", "attributes")),
    ("checkpoints", ("uid", "blob")),
    ("stages", ("blob",)),
    ("consents", ("purpose",)),
    ("releases", ("query", "payload")),
)


class Erasure(NamedTuple):
    """How far an erasure came.

    Parameters
    ----------
    reason : str
        Empty when it is finished; else a key of ``REASONS``.
    n_files : int
        How many files were read through for what was forgotten.
    size_bytes : int
        How many bytes they have.

    Stability: provisional
    """

    reason: str
    n_files: int
    size_bytes: int


def mark(cursor: sqlite3.Cursor) -> None:
    """Say, in the transaction that deletes, that an erasure is pending.

    Stability: provisional
    """
    cursor.execute("INSERT OR IGNORE INTO pending (what) VALUES ('erasure')")


def is_pending(writer: Writer, readers: Readers | None) -> bool:
    """See ``Store.erasure_pending``."""
    with view(writer, readers) as (cursor, _):
        return cursor.execute("SELECT 1 FROM pending WHERE what = 'erasure'").fetchone() is not None


def erase(writer: Writer, path: str, needles: Sequence[str], wait_ms: int | None) -> Erasure:
    """See ``Store.erase``."""
    writer.enter()
    try:
        reason = _rewritten(writer, wait_ms)
        if reason == "full" and ballast.give(path):
            reason = _rewritten(writer, wait_ms)
        n_files = size_bytes = 0
        if not reason and path != opening.MEMORY:
            try:
                found, n_files, size_bytes = scan.scan(path, needles)
                if any(not _is_told(writer.cursor, needle) for needle in found):
                    reason = "found"
            except FOREIGN_ERRORS:
                reason = "failed"
        if reason:
            with suppress(RecsysError), writer as cursor:  # where the disk is full, the deletion has said it already
                mark(cursor)
        return Erasure(reason, n_files, size_bytes)
    finally:
        writer.lock.release()


def _rewritten(writer: Writer, wait_ms: int | None) -> str:
    """Write the file anew and say so in it; the reason why not, empty when done."""
    try:
        with lasting(writer):
            if not writer.truncate_wal(wait_ms):
                return "reader"
            writer.vacuum()
            if not writer.truncate_wal(wait_ms):
                return "reader"
            with writer as cursor:
                cursor.execute("DELETE FROM pending WHERE what = 'erasure'")
            writer.truncate_wal(0)  # for tidiness: nothing of what was deleted is in it any more
    except (*FOREIGN_ERRORS, RecsysError) as error:
        kind = translated(error)
        return "full" if isinstance(kind, FullError) else "busy" if isinstance(kind, BusyError) else "failed"
    return ""


def _is_told(cursor: sqlite3.Cursor, needle: str) -> bool:
    """Whether a row that is still there holds the text."""
    for table, columns in _TOLD:
        condition = " OR ".join(f"instr(CAST({column} AS BLOB), CAST(?1 AS BLOB))" for column in columns)
        if cursor.execute(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", (needle,)).fetchone():
            return True
    return False
