"""The prior ``w ~ N(w0, P0)`` of the choice model, fitted on people's logs: the publisher's side.

The model is a random-effects conditional logit. Each person ``u`` has weights ``w_u ~ N(w0, P0)``; the choice sets and
features are those of :func:`recsys.learn.fold.fold` itself. Expectation-maximisation with a Laplace approximation for
each person (Newton's method to the mode ``m_u``, curvature ``S_u``),

    w0 = mean_u m_u,   P0 = mean_u (S_u + (m_u - w0)(m_u - w0)ᵀ),

where people may come in groups that count the same, and a prior from elsewhere may stand for some people more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.choice import REGIMES, ChoiceModel
from recsys.learn.features import N_FEATURES
from recsys.learn.fold import fold_all, learn_pending, new_state
from recsys.prior.weights import Prior
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["LEAST_CHOICES", "Choices", "choices_of", "maximised", "ranker_prior", "surprise", "with_enough"]

Floats = NDArray[np.float64]

LEAST_CHOICES: Final = 10  # in a regime, of the people it is fitted on: who hardly ever chose teaches nothing
_ROUNDS: Final = 8
_STEPS: Final = 3
_LARGEST_STEP: Final = 1.0
_FLOOR: Final = 1e-3  # added to the diagonal of P0: no weight is ever quite certain
_STANDS_FOR: Final = 10.0  # people: how much the prior that was there before counts


@dataclass(frozen=True, slots=True)
class Choices:
    """One person's choices in one regime, as :meth:`recsys.learn.choice.ChoiceModel.learn` takes them, all together."""

    features: NDArray[np.float32]
    sizes: NDArray[np.intp]
    targets: NDArray[np.intp]
    weights: Floats
    offsets: Floats


class _Recorder(ChoiceModel):
    """A choice model that keeps what it is given instead of learning from it."""

    def __init__(self) -> None:
        super().__init__(np.zeros(N_FEATURES), np.eye(N_FEATURES))
        self.features: list[NDArray[np.float32]] = []
        self.sizes: list[int] = []
        self.targets: list[int] = []
        self.weights: list[float] = []
        self.offsets: list[Floats] = []

    def learn(
        self,
        features: Floats,
        sizes: Sequence[int],
        targets: Sequence[int],
        weights: Sequence[float],
        offsets: Floats,
    ) -> None:
        self.features.append(features.astype(np.float32))
        self.sizes += sizes
        self.targets += targets
        self.weights += weights
        self.offsets.append(offsets)

    def choices(self) -> Choices | None:
        """Give all of them, None where there are none."""
        if not self.sizes:
            return None
        features, offsets = np.concatenate(self.features, axis=1), np.concatenate(self.offsets)
        return Choices(features, np.array(self.sizes), np.array(self.targets), np.array(self.weights), offsets)


class _Judge(ChoiceModel):
    """A choice model that keeps the probability it gave to each choice before it learnt from it."""

    def __init__(self, w0: Floats, precision0: Floats) -> None:
        super().__init__(w0, precision0)
        self.nats, self.n = 0.0, 0

    def learn(
        self,
        features: Floats,
        sizes: Sequence[int],
        targets: Sequence[int],
        weights: Sequence[float],
        offsets: Floats,
    ) -> None:
        counts = np.array(sizes)
        starts = counts.cumsum() - counts
        p = self._probabilities(features, starts, counts, offsets)[starts + np.array(targets)]
        self.nats -= float(np.log(p[np.array(weights) > 0] + 1e-300).sum())
        self.n += int((np.array(weights) > 0).sum())
        super().learn(features, sizes, targets, weights, offsets)


def surprise(logs: Iterable[Sequence[Event]], prior: Prior) -> float:
    """Give the mean of minus the logarithm of the probability of each choice as people's models learn, in nats."""
    nats, n = 0.0, 0
    for events in logs:
        state = new_state(prior, Settings())
        judges = tuple(map(_Judge, prior.w0, prior.precision0))
        state.choices = judges
        fold_all(state, events)
        learn_pending(state)
        nats, n = nats + sum(judge.nats for judge in judges), n + sum(judge.n for judge in judges)
    return nats / max(n, 1)


def choices_of(events: Iterable[Event]) -> list[Choices | None]:
    """Fold a log and return every choice set that the models would have learnt from, one entry a regime."""
    state = new_state(Prior.flat(), Settings())
    recorders = [_Recorder() for _ in REGIMES]
    state.choices = tuple(recorders)
    fold_all(state, events)
    learn_pending(state)
    return [recorder.choices() for recorder in recorders]


def with_enough(of_people: Iterable[Choices | None]) -> list[Choices]:
    """Leave out who made too few choices to teach anything."""
    return [choices for choices in of_people if choices is not None and len(choices.sizes) >= LEAST_CHOICES]


def ranker_prior(logs: Iterable[Sequence[Event]], start: Prior) -> tuple[Prior, list[int]]:
    """Fit the prior on some people's logs, beside one from elsewhere.

    Parameters
    ----------
    logs : iterable of sequence of Event
        Each person's events in the log's order.
    start : Prior
        It counts as ten people do, and is what stays where the logs teach nothing.

    Returns
    -------
    Prior
        Rounded to six digits.
    list of int
        How many people taught each regime.
    """
    recorded = [choices_of(events) for events in logs]
    means, spreads, n_people = list[Floats](), list[Floats](), list[int]()
    for regime in range(len(REGIMES)):
        held = with_enough(of_person[regime] for of_person in recorded)
        n_people.append(len(held))
        mean, spread = start.w0[regime], start.covariance[regime]
        if held:
            mean, spread = maximised([held], _ROUNDS, (mean, spread))
        means.append(mean)
        spreads.append((spread + spread.T) / 2.0)
    return Prior(np.round(means, 6), np.round(spreads, 6)), n_people


def maximised(
    groups: Sequence[Sequence[Choices]], rounds: int, start: tuple[Floats, Floats] | None = None
) -> tuple[Floats, Floats]:
    """Give ``w0`` and ``P0`` after some rounds; every group counts the same.

    ``start``, a mean and covariance from elsewhere, is where the first round begins and stands for some people in
    each; None begins with nothing and counts nothing.
    """
    w0, covariance = (np.zeros(N_FEATURES), np.eye(N_FEATURES) * 0.1) if start is None else start
    modes = [[w0.copy() for _ in group] for group in groups]
    for _ in range(rounds):
        precision = np.asarray(np.linalg.inv(covariance), np.float64)
        spreads = []
        for group, at in zip(groups, modes, strict=True):
            fitted = [_mode(choices, m, w0, precision) for choices, m in zip(group, at, strict=True)]
            at[:] = [m for m, _ in fitted]
            spreads.append([s for _, s in fitted])
        w0 = np.asarray(np.mean([np.mean(at, axis=0) for at in modes], axis=0), np.float64)
        part = 0.0 if start is None else _STANDS_FOR / (_STANDS_FOR + sum(map(len, groups)))
        if start is not None:
            w0 = part * start[0] + (1.0 - part) * w0
        within = [
            np.mean([s + np.outer(m - w0, m - w0) for m, s in zip(at, spread, strict=True)], axis=0)
            for at, spread in zip(modes, spreads, strict=True)
        ]
        covariance = np.asarray(np.mean(within, axis=0), np.float64)
        if start is not None:
            covariance = part * (start[1] + np.outer(start[0] - w0, start[0] - w0)) + (1.0 - part) * covariance
        covariance += np.eye(N_FEATURES) * _FLOOR
    return w0, covariance


def _mode(choices: Choices, start: Floats, w0: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """Newton's method from ``start``; returns the mode and the inverse curvature there."""
    w, x, sizes = start.copy(), choices.features.astype(np.float64), choices.sizes
    starts = sizes.cumsum() - sizes
    columns, chosen = starts + choices.targets, np.maximum(choices.weights, 0.0)
    against = np.maximum(-choices.weights, 0.0)
    for _ in range(_STEPS):
        u = w @ x + choices.offsets
        p = np.exp(u - np.maximum.reduceat(u, starts).repeat(sizes))
        p /= np.add.reduceat(p, starts).repeat(sizes)
        average = np.add.reduceat(x * p, starts, axis=1)
        away = x[:, columns] - average
        sure = np.minimum(p[columns], 0.95)
        turned = against * sure / (1.0 - sure)
        curvature = precision + (x * (p * chosen.repeat(sizes))) @ x.T - (average * chosen) @ average.T
        curvature += (away * turned) @ away.T
        gradient = precision @ (w0 - w) + away @ (chosen - turned)
        step = np.linalg.solve(curvature, gradient)
        w += step * min(1.0, _LARGEST_STEP / max(float(np.abs(step).max()), 1e-12))
    return w, np.asarray(np.linalg.inv(curvature), np.float64)
