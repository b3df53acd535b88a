"""How alike the rows of an index are to some of them, one number a row: what content says, before it is weighed.

Every row's number comes from whole numbers or from the same operations one after another, so that equal items are
equally alike wherever they stand; features are rounded to a grid, on which sums over items are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.content import N_BINS
from recsys.learn.index import Index
from recsys.learn.layout import DAY_S

__all__ = [
    "GRID",
    "Alike",
    "Floats",
    "Singles",
    "ages",
    "compared",
    "cosines",
    "number_lift",
    "on_grid",
    "profile",
    "tag_lift",
]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

GRID: Final = np.float32(2.0**20)  # of features: in double precision, sums of them are exact in any order
_DOUBT: Final = 6.0  # uses of the catalogue's own make, before any of the person's are counted
_BIN_WIDTH: Final = 1.5  # of the bump that a use has over a number's bins
_AGE_DAYS: Final = 365.0  # of an item that does not say when it was made
_UNITS: Final = 2.0**24  # of a cosine, of a logarithm: sums of whole numbers do not depend on where an item stands
_EXACT: Final = 2.0**24  # up to here whole numbers in single precision are exact
_LEVELS: Final = 127.0
_WIDTH: Final = 1 << 20  # numbers of the vectors made into single precision at once
_apart = np.arange(N_BINS)[:, None] - np.arange(N_BINS)
_BUMP: Final = np.exp(-0.5 * (_apart / _BIN_WIDTH) ** 2)


class Alike(NamedTuple):
    """How alike every row is to one, arrays of shape (n,): by words, by vectors where both have one, and by both."""

    words: Singles
    vectors: Singles | None
    both: Singles


def compared(index: Index, row: int) -> Alike:
    """Compare every row to one. O(rows + how many have its words)."""
    words = index.words_of(row)
    shared = index.having(words, index.rarity.take(words)).astype(np.float32)  # whole numbers
    shared *= index.shortness
    shared *= index.shortness[row]
    if index.vectors is None or not index.vectors[row].any():
        return Alike(shared, None, on_grid(shared.copy()))
    vectors = _products(index.vectors, index.vectors[row].astype(np.float64))
    return Alike(shared, vectors, on_grid(_both(index, shared, vectors)))


def on_grid(values: Singles) -> Singles:
    """Round to the grid, in place."""
    values *= GRID
    np.rint(values, out=values)
    values /= GRID
    return values


def _both(index: Index, words: Singles, vectors: Singles) -> Singles:
    """Take the mean of both, of the items that have a vector."""
    mean = words + vectors
    mean *= np.float32(0.5)
    return np.where(index.has_vector, mean, words)


def _products(vectors: NDArray[np.int8], to: Floats) -> Singles:
    """Give the cosine of each vector to one that is not zero, shape (n,); whole numbers are summed."""
    n, d = vectors.shape
    unit = float(np.abs(to).max()) / np.floor(_EXACT / (_LEVELS * d))
    whole = np.rint(to / unit).astype(np.float32)
    step = max(_WIDTH // d, 1)
    dots = np.concatenate([vectors[i : i + step].astype(np.float32) @ whole for i in range(0, n, step)])
    dots *= np.float32(unit / (float(np.sqrt(np.square(to).sum())) * _LEVELS))
    return dots


def profile(index: Index, alike: Sequence[tuple[int, Alike]], weights: Floats, out: Singles) -> None:
    """Compare every row to the weighted sum of some, each of length 1: ``Σ_j λ_j cos_j / √(Σ_jk λ_j λ_k cos_jk)``."""
    rows = [row for row, _ in alike]
    _mixed([one.words for _, one in alike], rows, weights, out)
    if any(one.vectors is not None for _, one in alike):
        by_vectors = np.zeros_like(out)
        have = [(row, one.vectors, w) for (row, one), w in zip(alike, weights, strict=True) if one.vectors is not None]
        _mixed([of for _, of, _ in have], [row for row, _, _ in have], np.array([w for _, _, w in have]), by_vectors)
        out[:] = _both(index, out, by_vectors)


def _mixed(cosines: Sequence[Singles], rows: Sequence[int], weights: Floats, out: Singles) -> None:
    among = np.array([cosine[rows] for cosine in cosines], np.float64).reshape(len(rows), len(rows))
    length = float(weights @ among @ weights)
    if not length > 0.0:
        return
    part = np.empty_like(out)
    for cosine, weight in zip(cosines, (weights / np.sqrt(length)).astype(np.float32), strict=True):
        np.multiply(cosine, weight, out=part)
        out += part


def cosines(index: Index, rows: NDArray[np.intp], weights: Floats) -> Singles:
    """Give how alike each row is to the weighted sum of some, shape (n,): :func:`profile` in one go."""
    words = [index.words_of(row) for row in rows.tolist()]
    each = (weights / index.length.take(rows)).repeat([len(some) for some in words])
    buckets, where = np.unique(np.concatenate(words), return_inverse=True)
    values = np.bincount(where, each, len(buckets)) * index.rarity.take(buckets)
    length = float(np.sqrt((values * values / index.rarity.take(buckets)).sum()))
    cosine = np.zeros(index.n_rows, np.float32)
    if length > 0.0:
        whole = np.rint(values * (_UNITS / length))
        cosine += index.having(buckets, whole) * (index.shortness / _UNITS)
    if index.vectors is None:
        return cosine
    profile = (index.vectors[rows].astype(np.float64) * weights[:, None]).sum(axis=0)
    return _both(index, cosine, _products(index.vectors, profile)) if profile.any() else cosine


def tag_lift(index: Index, rows: NDArray[np.intp], weights: Floats) -> Floats | None:
    """Sum over an item's tags ``log((c_t + m s_t) / ((C + m) s_t))``: ``c_t`` of ``C`` uses, a share ``s_t`` of all."""
    if not len(rows) or not index.layers:
        return None
    counts = np.zeros(len(index.tag_share))
    for layer in index.layers:
        counts += np.bincount(layer.take(rows), weights, len(counts))
    of, tags = index.further
    if len(of):
        times = np.bincount(rows, weights, index.n_rows)
        counts += np.bincount(tags, times.take(of), len(counts))
    lift = np.rint(np.log((counts / index.tag_share + _DOUBT) / (weights.sum() + _DOUBT)) * GRID) / GRID
    lift[0] = 0.0  # no tag
    found: Floats = lift.take(index.layers[0])
    for layer in index.layers[1:]:
        found += lift.take(layer)
    if len(of):
        found += np.bincount(of, lift.take(tags), index.n_rows)
    return found


def number_lift(index: Index, rows: NDArray[np.intp], weights: Floats) -> Floats | None:
    """The same of a number's bins, each use spread over those near its own; the mean over the numbers."""
    found: Floats | None = None
    for _, bins, share in index.numbers:
        of = bins.take(rows)
        there = of < N_BINS
        if there.any():
            counts = _BUMP @ np.bincount(of[there], weights[there], N_BINS)
            lift = np.log((counts / (_BUMP @ share) + _DOUBT) / (float(weights[there].sum()) + _DOUBT))
            lift = np.rint(np.append(lift, 0.0) / len(index.numbers) * GRID) / GRID
            found = lift.take(bins) if found is None else found + lift.take(bins)
    return found


def ages(created: Floats, at_s: float, out: Singles) -> None:
    """Write ``log((m + 1) / (days + 1))`` of an item ``days`` old; 0 of one that does not say when it was made."""
    days = np.maximum(at_s - created, 0.0)
    np.multiply(days, 1.0 / DAY_S, out=out, casting="same_kind")
    out += np.float32(1.0)
    np.log(out, out=out)
    np.subtract(np.float32(np.log(_AGE_DAYS + 1.0)), out, out=out)
    np.nan_to_num(out, copy=False)
