"""``call`` never raises, says nothing of a person, and serves many threads."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from recsys import Recommender, bridge
from recsys.bridge import call
from recsys.errors import MissingExtraError


def ask(method: str, **arguments: Any) -> Any:
    return json.loads(call(method, json.dumps(arguments).encode()))


@pytest.fixture
def handle() -> Any:
    opened: int = ask("open", path=":memory:")["result"]
    yield opened
    ask("close", handle=opened)


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3), KeyboardInterrupt(), GeneratorExit(), RecursionError("secret"), MemoryError(),
        sqlite3.OperationalError("secret"), ValueError("secret"), BaseException("secret"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_nothing_that_is_raised_crosses_and_its_words_stay_behind(
    error: BaseException, handle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Recommender) -> None:
        raise error

    monkeypatch.setattr(Recommender, "stats", fail)
    answer = ask("stats", handle=handle)["error"]
    assert (answer["kind"], answer["field"]) == ("InternalError", None)
    assert answer["message"] == f"unexpected: {type(error).__name__}"


def test_an_error_while_an_error_is_told_is_told_too(handle: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(bridge, "encoded", fail)
    assert json.loads(call("stats", b'{"handle":%d}' % handle))["error"]["message"] == "out of memory"


def test_a_missing_extra_is_named(handle: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Recommender) -> None:
        raise MissingExtraError("encrypted")

    monkeypatch.setattr(Recommender, "stats", fail)
    told = ask("stats", handle=handle)["error"]
    assert (told["kind"], told["field"]) == ("MissingExtraError", "encrypted")


@pytest.mark.parametrize("payload", [b"\xff" * 20_000_000, b"[" * 20_000_000, b'{"a":"' + b"x" * 20_000_000, b'{"a":'])
def test_twenty_megabytes_of_nonsense_are_one_clean_error(payload: bytes) -> None:
    assert json.loads(call("version", payload))["error"]["field"] == "payload"


def test_twenty_megabytes_of_items_are_taken(handle: int) -> None:
    items = [{"id": f"i{n}", "title": "x" * 4000, "tags": ["[", '"', "{\\"]} for n in range(5000)]
    assert ask("add", handle=handle, items=items) == {"result": 5000}


@pytest.mark.parametrize("payload", ["text", None, 3, [1]])
def test_a_payload_of_another_type_is_a_clean_error(payload: Any) -> None:
    assert json.loads(call("version", payload))["error"]["field"] == "payload"


@pytest.mark.parametrize("method", [None, 3, b"version", ["version"]])
def test_a_method_of_another_type_is_a_clean_error(method: Any) -> None:
    assert json.loads(call(method, b""))["error"]["field"] == "method"


def test_brackets_in_texts_are_no_nesting_and_brackets_between_them_are(handle: int) -> None:
    texts = ["[" * 100, "{" * 100 + '"', "\\" + "[" * 100, '\\"' + "[" * 100, "]" * 100]
    for text in texts:
        assert ask("record", handle=handle, item_id=text, at=1.7e9).keys() == {"result"}
    nested = '{"a":' + '["' + '\\\\",[' * 100 + "]" * 101 + "}"
    assert json.loads(call("version", nested.encode()))["error"]["message"].endswith("nests deeper than 32")
    wide = b'{"handle":%d,"ids":[' % handle + b",".join(b'"a%d"' % n for n in range(1000)) + b"]}"
    assert json.loads(call("remove", wide)) == {"result": 0}


def test_no_message_says_what_was_asked() -> None:
    secret = "zq-" + "word"
    handle = ask("open", path=":memory:")["result"]
    for method, arguments in [
        ("record", {"item_id": "a", "kind": secret * 20}),
        ("record", {"item_id": secret * 100}),
        ("record", {"item_id": "a", "at": secret}),
        ("record", {"item_id": "a", secret: 1}),
        ("record", {"item_id": "a", "context": {secret: [secret]}}),
        ("rank", {"item_ids": [secret, secret]}),
        ("recommend", {"where": {secret: {secret: 1}}}),
        ("shown", {"slate": {"id": "x", "items": [{"item_id": secret}]}}),
        ("export", {"path": f"/{secret}/{secret}"}),
        ("import", {"path": f"/{secret}/{secret}"}),
        (secret, {}),
    ]:
        answer = ask(method, handle=handle, **arguments)
        assert answer.keys() == {"error"}
        assert secret not in json.dumps(answer)
    ask("close", handle=handle)


def test_many_threads_call_at_once(tmp_path: Path) -> None:
    wrong: list[Any] = []
    handle = ask("open", path=str(tmp_path / "me.db"), settings={"synchronous": "normal"})["result"]

    def work(number: int) -> None:
        own = ask("open", path=":memory:")["result"]
        for n in range(20):
            for one in (handle, own):
                answers = [
                    ask("record", handle=one, item_id=f"i{n % 5}", at=1.7e9 + n * 100 + number),
                    ask("recommend", handle=one, k=3, at=1.8e9, reasons=1),
                ]
                wrong.extend(answer for answer in answers if "error" in answer)
        wrong.extend(answer for answer in [ask("stats", handle=own)] if answer["result"]["n_events"] != 20)
        ask("close", handle=own)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert ask("stats", handle=handle)["result"]["n_events"] == 160
    assert ask("close", handle=handle) == {"result": None}
    assert ask("stats", handle=handle)["error"]["kind"] == "ClosedError"


def test_all_that_is_open_is_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "_open", {})
    handles = [ask("open", path=":memory:")["result"] for _ in range(3)]
    assert ask("close_all") == {"result": 3}
    assert {ask("stats", handle=one)["error"]["kind"] for one in handles} == {"ClosedError"}
    assert ask("close_all") == {"result": 0}


def test_a_call_of_the_bridge_gives_what_python_gives(handle: int) -> None:
    with Recommender(":memory:") as rec:
        for n in range(30):
            event = {"item_id": f"i{n % 7}", "at": 1.7e9 + 5000 * n, "context": {"place": "home" if n % 2 else "work"}}
            rec.record(event["item_id"], at=event["at"], context=event["context"])
            ask("record", handle=handle, **event)
        slate = rec.recommend(5, at=1.71e9, context={"place": "home"})
        given = ask("recommend", handle=handle, k=5, at=1.71e9, context={"place": "home"}, reasons=2)["result"]
        assert [(r.item_id, r.score, r.propensity) for r in slate] == [
            (r["item_id"], r["score"], r["propensity"]) for r in given["items"]
        ]
        assert [[x.text for x in r.reasons[:2]] for r in slate] == [
            [x["text"] for x in r["reasons"]] for r in given["items"]
        ]


def test_an_encrypted_file_is_opened_with_its_key_and_gets_another(tmp_path: Path) -> None:
    pytest.importorskip("sqlcipher3")
    path, key, other = str(tmp_path / "me.db"), "0123456789abcdef" * 4, "f" * 64
    handle = ask("open", path=path, key=key)["result"]
    ask("record", handle=handle, item_id="tea", at=1.7e9)
    assert ask("rekey", handle=handle, key=other) == {"result": None}
    ask("close", handle=handle)
    assert ask("open", path=path, key=key)["error"]["kind"] == "WrongKeyError"
    handle = ask("open", path=path, key=other)["result"]
    assert ask("stats", handle=handle)["result"]["n_events"] == 1
    ask("close", handle=handle)


def test_a_damaged_log_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    path.write_bytes(b"no log at all" * 1000)
    assert ask("open", path=str(path))["error"]["kind"].endswith("Error")
    moved = ask("set_aside", path=str(path))["result"]
    assert Path(moved).read_bytes().startswith(b"no log")
    assert not path.exists()
