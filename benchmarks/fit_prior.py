"""Fit the prior ``w ~ N(w0, P0)`` of the choice model over whole domains.

``python -m benchmarks.fit_prior --out FILE [--leave-out SET] [--data DIR]``
fits on the own-log sets (one left out, for an honest benchmark of it);
``--shipped`` fits on those whose licence allows shipping what is drawn from them
and writes ``recsys/prior/default/prior.json``.

The model and its fit are those of :mod:`recsys.publish.ranker`, every domain counting the same, so that ``P0`` holds
both how domains differ and how people of one domain differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Log, data_folder, load, missing_sets
from recsys.learn.choice import REGIMES
from recsys.learn.features import FEATURES
from recsys.prior import Prior
from recsys.publish import ranker
from recsys.publish.ranker import LEAST_CHOICES, Choices, maximised, with_enough

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


def choices_of(log: Log) -> list[Choices | None]:
    """Return every choice set that the models would have learnt from in a log, one entry a regime."""
    return ranker.choices_of(log.events)


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
        held = [with_enough([of_person[regime] for of_person in group]) for group in domains]
        fitted.append(_with_hand_set(*maximised([group for group in held if group], rounds)))
    w0, covariance = zip(*fitted, strict=True)
    return Prior(np.round(w0, 6), np.round(covariance, 6))


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
        "least_choices_per_person": LEAST_CHOICES,
        "set_by_hand": {name: {"mean": m, "standard_deviation": s} for name, (m, s) in BY_HAND.items()},
    }


if __name__ == "__main__":
    raise SystemExit(main())
