"""Two recommenders: one that forgot some of what it was told, and one that never knew it. Nothing may tell them apart.

A :class:`Script` says what happens to the first, in order. The second lives through the same, without what is forgotten
somewhere in the script, without reopening, and with ids of its own for the events, so that nothing can hang on those.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import numpy as np
from hypothesis import strategies as st

from recsys import Event, Item, Recommender, Settings, live
from recsys.learn.fold import State
from recsys.testing import strategies as some
from recsys.testing.strategies import START
from tests.properties.eyes import as_seen, in_order, opened, rebuilt_bytes, state_bytes, versions_are_right
from tests.properties.machine import forgotten
from tests.small_trees import grow, stages_in

__all__ = ["IDS", "SETTINGS", "Script", "compared", "differences", "plain", "scripts", "unsound"]

SETTINGS: Final = Settings(
    synchronous="normal", checkpoint_events=16, session_gap_minutes=5, choice_set_size=4, ballast=False
)
IDS: Final = ("kind-of-blue", "naïve 🎷", "plain", "'; DROP TABLE events; --", "another", "jazz")
_TAGS: Final = ("jazz", "rock")
_KINDS: Final = ("click", "play", "view", "skip", "dislike", "shown", "steer", "a kind of the host's own")
_OWN: Final = "~"  # begins the second one's ids of events; their order stays

Step = tuple[str, Any]


class Script(NamedTuple):
    """What happens: the events in the order in which they are told, and steps, one of which takes a number of them."""

    events: Sequence[Event]
    steps: Sequence[Step]


def plain(n: int, seed: int = 0) -> list[Event]:
    """So many uses of a few items, a few of them late, some in one instant."""
    draw, at_us = random.Random(seed), START * 1_000_000
    events = []
    for number in range(n):
        at_us += draw.choice((0, 40, 400, 40_000)) * 1_000_000
        late = draw.choice((0, 0, 0, 0, 0, 3_000)) * 1_000_000
        context = draw.choice(({}, {"place": "home"}, {"place": "town"}))
        events.append(Event(at_us - late, _uid(seed, number), draw.choice(IDS), "play", 0, None, context))
    return events


def _uid(*of: object) -> str:
    """An id as random as ours: where many were alike, the log would take one for what is left of another."""
    return f"{random.Random(repr(of)).getrandbits(64):016x}"


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Draw what happens: odd events and plain ones, told in portions; all else in between; at least one forget."""
    odd = [replace(event, uid=_uid(event.uid)) for event in draw(some.histories(item_ids=IDS, max_size=12))]
    events = plain(draw(st.sampled_from((0, 8, 20, 40))), draw(st.integers(0, 9)))
    at = draw(st.integers(0, len(events)))
    events = [*events[:at], *odd, *events[at:]]
    forget = st.tuples(st.just("forget"), _criteria())
    step = st.one_of(
        st.tuples(st.just("record"), st.integers(1, 24)),
        forget,
        st.tuples(st.sampled_from(("reopen", "maintain")), st.none()),
        st.tuples(st.just("look"), st.integers(0, 99)),
        st.tuples(st.just("add"), st.tuples(st.sampled_from(IDS[:5]), st.sampled_from(_TAGS))),
    )
    # Removed is only what is told no more: of what is not known, `remove` keeps nothing.
    after = step | st.tuples(st.just("remove"), st.sampled_from(IDS))
    begin, end = st.lists(step, max_size=10), st.lists(after, max_size=3)
    return Script(events, [*draw(begin), ("record", len(events)), *draw(end), draw(forget), *draw(end)])


def _criteria() -> st.SearchStrategy[dict[str, Any]]:
    """Draw what to forget; events and times are numbers, of the events known then."""
    numbers = st.integers(0, 99)
    given = {
        "events": st.lists(numbers, min_size=1, max_size=20),
        "items": st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True),
        "kinds": st.lists(st.sampled_from(_KINDS), min_size=1, max_size=2, unique=True),
        "since": numbers,
        "until": numbers,
    }
    names = st.lists(st.sampled_from(sorted(given)), min_size=1, max_size=2, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: given[name] for name in chosen}))


def compared(script: Script) -> tuple[list[str], Counter[str]]:
    """Run the script; give the names of all by which the two recommenders can be told apart, and counts."""
    with patch.object(live, "_BYTES_AN_EVENT", 1 << 40), TemporaryDirectory(prefix="never-known-") as folder:
        in_memory = all(name != "reopen" for name, _ in script.steps)
        first = _First(":memory:" if in_memory else str(Path(folder) / "log.db"), script.events)
        try:
            for name, value in script.steps:
                getattr(first, name)(value)
            with _second(script, first) as never_knew:
                return differences(first.rec, never_knew), first.counts
        finally:
            first.rec.close()


class _First:
    """The one that is told all, and the plain account of what is left."""

    def __init__(self, path: str, events: Sequence[Event]) -> None:
        self.path, self.events = path, events
        self.rec = opened(path, settings=SETTINGS)
        self.left: list[Event] = []
        self.n_told = 0
        self.counts: Counter[str] = Counter()

    def record(self, n: int) -> None:
        portion = list(self.events[self.n_told : self.n_told + n])
        self.rec.record_many(portion)
        self.left += portion
        self.n_told += len(portion)

    def forget(self, criteria: dict[str, Any]) -> None:
        known = in_order(self.left)
        named = dict(criteria)
        if "events" in named:
            named["events"] = [known[n % len(known)].uid for n in named["events"] if known]
        for name in ("since", "until"):
            if name in named:
                named[name] = known[named[name] % len(known)].at_us // 1_000_000 if known else 0
        if "since" in named and "until" in named:  # an empty span would be refused
            named["since"], named["until"] = sorted((named["since"], named["until"]))
            if named["since"] == named["until"]:
                del named["until"]
        receipt = self.rec.forget(**named)
        left = forgotten(self.left, **named)
        assert (receipt.status, receipt.n_events) == ("erased", len(self.left) - len(left))
        self.left = left
        self.counts += Counter({"forgets": 1, "events forgotten": receipt.n_events})

    def reopen(self, _: None) -> None:
        self.rec.close()
        self.rec = opened(self.path, settings=SETTINGS)
        self.counts["reopened"] += 1

    def maintain(self, _: None) -> None:
        while self.rec.maintain():
            pass

    def look(self, seed: int) -> None:
        sight(self.rec, seed)

    def add(self, item: tuple[str, str]) -> None:
        _add(self.rec, item)

    def remove(self, item_id: str) -> None:
        self.rec.remove([item_id])


@contextmanager
def _second(script: Script, first: _First) -> Iterator[Recommender]:
    """The one that is told only what the first one has left."""
    left = {event.uid: replace(event, uid=_OWN + event.uid) for event in first.left}
    with closing(opened(":memory:", settings=SETTINGS)) as rec:
        n_told = 0
        for name, value in script.steps:
            if name == "record":
                portion = script.events[n_told : n_told + value]
                n_told += value
                rec.record_many([left[event.uid] for event in portion if event.uid in left])
            elif name == "add":
                _add(rec, value)
            elif name == "remove":
                rec.remove([value])
        yield rec


def _add(rec: Recommender, item: tuple[str, str]) -> None:
    item_id, tag = item
    rec.add([Item(item_id, item_id.upper(), (tag,), {"n": len(tag)})])


def differences(rec: Recommender, never_knew: Recommender) -> list[str]:
    """The names of all by which the two can be told apart, from inside or from outside."""
    of_another_log = rec._grove is not None and rec._grove.finding(rec._store, rec._live)[0] != "ok"
    mine, other = ({**_inside(each), **sight(each, 7)} for each in (rec, never_knew))
    found = [name for name in mine if mine[name] != other[name]]
    found += ["trees of another log"] if of_another_log else []
    if state_bytes(rec) != rebuilt_bytes(rec):
        found.append("the state is not what the log teaches")
    if not versions_are_right(rec):
        found.append("what is kept of the uses that wait")
    return found + unsound(rec._live.state)


def unsound(state: State) -> list[str]:
    """U6: what is no number in the state, or no precision."""
    arrays = [*state.behaviour.arrays(), *(("w", model.w) for model in state.choices)]
    found = [f"{name} is not finite" for name, array in arrays if not np.isfinite(array).all()]
    precise = [np.isfinite(m.precision).all() and np.linalg.eigvalsh(m.precision).min() > 0 for m in state.choices]
    return found + ["a precision is not positive definite"] * precise.count(False)


def sight(rec: Recommender, seed: int) -> dict[str, object]:
    """Everything that an app may see, at a moment and under a context drawn from the seed."""
    draw = random.Random(seed)
    at, context = START + draw.randrange(10**6), draw.choice(({}, {"place": "home"}))
    everything = rec.recommend(20, at=at, context=context)
    explained = [rec.explain(item_id, at=at, context=context) for item_id in IDS]
    stats = rec.stats()
    return {
        "recommendations": [*as_seen(everything), *(r.reasons for r in everything)],
        "drawn recommendations": as_seen(rec.recommend(20, at=at, context=context, explore=1.0, seed=seed)),
        "similar items": [as_seen(rec.similar(item_id, at=at)) for item_id in IDS],
        "a ranking": as_seen(rec.rank([*IDS, "unknown"], at=at, context=context)),
        "the profile": rec.profile(),
        "explanations": [replace(one, events=tuple(map(_unnamed, one.events))) for one in explained],
        "stats": (stats.n_events, stats.n_items, stats.n_known_items, stats.state_bytes),
        "what is said of the trees": stats.trees,
    }


def _inside(rec: Recommender) -> dict[str, object]:
    if rec._grove is not None:
        grow(rec)
    return {
        "the trees": stages_in(rec),
        "the state": state_bytes(rec),
        "the log": [_unnamed(event) for event in rec._store.events()],
        "the catalogue": (rec._catalogue.items, rec._catalogue.removed),
        "the catalogue's file": [*rec._store.items()],
    }


def _unnamed(event: Event) -> Event:
    return replace(event, uid=event.uid.removeprefix(_OWN))
