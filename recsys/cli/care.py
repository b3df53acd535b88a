"""Commands that look after the file: ``forget``, ``export`` and ``check``."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from recsys.cli.app import EXIT_NOT_FINE
from recsys.cli.opening import opened
from recsys.cli.parameters import AS_JSON, FILE, KEY_FILE, MOMENT
from recsys.cli.terminal import Column, Terminal, print_json
from recsys.log.erase import REASONS
from recsys.reports import Receipt

__all__ = ["check_command", "export_command", "forget_command", "show_receipt"]

SEVERITY_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


@click.command("forget")
@click.argument("file", type=FILE)
@KEY_FILE
@click.option("--item", "items", multiple=True, metavar="ID", help="What was done with an item; repeatable.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Events of a kind; repeatable.")
@click.option("--event", "events", multiple=True, metavar="UID", help="One event; repeatable.")
@click.option("--since", type=MOMENT, metavar="ISO", help="Events from this moment on.")
@click.option("--until", type=MOMENT, metavar="ISO", help="Events before this moment.")
@click.option("--everything", is_flag=True, help="The whole log; stands alone.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@AS_JSON
def forget_command(
    file: Path,
    items: Sequence[str],
    kinds: Sequence[str],
    events: Sequence[str],
    since: dt.datetime | None,
    until: dt.datetime | None,
    *,
    everything: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase events, and all that was learnt from them, for good.

    Different criteria must all apply; a repeated one widens the choice. Exit code 1: nothing matched, or not all could
    be erased yet.
    """
    chosen = bool(items or kinds or events or since or until)
    if not (chosen or everything):
        raise click.UsageError("say what to forget: --item, --kind, --event, --since, --until or --everything")
    if chosen and everything:
        raise click.UsageError("--everything stands alone: leave it out, or the others")
    if not yes:
        _ask()
    with opened(file, writes=True) as recommender:
        receipt = recommender.forget(
            events=events or None,
            items=items or None,
            kinds=kinds or None,
            since=since,
            until=until,
            everything=everything,
        )
    if as_json:
        print_json(receipt)
    else:
        show_receipt(Terminal(), receipt)
    if receipt.status != "erased" or not _matched(receipt):
        raise click.exceptions.Exit(EXIT_NOT_FINE)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: say --yes to erase without a question")
    click.confirm("Erase this for good? There is no way back.", abort=True, err=True)


def _matched(receipt: Receipt) -> bool:
    return bool(receipt.n_events or receipt.n_items or receipt.n_slate_rows or receipt.n_set_aside)


def show_receipt(terminal: Terminal, receipt: Receipt) -> None:
    """Print what a forget did, in words."""
    found = receipt.status != "erased" or _matched(receipt)
    terminal.line(
        f"status        {receipt.status if found else 'nothing matched'}",
        style="bold green" if found and receipt.status == "erased" else "bold yellow",
    )
    if receipt.reason:
        terminal.line(f"because       {REASONS[receipt.reason]}")
    terminal.line(f"events        {receipt.n_events:,}")
    terminal.line(f"slate rows    {receipt.n_slate_rows:,}")
    terminal.line(f"checkpoints   {receipt.n_checkpoints:,} dropped")
    if receipt.n_stages:
        terminal.line(f"trees         {receipt.n_stages:,} stages dropped")
    terminal.line(f"items         {receipt.n_items:,}")
    if receipt.n_set_aside:
        terminal.line(f"set aside     {receipt.n_set_aside:,} damaged logs deleted")
    terminal.line(f"learnt again  from {receipt.n_refolded:,} events")
    terminal.line(f"searched      {receipt.n_files} files, {receipt.size_bytes:,} bytes")
    terminal.line(f"took          {receipt.ms:,.0f} ms")


@click.command("export")
@click.argument("file", type=FILE)
@KEY_FILE
@click.argument("out", default="-")
def export_command(file: Path, out: str) -> None:
    """Write everything in FILE as JSON Lines to a new file OUT, or to standard output."""
    with opened(file) as recommender:
        if out != "-":
            n_events = recommender.export(out)
            click.echo(f"{n_events:,} events written", err=True)
            return
        with tempfile.TemporaryDirectory(prefix="recsys-export-") as folder:  # mode 0700
            path = os.path.join(folder, "export.jsonl")  # noqa: PTH118 (as the face takes it)
            recommender.export(path)
            with open(path, "rb") as export:  # noqa: PTH123 (as above)
                shutil.copyfileobj(export, sys.stdout.buffer)
            sys.stdout.buffer.flush()


@click.command("check")
@click.argument("file", type=FILE)
@KEY_FILE
@AS_JSON
def check_command(file: Path, *, as_json: bool) -> None:
    """Say whether the file is sound. Exit code 1 when it is not."""
    with opened(file) as recommender:
        findings = recommender.check()
    if as_json:
        print_json(findings)
    else:
        terminal = Terminal()
        terminal.table(
            (Column("finding"), Column("about"), Column("", is_wide=True)),
            ((terminal.styled(f.severity, SEVERITY_STYLES.get(f.severity, "")), f.what, f.message) for f in findings),
        )
    if any(finding.severity == "error" for finding in findings):
        raise click.exceptions.Exit(EXIT_NOT_FINE)
