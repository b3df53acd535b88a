"""Tables of measured numbers: to the terminal, to JSON and to Markdown; :mod:`benchmarks.plot` draws them.

A result carries what is needed to repeat it (seeds, versions, processor), says what could not
be run and why, and holds nothing that names a person's machine: no paths, no host names, and a
date only if given.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from recsys.reports import Metric

__all__ = ["Cell", "PlotKind", "Result", "Table", "machine", "markdown", "print_result", "text_of", "write_result"]

Cell: TypeAlias = str | int | float | Metric | None
PlotKind: TypeAlias = Literal["dots", "lines", "scatter"]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; the first column names the row.

    Parameters
    ----------
    title : str
        One line.
    columns : tuple of str
        Headings, units in brackets.
    rows : list of tuple of Cell
        As long as ``columns``; None is shown as "-".
    notes : list of str
        Sentences that stand below.
    plot : {"dots", "lines", "scatter"} or None
        How :mod:`benchmarks.plot` draws it. ``"dots"``: one panel for each column that holds
        ``Metric``s, one dot and interval a row, best on top; a table without any is not drawn.
        ``"lines"``: column 0 is x (a number, log axis), each further column that holds numbers a
        named series, log y; series whose name ends in "p99" are dashed. ``"scatter"``: column 0
        the label, column 1 is y (``Metric`` or number), each further column that holds numbers a
        panel with log x, and log y where y is wide. None draws nothing.
    better : str
        What a good result looks like, for the plot's title; empty takes "higher is better" for
        dots, "lower is better" for lines, "higher and further left is better" for scatter.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    notes: list[str] = field(default_factory=list)
    plot: PlotKind | None = "dots"
    better: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What one scenario printed.

    Parameters
    ----------
    id : str
        Permanent, such as ``"quality/kypo-shell"``.
    tables : list of Table
        At least one.
    seeds : mapping of str to int
        Every seed that was used.
    quick : bool
        True for a slice that only shows that the scenario runs; its numbers mean nothing.
    skipped : mapping of str to str
        What is missing from the tables (a peer, a data set), and why.
    """

    id: str
    tables: list[Table]
    seeds: Mapping[str, int]
    quick: bool = False
    skipped: Mapping[str, str] = field(default_factory=dict)


def machine() -> dict[str, str | int]:
    """Return what the numbers were measured on: processor, cores and versions; no names."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "sqlite": sqlite3.sqlite_version,
    }


def print_result(result: Result) -> None:
    """Print the tables, with rich where it is installed and as plain columns where it is not."""
    for table in result.tables:
        print()
        print(f"{result.id}: {table.title}{_warning(result)}")
        rows = [[text_of(cell) for cell in row] for row in table.rows]
        try:
            _print_rich(table.columns, rows)
        except ModuleNotFoundError:
            _print_plain(table.columns, rows)
        for note in table.notes:
            print(f"  {note}")
    for name, reason in result.skipped.items():
        print(f"  not run: {name}: {reason}")


def write_result(
    result: Result, folder: Path, date: str | None = None, plots: Mapping[int, Path] | None = None
) -> list[Path]:
    """Write ``<folder>/<id>.json`` and ``.md``; the date is the caller's, or none.

    ``plots`` are what :func:`benchmarks.plot.write_plots` returned for the same folder; the page shows them.
    """
    path = folder / f"{result.id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = [
        {
            "title": table.title,
            "columns": list(table.columns),
            "rows": [[asdict(cell) if isinstance(cell, Metric) else cell for cell in row] for row in table.rows],
            "notes": table.notes,
        }
        for table in result.tables
    ]
    body: dict[str, object] = {"id": result.id, "date": date, "machine": machine(), "seeds": dict(result.seeds)}
    body |= {"quick": result.quick, "skipped": dict(result.skipped), "tables": tables}
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    text = path.with_suffix(".md")
    text.write_text(markdown(result, date, plots), encoding="utf-8")
    return [path, text]


def markdown(result: Result, date: str | None = None, plots: Mapping[int, Path] | None = None) -> str:
    """Return the result as a Markdown page, with the plots that stand beside it."""
    lines = [f"# {result.id}{_warning(result)}", ""]
    lines.append(", ".join(f"{key} {value}" for key, value in machine().items()) + (f"; {date}" if date else ""))
    seeds = ", ".join(f"{name} {seed}" for name, seed in result.seeds.items())
    command = f"python -m benchmarks {result.id.split('/')[0]} --only {result.id}"
    lines += ["", f"Seeds: {seeds or 'none'}. Repeat with `{command}`."]
    for n, table in enumerate(result.tables):
        lines += ["", f"## {table.title}"]
        if plots and n in plots:
            lines += ["", f"![{table.title}]({plots[n].name})"]
        lines += ["", "| " + " | ".join(table.columns) + " |"]
        lines.append("|---" + "|---:" * (len(table.columns) - 1) + "|")
        lines += ["| " + " | ".join(text_of(cell) for cell in row) + " |" for row in table.rows]
        lines += ["", *[f"* {note}" for note in table.notes]] if table.notes else []
    if result.skipped:
        lines += ["", "## Not run", "", *[f"* {name}: {reason}" for name, reason in result.skipped.items()]]
    return "\n".join(lines) + "\n"


def _warning(result: Result) -> str:
    return " (quick: numbers mean nothing)" if result.quick else ""


def text_of(cell: Cell) -> str:
    """Return a cell as it stands in every table."""
    if cell is None:
        return "-"
    if isinstance(cell, Metric):
        return f"{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]"
    if isinstance(cell, float):
        return f"{cell:,.3g}" if abs(cell) < 1000 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _print_rich(columns: Sequence[str], rows: list[list[str]]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table as RichTable

    table = RichTable(box=SIMPLE)
    for n, column in enumerate(columns):
        table.add_column(column, justify="right" if n else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    widest = sum(max(len(row[n]) for row in [list(columns), *rows]) + 3 for n in range(len(columns)))
    Console(highlight=False, markup=False, width=widest + 2).print(table)


def _print_plain(columns: Sequence[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[n]) for row in [list(columns), *rows]) for n in range(len(columns))]
    for row in [list(columns), *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells[1:]]))


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
