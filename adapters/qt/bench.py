"""How long the GUI thread is held up while the recommender learns, keeps house and forgets behind it.

``python adapters/qt/bench.py [--rows 1000] [--seconds 20]`` shows a list of rows with a long log, lets a person click
and scroll without a pause, and has the recommender work on the rest of the time. A timer that is due every millisecond
notes how long after the one before it came: what the GUI thread could do in between is nothing. Prints a table of
those gaps, phase by phase; the first phase has no recommender, the second one that works in the GUI thread itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListView

from recsys import Recommender
from recsys_qt import Learner, RankedModel

START_S = 1_700_000_000
LIMIT_MS = 16.0


def log_of(n_rows: int, n_events: int) -> list[dict[str, object]]:
    """Make up someone who uses some rows much more than others, at a minute's distance."""
    draw = random.Random(7)
    weights = [1.0 / (1 + n) for n in range(n_rows)]
    chosen = draw.choices(range(n_rows), weights, k=n_events)
    return [
        {"item_id": f"row-{row}", "kind": "open", "at": START_S + 60.0 * n, "context": {"place": "home"}}
        for n, row in enumerate(chosen)
    ]


class Ticks:
    """Gaps between the ticks of a timer, milliseconds."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = 0.0
        self._timer = QTimer(interval=1, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def begin(self) -> None:
        """Begin a phase."""
        self.gaps, self._last = [], time.perf_counter()
        self._timer.start()

    def end(self) -> dict[str, float]:
        """End it; gives how many gaps there were, the median, high quantiles and the longest."""
        self._timer.stop()
        gaps = sorted(self.gaps)
        at = {name: gaps[min(len(gaps) - 1, int(q * len(gaps)))] for name, q in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}
        return {"n": len(gaps), **at, "max": gaps[-1], "over": sum(gap > LIMIT_MS for gap in gaps)}

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1e3 * (now - self._last))
        self._last = now


class Person:
    """Clicks and scrolls, every few milliseconds."""

    def __init__(self, view: QListView, every_ms: int) -> None:
        self._view, self._draw, self._n = view, random.Random(3), 0
        self._timer = QTimer(interval=every_ms)
        self._timer.timeout.connect(self._act)

    def begin(self) -> None:
        """Begin to act."""
        self._timer.start()

    def end(self) -> None:
        """Go away."""
        self._timer.stop()

    def _act(self) -> None:
        view, bar = self._view, self._view.verticalScrollBar()
        self._n += 1
        if self._n % 5:
            bar.setValue(max(0, min(bar.maximum(), bar.value() + self._draw.randint(-40, 60))))
            return
        index = view.indexAt(view.viewport().rect().center())
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index).center())


def view_of(rows: int) -> tuple[QListView, QStandardItemModel]:
    """Show rows that the host has, as it would without a recommender."""
    source = QStandardItemModel()
    for n in range(rows):
        item = QStandardItem(f"Row number {n}")
        item.setData(f"row-{n}", Qt.ItemDataRole.UserRole)
        source.appendRow(item)
    view = QListView()
    view.setUniformItemSizes(True)
    view.resize(360, 640)
    view.setModel(source)
    view.show()
    return view, source


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="a phase")
    parser.add_argument("--every-ms", type=int, default=40, help="between two of the person's doings")
    parser.add_argument("--interval", type=float, default=0.0002, help="switch interval, seconds; 0 leaves Python's")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    application = QApplication([])  # kept until the end
    view, source = view_of(asked.rows)
    ticks, person = Ticks(), Person(view, asked.every_ms)
    found: dict[str, dict[str, float]] = {}

    def phase(name: str, busy=None) -> None:
        n_busy = [0]

        def work() -> None:
            n_busy[0] += busy()

        driver = QTimer(interval=2)
        if busy is not None:
            driver.timeout.connect(work)
            driver.start()
        person.begin()
        ticks.begin()
        loop = QEventLoop()
        QTimer.singleShot(int(1000 * asked.seconds), loop.quit)
        loop.exec()
        driver.stop()
        person.end()
        found[name] = ticks.end() | {"jobs": n_busy[0]}
        print(f"{name:34} " + "  ".join(f"{k} {v:8.2f}" if isinstance(v, float) else f"{k} {v:6d}" for k, v in found[name].items()))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "me.db"
        with Recommender(path) as recommender:
            recommender.record_many(log_of(asked.rows, asked.events))
        phase("no recommender")
        learner = Learner(lambda: Recommender(path), switch_interval_s=asked.interval or None)
        failures: list[object] = []
        learner.failed.connect(failures.append)
        model = RankedModel(learner)
        model.setSourceModel(source)
        view.setModel(model)
        model.attach(view, clicked="open", activated=None)
        phase("opening, ranking")
        learner.wait(60_000)
        phase("clicks and scrolling")
        learner.wait(60_000)
        draw = random.Random(5)

        def keep(job):
            def ask() -> int:
                if learner.n_waiting:
                    return 0
                learner.tell(job)
                return 1

            return ask

        phase("... and late events learnt", keep(lambda rec: rec.record_many(
            [{"item_id": f"row-{draw.randrange(asked.rows)}", "kind": "open", "at": START_S + 60.0 * (asked.events - 300) + 0.001 * n} for n in range(10)])))
        learner.wait(60_000)
        phase("... and maintenance", keep(lambda rec: rec.maintain(5.0)))
        learner.wait(60_000)
        phase("... and forgetting", keep(lambda rec: rec.forget(items=[f"row-{draw.randrange(asked.rows)}"])))
        learner.wait(60_000)
        phase("... and evaluation", keep(lambda rec: rec.evaluate()))
        learner.close()
        if failures:
            print(f"{len(failures)} jobs failed: {failures[0]!r}")
    if asked.json:
        asked.json.write_text(json.dumps({"arguments": {k: str(v) for k, v in vars(asked).items()}, "gaps_ms": found}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
