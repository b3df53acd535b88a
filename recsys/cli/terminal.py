"""What the commands print with: colours, boxes and a progress bar on a terminal, plain text everywhere else.

Everything that comes out of a file passes through :func:`printable`, so that a title can neither move the cursor nor
forge a line.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Column", "Terminal", "day_of", "json_text", "print_json", "printable", "size_text"]

PLAIN_WIDTH = 80
MAX_WIDTH = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; ``is_number`` aligns it right, ``is_wide`` lets it take what is left of the line."""

    title: str
    is_number: bool = False
    is_wide: bool = False
    style: str = ""


class Terminal:
    """Where a command prints.

    ``is_plain`` is true when standard output is no terminal, cannot show Unicode, or ``NO_COLOR`` is set: then there is
    no colour, no progress bar and no character of ours beyond ASCII.
    """

    def __init__(self) -> None:
        unicode = (getattr(sys.stdout, "encoding", "") or "").lower().replace("-", "").startswith("utf")
        self.is_plain = (
            not sys.stdout.isatty()
            or not unicode
            or bool(os.environ.get("NO_COLOR"))
            or os.environ.get("TERM") == "dumb"
        )
        self.console = Console(
            no_color=self.is_plain,
            force_terminal=False if self.is_plain else None,
            width=_plain_width() if self.is_plain else None,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self.width = min(self.console.width, MAX_WIDTH)

    def line(self, text: str | Text = "", style: str = "") -> None:
        """Print a paragraph, wrapped at the terminal's width."""
        styled = Text(text, style=style) if isinstance(text, str) else text
        self._print(styled)

    def exact(self, text: Text) -> None:
        """Print lines that fit already."""
        self._print(text, is_exact=True)

    def heading(self, text: str) -> None:
        """Print a heading after an empty line."""
        self.line()
        self.line(text, style="bold")

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str | Text]]) -> None:
        """Print a table; wide columns fold, the others keep to one line."""
        grid = Table(box=None if self.is_plain else SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
        for column in columns:
            grid.add_column(
                column.title,
                justify="right" if column.is_number else "left",
                no_wrap=not column.is_wide,
                overflow="fold" if column.is_wide else "crop",
                style=column.style,
            )
        for row in rows:
            grid.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        self._print(grid)

    def _print(self, what: Text | Table, *, is_exact: bool = False) -> None:
        width = None if is_exact else self.width
        if not self.is_plain:
            self.console.print(what, width=width, no_wrap=is_exact or None, overflow="fold")
            return
        with self.console.capture() as captured:
            self.console.print(what, width=width, no_wrap=is_exact or None, overflow="fold")
        for line in captured.get().splitlines():
            click.echo(line.rstrip())

    def styled(self, text: str, style: str) -> Text:
        """Return text in a style, where there are styles."""
        return Text(text, style="" if self.is_plain else style)

    def shortened(self, text: str, width: int) -> str:
        """Return the printable text cut to ``width`` characters, with a mark where it was cut."""
        mark = "..." if self.is_plain else "…"
        clean = printable(text)
        return clean if len(clean) <= width else clean[: width - len(mark)].rstrip() + mark


def _plain_width() -> int:
    columns = os.environ.get("COLUMNS", "")
    return max(40, min(int(columns), MAX_WIDTH)) if columns.isdecimal() else PLAIN_WIDTH


def printable(text: str) -> str:
    r"""Return the text with every control, format and separator character replaced by ``?``.

    Examples
    --------
    >>> printable("red\x1b[31m")
    'red?[31m'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def json_text(value: object) -> str:
    """Return a record, or whatever is made of records, as one JSON document in ASCII."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value: object) -> object:
    """Return a record as JSON values; fields whose names begin with an underscore stay out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (f.name for f in dataclasses.fields(value) if not f.name.startswith("_"))
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value


def print_json(value: object) -> None:
    """Print a record as JSON to standard output, whatever the terminal."""
    click.echo(json_text(value))


def size_text(size_bytes: int) -> str:
    """Return a size for people.

    Examples
    --------
    >>> size_text(900), size_text(421_888), size_text(3_250_000)
    ('900 bytes', '422 kB', '3.2 MB')
    """
    if size_bytes < 1000:  # noqa: PLR2004 (the unit itself)
        return f"{size_bytes} bytes"
    return f"{size_bytes / 1e3:.0f} kB" if size_bytes < 1_000_000 else f"{size_bytes / 1e6:.1f} MB"  # noqa: PLR2004


def day_of(seconds: float | None, *, offset_min: int = 0) -> str:
    """Return the day of a moment, seconds since 1970-01-01 UTC, or ``-``."""
    if seconds is None:
        return "-"
    zone = dt.timezone(dt.timedelta(minutes=offset_min))
    try:
        return dt.datetime.fromtimestamp(seconds, tz=zone).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return "-"
