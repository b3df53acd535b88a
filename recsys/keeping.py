"""The inside of a recommender: the file, the catalogue and what was learnt, kept in step.

:class:`Keeping` holds all that changes and every way in which it changes: recording, forgetting, other processes'
writes, background work, consent. It takes arguments that are checked already, and expects its caller to hold
the gate. :class:`recsys.Recommender` is its public face.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from recsys import inputs
from recsys.errors import StoreError
from recsys.gate import Gate
from recsys.live import Live, keyed
from recsys.log import Store, opening
from recsys.mask import mask_of
from recsys.rank.candidates import Catalogue, Pool, everything_known
from recsys.settings import RESOLUTIONS_US, Settings
from recsys.types import Event, Item

if TYPE_CHECKING:
    from recsys.grove import Grove
    from recsys.mask import Mask
    from recsys.portable import Export
    from recsys.prior import Prior
    from recsys.rank.shelf import Shelf
    from recsys.retention import Retention

__all__ = ["Keeping", "asked_once", "finish"]

Key = tuple[int, str]


class Keeping:
    """A person's file and what was learnt from it.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    key : bytes or callable, optional
        Of an encrypted file.
    settings : Settings
        What the host chose.
    prior : Prior
        Where the model starts.

    Stability: provisional
    """

    _store: Store
    _catalogue: Catalogue
    _live: Live

    def __init__(
        self,
        path: str | os.PathLike[str],
        key: bytes | Callable[[], bytes] | None,
        settings: Settings,
        prior: Prior,
    ) -> None:
        self._path = opening.path_of(inputs.path_of(path))
        self._key = asked_once(key)
        self._settings = settings
        self._prior = prior
        self._gate = Gate()
        self._taken_out: set[str] = set()  # items removed while nothing may be written
        self._left: list[Store] = []  # the file that was left while paused, still open
        self._stale = False  # another process changed more than it added, and that is yet to be taken in
        self._shelf: Shelf | None = None
        if settings.once or settings.created or settings.expires:
            from recsys.rank.shelf import Shelf

            self._shelf = Shelf(settings)
        self._retention: Retention | None = None
        if settings.keep_days is not None or settings.keep_events is not None:
            from recsys.retention import Retention

            self._retention = Retention(settings)
        self._grove: Grove | None = None
        if settings.trees:
            from recsys.grove import Grove

            self._grove = Grove()
        self._begin(self._first_store())

    # -- opening, consent -------------------------------------------------------------

    def _first_store(self) -> Store:
        """Open the file; or, as long as nothing may be written, a stand-in in memory."""
        if not self._settings.require_consent:
            return self._open(self._path)
        allowed, pending = self._seen()
        if allowed:
            store = self._open(self._path)
            try:
                if store.consents():
                    return store
            except BaseException:
                store.close()
                raise
            store.close()  # withdrawn in this moment
        elif pending:
            self._finish_withheld()
        self._gate.withheld = True
        return self._open(opening.MEMORY)

    def _seen(self) -> tuple[bool, bool]:
        """Say of the file, without writing to it, whether it holds a consent and whether an erasure is pending."""
        if self._path == opening.MEMORY or not opening.is_there(self._path):
            return False, False
        from recsys.log import withheld

        return withheld.seen(self._path, self._key)

    def _open(self, path: str) -> Store:
        chosen = self._settings
        return Store(path, synchronous=chosen.synchronous, busy_timeout_ms=chosen.busy_timeout_ms, key=self._key)

    def _begin(self, store: Store) -> None:
        """Take a store over, with all that it holds."""
        try:
            finish(store)  # before anything else
            rows = list(store.items())
            catalogue = Catalogue(rows)
            live = Live(store, self._prior, self._settings, self._mask_of(rows))
        except BaseException:
            store.close()
            raise
        self._store, self._catalogue, self._live, self._stale = store, catalogue, live, False
        self._keep_ballast()

    def _mask_of(self, rows: Iterable[tuple[Item, bool]]) -> Mask | None:
        return mask_of(self._settings.never_learn, rows)

    def _join(self, allow: Callable[[Store], object]) -> None:
        """Go over to the file, with the catalogue of the stand-in, unless there is no consent in it after ``allow``."""
        stand_in, store = self._store, self._open(self._path)
        try:
            with store.transact():
                allow(store)
                allowed = bool(store.consents())
                if allowed:
                    store.put_items(item for item, removed in stand_in.items() if not removed)
                    self._bury(store)
        except BaseException:
            store.close()
            raise
        if not allowed:
            store.close()
            return
        self._begin(store)
        stand_in.close()
        self._taken_out.clear()
        self._gate.withheld = False

    def _bury(self, store: Store) -> None:
        """Take out of a file what was removed while it might not be written."""
        there = self._taken_out.intersection(item.id for item, removed in store.items() if not removed)
        store.drop_items([*there], keep_tombstone=store.mentions(there))

    def _notice(self) -> None:
        """Where nothing may be written, look whether another process was given a consent meanwhile."""
        if self._gate.withheld and self._seen()[0]:
            self._join(lambda _: None)

    def _admit(self) -> None:
        """Raise ``ConsentError`` unless the person's doings may be written."""
        self._notice()
        self._gate.require_consent()

    def _leave(self) -> None:
        """Where nothing may be written, go over to a stand-in in memory, with the catalogue."""
        if not self._gate.withheld or self._store.path == opening.MEMORY:
            return
        store, stand_in = self._store, self._open(opening.MEMORY)
        stand_in.put_items(item for item, removed in store.items() if not removed)
        self._begin(stand_in)
        self._left.append(store)
        if not self._gate.paused:
            self._close_left()

    def _close_left(self) -> None:
        """Close the file that was left: later than that while paused, since closing may fold the WAL into it."""
        while self._left:
            self._left.pop().close()

    def _finish_withheld(self) -> None:
        with self._open(self._path) as store:
            finish(store)

    # -- the catalogue ------------------------------------------------------------------

    def _put(self, items: list[Item]) -> int:
        with self._in_step():
            n = self._store.put_items(items)
        self._taken_out.difference_update(item.id for item in items)
        self._catalogue.put(items)
        if self._live.mask is not None:
            self._hide(self._live.mask.having(items))
        return n

    def _take_out(self, ids: list[str]) -> int:
        with self._in_step():
            slots, catalogue, mask = self._live.state.behaviour.slots, self._catalogue, self._live.mask
            there = [item_id for item_id in ids if item_id not in catalogue.removed]
            learnt = slots.keys() & there  # the log says something of these; of the others it may too, unlearnt
            tombstones = learnt | self._store.mentions(set(there) - learnt)
            gone = [item_id for item_id in there if item_id in catalogue.items or item_id in tombstones]
            self._store.put_items([Item(item_id) for item_id in tombstones if item_id not in catalogue.items])
            self._store.drop_items(gone, keep_tombstone=tombstones)
        if self._gate.withheld:
            self._taken_out.update(ids)
        self._catalogue.drop(gone, tombstones)
        if mask is not None:
            self._hide(mask.lacking(set(gone) - tombstones))
        return len(gone)

    def _hide(self, mask: Mask) -> None:
        """Learn anew if other events are hidden from now on."""
        before = self._live.mask
        if before is None or before.items == mask.items:
            return
        self._live.mask = mask
        if self._store.mentions(before.items ^ mask.items):
            self._reload()
        elif self._live.worth_saving:  # the same was learnt, on another basis
            self._save()

    def _take_in(self, export: Export) -> int:
        """Take in an export; how many events were new."""
        items, removed = export.items, export.removed
        gone = [item.id for item in removed]
        with self._store.transact():
            self._catch_up()
            self._gate.require_consent()
            checked = inputs.items_of(items + removed)
            self._store.put_items(
                [*map(self._still_hidden, checked[: len(items)]), *map(self._buried, checked[len(items) :])]
            )
            self._store.drop_items(gone, keep_tombstone=set(gone))
            given_events = [(event, True) for event in sorted(export.events, key=lambda event: event.key)]
            events = self._keyed(given_events, self._store.newest(), export.time_resolution)
            n = len(self._store.append(sorted(events, key=lambda event: event.key), late=True))
        self._renew()
        return n

    def _still_hidden(self, item: Item) -> Item:
        """Give an item of an export with the sensitive tags that it has here: the export may be from before them."""
        found = self._store.item(item.id)
        hidden = [tag for tag in found[0].tags if tag in self._settings.never_learn] if found else []
        if not hidden:
            return item
        tags = tuple(dict.fromkeys((*hidden, *item.tags)))[: inputs.LIMITS["tags"]]
        return replace(item, tags=tags)

    def _buried(self, item: Item) -> Item:
        """Give a removed item with its own tags and those that it has here: a sensitive one may be among either."""
        found = self._store.item(item.id)
        tags = sorted(
            dict.fromkeys((*(found[0].tags if found else ()), *item.tags)),
            key=lambda tag: tag not in self._settings.never_learn,
        )  # where there are too many, the sensitive ones stay
        return Item(item.id, "", tuple(tags)[: inputs.LIMITS["tags"]])

    # -- events ---------------------------------------------------------------------------

    def _append(self, given_events: list[tuple[Event, bool]]) -> list[str]:
        """Write events and learn them; the ids in the order given."""
        with self._gate.arranging:
            self._admit()
            if not given_events:
                return []
            live = self._live
            with self._store.transact():
                self._catch_up()
                self._gate.require_consent()
                events = self._keyed(given_events, live.key)
                ordered = sorted(events, key=lambda event: event.key)
                late = live.is_late(ordered[0].key)
                learnt = self._store.append(ordered, late=late)
                self._doubt(ordered[0].key)
            with suppress(StoreError):  # The events are durable: what fails from here on is made good by the next call.
                if late:
                    self._reload(ordered[0].key)
                else:
                    live.learn(learnt)
                if live.due:
                    self._save()
            return [event.uid for event in events]

    def _keyed(
        self, given_events: list[tuple[Event, bool]], newest: Key | None, placed: str = "microsecond"
    ) -> list[Event]:
        newest_us = -1 if newest is None else newest[0]
        resolution_us = RESOLUTIONS_US[self._settings.time_resolution]
        return keyed(given_events, newest_us, resolution_us, self._store, RESOLUTIONS_US[placed])

    def _everything(self, exclude: Iterable[str], where: Callable[[Item], bool] | None, at_us: int) -> Pool:
        state, stock = self._live.state, self._catalogue
        pool = everything_known(state.behaviour, stock, state.steers, tuple(exclude), where)
        return pool if self._shelf is None else self._shelf.offered(pool, state.behaviour, stock, at_us)

    # -- in step ----------------------------------------------------------------------------

    def _sync(self) -> bool:
        """Take in what other processes did, outside a transaction; leave the file if they withdrew every consent."""
        changed = self._catch_up()
        if self._gate.withheld:
            self._leave()
        return changed

    @contextmanager
    def _in_step(self) -> Iterator[None]:
        """A transaction that begins with what other processes did taken in; needs no consent."""
        with ExitStack() as stack:
            stack.enter_context(self._store.transact())
            self._catch_up()
            if self._gate.withheld and self._store.path != opening.MEMORY:  # withdrawn by another process
                stack.close()
                self._leave()
                stack.enter_context(self._store.transact())
            yield

    def _catch_up(self) -> bool:
        """Take in what other processes did, and mend what an interrupted call left; whether they did anything."""
        change = self._store.observe()
        self._stale = self._stale or change == "changed"
        if self._stale:
            if self._settings.require_consent and not self._gate.withheld and not self._store.consents():
                self._gate.withheld = True  # it was withdrawn elsewhere
            if not self._gate.withheld:
                self._renew()
            self._stale = False
        self._live.mend()
        if change == "grown":
            self._live.follow()
        if change != "same" and self._grove is not None:
            self._grove.doubtful = True
        return change != "same"

    def _renew(self) -> None:
        """Read the catalogue anew, and learn anew."""
        rows = list(self._store.items())
        self._catalogue = Catalogue(rows)
        self._live.mask = self._mask_of(rows)
        self._reload()

    def _save(self) -> None:
        """Write a checkpoint of what the log teaches: nobody can write in between."""
        with self._store.transact():
            self._catch_up()
            if self._gate.withheld:  # withdrawn by another process
                return
            self._live.save()
        self._keep_ballast()

    def _reload(self, near: Key | None = None) -> int:
        """Learn anew, after a change of the log near a key if one is given; returns how many events were folded."""
        self._catalogue.forget_slots()
        if near is None and self._retention is not None:
            self._retention.doubt(None)
        n_folded = self._live.load(near)
        if self._live.passed:  # kept, so that the next change near it costs less
            with suppress(StoreError):
                self._save()
        return n_folded

    def _doubt(self, since: Key) -> None:
        """Say, before a commit, that the log is about to change from this key on."""
        self._live.doubt()
        if self._retention is not None:
            self._retention.doubt(since)

    def _keep_ballast(self) -> None:
        if self._settings.ballast:
            self._store.keep_ballast()


def asked_once(key: bytes | Callable[[], bytes] | None) -> bytes | Callable[[], bytes] | None:
    """Give a key such that a callable is called once, however often the file is opened."""
    return cache(key) if callable(key) else key


def finish(store: Store) -> None:
    """Try to finish a pending erasure, waiting for nobody; what was set aside goes before the word is taken back."""
    if store.erasure_pending():
        with suppress(StoreError):
            store.destroy_set_aside()
            store.erase(wait_ms=0)
