"""The publisher's command: ``build-prior``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import click

from recsys.cli.parameters import FILE, NEW_FILE, Number
from recsys.cli.terminal import Terminal

if TYPE_CHECKING:
    from recsys.publish import Built

__all__ = ["build_prior_command"]

_MB = 1_000_000


@click.command("build-prior")
@click.argument("logs", type=FILE, nargs=-1, required=True)
@click.option("--out", type=NEW_FILE, required=True, metavar="PACK", help="The file to make.")
@click.option("--least-people", type=click.IntRange(1), default=20, show_default=True, help="Publish nothing of fewer.")
@click.option("--person", default="user_id", show_default=True, help="The column that names the person.")
@click.option("--item", default="item_id", show_default=True, help="The column of the item's id.")
@click.option("--time", default="timestamp", show_default=True, help="The column of the time: seconds or a date.")
@click.option("--kind", default="", help="The column of what was done.")
@click.option("--only", "kinds", multiple=True, metavar="KIND", help="Only rows of this kind; repeatable.")
@click.option("--passed", multiple=True, metavar="KIND", help="Rows of this kind say what was passed over; repeatable.")
@click.option("--source", default="", metavar="TEXT", help="Where the logs are from; it is kept in the pack.")
@click.option("--report", type=NEW_FILE, metavar="HTML", help="A page on what is in the pack and how well it does.")
@click.option("--trees", is_flag=True, help="Grow trees, too: kept if they help people who did not teach them.")
@click.option(
    "--dask/--no-dask", default=None, help="Use all processors by Dask; what is large does unless told not to."
)
@click.option("--scheduler", metavar="ADDRESS", help="Let a Dask cluster do it, such as tcp://scheduler:8786.")
@click.option(
    "--memory-mb", type=Number(1, 10_000_000), default=512, show_default=True, help="Tables above this are large."
)
@click.option(
    "--work",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="The folder for working files of what is large; that of PACK otherwise.",
)
@click.option("--quiet", is_flag=True, help="No progress, and nothing but errors.")
def build_prior_command(
    logs: Sequence[Path],
    out: Path,
    person: str,
    item: str,
    time: str,
    kind: str,
    report: Path | None,
    *,
    quiet: bool,
    memory_mb: int,
    work: Path | None,
    **options: Any,
) -> None:
    """Make a prior pack, which ships with an app, from the LOGS of many people (CSV or Parquet)."""
    from recsys.publish import build_from_logs
    from recsys.publish.pieces import Columns

    if report and report.absolute() == out.absolute():
        raise click.UsageError("--out and --report must be two files")
    terminal = Terminal()
    say = (lambda _: None) if quiet else terminal.line
    with _where(options["scheduler"], use_dask=options["dask"]) as spread, _progress(quiet=quiet) as progress:
        built = build_from_logs(
            logs,
            columns=Columns(person, item, time, kind),
            kinds=options["kinds"],
            passed=options["passed"],
            least_people=options["least_people"],
            told=say,
            judge=report is not None,
            trees=options["trees"],
            spread=spread,
            progress=progress,
            memory_bytes=memory_mb * _MB,
            work=work or out.absolute().parent,
        )
    size = _written(built, out, report, options["source"])
    n_items = int(built.report["items"])
    say(f"{n_items:,} items in {size:,} bytes, {size / n_items:.0f} an item")


def _written(built: Built, out: Path, report: Path | None, source: str) -> int:
    from recsys.prior.pack import write
    from recsys.prior.whole import write_whole
    from recsys.publish.page import page

    provenance = {"source": source, "report": built.report}
    size = write(out, built.arrays, provenance=provenance, n_people=built.n_people, least_people=built.least_people)
    if report is not None:
        write_whole(report, page(built, size_bytes=size, source=source).encode())
    return size


@contextmanager
def _where(scheduler: str | None, *, use_dask: bool | None) -> Iterator[Any]:
    """Give what runs the work; None leaves it to the size of the logs."""
    from recsys.publish.spread import Here, Threads, cluster

    if scheduler is not None and use_dask is not None:
        raise click.UsageError("--scheduler goes without --dask and --no-dask")
    with cluster(scheduler) if scheduler is not None else nullcontext() as spread:
        yield spread if spread or use_dask is None else Threads() if use_dask else Here()


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each step on standard error, when that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    lock, tasks = Lock(), dict[str, Any]()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bars:

        def progress(step: str, n_done: int, n: int) -> None:
            with lock:
                if step not in tasks:
                    tasks[step] = bars.add_task(step, total=n)
                bars.update(tasks[step], completed=n_done, total=n)

        yield progress
