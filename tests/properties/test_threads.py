"""Many threads on one recommender, and processes that were forked from under it."""

from __future__ import annotations

import inspect
import json
import os
import random
import select
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from recsys import BusyError, Event, ForkedError, Recommender, Settings, evaluate, live, portable
from recsys.log import connection
from recsys.testing import strategies as some
from tests.properties.eyes import moment, rebuilt_bytes, state_bytes

SETTINGS: Final = Settings(synchronous="normal", checkpoint_events=16, busy_timeout_ms=200)
N_THREADS: Final = 8
N_DEEDS: Final = 8


def act(rec: Recommender, number: int, n: int, draw: random.Random, folder: Path) -> list[str]:
    """One thread's doings of one moment; the uids that it was given."""
    own, at = f"of-{number}", some.START + n * N_THREADS + number
    uids = [rec.record(own, draw.choice(("click", "skip")), at=at, context={"n": n})]
    deed = draw.choice(("rank", "recommend", "many", "late", "look", "export"))
    if deed == "rank":
        assert len(rec.rank([f"of-{k}" for k in range(N_THREADS)], at=at)) == N_THREADS
    elif deed == "recommend":
        slate = rec.recommend(4, at=at, explore=1.0)
        rec.shown(slate, at=at)
        assert all(r.reasons == r.reasons for r in slate)
    elif deed == "many":
        uids += rec.record_many([{"item_id": own, "at": at + 0.5}] * 3)
    elif deed == "late":
        uids.append(rec.record(own, at=at - 50))
    elif deed == "look":
        rec.explain(own, at=at)
        rec.profile()
        rec.stats()
    else:
        with suppress(BusyError):  # another thread forgets something meanwhile
            assert rec.export(folder / f"{number}-{n}.jsonl") >= len(uids)
    return uids


def crowd(rec: Recommender, folder: Path) -> tuple[set[str], list[str]]:
    """Let eight threads record, ask, forget and export; the uids that must be left, and what went wrong."""
    left: set[str] = set()
    wrong: list[str] = []
    begin = threading.Barrier(N_THREADS)

    def one(number: int) -> None:
        draw = random.Random(number)
        try:
            begin.wait()
            own = [uid for n in range(N_DEEDS) for uid in act(rec, number, n, draw, folder)]
            gone = own[:: number + 2]
            rec.forget(events=gone)
            left.update(set(own) - set(gone))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            wrong.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return left, wrong


def faults(rec: Recommender, folder: Path) -> list[str]:
    """What is wrong after the crowd has been at it."""
    left, wrong = crowd(rec, folder)
    uids = [event.uid for event in rec._store.events() if event.kind != "shown"]
    if sorted(uids) != sorted(left):
        wrong.append("the log is not what was recorded and not forgotten")
    if state_bytes(rec) != rebuilt_bytes(rec):
        wrong.append("the state is not what the log teaches")
    wrong += [finding.message for finding in rec.check() if finding.severity == "error"]
    return wrong


@pytest.mark.parametrize("where", ["file", "memory"])
def test_a_crowd_of_threads_loses_nothing(where: str, tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db" if where == "file" else ":memory:", settings=SETTINGS) as rec:
        assert faults(rec, tmp_path) == []


class _NoLock:
    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def test_without_the_lock_the_crowd_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = live.fold

    def slowly(state: Any, event: Any) -> None:
        n_events = state.n_events
        time.sleep(0.0005)
        fold(state, event)
        state.n_events = n_events + 1

    monkeypatch.setattr(live, "fold", slowly)
    with Recommender(tmp_path / "me.db", settings=SETTINGS) as rec:
        lock, rec._gate.lock = rec._gate.lock, _NoLock()  # type: ignore[assignment]
        assert faults(rec, tmp_path) != []
        rec._gate.lock = lock


def beside(work: Callable[[], Any]) -> Any:
    """Do it in another thread, to its end; what it gave."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join(60)
    return found[0]


FORGETTING: Final[dict[str, Callable[[Recommender], Any]]] = {
    "forget": lambda rec: rec.forget(items=["i0"]),
    "withdraw": lambda rec: rec.withdraw(),
}


@pytest.mark.parametrize("deed", FORGETTING)
@pytest.mark.parametrize("reading", ["export", "evaluate"])
def test_what_is_forgotten_beside_a_reading_is_erased_at_once_and_the_reading_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: str, deed: str
) -> None:
    """A reader in the way would make it pending, after the whole busy timeout."""
    receipts = []
    with Recommender(tmp_path / "me.db", settings=SETTINGS) as rec:
        rec.record_many([{"item_id": f"i{n % 5}", "at": some.START + n} for n in range(50)])
        plain = portable._plain

        def forgetting(event: Event) -> dict[str, object]:
            if not receipts:
                receipts.append(beside(lambda: FORGETTING[deed](rec)))
            return plain(event)

        monkeypatch.setattr(portable, "_plain", forgetting)
        monkeypatch.setattr(evaluate, "evaluate_log", lambda events, *_: [forgetting(event) for event in events])
        with pytest.raises(BusyError, match="forgotten"):
            rec.export(tmp_path / "all.jsonl") if reading == "export" else rec.evaluate()
        assert receipts[0].status == "erased"
        assert not (tmp_path / "all.jsonl").exists(), "nothing of it is left in what was begun"
        monkeypatch.undo()
        assert rec.export(tmp_path / "all.jsonl") == rec.stats().n_events


def test_what_is_recorded_beside_a_reading_does_not_disturb_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recommender(tmp_path / "me.db", settings=SETTINGS) as rec:
        rec.record_many([{"item_id": f"i{n % 5}", "at": some.START + n} for n in range(50)])
        plain = portable._plain

        def recording(event: Event) -> dict[str, object]:
            beside(lambda: rec.record("late", at=some.START - 1))
            return plain(event)

        monkeypatch.setattr(portable, "_plain", recording)
        assert rec.export(tmp_path / "all.jsonl") == 50
        assert rec.stats().n_events == 100


def test_a_consent_withdrawn_beside_a_reading_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recommender(tmp_path / "me.db", settings=replace(SETTINGS, require_consent=True)) as rec:
        rec.consent("reading", at=some.START)
        rec.record("a", at=some.START)
        write = portable.write

        def withdrawing(*arguments: Any) -> int:
            assert beside(rec.withdraw).status == "erased"
            return write(*arguments)

        monkeypatch.setattr(portable, "write", withdrawing)
        with pytest.raises(BusyError, match="forgotten"):
            rec.export(tmp_path / "all.jsonl")


def test_closing_while_others_ask_gives_them_closed_errors_and_nothing_else(tmp_path: Path) -> None:
    rec = Recommender(tmp_path / "me.db", settings=SETTINGS)
    rec.record_many([{"item_id": f"i{n % 5}", "at": some.START + n} for n in range(50)])
    ended: list[str] = []

    def ask(number: int) -> None:
        try:
            while True:
                rec.recommend(3)
                rec.record(f"i{number}", at=some.START + 100)
                rec.evaluate()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            ended.append(type(error).__name__)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    rec.close()
    for thread in threads:
        thread.join(20)
    assert ended == ["ClosedError"] * 4


# Forks


def calls(rec: Recommender, folder: Path) -> dict[str, Callable[[], object]]:
    """Every public method, with arguments that would do."""
    carried = folder / "carried.jsonl"
    if not carried.exists():
        rec.export(carried)
    slate = rec.rank(["a"])
    return {
        "add": lambda: rec.add([{"id": "x"}]),
        "remove": lambda: rec.remove(["a"]),
        "record": lambda: rec.record("a"),
        "record_many": lambda: rec.record_many([]),
        "shown": lambda: rec.shown(slate),
        "steer": lambda: rec.steer("a", 1.0),
        "recommend": rec.recommend,
        "rank": lambda: rec.rank(["a"]),
        "explain": lambda: rec.explain("a"),
        "profile": rec.profile,
        "evaluate": rec.evaluate,
        "what_if": rec.what_if,
        "similar": lambda: rec.similar("a"),
        "forget": lambda: rec.forget(items=["a"]),
        "consent": lambda: rec.consent("learning"),
        "consents": rec.consents,
        "withdraw": rec.withdraw,
        "rekey": lambda: rec.rekey(bytes(32)),
        "export": lambda: rec.export(folder / "never.jsonl"),
        "import_": lambda: rec.import_(carried),
        "pause": rec.pause,
        "resume": rec.resume,
        "maintain": rec.maintain,
        "check": rec.check,
        "stats": rec.stats,
    }


def outcomes(chosen: dict[str, Callable[[], object]]) -> dict[str, str]:
    """What each call ends with."""
    found = {}
    for name, call in chosen.items():
        try:
            call()
            found[name] = "done"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            found[name] = type(error).__name__
    return found


def in_a_child(work: Callable[[], dict[str, str]], *, patience_s: float = 20.0) -> dict[str, str]:
    """Fork, do the work there, and bring back what it gave; a child that hangs is ended."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        pid = os.fork()
    if not pid:  # the child never comes back from here
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        ready, _, _ = select.select([pipe], [], [], patience_s)
        answer = pipe.read() if ready else b""
    if not ready:
        os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert answer, "the child hung" if not ready else "the child died"
    found: dict[str, str] = json.loads(answer)
    return found


@contextmanager
def held(rec: Recommender) -> Iterator[None]:
    """Another thread holds the recommender's lock during the block."""
    holding, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with rec._gate.reading, rec._store.transact():
            holding.set()
            let_go.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(20)
    try:
        yield
    finally:
        let_go.set()
        thread.join(20)


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@forks
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "while another thread holds the lock"])
def test_in_a_forked_child_every_call_raises_and_close_does_nothing(tmp_path: Path, *, busy: bool) -> None:
    """L6."""
    with Recommender(tmp_path / "me.db", settings=SETTINGS) as rec:
        rec.record("a", at=some.START)
        chosen = calls(rec, tmp_path)
        methods = {name for name, _ in inspect.getmembers(rec, inspect.ismethod) if not name.startswith("_")}
        assert chosen.keys() == methods - {"close"}

        def child() -> dict[str, str]:
            found = outcomes({**chosen, "close": rec.close, "leave": lambda: rec.__exit__(None, None, None)})
            return {**found, **{f"{name} after close": what for name, what in outcomes(chosen).items()}}

        if busy:
            with held(rec):
                found = in_a_child(child)
        else:
            found = in_a_child(child)
        closing = {"close": "done", "leave": "done"}
        assert found == {name: closing.get(name, ForkedError.__name__) for name in found}
        assert not (tmp_path / "never.jsonl").exists()
        rec.record("b", at=some.START + 1)  # the parent goes on as if nothing had been
        assert {finding.severity for finding in rec.check()} == {"ok"}
    with Recommender(tmp_path / "me.db", settings=SETTINGS) as again:
        assert again.stats().n_events == 2


@forks
def test_a_child_that_hangs_or_is_let_in_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recommender(":memory:", settings=SETTINGS) as rec:
        chosen = calls(rec, tmp_path)
        pid = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: pid)  # as if nobody asked, at either door
        monkeypatch.setattr(connection, "_get_pid", lambda: pid)
        assert in_a_child(lambda: outcomes({"stats": chosen["stats"]})) == {"stats": "done"}
        with held(rec), pytest.raises(AssertionError, match="the child hung"):
            in_a_child(lambda: outcomes({"stats": chosen["stats"]}), patience_s=1.0)


@forks
def test_a_child_may_open_another_file(tmp_path: Path) -> None:
    def child() -> dict[str, str]:
        with Recommender(tmp_path / "theirs.db", settings=SETTINGS) as own:
            own.record("a", at=some.START)
            return {"n": str(own.stats().n_events)}

    with Recommender(tmp_path / "mine.db", settings=SETTINGS) as rec:
        assert in_a_child(child) == {"n": "1"}
        assert rec.recommend(1, at=moment(some.START)).item_ids == []
