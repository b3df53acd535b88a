"""A person in front of a view, with real clicks: what is on screen is logged, what is clicked learnt, why is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.adapters import needs

needs.qt()

from PySide6.QtCore import QPoint, QSortFilterProxyModel, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QApplication, QListView, QTableView, QTreeView
from recsys import Event, Recommender
from recsys.testing import assert_forgotten, find_traces
from recsys_qt import Learner, RankedModel, Watch
from tests.adapters.qt_world import ID_ROLE, Rows, pump

N_ROWS = 60
SETTLED_MS = 700
VIEWS = [QListView, QTableView, QTreeView]


@pytest.fixture(scope="module", autouse=True)
def application() -> Iterator[QApplication]:
    yield QApplication.instance() or QApplication([])


class Screen:
    """A view on ranked rows, and the log behind it."""

    def __init__(
        self,
        kind: type[QAbstractItemView] = QListView,
        *,
        filtered: bool = False,
        log: Path | str = ":memory:",
        **options: Any,
    ) -> None:
        self.recommender = Recommender(log)
        self.learner = Learner(self.recommender, idle_ms=0)
        self.failures: list[object] = []
        self.learner.failed.connect(self.failures.append)
        self.source = Rows([(f"id-{n}", [f"Row {n}", "b"]) for n in range(N_ROWS)])
        self.model = RankedModel(self.learner, id_role=ID_ROLE, **options)
        self.model.setSourceModel(self.source)
        self.view = kind()
        self.view.resize(300, 320)
        shown = self.model
        if filtered:
            shown = QSortFilterProxyModel(self.view)
            shown.setSourceModel(self.model)
        self.view.setModel(shown)
        self.watch = self.model.attach(self.view, clicked="click", activated="open")
        self.view.show()
        self.settle()

    def settle(self) -> None:
        pump(SETTLED_MS)
        assert self.learner.wait()

    def events(self) -> list[Event]:
        found: list[Event] = []
        self.learner.ask(lambda rec: list(rec._store.events()), found.extend)
        assert self.learner.wait()
        return found

    def click(self, row: int) -> None:
        index = self.view.model().index(row, 0)
        QTest.mouseClick(self.view.viewport(), Qt.MouseButton.LeftButton, pos=self.view.visualRect(index).center())

    def close(self) -> None:
        self.view.close()
        self.learner.close()
        self.recommender.close()


@pytest.fixture
def screen(request: pytest.FixtureRequest) -> Iterator[Screen]:
    made = Screen(*getattr(request, "param", ()))
    yield made
    made.close()
    assert made.failures == []


@pytest.mark.parametrize("screen", [(kind,) for kind in VIEWS], indirect=True)
def test_only_rows_that_stay_on_screen_are_logged_as_shown(screen: Screen) -> None:
    (first,) = screen.events()
    ids = [item_id for item_id, _, _ in first.shown]
    assert 5 < len(ids) < N_ROWS // 2
    assert ids == screen.watch.visible_ids()
    assert [position for _, position, _ in first.shown] == list(range(len(ids)))
    last = screen.view.model().index(N_ROWS - 1, 0)
    screen.view.scrollTo(last)
    pump(100)
    screen.view.scrollToTop()  # it only flew by
    screen.settle()
    assert len(screen.events()) == 1
    screen.view.scrollTo(last)
    screen.settle()
    second = screen.events()[1]
    assert second.shown[-1][1] == N_ROWS - 1
    assert not set(ids) & {item_id for item_id, _, _ in second.shown}


def test_a_half_hidden_row_counts_when_half_of_it_is_seen(screen: Screen) -> None:
    ids = screen.watch.visible_ids()
    height = screen.view.visualRect(screen.view.model().index(0, 0)).height()
    screen.view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
    screen.view.verticalScrollBar().setValue(height // 2 - 1)
    assert screen.watch.visible_ids()[0] == ids[0]
    screen.view.verticalScrollBar().setValue(height // 2 + 2)
    assert screen.watch.visible_ids()[0] == ids[1]


def test_what_is_not_on_screen_is_not_seen(screen: Screen) -> None:
    screen.view.hide()
    assert screen.watch.visible_ids() == []
    screen.model.refresh()
    screen.settle()
    assert len(screen.events()) == 1
    screen.view.showMinimized()
    assert screen.watch.visible_ids() == []


def test_a_click_is_a_choice_from_what_was_shown_and_moves_its_row_up(screen: Screen) -> None:
    text = screen.view.model().index(7, 0).data()
    screen.click(7)
    assert screen.learner.wait()
    shown, click, *_ = screen.events()
    assert (click.kind, click.item_id) == ("click", shown.shown[7][0])
    assert click.slate == shown.slate
    assert screen.model.index(0, 0).data() == text
    screen.settle()
    assert [event.kind for event in screen.events()] == ["shown", "click", "shown"]


def test_a_click_before_the_rows_have_settled_counts_them_as_shown_first() -> None:
    screen = Screen()
    screen.view.verticalScrollBar().setValue(30)
    screen.click(32)
    assert screen.learner.wait()
    _, shown, click = screen.events()
    assert shown.kind == "shown"
    assert click.slate == shown.slate
    assert click.item_id in {item_id for item_id, _, _ in shown.shown}
    screen.close()


def test_return_is_an_activation(screen: Screen) -> None:
    screen.view.setCurrentIndex(screen.view.model().index(2, 0))
    QTest.keyClick(screen.view, Qt.Key.Key_Return)
    assert screen.learner.wait()
    assert [event.kind for event in screen.events()] == ["shown", "open"]


def test_tooltips_say_why_as_soon_as_rows_were_seen(screen: Screen) -> None:
    screen.click(3)
    screen.settle()
    top = screen.model.index(0, 0)
    assert "you used this just now" in top.data(Qt.ItemDataRole.ToolTipRole)
    far = screen.model.index(N_ROWS - 1, 0)
    assert far.data(Qt.ItemDataRole.ToolTipRole) is None  # asked for by this
    assert screen.learner.wait()
    assert far.data(Qt.ItemDataRole.ToolTipRole)


def test_forgetting_a_row_erases_it_and_says_so(screen: Screen) -> None:
    receipts: list[Any] = []
    screen.model.forgotten.connect(receipts.append)
    screen.click(5)
    assert screen.learner.wait()
    item_id = screen.model.item_id(screen.model.index(0, 0))
    screen.model.forget(screen.model.index(0, 0))
    assert screen.learner.wait()
    assert [receipt.status for receipt in receipts] == ["erased"]
    assert item_id not in {event.item_id for event in screen.events()}
    assert screen.model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole) is None


def test_no_byte_of_what_was_forgotten_is_left_in_a_file(tmp_path: Path) -> None:
    """The row itself stays in the catalogue, which is the app's: what was done with it is looked for."""
    screen = Screen(log=tmp_path / "me.db")
    screen.click(5)
    assert screen.learner.wait()
    clicks = [event.uid for event in screen.events() if event.kind == "click"]
    assert clicks
    assert find_traces(tmp_path, clicks)
    screen.model.forget(screen.model.index(0, 0))
    screen.close()
    assert screen.failures == []
    assert_forgotten(tmp_path, clicks)


def test_steering_moves_a_row(screen: Screen) -> None:
    last = screen.model.index(N_ROWS - 1, 0)
    text = last.data()
    screen.model.steer(last, 1.0)
    assert screen.learner.wait()
    assert screen.model.index(0, 0).data() == text


def test_a_proxy_between_the_ranking_and_the_view_does_no_harm() -> None:
    screen = Screen(filtered=True)
    screen.view.model().setFilterFixedString("Row 4")
    screen.settle()
    assert all(item_id.startswith("id-4") for item_id in screen.watch.visible_ids())
    screen.click(1)
    assert screen.learner.wait()
    assert screen.events()[-1].item_id.startswith("id-4")
    screen.close()


def test_context_clock_and_a_still_list_are_the_host_s_choice() -> None:
    times = iter(range(1_700_000_000, 1_700_000_999))
    screen = Screen(context=lambda: {"place": "home"}, clock=lambda: float(next(times)), live=False)
    before = [screen.model.index(row, 0).data() for row in range(N_ROWS)]
    screen.click(4)
    screen.settle()
    assert [screen.model.index(row, 0).data() for row in range(N_ROWS)] == before
    click = screen.events()[-1]
    assert dict(click.context) == {"place": "home"}
    assert 1_700_000_000 <= click.at_us / 1e6 < 1_700_000_999
    screen.model.refresh()
    assert screen.learner.wait()
    assert screen.model.index(0, 0).data() == before[4]
    screen.close()


def test_a_view_of_another_model_is_no_business_of_the_watch() -> None:
    screen = Screen()
    screen.view.setModel(Rows([("x", ["x", "y"])]))
    assert screen.watch.visible_ids() == []
    QTest.mouseClick(screen.view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(10, 5))
    screen.settle()
    assert [event.kind for event in screen.events()] == ["shown"]
    screen.close()


def test_a_watch_is_the_view_s() -> None:
    screen = Screen()
    assert isinstance(screen.watch, Watch)
    assert screen.watch.parent() is screen.view
    screen.close()
