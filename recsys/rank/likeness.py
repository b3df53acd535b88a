"""What the content of items says of candidates: a pure function of the catalogue, the state of behaviour, the moment.

It speaks only of items that were never used, and says which of these, never how many: what it adds is levelled so that
the unused items of the catalogue together keep the odds that the model gives them. Of used items the person's own log
knows more (measured: ``docs/content.md``). Nothing is learnt or kept, so what is forgotten is gone from it at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.learn.choice import BEGINNING, REGIMES, WITHIN
from recsys.learn.index import Content, Index
from recsys.learn.layout import AGAINST
from recsys.rank.alike import (
    GRID,
    Alike,
    Floats,
    Singles,
    ages,
    compared,
    cosines,
    number_lift,
    on_grid,
    profile,
    tag_lift,
)
from recsys.rank.candidates import Pool
from recsys.rank.rest import Rest, rows_of
from recsys.rank.told import AT_BEGINNINGS

__all__ = ["CONTENT_FEATURES", "CONTENT_GROUPS", "ContentTold", "Likeness", "default_weights"]

CONTENT_FEATURES: Final = (
    "short",
    "last",
    "nearest",
    "against",
    "tags",
    "numbers",
    "age",
    "longer",
    "lately",
    "long",
    "level",
)
CONTENT_GROUPS: Final = ("like", "like", "like", "like", "kind", "kind", "age", "like", "kind", "like", "frequency")
_AGAINST, _AGE, _LEVEL = (CONTENT_FEATURES.index(name) for name in ("against", "age", "level"))

_LONG, _LONGER, _SHORT, _LASTS = 256, 40, 10, 5  # uses
_SHORT_HALF_LIFE, _LONGER_HALF_LIFE, _KIND_HALF_LIFE, _LONG_HALF_LIFE = 3.0, 10.0, 24.0, 60.0
_DEFAULT: Final = os.path.join(os.path.dirname(__file__), "..", "prior", "default", "content.json")  # noqa: PTH118, PTH120

_LIKELY: Final = 2.0**31  # of an odds: the same for sums of odds


class ContentTold(NamedTuple):
    """What content says at one moment; ``n`` rows of the index and, last, one that stands for all other items.

    Parameters
    ----------
    dense : array of float32, shape (11, n + 1)
        The features of each, were it unused.
    total : array of float64, shape (n + 1,)
        Their weighted sum.
    weights : array of float64, shape (11,)
    each : dict of slot to array of float32, shape (n,)
        How alike each row is to each of the last uses.
    rows : array of int, shape (n_columns,)
        Of the pool's columns in the index, -1 for what it does not have.
    speaks : array of bool, shape (n_columns,)
        Of which columns anything is said.
    rows_untouched : array of int, shape (n_untouched,)
    speaks_untouched : array of bool, shape (n_untouched,), or None
        None for all.
    times_untouched : array of float64, shape (n + 1,)
        How often each row is among the untouched of which something is said.
    """

    dense: Singles
    total: Floats
    weights: Floats
    each: Mapping[int, Singles]
    rows: NDArray[np.intp]
    speaks: NDArray[np.bool_]
    rows_untouched: NDArray[np.intp]
    speaks_untouched: NDArray[np.bool_] | None
    times_untouched: Floats

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
        return self.total.take(self.rows) * self.speaks

    def offsets_untouched(self) -> Floats:
        """Give what is added to the score of each untouched candidate, shape (n_untouched,); the caller's own copy."""
        given: Floats = self.total.take(self.rows_untouched)
        if self.speaks_untouched is not None:
            given *= self.speaks_untouched
        return given

    def of(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> Floats:
        """Give the features of some candidates, shape (11, n); ``places`` among the untouched, -1 for a column's."""
        rows, speaks = self._where(columns, places)
        return (self.dense[:, rows] * speaks).astype(np.float64)

    def most_like(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> list[int]:
        """Give the slot of what each of some candidates is most like among the last uses; 0 for none."""
        rows, _ = self._where(columns, places)
        slots = [0, *self.each]
        likes = np.zeros((len(slots), len(rows)))
        for i, one in enumerate(self.each.values(), start=1):
            likes[i] = np.where(rows < 0, 0.0, one.take(rows)) if len(one) else 0.0
        return [slots[i] for i in likes.argmax(axis=0).tolist()]

    def _where(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        rows, speaks, apart = self.rows[columns], self.speaks[columns], places >= 0
        rows[apart] = self.rows_untouched[places[apart]]
        speaks[apart] = True if self.speaks_untouched is None else self.speaks_untouched[places[apart]]
        return rows, speaks

    def only(self, columns: NDArray[np.intp]) -> ContentTold:
        """Keep some columns."""
        return self._replace(rows=self.rows[columns], speaks=self.speaks[columns])

    def averages(self, allowed: NDArray[np.bool_] | None) -> Floats:
        """Give the mean of each feature over the candidates, shape (11,). O(candidates + items)."""
        among = slice(None) if allowed is None else allowed
        rows, speaks = self.rows[among], self.speaks[among]
        times = self.times_untouched.copy()
        np.add.at(times, rows[speaks], 1.0)  # -1 stands for the last row
        n = len(rows) + len(self.rows_untouched)
        # Whole numbers of a grid: the same sum in whatever order.
        return np.array([np.einsum("i,i", feature, times) for feature in self.dense]) / max(n, 1)


class _Room(NamedTuple):
    """Arrays of one answer, for the next one: ``dense`` and ``total`` as in :class:`ContentTold`, and ``part``."""

    dense: Singles
    total: Floats
    part: Floats


@final
class Likeness:
    """A catalogue's content as one recommender asks it.

    Parameters
    ----------
    content : Content
        The catalogue's.
    weights : array of float64, shape (2, 10), optional
        Of all features but the level, in each of :data:`recsys.learn.choice.REGIMES`; None takes those that ship with
        recsys.

    Stability: provisional
    """

    def __init__(self, content: Content, weights: Floats | None = None) -> None:
        self.content = content
        given = default_weights() if weights is None else weights
        self._weights = np.append(given, np.ones((len(REGIMES), 1)), axis=1)
        self.forget()

    def forget(self) -> None:
        """Keep nothing of what was used."""
        self._version = -1
        self._behaviour: Behaviour | None = None
        self._slot_rows: NDArray[np.intp] = np.empty(0, np.intp)
        self._alike: dict[int, Alike] = {}
        self._opposed: tuple[bytes, Singles] = b"", np.zeros(0, np.float32)
        self._of_lasts: tuple[bytes, dict[int, Singles], list[int]] | None = None  # what is written of the last uses
        self._room: _Room | None = None

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
        of them. ``begins`` says that a session does. O(items), and O(their words) of what was used last.
        """
        index, slots = self._synced(), pool.slots
        rows = self._rows_of_slots(b)[: len(pool.ids)] if pool.ids is b.ids else _rows(index, pool.ids)
        speaks, speaks_untouched = b.own_n[slots] == 0, None
        if elsewhere is not None:
            speaks &= ~elsewhere[0]
            speaks_untouched = ~elsewhere[1]
        nobody = bool(pool.ids) and not pool.ids[0]  # slot 0 is no item
        some = len(pool.untouched) if speaks_untouched is None else speaks_untouched.any()
        if not index.n_items or not (some or speaks[nobody:].any()):
            return None
        room = self._room_for(index.n_rows)
        weights = self._weights[BEGINNING if begins else WITHIN].copy()
        weights[:_LEVEL] *= AT_BEGINNINGS if begins else 1.0
        each, spoken = self._features(index, b, at_s, room, weights[:_LEVEL] != 0.0)
        if not self._totalled(index, b, weights, spoken, room):
            return None
        rows_untouched = rows_of(pool.untouched, "content", (id(index), index.layout), lambda ids: _rows(index, ids))
        times = self._times(index, b, pool.untouched, rows_untouched, speaks_untouched)
        return ContentTold(room.dense, room.total, weights, each, rows, speaks, rows_untouched, speaks_untouched, times)

    def _totalled(self, index: Index, b: Behaviour, weights: Floats, spoken: Sequence[int], room: _Room) -> bool:
        """Sum the features up, and add the level; False when all are 0."""
        dense, total, n = room.dense, room.total, index.n_rows
        total[:] = 0.0
        for i in sorted(spoken):  # elementwise: alike wherever an item stands
            total += np.multiply(dense[i], weights[i], out=room.part, dtype=np.float64)
        alive = total[:n] if index.n_items == n else total[:n][index.alive]
        lowest, highest = float(alive.min()), float(alive.max())
        if not lowest and not highest:
            return False
        dense[_LEVEL] = level = self._level(index, b, total[:n], highest, room.part[:n])
        total += float(level)
        dense[:_LEVEL, n] = 0.0  # what the catalogue does not have stands before nothing that it has
        dense[_LEVEL, n] = total[n] = np.floor((lowest + float(level)) * float(GRID)) / float(GRID)
        return True

    def _times(
        self,
        index: Index,
        b: Behaviour,
        untouched: Sequence[str],
        rows: NDArray[np.intp],
        speaks: NDArray[np.bool_] | None,
    ) -> Floats:
        """Give how often each row is among the untouched of which something is said, shape (n + 1,)."""
        if speaks is not None:
            rows = rows[speaks]
        elif isinstance(untouched, Rest) and untouched.at is None:  # all that have no slot
            times = np.append(index.alive, 0.0)
            times[self._rows_of_slots(b)] = 0.0
            return times
        return np.bincount(rows % (index.n_rows + 1), minlength=index.n_rows + 1).astype(np.float64)

    def _room_for(self, n: int) -> _Room:
        """Arrays to write to, kept from answer to answer."""
        if self._room is None or len(self._room.total) != n + 1:
            dense = np.zeros((len(CONTENT_FEATURES), n + 1), np.float32)
            self._of_lasts = None
            self._room = _Room(dense, np.empty(n + 1), np.empty(n + 1))
        return self._room

    def to_item(self, item_id: str) -> tuple[Index, Singles]:
        """Give how alike each row of the index is to one item, at most 1, shape (n,). O(items)."""
        index = self._synced()
        row = index.row.get(item_id, -1)
        if row < 0:
            return index, np.zeros(index.n_rows, np.float32)
        return index, np.minimum(compared(index, row).both, np.float32(1.0))

    # -- the features -----------------------------------------------------------------

    def features(self, b: Behaviour, at_s: float) -> tuple[Singles, dict[int, Singles]]:
        """Give all features but the level, of every row of the index, shape (10, n), and to the last uses."""
        index = self._synced()
        room = self._room_for(index.n_rows)
        each, _ = self._features(index, b, at_s, room, np.ones(_LEVEL, np.bool_))
        return room.dense[:_LEVEL, :-1].copy(), each

    def _features(
        self, index: Index, b: Behaviour, at_s: float, room: _Room, wanted: NDArray[np.bool_]
    ) -> tuple[dict[int, Singles], list[int]]:
        """Write the features; give what is alike to each of the last uses, and which features are not all 0.

        Those that are not ``wanted`` are 0. What follows from the last uses alone is written anew only when these are
        others than at the last answer, or others are wanted.
        """
        out = room.dense[:_LEVEL, :-1]
        lasts = _lasts(b, _LONG)
        rows = self._rows_of_slots(b)[lasts]
        key = wanted.tobytes() + lasts.tobytes() + rows.tobytes()
        if self._of_lasts is None or self._of_lasts[0] != key:
            self._of_lasts = None
            self._of_lasts = key, *self._looking_back(index, lasts, rows, out, wanted)
        _, each, spoken = self._of_lasts
        opposed = self._against(index, b)
        out[_AGAINST] = 0.0 if opposed is None else opposed
        if index.is_dated:
            ages(index.created, at_s, out[_AGE])
            on_grid(out[_AGE])
        else:
            out[_AGE] = 0.0
        return each, [*spoken, *[_AGAINST] * (opposed is not None), *[_AGE] * index.is_dated]

    def _looking_back(
        self,
        index: Index,
        lasts: NDArray[np.int32],
        rows_of_lasts: NDArray[np.intp],
        out: Singles,
        wanted: NDArray[np.bool_],
    ) -> tuple[dict[int, Singles], list[int]]:
        """Write the features that follow from the last uses; what it gives is as of :meth:`_features`."""
        places = np.flatnonzero(rows_of_lasts >= 0)  # 0 is the last use
        rows = rows_of_lasts[places]
        short, longer = (slice(0, int(np.searchsorted(places, most))) for most in (_SHORT, _LONGER))
        alike = self._alike_to(index, rows[short])
        each: dict[int, Singles] = {}
        for slot, row in zip(lasts[:_LASTS].tolist(), rows_of_lasts[:_LASTS].tolist(), strict=True):
            if row >= 0 and slot not in each:
                each[slot] = alike[row].both
        out[[0, 2]] = 0.0
        if len(alike):
            of_short = np.exp2(-places[short] / _SHORT_HALF_LIFE)
            profile(index, [(row, alike[row]) for row in rows[short].tolist()], of_short, out[0])
            on_grid(out[0])
        for one in each.values():
            np.maximum(out[2], one, out=out[2])
        fading = {
            h: np.exp2(-places / h) for h in (_SHORT_HALF_LIFE, _LONGER_HALF_LIFE, _KIND_HALF_LIFE, _LONG_HALF_LIFE)
        }
        makers: dict[int, Callable[[], Singles | Floats | None]] = {
            1: lambda: each.get(int(lasts[0])) if len(lasts) else None,
            4: lambda: tag_lift(index, rows, fading[_KIND_HALF_LIFE]),
            5: lambda: number_lift(index, rows, fading[_KIND_HALF_LIFE]),
            7: lambda: _to_all_of(index, rows[longer], fading[_LONGER_HALF_LIFE][longer]),
            8: lambda: number_lift(index, rows[longer], fading[_SHORT_HALF_LIFE][longer]),
            9: lambda: _to_all_of(index, rows, fading[_LONG_HALF_LIFE]),
        }
        found = {i: make() if wanted[i] else None for i, make in makers.items()}
        for i, what in found.items():
            out[i] = 0.0 if what is None else what
        return each, [*[0] * bool(alike), *[2] * bool(each), *(i for i, what in found.items() if what is not None)]

    def _alike_to(self, index: Index, rows: NDArray[np.intp]) -> dict[int, Alike]:
        """Compare everything to some rows; what was compared for the last answer is kept for the next one."""
        kept = self._alike
        self._alike = {row: kept.get(row) or compared(index, row) for row in rows.tolist()}
        return self._alike

    def _against(self, index: Index, b: Behaviour) -> Singles | None:
        opposed = np.flatnonzero(b.against_n[: b.n_slots])
        of_opposed = self._rows_of_slots(b)[opposed]
        there = of_opposed >= 0
        if not there.any():
            return None
        rows, weights = of_opposed[there], b.table[AGAINST, opposed[there]]
        if not weights.max() > 0.0:  # it has faded away
            return None
        key = rows.tobytes() + (weights / weights.max()).tobytes()  # all fade alike: only their proportions count
        if self._opposed[0] != key:
            self._opposed = key, on_grid(cosines(index, rows, weights))
        return self._opposed[1]

    def _level(self, index: Index, b: Behaviour, total: Floats, most: float, odds: Floats) -> np.float32:
        """Minus the logarithm of the mean of ``exp(total)`` over the catalogue's unused items; ``odds`` is room."""
        used = self._rows_of_slots(b)[np.flatnonzero(b.own_n[: b.n_slots])]
        used = used[used >= 0]
        n = index.n_items - len(used)
        if not n:
            return np.float32(0.0)
        unused = index.alive.astype(np.float64)
        unused[used] = 0.0
        summed = 0.0
        while True:
            np.subtract(total, most - np.log(_LIKELY), out=odds)
            np.exp(odds, out=odds)
            np.rint(odds, out=odds)  # whole numbers: the same sum in whatever order
            summed = float(np.einsum("i,i", odds, unused))
            if summed >= 1.0:
                break
            most = float(total[unused > 0.0].max())  # the used ones stand far above
        return np.float32(np.rint(np.float32(-most - np.log(summed / _LIKELY / n)) * GRID) / GRID)

    # -- where items stand --------------------------------------------------------------

    def _synced(self) -> Index:
        index = self.content.index()
        if index.version != self._version:
            self.forget()
            self._version = index.version
        return index

    def _rows_of_slots(self, b: Behaviour) -> NDArray[np.intp]:
        index = self._synced()
        if self._behaviour is not b:
            self._behaviour, self._slot_rows = b, np.full(1, -1, np.intp)  # slot 0 is no item
        n = len(self._slot_rows)
        if n < len(b.ids):
            self._slot_rows = np.concatenate([self._slot_rows, _rows(index, b.ids[n:])])
        return self._slot_rows


def _to_all_of(index: Index, rows: NDArray[np.intp], weights: Floats) -> Singles | None:
    """How alike every row is to some together; None without any."""
    return on_grid(cosines(index, rows, weights)) if len(rows) else None


def _rows(index: Index, ids: Sequence[str]) -> NDArray[np.intp]:
    row = index.row
    return np.fromiter((row.get(item_id, -1) for item_id in ids), np.intp, len(ids))


def default_weights() -> Floats:
    """Give the weights that ship with recsys, of all features but the level in each regime, shape (2, 10)."""
    with open(_DEFAULT, "rb") as file:  # noqa: PTH123 - pathlib is slow to import
        weights = json.load(file)["weights"]
    return np.array([[weights[of][name] for name in CONTENT_FEATURES[:_LEVEL]] for of in REGIMES], np.float64)


def _lasts(b: Behaviour, most: int) -> NDArray[np.int32]:
    """Slots of the last uses, the newest first."""
    n = min(b.position, most)
    return b.past_item[(b.position - 1 - np.arange(n)) % len(b.past_item)]
