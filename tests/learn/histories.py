"""Made-up histories for the tests of what is learnt: short to write, odd enough to matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.learn.features import features_of
from recsys.learn.fold import State, fold_all, new_state
from recsys.learn.gather import ask, gather
from recsys.learn.moment import Moment
from recsys.prior import Prior
from recsys.settings import Settings
from recsys.types import Event, Scalar

MINUTE, HOUR, DAY, YEAR = 60.0, 3600.0, 86_400.0, 365.25 * 86_400.0
MONDAY_S = 1_704_067_200.0  # 2024-01-01 00:00 UTC was a Monday
END_US = 2**32 * 1_000_000  # the last time a log takes

PRIOR = Prior.default()
SETTINGS = Settings(kind_weights={"love": 10.0, "faint": 0.01, "loathe": -10.0, "glance": 0.0})

ITEMS = "abcdef"
KINDS = ("click",) * 6 + ("view", "love", "faint", "skip", "loathe", "glance")
# Silences in seconds: ties, a microsecond, within and beyond a session, and enough half-lives to make sums overflow.
SILENCES = (0.0, 1e-6, 0.7, 45.0, 1799.999999, 1800.0, 1800.000001, 5 * HOUR, DAY, 9 * DAY, 70 * DAY, 3 * YEAR)
CONTEXTS: Sequence[Mapping[str, Scalar]] = (
    {},
    {"place": "home"},
    {"place": "work", "n": 1},
    {"n": 1.0},
    {"n": True, "place": "home"},
    {"n": "1"},
)
OFFSETS = (0, 60, 345, -210, 840, -720, 1440, -1440)


def examples(part: float) -> settings:
    """A part of the examples that the profile asks for: for tests whose examples are slow."""
    asked: int = settings.default.max_examples
    return settings(max_examples=max(round(asked * part), 2))


def event(number: int, at_s: float, item_id: str = "a", kind: str = "click", **more: object) -> Event:
    """The event with this number at this second."""
    return Event(round(at_s * 1e6), f"{number:016x}", item_id, kind, **more)


def shown(number: int, at_s: float, slate: str, item_ids: Iterable[str]) -> Event:
    """A slate that was on screen, every place drawn with certainty."""
    places = tuple((item_id, position, 1.0) for position, item_id in enumerate(item_ids))
    return event(number, at_s, "", "shown", slate=slate, shown=places)


def uses(items: Iterable[str], start_s: float = MONDAY_S, every_s: float = HOUR) -> list[Event]:
    """One use of each item after another, at even steps."""
    return [event(number, start_s + number * every_s, item) for number, item in enumerate(items)]


def wandering(n_events: int, n_items: int, seed: int = 1) -> list[Event]:
    """A log with favourites, over many items."""
    rng = np.random.default_rng(seed)
    drawn = np.minimum(rng.geometric(6 / n_items, n_events), n_items)
    return uses([f"i{n}" for n in drawn])


def learnt(events: Iterable[Event], settings: Settings = SETTINGS, prior: Prior = PRIOR) -> State:
    """The state after these events."""
    state = new_state(prior, settings)
    fold_all(state, events)
    return state


@dataclass(frozen=True)
class Step:
    """One event of a history, relative to the one before."""

    silence_s: float
    kind: str
    item: str
    context: Mapping[str, Scalar]
    offset_min: int
    slate: tuple[str, ...]
    from_slate: bool


_steps = st.builds(
    Step,
    silence_s=st.sampled_from(SILENCES) | st.floats(0.0, 3 * DAY),
    kind=st.sampled_from((*KINDS, "shown", "shown", "steer")),
    item=st.sampled_from(ITEMS),
    context=st.sampled_from(CONTEXTS),
    offset_min=st.sampled_from(OFFSETS),
    slate=st.lists(st.sampled_from(ITEMS), min_size=1, unique=True).map(tuple),
    from_slate=st.booleans(),
)


@st.composite
def histories(draw: st.DrawFn, most: int = 24, repeats: int = 5) -> list[Event]:
    """Histories of at most ``most * repeats`` events, in the log's order; repeated, they fill every ring."""
    steps = draw(st.lists(_steps, max_size=most))
    steps *= draw(st.integers(1, repeats))
    at_us = round(draw(st.sampled_from((0.0, 100.5, MONDAY_S, MONDAY_S + 0.123456))) * 1e6)
    events: list[Event] = []
    newest_slate = None
    for number, step in enumerate(steps):
        later_us = at_us + round(step.silence_s * 1e6)
        at_us = later_us if later_us < END_US else at_us
        if step.kind == "shown":
            newest_slate = f"slate-{number}"
            events.append(shown(number, at_us / 1e6, newest_slate, step.slate))
        elif step.kind == "steer":
            events.append(event(number, at_us / 1e6, step.item, "steer", value=0.5))
        else:
            slate = newest_slate if step.from_slate else None
            events.append(
                event(
                    number,
                    at_us / 1e6,
                    step.item,
                    step.kind,
                    context=step.context,
                    offset_min=step.offset_min,
                    slate=slate,
                )
            )
    return events


def feature_matrix(
    behaviour: Behaviour, slots: NDArray[np.intp] | slice, moment: Moment, *, shown_at_s: float | None = None
) -> NDArray[np.float64]:
    """Every feature of every candidate, each slot but 0 given once, shape (N_FEATURES, n)."""
    return features_of(gather(behaviour, [ask(behaviour, moment, shown_at_s)], [slots]))
