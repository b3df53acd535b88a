"""The ledger only grows, is kept exactly, and notices what is missing or damaged; the tally counts what was used."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import CorruptError, InputError, StoreError
from recsys.log import Store
from recsys.log.ledger import Entry
from recsys.types import Item
from tests.log.examples import event, shown, tamper

HALF = Fraction(1, 2)


@given(
    st.lists(st.tuples(st.text("q?", min_size=1), st.builds(Fraction, st.integers(1, 10**30), st.integers(1, 10**30))))
)
def test_what_was_entered_is_read_back_in_order_and_exactly(given_entries: list[tuple[str, Fraction]]) -> None:
    wanted: list[Entry] = []
    with Store(":memory:") as store:
        for number, (query, epsilon) in enumerate(given_entries):
            entry = Entry(2 * number + 1, query, epsilon, number, query.encode())
            note = Entry(2 * number + 2, query, Fraction(0), number, b"")
            assert [store.release(*one[1:]) for one in (entry, note)] == [entry.number, note.number]
            wanted += [entry, note]
        assert store.releases() == wanted


@pytest.mark.parametrize(
    ("field", "entry"),
    [
        ("query", ("", HALF, 0, b"x")),
        ("query", ("lone \ud800", HALF, 0, b"x")),
        ("epsilon", ("q", 0.5, 0, b"x")),
        ("epsilon", ("q", 1, 0, b"x")),
        ("epsilon", ("q", -HALF, 0, b"x")),
        ("epsilon", ("q", Fraction(0), 0, b"x")),
        ("epsilon", ("q", HALF, 0, b"")),
        ("at_us", ("q", HALF, -1, b"x")),
        ("at_us", ("q", HALF, 0.0, b"x")),
        ("payload", ("q", HALF, 0, "x")),
    ],
)
def test_an_entry_that_could_not_be_read_back_is_refused(field: str, entry: tuple) -> None:
    with Store(":memory:") as store:
        with pytest.raises(InputError) as caught:
            store.release(*entry)
        assert caught.value.field == field
        assert store.releases() == []


DAMAGE = {
    "the first is gone": "DELETE FROM releases WHERE number = 1",
    "one in between is gone": "DELETE FROM releases WHERE number = 2",
    "one before the first": "INSERT INTO releases VALUES (-1, 'q', '1/2', 0, x'00')",
    "no rational": "UPDATE releases SET epsilon = '0.5' WHERE number = 1",
    "below zero": "UPDATE releases SET epsilon = '-1/2' WHERE number = 1",
    "divided by zero": "UPDATE releases SET epsilon = '1/0' WHERE number = 1",
    "a charge made free": "UPDATE releases SET epsilon = '0/1' WHERE number = 1",
    "a payload taken out": "UPDATE releases SET payload = x'' WHERE number = 1",
    "a payload of text": "UPDATE releases SET payload = 'x' WHERE number = 1",
    "a query of bytes": "UPDATE releases SET query = x'00' WHERE number = 1",
    "a time of text": "UPDATE releases SET at_us = 'x' WHERE number = 1",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_missing_or_damaged_entry_is_noticed(tmp_path: Path, what: str) -> None:
    with Store(tmp_path / "me.db") as store:
        for n in range(3):
            store.release(f"q{n}", HALF, 0, b"x")
    tamper(tmp_path / "me.db", DAMAGE[what])
    with Store(tmp_path / "me.db") as store:
        with pytest.raises(CorruptError):
            store.releases()
        assert [name for severity, name, _ in store.check() if severity != "ok"] == ["releases"]


def test_a_lasting_block_reaches_the_disk_and_leaves_the_setting_as_it_was(tmp_path: Path) -> None:
    def level(store: Store) -> int:
        return int(store._writer.cursor.execute("PRAGMA synchronous").fetchone()[0])

    with Store(tmp_path / "me.db", synchronous="normal") as store:
        before = level(store)
        with store.lasting():
            assert (before, level(store)) == (1, 2)
            store.release("q", HALF, 0, b"x")
        with pytest.raises(InputError), store.lasting():
            _enter_one_and_fail(store)
        assert level(store) == before
        assert len(store.releases()) == 1
        with store.transact(), pytest.raises(StoreError), store.lasting():
            pass


def _enter_one_and_fail(store: Store) -> None:
    assert store.release("q", HALF, 0, b"x") == 2
    store.release("q", HALF, 0, b"")


def test_the_tally_counts_each_item_of_the_catalogue_that_has_tags() -> None:
    with Store(":memory:") as store:
        store.put_items([Item("a", "A", ("x", "y")), Item("b", "B", ("x",)), Item("bare"), Item("gone", "", ("x",))])
        used = [event(1), event(2), event(3, "b", "play"), event(4, "bare"), event(5, "unknown"), event(6, "gone")]
        others = [event(7, "a", "steer", value=1.0), shown(8, "a", "b")]
        store.append([*used, *others], late=True)
        store.drop_items(["gone"], keep_tombstone={"gone"})
        assert store.tally() == [(("x", "y"), 2), (("x",), 1)]
        assert store.tally(kinds=["play", "never"]) == [(("x",), 1)]
        assert store.tally(since_us=2_000_000, until_us=3_000_000) == [(("x", "y"), 1)]
        assert store.tally(kinds=[]) == []
