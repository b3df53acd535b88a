"""Replay the cases of ``adapters/contract``: the reference for every adapter's own runner.

``adapters/contract/README.md`` says what a case is. A runner is a function from a method and its arguments to the
whole answer, as a decoded JSON object.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["CASES", "RAW", "cases", "mismatch", "raw_cases", "replay"]

FOLDER: Final = Path(__file__).parents[2] / "adapters" / "contract"
CASES: Final = FOLDER / "cases"
RAW: Final = FOLDER / "raw.json"

Run = Callable[[str, dict[str, Any]], Any]


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every case, with the name of its file before its own."""
    for path in sorted(CASES.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            yield f"{path.stem}: {case['name']}", case


def raw_cases() -> list[dict[str, Any]]:
    """Every case of bytes."""
    found: list[dict[str, Any]] = json.loads(RAW.read_text(encoding="utf-8"))
    for case in found:
        case["bytes"] = bytes.fromhex(case["payload_hex"]) if "payload_hex" in case else case["payload"].encode()
    return found


def replay(case: Mapping[str, Any], run: Run, folder: str) -> list[str]:
    """Make the calls of a case in order; what was not as expected, one line each."""
    kept: dict[str, Any] = {}
    found = []
    for number, step in enumerate(case["steps"]):
        answer = run(step["call"], _filled(step.get("arguments", {}), kept, folder))
        for name, path in step.get("keep", {}).items():
            kept[name] = _at(answer, path)
        wrong = mismatch(_filled(step["expect"], kept, folder), answer, "answer")
        if wrong:
            found.append(f"step {number} ({step['call']}): {wrong}")
    return found


def _filled(value: Any, kept: Mapping[str, Any], folder: str) -> Any:
    """Put in what was kept, and the folder of this replay."""
    if isinstance(value, str) and value.startswith("$"):
        return folder + value[4:] if value.startswith("$DIR") else kept[value[1:]]
    if isinstance(value, list):
        return [_filled(one, kept, folder) for one in value]
    if isinstance(value, dict):
        return {key: _filled(one, kept, folder) for key, one in value.items()}
    return value


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def mismatch(wanted: Any, found: Any, where: str) -> str:
    """Say where something is not as wanted; empty when it is."""
    if isinstance(wanted, dict) and len(wanted) == 1 and next(iter(wanted)).startswith("$"):
        return _unmatched(*next(iter(wanted.items())), found, where)
    if isinstance(wanted, dict):
        if not isinstance(found, dict) or found.keys() != wanted.keys():
            return f"{where}: other keys"
        return _unmatched("$has", wanted, found, where)
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return f"{where}: another length"
        return next(filter(None, (mismatch(one, found[i], f"{where}.{i}") for i, one in enumerate(wanted))), "")
    if _is_number(wanted) and _is_number(found):
        same = math.isclose(wanted, found, rel_tol=1e-6, abs_tol=1e-6)
    else:
        same = type(wanted) is type(found) and wanted == found
    return "" if same else f"{where}: {found!r} is not {wanted!r}"


def _unmatched(matcher: str, wanted: Any, found: Any, where: str) -> str:
    if matcher == "$has":
        if not isinstance(found, dict) or not wanted.keys() <= found.keys():
            return f"{where}: keys are missing"
        return next(filter(None, (mismatch(one, found[key], f"{where}.{key}") for key, one in wanted.items())), "")
    holds = {
        "$any": lambda: True,
        "$text": lambda: isinstance(found, str),
        "$number": lambda: _is_number(found),
        "$length": lambda: isinstance(found, list) and len(found) == wanted,
    }[matcher]()
    return "" if holds else f"{where}: {found!r} does not match {matcher}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
