"""What is done with each part: functions that threads or workers call, and that hold nothing between calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.publish.counting import (
    ROW,
    Left,
    Whole,
    added_pairs,
    bounds_of_buckets,
    is_aside,
    items_of,
    keys_of,
    learnt_of,
    near_of,
    pairs_of,
    places_of,
    rows_of,
    whole_people,
)
from recsys.publish.pieces import Columns, Piece, Uses, uses_of
from recsys.publish.spread import Laid, laid, loaded
from recsys.publish.weights import Asked

__all__ = ["Brought", "Read", "ask", "bring", "choose", "count_pairs", "deal", "read", "sequence"]

Part: TypeAlias = NDArray[Any] | Laid
PERSON: Final = np.dtype([("high", "<u8"), ("low", "<u8"), ("n", "<i8")])
USE: Final = np.dtype([("key", "<u8"), ("at_us", "<i8")])


class Read(NamedTuple):
    """What was read: rows, those that count, the forms of their times, and the first and last of these."""

    n_rows: int
    n_uses: int
    forms: frozenset[str]
    first_us: int
    last_us: int


class Brought(NamedTuple):
    """Who is in a bucket: people, and those set aside."""

    n_people: int
    n_aside: int


def read(piece: Piece, columns: Columns, kinds: Sequence[str], n_buckets: int, folder: Path | None) -> list[Any]:
    """Read a piece and deal its rows into buckets: what was read, and a part for each bucket."""
    found = list(uses_of(piece, columns, kinds))
    rows = np.concatenate([_rows(uses) for uses in found]) if found else np.empty(0, ROW)
    forms = frozenset(uses.form for uses in found if uses.form)
    n_rows = sum(uses.n_rows for uses in found)
    return deal(rows, n_rows, forms, n_buckets, folder and folder / f"rows-{piece.number}")


def deal(rows: NDArray[Any], n_rows: int, forms: frozenset[str], n_buckets: int, path: Path | None) -> list[Any]:
    """Deal rows into buckets: what was read, and a part for each bucket."""
    at_us = rows["at_us"]
    told = Read(n_rows, len(rows), forms, int(at_us.min(initial=2**63 - 1)), int(at_us.max(initial=-(2**63))))
    dealt, bounds = bounds_of_buckets(rows, n_buckets)
    return [told, *laid(dealt, bounds.tolist(), path)]


def _rows(uses: Uses) -> NDArray[Any]:
    places = places_of(uses.persons)[uses.person_of]
    keys, checks = keys_of(uses.items)
    rows = np.empty(len(places), ROW)
    rows["high"], rows["low"] = places[:, 0], places[:, 1]
    rows["key"], rows["check"] = keys[uses.item_of], checks[uses.item_of]
    rows["at_us"], rows["order"] = uses.at_us, uses.order
    return rows


def bring(parts: Sequence[Part], number: int, folder: Path | None) -> list[Any]:
    """Bring a bucket's people together and count their items: who they are, they, their uses, and the counts."""
    people = whole_people([loaded(part) for part in parts])
    items = items_of(learnt_of(people))
    who = np.empty(len(people.places), PERSON)
    who["high"], who["low"], who["n"] = people.places[:, 0], people.places[:, 1], np.diff(people.begin)
    uses = np.empty(len(people.keys), USE)
    uses["key"], uses["at_us"] = people.keys, people.at_us
    (who_part,) = laid(who, [0, len(who)], folder and folder / f"people-{number}")
    (uses_part,) = laid(uses, [0, len(uses)], folder and folder / f"uses-{number}")
    return [Brought(len(who), int(is_aside(who["high"]).sum())), who_part, uses_part, items]


def _whole(who_part: Part, uses_part: Part) -> Whole:
    who, uses = loaded(who_part), loaded(uses_part)
    begin = np.concatenate([[0], np.cumsum(who["n"])])
    places = np.stack([who["high"], who["low"]], axis=1)
    return Whole(places, begin, uses["key"], np.empty(0, np.uint32), uses["at_us"])


def count_pairs(
    who: Part, uses: Part, kept: NDArray[np.uint64], ranges: NDArray[np.int64], number: int, folder: Path | None
) -> list[Part]:
    """Count the pairs of a bucket's people: a part for each range of items."""
    pairs = pairs_of(learnt_of(_whole(who, uses)), kept)
    bounds = np.searchsorted(pairs["code"], ranges * len(kept))
    return laid(pairs, bounds.tolist(), folder and folder / f"pairs-{number}")


def choose(parts: Sequence[Part], items: NDArray[Any], n_uses: int, least_people: int) -> tuple[NDArray[Any], Left]:
    """Add the pairs of a range of items over all buckets, and choose what is published of them."""
    return near_of(added_pairs([loaded(part) for part in parts]), items, n_uses, least_people)


def sequence(who: Part, uses: Part, kept: NDArray[np.uint64], most: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give the rows of the kept items that people used, one after another, and how many each used.

    Of so many people at most, the first by their digests; none of those that are set aside.
    """
    people = learnt_of(_whole(who, uses))
    begin = people.begin[: most + 1]
    rows = rows_of(people.keys[: begin[-1]], kept)
    person = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
    return rows[rows >= 0].astype(np.int32), np.bincount(person[rows >= 0], minlength=len(begin) - 1)


def ask(who: Part, uses: Part, kept: NDArray[np.uint64], most: int) -> list[Asked]:
    """Give the first people of a bucket that are set aside, so many at most."""
    people, given = _whole(who, uses), []
    n = min(int(is_aside(people.places[:, 0]).sum()), most)
    for (high, low), begin, end in zip(
        people.places[:n].tolist(), people.begin[:n].tolist(), people.begin[1 : n + 1].tolist(), strict=True
    ):
        keys = people.keys[begin:end]
        place = high.to_bytes(8, "big") + low.to_bytes(8, "big")
        given.append(Asked(place, keys, rows_of(keys, kept).astype(np.int32), people.at_us[begin:end]))
    return given
