"""Peers that know a crowd: fitted on other people's logs, asked about a person after each of that person's choices.

They see which items people used, as such models do, and neither when nor in which order. Each gives a score for
every item, from the items that the person has used so far.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["CROWD_PEERS", "CrowdPeer", "available_peers"]

_SEED: Final = 5
_FACTORS: Final = 64
Histories = Sequence[NDArray[np.intp]]


class CrowdPeer(Protocol):
    """What a crowd teaches."""

    def scores(self, used: NDArray[np.intp]) -> NDArray[np.floating[Any]]:
        """Score every item for someone who used these, the oldest first; shape (n_items,)."""
        ...


def _users_by_items(histories: Histories, n_items: int) -> NDArray[np.float32]:
    used = np.zeros((len(histories), n_items), np.float32)
    for person, items in enumerate(histories):
        used[person, items] = 1.0
    return used


def _fitted(what: str, histories: Histories, n_items: int, **options: object) -> NDArray[np.float32]:
    """Give the items' factors as ``implicit`` fits them, on one thread, BLAS too, as it asks for in a warning."""
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    module, _, name = what.partition(".")
    chosen = {"factors": _FACTORS, "random_state": _SEED, "num_threads": 1, "iterations": 20, **options}
    made = getattr(importlib.import_module(f"implicit.{module}"), name)  # which brings a BLAS of its own: first
    with threadpool_limits(1, "blas"):
        model = made(**chosen)
        model.fit(csr_matrix(_users_by_items(histories, n_items)), show_progress=False)
    return np.array(model.item_factors)


class MostPopular:
    """How many people used it."""

    def __init__(self, histories: Histories, n_items: int) -> None:
        self._people = _users_by_items(histories, n_items).sum(axis=0)

    def scores(self, used: NDArray[np.intp]) -> NDArray[np.floating[Any]]:
        del used
        given: NDArray[np.floating[Any]] = self._people
        return given


class ItemKnn:
    """Sum of the shrunk cosines with what was used (Sarwar et al. 2001; Deshpande and Karypis 2004)."""

    def __init__(self, histories: Histories, n_items: int, shrink: float = 10.0) -> None:
        table = _users_by_items(histories, n_items)
        together = table.T @ table
        length = np.sqrt(np.diag(together) + shrink)
        np.fill_diagonal(together, 0.0)
        self._cosines = together / (length[:, None] * length)

    def scores(self, used: NDArray[np.intp]) -> NDArray[np.floating[Any]]:
        given: NDArray[np.floating[Any]] = self._cosines[used].sum(axis=0)
        return given


class Ease:
    """The closed form of a linear item-to-item autoencoder (Steck 2019)."""

    def __init__(self, histories: Histories, n_items: int, penalty: float = 200.0) -> None:
        table = _users_by_items(histories, n_items)
        inverse = np.linalg.inv((table.T @ table).astype(np.float64) + penalty * np.eye(n_items))
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        self._weights = weights.astype(np.float32)

    def scores(self, used: NDArray[np.intp]) -> NDArray[np.floating[Any]]:
        given: NDArray[np.floating[Any]] = self._weights[used].sum(axis=0)
        return given


class Als:
    """``implicit``'s alternating least squares (Hu et al. 2008); a person's factors are solved for at each question."""

    def __init__(self, histories: Histories, n_items: int, alpha: float = 10.0, penalty: float = 1.0) -> None:
        self._items = _fitted("als.AlternatingLeastSquares", histories, n_items, regularization=penalty, alpha=alpha)
        self._gram = self._items.T @ self._items + penalty * np.eye(self._items.shape[1], dtype=np.float32)
        self._alpha = alpha

    def scores(self, used: NDArray[np.intp]) -> NDArray[np.floating[Any]]:
        mine = self._items[used]
        person = np.linalg.solve(self._gram + (self._alpha - 1.0) * (mine.T @ mine), self._alpha * mine.sum(axis=0))
        return self._items @ person


class Bpr:
    """``implicit``'s Bayesian personalised ranking (Rendle et al. 2009); a person is the mean of what was used."""

    def __init__(self, histories: Histories, n_items: int) -> None:
        self._items = _fitted("bpr.BayesianPersonalizedRanking", histories, n_items, iterations=200)

    def scores(self, used: NDArray[np.intp]) -> NDArray[np.floating[Any]]:
        mean = self._items[used].mean(axis=0)
        mean[-1] = 1.0  # the items' own bias stands there
        given: NDArray[np.floating[Any]] = self._items @ mean
        return given


CROWD_PEERS: Final[Mapping[str, Callable[[Histories, int], CrowdPeer]]] = {
    "most popular": MostPopular,
    "item kNN": ItemKnn,
    "EASE": Ease,
    "ALS (implicit)": Als,
    "BPR (implicit)": Bpr,
}
_NEEDS: Final = {"ALS (implicit)": "implicit", "BPR (implicit)": "implicit"}


def available_peers() -> tuple[dict[str, Callable[[Histories, int], CrowdPeer]], dict[str, str]]:
    """Give the peers that can run here, and those that cannot with the reason."""
    missing = {
        name: f"pip install {needed}" for name, needed in _NEEDS.items() if importlib.util.find_spec(needed) is None
    }
    return {name: made for name, made in CROWD_PEERS.items() if name not in missing}, missing
