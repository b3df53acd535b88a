"""What the commands take: an existing file, a moment, a context. No message repeats a value that was typed."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import click

from recsys.cli.app import Checked

__all__ = ["AS_JSON", "CONTEXT", "FILE", "KEY_FILE", "MOMENT", "NEW_FILE", "Number"]


class _File(Checked):
    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        try:
            is_file = path.is_file()
        except (OSError, ValueError):
            is_file = False
        if not is_file:
            self.fail("there is no such file, and this command never creates one", param, ctx)
        return path


class _NewFile(Checked):
    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        try:
            is_free = not path.exists() and not path.is_symlink() and path.absolute().parent.is_dir()
        except (OSError, ValueError):
            is_free = False
        if not is_free:
            self.fail("name a file that does not exist yet, in a folder that does", param, ctx)
        return path


class _Moment(Checked):
    name = "iso"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        text = str(value)
        try:
            moment = dt.datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text)
            return moment if moment.tzinfo is not None else moment.astimezone()
        except (ValueError, OverflowError, OSError):
            self.fail("a date or date and time is needed, such as 2024-05-31 or 2024-05-31T18:00+02:00", param, ctx)


class _Context(Checked):
    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str | int | float | bool]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            self.fail("key=value is needed, such as place=home", param, ctx)
        try:
            scalar = json.loads(text)
        except ValueError:
            return key, text
        return key, scalar if isinstance(scalar, (str, int, float, bool)) else text


FILE = _File()
NEW_FILE = _NewFile()
MOMENT = _Moment()
CONTEXT = _Context()


def _keep_key_file(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.find_root().params["key_file"] = value


# The group takes it too, before the command; the one that stands after it is the one that counts.
KEY_FILE = click.option(
    "--key-file",
    metavar="PATH",
    expose_value=False,
    callback=_keep_key_file,
    help="The key of an encrypted FILE is in PATH; may stand before the command too.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Number(Checked):
    """A whole number in ``[low, high]``."""

    name = "n"

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail without repeating what was typed."""
        try:
            number = int(value)
        except ValueError:
            number = self.low - 1
        if not self.low <= number <= self.high:
            self.fail(f"a whole number from {self.low} to {self.high:,} is needed", param, ctx)
        return number
