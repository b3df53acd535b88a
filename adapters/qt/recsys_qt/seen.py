"""Which rows of a ranking really were on screen, so that each counts once.

In: rankings as they come, and what is visible whenever that has settled. Out: the part of the ranking to log as shown,
and for a choice the slate that it was made from. No toolkit: the adapters for Qt and Tk carry the same file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from recsys import Recommendation, Slate

__all__ = ["Seen"]

_MOST = 10_000  # items of one impression


class Seen:
    """What of the rankings was on screen.

    A row counts once for a ranking, however often it scrolls by. A new ranking that shows the same rows in the same
    order, with nothing chosen in between, is no new impression.

    Stability: provisional
    """

    def __init__(self) -> None:
        self._slate: Slate | None = None
        self._by_id: dict[str, Recommendation] = {}
        self._slates: dict[str, str] = {}  # item id to the slate under which it was logged
        self._last: tuple[str, ...] = ()
        self._is_new = False
        self._acted = False

    def ranked(self, slate: Slate, by_id: dict[str, Recommendation]) -> None:
        """Take a new ranking and its rows by item id. O(1)."""
        self._slate, self._by_id, self._is_new = slate, by_id, True

    def take(self, visible: Sequence[str]) -> Slate | None:
        """Give what is to be logged as shown, now that these ids have settled on screen; None when nothing is new.

        O(visible).
        """
        if self._slate is None or not visible:
            return None
        if self._is_new and (self._acted or tuple(visible) != self._last):
            self._slates = {}
        fresh = {item_id for item_id in visible if item_id in self._by_id and item_id not in self._slates}
        self._last = tuple(visible)
        self._is_new = self._acted = False
        if not fresh:
            return None
        rows = sorted((self._by_id[item_id] for item_id in fresh), key=lambda r: r.position)[:_MOST]
        if rows[-1].position >= _MOST:
            rows = [r for r in rows if r.position < _MOST]
        if not rows:
            return None
        part = replace(self._slate, id=os.urandom(8).hex(), items=tuple(rows))
        self._slates.update((r.item_id, part.id) for r in rows)
        return part

    def chosen(self, item_id: str) -> str | None:
        """Give the slate from which this id was chosen; None when it was not logged as shown."""
        self._acted = True
        return self._slates.get(item_id)

    def forget(self) -> None:
        """Hold nothing any more of what was on screen."""
        self.__init__()  # type: ignore[misc]
