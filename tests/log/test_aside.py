"""A damaged log is set aside whole and private, and goes with the next thing that is forgotten; R6."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import recsys
from recsys import BusyError, CorruptError, FullError, InputError, Recommender, StoreError, WrongKeyError
from recsys.log import Store
from recsys.log import aside as aside_module
from tests.log.examples import mode_of

JUNK = b"canary-5f2e" * 2_000
ROOT = Path(__file__).parents[2]
# Dies before the n-th step that changes a name or makes a file, as a kill would: nothing is cleaned up.
CUT_SHORT = """
import os, sys
from recsys.log import aside
left = int(sys.argv[2])
def step(event, arguments):
    global left
    if event in ("os.rename", "os.remove", "os.chmod") or event == "open" and "-aside-" in str(arguments[0]):
        left -= 1
        if left < 0:
            os._exit(9)
aside._is_damaged = lambda log, key: True
sys.addaudithook(step)
aside.set_aside(sys.argv[1])
"""
HELD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("SELECT COUNT(*) FROM events").fetchone()[0], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    path = tmp_path / "me.db"
    path.write_bytes(JUNK)
    path.chmod(0o644)
    path.with_name("me.db-wal").write_bytes(b"frames")
    with pytest.raises((CorruptError, StoreError)):
        Recommender(path)
    return path


def test_a_damaged_log_is_set_aside_and_a_new_one_begins(damaged: Path) -> None:
    aside = Path(recsys.set_aside(damaged))
    assert aside == damaged.with_name("me.db-aside-1")
    assert aside.read_bytes() == JUNK
    assert mode_of(aside) == 0o600
    assert aside.with_name("me.db-aside-1-wal").read_bytes() == b"frames"
    assert not damaged.exists()
    with Recommender(damaged) as rec:
        rec.record("a")
    assert aside.read_bytes() == JUNK, "nothing but a forget deletes it"
    damaged.write_bytes(JUNK)
    assert recsys.set_aside(damaged) == f"{damaged}-aside-2"


@pytest.mark.parametrize("how", [{"items": ["unknown"]}, {"everything": True}])
def test_what_was_set_aside_goes_with_what_is_forgotten(damaged: Path, how: dict[str, object]) -> None:
    recsys.set_aside(damaged)
    neighbours = [damaged.with_name(name) for name in ("me.db2-aside-1", "me.db-aside-notes.txt", "me.db-aside-1.bak")]
    for neighbour in neighbours:
        neighbour.write_bytes(JUNK)
    damaged.with_name("me.db-aside-3").mkdir()
    with Recommender(damaged) as rec:
        rec.record("a")
        receipt = rec.forget(**how)  # type: ignore[arg-type]
        assert (receipt.status, receipt.n_set_aside) == ("erased", 1)
        assert rec.forget(everything=True).n_set_aside == 0
    assert not [*damaged.parent.glob("me.db-aside-1*wal"), *damaged.parent.glob("me.db-aside-1")]
    assert [neighbour.read_bytes() for neighbour in neighbours] == [JUNK] * 3, "what is no log of ours is left alone"


def test_what_is_open_absent_or_no_file_is_not_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path) as rec:
        rec.record("a")
        with pytest.raises(StoreError, match="open in this process"):
            recsys.set_aside(path)
        assert rec.stats().n_events == 1
    link = tmp_path / "link.db"
    link.symlink_to(path)
    for wrong in (tmp_path / "absent.db", tmp_path):
        with pytest.raises(StoreError, match="no regular file"):
            recsys.set_aside(wrong)
    with pytest.raises(StoreError, match="symbolic link"):
        recsys.set_aside(link)
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(StoreError, match="empty"):
        recsys.set_aside(empty)
    with pytest.raises(InputError):
        recsys.set_aside("")
    assert path.exists()


def test_a_sound_log_is_not_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path) as rec:
        rec.record("a")
    with pytest.raises(StoreError, match="sound"):
        recsys.set_aside(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer"):
        Recommender(path)
    assert Path(recsys.set_aside(path)).exists()


def test_damage_in_the_middle_of_a_log_is_found(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path) as rec:
        rec.record_many([{"item_id": f"item-{n}", "at": 1_700_000_000 + n} for n in range(200)])
    content = bytearray(path.read_bytes())
    page = content.index(b"item-150") // 4096
    content[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    assert Path(recsys.set_aside(path)).read_bytes() == content


def test_an_encrypted_log_is_sound_to_who_gives_its_key(tmp_path: Path) -> None:
    pytest.importorskip("sqlcipher3")
    path, key = tmp_path / "me.db", b"k" * 32
    with Recommender(path, key=key) as rec:
        rec.record("a")
    with pytest.raises(StoreError, match="sound"):
        recsys.set_aside(path, key=key)
    with pytest.raises(InputError):
        recsys.set_aside(path, key=b"short")
    assert path.exists()
    content = path.read_bytes()
    assert Path(recsys.set_aside(path)).read_bytes() == content, "without the key it cannot be told from a damaged one"


def test_a_damaged_beginning_is_told_with_every_way_out(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path) as rec:
        rec.record("a")
    content = path.read_bytes()
    path.write_bytes(bytes(16) + content[16:])
    with pytest.raises(WrongKeyError, match=r"encrypted, or its beginning is damaged.*set_aside"):
        Recommender(path)
    path.write_bytes((bytes(16) + content[16:])[:-1])
    with pytest.raises(CorruptError, match=r"beginning is damaged.*set_aside"):
        Recommender(path)


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HELD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "1\n"
    try:
        yield
    finally:
        holder.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="there an open file cannot be renamed at all")
def test_a_log_that_another_process_has_open_is_not_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path) as rec:
        rec.record("a")
    with held_by_another_process(path):
        with pytest.raises(StoreError, match="sound"):
            recsys.set_aside(path)
        with path.open("r+b") as file:  # the other process goes on with what it has read
            file.write(bytes(16))
        with pytest.raises(BusyError, match="another process"):
            recsys.set_aside(path)
        assert [*tmp_path.glob("*aside*")] == []
    assert Path(recsys.set_aside(path)).exists()


@pytest.fixture
def broken_with_wal(tmp_path: Path) -> Path:
    """A log of one event in the file and one in its WAL, as a killed process leaves it, with a damaged beginning."""
    source, path = tmp_path / "source.db", tmp_path / "template" / "me.db"
    path.parent.mkdir()
    with Recommender(source) as rec:
        rec.record("a")
        for side in ("", "-wal"):
            shutil.copy(f"{source}{side}", f"{path}{side}")
    with path.open("r+b") as file:
        file.write(b"damaged!")
    with pytest.raises(StoreError):
        Recommender(path)
    return path


def test_killed_at_any_step_the_log_and_its_wal_stay_together(broken_with_wal: Path, tmp_path: Path) -> None:
    whole = {side: Path(f"{broken_with_wal}{side}").read_bytes() for side in ("", "-wal")}
    assert len(whole["-wal"]) > 4096
    n_kept = n_moved = 0
    for step in range(20):
        folder = tmp_path / f"step-{step}"
        shutil.copytree(broken_with_wal.parent, folder)
        path, moved = folder / "me.db", folder / "me.db-aside-1"
        ended = subprocess.run(
            [sys.executable, "-c", CUT_SHORT, str(path), str(step)], cwd=ROOT, check=False
        ).returncode
        assert ended in (0, 9)
        where = path if path.exists() else moved
        assert path.exists() is not moved.exists()
        assert {side: Path(f"{where}{side}").read_bytes() for side in whole} == whole
        n_kept += where is path
        n_moved += where is moved
        if where is path:
            moved = Path(recsys.set_aside(path))
        with Recommender(path) as rec:  # which deletes a WAL that was left behind, rather than reading it
            assert rec.stats().n_events == 0
            rec.record("b")
            assert {side: Path(f"{moved}{side}").read_bytes() for side in whole} == whole
            rec.forget(items=["b"])
            assert [*folder.glob("*-aside-*")] == []
        if ended == 0:
            break
    assert ended == 0
    assert n_kept >= 2
    assert n_moved >= 2


def test_without_room_for_the_wal_nothing_is_moved(broken_with_wal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: str) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:10])
        raise OSError(28, "full")

    before = {path.name: path.read_bytes() for path in broken_with_wal.parent.iterdir()}
    monkeypatch.setattr(aside_module, "_copy", full)
    with pytest.raises(FullError):
        recsys.set_aside(broken_with_wal)
    assert {path.name: path.read_bytes() for path in broken_with_wal.parent.iterdir()} == before


@pytest.mark.parametrize("side", ["-shm", "-ballast"])
def test_a_link_beside_a_sound_log_is_no_damage(tmp_path: Path, side: str) -> None:
    path = tmp_path / "me.db"
    Store(path).close()
    (tmp_path / f"me.db{side}").unlink(missing_ok=True)
    (tmp_path / f"me.db{side}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic link"):
        recsys.set_aside(path)
    assert path.exists()


def test_a_sound_plain_log_is_not_moved_for_the_sake_of_a_key(tmp_path: Path) -> None:
    pytest.importorskip("sqlcipher3")
    path = tmp_path / "me.db"
    Store(path).close()
    with pytest.raises(StoreError, match="sound"):
        recsys.set_aside(path, key=bytes(32))
    assert path.exists()


def test_want_of_file_descriptors_is_no_damage(tmp_path: Path) -> None:
    """Every number of free descriptors at which a log cannot be opened."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "me.db"
    Store(path).close()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = Path("/proc/self/fd")
    if not open_now.is_dir():
        pytest.skip("the system does not say how many descriptors are open")
    used = len([*open_now.iterdir()])
    try:
        for free in range(12):
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + free, before[1]))
            with pytest.raises(StoreError):
                recsys.set_aside(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert path.exists()
