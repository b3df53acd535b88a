"""What a host may call: one table, from which calls are read, checked and described.

Arguments are written as ``name: type``, with a ``?`` after the name of those that may be left out and a ``+`` before
the names that are the bridge's own and not the method's. Types are rows of :data:`TYPES`; results are these, a record
of recsys (``Slate``), a list (``[text]``) or an object with values of a type (``{number}``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["METHODS", "NOT_CARRIED", "TYPES", "Argument", "Method"]

_SCALAR: Final = {"type": ["string", "number", "boolean"]}
_TEXTS: Final = {"type": "array", "items": {"type": "string"}}

TYPES: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "text": {"type": "string"},
        "texts": _TEXTS,
        "integer": {"type": "integer"},
        "number": {"type": "number"},
        "flag": {"type": "boolean"},
        "nothing": {"type": "null"},
        "path": {"type": "string", "description": 'Of a file of this machine; for a log also ":memory:".'},
        "key": {
            "type": "string",
            "pattern": "^[0-9a-fA-F]{64}$",
            "description": "32 random bytes in hexadecimal digits.",
        },
        "moment": {
            "type": ["number", "string"],
            "description": "Seconds since 1970 UTC, or a text such as 2026-03-02T08:00:00+01:00, with its offset.",
        },
        "context": {"type": "object", "additionalProperties": _SCALAR},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "title": {"type": ["string", "null"]},
                    "tags": {"type": ["array", "null"], "items": {"type": "string"}},
                    "vector": {"type": ["array", "string", "null"], "items": {"type": "number"}},
                },
                "required": ["id"],
                "additionalProperties": _SCALAR,
            },
        },
        "events": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "item_id": {"type": "string"},
                    "kind": {"type": "string"},
                    "value": {"type": ["number", "null"]},
                    "at": {"type": ["number", "string", "null"]},
                    "context": {"type": ["object", "null"], "additionalProperties": _SCALAR},
                    "slate": {"type": ["string", "null"]},
                },
                "required": ["item_id"],
                "additionalProperties": False,
            },
        },
        "where": {
            "type": "object",
            "description": 'Names to a value, a list of values or a span {"min": ..., "max": ...}.',
        },
        "integers": {"type": "object", "additionalProperties": {"type": "integer"}},
        "numbers": {"type": "object", "additionalProperties": {"type": "number"}},
        "slate": {
            "type": "object",
            "description": "A slate as it was given; of each item the id, position and propensity count.",
            "properties": {
                "id": {"type": "string"},
                "items": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "item_id": {"type": "string"},
                            "position": {"type": "integer"},
                            "propensity": {"type": "number"},
                        },
                        "required": ["item_id", "position", "propensity"],
                    },
                },
            },
            "required": ["id", "items"],
        },
        "settings": {"type": "object", "description": "Fields of Settings by their names."},
        "calls": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"method": {"type": "string"}, "arguments": {"type": ["object", "null"]}},
                "required": ["method"],
                "additionalProperties": False,
            },
        },
        "answers": {"type": "array", "items": {"$ref": "#/$defs/answer"}},
        "object": {"type": "object"},
    }
)

NOT_CARRIED: Final[Mapping[str, str]] = MappingProxyType(
    {"embedder": "a function of the host's, which no bytes can carry: give items a vector instead"}
)
"""Arguments of ``Recommender`` that no host can give, each with the reason."""


class Argument(NamedTuple):
    """One argument: its name, a row of ``TYPES``, whether it must be given, and whether it is the bridge's own."""

    name: str
    type: str
    required: bool
    own: bool


class Method(NamedTuple):
    """One method: what it does, what it takes and gives, and the attribute of ``Recommender`` that it calls."""

    does: str
    arguments: tuple[Argument, ...]
    result: str
    attribute: str | None


def _arguments(written: str) -> tuple[Argument, ...]:
    found = []
    for part in filter(None, written.split(", ")):
        name, kind = part.split(": ")
        bare = name.removeprefix("+").removesuffix("?")
        found.append(Argument(bare, kind, required=not name.endswith("?"), own=name.startswith("+")))
    return tuple(found)


_ASKED: Final = "at?: moment, context?: context"
_ARRANGED: Final = "diversity?: number, caps?: integers, boosts?: numbers, pinned?: texts, explore?: number, "
_DRAWN: Final = _ARRANGED + "seed?: integer, +reasons?: integer"
_RECORDED: Final = "item_id: text, kind?: text, value?: number, at?: moment, context?: context, slate?: text"
_FORGOTTEN: Final = "events?: texts, items?: texts, kinds?: texts, since?: moment, until?: moment, everything?: flag"

# Of the bridge itself: no handle.
_OWN: Final = (
    ("version", "Tell the versions of recsys, of this table, and of what they stand on.", "", "{text}"),
    ("schema", "Give the JSON Schema of all of this.", "", "object"),
    ("batch", "Make many calls, each with an answer of its own; no transaction.", "+calls: calls", "answers"),
    (
        "open",
        "Open or make the file of one person; gives a handle.",
        "path: path, key?: key, settings?: settings, prior?: path",
        "integer",
    ),
    ("close", "Close what a handle opened; may be called again.", "+handle: integer", "nothing"),
    ("close_all", "Close all that is open; gives how many there were.", "", "integer"),
    ("set_aside", "Move a log that cannot be opened out of the way.", "path: path, key?: key", "text"),
)
# Of a recommender: each takes a handle.
_OF_A_HANDLE: Final = (
    ("add", "Add items to the catalogue, or replace those with the same id.", "items: items", "integer"),
    ("remove", "Take items out of the catalogue.", "ids: texts", "integer"),
    ("record", "Record that the person did something with an item.", _RECORDED, "text"),
    ("record_many", "Record many events in one transaction.", "events: events", "[text]"),
    ("shown", "Record that a slate really was on screen.", "slate: slate, at?: moment", "text"),
    ("steer", "Say what the person wants more or less of.", "tag_or_item: text, weight: number, at?: moment", "text"),
    (
        "recommend",
        "Give the best items of the catalogue and the log.",
        f"k?: integer, {_ASKED}, exclude?: texts, where?: where, {_DRAWN}",
        "Slate",
    ),
    ("rank", "Order the host's own candidates.", f"item_ids: texts, k?: integer, {_ASKED}, {_DRAWN}", "Slate"),
    (
        "similar",
        "Give what goes with an item.",
        "item_id: text, k?: integer, at?: moment, +reasons?: integer",
        "Slate",
    ),
    ("explain", "Give every term of an item's score.", f"item_id: text, {_ASKED}", "Explanation"),
    ("profile", "Give what was learnt, readable.", "", "Profile"),
    ("evaluate", "Say whether it is any better than most used.", "", "Evaluation"),
    (
        "what_if",
        "Say what another order of the slates would have been worth.",
        "explore?: number, settings?: settings, prior?: path",
        "Counterfactual",
    ),
    ("forget", "Forget events, as if they had never been.", _FORGOTTEN, "Receipt"),
    ("consent", "Note that the person allows a purpose.", "purpose: text, at?: moment", "nothing"),
    ("consents", "Give what was allowed, and when.", "", "{number}"),
    ("withdraw", "Take consent back.", "purpose?: text", "Receipt"),
    ("export", "Write everything in the file as JSON Lines to a new file.", "path: path", "integer"),
    ("import", "Read an export into this file.", "path: path", "integer"),
    ("pause", "Write nothing from now on.", "", "nothing"),
    ("resume", "Write again.", "", "nothing"),
    ("maintain", "Do one bounded step of background work.", "budget_ms?: number, at?: moment", "flag"),
    ("rekey", "Encrypt the file with another key.", "key: key", "nothing"),
    ("check", "Say whether the file is sound.", "", "[Finding]"),
    ("stats", "Give sizes and counts, no content.", "", "Stats"),
)

METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        **{name: Method(does, _arguments(taken), given, None) for name, does, taken, given in _OWN},
        **{
            name: Method(
                does,
                _arguments(", ".join(filter(None, ("+handle: integer", taken)))),
                given,
                "import_" if name == "import" else name,
            )
            for name, does, taken, given in _OF_A_HANDLE
        },
    }
)
