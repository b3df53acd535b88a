"""How much the released aggregates tell at least, measured: ``python -m tests.privacy.epsilon [--draws N]``.

With ``--kills`` also: a child that releases is killed at every call that changes its file.

For pairs of logs the tag counts go through the whole of ``Query.answer``, as a release does: counted, clamped,
noised. Many answers under each give a lower bound on epsilon that holds with a confidence of 99.9 %. It must stay
below what is claimed; with a planted fault it must not. ``tests/privacy/test_epsilon.py`` runs the short form.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
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
        return [
            max(n, 2 * n - noisy) if noisy < n else noisy
            for n, noisy in zip(counts, super().noised(counts, bits), strict=True)
        ]


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


def measured(pair: Pair, claim: Fraction, n_draws: int, *, kind: type[Query] = Query, seed: int = 0) -> float:
    """The lower bound on epsilon from so many answers under each of the two logs."""
    query = kind(pair.tags, pair.most_per_tag, pair.most_in_all, None, None, None, claim)
    bits = random.Random(seed).getrandbits
    return epsilon_lower_bound(*(_answers(query, log, n_draws, bits) for log in (pair.ours, pair.theirs)))


def _answers(query: Query, log: Tally, n_draws: int, bits: Bits) -> Sample:
    return np.array([query.answer(log, bits) for _ in range(n_draws)], dtype=np.int64)


def main() -> int:
    """Print the table; 1 when a bound exceeds its claim, or a planted fault's does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.privacy.epsilon", description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=200_000, metavar="N", help="answers under each log (200000)")
    parser.add_argument("--seed", type=int, help="repeats a run; without it the randomness is the system's")
    options = parser.parse_args()
    seed = random.SystemRandom().getrandbits(64) if options.seed is None else options.seed
    print(f"{options.draws} answers under each log, seed {seed}; at least so much with 99.9 % confidence\n")
    print(f"{'logs':<34} {'noise':<22} {'claim':>6} {'at least':>9}")
    wrong = 0
    for claim in CLAIMS:
        rows = [(pair, "exact", Query) for pair in pairs()] + [(WORST, name, kind) for name, kind in FAULTS.items()]
        for number, (pair, name, kind) in enumerate(rows):
            bound = measured(pair, claim, options.draws, kind=kind, seed=seed + number)
            as_it_should = (bound > claim) == (kind is not Query)
            wrong += not as_it_should
            note = "" if as_it_should else "  WRONG" if kind is Query else "  NOT CAUGHT"
            print(f"{pair.name:<34} {name:<22} {claim!s:>6} {bound:>9.3f}{note}", flush=True)
    print(f"\n{wrong} of these are not as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
