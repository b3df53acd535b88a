"""Drive both example apps with real clicks and keys, off screen, and keep a picture of each.

``python adapters/qt/pictures.py DIR``
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEvent, QEventLoop, QPoint, Qt, QTimer
from PySide6.QtGui import QHelpEvent, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from recsys import Recommender

from recsys_qt import Learner
from recsys_qt.examples import films, launcher

HISTORY = Path(launcher.__file__).with_name("sample.zsh_history")
WATCHED = ("Alien", "Solaris", "Stalker", "Blade Runner", "The Thing")


def settle(learner: Learner) -> None:
    """Let what is on screen be seen, and all that follows from it arrive."""
    for _ in range(2):
        loop = QEventLoop()
        QTimer.singleShot(700, loop.quit)
        loop.exec()
        learner.wait()


def keep(window: QWidget, path: Path, *, tip_of: QPoint | None = None) -> None:
    """Save a window as a picture, with the tooltip that the pointer brings up at a point of its view."""
    picture = window.grab()
    if tip_of is not None:
        viewport = window.view.viewport()
        at = viewport.mapToGlobal(tip_of)
        QApplication.sendEvent(viewport, QHelpEvent(QEvent.Type.ToolTip, tip_of, at))
        tip = next(w for w in QApplication.topLevelWidgets() if w.metaObject().className() == "QTipLabel")
        painter = QPainter(picture)
        painter.drawPixmap(viewport.mapTo(window, tip_of) + QPoint(8, 12), tip.grab())
        painter.end()
    picture.save(str(path))
    print(path)


def launcher_pictures(folder: Path, file: Path) -> None:
    """Before a letter is typed, and after two."""
    learner = Learner(lambda: launcher.opened(file, HISTORY))
    window = launcher.Launcher(learner, stay=True)
    window.show()
    settle(learner)
    for program in ("git", "nvim"):
        QTest.keyClicks(window.line, program)
        settle(learner)
        QTest.keyClick(window.line, Qt.Key.Key_Return)
        settle(learner)
    keep(window, folder / "qt-launcher.png")
    learner.close()
    window.close()


def films_picture(folder: Path, file: Path) -> None:
    """After five films; with the reasons of the second row."""
    learner = Learner(lambda: Recommender(file))
    window = films.Window(learner, films.read_films(films.OWN))
    window.show()
    settle(learner)
    for title in WATCHED:
        rows = {window.ranked.index(n, 0).data(): n for n in range(window.ranked.rowCount())}
        index = window.ranked.index(rows[title], 0)
        window.view.scrollTo(index)
        settle(learner)
        at = window.view.visualRect(index).center()
        QTest.mouseClick(window.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
        QTest.mouseDClick(window.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
        settle(learner)
    window.view.scrollToTop()
    window.view.clearSelection()
    settle(learner)
    keep(window, folder / "qt-films.png", tip_of=window.view.visualRect(window.ranked.index(2, 0)).center())
    learner.close()
    window.close()


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    application = QApplication([])
    application.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as files:
        launcher_pictures(folder, Path(files) / "launcher.db")
        films_picture(folder, Path(files) / "films.db")


if __name__ == "__main__":
    main()
