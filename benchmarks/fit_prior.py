"""Fit the prior ``w ~ N(w0, P0)`` of the choice model over whole domains.

``python -m benchmarks.fit_prior --out FILE [--leave-out SET] [--data DIR]``
fits on the own-log sets (one left out, for an honest benchmark of it);
``--shipped`` fits on those whose licence allows shipping what is drawn from them
and writes ``recsys/prior/default/prior.json``.

The model is a random-effects conditional logit. Each person ``u`` of domain ``g``
has weights ``w_u ~ N(w0, P0)``; the choice sets and features are those of
:func:`recsys.learn.fold.fold` itself. Expectation-maximisation with a Laplace
approximation for each person (Newton's method to the mode ``m_u``, curvature
``S_u``), every domain counting the same:

    w0 = mean_g mean_u m_u,   P0 = mean_g mean_u (S_u + (m_u - w0)(m_u - w0)ᵀ)

so ``P0`` holds both how domains differ and how people of one domain differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Log, data_folder, load, missing_sets
from recsys.learn.choice import REGIMES, ChoiceModel
from recsys.learn.features import FEATURES, N_FEATURES
from recsys.learn.fold import fold_all, learn_pending, new_state
from recsys.prior import Prior
from recsys.settings import Settings

__all__ = ["OWN_LOG_SETS", "SHIPPED_SETS", "fit", "main"]

Floats = NDArray[np.float64]

OWN_LOG_SETS: Final = ("geolife-places", "kypo-shell", "uci-online-retail", "completejourney")
SHIPPED_SETS: Final = {
    "kypo-shell": "Svabensky et al. 2021, Zenodo 10.5281/zenodo.6670113, CC BY 4.0",
    "uci-online-retail": "Chen et al. 2015, UCI Machine Learning Repository, doi 10.24432/C5BW33, CC BY 4.0",
}
# What none of the sets can teach, since they hold no lists shown, no context and few rejections: feature -> mean,
# standard deviation. Set by hand, mild, in the direction of the feature's meaning; evidence moves them.
BY_HAND: Final = {"context": (0.5, 0.5), "shown": (-0.3, 0.5), "against": (-1.0, 0.7)}

_USERS_PER_SET: Final = 100
DEMO_SET: Final = "uci-online-retail"
_DEMO_FROM_EVENTS: Final = 500  # the demo's shoppers have at least so many lines
_ROUNDS: Final = 12
_STEPS: Final = 3
_LARGEST_STEP: Final = 1.0
_LEAST_CHOICES: Final = 10  # in a regime, of the people it is fitted on: who hardly ever chose teaches nothing
_FLOOR: Final = 1e-3  # added to the diagonal of P0: no weight is ever quite certain


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


def choices_of(log: Log) -> list[Choices | None]:
    """Fold a log and return every choice set that the models would have learnt from, one entry a regime."""
    state = new_state(Prior.flat(), Settings())
    recorders = [_Recorder() for _ in REGIMES]
    state.choices = tuple(recorders)
    fold_all(state, log.events)
    learn_pending(state)
    return [recorder.choices() for recorder in recorders]


def people(name: str, data: Path) -> list[Log]:
    """Read the people of a set to fit on: the first hundred, without those that the demo shows."""
    logs = load(name, data, limit=_USERS_PER_SET)
    return [log for log in logs if name != DEMO_SET or len(log.events) < _DEMO_FROM_EVENTS]


def fit(sets: Sequence[str], data: Path, *, rounds: int = _ROUNDS) -> Prior:
    """Fit the prior on the named sets, people drawn by their order in the set.

    Parameters
    ----------
    sets : sequence of str
        Names of :data:`benchmarks.data.SETS`.
    data : Path
        The data folder.
    rounds : int
        Rounds of expectation-maximisation.
    """
    domains = [[choices_of(log) for log in people(name, data)] for name in sets]
    fitted = []
    for regime in range(len(REGIMES)):
        held = [_with_enough([of_person[regime] for of_person in group]) for group in domains]
        fitted.append(_with_hand_set(*_maximised([group for group in held if group], rounds)))
    w0, covariance = zip(*fitted, strict=True)
    return Prior(np.round(w0, 6), np.round(covariance, 6))


def _with_enough(of_people: list[Choices | None]) -> list[Choices]:
    return [choices for choices in of_people if choices is not None and len(choices.sizes) >= _LEAST_CHOICES]


def _maximised(domains: list[list[Choices]], rounds: int) -> tuple[Floats, Floats]:
    w0, covariance = np.zeros(N_FEATURES), np.eye(N_FEATURES) * 0.1
    modes = [[w0.copy() for _ in group] for group in domains]
    for _ in range(rounds):
        precision = np.asarray(np.linalg.inv(covariance), np.float64)
        spreads = []
        for group, at in zip(domains, modes, strict=True):
            fitted = [_mode(choices, m, w0, precision) for choices, m in zip(group, at, strict=True)]
            at[:] = [m for m, _ in fitted]
            spreads.append([s for _, s in fitted])
        w0 = np.asarray(np.mean([np.mean(at, axis=0) for at in modes], axis=0), np.float64)
        within = [
            np.mean([s + np.outer(m - w0, m - w0) for m, s in zip(at, spread, strict=True)], axis=0)
            for at, spread in zip(modes, spreads, strict=True)
        ]
        covariance = np.asarray(np.mean(within, axis=0), np.float64)
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


def _with_hand_set(w0: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    names = [feature.name for feature in FEATURES]
    w0, covariance = w0.copy(), (covariance + covariance.T) / 2
    for name, (mean, deviation) in BY_HAND.items():
        i = names.index(name)
        w0[i] = mean
        covariance[i, :] = covariance[:, i] = 0.0
        covariance[i, i] = deviation**2
    return w0, covariance


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_prior", description="Fit the choice model's prior.")
    parser.add_argument("--data", help="folder of the sets (default: RECSYS_DATA, else ../shared/data)")
    parser.add_argument("--leave-out", metavar="SET", help="fit on the other own-log sets")
    parser.add_argument("--shipped", action="store_true", help="fit the prior that ships with recsys")
    parser.add_argument("--out", type=Path, help="where to write")
    given = parser.parse_args(arguments)
    default = Path(__file__).parents[1] / "recsys" / "prior" / "default" / "prior.json"
    out = given.out or (default if given.shipped else None)
    if out is None:
        parser.error("--out FILE or --shipped is needed")
    sets = tuple(SHIPPED_SETS) if given.shipped else tuple(s for s in OWN_LOG_SETS if s != given.leave_out)
    folder = data_folder(given.data)
    for name in missing_sets(folder, sets):
        print(f"the set {name} is missing", file=sys.stderr)
        return 1
    prior = fit(sets, folder)
    prior.dump(out, provenance(sets))
    print(f"fitted on {', '.join(sets)}; written to {out.name}")
    return 0


def provenance(sets: Sequence[str]) -> dict[str, object]:
    """Say where a prior came from, for its file."""
    return {
        "fitted_by": "python -m benchmarks.fit_prior",
        "method": "random-effects conditional logit, expectation-maximisation, domains weighted equally",
        "sets": {name: SHIPPED_SETS.get(name, "for benchmarks only, not shipped") for name in sets},
        "people_per_set": _USERS_PER_SET,
        "least_choices_per_person": _LEAST_CHOICES,
        "set_by_hand": {name: {"mean": m, "standard_deviation": s} for name, (m, s) in BY_HAND.items()},
    }


if __name__ == "__main__":
    raise SystemExit(main())
