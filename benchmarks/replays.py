"""Predict, then learn, over many logs: the rank of every choice by every model, and the metrics of it.

The candidates of a choice are the items that this person chose before; a choice of anything else is
a miss for every model. Every choice is scored once; the protocol's choices are marked among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Log, published_answers
from benchmarks.jobs import Models, each_log
from recsys.evaluate.replay import METRICS, Model, replay
from recsys.evaluate.rules import is_choice
from recsys.settings import Settings

__all__ = ["COLUMNS", "Measured", "Replayed", "published_ranks", "replay_logs"]

# Headings of the tables, in the order of METRICS.
COLUMNS = ("Acc@1", "Acc@5", "NDCG@10", "MRR")


@dataclass(frozen=True, slots=True)
class Measured:
    """One value a metric, a model and a scored choice (or basket); what every table is drawn from.

    Parameters
    ----------
    users : list of str
        Whose choice it was.
    log : ndarray of int64, shape (n_scored,)
        Which log it was in, by the loader's order.
    nth : ndarray of int64, shape (n_scored,)
        The how-manieth choice of that log it was, from 1.
    is_new : ndarray of float64, shape (n_scored,)
        The share of what was chosen that had never been chosen before, 0 to 1.
    values : mapping of str to mapping of str to ndarray of float64, shape (n_scored,)
        By metric and by model.
    """

    users: list[str]
    log: NDArray[np.int64]
    nth: NDArray[np.int64]
    is_new: NDArray[np.float64]
    values: dict[str, dict[str, NDArray[np.float64]]]

    def only(self, kept: NDArray[np.bool_], metrics: Sequence[str] = ()) -> Measured:
        """Return the marked choices alone, and of the metrics the named ones (none named: all)."""
        values = {
            metric: {name: value[kept] for name, value in of_model.items()}
            for metric, of_model in self.values.items()
            if not metrics or metric in metrics
        }
        users = [self.users[i] for i in np.flatnonzero(kept).tolist()]
        return Measured(users, self.log[kept], self.nth[kept], self.is_new[kept], values)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcomes of many logs, one entry a choice, in the order of the logs.

    Parameters
    ----------
    users : list of str
        Whose choice it was.
    log : ndarray of int64, shape (n_choices,)
        Which log it was in, from 0.
    nth : ndarray of int64, shape (n_choices,)
        The how-manieth choice of that log it was, from 1.
    nth_scored : ndarray of int64, shape (n_choices,)
        The how-manieth of the choices of that log that the protocol scores, from 0; -1 where it does not score.
    targets : list of str
        What was chosen.
    ranks : mapping of str to ndarray of int64, shape (n_choices,)
        For each model.
    is_new : ndarray of bool, shape (n_choices,)
        Choices of items that were never chosen before.
    """

    users: list[str]
    log: NDArray[np.int64]
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
            self.log[kept],
            self.nth[kept],
            self.nth_scored[kept],
            [self.targets[i] for i in places],
            {name: ranks[kept] for name, ranks in self.ranks.items()},
            self.is_new[kept],
        )

    def by_protocol(self) -> Replayed:
        """Return the choices that the set's protocol scores."""
        return self.only(self.nth_scored >= 0)

    def measured(self) -> Measured:
        """Return the metrics of the ranks."""
        values = {
            column: {name: value(ranks) for name, ranks in self.ranks.items()}
            for column, value in zip(COLUMNS, METRICS.values(), strict=True)
        }
        return Measured(self.users, self.log, self.nth, self.is_new.astype(np.float64), values)


def replay_logs(
    logs: Sequence[Log], models: Models, *, last: int | None = None, jobs: int | None = 1, label: str = ""
) -> Replayed:
    """Replay each log with fresh models and score every choice, or those up to the ``last`` of each log.

    The results do not depend on ``jobs``, the number of processes (None: one a core).
    """
    cut = [_up_to(log, last) for log in logs]
    ranks = each_log(_ranks, cut, models, jobs=jobs, label=label)
    whole = {name: _joined(of_logs) for name, of_logs in ranks.items()}
    settings = Settings()
    users: list[str] = []
    targets: list[str] = []
    columns: list[list[int]] = [[], [], [], []]  # log, nth, nth_scored, is_new
    for number, log in enumerate(cut):
        seen: set[str] = set()
        n, n_scored = 0, 0
        for event, counts in zip(log.events, log.scored.tolist(), strict=True):
            if not is_choice(event, settings):
                continue
            n += 1
            users.append(log.user)
            targets.append(event.item_id)
            row = (number, n, n_scored if counts else -1, int(event.item_id not in seen))
            for column, value in zip(columns, row, strict=True):
                column.append(value)
            n_scored += counts
            seen.add(event.item_id)
    numbers, nth, nth_scored, is_new = (np.array(column, dtype=np.int64) for column in columns)
    return Replayed(users, numbers, nth, nth_scored, targets, whole, is_new.astype(np.bool_))


def _ranks(log: Log, model: Model) -> NDArray[np.int64]:
    outcomes = replay(log.events, {"it": model})["it"]
    return np.array([outcome.rank for outcome in outcomes], dtype=np.int64)


def _joined(of_logs: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(of_logs) if of_logs else np.zeros(0, dtype=np.int64)


def _up_to(log: Log, last: int | None) -> Log:
    if last is None:
        return log
    settings = Settings()
    choices = np.cumsum([is_choice(event, settings) for event in log.events])
    n_events = int(np.searchsorted(choices, last, side="right"))
    return Log(log.user, log.events[:n_events], log.scored[:n_events])


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
