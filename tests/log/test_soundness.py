"""A sound file is told from a damaged one, and no damage brings the process down or a raw error up."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from recsys.errors import BusyError, ClosedError, CorruptError, FullError, InputError, RecsysError, StoreError
from recsys.log import Store
from recsys.log.failure import translated
from recsys.types import Item
from tests.log.examples import compact, event, item, made, shown, tamper

WHATS = ["pages", "schema", "events", "slates", "items", "checkpoints", "stages", "releases"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made(tmp_path / "me.db", event(1, context={"a": 1}), shown(2, "a", "b"), event(3))
    with Store(tmp_path / "me.db") as store:
        store.put_items([Item("a", "A", ("x",), {"n": 1}), item("b")])
        store.save_checkpoint(event(3).key, 3, "basis", b"blob")
    return tmp_path / "me.db"


def test_a_sound_file_is_sound_in_every_respect(path: Path) -> None:
    with Store(path) as store:
        assert store.check() == [("ok", what, "sound") for what in WHATS]


FAULTS = {
    "slates": "DELETE FROM events WHERE kind = 'shown'",
    "items": "UPDATE items SET attributes = '{'",
    "events": "UPDATE events SET context = '[]' WHERE context IS NOT NULL",
    "checkpoints": "DELETE FROM events WHERE at_us = 3000000",
    "stages": "INSERT INTO stages VALUES (1, 99000000000, 'a basis', x'00')",
    "releases": "INSERT INTO releases VALUES (2, 'q', '1/2', 0, x'7b7d')",
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_planted_fault_is_found_where_it_is(path: Path, what: str) -> None:
    tamper(path, FAULTS[what])
    with Store(path) as store:
        assert [name for severity, name, _ in store.check() if severity != "ok"] == [what]


def test_two_events_of_one_slate_are_found(path: Path) -> None:
    tamper(
        path,
        "INSERT INTO events VALUES (9, 'x', 0, '', 'shown', NULL, NULL, 'slate-2')",
    )
    with Store(path) as store:
        assert ("error", "slates") in [found[:2] for found in store.check()]


def test_a_trigger_planted_after_opening_is_found(path: Path) -> None:
    with Store(path) as store:
        tamper(path, "CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM events; END")
        assert [found[:2] for found in store.check() if found[0] != "ok"] == [("error", "schema")]


def test_no_finding_carries_content(tmp_path: Path) -> None:
    canary = "canary-5f2e"
    path = made(tmp_path / "me.db", event(1, canary, canary, context={canary: canary}))
    tamper(path, "UPDATE events SET offset_min = 9999", f"INSERT INTO items VALUES ('{canary}', x'00', NULL, NULL, 0)")
    with Store(path) as store:
        findings = store.check()
        assert [found[1] for found in findings if found[0] != "ok"] == ["events", "items"]
        assert canary not in repr(findings)
        for call in (lambda: list(store.events()), lambda: store.item(canary), lambda: list(store.items())):
            with pytest.raises(CorruptError) as caught:
                call()
            assert canary not in f"{caught.value}{caught.value!r}"


def test_any_damage_to_the_bytes_ends_in_an_error_of_ours_or_in_none(path: Path) -> None:
    with Store(path) as store:  # more in it, so that most bytes mean something
        store.append([event(number, context={"place": "home"}) for number in range(20, 400)], late=True)
        compact(store)
    sound = path.read_bytes()
    n_refused = n_found = n_unnoticed = 0
    for seed in range(150):
        chance = random.Random(seed)
        damaged = bytearray(sound)
        for _ in range(chance.choice([1, 4, 64])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            with Store(path, busy_timeout_ms=0) as store:
                n_found += any(severity == "error" for severity, *_ in store.check())
                for call in (
                    lambda: list(store.events()),
                    lambda: list(store.items()),
                    store.checkpoints,
                    store.newest,
                    lambda: store.find([event(3).uid]),
                    lambda: store.append([event(9)], late=True),
                    lambda: store.delete(items=["a"]),
                    lambda: store.put_items([item("c")]),
                    lambda: compact(store),
                ):
                    try:
                        call()
                    except RecsysError:
                        n_found += 1
        except StoreError:
            n_refused += 1
        else:
            n_unnoticed += 1
    assert n_refused > 10
    assert n_found > 10
    assert n_refused + n_unnoticed == 150


def raised(code: int, words: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(words)
    if code:
        error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "words", "wanted"),
    [
        (5, "database is locked", BusyError),
        (517, "database is locked", BusyError),
        (6, "database table is locked", BusyError),
        (13, "database or disk is full", FullError),
        (4874, "disk I/O error", FullError),
        (11, "database disk image is malformed", CorruptError),
        (26, "file is not a database", CorruptError),
        (778, "disk I/O error", StoreError),
        (8, "attempt to write a readonly database", StoreError),
        (14, "unable to open database file", StoreError),
        (1, "no such table: x", StoreError),
        (1, "Could not decode to UTF-8 column 'x' with text 'secret'", CorruptError),
    ],
)
def test_an_error_of_sqlite_is_translated_by_its_code_and_without_one_by_its_words(
    code: int, words: str, wanted: type[StoreError]
) -> None:
    for error in (raised(code, words), *([raised(0, words)] if code != 4874 else [])):
        ours = translated(error)
        assert type(ours) is wanted
        assert words not in str(ours)
        assert "secret" not in str(ours)


def test_other_errors_are_translated_too() -> None:
    assert type(translated(sqlite3.ProgrammingError("Cannot operate on a closed database."))) is ClosedError
    assert type(translated(sqlite3.DataError("string or blob too big"))) is InputError
    assert type(translated(OSError(28, "No space left on device", "/secret/path"))) is FullError
    assert type(translated(OSError(13, "Permission denied", "/secret/path"))) is StoreError
    assert "secret" not in str(translated(OSError(2, "No such file", "/secret/path")))
    ours = BusyError("x")
    assert translated(ours) is ours
