"""News: lists that were shown, of each of which one article was chosen; who is asked about is in no pack.

People read up to ten articles and were then shown five lists of up to six. Every model orders each list before it is
told what was chosen from it, and learns; recsys takes the list as a slate that was shown. Lists from which nothing was
chosen are learnt and not scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import data_folder, load, load_items
from benchmarks.logs import Log
from benchmarks.peers.tfidf import WEIGHTINGS, TfidfNeighbours, missing
from benchmarks.quality_tables import SEED, row_of
from benchmarks.report import Result, Table
from recsys import Recommender
from recsys.evaluate.metrics import bootstrap_difference
from recsys.prior.pack import write
from recsys.publish import Hyper, Person, build
from recsys.types import Event, Item, Slate

__all__ = ["PACK", "PLAIN", "SCENARIOS", "auc", "news"]

SPLIT_SEED: Final = 1
HYPER: Final = Hyper(epochs=6)
_IN_PACK: Final = 0.85
_LEAST_PEOPLE: Final = 5
_QUICK_PEOPLE: Final = 120
_K: Final = 5
_DOUBT: Final = 10.0  # times shown, as often chosen as all are, before any count
PACK: Final = "recsys, with a pack"
PLAIN: Final = "recsys, no pack"
CHOSEN: Final = "popularity: how often chosen"
RATE: Final = "popularity: chosen of shown"
_COLUMNS: Final = ("AUC", "NDCG@5")


class Shown(NamedTuple):
    """One list, what was chosen of it, and the events that tell so."""

    items: tuple[str, ...]
    chosen: frozenset[str]
    at_s: float
    clicks: tuple[Event, ...]


# From a person's log to the scores of each list's items, in the order of the lists.
Scorer = Callable[[Log], list[NDArray[np.float64]]]


def news(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Order the lists of the people set aside."""
    del jobs
    folder = data_folder(data)
    logs = load("nemig-en", folder, every_user=True, limit=_QUICK_PEOPLE if quick else None)
    items = load_items("nemig-en", folder)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(logs))
    n_learnt = int(_IN_PACK * len(logs))
    learnt, asked = ([logs[i] for i in some] for some in (order[:n_learnt], order[n_learnt:]))
    skipped = missing()
    scorers: dict[str, Scorer] = {} if skipped else _neighbours(items)
    scorers |= _popularity(learnt)
    users = [log.user for log in asked for shown in lists_of(log)[1] if shown.chosen]
    with TemporaryDirectory(prefix="recsys-bench-") as at:
        path = Path(at) / "news.pack"
        _pack(path, learnt, quick=quick)
        scorers |= {PLAIN: _ordering(items, None), PACK: _ordering(items, path)}
        values = {name: _values(scorer, asked) for name, scorer in scorers.items()}
    title = f"nemig-en: {len(users):,} lists of {len(asked)} people, each from up to six articles"
    rows = [(name, *row_of(dict(zip(_COLUMNS, of.T, strict=True)), users)) for name, of in values.items()]
    notes = [
        *_gains(values, users),
        f"{len(learnt):,} other people taught the pack and the popularity. Ties count half.",
        "Neighbours: scikit-learn's TF-IDF of titles and subtopics, cosine to a weighted mean of what was chosen.",
    ]
    seeds = {"bootstrap": SEED, "split": SPLIT_SEED}
    return Result("quality/nemig-en", [Table(title, ("model", *_COLUMNS), rows, notes)], seeds, quick, skipped)


SCENARIOS = {"quality/nemig-en": news}


def lists_of(log: Log) -> tuple[list[Event], list[Shown]]:
    """Give what was read before any list, and the lists."""
    before = [event for event in log.events if event.slate is None]
    clicks: dict[str | None, list[Event]] = {}
    for event in log.events:
        if event.kind != "shown" and event.slate is not None:
            clicks.setdefault(event.slate, []).append(event)
    found = []
    for event in log.events:
        if event.kind == "shown":
            of_list = tuple(clicks.get(event.slate, ()))
            ids = tuple(item_id for item_id, _, _ in event.shown)
            found.append(Shown(ids, frozenset(e.item_id for e in of_list), event.at_us / 1e6, of_list))
    return before, found


def auc(scores: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float:
    """Give the share of pairs, one chosen and one not, in which the chosen one is higher; ties count half."""
    apart = scores[chosen][:, None] - scores[~chosen]
    return float((apart > 0).mean() + 0.5 * (apart == 0).mean())


def _ndcg(scores: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float:
    """NDCG@5; equal scores share the mean of their places' discounts."""
    n = len(scores)
    discounts = np.where(np.arange(n) < _K, 1.0 / np.log2(np.arange(2.0, n + 2.0)), 0.0)
    ideal = float(discounts[: int(chosen.sum())].sum())
    gained = 0.0
    for score in scores[chosen].tolist():
        above, level = int((scores > score).sum()), int((scores == score).sum())
        gained += float(discounts[above : above + level].mean())
    return gained / ideal


def _values(scorer: Scorer, asked: Sequence[Log]) -> NDArray[np.float64]:
    rows = []
    for log in asked:
        for shown, scores in zip(lists_of(log)[1], scorer(log), strict=True):
            if shown.chosen:
                chosen = np.array([item_id in shown.chosen for item_id in shown.items], np.bool_)
                rows.append((auc(scores, chosen), _ndcg(scores, chosen)))
    return np.array(rows, np.float64).reshape(len(rows), 2)


def _ordering(items: Sequence[Item], prior: Path | None) -> Scorer:
    """Ask recsys, then tell it that the list was shown in the order in which it was, and what was chosen."""

    def ordered(log: Log) -> list[NDArray[np.float64]]:
        before, lists = lists_of(log)
        found = []
        with Recommender(":memory:", prior=prior) as rec:
            rec.add(items)
            rec.record_many(before)
            for shown in lists:
                slate = rec.rank(shown.items, at=shown.at_s)
                scores = {one.item_id: one.score for one in slate}
                found.append(np.array([scores[item_id] for item_id in shown.items]))
                rec.shown(_as_shown(slate, shown.items), at=shown.at_s)
                rec.record_many([replace(event, slate=slate.id) for event in shown.clicks])
        return found

    return ordered


def _as_shown(slate: Slate, ids: Sequence[str]) -> Slate:
    """Put a slate into the order of the screen."""
    by_id = {one.item_id: one for one in slate}
    placed = tuple(replace(by_id[item_id], position=place, propensity=1.0) for place, item_id in enumerate(ids))
    return Slate(slate.id, slate.at_us, slate.offset_min, placed, slate.n_candidates)


def _neighbours(items: Sequence[Item]) -> dict[str, Scorer]:
    numbers = {item.id: number for number, item in enumerate(items)}
    neighbours = TfidfNeighbours(items)

    def scorer(weights: Callable[[int], NDArray[np.float64]]) -> Scorer:
        def scored(log: Log) -> list[NDArray[np.float64]]:
            before, lists = lists_of(log)
            used, found = [numbers[event.item_id] for event in before], []
            for shown in lists:
                wanted = np.array([numbers[item_id] for item_id in shown.items], np.intp)
                known = np.array(used, np.intp)
                found.append(neighbours.between(known, weights(len(known)) if used else np.zeros(0), wanted))
                used += [numbers[event.item_id] for event in shown.clicks]
            return found

        return scored

    return {f"neighbours, {name}": scorer(weights) for name, weights in WEIGHTINGS.items()}


def _popularity(learnt: Sequence[Log]) -> dict[str, Scorer]:
    chosen: Counter[str] = Counter(e.item_id for log in learnt for e in log.events if e.kind != "shown")
    of_lists: Counter[str] = Counter(e.item_id for log in learnt for s in lists_of(log)[1] for e in s.clicks)
    shown: Counter[str] = Counter(i for log in learnt for s in lists_of(log)[1] for i in s.items)
    usual = sum(of_lists.values()) / max(sum(shown.values()), 1)

    def scorer(value: Callable[[str], float]) -> Scorer:
        return lambda log: [np.array([value(i) for i in s.items], np.float64) for s in lists_of(log)[1]]

    return {
        CHOSEN: scorer(lambda i: float(chosen[i])),
        RATE: scorer(lambda i: (of_lists[i] + _DOUBT * usual) / (shown[i] + _DOUBT)),
    }


def _pack(path: Path, learnt: Sequence[Log], *, quick: bool) -> None:
    people = []
    for log in learnt:
        events = [event for event in log.events if event.kind != "shown"]
        passed = [(i, shown.at_s) for shown in lists_of(log)[1] for i in shown.items if i not in shown.chosen]
        people.append(Person(log.user, [e.item_id for e in events], [e.at_us / 1e6 for e in events], passed))
    least = 2 if quick else _LEAST_PEOPLE
    built = build(people, least_people=least, hyper=replace(HYPER, epochs=1) if quick else HYPER)
    write(path, built.arrays, provenance={}, n_people=built.n_people, least_people=least)


def _gains(values: Mapping[str, NDArray[np.float64]], users: Sequence[str]) -> list[str]:
    """Say by how much each row of recsys leads the best of the peers that know as much."""
    notes = []
    for ours, kind in ((PLAIN, "neighbours"), (PACK, "popularity"), (PACK, "neighbours")):
        peers = [name for name in values if name.startswith(kind)]
        for i, column in enumerate(_COLUMNS):
            if peers:
                best = max(peers, key=lambda name: float(values[name][:, i].mean()))
                gain = bootstrap_difference(values[ours][:, i], values[best][:, i], users, seed=SEED)
                notes.append(f"{column}: {ours} {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] over {best}")
    return notes
