"""Whatever is done to it, the store holds what a plain dict would hold."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recsys.errors import InputError
from recsys.log import Store
from recsys.types import Event, Item
from tests.log.examples import HOSTILE, compact, contexts, ids, scalars

few_ids = st.sampled_from(HOSTILE)
times = st.integers(0, 12)
values = st.none() | st.floats(allow_nan=False, allow_infinity=False)
events = st.builds(
    Event,
    at_us=times,
    uid=few_ids,
    item_id=few_ids,
    kind=st.sampled_from(["click", "play", "'; --"]),
    offset_min=st.integers(-1440, 1440),
    value=values,
    context=contexts,
    slate=st.none() | few_ids,
)
slates = st.builds(
    lambda at_us, uid, slate, places: Event(
        at_us, uid, "", "shown", slate=slate, shown=tuple((item, n, chance) for n, (item, chance) in enumerate(places))
    ),
    times,
    few_ids,
    few_ids,
    st.lists(st.tuples(few_ids, st.floats(0.01, 1)), min_size=1, max_size=4),
)
items = st.builds(
    Item,
    id=ids,
    title=st.text(max_size=5),
    tags=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    attributes=st.dictionaries(st.text(max_size=5), scalars, max_size=2),
)


class StoreEqualsDict(RuleBasedStateMachine):
    """The store beside three dicts."""

    @initialize(in_memory=st.booleans())
    def open(self, in_memory: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.in_memory = in_memory
        self.path = ":memory:" if in_memory else str(Path(self.folder.name) / "me.db")
        self.store = Store(self.path, synchronous="normal")
        self.events: dict[tuple[int, str], Event] = {}
        self.items: dict[str, tuple[Item, bool]] = {}
        self.checkpoints: dict[tuple[int, str], bytes] = {}

    @rule(batch=st.lists(st.one_of(events, slates), max_size=5), in_transaction=st.booleans())
    def append(self, batch: list[Event], in_transaction: bool) -> None:
        wanted = dict(self.events)
        fits = True
        for one in batch:
            stored = wanted.setdefault(one.key, one)
            owners = [other for other in wanted.values() if other.kind == "shown" and other.slate == one.slate]
            fits &= stored == one and (one.kind != "shown" or len(owners) == 1)
        late = any(key not in self.events and self.events and key <= max(self.events) for key in wanted)
        if not fits:
            with pytest.raises(InputError):
                self.store.append(batch, late=True)
            return
        if in_transaction:
            with self.store.transact():
                inserted = self.store.append(batch, late=late)
        else:
            inserted = self.store.append(batch, late=late)
        assert {one.key for one in inserted} == wanted.keys() - self.events.keys()
        assert len(inserted) == len(wanted) - len(self.events)
        if late:
            self.forget_checkpoints(min(one.key for one in inserted))
        self.events = wanted

    @rule(name=few_ids, since=times)
    def delete(self, name: str, since: int) -> None:
        gone = [key for key, one in self.events.items() if one.uid == name and one.at_us >= since]
        deleted = self.store.delete(uids=[name], since_us=since)
        assert (deleted.n_events, deleted.oldest_key) == (len(gone), min(gone, default=None))
        for key in gone:
            del self.events[key]
        self.drop_tombstones()
        if gone:
            self.forget_checkpoints(min(gone))

    @rule()
    def delete_everything(self) -> None:
        self.store.delete(everything=True)
        self.events, self.checkpoints = {}, {}
        self.drop_tombstones()

    @rule(batch=st.lists(items, max_size=3))
    def put_items(self, batch: list[Item]) -> None:
        self.store.put_items(batch)
        self.items.update({one.id: (one, False) for one in batch})

    @rule(choice=st.randoms(use_true_random=False), keep=st.booleans())
    def drop_item(self, choice: object, keep: bool) -> None:
        if self.items:
            name = choice.choice(sorted(self.items))
            self.store.drop_items([name], keep_tombstone={name} if keep else set())
            if keep:
                self.items[name] = (Item(name, tags=self.items[name][0].tags), True)
            else:
                del self.items[name]

    @rule(blob=st.binary(max_size=20))
    def save_checkpoint(self, blob: bytes) -> None:
        if self.events:
            self.store.save_checkpoint(max(self.events), len(self.events), "basis", blob)
            self.checkpoints[max(self.events)] = blob

    @precondition(lambda self: not self.in_memory)
    @rule(how=st.sampled_from(["reopen", "compact", "truncate"]))
    def maintain(self, how: str) -> None:
        if how == "compact":
            compact(self.store)
        elif how == "truncate":
            assert self.store.truncate_wal()
        else:
            self.store.close()
            self.store = Store(self.path, synchronous="normal")

    @rule(text=ids)
    def rolled_back(self, text: str) -> None:
        block = self.store.transact()
        block.__enter__()
        self.store.append([Event(99, text, text)], late=True)
        self.store.delete(everything=True)
        self.store.put_items([Item(text)])
        block.__exit__(ZeroDivisionError, ZeroDivisionError(), None)

    @invariant()
    def the_same(self) -> None:
        found = list(self.store.events())
        assert found == [one for _, one in sorted(self.events.items())]
        kept = [one.value if one.value is None else one.value + 0.0 for _, one in sorted(self.events.items())]
        assert [repr(one.value) for one in found] == [*map(repr, kept)], "SQLite keeps no sign of zero"
        assert self.store.n_events() == len(self.events)
        assert self.store.newest() == max(self.events, default=None)
        assert {one.id: (one, removed) for one, removed in self.store.items()} == self.items
        assert {key: self.store.load_checkpoint(key) for key, *_ in self.store.checkpoints()} == self.checkpoints
        assert self.store.observe() == "same"

    def forget_checkpoints(self, oldest: tuple[int, str]) -> None:
        self.checkpoints = {key: blob for key, blob in self.checkpoints.items() if key < oldest}

    def drop_tombstones(self) -> None:
        told = {name for one in self.events.values() for name in (one.item_id, *(place[0] for place in one.shown))}
        self.items = {name: kept for name, kept in self.items.items() if not kept[1] or name in told}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert {severity for severity, *_ in self.store.check()} == {"ok"}
            self.store.close()
            self.folder.cleanup()


TestStoreEqualsDict = StoreEqualsDict.TestCase
TestStoreEqualsDict.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
