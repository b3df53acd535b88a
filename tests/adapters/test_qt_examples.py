"""The example apps, driven by keys and clicks off screen, and the README as it stands."""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import documents
from tests.adapters import needs

needs.qt()

from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication
from recsys import Recommender
from recsys_qt import Learner
from recsys_qt.examples import films, launcher
from tests.adapters.qt_world import pump

README = needs.ADAPTERS / "qt" / "README.md"
SAMPLE = Path(launcher.__file__).with_name("sample.zsh_history")
DATA = Path(os.environ.get("RECSYS_DATA") or needs.ADAPTERS.parents[1] / "shared" / "data")


@pytest.fixture(scope="module", autouse=True)
def application() -> Iterator[QApplication]:
    yield QApplication.instance() or QApplication([])


class Launched:
    """The launcher over a history."""

    def __init__(self, folder: Path, history: Path) -> None:
        self.learner = Learner(lambda: launcher.opened(folder / "me.db", history))
        self.failures: list[object] = []
        self.learner.failed.connect(self.failures.append)
        self.window = launcher.Launcher(self.learner, stay=True)
        self.tester = QAbstractItemModelTester(self.window.ranked, QAbstractItemModelTester.FailureReportingMode.Fatal)
        self.window.show()
        assert self.learner.wait(60_000)

    def top(self) -> str:
        return str(self.window.ranked.index(0, 0).data())

    def close(self) -> None:
        self.learner.close()
        self.window.close()
        assert self.failures == []


def test_the_launcher_learns_the_history_and_then_what_is_chosen(tmp_path: Path) -> None:
    launched = Launched(tmp_path, SAMPLE)
    window = launched.window
    assert window.ranked.rowCount() > 20
    QTest.keyClicks(window.line, "vi")
    assert launched.learner.wait()
    assert launched.top() == "nvim"
    QTest.keyClick(window.line, Qt.Key.Key_Return)
    assert launched.learner.wait()
    assert window.chosen == ["nvim"]
    assert window.line.text() == ""
    row = next(n for n in range(window.ranked.rowCount()) if window.ranked.index(n, 0).data() == "htop")
    for _ in range(row):
        QTest.keyClick(window.line, Qt.Key.Key_Down)
    QTest.keyClick(window.line, Qt.Key.Key_Return)
    assert launched.learner.wait()
    assert window.chosen == ["nvim", "htop"]
    pump(700)
    assert launched.learner.wait()
    reasons = [str(window.ranked.index(n, 0).data(Qt.ItemDataRole.ToolTipRole)) for n in range(3)]
    assert any("just now" in reason for reason in reasons)
    assert not window.grab().isNull()
    launched.close()
    again = Launched(tmp_path, SAMPLE)  # the history is read once
    kinds: list[int] = []
    again.learner.ask(lambda rec: rec.stats().n_events, kinds.append)
    again.learner.wait()
    assert kinds[0] > len(SAMPLE.read_text().splitlines()) // 2
    again.close()


def test_the_launcher_on_a_real_history_puts_first_what_is_used_next(tmp_path: Path) -> None:
    """The commands of one person of the set, the last thirty set aside: chosen one by one by their names."""
    data = DATA / "kypo-shell" / "interactions.csv.gz"
    if not data.is_file():
        pytest.skip("needs the set kypo-shell (RECSYS_DATA)")
    with gzip.open(data, "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["user_id"] == "k00000"]
    n_held = 30
    history = tmp_path / "zsh_history"
    history.write_text("".join(f": {row['timestamp']}:0;{row['item_id']}\n" for row in rows[:-n_held]))
    launched = Launched(tmp_path, history)
    window = launched.window
    known = {window.ranked.index(n, 0).data() for n in range(window.ranked.rowCount())}
    places = []
    for row in rows[-n_held:]:
        if row["item_id"] not in known:
            continue
        order = [window.ranked.index(n, 0).data() for n in range(window.ranked.rowCount())]
        place = order.index(row["item_id"])
        places.append(place)
        window.view.setCurrentIndex(window.ranked.index(place, 0))
        QTest.keyClick(window.line, Qt.Key.Key_Return)
        assert launched.learner.wait()
    launched.close()
    assert len(places) >= n_held // 2
    assert sum(place < 5 for place in places) > len(places) // 2


def test_the_launcher_s_command_prints_the_choice(tmp_path: Path) -> None:
    code = """
import sys
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from recsys_qt.examples import launcher
application = QApplication([])
def act():
    window = next((w for w in QApplication.topLevelWidgets() if isinstance(w, launcher.Launcher)), None)
    if window is None or not window.ranked.rowCount():
        return
    timer.stop()
    QTest.keyClicks(window.line, "htop")
    QTest.keyClick(window.line, Qt.Key.Key_Return)
timer = QTimer(interval=50)
timer.timeout.connect(act)
timer.start()
sys.exit(launcher.main(sys.argv[1:]))
"""
    words = ["--db", str(tmp_path / "me.db"), "--history", str(SAMPLE)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "htop\n"), done.stderr
    with Recommender(tmp_path / "me.db") as recommender:
        assert list(recommender._store.events())[-1].item_id == "htop"


def test_the_film_list_plays_steers_and_forgets(tmp_path: Path) -> None:
    learner = Learner(lambda: Recommender(tmp_path / "me.db"))
    failures: list[object] = []
    learner.failed.connect(failures.append)
    window = films.Window(learner, films.read_films(films.OWN))
    tester = QAbstractItemModelTester(window.ranked, QAbstractItemModelTester.FailureReportingMode.Fatal)
    window.show()
    assert learner.wait()
    assert window.ranked.rowCount() == 120

    def place_of(title: str) -> int:
        return next(n for n in range(120) if window.ranked.index(n, 0).data() == title)

    def play(title: str) -> None:
        index = window.ranked.index(place_of(title), 0)
        window.view.scrollTo(index)
        at = window.view.visualRect(index).center()
        QTest.mouseClick(window.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
        QTest.mouseDClick(window.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
        assert learner.wait()

    before = place_of("Halloween")
    for title in ("The Shining", "Psycho", "The Exorcist"):
        play(title)
    assert window.statusBar().currentMessage() == "Playing The Exorcist"
    assert place_of("Halloween") < before
    window.menu_for(window.ranked.index(place_of("Psycho"), 0)).actions()[3].trigger()
    assert learner.wait()
    assert window.statusBar().currentMessage() == "Forgotten: 1 event, erased"
    before = place_of("Psycho")
    window.menu_for(window.ranked.index(before, 0)).actions()[1].trigger()
    assert learner.wait()
    assert place_of("Psycho") > before
    assert not window.grab().isNull()
    learner.close()
    window.close()
    assert failures == []
    del tester


def test_a_thousand_films_of_a_real_catalogue_are_ranked(tmp_path: Path) -> None:
    data = DATA / "movielens-latest-small" / "items.csv.gz"
    if not data.is_file():
        pytest.skip("needs the set movielens-latest-small (RECSYS_DATA)")
    catalogue = films.read_films(data)[:1000]
    learner = Learner(lambda: Recommender(tmp_path / "me.db"))
    window = films.Window(learner, catalogue)
    window.show()
    assert learner.wait(60_000)
    for _ in range(3):
        window.ranked.record(window.ranked.index(500, 0), "play")
        assert learner.wait()
    assert len({window.ranked.index(n, 0).data(films.Qt.ItemDataRole.UserRole) for n in range(1000)}) == 1000
    learner.close()
    window.close()


def test_the_readme_s_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert documents.run_python(README, README.read_text(encoding="utf-8")) == 2
    assert Path("me.db").is_file()


def test_the_pictures_can_be_made(tmp_path: Path) -> None:
    script = needs.ADAPTERS / "qt" / "pictures.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["qt-films.png", "qt-launcher.png"]


def test_a_history_or_a_catalogue_that_is_not_there_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("what,when\none,two\n")
    for main, words in (
        (launcher.main, ["--history", str(tmp_path / "nowhere")]),
        (films.main, ["--films", str(tmp_path / "nowhere")]),
        (films.main, ["--films", str(wrong)]),
    ):
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--db", str(tmp_path / "me.db")])
        said = capsys.readouterr().err
        assert stopped.value.code == 2
        assert words[0] in said.splitlines()[-1]
        assert str(tmp_path) not in said
