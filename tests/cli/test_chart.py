"""Curves fit their width, name themselves, and need neither colours nor Unicode."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from recsys.cli.chart import Series, draw, sampled

VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=300)


def curves(*values: list[float]) -> list[Series]:
    return [Series(f"curve {n}", v, "green", "*o."[n]) for n, v in enumerate(values)]


@given(VALUES, VALUES, st.integers(40, 120), st.booleans())
def test_a_drawing_never_leaves_its_frame(first: list[float], second: list[float], width: int, plain: bool) -> None:
    text = draw(curves(first, second), ["start", "end"], width=width, height=8, plain=plain).plain
    lines = text.split("\n")
    assert len(lines) == 8 + 2
    assert max(map(len, lines)) <= width


@given(VALUES)
def test_a_plain_drawing_is_ascii_without_a_style_of_its_own(values: list[float]) -> None:
    text = draw(curves(values), ["a", "b"], width=60, plain=True)
    assert text.plain.isascii()


def test_every_curve_is_named_at_its_end_even_where_they_meet() -> None:
    text = draw(curves([0.2] * 9, [0.2] * 9, [0.2] * 9), ["a", "b"], width=70).plain
    for name in ("curve 0 0.20", "curve 1 0.20", "curve 2 0.20"):
        assert text.count(name) == 1


def test_a_rising_curve_rises() -> None:
    text = draw(curves([0.0, 0.5, 1.0]), ["a", "b"], width=60, height=5, plain=True).plain.split("\n")
    columns = [min(line.index("*") for line in text if "*" in line) for _ in range(1)]
    assert text[0].rstrip().endswith("curve 0 1.00")
    assert text[4].index("*") == columns[0]


def test_the_first_and_the_last_value_are_always_drawn() -> None:
    assert sampled([1.0, 2.0, 3.0, 4.0, 5.0], 3) == [1.0, 3.0, 5.0]
    assert sampled([7.0], 3) == [7.0, 7.0, 7.0]
