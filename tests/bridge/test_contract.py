"""The contract that every adapter replays, replayed over the bridge itself; and that a wrong answer is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recsys.bridge import call
from recsys.bridge.table import METHODS
from tests.bridge.contract import FOLDER, cases, mismatch, raw_cases, replay

CASES = dict(cases())


def run(method: str, arguments: dict[str, Any]) -> Any:
    return json.loads(call(method, json.dumps(arguments).encode()))


@pytest.mark.parametrize("name", CASES)
def test_a_case_holds(name: str, tmp_path: Path) -> None:
    assert replay(CASES[name], run, str(tmp_path)) == []


@pytest.mark.parametrize("case", raw_cases(), ids=lambda case: case["name"])
def test_a_case_of_bytes_holds(case: dict[str, Any]) -> None:
    assert mismatch(case["expect"], json.loads(call(case["method"], case["bytes"])), "answer") == ""


def test_every_method_is_called_with_success_and_every_method_that_can_fails_once() -> None:
    steps = [step for case in CASES.values() for step in case["steps"]]
    good = {step["call"] for step in steps if "result" in step["expect"]}
    raw = {case["method"] for case in raw_cases() if "result" in case["expect"]}
    # Only a log that is damaged is set aside, and only an encrypted one has a key: no case can do either.
    assert good | raw == METHODS.keys() - {"set_aside", "rekey", "close_all"}
    assert {step["call"] for step in steps} | raw == METHODS.keys() - {"close_all"}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (1, 2),
        (1, True),
        (1, "1"),
        ("a", "b"),
        (None, 0),
        ([1], [1, 1]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"$has": {"a": 1}}, {"a": 2}),
        ({"$has": {"a": 1}}, {"b": 1}),
        ({"$text": True}, 1),
        ({"$number": True}, True),
        ({"$length": 2}, [1]),
        ({"a": [{"$has": {"b": {"$text": True}}}]}, {"a": [{"b": 0}]}),
    ],
)
def test_what_is_not_as_wanted_is_found(wanted: object, found: object) -> None:
    assert mismatch(wanted, found, "answer") != ""


def test_what_is_as_wanted_passes() -> None:
    wanted = {"a": [1.0, {"$any": True}, {"$has": {"b": "x"}}], "n": {"$number": True}, "l": {"$length": 1}, "z": None}
    found = {"a": [1.0000000001, [], {"b": "x", "c": 1}], "n": 0.5, "l": [0], "z": None}
    assert mismatch(wanted, found, "answer") == ""


def test_the_table_of_hosts_counts_what_there_is() -> None:
    table = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    n_cases, n_raw = len(CASES), len(raw_cases())
    assert f"contract, {n_cases} cases and {n_raw} of bytes" in table
    assert table.count(f"{n_cases + n_raw} of {n_cases + n_raw}") == 7
    assert table.count(f"{n_cases} of {n_cases} ") == 1
