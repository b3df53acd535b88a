"""Encryption at rest: nothing readable in any file, no wrong key changes one, no damaged byte goes unnoticed."""

from __future__ import annotations

import gc
import hashlib
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from recsys import Recommender, Settings
from recsys.errors import (
    BusyError,
    CorruptError,
    FullError,
    InputError,
    MissingExtraError,
    RecsysError,
    StoreError,
    WrongKeyError,
)
from recsys.log import Store, cipher, opening
from recsys.log.cipher import Cipher
from tests.keyed import database, needs_cipher
from tests.log.examples import ROOT, compact, event, item, python, shown
from tests.properties.eyes import rebuilt_bytes, state_bytes

KEY = hashlib.sha256(b"the key").digest()
OTHER = hashlib.sha256(b"another key").digest()
PAGE = 4096


def filled(path: Path, key: bytes | None = KEY, n: int = 300) -> Path:
    """A file with events, a slate, items and a checkpoint, closed."""
    with Store(path, synchronous="normal", key=key) as store:
        store.append(
            [event(number, f"item-{number}", context={"place": "needle-home"}) for number in range(n)], late=False
        )
        store.append([shown(n, "a", "b")], late=False)
        store.put_items([item(f"item-{number}") for number in range(60)])
        store.save_checkpoint(event(7).key, 8, "basis", random.Random(0).randbytes(9_000))
        compact(store)
    return path


def content(store: Store) -> tuple[object, ...]:
    """All that is in it, and what its own check says."""
    checkpoints = store.checkpoints()
    blobs = [store.load_checkpoint(key) for key, *_ in checkpoints]
    findings = {severity for severity, *_ in store.check()}
    return list(store.events()), list(store.items()), checkpoints, blobs, findings - {"ok"}


def folder_digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Require that no byte in the folder changes and that no file is made or removed."""
    before = folder_digests(folder)
    yield
    assert folder_digests(folder) == before


def told(error: BaseException) -> str:
    """All that an error shows of itself."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)) + f"{error}{error!r}"


def mentions(text: str, *keys: bytes) -> bool:
    """Whether the text has a key in it, in any form in which one is written down."""
    forms = [form for key in keys for form in (key.hex(), key.hex().upper(), repr(key)[2:-1], str(list(key))[1:-1])]
    return any(form in text for form in forms)


def live_wal(folder: Path, key: bytes | None = KEY) -> Path:
    """A file as a killed process left it: with a -wal and a -shm, and more in the -wal than in the file."""
    folder.mkdir(exist_ok=True)
    code = (
        "import os, sys; from recsys.log import Store; from tests.log.examples import event;"
        "store = Store(sys.argv[1], key=bytes.fromhex(sys.argv[2]) or None);"
        "store.append([event(n) for n in range(40)], late=False); os.kill(os.getpid(), 9)"
    )
    with python("-c", code, folder / "me.db", (key or b"").hex()) as child:
        assert child.wait() == -signal.SIGKILL
    assert (folder / "me.db-wal").stat().st_size > PAGE
    return folder / "me.db"


# -- the key --------------------------------------------------------------------


def _raises() -> bytes:
    raise LookupError(KEY.hex())


BAD_KEYS: dict[str, object] = {
    "too short": KEY[:31],
    "too long": KEY + b"!",
    "empty": b"",
    "text": KEY.hex(),
    "bytearray": bytearray(KEY),
    "memoryview": memoryview(KEY),
    "number": 7,
    "true": True,
    "callable that raises": _raises,
    "callable with nothing": lambda: None,
    "callable with too little": lambda: KEY[:16],
    "callable with text": KEY.hex,
    "callable with a callable": lambda: lambda: KEY,
    "callable that wants something": lambda _: KEY,
}


@pytest.mark.parametrize("what", BAD_KEYS)
@pytest.mark.parametrize("opens", [Store, Recommender])
def test_a_key_that_is_none_is_refused_before_a_file_is_made(
    tmp_path: Path, what: str, opens: Callable[..., object]
) -> None:
    with pytest.raises(InputError) as caught:
        opens(tmp_path / "me.db", key=BAD_KEYS[what])
    assert caught.value.field == "key"
    assert not mentions(told(caught.value), KEY, KEY[:31], KEY[:16])
    assert list(tmp_path.iterdir()) == []


def test_a_key_in_a_message_would_be_noticed() -> None:
    for form in (KEY.hex(), repr(KEY), str(list(KEY)), f"{BAD_KEYS} {KEY.hex().upper()}"):
        assert mentions(told(ValueError(form)), KEY)


def test_what_a_callable_raised_is_named_and_can_be_looked_up() -> None:
    with pytest.raises(InputError, match="LookupError") as caught:
        Cipher(_raises)
    assert isinstance(caught.value.__context__, LookupError)

    def interrupted() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cipher(interrupted)


@needs_cipher
def test_a_callable_is_asked_once(tmp_path: Path) -> None:
    asked = []

    def key() -> bytes:
        asked.append(1)
        return KEY

    with Store(tmp_path / "me.db", key=key) as store:
        store.append([event(1)], late=False)
        with store.transact():
            assert [*store.events()] == [event(1)]
        assert [*store.events()] == [event(1)]
    assert asked == [1]
    with Store(tmp_path / "me.db", key=KEY) as store:
        assert store.n_events() == 1


def test_without_sqlcipher_the_extra_is_named_and_no_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sqlcipher3", None)
    with pytest.raises(MissingExtraError, match="encrypted"):
        Recommender(tmp_path / "me.db", key=KEY)
    assert list(tmp_path.iterdir()) == []


def test_an_sqlite_that_cannot_encrypt_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cipher, "_driver", lambda: sqlite3)
    with pytest.raises(MissingExtraError):
        Store(tmp_path / "me.db", key=KEY)
    assert (tmp_path / "me.db").read_bytes() == b""


def test_without_a_key_nothing_of_it_is_loaded() -> None:
    code = (
        "import sys; from recsys import Recommender; rec = Recommender(':memory:', key=None); rec.record('a');"
        "rec.close(); print([name for name in sys.modules if 'cipher' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@needs_cipher
def test_in_memory_a_key_is_taken_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store(":memory:", key=KEY) as store:
        store.append([event(1)], late=False)
        store.rekey(OTHER)
        assert [*store.events()] == [event(1)]
        assert {severity for severity, *_ in store.check()} == {"ok"}
    assert list(tmp_path.iterdir()) == []


# -- E1: nothing readable ---------------------------------------------------------

NEEDLES = ("needle-item", "needle-title", "needle-tag", "needle-home", "needle-kind", "SQLite format 3", "CREATE TABLE")
# Another process looks: to close a file that SQLite has open would drop its locks in this one.
_LOOK = """
import json, pathlib, sys
files = {path.name: path.read_bytes() for path in pathlib.Path(sys.argv[1]).iterdir()}
forms = [(n, n.encode(code)) for n in json.loads(sys.argv[2]) for code in ("utf-8", "utf-16-le")]
print(json.dumps([sorted(files), sorted({n for n, form in forms for data in files.values() if form in data})]))
"""


def look(folder: Path, needles: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The files in the folder, and the needles that are in any of them."""
    command = [sys.executable, "-I", "-c", _LOOK, str(folder), json.dumps(needles)]
    names, found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return names, found


def lived(folder: Path, key: bytes | None) -> tuple[list[str], list[str], list[str]]:
    """The files while it was open, the needles found in them, and those found when it was closed."""
    folder.mkdir()
    rec = Recommender(folder / "me.db", key=key)
    rec.add([{"id": "needle-item", "title": "needle-title", "tags": ["needle-tag"]}])
    uids = tuple(rec.record("needle-item", "needle-kind", context={"place": "needle-home"}) for _ in range(60))
    names, found = look(folder, (*NEEDLES, *uids))
    rec.maintain(1_000)
    rec.close()
    return names, found, look(folder, (*NEEDLES, *uids))[1]


@needs_cipher
def test_no_needle_and_no_header_is_in_any_file_open_or_closed(tmp_path: Path) -> None:
    """E1."""
    names, while_open, closed = lived(tmp_path / "encrypted", KEY)
    assert names == ["me.db", "me.db-ballast", "me.db-shm", "me.db-wal"]
    assert (while_open, closed) == ([], [])


def test_in_a_plain_file_the_same_needles_are_found(tmp_path: Path) -> None:
    _, while_open, closed = lived(tmp_path / "plain", None)
    assert {*NEEDLES} <= {*while_open}
    assert {*NEEDLES} <= {*closed}


# -- E2: wrong keys -----------------------------------------------------------------


def wrong_keys(n: int) -> list[bytes]:
    """Keys that differ in one bit, and some that have nothing in common."""
    draw = random.Random(2)
    flipped = [(int.from_bytes(KEY, "big") ^ 1 << draw.randrange(256)).to_bytes(32, "big") for _ in range(n)]
    return [*flipped, *(draw.randbytes(32) for _ in range(n)), bytes(32), KEY[::-1]]


@needs_cipher
@pytest.mark.parametrize("state", ["closed", "killed", "killed, without its -shm", "in use"])
def test_a_wrong_key_is_refused_and_changes_nothing(
    tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """E2."""
    monkeypatch.setattr(cipher, "_LOOK_AGAIN_S", 0.0)
    path = filled(tmp_path / "me.db") if state == "closed" else live_wal(tmp_path)
    if state == "killed, without its -shm":
        (tmp_path / "me.db-shm").unlink()
    held = python("-c", HOLD, path, KEY.hex(), stdin=subprocess.PIPE) if state == "in use" else None
    assert held is None or held.stdout.readline() == "open\n"
    n_refused = 0
    with unchanged(tmp_path):
        for key in (None, *wrong_keys(40)):
            with pytest.raises(WrongKeyError) as caught:
                Recommender(path, key=key)
            assert not mentions(told(caught.value), KEY, key or KEY)
            assert str(tmp_path) not in str(caught.value)
            n_refused += 1
    assert n_refused == 83
    assert capfd.readouterr() == ("", "")
    if held:
        held.communicate("\n")
        assert held.returncode == 0
    with Store(path, key=KEY) as store:
        assert store.n_events() >= 40


HOLD = """
import sys
from recsys.log import Store
from tests.log.examples import event
with Store(sys.argv[1], key=bytes.fromhex(sys.argv[2]) or None) as store:
    store.append([event(5000)], late=True)
    print("open", flush=True)
    sys.stdin.readline()
"""


@needs_cipher
def test_the_right_key_changes_a_folder_and_that_is_noticed(tmp_path: Path) -> None:
    path = live_wal(tmp_path)
    with pytest.raises(AssertionError), unchanged(tmp_path):
        Store(path, key=KEY).close()


@needs_cipher
@pytest.mark.parametrize("state", ["closed", "killed"])
def test_a_key_for_a_plain_file_is_refused_and_changes_nothing(tmp_path: Path, state: str) -> None:
    path = filled(tmp_path / "me.db", None) if state == "closed" else live_wal(tmp_path, None)
    with unchanged(tmp_path), pytest.raises(WrongKeyError, match="not encrypted"):
        Recommender(path, key=KEY)
    Store(path, key=None).close()


@needs_cipher
@pytest.mark.parametrize("junk", [b"not a database at all", b"\0" * PAGE, b"SQLite format 3\0" + bytes(PAGE - 16)])
def test_what_is_no_database_is_refused_with_a_key_too(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "me.db").write_bytes(junk)
    with unchanged(tmp_path), pytest.raises(WrongKeyError):
        Store(tmp_path / "me.db", key=KEY)


def test_whole_pages_of_noise_may_be_encrypted_and_other_noise_is_no_database(tmp_path: Path) -> None:
    noise = random.Random(3).randbytes(2 * PAGE)
    for size, error in ((2 * PAGE, WrongKeyError), (2 * PAGE - 1, CorruptError)):
        (tmp_path / "me.db").write_bytes(noise[:size])
        with unchanged(tmp_path), pytest.raises(error):
            Store(tmp_path / "me.db", key=None)


@needs_cipher
@pytest.mark.parametrize(("first", "second"), [(KEY, None), (None, KEY)], ids=["encrypted", "plain"])
def test_one_process_opens_a_file_one_way_only(tmp_path: Path, first: bytes | None, second: bytes | None) -> None:
    """SQLite and SQLCipher would each drop the other's locks, and an event of another process would be lost."""
    path = filled(tmp_path / "me.db", first)
    with Store(path, key=first) as store, store.transact():
        store.append([event(1000)], late=False)
        with pytest.raises(WrongKeyError, match="open in this process"):
            Store(path, key=second)
        assert in_the_way(path, first), "its locks still hold"
    if opened_by(first) < (3, 51):  # which does not trust its locks any more
        with Store(path, key=first) as store, store.transact():
            with path.open("rb"):  # what a second SQLite does when it looks and goes
                pass
            assert not in_the_way(path, first), "and this is how they would be lost"


def opened_by(key: bytes | None) -> tuple[int, ...]:
    """The version of SQLite that opens a file."""
    return sqlite3.sqlite_version_info if key is None else cipher._driver().sqlite_version_info


def in_the_way(path: Path, key: bytes | None) -> bool:
    """Whether the locks of this process keep another one from leaving the WAL, for which it must be alone."""
    code = (
        "import sqlite3, sys; from tests.keyed import database;"
        "db = database(sys.argv[1], bytes.fromhex(sys.argv[2]) or None, timeout_s=0)\n"
        "try: print(db.execute('PRAGMA journal_mode = DELETE').fetchone()[0])\n"
        "except sqlite3.OperationalError: print('locked')"
    )
    with python("-c", code, path, (key or b"").hex()) as child:
        return child.communicate()[0].strip() == "locked"


# -- E3: damage -------------------------------------------------------------------


def damages(size: int) -> Iterator[tuple[int, int]]:
    """Where to change a byte and by what, some in every part of every page; and with 0, where to cut the file off."""
    draw = random.Random(4)
    for page in range(0, size, PAGE):
        for low, high in ((0, 16), (16, 100), (100, PAGE - 80), (PAGE - 80, PAGE - 64), (PAGE - 64, PAGE)):
            for _ in range(4):
                yield page + draw.randrange(low, high), 1 << draw.randrange(8)
        yield page, 0
        yield page + draw.randrange(1, PAGE), 0


def outcome(path: Path, key: bytes | None) -> object:
    try:
        with Store(path, key=key, busy_timeout_ms=0) as store:
            return content(store)
    except RecsysError as error:
        return type(error)


def outcomes(folder: Path, key: bytes | None) -> dict[tuple[int, int], object]:
    """What came of each damage to a file: an error of ours, or what was read."""
    path = filled(folder / "sound.db", key)
    sound, found = path.read_bytes(), {}
    for where, bit in damages(len(sound)):
        damaged = bytearray(sound)
        if bit:
            damaged[where] ^= bit
        else:
            del damaged[where:]
        (folder / "me.db").write_bytes(damaged)
        found[where, bit] = outcome(folder / "me.db", key)
    return found


@needs_cipher
def test_any_damaged_byte_and_any_cut_is_an_error_or_nothing_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E3."""
    monkeypatch.setattr(cipher, "_LOOK_AGAIN_S", 0.0)
    sound = outcome(filled(tmp_path / "me.db"), KEY)
    assert sound[-1] == set()
    found = outcomes(tmp_path, KEY)
    assert len(found) > 300
    for (where, bit), came in found.items():
        if where < PAGE:
            assert came in ((WrongKeyError, CorruptError) if where else (WrongKeyError, _EMPTY)), (where, bit)
        else:
            noticed_by_check_alone = (*sound[:-1], {"error"})  # a page of an empty table, which nobody reads
            assert came in (CorruptError, noticed_by_check_alone), (where, bit)


_EMPTY = ([], [], [], [], set())  # of a file cut off at its very beginning, which is a new one


def test_in_a_plain_file_some_damage_goes_unnoticed(tmp_path: Path) -> None:
    sound = outcome(filled(tmp_path / "me.db", None), None)
    altered = [
        came for came in outcomes(tmp_path, None).values() if isinstance(came, tuple) and came not in (sound, _EMPTY)
    ]
    assert len(altered) > 10


@needs_cipher
def test_a_damaged_wal_loses_its_end_and_nothing_else(tmp_path: Path) -> None:
    """As in a plain file: what stands behind the damage is taken for a commit that was never finished."""
    path = live_wal(tmp_path / "killed")
    wal, draw, lengths = (tmp_path / "killed" / "me.db-wal").read_bytes(), random.Random(5), []
    for number in range(40):
        damaged = bytearray(wal)
        damaged[draw.randrange(len(wal))] ^= 1 << draw.randrange(8)
        copy = tmp_path / str(number) / "me.db"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        copy.with_name("me.db-wal").write_bytes(damaged)
        try:
            with Store(copy, key=KEY) as store:
                found = [*store.events()]
        except RecsysError:
            continue
        assert found == [event(number) for number in range(len(found))]
        lengths.append(len(found))
    assert set(lengths) >= {0}


@needs_cipher
def test_check_reads_every_page_also_those_that_hold_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path / "me.db")
    db = database(path, KEY)
    db.execute("DELETE FROM events").close()
    (n_free,) = db.execute("PRAGMA freelist_count").fetchone()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    db.close()
    assert n_free > 0
    sound, n_found = path.read_bytes(), 0
    for page in range(1, len(sound) // PAGE):
        damaged = bytearray(sound)
        damaged[page * PAGE + 99] ^= 1
        path.write_bytes(damaged)
        try:
            with Store(path, key=KEY) as store:
                n_found += ("error", "pages") in [found[:2] for found in store.check()]
        except CorruptError:
            n_found += 1
    assert n_found == len(sound) // PAGE - 1


# -- E4: another key ---------------------------------------------------------------


def pages(path: Path) -> set[bytes]:
    data = path.read_bytes()
    return {data[start : start + PAGE] for start in range(0, len(data), PAGE)}


@needs_cipher
@pytest.mark.parametrize("given", [OTHER, lambda: OTHER], ids=["bytes", "callable"])
def test_after_rekey_the_old_key_is_refused_and_the_content_is_the_same(tmp_path: Path, given: object) -> None:
    """E4."""
    path = tmp_path / "me.db"
    with Recommender(path, key=KEY) as rec:
        rec.add([{"id": f"item-{n}", "title": f"Title {n}"} for n in range(50)])
        rec.record_many([{"item_id": f"item-{n % 50}", "at": 1_700_000_000 + n} for n in range(300)])
        rec.pause()
        rec.resume()
        before, state, events = path.read_bytes(), state_bytes(rec), [*rec._store.events()]
        rec.rekey(given)
        assert not any((tmp_path / f"me.db{side}").stat().st_size for side in ("-wal",))
        assert not (tmp_path / "me.db-journal").exists()
        assert (state_bytes(rec), rebuilt_bytes(rec), [*rec._store.events()]) == (state, state, events)
        assert {finding.severity for finding in rec.check()} == {"ok"}
        rec.record("item-1", at=1_800_000_000)
        assert rec.forget(events=[events[0].uid]).status == "erased"
    (tmp_path / "before.db").write_bytes(before)
    assert not pages(path) & pages(tmp_path / "before.db"), "a page is as it was under the old key"
    with unchanged(tmp_path), pytest.raises(WrongKeyError):
        Recommender(path, key=KEY)
    with Recommender(path, key=OTHER) as rec:
        assert rec.stats().n_events == 300
        assert {finding.severity for finding in rec.check()} == {"ok"}


@needs_cipher
def test_a_page_under_the_old_key_would_be_noticed(tmp_path: Path) -> None:
    path = filled(tmp_path / "me.db")
    shutil.copy(path, tmp_path / "before.db")
    with Store(path, key=KEY) as store:
        store.append([event(1000)], late=False)
    assert pages(path) & pages(tmp_path / "before.db")


@needs_cipher
@pytest.mark.parametrize("who", ["a store of this process", "an open iterator", "another process"])
def test_rekey_waits_for_nobody_and_changes_nothing_when_the_file_is_in_use(tmp_path: Path, who: str) -> None:
    path = filled(tmp_path / "me.db")
    with Store(path, key=KEY, busy_timeout_ms=30) as store:
        sound = content(store)
        other = Store(path, key=KEY) if who == "a store of this process" else None
        iterator = store.events() if who == "an open iterator" else iter(())
        next(iterator, None)
        child = python("-c", HOLD, path, KEY.hex(), stdin=subprocess.PIPE) if who == "another process" else None
        if child:
            assert child.stdout.readline() == "open\n"
            sound = content(store)
        with pytest.raises(BusyError):
            store.rekey(OTHER)
        assert content(store) == sound
        if other:
            assert content(other) == sound
            other.close()
        list(iterator)
        if child:
            child.communicate("\n")
        store.append([event(2000)], late=False)
        store.rekey(OTHER)
        assert store.n_events() == len(sound[0]) + 1
    with pytest.raises(WrongKeyError):
        Store(path, key=KEY)
    Store(path, key=OTHER).close()


@needs_cipher
def test_rekey_works_as_soon_as_the_other_recommender_is_closed(tmp_path: Path) -> None:
    path, settings = tmp_path / "me.db", Settings(busy_timeout_ms=30)
    gc.disable()  # a cycle of references would keep a connection open
    try:
        with Recommender(path, key=KEY, settings=settings) as rec:
            rec.record("a", at=1_700_000_000)
            with Recommender(path, key=KEY, settings=settings), pytest.raises(BusyError, match="another recommender"):
                rec.rekey(OTHER)
            rec.rekey(OTHER)
            assert rec.stats().n_events == 1
    finally:
        gc.enable()
    with pytest.raises(WrongKeyError):
        Store(path, key=KEY)


@needs_cipher
@pytest.mark.parametrize("done", [False, True])
def test_a_rekey_that_fails_leaves_a_store_that_works_under_the_key_of_the_file(
    tmp_path: Path, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rekey = Cipher.rekey

    def fails(new: Cipher, db: sqlite3.Connection) -> None:
        if done:
            rekey(new, db)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Cipher, "rekey", fails)
    path = filled(tmp_path / "me.db")
    with Store(path, key=KEY) as store:
        sound = content(store)
        with nullcontext() if done else pytest.raises(FullError):
            store.rekey(OTHER)
        assert content(store) == sound
        store.append([event(2000)], late=False)
    with Store(path, key=OTHER if done else KEY) as store:
        assert store.n_events() == len(sound[0]) + 1


@needs_cipher
def test_a_rekey_that_only_says_that_it_worked_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cipher, "rekey", lambda *_: None)
    path = filled(tmp_path / "me.db")
    with Store(path, key=KEY) as store:
        with pytest.raises(StoreError, match="could not be changed"):
            store.rekey(OTHER)
        store.append([event(2000)], late=False)
    Store(path, key=KEY).close()


def test_a_plain_file_is_not_given_a_key_by_rekey(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", key=None) as rec:
        rec.record("a")
        for key in (KEY, None):
            with pytest.raises(InputError, match="not encrypted") as caught:
                rec.rekey(key)
            assert caught.value.field == "key"


@needs_cipher
def test_rekey_takes_a_key_and_nothing_else_and_not_inside_a_transaction(tmp_path: Path) -> None:
    path = filled(tmp_path / "me.db")
    with Store(path, key=KEY) as store:
        for bad in (None, *BAD_KEYS.values()):
            with pytest.raises(InputError) as caught:
                store.rekey(bad)
            assert caught.value.field == "key"
        with store.transact(), pytest.raises(StoreError, match="inside a transaction"):
            store.rekey(OTHER)
    Store(path, key=KEY).close()


@needs_cipher
def test_export_and_import_carry_a_plain_file_into_an_encrypted_one(tmp_path: Path) -> None:
    with Recommender(tmp_path / "plain.db", key=None) as plain, Recommender(tmp_path / "me.db", key=KEY) as rec:
        plain.record("a", at=1_700_000_000)
        plain.export(tmp_path / "all.jsonl")
        rec.import_(tmp_path / "all.jsonl")
        assert state_bytes(rec) == state_bytes(plain)


# -- F1, for one who has the key -------------------------------------------------------


def decrypted(path: Path, key: bytes) -> bytes:
    """Every page in clear, also what no table refers to any more."""
    data, clear = path.read_bytes(), []
    for start in range(0, len(data), PAGE):
        page = data[start : start + PAGE]
        vector, body = page[PAGE - 80 : PAGE - 64], page[16 if start == 0 else 0 : PAGE - 80]
        command = ["openssl", "enc", "-d", "-aes-256-cbc", "-nopad", "-K", key.hex(), "-iv", vector.hex()]
        clear.append(subprocess.run(command, input=body, capture_output=True, check=True).stdout)
    return b"".join(clear)


@needs_cipher
@pytest.mark.skipif(shutil.which("openssl") is None, reason="the command openssl is not installed")
def test_the_holder_of_the_key_finds_nothing_of_a_forgotten_event_in_any_page(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, key=KEY) as rec:
        rec.record_many([{"item_id": f"item-{n}", "at": 1_700_000_000 + n} for n in range(40)])
        uid = rec.record("needle-item", context={"place": "needle-home"}, at=1_700_000_100)
    needles = [needle.encode() for needle in ("needle-item", "needle-home", uid)]
    before = decrypted(path, KEY)
    assert all(needle in before for needle in needles)
    assert b"CREATE TABLE events" in before
    with Recommender(path, key=KEY) as rec:
        assert rec.forget(events=[uid]).status == "erased"
    after = decrypted(path, KEY)
    assert b"item-7" in after
    assert not any(needle in after for needle in needles)


# -- as any other connection --------------------------------------------------------


@needs_cipher
def test_many_may_create_one_encrypted_file_at_once(tmp_path: Path) -> None:
    """Each begins with a salt of its own, and the file has one."""
    failures: list[BaseException] = []

    def create(folder: Path, number: int) -> None:
        try:
            with Store(folder / "me.db", synchronous="normal", key=KEY) as store:
                store.append([event(number)], late=True)
        except BaseException as error:  # noqa: BLE001  whatever it is, the test shows it
            failures.append(error)

    for attempt in range(10):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        threads = [threading.Thread(target=create, args=(folder, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        with Store(folder / "me.db", key=KEY) as store:
            assert store.n_events() == 6


@needs_cipher
def test_who_created_a_file_a_moment_too_late_opens_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, start_wal = tmp_path / "me.db", opening._start_wal

    def overtaken(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(opening, "_start_wal", start_wal)
        Store(path, key=KEY).close()
        start_wal(*arguments, **options)

    monkeypatch.setattr(opening, "_start_wal", overtaken)
    with Store(path, key=KEY) as store:
        store.append([event(1)], late=False)
    with Store(path, key=KEY) as store:
        assert store.n_events() == 1


@needs_cipher
def test_errors_of_sqlcipher_arrive_as_those_of_sqlite(tmp_path: Path) -> None:
    with Store(filled(tmp_path / "me.db"), key=KEY) as store:
        db = store._writer.db
        for statement, error, code in (
            ("INSERT INTO items VALUES ('item-1', '', NULL, NULL, 0)", sqlite3.IntegrityError, 19),
            ("SELECT nothing", sqlite3.OperationalError, 1),
            ("ATTACH ':memory:' AS other", sqlite3.DatabaseError, 23),
            ("SELECT load_extension('x')", sqlite3.OperationalError, 1),
        ):
            with pytest.raises(error) as caught:
                db.execute(statement)
            assert caught.value.sqlite_errorcode & 0xFF == code
        with pytest.raises(sqlite3.ProgrammingError):
            db.execute("SELECT ?", (1, 2))
        compact(store)


@needs_cipher
def test_sqlite_utils_reads_an_encrypted_file(tmp_path: Path) -> None:
    sqlite_utils = pytest.importorskip("sqlite_utils")
    from sqlcipher3 import dbapi2

    connection = dbapi2.connect(str(filled(tmp_path / "me.db")))
    connection.execute(f"PRAGMA key = \"x'{KEY.hex()}'\"")
    tables = sqlite_utils.Database(connection)
    assert tables["events"].count == 301
    assert tables["items"].get("item-7")["title"] == "Title of item-7"
    connection.close()
