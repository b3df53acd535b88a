"""What a prior pack says of candidates: a pure function of the pack, the last uses, and the ids asked about.

The scores are added to the model's, as steering is; nothing of them is learnt or kept, so what is forgotten
is gone from them at once, and learning never depends on them. Of what the person has used, the person's own log tells
more: of that a pack only says how readily people come back to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.prior.features import PACK_FEATURES
from recsys.prior.pack import LASTS, Pack
from recsys.rank.candidates import Pool
from recsys.rank.rest import rows_of
from recsys.rank.told import AT_BEGINNINGS

__all__ = ["PACK_GROUPS", "Knowledge", "PackTold"]

_NEAR_LASTS: Final = 10
_NEAR_HALF_LIFE: Final = 2.0  # uses
# What begins a session goes with what was used for long. Of a few values these ranked best what customers of
# uci-online-retail bought who are neither in its pack nor asked by its benchmark.
_NEAR_HALF_LIFE_AT_BEGINNINGS: Final = 60.0
_NEAR_AT_BEGINNINGS: Final = 4.0  # times the weight that it has within
_LARGEST: Final = 1023.0  # of a taste in units: times 127, times 128 factors, sums are exact in single precision
_NEAR, _LEVEL, _AGAIN = (PACK_FEATURES.index(name) for name in ("near", "level", "again"))
PACK_GROUPS: Final = ("taste", "near", "popular", "liked", "frequency", "again")


class PackTold(NamedTuple):
    """What the pack says at one moment; ``n`` items of the pack and, last, one that stands for all others.

    Parameters
    ----------
    dense : tuple of array of float32, shape (n + 1,)
        Taste, nearness, popularity, liking: said of what was never used, as the level is.
    level : float
        The fifth feature, the same for all: minus the logarithm of the mean of the exponentials of what these four
        say, so that all unused items together are as likely as the model has them.
    again : array of float32, shape (n + 1,)
        The last feature, how readily people come back to an item: said of what was used.
    weights : array of float64, shape (6,)
    total : array of float64, shape (n + 1,)
        The weighted sum of the first five.
    rows : array of int, shape (n_columns,)
        Of the pool's columns in the pack, -1 for what it does not have.
    unused : array of bool, shape (n_columns,)
        Which columns were never used.
    rows_untouched : array of int, shape (n_untouched,)
    """

    dense: tuple[NDArray[np.float32], ...]
    level: float
    again: NDArray[np.float32]
    weights: NDArray[np.float64]
    total: NDArray[np.float64]
    rows: NDArray[np.intp]
    unused: NDArray[np.bool_]
    rows_untouched: NDArray[np.intp]

    @property
    def names(self) -> Sequence[str]:
        """The features' names."""
        return [f"pack_{name}" for name in PACK_FEATURES]

    @property
    def groups(self) -> Sequence[str]:
        """Which group of reasons each feature belongs to."""
        return PACK_GROUPS

    def offsets(self) -> NDArray[np.float64]:
        """Give what is added to each column's score, shape (n_columns,)."""
        back = self.weights[_AGAIN] * self.again[self.rows]
        given: NDArray[np.float64] = np.where(self.unused, self.total[self.rows], back)
        return given

    def offsets_untouched(self) -> NDArray[np.float64]:
        """Give what is added to the score of each untouched candidate, shape (n_untouched,)."""
        given: NDArray[np.float64] = self.total.take(self.rows_untouched)
        return given

    def features(self, rows: NDArray[np.intp], unused: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Give the features of some candidates, shape (6, n): the last of what was used, the others of what was not."""
        said = [*(feature.take(rows).astype(np.float64) for feature in self.dense), np.full(len(rows), self.level)]
        back = self.again.take(rows).astype(np.float64) * ~unused
        return np.array([*(feature * unused for feature in said), back])

    def of(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.float64]:
        """Give the features of some candidates, shape (6, n); ``places`` among the untouched, -1 for a column's."""
        rows, unused, apart = self.rows[columns], self.unused[columns], places >= 0
        rows[apart], unused[apart] = self.rows_untouched[places[apart]], True
        return self.features(rows, unused)

    def most_like(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> list[int]:
        """Say nothing of likeness."""
        del places
        return [0] * len(columns)

    def only(self, columns: NDArray[np.intp]) -> PackTold:
        """Keep some columns."""
        return self._replace(rows=self.rows[columns], unused=self.unused[columns])

    def averages(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.float64]:
        """Give the mean of each feature over the candidates, shape (6,). O(candidates)."""
        among = slice(None) if allowed is None else allowed
        rows, unused = self.rows[among], self.unused[among]
        n, n_untouched = len(rows), len(self.rows_untouched)
        times = np.bincount(self.rows_untouched + 1, minlength=len(self.total)).astype(np.float64)  # -1 comes first
        np.add.at(times, rows[unused] + 1, 1.0)
        sums = [float(np.einsum("i,i", one[:-1], times[1:])) + float(one[-1]) * float(times[0]) for one in self.dense]
        back = float(self.again[rows[~unused]].sum(dtype=np.float64))
        return np.array([*sums, self.level * float(times.sum()), back]) / max(n + n_untouched, 1)


@final
class Knowledge:
    """A pack as one recommender asks it: where the items of its log and catalogue stand is remembered.

    Parameters
    ----------
    pack : Pack
    rows : mapping of str to int, optional
        Where items stand that go by other names here than in the pack, -1 for none.

    Stability: provisional
    """

    def __init__(self, pack: Pack, *, rows: Mapping[str, int] | None = None) -> None:
        a = pack.arrays
        self.pack = pack
        self._into = a["into"]
        self._out = a["out"].astype(np.float32)
        self._bias = np.append(a["bias"].astype(np.float32), a["unknown"][1])
        self._popular = np.append(a["popular"].astype(np.float32), a["unknown"][0])
        self._liked = np.append(a["liked"].astype(np.float32), a["unknown"][2])
        self._again = np.append(a["again"].astype(np.float32), np.float32(0.0))  # of other items nothing is known
        self._alike = (self._popular.astype(np.float64), self._liked.astype(np.float64))
        self._lift = np.expm1(np.arange(256) * float(a["near_unit"][0])).astype(np.float32)
        self._row_of: dict[str, int] = dict(rows or {})
        self._behaviour: Behaviour | None = None
        self._slot_rows: NDArray[np.intp] = np.empty(0, np.intp)

    def told(self, b: Behaviour, pool: Pool, *, begins: bool = False) -> PackTold:
        """Say what the pack knows of a pool's candidates now; ``begins``: a session does.

        O(items of the pack + candidates).
        """
        lasts = self._lasts(b)
        by_host = bool(len(pool.ids)) and pool.ids[0] != ""  # slot 0 is no item, and first of all that is known
        weights = (self.pack.weights_given if by_host else self.pack.weights).copy()
        if begins:
            weights[:_LEVEL] *= AT_BEGINNINGS
            weights[_NEAR] *= _NEAR_AT_BEGINNINGS
        taste, (near, some) = self._taste(lasts), self._near(lasts, begins=begins)
        total = np.multiply(taste, weights[0], dtype=np.float64)
        total[some] += weights[_NEAR] * near[some].astype(np.float64)
        for weight, feature in zip(weights[2:_LEVEL].tolist(), self._alike, strict=True):
            total += weight * feature
        odds = total[:-1] - (most := float(total.max()))
        level = float(np.float32(-most - np.log(np.exp(odds, out=odds).mean())))
        total += weights[_LEVEL] * level
        if pool.ids is b.ids:
            rows = self._rows_of_slots(b)[: len(pool.ids)]
            slots: NDArray[np.intp] | slice = pool.slots
        else:
            rows, slots = self._rows(pool.ids), pool.slots
        return PackTold(
            (taste, near, self._popular, self._liked),
            level,
            self._again,
            weights,
            total,
            rows,
            b.own_n[slots] == 0,
            self._rows_untouched(pool.untouched),
        )

    def beside(self, item_id: str, b: Behaviour, untouched: Sequence[str]) -> dict[str, float]:
        """Say which items, of the log or untouched, the pack knows to go with one: ``log(1 + lift)``. O(items)."""
        row = self._rows([item_id])
        near, _ = self._near(row[row >= 0])
        near[-1] = 0.0
        found: dict[str, float] = {}
        for ids, rows in ((b.ids, self._rows_of_slots(b)), (untouched, self._rows_untouched(untouched))):
            strength = near.take(rows)
            found |= {ids[at]: float(strength[at]) for at in strength.nonzero()[0].tolist()}
        return found

    def _taste(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """``out·u + bias`` of every item; ``u`` in whole units, so that equal items score alike wherever they stand."""
        if not len(rows):
            return self._bias
        fading = np.exp2(-np.arange(len(rows)) / self.pack.half_lives[:, None])
        fading /= np.sqrt(np.square(fading).sum(axis=1, keepdims=True))
        kept = fading.astype(np.float32) @ self._into[rows].astype(np.float32)
        u = np.einsum("kd,kde->e", kept, self.pack.mix)
        unit = float(np.abs(u).max()) / _LARGEST
        if not unit > 0.0:
            return self._bias
        score = np.zeros(len(self._bias), np.float32)
        np.matmul(self._out, np.rint(u / unit), out=score[:-1])
        score *= np.float32(unit)
        score += self._bias
        return score

    def _near(self, rows: NDArray[np.intp], *, begins: bool = False) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """``log(1 + mean lift)`` after the last uses, the newest of which count most; and where it is not 0."""
        n_lasts, half_life = (LASTS, _NEAR_HALF_LIFE_AT_BEGINNINGS) if begins else (_NEAR_LASTS, _NEAR_HALF_LIFE)
        lasts = rows[:n_lasts]
        weights = np.exp2(-np.arange(len(lasts)) / half_life)
        weights /= weights.sum() if len(weights) else 1.0
        begin, item, of = (self.pack.arrays[name] for name in ("near_begin", "near_item", "near_lift"))
        first = begin[lasts].astype(np.intp)
        sizes = begin[lasts + 1].astype(np.intp) - first
        pairs = np.arange(sizes.sum()) + (first - (sizes.cumsum() - sizes)).repeat(sizes)
        there, which = np.unique(item[pairs].astype(np.intp), return_inverse=True)
        lift = np.zeros(self.pack.n_items + 1, np.float32)
        lift[there] = np.log1p(np.bincount(which, self._lift[of[pairs]] * weights.repeat(sizes), len(there)))
        return lift, there

    def _lasts(self, b: Behaviour) -> NDArray[np.intp]:
        """Rows of the last uses that the pack has, the newest first."""
        n = min(b.position, LASTS)
        slots = b.past_item[(b.position - 1 - np.arange(n)) % len(b.past_item)]
        rows = self._rows_of_slots(b)[slots]
        return rows[rows >= 0]

    def _rows_of_slots(self, b: Behaviour) -> NDArray[np.intp]:
        if self._behaviour is not b:
            self._behaviour, self._slot_rows = b, np.full(1, -1, np.intp)  # slot 0 is no item
        n = len(self._slot_rows)
        if n < len(b.ids):
            self._slot_rows = np.concatenate([self._slot_rows, self._rows(b.ids[n:])])
        return self._slot_rows

    def _rows_untouched(self, ids: Sequence[str]) -> NDArray[np.intp]:
        return rows_of(ids, "pack", id(self.pack), self._rows)

    def _rows(self, ids: Sequence[str]) -> NDArray[np.intp]:
        row_of = self._row_of
        new = [item_id for item_id in ids if item_id not in row_of]
        if new:
            row_of.update(zip(new, self.pack.rows(new).tolist(), strict=True))
        return np.fromiter(map(row_of.__getitem__, ids), np.intp, len(ids))
