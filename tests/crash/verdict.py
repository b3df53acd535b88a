"""Is a file sound after a crash? It opens, holds exactly what it must, and not a byte of what was forgotten.

What goes in is a folder as a crash left it, the deed, and what its process had said; what comes out is a list of
faults, each in the words of ``FAULTS_FOUND``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple

from recsys import Recommender, RecsysError
from tests.crash.deeds import START, Deed, Mark, base_marks, event_of, marks_in, needles, opened
from tests.crash.nursery import Nursery
from tests.properties.eyes import rebuilt_bytes, state_bytes
from tests.properties.needles import apart
from tests.small_trees import grow, pieces, small_trees, stages_in

Said = Sequence[Sequence[Any]]
Rows = dict[int, tuple[int, str, bytes]]  # stages

FAULTS_FOUND: Final = (
    "it does not open",
    "it is damaged",
    "an acknowledged event is lost",
    "a forgotten event came back",
    "half of a step is there",
    "bytes of a forgotten event are left",
    "an erasure is left pending",
    "it does not go on",
    "trees of another log are in the file",
    "bytes of trees that knew are left",
    "finished trees are not those of an undisturbed life",
)

_TAUGHT: dict[tuple[object, ...], bytes] = {}
_GROWN: dict[frozenset[Mark], Rows] = {}


class Legal(NamedTuple):
    """What a file may hold after a life: one of the states; what was taken from it, by forgetting or otherwise."""

    states: list[frozenset[Mark]]
    taken: frozenset[Mark]
    before: list[tuple[frozenset[Mark], frozenset[Mark]]]  # what was held when something was taken, and what was taken


def legal(deed: Deed, said: Said) -> Legal:
    """After the last step said to be done or, when another one was begun, after that. A failed one changes nothing."""
    held, taken, before = base_marks(deed), frozenset(), []
    over = {line[1]: line[0] for line in said if line[0] in ("done", "failed")}
    begun = [line[1] for line in said if line[0] == "about"]
    for step in (*deed.before, *(deed.steps[n] for n in begun if over.get(n) == "done")):
        before += [(held, step.drops)] if step.drops else []
        held, taken = (held - step.drops) | step.adds, taken | step.drops
    states = [held]
    if begun and begun[-1] not in over:
        step = deed.steps[begun[-1]]
        before += [(held, step.drops)] if step.drops else []
        states.append((held - step.drops) | step.adds)
        taken |= step.drops
    return Legal(states, taken, before)


def faults_in(folder: Path, deed: Deed, said: Said, nursery: Nursery) -> list[str]:
    """What is wrong with the file of a life that was cut short after it had said this."""
    with warnings.catch_warnings(record=True) as heard, small_trees() if deed.trees else nullcontext():
        warnings.simplefilter("always")
        wrong = _wrong_in(folder, legal(deed, said), nursery, trees=deed.trees)
    return wrong + [f"it is damaged: {warning.category.__name__}" for warning in heard]


def _wrong_in(folder: Path, expected: Legal, nursery: Nursery, *, trees: bool) -> list[str]:
    states, taken, before = expected
    try:
        rec = opened(folder / "me.db", trees=trees)
    except (RecsysError, OSError) as error:
        return [f"it does not open: {type(error).__name__}"]
    try:
        found = marks_in(rec)
        wrong = wrong_marks(found, states)
        gone = needles(taken - set(found), found)
        wrong += [f"bytes of a forgotten event are left: {place}" for place in nursery.scan(folder, gone)[:3]]
        wrong += [f"it is damaged: {what}" for severity, what, _ in rec._store.check() if severity == "error"]
        wrong += (
            [] if state_bytes(rec) == taught(rec, found) else ["it is damaged: the state is not what the log teaches"]
        )
        wrong += _wrong_trees(rec, frozenset(found), before, nursery) if trees else []
        wrong += _goes_on(rec)
    except RecsysError as error:
        wrong = [f"it is damaged: {type(error).__name__}"]
    finally:
        rec.close()
    return wrong


def taught(rec: Recommender, marks: list[Mark]) -> bytes:
    """What the log teaches from the beginning; folded once a log: all of an event follows from its mark."""
    key = (rec._grove is None, *marks)
    if key not in _TAUGHT:
        _TAUGHT[key] = rebuilt_bytes(rec)
    return _TAUGHT[key]


def _wrong_trees(
    rec: Recommender, found: frozenset[Mark], before: list[tuple[frozenset[Mark], frozenset[Mark]]], nursery: Nursery
) -> list[str]:
    """The stages in the file are of this log or not there; what knew of what is gone is gone; the rest can be grown."""
    twin = grown(found)
    left = [blob for _, _, blob in twin.values()]
    knew = [row for held, drops in before if not drops & found for row in knowing(held, drops)]
    gone = apart((piece for blob in knew for piece in pieces(blob)), left)
    folder = Path(rec._store.path).parent
    wrong = [f"bytes of trees that knew are left: {place}" for place in nursery.scan(folder, gone)[:3]]
    severity, *_ = rec._grove.finding(rec._store, rec._live)
    wrong += ["trees of another log are in the file"] if severity != "ok" else []
    grow(rec)
    wrong += ["finished trees are not those of an undisturbed life"] if stages_in(rec) != twin else []
    return wrong


def grown(marks: frozenset[Mark]) -> Rows:
    """The stages of one that was told all of that at once, and then grew its trees in one go; once a log."""
    if marks not in _GROWN:
        with closing(opened(":memory:", trees=True)) as rec:
            rec.record_many(sorted((event_of(one) for one in marks if one[0] == "event"), key=lambda e: e.key))
            grow(rec)
            _GROWN[marks] = stages_in(rec)
    return _GROWN[marks]


def knowing(held: frozenset[Mark], drops: frozenset[Mark]) -> list[bytes]:
    """The stages that knew of something that is to go."""
    oldest = min((event_of(one).at_us for one in drops if one[0] == "event"), default=1 << 62)
    return [blob for at_us, _, blob in grown(held).values() if at_us >= oldest]


def wrong_marks(found: list[Mark], states: list[frozenset[Mark]]) -> list[str]:
    """What is wrong with the marks that a file holds."""
    if len(set(found)) != len(found):
        return ["half of a step is there: something twice"]
    if set(found) in states:
        return []
    missing = frozenset.intersection(*states) - set(found)
    extra = set(found) - frozenset.union(*states)
    return (
        [f"an acknowledged event is lost: {len(missing)}"] * bool(missing)
        + [f"a forgotten event came back: {len(extra)}"] * bool(extra)
    ) or ["half of a step is there"]


def _goes_on(rec: Recommender) -> list[str]:
    """It has no erasure pending, answers, and records."""
    pending = rec._store._writer.cursor.execute("SELECT what FROM pending").fetchall()
    wrong = ["an erasure is left pending"] if pending else []
    n = len(rec._live.state.behaviour.slots)
    rec.record("item-0", at=START + 500)
    if not rec.recommend(3, at=START + 501) or len(rec._live.state.behaviour.slots) < n:
        wrong.append("it does not go on")
    return wrong
