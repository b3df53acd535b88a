"""The weights of a pack, and how well it does: both by people who are set aside, asking it as an app would."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.evaluate.metrics import acc_at_k, bootstrap_difference, bootstrap_interval, ndcg_at_k
from recsys.learn.fold import fold, new_state
from recsys.prior.features import PACK_FEATURES
from recsys.prior.pack import Pack
from recsys.prior.weights import Prior
from recsys.publish.again import again_weight
from recsys.publish.passed import lists_of
from recsys.publish.ranker import ranker_prior, surprise
from recsys.rank.candidates import Pool
from recsys.rank.knowledge import Knowledge, PackTold
from recsys.reports import Metric
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["ASKED", "CHOICES_OF_ONE", "LISTED", "START", "Asked", "Quality", "fitted", "judged", "ranked"]

ASKED: Final = 1000  # people
LISTED: Final = 10
CHOICES_OF_ONE: Final = 30
START: Final = tuple(float(name in {"taste", "level"}) for name in PACK_FEATURES)
_AGAIN: Final = PACK_FEATURES.index("again")  # the features before it are of what is new
_DRAWN: Final = 300  # items not used yet among which each of these choices is made
_RIDGE: Final = 1.0
_STILL: Final = 1e-4
_POPULAR: Final = PACK_FEATURES.index("popular")

Progress = Callable[[str, int, int], None]


class Asked(NamedTuple):
    """One person who is set aside, the uses oldest first.

    Parameters
    ----------
    place : bytes
        Digest of the person's name.
    keys : array of uint64, shape (n_uses,)
        Of the items, whether the pack has them or not.
    rows : array of int32, shape (n_uses,)
        Of the items in the pack, -1 for what it does not have.
    at_us : array of int64, shape (n_uses,)
    passed_keys, passed_rows, passed_at_us : array, shape (n_passed,)
        The same of what was passed over.
    """

    place: bytes
    keys: NDArray[np.uint64]
    rows: NDArray[np.int32]
    at_us: NDArray[np.int64]
    passed_keys: NDArray[np.uint64] = np.empty(0, np.uint64)
    passed_rows: NDArray[np.int32] = np.empty(0, np.int32)
    passed_at_us: NDArray[np.int64] = np.empty(0, np.int64)

    @property
    def names(self) -> list[str]:
        """What the items used are called while people are asked."""
        return [_name(key) for key in self.keys.tolist()]

    def events(self) -> list[Event]:
        """Give the uses as a log has them."""
        uses = enumerate(zip(self.names, self.at_us.tolist(), strict=True))
        return [Event(at_us, f"{n:08}", name, "click", 0) for n, (name, at_us) in uses]


class Quality(NamedTuple):
    """How a pack ranks all it has, before choices of what is new, for people whose weights it does not have.

    Parameters
    ----------
    n_people, n_choices : int
        Choices of items that the pack has.
    n_unknown : int
        Choices of items that it does not have, among as many as were looked at of each person; they are not ranked.
    n_uses, n_uses_known : int
        All uses of these people, and those of items that the pack has.
    ndcg, recall : dict of str to Metric
        At ten, of ``"pack"`` and ``"popular"``, and of their ``"difference"``; intervals by people drawn anew.
    """

    n_people: int
    n_choices: int
    n_unknown: int
    n_uses: int
    n_uses_known: int
    ndcg: Mapping[str, Metric]
    recall: Mapping[str, Metric]


class Fitted(NamedTuple):
    """The weights of a pack, and what they were fitted on.

    Parameters
    ----------
    weights, given : array of float64, shape (6,)
        Among everything, and in lists that the host gives.
    sets : list of list of array
        What was asked of what is new, person by person.
    report : dict
        ``choices``, ``lists`` and ``choices_again``, and of each the mean logarithm of the probability of what was
        chosen: ``fit``, ``fit_lists``, ``fit_again``.
    """

    weights: NDArray[np.float64]
    given: NDArray[np.float64]
    sets: list[list[NDArray[np.float64]]]
    report: dict[str, Any]


def fitted(arrays: Mapping[str, NDArray[Any]], people: Sequence[Asked], prior: Prior, progress: Progress) -> Fitted:
    """Fit the weights of what the pack says: of what is new by a conditional logit of which of it comes next.

    Once among everything, and once in the lists that the logs tell of; where they tell of none it is the same. The
    level is the same for all, so its weight stays what it was. That of what was used before is the same for both.
    """
    knowledge = _knowledge(arrays, people)
    sets, lists = [], []
    for n, person in enumerate(people, 1):
        sets.append(_sets_of(person, knowledge, prior))
        lists += lists_of(person, knowledge, prior, _AGAIN)
        progress("asking who is set aside", n, len(people))
    start = np.array(START[:_AGAIN])
    weights, fit = _logit(start, [z for each in sets for z in each])
    nothing = np.where(np.arange(_AGAIN) == _AGAIN - 1, start, 0.0)
    given, of_lists = _logit(nothing, lists) if lists else (weights, 0.0)
    again, of_again = again_weight(arrays["again"], people, prior)
    report = {"choices": sum(map(len, sets)), "fit": fit, "lists": len(lists), "fit_lists": of_lists, **of_again}
    return Fitted(np.append(weights, again), np.append(given, again), sets, report)


def ranked(people: Sequence[Asked], prior: Prior, progress: Progress) -> tuple[Prior | None, dict[str, Any]]:
    """Fit the ranker's own prior on half of some people; None unless it foresees the other half better."""
    logs = [person.events() for person in people]
    found, n_people = ranker_prior(logs[::2], prior)
    progress("fitting the ranker's prior", 1, 3)
    before = surprise(logs[1::2], prior)
    progress("fitting the ranker's prior", 2, 3)
    after = surprise(logs[1::2], found)
    progress("fitting the ranker's prior", 3, 3)
    report = {"ranker_people": n_people, "ranker_nats": [before, after], "ranker": after < before}
    return found if after < before else None, report


def judged(
    arrays: Mapping[str, NDArray[Any]],
    people: Sequence[Asked],
    sets: Sequence[Sequence[NDArray[np.float64]]],
    prior: Prior,
    progress: Progress,
) -> Quality:
    """Judge a pack on people who are set aside, each half of them by weights that were fitted on the other half."""
    knowledge = _knowledge(arrays, people)
    start = np.array(START[:_AGAIN])
    by_others = [_logit(start, [z for n, each in enumerate(sets) if n % 2 != half for z in each])[0] for half in (0, 1)]
    ranks: list[tuple[int, int]] = []
    of: list[int] = []
    for n, person in enumerate(people):
        for position, told in _moments_of(person, knowledge, prior):
            ranks.append(_ranks(told, by_others[n % 2], int(person.rows[position])))
            of.append(n)
        progress("judging", n + 1, len(people))
    pack, popular = np.array(ranks, np.int64).reshape(-1, 2).T
    measures = []
    for measure in (ndcg_at_k, acc_at_k):
        one, other = measure(pack, LISTED), measure(popular, LISTED)
        measures.append(
            {
                "pack": bootstrap_interval(one, of),
                "popular": bootstrap_interval(other, of),
                "difference": bootstrap_difference(one, other, of),
            }
        )
    n_new = sum(len(_new(person, known=False)) for person in people)
    n_known = sum(len(_new(person)) for person in people)
    uses = [int((person.rows >= 0).sum()) for person in people]
    n_uses = sum(len(person.rows) for person in people)
    return Quality(len(set(of)), len(of), n_new - n_known, n_uses, sum(uses), *measures)


def _knowledge(arrays: Mapping[str, NDArray[Any]], people: Sequence[Asked]) -> Knowledge:
    rows: dict[str, int] = {}
    for person in people:
        for keys, of in ((person.keys, person.rows), (person.passed_keys, person.passed_rows)):
            rows |= {_name(key): row for key, row in zip(keys.tolist(), of.tolist(), strict=True)}
    return Knowledge(Pack(arrays, {}), rows=rows)


def _name(key: int) -> str:
    return f"{key:016x}"


def _new(person: Asked, *, known: bool = True) -> NDArray[np.intp]:
    """Give where items are used for the first time, the very first use aside, and those that the pack has."""
    new = np.sort(np.unique(person.keys, return_index=True)[1])[1:]
    return new[person.rows[new] >= 0] if known else new


def _moments_of(person: Asked, knowledge: Knowledge, prior: Prior) -> list[tuple[int, PackTold]]:
    """Ask before some of a person's choices of what is new: what the pack says then."""
    new = _new(person)
    if len(new) > CHOICES_OF_ONE:
        new = new[np.unique(np.linspace(0, len(new) - 1, CHOICES_OF_ONE).astype(int))]
    wanted, found = set(new.tolist()), []
    state = new_state(prior, Settings())
    for position in range(int(new[-1]) + 1 if len(new) else 0):
        if position in wanted:
            b = state.behaviour
            found.append((position, knowledge.told(b, Pool(slice(0, b.n_slots), b.ids))))
        name = _name(int(person.keys[position]))
        fold(state, Event(int(person.at_us[position]), f"{position:08}", name, "click", 0))
    return found


def _sets_of(person: Asked, knowledge: Knowledge, prior: Prior) -> list[NDArray[np.float64]]:
    """Give what the pack says before choices of what is new: of what was chosen, and of some that it was not.

    Each array has shape (n_features, n_candidates); the first candidate is the one that was chosen.
    """
    rng = np.random.default_rng(np.frombuffer(person.place, np.uint64))
    n_items, found = knowledge.pack.n_items, []
    for position, told in _moments_of(person, knowledge, prior):
        drawn = np.setdiff1d(
            rng.choice(n_items, min(_DRAWN, n_items), replace=False),
            np.append(told.rows[1:], person.rows[position]),
        )
        candidates = np.concatenate([person.rows[position : position + 1], drawn]).astype(np.intp)
        if len(candidates) > 1:
            found.append(told.features(candidates, np.ones(len(candidates), np.bool_))[:_AGAIN])
    return found


def _logit(start: NDArray[np.float64], sets: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], float]:
    """Fit a conditional logit with a ridge around where it starts; returns the weights and the mean log probability."""
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
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < _STILL:
            break
    weights[-1] = start[-1]  # to the bit
    return weights, fit / max(len(sets), 1)


def _ranks(told: PackTold, weights: NDArray[np.float64], row: int) -> tuple[int, int]:
    """Rank what was chosen among all items of the pack that were not used yet: by the pack, and by popularity alone.

    Of equals half stand before it.
    """
    said = np.array(told.dense)[:, :-1]
    unused = np.ones(said.shape[1], np.bool_)
    unused[told.rows[told.rows >= 0]] = False
    ranks = []
    for score in (weights[: len(said)] @ said, said[_POPULAR]):
        among, mine = score[unused], score[row]
        ranks.append(1 + int((among > mine).sum()) + (int((among == mine).sum()) - 1) // 2)
    return ranks[0], ranks[1]
