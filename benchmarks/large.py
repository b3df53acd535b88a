"""Large made-up catalogues that look like real ones, with content, with a prior pack, or with both.

Words and tags follow Zipf's law within kinds of items, so that items of a kind share what items of others do not; the
pack's factors lie around the same kinds, and popularity follows Zipf's law too. Everything comes from a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.world import SEED, START_S, item_id
from recsys.prior.pack import key_of, write

__all__ = ["made_up_pack", "stock", "uses"]

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
        "unknown": np.array([np.log(share.min() / 2), -1.0], np.float32),
        "weights": np.array([0.9, 0.4, 0.2, 1.0]),
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
