"""Commands that read: ``inspect``, ``recommend`` and ``explain``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import click

from recsys.cli.opening import opened, titles_of
from recsys.cli.parameters import AS_JSON, CONTEXT, FILE, KEY_FILE, MOMENT, Number
from recsys.cli.terminal import Column, Terminal, day_of, print_json, printable, size_text
from recsys.reports import Explanation, Profile, Stats, TreeStats
from recsys.types import Recommendation, Scalar, Slate

__all__ = ["explain_command", "inspect_command", "now", "recommend_command", "show_slate", "why"]

N_EVENTS_SHOWN = 10
N_HABITS_SHOWN = 12
N_REASONS_SHOWN = 1

at_option = click.option("--at", type=MOMENT, metavar="ISO", help="The moment to judge for; now, unless given.")
context_option = click.option(
    "--context", "context", type=CONTEXT, multiple=True, metavar="KEY=VALUE", help="What is true then; repeatable."
)


@click.command("inspect")
@click.argument("file", type=FILE)
@KEY_FILE
@AS_JSON
def inspect_command(file: Path, *, as_json: bool) -> None:
    """Show what was learnt: habits, weights, corrections, sizes."""
    with opened(file) as recommender:
        profile, stats = recommender.profile(), recommender.stats()
    if as_json:
        print_json({"profile": profile, "stats": stats})
    else:
        _show_profile(Terminal(), profile, stats)


def _show_profile(terminal: Terminal, profile: Profile, stats: Stats) -> None:
    terminal.line(
        f"{stats.n_events:,} events, {stats.n_items:,} items ({profile.n_items:,} of them in the log), "
        f"{size_text(stats.size_bytes)}"
    )
    terminal.line(
        f"{stats.n_checkpoints} checkpoints ({size_text(stats.checkpoint_bytes)}), schema {stats.schema_version}, "
        f"features {stats.feature_version}",
        style="dim",
    )
    if stats.trees is not None:
        _show_trees(terminal, stats.trees)
    terminal.heading("Habits")
    shown = profile.habits[:N_HABITS_SHOWN]
    if shown:
        terminal.table(
            (
                Column("what", is_wide=True),
                Column("share", is_number=True),
                Column("events", is_number=True),
                Column("last"),
            ),
            ((printable(h.text), f"{h.share:.0%}", f"{h.n_events:,}", day_of(h.last_at)) for h in shown),
        )
        if len(profile.habits) > len(shown):
            terminal.line(f"and {len(profile.habits) - len(shown)} more: --json shows all", style="dim")
    else:
        terminal.line("none yet")
    _show_weights(terminal, profile)
    if profile.steers:
        terminal.heading("Corrections by the person")
        terminal.table(
            (Column("item or tag", is_wide=True), Column("weight", is_number=True)),
            ((printable(name), f"{weight:+.2f}") for name, weight in profile.steers.items()),
        )


def _serving(trees: TreeStats) -> str:
    if trees.serves:
        return "the trees join the score"
    if trees.pack is not None and trees.pack.serves:
        return "those of the pack join the score"
    return "the linear model serves alone"


def _show_trees(terminal: Terminal, trees: TreeStats) -> None:
    terminal.heading(f"Trees: {_serving(trees)}")
    if trees.pack is not None:
        of_pack = trees.pack
        terminal.line(
            f"{of_pack.n_trees} trees came with the pack; over {of_pack.n_choices:,} choices they have "
            f"{of_pack.gain.mean:+.4f} NDCG@10 [{of_pack.gain.low:+.4f}, {of_pack.gain.high:+.4f}]"
        )
    waits = f"; stage {trees.growing} is to be grown" if trees.growing else ""
    terminal.line(f"{trees.n_trees} trees of stage {trees.stage}, {size_text(trees.size_bytes)} in all{waits}")
    if trees.gain.low == trees.gain.high:
        terminal.line(f"{trees.n_choices:,} choices were judged: too few to tell")
    else:
        terminal.line(
            f"over {trees.n_choices:,} choices the sum has {trees.gain.mean:+.4f} NDCG@10 over the linear model "
            f"[{trees.gain.low:+.4f}, {trees.gain.high:+.4f}]"
        )
    if trees.history:
        names = ("stage", "choices after it", "linear", "trees alone", "both")
        terminal.table(
            tuple(Column(name, is_number=True) for name in names),
            (
                (str(h.number), f"{h.n_choices:,}", f"{h.linear:.3f}", f"{h.trees:.3f}", f"{h.both:.3f}")
                for h in trees.history
            ),
        )
    if trees.decisions:
        terminal.heading("Decisions: what served from which stage on")
        told = ("stage", "choices learnt", "trees", "choices judged", "gain", "standard error")
        terminal.table(
            (*(Column(name, is_number=True) for name in told), Column("served")),
            (
                (
                    *(str(d.stage), f"{d.n_learnt:,}", str(d.n_trees), f"{d.n_choices:,}"),
                    *(f"{d.gain:+.4f}", f"{d.standard_error:.4f}", "the sum" if d.serves else "linear"),
                )
                for d in trees.decisions
            ),
        )


def _show_weights(terminal: Terminal, profile: Profile) -> None:
    terminal.heading("Weights: what counts for this person")
    terminal.table(
        (
            Column("feature"),
            Column("weight", is_number=True),
            Column("sd", is_number=True),
            Column("prior", is_number=True),
            Column("moved, in sd", is_number=True),
        ),
        (_weight_row(name, *pair, profile.prior_weights[name]) for name, pair in profile.weights.items()),
    )


def _weight_row(name: str, weight: float, deviation: float, prior: float) -> tuple[str, ...]:
    moved = (weight - prior) / deviation if deviation > 0 else 0.0
    return name, f"{weight:+.3f}", f"{deviation:.3f}", f"{prior:+.3f}", f"{moved:+.1f}"


@click.command("recommend")
@click.argument("file", type=FILE)
@KEY_FILE
@click.option("-k", type=Number(1, 10_000), default=10, show_default=True, help="How many.")
@at_option
@context_option
@AS_JSON
def recommend_command(
    file: Path, k: int, at: dt.datetime | None, context: Sequence[tuple[str, Scalar]], *, as_json: bool
) -> None:
    """Show the best items of the catalogue for a moment, with reasons."""
    with opened(file) as recommender:
        slate = recommender.recommend(k, at=at or now(), context=dict(context))
        titles = titles_of(recommender)
    if as_json:
        rows = [
            {"item_id": r.item_id, "title": titles.get(r.item_id, ""), "score": r.score, "reasons": r.reasons}
            for r in slate
        ]
        print_json({"n_candidates": slate.n_candidates, "items": rows})
    elif slate:
        terminal = Terminal()
        show_slate(terminal, slate, titles)
        terminal.line(f"out of {slate.n_candidates:,} candidates", style="dim")
    else:
        Terminal().line("nothing to recommend: neither the catalogue nor the log holds an item")


def show_slate(terminal: Terminal, slate: Slate, titles: Mapping[str, str]) -> None:
    """Print a slate: place, title, score, and the strongest reasons in words."""
    width = max(16, (terminal.width - 14) // 2)
    terminal.table(
        (Column("", is_number=True), Column("item"), Column("score", is_number=True), Column("why", is_wide=True)),
        (
            (
                str(r.position + 1),
                terminal.shortened(titles.get(r.item_id) or r.item_id, width),
                f"{r.score:+.2f}",
                why(r),
            )
            for r in slate
        ),
    )


def why(recommendation: Recommendation) -> str:
    """Return the strongest reasons that speak for an item, in words."""
    texts = (printable(reason.text) for reason in recommendation.reasons if reason.contribution > 0)
    return "; ".join(islice(texts, N_REASONS_SHOWN))


def now() -> dt.datetime:
    """Return this moment with this machine's UTC offset."""
    return dt.datetime.now().astimezone()


@click.command("explain")
@click.argument("file", type=FILE)
@KEY_FILE
@click.argument("item")
@at_option
@context_option
@AS_JSON
def explain_command(
    file: Path, item: str, at: dt.datetime | None, context: Sequence[tuple[str, Scalar]], *, as_json: bool
) -> None:
    """Show every term of an item's score, and the events behind it."""
    with opened(file) as recommender:
        titles = titles_of(recommender)
        explanation = recommender.explain(item, at=at or now(), context=dict(context))
        is_known = bool(explanation.events) or any(r.known for r in recommender.rank([item]))
    if not is_known:
        raise click.ClickException("this item is neither in the catalogue nor in the log")
    if as_json:
        print_json(explanation)
    else:
        _show_explanation(Terminal(), titles.get(item) or item, explanation)


def _show_explanation(terminal: Terminal, title: str, explanation: Explanation) -> None:
    terminal.line(printable(title), style="bold")
    terminal.line(
        f"place {explanation.rank:,} of {explanation.n_candidates:,}; score {explanation.score:+.2f}, "
        f"the average is {explanation.average_score:+.2f}"
    )
    terminal.heading("Reasons")
    terminal.table(
        (Column("part", is_number=True), Column("why", is_wide=True), Column("events", is_number=True), Column("last")),
        (
            (f"{r.contribution:+.2f}", printable(r.text), f"{r.n_events:,}", day_of(r.last_at))
            for r in explanation.reasons
        ),
    )
    terminal.heading("Terms: weight x (value - average)")
    terminal.table(
        (Column("feature"), *(Column(name, is_number=True) for name in ("weight", "value", "average", "part"))),
        (
            (t.feature, f"{t.weight:+.3f}", f"{t.value:.3f}", f"{t.average:.3f}", f"{t.contribution:+.3f}")
            for t in explanation.terms
            if t.contribution
        ),
    )
    terminal.heading(f"Events: {len(explanation.events)}, newest first")
    for event in explanation.events[:N_EVENTS_SHOWN]:
        terminal.line(f"{day_of(event.at_us / 1e6, offset_min=event.offset_min)}  {event.uid}  {printable(event.kind)}")
    if len(explanation.events) > N_EVENTS_SHOWN:
        terminal.line(f"and {len(explanation.events) - N_EVENTS_SHOWN} more")
