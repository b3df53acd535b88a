"""How well it ranks: predict, then learn, over real logs, against simple rules and published answers.

Every log is one person on one device and starts from nothing but the prior, which was
fitted without the set under test. The candidates of a choice are the items that this
person chose before; a choice of anything else is a miss for every model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import RETAIL_SEED, Log, MissingDataError, data_folder, load, published_answers
from benchmarks.report import Cell, Result, Table
from benchmarks.rules import RULES
from recsys.evaluate.metrics import bootstrap_difference, bootstrap_interval, ndcg_at_k
from recsys.evaluate.replay import METRICS, LearnerModel, Model, Outcome, replay
from recsys.evaluate.rules import is_choice
from recsys.prior import Prior
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["PRIORS", "SCENARIOS", "Replayed", "published_ranks", "replay_logs"]

PRIORS = Path(__file__).parent / "priors"
LEARNER = "recsys"
FLAT = "recsys, flat prior"
SEED = 20240101
SEEDS = {"bootstrap": SEED, "sample of uci-online-retail": RETAIL_SEED}
QUICK_LOGS = 3
COLD_START_SETS = ("geolife-places", "kypo-shell", "uci-online-retail")
COLD_START_RULES = ("most used", "most recent", "Markov, first order")
# Which choice of a log, from 1: first, last.
COLD_START_SPANS = ((1, 5), (6, 20), (21, 100))
_COLUMNS = ("Acc@1", "Acc@5", "NDCG@10", "MRR")

Models = Mapping[str, Callable[[], Model]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcomes of many logs, one entry a scored choice, in the order of the logs.

    Parameters
    ----------
    users : list of str
        Whose choice it was.
    nth : ndarray of int64, shape (n_scored,)
        The how-manieth choice of that log it was, from 1.
    nth_scored : ndarray of int64, shape (n_scored,)
        The how-manieth scored choice of that log it was, from 0.
    targets : list of str
        What was chosen.
    ranks : mapping of str to ndarray of int64, shape (n_scored,)
        For each model.
    is_new : ndarray of bool, shape (n_scored,)
        Choices of items that were never chosen before.
    """

    users: list[str]
    nth: NDArray[np.int64]
    nth_scored: NDArray[np.int64]
    targets: list[str]
    ranks: dict[str, NDArray[np.int64]]
    is_new: NDArray[np.bool_]

    def only(self, kept: NDArray[np.bool_]) -> Replayed:
        """Return the marked choices alone."""
        places = np.flatnonzero(kept).tolist()
        return Replayed(
            [self.users[i] for i in places],
            self.nth[kept],
            self.nth_scored[kept],
            [self.targets[i] for i in places],
            {name: ranks[kept] for name, ranks in self.ranks.items()},
            self.is_new[kept],
        )


def replay_logs(
    logs: Sequence[Log], models: Models, *, every_choice: bool = False, last: int | None = None
) -> Replayed:
    """Replay each log with fresh models; score the protocol's events, or every choice up to the ``last``."""
    users: list[str] = []
    targets: list[str] = []
    nth: list[int] = []
    nth_scored: list[int] = []
    is_new: list[bool] = []
    ranks: dict[str, list[int]] = {name: [] for name in models}
    settings = Settings()
    for log in logs:
        choices = np.cumsum([is_choice(event, settings) for event in log.events])
        n_events = len(log.events) if last is None else int(np.searchsorted(choices, last, side="right"))
        flags = np.ones(n_events, dtype=np.bool_) if every_choice else log.scored
        fresh = {name: make() for name, make in models.items()}
        outcomes = replay(log.events[:n_events], fresh, scored=_marked(flags))
        for name, scored in outcomes.items():
            ranks[name].extend(outcome.rank for outcome in scored)
        first: list[Outcome] = next(iter(outcomes.values()))
        users.extend([log.user] * len(first))
        nth.extend(int(choices[outcome.index]) for outcome in first)
        nth_scored.extend(range(len(first)))
        targets.extend(log.events[outcome.index].item_id for outcome in first)
        is_new.extend(outcome.is_new for outcome in first)
    arrays = {name: np.array(of_model, dtype=np.int64) for name, of_model in ranks.items()}
    return Replayed(users, np.array(nth), np.array(nth_scored), targets, arrays, np.array(is_new, dtype=np.bool_))


def _marked(flags: NDArray[np.bool_]) -> Callable[[int, Event], bool]:
    return lambda index, _: bool(flags[index])


def published_ranks(replayed: Replayed, folder: Path) -> tuple[Replayed, dict[str, NDArray[np.int64]]]:
    """Return the geolife points for which GPT-3.5's answers were published, and the ranks in those answers.

    Raises
    ------
    ValueError
        When the answers are for other points than the replay's.
    """
    answers = published_answers(folder)
    keys = list(zip(replayed.users, replayed.nth_scored.tolist(), strict=True))
    kept = replayed.only(np.array([key in answers for key in keys], dtype=np.bool_))
    top1: list[int] = []
    top10: list[int] = []
    for user, n, target in zip(kept.users, kept.nth_scored.tolist(), kept.targets, strict=True):
        truth, first, ten = answers[user, n]
        if truth != target:
            raise ValueError("the published answers are for other points than those of this log")
        top1.append(int(first == target))
        top10.append(ten.index(target) + 1 if target in ten else 0)
    return kept, {"top1": np.array(top1, dtype=np.int64), "top10": np.array(top10, dtype=np.int64)}


def leave_one_out(name: str) -> Prior:
    """Return the prior that was fitted without the named set.

    Raises
    ------
    MissingDataError
        When it was not fitted yet; the message says how to.
    """
    path = PRIORS / f"without-{name}.json"
    if not path.is_file():
        command = f"python -m benchmarks.fit_prior --leave-out {name} --out benchmarks/priors/{path.name}"
        raise MissingDataError(f"there is no prior without {name}: run {command}")
    return Prior.load(path)


def geolife(data: Path | None, *, quick: bool) -> Result:
    replayed = _protocol("geolife-places", data, quick=quick)
    published, answers = published_ranks(replayed, data_folder(data))
    beside = _quality("the points with published answers of GPT-3.5", published)
    top10 = _metrics(answers["top10"], published.users)
    beside.rows.insert(0, ("GPT-3.5, ten asked for", *top10))
    beside.rows.insert(0, ("GPT-3.5, one asked for", _metrics(answers["top1"], published.users)[0], None, None, None))
    beside.notes.append("GPT-3.5 saw the person's history and the target's hour and weekday; its list ends at ten.")
    tables = [_quality("scored points, one device a user", replayed), beside]
    return Result("quality/geolife-places", tables, SEEDS, quick)


def kypo(data: Path | None, *, quick: bool) -> Result:
    table = _quality("second half of each of 100 logs", _protocol("kypo-shell", data, quick=quick))
    return Result("quality/kypo-shell", [table], SEEDS, quick)


def retail(data: Path | None, *, quick: bool) -> Result:
    table = _quality("second half of the lines of 200 customers", _protocol("uci-online-retail", data, quick=quick))
    table.notes.append("The lines of an invoice share a timestamp; their order is the document's.")
    return Result("quality/uci-online-retail", [table], SEEDS, quick)


def cold_start(data: Path | None, *, quick: bool) -> Result:
    tables = []
    for name in COLD_START_SETS:
        models = {rule: RULES[rule] for rule in COLD_START_RULES} | _learners(name)
        replayed = replay_logs(_logs(name, data, quick=quick), models, every_choice=True, last=COLD_START_SPANS[-1][1])
        spans = [replayed.only((replayed.nth >= low) & (replayed.nth <= high)) for low, high in COLD_START_SPANS]
        rows: list[tuple[Cell, ...]] = [
            (model, *(bootstrap_interval(ndcg_at_k(s.ranks[model], 10), s.users, seed=SEED) for s in spans))
            for model in models
        ]
        rows.append(("choices, new items among them", *(f"{len(s.users):,}, {s.is_new.mean():.0%}" for s in spans)))
        heads = tuple(f"choice {low} to {high}" for low, high in COLD_START_SPANS)
        tables.append(Table(f"NDCG@10 early in a log, {name}", ("model", *heads), rows))
    return Result("quality/cold-start", tables, SEEDS, quick)


SCENARIOS: Mapping[str, Callable[..., Result]] = {
    "quality/geolife-places": geolife,
    "quality/kypo-shell": kypo,
    "quality/uci-online-retail": retail,
    "quality/cold-start": cold_start,
}


def _learners(name: str) -> dict[str, Callable[[], Model]]:
    prior, flat = leave_one_out(name), Prior.flat()
    return {FLAT: lambda: LearnerModel(prior=flat), LEARNER: lambda: LearnerModel(prior=prior)}


def _logs(name: str, data: Path | None, *, quick: bool) -> list[Log]:
    return load(name, data_folder(data), limit=QUICK_LOGS if quick else None)


def _protocol(name: str, data: Path | None, *, quick: bool) -> Replayed:
    return replay_logs(_logs(name, data, quick=quick), dict(RULES) | _learners(name))


def _metrics(ranks: NDArray[np.int64], users: Sequence[str]) -> list[Cell]:
    return [bootstrap_interval(value(ranks), users, seed=SEED) for value in METRICS.values()]


def _quality(what: str, replayed: Replayed) -> Table:
    n_users = len(set(replayed.users))
    title = f"{what} ({len(replayed.users):,} choices, {n_users} users, {replayed.is_new.mean():.1%} new)"
    rows: list[tuple[Cell, ...]] = [(name, *_metrics(ranks, replayed.users)) for name, ranks in replayed.ranks.items()]
    return Table(title, ("model", *_COLUMNS), rows, _gains(replayed))


def _gains(replayed: Replayed) -> list[str]:
    """Say by how much the learner leads the rule that is best by each metric, paired by choice."""
    notes = []
    for column, value in zip(_COLUMNS, METRICS.values(), strict=True):
        of_model = {name: value(ranks) for name, ranks in replayed.ranks.items()}
        best = max((name for name in of_model if name in RULES), key=lambda name: float(of_model[name].mean()))
        gain = bootstrap_difference(of_model[LEARNER], of_model[best], replayed.users, seed=SEED)
        notes.append(f"{column}: {LEARNER} {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] over {best}")
    return notes
