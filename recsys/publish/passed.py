"""What people pass over: how readily they choose an item when they have it before them, and what that counts for.

A list that an app gives to be ordered is another question than the whole catalogue: what is in it was put there by
somebody, so that how often an item was used tells how often it was shown, too. Where the logs say what was turned
down, or shown and not chosen, the pack has weights of its own for such lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.fold import fold, new_state
from recsys.prior.weights import Prior
from recsys.rank.candidates import Pool
from recsys.settings import Settings
from recsys.types import Event

if TYPE_CHECKING:
    from recsys.publish.weights import Asked
    from recsys.rank.knowledge import Knowledge

__all__ = ["liked_of", "lists_of"]

_DOUBT: Final = 4.0  # times before people, chosen as often as usual, that every item is given
_LISTS_OF_ONE: Final = 30


def liked_of(items: NDArray[Any], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give the log odds of an item's being chosen rather than passed over, less the usual ones, shape (n_kept + 1,).

    ``items`` are the counts of all items (``recsys.publish.counting.ITEM``); the last odds are those of all together
    that are not kept. 0 everywhere when nothing was passed over.
    """
    chosen, passed = (np.append(items[name][kept], items[name][~kept].sum()) for name in ("uses", "passed"))
    if not passed.any():
        return np.zeros(len(passed))
    usual = float(np.clip(chosen.sum() / (chosen.sum() + passed.sum()), 1e-9, 1.0 - 1e-9))
    odds = (chosen + _DOUBT * usual) / (passed + _DOUBT * (1.0 - usual))
    given: NDArray[np.float64] = np.log(odds * (1.0 - usual) / usual)
    return given


class _List(NamedTuple):
    before_us: int
    chosen: int  # which of the uses
    keys: tuple[int, ...]
    rows: tuple[int, ...]


def _lists(person: Asked) -> list[_List]:
    """Put what was passed over at one time beside the use nearest in time, the later one of two equally near."""
    if not len(person.keys):
        return []
    found = []
    for then_us in np.unique(person.passed_at_us).tolist():
        apart = np.abs(person.at_us - then_us)
        nearest = int(np.flatnonzero(apart == apart.min())[-1])
        at = person.passed_at_us == then_us
        rows = dict(zip(person.passed_keys[at].tolist(), person.passed_rows[at].tolist(), strict=True))
        rows.pop(int(person.keys[nearest]), None)
        if rows:
            found.append(_List(min(then_us, int(person.at_us[nearest])), nearest, tuple(rows), tuple(rows.values())))
    found.sort(key=lambda one: one.before_us)
    places = np.linspace(0, len(found) - 1, min(len(found), _LISTS_OF_ONE)).astype(int)
    return [found[i] for i in places.tolist()]


def lists_of(person: Asked, knowledge: Knowledge, prior: Prior, n_features: int) -> list[NDArray[np.float64]]:
    """Ask, of each list, what the pack says of it before anything of it was used; what was chosen stands first.

    Each array has shape (n_features, n_candidates).
    """
    state, found, at = new_state(prior, Settings()), [], 0
    used, names = set[int](), person.names
    for before_us, nearest, keys, rows_passed in _lists(person):
        while at < len(names) and person.at_us[at] < before_us:
            fold(state, Event(int(person.at_us[at]), f"{at:08}", names[at], "click", 0))
            used.add(int(person.keys[at]))
            at += 1
        rows = [row for key, row in zip(keys, rows_passed, strict=True) if key not in used]
        if int(person.keys[nearest]) in used or not rows:
            continue
        candidates = np.array([person.rows[nearest], *rows], np.intp)
        if not (candidates >= 0).any():
            continue
        b = state.behaviour
        told = knowledge.told(b, Pool(slice(0, b.n_slots), b.ids))
        found.append(told.features(candidates, np.ones(len(candidates), np.bool_))[:n_features])
    return found
