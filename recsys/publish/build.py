"""Making a prior pack from the logs of many people: the publisher's side.

People are split by a digest of their names: from most of them the pack learns what people do, and on the others
its weights are fitted, by asking it, before each of their choices, as an app would. NumPy is all that this takes;
reading tables takes pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.digest import blake2b
from recsys.errors import InputError
from recsys.learn.choice import utilities
from recsys.learn.features import features_of
from recsys.learn.fold import State, fold, new_state, regime
from recsys.learn.gather import ask, gather
from recsys.learn.moment import moment
from recsys.prior.features import PACK_FEATURES
from recsys.prior.pack import Pack, key_of
from recsys.prior.weights import Prior
from recsys.publish.train import HALF_LIVES, Factors, Hyper, train
from recsys.rank.candidates import Pool
from recsys.rank.knowledge import Knowledge
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["LEAST_PEOPLE", "Built", "Person", "build"]

LEAST_PEOPLE: Final = 20
_ASIDE: Final = 0.15  # of the people, for the weights
_WINDOW: Final = 5  # uses before and after that an item goes with
_PAIRS: Final = 24  # of an item, at most
_SHRUNK: Final = 20.0  # pairs of no meaning that every item is given
_CHOICES_OF_ONE: Final = 30  # for the weights
_DRAWN: Final = 300  # items not used yet among which each of these choices is made
_RIDGE: Final = 1.0
_STILL: Final = 1e-4
_WAITING: Final = 4_000_000  # kinds of pairs held before they are counted together
_ONCE: Final = 0.02  # of all uses may be of an item used before where things are used once


class Person(NamedTuple):
    """One person's uses, the oldest first.

    Parameters
    ----------
    name : str
        Only for the split; it is not published.
    items : sequence of str
    at_s : sequence of float
        Seconds since 1970-01-01 UTC.
    """

    name: str
    items: Sequence[str]
    at_s: Sequence[float]


@dataclass(frozen=True, slots=True)
class Built:
    """A pack, ready to be written, and what it was made from.

    Parameters
    ----------
    arrays : dict of str to array
        See ``recsys.prior.pack``.
    n_people : int
        Whose logs it learnt from, those for the weights among them.
    least_people : int
        How many people must have used an item, or two items together, for it to be published.
    report : dict
        Counts and fits, for the publisher.
    """

    arrays: dict[str, NDArray[Any]]
    n_people: int
    least_people: int
    report: dict[str, Any] = field(default_factory=dict)


def build(
    people: Iterable[Person],
    *,
    least_people: int = LEAST_PEOPLE,
    hyper: Hyper | None = None,
    prior: Prior | None = None,
    told: Callable[[str], None] | None = None,
) -> Built:
    """Make a pack.

    Parameters
    ----------
    people : iterable of Person
    least_people : int
        Items and pairs of fewer people are left out.
    hyper : Hyper, optional
        How the factors are fitted.
    prior : Prior, optional
        Of the ranker that the pack is for; None: the one that ships with recsys.
    told : callable, optional
        Called with a line for each step.

    Returns
    -------
    Built
        The same for the same people, in whatever order they come.

    Raises
    ------
    InputError
        When no item has so many people.
    """
    say = told or (lambda _: None)
    everyone = sorted(people, key=lambda person: (_place(person.name), person.name))
    n_aside = int(len(everyone) * _ASIDE)
    aside, learnt = everyone[:n_aside], everyone[n_aside:]
    arrays, report = _learnt_from(learnt, least_people, hyper or Hyper(), say)
    start = prior or Prior.default()
    weights, fit = _weights(arrays, aside, start, once=bool(report["once"]))
    arrays["weights"] = weights
    say(f"weights from {fit['choices']:,} choices of {len(aside):,} people: {np.round(weights, 3).tolist()}")
    report |= {"weights": dict(zip(PACK_FEATURES, weights.tolist(), strict=True)), "people_aside": len(aside), **fit}
    return Built(arrays, len(everyone), least_people, report)


def _learnt_from(
    people: Sequence[Person], least_people: int, hyper: Hyper, say: Callable[[str], None]
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Give all of a pack but its weights, and what it was made from."""
    kept, n_seen = _supported(people, least_people)
    say(f"{len(kept):,} of {n_seen:,} items were used by {least_people} people or more")
    number = {item_id: i for i, item_id in enumerate(kept)}
    histories = [np.array([number[i] for i in person.items if i in number], np.intp) for person in people]
    counts = np.bincount(np.concatenate(histories), minlength=len(kept)).astype(np.float64)
    share = counts / counts.sum()
    pairs, n_pairs = _pairs(histories, share, least_people)
    say(f"{n_pairs:,} pairs go together")
    factors = train(histories, share, hyper, lambda epoch, fit: say(f"factors, pass {epoch}: {fit:.4f}"))
    arrays = {
        "keys": np.array([key_of(item_id) for item_id in kept], np.uint64),
        "popular": np.log(share).astype(np.float16),
        "weights": np.array([1.0, 0.0, 0.0, 0.0]),
        **_packed(factors, counts),
        **pairs,
    }
    n_uses, n_new = int(counts.sum()), sum(len(np.unique(items)) for items in histories)
    report = {"items": len(kept), "items_seen": n_seen, "pairs": n_pairs, "uses": n_uses}
    return arrays, report | {"once": n_uses - n_new < _ONCE * n_uses}


def _supported(people: Sequence[Person], least_people: int) -> tuple[list[str], int]:
    """Give the items that enough people used, in the order of their keys, and how many there are of any."""
    support: dict[str, int] = {}
    for person in people:
        for item_id in set(person.items):
            support[item_id] = support.get(item_id, 0) + 1
    kept = sorted((i for i, n in support.items() if n >= least_people), key=key_of)
    if not kept:
        raise InputError(f"no item was used by {least_people} people", field="least_people")
    if len(set(map(key_of, kept))) < len(kept):
        raise InputError("two items have the same key: rename one of them", field="people")
    return kept, len(support)


def _packed(factors: Factors, counts: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Put the factors into bytes; an item that the pack does not have is taken for one of the rarest."""
    into, into_unit = _bytes(factors.into)
    out, out_unit = _bytes(factors.out)
    rare = np.argsort(counts, kind="stable")[: max(len(counts) // 10, 1)]
    return {
        "into": into,
        "out": out,
        "bias": factors.bias.astype(np.float16),
        "scales": np.array([into_unit, out_unit], np.float32),
        "mix": factors.mix,
        "half_lives": np.array(HALF_LIVES, np.float32),
        "unknown": np.array([np.log(counts.min() / counts.sum() / 2.0), factors.bias[rare].mean()], np.float32),
    }


def _place(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _bytes(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], float]:
    unit = float(np.abs(values).max()) / 127.0 or 1.0
    return np.rint(values / unit).astype(np.int8), unit


def _pairs(
    histories: Sequence[NDArray[np.intp]], share: NDArray[np.float64], least_people: int
) -> tuple[dict[str, NDArray[Any]], int]:
    """Find what is used within a few uses of what, by enough people: the likeliest of each item, and their lifts."""
    n = len(share)
    codes, counts, people = _counted(histories, n)
    of, to = codes // n, codes % n
    all_of = np.bincount(of, counts, n)
    likely = counts / (all_of[of] + _SHRUNK)
    lift = likely / share[to]
    held = (people >= least_people) & (of != to) & (lift > 1.0)
    of, to, lift, likely = of[held], to[held], lift[held], likely[held]
    order = np.lexsort((to, -likely, of))
    place = np.arange(len(order)) - np.searchsorted(of[order], of[order])
    order = order[place < _PAIRS]
    of, to, lift = of[order], to[order], np.log1p(lift[order])
    unit = float(lift.max(initial=1.0)) / 255.0
    begin = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=n))]).astype(np.uint32)
    return {
        "near_begin": begin,
        "near_item": to.astype(np.uint32),
        "near_lift": np.rint(lift / unit).astype(np.uint8),
        "near_unit": np.array([unit], np.float32),
    }, len(order)


def _counted(
    histories: Sequence[NDArray[np.intp]], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count every pair ``of * n + to`` within the window: the pairs in order, how often, and of how many people."""
    total = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
    waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    for items in histories:
        lags = range(1, min(_WINDOW, len(items) - 1) + 1)
        found = [items[:-lag] * n + items[lag:] for lag in lags] + [items[lag:] * n + items[:-lag] for lag in lags]
        if not found:
            continue
        codes, counts = np.unique(np.concatenate(found), return_counts=True)
        waiting.append((codes, counts, np.ones(len(codes), np.int64)))
        if sum(len(part[0]) for part in waiting) > _WAITING:
            total, waiting = _added([total, *waiting]), []
    return _added([total, *waiting])


def _added(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    codes, counts, people = (np.concatenate([part[i] for part in parts]) for i in range(3))
    found, where = np.unique(codes, return_inverse=True)
    each = [np.bincount(where, values, len(found)).astype(np.int64) for values in (counts, people)]
    return found, each[0], each[1]


def _weights(
    arrays: Mapping[str, NDArray[Any]], people: Sequence[Person], prior: Prior, *, once: bool
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Fit the weights of what the pack says, with the ranker's own score as it is: a conditional logit."""
    pack = Pack(arrays, {})
    sets = [s for person in people for s in _sets_of(person, Knowledge(pack), prior, once=once)]
    weights = np.array(arrays["weights"])
    start, fit = weights.copy(), 0.0
    for _ in range(50 if sets else 0):
        gradient, information, fit = -_RIDGE * (weights - start), _RIDGE * np.eye(len(weights)), 0.0
        for z, base in sets:
            u = weights @ z + base
            p = np.exp(u - u.max())
            p /= p.sum()
            mean = z @ p
            fit += float(np.log(p[0] + 1e-300))
            gradient = gradient + z[:, 0] - mean
            information = information + (z * p) @ z.T - np.outer(mean, mean)
        step = np.linalg.solve(information, gradient)
        weights = weights + step * min(1.0, 1.0 / np.abs(step).max())
        if np.abs(step).max() < _STILL:
            break
    return weights, {"choices": len(sets), "fit": fit / max(len(sets), 1)}


def _sets_of(
    person: Person, knowledge: Knowledge, prior: Prior, *, once: bool
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Ask before some of a person's choices: what the pack says of each candidate, and the score without it.

    The first candidate is the one that was chosen.
    """
    rng = np.random.default_rng(np.frombuffer(_place(person.name), np.uint64))
    state, found, n = new_state(prior, Settings()), [], len(person.items)
    chosen = np.unique(np.linspace(1, n - 1, min(_CHOICES_OF_ONE, n - 1)).astype(int)) if n > 1 else np.empty(0, int)
    wanted, rows = set(chosen.tolist()), knowledge.pack.rows(person.items).tolist()
    for position, (item_id, at_s) in enumerate(zip(person.items, person.at_s, strict=True)):
        at_us, used = round(at_s * 1e6), state.behaviour.slots.get(item_id, 0)
        if position in wanted and (used or rows[position] >= 0) and not (once and used):
            found.append(_set(state, at_us, used, rows[position], knowledge, rng, once=once))
        fold(state, Event(at_us, f"{position:08}", item_id, "click", 0))
    return [one for one in found if one[0].shape[1] > 1]


def _set(
    state: State, at_us: int, used: int, row: int, knowledge: Knowledge, rng: np.random.Generator, *, once: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ask before a choice, among what was used and some that was not, each standing for its share of the rest."""
    b, n_items = state.behaviour, knowledge.pack.n_items
    asked = ask(b, moment(at_us, 0, {}))
    features = features_of(gather(b, [asked], [slice(0, b.n_slots)]))
    scores = utilities(state.choices[regime(asked)].w, features)
    told = knowledge.told(b, Pool(slice(0, b.n_slots), b.ids))
    others = np.arange(1, 1 if once else b.n_slots)
    others = others[others != used]
    taken = np.append(told.rows[1:], row)
    drawn = np.setdiff1d(rng.choice(n_items, min(_DRAWN, n_items), replace=False), taken)
    n_rest = max(n_items - len(np.unique(taken[taken >= 0])), 1)
    rows = np.concatenate([[row], told.rows[others], drawn]).astype(np.int32)
    unused = np.concatenate([[not used], told.unused[others], np.ones(len(drawn), np.bool_)])
    shared = scores[0] + np.log(n_rest / max(len(drawn), 1))
    return told.features(rows, unused), np.concatenate([[scores[used]], scores[others], np.full(len(drawn), shared)])
