"""Is the file sound? Every table is read and every value decoded; nothing is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from recsys.errors import CorruptError, StoreError
from recsys.log import schema
from recsys.log.failure import DATABASE_ERRORS, translated
from recsys.log.opening import size_of
from recsys.log.rows import EVENT_COLUMNS, ITEM_COLUMNS, Shown, event_of_row, item_of_row, shown_of_rows

__all__ = ["Finding", "findings", "pages"]

Finding = tuple[str, str, str]

_RESTORE = "restore a copy, or move it away with recsys.set_aside() and start anew"


def findings(cursor: sqlite3.Cursor) -> list[Finding]:
    """See ``Store.check``."""
    checks: tuple[tuple[str, Callable[[sqlite3.Cursor], Finding | None]], ...] = (
        ("pages", pages),
        ("schema", _schema),
        ("events", _events),
        ("slates", _slates),
        ("items", _items),
        ("checkpoints", _checkpoints),
        ("stages", _stages),
        ("releases", _releases),
    )
    found = []
    for what, check in checks:
        try:
            finding = check(cursor)
        except DATABASE_ERRORS as error:
            finding = ("error", what, str(translated(error)))
        found.append(finding or ("ok", what, "sound"))
    return found


def pages(cursor: sqlite3.Cursor) -> Finding | None:
    """What is wrong with the pages of the file; None when they are sound.

    Stability: provisional
    """
    # Nothing in a plain file; in memory there are no pages that were written. It reads the pages as they stand, and
    # after a power cut one may be torn for which the WAL has another: then only the pages in use are looked at, below.
    (*_, file) = cursor.execute("PRAGMA database_list").fetchone()
    if file and not size_of(file + "-wal") and cursor.execute("PRAGMA cipher_integrity_check").fetchone():
        return ("error", "pages", f"a page was not written with the file's key: {_RESTORE}")
    lines = cursor.execute("PRAGMA integrity_check").fetchall()
    if lines == [("ok",)]:
        return None
    return ("error", "pages", f"SQLite's integrity check found {len(lines)} or more faults: {_RESTORE}")


def _schema(cursor: sqlite3.Cursor) -> Finding | None:
    try:
        schema.examine(cursor.connection)
    except StoreError as error:
        return ("error", "schema", str(error))
    return None


def _events(cursor: sqlite3.Cursor) -> Finding | None:
    rows = cursor.execute(f"SELECT {EVENT_COLUMNS} FROM events").fetchall()
    n_bad = 0
    for row in rows:
        shown: Shown = ()
        try:
            if row[4] == "shown" and row[7] is not None:
                cursor.execute(
                    "SELECT item_id, position, propensity FROM slates WHERE slate = ? ORDER BY position", row[7:]
                )
                shown = shown_of_rows(cursor.fetchall())
            event_of_row(row, shown)
        except CorruptError:
            n_bad += 1
    return ("error", "events", f"{n_bad} of {len(rows)} events are damaged: {_RESTORE}") if n_bad else None


def _slates(cursor: sqlite3.Cursor) -> Finding | None:
    owners = cursor.execute("SELECT slate FROM events WHERE kind = 'shown' AND slate IS NOT NULL").fetchall()
    n_stray = len(set(cursor.execute("SELECT DISTINCT slate FROM slates").fetchall()) - set(owners))
    if n_stray:
        return ("error", "slates", f"{n_stray} slates belong to no event: {_RESTORE}")
    n_double = len(owners) - len(set(owners))
    return ("error", "slates", f"{n_double} slates belong to several events: {_RESTORE}") if n_double else None


def _items(cursor: sqlite3.Cursor) -> Finding | None:
    n_bad = 0
    rows = cursor.execute(f"SELECT {ITEM_COLUMNS} FROM items").fetchall()
    for row in rows:
        try:
            item_of_row(row)
        except CorruptError:
            n_bad += 1
    return ("error", "items", f"{n_bad} of {len(rows)} items are damaged: add them again") if n_bad else None


def _checkpoints(cursor: sqlite3.Cursor) -> Finding | None:
    (n_beyond,) = cursor.execute(
        "SELECT COUNT(*) FROM checkpoints WHERE (+at_us, uid) > "
        "(SELECT at_us, uid FROM events ORDER BY at_us DESC, uid DESC LIMIT 1) OR NOT EXISTS (SELECT 1 FROM events)"
    ).fetchone()
    if n_beyond:
        return ("warning", "checkpoints", f"{n_beyond} checkpoints lie beyond the newest event: drop them")
    return None


def _stages(cursor: sqlite3.Cursor) -> Finding | None:
    (n_beyond,) = cursor.execute(
        "SELECT COUNT(*) FROM stages WHERE at_us > COALESCE((SELECT MAX(at_us) FROM events), -1)"
    ).fetchone()
    if n_beyond:
        return ("warning", "stages", f"{n_beyond} stages of trees lie beyond the newest event: drop them")
    return None


def _releases(cursor: sqlite3.Cursor) -> Finding | None:
    from recsys.log import ledger

    rows = cursor.execute(f"SELECT {ledger.ENTRY_COLUMNS} FROM releases ORDER BY number").fetchall()
    try:
        ledger.entries_of_rows(rows)
    except CorruptError:
        return ("error", "releases", f"the ledger of releases is damaged or has a gap: {_RESTORE}")
    return None
