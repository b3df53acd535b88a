"""Items that no pack has seen: a fifth of the catalogue is taken out of every log that teaches.

What is new in a shop or on a shelf is known by what it is alone. The people set aside are asked, before each of their
choices of one of those items that they had not chosen before, which of all such items it will be. Nothing but
popularity among the people of the pack, which no model is told, knows more than the items' content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import films, shop
from benchmarks.baskets import baskets_of, ndcg_of_basket
from benchmarks.logs import Log
from benchmarks.peers.tfidf import WEIGHTINGS, TfidfNeighbours, missing
from benchmarks.quality_tables import SEED, row_of
from benchmarks.report import Result, Table
from recsys import Recommender
from recsys.evaluate.metrics import bootstrap_difference
from recsys.evaluate.rules import is_choice
from recsys.prior.pack import write
from recsys.publish import Hyper, Person, build
from recsys.settings import Settings
from recsys.types import Event, Item

__all__ = ["PACK", "POPULAR", "SCENARIOS", "UNTOLD", "films_unseen", "shop_unseen"]

HELD_SEED: Final = 2
HYPER: Final = Hyper(epochs=6)
_HELD: Final = 0.2
_K: Final = 10
PACK: Final = "recsys, with a pack and content"
UNTOLD: Final = "recsys, with a pack, told no content"
POPULAR: Final = "popular with the people of the pack (told to no other row)"


class Asked(NamedTuple):
    """Events that are learnt together, and the wanted items among them that were new; none: not asked."""

    events: Sequence[Event]
    wanted: Sequence[str]


# From a person's turns, and which items are ranked, to the first ten of each turn that is asked.
Ranker = Callable[[Sequence[Asked]], list[list[str]]]


def films_unseen(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Films of MovieLens latest-small that are in no pack."""
    del jobs
    learnt, asked, items = films.people_of("movielens-latest-small", data, quick=quick)
    held = _held(items)
    turns = [_turns([[event] for event in log.events], held) for log in asked]
    return _unseen("movielens-latest-small", (learnt, asked, items), held, turns, quick=quick)


def shop_unseen(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Products of uci-online-retail that are in no pack, at the first line of each basket."""
    del jobs
    learnt, asked, items = shop.customers(data, quick=quick)
    held = _held(items)
    turns = [_turns([basket.events for basket in baskets_of(log)], held) for log in asked]
    return _unseen("uci-online-retail", (learnt, asked, items), held, turns, quick=quick)


SCENARIOS = {
    "quality/movielens-latest-small-unseen": films_unseen,
    "quality/uci-online-retail-unseen": shop_unseen,
}


def _held(items: Sequence[Item]) -> frozenset[str]:
    ids = sorted(item.id for item in items)
    drawn = np.random.default_rng(HELD_SEED).choice(len(ids), int(_HELD * len(ids)), replace=False)
    return frozenset(ids[i] for i in drawn)


def _turns(groups: Sequence[Sequence[Event]], held: Collection[str]) -> list[Asked]:
    settings, known = Settings(), set[str]()
    turns = []
    for events in groups:
        chosen = [event.item_id for event in events if is_choice(event, settings)]
        wanted = [i for i in dict.fromkeys(chosen) if i in held and i not in known]
        turns.append(Asked(events, wanted if known else []))
        known.update(chosen)
    return turns


def _unseen(
    name: str,
    of: tuple[Sequence[Log], Sequence[Log], Sequence[Item]],
    held: frozenset[str],
    turns: Sequence[Sequence[Asked]],
    *,
    quick: bool,
) -> Result:
    learnt, asked, items = of
    users = [log.user for log, some in zip(asked, turns, strict=True) for turn in some if turn.wanted]
    skipped = missing()
    rankers = {POPULAR: _popular(learnt, held)} | ({} if skipped else _neighbours(items, held))
    bare = [Item(item.id) for item in items]
    with TemporaryDirectory(prefix="recsys-bench-") as at:
        path = Path(at) / "app.pack"
        _pack(path, learnt, held, quick=quick)
        rankers |= {UNTOLD: _recommending(bare, held, path), PACK: _recommending(items, held, path)}
        values = {model: _values(ranker, turns) for model, ranker in rankers.items()}
    best = max(
        (model for model in values if model.startswith("neighbours")), key=lambda m: values[m].mean(), default=""
    )
    rows = [(model, *row_of({"NDCG@10": value}, users)) for model, value in values.items()]
    notes = [_gain(values, other, users) for other in (POPULAR, best, UNTOLD) if other]
    notes.append(f"{len(learnt):,} other people taught the pack, without what they did with these {len(held):,} items.")
    title = f"{name}: {len(users):,} choices of {len(set(users))} people among {len(held):,} items that no pack has"
    seeds = {"bootstrap": SEED, "split": films.SPLIT_SEED, "items held out": HELD_SEED}
    return Result(f"quality/{name}-unseen", [Table(title, ("model", "NDCG@10"), rows, notes)], seeds, quick, skipped)


def _gain(values: dict[str, NDArray[np.float64]], other: str, users: Sequence[str]) -> str:
    gain = bootstrap_difference(values[PACK], values[other], users, seed=SEED)
    times = float(values[PACK].mean()) / max(float(values[other].mean()), 1e-9)
    return f"NDCG@10: {PACK} {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] over {other}, {times:.2f} times it"


def _pack(path: Path, learnt: Sequence[Log], held: Collection[str], *, quick: bool) -> None:
    settings, people = Settings(), []
    for log in learnt:
        events = [e for e in log.events if is_choice(e, settings) and e.item_id not in held]
        people.append(Person(log.user, [e.item_id for e in events], [e.at_us / 1e6 for e in events]))
    least = 2 if quick else 5
    built = build(people, least_people=least, hyper=replace(HYPER, epochs=1) if quick else HYPER)
    write(path, built.arrays, provenance={}, n_people=built.n_people, least_people=least)


def _values(ranker: Ranker, turns: Sequence[Sequence[Asked]]) -> NDArray[np.float64]:
    found = []
    for of_person in turns:
        asked = [turn for turn in of_person if turn.wanted]
        for turn, ranked in zip(asked, ranker(of_person), strict=True):
            hits = np.array([item in turn.wanted for item in ranked], np.bool_)
            found.append(ndcg_of_basket(hits, len(turn.wanted)))
    return np.array(found, np.float64)


def _recommending(items: Sequence[Item], held: Collection[str], prior: Path) -> Ranker:
    def ranked(turns: Sequence[Asked]) -> list[list[str]]:
        lists, left = [], dict.fromkeys(sorted(held))
        with Recommender(":memory:", prior=prior) as rec:
            rec.add(items)
            for events, wanted in turns:
                if wanted:
                    lists.append(list(rec.rank(list(left), k=_K, at=events[0].at_us / 1e6).item_ids))
                rec.record_many(events)
                for event in events:
                    left.pop(event.item_id, None)
        return lists

    return ranked


def _scoring(held: Collection[str], scores: Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]) -> Ranker:
    """Rank what is left of the items by scores from what was chosen so far; equal ones by id."""
    settings = Settings()

    def ranked(turns: Sequence[Asked]) -> list[list[str]]:
        used: list[str] = []
        lists, left = [], dict.fromkeys(sorted(held))
        for events, wanted in turns:
            if wanted:
                among = list(left)
                lists.append([among[i] for i in np.argsort(-scores(used, among), kind="stable")[:_K]])
            used += [event.item_id for event in events if is_choice(event, settings)]
            for event in events:
                left.pop(event.item_id, None)
        return lists

    return ranked


def _popular(learnt: Sequence[Log], held: Collection[str]) -> Ranker:
    people = Counter(item_id for log in learnt for item_id in {event.item_id for event in log.events})
    return _scoring(held, lambda _, among: np.array([people[item_id] for item_id in among], np.float64))


def _neighbours(items: Sequence[Item], held: Collection[str]) -> dict[str, Ranker]:
    numbers = {item.id: number for number, item in enumerate(items)}
    neighbours = TfidfNeighbours(items)

    def ranker(weights: Callable[[int], NDArray[np.float64]]) -> Ranker:
        def scores(used: Sequence[str], among: Sequence[str]) -> NDArray[np.float64]:
            known, wanted = (np.array([numbers[i] for i in some], np.intp) for some in (used, among))
            return neighbours.between(known, weights(len(known)), wanted)

        return _scoring(held, scores)

    return {f"neighbours, {name}": ranker(weights) for name, weights in WEIGHTINGS.items()}
