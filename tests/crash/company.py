"""Several processes on one file: two record, one forgets and is killed; nothing acknowledged is lost."""

from __future__ import annotations

import signal
from typing import Any

from tests.crash.deeds import DEEDS, Deed
from tests.crash.kill_sweep import Death, Point, Ward, injected
from tests.crash.verdict import faults_in

RECORDERS = ("record on, first", "record on, second")
GROWERS = ("record on, with trees", "record on, growing")  # beside them, where the deed is one with trees
PATIENCE_MS = 20_000  # for each other


def killed_in_company(w: Ward, point: Point) -> Death | None:
    """Kill the one that does the point's deed, while others record, and judge what is left; None when not reached."""
    path = w.fresh(DEEDS[point.deed].base)
    names = GROWERS if DEEDS[point.deed].trees else RECORDERS
    *others, nursery = reversed(w.nurseries(1 + len(names)))
    for other, name in zip(others, names, strict=True):
        other.raised(path=str(path), deed=name, patience_ms=PATIENCE_MS)
    pid = nursery.raised(path=str(path), deed=point.deed, patience_ms=PATIENCE_MS)
    tracer = injected(pid, point, path.parent, "signal=SIGKILL")
    for one in (*others, nursery):
        one.begin()
    ends = [one.end() for one in (*others, nursery)]
    tracer.wait()
    if ends[-1].killed_by != signal.SIGKILL:
        return None
    assert [end.killed_by for end in ends[:-1]] == [0] * len(others), ends
    deed, said = together([*names, point.deed], [end.said for end in ends])
    faults = faults_in(path.parent, deed, said, w.nursery)
    w.clear(path)
    return Death(point, faults)


def together(names: list[str], said: list[list[list[Any]]]) -> tuple[Deed, list[list[Any]]]:
    """Several deeds as one, and what was said in them; the last one's steps come last."""
    steps, lines = [], []
    for name, own in zip(names, said, strict=True):
        lines += [[line[0], line[1] + len(steps), *line[2:]] for line in own]
        steps += DEEDS[name].steps
    return DEEDS[names[-1]]._replace(steps=tuple(steps)), lines
