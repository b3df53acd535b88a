"""A file is created private, and what is not ours is refused with not a byte changed."""

from __future__ import annotations

import os
import sqlite3
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.errors import CorruptError, InputError, StoreError, VersionError
from recsys.log import APPLICATION_ID, SCHEMA_VERSION, Store, opening, schema
from tests.keyed import plain_only
from tests.log.examples import compact, digests, event, foreign, made, mode_of, python, tamper

PLANTS = {
    "trigger": "CREATE TRIGGER t AFTER DELETE ON events BEGIN INSERT INTO items VALUES (OLD.uid, '', '', '', 0); END",
    "view": "CREATE VIEW v AS SELECT * FROM events",
    "index": "CREATE INDEX i ON events (item_id)",
    "table": "CREATE TABLE shadow (uid TEXT)",
    "statistics": "ANALYZE",
    "column": "ALTER TABLE items ADD COLUMN more TEXT",
    "missing table": "DROP TABLE checkpoints",
}


@pytest.fixture(params=[0o000, 0o022], ids=["umask 000", "umask 022"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_every_file_that_is_made_is_private(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        store.append([event(1)], late=False)
        list(store.events())
        compact(store)
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["me.db", "me.db-shm", "me.db-wal"]
        assert {mode_of(tmp_path / name) for name in names} == {0o600}
    assert [path.name for path in tmp_path.iterdir()] == ["me.db"]
    assert mode_of(tmp_path / "me.db") == 0o600


@pytest.mark.usefixtures("umask")
def test_sqlite_alone_would_have_made_a_public_file(tmp_path: Path) -> None:
    tamper(tmp_path / "me.db", "CREATE TABLE t (x)")
    assert mode_of(tmp_path / "me.db") & 0o077 != 0


def test_an_empty_file_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "me.db").touch()
    made(tmp_path / "me.db", event(1))
    with Store(tmp_path / "me.db") as store:
        assert store.n_events() == 1


@pytest.mark.parametrize("side", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("dangling", [False, True])
def test_a_symbolic_link_is_refused_and_its_victim_unchanged(tmp_path: Path, side: str, dangling: bool) -> None:
    victim = tmp_path / "victim"
    if not dangling:
        victim.write_bytes(b"precious")
    (tmp_path / ("me.db" + side)).symlink_to(victim)
    with pytest.raises(StoreError, match="symbolic link"):
        Store(tmp_path / "me.db")
    assert victim.exists() is not dangling
    assert dangling or victim.read_bytes() == b"precious"


def test_sqlite_alone_would_have_followed_the_link(tmp_path: Path) -> None:
    (tmp_path / "me.db").symlink_to(tmp_path / "victim")
    tamper(tmp_path / "me.db", "CREATE TABLE t (x)")
    assert (tmp_path / "victim").stat().st_size > 0


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_not_a_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "me.db"
    if kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(StoreError, match="regular file"):
        Store(path)


@pytest.mark.parametrize("path", ["", "a\0b", b"bytes", 7, None])
def test_a_path_that_is_none_is_the_callers_mistake(path: object) -> None:
    with pytest.raises(InputError) as caught:
        Store(path)
    assert caught.value.field == "path"


@pytest.mark.parametrize("option", [{"synchronous": "off"}, {"busy_timeout_ms": -1}, {"busy_timeout_ms": True}])
def test_an_option_out_of_range_is_the_callers_mistake(tmp_path: Path, option: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        Store(tmp_path / "me.db", **option)
    assert caught.value.field == next(iter(option))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "none" / "me.db")
    assert str(tmp_path) not in str(caught.value)


def test_a_path_may_hold_what_means_something_in_an_address(tmp_path: Path) -> None:
    path = tmp_path / "50% off?mode=memory#x & 'quotes' ü.db"
    made(path, event(1))
    assert path.stat().st_size > 0
    with Store(path) as store:
        assert [found.uid for found in store.events()] == [event(1).uid]


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_object_is_refused_and_not_a_byte_changes(tmp_path: Path, plant: str) -> None:
    path = tamper(made(tmp_path / "me.db", event(1)), PLANTS[plant])
    before = digests(path)
    with pytest.raises(StoreError, match="schema is not the one recsys made"):
        Store(path)
    assert digests(path) == before


@plain_only
@pytest.mark.parametrize("plant", ["trigger", "view"])
def test_a_planted_object_is_refused_while_it_still_lies_in_the_wal(tmp_path: Path, plant: str) -> None:
    path = made(tmp_path / "me.db", event(1))
    db = sqlite3.connect(path)
    db.execute(PLANTS[plant])
    copy = tmp_path / "copy.db"
    for side in ("", "-wal"):
        (tmp_path / f"copy.db{side}").write_bytes((tmp_path / f"me.db{side}").read_bytes())
    db.close()
    before = digests(copy)
    with pytest.raises(StoreError, match=plant):
        Store(copy)
    after = digests(copy)
    assert {name: after[name] for name in before} == before


def test_a_file_of_another_application_is_refused_and_not_a_byte_changes(tmp_path: Path) -> None:
    for application_id in (0, 252006673):
        path = foreign(tmp_path / f"{application_id}.db", "CREATE TABLE t (x)", application_id=application_id)
        before = digests(path)
        with pytest.raises(StoreError, match="another application"):
            Store(path)
        assert digests(path) == before


def test_a_newer_version_is_refused_and_not_a_byte_changes(tmp_path: Path) -> None:
    path = tamper(made(tmp_path / "me.db", event(1)), f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = digests(path)
    with pytest.raises(VersionError, match="newer recsys"):
        Store(path)
    assert digests(path) == before


def test_a_version_that_never_was_is_refused(tmp_path: Path) -> None:
    path = tamper(made(tmp_path / "me.db", event(1)), "PRAGMA user_version = 0")
    before = digests(path)
    with pytest.raises(StoreError, match="schema version"):
        Store(path)
    assert digests(path) == before


@plain_only
@pytest.mark.parametrize(
    "content", [b"!", b"not a database at all", b"SQLite format 3\0", b"\0" * 5000, os.urandom(4095)]
)
def test_what_is_no_database_is_refused_and_not_a_byte_changes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "me.db"
    path.write_bytes(content)
    before = digests(path)
    with pytest.raises(CorruptError):
        Store(path)
    assert digests(path) == before


def test_a_sound_file_is_opened_and_closed_without_a_change(tmp_path: Path) -> None:
    path = made(tmp_path / "me.db", event(1))
    before = digests(path)
    Store(path).close()
    assert digests(path) == before


def test_a_file_left_by_a_killed_process_is_opened_with_all_that_was_committed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from recsys.log import Store; from tests.log.examples import event;"
        "store = Store(sys.argv[1]); store.append([event(1), event(2)], late=False); os.kill(os.getpid(), 9)"
    )
    with python("-c", code, tmp_path / "me.db") as child:
        assert child.wait() == -9
    assert (tmp_path / "me.db-wal").stat().st_size > 0
    with Store(tmp_path / "me.db") as store:
        assert store.n_events() == 2


def test_a_file_replaced_while_it_is_being_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "me.db", event(1))
    other = made(tmp_path / "other.db", event(2))
    examine = opening._examine_untouched

    def replace(*arguments: object) -> None:
        examine(*arguments)
        path.unlink()
        path.symlink_to(other)

    monkeypatch.setattr(opening, "_examine_untouched", replace)
    with pytest.raises(StoreError, match="replaced"):
        Store(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not move a file that is open")
@pytest.mark.parametrize("how", ["moved", "replaced", "deleted"])
def test_a_file_that_no_longer_stands_at_its_path_is_not_written_to(tmp_path: Path, how: str) -> None:
    path = tmp_path / "me.db"
    with Store(path) as store:
        store.append([event(1)], late=False)
        if how == "replaced":
            made(tmp_path / "other.db", event(2)).replace(path)
        elif how == "moved":
            path.rename(tmp_path / "elsewhere.db")
        else:
            path.unlink()
        with pytest.raises(StoreError, match="open it again"):
            store.append([event(3)], late=False)
        if how == "moved":
            (tmp_path / "elsewhere.db").rename(path)
            store.append([event(3)], late=False)


def test_many_threads_may_create_the_same_file(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def create(number: int) -> None:
        try:
            with Store(tmp_path / "me.db", synchronous="normal") as store:
                store.append([event(number)], late=True)
        except BaseException as error:  # noqa: BLE001  whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Store(tmp_path / "me.db") as store:
        assert store.n_events() == 8


@pytest.mark.parametrize("name", [*opening.PRAGMAS, *opening.WRITER_PRAGMAS, "synchronous", "journal_mode"])
def test_every_pragma_in_the_table_is_in_force(tmp_path: Path, name: str) -> None:
    values = {"ON": 1, "OFF": 0, "MEMORY": 2}
    wanted = {**opening.PRAGMAS, **opening.WRITER_PRAGMAS, "synchronous": 2, "journal_mode": "wal"}[name]
    with Store(tmp_path / "me.db") as store:
        connections = [store._writer.db]
        list(store.events())
        if name in opening.PRAGMAS:
            connections += [reader.db for reader in store._readers._all]
            assert len(connections) == 2
        for db in connections:
            assert db.execute(f"PRAGMA {name}").fetchone()[0] == values.get(wanted, wanted)


@plain_only
def test_no_further_file_can_be_attached(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        if not hasattr(store._writer.db, "setlimit"):
            pytest.skip("limits need Python 3.11")
        compact(store)
        with pytest.raises(sqlite3.OperationalError, match="too many attached"):
            store._writer.db.execute("ATTACH ':memory:' AS other")


def test_a_reading_connection_cannot_write(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        list(store.events())
        (reader,) = store._readers._all
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.db.execute("DELETE FROM events")


@plain_only
def test_the_tables_remember_nothing_of_their_own(tmp_path: Path) -> None:
    path = made(tmp_path / "me.db", event(1))
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    rows = db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    assert rows == [("table", name, text) for name, text in sorted(schema.TABLES[SCHEMA_VERSION].items())]
    assert all(text.endswith("WITHOUT ROWID") and "AUTOINCREMENT" not in text for _, _, text in rows)
    db.close()


@pytest.mark.parametrize("torn", [False, True])
def test_a_file_whose_making_was_cut_short_is_made_anew(tmp_path: Path, torn: bool) -> None:
    """R1: killed after the first page was written and before the journal was gone; or that page is half on the disk."""
    path, journal = tmp_path / "me.db", tmp_path / "me.db-journal"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    page = path.read_bytes()
    path.write_bytes(bytes(512) + page[512:] if torn else page)
    # Its magic; records, nonce, pages before the change: none of each; sector and page size.
    header = bytes.fromhex("d9d505f920a163d7") + struct.pack(">5I", 0, 0, 0, 512, 4096)
    journal.write_bytes(header.ljust(512, b"\0"))
    with Store(path) as store:
        assert store.append([event(1)], late=False) == [event(1)]
    assert not journal.exists()


def test_a_journal_of_a_file_that_had_pages_hides_nothing(tmp_path: Path) -> None:
    """A file of another application is refused with a journal beside it too, and both are left as they were."""
    path, journal = foreign(tmp_path / "me.db", "CREATE TABLE t (x)", application_id=7), tmp_path / "me.db-journal"
    header = bytes.fromhex("d9d505f920a163d7") + struct.pack(">5I", 0, 0, 2, 512, 4096)
    journal.write_bytes(header.ljust(512, b"\0"))
    before = digests(path)
    with pytest.raises(StoreError):
        Store(path)
    assert digests(path) == before
