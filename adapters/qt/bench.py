"""How long the GUI thread is held up while the recommender learns, keeps house and forgets behind it.

``python adapters/qt/bench.py [--rows 1000] [--seconds 10]`` shows a list of rows with a long log behind it, lets a
person scroll 20 times and click 5 times a second, and has the recommender work on all the while. A timer that is due
every millisecond notes how long after the one before it came. Prints a table of those gaps, phase by phase; the first
is the same list, scrolled and clicked, without a recommender. With LightGBM installed, trees grow.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from PySide6.QtCore import QEventLoop, QSize, Qt, QTimer
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListView
from recsys import Recommender, Settings

from recsys_qt import Learner, RankedModel

START_S = 1_700_000_000
LIMIT_MS = 16.0
EVERY_MS = 40  # between two of the person's doings
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
TREES = find_spec("lightgbm") is not None


def events_of(n_rows: int, n_events: int, start_s: float = START_S, seed: int = 7) -> list[dict[str, object]]:
    """Make up someone who uses some rows much more than others, at a minute's distance."""
    weights = [1.0 / (1 + n) for n in range(n_rows)]
    chosen = random.Random(seed).choices(range(n_rows), weights, k=n_events)
    return [{"item_id": f"row-{row}", "kind": "open", "at": start_s + 60.0 * n} for n, row in enumerate(chosen)]


def opened(path: Path) -> Recommender:
    """Open the log; trees are grown where that can be."""
    return Recommender(path, settings=Settings(trees=TREES))


class Ticks:
    """Gaps between the ticks of a timer that is due every millisecond."""

    def __init__(self) -> None:
        self._gaps: list[float] = []
        self._last = 0.0
        self._timer = QTimer(interval=1, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def begin(self) -> None:
        """Begin to note."""
        self._gaps, self._last = [], time.perf_counter()
        self._timer.start()

    def end(self) -> dict[str, float]:
        """Give quantiles in milliseconds, and how many gaps there were and were over the limit."""
        self._timer.stop()
        gaps = sorted(self._gaps)
        found = {name: gaps[min(len(gaps) - 1, int(q * len(gaps)))] for name, q in QUANTILES.items()}
        return {**found, "over": sum(gap > LIMIT_MS for gap in gaps), "n": len(gaps)}

    def _tick(self) -> None:
        now = time.perf_counter()
        self._gaps.append(1e3 * (now - self._last))
        self._last = now


class Person:
    """Scrolls four times and clicks once, again and again."""

    def __init__(self, view: QListView) -> None:
        self._view, self._draw, self._n = view, random.Random(3), 0
        self.timer = QTimer(interval=EVERY_MS)
        self.timer.timeout.connect(self._act)

    def _act(self) -> None:
        view, bar = self._view, self._view.verticalScrollBar()
        self._n += 1
        if self._n % 5:
            bar.setValue(max(0, min(bar.maximum(), bar.value() + self._draw.randint(-40, 60))))
            return
        index = view.indexAt(view.viewport().rect().center())
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index).center())


class Bench:
    """A list in a window, a log of its person, and phases in which both are kept busy."""

    def __init__(self, path: Path, rows: int, events: int, seconds: float, *, grid: bool = True) -> None:
        self._path, self._rows, self._events, self._seconds = path, rows, events, seconds
        self._draw, self._ticks = random.Random(5), Ticks()
        self.found: dict[str, Mapping[str, float]] = {}
        self.failures: list[object] = []
        self.n_trees = 0
        self._source = QStandardItemModel()
        for n in range(rows):
            item = QStandardItem(f"Row number {n}")
            item.setData(f"row-{n}", Qt.ItemDataRole.UserRole)
            self._source.appendRow(item)
        self._view = QListView(uniformItemSizes=True)
        self._view.resize(360, 640)
        self._view.setModel(self._source)
        self._view.show()
        if grid:
            self._view.setGridSize(QSize(1, self._view.sizeHintForRow(0)))  # a layout asks half as much of the model
        self._person = Person(self._view)
        with opened(path) as recommender:
            recommender.record_many(events_of(rows, events))

    def run(self, interval_s: float | None) -> None:
        """Go through all phases."""
        self._phase("no recommender")
        learner = Learner(lambda: opened(self._path), switch_interval_s=interval_s)
        learner.failed.connect(self.failures.append)
        model = RankedModel(learner)
        model.setSourceModel(self._source)
        self._view.setModel(model)
        model.attach(self._view, clicked="open", activated=None)
        self._phase("opening, ranking, learning")
        learner.wait(60_000)
        self._phase("learning")
        for name, job in self._jobs().items():
            learner.wait(60_000)
            self._phase(f"learning, {name}", learner, job)
            learner.ask(self._count)
        learner.close()

    def _jobs(self) -> dict[str, Callable[[Recommender], object]]:
        """What the recommender does all the while, beside what the person asks of it."""
        return {
            "late events": self._late,
            "maintenance": lambda rec: rec.maintain(5.0) or self._late(rec),  # which gives it work again
            "forgetting": lambda rec: rec.forget(items=[f"row-{self._draw.randrange(self._rows)}"]),
            "evaluation": lambda rec: rec.evaluate(),
        }

    def _late(self, recommender: Recommender) -> None:
        late_s = START_S + 60.0 * (self._events - 300) + 0.5
        recommender.record_many(events_of(self._rows, 10, late_s, self._draw.randrange(10**6)))

    def _count(self, recommender: Recommender) -> None:
        trees = recommender.stats().trees
        self.n_trees = max(self.n_trees, trees.n_trees if trees is not None else 0)

    def _phase(
        self, name: str, learner: Learner | None = None, job: Callable[[Recommender], object] | None = None
    ) -> None:
        n_jobs, is_over = 0, False

        def again(_: object = None) -> None:
            nonlocal n_jobs
            if learner is not None and job is not None and not is_over:
                n_jobs += 1
                learner.tell(job, again)

        loop = QEventLoop()
        QTimer.singleShot(int(1000 * self._seconds), loop.quit)
        self._person.timer.start()
        self._ticks.begin()
        again()
        loop.exec()
        is_over = True
        self._person.timer.stop()
        self.found[name] = {**self._ticks.end(), "jobs": n_jobs, "load": os.getloadavg()[0]}
        print(f"{name:28}", "  ".join(f"{key} {value:7.2f}" for key, value in self.found[name].items()), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="a phase")
    parser.add_argument("--interval", type=float, default=0.00005, help="switch interval, seconds; 0 leaves Python's")
    parser.add_argument("--no-grid", dest="grid", action="store_false", help="lay the list out without a grid size")
    parser.add_argument("--json", type=Path, help="where to write the numbers too")
    asked = parser.parse_args()
    application = QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "me.db", asked.rows, asked.events, asked.seconds, grid=asked.grid)
        bench.run(asked.interval or None)
    print(f"{bench.n_trees} trees at most" if TREES else "no trees: LightGBM is not installed")
    if bench.failures:
        print(f"{len(bench.failures)} jobs failed, the first with {bench.failures[0]!r}")
    if asked.json:
        asked.json.write_text(json.dumps({"rows": asked.rows, "gaps_ms": bench.found}, indent=1) + "\n")
    application.quit()


if __name__ == "__main__":
    main()
