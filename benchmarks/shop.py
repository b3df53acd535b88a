"""A shop: the next basket of a customer, out of the whole catalogue, with a pack from the other shoppers.

Customers are split. From most of them a pack is built, and the peers are fitted on the same customers; of the others
some are drawn, and at the first line of each of their baskets but the first every model ranks all items. Relevant are
the distinct items of the basket. Apart stand those that the customer had not bought before, out of all such items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.baskets import Basket, baskets_of, ndcg_of_basket
from benchmarks.data import data_folder, load, load_items
from benchmarks.logs import Log
from benchmarks.peers.crowd import Histories, available_peers
from benchmarks.quality_tables import SEED, row_of
from benchmarks.report import Cell, Result, Table
from recsys import Recommender
from recsys.evaluate.rules import is_choice
from recsys.prior.pack import write
from recsys.publish import Hyper, Person, build
from recsys.settings import Settings
from recsys.types import Item

__all__ = ["SCENARIOS", "customers", "retail_with_pack"]

SPLIT_SEED: Final = 1
HYPER: Final = Hyper(epochs=6)
_IN_PACK: Final = 0.85
_ASKED: Final = 200
_LEAST_PEOPLE: Final = 20
_K: Final = 10
PACK: Final = "recsys, with a pack"
PLAIN: Final = "recsys, without"
FREQUENCY: Final = "own frequency, then popular"
_QUICK_PEOPLE: Final = 120
_COLUMNS: Final = ("NDCG@10", "Recall@10", "NDCG@10, new items", "Recall@10, new items")

# From a customer's log to two lists for each basket but the first: the ten likeliest items, and the ten likeliest that
# the customer has not bought yet.
Ranker = Callable[[Log], list[tuple[list[str], list[str]]]]


def retail_with_pack(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Predict the invoices of customers of whom no pack knows."""
    del jobs
    settings = Settings()
    learnt, asked, items = customers(data, quick=quick)
    numbers = {item.id: number for number, item in enumerate(items)}
    chosen = [[numbers[e.item_id] for e in log.events if is_choice(e, settings)] for log in learnt]
    histories = [np.array(one, np.intp) for one in chosen if one]
    rankers, skipped = _peers(histories, [item.id for item in items], numbers)
    users = [log.user for log in asked for _ in _scored(log)[1:]]
    values = {name: _values(ranker, asked) for name, ranker in rankers.items()}
    with TemporaryDirectory(prefix="recsys-bench-") as at:
        path = Path(at) / "shop.pack"
        per_item = _pack(path, learnt, settings, quick=quick)
        for name, prior in ((PLAIN, None), (PACK, path)):
            values[name] = _values(_recommending(items, prior), asked)
    title = f"uci-online-retail: {len(users):,} baskets of {len(asked)} customers, {len(items):,} items ranked"
    rows = [(name, *_row(of, users)) for name, of in values.items()]
    notes = [
        f"{len(learnt):,} other customers taught the pack ({per_item:.0f} bytes an item) and the peers.",
        "New: not bought before by this customer; baskets without such an item do not count there.",
        "The prior of the own model ships, and was fitted on this set among others, which favours both rows of recsys.",
    ]
    seeds = {"bootstrap": SEED, "split": SPLIT_SEED}
    table = Table(title, ("model", *_COLUMNS), rows, notes, plot=None)
    return Result("quality/uci-online-retail-pack", [table], seeds, quick, skipped)


SCENARIOS = {"quality/uci-online-retail-pack": retail_with_pack}


def customers(data: Path | None, *, quick: bool) -> tuple[list[Log], list[Log], list[Item]]:
    """Split the customers: those who may teach, those who are asked about; and give the catalogue."""
    folder = data_folder(data)
    logs = load("uci-online-retail", folder, every_user=True, limit=_QUICK_PEOPLE if quick else None)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(logs))
    n_learnt = int(_IN_PACK * len(logs))
    learnt = [logs[i] for i in order[:n_learnt]]
    asked = [log for log in (logs[i] for i in order[n_learnt:]) if len(_scored(log)) > 1][:_ASKED]
    return learnt, asked, load_items("uci-online-retail", folder)


def _scored(log: Log) -> list[Basket]:
    return [basket for basket in baskets_of(log) if basket.chosen]


def _pack(path: Path, learnt: Sequence[Log], settings: Settings, *, quick: bool) -> float:
    people = []
    for log in learnt:
        events = [event for event in log.events if is_choice(event, settings)]
        people.append(Person(log.user, [e.item_id for e in events], [e.at_us / 1e6 for e in events]))
    least = 3 if quick else _LEAST_PEOPLE
    built = build(people, least_people=least, hyper=Hyper(epochs=1) if quick else HYPER)
    size = write(path, built.arrays, provenance={}, n_people=built.n_people, least_people=least)
    return float(size / built.report["items"])


def _peers(histories: Histories, ids: list[str], numbers: dict[str, int]) -> tuple[dict[str, Ranker], dict[str, str]]:
    peers, skipped = available_peers()
    people = np.bincount(np.concatenate([np.unique(items) for items in histories]), minlength=len(ids))
    found: dict[str, Ranker] = {FREQUENCY: _over(lambda used: _counts(used, people), ids, numbers)}
    for name in ("item kNN", "ALS (implicit)"):
        if name in peers:
            found[name] = _over(peers[name](histories, len(ids)).scores, ids, numbers)
    return found, {name: why for name, why in skipped.items() if name == "ALS (implicit)"}


def _counts(used: NDArray[np.intp], people: NDArray[np.intp]) -> NDArray[np.float64]:
    """Own purchases first; what was never bought by how many people bought it."""
    given: NDArray[np.float64] = np.bincount(used, minlength=len(people)) + people / (1.0 + people.max())
    return given


def _over(
    scores: Callable[[NDArray[np.intp]], NDArray[np.floating[Any]]], ids: list[str], numbers: dict[str, int]
) -> Ranker:
    def best(values: NDArray[np.float64]) -> list[str]:
        return [ids[i] for i in np.argsort(-values, kind="stable")[:_K]]

    def ranked(log: Log) -> list[tuple[list[str], list[str]]]:
        used: list[int] = []
        lists = []
        for basket in _scored(log):
            if used:
                values = np.array(scores(np.array(used, np.intp)), np.float64)
                whole = best(values)
                values[used] = -np.inf
                lists.append((whole, best(values)))
            used += [numbers[item_id] for item_id in basket.chosen]
        return lists

    return ranked


def _recommending(items: Sequence[Item], prior: Path | None) -> Ranker:
    def ranked(log: Log) -> list[tuple[list[str], list[str]]]:
        lists = []
        used: set[str] = set()
        with Recommender(":memory:", prior=prior) as rec:
            rec.add(items)
            for basket in baskets_of(log):
                if used and basket.chosen:
                    at = basket.events[0].at_us / 1e6
                    slates = (rec.recommend(_K, at=at), rec.recommend(_K, at=at, exclude=used))
                    lists.append((list(slates[0].item_ids), list(slates[1].item_ids)))
                used |= set(basket.chosen)
                rec.record_many(basket.events)
        return lists

    return ranked


def _values(ranker: Ranker, asked: Sequence[Log]) -> NDArray[np.float64]:
    """Give the metrics of every basket, shape (n_baskets, 4); NaN where nothing was new."""
    rows = []
    for log in asked:
        baskets = _scored(log)
        known = set(baskets[0].chosen)
        for basket, (ranked, of_new) in zip(baskets[1:], ranker(log), strict=True):
            new = [item for item in basket.chosen if item not in known]
            rows.append([*_hits(ranked, basket.chosen), *(_hits(of_new, new) if new else (np.nan, np.nan))])
            known |= set(basket.chosen)
    return np.array(rows, np.float64).reshape(len(rows), 4)


def _hits(ranked: Sequence[str], relevant: Sequence[str]) -> tuple[float, float]:
    hits = np.array([item in relevant for item in ranked], np.bool_)
    return ndcg_of_basket(hits, len(relevant)), float(hits.sum()) / len(relevant)


def _row(values: NDArray[np.float64], users: Sequence[str]) -> list[Cell]:
    cells: list[Cell] = []
    for i, name in enumerate(_COLUMNS):
        there = ~np.isnan(values[:, i])
        cells += row_of(
            {name: values[there, i]}, [user for user, is_there in zip(users, there, strict=True) if is_there]
        )
    return cells
