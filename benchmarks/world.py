"""A made-up person with a catalogue of any size and a log of any length, from a seed.

Items are chosen by Zipf's law, in a daily rhythm, often after the same predecessor:
enough structure that every part of the learner has work to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

__all__ = ["SEED", "START_S", "STEP_S", "BareLog", "Happening", "catalogue", "happenings", "item_id"]

SEED = 7
START_S = 1_700_000_000
STEP_S = 1_800  # one event every half hour
_FOLLOWS = 0.4  # share of events that are their predecessor's usual successor
_PLACES = ("home", "work", "road")

Happening = dict[str, object]


def item_id(n: int) -> str:
    """Return the id of the n-th item."""
    return f"item-{n:06}"


def catalogue(n_items: int) -> Iterator[dict[str, object]]:
    """Yield items with a title, two tags and a year."""
    for n in range(n_items):
        yield {
            "id": item_id(n),
            "title": f"Item number {n}",
            "tags": [f"tag-{n % 40}", f"kind-{n % 7}"],
            "year": 1950 + n % 75,
        }


def happenings(
    n_events: int, n_items: int, *, first: int = 0, seed: int = SEED, step_s: float = STEP_S
) -> Iterator[Happening]:
    """Yield events as ``record_many`` takes them, numbers ``first`` to ``first + n_events - 1``, one every ``step_s``.

    The first ``n_items`` of them, counted from 0, touch every item once, so that all are known.
    """
    rng = np.random.default_rng([seed, n_items, first])
    weight = 1.0 / np.arange(1, n_items + 1)
    drawn = rng.choice(n_items, size=n_events, p=weight / weight.sum())
    follows = rng.random(n_events) < _FOLLOWS
    last = 0
    for i in range(n_events):
        n = first + i
        choice = n if n < n_items else (last * 31 + 7) % n_items if follows[i] else int(drawn[i])
        last = choice
        yield {
            "item_id": item_id(choice),
            "kind": "play",
            "at": START_S + n * step_s,
            "context": {"place": _PLACES[int(n * step_s // 28_800) % 3]},
        }


class BareLog:
    """The least that makes an event durable: one table, one row, one commit."""

    _SCHEMA = """CREATE TABLE IF NOT EXISTS events (
        at_us INTEGER NOT NULL, uid TEXT NOT NULL, offset_min INTEGER NOT NULL, item_id TEXT NOT NULL,
        kind TEXT NOT NULL, value REAL, context TEXT, slate TEXT, PRIMARY KEY (at_us, uid)) WITHOUT ROWID"""

    def __init__(self, path: Path, *, synchronous: str) -> None:
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={synchronous}")
        self._db.execute(self._SCHEMA)
        self._db.commit()

    def insert(self, n: int) -> None:
        """Insert the n-th event and commit."""
        self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _bare_row(n))
        self._db.commit()

    def fill(self, n_events: int) -> None:
        """Insert the events 0 to ``n_events - 1`` in one transaction."""
        self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_bare_row, range(n_events)))
        self._db.commit()

    def close(self) -> None:
        self._db.close()


def _bare_row(n: int) -> tuple[object, ...]:
    at_us = (START_S + n * STEP_S) * 1_000_000
    return (at_us, f"{n:016x}", 0, item_id(n % 1000), "play", None, '{"place":"home"}', None)
