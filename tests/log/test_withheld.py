"""A file in which nothing may be written is looked at without changing a byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recsys.errors import StoreError
from recsys.log import Store, withheld
from tests.keyed import KEY
from tests.log.examples import event, foreign, item, made, shown


def died(folder: Path) -> Path:
    """What a process leaves that dies with all it wrote still in the WAL."""
    (folder / "dead").mkdir()
    with Store(folder / "me.db") as store:
        store.put_items([item("a")])
        store.append([event(1), shown(2, "a", "b"), event(3)], late=False)
        store.save_checkpoint(event(3).key, 3, "basis", b"blob")
        store.put_consent("reading", 5)
        for name in ("me.db", "me.db-wal"):
            shutil.copy(folder / name, folder / "dead" / name)
    return folder / "dead" / "me.db"


def content(path: Path) -> list[bytes]:
    return [path.read_bytes(), path.with_name("me.db-wal").read_bytes()]


def test_what_stands_in_the_wal_of_a_dead_process_is_seen_and_stays_there(tmp_path: Path) -> None:
    path = died(tmp_path)
    before = content(path)
    assert withheld.seen(str(path), KEY) == (True, False)
    with Store.copy_of(str(path), key=KEY) as copy, Store(tmp_path / "me.db") as store:
        assert [*copy.events()] == [*store.events()]
        assert [*copy.items()] == [*store.items()]
        assert (copy.checkpoints(), copy.consents()) == (store.checkpoints(), store.consents())
        assert copy.sizes()["db"] == 0, "it is in memory"
    assert {severity for severity, *_ in withheld.findings(str(path), KEY)} == {"ok"}
    assert content(path) == before
    Store(path).close()
    assert path.read_bytes() != before[0], "as opening it would have been noticed"


def test_a_pending_erasure_is_seen(tmp_path: Path) -> None:
    path = made(tmp_path / "me.db", event(1), event(2))
    with Store(path) as store:
        store.delete(uids=[event(1).uid])
        assert withheld.seen(str(path), KEY) == (False, True), "while another has it open, too"
    assert withheld.seen(str(tmp_path / "none.db"), KEY) == (False, False)


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        withheld.seen(str(foreign(tmp_path / "me.db", "CREATE TABLE t (x)", application_id=7)), KEY)
    (tmp_path / "link.db").symlink_to(made(tmp_path / "real.db", event(1)))
    with pytest.raises(StoreError, match="symbolic link"):
        withheld.seen(str(tmp_path / "link.db"), KEY)
