"""Small charts as SVG text: lines, columns and intervals, in the colours of the page that they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

import numpy as np

__all__ = ["Interval", "Line", "columns", "intervals", "lines"]

_WIDE: Final = 680
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 44
_ROW: Final = 30
_APART: Final = 0.07  # of the width


class Line(NamedTuple):
    """A curve: its name, its colour's class, and a share in [0, 1] for each place along the axis."""

    name: str
    style: str
    shares: Sequence[float]


class Interval(NamedTuple):
    """A mean with its interval, in a row of its own."""

    name: str
    style: str
    mean: float
    low: float
    high: float


def lines(at: Sequence[int], curves: Sequence[Line], *, ticks: Sequence[int], marked: int, label: str) -> str:
    """Draw shares over whole numbers from 1, spaced by their logarithms, with some on the axis and one marked."""
    high = 260
    right, bottom = _WIDE - _RIGHT, high - _BOTTOM
    span = max(float(np.log(max(at))), 1e-9)

    def x(value: float) -> float:
        return _LEFT + (right - _LEFT) * float(np.log(value)) / span

    def y(share: float) -> float:
        return bottom - (bottom - _TOP) * share

    parts = [
        _text(_LEFT - 8, y(share) + 4, f"{share:.0%}", "end") + _rule(_LEFT, y(share), right, y(share))
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    parts += [_text(x(value), bottom + 18, f"{value:,}", "middle") for value in _spaced(ticks)]
    parts.append(_text((_LEFT + right) / 2, high - 6, label, "middle"))
    if marked <= max(at):
        parts.append(f'<line class="mark" x1="{x(marked):.1f}" y1="{_TOP}" x2="{x(marked):.1f}" y2="{bottom}"/>')
        side = "end" if x(marked) > _WIDE * 0.75 else "start"
        parts.append(
            _text(x(marked) + (-6 if side == "end" else 6), _TOP + 10, f"the limit, {marked:,}", side, "strong")
        )
    for curve in curves:
        points = " ".join(f"{x(value):.1f},{y(share):.1f}" for value, share in zip(at, curve.shares, strict=True))
        parts.append(f'<polyline class="curve {curve.style}" points="{points}"/>')
    return _svg(high, parts, label)


def columns(names: Sequence[str], counts: Sequence[int], *, style: str, label: str) -> str:
    """Draw a column for each count, with the count above it."""
    high = 210
    right, bottom = _WIDE - _RIGHT, high - _BOTTOM
    step = (right - _LEFT) / max(len(names), 1)
    wide, most = min(step * 0.72, 72.0), max(max(counts, default=0), 1)
    parts = [_rule(_LEFT, bottom, right, bottom)]
    for n, (name, count) in enumerate(zip(names, counts, strict=True)):
        middle, tall = _LEFT + step * (n + 0.5), (bottom - _TOP - 16) * count / most
        parts.append(
            f'<rect class="{style}" x="{middle - wide / 2:.1f}" y="{bottom - tall:.1f}"'
            f' width="{wide:.1f}" height="{tall:.1f}" rx="2"/>'
        )
        parts.append(_text(middle, bottom - tall - 5, f"{count:,}", "middle", "strong"))
        parts.append(_text(middle, bottom + 18, name, "middle"))
    parts.append(_text((_LEFT + right) / 2, high - 6, label, "middle"))
    return _svg(high, parts, label)


def intervals(rows: Sequence[Interval], *, label: str) -> str:
    """Draw means with their intervals, one under the other, from 0."""
    left, right = 190, _WIDE - 150
    high = _TOP + _ROW * len(rows) + 40
    bottom = high - 40
    most = _round_up(max((row.high for row in rows), default=1.0))

    def x(value: float) -> float:
        return left + (right - left) * value / most

    parts = [
        _rule(x(tick), _TOP, x(tick), bottom) + _text(x(tick), bottom + 16, f"{tick:.3g}", "middle")
        for tick in np.linspace(0.0, most, 5)
    ]
    for n, row in enumerate(rows):
        y = _TOP + _ROW * (n + 0.5)
        parts.append(_text(left - 12, y + 4, row.name, "end"))
        parts.append(
            f'<line class="spread {row.style}" x1="{x(row.low):.1f}" y1="{y}" x2="{x(row.high):.1f}" y2="{y}"/>'
        )
        parts.append(f'<circle class="{row.style}" cx="{x(row.mean):.1f}" cy="{y}" r="5"/>')
        parts.append(_text(right + 12, y + 4, f"{row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]", "start", "strong"))
    parts.append(_text((left + right) / 2, high - 4, label, "middle"))
    return _svg(high, parts, label)


def _svg(high: int, parts: Sequence[str], label: str) -> str:
    return f'<svg viewBox="0 0 {_WIDE} {high}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="rule" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _spaced(ticks: Sequence[int]) -> list[int]:
    """Choose numbers that have room beside each other on the logarithmic axis."""
    given: list[int] = []
    for value in ticks:
        if not given or np.log(value / given[-1]) / max(np.log(max(ticks)), 1e-9) > _APART:
            given.append(value)
    return given


def _round_up(value: float) -> float:
    unit = 10.0 ** np.floor(np.log10(max(value, 1e-6)))
    return float(next(unit * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if unit * step >= value))
