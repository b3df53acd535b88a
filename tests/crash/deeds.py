"""What the crash tests let a recommender do: a base file, deeds on it, and what the file must hold after each step.

A deed is data: steps with the marks that each of them adds to the file and takes from it. A mark stands for an event
or an item. Every event carries texts and numbers of its own, the needles, that are looked for when it was forgotten.

Some deeds are done with trees (`Deed.trees`): on the schedule of `tests.small_trees`, so that a file of forty events
has five stages of them.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from recsys import Event, Recommender, Settings
from recsys.duties import Duties
from recsys.grove import Growing
from recsys.learn import stages
from recsys.log import Store, deletion, scan
from tests.keyed import KEY
from tests.small_trees import grow, stages_in

START: Final = 1_700_000_000
N_BASE: Final = 40
HUSH: Final = "hush-9c1f4e"  # the item that is forgotten; it is in no catalogue
SHOWN: Final = 30  # the number of the event that showed a slate with it
BYTES_AN_EVENT: Final = 1 << 40  # so that a checkpoint is due after 16 events, however large it is
OLD: Final = Path(__file__).parents[1] / "log" / "old"

Mark = tuple[Any, ...]
Deed_ = Callable[["Life"], object]


class Life:
    """One process's life with a file: where it is, how it is opened, and the recommender once it is."""

    def __init__(self, path: Path, synchronous: str, patience_ms: int, *, trees: bool = False) -> None:
        self.path = path
        self.synchronous = synchronous
        self.patience_ms = patience_ms
        self.trees = trees
        self.rec: Recommender = None  # type: ignore[assignment]  # until it is opened
        self.holder: Store | None = None
        self.held: Iterator[Event] | None = None

    def open(self) -> None:
        self.rec = opened(self.path, self.synchronous, self.patience_ms, trees=self.trees)


class Step(NamedTuple):
    """One call, acknowledged before and after, and what it does to the file's marks."""

    do: Deed_
    adds: frozenset[Mark] = frozenset()
    drops: frozenset[Mark] = frozenset()


class Deed(NamedTuple):
    """What a process does with a file: `before` unobserved, then the steps, of which the first may be the opening."""

    steps: tuple[Step, ...]
    base: str = "filled"  # or "sown", "grown" (both for trees), "none", or the name of an old file
    before: tuple[Step, ...] = ()
    opens: bool = False
    trees: bool = False


def opened(path: Path | str, synchronous: str = "full", patience_ms: int = 200, *, trees: bool = False) -> Recommender:
    """Open the file as every crash test does: the one place that knows the settings. The key comes by `tests.keyed`."""
    settings = Settings(synchronous=synchronous, checkpoint_events=16, busy_timeout_ms=patience_ms, trees=trees)
    return Recommender(path, settings=settings)


# Events and their needles


def event(n: int, *, uid: bool = True) -> Event:
    """Event number `n`: every field follows from the number; `uid=False` leaves the id to be drawn."""
    name = needle(n) if uid else ""
    at_us = (START + n) * 1_000_000
    if n == SHOWN:
        places = (("item-0", 0, 0.5), (HUSH, 1, 0.25), ("item-1", 2, 0.125))
        return Event(at_us, name, "", "shown", slate="slate-30", shown=places)
    item_id = HUSH if n % 8 == 5 else f"item-{n % 5}"
    kind = "whisper" if n % 6 == 2 else "play"
    slate = "slate-30" if n == SHOWN + 1 else None
    return Event(at_us, name, item_id, kind, value=number(n), context={"word": word(n)}, slate=slate)


def needle(n: int) -> str:
    return hashlib.sha256(b"uid %d" % n).hexdigest()[:16]


def word(n: int) -> str:
    return "needle-" + hashlib.sha256(b"word %d" % n).hexdigest()[:12]


def number(n: int) -> float:
    return 3.0 + int(hashlib.sha256(b"number %d" % n).hexdigest()[:12], 16) / 2**48


def needles(marks: Iterable[Mark], kept: Iterable[Mark]) -> set[bytes]:
    """Every byte string that tells of a mark that is gone: its time, texts and number, and items named nowhere else."""
    found: set[bytes] = set()
    gone, kept = set(marks), set(kept)
    for n in {mark[1] for mark in gone if mark[0] == "event"} - {mark[1] for mark in kept if mark[0] == "event"}:
        e = event(n)
        found |= {e.uid.encode(), word(n).encode(), struct.pack(">d", number(n)), struct.pack("<d", number(n))}
        found |= {struct.pack(">q", e.at_us), struct.pack("<q", e.at_us)}
        if n == SHOWN:
            found -= {word(n).encode(), struct.pack(">d", number(n)), struct.pack("<d", number(n))}
    return found | {item_id.encode() for item_id in names_in(gone) - names_in(kept)}


def names_in(marks: Iterable[Mark]) -> set[str]:
    """The items that the marks name."""
    found: set[str] = set()
    for mark in marks:
        found |= {mark[1]} if mark[0] == "item" else {mark[2], *mark[4]}
    return found - {""}


# Marks


def mark(e: Event) -> Mark:
    """All of an event but its id, which may be drawn."""
    n, rest = divmod(e.at_us - START * 1_000_000, 1_000_000)
    content = (e.offset_min, e.value, *sorted((e.context or {}).items()), e.slate)
    return ("event", n if not rest else e.at_us, e.item_id, e.kind, tuple(place[0] for place in e.shown), content)


def event_of(one: Mark) -> Event:
    """The event of a mark; of a slate, what the mark has of it."""
    e = event(one[1])
    return replace(e, shown=tuple(place for place in e.shown if place[0] in one[4]))


def marks_in(rec: Recommender) -> list[Mark]:
    """What the file holds."""
    items = [("item", item.id, item.title, removed) for item, removed in rec._store.items()]
    return [mark(e) for e in rec._store.events()] + items


def of(numbers: Iterable[int]) -> frozenset[Mark]:
    return frozenset(mark(event(n)) for n in numbers)


CATALOGUE: Final = tuple({"id": f"item-{n}", "title": f"Item {n}", "tags": ["t"]} for n in range(4))
CATALOGUE_MARKS: Final = frozenset(("item", i["id"], i["title"], False) for i in CATALOGUE)
FILLED: Final = CATALOGUE_MARKS | of(range(N_BASE))


def fill(path: Path, *, trees: bool = False, grown: bool = False) -> None:
    """Make the base file; `grown`: with all the trees that its events teach."""
    with opened(path, trees=trees) as rec:
        rec.add(CATALOGUE)
        for start in range(0, N_BASE, 10):
            rec.record_many([event(n) for n in range(start, start + 10)])
        if grown:
            grow(rec)


def migrated(version: int) -> frozenset[Mark]:
    """What an old file of the tests of the log holds, as told there."""
    from tests.log.test_migration import ITEMS, events_of

    items = {("item", item.id, item.title, removed) for item, removed in ITEMS}
    return frozenset(items | {mark(e) for e in events_of(version)})


def base_marks(deed: Deed) -> frozenset[Mark]:
    """What the file holds before anything is done."""
    if deed.base == "none":
        return frozenset()
    return FILLED if deed.base in ("filled", "sown", "grown") else migrated(int(deed.base[1:]))


# Steps


def record(n: int) -> Step:
    """One event, by `record`; the id is drawn."""
    e = event(n, uid=False)
    options = {"value": e.value, "at": START + n, "context": e.context, "slate": e.slate}
    return Step(lambda life: life.rec.record(e.item_id, e.kind, **options), adds=of([n]))


def record_many(numbers: Iterable[int]) -> Step:
    wanted = list(numbers)
    return Step(lambda life: life.rec.record_many([event(n) for n in wanted]) and len(wanted), adds=of(wanted))


def forget(numbers: Iterable[int], *, adds: frozenset[Mark] = frozenset(), **criteria: object) -> Step:
    """Forget; `numbers` are the events that this takes."""
    return Step(lambda life: life.rec.forget(**criteria).status, adds=adds, drops=of(numbers))


def call(name: str, *arguments: object, **marks: frozenset[Mark]) -> Step:
    return Step(lambda life: getattr(life.rec, name)(*arguments) and None, **marks)


def _hold(life: Life) -> None:
    """Read on and on, past the recommender, so that a forget stays pending."""
    life.holder = Store(life.rec._store.path)
    life.held = life.holder.events()
    next(life.held)


def _let_go(life: Life) -> None:
    life.held.close()
    life.holder.close()


HUSHED: Final = [n for n in range(N_BASE) if event(n).item_id == HUSH]
WHISPERED: Final = [n for n in range(10, 34) if event(n).kind == "whisper"]
LEFT_OF_SLATE: Final = frozenset({(*mark(event(SHOWN))[:4], ("item-0", "item-1"), mark(event(SHOWN))[5])})
TOMBSTONE: Final = frozenset({("item", HUSH, "", True)})
FORGET_ITEM: Final = forget([*HUSHED, SHOWN], adds=LEFT_OF_SLATE, items=[HUSH])
FORGET_EVENTS: Final = forget([5, 14, 22, 23], events=[needle(n) for n in (5, 14, 22, 23)])
FORGET_RANGE: Final = forget(WHISPERED, kinds=["whisper"], since=START + 10, until=START + 34)
ITEM_3: Final = frozenset({("item", "item-3", "Item 3", False)})
REMOVED_3: Final = frozenset({("item", "item-3", "", True)})
OPEN: Final = Step(Life.open)
NEW: Final = (40, 41)

DEEDS: Final[dict[str, Deed]] = {
    "record": Deed((record(40), record(41))),
    "record, a checkpoint due": Deed((record(52), record(53), record(54)), before=(record_many(range(40, 52)),)),
    "record late": Deed((record(41),), before=(record(42),)),
    "record many": Deed((record_many(range(40, 60)),)),
    "forget events": Deed((FORGET_EVENTS,), before=(record(40),)),
    "forget items": Deed((FORGET_ITEM,), before=(record(40),)),
    "forget kinds in a time": Deed((FORGET_RANGE,), before=(record(40),)),
    "forget everything": Deed((forget([*range(N_BASE), 40], everything=True),), before=(record(40),)),
    "forget a removed item": Deed(
        (FORGET_ITEM._replace(drops=FORGET_ITEM.drops | TOMBSTONE),), before=(call("remove", [HUSH], adds=TOMBSTONE),)
    ),
    "maintain: a checkpoint": Deed(
        (call("maintain"),), before=(Step(lambda life: setattr(life.rec._live, "_saved", -1000)),)
    ),
    "maintain: an erasure": Deed(
        (call("maintain"),),
        before=(record(40), Step(_hold), FORGET_ITEM, Step(_let_go)),
    ),
    "add": Deed((call("add", [{"id": "new", "title": "New"}], adds=frozenset({("item", "new", "New", False)})),)),
    "remove": Deed((call("remove", ["item-3"], adds=REMOVED_3, drops=ITEM_3),)),
    "open a fresh file": Deed((OPEN,), base="none", opens=True),
    "open": Deed((OPEN,), opens=True),
    "migrate v1": Deed((OPEN,), base="v1", opens=True),
    "migrate v2": Deed((OPEN,), base="v2", opens=True),
    "pause": Deed((call("pause"),), before=(record(40),)),
    "close": Deed((call("close"),), before=(record(40),)),
    "close, a checkpoint due": Deed(
        (call("close"),), before=(record(40), Step(lambda life: setattr(life.rec._live, "_saved", -1000)))
    ),
    # For two that record while another one forgets.
    "record on, first": Deed(tuple(record(n) for n in range(100, 112) if n % 8 != 5)),
    "record on, second": Deed(tuple(record(n) for n in range(120, 132) if n % 8 != 5)),
    # A whole life, for the power-loss replay.
    "life": Deed(
        (
            OPEN,
            call("add", CATALOGUE, adds=CATALOGUE_MARKS),
            record_many(range(40)),
            record(40),
            record(41),
            FORGET_EVENTS,
            call("maintain"),
            record(42),
            FORGET_ITEM,
            record_many([43, 44]),
            FORGET_RANGE,
            record(46),
            call("close"),
            OPEN,
            record(47),
            call("close"),
        ),
        base="none",
        opens=True,
    ),
}

A_TREE: Final = call("maintain", 1e-6)  # the least budget: one is grown, and written
A_STAGE: Final = call("maintain", 1_000.0)


def with_trees(name: str, *steps: Step) -> Deed:
    """A deed on a file that has trees, and then these steps."""
    return DEEDS[name]._replace(steps=DEEDS[name].steps + steps, base="grown", trees=True)


DEEDS |= {
    "grow": Deed((A_TREE,) * 11, base="sown", trees=True),
    "grow: go on": Deed((A_STAGE,) * 4, base="grown", before=(record_many(range(40, 60)),), trees=True),
    "grow: forget half grown": Deed((FORGET_EVENTS, A_TREE, A_TREE), base="sown", before=(A_TREE,) * 6, trees=True),
    "grow: forget the newest": Deed(
        (forget([39], events=[needle(39)]), A_STAGE), base="grown", before=(record(40),), trees=True
    ),
    "grow: record": with_trees("record", A_TREE),
    "grow: record late": with_trees("record late", A_TREE, A_TREE),
    "grow: forget events": with_trees("forget events", A_STAGE),
    "grow: forget items": with_trees("forget items"),
    "grow: forget everything": with_trees("forget everything"),
    "grow: an erasure": with_trees("maintain: an erasure", A_TREE),
    "grow: open": with_trees("open", A_STAGE),
    "grow: close": with_trees("close"),
    # While others record, and a whole life.
    "record on, with trees": with_trees("record on, first", A_TREE),
    "record on, growing": Deed(
        tuple(step for n in range(120, 126) if n % 8 != 5 for step in (record(n), A_TREE)), base="grown", trees=True
    ),
    "life, with trees": Deed(
        (
            OPEN,
            call("add", CATALOGUE, adds=CATALOGUE_MARKS),
            record_many(range(40)),
            *(A_TREE,) * 5,
            record(40),
            FORGET_EVENTS,
            *(A_STAGE,) * 5,
            record_many([41, 42, 43, 44]),
            FORGET_ITEM,
            A_STAGE,
            A_STAGE,
            call("close"),
            OPEN,
            A_STAGE,
            record(46),
            FORGET_RANGE,
            A_TREE,
            call("close"),
        ),
        base="none",
        opens=True,
        trees=True,
    ),
}


def _carry_on(life: Life) -> None:
    """Open what could not be opened, and do all background work: every stage that is needed then stands in the file."""
    if life.rec is None:
        life.open()
    grow(life.rec)
    if life.trees:
        needed = [*stages.needed(life.rec._live.state.lessons.n)]
        assert [*stages_in(life.rec)] == needed, f"stages {[*stages_in(life.rec)]} of {needed}"


# What a process does once a fault of the disk is over.
AFTER: Final = (Step(_carry_on), record(90))

# An old file is never an encrypted one.
APART: Final = ("life", "record on", *(["migrate"] if KEY else []))
GROWING: Final = tuple(name for name in DEEDS if DEEDS[name].trees and not name.startswith(APART))
SWEPT: Final = tuple(name for name in DEEDS if not DEEDS[name].trees and not name.startswith(APART))


# Faults to plant. Each makes the process that lives do something wrong.


def _no_sync(life: Life) -> None:
    life.rec._store._writer.cursor.execute("PRAGMA synchronous = OFF")


def _keep_deleted(life: Life) -> None:
    """No second phase: what was deleted is not overwritten, the file not written anew, and nobody looks."""
    scan.scan = lambda *_: ([], 0, 0)
    life.rec._store._writer.cursor.execute("PRAGMA secure_delete = OFF")
    life.rec._store._writer.vacuum = lambda: None


def _naive(life: Life) -> None:
    """Forget by deleting the rows and emptying the WAL, and nothing else."""
    _forget_less(life, then=life.rec._store.truncate_wal)


def _delete_only(life: Life) -> None:
    """Forget by deleting the rows, and nothing else."""
    _forget_less(life, then=lambda: None)


def _forget_less(life: Life, then: Callable[[], object]) -> None:

    def forget(**criteria: Any) -> _Status:
        store = life.rec._store
        times = {f"{name}_us": criteria.pop(name) * 1_000_000 for name in ("since", "until") if name in criteria}
        uids = {"uids": criteria.pop("events")} if "events" in criteria else {}
        with store.transact():
            store.delete(**criteria, **uids, **times)
            store._writer.cursor.execute("DELETE FROM pending")
        life.rec._reload()
        then()
        return _Status()

    life.rec = _Other(life.rec, forget)  # type: ignore[assignment]


class _Status:
    status = "erased"


class _Other:
    """A recommender that forgets otherwise."""

    def __init__(self, rec: Recommender, forget: Callable[..., object]) -> None:
        self._rec = rec
        self.forget = forget

    def __getattr__(self, name: str) -> object:
        return getattr(self._rec, name)


def _trees_stay(_: Life) -> None:
    """Forget, and keep the trees that knew."""
    deletion.drop_stages_from = lambda *_: 0


def _trees_later(_: Life) -> None:
    """Forget, and drop the trees that knew in a transaction of their own."""
    deletion.drop_stages_from = lambda *_: 0
    delete = Duties._deleted

    def in_two(duties: Duties, store: Store, wanted: Callable[[Store], deletion.Deleted]) -> deletion.Deleted:
        deleted = delete(duties, store, wanted)
        store.drop_stages()
        return deleted

    Duties._deleted = in_two


def _unripe(_: Life) -> None:
    """Take each stage for complete after one step."""
    advance = Growing.advance

    def hasty(growing: Growing, deadline: float) -> None:
        advance(growing, deadline)
        growing.stage = growing.stage._replace(complete=True)
        growing.blob = growing.stage.encode(growing.basis)

    Growing.advance = hasty


FAULTS: Final[dict[str, Callable[[Life], None]]] = {
    "no sync": _no_sync,
    "keep deleted": _keep_deleted,
    "naive": _naive,
    "delete only": _delete_only,
    "trees stay": _trees_stay,
    "trees later": _trees_later,
    "trees unripe": _unripe,
}
