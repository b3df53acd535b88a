"""The stages of trees in the file: bytes to the log, as checkpoints are."""

from __future__ import annotations

from collections.abc import Iterable

from recsys.errors import CheckpointError, CorruptError, InputError
from recsys.log.connection import Readers, Writer, view
from recsys.log.rows import check_text

__all__ = ["drop", "load", "save", "stages"]


def save(writer: Writer, number: int, at_us: int, basis: str, blob: bytes) -> None:
    """See ``Store.save_stage``."""
    if any(type(one) is not int or not 0 <= one < 2**63 for one in (number, at_us)):
        raise InputError("number, at_us: integers from 0 are needed", field="number")
    check_text(basis, "basis", empty=True)
    if not isinstance(blob, bytes):
        raise InputError("blob: bytes are needed", field="blob")
    with writer as cursor:
        sql = "INSERT OR REPLACE INTO stages (number, at_us, basis, blob) VALUES (?, ?, ?, ?)"
        cursor.execute(sql, (number, at_us, basis, blob))


def stages(writer: Writer, readers: Readers | None) -> list[tuple[int, int, str, int]]:
    """See ``Store.stages``."""
    with view(writer, readers) as (cursor, _):
        rows = cursor.execute("SELECT number, at_us, basis, LENGTH(blob) FROM stages ORDER BY number").fetchall()
    if any([*map(type, row)] != [int, int, str, int] for row in rows):
        raise CorruptError("a stage of trees in the file is damaged: drop all stages")
    return rows


def load(writer: Writer, readers: Readers | None, number: int) -> bytes:
    """See ``Store.load_stage``."""
    with view(writer, readers) as (cursor, _):
        row = cursor.execute("SELECT blob FROM stages WHERE number = ?", (number,)).fetchone()
    if row is None or type(row[0]) is not bytes:
        raise CheckpointError("there is no stage with this number")
    blob: bytes = row[0]
    return blob


def drop(writer: Writer, numbers: Iterable[int] | None) -> int:
    """See ``Store.drop_stages``."""
    with writer as cursor:
        if numbers is None:
            return cursor.execute("DELETE FROM stages").rowcount
        before = writer.db.total_changes
        cursor.executemany("DELETE FROM stages WHERE number = ?", [(number,) for number in numbers])
        return writer.db.total_changes - before
