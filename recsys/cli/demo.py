"""``recsys demo``: a real log, replayed from its first line; a packaged one, or the person's own shell history."""

from __future__ import annotations

import datetime as dt
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from recsys import Recommender
from recsys.cli import story
from recsys.cli.history import find_history, read_history
from recsys.cli.parameters import NEW_FILE, Number
from recsys.cli.sample import N_SHOPPERS, load_sample
from recsys.cli.terminal import Terminal
from recsys.cli.trial import SETTINGS, Trial, run
from recsys.types import Event

__all__ = ["demo_command"]

MAX_COMMANDS = 5_000
MIN_EVENTS = 20
US = 1_000_000


@dataclass(frozen=True, slots=True, repr=False)
class _Log:
    """What is replayed: events, titles, and how to speak of them."""

    events: Sequence[Event]
    titles: Mapping[str, str]
    words: story.Words


@click.command("demo")
@click.option("--shopper", type=Number(1, N_SHOPPERS), default=1, show_default=True, help="Which of five shoppers.")
@click.option(
    "--shell-history",
    "history",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Replay your own shell history instead; only program names are read.",
)
@click.option("--events", "n_events", type=Number(MIN_EVENTS, 1_000_000), help="Only the last so many events.")
@click.option("--file", "file", type=NEW_FILE, help="Where to keep the recommender's file; it must not exist yet.")
@click.option("--keep", is_flag=True, help="Keep the file that is otherwise deleted at the end.")
def demo_command(shopper: int, history: str | None, n_events: int | None, file: Path | None, *, keep: bool) -> None:
    """Replay a real log: predict each choice, then learn from it, on a real file.

    Without options: one shopper's year, from a sample that comes with recsys. Takes some seconds.
    """
    terminal = Terminal()
    log = _own_history(history, n_events or MAX_COMMANDS) if history is not None else _packaged(shopper, n_events)
    with _place(file, keep=keep) as path:
        story.tell_beginning(terminal, log.words)
        started = time.perf_counter()
        with Recommender(path, settings=SETTINGS) as recommender:
            trial = _run(terminal, recommender, log)
            story.tell_result(terminal, trial, log.words)
            story.tell_top_ten(terminal, recommender, log.events[-1], log.titles)
        seconds = time.perf_counter() - started
        story.tell_file(terminal, path, trial, seconds, stays=file is not None or keep)


def _run(terminal: Terminal, recommender: Recommender, log: _Log) -> Trial:
    columns = (TextColumn("predict, then learn"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal.console, disable=terminal.is_plain, transient=True) as progress:
        task = progress.add_task("", total=len(log.events))
        return run(recommender, log.events, log.titles, lambda: progress.advance(task))


def _packaged(shopper: int, n_events: int | None) -> _Log:
    sample = load_sample(shopper, n_events)
    return _Log(sample.events, sample.titles, story.shopper_words(shopper, sample.events))


def _own_history(named: str, n_events: int) -> _Log:
    path = Path(named) if named else find_history(os.environ, Path.home())
    if path is None:
        raise click.UsageError("no shell history was found: name the file, --shell-history FILE")
    try:
        history = read_history(path, now_s=time.time())
    except (OSError, ValueError):
        raise click.UsageError("this shell history cannot be read") from None
    commands = history.commands[-n_events:]
    if len(commands) < MIN_EVENTS:
        raise click.UsageError(f"there are fewer than {MIN_EVENTS} program names in this history")
    events = [
        Event(c.at_us, f"{n:08d}", c.program, "command", offset_min=_local_offset_min(c.at_us))
        for n, c in enumerate(commands)
    ]
    return _Log(events, {}, story.history_words(history, len(events)))


def _local_offset_min(at_us: int) -> int:
    offset = dt.datetime.fromtimestamp(at_us / US, tz=dt.timezone.utc).astimezone().utcoffset()
    return int((offset or dt.timedelta()).total_seconds() // 60)


@contextmanager
def _place(file: Path | None, *, keep: bool) -> Iterator[Path]:
    """Give the path of a new file: the one named, or one in a private folder that is deleted unless kept."""
    if file is not None:
        yield file
    elif keep:
        yield Path(tempfile.mkdtemp(prefix="recsys-demo-")) / "me.db"
    else:
        with _orderly_end(), tempfile.TemporaryDirectory(prefix="recsys-demo-") as folder:
            yield Path(folder) / "me.db"


@contextmanager
def _orderly_end() -> Iterator[None]:
    """While it lasts, a request to end lets the folder be deleted first."""

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
