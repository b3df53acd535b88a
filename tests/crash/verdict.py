"""Is a file sound after a crash? It opens, holds exactly what it must, and not a byte of what was forgotten.

What goes in is a folder as a crash left it, the deed, and what its process had said; what comes out is a list of
faults, each in the words of ``FAULTS_FOUND``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from recsys import Recommender, RecsysError
from tests.crash.deeds import START, Deed, Mark, base_marks, marks_in, needles, opened
from tests.crash.nursery import Nursery
from tests.properties.eyes import rebuilt_bytes, state_bytes

Said = Sequence[Sequence[Any]]

FAULTS_FOUND: Final = (
    "it does not open",
    "it is damaged",
    "an acknowledged event is lost",
    "a forgotten event came back",
    "half of a step is there",
    "bytes of a forgotten event are left",
    "an erasure is left pending",
    "it does not go on",
)

_TAUGHT: dict[tuple[Mark, ...], bytes] = {}


class Legal(NamedTuple):
    """What a file may hold after a life: one of the states; and what was taken from it, by forgetting or otherwise."""

    states: list[frozenset[Mark]]
    taken: frozenset[Mark]


def legal(deed: Deed, said: Said) -> Legal:
    """After the last step said to be done or, when another one was begun, after that. A failed one changes nothing."""
    held, taken = base_marks(deed), frozenset()
    over = {line[1]: line[0] for line in said if line[0] in ("done", "failed")}
    begun = [line[1] for line in said if line[0] == "about"]
    for step in (*deed.before, *(deed.steps[n] for n in begun if over.get(n) == "done")):
        held, taken = (held - step.drops) | step.adds, taken | step.drops
    states = [held]
    if begun and begun[-1] not in over:
        step = deed.steps[begun[-1]]
        states.append((held - step.drops) | step.adds)
        taken |= step.drops
    return Legal(states, taken)


def faults_in(folder: Path, deed: Deed, said: Said, nursery: Nursery) -> list[str]:
    """What is wrong with the file of a life that was cut short after it had said this."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        wrong = _wrong_in(folder, legal(deed, said), nursery)
    return wrong + [f"it is damaged: {warning.category.__name__}" for warning in heard]


def _wrong_in(folder: Path, expected: Legal, nursery: Nursery) -> list[str]:
    states, taken = expected
    try:
        rec = opened(folder / "me.db")
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
        wrong += _goes_on(rec)
    except RecsysError as error:
        wrong = [f"it is damaged: {type(error).__name__}"]
    finally:
        rec.close()
    return wrong


def taught(rec: Recommender, marks: list[Mark]) -> bytes:
    """What the log teaches from the beginning; folded once a log: all of an event follows from its mark."""
    key = tuple(marks)
    if key not in _TAUGHT:
        _TAUGHT[key] = rebuilt_bytes(rec)
    return _TAUGHT[key]


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
