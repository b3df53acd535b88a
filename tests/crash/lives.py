"""What a child of the nursery does: it lives through the steps of a deed, and says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from recsys import RecsysError
from recsys import live as recsys_live
from recsys.learn.trees import Grower
from tests.crash.deeds import AFTER, BYTES_AN_EVENT, DEEDS, FAULTS, START, Life, Step
from tests.crash.nursery import say
from tests.small_trees import small_trees


def warmed(job: dict[str, Any]) -> None:
    """Load what takes long, once for all lives that need it."""
    if DEEDS[job["deed"]].trees:
        import lightgbm  # noqa: F401


def live(job: dict[str, Any], wait: Callable[[], object]) -> None:
    """Live through a job, and end without closing anything."""
    recsys_live._BYTES_AN_EVENT = BYTES_AN_EVENT
    with ExitStack() as stack:
        if DEEDS[job["deed"]].trees:
            stack.enter_context(small_trees())
        _live(job, wait)


def _live(job: dict[str, Any], wait: Callable[[], object]) -> None:
    deed = DEEDS[job["deed"]]
    options = {"trees": deed.trees}
    life = Life(Path(job["path"]), job.get("synchronous", "full"), job.get("patience_ms", 200), **options)
    if not deed.opens:
        life.open()
    for n, step in enumerate(deed.before):
        step.do(life)
        say("before", n)
    plant = FAULTS[job["fault"]] if job.get("fault") else None
    if plant and not deed.opens:
        plant(life)
    if job.get("dies_at_tree"):
        _die_at(**job["dies_at_tree"])
    say("ready", os.getpid())
    wait()
    for n, step in enumerate(deed.steps):
        _live_through(n, step, life)
        if plant and deed.opens and not n:
            plant(life)
    if job.get("after"):
        say("answered", len(life.rec.recommend(3, at=START + 100)) if life.rec else 0)
        wait()
        for n, step in enumerate(AFTER, len(deed.steps)):
            _live_through(n, step, life)
    os._exit(0)


def _die_at(n: int, *, grown: bool) -> None:
    """Have the process die at the n-th tree: before it is grown, or once it is and nothing of it is written."""
    grow, left = Grower.grow, n

    def fatal(grower: Grower) -> object:
        nonlocal left
        left -= 1
        tree = grow(grower) if left or grown else None
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return tree

    Grower.grow = fatal


def _live_through(n: int, step: Step, life: Life) -> None:
    say("about", n)
    try:
        outcome = step.do(life)
    except RecsysError as error:
        say("failed", n, type(error).__name__)
    else:
        say("done", n, outcome)
