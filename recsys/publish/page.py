"""The publisher's report: one page of HTML on what a pack was made from, what it holds and how well it does.

The page is one file without scripts; it fetches nothing. It has numbers only: no id of an item or a person.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.forest import Arrays
from recsys.publish.build import Built, Evidence
from recsys.publish.counting import PAIRS, WINDOW
from recsys.publish.drawing import Interval, Line, columns, intervals, lines
from recsys.publish.weights import CHOICES_OF_ONE, LISTED, Quality
from recsys.reports import Metric

__all__ = ["coverage", "page", "support_bins"]

_LIMITS: Final = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000)
_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "keys": ("keys",),
    "popularity and biases": ("popular", "bias"),
    "liking, and what people come back to": ("liked", "again"),
    "factors": ("into", "out"),
    "pairs": ("near_begin", "near_item", "near_lift"),
    "trees": tuple(f"tree_{name}" for name in Arrays._fields),
}
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --dim: #5c6675; --line: #dfe3e8; --paper: #fff; --card: #f5f7f9;
  --one: #1f6f8b; --two: #c26a1b; --mark: #a3293d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --dim: #9aa5b4; --line: #333c48; --paper: #14181e;
  --card: #1c222a; --one: #5fb3cf; --two: #e39a54; --mark: #ef7d8f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 2.5rem 1.25rem 4rem; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .5rem; padding-top: 1.1rem; border-top: 1px solid var(--line); }
p { margin: .5rem 0; } .dim { color: var(--dim); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .7rem; margin: 1.4rem 0 0; }
.tile { background: var(--card); border-radius: .5rem; padding: .75rem .9rem; }
.tile b { display: block; font-size: 1.35rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--dim); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; margin: .7rem 0; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--dim); }
th, td { padding: .32rem .5rem .32rem 0; border-bottom: 1px solid var(--line); }
th:not(:first-child), td:not(:first-child) {
  text-align: right; } tr.now td { font-weight: 600; color: var(--mark); }
table.words th:last-child, table.words td:last-child { text-align: left; padding-left: 1.5rem; color: var(--dim); }
svg { width: 100%; height: auto; display: block; margin: .6rem 0 .2rem; }
svg text { font-size: 12px; fill: var(--dim); }
svg text.strong { fill: var(--ink); font-weight: 600; } .rule { stroke: var(--line); }
.mark { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 4 3; }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; } .spread { stroke-width: 3; stroke-linecap: round; }
.one { stroke: var(--one); } .two { stroke: var(--two); } rect.one, circle.one { fill: var(--one); stroke: none; }
rect.two, circle.two { fill: var(--two); stroke: none; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; margin: 0 .3rem 0 .9rem;
  vertical-align: -.08rem; }
.key:first-child { margin-left: 0; } .key.one { background: var(--one); } .key.two { background: var(--two); }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } svg, table { break-inside: avoid; } }
"""


def page(built: Built, *, size_bytes: int, source: str = "") -> str:
    """Write the report on a pack.

    Parameters
    ----------
    built : Built
        With its ``evidence``; how good the pack is can only be said with ``judge=True``.
    size_bytes : int
        Of the pack's file.
    source : str
        Where the logs are from.
    """
    known = built.evidence
    if known is None:
        return ""
    n_items = int(known.kept.sum())
    tiles = [
        (f"{n_items:,}", "items"),
        (f"{len(known.pair_people):,}", "pairs"),
        (f"{known.n_people:,}", "people in the logs"),
        (f"{built.least_people:,}", "people at least"),
        (f"{size_bytes / n_items:,.0f}", "bytes an item"),
    ]
    body = [
        "<h1>What is in this prior pack</h1>",
        f'<p class="dim">{escape(source) or "No source was named."}</p>',
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{n}</b><span>{of}</span></div>' for n, of in tiles)
        + "</div>",
        _logs(known),
        _quality(known.quality),
        _trees(built.report),
        _coverage(known, built.least_people),
        _support(known, built.least_people),
        _left_out(known, built.least_people),
        _size(built.arrays, size_bytes, n_items),
        _limits(built.least_people),
    ]
    head = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Prior pack</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
    )
    return head + "\n".join(body) + "</body></html>\n"


def coverage(items: NDArray[Any], limits: Sequence[int]) -> list[tuple[float, float]]:
    """Give the shares of items and of uses that are left when items of fewer people are left out, for each limit."""
    n_uses, n_items = max(int(items["uses"].sum()), 1), max(len(items), 1)
    held = [items["met"] >= limit for limit in limits]
    return [(int(each.sum()) / n_items, int(items["uses"][each].sum()) / n_uses) for each in held]


def support_bins(people: NDArray[np.int64], least: int) -> tuple[list[str], list[int]]:
    """Count how many have support from ``least`` to below its double, from there to the next double, and so on."""
    if not len(people):
        return [], []
    edges = [least]
    while edges[-1] <= people.max():
        edges.append(edges[-1] * 2)
    counts = np.histogram(people, edges)[0]
    names = [f"{low:,}" if high - low == 1 else f"{low:,} to {high - 1:,}" for low, high in pairwise(edges)]
    return names, counts.tolist()


def _logs(known: Evidence) -> str:
    read = known.read
    rows = [
        ("rows read", f"{read.n_rows:,}"),
        ("rows that count", f"{read.n_uses:,}"),
        ("first and last day", f"{_day(read.first_us)} to {_day(read.last_us)}"),
        ("people", f"{known.n_people:,}"),
        ("of these set aside, for the weights and for what is said of quality", f"{known.n_aside:,}"),
        ("uses by the others", f"{int(known.items['uses'].sum()):,}"),
        ("items that the others used or passed over", f"{len(known.items):,}"),
        ("people on whose uses the factors were fitted", f"{known.n_sequences:,}"),
    ]
    return "<h2>What the logs held</h2>" + _table((), rows)


def _quality(quality: Quality | None) -> str:
    title = "<h2>How well it does, for people it was not made from</h2>"
    if quality is None or not quality.n_choices:
        return title + "<p>Nobody who was set aside chose anything new that the pack has, so nothing can be said.</p>"
    names = {"pack": ("this pack", "one"), "popular": ("popularity alone", "two")}
    charts = []
    for measure, of in ((f"NDCG@{LISTED}", quality.ndcg), (f"recall@{LISTED}", quality.recall)):
        rows = [Interval(*names[key], *_three(of[key])) for key in names]
        difference = of["difference"]
        clear = "clear of 0" if difference.low > 0 or difference.high < 0 else "not clear of 0"
        said = f"The difference is {difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}], {clear}."
        charts.append(intervals(rows, label=measure) + f"<p>{said}</p>")
    return (
        title + f"<p>{quality.n_choices:,} choices by {quality.n_people:,} people who were set aside. Before each,"
        " everything in the pack that the person had not used yet was ranked, by the pack and by popularity alone; the"
        " measure looks at where the item stands that came next. Each half of these people was judged by"
        " weights fitted on the other half.</p>"
        + "".join(charts)
        + '<p class="dim">Means over choices; the intervals hold 95 % and come from drawing people anew. '
        f"At most {CHOICES_OF_ONE} choices of each person are looked at. Of all that these people used for the first"
        f" time, {quality.n_unknown:,} items were not in the pack; they are not ranked.</p>"
    )


def _trees(report: Mapping[str, Any]) -> str:
    """Say whether trees are in the pack, and on what evidence; nothing where none were asked for."""
    if "trees" not in report:
        return ""
    title = "<h2>Trees on top, for what people come back to</h2>"
    if "trees_gain" not in report:
        return title + "<p>Too few people came back to anything: none are in the pack.</p>"
    linear, both = report["trees_ndcg"]
    gain, low, high = report["trees_gain"]
    n = f"{report['trees']:,} are in the pack" if report["trees"] else "None are in the pack: that is not clear of 0"
    return (
        title + f"<p>On {report['trees_choices']:,} choices by {report['trees_people']:,} people, who did not teach the"
        f" trees that were judged, NDCG@{LISTED} is {linear:.3f} without trees and {both:.3f} with them: {gain:+.4f}"
        f" [{low:+.4f}, {high:+.4f}]. {n}.</p>"
    )


def _coverage(known: Evidence, least: int) -> str:
    most = int(known.items["met"].max(initial=1))
    limits = sorted({limit for limit in (*_LIMITS, least) if limit <= max(most, least)})
    shares = coverage(known.items, limits)
    fine = np.unique(np.round(np.geomspace(1, max(limits), 120)).astype(int)).tolist()
    curves = coverage(known.items, fine)
    chart = lines(
        fine,
        [
            Line("uses", "one", [uses for _, uses in curves]),
            Line("items", "two", [items for items, _ in curves]),
        ],
        ticks=limits,
        marked=least,
        label="people at least",
    )
    rows = [
        (f"{limit:,}", f"{round(items * len(known.items)):,}", f"{items:.1%}", f"{uses:.1%}")
        for limit, (items, uses) in zip(limits, shares, strict=True)
    ]
    said = f"With {least:,} people at least, the pack speaks of {shares[limits.index(least)][1]:.1%} of all uses."
    if known.quality and known.quality.n_uses:
        said += f" Of the uses by people set aside it is {known.quality.n_uses_known / known.quality.n_uses:.1%}."
    key = '<p class="dim"><span class="key one"></span>share of uses<span class="key two"></span>share of items</p>'
    heads = ("people at least", "items", "of all items", "of all uses")
    return f"<h2>What it covers</h2><p>{said}</p>{key}{chart}" + _table(heads, rows, now=limits.index(least))


def _support(known: Evidence, least: int) -> str:
    parts = ["<h2>How many people stand behind what it says</h2>"]
    for name, style, people in (
        ("item", "one", known.items["met"][known.kept]),
        ("pair", "two", known.pair_people),
    ):
        if not len(people):
            parts.append(f"<p>No {name} is published.</p>")
            continue
        parts.append(
            f"<p>The published {name} of fewest people has <b>{int(people.min()):,}</b>,"
            f" the median {int(np.median(people)):,}, the one of most {int(people.max()):,}.</p>"
        )
        names, counts = support_bins(people, least)
        parts.append(columns(names, counts, style=style, label=f"people, and how many {name}s have so many"))
    return "".join(parts)


def _left_out(known: Evidence, least: int) -> str:
    few = ~known.kept
    uses = int(known.items["uses"][few].sum())
    share = uses / max(int(known.items["uses"].sum()), 1)
    left = known.left
    rows = [
        ("rows", f"{known.read.n_rows - known.read.n_uses:,}", "of other kinds than those asked for"),
        ("items", f"{int(few.sum()):,}", f"of fewer than {least:,} people; {uses:,} uses, {share:.1%} of all"),
        ("pairs", f"{left.of_few:,}", f"of fewer than {least:,} people"),
        ("pairs", f"{left.no_lift:,}", "not likelier than usual"),
        ("pairs", f"{left.beyond:,}", f"of enough people, but not among the {PAIRS} likeliest of their item"),
        (
            "people",
            f"{known.n_people - known.n_aside - known.n_sequences:,}",
            "counted, but beyond the number on whose uses factors are fitted",
        ),
        (
            "people",
            f"{known.n_aside - known.n_asked:,}",
            "set aside, but beyond the number that is asked for the weights",
        ),
    ]
    seen = (
        f"<p>{left.seen:,} pairs were seen within {WINDOW} uses of each other, each counted from both of its items.</p>"
    )
    rows = [row for row in rows if row[1] != "0"]
    return "<h2>What was left out, and why</h2>" + seen + _table(("what", "how many", "why"), rows, style="words")


def _size(arrays: Mapping[str, NDArray[Any]], size_bytes: int, n_items: int) -> str:
    there = {name: [arrays[part] for part in parts if part in arrays] for name, parts in _PARTS.items()}
    sizes = {name: sum(part.nbytes for part in parts) for name, parts in there.items() if parts}
    sizes["the rest, which does not grow with items"] = size_bytes - sum(sizes.values())
    rows = [(name, f"{size:,}", f"{size / n_items:,.1f}") for name, size in sizes.items()]
    rows.append(("all of it", f"{size_bytes:,}", f"{size_bytes / n_items:,.1f}"))
    return "<h2>How large it is</h2>" + _table(("part", "bytes", "an item"), rows)


def _limits(least: int) -> str:
    return (
        "<h2>What the limit promises, and what it does not</h2>"
        f"<p>No item is in the pack that fewer than {least:,} people used or passed over, and no pair that fewer than"
        f" {least:,} people used close to each other. Each count behind it is a sum of what single people add; without"
        " one of them it is smaller by just that.</p>"
        "<p>It is not differential privacy. Factors, weights and the ranker's prior are fitted on everybody, and one"
        " person moves them a little: who knows all the others' logs can learn something about the last one's. Make"
        " packs from logs whose people agreed to it, or from public ones.</p>"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, now: int = -1, style: str = "") -> str:
    head = "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in heads) + "</tr>" if heads else ""
    begins = ['<tr class="now">' if n == now else "<tr>" for n in range(len(rows))]
    cells = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    lines_of = [f"{begin}{of}</tr>" for begin, of in zip(begins, cells, strict=True)]
    return f'<table class="{style}">{head}{"".join(lines_of)}</table>'


def _three(metric: Metric) -> tuple[float, float, float]:
    return metric.mean, metric.low, metric.high


def _day(at_us: int) -> str:
    try:
        return (dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(microseconds=at_us)).date().isoformat()
    except OverflowError:
        return "unknown"
