"""All or nothing: nested blocks, errors, full disks, other processes, threads, forks and closing."""

from __future__ import annotations

import gc
import os
import random
import sqlite3
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from recsys.errors import BusyError, ClosedError, ForkedError, FullError, RecsysError, StoreError
from recsys.log import Store
from recsys.log.schema import SCHEMA_VERSION, TABLES
from tests.keyed import database, plain_only
from tests.log.examples import compact, event, item, made, python, undone

CALLS: dict[str, Callable[[Store], object]] = {
    "transact": lambda store: store.transact().__enter__(),
    "observe": lambda store: store.observe(),
    "append": lambda store: store.append([event(99)], late=False),
    "events": lambda store: list(store.events()),
    "events_of": lambda store: store.events_of("a", 1),
    "find": lambda store: store.find(["x"]),
    "n_events": lambda store: store.n_events(),
    "newest": lambda store: store.newest(),
    "delete": lambda store: store.delete(everything=True),
    "oldest": lambda store: store.oldest(),
    "times": lambda store: store.times(0, 1),
    "key_at": lambda store: store.key_at(0),
    "mentions": lambda store: store.mentions(["a"]),
    "consents": lambda store: store.consents(),
    "put_consent": lambda store: store.put_consent("learning", 1),
    "drop_consents": lambda store: store.drop_consents(),
    "destroy_set_aside": lambda store: store.destroy_set_aside(),
    "mark_erasure": lambda store: store.mark_erasure(),
    "erase": lambda store: store.erase(),
    "erasure_pending": lambda store: store.erasure_pending(),
    "keep_ballast": lambda store: store.keep_ballast(),
    "give_ballast": lambda store: store.give_ballast(),
    "stop_reading": lambda store: store.stop_reading(),
    "put_items": lambda store: store.put_items([item("a")]),
    "drop_items": lambda store: store.drop_items(["a"]),
    "items": lambda store: list(store.items()),
    "item": lambda store: store.item("a"),
    "save_checkpoint": lambda store: store.save_checkpoint((1, "u"), 1, "b", b""),
    "checkpoints": lambda store: store.checkpoints(),
    "load_checkpoint": lambda store: store.load_checkpoint((1, "u")),
    "drop_checkpoints": lambda store: store.drop_checkpoints(),
    "save_stage": lambda store: store.save_stage(1, 1, "b", b""),
    "stages": lambda store: store.stages(),
    "load_stage": lambda store: store.load_stage(1),
    "drop_stages": lambda store: store.drop_stages(),
    "releases": lambda store: store.releases(),
    "release": lambda store: store.release("q", Fraction(1), 0, b"{}"),
    "fleeting": lambda store: store.fleeting().__enter__(),
    "lasting": lambda store: store.lasting().__enter__(),
    "tally": lambda store: store.tally(),
    "truncate_wal": lambda store: store.truncate_wal(),
    "rekey": lambda store: store.rekey(b"k" * 32),
    "sizes": lambda store: store.sizes(),
    "check": lambda store: store.check(),
}

# They read no table, or tell what is wrong otherwise.
NOT_OF_TABLES = {
    *("transact", "fleeting", "lasting", "observe", "truncate_wal", "sizes", "check"),
    *("erase", "keep_ballast", "give_ballast", "destroy_set_aside", "stop_reading"),
}


def test_every_public_method_is_in_the_table_of_calls() -> None:
    public = {name for name, value in vars(Store).items() if not name.startswith("_") and callable(value)}
    assert public == CALLS.keys() | {"close"}


def test_inner_blocks_join_the_outermost(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store, Store(tmp_path / "me.db") as other:
        with store.transact():
            store.append([event(1)], late=False)
            with store.transact():
                store.append([event(2)], late=False)
            assert other.n_events() == 0
        assert other.n_events() == 2


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_undoes_the_whole_block(tmp_path: Path, error: type[BaseException]) -> None:
    with Store(tmp_path / "me.db") as store:
        with undone(store, error):
            store.append([event(1)], late=False)
            store.put_items([item("a")])
            with store.transact():
                store.append([event(2)], late=False)
        assert (store.n_events(), list(store.items())) == (0, [])
        store.append([event(3)], late=False)
        assert store.n_events() == 1


def test_an_exception_caught_inside_undoes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        with store.transact():
            with undone(store):
                store.append([event(1)], late=False)
            store.append([event(2)], late=False)
        assert store.n_events() == 2


def test_an_error_of_the_callers_own_passes_through_unchanged(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        for error in (OSError("mine"), sqlite3.OperationalError("mine"), RecsysError("mine")):
            with pytest.raises(type(error), match="mine") as caught, store.transact(), store.transact():
                raise error
            assert caught.value is error


def test_an_interrupted_call_inside_a_transaction_cannot_be_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with Store(tmp_path / "me.db") as store:
        block = store.transact()
        block.__enter__()
        monkeypatch.setattr(store._writer, "bump", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.append([event(1)], late=True)
        with pytest.raises(StoreError, match="undone"):
            block.__exit__(None, None, None)
        assert store.n_events() == 0


def limit(store: Store, *, pages: int) -> None:
    """Let the file grow by so many pages, as if the disk were full then."""
    (now,) = store._writer.db.execute("PRAGMA page_count").fetchone()
    store._writer.db.execute(f"PRAGMA max_page_count = {now + pages}")


BIG = [event(number, "x" * 500) for number in range(100, 300)]


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.append(BIG, late=False),
        lambda store: store.append(BIG, late=True),
        lambda store: store.put_items([item(f"{number}" * 100) for number in range(300)]),
        lambda store: store.save_checkpoint((1, "u"), 1, "b", b"x" * 100_000),
    ],
)
def test_a_full_disk_changes_nothing_and_the_store_goes_on(tmp_path: Path, call: Callable[[Store], object]) -> None:
    with Store(tmp_path / "me.db") as store:
        store.append([event(1), event(2)], late=False)
        limit(store, pages=2)
        with pytest.raises(FullError):
            call(store)
        assert list(store.events()) == [event(1), event(2)]
        assert (list(store.items()), store.checkpoints(), store.observe()) == ([], [], "same")
        store.append([event(3)], late=False)
        limit(store, pages=1000)
        call(store)
        assert {severity for severity, *_ in store.check()} <= {"ok", "warning"}


def test_a_full_disk_inside_a_transaction_undoes_all_of_it_and_nothing_slips_through(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        store.append([event(1)], late=False)
        limit(store, pages=2)
        block = store.transact()
        block.__enter__()
        store.append([event(2)], late=True)
        with pytest.raises(FullError):
            store.append(BIG, late=False)
        with pytest.raises(StoreError, match="undone"):
            store.append([event(3)], late=False)
        with pytest.raises(StoreError, match="undone"):
            block.__exit__(None, None, None)
        assert list(store.events()) == [event(1)]
        assert store.observe() == "same"
        store.append([event(4)], late=False)
        assert store.n_events() == 2


def test_another_writer_makes_it_busy_and_nothing_changes(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as holder, Store(tmp_path / "me.db", busy_timeout_ms=10) as store:
        with holder.transact():
            holder.append([event(1)], late=False)
            for name in ("append", "delete", "put_items", "save_checkpoint", "transact"):
                with pytest.raises(BusyError):
                    CALLS[name](store)
            assert store.n_events() == 0
            assert store.truncate_wal() is False
        store.append([event(2)], late=False)
        assert store.n_events() == 2


def test_a_busy_store_waits_for_its_timeout(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as holder, Store(tmp_path / "me.db", busy_timeout_ms=10_000) as store:
        entered = threading.Event()

        def hold() -> None:
            with holder.transact():
                holder.append([event(1)], late=False)
                entered.set()
                threading.Event().wait(0.1)

        thread = threading.Thread(target=hold)
        thread.start()
        entered.wait()
        store.append([event(2)], late=False)
        thread.join()
        assert store.n_events() == 2


@pytest.mark.parametrize("call", [compact, CALLS["truncate_wal"]])
def test_what_cannot_be_part_of_a_transaction_says_so(tmp_path: Path, call: Callable[[Store], object]) -> None:
    with Store(tmp_path / "me.db") as store, store.transact():
        store.append([event(1)], late=False)
        with pytest.raises(StoreError, match="inside a transaction"):
            call(store)


@pytest.mark.parametrize("path", ["file", ":memory:"])
def test_after_closing_every_method_says_that_it_is_closed(tmp_path: Path, path: str) -> None:
    store = Store(tmp_path / "me.db" if path == "file" else path)
    store.close()
    store.close()
    for name, call in CALLS.items():
        with pytest.raises(ClosedError):
            call(store)
        assert name


def test_closing_empties_the_wal_and_leaves_one_file(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        store.append([event(1)], late=False)
        list(store.events())
        assert store.sizes()["wal"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["me.db"]


def test_closing_inside_a_transaction_undoes_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "me.db")
    block = store.transact()
    block.__enter__()
    store.append([event(1)], late=False)
    store.close()
    with pytest.raises(ClosedError):
        block.__exit__(None, None, None)
    with Store(tmp_path / "me.db") as store:
        assert store.n_events() == 0


def test_closing_waits_for_a_transaction_of_another_thread(tmp_path: Path) -> None:
    store = Store(tmp_path / "me.db")
    entered, leave = threading.Event(), threading.Event()

    def write() -> None:
        with store.transact():
            entered.set()
            leave.wait(10)
            store.append([event(1)], late=False)

    thread = threading.Thread(target=write)
    thread.start()
    entered.wait()
    threading.Timer(0.05, leave.set).start()
    store.close()
    thread.join()
    with Store(tmp_path / "me.db") as store:
        assert store.n_events() == 1


def test_a_store_can_be_closed_while_threads_read_and_write(tmp_path: Path) -> None:
    made(tmp_path / "me.db", *(event(number) for number in range(3000)))
    surprises: list[BaseException] = []
    for seed in range(8):
        store = Store(tmp_path / "me.db", synchronous="normal")

        def work(store: Store, number: int) -> None:
            try:
                while True:
                    list(store.events())
                    store.n_events()
                    store.append([event(10_000 + number)], late=True)
            except ClosedError:
                pass
            except BaseException as error:  # noqa: BLE001  whatever it is, the test shows it
                surprises.append(error)

        threads = [threading.Thread(target=work, args=(store, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        threading.Event().wait(random.Random(seed).random() * 0.1)
        store.close()
        for thread in threads:
            thread.join()
    assert surprises == []
    assert [path.name for path in tmp_path.iterdir()] == ["me.db"]


@pytest.mark.parametrize("path", ["file", ":memory:"])
def test_eight_threads_append_and_read(tmp_path: Path, path: str) -> None:
    surprises: list[BaseException] = []
    n_threads, n_each = 8, 40

    def work(store: Store, thread: int) -> None:
        try:
            for step in range(n_each):
                store.append([event(thread * n_each + step)], late=True)
                found = [one.key for one in store.events()]
                assert found == sorted(found)
                assert store.find([event(thread * n_each + step).uid]) != []
        except BaseException as error:  # noqa: BLE001  whatever it is, the test shows it
            surprises.append(error)

    with Store(tmp_path / "me.db" if path == "file" else path, synchronous="normal") as store:
        threads = [threading.Thread(target=work, args=(store, number)) for number in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert surprises == []
        assert list(store.events()) == [event(number) for number in range(n_threads * n_each)]
        assert {severity for severity, *_ in store.check()} == {"ok"}
        assert store.observe() == "same"


def test_threads_that_are_gone_leave_no_connections_behind(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        store.append([event(1)], late=False)
        for _ in range(20):
            thread = threading.Thread(target=lambda: list(store.events()))
            thread.start()
            thread.join()
        assert len(store._readers._all) == 1
        readings = [store.events() for _ in range(10)]
        for reading in readings:
            next(reading)
        assert len(store._readers._all) == 10
        del reading, readings
        gc.collect()
        assert len(store._readers._all) <= 4


@pytest.mark.parametrize("inside", [False, True])
def test_a_thread_does_not_see_what_another_has_not_committed(tmp_path: Path, inside: bool) -> None:
    with Store(tmp_path / "me.db") as store:
        found: list[int] = []
        with store.transact():
            store.append([event(1)], late=False)
            if inside:
                assert store.n_events() == 1
            thread = threading.Thread(target=lambda: found.append(store.n_events()))
            thread.start()
            thread.join()
        assert found == [0]


APPENDER = """
import sys
from recsys.log import Store
from tests.log.examples import event
first, n = int(sys.argv[2]), int(sys.argv[3])
with Store(sys.argv[1], synchronous="normal", busy_timeout_ms=60_000) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(first, first + n):
        with store.transact():
            store.observe()
            assert store.append([event(number)], late=True)
print("done", flush=True)
"""
NAIVE = """
import sqlite3, sys
from tests.keyed import database
db = database(sys.argv[1], timeout_s=60)
print("ready", flush=True)
sys.stdin.readline()
n_lost = 0
for number in range(int(sys.argv[3])):
    try:
        db.execute("BEGIN")
        (n,) = db.execute("SELECT COUNT(*) FROM items").fetchone()
        db.execute("INSERT INTO items VALUES (?, '', NULL, NULL, 0)", (sys.argv[2] + "-" + str(number),))
        db.execute("COMMIT")
    except sqlite3.OperationalError:
        n_lost += 1
        if db.in_transaction:
            db.execute("ROLLBACK")
print(n_lost, flush=True)
"""


def run_together(code: str, path: Path, n: int) -> list[str]:
    """Three processes at once; the last word of each."""
    children = [python("-c", code, path, str(k * n), str(n), stdin=-1) for k in range(3)]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    words = [child.communicate()[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    return words


def test_three_processes_write_at_once_and_none_is_lost(tmp_path: Path) -> None:
    made(tmp_path / "me.db")
    assert run_together(APPENDER, tmp_path / "me.db", 500) == ["done"] * 3
    with Store(tmp_path / "me.db") as store:
        assert list(store.events()) == [event(number) for number in range(1500)]
        assert {severity for severity, *_ in store.check()} == {"ok"}


def test_without_an_immediate_begin_some_would_be_lost(tmp_path: Path) -> None:
    made(tmp_path / "me.db")
    for _ in range(5):
        if sum(map(int, run_together(NAIVE, tmp_path / "me.db", 500))) > 0:
            break
        with Store(tmp_path / "me.db") as store:
            store.drop_items([found.id for found, _ in store.items()])
    else:
        pytest.fail("three deferred writers never got into each other's way")


def in_child(work: Callable[[], None]) -> str:
    """Run in a fork of this process; what it died of, or nothing."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os.write(writing, b"")
        except BaseException as error:  # noqa: BLE001  the parent is told
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
quiet = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@forking
@quiet
def test_a_forked_child_is_refused_by_every_method_and_the_parent_goes_on(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        store.append([event(number) for number in range(3000)], late=False)
        reading = store.events()
        next(reading)

        def work() -> None:
            for call in (*CALLS.values(), lambda _: list(reading), lambda store: store.close()):
                with pytest.raises(ForkedError):
                    call(store)

        assert in_child(work) == ""
        assert len(list(reading)) == 2999
        store.append([event(5000)], late=False)
        assert store.n_events() == 3001
        assert {severity for severity, *_ in store.check()} == {"ok"}


@forking
@quiet
def test_a_child_may_drop_its_copy_in_the_middle_of_the_parents_transaction(tmp_path: Path) -> None:
    store = Store(tmp_path / "me.db")
    holder = [store]
    store.append([event(1)], late=False)
    reading = store.events()
    next(reading)
    with store.transact():
        store.append([event(2)], late=False)
        del store

        def work() -> None:
            nonlocal reading
            holder.clear()
            reading = None
            gc.collect()
            sys.exit(0)

        assert in_child(work) == "SystemExit(0)"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["me.db", "me.db-shm", "me.db-wal"]
        holder[0].append([event(3)], late=False)
    assert holder[0].n_events() == 3
    holder[0].close()
    with Store(tmp_path / "me.db") as store:
        assert list(store.events()) == [event(1), event(2), event(3)]


@forking
@quiet
def test_a_child_that_ends_like_any_program_leaves_the_parents_file_alone(tmp_path: Path) -> None:
    code = """
import os, sys
from recsys.log import Store
from tests.log.examples import event
store = Store(sys.argv[1])
store.append([event(1)], late=False)
before = sorted(os.listdir(os.path.dirname(sys.argv[1])))
if os.fork() == 0:
    sys.exit(0)
os.wait()
assert sorted(os.listdir(os.path.dirname(sys.argv[1]))) == before, "a file is gone"
store.append([event(2)], late=False)
print(store.n_events())
store.close()
"""
    with python("-W", "ignore", "-c", code, tmp_path / "me.db") as child:
        assert child.stdout.read() == "2\n"


@forking
@quiet
def test_a_file_open_during_a_fork_cannot_be_opened_in_the_child(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:

        def reopen() -> None:
            with pytest.raises(ForkedError):
                Store(tmp_path / "me.db")
            made(tmp_path / "other.db", event(1))
            Store(":memory:").close()

        assert in_child(reopen) == ""
        store.append([event(1)], late=False)
    assert in_child(lambda: Store(tmp_path / "me.db").close()) == ""
    with Store(tmp_path / "other.db") as store:
        assert store.n_events() == 1


@forking
@quiet
@plain_only
def test_bare_sqlite_would_lose_what_such_a_child_wrote(tmp_path: Path) -> None:
    path = made(tmp_path / "me.db")
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("SELECT COUNT(*) FROM items").fetchone()
    go, ready = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        child = sqlite3.connect(path, isolation_level=None)
        child.execute("INSERT INTO items VALUES ('one', '', NULL, NULL, 0)")
        os.write(ready[1], b"1")
        os.read(go[0], 1)
        child.execute("INSERT INTO items VALUES ('two', '', NULL, NULL, 0)")
        os._exit(0)
    os.read(ready[0], 1)
    db.close()
    os.write(go[1], b"1")
    os.waitpid(pid, 0)
    db = sqlite3.connect(path)
    assert db.execute("SELECT id FROM items").fetchall() == [("one",)]
    db.close()


@pytest.mark.parametrize("name", CALLS)
def test_no_raw_error_escapes_when_the_tables_are_taken_away(tmp_path: Path, name: str) -> None:
    with Store(tmp_path / "me.db") as store:
        db = database(tmp_path / "me.db")
        for table in TABLES[SCHEMA_VERSION]:
            db.execute(f"ALTER TABLE {table} RENAME TO was_{table}")
        db.close()
        if name in NOT_OF_TABLES:
            CALLS[name](store)
        else:
            with pytest.raises(RecsysError) as caught:
                CALLS[name](store)
            assert "events" not in str(caught.value)
            assert caught.value.__suppress_context__ or name == "rekey"  # which is refused, the file being plain
