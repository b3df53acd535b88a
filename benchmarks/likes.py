"""Short videos liked and hated: which of ten is it; who is asked about is in no pack.

Each person's log is cut into lists of ten, in the order of time. Every model scores a list before it is told which of
the videos the person liked and which hated, and learns. A list with both counts: the share of its pairs, one liked
and one hated, in which the liked one is higher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import data_folder, load, load_items
from benchmarks.logs import Log
from benchmarks.news import auc
from benchmarks.quality_tables import SEED, row_of
from benchmarks.report import Cell, Result, Table
from recsys import Recommender
from recsys.evaluate.metrics import bootstrap_difference
from recsys.prior.pack import write
from recsys.publish import Hyper, Person, build
from recsys.types import Event, Item

__all__ = ["PACK", "PLAIN", "SCENARIOS", "likes"]

SPLIT_SEED: Final = 1
HYPER: Final = Hyper(epochs=6)
_IN_PACK: Final = 0.85
_LEAST_PEOPLE: Final = 5
_QUICK_PEOPLE: Final = 60
_OF_ONE: Final = 10
_DOUBT: Final = 4.0  # likes and hates, as the usual share has them, before any count
_SHRINK: Final = 10.0
_N_BINS: Final = 20
PACK: Final = "recsys, with a pack"
PLAIN: Final = "recsys, no pack"
SHARE: Final = "popularity: share of likes"
KNN: Final = "item kNN, liked less hated"
LENGTH: Final = "share of likes by length, own and others'"

# From a person's log, cut into lists, to the scores of each.
Scorer = Callable[[Sequence[Sequence[Event]]], list[NDArray[np.float64]]]


def likes(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Tell what the people set aside liked from what they hated."""
    del jobs
    folder = data_folder(data)
    logs = load("kuairand27k-like-hate", folder, every_user=True, limit=_QUICK_PEOPLE if quick else None)
    items = load_items("kuairand27k-like-hate", folder)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(logs))
    n_learnt = int(_IN_PACK * len(logs))
    learnt, asked = ([logs[i] for i in some] for some in (order[:n_learnt], order[n_learnt:]))
    scorers = _peers(learnt, items)
    cut = [_lists(log) for log in asked]
    users = [log.user for log, lists in zip(asked, cut, strict=True) for one in lists if _both(one)]
    with TemporaryDirectory(prefix="recsys-bench-") as at:
        path = Path(at) / "videos.pack"
        _pack(path, learnt, quick=quick)
        scorers |= {PLAIN: _scoring(items, None), PACK: _scoring(items, path)}
        values = {name: _values(scorer, cut) for name, scorer in scorers.items()}
    title = f"kuairand27k-like-hate: liked against hated in {len(users):,} lists of ten, {len(set(users))} people"
    rows = [(name, *row_of({"AUC": of}, users), *_by_person(of, users)) for name, of in values.items()]
    notes = [
        *_gains(values, users),
        f"{len(learnt):,} other people taught the pack and the peers. Ties count half.",
        "The videos have neither titles nor tags: all that is told of them is their length.",
    ]
    seeds = {"bootstrap": SEED, "split": SPLIT_SEED}
    table = Table(title, ("model", "AUC", "AUC, people alike"), rows, notes)
    return Result("quality/kuairand27k-like-hate", [table], seeds, quick)


SCENARIOS = {"quality/kuairand27k-like-hate": likes}


def _lists(log: Log) -> list[list[Event]]:
    """Cut a log into lists of ten; of a video that comes twice in one, only the first."""
    cut = [log.events[i : i + _OF_ONE] for i in range(0, len(log.events), _OF_ONE)]
    return [list({event.item_id: event for event in reversed(one)}.values())[::-1] for one in cut]


def _liked(events: Sequence[Event]) -> NDArray[np.bool_]:
    return np.array([event.kind == "like" for event in events], np.bool_)


def _both(events: Sequence[Event]) -> bool:
    return 0 < int(_liked(events).sum()) < len(events)


def _values(scorer: Scorer, cut: Sequence[Sequence[Sequence[Event]]]) -> NDArray[np.float64]:
    found = []
    for lists in cut:
        for events, scores in zip(lists, scorer(lists), strict=True):
            if _both(events):
                found.append(auc(scores, _liked(events)))
    return np.array(found, np.float64)


def _by_person(values: NDArray[np.float64], users: Sequence[str]) -> list[Cell]:
    of, people = np.array(users), sorted(set(users))
    alike = np.array([values[of == person].mean() for person in people])
    return row_of({"AUC": alike}, people)


def _scoring(items: Sequence[Item], prior: Path | None) -> Scorer:
    def scored(lists: Sequence[Sequence[Event]]) -> list[NDArray[np.float64]]:
        found = []
        with Recommender(":memory:", prior=prior) as rec:
            rec.add(items)
            for events in lists:
                ids = [event.item_id for event in events]
                scores = {one.item_id: one.score for one in rec.rank(ids, at=events[0].at_us / 1e6)}
                found.append(np.array([scores[item_id] for item_id in ids]))
                rec.record_many(events)
        return found

    return scored


def _pack(path: Path, learnt: Sequence[Log], *, quick: bool) -> None:
    people = []
    for log in learnt:
        events = [event for event in log.events if event.kind == "like"]
        passed = [(e.item_id, e.at_us / 1e6) for e in log.events if e.kind == "hate"]
        people.append(Person(log.user, [e.item_id for e in events], [e.at_us / 1e6 for e in events], passed))
    least = 2 if quick else _LEAST_PEOPLE
    built = build(people, least_people=least, hyper=replace(HYPER, epochs=1) if quick else HYPER)
    write(path, built.arrays, provenance={}, n_people=built.n_people, least_people=least)


def _peers(learnt: Sequence[Log], items: Sequence[Item]) -> dict[str, Scorer]:
    numbers = {item.id: number for number, item in enumerate(items)}
    signed = np.zeros((len(learnt), len(items)), np.float32)
    for person, log in enumerate(learnt):
        for event in log.events:
            signed[person, numbers[event.item_id]] = 1.0 if event.kind == "like" else -1.0
    n_liked, n_told = (signed > 0).sum(axis=0), (signed != 0).sum(axis=0)
    usual = float(n_liked.sum() / max(n_told.sum(), 1))
    share = (n_liked + _DOUBT * usual) / (n_told + _DOUBT)
    lengths = np.sqrt(np.square(signed).sum(axis=0) + _SHRINK)
    bins = _bins(np.array([float(item.attributes.get("duration_ms", 0.0)) for item in items]))
    of_bins = np.stack([np.bincount(bins, n, _N_BINS) for n in (n_liked, n_told)])
    by_bin = (of_bins[0] + _DOUBT * usual) / (of_bins[1] + _DOUBT)

    def popular(_: Sequence[Event], wanted: NDArray[np.intp]) -> NDArray[np.float64]:
        given: NDArray[np.float64] = share[wanted]
        return given

    def neighbours(known: Sequence[Event], wanted: NDArray[np.intp]) -> NDArray[np.float64]:
        score = np.zeros(len(wanted))
        for sign, kind in ((1.0, "like"), (-1.0, "hate")):
            rows = np.array([numbers[e.item_id] for e in known if e.kind == kind], np.intp)
            if len(rows):
                together = signed[:, wanted].T @ signed[:, rows]
                score += sign * (together / np.outer(lengths[wanted], lengths[rows])).sum(axis=1)
        return score

    def of_length(known: Sequence[Event], wanted: NDArray[np.intp]) -> NDArray[np.float64]:
        rows = bins[[numbers[e.item_id] for e in known]] if known else np.zeros(0, np.intp)
        told = np.bincount(rows, minlength=_N_BINS)
        liked = np.bincount(rows, _liked(known), _N_BINS) if known else np.zeros(_N_BINS)
        own: NDArray[np.float64] = ((liked + _DOUBT * by_bin) / (told + _DOUBT))[bins[wanted]]
        return own

    scores = {SHARE: popular, KNN: neighbours, LENGTH: of_length}
    return {name: _one_after_another(score, numbers) for name, score in scores.items()}


def _one_after_another(
    score: Callable[[Sequence[Event], NDArray[np.intp]], NDArray[np.float64]], numbers: Mapping[str, int]
) -> Scorer:
    def scored(lists: Sequence[Sequence[Event]]) -> list[NDArray[np.float64]]:
        known: list[Event] = []
        found = []
        for events in lists:
            found.append(score(known, np.array([numbers[e.item_id] for e in events], np.intp)))
            known += events
        return found

    return scored


def _bins(values: NDArray[np.float64]) -> NDArray[np.intp]:
    edges = np.sort(values)[np.arange(1, _N_BINS) * len(values) // _N_BINS]
    return edges.searchsorted(values, side="right")


def _gains(values: Mapping[str, NDArray[np.float64]], users: Sequence[str]) -> list[str]:
    notes = []
    for ours in (PLAIN, PACK):
        for peer in (SHARE, KNN, LENGTH):
            gain = bootstrap_difference(values[ours], values[peer], users, seed=SEED)
            notes.append(f"AUC: {ours} {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] over {peer}")
    return notes
