"""What is too old, or too many, leaves the log: the same erasure as a forget, in bounded steps.

Every event that stays has to be learnt anew without those that go. That is done first, a slice at a time
beside the state that answers; only when it has caught up with the log the old events are deleted, and the
new state takes over. A change before what was learnt so far begins it anew; a few times, and then all is learnt
in one go, so that it comes to an end whatever else is recorded.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, final

from recsys.learn.fold import State

if TYPE_CHECKING:
    from recsys.live import Live
    from recsys.log import Store
    from recsys.settings import Settings

__all__ = ["Retention"]

Key = tuple[int, str]

_A_DAY_US: Final = 86_400_000_000
_SPARE: Final = 16  # when there are too many events, one in so many of those that could stay goes too
_CLOCK_EVERY: Final = 32  # events folded between looks at the clock
_PATIENCE: Final = 3  # so often it begins anew


@final
class Retention:
    """The events that are to go, and how far learning without them has come.

    Stability: provisional
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._edge: Key | None = None  # the last key that goes
        self._state: State | None = None
        self._reached: Key | None = None
        self._n_events = 0  # beyond the edge, up to what is reached
        self._n_restarts = 0

    @property
    def begun(self) -> bool:
        """Whether anything has been learnt without the events that are to go."""
        return self._state is not None

    @property
    def hurried(self) -> bool:
        """Whether it began anew so often that all has to be learnt in one go."""
        return self._n_restarts >= _PATIENCE

    def edge(self, store: Store, live: Live, now_us: int) -> Key | None:
        """Give a key up to which all has to go; None when nothing has to. O(1), and O(events), in C, when it has."""
        edges: list[Key | None] = []
        if self._settings.keep_days is not None:
            begin_us = (now_us // _A_DAY_US - self._settings.keep_days + 1) * _A_DAY_US
            oldest = store.oldest()
            if oldest is not None and oldest[0] < begin_us:
                edges.append((begin_us, ""))  # before every uid
        if self._settings.keep_events is not None:
            keep = self._settings.keep_events
            if live.n_events > keep:  # None when another process was quicker
                edges.append(store.key_at(live.n_events - (keep - keep // _SPARE) - 1))
        edge = max((edge for edge in edges if edge is not None), default=None)
        if edge is None:
            self.restart()
            self._n_restarts = 0
        elif self._edge is not None and edge < self._edge:
            self.doubt(None)  # it was begun by a clock that was ahead, or some were forgotten since
        return edge

    def doubt(self, since: Key | None) -> None:
        """Say that the log changes from this key on, or anywhere: what was folded here may be wrong."""
        if self._reached is not None and (since is None or since <= self._reached):
            self.restart()
            self._n_restarts += 1

    def restart(self) -> None:
        """Begin anew."""
        self._edge = self._state = self._reached = None
        self._n_events = 0

    def step(self, store: Store, live: Live, edge: Key, budget_ms: float) -> bool:
        """Learn a slice of what stays; True when all of the log so far is learnt."""
        if self._state is None:  # once begun, the edge stays: new events move it on all the time
            self._edge, self._state, self._reached = edge, live.blank(), edge
        deadline = time.perf_counter() + budget_ms / 1000.0
        for n, event in enumerate(store.events(after=self._reached), 1):
            live.fold_into(self._state, event)
            self._reached = event.key
            self._n_events += 1
            if not n % _CLOCK_EVERY and time.perf_counter() > deadline:
                return False
        return True

    def take(self, store: Store, live: Live, edge: Key) -> tuple[Key, State, Key | None, int]:
        """Catch up, or learn it all, and hand over, inside the transaction that deletes.

        The edge, and the state with the key of its newest event and the number of events that stay.
        """
        self.step(store, live, edge, float("inf"))
        assert self._edge is not None  # noqa: S101 - step said so
        assert self._state is not None  # noqa: S101
        last, state, n_events = self._edge, self._state, self._n_events
        newest = self._reached if n_events else None
        self.restart()
        self._n_restarts = 0
        return last, state, newest, n_events
