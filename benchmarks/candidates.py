"""Whether all items need to be scored: what bounded sources of candidates would find, and in which time.

The hundred best of ``recommend`` over everything are the truth. Beside it stand, for the untouched items, bounded
sources: of content those with the heaviest words and tags of the last uses, through an inverted index, and the newest;
of a pack those that go together with the last uses, the most popular, and the nearest to the taste in a part of its
factors; and a random slice from a seed. What the log says anything of is always among the candidates.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import MissingDataError, data_folder, load, load_items
from benchmarks.large import ASKED_S, stocked
from benchmarks.report import Cell, Result, Table
from benchmarks.world import SEED
from recsys import Recommender
from recsys.prior.pack import write
from recsys.publish import Hyper, Person, build

__all__ = ["SCENARIOS", "candidates"]

_K: Final = 100
_LASTS: Final = 10
_TOP, _NEWEST, _POPULAR, _DRAWN = 1_500, 200, 1_000, 200
_POSTINGS: Final = 20_000
_FACTORS: Final = 16
_ROUNDS: Final = 9
_SETS: Final = ("movielens-latest-small", "uci-online-retail")
_IN_PACK: Final = 0.85
_LEAST_PEOPLE: Final = 5
_QUICK_PEOPLE: Final = 40

Rows = NDArray[np.intp]


def candidates(data: Path | None, *, quick: bool) -> Result:
    """Compare the hundred best over everything with what bounded sources would have let in."""
    rows: list[tuple[Cell, ...]] = []
    skipped: dict[str, str] = {}
    for n_items in (300,) if quick else (10_000, 100_000):
        for what in ("content", "pack"):
            with stocked(what, n_items) as rec:
                rows.append((f"made up, {what}", n_items, *_measured([(rec, ASKED_S)])))
    for name in _SETS:
        try:
            for what in ("content", "pack"):
                with _people(name, data, what, quick=quick) as asked:
                    rows.append((f"{name}, {what}", asked[0][0].stats().n_items, *_measured(asked)))
        except MissingDataError as missing:
            skipped[name] = str(missing)
    columns = ("catalogue", "items", "recall@100", "let in", "finding them [ms]", "scoring all [ms]")
    notes = [
        (
            "recsys scores everything, so its own recall is 1 by construction. The bounded sources find what they let"
            " in, and would still have to score it; scoring all is the whole of recommend(10)."
        ),
        (
            f"At most {_TOP:,} by content or taste, {_NEWEST} newest, {_POPULAR:,} most popular, {_DRAWN} drawn;"
            f" {_POSTINGS:,} postings. The aim for sources that replace scoring everything is a recall of 0.98."
        ),
    ]
    return Result(
        "quality/candidates", [Table("bounded", columns, rows, notes, plot=None)], {"world": SEED}, quick, skipped
    )


SCENARIOS: Mapping[str, Callable[..., Result]] = {"quality/candidates": candidates}


@contextmanager
def _people(name: str, data: Path | None, what: str, *, quick: bool) -> Iterator[list[tuple[Recommender, float]]]:
    """Give recommenders of people whose first half of events was recorded, and when each is asked."""
    folder = data_folder(data)
    logs, items = load(name, folder, every_user=True, limit=_QUICK_PEOPLE if quick else 600), load_items(name, folder)
    logs = [logs[i] for i in np.random.default_rng(SEED).permutation(len(logs))]
    n_learnt = int(_IN_PACK * len(logs))
    with ExitStack() as stack:
        path = None
        if what == "pack":
            people = [Person(g.user, [e.item_id for e in g.events], [e.at_us / 1e6 for e in g.events]) for g in logs]
            made = build(people[:n_learnt], least_people=_LEAST_PEOPLE, hyper=Hyper(epochs=1 if quick else 3))
            path = Path(stack.enter_context(TemporaryDirectory(prefix="recsys-bench-"))) / "app.pack"
            write(path, made.arrays, provenance={}, n_people=made.n_people, least_people=_LEAST_PEOPLE)
        asked = []
        for log in [log for log in logs[n_learnt:] if len(log.events) >= 2 * _LASTS][: 2 if quick else 12]:
            rec = stack.enter_context(Recommender(":memory:", prior=path))
            rec.add({"id": item.id} for item in items) if path else rec.add(items)
            half = log.events[: len(log.events) // 2]
            rec.record_many(half)
            asked.append((rec, half[-1].at_us / 1e6 + 60.0))
        yield asked


def _measured(asked: list[tuple[Recommender, float]]) -> tuple[float, int, float, float]:
    """Mean recall, median number of items let in, median time to find them, and to recommend from everything."""
    recalls, sizes, finding, scoring = [], [], [], []
    for rec, at in asked:
        truth = set(rec.recommend(_K, at=at).item_ids)
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            found = _bounded(rec)
            finding.append((time.perf_counter() - started) * 1e3)
            started = time.perf_counter()
            rec.recommend(10, at=at)
            scoring.append((time.perf_counter() - started) * 1e3)
        touched = set(rec._live.state.behaviour.ids)  # noqa: SLF001 - what no public call tells
        recalls.append(len(truth & (found | touched)) / max(len(truth), 1))
        sizes.append(len(found | touched))
    return float(np.mean(recalls)), int(np.median(sizes)), float(np.median(finding)), float(np.median(scoring))


def _bounded(rec: Recommender) -> set[str]:
    stock, b, knowledge = rec._catalogue, rec._live.state.behaviour, rec._knowledge  # noqa: SLF001
    rest, likeness = stock.untouched(b), stock.likeness()
    n = min(b.position, _LASTS)
    lasts = [b.ids[slot] for slot in b.past_item[(b.position - 1 - np.arange(n)) % len(b.past_item)].tolist()]
    drawn = np.random.default_rng(SEED).choice(len(rest), min(_DRAWN, len(rest)), replace=False)
    found = {rest[int(at)] for at in drawn}
    if likeness is not None:
        index = likeness.content.index()
        newest = _best(np.nan_to_num(index.created, nan=-np.inf), _NEWEST)
        found |= {index.ids[row] for row in [*_alike(index, lasts), *newest.tolist()]}
    if knowledge is not None:
        rows = knowledge._rows_untouched(rest)  # noqa: SLF001
        near, some = knowledge._near(knowledge.pack.rows(lasts).astype(np.intp))  # noqa: SLF001
        del near
        into = knowledge.pack.arrays["into"][knowledge.pack.rows(lasts)].astype(np.float32).mean(axis=0)
        u = np.einsum("d,kde->e", into, knowledge.pack.mix)
        part = np.argsort(-np.abs(u))[:_FACTORS]
        taste = knowledge._out[:, part] @ u[part] + knowledge._bias[:-1]  # noqa: SLF001
        let_in = np.zeros(knowledge.pack.n_items + 1, np.bool_)
        let_in[np.concatenate([some, _best(taste, _TOP), _best(knowledge._popular[:-1], _POPULAR)])] = True  # noqa: SLF001
        found |= {rest[at] for at in np.flatnonzero(let_in[rows]).tolist()}
    return found


def _alike(index: object, lasts: list[str]) -> list[int]:
    """Rows with the heaviest words of the last uses, as many postings as are allowed."""
    from recsys.learn.index import Index

    assert isinstance(index, Index)
    weight: dict[int, float] = {}
    for place, item_id in enumerate(lasts):
        row = index.row.get(item_id)
        for word in index.words_of(row).tolist() if row is not None else ():
            weight[word] = weight.get(word, 0.0) + float(index.rarity[word]) * 2.0 ** (-place / 3.0)
    chosen, n_postings = [], 0
    for word in sorted(weight, key=lambda word: (-weight[word], word)):
        n_postings += int(index._n_having[word])  # noqa: SLF001
        if n_postings > _POSTINGS:
            break
        chosen.append(word)
    if not chosen:
        return []
    words = np.array(sorted(chosen), np.intp)
    score = index.having(words, np.array([weight[word] for word in words.tolist()])) * index.shortness
    return [row for row in _best(score, _TOP).tolist() if score[row] > 0.0]


def _best(score: NDArray[np.floating], n: int) -> Rows:
    if n >= len(score):
        return np.arange(len(score))
    return np.argpartition(-score, n)[:n]
