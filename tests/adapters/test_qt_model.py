"""The ranked model: it shows every row once, in the order of the ranking, through every change of the host's model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters import needs

needs.qt()

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication
from recsys_qt import RankedModel
from recsys_qt.order import item_id_of
from tests.adapters.qt_world import ID_ROLE, Chance, Later, Rows, persistent, texts

N_EXAMPLES = 150


@pytest.fixture(scope="module", autouse=True)
def application() -> Iterator[QApplication]:
    yield QApplication.instance() or QApplication([])


def rows_of(*ids: object) -> list[tuple[object, list[str]]]:
    return [(item_id, [f"{item_id}", "b"]) for item_id in ids]


def ranked(source: object, **options: object) -> tuple[RankedModel, Later]:
    later = Later()
    model = RankedModel(later, id_role=ID_ROLE, **options)
    model.setSourceModel(source)
    return model, later


def check(model: RankedModel, source: Rows) -> None:
    """Every row of the source stands in one place, with its own texts, and the two mappings undo each other."""
    assert (model.rowCount(), model.columnCount()) == (source.rowCount(), source.columnCount())
    seen = set()
    for place in range(model.rowCount()):
        for column in range(model.columnCount()):
            index = model.index(place, column)
            below = model.mapToSource(index)
            assert model.mapFromSource(below) == index
            assert index.data() == below.data() == source.rows[below.row()][1][column]
            seen.add((below.row(), column))
    assert len(seen) == source.rowCount() * source.columnCount()


def check_order(model: RankedModel, source: Rows) -> None:
    """After a ranking of all: by rank, rows of one item together as the host has them, rows without an id last."""
    slate = model.slate()
    places = {} if slate is None else {r.item_id: r.position for r in slate}
    without = len(places)
    expected = sorted(
        range(len(source.rows)), key=lambda r: (places.get(item_id_of(source.rows[r][0]) or "", without), r)
    )
    assert [model.mapToSource(model.index(place, 0)).row() for place in range(model.rowCount())] == expected


item_ids = st.one_of(st.sampled_from(["a", "b", "c", "d"]), st.integers(0, 30), st.none(), st.just(""), st.just(1.5))
fresh = st.lists(item_ids, min_size=1, max_size=6)
changes = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 99), fresh),
    st.tuples(st.just("remove"), st.integers(0, 99), st.integers(0, 4)),
    st.tuples(st.just("move"), st.integers(0, 99), st.integers(0, 3), st.integers(0, 99)),
    st.tuples(st.just("reset"), st.lists(item_ids, max_size=8)),
    st.tuples(st.just("shuffle"), st.integers(0, 99)),
    st.tuples(st.just("change"), st.integers(0, 99), st.integers(0, 3), item_ids),
    st.tuples(st.just("widen"), st.integers(0, 9)),
    st.tuples(st.just("narrow"), st.integers(0, 9)),
    st.tuples(st.just("answer")),
    st.tuples(st.just("filter"), st.sampled_from(["", "a", "1", "zzz"])),
)


def apply(source: Rows, change: tuple, serial: int) -> None:
    """Do what was drawn, within what is there."""
    name, *given_ = change
    n = len(source.rows)
    named = (
        [(item_id, [f"{item_id}/{serial}/{k}"] * source.n_columns) for k, item_id in enumerate(given_[-1])]
        if name in ("insert", "reset")
        else []
    )
    if name == "insert":
        source.insert(given_[0] % (n + 1), named)
    elif name == "reset":
        source.reset(named)
    elif name == "remove" and n:
        first = given_[0] % n
        source.remove(first, min(n - 1, first + given_[1]))
    elif name == "move" and n:
        first = given_[0] % n
        source.move(first, min(n - 1, first + given_[1]), given_[2] % (n + 1))
    elif name == "shuffle":
        source.shuffle(given_[0])
    elif name == "change" and n:
        first = given_[0] % n
        source.change(first, min(n - 1, first + given_[1]), given_[2], f"changed/{serial}")
    elif name == "widen" and source.n_columns < 4:
        source.widen(given_[0] % (source.n_columns + 1))
    elif name == "narrow" and source.n_columns > 1:
        source.narrow(given_[0] % source.n_columns)


@settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(start=st.lists(item_ids, max_size=8), changes=st.lists(changes, max_size=25), seed=st.integers(0, 99))
def test_it_follows_every_change_of_the_host_s_model(start: list[object], changes: list[tuple], seed: int) -> None:
    source = Rows([(item_id, [f"{item_id}/start/{n}", "b"]) for n, item_id in enumerate(start)])
    chance = Chance(seed)
    model, later = ranked(source)
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    kept = [(persistent(model, row), model.index(row, 0).data()) for row in range(model.rowCount())]
    for serial, change in enumerate(changes):
        if change[0] == "answer":
            later.step(chance)
        else:
            apply(source, change, serial)
        check(model, source)
        there = {cells[0] for _, cells in source.rows}
        for index, text in kept:
            if index.isValid():
                assert index.data() == text or index.data().startswith(("changed/", "new"))
            else:
                assert text not in there or any(name in ("reset", "change", "widen", "narrow") for name, *_ in changes)
    later.drain(chance)
    check(model, source)
    check_order(model, source)
    del tester


@settings(max_examples=N_EXAMPLES // 3, deadline=None)
@given(start=st.lists(item_ids, max_size=12), changes=st.lists(changes, max_size=15), seed=st.integers(0, 99))
def test_it_follows_a_filter_below_it(start: list[object], changes: list[tuple], seed: int) -> None:
    """A search field's proxy removes and inserts many scattered rows at once."""
    source, chance = Rows(rows_of(*start)), Chance(seed)
    found = QSortFilterProxyModel()
    found.setSourceModel(source)
    model, later = ranked(found)
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    for serial, change in enumerate(changes):
        if change[0] == "filter":
            found.setFilterFixedString(change[1])
        elif change[0] == "answer":
            later.step(chance)
        else:
            apply(source, change, serial)
        assert sorted(texts(model)) == sorted(texts(found))
    later.drain(chance)
    assert sorted(texts(model)) == sorted(texts(found))
    del tester


FAULT = """
import sys
sys.argv = ["x"]
from tests.adapters.qt_world import *
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication
from recsys_qt import RankedModel
application = QApplication([])
if {broken}:
    def leaving(self, parent, first, last):
        self.beginRemoveRows(QModelIndex(), 0, 0)
        self.endRemoveRows()
    RankedModel._rows_leaving = leaving
source, later = Rows([("a", ["a", "b"]), ("c", ["c", "d"])]), Later()
model = RankedModel(later, id_role=ID_ROLE)
model.setSourceModel(source)
tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
source.remove(0, 0)
source.insert(0, [("e", ["e", "f"])])
print("lived")
"""


@pytest.mark.parametrize("broken", [False, True])
def test_the_tester_ends_a_process_whose_model_keeps_a_row_that_it_said_is_gone(broken: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAULT.format(broken=broken)],
        capture_output=True,
        text=True,
        check=False,
        cwd=needs.ADAPTERS.parent,
        timeout=60,
    )
    assert ("lived" in done.stdout) is not broken, done.stderr
    assert (done.returncode == 0) is not broken


def test_a_new_ranking_moves_rows_and_a_selection_goes_along() -> None:
    source = Rows(rows_of(*"abcdefgh"))
    model, later = ranked(source)
    picked = persistent(model, 2)
    before = texts(model)
    later.drain(Chance(1))
    assert sorted(texts(model)) == before
    assert texts(model) == model.slate().item_ids != before
    assert picked.data() == "c"
    check_order(model, source)


def test_a_row_that_comes_back_stands_where_it_was_ranked() -> None:
    source = Rows(rows_of(*"abcdefgh"))
    model, later = ranked(source)
    later.drain(Chance(1))
    wanted = texts(model)
    row = source.rows[3]
    source.remove(3, 3)
    source.insert(0, [row])
    assert texts(model) == wanted


def test_rankings_asked_for_while_one_is_under_way_become_one_more() -> None:
    model, later = ranked(Rows(rows_of(*"abc")), text_role=None)
    for _ in range(5):
        model.refresh()
    assert len(later.jobs) == 1
    later.step(Chance(1))
    assert len(later.jobs) == 1
    later.step(Chance(1))
    assert not later.jobs


def test_a_ranking_that_failed_is_asked_for_again() -> None:
    model, later = ranked(Rows(rows_of(*"abc")), text_role=None)
    later.jobs.clear()
    later.failed.emit(OSError())
    model.refresh()
    assert len(later.jobs) == 1


def test_contents_are_told_to_the_catalogue_and_only_what_is_new() -> None:
    source, chance = Rows(rows_of(*"abc")), Chance(1)
    _, later = ranked(source)
    QApplication.processEvents()
    later.drain(chance)
    assert chance.added == [{"id": i, "title": i} for i in "abc"]
    source.change(1, 1, "b", "Bee")
    QApplication.processEvents()
    later.drain(chance)
    assert chance.added[3:] == [{"id": "b", "title": "Bee"}]


def test_children_of_a_tree_are_not_shown_and_do_no_harm() -> None:
    source = QStandardItemModel()
    for name in "abc":
        item = QStandardItem(name)
        item.setData(name, ID_ROLE)
        item.appendRow(QStandardItem(name + "'s child"))
        source.appendRow(item)
    model, later = ranked(source)
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    later.drain(Chance(2))
    source.item(0).appendRow(QStandardItem("another"))
    source.item(0).removeRow(0)
    assert sorted(texts(model)) == ["a", "b", "c"]
    assert not model.mapFromSource(source.index(0, 0, source.index(1, 0))).isValid()
    assert not model.hasChildren(model.index(0, 0))
    del tester


def test_another_source_and_none_and_a_source_that_is_gone() -> None:
    first, second = Rows(rows_of(*"abc")), Rows(rows_of(*"xy"))
    model, _ = ranked(first)
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.setSourceModel(second)
    first.remove(0, 0)
    assert texts(model) == ["x", "y"]
    second.deleteLater()
    QApplication.sendPostedEvents(second, 52)  # DeferredDelete
    assert model.rowCount() == 0
    model.setSourceModel(first)
    assert texts(model) == ["b", "c"]
    model.setSourceModel(None)
    assert (model.rowCount(), model.columnCount()) == (0, 0)
    del tester


@pytest.mark.parametrize(
    ("value", "item_id"),
    [
        ("a", "a"),
        (7, "7"),
        (0, "0"),
        ("", None),
        (None, None),
        (1.5, None),
        (True, None),
        ("x" * 513, None),
        ("\0", None),
        ("\ud800", None),
    ],
)
def test_an_item_id_is_a_text_or_a_whole_number(value: object, item_id: str | None) -> None:
    assert item_id_of(value) == item_id


def test_headers_flags_and_edits_reach_the_source() -> None:
    source = QStandardItemModel(2, 1)
    source.setHorizontalHeaderLabels(["Name"])
    for row in range(2):
        source.setData(source.index(row, 0), f"id-{row}", ID_ROLE)
        source.setData(source.index(row, 0), f"row {row}")
    model, later = ranked(source)
    later.drain(Chance(3))
    assert model.headerData(0, Qt.Orientation.Horizontal) == "Name"
    assert model.flags(model.index(0, 0)) == source.flags(source.index(0, 0))
    below = model.mapToSource(model.index(0, 0))
    assert model.setData(model.index(0, 0), "new")
    assert source.data(below) == "new"
    assert model.parent(model.index(0, 0)) == QModelIndex()
    assert model.parent() is None
