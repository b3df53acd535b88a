"""Which row of the host's model stands where: two lists that undo each other, and how changes of the host's move them.

No Qt: rows are numbers, ids are texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Order", "item_id_of"]

_LONGEST = 512  # characters of an id


def item_id_of(value: object) -> str | None:
    """Give the item id that a host's value stands for: a text, or a whole number as text; None for anything else."""
    if isinstance(value, str):
        usable = 0 < len(value) <= _LONGEST and "\0" not in value and value.encode("utf-8", "ignore").decode() == value
        return value if usable else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


class Order:
    """The rows of a host, each with its item id, in the order in which they are shown.

    ``rows[place]`` is the host's row shown at a place, ``places[row]`` the reverse; -1 is a row that is not shown, as
    between the announcement of its removal and the removal. ``ids[row]`` is its item id, or None. Several rows may have
    the same one.

    Stability: provisional
    """

    def __init__(self, ids: Iterable[str | None] = ()) -> None:
        self.ids = list(ids)
        self.rows = list(range(len(self.ids)))
        self.places = list(self.rows)

    def distinct(self) -> list[str]:
        """Give the ids of the rows, each once, in the host's order. O(rows)."""
        return list(dict.fromkeys(item_id for item_id in self.ids if item_id is not None))

    def sorted_by(self, ranks: Mapping[str, int], rows: Iterable[int] | None = None) -> list[int]:
        """Give rows by the rank of their ids, then those not ranked yet, then those without an id.

        Ties stand as the host has them. O(n log n).
        """
        unranked, without = len(ranks) + 1, len(ranks) + 2
        ids = self.ids
        keys = [without if item_id is None else ranks.get(item_id, unranked) for item_id in ids]
        return sorted(self.rows if rows is None else rows, key=lambda row: (keys[row], row))

    def put(self, rows: list[int]) -> None:
        """Show these rows in this order. O(rows)."""
        self.rows = rows
        self.places = [-1] * len(self.ids)
        for place, row in enumerate(rows):
            self.places[row] = place

    def make_room(self, first: int, ids: Sequence[str | None]) -> None:
        """Take in rows that the host has inserted before its row ``first``; they are not shown yet. O(rows)."""
        n = len(ids)
        self.ids[first:first] = ids
        self.put([row + n if row >= first else row for row in self.rows])

    def close_up(self, first: int, last: int) -> None:
        """Take out the host's rows from ``first`` to ``last``, which are shown no more. O(rows)."""
        n = last - first + 1
        del self.ids[first : last + 1]
        self.put([row - n if row > last else row for row in self.rows if not first <= row <= last])

    def move(self, first: int, last: int, before: int) -> None:
        """Follow the host, who moved rows to before its row ``before``; what is shown where stays. O(rows)."""
        old = list(range(len(self.ids)))
        moved = old[first : last + 1]
        rest = old[:first] + old[last + 1 :]
        at = before if before <= first else before - len(moved)
        self.renumber(rest[:at] + moved + rest[at:])

    def renumber(self, old: Sequence[int]) -> None:
        """Follow the host, whose row ``n`` now is what was row ``old[n]``. O(rows)."""
        new = [0] * len(old)
        for row, before in enumerate(old):
            new[before] = row
        self.ids = [self.ids[before] for before in old]
        self.put([new[row] for row in self.rows])

    @staticmethod
    def is_run(places: Sequence[int]) -> bool:
        """Whether these places, ascending, follow each other without a gap."""
        return places[-1] - places[0] + 1 == len(places)
