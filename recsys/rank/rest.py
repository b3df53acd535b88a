"""The items of a catalogue that the log says nothing of, sorted by id, and what stands beside each.

A catalogue may have a hundred thousand of them, and one answer after another asks where each stands in a pack or an
index. So that is kept in arrays beside the ids, and follows them as items come, go and are used for the first time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import final, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rest", "Untouched", "among", "places_of", "rows_of"]

LookUp = Callable[[Sequence[str]], NDArray[np.intp]]
_MANY = 256  # changes after which all are looked up anew


class _Column:
    """A number beside each id; ``late`` are the ids whose number is yet to be looked up."""

    def __init__(self, stamp: object, values: NDArray[np.intp]) -> None:
        self.stamp, self.values = stamp, values
        self.late: set[str] = set()


@final
class Untouched:
    """Ids in order, and columns of numbers beside them. ``version`` is another one after each change."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = sorted(ids)
        self.version = 0
        self._columns: dict[str, _Column] = {}

    def add(self, ids: Collection[str]) -> None:
        """Take ids in, or say of those that are there that their numbers changed. O(n), in C."""
        new = sorted(item_id for item_id in set(ids) if not among(item_id, self.ids))
        places = [bisect_left(self.ids, item_id) for item_id in new]
        if len(new) == 1:
            self.ids.insert(places[0], new[0])
        elif new:
            self.ids = sorted([*self.ids, *new])
        for name, column in list(self._columns.items()):
            column.late.update(ids)
            if len(column.late) > _MANY:
                del self._columns[name]
            elif new:
                column.values = np.insert(column.values, places, -1)
        self.version += 1

    def discard(self, ids: Iterable[str]) -> None:
        """Take ids out. O(n), in C."""
        places = sorted(set(places_of(self.ids, ids)))
        if not places:
            return
        for column in self._columns.values():
            column.values = np.delete(column.values, places)
            column.late.difference_update([self.ids[at] for at in places])
        if len(places) > _MANY:
            gone = set(places)
            self.ids = [item_id for at, item_id in enumerate(self.ids) if at not in gone]
        else:
            for at in reversed(places):
                del self.ids[at]
        self.version += 1

    def column(self, name: str, stamp: object, look_up: LookUp) -> NDArray[np.intp]:
        """Give the number beside each id, shape (n,); all are looked up anew under another stamp. Not to be changed."""
        column = self._columns.get(name)
        if column is None or column.stamp != stamp:
            column = self._columns[name] = _Column(stamp, look_up(self.ids))
        elif column.late:
            late = sorted(column.late)
            column.values[[bisect_left(self.ids, item_id) for item_id in late]] = look_up(late)
            column.late.clear()
        return column.values


@final
class Rest(Sequence[str]):
    """Some of the untouched, or all: valid until they change.

    Parameters
    ----------
    whole : Untouched
    at : array of int, optional
        Which of them, in ascending order; None for all.
    """

    def __init__(self, whole: Untouched, at: NDArray[np.intp] | None = None) -> None:
        self.whole = whole
        self.at = at

    def __len__(self) -> int:
        return len(self.whole.ids) if self.at is None else len(self.at)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        ids = self.whole.ids
        if self.at is None:
            return ids[place]
        return [ids[at] for at in self.at[place].tolist()] if isinstance(place, slice) else ids[self.at[place]]

    def __iter__(self) -> Iterator[str]:
        ids = self.whole.ids
        return iter(ids) if self.at is None else map(ids.__getitem__, self.at.tolist())

    def kept(self, which: NDArray[np.bool_]) -> Rest:
        """Keep some, shape (n,)."""
        return Rest(self.whole, which.nonzero()[0] if self.at is None else self.at[which])

    def without(self, ids: Iterable[str]) -> Rest:
        """Leave some out. O(ids log n), and O(n) in C if any of them is there."""
        gone = places_of(self, ids)
        if not gone:
            return self
        which = np.ones(len(self), np.bool_)
        which[gone] = False
        return self.kept(which)

    def column(self, name: str, stamp: object, look_up: LookUp) -> NDArray[np.intp]:
        """Give the number beside each; not to be changed."""
        values = self.whole.column(name, stamp, look_up)
        return values if self.at is None else values.take(self.at)


def rows_of(untouched: Sequence[str], name: str, stamp: object, look_up: LookUp) -> NDArray[np.intp]:
    """Give the number beside each untouched item, shape (n,); remembered where they are a catalogue's."""
    return untouched.column(name, stamp, look_up) if isinstance(untouched, Rest) else look_up(untouched)


def among(item_id: str, ordered: Sequence[str]) -> bool:
    """Whether an id is in a sorted list. O(log n)."""
    return bool(places_of(ordered, (item_id,)))


def places_of(ordered: Sequence[str], ids: Iterable[str]) -> list[int]:
    """Give where those ids stand that are in a sorted list. O(ids log n)."""
    places = ((bisect_left(ordered, item_id), item_id) for item_id in ids)
    return [at for at, item_id in places if at < len(ordered) and ordered[at] == item_id]
