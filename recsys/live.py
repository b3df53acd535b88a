"""The state kept in step with the log: opening, following, refolding, checkpoints.

Whatever happens, the way to the state is the same: the newest checkpoint that
fits, then the fold over the events after it. A checkpoint that is damaged or was
made on another basis (other settings, prior or features) is passed over.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Container, Sequence
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final

from recsys.digest import blake2b
from recsys.errors import CheckpointError, CorruptError, StoreError
from recsys.inputs import new_uid
from recsys.learn.checkpoint import basis, decode, encode
from recsys.learn.fold import State, fold, new_state
from recsys.types import Event

if TYPE_CHECKING:
    from recsys.log import Store
    from recsys.mask import Mask
    from recsys.prior import Prior
    from recsys.settings import Settings

__all__ = ["Live", "keyed"]

Key = tuple[int, str]

_VERSIONS: Final = count(1)
_A_DAY_US: Final = 86_400_000_000
_WORTH_SAVING: Final = 64  # fewer new events than this are folded again at the next open
_BYTES_AN_EVENT: Final = 2048  # a checkpoint is written once about this many of its bytes per event are due
_ALL: Final[Key] = (-1, "")  # stands for every checkpoint: the table cannot be read row by row
_PLACES_US: Final = 10_000  # a rounded time may be later by so much, or such a part of its unit: its place in the order
# Where something was forgotten, the next thing is likely to be forgotten. One by one back in time, with the checkpoint
# before that d = 6,700 events away, each costs about n/2 + d/n foldings: least for n near sqrt(2 d).
_NEAR_EVENTS: Final = 128
_SPREAD: Final = 4.0  # older checkpoints: one for each factor of this in age


class Live:
    """The state of a log, in memory, and its checkpoints in the file.

    Stability: provisional
    """

    def __init__(self, store: Store, prior: Prior, settings: Settings, mask: Mask | None = None) -> None:
        self._store = store
        self._prior = prior
        self._settings = settings
        self._own_basis = basis(prior, settings)
        self.mask = mask
        self.state: State = self.blank()
        self.key: Key | None = None
        self.n_events = 0  # in the log up to the key, whether learnt or hidden
        self._saved = 0  # events in the newest checkpoint
        self._blob_bytes = 0
        self.n_saved = 0  # checkpoints written since opening
        self.version = 0  # another whenever the state was built anew and not only gone on with
        self._broken = False
        self._damaged: list[Key] = []  # checkpoints that were found to be damaged, for the next write to drop
        self.passed: list[tuple[Key, int, bytes]] = []  # checkpoints taken on the way, not yet written
        self.load()

    @property
    def basis(self) -> str:
        """A digest of all that the state depends on besides the log."""
        if self.mask is None:
            return self._own_basis
        return blake2b((self._own_basis + self.mask.digest).encode(), digest_size=16).hexdigest()

    def blank(self) -> State:
        """Give the state before any event."""
        return new_state(self._prior, self._settings)

    def fold_into(self, state: State, event: Event) -> None:
        """Fold what may be learnt of an event."""
        seen = event if self.mask is None else self.mask.seen(event)
        if seen is not None:
            fold(state, seen)

    def adopt(self, state: State, key: Key | None, n_events: int) -> None:
        """Take over a state that was folded elsewhere, with the key of its newest event and how many the log has."""
        self.state, self.key, self.n_events, self.passed = state, key, n_events, []
        self.version = next(_VERSIONS)
        self._saved, self._broken = 0, False

    def load(self, near: Key | None = None) -> int:
        """Build the state anew from the newest fitting checkpoint; returns how many events were folded.

        When that is far before ``near``, where the log was changed, a checkpoint is taken on the way there
        for the next :meth:`save` to write: changes come in groups. When that is far from the end, some are taken on
        the way to it too, in place of those that knew what was changed.
        """
        self._broken, self.passed = True, []
        self.version = next(_VERSIONS)
        n_all = self.n_events
        damaged: list[Key] = []
        self.state, self.key = self._start(damaged)
        self._saved = self.n_events = self.state.n_events
        if self.mask is not None:
            self.n_events = 0 if self.key is None else self._store.n_events(before=self.key) + 1
        n_start = self._saved
        self.follow(() if near is None else self._places(near, n_all))
        n_folded = self.state.n_events - n_start
        if damaged:
            warnings.warn(
                "a damaged checkpoint was found; what was learnt is rebuilt from the log", RuntimeWarning, stacklevel=2
            )
        self._damaged = damaged  # only now: of a log that is damaged itself not a byte is changed
        return n_folded

    def follow(self, places: Collection[int] = ()) -> int:
        """Fold what the log has beyond a sound state; returns how many events.

        A checkpoint is taken where the log up to there has one of these numbers of events.
        """
        self._broken = True
        n_before = self.n_events
        for event in self._store.events(after=self.key):
            self._next(event)
            if self.n_events in places:
                self.passed.append((event.key, self.state.n_events, encode(self.state, self.basis)))
        self._broken = False
        return self.n_events - n_before

    def learn(self, events: Sequence[Event]) -> None:
        """Fold events just appended, in the log's order and all beyond the state."""
        self._broken = True
        for event in events:
            self._next(event)
        self._broken = False

    def doubt(self) -> None:
        """Say, before a commit, that the log is about to change: ``learn`` or ``load`` comes next, or else ``mend``."""
        self._broken = True

    def mend(self) -> None:
        """Build the state anew if a fold was cut short."""
        if self._broken:
            self.load()

    def is_late(self, key: Key) -> bool:
        """Whether an event with this key stands before one already folded."""
        return self.key is not None and key <= self.key

    @property
    def due(self) -> bool:
        """Whether enough is new since the last checkpoint that one pays, or a damaged one is to be dropped."""
        if self._damaged:
            return True
        new = self.state.n_events - self._saved
        return new >= max(self._settings.checkpoint_events, self._blob_bytes // _BYTES_AN_EVENT)

    @property
    def worth_saving(self) -> bool:
        """Whether anything to speak of is new since the last checkpoint, or a damaged one is to be dropped."""
        return bool(self._damaged) or self.state.n_events - self._saved >= _WORTH_SAVING

    def save(self) -> None:
        """Write the checkpoints taken on the way, or else one of the state; drop damaged and surplus ones. O(items)."""
        if self._damaged:
            self._drop()
        if self.key is None:
            return
        taken = self.passed or [(self.key, self.state.n_events, encode(self.state, self.basis))]
        self.passed = []
        with self._store.transact():
            for key, n_events, blob in taken:
                self._store.save_checkpoint(key, n_events, self.basis, blob)
            self._store.drop_checkpoints(self._surplus({key for key, _, _ in taken}))
        self._saved, self._blob_bytes = n_events, len(blob)
        self.n_saved += 1

    def rebuilt(self) -> State:
        """Fold the whole log from the beginning, without any checkpoint, and return that state."""
        state = self.blank()
        for event in self._store.events():
            self.fold_into(state, event)
        return state

    def agrees(self) -> bool:
        """Whether the state is, to the byte, what the log teaches. O(events)."""
        return encode(self.rebuilt(), self.basis) == encode(self.state, self.basis)

    def _next(self, event: Event) -> None:
        self.fold_into(self.state, event)
        self.key = event.key
        self.n_events += 1

    def _places(self, near: Key, n_all: int) -> set[int]:
        """Give after how many of about ``n_all`` events to take a checkpoint, where the log was changed at ``near``.

        At the last round number before that, and between there and the end, if that is far, at distances from the end
        that grow as :meth:`_surplus` has them.
        """
        every = self._settings.checkpoint_events
        round_to = min(every, _NEAR_EVENTS)
        n_near = (self.n_events + self._store.n_events(after=self.key, before=near)) // round_to * round_to
        places = {n_near}
        distance = max(every, self._blob_bytes // _BYTES_AN_EVENT)
        while n_all - n_near > _SPREAD * distance:
            places.add((n_all - distance) // every * every)
            distance *= int(_SPREAD)
        return {n for n in places if n - self.n_events >= round_to}

    def _start(self, damaged: list[Key]) -> tuple[State, Key | None]:
        """Give the newest state that fits, and note the checkpoints that are damaged."""
        for key, n_events, made_on, size in reversed(self._kept(damaged)):
            if made_on != self.basis:
                continue
            try:
                state = decode(self._store.load_checkpoint(key), made_on, self._prior, self._settings)
            except CheckpointError:
                if any(key == kept for kept, _, _, _ in self._kept(damaged)):  # else another process dropped it
                    damaged.append(key)
                continue
            if state.n_events != n_events:
                damaged.append(key)
                continue
            self._blob_bytes = size
            return state, key
        return self.blank(), None

    def _kept(self, damaged: list[Key]) -> list[tuple[Key, int, str, int]]:
        try:
            return self._store.checkpoints()
        except CorruptError:
            damaged.append(_ALL)
            return []

    def _drop(self) -> None:
        damaged, self._damaged = self._damaged, []
        with suppress(StoreError):  # a file that cannot be written now: passed over again next time
            self._store.drop_checkpoints(None if _ALL in damaged else damaged)

    def _surplus(self, written: Container[Key]) -> list[Key]:
        """Give the checkpoints to drop: of each span of ages only the oldest stays, and what was just written."""
        surplus = []
        spans: set[int] = set()
        every = max(self._settings.checkpoint_events, 1)
        for key, n_events, made_on, _ in self._store.checkpoints():
            age = self.state.n_events - n_events
            span = int(math.log(age / every + 1.0, _SPREAD)) if age > 0 else -1
            if made_on != self.basis or age < 0 or (span in spans and key not in written):
                surplus.append(key)
            spans.add(span)
        return surplus


def keyed(
    given_events: list[tuple[Event, bool]],
    newest_us: int,
    resolution_us: int,
    store: Store,
    placed_us: int = 1,
) -> list[Event]:
    """Give every event a uid, and those without a time one after all others.

    Uids are random but rise in the order given, so events with equal times keep it. When this
    machine's clock stands more than a day before the newest event, the clock is believed. Times are rounded down to
    the resolution, in the order of what ``store`` has already (see ``_rounded``).
    """
    drawn = sorted(new_uid() for _ in given_events)
    if resolution_us > 1:
        times = _rounded(given_events, newest_us, resolution_us, store, placed_us)
    else:
        times = []
        for event, timed in given_events:
            at_us = event.at_us
            if not timed:
                if newest_us >= at_us > newest_us - _A_DAY_US:
                    at_us = newest_us + 1
                newest_us = max(newest_us, at_us)
            times.append(at_us)
    return [
        _keyed(event, at_us, event.uid or uid)
        for (event, _), at_us, uid in zip(given_events, times, drawn, strict=True)
    ]


def _rounded(
    given_events: list[tuple[Event, bool]], newest_us: int, resolution_us: int, store: Store, placed_us: int
) -> list[int]:
    """Give the times of events, rounded down, in the order in which they were recorded.

    Each comes a microsecond after the last one that was rounded to the same unit. What stands in that unit at its full
    time, from before times were rounded, is passed over: no part of it is copied. When the clock steps back, what has
    no time of its own goes to the newest unit. What has a uid that the unit has already keeps the time that it has
    there: it was told before. So does what comes from a log that was rounded to ``placed_us``, at least as coarsely.
    """
    units: dict[int, _Unit] = {}
    times = []
    for event, timed in given_events:
        at_us = event.at_us
        if not timed and newest_us >= at_us > newest_us - _A_DAY_US:
            at_us = newest_us
        begin_us = at_us - at_us % resolution_us
        if begin_us not in units:
            units[begin_us] = _Unit(store, begin_us, resolution_us, is_empty=begin_us > newest_us)
        is_placed = placed_us >= resolution_us and at_us % placed_us <= _places_us(placed_us)
        at_us = units[begin_us].place(event.uid, at_us if is_placed else None)
        newest_us = max(newest_us, at_us)
        times.append(at_us)
    return times


class _Unit:
    """The events whose times are rounded to one moment: where the next one stands."""

    def __init__(self, store: Store, begin_us: int, resolution_us: int, *, is_empty: bool) -> None:
        self._store = store
        self._begin_us, self._end_us = begin_us, begin_us + resolution_us
        self._known: dict[str, int] | None = {} if is_empty else None
        places_end_us = begin_us + _places_us(resolution_us)
        found = None if is_empty else store.newest(before_us=places_end_us)
        if found is not None and found[0] == places_end_us - 1:  # so many that they go on after the usual places
            found = store.newest(before_us=self._end_us)
        self._last_us = begin_us - 1 if found is None else max(found[0], begin_us - 1)

    def place(self, uid: str, at_us: int | None) -> int:
        """Give the time of the next event: its own, if it has a place already, or the next free one."""
        if uid:
            if self._known is None:
                self._known = self._store.times(self._begin_us, self._end_us)
            if uid in self._known:
                return self._known[uid]
        if at_us is None:
            at_us = min(self._last_us + 1, self._end_us - 1)
        self._last_us = max(self._last_us, at_us)
        if uid and self._known is not None:
            self._known[uid] = at_us
        return at_us


def _places_us(resolution_us: int) -> int:
    """Give by how much at most a rounded time is usually later than its unit's beginning."""
    return max(_PLACES_US, resolution_us // _PLACES_US) if resolution_us > 1 else 0


def _keyed(event: Event, at_us: int, uid: str) -> Event:
    """Copy an event with a time and a uid; several times quicker than ``dataclasses.replace``."""
    e = event
    return Event(at_us, uid, e.item_id, e.kind, e.offset_min, e.value, e.context, e.slate, e.shown)
