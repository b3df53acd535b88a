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
    n_beyond,
    near_of,
    pairs_of,
    places_of,
    rows_of,
    whole_people,
)
from recsys.publish.pieces import Columns, Piece, Uses, uses_of
from recsys.publish.spread import Laid, laid, loaded
from recsys.publish.weights import Asked

__all__ = ["Brought", "Read", "ask", "bring", "choose", "count_beyond", "count_pairs", "deal", "read", "sequence"]

Part: TypeAlias = NDArray[Any] | Laid
PERSON: Final = np.dtype([("high", "<u8"), ("low", "<u8"), ("n", "<i8"), ("n_passed", "<i8")])
USE: Final = np.dtype([("key", "<u8"), ("at_us", "<i8")])


class Read(NamedTuple):
    """What was read: rows, those that count, the forms of their times, and the first and last of these."""

    n_rows: int
    n_uses: int
    forms: frozenset[str]
    first_us: int
    last_us: int


class Brought(NamedTuple):
    """Who is in a bucket: people, those set aside, and how many uses are by all of them."""

    n_people: int
    n_aside: int
    n_uses: int


def read(
    piece: Piece, columns: Columns, kinds: Sequence[str], passed: Sequence[str], n_buckets: int, folder: Path | None
) -> list[Any]:
    """Read a piece and deal its rows into buckets: what was read, and a part for each bucket."""
    found = list(uses_of(piece, columns, kinds, passed))
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
    rows["at_us"], rows["order"], rows["passed"] = uses.at_us, uses.order, uses.passed
    return rows


def bring(parts: Sequence[Part], number: int, folder: Path | None) -> list[Any]:
    """Bring a bucket's people together and count their items: how many they are, they, their uses, and the counts.

    After all uses stands what was passed over.
    """
    people, over = whole_people([loaded(part) for part in parts])
    items = items_of(learnt_of(people), learnt_of(over))
    who = np.empty(len(people.places), PERSON)
    who["high"], who["low"] = people.places[:, 0], people.places[:, 1]
    who["n"], who["n_passed"] = np.diff(people.begin), np.diff(over.begin)
    uses = np.empty(len(people.keys) + len(over.keys), USE)
    uses["key"] = np.concatenate([people.keys, over.keys])
    uses["at_us"] = np.concatenate([people.at_us, over.at_us])
    (who_part,) = laid(who, [0, len(who)], folder and folder / f"people-{number}")
    (uses_part,) = laid(uses, [0, len(uses)], folder and folder / f"uses-{number}")
    return [Brought(len(who), int(is_aside(who["high"]).sum()), len(people.keys)), who_part, uses_part, items]


def _whole(who_part: Part, uses_part: Part) -> tuple[Whole, Whole]:
    """Give people's uses, and what they passed over."""
    who, uses = loaded(who_part), loaded(uses_part)
    places, n_uses, given = np.stack([who["high"], who["low"]], axis=1), int(who["n"].sum()), []
    for name, rows in (("n", uses[:n_uses]), ("n_passed", uses[n_uses:])):
        begin = np.concatenate([[0], np.cumsum(who[name])])
        given.append(Whole(places, begin, rows["key"], np.empty(0, np.uint32), rows["at_us"]))
    return given[0], given[1]


def count_pairs(
    who: Part, uses: Part, kept: NDArray[np.uint64], ranges: NDArray[np.int64], number: int, folder: Path | None
) -> list[Part]:
    """Count the pairs of a bucket's people: a part for each range of items."""
    pairs = pairs_of(learnt_of(_whole(who, uses)[0]), kept)
    bounds = np.searchsorted(pairs["code"], ranges * len(kept))
    return laid(pairs, bounds.tolist(), folder and folder / f"pairs-{number}")


def count_beyond(who: Part, uses: Part, kept: NDArray[np.uint64]) -> int:
    """Count a bucket's people who used or passed over anything that is not kept; none of those that are set aside."""
    people, over = _whole(who, uses)
    return n_beyond(learnt_of(people), learnt_of(over), kept)


def choose(parts: Sequence[Part], items: NDArray[Any], n_uses: int, least_people: int) -> tuple[NDArray[Any], Left]:
    """Add the pairs of a range of items over all buckets, and choose what is published of them."""
    return near_of(added_pairs([loaded(part) for part in parts]), items, n_uses, least_people)


def sequence(who: Part, uses: Part, kept: NDArray[np.uint64], most: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give the rows of the kept items that people used, one after another, and how many each used.

    Of so many people at most, the first by their digests; none of those that are set aside.
    """
    people = learnt_of(_whole(who, uses)[0])
    begin = people.begin[: most + 1]
    rows = rows_of(people.keys[: begin[-1]], kept)
    person = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
    return rows[rows >= 0].astype(np.int32), np.bincount(person[rows >= 0], minlength=len(begin) - 1)


def ask(who: Part, uses: Part, kept: NDArray[np.uint64], most: int) -> list[Asked]:
    """Give the first people of a bucket by their digests, so many at most: who is set aside comes first."""
    (people, over), given = _whole(who, uses), []
    n = min(len(people.places), most)
    for person, (high, low) in enumerate(people.places[:n].tolist()):
        held: list[NDArray[Any]] = []
        for each in (people, over):
            span = slice(int(each.begin[person]), int(each.begin[person + 1]))
            held += [each.keys[span], rows_of(each.keys[span], kept).astype(np.int32), each.at_us[span]]
        given.append(Asked(high.to_bytes(8, "big") + low.to_bytes(8, "big"), *held))
    return given
