"""A life of the film list, for tests that look at it from outside.

``python -m tests.adapters.films_life HOST FILE COPY``

Opens the example app of a host (``qt`` or ``tk``), plays a film by a double click, copies what is on disk, and forgets
the film through the app's own menu. Prints the id of the event that was forgotten, and what the app then said.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from recsys import Recommender

__all__ = ["qt_life", "tk_life"]

FILM = "Psycho"
Copied = Callable[[Recommender], str]


def _copied(file: Path, copy: Path) -> Copied:
    """A job that copies the files as they are, and gives the id of the last event that is no impression."""

    def job(recommender: Recommender) -> str:
        shutil.copytree(file.parent, copy)
        return [event.uid for event in recommender._store.events() if event.kind != "shown"][-1]

    return job


def qt_life(file: Path, copy: Path) -> None:
    """The life in Qt."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication
    from recsys_qt import Learner
    from recsys_qt.examples import films

    application = QApplication([])
    learner = Learner(lambda: Recommender(file))
    learner.failed.connect(lambda error: print(repr(error)))
    window = films.Window(learner, films.read_films(films.OWN))
    window.show()
    learner.wait()

    def found() -> object:
        rows = (window.ranked.index(n, 0) for n in range(window.ranked.rowCount()))
        return next(index for index in rows if index.data() == FILM)

    window.view.scrollTo(found())
    at = window.view.visualRect(found()).center()
    QTest.mouseClick(window.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseDClick(window.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    learner.wait()
    learner.ask(_copied(file, copy), print)
    learner.wait()
    window.menu_for(found()).actions()[3].trigger()
    learner.wait()
    print(window.statusBar().currentMessage())
    learner.close()
    window.close()
    del application


def tk_life(file: Path, copy: Path) -> None:
    """The life in Tk."""
    import tkinter as tk

    from recsys_tk import Learner
    from recsys_tk.examples import films

    root = tk.Tk()
    root.geometry("640x480+0+0")
    learner = Learner(root, lambda: Recommender(file), failed=lambda error: print(repr(error)))
    window = films.Films(root, learner, films.read_films(Path(films.__file__).with_name("films.csv")))
    window.pack(fill="both", expand=True)
    root.update()
    learner.wait()
    tree = window.tree
    iid = next(iid for iid in tree.get_children() if tree.item(iid, "text") == FILM)
    tree.see(iid)
    root.update()
    x, y, _, tall = tree.bbox(iid)
    for _ in range(2):
        tree.event_generate("<Button-1>", x=x + 40, y=y + tall // 2)
        tree.event_generate("<ButtonRelease-1>", x=x + 40, y=y + tall // 2)
    learner.wait()
    learner.ask(_copied(file, copy), print)
    learner.wait()
    window.fill_menu(iid).invoke(3)
    learner.wait()
    print(window.said.get())
    root.destroy()


if __name__ == "__main__":
    {"qt": qt_life, "tk": tk_life}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
