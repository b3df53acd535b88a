"""Which things people come back to: what a pack says of what a person has used already.

How often the crowd uses an item again, of all the times at which those who had used it used anything, over the same for
any item. The person's own log tells little of that while it is short: most of a shopper's things were bought once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.fold import fold, new_state, score
from recsys.prior.pack import key_of
from recsys.prior.weights import Prior
from recsys.settings import Settings
from recsys.types import Event

if TYPE_CHECKING:
    from recsys.publish.build import Person

__all__ = ["again_of", "again_weight"]

_DOUBT: Final = 2.0  # uses again, at the usual rate, that every item is given
_MOMENTS_OF_ONE: Final = 30
_CHOICES_AT_ONCE: Final = 20
_STEPS: Final = 30
_RIDGE: Final = 1.0


def again_of(people: Sequence[Person], number: Mapping[str, int], least_people: int) -> NDArray[np.float64]:
    """Give the logarithm of how much oftener than usual each item is used again, shape (n,); 0 for too few people.

    A time counts once, whatever is used at it; an item counts from the time after its first.
    """
    n = len(number)
    returned, could, who = np.zeros(n), np.zeros(n), np.zeros(n)
    for person in people:
        moments = _moments(person)
        first: dict[str, int] = {}
        for at, items in enumerate(moments):
            for item_id in items:
                row = number.get(item_id)
                if row is None:
                    continue
                if item_id in first:
                    returned[row] += 1.0
                else:
                    first[item_id] = at
                    later = len(moments) - 1 - at
                    could[row] += later
                    who[row] += later > 0
    usual = returned.sum() / max(could.sum(), 1.0)
    if not usual > 0.0:
        return np.zeros(n)
    given = np.log((returned + _DOUBT) / (could * usual + _DOUBT))
    return np.where(who >= least_people, given, 0.0)


def _moments(person: Person) -> list[list[str]]:
    """Give the distinct items of each time, the oldest first."""
    found: dict[float, dict[str, None]] = {}
    for item_id, at_s in zip(person.items, person.at_s, strict=True):
        found.setdefault(at_s, {})[item_id] = None
    return [list(items) for items in found.values()]


def again_weight(again: Mapping[int, float], people: Sequence[Person], prior: Prior) -> tuple[float, dict[str, Any]]:
    """Fit how much that counts beside the model of the person's own habits: a conditional logit with its utilities.

    ``again`` is by an item's key. The choices are of what was used before, among all of that.
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


def _sets_of(
    person: Person, again: Mapping[int, float], prior: Prior
) -> list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]]:
    """Ask at some times: of all that was used, what is said and the model's utilities, and which of it is used now."""
    state, found = new_state(prior, Settings()), []
    known: dict[str, float] = {}
    moments = _moments(person)
    times = list(dict.fromkeys(person.at_s))
    places = [at for at in range(1, len(moments)) if len(moments) > 1]
    wanted = {places[i] for i in np.linspace(0, len(places) - 1, min(len(places), _MOMENTS_OF_ONE)).astype(int)}
    n_events = 0
    for at, (at_s, items) in enumerate(zip(times, moments, strict=True)):
        ids = list(known)
        chosen = (
            [ids.index(item_id) for item_id in items if item_id in known][:_CHOICES_AT_ONCE] if at in wanted else []
        )
        if chosen and len(ids) > 1:
            utilities = score(state, ids, at_us=round(at_s * 1e6), offset_min=0, context={})
            found.append((np.array(list(known.values())), utilities, np.array(chosen, np.intp)))
        for item_id in items:
            fold(state, Event(round(at_s * 1e6), f"{n_events:08}", item_id, "click", 0))
            n_events += 1
            known.setdefault(item_id, again.get(key_of(item_id), 0.0))
    return found
