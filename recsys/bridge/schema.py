"""The table of methods as JSON Schema, and as a table to read.

Records are described from their own fields and annotations, so that the schema says what the code gives.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import fields
from types import UnionType
from typing import Final

from recsys import errors, reports, types
from recsys.bridge import MOST_CALLS, VERSION
from recsys.bridge.table import METHODS, NOT_CARRIED, TYPES, Argument
from recsys.bridge.values import DEEPEST

__all__ = ["RECORDS", "kinds", "page", "schema"]

RECORDS: Final = (
    types.Event,
    types.Reason,
    types.Recommendation,
    types.Slate,
    *(getattr(reports, name) for name in reports.__all__),
)
_BASIC: Final[Mapping[object, object]] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    float: ["number", "null"],
    type(None): "null",
}
_INTERNAL: Final = "InternalError"


def kinds() -> dict[str, str | None]:
    """Every kind of error, with the kind that it is one of."""
    found: dict[str, str | None] = {_INTERNAL: None}
    for name in errors.__all__:
        base = getattr(errors, name).__bases__[0]
        found[name] = base.__name__ if issubclass(base, errors.RecsysError) else None
    return found


def schema() -> dict[str, object]:
    """Give the JSON Schema (2020-12) of all arguments, results and errors; ``$defs/methods`` has one entry a method."""
    methods = {
        name: {
            "description": method.does,
            "type": "object",
            "properties": {
                "arguments": _arguments(method.arguments),
                "result": _result(method.result),
            },
        }
        for name, method in METHODS.items()
    }
    error = {
        "type": "object",
        "properties": {
            "kind": {"enum": list(kinds())},
            "field": {"type": ["string", "null"]},
            "message": {"type": "string"},
        },
        "required": ["kind", "field", "message"],
        "additionalProperties": False,
    }
    answers = [{"properties": {name: {}}, "required": [name]} for name in ("result", "error")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "recsys.bridge",
        "description": f"Version {VERSION}. Payloads nest {DEEPEST} deep at most, a batch has {MOST_CALLS} calls.",
        "$defs": {
            "error": error,
            "answer": {"type": "object", "oneOf": answers, "properties": {"error": {"$ref": "#/$defs/error"}}},
            "types": dict(TYPES),
            "records": {record.__name__: _record(record) for record in RECORDS},
            "methods": methods,
        },
    }


def _arguments(arguments: tuple[Argument, ...]) -> dict[str, object]:
    properties = {
        one.name: _ref("types", one.type) if one.required else {"anyOf": [_ref("types", one.type), {"type": "null"}]}
        for one in arguments
    }
    required = [one.name for one in arguments if one.required]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _ref(section: str, name: str) -> dict[str, object]:
    return {"$ref": f"#/$defs/{section}/{name}"}


def _result(written: str) -> dict[str, object]:
    if written.startswith("["):
        return {"type": "array", "items": _result(written[1:-1])}
    if written.startswith("{"):
        return {"type": "object", "additionalProperties": _result(written[1:-1])}
    return _ref("types" if written in TYPES else "records", written)


def _record(record: type) -> dict[str, object]:
    """Describe a record by its public fields."""
    hints = typing.get_type_hints(record)
    properties = {one.name: _annotated(hints[one.name]) for one in fields(record) if not one.name.startswith("_")}
    required = list(properties)
    if record is types.Recommendation:
        properties["reasons"] = {"type": "array", "items": _ref("records", "Reason")}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _annotated(hint: object) -> dict[str, object]:
    """Describe what an annotation allows, of those that records have; numbers that are not finite become null."""
    if hint in _BASIC:
        return {"type": _BASIC[hint]}
    if hint in RECORDS:
        return _ref("records", typing.cast("type", hint).__name__)
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (UnionType, typing.Union):
        return {"anyOf": [_annotated(part) for part in parts]}
    if origin is tuple and parts[1:] != (Ellipsis,):
        return {"type": "array", "prefixItems": [_annotated(part) for part in parts], "items": False}
    if origin is tuple:
        return {"type": "array", "items": _annotated(parts[0])}
    return {"type": "object", "additionalProperties": _annotated(parts[1])}  # the others are mappings


def page() -> str:
    """Give the tables of methods, records and errors as Markdown."""
    lines = ["| method | arguments | result | |", "|---|---|---|---|"]
    for name, method in METHODS.items():
        taken = ", ".join(f"`{one.name}{'' if one.required else '?'}`: {one.type}" for one in method.arguments)
        lines.append(f"| `{name}` | {taken} | {method.result} | {method.does} |")
    lines += ["", "| record | fields |", "|---|---|"]
    for record in RECORDS:
        names = (f"`{one.name}`" for one in fields(record) if not one.name.startswith("_"))
        more = ", and `reasons` when they were asked for" if record is types.Recommendation else ""
        lines.append(f"| {record.__name__} | {', '.join(names)}{more} |")
    lines += ["", "| kind of error | is a | when |", "|---|---|---|"]
    for kind, base in kinds().items():
        told = (getattr(errors, kind).__doc__ or "").split("\n")[0] if kind != _INTERNAL else "What nobody foresaw."
        lines.append(f"| `{kind}` | {f'`{base}`' if base else ''} | {told} |")
    lines += ["", *(f"Not carried: `{name}`, {reason}." for name, reason in NOT_CARRIED.items())]
    return "\n".join(lines) + "\n"
