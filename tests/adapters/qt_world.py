"""What the tests of the Qt adapter share: a host's model that changes in every way, and a learner that waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from tests.adapters import needs

needs.qt()

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractTableModel,
    QEventLoop,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
    Signal,
)

from recsys import Recommendation, Slate

ID_ROLE = Qt.ItemDataRole.UserRole

Row = tuple[object, list[str]]  # the item id as the host has it, and the texts of the cells


class Rows(QAbstractTableModel):
    """A host's table."""

    def __init__(self, rows: Iterable[Row] = (), n_columns: int = 2) -> None:
        super().__init__()
        self.rows = list(rows)
        self.n_columns = n_columns

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:
        return 0 if parent.isValid() else self.n_columns

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        item_id, cells = self.rows[index.row()]
        if role == ID_ROLE:
            return item_id
        if role == Qt.ItemDataRole.DisplayRole:
            return cells[index.column()] if index.column() < len(cells) else ""
        return None

    def insert(self, at: int, rows: list[Row]) -> None:
        self.beginInsertRows(QModelIndex(), at, at + len(rows) - 1)
        self.rows[at:at] = rows
        self.endInsertRows()

    def remove(self, first: int, last: int) -> None:
        self.beginRemoveRows(QModelIndex(), first, last)
        del self.rows[first : last + 1]
        self.endRemoveRows()

    def move(self, first: int, last: int, before: int) -> None:
        if not self.beginMoveRows(QModelIndex(), first, last, QModelIndex(), before):
            return
        moved = self.rows[first : last + 1]
        del self.rows[first : last + 1]
        at = before if before <= first else before - len(moved)
        self.rows[at:at] = moved
        self.endMoveRows()

    def reset(self, rows: list[Row]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def shuffle(self, seed: int) -> None:
        """As a sort does it."""
        self.layoutAboutToBeChanged.emit()
        order = list(range(len(self.rows)))
        random.Random(seed).shuffle(order)
        before = self.persistentIndexList()
        place = {row: n for n, row in enumerate(order)}
        after = [self.index(place[index.row()], index.column()) for index in before]
        self.rows = [self.rows[row] for row in order]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def change(self, first: int, last: int, item_id: object, text: str) -> None:
        for row in range(first, last + 1):
            self.rows[row] = (item_id if row == first else self.rows[row][0], [text] * len(self.rows[row][1]))
        self.dataChanged.emit(self.index(first, 0), self.index(last, self.n_columns - 1))

    def widen(self, at: int) -> None:
        self.beginInsertColumns(QModelIndex(), at, at)
        self.n_columns += 1
        for _, cells in self.rows:
            cells.insert(at, "new")
        self.endInsertColumns()

    def narrow(self, at: int) -> None:
        self.beginRemoveColumns(QModelIndex(), at, at)
        self.n_columns -= 1
        for _, cells in self.rows:
            del cells[at : at + 1]
        self.endRemoveColumns()


class Later(QObject):
    """In place of a learner: keeps jobs until they are let go, with a recommender that orders by chance."""

    failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[tuple[Callable[[Any], object], Callable[[Any], object] | None]] = []

    def ask(self, job: Callable[[Any], object], then: Callable[[Any], object] | None = None) -> None:
        self.jobs.append((job, then))

    tell = ask

    def step(self, recommender: object) -> None:
        """Do the oldest job."""
        if self.jobs:
            job, then = self.jobs.pop(0)
            result = job(recommender)
            if then is not None:
                then(result)

    def drain(self, recommender: object) -> None:
        while self.jobs:
            self.step(recommender)


class Chance:
    """In place of a recommender: an order drawn by chance."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.added: list[dict[str, object]] = []

    def rank(self, item_ids: list[str], **_: object) -> Slate:
        ids = list(item_ids)
        self._draw.shuffle(ids)
        ranked = [Recommendation(i, -float(n), n, 1.0, True, lambda _: ()) for n, i in enumerate(ids)]
        return Slate(f"{self._draw.getrandbits(64):016x}", 0, 0, tuple(ranked), len(ids))

    def add(self, items: list[dict[str, object]]) -> int:
        self.added.extend(items)
        return len(items)


def pump(ms: int) -> None:
    """Let the event loop run. Not ``QTest.qWait``, which keeps the interpreter to itself meanwhile."""
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()


def texts(model: QAbstractItemModel, column: int = 0) -> list[str]:
    """The texts of a column, from the top."""
    return [model.index(row, column).data() for row in range(model.rowCount())]


def persistent(model: QAbstractItemModel, row: int) -> QPersistentModelIndex:
    return QPersistentModelIndex(model.index(row, 0))
