"""F2: a file from which something was forgotten is the file of a log that never held it, whatever happened on the way.

Equal are all bytes but three counters in SQLite's header: of the changes to the file (twice), and of the changes to its
schema, which counts how often it was written anew. Checkpoints are content too: they stand where the log was when they
were written, so the files are compared with none, and with the one that the next closing writes.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import Event, Item, Recommender, Settings
from recsys.grove import Grove
from recsys.log import deletion, erase
from recsys.log.connection import Writer
from recsys.testing import strategies as some
from recsys.testing.strategies import START
from tests.keyed import plain_only
from tests.properties.eyes import examples, in_order, opened
from tests.small_trees import grow, needs_trees, small_trees

SETTINGS: Final = Settings(synchronous="normal", checkpoint_events=16, ballast=False)
COUNTERS: Final = (range(24, 28), range(40, 44), range(92, 96))
IDS: Final = [f"item-{n}" for n in range(12)]
CATALOGUE: Final = [Item(item_id, item_id.upper(), ("jazz",), {"n": 1}) for item_id in IDS[:6]]


@dataclass(frozen=True)
class Way:
    """One way to the same content: what is told besides, and in which order and portions."""

    besides: Sequence[Event] = ()
    seed: int = 0
    portion: int = 1_000
    n_forgets: int = 1
    reopened: bool = False
    trees: str = ""  # "before" what is forgotten or "after" it, or "both"; at the end they are grown in any case


def canonical(path: Path) -> bytes:
    """The bytes of a closed file, without the three counters."""
    data = bytearray(path.read_bytes())
    for counter in COUNTERS:
        data[counter.start : counter.stop] = bytes(len(counter))
    return bytes(data)


def written(path: Path, events: Sequence[Event], way: Way) -> list[bytes]:
    """Go that way; give the file without checkpoints, and with the one that closing writes."""
    draw = random.Random(way.seed)
    told = (
        [*events, *way.besides]
        if way.seed == 0
        else draw.sample([*events, *way.besides], len(events) + len(way.besides))
    )
    settings = replace(SETTINGS, trees=bool(way.trees))
    rec = opened(path, settings=settings)
    rec.add(CATALOGUE if way.seed == 0 else draw.sample(CATALOGUE, len(CATALOGUE)))
    for at in range(0, len(told), way.portion):
        rec.record_many(told[at : at + way.portion])
        if way.reopened and at == 0:
            rec.close()
            rec = opened(path, settings=settings)
    if way.trees in ("before", "both"):
        grow(rec)
    if way.besides:
        _besides(rec)
        for number in range(way.n_forgets):
            rec.forget(events=[event.uid for event in way.besides[number :: way.n_forgets]])
            if way.trees in ("after", "both"):
                grow(rec)
    if way.trees:
        grow(rec)
    rec._store.drop_checkpoints()
    assert rec.forget(items=["nothing has this id"]).status == "erased"
    rec.pause()  # so that closing writes nothing
    rec.close()
    without = canonical(path)
    opened(path, settings=settings).close()
    return [without, canonical(path)]


def _besides(rec: Recommender) -> None:
    """Add an item, change one and take it back, as an app may: nothing of it stays."""
    rec.add([Item("for a while", "For a While"), replace(CATALOGUE[0], title="another one")])
    rec.remove(["for a while"])
    rec.add(CATALOGUE[:1])


def plain(n: int, seed: int) -> list[Event]:
    """So many uses of a few items, for a file of many pages."""
    draw = random.Random(seed)
    return [
        Event((START + draw.randrange(10**6)) * 1_000_000 + k, f"{seed:x}-{k:012x}", draw.choice(IDS), "play",
              context={"place": "x" * draw.randrange(200)})
        for k in range(n)
    ]  # fmt: skip


def apart(events: Sequence[Event], way: Way) -> int:
    """How many bytes differ between the files of that way and of the straight one."""
    folder = Path(tempfile.mkdtemp(prefix="same-file-"))
    try:
        straight = Way(trees="after" if way.trees else "")
        with small_trees() if way.trees else nullcontext():
            pairs = zip(
                written(folder / "a", events, way), written(folder / "b", in_order(events), straight), strict=True
            )
        return sum(abs(len(a) - len(b)) + sum(x != y for x, y in zip(a, b, strict=False)) for a, b in pairs)
    finally:
        shutil.rmtree(folder)


def renamed(events: Sequence[Event], name: str) -> list[Event]:
    """The same events with ids, and slates, of their own."""
    return [
        replace(event, uid=f"{name}{event.uid}", slate=None if event.slate is None else f"{name}{event.slate}")
        for event in events
    ]


@plain_only
@examples(5, 200)
@given(
    odd=some.histories(item_ids=[*IDS, "naïve 🎷"], max_size=12),
    odd_besides=some.histories(item_ids=[*IDS, "forgotten"], max_size=12),
    sizes=st.tuples(st.sampled_from((0, 20, 120)), st.sampled_from((1, 80))),
    seed=st.integers(0, 99),
    portion=st.sampled_from((30, 1_000)),
    n_forgets=st.integers(1, 3),
    reopened=st.booleans(),
)
def test_a_file_does_not_tell_how_it_became_what_it_is(
    odd: list[Event], odd_besides: list[Event], sizes: tuple[int, int], seed: int, portion: int, n_forgets: int,
    *, reopened: bool,
) -> None:  # fmt: skip
    """F2."""
    besides = [*renamed(odd_besides, "f"), *plain(sizes[1], 2)]
    assert apart([*odd, *plain(sizes[0], 1)], Way(besides, seed, portion, n_forgets, reopened)) == 0


def _not_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "vacuum", lambda _: None)


def _keeps_slates(monkeypatch: pytest.MonkeyPatch) -> None:
    delete = deletion._delete_chosen
    monkeypatch.setattr(
        deletion,
        "_delete_chosen",
        lambda cursor, events, places: delete(cursor, [(k, None) for k, _ in events], places),
    )


def _says_that_it_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = erase.mark

    def remembering(cursor: Any) -> None:
        mark(cursor)
        cursor.execute("INSERT OR REPLACE INTO consents (purpose, at_us) VALUES ('something was forgotten', 0)")

    monkeypatch.setattr(erase, "mark", remembering)


@needs_trees
@plain_only
@examples(4, 100)
@given(
    odd=some.histories(item_ids=[*IDS, "naïve 🎷"], max_size=12),
    odd_besides=some.histories(item_ids=[*IDS, "forgotten"], max_size=12),
    sizes=st.tuples(st.sampled_from((20, 60)), st.sampled_from((1, 30))),
    seed=st.integers(0, 99),
    n_forgets=st.integers(1, 3),
    trees=st.sampled_from(("before", "after", "both")),
)
def test_a_file_with_trees_does_not_tell_how_it_became_what_it_is(
    odd: list[Event], odd_besides: list[Event], sizes: tuple[int, int], seed: int, n_forgets: int, trees: str
) -> None:
    """F2, with trees grown before what is forgotten, after it, or both."""
    besides = [*renamed(odd_besides, "f"), *plain(sizes[1], 2)]
    assert apart([*odd, *plain(sizes[0], 1)], Way(besides, seed, 40, n_forgets, trees=trees)) == 0


@needs_trees
@plain_only
def test_a_tree_that_hangs_on_when_it_was_grown_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way(plain(3, 2), seed=3, trees="before")
    assert apart(plain(40, 1), way) == 0
    monkeypatch.setattr(deletion, "drop_stages_from", lambda *_: 0)
    monkeypatch.setattr(Grove, "_fits", lambda *_: True)
    assert apart(plain(40, 1), way) > 0


FAULTS: Final[list[Callable[[pytest.MonkeyPatch], None]]] = [_not_written_anew, _keeps_slates, _says_that_it_was_there]


@plain_only
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__[1:])
def test_what_tells_of_the_past_is_noticed(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Event(START * 1_000_000, "5" * 16, "", "shown", slate="a slate", shown=((IDS[0], 0, 0.5), (IDS[1], 1, 0.5)))
    way = Way([*plain(30, 2), shown], seed=3)
    assert apart(plain(40, 1), way) == 0
    fault(monkeypatch)
    assert apart(plain(40, 1), way) > 0
