"""What a child of the nursery does: it lives through the steps of a deed, and says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recsys import RecsysError
from recsys import live as recsys_live
from tests.crash.deeds import AFTER, BYTES_AN_EVENT, DEEDS, FAULTS, START, Life, Step
from tests.crash.nursery import say


def live(job: dict[str, Any], wait: Callable[[], object]) -> None:
    """Live through a job, and end without closing anything."""
    recsys_live._BYTES_AN_EVENT = BYTES_AN_EVENT
    deed = DEEDS[job["deed"]]
    life = Life(Path(job["path"]), job.get("synchronous", "full"), job.get("patience_ms", 200))
    if not deed.opens:
        life.open()
    for n, step in enumerate(deed.before):
        step.do(life)
        say("before", n)
    plant = FAULTS[job["fault"]] if job.get("fault") else None
    if plant and not deed.opens:
        plant(life)
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


def _live_through(n: int, step: Step, life: Life) -> None:
    say("about", n)
    try:
        outcome = step.do(life)
    except RecsysError as error:
        say("failed", n, type(error).__name__)
    else:
        say("done", n, outcome)
