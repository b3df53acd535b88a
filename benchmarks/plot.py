"""Draw tables as PNG pictures: dots with intervals, lines over a scale, or points of gain against cost.

In go results, out come files beside their JSON; the same numbers give the same bytes. Our own
rows and series, whose names begin with "recsys", stand out in one colour.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.report import Cell, PlotKind, Result, Table
from recsys.reports import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation, Text
    from matplotlib.transforms import Bbox

__all__ = ["plot_file", "write_plots"]

DPI = 150
WIDTH_IN = 10.0  # 1,500 pixels: shown at about 900 in a README, so 12 points read as 15 pixels
_OWN, _OTHERS, _GRID, _FAINT = "#c8441b", "#4a5d73", "#d9dee4", "#7b8794"
_TINTS = ("#4a5d73", "#7a8fa6", "#2f7f79", "#8a6fa8", "#a08a3c", "#5f8f4e", "#8c5a5a", "#3f6fb0")
_UNBROKEN = "\N{NO-BREAK SPACE}"
_TITLE_PT, _TEXT_PT, _SMALL_PT = 14, 12, 10.5
_BETTER: Mapping[PlotKind, str] = {
    "dots": "higher is better",
    "lines": "lower is better",
    "scatter": "higher and further left is better",
}


def plot_file(result_id: str, n: int, folder: Path) -> Path:
    """Return where the plot of the n-th table, from 0, is written."""
    return folder / (f"{result_id}.png" if n == 0 else f"{result_id}-{n + 1}.png")


def write_plots(result: Result, folder: Path) -> dict[int, Path]:
    """Write ``<folder>/<id>.png``, ``<id>-2.png``, ... for the tables that can be drawn; the same bytes every time.

    Returns
    -------
    dict of int to Path
        The number of the table, from 0, and its plot.

    Raises
    ------
    ModuleNotFoundError
        When matplotlib is not installed.
    """
    paths: dict[int, Path] = {}
    for n, table in enumerate(result.tables):
        columns = _drawn(table)
        if table.plot is not None and columns:
            path = plot_file(result.id, n, folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(table, _titled(result.id, table), columns, path)
            paths[n] = path
    return paths


def _drawn(table: Table) -> list[int]:
    """Return the columns that become panels or series."""
    if table.plot == "dots":
        return [c for c in range(len(table.columns)) if any(isinstance(row[c], Metric) for row in table.rows)]
    first = {"lines": 1, "scatter": 2, None: len(table.columns)}[table.plot]
    return [c for c in range(first, len(table.columns)) if any(_positive(row[c]) for row in table.rows)]


def _titled(result_id: str, table: Table) -> str:
    """Return the title with what it is about before it, and what a good result looks like behind it."""
    about = result_id.partition("/")[2]
    named = table.title if about in table.title else f"{about}: {table.title}"
    better = table.better or _BETTER.get(table.plot or "dots", "")
    kept = better.replace(" ", _UNBROKEN)
    return "\n".join(textwrap.wrap(f"{named} ({kept})", 78)).replace(_UNBROKEN, " ")


def _write(table: Table, title: str, columns: list[int], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(), mpl.rc_context({"font.family": "DejaVu Sans", "font.size": _TEXT_PT}):
        figure = Figure(layout="constrained", dpi=DPI)
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=_TITLE_PT, fontweight="bold", x=0.01, ha="left")
        _DRAW[table.plot or "dots"](figure, table, columns)
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})


def _dots(figure: Figure, table: Table, columns: list[int]) -> None:
    rows = [row for row in table.rows if any(isinstance(row[c], Metric) for c in columns)]
    rows.sort(key=lambda row: _mean(row[columns[0]]))  # the best ends on top
    figure.set_size_inches(WIDTH_IN, 1.3 + 0.34 * len(rows))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for panel, c in zip(panels, columns, strict=True):
        for y, row in enumerate(rows):
            cell = row[c]
            if isinstance(cell, Metric):
                color = _OWN if _is_own(row[0]) else _OTHERS
                panel.plot([cell.low, cell.high], [y, y], color=color, linewidth=2.2, solid_capstyle="round")
                panel.plot([cell.mean], [y], "o", color=color, markersize=7)
                value = panel.annotate(
                    f"{cell.mean:.3f}", (cell.high, y), (5, 0), textcoords="offset points", va="center",
                    fontsize=_SMALL_PT, color=color, fontweight="bold" if _is_own(row[0]) else "normal",
                )  # fmt: skip
                _clear(value)
        panel.set_title(table.columns[c], fontsize=_TEXT_PT)
        _share_axis(panel, [row[c] for row in rows], len(columns))
        panel.set_yticks(range(len(rows)), [str(row[0]) for row in rows])
        panel.set_ylim(-0.7, len(rows) - 0.3)
        _plain(panel, "x")
        panel.tick_params(axis="y", length=0)
    for label, row in zip(panels[0].get_yticklabels(), rows, strict=True):
        if _is_own(row[0]):
            label.set(color=_OWN, fontweight="bold")


def _share_axis(panel: Axes, cells: Sequence[Cell], n_panels: int) -> None:
    """Leave room for the numbers on the right, and write only shares that there can be below the axis."""
    least = min(cell.low for cell in cells if isinstance(cell, Metric))
    most = max(cell.high for cell in cells if isinstance(cell, Metric))
    span = (most - least) or most or 1.0
    panel.set_xlim(least - 0.06 * span, most + span * (0.24 + 0.12 * n_panels))
    panel.locator_params(axis="x", nbins=3 if n_panels > 4 else 4 if n_panels > 2 else 6)
    low, high = panel.get_xlim()
    top = 1.0 if most <= 1.0 else high
    panel.set_xticks([tick for tick in panel.get_xticks() if max(low, min(0.0, least)) <= tick <= min(high, top)])


def _lines(figure: Figure, table: Table, columns: list[int]) -> None:
    figure.set_size_inches(WIDTH_IN, 5.4)
    panel = figure.subplots()
    panel.set(xscale="log", yscale="log", xlabel=table.columns[0])
    tints = iter(_TINTS * len(columns))
    ends: list[tuple[float, float, str, str]] = []
    colors: dict[str, str] = {}
    for c in columns:
        name = table.columns[c]
        points = [(_mean(row[0]), _mean(row[c])) for row in table.rows if _positive(row[0]) and _positive(row[c])]
        of = name.removesuffix("p99").removesuffix("p50")
        if of not in colors:
            colors[of] = _OWN if _is_own(name) else next(tints)
        dashed = name.endswith("p99")
        (line,) = panel.plot(*zip(*points, strict=True), "o-", color=colors[of], linewidth=2.6, markersize=7)
        if dashed:
            line.set(linestyle=(0, (4, 2)), linewidth=1.6, markersize=5, markerfacecolor="white")
        ends.append((*points[-1], name, colors[of]))
    _plain(panel, "both")
    _number(panel, "x")
    panel.set_xticks(sorted({_mean(row[0]) for row in table.rows}))
    _number(panel, "y")
    _label_ends(figure, panel, ends)


def _label_ends(figure: Figure, panel: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Name each series at its last point, pushed apart so that no two names overlap."""
    low, high = panel.get_xlim()
    panel.set_xlim(low, high)
    panel.set_ylim(*panel.get_ylim())
    figure.draw_without_rendering()
    step = 1.5 * _TEXT_PT * DPI / 72
    at = [float(panel.transData.transform((x, y))[1]) for x, y, _, _ in ends]
    for n, place in zip(sorted(range(len(ends)), key=at.__getitem__), _apart(sorted(at), step), strict=True):
        x, y, name, color = ends[n]
        label = panel.annotate(
            name, (x, y), (14, (place - at[n]) * 72 / DPI), textcoords="offset points", va="center", color=color,
            fontweight="bold" if _is_own(name) else "normal", annotation_clip=False,
        )  # fmt: skip
        _clear(label)


def _apart(places: Sequence[float], step: float) -> list[float]:
    """Move sorted places apart to at least ``step``, each group kept about its own middle."""
    groups: list[tuple[list[float], float]] = []  # the places as given, and where the first one goes
    for place in places:
        members, start = [place], place
        while groups and start - groups[-1][1] < step * len(groups[-1][0]):
            members = groups.pop()[0] + members
            start = sum(members) / len(members) - step * (len(members) - 1) / 2
        groups.append((members, start))
    return [start + step * i for members, start in groups for i in range(len(members))]


def _scatter(figure: Figure, table: Table, columns: list[int]) -> None:
    figure.set_size_inches(WIDTH_IN, 0.5 + 5.2 * len(columns))
    panels = figure.subplots(len(columns), 1, squeeze=False)[:, 0]
    points: list[list[tuple[float, Cell, str]]] = [
        [(_mean(row[c]), row[1], str(row[0])) for row in table.rows if _positive(row[c]) and row[1] is not None]
        for c in columns
    ]
    for panel, c, shown in zip(panels, columns, points, strict=True):
        panel.set(xscale="log", xlabel=table.columns[c], ylabel=table.columns[1])
        for x, y, name in shown:
            color = _OWN if _is_own(name) else _OTHERS
            if isinstance(y, Metric):
                panel.plot([x, x], [y.low, y.high], color=color, linewidth=1.6, alpha=0.4)
            panel.plot([x], [_mean(y)], "o", color=color, markersize=11 if _is_own(name) else 8)
        heights = [_mean(y) for _, y, _ in shown]
        if min(heights) > 0 and max(heights) > _WIDE * min(heights):
            panel.set_yscale("log")
            _number(panel, "y")
        panel.margins(x=0.12, y=0.12)
        _plain(panel, "both")
        _number(panel, "x")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # what was placed stays where it is
    for panel, shown in zip(panels, points, strict=True):
        _label_points(panel, [(x, _mean(y), name) for x, y, name in shown])


# Where a label may stand: (dx, dy) in points, alignment; the nearest free one is taken.
_AROUND: tuple[tuple[float, float, Literal["left", "center", "right"]], ...] = (
    (9, 0, "left"), (-9, 0, "right"), (0, 13, "center"), (0, -13, "center"),
    (8, 10, "left"), (-8, 10, "right"), (8, -10, "left"), (-8, -10, "right"),
)  # fmt: skip
_LONG, _VERY_WIDE = (
    5e6,
    1e8,
)  # numbers above the first are written short; an axis above the second names every third power
_WIDE = 20.0  # heights further apart than this go on a log axis
_N_NEAR = len(_AROUND)
_N_PIXELS = 400.0  # what a line through a name costs, as pixels covered
_SPOTS = [(dx * far, dy * far, ha) for far in (1.0, 1.8, 3.0, 4.5, 6.5, 9.0) for dx, dy, ha in _AROUND]


def _label_points(panel: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Name each point at the nearest place where the name covers neither point nor name; far ones get a line."""
    from matplotlib.transforms import Bbox

    pixels = [panel.transData.transform((x, y)) for x, y, _ in points]
    taken = [Bbox.from_bounds(x - 12, y - 12, 24, 24) for x, y in pixels]
    room = panel.get_window_extent()
    for x, y, name in sorted(points, key=lambda point: not _is_own(point[2])):
        own = _is_own(name)
        label = panel.annotate(
            name, (x, y), (0, 0), textcoords="offset points", va="center", fontsize=_SMALL_PT,
            color=_OWN if own else _OTHERS, fontweight="bold" if own else "normal", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": _FAINT, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 4},
        )  # fmt: skip
        _clear(label)
        taken.append(_settle(label, panel.transData.transform((x, y)).tolist(), taken, room))


def _settle(label: Annotation, point: Sequence[float], taken: Sequence[Bbox], room: Bbox) -> Bbox:
    """Put the label where it covers least, the nearest place first, and return what it covers there."""
    boxes: list[Bbox] = []
    costs: list[float] = []
    for spot in _SPOTS:
        box = _moved(label, spot)
        outside = box.width * box.height - _shared(box, room)
        boxes.append(box)
        crossed = _N_PIXELS * _crossed(box, point, taken) if len(costs) >= _N_NEAR else 0.0
        costs.append(outside + crossed + sum(_shared(box, other) for other in taken))
        if not costs[-1]:
            break
    best = costs.index(min(costs))
    _moved(label, _SPOTS[best])
    if best < _N_NEAR and label.arrow_patch is not None:
        label.arrow_patch.set_visible(False)
    return boxes[best]


def _crossed(box: Bbox, point: Sequence[float], taken: Sequence[Bbox]) -> int:
    """Return how many of the boxes taken the line from the label to its point runs through."""
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    steps = [(x + t * (point[0] - x) / 20, y + t * (point[1] - y) / 20) for t in range(17)]
    return sum(any(other.contains(*step) for step in steps) for other in taken)


def _moved(label: Annotation, spot: tuple[float, float, Literal["left", "center", "right"]]) -> Bbox:
    from matplotlib.text import Text

    dx, dy, ha = spot
    label.set_position((dx, dy))
    label.set_horizontalalignment(ha)
    label.get_window_extent()  # moves the text and its line, and returns both; what counts is the text
    return Text.get_window_extent(label).padded(1)


def _shared(a: Bbox, b: Bbox) -> float:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return width * height if width > 0 and height > 0 else 0.0


_DRAW: Mapping[PlotKind, Callable[[Figure, Table, list[int]], None]] = {
    "dots": _dots,
    "lines": _lines,
    "scatter": _scatter,
}


def _plain(panel: Axes, grid: str) -> None:
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.spines["bottom"].set_color(_GRID)
    panel.grid(axis=grid, which="major", color=_GRID, linewidth=0.9)  # type: ignore[arg-type]
    panel.set_axisbelow(True)
    panel.tick_params(colors=_OTHERS, labelsize=_SMALL_PT)
    panel.tick_params(which="minor", length=0)


def _clear(text: Text) -> None:
    """Keep lines from running through the text."""
    from matplotlib.patheffects import withStroke

    text.set_path_effects([withStroke(linewidth=3, foreground="white")])


def _number(panel: Axes, which: Literal["x", "y"]) -> None:
    """Write the numbers of a log axis out, with 2 and 5 between where the axis is short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = panel.xaxis if which == "x" else panel.yaxis
    low, high = axis.get_view_interval()
    subs = (1.0,) if high / low > 200 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(base=1000.0 if high / low > _VERY_WIDE else 10.0, subs=subs, numticks=20))
    words = _suffixed if high > _LONG else _whole
    axis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))
    axis.set_minor_formatter(NullFormatter())


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _suffixed(value: float) -> str:
    """Return 2 k for 2,000 and 1 G for a thousand million."""
    for size, suffix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:,.0f}{suffix}"
    return _whole(value)


def _is_own(name: Cell) -> bool:
    return str(name).startswith("recsys")


def _mean(cell: Cell) -> float:
    if isinstance(cell, Metric):
        return cell.mean
    return float(cell) if isinstance(cell, (int, float)) else float("-inf")


def _positive(cell: Cell) -> bool:
    return isinstance(cell, (int, float)) and cell > 0
