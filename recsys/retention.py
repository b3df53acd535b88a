"""What is too old, or too many, leaves the log: the same erasure as a forget, in bounded steps.

Every event that stays has to be learnt anew without those that go. That is done first, a slice at a time
beside the state that answers; only when it has caught up with the log the old events are deleted, and the
new state takes over.
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

    @property
    def begun(self) -> bool:
        """Whether anything has been learnt without the events that are to go."""
        return self._state is not None

    def edge(self, store: Store, live: Live, now_us: int) -> Key | None:
        """Give the last key that has to go; None when nothing has to. O(1), and O(events), in C, when something has."""
        edges: list[Key | None] = []
        if self._settings.keep_days is not None:
            begin_us = (now_us // _A_DAY_US - self._settings.keep_days + 1) * _A_DAY_US
            oldest = store.oldest()
            if oldest is not None and oldest[0] < begin_us:
                edges.append((begin_us - 1, "\U0010ffff"))
        if self._settings.keep_events is not None:
            keep = self._settings.keep_events
            n = live.state.n_events if live.mask is None else store.n_events()
            if n > keep:
                edges.append(store.key_at(n - (keep - keep // _SPARE) - 1))  # None when another process was quicker
        edge = max((edge for edge in edges if edge is not None), default=None)
        if self._edge is not None and (edge is None or edge < self._edge):
            self.restart()  # it was begun by a clock that was ahead
        return edge

    def restart(self) -> None:
        """Say that the log has changed before its end: what was folded here may be wrong."""
        self._edge = self._state = self._reached = None

    def step(self, store: Store, live: Live, edge: Key, budget_ms: float) -> bool:
        """Learn a slice of what stays; True when all of the log so far is learnt."""
        if self._state is None:  # once begun, the edge stays: new events move it on all the time
            self._edge, self._state, self._reached = edge, live.blank(), edge
        deadline = time.perf_counter() + budget_ms / 1000.0
        for n, event in enumerate(store.events(after=self._reached), 1):
            live.fold_into(self._state, event)
            self._reached = event.key
            if not n % _CLOCK_EVERY and time.perf_counter() > deadline:
                return False
        return True

    def take(self, store: Store, live: Live) -> tuple[Key, State, Key | None]:
        """Catch up and hand over, inside the transaction that deletes: the edge, the state, and its newest key."""
        assert self._edge is not None  # noqa: S101 - step said so
        assert self._state is not None  # noqa: S101
        self.step(store, live, self._edge, float("inf"))
        edge, state = self._edge, self._state
        newest = self._reached if self._reached != edge else None
        self.restart()
        return edge, state, newest
