"""Made-up crowds: people with one of two tastes, who go from one thing of it to the next, round and round."""

from __future__ import annotations

import numpy as np

from recsys.publish import Person

N = 12  # items of each taste
RARE = "used-by-few"


def name(taste: int, number: int) -> str:
    return f"{'red' if taste else 'blue'}-{number % N:02}"


def crowd(n_people: int = 80, n_uses: int = 9, seed: int = 0) -> list[Person]:
    """Everybody begins somewhere and takes the items of one taste in order; three people use a rare thing, too."""
    rng = np.random.default_rng(seed)
    people = []
    for number in range(n_people):
        taste, begin = number % 2, int(rng.integers(N))
        items = [name(taste, begin + step) for step in range(n_uses)]
        if number < 3:
            items.insert(4, RARE)
        people.append(Person(f"person-{number}", items, [1_700_000_000.0 + 60.0 * step for step in range(len(items))]))
    return people
