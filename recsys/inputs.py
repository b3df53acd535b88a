"""Every argument of the public face, checked: in go the host's values, out come our records.

Each function either returns a value that the rest of the package may trust or
raises ``InputError`` before anything has changed. No message carries the value.
"""

from __future__ import annotations

import math
import operator
import os
import time
from base64 import b85encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Final, TypeAlias, cast

import numpy as np

from recsys.errors import InputError
from recsys.types import Context, Event, Item, Scalar, Slate

__all__ = [
    "LIMITS",
    "NO_CONTEXT",
    "VECTOR_MARK",
    "At",
    "EventLike",
    "ItemLike",
    "check_times",
    "checked_event",
    "context_of",
    "count",
    "event_of",
    "explore_of",
    "finite",
    "flag",
    "item_of",
    "items_of",
    "moment_of",
    "new_uid",
    "path_of",
    "scalar",
    "seed_of",
    "slate_id",
    "some_texts",
    "span_of",
    "text",
    "texts",
    "where_of",
]

At: TypeAlias = datetime | float | None
ItemLike: TypeAlias = Item | Mapping[str, object]
EventLike: TypeAlias = Event | Mapping[str, object]

# Longest texts in characters, largest collections in entries.
LIMITS: Final[Mapping[str, int]] = {
    "id": 512,
    "kind": 64,
    "uid": 64,
    "title": 4096,
    "tag": 128,
    "tags": 64,
    "attributes": 64,
    "attribute": 65_536,
    "context": 32,
    "key": 64,
    "value": 256,
    "vector": 4096,
    "candidates": 1_000_000,
    "slate": 10_000,
    "events": 10_000_000,
}
NO_CONTEXT: Final[Context] = {}
_MAX_US: Final = 2**32 * 1_000_000  # times are kept in 32 bits of seconds: 1970 to 2106
_MAX_OFFSET_MIN: Final = 1440
VECTOR_MARK: Final = "f4:"  # before a vector's numbers, four bytes each, in base 85
_LARGEST: Final = 1e30  # of a vector's numbers, which are kept in single precision
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_US: Final = timedelta(microseconds=1)
_MINUTE: Final = timedelta(minutes=1)
_EVENT_KEYS: Final = frozenset({"item_id", "kind", "value", "at", "context", "slate"})
_RESERVED: Final = frozenset({"shown", "steer"})


def text(value: object, field: str, limit: str, *, empty: bool = False) -> str:
    """Check a string: its type, its length, and that it can be written as UTF-8 without NUL."""
    if not isinstance(value, str):
        raise InputError(f"{field}: a string is needed", field=field)
    value = str.__str__(value)  # of a subclass, such as an enumeration, what it is equal to
    if not value and not empty:
        raise InputError(f"{field}: must not be empty", field=field)
    if len(value) > LIMITS[limit]:
        raise InputError(f"{field}: at most {LIMITS[limit]} characters", field=field)
    if "\0" in value or not (value.isascii() or _encodable(value)):
        raise InputError(f"{field}: must be valid Unicode text without NUL", field=field)
    return value


def texts(values: object, field: str, limit: str, most: int, *, distinct: bool = True) -> list[str]:
    """Check a list of strings, by default without duplicates."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InputError(f"{field}: a list of strings is needed", field=field)
    found = values if isinstance(values, list) else list(values)
    if len(found) > most:
        raise InputError(f"{field}: at most {most} entries", field=field)
    checked = found if _plain(found, LIMITS[limit]) else [text(value, field, limit) for value in found]
    if distinct and len(set(checked)) != len(checked):
        raise InputError(f"{field}: must not hold duplicates", field=field)
    return checked


def some_texts(values: object, field: str, limit: str) -> list[str] | None:
    """Check a list of strings, of which some may stand twice; None stays None."""
    return None if values is None else texts(values, field, limit, LIMITS["events"], distinct=False)


def flag(value: object, field: str) -> bool:
    """Check True or False."""
    if not isinstance(value, bool):
        raise InputError(f"{field}: True or False", field=field)
    return value


def finite(value: object, field: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Check a finite number in ``[low, high]``."""
    if type(value) is not float:
        if isinstance(value, bool) or not (isinstance(value, (int, float)) or hasattr(value, "__float__")):
            raise InputError(f"{field}: a number is needed", field=field)
        if isinstance(value, str):
            raise InputError(f"{field}: a number is needed", field=field)
        try:
            value = float(cast("float", value))
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{field}: a finite number is needed", field=field) from None
    if not math.isfinite(value):
        raise InputError(f"{field}: a finite number is needed", field=field)
    if not low <= value <= high:
        raise InputError(f"{field}: must lie in [{low:g}, {high:g}]", field=field)
    return value


def count(value: object, field: str, low: int, high: int) -> int:
    """Check an integer in ``[low, high]``; NumPy's integers are taken too."""
    try:
        number = None if isinstance(value, (bool, np.bool_)) else operator.index(cast("int", value))
    except TypeError:
        number = None
    if number is None:
        raise InputError(f"{field}: an integer is needed", field=field)
    if not low <= number <= high:
        raise InputError(f"{field}: must lie in [{low}, {high}]", field=field)
    return number


def explore_of(value: object) -> float:
    """Check the temperature of exploring: 0 (none) or 0.001 to 100."""
    temperature = finite(value, "explore", 0.0, 100.0)
    if 0.0 < temperature < 0.001:  # noqa: PLR2004 - as the message says
        raise InputError("explore: 0, or at least 0.001", field="explore")
    return temperature


def seed_of(value: object) -> int | None:
    """Check a seed: None or 0 to 2**63 - 1."""
    return None if value is None else count(value, "seed", 0, 2**63 - 1)


def where_of(value: object) -> Callable[[Item], bool] | None:
    """Check a predicate over items, or make one of a mapping."""
    if isinstance(value, Mapping):
        from recsys.conditions import condition_of

        return condition_of(value)
    if value is not None and not callable(value):
        raise InputError("where: a function of an Item or a mapping is needed", field="where")
    return cast("Callable[[Item], bool] | None", value)


def path_of(path: object) -> str:
    """Check the path of a file: a text that the file system can spell, and never the number of an open file."""
    try:
        found = os.fspath(cast("str", path))
    except TypeError:
        found = ""
    if not isinstance(found, str) or not found or "\0" in found or not _encodable(found, os.fsencode):
        raise InputError("path: a non-empty string or path without NUL is needed", field="path")
    return found


def purpose_of(purpose: object) -> str:
    """Check what a person consents to: a text, and not a blank one."""
    found = text(purpose, "purpose", "value")
    if not found.strip():
        raise InputError("purpose: must not be blank", field="purpose")
    return found


def moment_of(at: At, field: str = "at") -> tuple[int, int]:
    """Turn a time into microseconds since 1970 UTC and the UTC offset in minutes.

    An aware ``datetime`` carries its offset; epoch seconds, and now, get this machine's at that moment.
    """
    if at is None:
        at_us = time.time_ns() // 1000
        return at_us, _local_offset(at_us)
    if isinstance(at, datetime):
        offset = at.utcoffset()
        if offset is None:
            raise InputError(f"{field}: a datetime must be aware (have a time zone)", field=field)
        return _in_range((at - _EPOCH) // _US, field), offset // _MINUTE
    at_us = _in_range(round(finite(at, field, 0.0, 2.0**32) * 1e6), field)
    return at_us, _local_offset(at_us)


def span_of(since: At, until: At) -> tuple[int | None, int | None]:
    """Turn a span of time, either end of which may be open, into microseconds; an empty one is refused."""
    since_us = None if since is None else moment_of(since, "since")[0]
    until_us = None if until is None else moment_of(until, "until")[0]
    if since_us is not None and until_us is not None and since_us >= until_us:
        raise InputError("until: a time after since is needed", field="until")
    return since_us, until_us


def context_of(context: object) -> Context:
    """Check a context: short names to strings, numbers or booleans."""
    if context is None:
        return NO_CONTEXT
    return _scalars(context, "context", LIMITS["context"], "value")


def item_of(item: ItemLike) -> Item:
    """Check an item, or make one of a mapping; unknown keys become attributes."""
    if isinstance(item, Item):
        fields: Mapping[str, object] = {"id": item.id, "title": item.title, "tags": item.tags}
        extra: Mapping[str, object] = item.attributes
        if isinstance(extra, Mapping) and not extra.keys().isdisjoint(("id", "title", "tags")):
            raise InputError("attributes: id, title and tags are fields of their own", field="attributes")
    elif isinstance(item, Mapping):
        fields = item
        extra = {key: value for key, value in item.items() if key not in ("id", "title", "tags")}
    else:
        raise InputError("items: mappings or Item objects are needed", field="items")
    title, tags = fields.get("title"), fields.get("tags")
    return Item(
        id=text(fields.get("id"), "id", "id"),
        title=text("" if title is None else title, "title", "title", empty=True),
        tags=tuple(texts(() if tags is None else tags, "tags", "tag", LIMITS["tags"])),
        attributes=_scalars(_with_vector(extra), "attributes", LIMITS["attributes"], "attribute"),
    )


def _with_vector(given: Mapping[str, object]) -> Mapping[str, object]:
    """Write an item's vector, a list of finite numbers, as the text in which attributes keep it."""
    vector = given.get("vector") if isinstance(given, Mapping) else None
    if vector is None or isinstance(vector, str):
        return given
    try:
        found = np.asarray(vector, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError("vector: a list of numbers is needed", field="vector") from None
    if found.ndim != 1 or not 0 < len(found) <= LIMITS["vector"]:
        raise InputError(f"vector: a list of 1 to {LIMITS['vector']} numbers is needed", field="vector")
    if not np.abs(found).max() < _LARGEST:
        raise InputError(f"vector: finite numbers below {_LARGEST:g} are needed", field="vector")
    return {**given, "vector": VECTOR_MARK + b85encode(found.astype("<f4").tobytes()).decode()}


def items_of(items: object) -> list[Item]:
    """Check many items: an iterable of items or mappings, or a DataFrame with a column ``id``."""
    if hasattr(items, "to_dict") and hasattr(items, "columns"):
        rows = cast("Callable[[str], list[dict[str, object]]]", items.to_dict)("records")
        items = [{str(k): v for k, v in row.items() if not _absent(v)} for row in rows]
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
        raise InputError("items: a list of mappings or Item objects is needed", field="items")
    found = [item_of(item) for item in items]
    if len({item.id for item in found}) != len(found):
        raise InputError("items: must not hold the same id twice", field="items")
    return found


def check_times(items: Collection[Item], names: Iterable[str | None]) -> None:
    """Check the attributes with these names, where there are any, as seconds since 1970 UTC."""
    for name in filter(None, names):
        for item in items:
            if name in item.attributes:
                _in_range(round(finite(item.attributes[name], "attributes", 0.0, 2.0**32) * 1e6), "attributes")


def slate_id(slate: object) -> str | None:
    """Check a slate, or its id."""
    if slate is None:
        return None
    return text(slate.id if isinstance(slate, Slate) else slate, "slate", "uid")


def new_uid() -> str:
    """Draw an id: 16 hexadecimal digits."""
    return os.urandom(8).hex()


def event_of(given: EventLike) -> tuple[Event, bool]:
    """Check an event to be recorded; also whether it brings its own time."""
    if isinstance(given, Event):
        return checked_event(given), True
    if not isinstance(given, Mapping):
        raise InputError("events: mappings or Event objects are needed", field="events")
    if not given.keys() <= _EVENT_KEYS:
        raise InputError(f"events: the keys are {', '.join(sorted(_EVENT_KEYS))}", field="events")
    at = cast("At", given.get("at"))
    at_us, offset_min = moment_of(at)
    value = given.get("value")
    return Event(
        at_us=at_us,
        uid="",
        item_id=text(given.get("item_id"), "item_id", "id"),
        kind=kind_of(given.get("kind", "click")),
        offset_min=offset_min,
        value=None if value is None else finite(value, "value"),
        context=context_of(given.get("context")),
        slate=slate_id(given.get("slate")),
    ), at is not None


def kind_of(kind: object) -> str:
    """Check a kind of event that a host may record."""
    if text(kind, "kind", "kind") in _RESERVED:
        raise InputError("kind: 'shown' and 'steer' have calls of their own", field="kind")
    return cast("str", kind)


def checked_event(event: Event) -> Event:
    """Check a whole event, as from an export: any kind, with its own time and uid."""
    count(event.at_us, "at_us", 0, _MAX_US - 1)
    count(event.offset_min, "offset_min", -_MAX_OFFSET_MIN, _MAX_OFFSET_MIN)
    text(event.uid, "uid", "uid", empty=True)
    text(event.kind, "kind", "kind")
    text(event.item_id, "item_id", "id", empty=event.kind == "shown")
    value = event.value
    if event.kind == "steer":
        value = finite(value, "value", -1.0, 1.0)
    elif value is not None:
        value = finite(value, "value")
    context = context_of(event.context)
    if event.slate is not None:
        text(event.slate, "slate", "uid")
    _check_shown(event)
    return replace(event, value=value, context=context)


def _check_shown(event: Event) -> None:
    if bool(event.shown) != (event.kind == "shown") or (event.kind == "shown" and event.slate is None):
        raise InputError("shown: exactly the events of kind 'shown' have items and a slate", field="shown")
    if len(event.shown) > LIMITS["slate"]:
        raise InputError(f"shown: at most {LIMITS['slate']} items", field="shown")
    texts([item_id for item_id, _, _ in event.shown], "shown", "id", LIMITS["slate"])
    before = -1
    for _, position, propensity in event.shown:
        before = count(position, "shown", before + 1, LIMITS["slate"])
        if not 0.0 < finite(propensity, "shown") <= 1.0:
            raise InputError("shown: propensities lie in (0, 1]", field="shown")


def _scalars(given: object, field: str, most: int, limit: str) -> Mapping[str, Scalar]:
    if not isinstance(given, Mapping):
        raise InputError(f"{field}: a mapping is needed", field=field)
    if len(given) > most:
        raise InputError(f"{field}: at most {most} entries", field=field)
    return {text(key, field, "key"): scalar(value, field, limit) for key, value in given.items()}


def scalar(value: object, field: str, limit: str) -> Scalar:
    """Check a string, number or boolean; NumPy's are taken for Python's own."""
    if isinstance(value, str):
        return text(value, field, limit, empty=True)
    if isinstance(value, bool) or type(value) is int:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InputError(f"{field}: integers must fit 64 bits", field=field)
        return value
    if hasattr(value, "item") and not isinstance(value, (Collection, Sequence)):  # NumPy's scalars
        value = value.item()
        if isinstance(value, (bool, int, str)):
            return scalar(value, field, limit)
    if isinstance(value, float):
        return finite(value, field)
    raise InputError(f"{field}: values are strings, numbers or booleans", field=field)


def _plain(values: list[object], longest: int) -> bool:
    """Whether all are strings that need no closer look: ASCII without NUL, none empty, none too long. Fast."""
    try:
        joined = "".join(cast("list[str]", values))
    except TypeError:
        return False
    if not joined.isascii() or "\0" in joined or "" in values:
        return False
    return len(joined) <= longest or max(map(len, cast("list[str]", values))) <= longest


def _absent(value: object) -> bool:
    nothing = value is None or (isinstance(value, float) and math.isnan(value))
    return nothing or type(value).__name__ in ("NAType", "NaTType")  # pandas' own, by name: it is not imported


def _encodable(value: str, encode: Callable[[str], bytes] = str.encode) -> bool:
    try:
        encode(value)
    except UnicodeEncodeError:
        return False
    return True


def _in_range(at_us: int, field: str) -> int:
    if not 0 <= at_us < _MAX_US:
        raise InputError(f"{field}: must lie between 1970 and 2106", field=field)
    return at_us


def _local_offset(at_us: int) -> int:
    return time.localtime(at_us // 1_000_000).tm_gmtoff // 60
