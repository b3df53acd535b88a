"""Which events a person wants gone, and what goes with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from recsys.errors import InputError
from recsys.log import erase
from recsys.log.connection import Writer
from recsys.log.events import drop_checkpoints_from, drop_stages_from
from recsys.log.rows import check_key, key_of_row, texts_of

__all__ = ["Criteria", "Deleted", "delete"]

_VARIABLES = 900  # parameters of one statement; SQLite before 3.32 takes at most 999


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion did.

    Parameters
    ----------
    n_events, n_slate_rows, n_checkpoints : int
        Rows deleted, per table.
    oldest_key : tuple of (int, str), optional
        The ``(at_us, uid)`` of the oldest event that was deleted or whose slate lost an item; None when there was none.
    tombstones : tuple of str
        Ids of removed items of which nothing reminds any more; their rows went too.
    needles : tuple of str
        Ids of some of the deleted events, such as are found in the file only where they are left behind.
    n_stages : int
        Stages of trees that were deleted.

    Stability: provisional
    """

    n_events: int
    n_slate_rows: int
    n_checkpoints: int
    oldest_key: tuple[int, str] | None
    tombstones: tuple[str, ...] = ()
    needles: tuple[str, ...] = field(default=(), compare=False)
    n_stages: int = 0


_NOTHING = Deleted(0, 0, 0, None)
_N_NEEDLES = 32
_DISTINCTIVE = 16  # characters of an id that nothing else is likely to hold,
_VARIED = 8  # and different ones among them: of numbered ids one may be found in the bytes of another
_SOME = "SELECT at_us, uid FROM events ORDER BY at_us, uid LIMIT ?"
_STALE = """\
SELECT id FROM items WHERE removed = 1
  AND id NOT IN (SELECT item_id FROM events) AND id NOT IN (SELECT item_id FROM slates)"""
_Chosen = tuple[tuple[int, str], "str | None"]  # an event's key, and the slate that it owns
_Place = tuple[tuple[int, str], tuple["str | None", int]]  # an event's key, and a position in its slate


class Criteria:
    """Which events are meant: those to which every given criterion applies.

    Stability: provisional
    """

    def __init__(
        self,
        *,
        uids: Iterable[str] | None,
        items: Iterable[str] | None,
        kinds: Iterable[str] | None,
        since_us: int | None,
        until_us: int | None,
        until: tuple[int, str] | None = None,
    ) -> None:
        self.uids = None if uids is None else texts_of(uids, "uids")
        self.items = None if items is None else texts_of(items, "items")
        self.kinds = None if kinds is None else texts_of(kinds, "kinds")
        self.since_us = _time(since_us, "since_us")
        self.until_us = _time(until_us, "until_us")
        self.until = until
        if until is not None:
            check_key(until, "until")

    @property
    def empty(self) -> bool:
        """Whether no criterion was given at all."""
        given = (self.uids, self.items, self.kinds, self.since_us, self.until_us, self.until)
        return all(criterion is None for criterion in given)

    def fits(self, uid: object, kind: object) -> bool:
        """Whether the criteria other than times and items apply."""
        return (self.uids is None or uid in self.uids) and (self.kinds is None or kind in self.kinds)

    def narrow(self) -> tuple[str, list[object]]:
        """A condition in SQL, true for every event that is meant and for few others."""
        parts: list[str] = []
        parameters: list[object] = []
        for text, moment in (("at_us >= ?", self.since_us), ("at_us < ?", self.until_us)):
            if moment is not None:
                parts.append(text)
                parameters.append(moment)
        if self.until is not None:
            parts.append("(at_us, uid) <= (?, ?)")
            parameters += self.until
        lists = (
            ("uid IN ({})", self.uids),
            ("kind IN ({})", self.kinds),
            ("(item_id IN ({}) OR kind = 'shown')", self.items),
        )
        for text, wanted in lists:
            if wanted is not None and len(wanted) + len(parameters) <= _VARIABLES:
                parts.append(text.format(", ".join("?" * len(wanted))))
                parameters += wanted
        return (f" WHERE {' AND '.join(parts)}" if parts else "", parameters)


def delete(writer: Writer, criteria: Criteria | None) -> Deleted:
    """See ``Store.delete``; None stands for everything."""
    with writer as cursor:
        if criteria is None:
            deleted = _delete_all(cursor)
        else:
            events, places = _resolve(cursor, writer.side, criteria)
            deleted = _delete_chosen(cursor, events, places)
        deleted = replace(deleted, tombstones=_drop_tombstones(cursor))
        if deleted != _NOTHING:
            erase.mark(cursor)
            writer.bump()
    return deleted


def _delete_all(cursor: sqlite3.Cursor) -> Deleted:
    some = [key_of_row(row) for row in cursor.execute(_SOME, (_N_NEEDLES,)).fetchall()]
    n_events, n_slate_rows, n_checkpoints = (
        cursor.execute(f"DELETE FROM {table}").rowcount for table in ("events", "slates", "checkpoints")
    )
    n_stages = cursor.execute("DELETE FROM stages").rowcount
    oldest = some[0] if some else None
    return Deleted(n_events, n_slate_rows, n_checkpoints, oldest, needles=_needles(some), n_stages=n_stages)


def _delete_chosen(cursor: sqlite3.Cursor, events: list[_Chosen], places: list[_Place]) -> Deleted:
    """Delete events with the slates they own, single places of other slates, and what knew of them."""
    oldest = min((key for key, _ in (*events, *places)), default=None)
    if oldest is None:
        return _NOTHING
    cursor.executemany("DELETE FROM events WHERE at_us = ? AND uid = ?", [key for key, _ in events])
    slates = [(slate,) for _, slate in events if slate is not None]
    n_slate_rows = cursor.executemany("DELETE FROM slates WHERE slate = ?", slates).rowcount if slates else 0
    cursor.executemany("DELETE FROM slates WHERE slate = ? AND position = ?", [place for _, place in places])
    needles = _needles([key for key, _ in events])
    n_checkpoints, n_stages = drop_checkpoints_from(cursor, oldest), drop_stages_from(cursor, oldest)
    n_slate_rows += len(places)
    return Deleted(len(events), n_slate_rows, n_checkpoints, oldest, needles=needles, n_stages=n_stages)


def _drop_tombstones(cursor: sqlite3.Cursor) -> tuple[str, ...]:
    """Let go of removed items of which the log says nothing any more; their ids."""
    if not cursor.execute("SELECT 1 FROM items WHERE removed = 1 LIMIT 1").fetchone():
        return ()
    stale = cursor.execute(_STALE).fetchall()
    cursor.executemany("DELETE FROM items WHERE id = ?", stale)
    return tuple(str(identifier) for (identifier,) in stale)


def _needles(keys: list[tuple[int, str]]) -> tuple[str, ...]:
    """Take ids evenly spread over the events, such as are not likely to stand anywhere else."""
    telling = [uid for _, uid in keys if len(uid) >= _DISTINCTIVE and len(set(uid)) >= _VARIED]
    return tuple(telling[:: len(telling) // _N_NEEDLES + 1])


def _resolve(cursor: sqlite3.Cursor, side: sqlite3.Cursor, criteria: Criteria) -> tuple[list[_Chosen], list[_Place]]:
    """The events to delete, and the places to delete in slates that keep others."""
    where, parameters = criteria.narrow()
    losing = _losing(cursor, criteria.items) if criteria.items else {}
    events: list[_Chosen] = []
    places: list[_Place] = []
    for row in cursor.execute(f"SELECT at_us, uid, item_id, kind, slate FROM events{where}", parameters):
        key, (item_id, kind, slate) = key_of_row(row), row[2:]
        if not criteria.fits(key[1], kind):
            continue
        owned = slate if kind == "shown" else None
        gone = losing.get(owned, ())
        if criteria.items is None or item_id in criteria.items:
            events.append((key, owned))
        elif gone:
            (n_places,) = side.execute("SELECT COUNT(*) FROM slates WHERE slate = ?", (owned,)).fetchone()
            if n_places == len(gone):
                events.append((key, owned))
            else:
                places += [(key, (owned, position)) for position in gone]
    return events, places


def _losing(cursor: sqlite3.Cursor, items: frozenset[str]) -> dict[str | None, list[int]]:
    """Every slate that shows one of the items, with the positions where."""
    where = f" WHERE item_id IN ({', '.join('?' * len(items))})" if len(items) <= _VARIABLES else ""
    found: dict[str | None, list[int]] = {}
    cursor.execute(f"SELECT slate, position, item_id FROM slates{where}", [*items] if where else [])
    for slate, position, item_id in cursor:
        if item_id in items:
            found.setdefault(slate, []).append(position)
    return found


def _time(moment: int | None, name: str) -> int | None:
    if moment is not None and (type(moment) is not int or not -(2**63) <= moment < 2**63):
        raise InputError(f"{name}: microseconds as an integer are needed", field=name)
    return moment
