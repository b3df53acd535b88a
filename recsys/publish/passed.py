"""What people pass over: how readily they choose an item when they have it before them, and what that counts for.

A list that an app gives to be ordered is another question than the whole catalogue: what is in it was put there by
somebody, so that how often an item was used tells how often it was shown, too. Where the logs say what was turned
down, or shown and not chosen, the pack has weights of its own for such lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.fold import fold, new_state
from recsys.prior.weights import Prior
from recsys.rank.candidates import Pool
from recsys.settings import Settings
from recsys.types import Event

if TYPE_CHECKING:
    from recsys.publish.build import Person
    from recsys.rank.knowledge import Knowledge

__all__ = ["liked_of", "lists_of"]

_DOUBT: Final = 4.0  # times before people, chosen as often as usual, that every item is given
_LISTS_OF_ONE: Final = 30


def liked_of(people: Sequence[Person], number: Mapping[str, int]) -> NDArray[np.float64]:
    """Give the log odds of an item's being chosen rather than passed over, less the usual ones, shape (n + 1,).

    The last is of all items together that have no number. 0 everywhere when nothing was passed over.
    """
    n = len(number)
    chosen, passed = np.zeros(n + 1), np.zeros(n + 1)
    for person in people:
        for count, ids in ((chosen, person.items), (passed, [item_id for item_id, _ in person.passed])):
            np.add.at(count, [number.get(item_id, n) for item_id in ids], 1.0)
    if not passed.any():
        return np.zeros(n + 1)
    usual = min(chosen.sum() / (chosen.sum() + passed.sum()), 1.0 - 1e-9)
    odds = (chosen + _DOUBT * usual) / (passed + _DOUBT * (1.0 - usual))
    given: NDArray[np.float64] = np.log(odds * (1.0 - usual) / usual)
    return given


class _List(NamedTuple):
    before_s: float
    chosen: str
    passed: tuple[str, ...]


def _lists(person: Person) -> list[_List]:
    """Put what was passed over at one time beside the use nearest in time, the later one of two equally near."""
    if not person.items:
        return []
    at_s = np.array(person.at_s, np.float64)
    groups: dict[float, dict[str, None]] = {}
    for item_id, then_s in person.passed:
        groups.setdefault(then_s, {})[item_id] = None
    found = []
    for then_s, ids in groups.items():
        apart = np.abs(at_s - then_s)
        nearest = int(np.flatnonzero(apart == apart.min())[-1])
        chosen = person.items[nearest]
        passed = tuple(item_id for item_id in ids if item_id != chosen)
        if passed:
            found.append(_List(min(then_s, float(at_s[nearest])), chosen, passed))
    found.sort(key=lambda one: one.before_s)
    places = np.linspace(0, len(found) - 1, min(len(found), _LISTS_OF_ONE)).astype(int)
    return [found[i] for i in places.tolist()]


def lists_of(person: Person, knowledge: Knowledge, prior: Prior, n_features: int) -> list[NDArray[np.float64]]:
    """Ask, of each list, what the pack says of it before anything of it was used; what was chosen stands first.

    Each array has shape (n_features, n_candidates).
    """
    state, found, at = new_state(prior, Settings()), [], 0
    used: set[str] = set()
    for before_s, chosen, passed in _lists(person):
        while at < len(person.items) and person.at_s[at] < before_s:
            fold(state, Event(round(person.at_s[at] * 1e6), f"{at:08}", person.items[at], "click", 0))
            used.add(person.items[at])
            at += 1
        rows = knowledge.pack.rows([i for i in (chosen, *passed) if i not in used])
        if chosen in used or len(rows) == 1 or not (rows >= 0).any():
            continue
        b = state.behaviour
        told = knowledge.told(b, Pool(slice(0, b.n_slots), b.ids))
        found.append(told.features(rows, np.ones(len(rows), np.bool_))[:n_features])
    return found
