"""Random lives on a file, in which much is forgotten; after each forget its files are searched for what is gone.

A life is drawn from a seed and lived under *conditions*: the size of the file's pages, what its journal is like at
the moment of forgetting, and whether there are trees, on the schedule of ``tests.small_trees``, and when they grow.
It keeps a plain account of what it told, and a list of what was found that should not be.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from recsys import Event, Item, Recommender, Settings, Slate, StoreError, live
from recsys.learn import lessons
from recsys.log import opening
from recsys.testing.strategies import START
from tests.keyed import KEY
from tests.properties.eyes import in_order, opened
from tests.properties.machine import forgotten
from tests.properties.needles import Word, apart, encodings, needles, samples, words_of_event, words_of_item
from tests.properties.searcher import SHORTEST, Searcher, present
from tests.small_trees import grow, numbers_in, pieces, small_trees, stages_in

__all__ = ["JOURNALS", "PAGE_SIZES", "SETTINGS", "Conditions", "Life", "lived", "under"]

SETTINGS: Final = Settings(synchronous="normal", checkpoint_events=16)
PAGE_SIZES: Final = (512, 1024, 4096, 16384, 65536)
JOURNALS: Final[dict[str, dict[str, int]]] = {  # what the writing connection is set to
    "folded in": {},
    "never folded in": {"wal_autocheckpoint": 0},
    "left by a killed process": {"wal_autocheckpoint": 0},
    "held by a reader that has gone": {},
    "spilled and rolled back": {"wal_autocheckpoint": 0, "cache_size": 10},
}
_KINDS: Final = ("click", "play", "view", "skip", "dislike", "a kind of this host's")
EXACT: Final[set[float]] = set()  # features that were learnt from in this life, none of which may stand in a tree
_OURS: Final = ("", "-wal", "-shm", "-ballast")


class Conditions(NamedTuple):
    """Under which a life is lived."""

    page_size: int
    journal: str
    trees: str = ""  # grown "before" a forget, "after" it, or "both"; none otherwise


@contextmanager
def under(conditions: Conditions) -> Iterator[None]:
    """Have every log that is made here be like that; and let checkpoints be written as often as the settings say."""
    # The pages of an encrypted file are SQLCipher's own.
    first = {**({} if KEY else {"page_size": conditions.page_size}), **opening.PRAGMAS}
    writer = {**opening.WRITER_PRAGMAS, **JOURNALS[conditions.journal]}
    with (
        patch.object(opening, "PRAGMAS", first),
        patch.object(opening, "WRITER_PRAGMAS", writer),
        patch.object(live, "_BYTES_AN_EVENT", 1 << 40),
        small_trees() if conditions.trees else nullcontext(),
        patch.object(lessons.Lessons, "add", _overheard(lessons.Lessons.add)),
    ):
        EXACT.clear()
        yield


def _overheard(add: Callable[..., None]) -> Callable[..., None]:
    """Let the least and greatest value of every feature of what is learnt be written down, as it is."""

    def overhearing(self: lessons.Lessons, features: NDArray[np.float64], *rest: Any) -> None:
        add(self, features, *rest)
        EXACT.update(features.min(axis=1).tolist(), features.max(axis=1).tolist())

    return overhearing


def lived(seed: int, conditions: Conditions, folder: Path, searcher: Searcher, rounds: int, n_events: int) -> Life:
    """Live a whole life: in each round things happen, and some of them are forgotten."""
    with under(conditions), closing(Life(seed, conditions, folder, searcher)) as life:
        for _ in range(rounds):
            life.go_on(n_events)
            life.forget()
        life.end()
    return life


class Life:
    """A recommender on a file of its own, and beside it the plain account of what it was told."""

    def __init__(self, seed: int, conditions: Conditions, folder: Path, searcher: Searcher) -> None:
        self.conditions, self.searcher, self.folder = conditions, searcher, folder
        self.draw = random.Random(seed)
        self.numbers = itertools.count()
        self.now_us = START * 1_000_000 + self.draw.randrange(10**12)
        self.items: dict[str, Item] = {}
        self.buried: dict[str, Item] = {}  # what stays of those removed
        self.events: list[Event] = []
        self.slates: list[Slate] = []
        self.habits = [self.token() for _ in range(6)]  # items and places that come again
        self.ever: set[Word] = set()  # every word that was told
        self.blobs: list[bytes] = []  # pieces of every checkpoint that was in the file
        self.dead: set[bytes] = set()  # all that was looked for so far
        self.counts: Counter[str] = Counter()
        self.findings: list[str] = []
        self.settings = replace(SETTINGS, trees=bool(conditions.trees))
        self.numbers_of_trees: set[bytes] = set()  # that were in the file
        self.rec = self._opened(next(self.numbers))

    def close(self) -> None:
        """Close the file, and leave nothing behind."""
        self.rec.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what happens ---------------------------------------------------------

    def go_on(self, n_events: int) -> None:
        """Let so many events happen, and some of all else."""
        happen: list[Callable[[], object]] = [
            lambda: self.record(self.draw.randint(1, n_events // 4)),
            lambda: self.record(self.draw.randint(1, n_events // 4), late=True),
            self.show, self.choose, self.steer, self.add, self.remove, self.reopen,
        ]  # fmt: skip
        until = len(self.events) + n_events
        while len(self.events) < until:
            self.draw.choices(happen, (9, 2, 3, 3, 1, 2, 1, 0.3))[0]()

    def token(self, size: int = 16) -> str:
        """A text that nothing else contains; now and then such as is written in more than one way."""
        odd = self.draw.choice(("", "", "", "é", "🎷 ", '"', "'; DROP TABLE events; --"))
        return odd + f"{self.draw.getrandbits(4 * size):0{size}x}"

    def event(self, *, late: bool = False) -> Event:
        """One more event, with something of its own to tell."""
        draw = self.draw
        self.now_us += draw.choice((1, 3_000_000, 60_000_000, 5_000_000_000)) + draw.randrange(999_999)
        back = draw.randrange(10**11) if late else 0
        item = draw.choice(self.habits) if draw.random() < 0.7 else self.token()
        context: dict[str, Any] = {"place": draw.choice(self.habits)} if draw.random() < 0.5 else {}
        if draw.random() < 0.2:
            context[self.token()] = draw.choice((self.token(), draw.random(), draw.getrandbits(60)))
        if draw.random() < 0.05:  # beyond a page: the row overflows
            context |= {self.token(): self.token(200) for _ in range(16)}
        value = draw.random() if draw.random() < 0.3 else None
        uid = self.token()[-16:]
        return Event(self.now_us - back, uid, item, draw.choice(_KINDS), draw.choice((0, 60)), value, context)

    def record(self, n: int, *, late: bool = False) -> None:
        """Record some events, in one transaction or one by one."""
        batch = [self.event(late=late) for _ in range(n)]
        if late or self.draw.random() < 0.5:
            self.rec.record_many(batch)
        else:
            for event in batch:
                self.rec.record_many([event])
        self._tell(batch)

    def show(self) -> None:
        """Show a slate that was drawn, so that its propensities are its own."""
        self.now_us += 1_000_003
        slate = self.rec.recommend(4, at=self.now_us // 1_000_000, explore=1.0, seed=self.draw.getrandbits(30))
        if len(slate):
            places = tuple((r.item_id, r.position, r.propensity) for r in slate)
            event = Event(self.now_us // 1_000_000 * 1_000_000, "", "", "shown", slate=slate.id, shown=places)
            self._tell([replace(event, uid=self.rec.shown(slate, at=self.now_us // 1_000_000))])
            self.slates.append(slate)

    def choose(self) -> None:
        """Choose from a slate that was shown."""
        if self.slates:
            slate = self.slates[-1]
            chosen = self.draw.choice(slate.item_ids)
            event = replace(self.event(), item_id=chosen, slate=slate.id)
            self.rec.record_many([event])
            self._tell([event])

    def steer(self) -> None:
        """Want more or less of something."""
        event = replace(self.event(), kind="steer", value=self.draw.uniform(-1, 1), context={}, offset_min=0)
        self.rec.record_many([event])
        self._tell([event])

    def add(self) -> None:
        """Add items, or change some."""
        for item_id in (self.draw.choice(self.habits), self.token()):
            large = {"text": self.token(6_000)} if self.draw.random() < 0.2 else {"note": self.token()}
            item = Item(item_id, "title " + self.token(), (self.token(), "a common tag"), large)
            self.rec.add([item])
            self.items[item_id] = item
            self.buried.pop(item_id, None)
            self.ever.update(words_of_item(item))

    def remove(self) -> None:
        """Take an item out of the catalogue."""
        if self.items:
            self._remove(self.draw.choice(sorted(self.items)))

    def _remove(self, item_id: str) -> None:
        self.rec.remove([item_id])
        removed = self.items.pop(item_id, None)
        if removed is not None and item_id in named(self.events):
            self.buried[item_id] = Item(item_id, tags=removed.tags)

    def reopen(self) -> None:
        """Close the file and open it again."""
        self._remember_checkpoints()
        self.rec.close()
        self.rec = opened(self.path, settings=self.settings)
        self.counts["reopened"] += 1

    def roll_back(self) -> None:
        """Begin to write a lot, more than the cache holds, and fail: none of it was ever told, and none may stay."""
        batch = [replace(self.event(), context={self.token(): self.token(200)}) for _ in range(40)]
        try:
            with self.rec._store.transact():
                self.rec._store.append(in_order(batch), late=True)
                raise StoreError("undone")
        except StoreError:
            self.ever.update(word for event in batch for word in words_of_event(event))
            self.counts["rolled back"] += 1

    # -- forgetting -------------------------------------------------------------

    def forget(self) -> None:
        """Bring the journal into the state it should be in, forget something, and look for it."""
        with ExitStack() as stack:
            self._prepare(stack)
        self._forget(**self._criteria())

    def end(self) -> None:
        """Forget everything there is, and look for all that was ever looked for; then once more in the closed file."""
        for item_id in [*self.items]:
            self._remove(item_id)
        self._forget(everything=True)
        self._forget(items=[self.token()])  # nothing of it is there; what was told before must stay away too
        self.rec.close()
        self._look_for(self.dead, "after closing")

    def _prepare(self, stack: ExitStack) -> None:
        journal = self.conditions.journal
        if journal == "folded in":
            self.rec.pause()
            self.rec.resume()
        elif journal == "held by a reader that has gone":
            reading = self.rec._store.events()
            next(reading, None)
            stack.callback(reading.close)
            self.record(8)
        elif journal == "spilled and rolled back":
            self.roll_back()
            batch = [replace(self.event(), context={self.token(): self.token(200)}) for _ in range(8)]
            self.rec.record_many(batch)
            self._tell(batch)
        elif journal == "left by a killed process":
            self._die()

    def _die(self) -> None:
        """Go on with what a process leaves that dies at this moment."""
        self._remember_checkpoints()
        number = next(self.numbers)
        self.searcher.copy(self.path.parent, self.folder / str(number))
        self.rec.close()
        shutil.rmtree(self.path.parent)
        self.rec = self._opened(number)
        self.counts["killed"] += 1

    def _criteria(self) -> dict[str, Any]:
        draw, known = self.draw, in_order(self.events)
        some = [event.uid for event in draw.sample(known, len(known) // 3)]
        item = draw.choice([event.item_id for event in known if event.item_id] or [self.token()])
        since = draw.choice(known).at_us // 1_000_000 if known else 0
        ways: list[dict[str, Any]] = [
            {"events": [event.uid for event in known[-len(known) // 4 :]]},
            {"events": some},
            {"items": [item, *draw.sample(self.habits, 2)]},
            {"items": draw.sample(self.habits, 3), "kinds": ["play", "click", "shown"]},
            {"kinds": draw.sample((*_KINDS, "shown", "steer"), 3)},
            {"since": since},
            {"until": since},
        ]
        chosen = draw.choice(ways)
        if "items" in chosen and draw.random() < 0.7:
            self._remove(item)
        return chosen

    def _forget(self, **criteria: Any) -> None:
        """F1, U7: forget, and look for every word that is told no more, and for every checkpoint there was."""
        left = [] if "everything" in criteria else forgotten(self.events, **criteria)
        gone = {event.uid for event in self.events} - {event.uid for event in left}
        if self.conditions.trees in ("before", "both"):
            self._grow()
        self._remember_checkpoints()
        self._see_the_conditions()
        receipt = self.rec.forget(**criteria)
        assert receipt.n_events == len(gone)
        if receipt.status != "erased":
            self.findings.append(f"{self.conditions}: {receipt.status}, {receipt.reason}")
            return
        self.events = left
        told = {word for event in left for word in words_of_event(event)}
        names = named(left)
        self.buried = {item_id: item for item_id, item in self.buried.items() if item_id in names}
        told.update(word for item in (*self.items.values(), *self.buried.values()) for word in words_of_item(item))
        kept = self._kept()
        old = apart(self.blobs, [*kept, *(form for word in told for form in encodings(word))])
        self.counts += Counter({"forgets": 1, "events forgotten": len(gone), "pieces of old checkpoints": len(old)})
        numbers = apart(self.numbers_of_trees, [*kept, *self._numbers()])
        self.counts["numbers of old trees and lessons"] += len(numbers)
        words, bytes_ = needles(self.ever - told, told), old | numbers
        self._look_for(words | bytes_, f"after {', '.join(criteria)}")
        self.ever, self.blobs = told, [piece for blob in kept for piece in samples(blob)]
        self.numbers_of_trees = set()
        if self.conditions.trees in ("after", "both"):
            self._grow()
            # What is left may teach some of the same numbers again, and a checkpoint is written before trees grow.
            self._look_for(words | apart(bytes_, [*self._kept(), *self._numbers()]), "after growing")

    def _kept(self) -> list[bytes]:
        """Every checkpoint and stage that is in the file."""
        store = self.rec._store
        checkpoints = [store.load_checkpoint(key) for key, *_ in store.checkpoints()]
        return checkpoints + [blob for _, _, blob in stages_in(self.rec).values()]

    def _grow(self) -> None:
        """Grow trees; no value of a feature stands in them as it was."""
        grow(self.rec)
        blobs = b"\xff".join(blob for _, _, blob in stages_in(self.rec).values())
        wanted = sorted({form for value in EXACT for form in (*encodings(value), *_as_text(value))})
        found = [wanted[n].hex() for n in present(blobs, wanted)]
        self.findings += [f"{self.conditions}: a feature's value {form} in a tree" for form in found]
        self.counts += Counter({"stages": len(stages_in(self.rec)), "values looked for in trees": len(wanted)})

    def _numbers(self) -> set[bytes]:
        return numbers_in(self.rec) if self.conditions.trees else set()

    def _see_the_conditions(self) -> None:
        """The conditions are what they are said to be."""
        (page_size,) = self.rec._store._writer.cursor.execute("PRAGMA page_size").fetchone()
        assert page_size == self.conditions.page_size or KEY
        self.counts["bytes in journals"] += self.rec._store.sizes()["wal"]

    def _look_for(self, wanted: set[bytes], when: str) -> None:
        found, n_files, size_bytes = self.searcher.search(self.path.parent, wanted)
        names = {f"{self.path.name}{side}" for side in _OURS}
        strange = sorted(path.name for path in self.path.parent.iterdir() if path.name not in names)
        self.findings += [f"{self.conditions}: {needle.hex()} in {name} {when}" for needle, name in found]
        self.findings += [f"{self.conditions}: {name} was made" for name in strange]
        self.dead |= wanted
        self.counts += Counter(
            {"needles": len(wanted), "files read": n_files, "bytes read": size_bytes, "needles found": len(found)}
        )

    # -- the account ----------------------------------------------------------------

    @property
    def path(self) -> Path:
        """Where the file is now."""
        return Path(self.rec._store.path)

    def _opened(self, number: int) -> Recommender:
        folder = self.folder / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        return opened(folder / "log.db", settings=self.settings)

    def _tell(self, events: list[Event]) -> None:
        self.events += events
        self.ever.update(word for event in events for word in words_of_event(event))

    def _remember_checkpoints(self) -> None:
        store = self.rec._store
        self.blobs += [piece for key, *_ in store.checkpoints() for piece in samples(store.load_checkpoint(key))]
        self.blobs += [piece for _, _, blob in stages_in(self.rec).values() for piece in pieces(blob)]
        self.numbers_of_trees |= self._numbers()


def _as_text(value: float) -> list[bytes]:
    """As LightGBM writes a number."""
    text = f"{value:.17g}".encode()
    return [text] if len(text) >= 2 * SHORTEST else []


def named(events: Iterable[Event]) -> set[str]:
    """Of which items the events tell."""
    return {name for event in events for name in (event.item_id, *(place[0] for place in event.shown))}
