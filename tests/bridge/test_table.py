"""The bridge's table says what the code does: every public method, every argument, every result."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import recsys
from recsys import Recommender, errors
from recsys.bridge import call
from recsys.bridge.schema import kinds, page, schema
from recsys.bridge.table import METHODS, NOT_CARRIED, TYPES
from recsys.bridge.values import READERS
from tests.bridge.contract import cases, replay

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = {
    "int": "integer", "str": "text", "bool": "flag", "None": "nothing",
    "list[str]": "[text]", "list[Finding]": "[Finding]", "dict[str, float]": "{number}",
}  # fmt: skip


def public(cls: type) -> dict[str, inspect.Signature]:
    """The public methods of a class, by name."""
    members = inspect.getmembers(cls, inspect.isfunction)
    return {name: inspect.signature(one) for name, one in members if not name.startswith("_")}


def findings(cls: type) -> list[str]:
    """Where the table and a class differ, one line each."""
    rows = {row.attribute: row for row in METHODS.values() if row.attribute}
    wanted = {name: signature for name, signature in public(cls).items() if name != "close"}
    found = [f"{name} is in one only" for name in rows.keys() ^ wanted.keys()]
    for name in rows.keys() & wanted.keys():
        parameters = list(wanted[name].parameters.values())[1:]
        theirs = [(one.name, one.default is one.empty) for one in parameters if one.name not in NOT_CARRIED]
        ours = [(one.name, one.required) for one in rows[name].arguments if not one.own]
        given = wanted[name].return_annotation
        if ours != theirs:
            found.append(f"{name}: other arguments")
        if rows[name].result != RESULTS.get(given, given):
            found.append(f"{name}: another result")
    return found


def test_every_public_method_is_in_the_table_as_it_is() -> None:
    assert findings(Recommender) == []


def test_a_method_or_an_argument_that_the_table_lacks_is_found() -> None:
    class More:
        forget = Recommender.forget

        def stats(self, *, deep: bool = False) -> int:
            return int(deep)

        def anew(self) -> None: ...

    found = findings(More)
    assert {"anew is in one only", "add is in one only", "stats: other arguments", "stats: another result"} <= {*found}
    assert not any(line.startswith("forget") for line in found)


@pytest.mark.parametrize(("name", "function"), [("open", Recommender), ("set_aside", recsys.set_aside)])
def test_what_opens_takes_the_same_arguments_too(name: str, function: Any) -> None:
    parameters = inspect.signature(function).parameters.values()
    theirs = [(one.name, one.default is one.empty) for one in parameters if one.name not in NOT_CARRIED]
    assert [(one.name, one.required) for one in METHODS[name].arguments if not one.own] == theirs


def test_every_type_of_an_argument_is_described_and_no_other_is() -> None:
    used = {argument.type for row in METHODS.values() for argument in row.arguments}
    results = {row.result.strip("[]{}") for row in METHODS.values()}
    assert used | (results & TYPES.keys()) == TYPES.keys()
    assert READERS.keys() <= used


def test_every_error_has_a_kind() -> None:
    assert kinds().keys() == {*errors.__all__, "InternalError"}
    assert kinds()["BusyError"] == "StoreError"
    assert kinds()["RecsysError"] is None


def test_the_pages_are_those_that_the_table_makes() -> None:
    text = (DOCS / "bridge.md").read_text(encoding="utf-8")
    assert text.split("<!-- made by tests/bridge/write.py -->\n")[1].split("<!-- end -->")[0] == page()
    assert json.loads((DOCS / "bridge.schema.json").read_text(encoding="utf-8")) == schema()
    assert json.loads(call("schema"))["result"] == schema()


def wrong(value: Any, rule: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a value breaks a schema: of JSON Schema, what ours uses."""
    if "$ref" in rule:
        target: Any = root
        for part in rule["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return wrong(value, target, root)
    if "anyOf" in rule:
        return all(wrong(value, one, root) for one in rule["anyOf"])
    if "enum" in rule:
        return value not in rule["enum"]
    allowed = rule.get("type", [])
    if allowed and not any(_is(value, one) for one in ([allowed] if isinstance(allowed, str) else allowed)):
        return True
    return any(_parts_wrong(value, rule, root))


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    types = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list, "null": type(None)}
    return kind in types and isinstance(value, types[kind])


def _parts_wrong(value: Any, rule: dict[str, Any], root: dict[str, Any]) -> Iterator[bool]:
    if isinstance(value, dict):
        properties, others = rule.get("properties", {}), rule.get("additionalProperties", True)
        yield not set(rule.get("required", ())) <= value.keys()
        for key, one in value.items():
            yield wrong(one, properties[key], root) if key in properties else _refused(one, others, root)
    if isinstance(value, list):
        first = rule.get("prefixItems", [])
        for number, one in enumerate(value):
            within = first[number] if number < len(first) else rule.get("items", True)
            yield _refused(one, within, root)


def _refused(value: Any, rule: Any, root: dict[str, Any]) -> bool:
    return not rule if isinstance(rule, bool) else wrong(value, rule, root)


def test_every_answer_of_the_contract_is_as_the_schema_says(tmp_path: Path) -> None:
    root = schema()
    methods = root["$defs"]["methods"]  # type: ignore[index]
    broken: list[str] = []
    seen = set()

    def run(method: str, arguments: dict[str, Any]) -> Any:
        answer = json.loads(call(method, json.dumps(arguments).encode()))
        if "result" in answer:
            seen.add(method)
            properties = methods[method]["properties"]
            broken.extend([f"{method}: arguments"] if wrong(arguments, properties["arguments"], root) else [])
            broken.extend([f"{method}: result"] if wrong(answer["result"], properties["result"], root) else [])
        else:
            broken.extend([f"{method}: error"] if wrong(answer, {"$ref": "#/$defs/answer"}, root) else [])
        return answer

    for number, (_, case) in enumerate(cases()):
        (tmp_path / str(number)).mkdir()
        assert replay(case, run, str(tmp_path / str(number))) == []
    assert broken == []
    assert len(seen) > 25


def test_an_answer_that_is_not_as_the_schema_says_is_found() -> None:
    root = schema()
    slate = {"$ref": "#/$defs/records/Slate"}
    sound = {"id": "a", "at_us": 1, "offset_min": 0, "n_candidates": 0, "items": []}
    assert not wrong(sound, slate, root)
    for fault in ({"id": 1}, {"more": 1}, {"items": [{}]}, {"at_us": 1.5}):
        assert wrong({**sound, **fault}, slate, root)
    assert wrong({k: v for k, v in sound.items() if k != "id"}, slate, root)
