"""The tables of the quality scenarios: measured choices in, rows with intervals and paired gains out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import PEERS
from benchmarks.replays import Measured
from benchmarks.report import Cell, Table
from recsys.evaluate.metrics import bootstrap_difference, bootstrap_interval
from recsys.reports import Metric

__all__ = [
    "FLAT",
    "LEARNER",
    "SEED",
    "Span",
    "aside_table",
    "position_table",
    "quality_table",
    "repeat_table",
    "row_of",
]

LEARNER = "recsys"
FLAT = "recsys, flat prior"
SEED = 20240101
MAIN = "NDCG@10"
_ASIDE_STEP = 3  # every third user, by the loader's order, is never looked at while tuning

# Which choices (or baskets) of a log, from 1: first, last; None has no end.
Span = tuple[int, int | None]


def quality_table(what: str, measured: Measured, unit: str = "choices") -> Table:
    """Return every model's metrics, and below by how much the learner leads."""
    title = f"{what} ({_size(measured, unit)}, {_mean(measured.is_new):.1%} new)"
    rows = [(name, *cells) for name, cells in _rows(measured).items()]
    return Table(title, ("model", *measured.values), rows, gains(measured))


def repeat_table(measured: Measured, repeats: Measured, unit: str = "choices", new: str = "") -> Table:
    """Return the metrics over what had been chosen before, which is all that the own log can rank."""
    title = f"repeat targets alone ({_size(repeats, unit)})"
    rows: list[tuple[Cell, ...]] = [(name, *cells) for name, cells in _rows(repeats).items()]
    share = f"{_mean(measured.is_new):.1%} of what was chosen was new"
    note = f"{new or share}: no model can rank it from the own log, so it is a miss for all."
    return Table(title, ("model", *repeats.values), rows, [note, *gains(repeats)])


def position_table(what: str, measured: Measured, spans: Sequence[Span], first: Span, unit: str = "choice") -> Table:
    """Return NDCG@10 by the place in the log, and the paired gain in the ``first`` span."""
    parts = [measured.only(_within(measured, span), [MAIN]) for span in spans]
    rows: list[tuple[Cell, ...]] = [
        (name, *(_interval(part.values[MAIN][name], part.users) for part in parts)) for name in measured.values[MAIN]
    ]
    rows.append(
        (
            f"{unit}s, new among them",
            *(f"{len(p.users):,}, {_mean(p.is_new):.0%}" if p.users else "0, -" for p in parts),
        )
    )
    heads = tuple(f"{unit} {low}+" if high is None else f"{unit} {low} to {high}" for low, high in spans)
    early = measured.only(_within(measured, first), [MAIN])
    notes = [f"{unit} {first[0]} to {first[1]}, {note}" for note in gains(early)]
    return Table(f"by position in the log, {what}: {MAIN}, every {unit} scored", ("model", *heads), rows, notes)


def aside_table(measured: Measured, unit: str = "choices") -> Table:
    """Return the learner and its best rivals on all users, and on those never looked at while tuning."""
    aside = measured.only(measured.log % _ASIDE_STEP == 0)
    rivals = [name for name in (best_of(measured, MAIN, PEERS), best_of(measured, MAIN)) if name]
    kept = dict.fromkeys([*rivals, LEARNER])
    heads: list[str] = ["model"]
    shown = {metric: measured.values[metric] for metric in dict.fromkeys([next(iter(measured.values)), MAIN])}
    for metric in shown:
        heads += [f"{metric}, all", f"{metric}, held aside"]
    rows: list[tuple[Cell, ...]] = []
    for name in kept:
        cells: list[Cell] = []
        for metric, values in shown.items():
            cells += [_interval(values[name], measured.users), _interval(aside.values[metric][name], aside.users)]
        rows.append((name, *cells))
    title = f"users held aside while tuning ({_size(aside, unit)}) beside all users"
    return Table(title, tuple(heads), rows, [f"Held aside, {note}" for note in gains(aside)])


def gains(measured: Measured) -> list[str]:
    """Say by how much the learner leads the other model that is best by each metric, paired by choice."""
    notes = []
    for metric, of_model in measured.values.items():
        best = best_of(measured, metric)
        if not best or not measured.users:
            continue
        gain = bootstrap_difference(of_model[LEARNER], of_model[best], measured.users, seed=SEED)
        notes.append(f"{metric}: {LEARNER} {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] over {best}")
        if metric != MAIN:
            continue
        notes[-1] += _ratio(of_model, best)
        peer = best_of(measured, metric, PEERS)
        if peer and peer != best:
            notes.append(f"{metric} beside the best peer, {peer}: {_mean(of_model[peer]):.3f}{_ratio(of_model, peer)}")
    return notes


def best_of(measured: Measured, metric: str, among: Mapping[str, object] | None = None) -> str | None:
    """Return which model other than the learner's own two is best by the metric; None when there is none."""
    of_model = measured.values[metric]
    names = [n for n in of_model if n not in {LEARNER, FLAT} and (among is None or n in among)]
    return max(names, key=lambda name: _mean(of_model[name]), default=None)


def row_of(values: Mapping[str, NDArray[np.float64]], users: Sequence[str]) -> list[Cell]:
    """Return the mean and interval of each metric."""
    return [_interval(value, users) for value in values.values()]


def _rows(measured: Measured) -> dict[str, list[Cell]]:
    names = next(iter(measured.values.values()))
    return {name: row_of({m: v[name] for m, v in measured.values.items()}, measured.users) for name in names}


def _interval(values: NDArray[np.float64], users: Sequence[str]) -> Metric | None:
    return bootstrap_interval(values, users, seed=SEED) if len(users) else None


def _ratio(of_model: Mapping[str, NDArray[np.float64]], other: str) -> str:
    least = _mean(of_model[other])
    return f", {_mean(of_model[LEARNER]) / least:.3f} times it" if least > 0 else ""


def _within(measured: Measured, span: Span) -> NDArray[np.bool_]:
    low, high = span
    return (measured.nth >= low) & (measured.nth <= (np.inf if high is None else high))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _size(measured: Measured, unit: str) -> str:
    return f"{len(measured.users):,} {unit}, {len(set(measured.users))} users"
