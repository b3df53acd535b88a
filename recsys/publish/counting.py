"""What a pack counts, part by part: exact sums of whole numbers, whichever way the logs were cut and whoever adds them.

Rows of a table carry a digest of the person and the key of the item, never a name. Rows are dealt into buckets by the
person's digest, so that each bucket holds its people whole; what is counted of a bucket is added to what is counted
of the others, and no order of adding changes a bit of it. What one person adds depends on that person's log alone.

Everything is a function of arrays: ``recsys.publish.spread`` runs them here, in threads or on a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.digest import blake2b
from recsys.errors import InputError
from recsys.prior.pack import key_of

__all__ = [
    "ASIDE",
    "ITEM",
    "NEAR",
    "PAIR",
    "ROW",
    "WINDOW",
    "Left",
    "Whole",
    "added_items",
    "added_pairs",
    "bounds_of_buckets",
    "is_aside",
    "items_of",
    "keys_of",
    "learnt_of",
    "n_beyond",
    "near_of",
    "pairs_of",
    "place_of",
    "places_of",
    "rows_of",
    "whole_people",
]

ASIDE: Final = 0.15  # of the people, for the weights
WINDOW: Final = 5  # uses before and after that an item goes with
PAIRS: Final = 24  # of an item, at most
_SHRUNK: Final = 20.0  # pairs of no meaning that every item is given
_AT_ONCE: Final = 200_000  # uses whose pairs are counted together

ROW: Final = np.dtype(
    [
        ("high", "<u8"),
        ("low", "<u8"),
        ("key", "<u8"),
        ("at_us", "<i8"),
        ("order", "<i8"),
        ("check", "<u4"),
        ("passed", "|u1"),
    ]
)
"""A use: the person's digest in two halves, the item's key and a second digest, when, and its place in the logs.

Where ``passed`` is 1, it is no use: the item was passed over.
"""

_SUMS: Final = ("people", "uses", "beside", "met", "passed", "returned", "could", "who")
ITEM: Final = np.dtype([("key", "<u8"), ("check", "<u4"), *((name, "<i8") for name in _SUMS)])
"""An item: by how many ``people`` it was used, how often (``uses``), how many uses stood in the windows around
(``beside``), how many people used it or passed it over (``met``), how often it was ``passed`` over; and at how many
times people used anything after they had first used it (``could``, of so many people: ``who``), and at how many of
these it was used again (``returned``).
"""

PAIR: Final = np.dtype([("code", "<i8"), ("times", "<i8"), ("people", "<i8")])
"""What stood in the window of what, ``of * n + to``: how often, and of how many people."""

NEAR: Final = np.dtype([("of", "<i8"), ("to", "<i8"), ("lift", "<f8"), ("people", "<i8")])
"""A pair that is published."""

Records = NDArray[Any]


class Whole(NamedTuple):
    """The people of a bucket, in the order of their digests, each one's uses, or what was passed over, oldest first.

    Parameters
    ----------
    places : array of uint64, shape (n_people, 2)
        Their digests in two halves.
    begin : array of int64, shape (n_people + 1,)
        Where each one's uses begin.
    keys : array of uint64, shape (n_uses,)
    checks : array of uint32, shape (n_uses,)
    at_us : array of int64, shape (n_uses,)
        Microseconds since 1970-01-01 UTC.
    """

    places: NDArray[np.uint64]
    begin: NDArray[np.int64]
    keys: NDArray[np.uint64]
    checks: NDArray[np.uint32]
    at_us: NDArray[np.int64]


def place_of(name: str) -> bytes:
    """Give the digest of a person's name, 16 bytes: it is what people are ordered and split by."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def places_of(names: Sequence[str]) -> NDArray[np.uint64]:
    """Give the digests of names in two halves, shape (n, 2)."""
    joined = b"".join(map(place_of, names))
    return np.frombuffer(joined, ">u8").astype(np.uint64).reshape(-1, 2)


def keys_of(item_ids: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Give the keys of items, and a second digest of each: two items of one key are then seen."""
    keys = np.fromiter(map(key_of, item_ids), np.uint64, len(item_ids))
    encoded = (item_id.encode("utf-8", "surrogatepass") for item_id in item_ids)
    joined = b"".join(blake2b(each, digest_size=4).digest() for each in encoded)
    return keys, np.frombuffer(joined, "<u4").astype(np.uint32)


def is_aside(high: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Say who is set aside for the weights: by the own digest alone, whoever else there is."""
    given: NDArray[np.bool_] = high < np.uint64(round(ASIDE * 2.0**64))
    return given


def bounds_of_buckets(rows: Records, n_buckets: int) -> tuple[Records, NDArray[np.int64]]:
    """Put rows in the order of their buckets; returns them and where each begins, shape (n_buckets + 1,).

    The number is a power of two, and a bucket takes a range of the digests, so buckets follow each other as people do.
    """
    shift = np.uint64(64 - (n_buckets.bit_length() - 1))
    bucket = (rows["high"] >> shift).astype(np.int64) if n_buckets > 1 else np.zeros(len(rows), np.int64)
    order = np.argsort(bucket, kind="stable")
    return rows[order], np.searchsorted(bucket[order], np.arange(n_buckets + 1))


def whole_people(parts: Sequence[Records]) -> tuple[Whole, Whole]:
    """Bring the rows of a bucket together: people by digest, rows by time, equal times as they stood in the logs.

    Returns their uses, and what the same people passed over.
    """
    rows = np.concatenate(parts) if parts else np.empty(0, ROW)
    rows = rows[np.lexsort((rows["order"], rows["at_us"], rows["low"], rows["high"]))]
    other = (rows["high"][1:] != rows["high"][:-1]) | (rows["low"][1:] != rows["low"][:-1])
    first = np.flatnonzero(np.concatenate([np.ones(min(len(rows), 1), np.bool_), other]))
    places = np.stack([rows["high"][first], rows["low"][first]], axis=1)
    begin = np.append(first, len(rows)).astype(np.int64)
    is_passed = rows["passed"] > 0
    return _of_rows(places, begin, rows, ~is_passed), _of_rows(places, begin, rows, is_passed)


def _of_rows(places: NDArray[np.uint64], begin: NDArray[np.int64], rows: Records, held: NDArray[np.bool_]) -> Whole:
    before, some = np.concatenate([[0], np.cumsum(held)]), rows[held]
    return Whole(places, before[begin], *(np.ascontiguousarray(some[name]) for name in ("key", "check", "at_us")))


def learnt_of(people: Whole) -> Whole:
    """Leave out who is set aside: they are the first."""
    n = int(is_aside(people.places[:, 0]).sum())
    at = people.begin[n]
    return Whole(people.places[n:], people.begin[n:] - at, people.keys[at:], people.checks[at:], people.at_us[at:])


def items_of(people: Whole, over: Whole) -> Records:
    """Count the items of whole people and of what they passed over, in the order of their keys, shape (n_items,).

    O(rows · log rows).
    """
    n, none = np.diff(people.begin), np.zeros(len(over.keys), np.int64)
    place = np.arange(len(people.keys)) - np.repeat(people.begin[:-1], n)
    left = np.repeat(n, n) - 1 - place
    moment, later = _moments(people)
    person = np.repeat(np.tile(np.arange(len(n)), 2), np.concatenate([n, np.diff(over.begin)]))
    keys, passed = np.concatenate([people.keys, over.keys]), np.repeat([0, 1], [len(people.keys), len(over.keys)])
    order = np.lexsort((passed, person, keys))  # stable: a person's uses of an item stay in order of time
    keys, person, passed = keys[order], person[order], passed[order]
    moment, later = np.append(moment, none)[order], np.append(later, none)[order]
    new, other = np.ones(len(keys), np.int64), np.ones(len(keys), np.int64)
    new[1:] = (keys[1:] != keys[:-1]) | (person[1:] != person[:-1])
    other[1:] = new[1:] | (moment[1:] != moment[:-1])
    counted = np.empty(len(keys), ITEM)
    counted["key"], counted["check"] = keys, np.concatenate([people.checks, over.checks])[order]
    counted["people"], counted["uses"], counted["met"], counted["passed"] = new * (1 - passed), 1 - passed, new, passed
    counted["beside"] = np.append(np.minimum(place, WINDOW) + np.minimum(left, WINDOW), none)[order]
    counted["returned"] = other * (1 - new) * (1 - passed)
    counted["could"], counted["who"] = new * later, new * (later > 0)
    return added_items([counted])


def _moments(people: Whole) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the times of all uses, and say how many of the person's come after each; uses of one time are at one."""
    other = np.ones(len(people.keys), np.int64)
    other[1:] = people.at_us[1:] != people.at_us[:-1]
    some = np.diff(people.begin) > 0
    other[people.begin[:-1][some]] = 1
    moment = np.cumsum(other)
    return moment, np.repeat(moment[people.begin[1:][some] - 1], np.diff(people.begin)[some]) - moment


def added_items(parts: Sequence[Records]) -> Records:
    """Add counts of items.

    Raises
    ------
    InputError
        When two items have one key: a chance of one in ten million for two million items.
    """
    rows = np.concatenate(parts) if parts else np.empty(0, ITEM)
    rows = rows[np.argsort(rows["key"], kind="stable")]
    first = _firsts(rows["key"])
    if len(rows) and (rows["check"] != np.repeat(rows["check"][first], np.diff(np.append(first, len(rows))))).any():
        raise InputError("two items have the same key: rename one of them", field="people")
    return _summed(rows, first, _SUMS)


def pairs_of(people: Whole, kept: NDArray[np.uint64]) -> Records:
    """Count what stands in the window of what, among the items kept, of whole people: shape (n_pairs,), by code.

    Uses of items that are not kept take up their places in the windows, so that what one person adds does not
    depend on what others used.
    """
    codes, found, begin = rows_of(people.keys, kept), [], people.begin
    person = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
    first = 0
    while first < len(begin) - 1:
        last = max(int(np.searchsorted(begin, begin[first] + _AT_ONCE, "right")) - 1, first + 1)
        span = slice(int(begin[first]), int(begin[last]))
        found.append(_pairs_within(codes[span], person[span] - first, len(kept)))
        first = last
    return added_pairs(found)


def _pairs_within(codes: NDArray[np.int64], person: NDArray[np.int64], n: int) -> Records:
    found = []
    for lag in range(1, min(WINDOW, len(codes) - 1) + 1):
        before, after = codes[:-lag], codes[lag:]
        both = (person[:-lag] == person[lag:]) & (before >= 0) & (after >= 0)
        before, after, of_whom = before[both], after[both], person[lag:][both]
        found += [np.stack([before * n + after, of_whom]), np.stack([after * n + before, of_whom])]
    pairs, of_whom = np.concatenate(found, axis=1) if found else np.empty((2, 0), np.int64)
    order = np.lexsort((of_whom, pairs))
    pairs, of_whom = pairs[order], of_whom[order]
    counted = np.empty(len(pairs), PAIR)
    counted["code"], counted["times"], counted["people"] = pairs, 1, 1
    counted["people"][1:] = (pairs[1:] != pairs[:-1]) | (of_whom[1:] != of_whom[:-1])
    return _summed(counted, _firsts(pairs), ("times", "people"))


def added_pairs(parts: Sequence[Records]) -> Records:
    """Add counts of pairs."""
    rows = np.concatenate(parts) if parts else np.empty(0, PAIR)
    rows = rows[np.argsort(rows["code"], kind="stable")]
    return _summed(rows, _firsts(rows["code"]), ("times", "people"))


def n_beyond(people: Whole, over: Whole, kept: NDArray[np.uint64]) -> int:
    """Count the people who used or passed over anything that is not among the kept keys."""
    person = [np.repeat(np.arange(len(each.places)), np.diff(each.begin)) for each in (people, over)]
    beyond = [of[rows_of(each.keys, kept) < 0] for of, each in zip(person, (people, over), strict=True)]
    return len(np.unique(np.concatenate(beyond)))


class Left(NamedTuple):
    """Pairs that were counted, and why some of them are not published: numbers of pairs."""

    seen: int
    of_few: int
    no_lift: int
    beyond: int


def near_of(pairs: Records, items: Records, n_uses: int, least_people: int) -> tuple[Records, Left]:
    """Choose what is published of some items' pairs: of enough people, likelier than usual, the likeliest of each item.

    Parameters
    ----------
    pairs : array of PAIR
        All that were counted of these items.
    items : array of ITEM, shape (n,)
        All that are kept, in the order of their keys.
    n_uses : int
        Of all items, kept or not.
    least_people : int
    """
    n = len(items)
    pairs = pairs[pairs["code"] // n != pairs["code"] % n]
    seen = len(pairs)
    pairs = pairs[pairs["people"] >= least_people]
    enough = len(pairs)
    of, to = pairs["code"] // n, pairs["code"] % n
    likely = pairs["times"] / (items["beside"][of] + _SHRUNK)
    lift = likely * n_uses / items["uses"][to]
    held = lift > 1.0
    of, to, lift, likely, people = of[held], to[held], lift[held], likely[held], pairs["people"][held]
    order = np.lexsort((to, -likely, of))
    rank = np.arange(len(order)) - np.searchsorted(of[order], of[order])
    order = order[rank < PAIRS]
    near = np.empty(len(order), NEAR)
    near["of"], near["to"], near["lift"], near["people"] = of[order], to[order], lift[order], people[order]
    return near, Left(seen, seen - enough, enough - len(of), len(of) - len(order))


def rows_of(keys: NDArray[np.uint64], kept: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Number items by their place among the kept keys, -1 for others."""
    if not len(kept):
        return np.full(len(keys), -1, np.int64)
    at = np.minimum(np.searchsorted(kept, keys), len(kept) - 1)
    return np.where(kept[at] == keys, at, -1)


def _firsts(sorted_values: NDArray[Any]) -> NDArray[np.intp]:
    other = sorted_values[1:] != sorted_values[:-1]
    return np.flatnonzero(np.concatenate([np.ones(min(len(sorted_values), 1), np.bool_), other]))


def _summed(rows: Records, first: NDArray[np.intp], names: Sequence[str]) -> Records:
    """Add the rows of each group in whole numbers; what is not named is the same in a group."""
    given = rows[first].copy()
    if len(first):
        for name in names:
            given[name] = np.add.reduceat(rows[name], first)
    return given
