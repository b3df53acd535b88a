"""The full run of the forensics, ``python -m tests.properties.forensics``: lives until enough was forgotten; counts.

The short form, and the tests of what it is made of, are in ``test_forensics.py``.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from recsys.learn.features import FEATURES
from recsys.learn.lessons import Lessons
from recsys.learn.stages import Stage
from recsys.learn.trees import can_grow
from recsys.log import deletion, opening, scan
from recsys.log.connection import Writer
from tests.properties.lives import JOURNALS, PAGE_SIZES, Conditions, Life, lived
from tests.properties.searcher import Searcher

__all__ = ["FAULTS", "LONG", "PAIRS", "SHORT", "TREES", "caught", "planted"]

# Every size of pages with every journal; the first five have each of both once.
PAIRS: Final = tuple(
    Conditions(PAGE_SIZES[number], journal)
    for shift in range(len(PAGE_SIZES))
    for number, journal in enumerate((*JOURNALS, *JOURNALS)[shift : shift + len(JOURNALS)])
)
TREES: Final = ("", "before", "after", "both")  # by seed
_COLUMNS: Final = ("forgets", "events forgotten", "needles", "files read", "bytes read", "needles found")

Size = tuple[int, int]  # of a life: rounds, and events in each
SHORT: Final[Size] = (3, 24)
LONG: Final[Size] = (6, 72)


class Fault(NamedTuple):
    """What is replaced, and how long a life it takes to find it."""

    patches: list[tuple[object, str, Any]]
    size: Size = SHORT
    first: int = 1  # seed
    trees: str = ""


_BLIND: Final = (scan, "scan", lambda *_: ([], 0, 0))  # the log does not look for itself what it left behind
_NOT_WRITTEN_ANEW: Final = (Writer, "vacuum", lambda _: None)
_NOT_SECURE: Final = (opening, "PRAGMAS", {**opening.PRAGMAS, "secure_delete": "OFF"})
_RAW: dict[str, tuple[float, float]] = {}  # of each feature, the least and the greatest value


def _raw_values_kept() -> list[tuple[object, str, Any]]:
    """Have trees keep what a text of LightGBM's keeps: between which values each feature was."""
    add, encode, decode = Lessons.add, Stage.encode, Stage.decode

    def adding(self: Lessons, features: Any, *rest: Any) -> None:
        add(self, features, *rest)
        for feature, values in zip(FEATURES, features, strict=True):
            low, high = _RAW.get(feature.name, (math.inf, -math.inf))
            _RAW[feature.name] = (min(low, float(values.min())), max(high, float(values.max())))

    def encoding(self: Stage, basis: str) -> bytes:
        text = " ".join(f"[{low:.17g}:{high:.17g}]" for low, high in _RAW.values())
        return encode(self, basis) + f"\nfeature_infos={text}".encode()

    def decoding(_: type[Stage], blob: bytes, basis: str) -> Stage:
        return decode(blob.split(b"\nfeature_infos=")[0], basis)

    return [(Lessons, "add", adding), (Stage, "encode", encoding), (Stage, "decode", classmethod(decoding))]


FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        # Only what the tree left in the gaps of its pages when it was balanced is found then: not in every life.
        "the file is not written anew": Fault([_BLIND, _NOT_WRITTEN_ANEW], (4, 60), first=7),
        "nor is what is deleted overwritten": Fault([_BLIND, _NOT_WRITTEN_ANEW, _NOT_SECURE]),
        "the journal is not emptied": Fault([_BLIND, (Writer, "truncate_wal", lambda *_: True)]),
        "a checkpoint of what is forgotten stays": Fault([_BLIND, (deletion, "drop_checkpoints_from", lambda *_: 0)]),
        "trees that knew stay": Fault([_BLIND, (deletion, "drop_stages_from", lambda *_: 0)], (3, 60), trees="before"),
        "trees keep a feature's least and greatest value": Fault(_raw_values_kept(), trees="both"),
        "slates keep what is forgotten": Fault([_BLIND, (deletion, "_losing", lambda *_: {})]),
        "removed items stay by their ids": Fault([_BLIND, (deletion, "_drop_tombstones", lambda _: ())]),
    }
)


@contextmanager
def planted(fault: str) -> Iterator[None]:
    """Put a fault in."""
    with ExitStack() as stack:
        for target, name, value in FAULTS[fault].patches:
            stack.enter_context(patch.object(target, name, value))
        yield


def caught(fault: str, folder: Path, searcher: Searcher) -> Life | None:
    """Give the first life in which the fault is found; None when it is not."""
    with planted(fault):
        for seed in range(FAULTS[fault].first, FAULTS[fault].first + 30):
            conditions = PAIRS[0]._replace(trees=FAULTS[fault].trees)
            life = lived(seed, conditions, folder, searcher, *FAULTS[fault].size)
            if life.findings:
                return life
    return None


def _survey(n_events: int, folder: Path, searcher: Searcher) -> tuple[Counter[str], list[str]]:
    """Live under all conditions in turn until so many events are forgotten; print a line for each."""
    total: Counter[str] = Counter()
    findings: list[str] = []
    by_pair = {pair: Counter[str]() for pair in PAIRS}
    seeds = itertools.count(1)
    while total["events forgotten"] < n_events:
        for pair in PAIRS:
            seed = next(seeds)
            trees = random.Random(seed).choice(TREES) if can_grow() else ""
            life = lived(seed, pair._replace(trees=trees), folder / "life", searcher, *LONG)
            life.counts[f"lives with trees, grown {trees}" if trees else "lives without trees"] += 1
            by_pair[pair] += life.counts
            total += life.counts
            findings += life.findings
    print(_line("pages", "journal", *_COLUMNS))
    for pair, counts in by_pair.items():
        print(_line(pair.page_size, pair.journal, *(counts[name] for name in _COLUMNS)))
    print(_line("all", "", *(total[name] for name in _COLUMNS)))
    others = sorted(total.keys() - set(_COLUMNS))
    print(", ".join(f"{name}: {total[name]:,}" for name in others), flush=True)
    return total, findings


def _line(pages: object, journal: str, *numbers: object) -> str:
    return f"{pages:>6} {journal:32}" + "".join(f"{n:>17,}" if isinstance(n, int) else f"{n:>17}" for n in numbers)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="how many to forget, at least")
    n_events = parser.parse_args().events
    with tempfile.TemporaryDirectory(prefix="forensics-") as folder, closing(Searcher()) as searcher:
        started = time.monotonic()
        total, findings = _survey(n_events, Path(folder), searcher)
        print(f"{time.monotonic() - started:.0f} s", flush=True)
        blind = _planted(Path(folder), searcher)
    assert findings == [], findings[:20]
    assert total["events forgotten"] >= n_events
    assert blind == [], blind


def _planted(folder: Path, searcher: Searcher) -> list[str]:
    """Plant every fault; print what is found of it, and give those that are not."""
    blind = []
    for fault in FAULTS:
        life = caught(fault, folder / "life", searcher)
        if life is None:
            blind.append(fault)
        print(f"planted: {fault}: {life.findings[0] if life else 'NOT FOUND'}", flush=True)
    return blind


if __name__ == "__main__":
    _main()
