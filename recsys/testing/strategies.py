"""Hypothesis strategies for what a recommender takes in: legal, and as odd as is legal.

Each function gives a strategy; what it draws is accepted by the public face as it is.
Needs Hypothesis: ``pip install "recsys-embedded[testing]"``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from hypothesis import strategies as st

from recsys.settings import DEFAULT_KIND_WEIGHTS, Settings
from recsys.types import Context, Event, Item, Scalar

__all__ = [
    "HOSTILE",
    "START",
    "contexts",
    "events",
    "histories",
    "ids",
    "items",
    "kinds",
    "scalars",
    "settings",
    "slates",
    "steers",
    "tags",
    "times",
]

START: Final = 1_700_000_000
"""The second around which times are drawn: 14 November 2023."""

HOSTILE: Final = (
    "'; DROP TABLE events; --",
    '"',
    "' OR 1=1",
    "`x`",
    "%s %d {0} ? :name @x $y",
    "NULL",
    "nan",
    "0",
    '{"a":1}',
    "line\nbreak\ttab\r",
    " ",
    "\x01\x7f\x85",
    "naïve",
    "nai\u0308ve",
    "\u202eright to left",
    "🎷" * 4,
    "\U0010ffff",
    "\ufeffmark",
    "__proto__",
    "../../etc/passwd",
)
"""Texts that trip those who put statements, formats or file names together; all are legal ids."""

_LAST_S: Final = 2**32 - 1
_LONGEST_ID: Final = 512
_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_KINDS: Final = (*sorted(DEFAULT_KIND_WEIGHTS), "a kind of the host's own")
# Ties and small steps, a day, years; then the ends of time.
_STEPS: Final = (
    st.integers(0, 3)
    | st.integers(-120, 7_200)
    | st.integers(-86_400, 86_400).map(lambda s: s * 7)
    | st.integers(-400_000_000, 400_000_000)
)


def ids(*, longest: int = _LONGEST_ID) -> st.SearchStrategy[str]:
    """Draw ids of items: plain, hostile, in any script, and of the greatest length.

    Parameters
    ----------
    longest : int
        Characters at most, 1 to 512.

    Stability: provisional
    """
    hostile = [text for text in HOSTILE if len(text) <= longest]
    plain = st.sampled_from("abcdefgh")
    longest_of_all = st.sampled_from(("x", "ß", "🎷")).map(lambda character: character * longest)
    return plain | st.sampled_from(hostile) | _text.filter(bool).map(lambda s: s[:longest]) | longest_of_all


def tags() -> st.SearchStrategy[str]:
    """Draw labels of items.

    Stability: provisional
    """
    return st.sampled_from(("jazz", "rock", "early")) | ids(longest=128)


def scalars(*, longest: int = 256) -> st.SearchStrategy[Scalar]:
    """Draw what a context or an attribute may hold: strings, booleans, 64-bit integers, finite floats.

    Stability: provisional
    """
    hostile = [text for text in HOSTILE if len(text) <= longest]
    numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    return st.sampled_from(("", *hostile)) | _text.map(lambda s: s[:longest]) | st.booleans() | numbers


def contexts() -> st.SearchStrategy[Context]:
    """Draw contexts: often none, else a few pairs; ``1``, ``1.0``, ``True`` and ``"1"`` are different values.

    Stability: provisional
    """
    values: st.SearchStrategy[Scalar] = st.sampled_from(("home", "1", 1, 1.0, True))
    familiar = st.dictionaries(st.sampled_from(("place", "day")), values)
    odd = st.dictionaries(ids(longest=64), scalars(), max_size=3)
    return st.one_of(st.just({}), familiar, odd)


def kinds() -> st.SearchStrategy[str]:
    """Draw kinds of events that a host may record: for, against, and unknown to the settings.

    Stability: provisional
    """
    return st.sampled_from(_KINDS) | ids(longest=64).filter(lambda kind: kind not in ("shown", "steer"))


def times(*, start: int = START) -> st.SearchStrategy[float | datetime]:
    """Draw times, as seconds or as aware datetimes: ties, steps forth and back, years ahead, the ends of time.

    Parameters
    ----------
    start : int
        Seconds since 1970 UTC around which most of them lie.

    Stability: provisional
    """
    return st.builds(_spelled, _seconds(start), st.none() | st.integers(-1_439, 1_439))


def items(*, item_ids: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Item]:
    """Draw items with or without titles, tags and attributes.

    Parameters
    ----------
    item_ids : strategy of str, optional
        Their ids; None draws any.

    Stability: provisional
    """
    own = st.dictionaries(ids(longest=64).filter(lambda key: key not in ("id", "title", "tags")), scalars(), max_size=2)
    titles = st.just("") | _text | st.sampled_from(HOSTILE)
    labels = st.lists(tags(), max_size=3, unique=True).map(tuple)
    return st.builds(Item, ids() if item_ids is None else item_ids, titles, labels, own)


def events(*, item_ids: st.SearchStrategy[str] | None = None, start: int = START) -> st.SearchStrategy[Event]:
    """Draw events without an id, for ``record_many``: whatever was done, whenever.

    Parameters
    ----------
    item_ids : strategy of str, optional
        What they are about; None draws any.
    start : int
        As in :func:`times`.

    Stability: provisional
    """
    return st.builds(
        Event,
        _micros(start),
        st.just(""),
        ids() if item_ids is None else item_ids,
        kinds(),
        st.integers(-1_440, 1_440),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        contexts(),
    )


def slates(*, item_ids: Sequence[str], start: int = START) -> st.SearchStrategy[Event]:
    """Draw impressions of some of the items, with propensities; the slate's id is for :func:`histories` to give.

    Stability: provisional
    """
    lists = st.lists(st.sampled_from(list(item_ids)), min_size=1, max_size=6, unique=True)
    chances = st.floats(0.0, 1.0, exclude_min=True)

    def shown(at_us: int, offset_min: int, chosen: list[str], chance: float) -> Event:
        places = tuple((item_id, position, chance) for position, item_id in enumerate(chosen))
        return Event(at_us, "", "", "shown", offset_min, slate="unnamed", shown=places)

    return st.builds(shown, _micros(start), st.integers(-1_440, 1_440), lists, chances)


def steers(*, targets: st.SearchStrategy[str] | None = None, start: int = START) -> st.SearchStrategy[Event]:
    """Draw corrections by the person: an item or a tag, -1 to 1.

    Stability: provisional
    """
    weights = st.sampled_from((-1.0, 0.0, 1.0)) | st.floats(-1.0, 1.0)
    about = ids() | tags() if targets is None else targets
    return st.builds(Event, _micros(start), st.just(""), about, st.just("steer"), st.just(0), weights)


@st.composite
def histories(
    draw: st.DrawFn, *, item_ids: Sequence[str] | None = None, max_size: int = 20, start: int = START
) -> list[Event]:
    """Draw whole histories, in the order in which they are recorded, which need not be that of their times.

    Every event has an id of its own, so the same history can be recorded anywhere. Choices may
    name a slate shown before, later, or never.

    Parameters
    ----------
    item_ids : sequence of str, optional
        What the events are about; None draws a few.
    max_size : int
        Events at most.
    start : int
        As in :func:`times`.

    Stability: provisional
    """
    about = list(item_ids) if item_ids is not None else draw(st.lists(ids(), min_size=1, max_size=6, unique=True))
    chosen = st.sampled_from(about)
    one = events(item_ids=chosen, start=start)
    mixed = one | one | slates(item_ids=about, start=start) | steers(targets=chosen | tags(), start=start)
    drawn = draw(st.lists(st.tuples(mixed, st.none() | st.integers(0, max_size)), max_size=max_size))
    return [_numbered(event, number, slate) for number, (event, slate) in enumerate(drawn)]


def settings() -> st.SearchStrategy[Settings]:
    """Draw settings that change what is learnt and how often a checkpoint is written.

    Stability: provisional
    """
    return st.builds(
        _settings,
        kind_weights=st.dictionaries(kinds(), st.floats(-10.0, 10.0), max_size=3),
        dwell=st.dictionaries(st.sampled_from(_KINDS), st.floats(1e-6, 1e9), max_size=2),
        session_gap_minutes=st.floats(0.001, 1e6),
        choice_set_size=st.integers(2, 100),
        checkpoint_events=st.sampled_from((16, 1024)),
        synchronous=st.just("normal"),
    )


def _settings(*, dwell: Mapping[str, float], **others: Any) -> Settings:
    """Make settings of which only what weighs more than 0 may say how long it lasted."""
    weight = Settings(**others).weight
    return Settings(dwell={kind: full for kind, full in dwell.items() if weight(kind, None) > 0}, **others)


def _seconds(start: int) -> st.SearchStrategy[int]:
    ends = st.sampled_from((0, 1, _LAST_S))
    return _STEPS.map(lambda step: min(max(start + step, 0), _LAST_S)) | ends


def _micros(start: int) -> st.SearchStrategy[int]:
    return st.builds(lambda s, us: s * 1_000_000 + us, _seconds(start), st.just(0) | st.integers(0, 999_999))


def _spelled(at_s: int, offset_min: int | None) -> float | datetime:
    if offset_min is None:
        return float(at_s)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=at_s)
    return epoch.astimezone(timezone(timedelta(minutes=offset_min)))


def _numbered(event: Event, number: int, slate: int | None) -> Event:
    """Give the event its id, and the slate that it shows or chose from."""
    e = event
    name = f"slate-{number}" if e.shown else None if slate is None or e.kind == "steer" else f"slate-{slate}"
    uid = f"{number:016x}"
    return Event(e.at_us, uid, e.item_id, e.kind, e.offset_min, e.value, e.context, name, e.shown)
