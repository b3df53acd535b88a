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
from recsys.learn.fold import fold, new_state
from recsys.prior.features import PACK_FEATURES
from recsys.prior.pack import Pack, key_of
from recsys.prior.weights import Prior
from recsys.publish.again import again_of, again_weight
from recsys.publish.passed import liked_of, lists_of
from recsys.publish.ranker import ranker_prior, surprise
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
_AGAIN: Final = PACK_FEATURES.index("again")  # the features before it are of what is new
_NEVER: Final = 0.5  # uses
_STILL: Final = 1e-4
_WAITING: Final = 4_000_000  # kinds of pairs held before they are counted together


class Person(NamedTuple):
    """One person's uses, the oldest first.

    Parameters
    ----------
    name : str
        Only for the split; it is not published.
    items : sequence of str
    at_s : sequence of float
        Seconds since 1970-01-01 UTC.
    passed : sequence of (str, float)
        What was turned down, or shown and not chosen, and when; none where the logs do not say.
    """

    name: str
    items: Sequence[str]
    at_s: Sequence[float]
    passed: Sequence[tuple[str, float]] = ()


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
    start, of_ranker = _ranker(arrays, aside, prior or Prior.default(), say)
    weights, given, fit = _weights(arrays, aside, start)
    again = dict(zip(arrays["keys"].tolist(), arrays["again"].tolist(), strict=True))
    weights[PACK_FEATURES.index("again")], of_again = again_weight(again, aside, start)
    given[-1] = weights[-1]
    arrays["weights"], arrays["weights_given"] = weights, given
    say(f"weights from {fit['choices']:,} choices of {len(aside):,} people: {np.round(weights, 3).tolist()}")
    report |= {
        "weights": dict(zip(PACK_FEATURES, weights.tolist(), strict=True)),
        "weights_given": given.tolist(),
        "people_aside": len(aside),
        **fit,
    }
    report |= of_again | of_ranker
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
    counts = np.maximum(counts, _NEVER)  # what was only ever passed over
    share = counts / counts.sum()
    pairs, n_pairs = _pairs(histories, share, least_people)
    say(f"{n_pairs:,} pairs go together")
    factors = train(histories, share, hyper, lambda epoch, fit: say(f"factors, pass {epoch}: {fit:.4f}"))
    liked = liked_of(people, number)
    arrays = {
        "keys": np.array([key_of(item_id) for item_id in kept], np.uint64),
        "popular": np.log(share).astype(np.float16),
        "again": again_of(people, number, least_people).astype(np.float16),
        "liked": liked[:-1].astype(np.float16),
        "weights": np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        "weights_given": np.zeros(len(PACK_FEATURES)),
        **_packed(factors, counts, float(liked[-1])),
        **pairs,
    }
    return arrays, {"items": len(kept), "items_seen": n_seen, "pairs": n_pairs, "uses": int(counts.sum())}


def _supported(people: Sequence[Person], least_people: int) -> tuple[list[str], int]:
    """Give the items that enough people used or passed over, in the order of their keys, and how many were met."""
    support: dict[str, int] = {}
    for person in people:
        for item_id in {*person.items, *(item_id for item_id, _ in person.passed)}:
            support[item_id] = support.get(item_id, 0) + 1
    kept = sorted((i for i, n in support.items() if n >= least_people), key=key_of)
    if not kept:
        raise InputError(f"no item was used by {least_people} people", field="least_people")
    if len(set(map(key_of, kept))) < len(kept):
        raise InputError("two items have the same key: rename one of them", field="people")
    return kept, len(support)


def _packed(factors: Factors, counts: NDArray[np.float64], liked: float) -> dict[str, NDArray[Any]]:
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
        "unknown": np.array([np.log(counts.min() / counts.sum() / 2.0), factors.bias[rare].mean(), liked], np.float32),
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


def _ranker(
    arrays: dict[str, NDArray[Any]], people: Sequence[Person], prior: Prior, say: Callable[[str], None]
) -> tuple[Prior, dict[str, Any]]:
    """Fit the ranker's own prior on half of some people; it is published if it foresees the other half better."""
    logs = [
        [Event(round(at_s * 1e6), f"{n:08}", item_id, "click", 0) for n, (item_id, at_s) in enumerate(uses)]
        for uses in (list(zip(person.items, person.at_s, strict=True)) for person in people)
    ]
    fitted, n_people = ranker_prior(logs[::2], prior)
    before, after = surprise(logs[1::2], prior), surprise(logs[1::2], fitted)
    say(f"ranker: {before:.4f} nats a choice with the prior that was there, {after:.4f} with one fitted here")
    report = {"ranker_people": n_people, "ranker_nats": [before, after], "ranker": after < before}
    if not after < before:
        return prior, report
    arrays["w0"], arrays["P0"] = np.array(fitted.w0), np.array(fitted.covariance)
    return fitted, report


def _weights(
    arrays: Mapping[str, NDArray[Any]], people: Sequence[Person], prior: Prior
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Any]]:
    """Fit the weights of what the pack says of what is new: a conditional logit of which of it comes next.

    Once among everything, and once in the lists that the logs tell of; where they tell of none it is the same.
    """
    knowledge = Knowledge(Pack(arrays, {}))
    sets = [z for person in people for z in _sets_of(person, knowledge, prior)]
    start = np.array(arrays["weights"])[:_AGAIN]
    weights, fit = _fitted(sets, start)
    lists = [z for person in people for z in lists_of(person, knowledge, prior, _AGAIN)]
    nothing = np.where(np.arange(_AGAIN) == _AGAIN - 1, start, 0.0)
    given, of_lists = _fitted(lists, nothing) if lists else (weights, 0.0)
    report = {"choices": len(sets), "fit": fit, "lists": len(lists), "fit_lists": of_lists}
    return np.append(weights, 0.0), np.append(given, 0.0), report


def _fitted(sets: Sequence[NDArray[np.float64]], start: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Fit a conditional logit, the first candidate of each set chosen; the level's weight, the last, stays."""
    weights, fit = start.copy(), 0.0
    for _ in range(50 if sets else 0):
        gradient, information, fit = -_RIDGE * (weights - start), _RIDGE * np.eye(len(weights)), 0.0
        for z in sets:
            u = weights @ z
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
    weights[-1] = start[-1]  # to the bit
    return weights, fit / max(len(sets), 1)


def _sets_of(person: Person, knowledge: Knowledge, prior: Prior) -> list[NDArray[np.float64]]:
    """Ask before some of a person's choices of what is new: what the pack says of it, and of some that it was not.

    Each array has shape (n_features, n_candidates); the first candidate is the one that was chosen.
    """
    rng = np.random.default_rng(np.frombuffer(_place(person.name), np.uint64))
    state, found, n_items = new_state(prior, Settings()), [], knowledge.pack.n_items
    rows = knowledge.pack.rows(person.items)
    new = np.sort(np.unique(np.array(person.items, object).astype(str), return_index=True)[1])[1:]
    new = new[rows[new] >= 0]
    if len(new) > _CHOICES_OF_ONE:
        new = new[np.unique(np.linspace(0, len(new) - 1, _CHOICES_OF_ONE).astype(int))]
    wanted = set(new.tolist())
    for position, (item_id, at_s) in enumerate(zip(person.items, person.at_s, strict=True)):
        if position in wanted:
            b = state.behaviour
            told = knowledge.told(b, Pool(slice(0, b.n_slots), b.ids))
            drawn = np.setdiff1d(
                rng.choice(n_items, min(_DRAWN, n_items), replace=False), np.append(told.rows[1:], rows[position])
            )
            candidates = np.concatenate([rows[position : position + 1], drawn]).astype(np.int32)
            if len(candidates) > 1:
                found.append(told.features(candidates, np.ones(len(candidates), np.bool_))[:_AGAIN])
        fold(state, Event(round(at_s * 1e6), f"{position:08}", item_id, "click", 0))
    return found
