"""Which items are on offer at a moment: those that are not used up, and whose time it is.

Both are computed when asked, from the uses that were learnt and from the catalogue; nothing of it is learnt or kept
with the log. So an item that was used up is on offer again as soon as its uses are forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.rank.candidates import Catalogue, Pool
from recsys.rank.rest import Rest, Untouched

if TYPE_CHECKING:
    from recsys.settings import Settings

__all__ = ["Shelf"]

_NOTHING: AbstractSet[str] = frozenset()


class _Times(NamedTuple):
    """The items of a catalogue that are on offer for a time only, from ``begin`` until before ``end``, in seconds."""

    catalogue: Catalogue
    version: int
    ids: list[str]
    begin: NDArray[np.float64]
    end: NDArray[np.float64]
    edges: NDArray[np.float64]


@final
class Shelf:
    """Leaves out what is used up or not of its time.

    Stability: provisional
    """

    def __init__(self, settings: Settings) -> None:
        self._once = settings.once if isinstance(settings.once, bool) else frozenset(settings.once)
        self._names = (settings.created, settings.expires)
        self._times: _Times | None = None
        self._closed: tuple[_Times, int, AbstractSet[str]] | None = None
        self._open: tuple[Untouched, int, AbstractSet[str], NDArray[np.bool_]] | None = None

    def offered(self, pool: Pool, b: Behaviour, catalogue: Catalogue, at_us: int) -> Pool:
        """Keep what is on offer.

        O(items with events); where items have times also O(items) after the catalogue or the log changed, or time
        went past one of them.
        """
        allowed = np.ones(len(pool.ids), np.bool_) if pool.allowed is None else pool.allowed.copy()
        if self._once:
            allowed &= ~self._used_up(pool, b, catalogue)
        closed = self._closed_at(catalogue, at_us / 1e6)
        untouched = pool.untouched
        if closed:
            for column in allowed.nonzero()[0].tolist():
                allowed[column] = pool.ids[column] not in closed
            untouched = self._still_open(untouched, closed)
        return pool._replace(allowed=allowed, untouched=untouched)

    def _used_up(self, pool: Pool, b: Behaviour, catalogue: Catalogue) -> NDArray[np.bool_]:
        used: NDArray[np.bool_] = b.own_n[pool.slots] > 0
        if isinstance(self._once, bool):
            return used
        for column in used.nonzero()[0].tolist():
            item = catalogue.items.get(pool.ids[column])
            used[column] = item is not None and not self._once.isdisjoint(item.tags)
        return used

    def _closed_at(self, catalogue: Catalogue, at_s: float) -> AbstractSet[str]:
        """Give the items whose time it is not; the same set until time passes the next edge."""
        if self._names == (None, None):
            return _NOTHING
        times = self._times
        if times is None or times.catalogue is not catalogue or times.version != catalogue.version:
            times = self._times = _times(catalogue, *self._names)
        number = int(np.searchsorted(times.edges, at_s, side="right"))
        if self._closed is None or self._closed[0] is not times or self._closed[1] != number:
            closed = ((times.begin > at_s) | (times.end <= at_s)).nonzero()[0]
            self._closed = times, number, frozenset([times.ids[i] for i in closed.tolist()])
        return self._closed[2]

    def _still_open(self, untouched: Sequence[str], closed: AbstractSet[str]) -> Sequence[str]:
        """The same items are asked about again and again, until the catalogue or time moves on."""
        if not isinstance(untouched, Rest):
            return [item_id for item_id in untouched if item_id not in closed]
        last, whole = self._open, untouched.whole
        if last is None or last[0] is not whole or last[1] != whole.version or last[2] is not closed:
            left = np.fromiter((item_id not in closed for item_id in whole.ids), np.bool_, len(whole.ids))
            self._open = last = whole, whole.version, closed, left
        return untouched.kept(last[3] if untouched.at is None else last[3][untouched.at])


def _times(catalogue: Catalogue, created: str | None, expires: str | None) -> _Times:
    """Read the times of a catalogue. O(items)."""
    ids, begin, end = [], [], []
    for item in catalogue.items.values():
        first = _seconds(item.attributes.get(created)) if created else None
        last = _seconds(item.attributes.get(expires)) if expires else None
        if first is not None or last is not None:
            ids.append(item.id)
            begin.append(-np.inf if first is None else first)
            end.append(np.inf if last is None else last)
    starts, ends = np.array(begin, np.float64), np.array(end, np.float64)
    return _Times(catalogue, catalogue.version, ids, starts, ends, np.unique(np.concatenate([starts, ends])))


def _seconds(value: object) -> float | None:
    """Read a time; what is no number, as an older file may hold, is none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
