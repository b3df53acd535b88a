"""The factors of a pack: which of the things a person has not used yet comes next.

A choice of a new item ``i`` after the uses ``j = 0, 1, ...`` (the newest first) has the probability

    P(i) ∝ exp(out_i · u + bias_i),  u = Σ_k M_k Σ_j λ_kj into_j,  λ_kj ∝ 2^(−j / half_life_k),  |λ_k| = 1

over all items that the person has not used. It is fitted by Adam (Kingma & Ba 2015) on the logarithm of these
probabilities, with weight decay, and with a part of every history left out at random, so that no item leans on
another alone. The bag of what was used, at several speeds of fading, is a factorised item-to-item model: see Kabbur
et al. (FISM, KDD 2013) for the factors, and Choi et al. (SLIST, WWW 2021) for the fading.

This is the publisher's side: it runs where packs are made, never in an app.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recsys.prior.pack import LASTS

__all__ = ["HALF_LIVES", "Factors", "Hyper", "contexts", "train"]

HALF_LIVES: Final = (0.5, 2.0, 8.0, 32.0, 1e9)  # uses
_POSITIONS: Final = 120  # choices of one person in one pass, at most
_FULL: Final = 8192  # items up to which all of them are rivals of each choice
_RIVALS: Final = 4096  # drawn above that
_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8  # Adam
_FAR: Final = np.float32(-1e9)

Array32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hyper:
    """How the factors are fitted.

    Parameters
    ----------
    n_factors : int
    epochs : int
        Passes over all people.
    rate : float
        Adam's step at the beginning; a tenth of it at the end.
    decay : float
        Weight of the squared factors.
    dropped : float
        Part of each history that is left out.
    people : int
        In one step.
    seed : int
    most_people : int
        Whose uses the factors are fitted on, at most: the first by digest, which are people at random.
    """

    n_factors: int = 48
    epochs: int = 15
    rate: float = 0.005
    decay: float = 2e-4
    dropped: float = 0.3
    people: int = 6
    seed: int = 0
    most_people: int = 200_000


@dataclass(frozen=True, slots=True)
class Factors:
    """What was fitted: ``into``, ``out`` (n, d), ``mix`` (k, d, d), ``bias`` (n,)."""

    into: Array32
    out: Array32
    mix: Array32
    bias: Array32


def contexts(history: int) -> Array32:
    """Give the weights of a history of so many uses, the newest first, shape (n_half_lives, history)."""
    fading = np.exp2(-np.arange(history) / np.array(HALF_LIVES)[:, None])
    given: Array32 = (fading / np.sqrt(np.square(fading).sum(axis=1, keepdims=True))).astype(np.float32)
    return given


def train(
    histories: Sequence[NDArray[np.integer[Any]]],
    share: NDArray[np.float64],
    hyper: Hyper,
    told: Callable[[int, float], None] | None = None,
) -> Factors:
    """Fit the factors.

    Parameters
    ----------
    histories : sequence of array of int32 or another int
        Each person's items, the oldest use first, as numbers below n.
    share : array of float64, shape (n,)
        Of all uses; above 0. Where the biases start.
    hyper : Hyper
    told : callable, optional
        Called after each pass with its number and the mean logarithm of the probability of what was chosen.

    Returns
    -------
    Factors
        The same for the same arguments on the same machine. O(epochs · choices · rivals · d).
    """
    rng = np.random.default_rng(hyper.seed)
    n, d, k = len(share), hyper.n_factors, len(HALF_LIVES)
    at = {
        "into": rng.normal(0.0, 0.1, (n, d)).astype(np.float32),
        "out": rng.normal(0.0, 0.1, (n, d)).astype(np.float32),
        "bias": (np.log(share) - np.log(share).mean()).astype(np.float32),
        "mix": np.stack([0.5 * np.eye(d, dtype=np.float32)] * k),
    }
    adam = _Adam(at, hyper)
    people = [person for person, items in enumerate(histories) if len(np.unique(items)) > 1]
    for epoch in range(hyper.epochs):
        total, n_choices = 0.0, 0
        order = rng.permutation(len(people))
        rate = hyper.rate * (1.0 - 0.9 * epoch / hyper.epochs)
        for begin in range(0, len(order), hyper.people):
            batch = [_choices(histories[people[p]], hyper.dropped, rng) for p in order[begin : begin + hyper.people]]
            fit, gradients = _gradients(at, batch, _rivals(n, batch, rng), hyper.decay)
            adam.step(gradients, rate)
            total, n_choices = total + fit, n_choices + sum(len(choice.targets) for choice in batch)
        if told is not None:
            told(epoch + 1, total / max(n_choices, 1))
    return Factors(at["into"], at["out"], at["mix"], at["bias"])


@dataclass(frozen=True, slots=True)
class _Choices:
    """Some choices of one person: the history (L,), its weights (k, P, L), the places (P,) and items (P,) chosen."""

    items: NDArray[np.integer[Any]]
    weights: Array32
    positions: NDArray[np.intp]
    targets: NDArray[np.integer[Any]]


def _choices(items: NDArray[np.integer[Any]], dropped: float, rng: np.random.Generator) -> _Choices:
    """Take the choices of what was new, some of them where there are many, without a part of each history."""
    new = np.sort(np.unique(items, return_index=True)[1])[1:]
    if len(new) > _POSITIONS:
        new = np.sort(rng.choice(new, _POSITIONS, replace=False))
    age = new[:, None] - 1 - np.arange(len(items))
    seen = (age >= 0) & (age < LASTS)
    seen &= rng.random(age.shape) >= dropped
    fading = np.where(seen, np.exp2(-np.maximum(age, 0) / np.array(HALF_LIVES)[:, None, None]), 0.0)
    fading /= np.sqrt(np.square(fading).sum(axis=2, keepdims=True)) + 1e-6
    return _Choices(items, fading.astype(np.float32), new, items[new])


def _rivals(n: int, batch: Sequence[_Choices], rng: np.random.Generator) -> tuple[NDArray[np.intp], Array32]:
    """Give the items that the choices of a batch were made among, and what corrects for those that were not drawn."""
    if n <= _FULL:
        return np.arange(n), np.zeros(n, np.float32)
    chosen = np.unique(np.concatenate([choice.targets for choice in batch]))
    drawn = np.setdiff1d(rng.choice(n, _RIVALS, replace=False), chosen)
    stands_for = np.log((n - len(chosen)) / max(len(drawn), 1))
    rivals = np.concatenate([chosen, drawn])
    offsets = np.where(np.arange(len(rivals)) < len(chosen), 0.0, stands_for)
    order = np.argsort(rivals)
    return rivals[order], offsets[order].astype(np.float32)


def _gradients(
    at: dict[str, Array32], batch: Sequence[_Choices], among: tuple[NDArray[np.intp], Array32], decay: float
) -> tuple[float, dict[str, Array32]]:
    """Give the sum of log probabilities, and the gradients of minus their mean."""
    rivals, offsets = among
    out, bias = at["out"][rivals], at["bias"][rivals]
    kept = np.concatenate([choice.weights @ at["into"][choice.items] for choice in batch], axis=1)
    u = np.einsum("kpd,kde->pe", kept, at["mix"], optimize=True)
    p = u @ out.T + (bias + offsets)
    column = np.full(len(at["bias"]), -1)
    column[rivals] = np.arange(len(rivals))
    begin = 0
    for choice in batch:
        for row, position in enumerate(choice.positions.tolist(), begin):
            used = column[choice.items[:position]]
            p[row, used[used >= 0]] = _FAR
        begin += len(choice.positions)
    targets = column[np.concatenate([choice.targets for choice in batch])]
    rows = np.arange(len(targets))
    p -= p.max(axis=1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=1, keepdims=True)
    fit = float(np.log(p[rows, targets] + np.float32(1e-30)).sum())
    p[rows, targets] -= 1.0
    p /= len(targets)
    from_u = p @ out
    given = {name: decay * values for name, values in at.items() if name != "bias"}
    given["mix"] = 10.0 * given["mix"] + np.einsum("kpd,pe->kde", kept, from_u, optimize=True)
    given["bias"] = np.zeros_like(at["bias"])
    given["bias"][rivals] = p.sum(axis=0)
    given["out"][rivals] += p.T @ u
    from_kept = np.einsum("pe,kde->kpd", from_u, at["mix"], optimize=True)
    begin = 0
    for choice in batch:
        part = from_kept[:, begin : begin + len(choice.positions)]
        np.add.at(given["into"], choice.items, np.einsum("kpl,kpd->ld", choice.weights, part, optimize=True))
        begin += len(choice.positions)
    return fit, given


class _Adam:
    def __init__(self, at: dict[str, Array32], hyper: Hyper) -> None:
        self.at, self.hyper, self.n = at, hyper, 0
        self.first = {name: np.zeros_like(values) for name, values in at.items()}
        self.second = {name: np.zeros_like(values) for name, values in at.items()}

    def step(self, gradients: dict[str, Array32], rate: float) -> None:
        self.n += 1
        by_first, by_second = 1.0 - _FIRST**self.n, 1.0 - _SECOND**self.n
        for name, gradient in gradients.items():
            first, second = self.first[name], self.second[name]
            first *= _FIRST
            first += (1.0 - _FIRST) * gradient
            second *= _SECOND
            second += (1.0 - _SECOND) * np.square(gradient)
            self.at[name] -= (rate / by_first) * first / (np.sqrt(second / by_second) + _TINY)
