"""The prior ``w ~ N(w0, P0)`` of the choice model, read from a small readable file.

The shipped one stands in ``default/prior.json`` with the data it was fitted on;
an app may bring its own.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.digest import blake2b
from recsys.errors import InputError
from recsys.learn.choice import REGIMES
from recsys.learn.features import FEATURE_VERSION, FEATURES, N_FEATURES

if TYPE_CHECKING:
    from recsys.learn.forest import Forest

__all__ = ["Prior"]

_DEFAULT = os.path.join(os.path.dirname(__file__), "default", "prior.json")  # noqa: PTH118, PTH120 - pathlib is slow to import
_MAX_BYTES = 1_000_000
_LARGEST = 1e6  # of a mean, and of an eigenvalue of a covariance: utilities and precisions stay in range
_NARROWEST = 1e-12  # least eigenvalue of a covariance that can be inverted with digits to spare


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Mean and covariance of the weights before any evidence, for each regime of ``recsys.learn.choice.REGIMES``.

    Parameters
    ----------
    w0 : array of float64, shape (n_regimes, n_features) or (n_features,)
        The means; one for all regimes.
    covariance : array of float64, shape (n_regimes, n_features, n_features) or (n_features, n_features)
        ``P0``: symmetric and positive definite.
    trees : Forest, optional
        Of a pack: what other people's choices teach beyond weights, told of how candidates stand beside each other
        (``recsys.learn.standing``). They join the score with ``Settings(trees=True)``.

    Raises
    ------
    InputError
        When a shape is wrong, a number is not finite or beyond a million, or ``P0`` is not positive definite.

    Stability: stable
    """

    w0: NDArray[np.float64]
    covariance: NDArray[np.float64]
    precision0: NDArray[np.float64]
    digest: str
    trees: Forest | None

    def __init__(self, w0: NDArray[np.float64], covariance: NDArray[np.float64], trees: Forest | None = None) -> None:
        try:
            mean, spread = np.array(w0, np.float64), np.array(covariance, np.float64)
        except (TypeError, ValueError, OverflowError):
            raise InputError("a prior is made of numbers", field="prior") from None
        if mean.shape == (N_FEATURES,) and spread.shape == (N_FEATURES, N_FEATURES):
            mean, spread = np.stack([mean] * len(REGIMES)), np.stack([spread] * len(REGIMES))
        if mean.shape != (len(REGIMES), N_FEATURES) or spread.shape != (*mean.shape, N_FEATURES):
            raise InputError(f"a prior of {N_FEATURES} features is needed", field="prior")
        if not (np.isfinite(mean).all() and np.isfinite(spread).all() and np.allclose(spread, spread.swapaxes(1, 2))):
            raise InputError("the prior must be finite and its covariance symmetric", field="prior")
        if np.abs(mean).max() > _LARGEST or np.abs(spread).max() > _LARGEST:
            raise InputError(f"the prior's numbers must be at most {_LARGEST:g}", field="prior")
        if np.linalg.eigvalsh(spread).min() < _NARROWEST:
            raise InputError("the prior's covariance must be positive definite", field="prior")
        precision = np.linalg.inv(spread)
        for array in (mean, spread, precision):
            array.setflags(write=False)
        object.__setattr__(self, "w0", mean)
        object.__setattr__(self, "covariance", spread)
        object.__setattr__(self, "precision0", precision)
        object.__setattr__(self, "trees", trees)
        parts = [mean.tobytes(), spread.tobytes(), *(one.tobytes() for one in (() if trees is None else trees.arrays))]
        object.__setattr__(self, "digest", blake2b(b"".join(parts), digest_size=16).hexdigest())

    @classmethod
    def default(cls) -> Prior:
        """Give the prior that ships with recsys."""
        return cls.load(_DEFAULT)

    @classmethod
    def of(cls, given: object) -> Prior:
        """Take a prior as it is, a path as the file to read, and None as the default."""
        if given is None:
            return cls.default()
        if isinstance(given, Prior):
            return given
        if isinstance(given, (str, os.PathLike)):
            return cls.load(given)
        raise InputError("prior: a Prior or the path of one is needed", field="prior")

    @classmethod
    def flat(cls, variance: float = 1.0) -> Prior:
        """Give a prior that knows nothing: mean 0, the same variance for every weight, none correlated."""
        return cls(np.zeros(N_FEATURES), np.diag(np.full(N_FEATURES, variance)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Prior:
        """Read a prior from its JSON file.

        Raises
        ------
        InputError
            When the file is missing or too large, or is not a prior for these features.
        """
        if not isinstance(path, (str, os.PathLike)):  # a number would be a descriptor of the host's
            raise InputError("prior: a Prior or the path of one is needed", field="prior")
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - one read with a bound
                text = file.read(_MAX_BYTES + 1)
            document = json.loads(text if len(text) <= _MAX_BYTES else "{}")
            names, version = document["features"], document["feature_version"]
            w0, covariance = (np.array([document[p][name] for name in REGIMES], np.float64) for p in ("w0", "P0"))
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise InputError("the prior cannot be read", field="prior") from None
        if version != FEATURE_VERSION or names != [feature.name for feature in FEATURES]:
            raise InputError("the prior was fitted for other features: fit it anew", field="prior")
        return cls(w0, covariance)

    def dump(self, path: str | os.PathLike[str], provenance: dict[str, object]) -> None:
        """Write the prior and where it came from as readable JSON; :meth:`load` gives the same numbers to the bit.

        Raises
        ------
        InputError
            When it has trees, which only packs hold.
        """
        if self.trees is not None:
            raise InputError("a prior with trees is kept in a pack", field="prior")
        document = {
            "feature_version": FEATURE_VERSION,
            "provenance": provenance,
            "features": [feature.name for feature in FEATURES],
        }
        parts = [json.dumps(document, indent=1)[:-2]]
        for part, of_regimes in (("w0", self.w0[:, None]), ("P0", self.covariance)):
            rows = [",\n   ".join(json.dumps(row.tolist()) for row in rows) for rows in of_regimes]
            opened = ("", "") if part == "w0" else ("[\n   ", "\n  ]")
            named = ",\n  ".join(f'"{n}": {opened[0]}{r}{opened[1]}' for n, r in zip(REGIMES, rows, strict=True))
            parts.append(f' "{part}": {{\n  {named}\n }}')
        text = ",\n".join(parts) + "\n}\n"
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
            file.write(text)
