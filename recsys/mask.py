"""What is never learnt: items that carry a sensitive tag, and what the log says of them.

The log keeps such events, since they are the person's; the fold never sees them. What is learnt is to the byte
what a log without them teaches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from recsys.digest import blake2b
from recsys.types import Event, Item

__all__ = ["Mask", "mask_of"]


@final
class Mask:
    """Hides events from the fold.

    Parameters
    ----------
    tags : frozenset of str
        What makes an item sensitive.
    items : frozenset of str
        Ids of the items that carry one of them.

    Stability: provisional
    """

    __slots__ = ("items", "tags")

    def __init__(self, tags: frozenset[str], items: frozenset[str]) -> None:
        self.tags = tags
        self.items = items

    def seen(self, event: Event) -> Event | None:
        """Give what the fold may see of an event; None for nothing. O(items shown)."""
        if event.kind == "steer":
            return None if event.item_id in self.items or event.item_id in self.tags else event
        if event.kind != "shown":
            return None if event.item_id in self.items else event
        left = tuple(place for place in event.shown if place[0] not in self.items)
        if len(left) == len(event.shown):
            return event
        e = event
        return Event(e.at_us, e.uid, "", e.kind, e.offset_min, e.value, e.context, e.slate, left) if left else None

    def sensitive(self, item: Item) -> bool:
        """Whether the item carries one of the tags."""
        return not self.tags.isdisjoint(item.tags)

    def having(self, items: Iterable[Item]) -> Mask:
        """Give the mask after these items were added or replaced."""
        given = {item.id: self.sensitive(item) for item in items}
        return Mask(self.tags, (self.items - given.keys()) | {key for key, hidden in given.items() if hidden})

    def lacking(self, ids: Iterable[str]) -> Mask:
        """Give the mask after these items were taken out without a trace."""
        return Mask(self.tags, self.items.difference(ids))

    @property
    def digest(self) -> str:
        """Thirty-two hexadecimal digits: what is learnt depends on which items are hidden."""
        content = "\0".join([*sorted(self.tags), "", *sorted(self.items)])
        return blake2b(content.encode(), digest_size=16).hexdigest()


def mask_of(tags: Iterable[str], rows: Iterable[tuple[Item, bool]]) -> Mask | None:
    """Give the mask for a catalogue, removed items included; None when nothing is to be hidden. O(items)."""
    empty = Mask(frozenset(tags), frozenset())
    return empty.having(item for item, _ in rows) if empty.tags else None
