"""Every schema there ever was is upgraded on opening, in one step, to what a fresh file has."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from recsys.errors import CheckpointError
from recsys.log import SCHEMA_VERSION, Store, schema
from recsys.types import Event, Item
from tests.keyed import plain_only
from tests.log.examples import compact, digests, event, foreign, made, python, tamper
from tests.log.old import make_v1, make_v2, make_v3

pytestmark = plain_only  # the old files are

OLD = Path(__file__).with_name("old")

EVENTS = [
    Event(1_000_000, "00000000000000a1", "kind-of-blue", "play"),
    Event(2_000_000, "00000000000000a2", "Robert'); DROP TABLE events;--", context={"place": "home"}),
    Event(
        3_000_000,
        "00000000000000a3",
        "",
        "shown",
        slate="slate-1",
        shown=(("kind-of-blue", 0, 0.5), ("naïve 🎷", 1, 0.25)),
    ),
    Event(3_500_000, "00000000000000a4", "naïve 🎷", "click", 0, 2.5, {"hot": True, "place": "büro"}, "slate-1"),
    Event(3_500_000, "00000000000000a5", "kind-of-blue", "skip", value=-0.0),
]
OFFSETS = {1: (0, 0, 0, 0, 0), 2: (60, 60, 60, -90, 0), 3: (60, 60, 60, -90, 0)}
ITEMS = [(Item("kind-of-blue", "Kind of Blue", ("jazz", "modal"), {"year": 1959}), False), (Item("naïve 🎷"), True)]


@pytest.fixture(params=sorted(OFFSETS))
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def old(tmp_path: Path, version: int) -> Path:
    return Path(shutil.copy(OLD / f"v{version}.db", tmp_path / "old.db"))


def events_of(version: int) -> list[Event]:
    return [replace(e, offset_min=offset) for e, offset in zip(EVENTS, OFFSETS[version], strict=True)]


def schema_of(path: Path) -> tuple[object, ...]:
    db = sqlite3.connect(path)
    rows = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
    numbers = [db.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id", "page_size")]
    db.close()
    return (rows, numbers)


def test_every_old_version_has_its_file() -> None:
    assert sorted(schema.TABLES) == [*range(1, SCHEMA_VERSION + 1)]
    assert {path.name for path in OLD.glob("*.db")} == {f"v{version}.db" for version in range(1, SCHEMA_VERSION)}


@pytest.mark.parametrize(("name", "script"), [("v1.db", make_v1), ("v2.db", make_v2), ("v3.db", make_v3)])
def test_an_old_file_is_what_its_script_makes(tmp_path: Path, name: str, script: ModuleType) -> None:
    script.make(tmp_path / name)
    dumps = []
    for path in (tmp_path / name, OLD / name):
        db = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
        dumps.append([*db.iterdump(), db.execute("PRAGMA user_version").fetchone()])
        db.close()
    assert dumps[0] == dumps[1]


def test_an_old_version_becomes_what_a_fresh_file_is(tmp_path: Path, old: Path, version: int) -> None:
    with Store(old) as store:
        assert list(store.events()) == events_of(version)
        assert list(store.items()) == ITEMS
        assert {severity for severity, _, _ in store.check()} == {"ok"}
        if version == 1:  # its checkpoints had no basis, and such a cache is of no use
            assert store.checkpoints() == []
            with pytest.raises(CheckpointError):
                store.load_checkpoint(EVENTS[1].key)
        else:
            assert store.checkpoints() == [(EVENTS[1].key, 2, "a basis", 6)]
    assert schema_of(old) == schema_of(made(tmp_path / "fresh.db"))


def test_an_upgraded_file_equals_one_that_was_always_new(tmp_path: Path, old: Path, version: int) -> None:
    with Store(old) as store:
        store.drop_checkpoints()
        compact(store)
    with Store(tmp_path / "new.db") as store:
        store.append(events_of(version), late=False)
        store.put_items([item for item, _ in ITEMS])
        store.drop_items([ITEMS[1][0].id], keep_tombstone={ITEMS[1][0].id})
        compact(store)
    rows = []
    for path in (old, tmp_path / "new.db"):
        db = sqlite3.connect(path)
        rows.append(list(db.iterdump()))
        db.close()
    assert rows[0] == rows[1]


def test_an_upgrade_happens_once(old: Path) -> None:
    Store(old).close()
    before = digests(old)
    Store(old).close()
    assert digests(old) == before


def test_an_old_file_with_a_planted_trigger_is_refused_and_not_a_byte_changes(old: Path) -> None:
    tamper(old, "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM items; END")
    before = digests(old)
    with pytest.raises(OSError, match="trigger"):
        Store(old)
    assert digests(old) == before


def test_an_old_file_cannot_pass_for_a_new_one(tmp_path: Path) -> None:
    path = foreign(tmp_path / "me.db", *schema.TABLES[1].values(), "PRAGMA user_version = 2")
    with pytest.raises(OSError, match="schema"):
        Store(path)


@pytest.mark.parametrize(
    ("version", "step"), [(old, step) for old in OFFSETS for step in range(len(schema._steps(old)) + 1)]
)
@pytest.mark.parametrize("how", ["error", "kill"])
def test_an_interrupted_upgrade_leaves_the_old_file_or_the_new_one(
    old: Path, monkeypatch: pytest.MonkeyPatch, version: int, step: int, how: str
) -> None:
    if how == "error":
        steps = schema._steps(version)
        monkeypatch.setattr(schema, "_steps", lambda _: [*steps[:step], "SELECT no_such_function()", *steps[step:]])
        with pytest.raises(OSError, match="file"):
            Store(old)
        monkeypatch.undo()
    else:
        assert killed_at(old, version, step) == -signal.SIGKILL
    db = sqlite3.connect(old)
    assert db.execute("PRAGMA user_version").fetchone() == (version,)
    assert db.execute("SELECT COUNT(*) FROM checkpoints").fetchone() == (1,)
    db.close()
    with Store(old) as store:
        assert list(store.events()) == events_of(version)


def killed_at(path: Path, version: int, step: int) -> int:
    """Open the file in a process that dies after so many statements of the upgrade; how it ended."""
    code = """
import os, sys
from recsys.log import Store, opening, schema

steps, step = schema._steps(int(sys.argv[2])), int(sys.argv[3])
def prepare(db):
    db.create_function("die", 0, lambda: os.kill(os.getpid(), 9))
    schema._steps = lambda _: [*steps[:step], "SELECT die()", *steps[step:]]
    real(db)
real, schema.prepare = schema.prepare, prepare
Store(sys.argv[1])
"""
    with python("-c", code, path, str(version), str(step)) as child:
        return child.wait()


def test_two_processes_may_upgrade_the_same_file_at_once(old: Path) -> None:
    code = "import sys; from recsys.log import Store; s = Store(sys.argv[1]); print(s.n_events()); s.close()"
    children = [python("-c", code, old) for _ in range(3)]
    assert [child.communicate()[0].strip() for child in children] == [str(len(EVENTS))] * 3
    assert [child.returncode for child in children] == [0] * 3


def test_an_upgraded_log_goes_on(old: Path) -> None:
    with Store(old) as store:
        assert store.append([event(9)], late=False) == [event(9)]
        assert store.newest() == event(9).key
