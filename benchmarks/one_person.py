"""What one person moves in a pack: it is built with everybody, and again without each of some people.

Counts move by what that person adds, and nothing is published that the limit forbids; tests hold that. What is
measured here is what no limit covers: how much likelier a person's own choices are under factors that were fitted
with that person, beside how much likelier they become when only the seed of the fit is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.data import data_folder, load
from benchmarks.report import Cell, Result, Table
from recsys.evaluate.metrics import bootstrap_interval
from recsys.learn.fold import fold, new_state
from recsys.prior import Prior
from recsys.prior.pack import Pack
from recsys.publish import Built, Hyper, Person, build
from recsys.publish.counting import is_aside, places_of
from recsys.rank.candidates import Pool
from recsys.rank.knowledge import Knowledge
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["pack_one_person"]

SEED: Final = 1
HYPER: Final = Hyper(epochs=5)
_LEAST: Final = 20
_PEOPLE: Final = 5
_CHOICES: Final = 40
_LOGS: Final = 300


def pack_one_person(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Take single people of MovieLens latest-small out of a pack."""
    del jobs
    logs = load("movielens-latest-small", data_folder(data), every_user=True, limit=60 if quick else _LOGS)
    everybody = [Person(log.user, [e.item_id for e in log.events], [e.at_us / 1e6 for e in log.events]) for log in logs]
    learnt = [p for p in everybody if not is_aside(places_of([p.name])[:, 0])[0]]
    drawn = np.random.default_rng(SEED).permutation(len(learnt))[: 2 if quick else _PEOPLE]
    least = 3 if quick else _LEAST
    hyper = Hyper(epochs=1) if quick else HYPER
    with_all = build(everybody, least_people=least, hyper=hyper)
    reseeded = build(everybody, least_people=least, hyper=Hyper(epochs=hyper.epochs, seed=1))
    rows: list[tuple[Cell, ...]] = []
    gains, seeds = [], []
    for n, i in enumerate(drawn.tolist(), 1):
        person = learnt[i]
        without = build([p for p in everybody if p is not person], least_people=least, hyper=hyper)
        fits = [_fit(built, person) for built in (with_all, without, reseeded)]
        gains.append(fits[0] - fits[1])
        seeds.append(fits[0] - fits[2])
        changed = len(_pairs(with_all) ^ _pairs(without))
        items = len(set(with_all.arrays["keys"].tolist()) ^ set(without.arrays["keys"].tolist()))
        rows.append((n, len(person.items), items, changed, round(gains[-1], 3), round(seeds[-1], 3)))
    about = with_all.report
    notes = [
        f"{len(everybody)} people, {about['items']:,} items and {about['pairs']:,} pairs of {least} people or more.",
        f"With the person against without: {_said(gains)} nats a choice; against another seed: {_said(seeds)}.",
        f"Of at most {_CHOICES} choices of a person: the probability among all items not used yet, by taste alone.",
    ]
    columns = ("person", "uses", "items that differ", "pairs that differ", "nats a choice", "nats a choice, other seed")
    title = "movielens-latest-small: a pack with a person and without"
    return Result("privacy/pack-one-person", [Table(title, columns, rows, notes)], {"people": SEED}, quick, {})


def _said(values: Sequence[float]) -> str:
    metric = bootstrap_interval(values, list(range(len(values))))
    return f"{metric.mean:+.3f} [{metric.low:+.3f}, {metric.high:+.3f}]"


def _pairs(built: Built) -> set[tuple[int, int]]:
    a = built.arrays
    of = np.repeat(np.arange(len(a["keys"])), np.diff(a["near_begin"].astype(np.int64)).astype(np.intp))
    return set(zip(a["keys"][of].tolist(), a["keys"][a["near_item"]].tolist(), strict=True))


def _fit(built: Built, person: Person) -> float:
    """Give the mean logarithm of the probability of what a person chose that was new, by the pack's taste alone."""
    knowledge = Knowledge(Pack(built.arrays, {}))
    rows, state = knowledge.pack.rows(person.items), new_state(Prior.default(), Settings())
    found: list[float] = []
    used: set[int] = set()
    for n, (item_id, at_s) in enumerate(zip(person.items, person.at_s, strict=True)):
        row = int(rows[n])
        if n and row >= 0 and row not in used and len(found) < _CHOICES:
            b = state.behaviour
            taste = knowledge.told(b, Pool(slice(0, b.n_slots), b.ids)).dense[0][:-1].astype(np.float64)
            taste[[other for other in used if other >= 0]] = -np.inf
            found.append(float(taste[row] - taste.max() - np.log(np.exp(taste - taste.max()).sum())))
        used.add(row)
        fold(state, Event(round(at_s * 1e6), f"{n:08}", item_id, "click", 0))
    return float(np.mean(found)) if found else 0.0
