"""Made-up crowds: people with one of two tastes, who go from one thing of it to the next, round and round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.prior.pack import key_of
from recsys.publish import Person
from recsys.publish.build import _rows_of_people
from recsys.publish.counting import items_of, whole_people

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


def counted(people: Sequence[Person]) -> NDArray[Any]:
    """What all these people add to the counts of items, nobody set aside; in the order of the items' keys."""
    return items_of(*whole_people([_rows_of_people(people)]))


def place(items: NDArray[Any], item_id: str) -> int:
    """Where an item stands among the counts."""
    return items["key"].tolist().index(key_of(item_id))
