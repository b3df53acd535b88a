"""The log as JSON Lines: everything a person's file holds, in a form that any program reads.

The first line is ``{"recsys": 1}``; then one line an item of the catalogue
(``"item"``, or ``"removed"`` for one taken out) and one line an event (``"event"``),
in the log's order. Reading it back gives the same log, and so the same state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, Final, cast

from recsys.errors import InputError, StoreError
from recsys.inputs import checked_event, item_of, path_of
from recsys.types import Context, Event, Item

__all__ = ["Record", "gather", "read", "write"]

FORMAT: Final = 1
_MAX_LINE: Final = 16_000_000  # characters

Record = tuple[Item | None, Item | None, Event | None]  # exactly one is set: an item, a removed one, an event


def write(path: str | os.PathLike[str], items: Iterable[tuple[Item, bool]], events: Iterable[Event]) -> int:
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
            return _write_lines(file, items, events)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - pathlib is slow to import
        if isinstance(error, OSError) and not isinstance(error, StoreError):
            raise StoreError("the export file cannot be written") from None
        raise


def read(path: str | os.PathLike[str]) -> Iterator[Record]:
    """Read what :func:`write` wrote, each record checked.

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
            yield from _records(file)
    except UnicodeDecodeError:
        raise InputError("the file is not UTF-8 text", field="path") from None
    except StoreError:
        raise
    except OSError:
        raise StoreError("the file cannot be read") from None


def gather(path: str | os.PathLike[str]) -> tuple[list[Item], list[Item], list[Event]]:
    """Read a whole export: the items, those removed, and the events. Raises as :func:`read` does."""
    records = list(read(path))
    return (
        [item for item, _, _ in records if item is not None],
        [removed for _, removed, _ in records if removed is not None],
        [event for _, _, event in records if event is not None],
    )


def _write_lines(file: IO[str], items: Iterable[tuple[Item, bool]], events: Iterable[Event]) -> int:
    def line(record: object) -> None:
        file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")

    line({"recsys": FORMAT})
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


def _records(lines: IO[str]) -> Iterator[Record]:
    number = 0
    while text := lines.readline(_MAX_LINE):
        number += 1
        try:
            record = json.loads(text)
            if number == 1:
                _check_head(record)
            else:
                yield _record(record)
        except InputError as error:
            raise InputError(f"line {number}: {error}", field=error.field) from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InputError(f"line {number} is not a record of an export", field="path") from None
    if not number:
        raise InputError("the file is empty", field="path")


def _check_head(record: object) -> None:
    if not isinstance(record, dict) or "recsys" not in record:
        raise InputError("this is not an export of recsys", field="path")
    if record["recsys"] != FORMAT:
        raise InputError("the export is of a newer format: update recsys", field="path")


def _record(record: object) -> Record:
    if not isinstance(record, dict):
        raise TypeError(record)
    ((what, content),) = record.items()
    if what == "item":
        return item_of(cast("dict[str, object]", content)), None, None
    if what == "removed":
        return None, item_of(cast("dict[str, object]", content) if isinstance(content, dict) else {"id": content}), None
    if what != "event" or not isinstance(content, dict):
        raise ValueError(what)
    fields = cast("dict[str, object]", content)
    shown = tuple((i, p, q) for i, p, q in cast("Iterable[tuple[str, int, float]]", fields.pop("shown", ())))
    context = cast("Context", fields.pop("context", {}))
    return None, None, checked_event(Event(**fields, context=context, shown=shown))  # type: ignore[arg-type]
