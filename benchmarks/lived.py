"""Files of a made-up life, built once a run and copied, and the calls that are timed on them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.world import SEED, START_S, STEP_S, Happening, catalogue, happenings
from recsys.recommender import Recommender
from recsys.settings import Settings

__all__ = [
    "CONTEXT",
    "N_FEATURES",
    "Floats",
    "features",
    "folder",
    "lived",
    "past",
    "product",
    "ranker",
    "recommender",
    "recorder",
    "sorter",
]

Floats = NDArray[np.float64]

N_FEATURES = 24  # of the baselines' ready feature matrices
CONTEXT = {"place": "home"}
_AT_ONCE = 500


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="recsys-bench-") as name:
        yield Path(name)


def lived(path: Path, n_items: int, n_events: int, *, settings: Settings | None = None) -> Recommender:
    """Return a recommender with a catalogue and a past, opened from a copy of one that was built once."""
    shutil.copy(past(n_items, n_events), path)
    return Recommender(path, settings=settings)


@cache
def past(n_items: int, n_events: int, step_s: float = STEP_S) -> Path:
    """Return the closed file of a recommender that took in so many events, built once a process."""
    path = _scratch() / f"{n_items}-{n_events}-{step_s:g}.db"
    with Recommender(path) as rec:
        rec.add(catalogue(n_items))
        events = happenings(n_events, n_items, step_s=step_s)
        while piece := list(islice(events, _AT_ONCE)):  # in pieces, so that checkpoints are spaced as in a life
            rec.record_many(piece)
    return path


@cache
def _scratch() -> Path:
    scratch = Path(tempfile.mkdtemp(prefix="recsys-bench-"))
    atexit.register(shutil.rmtree, scratch)
    return scratch


def recorder(rec: Recommender, coming: Iterable[Happening]) -> Callable[[int], object]:
    """Return a call that records the next event, whatever its round."""
    # Rounds of warming up come first and have the later numbers; the log takes its events in time order.
    upcoming = iter(coming)

    def call(_: int) -> object:
        event = next(upcoming)
        return rec.record(str(event["item_id"]), "play", at=float(str(event["at"])), context=CONTEXT)

    return call


def ranker(rec: Recommender, candidates: Sequence[str], n_events: int, *, step_s: int = 1) -> Callable[[int], object]:
    """Return a call that ranks them for ten places, each round a little later."""
    at = START_S + n_events * STEP_S
    return lambda i: rec.rank(candidates, k=10, at=at + step_s * i, context=CONTEXT)


def recommender(rec: Recommender, n_events: int) -> Callable[[int], object]:
    """Return a call that asks for ten of everything, each round a minute later."""
    at = START_S + n_events * STEP_S
    return lambda i: rec.recommend(10, at=at + 60 * i, context=CONTEXT)


def features(n: int) -> tuple[Floats, Floats]:
    """Return ready features, shape (n, N_FEATURES), and weights: what a baseline multiplies."""
    rng = np.random.default_rng(SEED)
    return rng.normal(size=(n, N_FEATURES)), rng.normal(size=N_FEATURES)


def product(n: int) -> Callable[[int], object]:
    """Return the least that scores n items: one product."""
    x, w = features(n)
    return lambda _: x @ w


def sorter(n: int) -> Callable[[int], object]:
    """Return the least that ranks n candidates for ten places: one product, sorted."""
    x, w = features(n)
    return lambda _: np.argsort(-(x @ w), kind="stable")[:10]
