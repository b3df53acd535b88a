"""Between records and rows: what may be written, and what may be read back.

The same conditions hold both ways. A record that breaks them is the caller's
mistake (``InputError``); a row that breaks them is damage (``CorruptError``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from recsys.errors import CorruptError, InputError
from recsys.types import Event, Item, Scalar

__all__ = [
    "EVENT_COLUMNS",
    "ITEM_COLUMNS",
    "check_key",
    "check_text",
    "damaged",
    "event_of_row",
    "item_of_row",
    "key_of_row",
    "row_of_event",
    "row_of_item",
    "shown_of_rows",
    "texts_of",
]

EVENT_COLUMNS = "at_us, uid, offset_min, item_id, kind, value, context, slate"
ITEM_COLUMNS = "id, title, tags, attributes, removed"

_INT64 = 2**63
_MAX_OFFSET_MIN = 1440
_SCALARS = (str, bool, int, float)

EventRow = tuple[int, str, int, str, str, "float | None", "str | None", "str | None"]
ItemRow = tuple[str, str, "str | None", "str | None", int]
Shown = tuple[tuple[str, int, float], ...]


def row_of_event(event: Event) -> EventRow:
    """The row of an event; its shown items are apart, in ``event.shown``.

    Parameters
    ----------
    event : Event
        What to write.

    Returns
    -------
    tuple
        In the order of ``EVENT_COLUMNS``.

    Raises
    ------
    InputError
        When it could not be read back just as it is.

    Stability: provisional
    """
    at_us, uid, item_id, kind, slate, value = (
        event.at_us,
        event.uid,
        event.item_id,
        event.kind,
        event.slate,
        event.value,
    )
    # The usual event passes this one test; anything else is looked at closely.
    if not (
        type(at_us) is int
        and type(uid) is str
        and type(item_id) is str
        and type(kind) is str
        and type(event.offset_min) is int
        and uid
        and uid.isascii()
        and item_id
        and item_id.isascii()
        and kind != "shown"
        and kind
        and kind.isascii()
        and not event.shown
        and slate is None
        and value is None
        and -_INT64 <= at_us < _INT64
        and -_MAX_OFFSET_MIN <= event.offset_min <= _MAX_OFFSET_MIN
    ):
        value = _checked(event)
    context = _json_of_mapping(event.context, "context") if event.context else None
    return (at_us, uid, event.offset_min, item_id, kind, value, context, slate)


def event_of_row(
    row: Sequence[object], shown: Shown = (), decoded: dict[object, dict[str, Scalar]] | None = None
) -> Event:
    """The event of a row.

    Parameters
    ----------
    row : sequence
        In the order of ``EVENT_COLUMNS``.
    shown : tuple of (str, int, float)
        The items of its slate, for an event of the kind ``"shown"``.
    decoded : dict, optional
        Contexts decoded before, by their text: they repeat. What is decoded now is added.

    Returns
    -------
    Event

    Raises
    ------
    CorruptError
        When the row could not have been written by ``row_of_event``.

    Stability: provisional
    """
    at_us, uid, offset_min, item_id, kind, value, context, slate = row
    if not (
        type(at_us) is int
        and type(uid) is str
        and type(offset_min) is int
        and type(item_id) is str
        and type(kind) is str
        and uid
        and kind
        and (item_id or kind == "shown")
        and (value is None or (type(value) is float and value - value == 0.0))
        and (slate is None or (type(slate) is str and slate))
        and (kind != "shown" or (slate is None) == (not shown))
        and -_MAX_OFFSET_MIN <= offset_min <= _MAX_OFFSET_MIN
    ):
        damaged()
    if context is None:
        return Event(at_us, uid, item_id, kind, offset_min, value, {}, slate, shown)
    found = None if decoded is None else decoded.get(context)
    if found is None:
        found = _mapping(context)
        if decoded is not None:
            decoded[context] = found
    return Event(at_us, uid, item_id, kind, offset_min, value, found.copy(), slate, shown)


def shown_of_rows(rows: Sequence[Sequence[object]]) -> Shown:
    """The shown items of a slate, from rows of (item_id, position, propensity) in the order of position.

    Raises
    ------
    CorruptError
        When a value is damaged.

    Stability: provisional
    """
    shown = []
    for item_id, position, propensity in rows:
        if not (
            type(item_id) is str
            and item_id
            and type(position) is int
            and position >= 0
            and type(propensity) is float
            and 0.0 < propensity <= 1.0
        ):
            damaged()
        shown.append((item_id, position, propensity))
    return tuple(shown)


def row_of_item(item: Item) -> ItemRow:
    """The row of an item in the catalogue, in the order of ``ITEM_COLUMNS``.

    Raises
    ------
    InputError
        When it could not be read back just as it is.

    Stability: provisional
    """
    check_text(item.id, "id")
    check_text(item.title, "title", empty=True)
    if not isinstance(item.tags, tuple):
        raise InputError("tags: a tuple of strings is needed", field="tags")
    for tag in item.tags:
        check_text(tag, "tags", empty=True)
    tags = _ENCODER.encode(list(item.tags)) if item.tags else None
    attributes = _json_of_mapping(item.attributes, "attributes") if item.attributes else None
    return (item.id, item.title, tags, attributes, 0)


def item_of_row(row: Sequence[object]) -> tuple[Item, bool]:
    """The item of a row in the order of ``ITEM_COLUMNS``, and whether it was removed.

    Raises
    ------
    CorruptError
        When the row could not have been written by ``row_of_item``.

    Stability: provisional
    """
    identifier, title, tags, attributes, removed = row
    if not (type(identifier) is str and identifier and type(title) is str and removed in (0, 1)):
        damaged()
    labels = () if tags is None else tuple(_decoded(tags, list))
    if not all(type(label) is str for label in labels):
        damaged()
    return Item(identifier, title, labels, {} if attributes is None else _mapping(attributes)), removed == 1


def check_text(text: object, name: str, *, empty: bool = False) -> None:
    """Raise ``InputError`` unless it is a string that the file can hold; NUL may be in it.

    Stability: provisional
    """
    if not isinstance(text, str) or not (text or empty):
        raise InputError(f"{name}: a {'' if empty else 'non-empty '}string is needed", field=name)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(f"{name}: a lone surrogate cannot be stored", field=name) from None


def texts_of(given: Iterable[str], name: str) -> frozenset[str]:
    """The strings of a list, without doubles.

    Raises
    ------
    InputError
        When it is no list of strings that the file can hold.

    Stability: provisional
    """
    if isinstance(given, (str, bytes)):
        raise InputError(f"{name}: a list of strings is needed, not one string", field=name)
    try:
        wanted = frozenset(given)
    except TypeError:
        raise InputError(f"{name}: a list of strings is needed", field=name) from None
    for text in wanted:
        check_text(text, name, empty=True)
    return wanted


def key_of_row(row: Sequence[object]) -> tuple[int, str]:
    """The key at the beginning of a row.

    Raises
    ------
    CorruptError
        When it is damaged.

    Stability: provisional
    """
    at_us, uid = row[0], row[1]
    if type(at_us) is not int or type(uid) is not str:
        damaged()
    return (at_us, uid)


def check_key(key: object, name: str) -> None:
    """Raise ``InputError`` unless it is a pair of a time in microseconds and a uid.

    Stability: provisional
    """
    if not isinstance(key, tuple) or [*map(type, key)] != [int, str] or not -_INT64 <= key[0] < _INT64:
        raise InputError(f"{name}: a pair (at_us, uid) is needed", field=name)
    check_text(key[1], name, empty=True)


def damaged() -> NoReturn:
    """Say that a value in the file is damaged.

    Stability: provisional
    """
    raise CorruptError(
        "a value in the file is damaged; the file was left as it is: restore a copy, "
        "or move it away with recsys.set_aside() and start anew"
    ) from None


def _checked(event: Event) -> float | None:
    """Look at every field of an unusual event; its value as SQLite will give it back."""
    for name, low, high in (("at_us", -_INT64, _INT64 - 1), ("offset_min", -_MAX_OFFSET_MIN, _MAX_OFFSET_MIN)):
        number = getattr(event, name)
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise InputError(f"{name}: an integer from {low} to {high} is needed", field=name)
    check_text(event.uid, "uid")
    check_text(event.kind, "kind")
    check_text(event.item_id, "item_id", empty=event.kind == "shown")
    if event.slate is not None:
        check_text(event.slate, "slate")
    _check_shown(event)
    if event.value is None:
        return None
    if isinstance(event.value, bool) or not isinstance(event.value, (int, float)):
        raise InputError("value: a finite number is needed", field="value")
    try:
        value = float(event.value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise InputError("value: a finite number is needed", field="value")
    return value


def _check_shown(event: Event) -> None:
    if event.kind != "shown":
        if event.shown:
            raise InputError('shown: only an event of the kind "shown" carries items', field="shown")
        return
    if (event.slate is None) != (not event.shown):
        raise InputError("slate: shown items need the id of their slate, and a slate needs items", field="slate")
    before = -1
    for item_id, position, propensity in event.shown:
        check_text(item_id, "shown")
        if type(position) is not int or not before < position < _INT64:
            raise InputError("shown: positions are integers from 0, ascending", field="shown")
        if not isinstance(propensity, float) or not 0.0 < propensity <= 1.0:
            raise InputError("shown: a propensity lies in (0, 1]", field="shown")
        before = position


def _json_of_mapping(mapping: Mapping[str, Scalar], name: str) -> str:
    """Canonical JSON: keys sorted, no spaces, UTF-8 as it is."""
    for key, value in mapping.items():
        check_text(key, name, empty=True)
        if type(value) is str:
            check_text(value, name, empty=True)
        elif type(value) is int:
            if not -_INT64 <= value < _INT64:
                raise InputError(f"{name}: an integer needs to fit into 64 bits", field=name)
        elif type(value) is float:
            if not math.isfinite(value):
                raise InputError(f"{name}: a finite number is needed", field=name)
        elif type(value) is not bool:
            raise InputError(f"{name}: values are strings, numbers and booleans", field=name)
    return _ENCODER.encode(dict(mapping))


def _mapping(text: object) -> dict[str, Scalar]:
    found: dict[str, Scalar] = _decoded(text, dict)
    for value in found.values():
        if type(value) not in _SCALARS:
            damaged()
    return found


def _decoded(text: object, kind: type) -> Any:
    if type(text) is not str:
        damaged()
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        damaged()
    if end != len(text) or type(value) is not kind:
        damaged()
    return value


def _not_finite(_: str) -> NoReturn:
    raise ValueError


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_not_finite)
