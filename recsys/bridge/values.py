"""JSON values made into what recsys takes, and what recsys gives made into JSON values.

Only what JSON cannot say is turned here, such as a moment or a slate; all else is checked where it is used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Final, NoReturn, cast

from recsys.errors import InputError
from recsys.settings import Settings
from recsys.types import Reason, Recommendation, Slate

__all__ = ["DEEPEST", "READERS", "encoded", "plain", "plain_slate", "read"]

DEEPEST: Final = 32
"""How deep arrays and objects may nest."""

_KEY_DIGITS: Final = 64
_ONLY_STRUCTURE: Final = bytes(set(range(256)) - set(b'[]{}"'))


def read(payload: bytes) -> dict[str, object]:
    """Read a payload: one JSON object in UTF-8, or nothing at all for no arguments."""
    if not isinstance(payload, (bytes, bytearray, memoryview)):
        raise InputError("payload: bytes are needed", field="payload")
    found = bytes(payload)
    if not found:
        return {}
    if found.count(b"[") + found.count(b"{") > DEEPEST and _too_deep(found):
        raise InputError(f"payload: nests deeper than {DEEPEST}", field="payload")
    try:
        given = _decode(found.decode())
    except (ValueError, RecursionError):  # of which wrong UTF-8 is one
        raise InputError("payload: is no JSON in UTF-8, or has a number out of range", field="payload") from None
    if not isinstance(given, dict):
        raise InputError("payload: a JSON object is needed", field="payload")
    return given


def _too_deep(payload: bytes) -> bool:
    """Whether brackets outside of texts nest too deep. O(bytes), in C: a parser that recurses must not see them."""
    if b"\\" in payload:
        payload = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = b"".join(payload.translate(None, _ONLY_STRUCTURE).split(b'"')[::2])
    for _ in range(DEEPEST):
        if not structure:
            return False
        structure = structure.replace(b"[]", b"").replace(b"{}", b"")
    return bool(structure)


def _refuse(_: str) -> NoReturn:
    raise ValueError("no JSON")


_decode: Final = json.JSONDecoder(parse_constant=_refuse).decode
_encode: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
).encode  # plain values are trees


def encoded(value: object) -> bytes:
    """Write a plain value as JSON in UTF-8."""
    return _encode(value).encode()


# -- in ------------------------------------------------------------------------------------


def _moment(given: object, name: str) -> object:
    if not isinstance(given, str):
        return given
    try:
        return datetime.fromisoformat(given[:-1] + "+00:00" if given.endswith("Z") else given)
    except (ValueError, OverflowError):
        raise InputError(f"{name}: a time such as 2026-03-02T08:00:00+01:00 is needed", field=name) from None


def _mapping(given: object, name: str) -> dict[str, object]:
    if not isinstance(given, dict):
        raise InputError(f"{name}: an object is needed", field=name)
    return given


def _list(given: object, name: str) -> list[object]:
    if not isinstance(given, list):
        raise InputError(f"{name}: an array is needed", field=name)
    return given


def _events(given: object, name: str) -> list[dict[str, object]]:
    events = [_mapping(event, name) for event in _list(given, name)]
    return [
        {key: _moment(value, "at") if key == "at" else value for key, value in event.items() if value is not None}
        for event in events
    ]


def _settings(given: object, name: str) -> Settings:
    chosen = {key: value for key, value in _mapping(given, name).items() if value is not None}
    known = [one.name for one in fields(Settings)]
    if not chosen.keys() <= set(known):
        raise InputError(f"{name}: the fields are {', '.join(known)}", field=name)
    make = cast("Callable[..., Settings]", Settings)
    return make(**chosen)


def _key(given: object, name: str) -> bytes:
    try:
        if isinstance(given, str) and len(given) == _KEY_DIGITS:
            return bytes.fromhex(given)
    except ValueError:
        pass
    raise InputError(f"{name}: {_KEY_DIGITS} hexadecimal digits are needed", field=name)


def _path(given: object, name: str) -> str:
    if not isinstance(given, str):
        raise InputError(f"{name}: a path is needed", field=name)
    return given


def _no_reasons(_: int) -> tuple[Reason, ...]:
    return ()


def _slate(given: object, name: str) -> Slate:
    found = _mapping(given, name)
    made = []
    for item in _list(found.get("items"), name):
        part = _mapping(item, name)
        item_id, position, propensity = (part.get(key) for key in ("item_id", "position", "propensity"))
        if not isinstance(item_id, str) or type(position) is not int or type(propensity) not in (int, float):
            raise InputError(f"{name}: items with item_id, position and propensity are needed", field=name)
        made.append(Recommendation(item_id, 0.0, position, float(cast("float", propensity)), True, _no_reasons))
    uid = found.get("id")
    if not isinstance(uid, str):
        raise InputError(f"{name}: an id is needed", field=name)
    return Slate(uid, 0, 0, tuple(made), len(made))


READERS: Final[Mapping[str, Callable[[object, str], object]]] = {
    "moment": _moment,
    "events": _events,
    "items": _list,
    "where": _mapping,
    "context": _mapping,
    "settings": _settings,
    "key": _key,
    "path": _path,
    "slate": _slate,
    "calls": _list,
}
"""How a value of a type is read; types that are not here are given on as they are."""


# -- out -----------------------------------------------------------------------------------


def plain(value: object) -> object:
    """Turn records, tuples and mappings into what JSON knows; a number that is not finite becomes null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    return {name: plain(getattr(value, name)) for name in value.__slots__}  # type: ignore[attr-defined]


def plain_slate(slate: Slate, n_reasons: int) -> dict[str, object]:
    """Turn a slate into what JSON knows, each item with at most so many reasons."""
    items = []
    for one in slate.items:
        item: dict[str, object] = {
            "item_id": one.item_id,
            "score": one.score,
            "position": one.position,
            "propensity": one.propensity,
            "known": one.known,
        }
        if n_reasons:
            item["reasons"] = plain(one.reasons[:n_reasons])
        items.append(item)
    return {
        "id": slate.id,
        "at_us": slate.at_us,
        "offset_min": slate.offset_min,
        "n_candidates": slate.n_candidates,
        "items": items,
    }
