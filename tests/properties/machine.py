"""One person, one file, whatever may happen to it, in any order; after each step the state is what the log teaches.

The machine keeps its own account of what was recorded and forgotten: a list of events and ten obvious lines.
"""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recsys import Event, InputError, PausedError, Receipt, Recommender, Settings, Slate, live
from recsys.learn.checkpoint import encode
from recsys.live import Live
from recsys.testing import strategies as some
from tests.properties.eyes import (
    as_seen,
    bytes_left,
    in_order,
    moment,
    nothing_changes,
    rebuilt_bytes,
    state_bytes,
    versions_are_right,
)

__all__ = ["ITEMS", "SETTINGS", "OneFold", "counted", "forgotten"]

SETTINGS: Final = Settings(synchronous="normal", checkpoint_events=16, session_gap_minutes=5, choice_set_size=8)
ITEMS: Final = ("kind-of-blue", "'; DROP TABLE events; --", "naïve 🎷", "a" * 512, "plain-item", "never-listed-one")
TAGS: Final = ("jazz", ITEMS[0])
KINDS: Final = ("click", "play", "view", "skip", "dislike", "shrug")
_items = st.sampled_from(ITEMS)
_kinds = st.sampled_from(KINDS)
_contexts = st.sampled_from(({}, {"place": "home"}, {"place": "town", "n": 1}, {"n": 1.0}, {"n": True}))
_numbers = st.integers(0, 200)


def forgotten(events: Iterable[Event], /, **criteria: Any) -> list[Event]:
    """What is left of the events once those that meet every criterion are forgotten: the slow twin of forget."""
    uids, items, kinds, since, until = (criteria.get(n) for n in ("events", "items", "kinds", "since", "until"))
    left = []
    for event in events:
        meant = (
            (uids is None or event.uid in uids)
            and (kinds is None or event.kind in kinds)
            and (since is None or event.at_us >= since * 1_000_000)
            and (until is None or event.at_us < until * 1_000_000)
        )
        if not meant:
            left.append(event)
        elif items is not None and event.item_id not in items:
            places = tuple(place for place in event.shown if place[0] not in items)
            if places or not event.shown:
                left.append(replace(event, shown=places))
    return left


def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count, from now on, the checkpoints written and the refolds that began at one; write one every 16 events."""
    counts: Counter[str] = Counter()
    monkeypatch.setattr(live, "_BYTES_AN_EVENT", 1 << 40)  # else short histories would have hardly any
    save, load = Live.save, Live.load

    def counting_save(kept: Live) -> None:
        save(kept)
        counts["checkpoints"] += 1

    def counting_load(kept: Live, near: tuple[int, str] | None = None) -> int:
        n_folded = load(kept, near)
        counts["refolds from a checkpoint"] += 0 < n_folded < kept.state.n_events
        return n_folded

    monkeypatch.setattr(Live, "save", counting_save)
    monkeypatch.setattr(Live, "load", counting_load)
    return counts


class OneFold(RuleBasedStateMachine):
    """A recommender on a file, and beside it the plain list of what it should hold."""

    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="one-fold-"))
        self.path = self.folder / "0.db"
        self.rec = Recommender(self.path, settings=SETTINGS)
        self.now = some.START
        self.events: list[Event] = []
        self.slates: list[Slate] = []
        self.numbers = itertools.count(1)
        self.random = random.Random(0)

    def teardown(self) -> None:
        self.rec.close()
        shutil.rmtree(self.folder)

    @initialize(n=st.sampled_from((20, 0, 34)))
    def begin(self, n: int) -> None:
        if n:
            self.record_many(n, n, 0)  # a checkpoint follows
            self.record_many(n + 1, 3, 60)  # and a few events after it, one of them late
            self.record(ITEMS[0], "play", {}, -30, None)

    # -- what happens ---------------------------------------------------------

    @rule(item=_items, kind=_kinds, context=_contexts, step=st.integers(-90, 900), value=st.none() | st.floats(-9, 9))
    def record(self, item: str, kind: str, context: dict[str, Any], step: int, value: float | None) -> None:
        at_s = self.now + step
        self.counts["late events"] += any(event.at_us > at_s * 1_000_000 for event in self.events)
        self.now = max(self.now, at_s)
        uid = self.rec.record(item, kind, at=moment(at_s, 60), context=context, value=value)
        self.events.append(Event(at_s * 1_000_000, uid, item, kind, 60, value, context))

    @rule(seed=st.integers(0, 99), n=st.integers(1, 12), step=st.integers(0, 600))
    def record_many(self, seed: int, n: int, step: int) -> None:
        draw = random.Random(seed)
        self.now += step
        batch = []
        for _ in range(n):
            self.now += draw.choice((0, 1, 40, 4_000))
            batch.append(self._named(Event(self.now * 1_000_000, "", draw.choice(ITEMS), draw.choice(KINDS))))
        assert self.rec.record_many(batch) == [event.uid for event in batch]
        self.events += batch

    @rule(event=some.events(item_ids=_items), back=st.sampled_from((0, 1, 60, 2_000, 5_000, 20_000)))
    def record_late(self, event: Event, back: int) -> None:
        event = self._named(replace(event, at_us=(self.now - back) * 1_000_000))
        self.counts["late events"] += bool(self.events) and event.key < max(one.key for one in self.events)
        self.rec.record_many([event])
        self.events.append(event)

    @rule(tag_or_item=st.sampled_from((*TAGS, "nothing has this")), weight=st.sampled_from((-1.0, 0.0, 0.5, 1.0)))
    def steer(self, tag_or_item: str, weight: float) -> None:
        self.now += 1
        uid = self.rec.steer(tag_or_item, weight, at=moment(self.now))
        self.events.append(Event(self.now * 1_000_000, uid, tag_or_item, "steer", 0, weight))

    @rule(k=st.integers(1, 6), explore=st.sampled_from((0.0, 1.0)), seed=_numbers, by_host=st.booleans())
    def show(self, k: int, explore: float, seed: int, *, by_host: bool) -> None:
        self.now += 5
        at = moment(self.now)
        if by_host:
            slate = self.rec.rank(ITEMS[:4], k=k, at=at, explore=explore, seed=seed)
        else:
            slate = self.rec.recommend(k, at=at, explore=explore, seed=seed)
        if len(slate):
            uid = self.rec.shown(slate, at=at)
            places = tuple((r.item_id, r.position, r.propensity) for r in slate)
            self.events.append(Event(self.now * 1_000_000, uid, "", "shown", slate=slate.id, shown=places))
            self.slates.append(slate)

    @precondition(lambda self: self.slates)
    @rule(which=_numbers, position=_numbers, kind=_kinds)
    def choose(self, which: int, position: int, kind: str) -> None:
        slate = self.slates[which % len(self.slates)]
        item = slate[position % len(slate)].item_id
        self.now += 3
        uid = self.rec.record(item, kind, at=moment(self.now), slate=slate)
        self.events.append(Event(self.now * 1_000_000, uid, item, kind, slate=slate.id))

    @precondition(lambda self: self.slates)
    @rule(which=_numbers)
    def show_again(self, which: int) -> None:
        slate = self.slates[which % len(self.slates)]
        if any(event.slate == slate.id and event.shown for event in self.events):
            with nothing_changes(self.rec), pytest.raises(InputError, match="shown already"):
                self.rec.shown(slate, at=moment(self.now))

    @rule(which=st.lists(_items, unique=True), tag=st.sampled_from(("jazz", "rock")))
    def add(self, which: list[str], tag: str) -> None:
        self.rec.add([{"id": item, "title": item[:9].upper(), "tags": [tag]} for item in which if item != ITEMS[-1]])

    @rule(which=st.lists(_items, unique=True))
    def remove(self, which: list[str]) -> None:
        self.rec.remove(which)

    # -- the person's rights ----------------------------------------------------

    @precondition(lambda self: self.events)
    @rule(which=st.lists(_numbers, min_size=1, max_size=4), newest=st.booleans())
    def forget_events(self, which: list[int], *, newest: bool) -> None:
        known = in_order(self.events)
        chosen = [known[-1] if newest else known[n % len(known)] for n in which]
        self._forget(events=[event.uid for event in chosen])

    @rule(items=st.lists(_items, min_size=1, max_size=2), kinds=st.none() | st.lists(_kinds, max_size=2))
    def forget_items(self, items: list[str], kinds: list[str] | None) -> None:
        self._forget(items=items, **({} if kinds is None else {"kinds": kinds}))

    @rule(kinds=st.lists(st.sampled_from((*KINDS, "shown", "steer")), min_size=1, max_size=2))
    def forget_kinds(self, kinds: list[str]) -> None:
        self._forget(kinds=kinds)

    @rule(back=st.integers(0, 20_000), length=st.integers(1, 9_000), items=st.none() | st.lists(_items, max_size=2))
    def forget_a_stretch(self, back: int, length: int, items: list[str] | None) -> None:
        since = self.now - back
        self._forget(since=since, until=since + length, **({} if items is None else {"items": items}))

    @precondition(lambda self: len(self.events) > 40)
    @rule()
    def forget_everything(self) -> None:
        receipt = self.rec.forget(everything=True)
        self._check_forgotten(receipt, [])

    def _forget(self, **criteria: Any) -> None:
        self._check_forgotten(self.rec.forget(**criteria), forgotten(self.events, **criteria))

    def _check_forgotten(self, receipt: Receipt, left: list[Event]) -> None:
        """F1, F2, U1: no byte is left, and all is as if the events had never been."""
        gone = {event.uid for event in self.events} - {event.uid for event in left}
        self.events = left
        self.counts["events forgotten"] += len(gone)
        assert (receipt.status, receipt.n_events) == ("erased", len(gone))
        assert bytes_left(self.rec, gone) == []
        told = {name for event in left for name in (event.item_id, *(place[0] for place in event.shown))}
        assert not self.rec._catalogue.removed - told
        with Recommender(":memory:", settings=SETTINGS) as never_known:
            never_known.record_many(in_order(left))
            assert state_bytes(never_known) == state_bytes(self.rec)

    # -- the file -----------------------------------------------------------------

    @rule()
    def reopen(self) -> None:
        before = state_bytes(self.rec)
        catalogue = (self.rec._catalogue.items, self.rec._catalogue.removed)
        self.rec.close()
        self.rec = Recommender(self.path, settings=SETTINGS)
        assert state_bytes(self.rec) == before
        assert (self.rec._catalogue.items, self.rec._catalogue.removed) == catalogue
        self.counts["reopened"] += 1

    @rule()
    def maintain(self) -> None:
        while self.rec.maintain():
            pass

    @rule(item=_items)
    def pause_and_resume(self, item: str) -> None:
        self.rec.pause()
        with nothing_changes(self.rec):
            for refused in (
                self.rec.record,
                lambda item: self.rec.forget(items=[item]),
                lambda i: self.rec.remove([i]),
            ):
                with pytest.raises(PausedError):
                    refused(item)
            self.rec.recommend(3, at=moment(self.now))
            assert not self.rec.maintain()
        self.rec.resume()

    @rule()
    def move(self) -> None:
        """L8: export, import into a new file, and go on there."""
        number = next(self.numbers)
        carried, target = self.folder / f"{number}.jsonl", self.folder / f"{number}.db"
        with nothing_changes(self.rec):
            assert self.rec.export(carried) == len(self.events)
        moved = Recommender(target, settings=SETTINGS)
        assert moved.import_(carried) == len(self.events)
        assert moved.import_(carried) == 0
        assert state_bytes(moved) == state_bytes(self.rec)
        assert moved._catalogue.items == self.rec._catalogue.items
        assert moved._catalogue.removed == self.rec._catalogue.removed
        self.rec.close()
        self.rec, self.path = moved, target

    @rule(ahead=st.integers(-9_000, 90_000), context=_contexts, seed=_numbers, k=st.integers(0, 9))
    def look(self, ahead: int, context: dict[str, Any], seed: int, k: int) -> None:
        rec, at = self.rec, moment(self.now + ahead)
        with nothing_changes(rec):
            seen = rec.recommend(k, at=at, context=context, explore=1.0, seed=seed, exclude=ITEMS[:1])
            again = rec.recommend(k, at=at, context=context, explore=1.0, seed=seed, exclude=ITEMS[:1])
            assert as_seen(seen) == as_seen(again)
            for r in (*rec.rank([*ITEMS, "unknown"], at=at, context=context), *seen):
                assert r.reasons == r.reasons
            rec.explain(ITEMS[seed % len(ITEMS)], at=at, context=context)
            rec.profile()
            rec.evaluate()
            rec.what_if()
            rec.stats()
            assert {finding.severity for finding in rec.check()} <= {"ok"}

    # -- what always holds ----------------------------------------------------------

    @invariant()
    def the_state_is_what_the_log_teaches(self) -> None:
        """U1 to U3: learning as it happens is learning anew."""
        assert [*self.rec._store.events()] == in_order(self.events)
        assert state_bytes(self.rec) == rebuilt_bytes(self.rec)
        assert versions_are_right(self.rec)

    @invariant()
    def what_is_learnt_does_not_depend_on_random_ids(self) -> None:
        if self.events and len(self.events) % 8 == 0:  # often enough
            state = live.new_state(self.rec._prior, SETTINGS)
            for number, event in enumerate(in_order(self.events)):
                live.fold(state, replace(event, uid=f"{number:016x}"))
            assert encode(state, self.rec._live.basis) == state_bytes(self.rec)

    def _named(self, event: Event) -> Event:
        return replace(event, uid=f"{self.random.getrandbits(64):016x}")
