"""Large made-up catalogues that look like real ones, with content, with a prior pack, or with both.

Words and tags follow Zipf's law within kinds of items, so that items of a kind share what items of others do not; the
pack's factors lie around the same kinds, and popularity follows Zipf's law too. Everything comes from a seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Cell, Result, Table
from benchmarks.timing import in_turns
from benchmarks.world import SEED, START_S, item_id
from recsys.prior.pack import key_of, write
from recsys.recommender import Recommender

__all__ = ["ASKED_S", "SCENARIOS", "asker", "made_up_pack", "stock", "stocked", "uses"]

ASKED_S = START_S + 3_600 * 400  # after all uses

_KINDS = 60
_WORDS, _OF_A_KIND = 20_000, 400  # of the language, and of each kind
_TAGS = 240
_FACTORS, _PAIRS = 48, 24
_DAY_S = 86_400.0


@cache
def _kinds(n_items: int) -> NDArray[np.intp]:
    """Which kind each item is of."""
    weight = 1.0 / np.arange(1, _KINDS + 1) ** 0.7
    return np.random.default_rng([SEED, n_items]).choice(_KINDS, n_items, p=weight / weight.sum())


def stock(n_items: int, *, first: int = 0, n_more: int = 0) -> Iterator[dict[str, object]]:
    """Yield items ``first`` to ``n_items + n_more - 1``.

    Each has a title of three to eight words, two to four tags, a year, and the time at which it was made.
    """
    kinds, rng = _kinds(n_items), np.random.default_rng([SEED, n_items, 1])
    of_kind = rng.integers(0, _WORDS, (_KINDS, _OF_A_KIND))
    tags_of_kind = rng.integers(0, _TAGS, (_KINDS, 12))
    common = 1.0 / np.arange(1, _WORDS + 1)
    common /= common.sum()
    often = 1.0 / np.arange(1, _OF_A_KIND + 1) ** 0.8
    often /= often.sum()
    for n in range(first, n_items + n_more):
        kind, own = int(kinds[n % n_items]), np.random.default_rng([SEED, n])
        words = [*own.choice(of_kind[kind], 2 + n % 3, p=often), *own.choice(_WORDS, 1 + n % 4, p=common)]
        tags = {f"tag-{tag}" for tag in own.choice(tags_of_kind[kind], 2 + n % 3)}
        yield {
            "id": item_id(n),
            "title": " ".join(f"word{word}" for word in words),
            "tags": sorted(tags),
            "year": 1950 + int(75 * own.random() ** 0.5),
            "created": START_S - float(own.integers(0, 2_000)) * _DAY_S,
        }


def uses(n_events: int, n_items: int, *, seed: int = SEED) -> list[dict[str, object]]:
    """Give the uses of a person who likes a few kinds, and comes back to a third of what was used."""
    kinds, rng = _kinds(n_items), np.random.default_rng([seed, n_items, 2])
    liked = rng.choice(_KINDS, 4, replace=False)
    of_liked = np.flatnonzero(np.isin(kinds, liked))
    found: list[int] = []
    for _ in range(n_events):
        back = found and rng.random() < 1 / 3
        among = found if back else of_liked if rng.random() < 0.8 else np.arange(n_items)
        found.append(int(among[rng.integers(len(among))]))
    first_s = START_S + 1_000.0
    return [{"item_id": item_id(n), "kind": "play", "at": first_s + 3_600.0 * i} for i, n in enumerate(found)]


def made_up_pack(path: Path, n_items: int) -> Path:
    """Write a pack of all items, whose factors lie around their kinds."""
    kinds, rng = _kinds(n_items), np.random.default_rng([SEED, n_items, 3])
    keys = np.array([key_of(item_id(n)) for n in range(n_items)], np.uint64)
    order = keys.argsort()
    kinds = kinds[order]
    centres = rng.normal(size=(2, _KINDS, _FACTORS))
    centres[1] = 0.7 * centres[0] + 0.3 * centres[1]
    near = rng.normal(size=(2, n_items, _FACTORS))
    into, out = (np.clip(np.rint(20 * (centres[i][kinds] + near[i])), -127, 127).astype(np.int8) for i in (0, 1))
    share = 1.0 / (1.0 + rng.permutation(n_items))
    share /= share.sum()
    item, lift = _pairs(kinds, rng)
    arrays: dict[str, NDArray[Any]] = {
        "keys": keys[order],
        "popular": np.log(share).astype(np.float16),
        "liked": (0.5 * rng.normal(size=n_items)).astype(np.float16),
        "again": (0.5 * rng.normal(size=n_items)).astype(np.float16),
        "into": into,
        "out": out,
        "bias": (0.3 * np.log(share * n_items)).astype(np.float16),
        "scales": np.array([0.02, 0.02], np.float32),
        "mix": np.stack([0.3 * np.eye(_FACTORS), 0.2 * np.eye(_FACTORS)]).astype(np.float32),
        "half_lives": np.array([4.0, 60.0], np.float32),
        "near_begin": np.arange(0, _PAIRS * n_items + 1, _PAIRS).astype(np.uint32),
        "near_item": item,
        "near_lift": lift,
        "near_unit": np.array([6.0 / 255.0], np.float32),
        "unknown": np.array([np.log(share.min() / 2), -1.0, 0.0], np.float32),
        "weights": np.array([0.9, 0.4, 0.2, 0.3, 1.0, 0.5]),
        "weights_given": np.array([0.9, 0.4, 0.2, 0.3, 1.0, 0.5]),
    }
    write(path, arrays, provenance={"made": "up"}, n_people=1_000, least_people=20)
    return path


def _pairs(kinds: NDArray[np.intp], rng: np.random.Generator) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Give each item others of its kind that go with it."""
    n = len(kinds)
    item = np.zeros((n, _PAIRS), np.uint32)
    for kind in range(_KINDS):
        members = np.flatnonzero(kinds == kind)
        if len(members):
            item[members] = members[rng.integers(0, len(members), (len(members), _PAIRS))]
    return np.sort(item, axis=1).ravel(), rng.integers(40, 255, n * _PAIRS).astype(np.uint8)


@contextmanager
def stocked(what: str, n_items: int, n_events: int = 300) -> Iterator[Recommender]:
    """Give a recommender of a large catalogue after some uses: with ``ids``, ``content``, a ``pack``, or ``both``."""
    with TemporaryDirectory(prefix="recsys-bench-") as into:
        prior = None if what in {"ids", "content"} else made_up_pack(Path(into) / "app.pack", n_items)
        with Recommender(":memory:", prior=prior) as rec:
            items = stock(n_items)
            rec.add(({"id": item["id"]} for item in items) if what in {"ids", "pack"} else items)
            rec.record_many(uses(n_events, n_items))
            rec.recommend(10, at=ASKED_S)
            yield rec


def asker(rec: Recommender, **asked: Any) -> Callable[[int], object]:
    """Return a call that asks for ten of everything, each round a minute later."""
    return lambda i: rec.recommend(10, at=ASKED_S + 60 * i, **asked)


def large(data: Path | None, *, quick: bool) -> Result:
    """Time what else is asked of large catalogues with content."""
    del data
    rows: list[tuple[Cell, ...]] = []
    for n_items in (300,) if quick else (10_000, 100_000):
        n = 3 if quick else 30
        with stocked("content", n_items) as rec:
            rows += [(f"{what}, {n_items:,} items", *_ms(call, n)) for what, call in _calls(rec, n_items).items()]
            many = list(stock(n_items, first=n_items, n_more=min(10_000, n_items)))
            started = time.perf_counter()
            rec.add(many)
            rows.append((f"add {len(many):,} more, {n_items:,} items", (time.perf_counter() - started) * 1e3, None))
    columns = ("what", "p50 [ms]", "p99 [ms]")
    note = "With titles, tags and numbers. The table of budgets says nothing of these, so there is no aim."
    table = Table("medians of single calls, one core", columns, rows, [note], plot=None)
    return Result("speed/large-catalogue", [table], {"world": SEED}, quick)


SCENARIOS: Mapping[str, Callable[..., Result]] = {"speed/large-catalogue": large}


def _calls(rec: Recommender, n_items: int) -> dict[str, Callable[[int], object]]:
    some, numbers = list(stock(n_items, first=n_items, n_more=200)), count()
    best = rec.recommend(1, at=ASKED_S).item_ids[0]
    tag = str(next(stock(n_items, first=int(best.rpartition("-")[2])))["tags"][0])  # type: ignore[index]

    def after_a_use(_: int) -> object:
        n = next(numbers)  # in the order of time: rounds of warming up come first and have the later numbers
        rec.record(item_id(17 * n % n_items), "play", at=ASKED_S + 60 * n)
        return rec.recommend(10, at=ASKED_S + 60 * n + 30)

    def after_one_more(i: int) -> object:
        rec.add([some[100 + i]])
        return rec.recommend(10, at=ASKED_S + 60 * i)

    def after_one_less(i: int) -> object:
        rec.remove([str(some[i]["id"])])
        return rec.recommend(10, at=ASKED_S + 60 * i)

    return {
        "recommend(10)": asker(rec),
        "recommend(10), caps that leave a tag out": asker(rec, caps={tag: 0}),
        "recommend(10), diversity 0.3": asker(rec, diversity=0.3),
        "recommend(10), explore 1": asker(rec, explore=1.0, seed=1),
        "similar": lambda i: rec.similar(item_id(i)),
        "explain": lambda i: rec.explain(item_id(i), at=ASKED_S),
        "add one": lambda i: rec.add([some[i]]),
        "add one and recommend(10)": after_one_more,
        "remove one and recommend(10)": after_one_less,
        "record and recommend(10)": after_a_use,
    }


def _ms(call: Callable[[int], object], n: int) -> tuple[float, float]:
    (timed,) = in_turns([call], n, warm_up=2)
    return timed.p50_us / 1e3, timed.p99_us / 1e3
