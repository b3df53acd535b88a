"""What the content of items says of candidates: a pure function of the catalogue, the state of behaviour, the moment.

It speaks only of items that were never used, and says which of these, never how many: what it adds is levelled so that
the unused items of the catalogue together keep the odds that the model gives them. Of used items the person's own log
knows more (measured: ``docs/content.md``). Nothing is learnt or kept, so what is forgotten is gone from it at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.learn.content import N_BINS, Content, Index
from recsys.learn.layout import AGAINST, DAY_S
from recsys.rank.candidates import Pool
from recsys.rank.told import AT_BEGINNINGS

__all__ = ["CONTENT_FEATURES", "CONTENT_GROUPS", "ContentTold", "Likeness", "default_weights"]

CONTENT_FEATURES: Final = ("short", "last", "nearest", "against", "tags", "numbers", "age", "longer", "lately", "level")
CONTENT_GROUPS: Final = ("like", "like", "like", "like", "kind", "kind", "age", "like", "kind", "frequency")
_LEVEL: Final = CONTENT_FEATURES.index("level")

_LONG, _LONGER, _SHORT, _LASTS = 256, 40, 10, 5  # uses
_SHORT_HALF_LIFE, _LONGER_HALF_LIFE, _KIND_HALF_LIFE = 3.0, 10.0, 24.0
_DOUBT: Final = 6.0  # uses of the catalogue's own make, before any of the person's are counted
_BIN_WIDTH: Final = 1.5  # of the bump that a use has over a number's bins
_AGE_DAYS: Final = 365.0  # of an item that does not say when it was made
_UNITS: Final = 2.0**24  # of a cosine, of a logarithm: sums of whole numbers do not depend on where an item stands
_EXACT: Final = 2.0**24  # up to here whole numbers in single precision are exact
_LEVELS: Final = 127.0
_WIDTH: Final = 1 << 20  # numbers of the vectors made into single precision at once
_DEFAULT: Final = os.path.join(os.path.dirname(__file__), "..", "prior", "default", "content.json")  # noqa: PTH118, PTH120

Floats = NDArray[np.float64]
_apart = np.arange(N_BINS)[:, None] - np.arange(N_BINS)
_BUMP: Final = np.exp(-0.5 * (_apart / _BIN_WIDTH) ** 2)


class ContentTold(NamedTuple):
    """What content says at one moment; ``n`` items of the catalogue and, last, one that stands for all others.

    Parameters
    ----------
    dense : array of float64, shape (10, n + 1)
        The features of each, were it unused.
    total : array of float64, shape (n + 1,)
        Their weighted sum.
    weights : array of float64, shape (10,)
    each : dict of slot to array of float64, shape (n,)
        How alike each item is to each of the last uses.
    rows : array of int, shape (n_columns,)
        Of the pool's columns in the catalogue, ``n`` for what it does not have.
    speaks : array of bool, shape (n_columns,)
        Of which columns anything is said.
    rows_untouched : array of int, shape (n_untouched,)
    speaks_untouched : array of bool, shape (n_untouched,)
    """

    dense: Floats
    total: Floats
    weights: Floats
    each: dict[int, Floats]
    rows: NDArray[np.intp]
    speaks: NDArray[np.bool_]
    rows_untouched: NDArray[np.intp]
    speaks_untouched: NDArray[np.bool_]

    @property
    def names(self) -> Sequence[str]:
        """The features' names."""
        return [f"content_{name}" for name in CONTENT_FEATURES]

    @property
    def groups(self) -> Sequence[str]:
        """Which group of reasons each feature belongs to."""
        return CONTENT_GROUPS

    def offsets(self) -> Floats:
        """Give what is added to each column's score, shape (n_columns,)."""
        return self.total[self.rows] * self.speaks

    def offsets_untouched(self) -> Floats:
        """Give what is added to the score of each untouched candidate, shape (n_untouched,)."""
        return self.total[self.rows_untouched] * self.speaks_untouched

    def of(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> Floats:
        """Give the features of some candidates, shape (10, n); ``places`` among the untouched, -1 for a column's."""
        rows, speaks = self._where(columns, places)
        given: Floats = self.dense[:, rows] * speaks
        return given

    def most_like(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> list[int]:
        """Give the slot of what each of some candidates is most like among the last uses; 0 for none."""
        rows, _ = self._where(columns, places)
        slots = [0, *self.each]
        likes = np.zeros((len(slots), len(rows)))
        for i, one in enumerate(self.each.values(), start=1):
            likes[i] = np.append(one, 0.0)[rows]
        return [slots[i] for i in likes.argmax(axis=0).tolist()]

    def _where(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        rows, speaks, apart = self.rows[columns], self.speaks[columns], places >= 0
        rows[apart], speaks[apart] = self.rows_untouched[places[apart]], self.speaks_untouched[places[apart]]
        return rows, speaks

    def only(self, columns: NDArray[np.intp]) -> ContentTold:
        """Keep some columns."""
        return self._replace(rows=self.rows[columns], speaks=self.speaks[columns])

    def averages(self, allowed: NDArray[np.bool_] | None) -> Floats:
        """Give the mean of each feature over the candidates, shape (10,). O(candidates)."""
        among = slice(None) if allowed is None else allowed
        rows, speaks = self.rows[among], self.speaks[among]
        n = len(rows) + len(self.rows_untouched)
        spoken = np.concatenate([rows[speaks], self.rows_untouched[self.speaks_untouched]])
        times = np.bincount(spoken, minlength=self.dense.shape[1])
        given: Floats = (self.dense * times).sum(axis=1) / max(n, 1)
        return given


@final
class Likeness:
    """A catalogue's content as one recommender asks it.

    Parameters
    ----------
    content : Content
        The catalogue's.
    weights : array of float64, shape (9,), optional
        Of all features but the level; None takes those that ship with recsys.

    Stability: provisional
    """

    def __init__(self, content: Content, weights: Floats | None = None) -> None:
        self.content = content
        self._weights = np.append(default_weights() if weights is None else weights, 1.0)
        self._index: Index | None = None
        self._behaviour: Behaviour | None = None
        self._slot_rows = np.empty(0, np.intp)
        self._untouched: tuple[Sequence[str], int, NDArray[np.intp]] | None = None

    def told(
        self,
        b: Behaviour,
        pool: Pool,
        at_s: float,
        elsewhere: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None,
        *,
        begins: bool = False,
    ) -> ContentTold | None:
        """Say what content knows of a pool's candidates now; None when that is nothing.

        ``elsewhere`` says of which columns, and of which untouched candidates, a pack speaks; content then says nothing
        of them. ``begins`` says that a session does. O(items and their words).
        """
        index = self._synced()
        n, slots = len(index.row), pool.slots
        rows = self._rows_of_slots(b)[: len(pool.ids)] if pool.ids is b.ids else self._rows(pool.ids)
        rows_untouched = self._rows_untouched(pool.untouched)
        speaks, speaks_untouched = b.own_n[slots] == 0, np.ones(len(rows_untouched), np.bool_)
        if elsewhere is not None:
            speaks &= ~elsewhere[0]
            speaks_untouched &= ~elsewhere[1]
        if not n or not (speaks.any() or speaks_untouched.any()):
            return None
        dense = np.zeros((len(CONTENT_FEATURES), n + 1))
        dense[:_LEVEL, :n], each = self.features(b, at_s)
        total, weights = np.zeros(n + 1), self._weights.copy()
        weights[:_LEVEL] *= AT_BEGINNINGS if begins else 1.0
        for weight, feature in zip(weights[:_LEVEL].tolist(), dense, strict=False):
            total += weight * feature  # one after another: the same bits wherever an item stands
        if not total.any():
            return None
        dense[_LEVEL] = self._level(b, total)
        total += dense[_LEVEL]
        dense[_LEVEL, n] = total[n] = total[:n].min()  # what the catalogue does not have stands before nothing it has
        return ContentTold(dense, total, weights, each, rows, speaks, rows_untouched, speaks_untouched)

    def to_item(self, item_id: str) -> tuple[Index, Floats]:
        """Give how alike each item of the index is to one, at most 1, shape (n,). O(words)."""
        index = self._synced()
        rows = self._rows([item_id])
        known = rows[rows < len(index.row)]
        return index, _cosines(index, known.astype(np.intp), np.ones(len(known)))

    # -- the features -----------------------------------------------------------------

    def features(self, b: Behaviour, at_s: float) -> tuple[Floats, dict[int, Floats]]:
        """Give all features but the level, of every item of the catalogue, shape (9, n), and to the last uses."""
        index = self._synced()
        n = len(index.row)
        out = np.zeros((_LEVEL, n))
        each: dict[int, Floats] = {}
        lasts = _lasts(b, _LONG)
        rows_of = self._rows_of_slots(b)[lasts]
        places = np.flatnonzero(rows_of < n)  # 0 is the last use
        rows = rows_of[places]
        short = places < _SHORT
        out[0] = _cosines(index, rows[short], np.exp2(-places[short] / _SHORT_HALF_LIFE))
        for slot, row, place in zip(lasts.tolist(), rows_of.tolist(), range(_LASTS), strict=False):
            if row < n and slot not in each:
                each[slot] = _cosines(index, np.array([row]), np.ones(1))
                if not place:
                    out[1] = each[slot]
                np.maximum(out[2], each[slot], out=out[2])
        opposed = np.flatnonzero(b.against_n[: b.n_slots])
        of_opposed = self._rows_of_slots(b)[opposed]
        weights = b.table[AGAINST, opposed]  # all fade alike: only their proportions count
        out[3] = _cosines(index, of_opposed[of_opposed < n], weights[of_opposed < n])
        weights = np.exp2(-places / _KIND_HALF_LIFE)
        out[4] = _tag_lift(index, rows, weights)
        out[5] = _number_lift(index, rows, weights)
        days = np.maximum(at_s - index.created, 0.0) / DAY_S
        longer = places < _LONGER
        out[7] = _cosines(index, rows[longer], np.exp2(-places[longer] / _LONGER_HALF_LIFE))
        out[8] = _number_lift(index, rows[longer], np.exp2(-places[longer] / _SHORT_HALF_LIFE))
        out[6] = np.where(np.isnan(index.created), 0.0, np.log((_AGE_DAYS + 1.0) / (days + 1.0)))
        return out, each

    def _level(self, b: Behaviour, total: Floats) -> float:
        """Minus the logarithm of the mean of ``exp(total)`` over the catalogue's unused items."""
        n = len(total) - 1
        unused = np.ones(n, np.bool_)
        used = self._rows_of_slots(b)[np.flatnonzero(b.own_n[: b.n_slots])]
        unused[used[used < n]] = False
        theirs = total[:n][unused]
        if not len(theirs):
            return 0.0
        most = float(theirs.max())
        return -most - float(np.log(np.exp(theirs - most).mean()))

    # -- where items stand --------------------------------------------------------------

    def _synced(self) -> Index:
        index = self.content.index()
        if index is not self._index:
            self._index, self._behaviour, self._untouched = index, None, None
        return index

    def _rows_of_slots(self, b: Behaviour) -> NDArray[np.intp]:
        if self._behaviour is not b:
            self._behaviour, self._slot_rows = b, self._rows([""])  # slot 0 is no item
        n = len(self._slot_rows)
        if n < len(b.ids):
            self._slot_rows = np.concatenate([self._slot_rows, self._rows(b.ids[n:])])
        return self._slot_rows

    def _rows_untouched(self, ids: Sequence[str]) -> NDArray[np.intp]:
        if self._untouched is None or self._untouched[0] is not ids or self._untouched[1] != len(ids):
            self._untouched = (ids, len(ids), self._rows(ids))
        return self._untouched[2]

    def _rows(self, ids: Sequence[str]) -> NDArray[np.intp]:
        row = self._index.row if self._index is not None else {}
        n = len(row)
        return np.fromiter((row.get(item_id, n) for item_id in ids), np.intp, len(ids))


def default_weights() -> Floats:
    """Give the weights that ship with recsys, of all features but the level, shape (9,)."""
    with open(_DEFAULT, "rb") as file:  # noqa: PTH123 - pathlib is slow to import
        document = json.load(file)
    return np.array([document["weights"][name] for name in CONTENT_FEATURES[:_LEVEL]], np.float64)


def _lasts(b: Behaviour, most: int) -> NDArray[np.int32]:
    """Slots of the last uses, the newest first."""
    n = min(b.position, most)
    return b.past_item[(b.position - 1 - np.arange(n)) % len(b.past_item)]


def _cosines(index: Index, rows: NDArray[np.intp], weights: Floats) -> Floats:
    """Give how alike each item is to the weighted sum of some, shape (n,)."""
    if not len(rows) or not weights.any():
        return np.zeros(len(index.row))
    sums = index.words.weighed(rows, weights / (index.length[rows] * weights.sum()), len(index.rarity))
    some = np.flatnonzero(sums)
    values = sums[some] * index.rarity[some]
    length = float(np.sqrt((sums[some] * values).sum()))
    if not length > 0.0:
        cosine = np.zeros(len(index.row))
    else:
        whole = np.rint(values * (_UNITS / length))
        cosine = index.having.weighed(some, whole, len(index.row)) / (index.length * _UNITS)
    return cosine if index.vectors is None else _with_vectors(index.vectors, rows, weights, cosine)


def _with_vectors(vectors: NDArray[np.int8], rows: NDArray[np.intp], weights: Floats, cosine: Floats) -> Floats:
    """Take the mean with the vectors' cosine, of the items that have one."""
    n, d = vectors.shape
    profile = (vectors[rows].astype(np.float64) * weights[:, None]).sum(axis=0)
    length = float(np.sqrt(np.square(profile).sum()))
    if not length > 0.0:
        return cosine
    largest = np.floor(_EXACT / (_LEVELS * d))
    unit = float(np.abs(profile).max()) / largest
    whole = np.rint(profile / unit).astype(np.float32)
    step = max(_WIDTH // d, 1)
    dots = np.concatenate([vectors[i : i + step].astype(np.float32) @ whole for i in range(0, n, step)])
    theirs = dots * (unit / (length * _LEVELS))
    has = vectors.any(axis=1)
    return np.where(has, (cosine + theirs) / 2.0, cosine)


def _tag_lift(index: Index, rows: NDArray[np.intp], weights: Floats) -> Floats:
    """Sum over an item's tags ``log((c_t + m s_t) / ((C + m) s_t))``: ``c_t`` of ``C`` uses, a share ``s_t`` of all."""
    if not len(rows) or not len(index.tag_share):
        return np.zeros(len(index.row))
    counts = index.tags.weighed(rows, weights, len(index.tag_share))
    lift = np.log((counts / index.tag_share + _DOUBT) / (weights.sum() + _DOUBT))
    return index.tags.sums(np.rint(lift * _UNITS).astype(np.int64)) / _UNITS


def _number_lift(index: Index, rows: NDArray[np.intp], weights: Floats) -> Floats:
    """The same of a number's bins, each use spread over those near its own; the mean over the numbers."""
    found = np.zeros(len(index.row))
    for bins, share in zip(index.bins, index.bin_share, strict=True):
        there = bins[rows] >= 0
        if not there.any():
            continue
        counts = _BUMP @ np.bincount(bins[rows][there], weights[there], N_BINS)
        lift = np.log((counts / (_BUMP @ share) + _DOUBT) / (float(weights[there].sum()) + _DOUBT))
        found += np.append(lift, 0.0)[bins]
    return found / max(len(index.bins), 1)
