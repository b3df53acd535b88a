"""The publisher's command: ``build-prior``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from recsys.cli.parameters import FILE, NEW_FILE
from recsys.cli.terminal import Terminal

__all__ = ["build_prior_command"]


@click.command("build-prior")
@click.argument("logs", type=FILE, nargs=-1, required=True)
@click.option("--out", type=NEW_FILE, required=True, metavar="PACK", help="The file to make.")
@click.option("--least-people", type=click.IntRange(1), default=20, show_default=True, help="Publish nothing of fewer.")
@click.option("--person", default="user_id", show_default=True, help="The column that names the person.")
@click.option("--item", default="item_id", show_default=True, help="The column of the item's id.")
@click.option("--time", default="timestamp", show_default=True, help="The column of the time: seconds or a date.")
@click.option("--kind", default="", help="The column of what was done.")
@click.option("--only", "kinds", multiple=True, metavar="KIND", help="Only rows of this kind; repeatable.")
@click.option("--source", default="", metavar="TEXT", help="Where the logs are from; it is kept in the pack.")
def build_prior_command(  # one option, one argument
    logs: Sequence[Path],
    out: Path,
    least_people: int,
    person: str,
    item: str,
    time: str,
    kind: str,
    kinds: Sequence[str],
    source: str,
) -> None:
    """Make a prior pack, which ships with an app, from the LOGS of many people (CSV or Parquet)."""
    from recsys.prior.pack import write
    from recsys.publish import build
    from recsys.publish.reading import Columns, read_people

    terminal = Terminal()
    people = read_people(logs, columns=Columns(person, item, time, kind), kinds=kinds)
    terminal.line(f"{len(people):,} people, {sum(len(one.items) for one in people):,} uses")
    built = build(people, least_people=least_people, told=terminal.line)
    size = write(
        out,
        built.arrays,
        provenance={"source": source, "report": built.report},
        n_people=built.n_people,
        least_people=least_people,
    )
    n_items = int(built.report["items"])
    terminal.line(f"{n_items:,} items in {size:,} bytes, {size / n_items:.0f} an item")
