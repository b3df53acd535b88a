"""Which items are ranked: the host's own list, or every item known.

An item without any event has the features of slot 0, the item that was never
seen. However many such *untouched* items a catalogue has, one column of
features stands for all of them, so a catalogue costs what its touched part costs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice, repeat
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.inputs import VECTOR_MARK
from recsys.learn.behaviour import Behaviour
from recsys.rank.rest import Rest, Untouched, among
from recsys.types import Item

if TYPE_CHECKING:
    from recsys.learn.content import Embedder
    from recsys.rank.likeness import Likeness
    from recsys.rank.told import Told

__all__ = ["STEER_STRENGTH", "Catalogue", "Pool", "everything_known", "given", "steered"]

STEER_STRENGTH: Final = 4.0  # what a steer of 1 adds to a score: odds of about 55 to 1


class Pool(NamedTuple):
    """The candidates of one ranking.

    Parameters
    ----------
    slots : array of int, shape (n,), or slice
        The columns of the feature matrix.
    ids : sequence of str
        The columns' item ids.
    allowed : array of bool, shape (n,), or None
        Which columns are candidates; None for all.
    untouched : sequence of str
        Further candidates, sorted by id, whose features are those of column 0.
    offsets : array of float64, shape (n,), or None
        The person's own steering of each column; None when there is none.
    told : sequence of Told
        What a prior pack, the items' content and the app's boosts say of the columns and of the untouched.
    """

    slots: NDArray[np.intp] | slice
    ids: Sequence[str]
    allowed: NDArray[np.bool_] | None = None
    untouched: Sequence[str] = ()
    offsets: NDArray[np.float64] | None = None
    told: Sequence[Told] = ()

    def added(self) -> NDArray[np.float64] | None:
        """Give what is added to the model's scores of the columns, shape (n,); None for nothing."""
        added = self.offsets
        for one in self.told:
            said = one.offsets()
            if len(self.ids) and not self.ids[0]:  # slot 0 is no item; to the untouched each one's own is added
                said[0] = 0.0
            added = said if added is None else said + added
        return added

    def added_untouched(self) -> NDArray[np.float64]:
        """Give what is added to the model's score of each untouched candidate, shape (n_untouched,)."""
        added = np.zeros(len(self.untouched))
        for one in self.told:
            added += one.offsets_untouched()
        return added


class Catalogue:
    """The items that the host told us of, in memory.

    Stability: provisional
    """

    def __init__(self, rows: Iterable[tuple[Item, bool]]) -> None:
        self.items: dict[str, Item] = {}
        self.removed: set[str] = set()
        self._by_tag: dict[str, set[str]] | None = None
        self._untouched: Untouched | None = None
        self._n_slots = 0
        self._slots: Mapping[str, int] = {}  # as of when the untouched were asked for
        self._likeness: Likeness | None = None
        self.described = False  # whether any item ever said more than its id
        self.version = 0  # of the items: another one whenever they change
        for item, removed in rows:
            if removed:
                self.removed.add(item.id)
            else:
                self.items[item.id] = item
                self.described = self.described or _says(item)

    def check_vectors(self, items: Collection[Item]) -> None:
        """Raise ``InputError`` unless vectors of new items are as long as each other's and the catalogue's."""
        given = {item.id: len(str(item.attributes["vector"])) for item in items if _has_vector(item)}
        if not given:
            return
        old = (item for item in self.items.values() if item.id not in given and _has_vector(item))
        lengths = {*given.values(), *(len(str(item.attributes["vector"])) for item in islice(old, 1))}
        if len(lengths) > 1:
            raise InputError("vector: as many numbers are needed for every item", field="vector")

    def put(self, items: Collection[Item]) -> None:
        """Add or replace items. O(items), and what is kept in order of the ids moves, in C."""
        changed = [item for item in items if self.items.get(item.id) != item or item.id in self.removed]
        for item in changed:
            self.items[item.id] = item
            self.removed.discard(item.id)
            self.described = self.described or _says(item)
        if not changed:
            return
        if self._likeness is not None:
            self._likeness.content.put(changed)
        if self._untouched is not None:
            slots = self._slots
            self._untouched.add({item.id for item in changed if item.id not in slots})
        self._by_tag = None
        self.version += 1

    def drop(self, ids: Collection[str], tombstones: Collection[str]) -> None:
        """Take items out; of those in ``tombstones`` remember that they were removed."""
        for item_id in ids:
            self.items.pop(item_id, None)
            self.removed.discard(item_id)
        self.removed.update(tombstones)
        if self._likeness is not None:
            self._likeness.content.drop(ids)
        if self._untouched is not None:
            self._untouched.discard(ids)
        self._by_tag = None
        self.version += 1

    def likeness(self, embedder: Embedder | None = None) -> Likeness | None:
        """Give the items' content, read at the first call; None when none says more than its id."""
        if self._likeness is None and self.described:
            from recsys.learn.index import Content
            from recsys.rank.likeness import Likeness

            self._likeness = Likeness(Content(self.items.values(), embedder))
        return self._likeness

    def title(self, item_id: str) -> str:
        """What a person calls the item: its title, else its id."""
        item = self.items.get(item_id)
        return item.title if item is not None and item.title else item_id

    def known(self, item_id: str, behaviour: Behaviour) -> bool:
        """Whether the item is in the catalogue or in the log."""
        return item_id in self.items or item_id in behaviour.slots

    def tagged(self, tag: str) -> Collection[str]:
        """Give the ids of the items with this tag."""
        if self._by_tag is None:
            self._by_tag = {}
            for item in self.items.values():
                for name in item.tags:
                    self._by_tag.setdefault(name, set()).add(item.id)
        return self._by_tag.get(tag, ())

    def untouched(self, behaviour: Behaviour) -> Rest:
        """Give the items without a slot, sorted by id. O(1) amortised; O(n log n) when slots were given anew."""
        if self._untouched is None or self._n_slots > behaviour.n_slots:
            self._untouched = Untouched(self.items.keys() - behaviour.slots.keys())
        elif self._n_slots < behaviour.n_slots:
            self._untouched.discard(behaviour.ids[self._n_slots :])
        self._n_slots, self._slots = behaviour.n_slots, behaviour.slots
        return Rest(self._untouched)

    def forget_slots(self) -> None:
        """Say that slots were given anew: the state was rebuilt."""
        self._untouched, self._slots = None, {}
        if self._likeness is not None:
            self._likeness.forget()


def given(item_ids: Sequence[str], behaviour: Behaviour, catalogue: Catalogue, steers: Mapping[str, float]) -> Pool:
    """Take the host's own candidates, all distinct. O(n)."""
    slots = np.fromiter(map(behaviour.slots.get, item_ids, repeat(0)), np.intp, len(item_ids))
    offsets = None
    if steers:
        by_id = steered(catalogue, steers)
        offsets = np.array([by_id.get(item_id, 0.0) for item_id in item_ids])
    return Pool(slots, item_ids, offsets=offsets)


def everything_known(
    behaviour: Behaviour,
    catalogue: Catalogue,
    steers: Mapping[str, float],
    exclude: Collection[str],
    where: Callable[[Item], bool] | None,
) -> Pool:
    """Take every item of the catalogue and of the log that was not removed.

    O(touched items); with ``where``, O(items) calls of it.
    """
    b = behaviour
    allowed = np.ones(b.n_slots, np.bool_)
    allowed[0] = False
    for item_id in (*catalogue.removed, *exclude):
        allowed[b.slots.get(item_id, 0)] = False
    untouched = catalogue.untouched(b).without(exclude)
    if where is not None:
        for slot in np.flatnonzero(allowed):
            allowed[slot] = bool(where(_item(catalogue, b.ids[slot])))
        items, n = catalogue.items, len(untouched)
        untouched = untouched.kept(np.fromiter((bool(where(items[i])) for i in untouched), np.bool_, n))
    if not steers:
        return Pool(slice(0, b.n_slots), b.ids, allowed, untouched)
    return _with_steers(b, allowed, untouched, steered(catalogue, steers))


def _has_vector(item: Item) -> bool:
    vector = item.attributes.get("vector")
    return isinstance(vector, str) and vector.startswith(VECTOR_MARK)


def _says(item: Item) -> bool:
    return bool(item.title or item.tags or item.attributes)


def _item(catalogue: Catalogue, item_id: str) -> Item:
    return catalogue.items.get(item_id) or Item(item_id)


def _with_steers(b: Behaviour, allowed: NDArray[np.bool_], untouched: Rest, by_id: Mapping[str, float]) -> Pool:
    """Give steered items columns of their own, also those that are untouched, or no candidates at all."""
    apart = sorted(item_id for item_id in by_id if item_id not in b.slots)
    slots = np.concatenate([np.arange(b.n_slots), np.zeros(len(apart), np.intp)])
    ids = [*b.ids, *apart]
    offsets = np.array([by_id.get(item_id, 0.0) for item_id in ids])
    offsets[0] = 0.0
    own = np.array([among(item_id, untouched) for item_id in apart], np.bool_)
    return Pool(slots, ids, np.concatenate([allowed, own]), untouched.without(apart), offsets)


def steered(catalogue: Catalogue, steers: Mapping[str, float]) -> dict[str, float]:
    """Sum, for each item, the steers of its id and of its tags, times ``STEER_STRENGTH``."""
    by_id: dict[str, float] = {}
    for target, weight in sorted(steers.items()):
        for item_id in {target, *catalogue.tagged(target)}:
            by_id[item_id] = by_id.get(item_id, 0.0) + STEER_STRENGTH * weight
    return by_id
