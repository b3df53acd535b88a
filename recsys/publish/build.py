"""Making a prior pack from the logs of many people: the publisher's side.

People are split by a digest of their names: from most of them the pack learns what people do, and on the others
its weights are fitted, by asking it, before each of their choices, as an app would. NumPy is all that this takes;
reading tables takes pandas, and more than one processor or machine takes Dask. The steps are the same everywhere:

    pieces of tables ─▶ rows by bucket ─▶ whole people ─▶ counts of items ─▶ items kept
                                                      └─▶ counts of pairs, by range of items ─▶ pairs published
                                                      └─▶ sequences ─▶ factors ─▶ weights, by who is set aside
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError, MissingExtraError
from recsys.learn.trees import can_grow
from recsys.prior.features import PACK_FEATURES
from recsys.prior.weights import Prior
from recsys.publish.again import again_of
from recsys.publish.counting import ROW, Left, added_items, keys_of, places_of
from recsys.publish.grown import arrays_of, grown, lived
from recsys.publish.packing import packed, packed_near
from recsys.publish.passed import liked_of
from recsys.publish.pieces import PIECE_BYTES, Columns, cut, size_of
from recsys.publish.spread import Here, Progress, Spread, Threads, reduced
from recsys.publish.steps import (
    Brought,
    Read,
    ask,
    bring,
    choose,
    count_beyond,
    count_pairs,
    deal,
    read,
    sequence,
)
from recsys.publish.train import Hyper, train
from recsys.publish.weights import ASKED, Asked, Quality, fitted, judged, ranked

__all__ = ["LEAST_PEOPLE", "MEMORY_BYTES", "Built", "Evidence", "Person", "build", "build_from_logs"]

LEAST_PEOPLE: Final = 20
MEMORY_BYTES: Final = 1 << 29  # of tables; what is larger is worked on in files, by as many threads as there are
_BUCKET_BYTES: Final = 1 << 25  # of tables, whose people are brought together at once
_RANGE_BYTES: Final = 1 << 26  # of pairs, that are added at once
_BUCKETS: Final = 1 << 12
_PAIR_BYTES: Final = 24
TAUGHT: Final = 4_000  # people on whose choices trees are grown, at most
_NEVER: Final = 0.5  # uses, of what too few people used and enough passed over


class Person(NamedTuple):
    """One person's uses, the oldest first.

    Parameters
    ----------
    name : str
        Only for the split; it is not published. Two of one name are one.
    items : sequence of str
    at_s : sequence of float
        Seconds since 1970-01-01 UTC.
    passed : sequence of (str, float)
        What was turned down, or shown and not chosen, and when; none where the logs do not say.
    """

    name: str
    items: Sequence[str]
    at_s: Sequence[float]
    passed: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a pack was made from and how well it does: numbers for the publisher's report, no id of anything.

    Parameters
    ----------
    read : Read
    n_people, n_aside, n_asked : int
        All, those set aside, and those of them whose choices the weights were fitted on.
    items : array of ITEM
        All that were used or passed over by those who are not set aside, whether they are published or not.
    kept : array of bool, shape (n_items,)
        Which are published.
    pair_people : array of int64, shape (n_pairs,)
        Of each published pair, how many people have it.
    left : Left
        Why other pairs are not published.
    n_sequences : int
        People on whose uses the factors were fitted.
    quality : Quality or None
    """

    read: Read
    n_people: int
    n_aside: int
    n_asked: int
    items: NDArray[Any]
    kept: NDArray[np.bool_]
    pair_people: NDArray[np.int64]
    left: Left
    n_sequences: int
    quality: Quality | None


@dataclass(frozen=True, slots=True)
class Built:
    """A pack, ready to be written, and what it was made from.

    Parameters
    ----------
    arrays : dict of str to array
        See ``recsys.prior.pack``.
    n_people : int
        Whose logs it learnt from, those for the weights among them.
    least_people : int
        How many people must have used or passed over an item, or used two together, for it to be published.
    report : dict
        Counts and fits, for the publisher; they are written into the pack.
    evidence : Evidence
    """

    arrays: dict[str, NDArray[Any]]
    n_people: int
    least_people: int
    report: dict[str, Any] = field(default_factory=dict)
    evidence: Evidence | None = None


class _Plan(NamedTuple):
    """What all steps of one build share."""

    spread: Spread
    progress: Progress
    say: Callable[[str], None]
    folder: Path | None
    least_people: int
    hyper: Hyper
    prior: Prior
    judge: bool
    trees: bool


def build(
    people: Iterable[Person],
    *,
    least_people: int = LEAST_PEOPLE,
    hyper: Hyper | None = None,
    prior: Prior | None = None,
    told: Callable[[str], None] | None = None,
    judge: bool = False,
    trees: bool = False,
) -> Built:
    """Make a pack from people in memory.

    Parameters
    ----------
    people : iterable of Person
    least_people : int
        Items and pairs of fewer people are left out.
    hyper : Hyper, optional
        How the factors are fitted.
    prior : Prior, optional
        Of the ranker that the pack is for; None: the one that ships with recsys.
    told : callable, optional
        Called with a line for each step.
    judge : bool
        Whether to measure the pack's quality, too, for ``evidence``.
    trees : bool
        Whether to grow trees on at most 4,000 of these people; they are in the pack if they clearly help others
        (``recsys.publish.grown``). It takes some minutes, and LightGBM.

    Returns
    -------
    Built
        The same for the same people, in whatever order they come.

    Raises
    ------
    InputError
        When no item has so many people, or a time is not finite.
    """
    plan = _plan(Here(), None, None, told, least_people, hyper, prior, judge, trees)
    rows = _rows_of_people(people)
    return _built(plan, [deal(rows, len(rows), frozenset(["number"]), 1, None)], 1)


def build_from_logs(
    paths: Sequence[str | os.PathLike[str]],
    *,
    columns: Columns | None = None,
    kinds: Sequence[str] = (),
    passed: Sequence[str] = (),
    least_people: int = LEAST_PEOPLE,
    hyper: Hyper | None = None,
    prior: Prior | None = None,
    told: Callable[[str], None] | None = None,
    judge: bool = False,
    trees: bool = False,
    spread: Spread | None = None,
    progress: Progress | None = None,
    memory_bytes: int = MEMORY_BYTES,
    piece_bytes: int = PIECE_BYTES,
    work: str | os.PathLike[str] | None = None,
) -> Built:
    """Make a pack from tables with a row for each use.

    Parameters
    ----------
    paths : sequence of paths
        Files that end in ``.parquet`` or ``.pq`` are Parquet, all others CSV, compressed or not. One person's rows may
        stand in several.
    columns : Columns, optional
    kinds : sequence of str
        Only rows of these kinds; needs ``columns.kind``. Empty: all.
    passed : sequence of str
        Rows of these kinds are no uses: they say what was turned down, or shown and not chosen. They need
        ``columns.kind``, too.
    least_people, hyper, prior, told, judge, trees
        As in :func:`build`.
    spread : Spread, optional
        Where the work is done: ``recsys.publish.spread``. None: here for tables up to ``memory_bytes``, in Dask's
        threads for larger ones.
    progress : callable, optional
        Called with the name of a step, how many of its parts are done, and how many there are; from any thread.
    memory_bytes : int
        Tables that are larger are laid out in files between the steps, unless a cluster holds them.
    piece_bytes : int
        Of a table, that are read at once.
    work : path, optional
        Folder for these files; they are deleted at the end. None: the system's folder for temporary files.

    Returns
    -------
    Built
        The same wherever the work is done and however tables are cut; rows of one person and one time stay in the
        order of the files named.

    Raises
    ------
    InputError
        When a file cannot be read or lacks a column, a row has no usable time, or no item has so many people.
    MissingExtraError
        Without pandas, pyarrow for Parquet, or Dask for large tables: the extra ``publish``.
    """
    if (kinds or passed) and not (columns and columns.kind):
        raise InputError("kinds: say which column holds the kind", field="kinds")
    size = size_of(paths)
    is_large = size > memory_bytes
    chosen = spread or (Threads() if is_large else Here())
    n_buckets = min(1 << max(-(-size // _BUCKET_BYTES) - 1, 0).bit_length(), _BUCKETS)
    named = columns or Columns()
    with _folder(work, wanted=is_large and chosen.lays) as folder:
        plan = _plan(chosen, progress, folder, told, least_people, hyper, prior, judge, trees)
        pieces = cut(paths, columns=named, piece_bytes=piece_bytes)
        tasks = [(piece, named, tuple(kinds), tuple(passed), n_buckets, folder) for piece in pieces]
        return _built(plan, chosen.map("reading", read, tasks, plan.progress), n_buckets)


def _plan(
    spread: Spread,
    progress: Progress | None,
    folder: Path | None,
    told: Callable[[str], None] | None,
    least_people: int,
    hyper: Hyper | None,
    prior: Prior | None,
    judge: bool,  # noqa: FBT001 (private)
    trees: bool,  # noqa: FBT001 (private)
) -> _Plan:
    if trees and not can_grow():
        raise MissingExtraError("trees")
    if least_people < 1:
        raise InputError("least_people is a whole number from 1", field="least_people")
    say, step = told or (lambda _: None), progress or (lambda *_: None)
    return _Plan(spread, step, say, folder, least_people, hyper or Hyper(), prior or Prior.default(), judge, trees)


@contextmanager
def _folder(work: str | os.PathLike[str] | None, *, wanted: bool) -> Iterator[Path | None]:
    if not wanted:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix=".recsys-", dir=work) as folder:
        yield Path(folder)


def _rows_of_people(people: Iterable[Person]) -> NDArray[Any]:
    parts, number, begin = [np.empty(0, ROW)], dict[str, int](), 0
    for person in people:
        ids = [*person.items, *(item_id for item_id, _ in person.passed)]
        rows = np.empty(len(ids), ROW)
        rows["high"], rows["low"] = places_of([person.name])[0]
        rows["key"] = [number.setdefault(item_id, len(number)) for item_id in ids]
        rows["passed"] = np.arange(len(ids)) >= len(person.items)
        at_us = np.array([*person.at_s, *(at_s for _, at_s in person.passed)], np.float64) * 1e6
        if at_us.shape != rows.shape or not (np.abs(at_us) < 2.0**62).all():
            raise InputError("a time of a use is missing or not finite", field="people")
        rows["at_us"], rows["order"] = np.rint(at_us), begin + np.arange(len(rows))
        parts.append(rows)
        begin += len(rows)
    rows = np.concatenate(parts)
    keys, checks = keys_of(list(number))
    rows["check"] = checks[rows["key"]] if number else 0
    rows["key"] = keys[rows["key"]] if number else 0
    return rows


def _built(plan: _Plan, dealt: list[Any], n_buckets: int) -> Built:
    """Take dealt rows to the pack."""
    told, whole, items = _whole_people(plan, dealt, n_buckets)
    dealt.clear()
    kept = items["met"] >= plan.least_people
    n_uses = int(items["uses"].sum())
    if not kept.any() or not n_uses:
        raise InputError(f"no item was used by {plan.least_people} people", field="least_people")
    plan.say(
        f"{int(kept.sum()):,} of {len(items):,} items were used or passed over by {plan.least_people} people or more"
    )
    mine = items[kept]
    near, left = _near(plan, whole, mine, n_uses)
    plan.say(f"{len(near):,} pairs go together")
    used = mine["people"] >= plan.least_people
    histories = [rows[used[rows]] for rows in _histories(plan, whole, mine["key"])]
    share = np.where(used, mine["uses"], _NEVER) / n_uses
    factors = train(histories, share, plan.hyper, _by_pass(plan))
    liked = _liked(plan, whole, items, kept)
    again = again_of(items, plan.least_people)[kept]
    arrays = packed(mine["key"], share, factors, liked, again) | packed_near(near, len(mine))
    asked = _asked(plan, whole, mine["key"])
    report, quality = _weighed(plan, arrays, asked)
    if plan.trees:
        report |= _trees(plan, whole, arrays)
    n_people, n_aside = sum(who.n_people for who, _, _ in whole), sum(who.n_aside for who, _, _ in whole)
    report |= {
        "items": len(mine),
        "items_seen": len(items),
        "pairs": len(near),
        "uses": int(mine["uses"].sum()),
        "uses_seen": n_uses,
        "people_aside": n_aside,
    }
    evidence = Evidence(
        told, n_people, n_aside, len(asked), items, kept, near["people"].copy(), left, len(histories), quality
    )
    return Built(arrays, n_people, plan.least_people, report, evidence)


def _weighed(
    plan: _Plan, arrays: dict[str, NDArray[Any]], asked: Sequence[Asked]
) -> tuple[dict[str, Any], Quality | None]:
    """Put the ranker's prior and the weights into the arrays; returns what is told of them, and the pack's quality."""
    prior, of_ranker = ranked(asked, plan.prior, plan.progress)
    before, after = of_ranker["ranker_nats"]
    plan.say(f"ranker: {before:.4f} nats a choice with the prior that was there, {after:.4f} with one fitted here")
    if prior is not None:
        arrays["w0"], arrays["P0"] = np.array(prior.w0), np.array(prior.covariance)
    start = prior or plan.prior
    weights, given, sets, fit = fitted(arrays, asked, start, plan.progress)
    quality = judged(arrays, asked, sets, start, plan.progress) if plan.judge else None
    arrays["weights"], arrays["weights_given"] = weights, given
    plan.say(f"weights from {fit['choices']:,} choices of {len(asked):,} people: {np.round(weights, 3).tolist()}")
    named = {"weights": dict(zip(PACK_FEATURES, weights.tolist(), strict=True)), "weights_given": given.tolist()}
    return {**named, **fit, **of_ranker}, quality


def _liked(
    plan: _Plan, whole: Sequence[tuple[Brought, Any, Any]], items: NDArray[Any], kept: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Give how readily each item that is kept is chosen, and last all others together, if they are of enough people."""
    liked = liked_of(items, kept)
    if not liked.any():
        return liked
    keys = plan.spread.shared(items["key"][kept].copy())
    tasks = [(who, uses, keys) for _, who, uses in whole]
    beyond = plan.spread.map("counting people of what is left out", count_beyond, tasks, plan.progress)
    if sum(plan.spread.gather(beyond)) < plan.least_people:
        liked[-1] = 0.0
    return liked


def _by_pass(plan: _Plan) -> Callable[[int, float], None]:
    def told(epoch: int, fit: float) -> None:
        plan.progress("fitting the factors", epoch, plan.hyper.epochs)
        plan.say(f"factors, pass {epoch}: {fit:.4f}")

    return told


def _whole_people(
    plan: _Plan, dealt: Sequence[Any], n_buckets: int
) -> tuple[Read, list[tuple[Brought, Any, Any]], NDArray[Any]]:
    """Bring people together; returns what was read, each bucket's people and uses, and the counts of all items."""
    spread = plan.spread
    split = [spread.split(each, n_buckets + 1) for each in dealt]
    told = _read(spread.gather([parts[0] for parts in split]))
    tasks = [([parts[b + 1] for parts in split], b, plan.folder) for b in range(n_buckets)]
    brought = [spread.split(each, 4) for each in spread.map("bringing people together", bring, tasks, plan.progress)]
    for path in plan.folder.glob("rows-*") if plan.folder else ():
        path.unlink()
    who = spread.gather([parts[0] for parts in brought])
    items = reduced(spread, "adding items", added_items, [parts[3] for parts in brought], plan.progress)
    plan.say(f"{sum(each.n_people for each in who):,} people, {sum(each.n_uses for each in who):,} uses")
    return told, [(each, parts[1], parts[2]) for each, parts in zip(who, brought, strict=True)], items


def _read(parts: Sequence[Read]) -> Read:
    n_rows, n_uses = sum(part.n_rows for part in parts), sum(part.n_uses for part in parts)
    if not n_uses:
        raise InputError("there is no row to learn from", field="paths")
    forms = frozenset().union(*(part.forms for part in parts))
    if len(forms) > 1:
        raise InputError("times are numbers in some rows and dates in others: give them one form", field="paths")
    first, last = min(part.first_us for part in parts), max(part.last_us for part in parts)
    return Read(n_rows, n_uses, forms, first, last)


def _near(
    plan: _Plan, whole: Sequence[tuple[Brought, Any, Any]], items: NDArray[Any], n_uses: int
) -> tuple[NDArray[Any], Left]:
    """Count pairs bucket by bucket, and choose among them range by range of items."""
    spread, n = plan.spread, len(items)
    n_ranges = int(np.clip(int(items["beside"].sum()) * _PAIR_BYTES // _RANGE_BYTES + 1, 1, n))
    filled = np.cumsum(items["beside"]) / max(int(items["beside"].sum()), 1)
    ranges = np.concatenate([[0], np.searchsorted(filled, np.arange(1, n_ranges) / n_ranges), [n]]).astype(np.int64)
    kept = spread.shared(items["key"].copy())
    tasks = [(who, uses, kept, ranges, b, plan.folder) for b, (_, who, uses) in enumerate(whole)]
    counted = [spread.split(each, n_ranges) for each in spread.map("counting pairs", count_pairs, tasks, plan.progress)]
    shared = spread.shared(items)
    chosen = [([parts[r] for parts in counted], shared, n_uses, plan.least_people) for r in range(n_ranges)]
    found = spread.gather(spread.map("choosing pairs", choose, chosen, plan.progress))
    for path in plan.folder.glob("pairs-*") if plan.folder else ():
        path.unlink()
    left = Left(*(sum(each[i] for _, each in found) for i in range(4)))
    return np.concatenate([near for near, _ in found]), left


def _histories(
    plan: _Plan, whole: Sequence[tuple[Brought, Any, Any]], keys: NDArray[np.uint64]
) -> list[NDArray[np.int32]]:
    """Fetch the uses that the factors are fitted on, of the first people by digest that are not set aside."""
    kept, most, tasks = plan.spread.shared(keys.copy()), plan.hyper.most_people, []
    for who, people, uses in whole:
        if who.n_people > who.n_aside and most:
            tasks.append((people, uses, kept, most))
            most -= min(who.n_people - who.n_aside, most)
    given: list[NDArray[np.int32]] = []
    for rows, n in plan.spread.gather(plan.spread.map("fetching sequences", sequence, tasks, plan.progress)):
        given += np.split(rows, np.cumsum(n)[:-1])
    return given


def _asked(plan: _Plan, whole: Sequence[tuple[Brought, Any, Any]], keys: NDArray[np.uint64]) -> list[Asked]:
    """Fetch the first people by digest that are set aside."""
    return _fetched(plan, whole, [who.n_aside for who, _, _ in whole], keys, ASKED, "fetching who is set aside")


def _fetched(
    plan: _Plan,
    whole: Sequence[tuple[Brought, Any, Any]],
    n_each: Sequence[int],
    keys: NDArray[np.uint64],
    most: int,
    step: str,
) -> list[Asked]:
    """Fetch so many people of each bucket, ``most`` in all."""
    kept, tasks = plan.spread.shared(keys.copy()), []
    for (_, people, uses), n in zip(whole, n_each, strict=True):
        if wanted := min(n, most):
            tasks.append((people, uses, kept, wanted))
            most -= wanted
    found = plan.spread.gather(plan.spread.map(step, ask, tasks, plan.progress))
    return [person for some in found for person in some]


def _trees(plan: _Plan, whole: Sequence[tuple[Brought, Any, Any]], arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Put trees into the arrays if they help; returns what is told of them."""
    n_each = [who.n_people for who, _, _ in whole]
    people = _fetched(plan, whole, n_each, arrays["keys"], TAUGHT, "fetching who teaches the trees")
    prior = Prior(arrays["w0"], arrays["P0"]) if "w0" in arrays else plan.prior
    forest, report = grown(lived([person.events() for person in people], prior), plan.progress)
    if forest is not None:
        arrays |= arrays_of(forest)
    linear, both = report.get("trees_ndcg", (0.0, 0.0))
    plan.say(f"trees: {report['trees']} published; NDCG@10 of others {linear:.4f} without, {both:.4f} with")
    return report
