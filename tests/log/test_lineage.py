"""A store notices what others did to its file, tells growth from change, and never counts its own writes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.log import Store, connection, opening
from recsys.log.schema import SCHEMA_VERSION, TABLES
from tests.keyed import database
from tests.log.examples import compact, event, item, python, undone


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two stores on one file that holds events 0 to 9, an item and a checkpoint."""
    with Store(tmp_path / "me.db", synchronous="normal") as first:
        first.append([event(number) for number in range(10)], late=False)
        first.put_items([item("a")])
        first.save_checkpoint(event(5).key, 6, "basis", b"")
        with Store(tmp_path / "me.db", synchronous="normal") as second:
            yield first, second


GROWTH: dict[str, Callable[[Store], object]] = {
    "append": lambda store: store.append([event(20)], late=False),
    "checkpoint": lambda store: store.save_checkpoint(event(9).key, 10, "basis", b""),
    "checkpoints dropped": lambda store: store.drop_checkpoints(),
}
CHANGES: dict[str, Callable[[Store], object]] = {
    "late append": lambda store: store.append([event(-1)], late=True),
    "delete": lambda store: store.delete(uids=[event(3).uid]),
    "everything": lambda store: store.delete(everything=True),
    "put": lambda store: store.put_items([item("b")]),
    "drop": lambda store: store.drop_items(["a"]),
    "tombstone": lambda store: store.drop_items(["a"], keep_tombstone={"a"}),
    "compact": compact,
}
NOTHING: dict[str, Callable[[Store], object]] = {
    "reading": lambda store: list(store.events()),
    "the same again": lambda store: store.append([event(3)], late=True),
    "the same item": lambda store: store.put_items([item("a")]),
    "unknown event": lambda store: store.delete(uids=["x"]),
    "unknown item": lambda store: store.drop_items(["x"]),
    "truncation": lambda store: store.truncate_wal(),
    "checking": lambda store: store.check(),
}


def test_nothing_has_changed_after_opening(pair: tuple[Store, Store]) -> None:
    assert [store.observe() for store in pair] == ["same", "same"]


@pytest.mark.parametrize("what", GROWTH)
def test_growth_is_noticed_once_by_the_other_and_never_by_oneself(pair: tuple[Store, Store], what: str) -> None:
    first, second = pair
    GROWTH[what](first)
    assert [second.observe(), second.observe(), first.observe()] == ["grown", "same", "same"]


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_noticed_once_by_the_other_and_never_by_oneself(pair: tuple[Store, Store], what: str) -> None:
    first, second = pair
    CHANGES[what](first)
    GROWTH["append"](first)
    assert [second.observe(), second.observe(), first.observe()] == ["changed", "same", "same"]
    assert first.check() == second.check()


@pytest.mark.parametrize("what", NOTHING)
def test_what_changes_nothing_changes_no_lineage(pair: tuple[Store, Store], what: str) -> None:
    first, second = pair
    NOTHING[what](first)
    assert second.observe() in ("same", "grown")
    assert first.observe() == "same"


@pytest.mark.parametrize("what", CHANGES.keys() - {"compact"})
def test_a_change_that_is_rolled_back_is_none(pair: tuple[Store, Store], what: str) -> None:
    first, second = pair
    with undone(first):
        CHANGES[what](first)
        assert first.observe() == "same"
    assert [second.observe(), first.observe()] == ["same", "same"]
    CHANGES[what](first)
    assert [second.observe(), first.observe()] == ["changed", "same"]


@pytest.mark.parametrize("what", CHANGES.keys() - {"compact"})
def test_what_another_did_just_before_ones_own_change_is_not_lost(pair: tuple[Store, Store], what: str) -> None:
    first, second = pair
    first.put_items([item("z")])
    CHANGES[what](second)
    assert [second.observe(), second.observe()] == ["changed", "same"]
    assert [first.observe(), first.observe()] == ["changed", "same"]


def test_what_another_did_before_ones_own_compaction_is_not_lost(pair: tuple[Store, Store]) -> None:
    first, second = pair
    first.put_items([item("z")])
    compact(second)
    assert second.observe() == "changed"


def test_an_observation_inside_a_transaction_stays_true_until_its_end(pair: tuple[Store, Store]) -> None:
    first, second = pair
    first.append([event(20)], late=False)
    with second.transact():
        assert second.observe() == "grown"
        second.append([event(30)], late=False)
        second.delete(uids=[event(1).uid])
        assert second.observe() == "same"
    assert second.observe() == "same"
    assert first.observe() == "changed"


def test_a_transaction_without_an_observation_does_not_hide_what_came_before(pair: tuple[Store, Store]) -> None:
    first, second = pair
    first.delete(uids=[event(1).uid])
    second.append([event(20)], late=False)
    assert second.observe() == "changed"


def test_another_process_is_noticed(pair: tuple[Store, Store]) -> None:
    first, _ = pair
    code = "import sys; from recsys.log import Store; from tests.log.examples import event; s = Store(sys.argv[1]);"
    for work, wanted in (
        ("s.append([event(50)], late=False)", "grown"),
        ("s.delete(uids=[event(50).uid])", "changed"),
        ("list(s.events())", "grown"),  # It emptied the WAL when it closed, which looks like an append of nothing.
    ):
        with python("-c", f"{code} {work}; s.close()", first.path) as child:
            assert child.wait() == 0
        assert first.observe() == wanted


def test_a_store_in_memory_is_alone() -> None:
    with Store(":memory:") as store:
        for work in (*GROWTH.values(), *(CHANGES[what] for what in CHANGES.keys() - {"compact"})):
            work(store)
            assert store.observe() == "same"


def test_lineage_leaves_no_row_behind(tmp_path: Path) -> None:
    with Store(tmp_path / "me.db") as store:
        for number in range(5):
            store.append([event(number)], late=True)
        store.delete(everything=True)
    db = database(tmp_path / "me.db")
    n_rows = {name: db.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in TABLES[SCHEMA_VERSION]}
    assert n_rows == dict.fromkeys(TABLES[SCHEMA_VERSION], 0) | {"pending": 1}, "an erasure comes next"
    db.close()


def test_the_lineage_starts_again_after_its_greatest_number(pair: tuple[Store, Store]) -> None:
    first, second = pair
    first._writer.db.execute("PRAGMA schema_version = 2147483647")
    assert [first.observe(), second.observe()] == ["same", "changed"]
    first._writer.cookie = 2**31 - 1
    CHANGES["delete"](first)
    CHANGES["put"](first)
    assert [first.observe(), second.observe()] == ["same", "changed"]
    assert second.n_events() == 9


def test_asking_costs_microseconds(pair: tuple[Store, Store]) -> None:
    first, _ = pair
    times = []
    for _ in range(300):
        start = time.perf_counter()
        first.observe()
        times.append(time.perf_counter() - start)
    assert sorted(times)[len(times) // 2] < 100e-6


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["grow", "change", "look", "rollback"])), max_size=25))
def test_two_stores_always_know_whether_the_other_changed_anything(steps: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stores = [Store(Path(folder) / "me.db", synchronous="normal") for _ in range(2)]
        unseen: list[set[str]] = [set(), set()]
        for number, (who, what) in enumerate([*steps, (0, "look"), (1, "look")]):
            store = stores[who]
            if what == "look":
                wanted = "changed" if "change" in unseen[who] else "grown" if unseen[who] else "same"
                assert store.observe() == wanted
                unseen[who] = set()
            elif what == "rollback":
                with undone(store):
                    store.append([event(-number - 1)], late=True)
            else:
                store.append([event(number if what == "grow" else -number - 1)], late=what == "change")
                unseen[1 - who].add(what)
        for store in stores:
            store.close()


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_another_changes_beside_ones_own_compaction_is_noticed(
    pair: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Between the two looks at the lineage that tell one's own rewriting from what others do."""
    first, second = pair
    (oldest, *rest) = first.events()
    second.observe()
    limits: list[int] = []

    def interfering(db: object, limit: int) -> None:
        limits.append(limit)
        opening.set_attach_limit(db, limit)
        if len(limits) == ("before", "after").index(when) + 1:
            second.delete(uids=[oldest.uid])

    class Interfered:
        set_attach_limit = staticmethod(interfering)

    monkeypatch.setattr(connection, "opening", Interfered)
    compact(first)
    monkeypatch.undo()
    assert first.observe() == "changed"
    assert [*first.events()] == rest
