"""How much released aggregates tell at least, and whether a kill can cost more: ``python -m tests.privacy.epsilon``.

For pairs of logs the tag counts go through the whole of ``Query.answer``, as a release does: counted, clamped,
noised. Many answers under each give a lower bound on epsilon; all the bounds of a run hold together with a confidence
of 99.9 %. Each must stay below what is claimed; with a planted fault it must not. Then a child that releases
is killed at every call that changes its file. ``test_epsilon.py`` and ``test_crash.py`` run the short forms.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recsys.privacy.noise import Bits
from recsys.privacy.query import Query
from tests.privacy.bounds import Sample, epsilon_lower_bound

Tally = list[tuple[tuple[str, ...], int]]

MANY = 1_000_000_000
CLAIMS = (Fraction(1, 2), Fraction(1), Fraction(2))


class HalvedScale(Query):
    """A planted fault: half the noise that the sensitivity asks for."""

    @property
    def scale(self) -> Fraction:
        return super().scale * Fraction(1, 2)


class UnclampedSensitivity(Query):
    """A planted fault: the noise is for clamped counts, and up to three times as much is counted."""

    def clamped(self, counts: Sequence[int]) -> list[int]:
        return [min(n, 3 * self.most_in_all) for n in counts]


class OneSided(Query):
    """A planted fault: the noise only adds."""

    def noised(self, counts: Sequence[int], bits: Bits) -> list[int]:
        return [n + abs(noisy - n) for n, noisy in zip(counts, super().noised(counts, bits), strict=True)]


FAULTS: Mapping[str, type[Query]] = {
    "halved scale": HalvedScale,
    "unclamped sensitivity": UnclampedSensitivity,
    "one-sided noise": OneSided,
}


class Pair(NamedTuple):
    """A query and two logs to tell apart by its answer."""

    name: str
    tags: tuple[str, ...]
    most_per_tag: int
    most_in_all: int
    ours: Tally
    theirs: Tally


# The furthest apart there is with two tags, and what is asked of the suite.
WORST = Pair("one tag against the other", ("a", "b"), 1, 1, [(("a",), MANY)], [(("b",), MANY)])


def pairs() -> Iterator[Pair]:
    """Worst cases of several forms, and every two corners of the clamped histograms of one more."""
    yield WORST
    yield Pair("something against nothing", ("a",), 3, 3, [(("a",), MANY)], [])
    yield Pair("one event more", ("a", "b"), 4, 4, [(("a",), 2)], [(("a",), 3)])
    yield Pair("clamped in all", ("a", "b", "c"), 2, 3, [(("a",), MANY)], [(("b", "c"), MANY)])
    tags = ("a", "b", "c")
    corners = [h for h in itertools.product((0, 2), repeat=3) if sum(h) <= 4]
    for ours, theirs in itertools.combinations(corners, 2):
        logs = [[((tag,), n) for tag, n in zip(tags, h, strict=True) if n] for h in (ours, theirs)]
        yield Pair(f"{ours} against {theirs}", tags, 2, 4, *logs)


def measured(
    pair: Pair,
    claim: Fraction,
    n_draws: int,
    *,
    kind: type[Query] = Query,
    seed: int = 0,
    confidence: float = 0.999,
) -> float:
    """The lower bound on epsilon from so many answers under each of the two logs."""
    query = kind(pair.tags, pair.most_per_tag, pair.most_in_all, None, None, None, claim)
    bits = random.Random(seed).getrandbits
    samples = [_answers(query, log, n_draws, bits) for log in (pair.ours, pair.theirs)]
    return epsilon_lower_bound(*samples, confidence)


def _answers(query: Query, log: Tally, n_draws: int, bits: Bits) -> Sample:
    return np.array([query.answer(log, bits) for _ in range(n_draws)], dtype=np.int64)


def table(n_draws: int, seed: int) -> int:
    """Print a bound for every claim and every pair of logs; how many are not as they should be."""
    rows = [(pair, "exact", Query) for pair in pairs()] + [(WORST, name, kind) for name, kind in FAULTS.items()]
    confidence = 1.0 - 0.001 / (len(rows) * len(CLAIMS))
    print(f"{n_draws} answers under each log, seed {seed}\n")
    print(f"{'logs':<34} {'noise':<22} {'claim':>6} {'at least':>9}")
    n_wrong = 0
    for claim in CLAIMS:
        for number, (pair, name, kind) in enumerate(rows):
            bound = measured(pair, claim, n_draws, kind=kind, seed=seed + number, confidence=confidence)
            wrong = (bound > claim) == (kind is Query)
            n_wrong += wrong
            note = "" if not wrong else "  WRONG" if kind is Query else "  NOT CAUGHT"
            print(f"{pair.name:<34} {name:<22} {claim!s:>6} {bound:>9.3f}{note}", flush=True)
    return n_wrong


def kills() -> int:
    """Kill a child that releases at every call that changes its file, also one that hands out too early."""
    from tests.privacy.test_crash import no_strace, sweep

    if no_strace():
        print(f"kills: skipped, {no_strace()}")
        return 0
    n_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for early, what in ((False, "charged first"), (True, "handed out too early, the planted fault")):
            found = [faults for _, faults in sweep(Path(folder) / what, None, early=early)]
            n_bad = sum(bool(faults) for faults in found)
            n_wrong += bool(n_bad) != early
            print(f"killed at {len(found)} calls, {what}: something is wrong with the file at {n_bad}", flush=True)
    return n_wrong


def main() -> int:
    """Run both; 1 when anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.privacy.epsilon")
    parser.add_argument("--draws", type=int, default=100_000, metavar="N", help="answers under each log (100000)")
    parser.add_argument("--seed", type=int, help="repeats a run; without it the randomness is the system's")
    options = parser.parse_args()
    seed = random.SystemRandom().getrandbits(64) if options.seed is None else options.seed
    n_wrong = table(options.draws, seed) + kills()
    print(f"\n{n_wrong} of these are not as they should be")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
