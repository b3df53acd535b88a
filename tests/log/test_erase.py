"""What was deleted leaves the file too, whatever stands in the way at first; F1, F3 and F5."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import recsys
from recsys.errors import StoreError
from recsys.log import Store, ballast, erase, scan
from recsys.log.connection import Writer
from recsys.log.erase import Erasure
from recsys.types import Event, Item
from tests.keyed import database, plain_only
from tests.log.examples import event, item, python

NEEDLE = "0123456789abcdef"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "me.db"


def told(path: Path) -> Store:
    """A store whose log holds the needle among others."""
    store = Store(path)
    store.append([event(number, f"item-{number % 7}") for number in range(200)], late=False)
    store.append([Event(201_000_000, NEEDLE, "secret-item")], late=False)
    return store


def failing(words: str) -> Callable[[Writer], None]:
    """A VACUUM that SQLite refuses with these words."""

    def vacuum(_: Writer) -> None:
        raise sqlite3.OperationalError(words)

    return vacuum


@contextmanager
def reader(path: Path) -> Iterator[sqlite3.Cursor]:
    """Somebody who reads the file as it is now."""
    with closing(database(path)) as db:
        db.execute("BEGIN")
        yield db.execute("SELECT COUNT(*) FROM events")


def found(path: Path) -> set[str]:
    """The files of the folder that hold the needle, as another process sees them."""
    code = (
        "import pathlib, sys\n"
        "for one in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    print(one.name if sys.argv[2].encode() in one.read_bytes() else '')"
    )
    with python("-c", code, path.parent, NEEDLE) as child:
        return {*child.communicate()[0].split()}


@plain_only
def test_deleting_alone_leaves_bytes_and_says_so_and_erasing_leaves_none(path: Path) -> None:
    with told(path) as store:
        assert found(path)
        deleted = store.delete(uids=[NEEDLE])
        assert deleted.needles == (NEEDLE,)
        assert store.erasure_pending()
        assert found(path), "planted: nothing has been erased yet"
        done = store.erase(deleted.needles)
        assert done.reason == ""
        assert done.n_files == 3
        assert done.size_bytes == sum(size for name, size in store.sizes().items() if name != "ballast")
        assert not store.erasure_pending()
        assert found(path) == set()
    assert found(path) == set()


def test_a_reader_keeps_an_erasure_pending_until_it_has_ended(path: Path) -> None:
    """F5."""
    with told(path) as store:
        with reader(path) as rows:
            rows.fetchone()
            store.delete(uids=[NEEDLE])
            assert store.erase([NEEDLE], wait_ms=0) == Erasure("reader", 0, 0)
            assert store.erasure_pending()
        assert store.erase([NEEDLE]).reason == ""
        assert not store.erasure_pending()
    assert found(path) == set()


def test_another_writer_keeps_it_pending(path: Path) -> None:
    with Store(path, busy_timeout_ms=0) as store, closing(database(path)) as other:
        store.append([event(1)], late=False)
        store.delete(everything=True)
        other.execute("BEGIN IMMEDIATE")
        assert store.erase().reason in {"reader", "busy"}, "who is in the way of emptying the WAL, SQLite does not say"
        assert store.erasure_pending()
        other.execute("ROLLBACK")
        assert store.erase().reason == ""


def test_what_is_pending_outlives_the_process(path: Path) -> None:
    with told(path) as store:
        store.delete(uids=[NEEDLE])
    with Store(path) as again:
        assert again.erasure_pending()
        assert again.erase([NEEDLE]).reason == ""
    with Store(path) as again:
        assert not again.erasure_pending()
    assert found(path) == set()


def test_what_cannot_be_finished_without_a_deletion_is_pending_too(path: Path) -> None:
    with told(path) as store, reader(path) as rows:
        rows.fetchone()
        store.append([event(300)], late=False)
        assert store.erase(wait_ms=0).reason == "reader"
        assert store.erasure_pending()


def test_an_erasure_waits_for_the_disk_and_the_store_goes_on_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = []
    vacuum = Writer.vacuum

    def watched(writer: Writer) -> None:
        levels.append(writer.cursor.execute("PRAGMA synchronous").fetchone()[0])
        vacuum(writer)

    monkeypatch.setattr(Writer, "vacuum", watched)
    with Store(path, synchronous="normal") as store:
        store.append([event(1)], late=False)
        store.delete(everything=True)
        assert store.erase().reason == ""
        levels.append(store._writer.cursor.execute("PRAGMA synchronous").fetchone()[0])
    assert levels == [2, 1], "full, then normal again"


@plain_only
def test_bytes_that_stay_are_found_and_the_erasure_stays_pending(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F7."""
    with told(path) as store:
        monkeypatch.setattr(Writer, "vacuum", lambda _: None)
        with store.transact():
            store.delete(uids=[NEEDLE])
        monkeypatch.setattr(Writer, "truncate_wal", lambda *_: True)
        assert store.erase([NEEDLE]).reason == "found"
        assert store.erasure_pending()
        monkeypatch.undo()
        assert store.erase([NEEDLE]).reason == ""


@pytest.mark.parametrize("place", ["item", "title", "tag", "context", "checkpoint"])
def test_a_text_that_a_row_still_holds_is_not_taken_for_a_residue(path: Path, place: str) -> None:
    with told(path) as store:
        store.delete(uids=[NEEDLE])
        if place == "context":
            store.append([event(400, context={"place": NEEDLE})], late=False)
        elif place == "checkpoint":
            store.save_checkpoint(event(199).key, 1, "basis", b"blob " + NEEDLE.encode())
        elif place == "item":
            store.put_items([item(NEEDLE)])
        elif place == "title":
            store.put_items([Item("x", f"about {NEEDLE}")])
        else:
            store.put_items([Item("x", tags=(NEEDLE,))])
        assert store.erase([NEEDLE]).reason == ""


@pytest.mark.parametrize("missing", [(), ("preadv",), ("preadv", "pread")], ids=str)
def test_the_scan_finds_a_needle_wherever_it_lies_across_what_is_read_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    monkeypatch.setattr(scan, "_CHUNK", 64)
    for name in missing:
        monkeypatch.delattr(os, name)
    path.touch()
    log = (path.stat().st_dev, path.stat().st_ino)
    try:
        for at in range(200):
            path.write_bytes(b"x" * at + NEEDLE.encode() + b"y" * (300 - at))
            assert scan.scan(str(path), [NEEDLE, "absent", "yyy"]) == ([NEEDLE, "yyy"], 1, 316), at
        assert scan.scan(str(path), []) == ([], 1, 316)
    finally:
        scan.let_go(log)


def test_scanning_drops_no_lock_of_this_process(path: Path) -> None:
    """To open and close the file would; another process could then write in the middle of a transaction."""
    code = (
        "import sqlite3, sys\n"
        "import tests\n"
        "from tests.keyed import database\n"
        "db = database(sys.argv[1], timeout_s=0)\n"
        "try:\n"
        "    db.execute('BEGIN IMMEDIATE')\n"
        "except Exception as error:\n"
        "    print('locked' in str(error))\n"
        "else:\n"
        "    print('not locked')"
    )
    with told(path) as store:
        store.erase([NEEDLE])
        with store.transact():
            scan.scan(str(path), [NEEDLE])
            with python("-c", code, path) as child:
                assert child.communicate()[0].strip() == "True"


def test_descriptors_are_let_go_when_the_last_store_of_the_file_is_closed(path: Path) -> None:
    """However its path is spelt."""
    alias = path.parent / "alias"
    alias.symlink_to(path.parent)
    with told(path) as store, Store(alias / path.name) as other:
        log = store._writer.file[:2]
        store.erase()
        assert scan._OPEN[log]
        other.close()
        assert scan._OPEN[log]
        with pytest.raises(StoreError, match="open in this process"):
            recsys.set_aside(alias / path.name)
    assert log not in scan._OPEN


def test_the_ballast_is_private_as_large_as_the_file_and_grows_with_it(path: Path) -> None:
    with told(path) as store:
        store.keep_ballast()
        held = path.with_name("me.db-ballast")
        first = held.stat()
        assert first.st_mode & 0o777 == 0o600
        assert first.st_size > path.stat().st_size
        store.keep_ballast()
        assert held.stat().st_size == first.st_size
        store.append([event(number, "x" * 500) for number in range(1000, 3000)], late=False)
        store.truncate_wal()
        store.keep_ballast()
        assert held.stat().st_size > path.stat().st_size > first.st_size
        assert store.give_ballast()
        assert not held.exists()
        assert not store.give_ballast()
        store.keep_ballast()
    assert held.exists()


def test_a_ballast_covers_the_wal_and_shrinks_with_the_file_and_takes_no_last_space(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = path.with_name("me.db-ballast")
    with Store(path) as store:
        for number in range(300):
            store.append([event(number, "x" * 3_000)], late=False)
        store.keep_ballast()
        assert held.stat().st_size > sum(size for name, size in store.sizes().items() if name in ("db", "wal"))
        store.delete(everything=True)
        store.erase()
        store.keep_ballast()
        assert held.stat().st_size < 8 * path.stat().st_size
        store.give_ballast()

        def keeps_what_it_got(descriptor: int, _: int, wanted: int) -> None:
            os.truncate(descriptor, wanted // 2)
            raise OSError(28, "no space")

        monkeypatch.setattr(ballast, "_reserve", keeps_what_it_got)
        store.keep_ballast()
        assert held.stat().st_size == 0


def test_a_ballast_that_cannot_be_had_is_gone_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(ballast, "_reserve", full)
    with told(path) as store:
        store.keep_ballast()
        assert store.delete(uids=[NEEDLE]).n_events == 1
        assert store.erase([NEEDLE]).reason == ""


def test_where_nothing_can_be_reserved_the_ballast_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with told(path) as store:
        store.keep_ballast()
        assert path.with_name("me.db-ballast").stat().st_size > path.stat().st_size


def test_a_full_disk_is_met_with_the_ballast_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vacuum, tries = Writer.vacuum, []

    def full_at_first(writer: Writer) -> None:
        tries.append(path.with_name("me.db-ballast").exists())
        if tries[-1]:
            raise sqlite3.OperationalError("database or disk is full")
        vacuum(writer)

    monkeypatch.setattr(Writer, "vacuum", full_at_first)
    with told(path) as store:
        store.keep_ballast()
        store.delete(uids=[NEEDLE])
        assert store.erase([NEEDLE]).reason == ""
        assert tries == [True, False]
        monkeypatch.setattr(Writer, "vacuum", failing("database or disk is full"))
        assert store.erase([NEEDLE]).reason == "full"
        assert store.erasure_pending()


def test_a_file_that_is_locked_just_then_is_busy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Writer, "vacuum", lambda _: (_ for _ in ()).throw(sqlite3.OperationalError("database is locked"))
    )
    with told(path) as store:
        assert store.erase().reason == "busy"


def test_every_reason_is_told(path: Path) -> None:
    assert {*erase.REASONS} == {
        "reader",
        "busy",
        "full",
        "failed",
        "found",
        "aside",
    }  # the last in tests/test_keeping.py
    with told(path) as store:
        db = database(path)
        db.execute("ALTER TABLE pending RENAME TO was_pending")
        db.close()
        assert store.erase().reason == "failed"


def test_in_memory_there_is_nothing_to_search() -> None:
    with Store(":memory:") as store:
        store.append([event(1)], late=False)
        store.delete(everything=True)
        assert store.erase() == Erasure("", 0, 0)
        store.keep_ballast()
        assert not store.give_ballast()


def test_the_words_of_a_consent_are_pending_from_the_moment_it_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Store(path) as store:
        store.put_consent("secret-purpose", 1)
        store.put_consent("another", 2)
        assert store.drop_consents("unknown") == 0
        assert not store.erasure_pending()
        assert store.drop_consents("secret-purpose") == 1
        assert store.erasure_pending(), "or a kill would leave them in the file"
        assert store.consents() == {"another": 2}
        assert not store.erase().reason
        assert store.drop_consents() == 1
        assert not store.erase().reason
    assert b"secret-purpose" not in path.read_bytes()
