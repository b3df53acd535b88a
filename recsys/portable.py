"""The log as JSON Lines: everything a person's file holds, in a form that any program reads.

The first line is ``{"recsys": 1}``, with ``"time_resolution"`` where times were
rounded; then one line an item of the catalogue (``"item"``, or ``"removed"`` for one
taken out) and one line an event (``"event"``), in the log's order. Reading it back
gives the same log, and so the same state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, Final, NamedTuple, cast

from recsys.errors import InputError, StoreError
from recsys.inputs import checked_event, item_of, path_of
from recsys.settings import RESOLUTIONS_US
from recsys.types import Context, Event, Item

__all__ = ["Export", "gather", "write"]

FORMAT: Final = 1
_MAX_LINE: Final = 16_000_000  # characters

_FINEST: Final = "microsecond"


class Export(NamedTuple):
    """A whole export: the items, those removed, the events, and to what their times were rounded."""

    items: list[Item]
    removed: list[Item]
    events: list[Event]
    time_resolution: str


def write(
    path: str | os.PathLike[str],
    items: Iterable[tuple[Item, bool]],
    events: Iterable[Event],
    time_resolution: str = _FINEST,
) -> int:
    """Write everything to a new file, mode 0600; returns the number of events.

    Raises
    ------
    InputError
        When it is not a usable path.
    StoreError
        When the file exists already, or cannot be written; what was begun is taken away.
    """
    path = path_of(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        file = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", newline="\n")
    except FileExistsError:
        raise StoreError("the export file exists already: name a new one") from None
    except OSError:
        raise StoreError("the export file cannot be made there") from None
    try:
        with file:
            return _write_lines(file, items, events, time_resolution)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - pathlib is slow to import
        if isinstance(error, OSError) and not isinstance(error, StoreError):
            raise StoreError("the export file cannot be written") from None
        raise


def gather(path: str | os.PathLike[str]) -> Export:
    """Read what :func:`write` wrote, each record checked. O(events + items).

    Raises
    ------
    StoreError
        When the file cannot be read.
    InputError
        When it is not a usable path, or a line is not such a record; the message then names the
        line's number, ``field`` what is wrong in it.
    """
    path = path_of(path)
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - read line by line
            return _gathered(file)
    except UnicodeDecodeError:
        raise InputError("the file is not UTF-8 text", field="path") from None
    except StoreError:
        raise
    except OSError:
        raise StoreError("the file cannot be read") from None


def _write_lines(
    file: IO[str], items: Iterable[tuple[Item, bool]], events: Iterable[Event], time_resolution: str
) -> int:
    def line(record: object) -> None:
        file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")

    line({"recsys": FORMAT} if time_resolution == _FINEST else {"recsys": FORMAT, "time_resolution": time_resolution})
    for item, removed in items:
        if removed:
            line({"removed": {"id": item.id, "tags": item.tags} if item.tags else item.id})
        else:
            line({"item": {**item.attributes, "id": item.id, "title": item.title, "tags": item.tags}})
    n = 0
    for event in events:
        line({"event": _plain(event)})
        n += 1
    return n


def _plain(event: Event) -> dict[str, object]:
    plain: dict[str, object] = {"at_us": event.at_us, "uid": event.uid, "item_id": event.item_id, "kind": event.kind}
    if event.offset_min:
        plain["offset_min"] = event.offset_min
    if event.value is not None:
        plain["value"] = event.value
    if event.context:
        plain["context"] = event.context
    if event.slate is not None:
        plain["slate"] = event.slate
    if event.shown:
        plain["shown"] = event.shown
    return plain


def _gathered(lines: IO[str]) -> Export:
    found: Export | None = None
    number = 0
    while text := lines.readline(_MAX_LINE):
        number += 1
        try:
            record = json.loads(text)
            if found is None:
                found = Export([], [], [], _time_resolution(record))
            else:
                _put(found, record)
        except InputError as error:
            raise InputError(f"line {number}: {error}", field=error.field) from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InputError(f"line {number} is not a record of an export", field="path") from None
    if found is None:
        raise InputError("the file is empty", field="path")
    return found


def _time_resolution(head: object) -> str:
    """Check the first line, and give to what times were rounded."""
    if not isinstance(head, dict) or "recsys" not in head:
        raise InputError("this is not an export of recsys", field="path")
    if head["recsys"] != FORMAT:
        raise InputError("the export is of a newer format: update recsys", field="path")
    given: object = head.get("time_resolution", _FINEST)
    if not isinstance(given, str) or given not in RESOLUTIONS_US:
        raise InputError("its times are rounded to a unit that is not known", field="time_resolution")
    return given


def _put(found: Export, record: object) -> None:
    """Add the record of one line."""
    if not isinstance(record, dict):
        raise TypeError(record)
    ((what, content),) = record.items()
    if what == "removed" and not isinstance(content, dict):
        content = {"id": content}
    if what not in ("item", "removed", "event") or not isinstance(content, dict):
        raise ValueError(what)
    fields = cast("dict[str, object]", content)
    if what == "event":
        shown = tuple((i, p, q) for i, p, q in cast("Iterable[tuple[str, int, float]]", fields.pop("shown", ())))
        context = cast("Context", fields.pop("context", {}))
        found.events.append(checked_event(Event(**fields, context=context, shown=shown)))  # type: ignore[arg-type]
    else:
        (found.items if what == "item" else found.removed).append(item_of(fields))
