"""The items that can be recommended, and the caches of what was learnt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from recsys.errors import CheckpointError, CorruptError, InputError
from recsys.log.connection import Readers, Writer, view
from recsys.log.rows import ITEM_COLUMNS, check_key, check_text, item_of_row, row_of_item, texts_of
from recsys.types import Item

__all__ = [
    "checkpoints",
    "drop_checkpoints",
    "drop_items",
    "item",
    "items",
    "load_checkpoint",
    "put_items",
    "save_checkpoint",
]

Key = tuple[int, str]

# An item that is there already and just the same is left alone, and does not count as a change.
_PUT = f"""\
INSERT INTO items ({ITEM_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
  title = excluded.title, tags = excluded.tags, attributes = excluded.attributes, removed = excluded.removed
WHERE title IS NOT excluded.title OR tags IS NOT excluded.tags
  OR attributes IS NOT excluded.attributes OR removed IS NOT excluded.removed"""
_SELECT = f"SELECT {ITEM_COLUMNS} FROM items"


def put_items(writer: Writer, given: Iterable[Item]) -> int:
    """See ``Store.put_items``."""
    rows = [row_of_item(one) for one in given]
    with writer as cursor:
        before = writer.db.total_changes
        cursor.executemany(_PUT, rows)
        n_changed = writer.db.total_changes - before
        if n_changed:
            writer.bump()
    return n_changed


def drop_items(writer: Writer, ids: Iterable[str], keep_tombstone: AbstractSet[str]) -> int:
    """See ``Store.drop_items``."""
    gone = sorted(texts_of(ids, "ids"))
    buried = [(identifier,) for identifier in gone if identifier in keep_tombstone]
    deleted = [(identifier,) for identifier in gone if identifier not in keep_tombstone]
    with writer as cursor:
        before = writer.db.total_changes
        cursor.executemany(
            "UPDATE items SET title = '', attributes = NULL, removed = 1 WHERE id = ? AND removed = 0", buried
        )
        cursor.executemany("DELETE FROM items WHERE id = ?", deleted)
        n_changed = writer.db.total_changes - before
        if n_changed:
            writer.bump()
    return n_changed


def items(writer: Writer, readers: Readers | None) -> Iterator[tuple[Item, bool]]:
    """See ``Store.items``."""
    with view(writer, readers) as (cursor, _):
        rows = cursor.execute(f"{_SELECT} ORDER BY id").fetchall()
    return map(item_of_row, rows)


def item(writer: Writer, readers: Readers | None, identifier: str) -> tuple[Item, bool] | None:
    """See ``Store.item``."""
    check_text(identifier, "item_id", empty=True)
    with view(writer, readers) as (cursor, _):
        row = cursor.execute(f"{_SELECT} WHERE id = ?", (identifier,)).fetchone()
    return None if row is None else item_of_row(row)


def save_checkpoint(writer: Writer, key: Key, n_events: int, basis: str, blob: bytes) -> None:
    """See ``Store.save_checkpoint``."""
    check_key(key, "key")
    check_text(basis, "basis", empty=True)
    if type(n_events) is not int or not 0 <= n_events < 2**63:
        raise InputError("n_events: an integer from 0 is needed", field="n_events")
    if not isinstance(blob, (bytes, bytearray, memoryview)):
        raise InputError("blob: bytes are needed", field="blob")
    with writer as cursor:
        cursor.execute(
            "INSERT OR REPLACE INTO checkpoints (at_us, uid, n_events, basis, blob) VALUES (?, ?, ?, ?, ?)",
            (*key, n_events, basis, blob),
        )


def checkpoints(writer: Writer, readers: Readers | None) -> list[tuple[Key, int, str, int]]:
    """See ``Store.checkpoints``."""
    with view(writer, readers) as (cursor, _):
        cursor.execute("SELECT at_us, uid, n_events, basis, LENGTH(blob) FROM checkpoints ORDER BY at_us, uid")
        rows = cursor.fetchall()
    if any([*map(type, row)] != [int, str, int, str, int] for row in rows):
        raise CorruptError("a checkpoint in the file is damaged: drop all checkpoints")
    return [((at_us, uid), n_events, basis, size) for at_us, uid, n_events, basis, size in rows]


def load_checkpoint(writer: Writer, readers: Readers | None, key: Key) -> bytes:
    """See ``Store.load_checkpoint``."""
    check_key(key, "key")
    with view(writer, readers) as (cursor, _):
        row = cursor.execute("SELECT blob FROM checkpoints WHERE +at_us = ? AND uid = ?", key).fetchone()
    if row is None or type(row[0]) is not bytes:
        raise CheckpointError("there is no checkpoint with this key")
    blob: bytes = row[0]
    return blob


def drop_checkpoints(writer: Writer, keys: Iterable[Key] | None) -> int:
    """See ``Store.drop_checkpoints``."""
    chosen = None if keys is None else list(keys)
    for key in chosen or ():
        check_key(key, "keys")
    with writer as cursor:
        if chosen is None:
            return cursor.execute("DELETE FROM checkpoints").rowcount
        before = writer.db.total_changes
        cursor.executemany("DELETE FROM checkpoints WHERE +at_us = ? AND uid = ?", chosen)
        return writer.db.total_changes - before
