"""How ``v3.db`` was made: the log as version 3 wrote it. ``python -m tests.log.old.make_v3 [path]``.

Version 3 knew no stages of trees. The text below is frozen:
it is what that version wrote, whatever ``recsys.log.schema`` says today.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

TABLES = (
    """\
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
) WITHOUT ROWID""",
    """\
CREATE TABLE slates (
  slate TEXT NOT NULL,
  position INTEGER NOT NULL,
  item_id TEXT NOT NULL,
  propensity REAL NOT NULL,
  PRIMARY KEY (slate, position)
) WITHOUT ROWID""",
    """\
CREATE TABLE items (
  id TEXT NOT NULL,
  title TEXT NOT NULL,
  tags TEXT,
  attributes TEXT,
  removed INTEGER NOT NULL,
  PRIMARY KEY (id)
) WITHOUT ROWID""",
    """\
CREATE TABLE checkpoints (
  at_us INTEGER NOT NULL,
  uid TEXT NOT NULL,
  n_events INTEGER NOT NULL,
  basis TEXT NOT NULL,
  blob BLOB NOT NULL,
  PRIMARY KEY (at_us, uid)
) WITHOUT ROWID""",
    """\
CREATE TABLE pending (
  what TEXT NOT NULL,
  PRIMARY KEY (what)
) WITHOUT ROWID""",
    """\
CREATE TABLE consents (
  purpose TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  PRIMARY KEY (purpose)
) WITHOUT ROWID""",
    """\
CREATE TABLE releases (
  number INTEGER NOT NULL,
  query TEXT NOT NULL,
  epsilon TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (number)
) WITHOUT ROWID""",
)
ROWS = {
    "events": [
        (1_000_000, "00000000000000a1", 60, "kind-of-blue", "play", None, None, None),
        (2_000_000, "00000000000000a2", 60, "Robert'); DROP TABLE events;--", "click", None, '{"place":"home"}', None),
        (3_000_000, "00000000000000a3", 60, "", "shown", None, None, "slate-1"),
        (3_500_000, "00000000000000a4", -90, "naïve 🎷", "click", 2.5, '{"hot":true,"place":"büro"}', "slate-1"),
        (3_500_000, "00000000000000a5", 0, "kind-of-blue", "skip", -0.0, None, None),
    ],
    "slates": [("slate-1", 0, "kind-of-blue", 0.5), ("slate-1", 1, "naïve 🎷", 0.25)],
    "items": [
        ("kind-of-blue", "Kind of Blue", '["jazz","modal"]', '{"year":1959}', 0),
        ("naïve 🎷", "", None, None, 1),
    ],
    "checkpoints": [(2_000_000, "00000000000000a2", 2, "a basis", b"\x00state")],
}


def make(path: Path) -> None:
    """Write the file as version 3 did."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("BEGIN IMMEDIATE")
    for text in TABLES:
        db.execute(text)
    for table, rows in ROWS.items():
        db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    db.execute("PRAGMA application_id = 1919247219")
    db.execute("PRAGMA user_version = 3")
    db.execute("COMMIT")
    db.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("v3.db"))
