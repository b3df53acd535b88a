"""The log of one person: a set of events in an SQLite file, with the catalogue and the caches beside it.

``Store`` takes and gives the records of :mod:`recsys.types`. It knows nothing of
what is learnt from them: a checkpoint is bytes to it. Every change is one
transaction, and every error that leaves it is one of :mod:`recsys.errors`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeVar, final

from recsys.errors import InputError
from recsys.log import ballast, catalogue, opening, stages
from recsys.log import events as log_events
from recsys.log.connection import Block, Readers, Writer, view
from recsys.log.rows import key_of_row
from recsys.types import Event, Item

if TYPE_CHECKING:
    from fractions import Fraction

    from recsys.log.cipher import Cipher
    from recsys.log.deletion import Deleted
    from recsys.log.erase import Erasure
    from recsys.log.ledger import Entry

__all__ = ["Store", "cipher_of"]

Key = tuple[int, str]
_T = TypeVar("_T")


@final
class Store:
    """One log in one file.

    Any thread may use it. A process that was forked may not: there every method
    raises ``ForkedError``. Several stores, in one process or in many, may be open
    on one file.

    Parameters
    ----------
    path : str or os.PathLike
        Created with mode 0600 when absent. ``":memory:"`` keeps everything in memory;
        all threads then share one connection, so reads wait for writes.
    synchronous : {"full", "normal"}
        ``"full"``: a commit survives a power cut. ``"normal"``: it survives the death of the process.
    busy_timeout_ms : int
        How long to wait for another process that is writing, milliseconds.
    key : bytes or callable, optional
        32 bytes with which the file is encrypted, or a callable that returns them; needs the extra ``encrypted``.

    Raises
    ------
    InputError
        When an argument is not usable.
    VersionError
        When a newer recsys wrote the file.
    CorruptError
        When it is not an SQLite database, or damaged.
    WrongKeyError
        When the key does not open the file, or is missing, or the file is not encrypted.
    MissingExtraError
        When a key is given and ``sqlcipher3`` is not installed.
    StoreError
        When the path is a symbolic link or not a regular file, when the file belongs to another
        application, or when its schema is not exactly ours. In all these cases not a byte of it has changed.

    Every method raises ``ClosedError`` after ``close``, ``ForkedError`` in a forked process,
    ``BusyError`` when another process does not finish in time, ``FullError`` when the disk is full,
    and ``CorruptError`` when it meets damage.

    Stability: provisional
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = "full",
        busy_timeout_ms: int = 5000,
        key: bytes | Callable[[], bytes] | None = None,
    ) -> None:
        if synchronous not in ("full", "normal"):
            raise InputError('synchronous is "full" or "normal"', field="synchronous")
        if type(busy_timeout_ms) is not int or not 0 <= busy_timeout_ms < 2**31:
            raise InputError("busy_timeout_ms: an integer from 0 is needed", field="busy_timeout_ms")
        self._path = opening.path_of(path)
        self._writer = Writer(
            self._path, synchronous=synchronous, busy_timeout_ms=busy_timeout_ms, cipher=cipher_of(key)
        )
        self._block = Block(self._writer)
        self._readers = None if self._path == opening.MEMORY else Readers(self._path, self._writer)

    @classmethod
    def copy_of(cls, path: str, *, key: bytes | Callable[[], bytes] | None = None) -> Store:
        """A store in memory with all that a file holds, of whatever version; not a byte of the file changes.

        Raises as opening the file does. Cost: O(size of the file), time and memory.

        Stability: provisional
        """
        from recsys.log import withheld

        store = cls(opening.MEMORY)
        try:
            withheld.copy(path, cipher_of(key), store._writer)
        except BaseException:
            store.close()
            raise
        return store

    @property
    def path(self) -> str:
        """The absolute path, or ``":memory:"``."""
        return self._path

    def __repr__(self) -> str:
        return "Store(<redacted>)"

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; empties the WAL when no other process is in the way. May be called again.

        Waits for a transaction of another thread; a transaction of this thread is rolled back.

        Stability: provisional
        """
        self._writer.close(self._readers)

    # Transactions and lineage

    def transact(self) -> AbstractContextManager[None]:
        """A block that is one transaction: all of it is written at its end, or nothing after an exception.

        It nests: inner blocks, and every method that writes, join the outermost one. Cost: two statements.
        After an error of the file inside an inner block the outermost can only be rolled back.

        Raises
        ------
        BusyError
            On entry, when another process keeps writing for longer than the busy timeout.
        FullError
            At the end; nothing was written.

        Stability: provisional
        """
        return self._block

    def observe(self) -> Literal["same", "grown", "changed"]:
        """What other stores have done to the file since this was last asked, or since opening.

        Own writes never count. ``"grown"``: nothing but appends at the end, perhaps none at all (a saved
        checkpoint or an emptied WAL looks the same). ``"changed"``: anything else too. May be called inside
        ``transact``, where the answer stays true until the block ends. Cost: one pragma when nothing has changed.

        Stability: provisional
        """
        return self._writer.observe()

    # Events

    def append(self, events: Sequence[Event], *, late: bool) -> list[Event]:
        """Add events, all of them or none.

        Parameters
        ----------
        events : sequence of Event
            In any order. One that is in the log already, and just the same, is left out.
        late : bool
            False: the caller knows that every key is greater than the newest in the log. True: some
            may not be; the checkpoints from the smallest new key on are then dropped and the lineage changes.

        Returns
        -------
        list of Event
            Those that were not there before.

        Raises
        ------
        InputError
            When an event cannot be stored as it is, or its key is taken by another event
            (``field="uid"``), or its slate was shown before (``field="slate"``). Nothing has changed.

        Cost: O(n log n_log).

        Stability: provisional
        """
        return log_events.append(self._writer, events, late=late)

    def events(self, *, after: Key | None = None, until: Key | None = None) -> Iterator[Event]:
        """The events in the order of ``(at_us, uid)``.

        Parameters
        ----------
        after, until : tuple of (int, str), optional
            Only events with ``after < key <= until``.

        Yields
        ------
        Event
            As the log stood at the first one, whatever is written meanwhile. Until the iterator is
            exhausted, closed or dropped, it keeps the WAL from being emptied. Inside ``transact``
            and in a ``":memory:"`` store all rows are read at the call.

        Cost: O(n) time; O(1) memory, or O(n) when read at the call.

        Stability: provisional
        """
        return log_events.stream(self._writer, self._readers, after, until)

    def events_of(self, item_id: str, limit: int) -> list[Event]:
        """The newest events of an item, newest first. Cost: O(n_events) at worst.

        Parameters
        ----------
        item_id : str
            The item, or for ``kind="steer"`` the tag.
        limit : int
            At most so many.

        Stability: provisional
        """
        return log_events.of_item(self._writer, self._readers, item_id, limit)

    def find(self, uids: Iterable[str]) -> list[Event]:
        """The events with these ids, in the order of the log; unknown ids are left out. Cost: O(n_events).

        Stability: provisional
        """
        return log_events.find(self._writer, self._readers, uids)

    def n_events(self, *, after: Key | None = None, before: Key | None = None) -> int:
        """How many events there are, or how many with a greater key and with a lesser one. Cost: O(these), in C.

        Stability: provisional
        """
        ends = [(sign, key) for sign, key in ((">", after), ("<", before)) if key is not None]
        where = " AND ".join(f"(at_us, uid) {sign} (?, ?)" for sign, _ in ends) or "1"
        with view(self._writer, self._readers) as (cursor, _):
            counted = cursor.execute(f"SELECT COUNT(*) FROM events WHERE {where}", [p for _, key in ends for p in key])
            return int(counted.fetchone()[0])

    def newest(self, *, before_us: int | None = None) -> Key | None:
        """The greatest ``(at_us, uid)``, or the greatest before a moment; None where there is none.

        Cost: O(log n_events).

        Stability: provisional
        """
        before = "" if before_us is None else f"WHERE at_us < {before_us:d} "
        return self._key(f"{before}ORDER BY at_us DESC, uid DESC LIMIT 1")

    def times(self, begin_us: int, end_us: int) -> dict[str, int]:
        """The times of the events with ``begin_us <= at_us < end_us``, by uid. Cost: O(log n_events + these).

        Stability: provisional
        """
        with view(self._writer, self._readers) as (cursor, _):
            sql = "SELECT uid, at_us FROM events WHERE at_us >= ? AND at_us < ?"
            return dict(cursor.execute(sql, (begin_us, end_us)).fetchall())

    def oldest(self) -> Key | None:
        """The least ``(at_us, uid)``; None for an empty log. Cost: O(log n_events).

        Stability: provisional
        """
        return self._key("ORDER BY at_us, uid LIMIT 1")

    def key_at(self, number: int) -> Key | None:
        """The key of the event with this number, from 0, in the order of the log; None when there are not so many.

        Cost: O(number), in C.

        Stability: provisional
        """
        if type(number) is not int or not 0 <= number < 2**63:
            raise InputError("number: an integer from 0 is needed", field="number")
        return self._key(f"ORDER BY at_us, uid LIMIT 1 OFFSET {number}")

    def mentions(self, ids: Iterable[str]) -> set[str]:
        """Which of these items the log says anything of. Cost: O(n_events), in C.

        Stability: provisional
        """
        return log_events.mentioned(self._writer, self._readers, ids)

    def delete(
        self,
        *,
        uids: Iterable[str] | None = None,
        items: Iterable[str] | None = None,
        kinds: Iterable[str] | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        until: Key | None = None,
        everything: bool = False,
    ) -> Deleted:
        """Delete the events to which every given criterion applies, with all caches that knew them.

        The same transaction says that an erasure is pending: ``erase`` comes next. Removed items of
        which nothing reminds any more go too. A slate goes with the event that showed it. With ``items``,
        the slates of the kind ``"shown"`` to which the other criteria apply lose those items, and one left
        with none is deleted.

        Parameters
        ----------
        uids, items, kinds : iterable of str, optional
            Ids of events; ids of items; kinds. Unknown ones are not found, and that is all.
        since_us, until_us : int, optional
            ``since_us <= at_us < until_us``, microseconds since 1970-01-01 UTC.
        until : tuple of (int, str), optional
            Up to and including this key.
        everything : bool
            Alone: all events, slates and checkpoints; the catalogue stays.

        Returns
        -------
        Deleted

        Raises
        ------
        InputError
            When no criterion is given, or ``everything`` together with another.

        Cost: O(n_events), in C unless a list is longer than 900.

        Stability: provisional
        """
        from recsys.log import deletion

        criteria = deletion.Criteria(
            uids=uids, items=items, kinds=kinds, since_us=since_us, until_us=until_us, until=until
        )
        if everything is criteria.empty:
            return deletion.delete(self._writer, None if everything else criteria)
        raise InputError("give either everything=True or at least one criterion", field="everything")

    def erase(self, needles: Sequence[str] = (), *, wait_ms: int | None = None) -> Erasure:
        """Let what was deleted leave the file too: the second phase of forgetting, of which the first is ``delete``.

        Not inside ``transact``. While it is not finished the file says so (``erasure_pending``), and it may
        be tried again at any time, also after the process has died.

        Parameters
        ----------
        needles : sequence of str
            Texts that must not be in the file afterwards, unless a row still holds them.
        wait_ms : int, optional
            How long to wait for readers, milliseconds; the store's busy timeout when not given.

        Returns
        -------
        Erasure
            Never raises for what stands in the way.

        Cost: O(size of the file), most of it to write it anew.

        Stability: provisional
        """
        from recsys.log import erase

        return erase.erase(self._writer, self._path, needles, wait_ms)

    def erasure_pending(self) -> bool:
        """Whether bytes of deleted events may still stand in the file.

        Stability: provisional
        """
        from recsys.log import erase

        return erase.is_pending(self._writer, self._readers)

    def mark_erasure(self) -> None:
        """Say in the file that an erasure is pending.

        Stability: provisional
        """
        from recsys.log import erase

        with self._writer as cursor:
            erase.mark(cursor)

    def destroy_set_aside(self) -> int:
        """Delete the damaged logs that ``recsys.set_aside`` moved away from this path; how many there were.

        Stability: provisional
        """
        from recsys.log import aside

        return self._outside(aside.destroy) or 0

    def keep_ballast(self) -> None:
        """Hold ready the space that ``erase`` takes, in a file beside the log; where that cannot be, go without.

        Stability: provisional
        """
        self._outside(ballast.keep)

    def give_ballast(self) -> bool:
        """Give up the space that was held ready; whether there was any.

        Stability: provisional
        """
        return bool(self._outside(ballast.give))

    def stop_reading(self) -> None:
        """End what is still being read: whoever reads gets ``ClosedError`` from its next row on.

        So that ``erase`` need not wait for it. Nothing in memory, where all rows are read at once.

        Stability: provisional
        """
        self._writer.enter()
        try:
            if self._readers is not None:
                self._readers.stop()
        finally:
            self._writer.lock.release()

    # The catalogue

    def put_items(self, items: Iterable[Item]) -> int:
        """Add items or replace them; how many were new or different. Only those change the lineage.

        Raises
        ------
        InputError
            When an item cannot be stored as it is; nothing has changed.

        Cost: O(n log n_items).

        Stability: provisional
        """
        return catalogue.put_items(self._writer, items)

    def drop_items(self, ids: Iterable[str], *, keep_tombstone: AbstractSet[str] = frozenset()) -> int:
        """Take items out of the catalogue; how many rows changed. Unknown ids are left out.

        Parameters
        ----------
        ids : iterable of str
            The items.
        keep_tombstone : set of str
            Of these the id and the tags stay, marked as removed; of the others nothing.

        Stability: provisional
        """
        return catalogue.drop_items(self._writer, ids, keep_tombstone)

    def items(self) -> Iterator[tuple[Item, bool]]:
        """Every item by id, with whether it was removed. Cost: O(n_items) memory.

        Stability: provisional
        """
        return catalogue.items(self._writer, self._readers)

    def item(self, item_id: str) -> tuple[Item, bool] | None:
        """One item, with whether it was removed; None when there is none. Cost: O(log n_items).

        Stability: provisional
        """
        return catalogue.item(self._writer, self._readers, item_id)

    # Checkpoints

    def save_checkpoint(self, key: Key, n_events: int, basis: str, blob: bytes) -> None:
        """Keep the state after all events up to and including the key; replaces one with the same key.

        Parameters
        ----------
        key : tuple of (int, str)
            The ``(at_us, uid)`` of the newest event in it.
        n_events : int
            How many events are in it.
        basis : str
            A digest of all that it depends on besides the log.
        blob : bytes
            Opaque.

        Stability: provisional
        """
        catalogue.save_checkpoint(self._writer, key, n_events, basis, blob)

    def checkpoints(self) -> list[tuple[Key, int, str, int]]:
        """Key, number of events, basis and size in bytes of every checkpoint, oldest first.

        Stability: provisional
        """
        return catalogue.checkpoints(self._writer, self._readers)

    def load_checkpoint(self, key: Key) -> bytes:
        """The bytes of a checkpoint.

        Raises
        ------
        CheckpointError
            When there is none with this key.

        Stability: provisional
        """
        return catalogue.load_checkpoint(self._writer, self._readers, key)

    def drop_checkpoints(self, keys: Iterable[Key] | None = None) -> int:
        """Delete these checkpoints, or all of them; how many there were. The lineage does not change.

        Stability: provisional
        """
        return catalogue.drop_checkpoints(self._writer, keys)

    # The trees

    def save_stage(self, number: int, at_us: int, basis: str, blob: bytes) -> None:
        """Keep the trees of a stage; replaces those with the same number. The lineage does not change.

        Parameters
        ----------
        number : int
            The stage.
        at_us : int
            They know of no event after this, microseconds since 1970-01-01 UTC.
        basis : str
            A digest of all that they depend on besides the log.
        blob : bytes
            Opaque.

        Stability: provisional
        """
        stages.save(self._writer, number, at_us, basis, blob)

    def stages(self) -> list[tuple[int, int, str, int]]:
        """Number, time, basis and size in bytes of every stage of trees, in ascending order.

        Stability: provisional
        """
        return stages.stages(self._writer, self._readers)

    def load_stage(self, number: int) -> bytes:
        """The bytes of a stage.

        Raises
        ------
        CheckpointError
            When there is none with this number.

        Stability: provisional
        """
        return stages.load(self._writer, self._readers, number)

    def drop_stages(self, numbers: Iterable[int] | None = None) -> int:
        """Delete these stages, or all of them; how many there were. The lineage does not change.

        Stability: provisional
        """
        return stages.drop(self._writer, numbers)

    # Consent

    def consents(self) -> dict[str, int]:
        """When each purpose was allowed, microseconds since 1970-01-01 UTC.

        Stability: provisional
        """
        from recsys.log import consents

        return consents.consents(self._writer, self._readers)

    def put_consent(self, purpose: str, at_us: int) -> None:
        """Note that a purpose was allowed. What was allowed before keeps its time.

        Stability: provisional
        """
        from recsys.log import consents

        consents.put(self._writer, purpose, at_us)

    def drop_consents(self, purpose: str | None = None) -> int:
        """Note that a purpose is not allowed any more, or none at all; how many purposes there were.

        The same transaction says that an erasure is pending: ``erase`` comes next.

        Stability: provisional
        """
        from recsys.log import consents

        return consents.drop(self._writer, purpose)

    # The ledger of aggregates

    def releases(self) -> list[Entry]:
        """Every entry of the ledger, oldest first. Cost: O(n_entries).

        Raises
        ------
        CorruptError
            When an entry is missing or damaged.

        Stability: provisional
        """
        from recsys.log import ledger

        return ledger.entries(self._writer, self._readers)

    def release(self, query: str, epsilon: Fraction, at_us: int, payload: bytes) -> int:
        """Enter a charge, or with 0 and no payload the note that it was handed out; the entry's number.

        Parameters
        ----------
        query : str
            What was asked, in one canonical form.
        epsilon : Fraction
            What it costs.
        at_us : int
            When, microseconds since 1970-01-01 UTC.
        payload : bytes
            What was drawn.

        Stability: provisional
        """
        from recsys.log import ledger

        return ledger.append(self._writer, query, epsilon, at_us, payload)

    def fleeting(self) -> AbstractContextManager[None]:
        """A transaction for caches alone: it survives the death of the process, but perhaps not a power cut.

        It need not wait for the disk. Not inside ``transact``.

        Stability: provisional
        """
        from recsys.log.lasting import fleeting

        return fleeting(self._writer)

    def lasting(self) -> AbstractContextManager[None]:
        """A transaction that survives a power cut, whatever ``synchronous`` is. Not inside ``transact``.

        Stability: provisional
        """
        from recsys.log.lasting import transaction

        return transaction(self._writer)

    def tally(
        self, *, kinds: Sequence[str] | None = None, since_us: int | None = None, until_us: int | None = None
    ) -> list[tuple[tuple[str, ...], int]]:
        """How often each item of the catalogue that has tags was used: its tags, and the number of its events.

        What was shown or steered is no use. Cost: O(n_events), in C.

        Parameters
        ----------
        kinds : sequence of str, optional
            At most 900; only events of these kinds.
        since_us, until_us : int, optional
            ``since_us <= at_us < until_us``, microseconds since 1970-01-01 UTC.

        Stability: provisional
        """
        from recsys.log import tally

        return tally.tally(self._writer, self._readers, kinds, since_us, until_us)

    # The file

    def truncate_wal(self, *, wait_ms: int | None = None) -> bool:
        """Fold the WAL into the file and empty it; False when a reader or another process is in the way.

        Not inside ``transact``. Cost: O(size of the WAL).

        Parameters
        ----------
        wait_ms : int, optional
            How long to wait for them, milliseconds; the store's busy timeout when not given.

        Stability: provisional
        """
        return self._writer.maintain(lambda: self._writer.truncate_wal(wait_ms))

    def rekey(self, key: bytes | Callable[[], bytes]) -> None:
        """Encrypt the whole file with another key, all of it or nothing. Not inside ``transact``.

        Afterwards no page under the old key is left in the file, and it has no WAL. A ``":memory:"``
        store takes the key and does nothing with it.

        Parameters
        ----------
        key : bytes or callable
            As for the constructor.

        Raises
        ------
        InputError
            When the key is not usable, or the file is not encrypted.
        BusyError
            When something else has the file open: another process, another store, a reader. Nothing has changed.

        Cost: O(size of the file), and as much space on the disk for as long as it takes.

        Stability: provisional
        """
        from recsys.log import cipher

        cipher.rekey(self._writer, self._readers, key)

    def sizes(self) -> dict[str, int]:
        """Bytes of ``"db"``, ``"wal"``, ``"shm"`` and ``"ballast"``; 0 for one that is absent.

        Stability: provisional
        """
        self._writer.enter()
        try:
            return opening.sizes_of(self._path)
        finally:
            self._writer.lock.release()

    def check(self) -> list[tuple[str, str, str]]:
        """Is the file sound? Severity (``"ok"``, ``"warning"``, ``"error"``), what was checked, what was found.

        Never raises for damage. Cost: O(size of the file), 1 to 2 seconds for 100,000 events.

        Stability: provisional
        """
        from recsys.log import soundness

        with view(self._writer, self._readers) as (cursor, _):
            return soundness.findings(cursor)

    def _key(self, which: str) -> Key | None:
        with view(self._writer, self._readers) as (cursor, _):
            row = cursor.execute(f"SELECT at_us, uid FROM events {which}").fetchone()
        return row and key_of_row(row)

    def _outside(self, work: Callable[[str], _T]) -> _T | None:
        """Do something to the files beside the log, where there is one and it is ours to use."""
        self._writer.enter()
        try:
            return None if self._path == opening.MEMORY else work(self._path)
        finally:
            self._writer.lock.release()


def cipher_of(key: bytes | Callable[[], bytes] | None) -> Cipher | None:
    """The key, checked; SQLCipher is loaded only when there is one.

    Stability: provisional
    """
    if key is None:
        return None
    from recsys.log.cipher import Cipher

    return Cipher(key)
