"""What a prior pack says of candidates: a pure function of the pack, the last uses, and the ids asked about.

The scores are added to the model's, as steering is; nothing of them is learnt or kept, so what is forgotten
is gone from them at once, and learning never depends on them. Of what the person has used, the person's own log tells
more: of that a pack only says how readily people come back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.prior.features import PACK_FEATURES
from recsys.prior.pack import LASTS, Pack
from recsys.rank.candidates import Pool
from recsys.rank.told import AT_BEGINNINGS

__all__ = ["PACK_GROUPS", "Knowledge", "PackTold"]

_NEAR_LASTS: Final = 10
_NEAR_HALF_LIFE: Final = 2.0  # uses
_LARGEST: Final = 1023.0  # of a taste in units: times 127, times 128 factors, sums are exact in single precision
_LEVEL, _AGAIN = PACK_FEATURES.index("level"), PACK_FEATURES.index("again")
PACK_GROUPS: Final = ("taste", "near", "popular", "liked", "frequency", "again")


class PackTold(NamedTuple):
    """What the pack says at one moment; ``n`` items of the pack and, last, one that stands for all others.

    Parameters
    ----------
    dense : array of float32, shape (6, n + 1)
        Taste, nearness, popularity, liking, and the level, which is the same for all: minus the logarithm of the mean
        of the exponentials of what the others say, so that all unused items together stay as likely as they were.
        These are said of what was never used; the last, how readily people come back to it, of what was.
    weights : array of float64, shape (6,)
    total : array of float64, shape (n + 1,)
        The weighted sum of the first five.
    rows : array of int32, shape (n_columns,)
        Of the pool's columns in the pack, -1 for what it does not have.
    unused : array of bool, shape (n_columns,)
        Which columns were never used.
    rows_untouched : array of int32, shape (n_untouched,)
    """

    dense: NDArray[np.float32]
    weights: NDArray[np.float64]
    total: NDArray[np.float64]
    rows: NDArray[np.int32]
    unused: NDArray[np.bool_]
    rows_untouched: NDArray[np.int32]

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
        given: NDArray[np.float64] = np.where(
            self.unused, self.total[self.rows], self.weights[_AGAIN] * self.dense[_AGAIN, self.rows]
        )
        return given

    def offsets_untouched(self) -> NDArray[np.float64]:
        """Give what is added to the score of each untouched candidate, shape (n_untouched,)."""
        given: NDArray[np.float64] = self.total[self.rows_untouched]
        return given

    def features(self, rows: NDArray[np.int32], unused: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Give the features of some candidates, shape (6, n): the last of what was used, the others of what was not."""
        given = self.dense[:, rows].astype(np.float64)
        given[:_AGAIN] *= unused
        given[_AGAIN] *= ~unused
        return given

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
        n_rows = self.dense.shape[1]
        how_often = np.bincount(rows[unused] % n_rows, minlength=n_rows)  # -1 stands for the last row
        how_often += np.bincount(self.rows_untouched % n_rows, minlength=n_rows)
        given: NDArray[np.float64] = self.dense.astype(np.float64) @ how_often
        given[_AGAIN] = float(self.dense[_AGAIN, rows[~unused]].sum(dtype=np.float64))
        return given / max(n + n_untouched, 1)


@final
class Knowledge:
    """A pack as one recommender asks it: where the items of its log and catalogue stand is remembered.

    Stability: provisional
    """

    def __init__(self, pack: Pack) -> None:
        a = pack.arrays
        self.pack = pack
        self._into = a["into"]
        self._out = a["out"].astype(np.float32)
        self._bias = np.append(a["bias"].astype(np.float32), a["unknown"][1])
        self._popular = np.append(a["popular"].astype(np.float32), a["unknown"][0])
        self._liked = np.append(a["liked"].astype(np.float32), a["unknown"][2])
        self._again = np.append(
            a["again"].astype(np.float32), np.float32(0.0)
        )  # of what the pack does not have: nothing
        self._lift = np.expm1(np.arange(256) * float(a["near_unit"][0])).astype(np.float32)
        self._row_of: dict[str, int] = {}
        self._behaviour: Behaviour | None = None
        self._slot_rows = np.empty(0, np.int32)
        self._untouched: tuple[Sequence[str], int, NDArray[np.int32]] | None = None

    def told(self, b: Behaviour, pool: Pool, *, begins: bool = False) -> PackTold:
        """Say what the pack knows of a pool's candidates now; ``begins``: a session does.

        O(items of the pack + candidates).
        """
        lasts = self._lasts(b)
        by_host = bool(len(pool.ids)) and pool.ids[0] != ""  # slot 0 is no item, and first of all that is known
        weights = (self.pack.weights_given if by_host else self.pack.weights).copy()
        weights[:_LEVEL] *= AT_BEGINNINGS if begins else 1.0
        said = [self._taste(lasts), self._near(lasts), self._popular, self._liked]
        total = np.zeros(len(self._bias))
        for weight, feature in zip(weights.tolist(), said, strict=False):
            total += weight * feature.astype(np.float64)
        most = float(total.max())
        level = np.float32(-most - np.log(np.exp(total[:-1] - most).mean()))
        dense = np.stack([*said, np.full(len(total), level, np.float32), self._again])
        total += weights[_LEVEL] * float(level)
        if pool.ids is b.ids:
            rows = self._rows_of_slots(b)[: len(pool.ids)]
            slots: NDArray[np.intp] | slice = pool.slots
        else:
            rows, slots = self._rows(pool.ids), pool.slots
        return PackTold(dense, weights, total, rows, b.own_n[slots] == 0, self._rows_untouched(pool.untouched))

    def beside(self, item_id: str, ids: Sequence[str]) -> NDArray[np.float64]:
        """Say how much the pack knows each of some items to go with one: ``log(1 + lift)``, shape (n,). O(n)."""
        row = self._rows([item_id])
        near = self._near(row[row >= 0])
        near[-1] = 0.0
        return near[self._rows(ids)].astype(np.float64)

    def _taste(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
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
        score: NDArray[np.float32] = self._out @ np.rint(u / unit)
        score *= np.float32(unit)
        given: NDArray[np.float32] = np.append(score, np.float32(0.0)) + self._bias
        return given

    def _near(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """``log(1 + mean lift)`` after the last uses, the newest of which count most."""
        lift = np.zeros(self.pack.n_items + 1, np.float32)
        lasts = rows[:_NEAR_LASTS]
        weights = np.exp2(-np.arange(len(lasts)) / _NEAR_HALF_LIFE)
        weights /= weights.sum() if len(weights) else 1.0
        begin, item, of = (self.pack.arrays[name] for name in ("near_begin", "near_item", "near_lift"))
        for row, weight in zip(lasts.tolist(), weights.tolist(), strict=True):
            pairs = slice(int(begin[row]), int(begin[row + 1]))
            lift[item[pairs]] += np.float32(weight) * self._lift[of[pairs]]
        return np.log1p(lift, out=lift)

    def _lasts(self, b: Behaviour) -> NDArray[np.int32]:
        """Rows of the last uses that the pack has, the newest first."""
        n = min(b.position, LASTS)
        slots = b.past_item[(b.position - 1 - np.arange(n)) % len(b.past_item)]
        rows = self._rows_of_slots(b)[slots]
        return rows[rows >= 0]

    def _rows_of_slots(self, b: Behaviour) -> NDArray[np.int32]:
        if self._behaviour is not b:
            self._behaviour, self._slot_rows = b, np.full(1, -1, np.int32)  # slot 0 is no item
        n = len(self._slot_rows)
        if n < len(b.ids):
            self._slot_rows = np.concatenate([self._slot_rows, self._rows(b.ids[n:])])
        return self._slot_rows

    def _rows_untouched(self, ids: Sequence[str]) -> NDArray[np.int32]:
        """The same list is asked for again and again; it only ever gets shorter, or is another one."""
        if self._untouched is None or self._untouched[0] is not ids or self._untouched[1] != len(ids):
            self._untouched = (ids, len(ids), self._rows(ids))
        return self._untouched[2]

    def _rows(self, ids: Sequence[str]) -> NDArray[np.int32]:
        row_of = self._row_of
        new = [item_id for item_id in ids if item_id not in row_of]
        if new:
            row_of.update(zip(new, self.pack.rows(new).tolist(), strict=True))
        return np.fromiter(map(row_of.__getitem__, ids), np.int32, len(ids))
