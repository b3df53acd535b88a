"""Storage errors: the n-th write, sync or change of size fails, once or from then on, for every n.

The life goes on: each call ends or fails with an error of ours, the answers go on while the fault lasts, and once it is
over the next calls work, pending erasures are finished, and the file is judged as after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import recsys
from tests.crash.deeds import AFTER, DEEDS
from tests.crash.kill_sweep import Point, Ward, injected
from tests.crash.nursery import End
from tests.crash.verdict import faults_in

ERRORS: Final = ("ENOSPC", "EIO", "EFBIG", "EROFS")
WRITING: Final = ("write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync")
TRIED: Final = (
    "record",
    "record, a checkpoint due",
    "record many",
    "forget events",
    "forget items",
    "maintain: an erasure",
)
TRIED_GROWING: Final = ("grow", "grow: go on", "grow: record", "grow: forget half grown", "grow: an erasure")


class Trouble(NamedTuple):
    """A storage error to inject: where, which, and whether it stays."""

    point: Point
    error: str
    lasting: bool


class Outcome(NamedTuple):
    """What became of a life in trouble: how its steps ended, and what was wrong."""

    trouble: Trouble
    ends: tuple[str, ...]
    faults: list[str]


def troubles(points: Sequence[Point]) -> list[Trouble]:
    """Every storage error at these points."""
    return [
        Trouble(point, error, lasting)
        for point in points
        if point.call in WRITING
        for error in ERRORS
        for lasting in (False, True)
    ]


def suffered(w: Ward, trouble: Trouble, **job: object) -> Outcome:
    """Live with one storage error, and judge what came of it."""
    point = trouble.point
    deed = DEEDS[point.deed]
    path = w.fresh(deed.base)
    pid = w.nursery.raised(path=str(path), deed=point.deed, after=True, **job)
    tracer = injected(pid, point, path.parent, f"error={trouble.error}", lasting=trouble.lasting)
    w.nursery.begin()
    said = w.nursery.until("answered")
    tracer.leave()
    if said[-1][0] == "answered":
        w.nursery.begin()
    end = End(said + (rest := w.nursery.end()).said, rest.killed_by)
    faults = wrong_in(end.said, end.killed_by, deed.opens)
    longer = deed._replace(steps=deed.steps + AFTER)
    faults += faults_in(path.parent, longer, end.said, w.nursery)
    w.clear(path)
    return Outcome(trouble, tuple(ends_of(end.said, len(deed.steps))), faults)


def ends_of(said: Sequence[Sequence[Any]], n_steps: int) -> list[str]:
    """How each step ended: with an error's name, with a receipt's status, or well."""
    return [
        str(line[2]) if line[0] == "failed" or line[2] in ("erased", "pending") else "done"
        for line in said
        if line[0] in ("failed", "done") and line[1] < n_steps
    ]


def wrong_in(said: Sequence[Sequence[Any]], killed_by: int, opens: bool) -> list[str]:
    """What is wrong with what a process said that met a storage error."""
    wrong = [f"an error that is not ours: {line[1]}" for line in said if line[0] == "broke"]
    wrong += [f"it died: {killed_by}"] if killed_by else []
    for line in said:
        if line[0] == "failed" and not issubclass(getattr(recsys, line[2]), recsys.StoreError):
            wrong.append(f"an error of another kind: {line[2]}")
    if not any(line[0] == "answered" and (line[1] or opens) for line in said):
        wrong.append("it does not answer")
    n_steps = max((line[1] for line in said if line[0] == "about"), default=0) + 1 - len(AFTER)
    after = [line for line in said if line[0] in ("done", "failed") and line[1] >= n_steps]
    if [line[0] for line in after] != ["done"] * len(AFTER):
        wrong.append(f"it does not go on after the fault: {after}")
    return wrong
