"""A launcher over the own command history: type a few letters, Enter, and the program's name is printed.

``$(recsys-qt-launcher)`` in a shell starts what was chosen, ``--stay`` leaves the window open. The first start learns
from the shell's history, read here and nowhere else, program names only; from then on from what is chosen.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QSize, QSortFilterProxyModel, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPalette, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QApplication,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)
from recsys import Recommender, RecsysError
from recsys.cli.history import find_history, read_history

from recsys_qt import Learner, RankedModel

__all__ = ["Launcher", "main", "opened"]

_ROW_HEIGHT, _MARGIN = 30, 10
_KEYS = frozenset({Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown})


def opened(path: Path, history: Path | None) -> Recommender:
    """Open the log; one without an event first learns what the history holds. Runs on the learner's thread."""
    recommender = Recommender(path)
    if history is not None and not recommender.stats().n_events:
        commands = read_history(history, now_s=time.time()).commands
        recommender.record_many({"item_id": c.program, "kind": "open", "at": c.at_us / 1e6} for c in commands)
    return recommender


class Launcher(QWidget):
    """A line to type in and the programs below it, likeliest first."""

    def __init__(self, learner: Learner, *, stay: bool = False) -> None:
        super().__init__(windowTitle="Launcher")
        self.resize(420, 460)
        self._stay = stay
        self.chosen: list[str] = []
        self.programs = QStandardItemModel(self)
        found = QSortFilterProxyModel(self, filterCaseSensitivity=Qt.CaseSensitivity.CaseInsensitive)
        found.setSourceModel(self.programs)
        self.ranked = RankedModel(learner, id_role=Qt.ItemDataRole.DisplayRole, text_role=None, parent=self)
        self.ranked.setSourceModel(found)
        self.line = QLineEdit(placeholderText="Start a program")
        self.line.textChanged.connect(found.setFilterFixedString)
        self.line.installEventFilter(self)
        self.view = QListView(uniformItemSizes=True)
        self.line.returnPressed.connect(lambda: self._choose(self.view.currentIndex()))
        self.view.setItemDelegate(_Row(self.view))
        self.view.setModel(self.ranked)
        self.watch = self.ranked.attach(self.view, clicked="open", activated=None)
        self.view.clicked.connect(lambda index: self._done(str(index.data())))
        self.ranked.ranked.connect(self._to_top)
        self.ranked.rowsInserted.connect(self._to_top)
        self.ranked.rowsRemoved.connect(self._to_top)
        self.ranked.explained.connect(self.view.viewport().update)
        layout = QVBoxLayout(self)
        layout.addWidget(self.line)
        layout.addWidget(self.view)
        learner.ask(lambda rec: rec.recommend(10_000).item_ids, self._fill)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the arrow keys move through the list while the line has the keyboard."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in _KEYS:
                QApplication.sendEvent(self.view, event)
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.close()
                return True
        return super().eventFilter(watched, event)

    def _fill(self, programs: list[str]) -> None:
        self.programs.invisibleRootItem().appendRows([QStandardItem(program) for program in programs])

    def _to_top(self) -> None:
        if self.ranked.rowCount():
            self.view.setCurrentIndex(self.ranked.index(0, 0))
            self.view.scrollToTop()

    def _choose(self, index: QModelIndex) -> None:
        if index.isValid():
            self.watch.look()
            self.ranked.record(index, "open")
            self._done(str(index.data()))

    def _done(self, program: str) -> None:
        self.chosen.append(program)
        self.line.clear()
        if not self._stay:
            self.close()


class _Row(QStyledItemDelegate):
    """A program's name, and beside it the strongest reason for its place."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(option.rect.width(), _ROW_HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        self.initStyleOption(option, index)
        palette, is_selected = option.palette, bool(option.state & QStyle.StateFlag.State_Selected)
        if is_selected:
            painter.fillRect(option.rect, palette.brush(QPalette.ColorRole.Highlight))
        area = option.rect.adjusted(_MARGIN, 0, -_MARGIN, 0)
        ink = palette.color(QPalette.ColorRole.HighlightedText if is_selected else QPalette.ColorRole.Text)
        painter.setPen(ink)
        name = str(index.data())
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)
        area.setLeft(area.left() + max(110, option.fontMetrics.horizontalAdvance(name) + 2 * _MARGIN))
        reason = str(index.data(Qt.ItemDataRole.ToolTipRole) or "").partition("\n")[0]
        faint = QColor(ink)
        faint.setAlphaF(0.6)
        painter.setPen(faint)
        reason = option.fontMetrics.elidedText(reason, Qt.TextElideMode.ElideRight, area.width())
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, reason)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the launcher; print what was chosen."""
    parser = argparse.ArgumentParser(prog="recsys-qt-launcher", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--history", type=Path, help="bash, zsh or fish history; the shell's own when not given")
    parser.add_argument("--db", type=Path, help="where to keep what is learnt; your data folder when not given")
    parser.add_argument("--stay", action="store_true", help="leave the window open after a choice")
    asked = parser.parse_args(arguments)
    if asked.history is not None and not asked.history.is_file():
        parser.error("--history: there is no such file")
    application = QApplication.instance() or QApplication(sys.argv[:1])
    history = asked.history or find_history(os.environ, Path.home())
    path = asked.db or _data_folder() / "launcher.db"
    learner = Learner(lambda: opened(path, history))
    failures: list[object] = []
    learner.failed.connect(failures.append)
    learner.failed.connect(application.quit)
    launcher = Launcher(learner, stay=asked.stay)
    launcher.show()
    launcher.line.setFocus()
    application.exec()
    learner.close()
    for program in launcher.chosen:
        print(program)
    for failure in failures[:1]:
        print(failure if isinstance(failure, (RecsysError, OSError)) else repr(failure), file=sys.stderr)
    return 1 if failures else 0


def _data_folder() -> Path:
    folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "recsys-qt"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
