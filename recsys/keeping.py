"""The inside of a recommender: the file, the catalogue and what was learnt, kept in step.

:class:`Keeping` holds all that changes and every way in which it changes: recording, forgetting, other processes'
writes, background work, consent. It takes arguments that are checked already, and expects its caller to hold
the gate. :class:`recsys.Recommender` is its public face.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from recsys import inputs
from recsys.errors import FullError, StoreError
from recsys.gate import Gate
from recsys.live import Live, keyed, rounded
from recsys.log import Store
from recsys.mask import mask_of
from recsys.rank.candidates import Catalogue, Pool, everything_known
from recsys.settings import RESOLUTIONS_US, Settings
from recsys.types import Event, Item

if TYPE_CHECKING:
    from recsys.log.deletion import Deleted
    from recsys.mask import Mask
    from recsys.prior import Prior
    from recsys.reports import Receipt
    from recsys.retention import Retention

__all__ = ["Keeping"]

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
        self._path = inputs.path_of(path)
        self._key = key
        self._settings = settings
        self._prior = prior
        self._gate = Gate()
        self._stale = False  # another process changed more than it added, and that is yet to be taken in
        self._retention: Retention | None = None
        if settings.keep_days is not None or settings.keep_events is not None:
            from recsys.retention import Retention

            self._retention = Retention(settings)
        self._begin(self._first_store())

    # -- opening, consent -------------------------------------------------------------

    def _first_store(self) -> Store:
        """Open the file; or, as long as nothing may be written, a stand-in in memory."""
        if not self._settings.require_consent:
            return self._open(self._path)
        if self._path != ":memory:" and os.path.lexists(self._path):
            store = self._open(self._path)
            try:
                if store.consents():
                    return store
                if store.erasure_pending():  # of what was withdrawn
                    store.erase(wait_ms=0)
            except BaseException:
                store.close()
                raise
            store.close()
        self._gate.withheld = True
        return self._open(":memory:")

    def _open(self, path: str) -> Store:
        chosen = self._settings
        return Store(path, synchronous=chosen.synchronous, busy_timeout_ms=chosen.busy_timeout_ms, key=self._key)

    def _begin(self, store: Store) -> None:
        """Take a store over, with all that it holds."""
        try:
            if store.erasure_pending():  # before anything else
                store.erase(wait_ms=0)
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

    def _consent(self, purpose: str, at_us: int) -> None:
        if not self._gate.withheld:
            self._store.put_consent(purpose, at_us)
            return
        stand_in, store = self._store, self._open(self._path)
        try:
            with store.transact():
                store.put_consent(purpose, at_us)
                store.put_items(item for item, removed in stand_in.items() if not removed)
        except BaseException:
            store.close()
            raise
        self._begin(store)
        stand_in.close()
        self._gate.withheld = False

    def _withdraw(self) -> Receipt:
        def delete() -> Deleted:
            self._store.drop_consents()
            return self._store.delete(everything=True)

        try:
            receipt = self._forget(delete)
        finally:  # whatever failed after the commit
            self._gate.withheld = self._settings.require_consent and not self._store.consents()
        self._stand_in()
        return receipt

    def _stand_in(self) -> None:
        """Where nothing may be written, leave the file as soon as nothing is pending in it."""
        if not self._gate.withheld or self._store.path == ":memory:" or self._store.erasure_pending():
            return
        store, stand_in = self._store, self._open(":memory:")
        stand_in.put_items(item for item, removed in store.items() if not removed)
        self._begin(stand_in)
        store.close()

    # -- the catalogue ------------------------------------------------------------------

    def _put(self, items: list[Item]) -> int:
        with self._store.transact():
            self._sync()
            n = self._store.put_items(items)
        self._catalogue.put(items)
        if self._live.mask is not None:
            self._hide(self._live.mask.having(items))
        return n

    def _take_out(self, ids: list[str]) -> int:
        with self._store.transact():
            self._sync()
            slots, catalogue, mask = self._live.state.behaviour.slots, self._catalogue, self._live.mask
            there = [item_id for item_id in ids if item_id not in catalogue.removed]
            learnt = slots.keys() & there  # the log says something of these; of the others it may too, unlearnt
            tombstones = learnt | self._store.mentions(set(there) - learnt)
            gone = [item_id for item_id in there if item_id in catalogue.items or item_id in tombstones]
            self._store.put_items([Item(item_id) for item_id in tombstones if item_id not in catalogue.items])
            self._store.drop_items(gone, keep_tombstone=tombstones)
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

    def _take_in(self, items: list[Item], removed: list[Item], events: list[Event]) -> int:
        """Take in an export; how many events were new."""
        gone = [item.id for item in removed]
        with self._store.transact():
            self._sync()
            self._gate.require_consent()
            checked = inputs.items_of(items + removed)
            self._store.put_items([*checked[: len(items)], *map(self._buried, checked[len(items) :])])
            self._store.drop_items(gone, keep_tombstone=set(gone))
            coarse = [self._coarse(event) for event in events]
            n = len(self._store.append(sorted(coarse, key=lambda event: event.key), late=True))
        self._renew()
        return n

    def _buried(self, item: Item) -> Item:
        """Give a removed item with its own tags and those that it has here: a sensitive one may be among either."""
        found = self._store.item(item.id)
        tags = dict.fromkeys((*(found[0].tags if found else ()), *item.tags))
        return Item(item.id, "", tuple(tags)[: inputs.LIMITS["tags"]])

    def _coarse(self, event: Event) -> Event:
        e = event
        at_us = rounded(e.at_us, RESOLUTIONS_US[self._settings.time_resolution])
        return Event(at_us, e.uid, e.item_id, e.kind, e.offset_min, e.value, e.context, e.slate, e.shown)

    # -- events ---------------------------------------------------------------------------

    def _append(self, given_events: list[tuple[Event, bool]]) -> list[str]:
        """Write events and learn them; the ids in the order given."""
        with self._gate.writing:
            if not given_events:
                return []
            live = self._live
            with self._store.transact():
                self._sync()
                self._gate.require_consent()
                newest_us = -1 if live.key is None else live.key[0]
                resolution_us = RESOLUTIONS_US[self._settings.time_resolution]
                events = keyed(
                    given_events, newest_us, resolution_us, lambda at_us: self._store.newest(before_us=at_us)
                )
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

    def _everything(self, exclude: Iterable[str], where: Callable[[Item], bool] | None) -> Pool:
        state = self._live.state
        return everything_known(state.behaviour, self._catalogue, state.steers, tuple(exclude), where)

    # -- in step ----------------------------------------------------------------------------

    def _sync(self) -> bool:
        """Take in what other processes did, and mend what an interrupted call left; whether they did anything."""
        change = self._store.observe()
        self._stale = self._stale or change == "changed"
        if self._stale:
            self._renew()
            if self._settings.require_consent and not self._gate.withheld and not self._store.consents():
                self._gate.withheld = True  # it was withdrawn elsewhere
            self._stale = False
        self._live.mend()
        if change == "grown":
            self._live.follow()
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
            self._sync()
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

    def _keep_ballast(self) -> None:
        if self._settings.ballast:
            self._store.keep_ballast()

    # -- forgetting ---------------------------------------------------------------------------

    def _forget(self, delete: Callable[[], Deleted]) -> Receipt:
        """Delete, in one transaction with what knew of it; learn anew what is left; let it leave the file."""
        from recsys.reports import Receipt

        started = time.perf_counter()
        deleted = self._deleted(delete)
        n_checkpoints, n_refolded = self._live.n_saved, 0
        if deleted.oldest_key is not None:
            n_refolded = self._reload(deleted.oldest_key)
        self._catalogue.drop(deleted.tombstones, ())
        if self._live.mask is not None:
            self._hide(self._live.mask.lacking(deleted.tombstones))
        erased = self._store.erase(deleted.needles)
        n_set_aside = self._store.destroy_set_aside()
        self._keep_ballast()
        rebuilt = {
            "state": deleted.oldest_key is not None,
            "checkpoint": self._live.n_saved > n_checkpoints,
            "file": not erased.reason,
        }
        return Receipt(
            status="pending" if erased.reason else "erased",
            reason=erased.reason,
            n_events=deleted.n_events,
            n_slate_rows=deleted.n_slate_rows,
            n_checkpoints=deleted.n_checkpoints,
            n_items=len(deleted.tombstones),
            n_set_aside=n_set_aside,
            rebuilt=tuple(what for what, done in rebuilt.items() if done),
            n_refolded=n_refolded,
            n_files=erased.n_files,
            size_bytes=erased.size_bytes,
            ms=(time.perf_counter() - started) * 1000.0,
        )

    def _deleted(self, delete: Callable[[], Deleted]) -> Deleted:
        """Delete in one transaction; on a full disk once more, with what the ballast held."""
        try:
            return self._deleted_once(delete)
        except FullError:
            if not self._store.give_ballast():
                raise
        return self._deleted_once(delete)

    def _deleted_once(self, delete: Callable[[], Deleted]) -> Deleted:
        with self._store.transact():
            self._sync()
            self._gate.require_consent()
            deleted = delete()
            if deleted.oldest_key is not None:
                self._doubt(deleted.oldest_key)
            return deleted

    def _doubt(self, since: Key) -> None:
        """Say, before a commit, that the log is about to change from this key on."""
        self._live.doubt()
        if self._retention is not None:
            self._retention.doubt(since)

    # -- background work --------------------------------------------------------------------

    def _step(self, budget_ms: float, now_us: int) -> None:
        """Do one piece of work."""
        if self._store.erasure_pending():
            self._store.erase(wait_ms=0)
            self._stand_in()
            self._keep_ballast()
        elif self._gate.withheld:
            return
        elif (edge := self._edge(now_us)) is not None:
            self._retain(edge, budget_ms, now_us)
        elif self._live.worth_saving:
            self._save()

    def _is_work_left(self, now_us: int) -> bool:
        if self._store.erasure_pending():
            return True
        return not self._gate.withheld and (self._live.worth_saving or self._edge(now_us) is not None)

    def _edge(self, now_us: int) -> Key | None:
        """Give a key up to which all has to go, None when nothing has to."""
        return None if self._retention is None else self._retention.edge(self._store, self._live, now_us)

    def _retain(self, edge: Key, budget_ms: float, now_us: int) -> None:
        """Learn a slice of what stays; when that is all of it, let the rest go."""
        retention = self._retention
        if retention is None or not (retention.hurried or retention.step(self._store, self._live, edge, budget_ms)):
            return
        try:
            with self._store.transact():
                self._sync()
                now_edge = self._edge(now_us)  # another process may have changed the log meanwhile
                if now_edge is None or not (retention.hurried or retention.begun):
                    return
                last, state, newest, n_events = retention.take(self._store, self._live, now_edge)
                deleted = self._store.delete(until=last)
                self._live.doubt()
        except FullError:
            if not self._store.give_ballast():
                raise
            return  # and begin again
        self._live.adopt(state, newest, n_events)
        self._catalogue.forget_slots()
        self._catalogue.drop(deleted.tombstones, ())
        if self._live.mask is not None:
            self._hide(self._live.mask.lacking(deleted.tombstones))
        self._store.destroy_set_aside()
        if self._live.worth_saving:
            self._save()
        self._store.erase(deleted.needles, wait_ms=0)
        self._keep_ballast()
