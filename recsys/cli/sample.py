"""The packaged sample: the orders of a few real shoppers, with titles; ``data/SOURCE.md`` says where it came from."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from recsys.types import Event

__all__ = ["N_SHOPPERS", "Sample", "load_sample"]

N_SHOPPERS = 5
SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, repr=False)
class Sample:
    """One shopper's lines, oldest first, as events in the shop's local time, and the titles of the whole catalogue."""

    events: tuple[Event, ...]
    titles: dict[str, str]


def load_sample(shopper: int, n_events: int | None = None) -> Sample:
    """Read one shopper.

    All lines of an invoice carry one minute in the data; here they follow each other by a second, in their published
    order, because one line is known before the next. Returns of what was bought before the log begins are left out.

    Parameters
    ----------
    shopper : int
        1 to ``N_SHOPPERS``.
    n_events : int or None
        Only the last so many lines.
    """
    titles = {row["item_id"]: _sentence(row["title"]) for row in _rows("items.csv.gz")}
    rows = [row for row in _rows("events.csv.gz") if row["shopper"] == str(shopper)]
    events: list[Event] = []
    bought: set[str] = set()
    last_us = -SECOND_US
    for row in rows[-n_events:] if n_events else rows:
        if row["kind"] == "purchase":
            bought.add(row["item_id"])
        if row["item_id"] in bought:
            last_us = max(int(row["at"]) * SECOND_US, last_us + SECOND_US)
            uid = f"{len(events):08d}"
            events.append(Event(last_us, uid, row["item_id"], row["kind"], value=float(row["pieces"])))
    return Sample(tuple(events), titles)


def _rows(name: str) -> Iterator[dict[str, str]]:
    packed = resources.files("recsys").joinpath("data", name).read_bytes()
    yield from csv.DictReader(io.StringIO(gzip.decompress(packed).decode("utf-8"), newline=""))


def _sentence(title: str) -> str:
    """Return a title as people write it: the shop's are all in capitals."""
    return " ".join(title.split()).capitalize()
