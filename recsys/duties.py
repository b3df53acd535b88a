"""What a recommender owes the person and the file: consent, forgetting, an answer to what is held, background work.

Without consent nothing is written or learnt, but what the file holds from before can still be taken out and erased.
As :class:`Keeping`, it takes arguments that are checked already, and expects its caller to hold the gate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING

from recsys.errors import BusyError, ClosedError, FullError, MissingExtraError, StoreError
from recsys.keeping import Keeping, finish
from recsys.learn.features import FEATURE_VERSION
from recsys.log import SCHEMA_VERSION, Store, opening
from recsys.settings import RESOLUTIONS_US
from recsys.types import Event

if TYPE_CHECKING:
    from recsys.grove import Grove, Growing
    from recsys.log.deletion import Deleted
    from recsys.log.erase import Erasure
    from recsys.reports import Finding, Receipt, Stats

__all__ = ["Duties"]

Key = tuple[int, str]


class Duties(Keeping):
    """A person's file and what was learnt from it, with what is owed of both.

    Stability: provisional
    """

    # -- consent -------------------------------------------------------------------------

    def _consent(self, purpose: str, at_us: int) -> None:
        at_us -= at_us % RESOLUTIONS_US[self._settings.time_resolution]
        if self._gate.withheld:
            self._join(lambda store: store.put_consent(purpose, at_us))
        else:
            self._store.put_consent(purpose, at_us)

    def _withdraw(self, purpose: str | None) -> Receipt:
        def delete(store: Store) -> Deleted:
            n = store.drop_consents(purpose)
            if purpose is not None and (not n or store.consents()):
                return store.delete(uids=())
            return store.delete(everything=True)

        try:
            return self._forget(delete)
        finally:  # whatever failed after the commit
            if self._settings.require_consent and not self._gate.withheld:
                self._gate.withheld = not self._store.consents()
            self._leave()

    @contextmanager
    def _held(self) -> Iterator[Store]:
        """Give what is held of the person: the log, or without consent a copy of what the file holds from before."""
        if self._gate.withheld and self._path != opening.MEMORY and opening.is_there(self._path):
            with Store.copy_of(self._path, key=self._key) as store:
                yield store
        else:
            yield self._store

    # -- forgetting ----------------------------------------------------------------------

    def _forget(self, delete: Callable[[Store], Deleted]) -> Receipt:
        """Delete, in one transaction with what knew of it; learn anew what is left; let it leave the file."""
        started = time.perf_counter()
        self._sync()
        if self._gate.withheld and self._path != opening.MEMORY:
            return self._forget_withheld(delete, started)
        deleted = self._deleted(self._store, delete)
        n_checkpoints, n_refolded = self._live.n_saved, 0
        if deleted.oldest_key is not None:
            n_refolded = self._reload(deleted.oldest_key)
        self._catalogue.drop(deleted.tombstones, ())
        if self._live.mask is not None:
            self._hide(self._live.mask.lacking(deleted.tombstones))
        self._store.stop_reading()
        n_set_aside, erased = _erased(self._store, deleted.needles)
        self._keep_ballast()
        rebuilt = {
            "state": deleted.oldest_key is not None,
            "checkpoint": self._live.n_saved > n_checkpoints,
            "file": not erased.reason,
        }
        told = tuple(what for what, done in rebuilt.items() if done)
        return _receipt(deleted, erased, n_set_aside=n_set_aside, rebuilt=told, n_refolded=n_refolded, started=started)

    def _forget_withheld(self, delete: Callable[[Store], Deleted], started: float) -> Receipt:
        """Forget what the file holds from before; nothing of it was learnt."""
        if not opening.is_there(self._path):
            from recsys.log import aside

            n_set_aside, store = aside.destroy(self._path), self._store
            deleted, erased = delete(store), store.erase()
            return _receipt(deleted, erased, n_set_aside=n_set_aside, rebuilt=(), n_refolded=0, started=started)
        with self._open(self._path) as store:
            with store.transact():
                self._bury(store)
            deleted = self._deleted(store, delete)
            n_set_aside, erased = _erased(store, deleted.needles)
        told = () if erased.reason else ("file",)
        return _receipt(deleted, erased, n_set_aside=n_set_aside, rebuilt=told, n_refolded=0, started=started)

    def _deleted(self, store: Store, delete: Callable[[Store], Deleted]) -> Deleted:
        """Delete in one transaction; on a full disk once more, with what the ballast held."""
        try:
            return self._deleted_once(store, delete)
        except FullError:
            if not store.give_ballast():
                raise
        return self._deleted_once(store, delete)

    def _deleted_once(self, store: Store, delete: Callable[[Store], Deleted]) -> Deleted:
        own = store is self._store
        with store.transact():
            if own:
                self._catch_up()
            deleted = delete(store)
            if own and deleted.oldest_key is not None:
                self._doubt(deleted.oldest_key)
            return deleted

    def _begun(self, store: Store) -> Iterator[Event]:
        """Give the events as they stand now, to be read outside the gate; ``BusyError`` if something is forgotten."""
        events = store.events()
        first = list(islice(events, 1))  # from here on it is one view of the log
        return chain(first, self._going_on(events))

    def _going_on(self, events: Iterator[Event]) -> Iterator[Event]:
        try:
            yield from events
        except ClosedError:
            if self._gate.closed:
                raise
            raise BusyError("something was forgotten while the log was being read: begin again") from None

    # -- background work -----------------------------------------------------------------

    def _maintained(self, budget_ms: float, now_us: int) -> bool:
        """Do one piece of work; whether another step could do something. Trees are grown outside the gate."""
        deadline = time.perf_counter() + budget_ms / 1000.0
        with self._gate.reading:
            self._sync()
            if self._gate.paused:
                return False
            if budget_ms:
                self._step(budget_ms, now_us)
            left = self._is_work_left(now_us, tried=budget_ms > 0)
            grove = self._grove
            if grove is None or not (left and budget_ms and self._may_grow(now_us)):
                return left
            growing = grove.begin(self._store, self._live)
        if growing is None:
            return left
        try:
            growing.advance(deadline)
        except BaseException as error:
            grove.give_up(barren=isinstance(error, MissingExtraError))
            if not isinstance(error, MissingExtraError):
                raise
            return False
        try:
            with self._gate.reading:
                if self._gate.paused or not self._planted(grove, growing):
                    grove.give_up()
                return self._is_work_left(now_us, tried=True) and not self._gate.paused
        except ClosedError:  # meanwhile, by another thread
            return False
        except BaseException:  # nothing was written
            grove.give_up()
            raise

    def _may_grow(self, now_us: int) -> bool:
        """Whether nothing more pressing is left to do."""
        waits = self._pending() or self._gate.withheld or self._live.worth_saving or self._edge(now_us) is not None
        return not waits

    def _planted(self, grove: Grove, growing: Growing) -> bool:
        """Write how far the trees have grown, without waiting for the disk; False where nothing may be written."""
        with self._store.fleeting():
            self._catch_up()
            if self._gate.withheld:
                return False
            grove.end(growing, self._store, self._live)
        return True

    def _step(self, budget_ms: float, now_us: int) -> None:
        """Do one piece of work."""
        self._notice()
        if self._pending():
            if self._gate.withheld:
                self._finish_withheld()
                return
            finish(self._store)
            self._keep_ballast()
        elif self._gate.withheld:
            return
        elif (edge := self._edge(now_us)) is not None:
            self._retain(edge, budget_ms, now_us)
        elif self._live.worth_saving:
            self._save()

    def _is_work_left(self, now_us: int, *, tried: bool) -> bool:
        """Whether another step could do something now: an erasure that was just tried in vain could not."""
        if self._pending():
            return not tried
        if self._gate.withheld:
            return False
        if self._live.worth_saving or self._edge(now_us) is not None:
            return True
        return self._grove is not None and self._grove.is_due(self._store, self._live)

    def _pending(self) -> bool:
        return self._seen()[1] if self._gate.withheld else self._store.erasure_pending()

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
                self._catch_up()
                now_edge = (
                    None if self._gate.withheld else self._edge(now_us)
                )  # another process may have changed the log
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
        if self._live.worth_saving:
            self._save()
        _erased(self._store, deleted.needles, wait_ms=0)
        self._keep_ballast()

    # -- what is held --------------------------------------------------------------------

    def _found(self) -> list[Finding]:
        """Say what is sound and what is not, of the file and of what was learnt."""
        from recsys.reports import Finding

        found = self._checked()
        if self._pending():
            message = "bytes of what was forgotten may still stand in the file: call maintain()"
            found.append(("warning", "erasure", message))
        else:
            found.append(("ok", "erasure", "none is pending"))
        return [Finding(*finding) for finding in found]

    def _checked(self) -> list[tuple[str, str, str]]:
        if self._gate.withheld and self._path != opening.MEMORY and opening.is_there(self._path):
            from recsys.log import withheld

            return [*withheld.findings(self._path, self._key), ("ok", "state", "nothing is learnt without consent")]
        found = self._store.check()
        if any(severity == "error" for severity, _, _ in found):
            return found
        same = self._live.agrees()
        while not same and self._sync():  # another process wrote in the meantime
            same = self._live.agrees()
        message = "equals a rebuild from the log" if same else "differs from the log: delete the checkpoints"
        found.append(("ok" if same else "error", "state", message))
        if self._grove is not None and same:
            found.append(self._grove.finding(self._store, self._live))
        return found

    def _counted(self) -> Stats:
        """Give sizes and counts."""
        from recsys.reports import Stats

        behaviour, n_events = self._live.state.behaviour, self._live.n_events
        with self._held() as store:
            checkpoints = store.checkpoints()
            listed, known = set(self._catalogue.items), set(behaviour.slots)
            if store is not self._store:
                listed, known = {item.id for item, removed in store.items() if not removed}, _mentioned(store)
                n_events = store.n_events()
        return Stats(
            size_bytes=sum(opening.sizes_of(self._path).values()),
            n_events=n_events,
            n_items=len(listed),
            n_known_items=len(listed | known),
            n_checkpoints=len(checkpoints),
            checkpoint_bytes=sum(size for _, _, _, size in checkpoints),
            state_bytes=sum(array.nbytes for _, array in behaviour.arrays()),
            schema_version=SCHEMA_VERSION,
            feature_version=FEATURE_VERSION,
            paused=self._gate.paused,
            erasure_pending=self._pending(),
            trees=self._grove.counted(self._store, self._live) if self._grove and not self._gate.withheld else None,
        )


def _erased(store: Store, needles: Sequence[str], wait_ms: int | None = None) -> tuple[int, Erasure]:
    """Let what was deleted leave the disk; first what was set aside, for which the word in the file stands too."""
    try:
        n_set_aside = store.destroy_set_aside()
    except StoreError:
        from recsys.log.erase import Erasure

        store.mark_erasure()
        return 0, Erasure("aside", 0, 0)
    return n_set_aside, store.erase(needles, wait_ms=wait_ms)


def _mentioned(store: Store) -> set[str]:
    """Give the items of which the log says that they were used or shown. O(events)."""
    events = (event for event in store.events() if event.kind != "steer")
    return {item_id for event in events for item_id in (event.item_id, *(place[0] for place in event.shown)) if item_id}


def _receipt(
    deleted: Deleted, erased: Erasure, *, n_set_aside: int, rebuilt: tuple[str, ...], n_refolded: int, started: float
) -> Receipt:
    from recsys.reports import Receipt

    return Receipt(
        status="pending" if erased.reason else "erased",
        reason=erased.reason,
        n_events=deleted.n_events,
        n_slate_rows=deleted.n_slate_rows,
        n_checkpoints=deleted.n_checkpoints,
        n_items=len(deleted.tombstones),
        n_set_aside=n_set_aside,
        rebuilt=rebuilt,
        n_refolded=n_refolded,
        n_files=erased.n_files,
        size_bytes=erased.size_bytes,
        ms=(time.perf_counter() - started) * 1000.0,
        n_stages=deleted.n_stages,
    )
