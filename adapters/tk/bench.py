"""How long Tk's main loop is held up while the recommender learns, keeps house and forgets behind it.

``xvfb-run -a python adapters/tk/bench.py [--rows 1000] [--seconds 10]`` shows a tree of rows with a long log behind it,
lets a person scroll 20 times and click 5 times a second, and has the recommender work on all the while. A timer that is
due every millisecond notes how long after the one before it came. Prints a table of those gaps, phase by phase; the
first is a plain ``ttk.Treeview``, scrolled and clicked, without a recommender. With LightGBM installed, trees grow.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
import tkinter as tk
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from tkinter import ttk

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from recsys import Recommender, Settings

from recsys_tk import Learner, RankedTree

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

    def __init__(self, root: tk.Tk) -> None:
        self._root, self._gaps, self._last, self._timer = root, list[float](), 0.0, ""

    def begin(self) -> None:
        """Begin to note."""
        self._gaps, self._last = [], time.perf_counter()
        self._timer = self._root.after(1, self._tick)

    def end(self) -> dict[str, float]:
        """Give quantiles in milliseconds, and how many gaps there were and were over the limit."""
        self._root.after_cancel(self._timer)
        gaps = sorted(self._gaps)
        found = {name: gaps[min(len(gaps) - 1, int(q * len(gaps)))] for name, q in QUANTILES.items()}
        return {**found, "over": sum(gap > LIMIT_MS for gap in gaps), "n": len(gaps)}

    def _tick(self) -> None:
        now = time.perf_counter()
        self._gaps.append(1e3 * (now - self._last))
        self._last = now
        self._timer = self._root.after(1, self._tick)


class Person:
    """Scrolls four times and clicks once, again and again."""

    def __init__(self, root: tk.Tk) -> None:
        self._root, self._draw, self._n, self._timer = root, random.Random(3), 0, ""
        self.tree: ttk.Treeview

    def begin(self) -> None:
        """Begin to act."""
        self._timer = self._root.after(EVERY_MS, self._act)

    def end(self) -> None:
        """Stop."""
        self._root.after_cancel(self._timer)

    def _act(self) -> None:
        self.begin()
        self._n += 1
        if self._n % 5:
            self.tree.yview("scroll", self._draw.randint(-40, 60), "units")
            return
        middle = {"x": self.tree.winfo_width() // 2, "y": self.tree.winfo_height() // 2}
        self.tree.event_generate("<Button-1>", **middle)
        self.tree.event_generate("<ButtonRelease-1>", **middle)


class Bench:
    """A tree in a window, a log of its person, and phases in which both are kept busy."""

    def __init__(self, root: tk.Tk, path: Path, rows: int, events: int, seconds: float) -> None:
        self._root, self._path, self._rows, self._events, self._seconds = root, path, rows, events, seconds
        self._draw, self._ticks, self._person = random.Random(5), Ticks(root), Person(root)
        self.found: dict[str, Mapping[str, float]] = {}
        self.failures: list[BaseException] = []
        self.n_trees = 0
        with opened(path) as recommender:
            recommender.record_many(events_of(rows, events))

    def run(self, interval_s: float | None) -> None:
        """Go through all phases."""
        plain = ttk.Treeview(self._root, show="tree")
        self._show(plain)
        self._phase("no recommender")
        plain.destroy()
        learner = Learner(
            self._root, lambda: opened(self._path), failed=self.failures.append, switch_interval_s=interval_s
        )
        self._show(RankedTree(self._root, learner, clicked="open", activated=None, show="tree"))
        self._phase("opening, ranking, learning")
        learner.wait(60)
        self._phase("learning")
        for name, job in self._jobs().items():
            learner.wait(60)
            self._phase(f"learning, {name}", learner, job)
            learner.ask(self._count)

    def _show(self, tree: ttk.Treeview) -> None:
        for n in range(self._rows):
            tree.insert("", "end", iid=f"row-{n}", text=f"Row number {n}")
        tree.pack(fill="both", expand=True)
        self._person.tree = tree
        self._root.update()

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
        n_jobs, over = 0, tk.BooleanVar(self._root)

        def again(_: object = None) -> None:
            nonlocal n_jobs
            if learner is not None and job is not None and not over.get():
                n_jobs += 1
                learner.tell(job, again)

        self._root.after(int(1000 * self._seconds), lambda: over.set(True))
        self._person.begin()
        self._ticks.begin()
        again()
        self._root.wait_variable(over)
        self._person.end()
        self.found[name] = {**self._ticks.end(), "jobs": n_jobs, "load": os.getloadavg()[0]}
        print(f"{name:28}", "  ".join(f"{key} {value:7.2f}" for key, value in self.found[name].items()), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="a phase")
    parser.add_argument("--interval", type=float, default=0.00005, help="switch interval, seconds; 0 leaves Python's")
    parser.add_argument("--json", type=Path, help="where to write the numbers too")
    asked = parser.parse_args()
    root = tk.Tk()
    root.geometry("360x640+0+0")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(root, Path(folder) / "me.db", asked.rows, asked.events, asked.seconds)
        bench.run(asked.interval or None)
        root.destroy()
    print(f"{bench.n_trees} trees at most" if TREES else "no trees: LightGBM is not installed")
    if bench.failures:
        print(f"{len(bench.failures)} jobs failed, the first with {bench.failures[0]!r}")
    if asked.json:
        asked.json.write_text(json.dumps({"rows": asked.rows, "gaps_ms": bench.found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
