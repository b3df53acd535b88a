"""Draw a table of metrics: one panel a column, one dot a model, with its interval."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import Result, Table
from recsys.reports import Metric

__all__ = ["write_plots"]

_OWN, _OTHERS = "#b4431f", "#3b5b7a"


def write_plots(result: Result, folder: Path) -> list[Path]:
    """Write ``<folder>/<id>.svg``, ``<id>-2.svg``, ... for the tables that hold metrics; the same bytes every time.

    Raises
    ------
    ModuleNotFoundError
        When matplotlib is not installed.
    """
    paths = []
    for n, table in enumerate(result.tables, start=1):
        columns = [c for c in range(len(table.columns)) if any(isinstance(row[c], Metric) for row in table.rows)]
        if columns:
            path = folder / (f"{result.id}.svg" if n == 1 else f"{result.id}-{n}.svg")
            path.parent.mkdir(parents=True, exist_ok=True)
            _draw(table, columns, path)
            paths.append(path)
    return paths


def _draw(table: Table, columns: list[int], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rows = [row for row in table.rows if any(isinstance(row[c], Metric) for c in columns)][::-1]
    figure = Figure(figsize=(2.2 + 2.2 * len(columns), 0.9 + 0.28 * len(rows)), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for panel, c in zip(panels, columns, strict=True):
        for y, row in enumerate(rows):
            cell = row[c]
            if isinstance(cell, Metric):
                color = _OWN if str(row[0]).startswith("recsys") else _OTHERS
                panel.plot([cell.low, cell.high], [y, y], color=color, linewidth=1.5)
                panel.plot([cell.mean], [y], "o", color=color, markersize=4)
        panel.set_title(table.columns[c], fontsize=9)
        panel.set_yticks(range(len(rows)), [str(row[0]) for row in rows], fontsize=8)
        panel.tick_params(axis="x", labelsize=8)
        panel.grid(axis="x", linewidth=0.4)
    figure.suptitle(table.title, fontsize=9)
    with mpl.rc_context({"svg.hashsalt": "recsys", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
