"""A made-up life whose choices a linear model cannot say all of: what comes next hangs on the last use and the hour."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from recsys import Event, Recommender, Settings

__all__ = ["SETTINGS", "grown", "lived", "opened", "rows", "take_steps"]

SETTINGS: Final = Settings(
    trees=True, synchronous="normal", checkpoint_events=64, ballast=False, choice_set_size=8, busy_timeout_ms=0
)
_START_US: Final = 1_700_000_000_000_000


def lived(n: int, *, seed: int = 0, n_items: int = 12) -> list[Event]:
    """So many uses, in the log's order; some shown slates, some turned down, some in one instant."""
    draw, at_us, last, events = random.Random(seed), _START_US, 0, []
    for number in range(n):
        at_us += draw.choice((0, 60, 600, 4_000, 20_000)) * 1_000_000
        morning = at_us // 3_600_000_000 % 24 < 12
        item = (last * 3 + (1 if morning else 5)) % n_items if draw.random() < 0.7 else draw.randrange(n_items)
        uid, kind = f"{seed:04x}{number:012x}", draw.choice(("play", "play", "play", "view", "skip"))
        if number % 40 == 39:
            places = tuple((f"item-{(item + k) % n_items}", k, 0.5) for k in range(4))
            events.append(Event(at_us, uid, "", "shown", slate=f"slate-{number}", shown=places))
        else:
            slate = f"slate-{number - 1}" if number % 40 == 0 and number else None
            events.append(Event(at_us, uid, f"item-{item}", kind, context={"morning": morning}, slate=slate))
            last = item
    return events


def opened(path: Path) -> Recommender:
    return Recommender(path, settings=SETTINGS)


def take_steps(rec: Recommender, n: int | None = None, budget_ms: float = 1e-6) -> int:
    """Let so many steps be taken, or all there are; how many were. With the least budget a step is one tree."""
    taken = 0
    while (n is None or taken < n) and rec.maintain(budget_ms):
        taken += 1
    return taken


def grown(path: Path, events: list[Event]) -> dict[int, tuple[object, ...]]:
    """What stands in the file of one that learnt these events and then grew all its trees."""
    with closing(opened(path)) as rec:
        rec.record_many(events)
        take_steps(rec, budget_ms=1_000)
        return rows(rec)


def rows(rec: Recommender) -> dict[int, tuple[object, ...]]:
    """Every stage in the file: its time, its basis and its bytes."""
    store = rec._store
    return {number: (at_us, basis, store.load_stage(number)) for number, at_us, basis, _ in store.stages()}


def sliced(events: list[Event], seed: int) -> Iterator[list[Event]]:
    """Cut a life into pieces of random lengths."""
    draw, at = random.Random(seed), 0
    while at < len(events):
        n = draw.randrange(1, 200)
        yield events[at : at + n]
        at += n
