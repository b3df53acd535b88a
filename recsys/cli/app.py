"""The command table, and the one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from recsys.errors import InputError, MissingExtraError, RecsysError

__all__ = ["group", "run"]

if TYPE_CHECKING:
    _ParamType: TypeAlias = click.ParamType[Any]
else:  # older versions of click cannot be subscripted
    _ParamType = click.ParamType

EXIT_NOT_FINE = 1
EXIT_USAGE = 2
DEBUG_VARIABLE = "RECSYS_DEBUG"

# Where each command lives; a module is imported when its command is used.
COMMANDS = {
    "build-prior": "publish",
    "check": "care",
    "demo": "demo",
    "explain": "look",
    "export": "care",
    "forget": "care",
    "inspect": "look",
    "recommend": "look",
}


class Misused(click.ClickException):
    """An argument that recsys does not take, shown as one line."""

    exit_code = EXIT_USAGE


class Group(click.Group):
    """Commands from a table; errors without a traceback and without what a person typed or did."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        """Return one command, importing its module."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"recsys.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command and turn its errors into one line."""
        try:
            return super().invoke(ctx)
        except RecsysError as error:
            wrong_use = isinstance(error, (InputError, MissingExtraError))
            raise (Misused if wrong_use else click.ClickException)(str(error)) from None
        except click.UsageError as error:
            raise _without_values(error) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except OSError as error:
            raise click.UsageError(f"a file cannot be used: {error.strerror or 'unknown reason'}") from None
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE):
                raise
            raise click.ClickException(_internal(error)) from None


def _without_values(error: click.UsageError) -> click.UsageError:
    """Return the error without what was typed: an id that was mistyped stays off the screen and out of logs."""
    if type(error) is click.UsageError and "unexpected extra argument" in error.message:
        return click.UsageError("too many arguments", ctx=error.ctx)
    if type(error) is click.BadParameter and not isinstance(error.param and error.param.type, Checked):
        name = error.param.get_error_hint(error.ctx) if error.param and error.ctx else "an option"
        return click.UsageError(f"{name}: the value is not of the right form", ctx=error.ctx)
    return error


def _internal(error: Exception) -> str:
    """Return where an unforeseen error arose, without its message, which may hold what a person did."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} at {os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119 (a name only)
    return f"a fault in recsys ({place}); with {DEBUG_VARIABLE}=1 the whole traceback is shown"


class Checked(_ParamType):
    """A parameter type whose own messages never repeat the value."""


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="recsys-embedded", prog_name="recsys", message="%(prog)s %(version)s")
@click.option("--key-file", envvar="RECSYS_KEY_FILE", metavar="PATH", help="The key of an encrypted FILE is in PATH.")
def group(key_file: str | None) -> None:
    """Look at, explain, correct and erase what recsys has learnt in a file.

    Everything happens on this machine, but for build-prior with --scheduler. FILE is never created by a command that
    reads.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        group.main(args=list(arguments), prog_name="recsys")
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else EXIT_NOT_FINE
    return 0
