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
import tkinter as tk
from collections.abc import Sequence
from pathlib import Path
from tkinter import ttk

from recsys import Recommender

from recsys_tk import Learner, RankedTree

__all__ = ["OWN", "Films", "main", "read_films"]

OWN = Path(__file__).with_name("films.csv")
_STRIPE = "#f4f4f4"


def read_films(path: Path) -> list[dict[str, object]]:
    """Read a catalogue: items as ``Recommender.add`` takes them.

    Raises
    ------
    OSError, KeyError
        When the file cannot be read, or has no such columns.
    """
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    films = []
    for row in csv.DictReader(io.StringIO(text)):
        tags = [tag for tag in row["categories"].split("|") if tag]
        year = {"year": int(row["year"])} if row.get("year") else {}
        films.append({"id": row["item_id"], "title": row["title"], "tags": tags, **year})
    return films


class Films(ttk.Frame):
    """The films, the likeliest to be watched first."""

    def __init__(self, master: tk.Misc, learner: Learner, films: Sequence[dict[str, object]]) -> None:
        super().__init__(master)
        by_id = {str(film["id"]): film for film in films}
        self.said = tk.StringVar(
            value="Double-click a film to watch it; rest the pointer on a row to see why it is there."
        )
        self.tree = RankedTree(
            self, learner, describe=by_id.__getitem__, activated="play", columns=("year", "kind"), height=17
        )
        for column, heading, width in (("#0", "Film", 300), ("year", "Year", 60), ("kind", "Kind", 240)):
            self.tree.heading(column, text=heading, anchor="w")
            self.tree.column(column, width=width, stretch=column == "#0")
        bar = ttk.Scrollbar(self, command=self.tree.yview)
        self.tree.configure(yscrollcommand=bar.set)
        self.tree.grid(row=0, column=0, sticky="nsew")
        bar.grid(row=0, column=1, sticky="ns")
        ttk.Label(self, textvariable=self.said, padding=4).grid(row=1, column=0, columnspan=2, sticky="w")
        self.columnconfigure(0, weight=1)
        self.rowconfigure(0, weight=1)
        self.menu = tk.Menu(self, tearoff=False)
        self.tree.bind("<Button-3>", self._popup, add="+")
        self.tree.bind("<Double-1>", lambda event: self._play(self.tree.identify_row(event.y)), add="+")
        self.tree.bind("<<Forgotten>>", lambda _: self._forgot(), add="+")
        self.tree.bind("<<Ranked>>", lambda _: self._stripe(), add="+")
        self.tree.tag_configure("odd", background=_STRIPE)
        for item_id, film in by_id.items():
            tags = film["tags"] if isinstance(film["tags"], list) else []
            values = (film.get("year", ""), ", ".join(tags))
            self.tree.insert("", "end", iid=item_id, text=str(film["title"]), values=values)

    def fill_menu(self, iid: str) -> tk.Menu:
        """Make the menu of a row."""
        self.menu.delete(0, "end")
        self.menu.add_command(label="More like this", command=lambda: self.tree.steer(iid, 1.0))
        self.menu.add_command(label="Less like this", command=lambda: self.tree.steer(iid, -1.0))
        self.menu.add_separator()
        self.menu.add_command(label="Forget that I watched this", command=lambda: self.tree.forget_item(iid))
        return self.menu

    def _popup(self, event: tk.Event[tk.Misc]) -> None:
        iid = self.tree.identify_row(event.y)
        if iid:
            self.fill_menu(iid).tk_popup(event.x_root, event.y_root)

    def _play(self, iid: str) -> None:
        if iid:
            self.said.set(f"Playing {self.tree.item(iid, 'text')}")

    def _forgot(self) -> None:
        receipt = self.tree.receipt
        if receipt is not None:
            events = "event" if receipt.n_events == 1 else "events"
            self.said.set(f"Forgotten: {receipt.n_events} {events}, {receipt.status}")

    def _stripe(self) -> None:
        for n, iid in enumerate(self.tree.get_children()):
            self.tree.item(iid, tags=("odd",) if n % 2 else ())


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the films."""
    parser = argparse.ArgumentParser(prog="recsys-tk-films", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--films", type=Path, default=OWN, help="a catalogue; one of 120 when not given")
    parser.add_argument("--db", default="films.db", help="where to keep what is learnt (films.db)")
    asked = parser.parse_args(arguments)
    try:
        films = read_films(asked.films)
    except (OSError, KeyError, ValueError):
        films = []
    if not films:
        parser.error("--films: no catalogue that can be read, or no film in it")
    try:
        root = tk.Tk(className="films")
    except tk.TclError as error:  # no display
        parser.exit(1, f"{parser.prog}: {error}\n")
    root.title("Films")
    root.geometry("640x480")
    learner = Learner(root, lambda: Recommender(asked.db), failed=lambda error: window.said.set(str(error)))
    window = Films(root, learner, films)
    window.pack(fill="both", expand=True)
    root.mainloop()
    learner.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
