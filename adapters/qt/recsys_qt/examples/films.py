"""A list of films: double-click one that you watch, right-click for more or less of it, or to have it forgotten.

Any table of films will do: ``--films FILE`` takes a CSV file, which may be gzipped, with the columns ``item_id``,
``title``, ``year`` and ``categories`` (separated by ``|``).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QPoint, Qt
from PySide6.QtWidgets import QApplication, QHeaderView, QMainWindow, QMenu, QTableView
from recsys import Receipt, Recommender

from recsys_qt import Learner, RankedModel

__all__ = ["ATTRIBUTES", "OWN", "Film", "Films", "Window", "main", "read_films"]

ATTRIBUTES = Qt.ItemDataRole.UserRole + 1
_HEADINGS = ("Film", "Year", "Kind")
OWN = Path(__file__).with_name("films.csv")


@dataclass(frozen=True)
class Film:
    """A row of the catalogue."""

    item_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]


def read_films(path: Path) -> list[Film]:
    """Read a catalogue.

    Raises
    ------
    OSError, KeyError
        When the file cannot be read, or has no such columns.
    """
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    rows = csv.DictReader(io.StringIO(text))
    return [
        Film(
            row["item_id"],
            row["title"],
            int(row["year"]) if row.get("year") else None,
            tuple(filter(None, row["categories"].split("|"))),
        )
        for row in rows
    ]


class Films(QAbstractTableModel):
    """The app's own model, which knows nothing of any ranking."""

    def __init__(self, films: Sequence[Film], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._films = list(films)

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(self._films)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:
        return 0 if parent.isValid() else len(_HEADINGS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADINGS[section] if orientation == Qt.Orientation.Horizontal else str(section + 1)
        return None

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        film = self._films[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (film.title, str(film.year or ""), ", ".join(film.genres))[index.column()]
        if role == Qt.ItemDataRole.UserRole:
            return film.item_id
        if role == ATTRIBUTES:
            year = {} if film.year is None else {"year": film.year}
            return {"tags": list(film.genres), **year}
        return None


class Window(QMainWindow):
    """The films, the likeliest to be watched first."""

    def __init__(self, learner: Learner, films: Sequence[Film]) -> None:
        super().__init__()
        self.setWindowTitle("Films")
        self.resize(640, 480)
        self.films = Films(films, self)
        self.ranked = RankedModel(learner, attributes_role=ATTRIBUTES, parent=self)
        self.ranked.setSourceModel(self.films)
        self.view = QTableView(showGrid=False)
        self.view.setAlternatingRowColors(True)
        self.view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.view.setModel(self.ranked)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(26)
        header = self.view.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._menu)
        self.watch = self.ranked.attach(self.view, activated=None)
        self.view.doubleClicked.connect(self._watched)
        self.ranked.forgotten.connect(self._forgot)
        self.setCentralWidget(self.view)
        self.statusBar().showMessage("Double-click a film to watch it; the pointer on a row says why it stands there.")

    def menu_for(self, index: QModelIndex) -> QMenu:
        """Make the menu of a row."""
        menu = QMenu(self)
        menu.addAction("More like this", lambda: self.ranked.steer(index, 1.0))
        menu.addAction("Less like this", lambda: self.ranked.steer(index, -1.0))
        menu.addSeparator()
        menu.addAction("Forget that I watched this", lambda: self.ranked.forget(index))
        return menu

    def _menu(self, at: QPoint) -> None:
        index = self.view.indexAt(at)
        if index.isValid():
            self.menu_for(index).popup(self.view.viewport().mapToGlobal(at))

    def _watched(self, index: QModelIndex) -> None:
        self.watch.look()
        self.ranked.record(index, "play")
        self.statusBar().showMessage(f"Playing {index.siblingAtColumn(0).data()}")

    def _forgot(self, receipt: Receipt) -> None:
        events = "event" if receipt.n_events == 1 else "events"
        self.statusBar().showMessage(f"Forgotten: {receipt.n_events} {events}, {receipt.status}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the films."""
    parser = argparse.ArgumentParser(prog="recsys-qt-films", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--films", type=Path, default=OWN, help="a catalogue; one of 120 when not given")
    parser.add_argument("--db", default="films.db", help="where to keep what is learnt (films.db)")
    asked = parser.parse_args(arguments)
    try:
        films = read_films(asked.films)
    except (OSError, KeyError, ValueError):
        films = []
    if not films:
        parser.error("--films: no catalogue that can be read, or no film in it")
    application = QApplication.instance() or QApplication(sys.argv[:1])
    learner = Learner(lambda: Recommender(asked.db))
    window = Window(learner, films)
    learner.failed.connect(lambda error: window.statusBar().showMessage(str(error)))
    window.show()
    application.exec()
    learner.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
