"""The tables of the log, their versions, and how an old file becomes a new one.

``prepare`` takes a connection to an empty, an old or a current file and leaves
it current, or refuses. The schema is compared with an exact list, so that a
trigger or a view that someone planted is never run.

Every table is ``WITHOUT ROWID`` and keyed by content; there is no AUTOINCREMENT,
index, trigger, view or statistics table, since each of them remembers what was
deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType

from recsys.errors import StoreError, VersionError

__all__ = ["APPLICATION_ID", "MIGRATIONS", "SCHEMA_VERSION", "TABLES", "examine", "prepare"]

APPLICATION_ID = 0x72656373  # "recs", in the file's header
SCHEMA_VERSION = 4

_SLATES = """\
CREATE TABLE slates (
  slate TEXT NOT NULL,
  position INTEGER NOT NULL,
  item_id TEXT NOT NULL,
  propensity REAL NOT NULL,
  PRIMARY KEY (slate, position)
) WITHOUT ROWID"""

_ITEMS = """\
CREATE TABLE items (
  id TEXT NOT NULL,
  title TEXT NOT NULL,
  tags TEXT,
  attributes TEXT,
  removed INTEGER NOT NULL,
  PRIMARY KEY (id)
) WITHOUT ROWID"""

_EVENTS = """\
CREATE TABLE events (
  at_us INTEGER NOT NULL,
  uid TEXT NOT NULL,
  offset_min INTEGER NOT NULL,
  item_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  value REAL,
  context TEXT,
  slate TEXT,
  PRIMARY KEY (at_us, uid)
) WITHOUT ROWID"""

_CHECKPOINTS = """\
CREATE TABLE checkpoints (
  at_us INTEGER NOT NULL,
  uid TEXT NOT NULL,
  n_events INTEGER NOT NULL,
  basis TEXT NOT NULL,
  blob BLOB NOT NULL,
  PRIMARY KEY (at_us, uid)
) WITHOUT ROWID"""

# The trees of a stage (recsys.learn.stages), a cache like the checkpoints; they know of no event after that time.
_STAGES = """\
CREATE TABLE stages (
  number INTEGER NOT NULL,
  at_us INTEGER NOT NULL,
  basis TEXT NOT NULL,
  blob BLOB NOT NULL,
  PRIMARY KEY (number)
) WITHOUT ROWID"""

# What an interrupted call left to do: the row "erasure" while bytes of forgotten events may still stand in the file.
_PENDING = """\
CREATE TABLE pending (
  what TEXT NOT NULL,
  PRIMARY KEY (what)
) WITHOUT ROWID"""

# What the person allowed, and when.
_CONSENTS = """\
CREATE TABLE consents (
  purpose TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  PRIMARY KEY (purpose)
) WITHOUT ROWID"""

# Every aggregate that was handed out, and what it cost of the privacy budget.
_RELEASES = """\
CREATE TABLE releases (
  number INTEGER NOT NULL,
  query TEXT NOT NULL,
  epsilon TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (number)
) WITHOUT ROWID"""

_EVENTS_1 = _EVENTS.replace("  offset_min INTEGER NOT NULL,\n", "")
_CHECKPOINTS_1 = _CHECKPOINTS.replace("  basis TEXT NOT NULL,\n", "")

# Every schema there ever was: version -> table -> the exact text in sqlite_master.
TABLES: Mapping[int, Mapping[str, str]] = MappingProxyType(
    {
        1: {"events": _EVENTS_1, "slates": _SLATES, "items": _ITEMS, "checkpoints": _CHECKPOINTS_1},
        2: {"events": _EVENTS, "slates": _SLATES, "items": _ITEMS, "checkpoints": _CHECKPOINTS},
        3: {
            "events": _EVENTS,
            "slates": _SLATES,
            "items": _ITEMS,
            "checkpoints": _CHECKPOINTS,
            "pending": _PENDING,
            "consents": _CONSENTS,
            "releases": _RELEASES,
        },
        4: {
            "events": _EVENTS,
            "slates": _SLATES,
            "items": _ITEMS,
            "checkpoints": _CHECKPOINTS,
            "pending": _PENDING,
            "consents": _CONSENTS,
            "releases": _RELEASES,
            "stages": _STAGES,
        },
    }
)

# Version -> the statements that make the next version of it.
MIGRATIONS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: (
            "ALTER TABLE events RENAME TO events_1",
            _EVENTS,
            "INSERT INTO events SELECT at_us, uid, 0, item_id, kind, value, context, slate FROM events_1",
            "DROP TABLE events_1",
            "DROP TABLE checkpoints",  # A cache without a basis is of no use.
            _CHECKPOINTS,
        ),
        2: (_PENDING, _CONSENTS, _RELEASES),
        3: (_STAGES,),
    }
)


def examine(db: sqlite3.Connection) -> int:
    """The schema version of a file, after checking that it is one of ours. Reads only.

    Parameters
    ----------
    db : sqlite3.Connection
        An open file.

    Returns
    -------
    int
        0 for an empty file, else 1 to ``SCHEMA_VERSION``.

    Raises
    ------
    VersionError
        When a newer recsys wrote it.
    StoreError
        When it belongs to another application, or holds anything that recsys did not make.

    Stability: provisional
    """
    application, version, found = _header(db)
    if not found and application in (0, APPLICATION_ID) and version == 0:
        return 0
    if application != APPLICATION_ID:
        raise StoreError("the file belongs to another application: choose another path")
    if version > SCHEMA_VERSION:
        raise VersionError("the file was written by a newer recsys: update recsys to open it")
    if version not in TABLES:
        raise StoreError("the file has no schema version that recsys ever wrote: restore a copy of it")
    if found != [("table", name, name, text) for name, text in sorted(TABLES[version].items())]:
        added = {row[0] for row in found if row[1] not in TABLES[version]}
        kinds = ", ".join(kind for kind in ("table", "index", "view", "trigger") if kind in added) or "definition"
        raise StoreError(
            f"the file's schema is not the one recsys made (unexpected {kinds}): "
            "on a copy of it drop what was added, or move it away with recsys.set_aside() and start anew"
        )
    return version


def prepare(db: sqlite3.Connection) -> None:
    """Make an empty or an old file current, in one transaction; a current one is only read.

    Parameters
    ----------
    db : sqlite3.Connection
        A connection that may write and that has no open transaction.

    Raises
    ------
    StoreError
        As ``examine``; nothing has changed then.

    Stability: provisional
    """
    if examine(db) == SCHEMA_VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = examine(db)  # Another process may have been quicker.
        for statement in _steps(version):
            db.execute(statement)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _steps(version: int) -> list[str]:
    if version == 0:
        steps = [*TABLES[SCHEMA_VERSION].values(), f"PRAGMA application_id = {APPLICATION_ID}"]
    else:
        steps = [statement for old in range(version, SCHEMA_VERSION) for statement in MIGRATIONS[old]]
    return [*steps, f"PRAGMA user_version = {SCHEMA_VERSION}"]


def _header(db: sqlite3.Connection) -> tuple[int, int, list[tuple[object, ...]]]:
    """Application, version and the schema's texts, as they stood at one moment."""
    outermost = not db.in_transaction
    if outermost:
        db.execute("BEGIN")
    try:
        found = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
    finally:
        if outermost and db.in_transaction:
            db.execute("ROLLBACK")
    return application, version, found
