"""What ``recsys demo`` says, in the order in which it says it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from recsys import Recommender
from recsys.cli.care import show_receipt
from recsys.cli.chart import Series, draw
from recsys.cli.history import History
from recsys.cli.look import show_slate
from recsys.cli.terminal import Column, Terminal, day_of, size_text
from recsys.cli.trial import RECSYS, RIVALS, K, Trial, moment_of, trailing_mean
from recsys.types import Event, Slate

__all__ = ["Words", "history_words", "shopper_words", "tell_beginning", "tell_file", "tell_result", "tell_top_ten"]

LOOKS = {RECSYS: ("bold green", "*"), "most used": ("yellow", "o"), "most recent": ("cyan", ".")}
N_TICKS = 4
LONG_DAYS = 200


@dataclass(frozen=True, slots=True)
class Words:
    """How to speak of a log."""

    title: str
    text: str
    choice: str


SHOPPER_TEXT = (
    'A real customer of a gift shop. Data: Chen (2015), "Online Retail", UCI Machine Learning Repository, '
    "doi 10.24432/C5BW33, CC BY 4.0.\n"
    "Before each purchase recsys ranks all that this shopper has bought so far; then it learns from the purchase. "
    "A product bought for the first time is a miss for everyone."
)
HISTORY_TEXT = (
    "Read: program names and when they were started. Never read into the log: arguments, folders, assignments. "
    "{n_skipped:,} words that may be no program names were left out.\n"
    "Before each command recsys ranks all programs used so far; then it learns from the command. "
    "A program used for the first time is a miss for everyone."
)
TIMES_TEXT = (
    "{n_untimed} of the {n_commands:,} commands have no time in this history; they were given times a minute apart, "
    "so what is said about hours and days means little."
)


def shopper_words(shopper: int, events: Sequence[Event]) -> Words:
    """Introduce a shopper of the sample."""
    n_days = len({day_of(event.at_us / 1e6) for event in events})
    first, last = day_of(events[0].at_us / 1e6), day_of(events[-1].at_us / 1e6)
    title = f"Shopper {shopper}: {len(events):,} order lines on {n_days} days, {first} to {last}"
    return Words(title, SHOPPER_TEXT, "purchase")


def history_words(history: History, n_events: int) -> Words:
    """Introduce the person's own shell history."""
    text = HISTORY_TEXT.format(n_skipped=history.n_skipped)
    if history.n_without_time:
        n_untimed = "All" if history.n_without_time == len(history.commands) else f"{history.n_without_time:,}"
        text += "\n" + TIMES_TEXT.format(n_untimed=n_untimed, n_commands=len(history.commands))
    shell = "Shell" if history.shell == "plain" else history.shell
    return Words(f"{shell} history: the last {n_events:,} commands", text, "command")


def tell_beginning(terminal: Terminal, words: Words) -> None:
    """Say what is going to happen."""
    terminal.line(words.title, style="bold")
    terminal.line(words.text)


def tell_result(terminal: Terminal, trial: Trial, words: Words) -> None:
    """Draw the learning curve and say how good each ranker was overall."""
    n = len(trial.at_us)
    window = max(10, n // 8)
    terminal.heading(f"How good was the top ten? NDCG@10, mean of the last {window:,} {words.choice}s")
    curves = [
        Series(name, trailing_mean(trial.ndcg(name), window).tolist(), *LOOKS[name]) for name in (RECSYS, *RIVALS)
    ]
    terminal.exact(draw(curves, _ticks(trial.at_us), width=terminal.width, plain=terminal.is_plain))
    terminal.heading(f"Over all {n:,} {words.choice}s, {trial.n_new:,} of them of something new")
    terminal.table(
        (Column("ranker"), *(Column(name, is_number=True) for name in ("NDCG@10", "in first place", "in the top ten"))),
        (
            (
                terminal.styled(name, LOOKS[name][0]),
                f"{trial.ndcg(name).mean():.3f}",
                f"{trial.share_within(name, 1):.1%}",
                f"{trial.share_within(name, K):.1%}",
            )
            for name in (RECSYS, *RIVALS)
        ),
    )


def tell_top_ten(terminal: Terminal, recommender: Recommender, last: Event, titles: Mapping[str, str]) -> None:
    """Show the top ten of the next day, forget its first item, and show what that changes."""
    at = moment_of(last.at_us, last.offset_min) + dt.timedelta(days=1)
    before = recommender.recommend(K, at=at)
    terminal.heading(f"The top ten for {at:%A, %Y-%m-%d %H:%M}")
    show_slate(terminal, before, titles)
    first = before[0].item_id
    terminal.heading(f"Forget the first: {terminal.shortened(titles.get(first) or first, terminal.width - 20)}")
    receipt = recommender.forget(items=[first])
    recommender.remove([first])
    show_receipt(terminal, receipt)
    terminal.heading("The top ten, had it never been")
    _show_change(terminal, before, recommender.recommend(K, at=at), titles)


def _show_change(terminal: Terminal, before: Slate, after: Slate, titles: Mapping[str, str]) -> None:
    was = {r.item_id: r.position + 1 for r in before}
    width = max(16, terminal.width - 30)
    terminal.table(
        (Column("", is_number=True), Column("was", is_number=True), Column("item"), Column("score", is_number=True)),
        (
            (
                str(r.position + 1),
                str(was.get(r.item_id, "-")),
                terminal.shortened(titles.get(r.item_id) or r.item_id, width),
                f"{r.score:+.2f}",
            )
            for r in after
        ),
    )


def tell_file(terminal: Terminal, path: Path, trial: Trial, seconds: float, *, stays: bool) -> None:
    """Say where the file lies, how large it is, and how long everything took."""
    terminal.heading("The file")
    size = sum(p.stat().st_size for p in path.parent.glob(f"{path.name}*"))
    terminal.console.print(Text(str(path)), soft_wrap=True)
    terminal.line(f"{size_text(size)}; {'it stays: recsys inspect shows what is in it' if stays else 'deleted now'}")
    terminal.line(
        f"{seconds:.1f} s in all; one recommendation took {trial.recommend_ms:.2f} ms, recording and learning "
        f"{trial.record_ms:.2f} ms (medians)"
    )


def _ticks(at_us: Sequence[int]) -> list[str]:
    """Return dates at even steps through the choices."""
    days = [day_of(at_us[round(n * (len(at_us) - 1) / (N_TICKS - 1))] / 1e6) for n in range(N_TICKS)]
    is_long = at_us[-1] - at_us[0] > LONG_DAYS * 86_400_000_000
    return [day[:7] if is_long else day[5:] for day in days]
