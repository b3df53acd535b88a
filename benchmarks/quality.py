"""How well it ranks: predict, then learn, over real logs, against rules, libraries and published answers.

Every log is one person on one device and starts from nothing but the prior, which was
fitted without the set under test. The candidates of a choice are the items that this
person chose before; a choice of anything else is a miss for every model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import alone, candidates, films, likes, news, shop, trees, unseen
from benchmarks.baskets import REPEATS_METRIC, replay_baskets
from benchmarks.data import RETAIL_SEED, Log, MissingDataError, data_folder, load
from benchmarks.jobs import Models, by_name
from benchmarks.off_policy import off_policy
from benchmarks.packaged import GROCERY_SEED, PACKAGES
from benchmarks.pareto import pareto_tables
from benchmarks.peers import available
from benchmarks.quality_tables import (
    FLAT,
    LEARNER,
    SEED,
    Span,
    aside_table,
    position_table,
    quality_table,
    repeat_table,
    row_of,
)
from benchmarks.replays import COLUMNS, Replayed, published_ranks, replay_logs
from benchmarks.report import Result, Table
from benchmarks.rules import RULES
from recsys.evaluate.replay import METRICS, LearnerModel
from recsys.prior import Prior

__all__ = ["FLAT", "LEARNER", "PRIORS", "SCENARIOS"]

PRIORS = Path(__file__).parent / "priors"
SEEDS = {
    "bootstrap": SEED,
    "sample of uci-online-retail": RETAIL_SEED,
    "sample of completejourney": GROCERY_SEED,
}
QUICK_LOGS = 2
COLD_START_SETS = ("geolife-places", "kypo-shell", "uci-online-retail", "completejourney")
FIRST: Span = (1, 20)
CHOICE_SPANS: tuple[Span, ...] = ((1, 5), (6, 20), FIRST, (21, 100), (101, None))
BASKET_SPANS: tuple[Span, ...] = ((1, 5), (6, 20), FIRST, (21, None))
COLD_START_LAST = 100
_FILMS = "movielens-100k"
# What was replayed in this run, by set, folder and quick: the early choices are among all choices.
_PASSES: dict[tuple[str, Path | None, bool], Replayed] = {}
_BASKET_METRICS = ("hit@1", "NDCG@10", "Recall@10")


class Run(NamedTuple):
    """What a scenario was asked for: the folder of the sets, a slice or all, how many processes (None: one a core)."""

    data: Path | None
    quick: bool
    jobs: int | None


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


def models_of(name: str) -> tuple[Models, Mapping[str, str]]:
    """Return every model that can run here on a set, and the peers that cannot with the reason."""
    peers, missing = available()
    learners = {
        FLAT: partial(LearnerModel, prior=Prior.flat()),
        LEARNER: partial(LearnerModel, prior=leave_one_out(name)),
    }
    return by_name([*RULES, *peers]) | learners, missing


def geolife(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Score the stays that the paper on GPT-3.5 scored, its published answers beside them."""
    replayed, skipped = _every_choice("geolife-places", Run(data, quick, jobs))
    published, answers = published_ranks(replayed.by_protocol(), data_folder(data))
    beside = quality_table("the points with published answers of GPT-3.5", published.measured())
    top10 = {column: value(answers["top10"]) for column, value in zip(COLUMNS, METRICS.values(), strict=True)}
    beside.rows.insert(0, ("GPT-3.5, ten asked for", *row_of(top10, published.users)))
    once = row_of({"Acc@1": METRICS["acc@1"](answers["top1"])}, published.users)
    beside.rows.insert(0, ("GPT-3.5, one asked for", *once, None, None, None))
    beside.notes.append("GPT-3.5 saw the person's history and the target's hour and weekday; its list ends at ten.")
    tables = _own_log_tables("geolife-places", "scored points, one device a user", replayed)
    return Result("quality/geolife-places", [tables[0], beside, *tables[1:]], SEEDS, quick, skipped)


def kypo(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Score the second half of the commands of 100 people."""
    replayed, skipped = _every_choice("kypo-shell", Run(data, quick, jobs))
    tables = _own_log_tables("kypo-shell", "second half of each of 100 logs", replayed)
    return Result("quality/kypo-shell", tables, SEEDS, quick, skipped)


def retail(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Score the second half of the lines of 200 customers."""
    replayed, skipped = _every_choice("uci-online-retail", Run(data, quick, jobs))
    tables = _own_log_tables("uci-online-retail", "second half of the lines of 200 customers", replayed)
    tables[0].notes.append("The lines of an invoice share a timestamp; their order is the document's.")
    return Result("quality/uci-online-retail", tables, SEEDS, quick, skipped)


def groceries(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Score the second half of the lines of 100 households."""
    replayed, skipped = _every_choice("completejourney", Run(data, quick, jobs))
    tables = _own_log_tables("completejourney", "second half of the lines of 100 households", replayed)
    tables[0].notes.append("The lines of a basket share a timestamp; their order is the file's.")
    return Result("quality/completejourney", tables, SEEDS, quick, skipped)


def retail_baskets(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Score whole invoices of the same 200 customers, each predicted at its first line."""
    return _baskets("uci-online-retail", "invoices of 200 customers", Run(data, quick, jobs))


def grocery_baskets(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Score whole baskets of 100 households, each predicted at its first line."""
    return _baskets("completejourney", "baskets of 100 households", Run(data, quick, jobs))


def cold_start(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Score the first hundred choices of every log of the own-log sets."""
    tables: list[Table] = []
    skipped: dict[str, str] = {}
    for name in COLD_START_SETS:
        try:
            replayed, missing = _every_choice(name, Run(data, quick, jobs), last=COLD_START_LAST)
        except MissingDataError as absent:
            skipped[name] = str(absent)
            continue
        early = replayed.only(replayed.nth <= COLD_START_LAST)
        tables.append(position_table(name, early.measured(), CHOICE_SPANS[:-1], FIRST))
        skipped |= missing
    if not tables:
        raise MissingDataError("; ".join(skipped.values()))
    return Result("quality/cold-start", tables, SEEDS, quick, skipped | {_FILMS: _repeats_of_films()})


def pareto(data: Path | None, *, quick: bool) -> Result:
    """Set accuracy against bytes and milliseconds, one process at a time, where GPT-3.5's answers were published."""
    models, missing = models_of("geolife-places")
    logs = _logs("geolife-places", Run(data, quick, 1))
    points = replay_logs(logs, {}).by_protocol()
    tables = pareto_tables(logs, models, points, data_folder(data), "pareto, geolife-places")
    return Result("quality/pareto", tables, SEEDS, quick, missing)


SCENARIOS: Mapping[str, Callable[..., Result]] = {
    "quality/geolife-places": geolife,
    "quality/kypo-shell": kypo,
    "quality/uci-online-retail": retail,
    "quality/uci-online-retail-baskets": retail_baskets,
    "quality/completejourney": groceries,
    "quality/completejourney-baskets": grocery_baskets,
    "quality/cold-start": cold_start,
    "quality/pareto": pareto,
    "quality/off-policy": off_policy,
    **films.SCENARIOS,
    **alone.SCENARIOS,
    **shop.SCENARIOS,
    **candidates.SCENARIOS,
    **news.SCENARIOS,
    **likes.SCENARIOS,
    **unseen.SCENARIOS,
    "quality/trees": trees.trees_quality,
}


def _own_log_tables(name: str, what: str, replayed: Replayed) -> list[Table]:
    every, scored = replayed.measured(), replayed.by_protocol().measured()
    return [
        quality_table(what, scored),
        repeat_table(scored, scored.only(scored.is_new == 0)),
        position_table(name, every, CHOICE_SPANS, FIRST),
        aside_table(scored),
    ]


def _baskets(name: str, what: str, run: Run) -> Result:
    models, missing = models_of(name)
    every, second_half = replay_baskets(_logs(name, run), models, jobs=run.jobs, label=f"baskets of {name}")
    scored = every.only(second_half)
    by_basket = every.only(second_half, _BASKET_METRICS)
    tables = [
        quality_table(f"second half of the {what}", by_basket, "baskets"),
        repeat_table(scored, scored.only(scored.is_new < 1, [REPEATS_METRIC]), "baskets"),
        position_table(what, every, BASKET_SPANS, FIRST, "basket"),
        aside_table(by_basket, "baskets"),
    ]
    return Result(f"quality/{name}-baskets", tables, SEEDS, run.quick, missing)


def _every_choice(name: str, run: Run, last: int | None = None) -> tuple[Replayed, Mapping[str, str]]:
    """Replay a set once in a run of the benchmarks; a shorter pass takes what a longer one has found."""
    models, missing = models_of(name)
    done = _PASSES.get((name, run.data, run.quick))
    if done is None:
        done = replay_logs(_logs(name, run), models, last=last, jobs=run.jobs, label=name)
        if last is None:
            _PASSES[name, run.data, run.quick] = done
    return done, missing


def _repeats_of_films() -> str:
    try:
        is_new = replay_logs(load(_FILMS, Path()), {}).is_new
    except MissingDataError as missing:
        return str(missing)
    n_repeats = int(np.count_nonzero(~is_new))
    what = "no choice is ever repeated" if not n_repeats else f"{n_repeats:,} of {len(is_new):,} choices are repeated"
    return f"{what}, so the own log alone cannot rank it; it is for benchmarks of catalogues"


def _logs(name: str, run: Run) -> list[Log]:
    folder = Path() if name in PACKAGES else data_folder(run.data)
    return load(name, folder, limit=QUICK_LOGS if run.quick else None)
