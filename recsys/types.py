"""The plain records that cross the public face, all frozen and slotted.

Their ``repr`` shows shapes and sizes and never an id, a text or a context
value, so that a log file or a crash report cannot carry what a person did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias, overload

__all__ = [
    "Context",
    "Event",
    "Item",
    "Reason",
    "Recommendation",
    "Scalar",
    "Slate",
    "Wanted",
]

Scalar: TypeAlias = str | int | float | bool
Context: TypeAlias = Mapping[str, Scalar]
Wanted: TypeAlias = Scalar | Sequence[Scalar] | AbstractSet[Scalar] | Mapping[str, Scalar]
"""What a filter asks of an attribute: a value, one of some values, or a span with ``"min"`` and ``"max"``."""

_NO_CONTEXT: Context = {}


@dataclass(frozen=True, slots=True, repr=False)
class Item:
    """Something that can be recommended.

    Parameters
    ----------
    id : str
        The host's own id, 1 to 512 characters.
    title : str
        What a person calls it; used in reasons. Empty when unknown.
    tags : tuple of str
        Short labels; ``steer`` works on them.
    attributes : mapping of str to str, int, float or bool
        Whatever else the host knows.

    Stability: stable
    """

    id: str
    title: str = ""
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, Scalar] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Item(<redacted>, n_tags={len(self.tags)}, n_attributes={len(self.attributes)})"


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Event:
    """One thing that happened, exactly as it stands in the log.

    Parameters
    ----------
    at_us : int
        Microseconds since 1970-01-01 UTC.
    uid : str
        Random, 16 hexadecimal digits when made here. Events are ordered by ``(at_us, uid)``.
    item_id : str
        The item; for ``kind="shown"`` empty; for ``kind="steer"`` an item id or a tag.
    kind : str
        What was done: ``"click"``, ``"play"``, ``"purchase"``, ``"skip"``, ...
    offset_min : int
        UTC offset at that moment and place, minutes, -1,440 to 1,440.
    value : float or None
        A finite number the host attaches: seconds played, pieces bought.
    context : mapping of str to str, int, float or bool
        What was true at that moment.
    slate : str or None
        The id of the slate from which the item was chosen; for ``kind="shown"`` the slate's own id.
    shown : tuple of (str, int, float)
        For ``kind="shown"``: item id, position from 0, propensity in (0, 1], by position.

    Stability: stable
    """

    at_us: int
    uid: str
    item_id: str
    kind: str
    offset_min: int
    value: float | None
    context: Context
    slate: str | None
    shown: tuple[tuple[str, int, float], ...]

    # A log is read event by event, and what dataclasses generate for a frozen class takes twice as long.
    def __init__(
        self,
        at_us: int,
        uid: str,
        item_id: str,
        kind: str = "click",
        offset_min: int = 0,
        value: float | None = None,
        context: Context = _NO_CONTEXT,
        slate: str | None = None,
        shown: tuple[tuple[str, int, float], ...] = (),
    ) -> None:
        set_at_us, set_uid, set_item_id, set_kind, set_offset, set_value, set_context, set_slate, set_shown = _SETTERS
        set_at_us(self, at_us)
        set_uid(self, uid)
        set_item_id(self, item_id)
        set_kind(self, kind)
        set_offset(self, offset_min)
        set_value(self, value)
        set_context(self, {} if context is _NO_CONTEXT else context)
        set_slate(self, slate)
        set_shown(self, shown)

    @property
    def key(self) -> tuple[int, str]:
        """The event's place in the log: ``(at_us, uid)``."""
        return (self.at_us, self.uid)

    def __repr__(self) -> str:
        return f"Event(<redacted>, n_context={len(self.context)}, n_shown={len(self.shown)})"


_SETTERS = tuple(vars(Event)[name].__set__ for name in Event.__slots__)


@dataclass(frozen=True, slots=True, repr=False)
class Reason:
    """One group of terms of a score, worded for a person.

    Parameters
    ----------
    text : str
        Such as "you often open this on weekday mornings".
    group : str
        Which group of features: ``"frequency"``, ``"recency"``, ``"rhythm"``, ``"sequence"``, ...
    contribution : float
        What the group adds to the score, relative to the average candidate; may be negative.
    n_events : int
        How many events stand behind it.
    last_at : float or None
        When the newest of them happened, seconds since 1970-01-01 UTC; None when there are none.

    Stability: stable
    """

    text: str
    group: str
    contribution: float
    n_events: int
    last_at: float | None

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Reason({self.group}, {self.contribution:+.3f}, n_events={self.n_events})"


@dataclass(frozen=True, slots=True, repr=False)
class Recommendation:
    """One item of a slate.

    Parameters
    ----------
    item_id : str
        The host's id.
    score : float
        The utility ``w·x``, plus the person's own steering and the app's boosts; only differences within a slate mean
        anything.
    position : int
        From 0.
    propensity : float
        The probability, in (0, 1], that this item stood at this position given the items above it.
    known : bool
        False when the id is neither in the catalogue nor in the log.

    Stability: stable
    """

    item_id: str
    score: float
    position: int
    propensity: float
    known: bool
    _reasons: Callable[[int], tuple[Reason, ...]] = field(compare=False)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why, strongest first; the contributions add up to ``score`` minus the candidates' mean score.

        What decided the place if it was not the score, ``"pinned"`` or ``"diversity"``, comes first and adds 0.
        """
        return self._reasons(self.position)

    def __repr__(self) -> str:
        return f"Recommendation(<redacted>, score={self.score:.4g}, position={self.position})"


@dataclass(frozen=True, slots=True, repr=False)
class Slate(Sequence[Recommendation]):
    """An ordered list of recommendations; a sequence.

    Parameters
    ----------
    id : str
        Random; links ``shown`` and ``record`` to this list.
    at_us : int
        The moment it was made for, microseconds since 1970-01-01 UTC.
    offset_min : int
        UTC offset, minutes.
    items : tuple of Recommendation
        Best first, unless the app asked for another order (pinned items, diversity).
    n_candidates : int
        How many were ranked.

    Stability: stable
    """

    id: str
    at_us: int
    offset_min: int
    items: tuple[Recommendation, ...]
    n_candidates: int

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Recommendation: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Recommendation, ...]: ...
    def __getitem__(self, index: int | slice) -> Recommendation | tuple[Recommendation, ...]:
        return self.items[index]

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    @property
    def item_ids(self) -> list[str]:
        """The ids, in the order of the slate."""
        return [r.item_id for r in self.items]

    def __repr__(self) -> str:
        return f"Slate(<redacted>, n={len(self.items)}, n_candidates={self.n_candidates})"
