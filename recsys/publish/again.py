"""Which things people come back to: what a pack says of what a person has used already.

How often the crowd uses an item again, of all the times at which those who had used it used anything, over the same for
any item. The person's own log tells little of that while it is short: most of a shopper's things were bought once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.fold import fold, new_state, score
from recsys.prior.weights import Prior
from recsys.settings import Settings
from recsys.types import Event

if TYPE_CHECKING:
    from recsys.publish.weights import Asked

__all__ = ["again_of", "again_weight"]

_DOUBT: Final = 2.0  # uses again, at the usual rate, that every item is given
_MOMENTS_OF_ONE: Final = 30
_CHOICES_AT_ONCE: Final = 20
_STEPS: Final = 30
_RIDGE: Final = 1.0


def again_of(items: NDArray[Any], least_people: int) -> NDArray[np.float64]:
    """Give the logarithm of how much oftener than usual each item is used again, shape (n,); 0 for too few people.

    ``items`` are the counts of all items (``recsys.publish.counting.ITEM``), whether they are published or not. A time
    counts once, whatever is used at it; an item counts from the time after its first.
    """
    usual = int(items["returned"].sum()) / max(int(items["could"].sum()), 1)
    if not usual > 0.0:
        return np.zeros(len(items))
    given = np.log((items["returned"] + _DOUBT) / (items["could"] * usual + _DOUBT))
    return np.where(items["who"] >= least_people, given, 0.0)


def again_weight(
    again: NDArray[np.floating[Any]], people: Sequence[Asked], prior: Prior
) -> tuple[float, dict[str, Any]]:
    """Fit how much that counts beside the model of the person's own habits: a conditional logit with its utilities.

    ``again`` is by an item's row. The choices are of what was used before, among all of that.
    """
    sets = [one for person in people for one in _sets_of(person, again, prior)]
    weight, fit = 0.0, 0.0
    for _ in range(_STEPS if sets else 0):
        gradient, information, fit = -_RIDGE * weight, _RIDGE, 0.0
        for values, utilities, chosen in sets:
            u = utilities + weight * values
            p = np.exp(u - u.max())
            p /= p.sum()
            mean = float(p @ values)
            gradient += float((values[chosen] - mean).sum())
            information += len(chosen) * float(p @ np.square(values - mean))
            fit += float(np.log(p[chosen]).sum())
        step = gradient / information
        weight += max(-1.0, min(1.0, step))
        if abs(step) < 1e-4:  # noqa: PLR2004 - still
            break
    n = sum(len(chosen) for _, _, chosen in sets)
    return weight, {"choices_again": n, "fit_again": fit / max(n, 1)}


def _moments(person: Asked) -> list[tuple[int, dict[str, int]]]:
    """Give each time, the oldest first, and the rows of the distinct items used at it, by their names."""
    found: dict[int, dict[str, int]] = {}
    for name, row, at_us in zip(person.names, person.rows.tolist(), person.at_us.tolist(), strict=True):
        found.setdefault(at_us, {})[name] = row
    return list(found.items())


def _sets_of(
    person: Asked, again: NDArray[np.floating[Any]], prior: Prior
) -> list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]]:
    """Ask at some times: of all that was used, what is said and the model's utilities, and which of it is used now."""
    state, found, known = new_state(prior, Settings()), [], dict[str, float]()
    moments = _moments(person)
    n_asked = min(max(len(moments) - 1, 0), _MOMENTS_OF_ONE)
    wanted = set(np.linspace(1, max(len(moments) - 1, 1), n_asked).astype(int).tolist())
    n_events = 0
    for at, (at_us, items) in enumerate(moments):
        if at in wanted and len(known) > 1:
            place = {name: n for n, name in enumerate(known)}
            chosen = [place[name] for name in items if name in place][:_CHOICES_AT_ONCE]
            if chosen:
                utilities = score(state, list(known), at_us=at_us, offset_min=0, context={})
                found.append((np.array(list(known.values())), utilities, np.array(chosen, np.intp)))
        for name, row in items.items():
            fold(state, Event(at_us, f"{n_events:08}", name, "click", 0))
            n_events += 1
            known.setdefault(name, float(again[row]) if row >= 0 else 0.0)
    return found
