"""Appending events to the log, and reading them back in their order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from recsys.errors import ClosedError, InputError
from recsys.log.connection import Readers, Writer, view
from recsys.log.failure import DATABASE_ERRORS, translated
from recsys.log.rows import (
    EVENT_COLUMNS,
    EventRow,
    Shown,
    check_key,
    check_text,
    event_of_row,
    row_of_event,
    shown_of_rows,
    texts_of,
)
from recsys.types import Event, Scalar

__all__ = ["append", "drop_checkpoints_from", "drop_stages_from", "find", "mentioned", "of_item", "stream"]

Key = tuple[int, str]

_BATCH = 1000  # rows fetched at a time
_VARIABLES = 900  # parameters of one statement; SQLite before 3.32 takes at most 999

_INSERT = f"INSERT INTO events ({EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_SHOWN = "INSERT INTO slates (slate, position, item_id, propensity) VALUES (?, ?, ?, ?)"
_SELECT = f"SELECT {EVENT_COLUMNS} FROM events"
_SELECT_SHOWN = "SELECT item_id, position, propensity FROM slates WHERE slate = ? ORDER BY position"


def append(writer: Writer, events: Sequence[Event], *, late: bool) -> list[Event]:
    """See ``Store.append``."""
    rows = [row_of_event(event) for event in events]
    with writer as cursor:
        if len(rows) == 1 and not events[0].shown:
            try:
                cursor.execute(_INSERT, rows[0])
                inserted = list(events)
            except sqlite3.IntegrityError:
                inserted = _insert_each(cursor, events, rows)
        else:
            inserted = _insert_all(cursor, events, rows)
        if late and inserted:
            oldest = min(event.key for event in inserted)
            drop_checkpoints_from(cursor, oldest)
            drop_stages_from(cursor, oldest)
            writer.bump()
    return inserted


def drop_checkpoints_from(cursor: sqlite3.Cursor, key: Key) -> int:
    """Delete every checkpoint that knows of the event at the key; how many there were."""
    # "+": row by row. To seek a key in this table, SQLite would read the whole blobs of the rows that it compares.
    return cursor.execute("DELETE FROM checkpoints WHERE (+at_us, uid) >= (?, ?)", key).rowcount


def drop_stages_from(cursor: sqlite3.Cursor, key: Key) -> int:
    """Delete every stage of trees that may know of the event at the key; how many there were."""
    return cursor.execute("DELETE FROM stages WHERE at_us >= ?", key[:1]).rowcount


def stream(writer: Writer, readers: Readers | None, after: Key | None, until: Key | None) -> Iterator[Event]:
    """See ``Store.events``."""
    bounds = []
    for name, sign, key in (("after", ">", after), ("until", "<=", until)):
        if key is not None:
            check_key(key, name)
            bounds.append((f"(at_us, uid) {sign} (?, ?)", key))
    where = f" WHERE {' AND '.join(text for text, _ in bounds)}" if bounds else ""
    sql, parameters = f"{_SELECT}{where} ORDER BY at_us, uid", [part for _, key in bounds for part in key]
    if readers is None or writer.mine:
        return _stream_at_once(writer, readers, sql, parameters)
    readers.check()
    return _stream_in_batches(readers, sql, parameters)


def of_item(writer: Writer, readers: Readers | None, item_id: str, limit: int) -> list[Event]:
    """See ``Store.events_of``."""
    check_text(item_id, "item_id", empty=True)
    if type(limit) is not int or not 0 <= limit < 2**63:
        raise InputError("limit: an integer from 0 is needed", field="limit")
    with view(writer, readers) as (cursor, side):
        sql = f"{_SELECT} WHERE item_id = ? ORDER BY at_us DESC, uid DESC LIMIT ?"
        return list(_decoded(side, cursor.execute(sql, (item_id, limit)).fetchall()))


def find(writer: Writer, readers: Readers | None, uids: Iterable[str]) -> list[Event]:
    """See ``Store.find``."""
    wanted = sorted(texts_of(uids, "uids"))
    found: list[Event] = []
    with view(writer, readers) as (cursor, side):
        for start in range(0, len(wanted), _VARIABLES):
            chunk = wanted[start : start + _VARIABLES]
            sql = f"{_SELECT} WHERE uid IN ({', '.join('?' * len(chunk))})"
            found += _decoded(side, cursor.execute(sql, chunk).fetchall())
    return sorted(found, key=lambda event: event.key)


def mentioned(writer: Writer, readers: Readers | None, ids: Iterable[str]) -> set[str]:
    """See ``Store.mentions``."""
    wanted = texts_of(ids, "ids")
    if not wanted:
        return set()
    where, parameters = "", sorted(wanted)
    if len(wanted) <= _VARIABLES:
        where = f" WHERE item_id IN ({', '.join(f'?{n + 1}' for n in range(len(wanted)))})"
    sql = f"SELECT item_id FROM events{where} UNION SELECT item_id FROM slates{where}"
    with view(writer, readers) as (cursor, _):
        rows = cursor.execute(sql, parameters if where else ()).fetchall()
    return {identifier for (identifier,) in rows if identifier in wanted}


def _insert_all(cursor: sqlite3.Cursor, events: Sequence[Event], rows: list[EventRow]) -> list[Event]:
    """Insert many at once; when one of them is there already, undo and look at each."""
    cursor.execute("SAVEPOINT several")
    try:
        try:
            cursor.executemany(_INSERT, rows)
            for event in events:
                if event.shown:
                    _insert_shown(cursor, event)
            inserted = list(events)
        except (sqlite3.IntegrityError, InputError):
            cursor.execute("ROLLBACK TO several")
            inserted = _insert_each(cursor, events, rows)
    except InputError:
        cursor.execute("ROLLBACK TO several")
        cursor.execute("RELEASE several")
        raise
    cursor.execute("RELEASE several")
    return inserted


def _insert_each(cursor: sqlite3.Cursor, events: Sequence[Event], rows: list[EventRow]) -> list[Event]:
    """Insert one after the other, leaving out those that are there already."""
    inserted = []
    for event, row in zip(events, rows, strict=True):
        try:
            cursor.execute(_INSERT, row)
        except sqlite3.IntegrityError:
            _require_identical(cursor, event, row)
            continue
        if event.shown:
            _insert_shown(cursor, event)
        inserted.append(event)
    return inserted


def _require_identical(cursor: sqlite3.Cursor, event: Event, row: EventRow) -> None:
    stored = cursor.execute(f"{_SELECT} WHERE at_us = ? AND uid = ?", event.key).fetchone()
    shown = cursor.execute(_SELECT_SHOWN, (event.slate,)).fetchall() if event.kind == "shown" else []
    if stored != row or shown != [tuple(place) for place in event.shown]:
        raise InputError("uid: another event with this time and uid is in the log", field="uid") from None


def _insert_shown(cursor: sqlite3.Cursor, event: Event) -> None:
    """Insert the items of a slate, which belongs to one event only."""
    if cursor.execute("SELECT 1 FROM slates WHERE slate = ? LIMIT 1", (event.slate,)).fetchone():
        raise InputError("slate: this slate has been shown already", field="slate")
    cursor.executemany(_INSERT_SHOWN, [(event.slate, place, item, chance) for item, place, chance in event.shown])


def _stream_at_once(
    writer: Writer, readers: Readers | None, sql: str, parameters: Sequence[int | str]
) -> Iterator[Event]:
    """From the writing connection everything is read first: a later write would disturb an open cursor."""
    with view(writer, readers) as (cursor, side):
        rows = cursor.execute(sql, parameters).fetchall()
        shown = _shown(side, rows)
    return _events(rows, shown)


def _stream_in_batches(readers: Readers, sql: str, parameters: Sequence[int | str]) -> Iterator[Event]:
    """From a reading connection, whose snapshot lasts until the iterator is exhausted, closed or dropped."""
    reader = readers.take()
    started = False
    try:
        while True:
            readers.check()
            with reader.lock:
                if reader.closed:
                    raise ClosedError("the store was closed: open a new one")
                if not started:
                    reader.cursor.execute(sql, parameters)
                    started = True
                rows = reader.cursor.fetchmany(_BATCH)
                shown = _shown(reader.side, rows)
            if not rows:
                return
            yield from _events(rows, shown)
    except DATABASE_ERRORS as error:
        raise translated(error) from None
    finally:
        readers.give_back(reader)


def _decoded(side: sqlite3.Cursor, rows: list[tuple[object, ...]]) -> Iterator[Event]:
    return _events(rows, _shown(side, rows))


def _shown(side: sqlite3.Cursor, rows: list[tuple[object, ...]]) -> dict[object, Shown]:
    """The items of every slate that the rows show: slate -> items."""
    slates = [row[7] for row in rows if row[4] == "shown" and row[7] is not None]
    return {slate: shown_of_rows(side.execute(_SELECT_SHOWN, (slate,)).fetchall()) for slate in slates}


def _events(rows: Iterable[tuple[object, ...]], shown: dict[object, Shown]) -> Iterator[Event]:
    decoded: dict[object, dict[str, Scalar]] = {}
    for row in rows:
        yield event_of_row(row, shown.get(row[7], ()) if row[4] == "shown" else (), decoded)
