"""A launcher over the own command history: type a few letters, Return, and the program's name is printed.

``$(recsys-tk-launcher)`` in a shell starts what was chosen, ``--stay`` leaves the window open. The first start learns
from the shell's history, read here and nowhere else, program names only; from then on from what is chosen.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tkinter as tk
from collections.abc import Sequence
from pathlib import Path
from tkinter import ttk

from recsys import Recommender
from recsys.cli.history import find_history, read_history

from recsys_tk import Learner, RankedTree

__all__ = ["Launcher", "main", "opened"]


def opened(path: Path, history: Path | None) -> Recommender:
    """Open the log; one without an event first learns what the history holds. Runs on the learner's thread."""
    recommender = Recommender(path)
    if history is not None and not recommender.stats().n_events:
        commands = read_history(history, now_s=time.time()).commands
        recommender.record_many({"item_id": c.program, "kind": "open", "at": c.at_us / 1e6} for c in commands)
    return recommender


class Launcher(ttk.Frame):
    """A line to type in and the programs below it, likeliest first, each with the strongest reason for its place."""

    def __init__(self, master: tk.Tk, learner: Learner, *, stay: bool = False) -> None:
        super().__init__(master, padding=8)
        self.chosen: list[str] = []
        self._stay = stay
        self._programs: list[str] = []
        self._typed = tk.StringVar()
        self._typed.trace_add("write", lambda *_: self._find())
        self.line = ttk.Entry(self, textvariable=self._typed)
        self.tree = RankedTree(
            self, learner, activated=None, columns=("why",), show="tree", selectmode="browse", height=14
        )
        self.tree.column("#0", width=150, stretch=False)
        self.tree.column("why", width=250, anchor="e")
        bar = ttk.Scrollbar(self, command=self.tree.yview)
        self.tree.configure(yscrollcommand=bar.set)
        self.line.grid(row=0, column=0, columnspan=2, sticky="ew", pady=(0, 6))
        self.tree.grid(row=1, column=0, sticky="nsew")
        bar.grid(row=1, column=1, sticky="ns")
        self.columnconfigure(0, weight=1)
        self.rowconfigure(1, weight=1)
        self.line.bind("<Return>", lambda _: self._choose(next(iter(self.tree.selection()), "")))
        self.line.bind("<Down>", lambda _: self._step(1))
        self.line.bind("<Up>", lambda _: self._step(-1))
        self.line.bind("<Escape>", lambda _: master.destroy())
        self.tree.bind("<Double-1>", lambda event: self._choose(self.tree.identify_row(event.y)))
        self.tree.bind("<<Ranked>>", lambda _: self._to_top(), add="+")
        self.tree.bind("<<Explained>>", lambda _: self._tell_why(), add="+")
        self.line.focus_set()
        learner.ask(lambda rec: rec.recommend(10_000).item_ids, self._fill)

    def _fill(self, programs: list[str]) -> None:
        self._programs = programs
        for program in programs:
            self.tree.insert("", "end", iid=program, text=program)

    def _find(self) -> None:
        typed = self._typed.get().lower()
        self.tree.set_children("", *(program for program in self._programs if typed in program.lower()))
        self.after_idle(self._to_top)

    def _to_top(self) -> None:
        rows = self.tree.get_children()
        if rows:
            self._select(rows[0])

    def _step(self, by: int) -> None:
        rows = self.tree.get_children()
        if rows:
            selected = next(iter(self.tree.selection()), rows[0])
            self._select(rows[max(0, min(len(rows) - 1, rows.index(selected) + by))])

    def _select(self, iid: str) -> None:
        self.tree.selection_set(iid)
        self.tree.focus(iid)
        self.tree.see(iid)

    def _tell_why(self) -> None:
        for iid in self.tree.visible_ids():
            self.tree.set(iid, "why", (self.tree.reasons(iid) or "").partition("\n")[0])

    def _choose(self, program: str) -> None:
        if not program:
            return
        self.tree.look()
        self.tree.record(program, "open")
        self.chosen.append(program)
        self._typed.set("")
        if not self._stay:
            self.winfo_toplevel().destroy()


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the launcher; print what was chosen."""
    parser = argparse.ArgumentParser(prog="recsys-tk-launcher", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--history", type=Path, help="bash, zsh or fish history; the shell's own when not given")
    parser.add_argument("--db", type=Path, help="where to keep what is learnt; your data folder when not given")
    parser.add_argument("--stay", action="store_true", help="leave the window open after a choice")
    asked = parser.parse_args(arguments)
    if asked.history is not None and not asked.history.is_file():
        parser.error("--history: there is no such file")
    history = asked.history or find_history(os.environ, Path.home())
    path = asked.db or _data_folder() / "launcher.db"
    try:
        root = tk.Tk(className="launcher")
    except tk.TclError as error:  # no display
        parser.exit(1, f"{parser.prog}: {error}\n")
    root.title("Launcher")
    failures: list[BaseException] = []

    def fail(error: BaseException) -> None:
        failures.append(error)
        root.destroy()

    learner = Learner(root, lambda: opened(path, history), failed=fail)
    launcher = Launcher(root, learner, stay=asked.stay)
    launcher.pack(fill="both", expand=True)
    root.mainloop()
    learner.close()
    for program in launcher.chosen:
        print(program)
    for failure in failures[:1]:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _data_folder() -> Path:
    folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "recsys-tk"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
