"""What a host may choose, in one frozen object, validated once.

Settings belong to the host and not to the file: the same log opened with other
settings is learnt anew with them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from recsys.errors import InputError
from recsys.inputs import LIMITS

__all__ = ["DEFAULT_KIND_WEIGHTS", "RESOLUTIONS_US", "Settings"]

# How much evidence one event of a kind is. Negative: evidence against the item.
DEFAULT_KIND_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "click": 1.0,
        "open": 1.0,
        "play": 1.0,
        "purchase": 1.0,
        "visit": 1.0,
        "like": 1.0,
        "command": 1.0,
        "view": 0.5,
        "skip": -0.5,
        "dislike": -1.0,
        "hate": -1.0,
        "return": -0.5,
    }
)

RESOLUTIONS_US: Mapping[str, int] = MappingProxyType(
    {"microsecond": 1, "second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000}
)

_A_SKIP = 0.2  # of the length from which on an event counts in full

_SYNCHRONOUS = ("full", "normal")


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """What a host may choose.

    Parameters
    ----------
    kind_weights : mapping of str to float
        Weight of an event by its kind, -10 to 10; merged over the defaults. Kinds not named weigh 1.
    dwell : mapping of str to float
        For kinds whose events say by their ``value`` how long they lasted: from which length on one counts in full,
        greater than 0, in the host's unit (seconds, or the part that was seen). Less counts in proportion, and under a
        fifth of it as one of kind ``"skip"``. Only kinds that weigh more than 0; without a value, it counts in full.
    session_gap_minutes : float
        A longer silence starts a new session. Greater than 0.
    choice_set_size : int
        At most how many candidates one organic choice is learnt against, 2 to 1,000.
    checkpoint_events : int
        Write a checkpoint after about this many new events, 16 to 1,000,000.
    synchronous : {"full", "normal"}
        ``"full"``: an acknowledged event survives a power cut. ``"normal"``: it survives
        the death of the process; a power cut may take the last moments.
    busy_timeout_ms : int
        How long to wait for another process that is writing, 0 to 600,000.
    keep_days : int, optional
        ``maintain`` erases what is older: it keeps the last so many whole days in UTC, today being one; 1 to 36,500.
    keep_events : int, optional
        ``maintain`` erases the oldest when there are more; a sixteenth more than it has to, so that it need not
        do so again at once; 16 to 100,000,000. None, as for ``keep_days``: nothing is erased for that.
    time_resolution : {"microsecond", "second", "minute", "hour", "day"}
        Times are rounded down to this before they are written. What falls together keeps the order in which it was
        told, each a microsecond after the one before; what was written at its full time, before this was chosen, comes
        after what is rounded to the same unit.
    never_learn : collection of str
        Tags of 1 to 128 characters each, any number. What the log says of items with one of them is kept, but
        nothing is ever learnt from it. ``repr`` tells how many there are, and not which.
    require_consent : bool
        True: nothing is written, and no file is made, before :meth:`Recommender.consent`; a file that is there already
        is only looked at, and brought to this version's form if it has an older one.
    once : bool or collection of str
        Which items are recommended once only, such as films or news: after one event of a positive weight ``recommend``
        leaves them out. True: every item; tags: the items with one of them. What is forgotten was no use, and what is
        never learnt (``never_learn``) is none. ``rank`` orders all that it is given.
    created, expires : str, optional
        The names of the attributes that say from when, and until before when, ``recommend`` offers an item: numbers,
        seconds since 1970 UTC, before 2106, which ``add`` checks. An item without them is always on offer; so is one
        whose attribute, in a file written earlier, is no number. None: no attribute says so.
    trees : bool
        True: keep the last choices as lessons, and let ``maintain`` grow trees on top of the model, which join the
        score while they help (``docs/learner.md``). Growing needs the extra ``trees``; what was grown serves
        without it, and so do the trees of a pack, which join the score from the first answer on.
    ballast : bool
        True: hold a little more space than the file has, in a file beside it, so that forgetting works when the disk
        is full.

    Raises
    ------
    InputError
        When a value is out of its range.

    Stability: stable
    """

    kind_weights: Mapping[str, float] = field(default_factory=dict)
    session_gap_minutes: float = 30.0
    choice_set_size: int = 16
    checkpoint_events: int = 1024
    synchronous: str = "full"
    busy_timeout_ms: int = 5000
    keep_days: int | None = None
    keep_events: int | None = None
    time_resolution: str = "microsecond"
    never_learn: Collection[str] = ()
    require_consent: bool = False
    trees: bool = False
    ballast: bool = True
    once: bool | Collection[str] = ()
    created: str | None = None
    expires: str | None = None
    dwell: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        weights = dict(DEFAULT_KIND_WEIGHTS)
        if not isinstance(self.kind_weights, Mapping):
            raise InputError("kind_weights: a mapping of kinds to numbers is needed", field="kind_weights")
        for kind, weight in self.kind_weights.items():
            if not _is_kind(kind):
                raise InputError(
                    f"kinds are strings of 1 to {LIMITS['kind']} characters other than 'shown' and 'steer'",
                    field="kind_weights",
                )
            weights[kind] = _number(weight, "kind_weights", -10.0, 10.0)
        object.__setattr__(self, "kind_weights", MappingProxyType(weights))
        object.__setattr__(self, "dwell", MappingProxyType(self._checked_dwell()))
        _number(self.session_gap_minutes, "session_gap_minutes", 0.001, 1e6)
        _integer(self.choice_set_size, "choice_set_size", 2, 1000)
        _integer(self.checkpoint_events, "checkpoint_events", 16, 1_000_000)
        _integer(self.busy_timeout_ms, "busy_timeout_ms", 0, 600_000)
        if self.synchronous not in _SYNCHRONOUS:
            raise InputError('synchronous is "full" or "normal"', field="synchronous")
        for name in ("require_consent", "trees", "ballast"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name}: True or False", field=name)
        for name, low, high in (("keep_days", 1, 36_500), ("keep_events", 16, 100_000_000)):
            if getattr(self, name) is not None:
                _integer(getattr(self, name), name, low, high)
        if not isinstance(self.time_resolution, str) or self.time_resolution not in RESOLUTIONS_US:
            raise InputError(f"time_resolution is one of {', '.join(RESOLUTIONS_US)}", field="time_resolution")
        object.__setattr__(self, "never_learn", _tags(self.never_learn, "never_learn"))
        object.__setattr__(self, "once", self.once if isinstance(self.once, bool) else _tags(self.once, "once"))
        _attribute(self.created, "created")
        _attribute(self.expires, "expires")

    def __repr__(self) -> str:
        shown = {one.name: repr(getattr(self, one.name)) for one in fields(self)}
        shown["kind_weights"], shown["dwell"] = repr(dict(self.kind_weights)), repr(dict(self.dwell))
        for name, tags in (("never_learn", self.never_learn), ("once", self.once)):
            if not isinstance(tags, bool):
                shown[name] = f"<{len(tags)} tags>"
        return f"Settings({', '.join(f'{name}={text}' for name, text in shown.items())})"

    def learning(self) -> dict[str, object]:
        """The part that what is learnt depends on, as plain JSON values."""
        plain = {name: getattr(self, name) for name in ("session_gap_minutes", "choice_set_size")}
        if self.trees:
            plain["trees"] = True
        if self.dwell:
            plain["dwell"] = dict(sorted(self.dwell.items()))
        return {**plain, "kind_weights": dict(sorted(self.kind_weights.items()))}

    def weight(self, kind: str, value: float | None) -> float:
        """Say how much evidence an event is for its item, -10 to 10: that of its kind, by how long it lasted. O(1).

        Stability: provisional
        """
        weight = self.kind_weights.get(kind, 1.0)
        if value is None or kind not in self.dwell:
            return weight
        lasted = value / self.dwell[kind]
        return weight * min(lasted, 1.0) if lasted >= _A_SKIP else min(self.kind_weights["skip"], 0.0)

    def _checked_dwell(self) -> dict[str, float]:
        if not isinstance(self.dwell, Mapping):
            raise InputError("dwell: a mapping of kinds to numbers is needed", field="dwell")
        for kind, full in self.dwell.items():
            if not _is_kind(kind) or self.kind_weights.get(kind, 1.0) <= 0:
                raise InputError("dwell: kinds that weigh more than 0 are needed", field="dwell")
            _number(full, "dwell", 1e-6, 1e9)
        return {kind: float(full) for kind, full in self.dwell.items()}


def _is_kind(given: object) -> bool:
    return isinstance(given, str) and given not in ("", "shown", "steer") and len(given) <= LIMITS["kind"]


def _number(value: object, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{name}: a finite number is needed", field=name)
    if not low <= value <= high:
        raise InputError(f"{name}: must lie in [{low:g}, {high:g}]", field=name)
    return float(value)


def _integer(value: object, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name}: an integer is needed", field=name)
    if not low <= value <= high:
        raise InputError(f"{name}: must lie in [{low}, {high}]", field=name)
    return value


def _tags(given: object, name: str) -> tuple[str, ...]:
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Collection):
        raise InputError(f"{name}: a list of tags is needed", field=name)
    if not all(isinstance(tag, str) and 0 < len(tag) <= LIMITS["tag"] for tag in given):
        raise InputError(f"{name}: tags are strings of 1 to {LIMITS['tag']} characters", field=name)
    return tuple(sorted(set(given)))


def _attribute(given: object, name: str) -> None:
    if given is None:
        return
    if not isinstance(given, str) or not 0 < len(given) <= LIMITS["key"] or given in ("id", "title", "tags"):
        raise InputError(f"{name}: the name of an attribute is needed", field=name)
