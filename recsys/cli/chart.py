"""Draw a few curves in a terminal: box-drawing lines in colours, or marks in ASCII, each named at its right end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter

from rich.text import Text

__all__ = ["Series", "draw", "sampled"]

AXIS_WIDTH = 7
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Series:
    """A curve: its name, its values in equal steps, its colour, and its mark where there are no colours."""

    name: str
    values: Sequence[float]
    style: str
    mark: str


def draw(series: Sequence[Series], ticks: Sequence[str], *, width: int, height: int = 10, plain: bool = False) -> Text:
    """Draw curves over one common axis from zero; the first series lies on top.

    Parameters
    ----------
    series : sequence of Series
        At least one, each with at least one value; none below zero.
    ticks : sequence of str
        Spread evenly under the horizontal axis.
    width, height : int
        In characters: of the whole drawing, and of the plot without its axis.
    plain : bool
        Draw in ASCII, without colours.
    """
    label_width = max(len(_label(s, plain=plain)) for s in series)
    n_columns = max(8, width - AXIS_WIDTH - label_width - 1)
    step, top = _scale(max(max(s.values) for s in series), height)
    canvas = [[(" ", "")] * n_columns for _ in range(height)]
    rows = {s.name: [_row(v, top, height) for v in sampled(s.values, n_columns)] for s in series}
    for s in reversed(series):
        (_mark if plain else _line)(canvas, rows[s.name], s)
    labels = _placed({s.name: rows[s.name][-1] for s in series}, height)
    text = Text()
    for row, cells in enumerate(canvas):
        text.append(_axis_text(row, top, step, height, plain=plain), style="dim")
        for style, run in groupby(cells, key=itemgetter(1)):
            text.append("".join(character for character, _ in run), style=style)
        for s in series:
            if labels[s.name] == row:
                text.append(f" {_label(s, plain=plain)}", style=s.style)
        text.append("\n")
    text.append_text(_bottom(ticks, n_columns, plain=plain))
    return text


def sampled(values: Sequence[float], n: int) -> list[float]:
    """Return ``n`` values at equal steps from the first to the last, the last included."""
    last = len(values) - 1
    return [values[round(i * last / max(1, n - 1))] for i in range(n)]


def _label(series: Series, *, plain: bool) -> str:
    name = f"{series.name} {series.values[-1]:.2f}"
    return f"{series.mark} {name}" if plain else name


def _scale(highest: float, height: int) -> tuple[float, float]:
    """Return the axis's step and its top: the smallest round ones that hold the highest value."""
    step = next((s for s in STEPS if highest <= s * height / 2), STEPS[-1])
    return step, max(step, math.ceil(highest / step - 1e-9) * step)


def _row(value: float, top: float, height: int) -> int:
    return height - 1 - min(height - 1, max(0, round(value / top * (height - 1))))


def _line(canvas: list[list[tuple[str, str]]], rows: Sequence[int], series: Series) -> None:
    canvas[rows[0]][0] = ("─", series.style)
    for x, (before, after) in enumerate(pairwise(rows), start=1):
        if before == after:
            canvas[after][x] = ("─", series.style)
            continue
        rises = after < before
        canvas[before][x] = ("╯" if rises else "╮", series.style)
        canvas[after][x] = ("╭" if rises else "╰", series.style)
        for between in range(min(before, after) + 1, max(before, after)):
            canvas[between][x] = ("│", series.style)


def _mark(canvas: list[list[tuple[str, str]]], rows: Sequence[int], series: Series) -> None:
    for x, row in enumerate(rows):
        canvas[row][x] = (series.mark, "")


def _placed(wanted: dict[str, int], height: int) -> dict[str, int]:
    """Give every label its own row, as near to its curve's end as there is room."""
    placed: dict[str, int] = {}
    for name in sorted(wanted, key=lambda n: wanted[n]):
        free = [row for row in range(height) if row not in placed.values()]
        placed[name] = min(free, key=lambda row: (abs(row - wanted[name]), -row))
    return placed


def _axis_text(row: int, top: float, step: float, height: int, *, plain: bool) -> str:
    n_steps = round(top / step)
    values = {_row(i * step, top, height): i * step for i in range(n_steps + 1)}
    if row in values:
        return f"{values[row]:5.2f} {'+' if plain else '┤'}"
    return f"{'':5} {'|' if plain else '│'}"


def _bottom(ticks: Sequence[str], n_columns: int, *, plain: bool) -> Text:
    line = [" "] * (n_columns + max(map(len, ticks), default=0))
    for n, tick in enumerate(ticks):
        at = round(n * (n_columns - 1) / max(1, len(ticks) - 1)) - (len(tick) // 2 if n else 0)
        if n == len(ticks) - 1:
            at = n_columns - len(tick)
        line[max(0, at) : max(0, at) + len(tick)] = tick
    rule = ("-" if plain else "─") * n_columns
    return Text(f"{'':5} {'+' if plain else '└'}{rule}\n{'':7}{''.join(line).rstrip()}", style="dim")
