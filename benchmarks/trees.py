"""What trees on top are worth, and what they cost: the linear model beside both, under the gate and without it.

In the replay trees are grown as soon as a stage is due, which is what ``maintain`` comes to. "Under the gate" is what a
recommender with ``Settings(trees=True)`` ranks by; "always" takes the sum from the first stage on, gate or no gate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import data_folder, load
from benchmarks.jobs import each_log
from benchmarks.lived import CONTEXT, folder, lived
from benchmarks.logs import Log, MissingDataError
from benchmarks.packaged import PACKAGES
from benchmarks.quality_tables import SEED
from benchmarks.report import Cell, Result, Table
from benchmarks.timing import in_turns
from benchmarks.world import SEED as WORLD_SEED
from benchmarks.world import happenings, item_id
from recsys.evaluate.grown import GrownModel
from recsys.evaluate.metrics import bootstrap_difference, ndcg_at_k
from recsys.evaluate.replay import replay
from recsys.evaluate.rules import is_choice
from recsys.learn import stages
from recsys.learn.choice import utilities
from recsys.learn.features import features_of
from recsys.learn.fold import fold
from recsys.learn.forest import MOST_LEAVES, Forest
from recsys.learn.gather import ask, gather
from recsys.learn.lessons import levels_of
from recsys.learn.moment import moment
from recsys.learn.stages import Stage, Verdict
from recsys.learn.standing import N_STANDINGS, added, standing
from recsys.learn.trees import Grower
from recsys.prior import Pack, Prior
from recsys.publish import Hyper, Person, build
from recsys.publish.grown import MOST_TREES
from recsys.publish.grown import PARAMETERS as OF_PACKS
from recsys.publish.grown import lived as whole_lives
from recsys.recommender import Recommender
from recsys.settings import Settings
from recsys.types import Event

__all__ = ["OTHERS", "SETS", "Core", "trees_quality", "trees_speed"]

SETS: Final = ("geolife-places", "kypo-shell", "uci-online-retail", "completejourney")
OTHERS: Final = {"kypo-shell": 1_000, "uci-online-retail": 4_000, "completejourney": 1_000}  # people of a pack, at most
_SETTINGS: Final = Settings()
_ENOUGH: Final = 20  # events of one of them
_ENOUGH_PEOPLE: Final = 40
_LINEAR, _GATED, _ALWAYS = "linear", "with trees, under the gate", "with trees, always"
_EVERY: Final = (_LINEAR, _GATED, _ALWAYS)
_ASIDE_STEP: Final = 3  # as in benchmarks.quality_tables
_BUDGET_MS: Final = 20.0
_DAY: Final = 500  # events


class _Replayed(NamedTuple):
    """What one log gave: (index, rank) of every choice by each model, how often was asked, and by the sum."""

    ranks: dict[str, list[tuple[int, int]]]
    n_asked: int
    n_served: int
    serves: list[bool]


class Core(GrownModel):
    """A learner with trees, grown at once when they are due; asked by three models that share it."""

    def __init__(self, prior: Prior) -> None:
        super().__init__(None, prior)
        self.stages: dict[int, Stage] = {}
        self.verdicts: list[Verdict] = []
        self.n_asked = 0

    def _grow(self, number: int) -> None:
        super()._grow(number)
        assert self.newest is not None
        assert self.verdict is not None
        self.stages[number] = self.newest
        self.verdicts.append(self.verdict)

    def ranked(self, event: Event, candidates: Sequence[str], which: str) -> NDArray[np.float64]:
        if which == _GATED:
            self.n_asked += 1
            return self.scores(event, candidates)
        always = which == _ALWAYS
        own = self.newest.forest if always and self.newest is not None else None
        return self.scored(event, candidates, own, self.state.trees if always else None)


class _View:
    """One of the models that share a core; the first of them lets it learn."""

    def __init__(self, core: Core, which: str) -> None:
        self._core, self._which = core, which

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        return self._core.ranked(event, candidates, self._which)

    def learn(self, event: Event) -> None:
        if self._which == _LINEAR:
            self._core.learn(event)


def trees_quality(data: Path | None, *, quick: bool, jobs: int | None = None) -> Result:
    """Replay the own-log sets with trees and without: the own ones, and those of a pack where there are others."""
    rows: list[tuple[Cell, ...]] = []
    notes: list[str] = []
    of_packs: list[tuple[Cell, ...]] = []
    notes_of_packs: list[str] = []
    skipped: dict[str, str] = {}
    work: Callable[[Log, Any], _Replayed] = _replayed
    for name in SETS:
        try:
            logs = load(name, Path() if name in PACKAGES else data_folder(data), limit=2 if quick else None)
            makes: dict[str, Any] = {name: partial(Core, _prior(name))}  # no model by itself, but three that share it
        except MissingDataError as missing:
            skipped[name] = str(missing)
            continue
        found = each_log(work, logs, makes, jobs=jobs, label=f"trees, {name}")[name]
        rows += _rows(name, logs, found, notes)
        if name in OTHERS:
            people = _others(name, data, quick=quick)
            if len(people) < _ENOUGH_PEOPLE:
                notes_of_packs.append(f"{name}: {len(people)} other people are too few for a pack.")
                continue
            prior, told = _prior_of(name, people)
            found = each_log(work, logs, {name: partial(Core, prior)}, jobs=jobs, label=f"a pack's, {name}")[name]
            notes_of_packs.append(told)
            of_packs += _rows(name, logs, found, notes_of_packs)
    if not rows:
        raise MissingDataError("; ".join(skipped.values()))
    columns = ("set and people", "choices", *_EVERY, "gain under the gate", "low", "high", "gain, always", "low",
               "high", "served by the sum [%]", "stages judged", "of them for the sum")  # fmt: skip
    title = "NDCG@10 of what a person chose before, with trees and without"
    notes.append("Intervals: bootstrap over people. Choices of the protocol; new items are a miss for all.")
    tables = [Table(title, columns, rows, notes, plot=None)]
    if of_packs:
        title = "the same, beginning with a pack of other people and its trees"
        notes_of_packs.append("The linear model has the pack's prior, too. Nobody who is asked is in the pack.")
        tables.append(Table(title, columns, of_packs, notes_of_packs, plot=None))
    return Result("quality/trees", tables, {"bootstrap": SEED}, quick, skipped)


def _prior(name: str) -> Prior:
    from benchmarks.quality import leave_one_out

    return leave_one_out(name)


def _others(name: str, data: Path | None, *, quick: bool) -> list[Person]:
    """Give people of the same set whom the benchmark never asks."""
    root = Path() if name in PACKAGES else data_folder(data)
    asked = {log.user for log in load(name, root)}
    others = [log for log in load(name, root, every_user=True) if log.user not in asked and len(log.events) >= _ENOUGH]
    order = np.random.default_rng(SEED).permutation(len(others))[: 50 if quick else OTHERS[name]]
    uses = [(others[i].user, [e for e in others[i].events if is_choice(e, _SETTINGS)]) for i in order.tolist()]
    return [Person(user, [e.item_id for e in of], [e.at_us / 1e6 for e in of]) for user, of in uses]


def _prior_of(name: str, people: Sequence[Person]) -> tuple[Prior, str]:
    """Make a pack of them; give its prior and what it was made from."""
    start = _prior(name)
    # Of the factors, which speak of what is new, nothing is asked here.
    built = build(people, least_people=5, hyper=Hyper(n_factors=2, epochs=1), prior=start, trees=True)
    prior = Prior(built.arrays["w0"], built.arrays["P0"]) if "w0" in built.arrays else start
    told = f"{name}: a pack of {len(people):,} other people; {built.report['trees']} trees"
    if "trees_gain" in built.report:
        gain, low, high = built.report["trees_gain"]
        told += (
            f", NDCG@10 {gain:+.4f} [{low:+.4f}, {high:+.4f}] on {built.report['trees_people']:,} of them who did not "
            "teach those that were judged"
        )
    of_pack = Pack({**built.arrays, "w0": np.array(prior.w0), "P0": np.array(prior.covariance)}, {}).prior
    return of_pack or prior, told + "."


def _replayed(log: Log, core: Core) -> _Replayed:
    views = {which: _View(core, which) for which in _EVERY}
    outcomes = replay(log.events, views, scored=lambda index, _: bool(log.scored[index]))
    ranks = {which: [(o.index, o.rank) for o in found] for which, found in outcomes.items()}
    return _Replayed(ranks, core.n_asked, core.n_by_trees, [verdict.serves for verdict in core.verdicts])


def _rows(
    name: str,
    logs: Sequence[Log],
    found: Sequence[_Replayed],
    notes: list[str],
) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for who, kept in (("all", lambda _: True), ("held aside", lambda n: n % _ASIDE_STEP == 0)):
        some = [(log, one) for n, (log, one) in enumerate(zip(logs, found, strict=True)) if kept(n)]
        users = [log.user for log, one in some for _ in one.ranks[_LINEAR]]
        values = {
            which: ndcg_at_k(np.array([rank for _, one in some for _, rank in one.ranks[which]], np.int64), 10)
            for which in _EVERY
        }
        cells: list[float] = []
        for which in (_GATED, _ALWAYS):
            gain = bootstrap_difference(values[which], values[_LINEAR], users, seed=SEED)
            cells += [round(gain.mean, 5), round(gain.low, 5), round(gain.high, 5)]
        asked, served = sum(one.n_asked for _, one in some), sum(one.n_served for _, one in some)
        verdicts = [serves for _, one in some for serves in one.serves]
        means = [round(float(values[which].mean()), 4) for which in _EVERY]
        share = round(100.0 * served / max(asked, 1), 2)
        rows.append((f"{name}, {who}", len(users), *means, *cells, share, len(verdicts), sum(verdicts)))
    switched = sum(any(one.serves) for one in found)
    notes.append(f"{name}: own trees joined the score for {switched} of {len(logs)} people at some time.")
    return rows


def trees_speed(data: Path | None, *, quick: bool) -> Result:
    """Time scoring, a step of growing beside another thread that ranks, and a day's growing."""
    del data
    forest, fresh, booster = _made(quick=quick)
    of_pack = _made_for_a_pack(quick=quick)
    features = fresh()
    levels = levels_of(features)
    w = np.linspace(-1.0, 1.0, len(features))
    rows = np.ascontiguousarray(levels.T, np.float64)
    n = 20 if quick else 1_000
    calls: Mapping[str, Callable[[int], object]] = {
        "linear: w·x of ready features": lambda _: utilities(w, features),
        f"{forest.n_trees} trees, from ready features": lambda _: forest.of_features(features),
        f"{forest.n_trees} trees, LightGBM's Booster.predict": lambda _: booster.predict(
            rows, raw_score=True, num_threads=1
        ),
        "the linear model whole: what is gathered, features, w·x": lambda _: utilities(w, fresh()),
        "the same with the trees": lambda _: _both(w, forest, fresh()),
        f"the same with {of_pack.n_trees} trees of a pack": lambda _: _with_pack(w, of_pack, fresh()),
    }
    timings = in_turns([*calls.values()], n, warm_up=n // 10)
    base, times = timings[0].p50_us, [with_trees.p50_us / timings[3].p50_us for with_trees in timings[4:]]
    off = float(np.abs(booster.predict(rows, raw_score=True) - forest.scores(levels)).max())
    scoring = Table(
        "score 100 candidates",
        ("what", "p50 [µs]", "p99 [µs]", "ratio to w·x"),
        [(name, t.p50_us, t.p99_us, t.p50_us / base) for name, t in zip(calls, timings, strict=True)],
        [
            f"With trees the whole takes {times[0]:.2f} times as long as without; with a pack's {times[1]:.2f} times.",
            f"{n:,} rounds in turns. The two raw scores differ by {off:.1e} at most.",
        ],
        plot=None,
    )
    return Result("speed/trees", [scoring, *_lived(quick=quick)], {"world": WORLD_SEED}, quick, {})


def _both(w: NDArray[np.float64], forest: Forest, features: NDArray[np.float64]) -> NDArray[np.float64]:
    return utilities(w, features) + forest.of_features(features)


def _with_pack(w: NDArray[np.float64], forest: Forest, features: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = utilities(w, features)
    known, sizes = np.ones(len(linear), np.bool_), np.array([len(linear)])
    return linear + added(forest, standing(features, linear, known, sizes), known, sizes).scores


def _made_for_a_pack(*, quick: bool) -> Forest:
    """Grow as many trees as a pack has at most, on a made-up life."""
    life = [
        Event(round(float(str(event["at"])) * 1e6), f"{number:016x}", str(event["item_id"]), "play")
        for number, event in enumerate(happenings(400 if quick else 2_000, 120))
    ]
    grower = Grower(whole_lives([life], Prior.default()).window, None, OF_PACKS)
    trees = [tree for _ in range(MOST_TREES) if (tree := grower.grow()) is not None]
    return Forest.of(trees, n_leaves=MOST_LEAVES, n_features=N_STANDINGS)


def _made(*, quick: bool) -> tuple[Forest, Callable[[], NDArray[np.float64]], Any]:
    """Grow a full forest on a made-up life; give it, what computes the features of 100 candidates, and LightGBM's."""
    core = Core(Prior.default())
    for number, event in enumerate(happenings(400 if quick else 2_000, 120)):
        at_us = round(float(str(event["at"])) * 1e6)
        fold(core.state, Event(at_us, f"{number:016x}", str(event["item_id"]), "play", context=CONTEXT))
    lessons = core.state.lessons
    assert lessons is not None
    grower = Grower(lessons.window(max(0, lessons.n - stages.WINDOW), lessons.n), None)
    trees = [tree for _ in range(stages.MOST_TREES) if (tree := grower.grow()) is not None]
    b = core.state.behaviour
    question = ask(b, moment(at_us + 60_000_000, 0, CONTEXT))
    slots, trees_of_it = np.arange(1, 101), Forest.of(trees)
    booster = grower._booster  # noqa: SLF001 - LightGBM's own, to compare
    return trees_of_it, lambda: features_of(gather(b, [question], [slots])), booster


def _lived(*, quick: bool) -> list[Table]:
    n_items, n_events = (120, 600) if quick else (1_000, 100_000)
    with folder() as into, lived(into / "ours.db", n_items, n_events, settings=Settings(trees=True)) as rec:
        while rec.maintain(1.0) and not _is_growing(rec):
            pass
        candidates = [item_id(i * (n_items // 100)) for i in range(100)]
        moments = iter(range(10**9))

        def rank() -> float:
            time.sleep(0.001)  # a host does not rank all the time: what was in the cache is not there any more
            began = time.perf_counter()
            rec.rank(candidates, k=10, at=2_000_000_000.0 + next(moments), context=CONTEXT)
            return time.perf_counter() - began

        import lightgbm  # noqa: F401 - its loading, half a second once, is not a step

        idle = [rank() for _ in range(50 if quick else 3_000)]
        steps, beside = _beside(rec, rank)
        coming = list(happenings(_DAY if not quick else 150, n_items, first=n_events))
        cpu = [0.0, 0.0]
        for event in coming:
            cpu[0] -= time.process_time()
            rec.record(str(event["item_id"]), "play", at=float(str(event["at"])), context=CONTEXT)
            cpu[0] += time.process_time()
            cpu[1] -= time.process_time()
            while rec.maintain(_BUDGET_MS):
                pass
            cpu[1] += time.process_time()
        found = rec.stats().trees
    ratio = float(np.percentile(beside, 99) / np.percentile(idle, 99))
    table = Table(
        f"maintain({_BUDGET_MS:g}) that grows trees at {n_events:,} events, while another thread ranks",
        ("what", "n", "p50 [ms]", "p99 [ms]", "most [ms]"),
        [
            _row("a step of maintain", steps),
            _row("rank 100, idle", idle),
            _row("rank 100, beside it", beside),
        ],
        [f"The p99 of a ranking beside it is {ratio:.2f} times the idle one. LightGBM was loaded before."],
        plot=None,
    )
    day = Table(
        f"a day of {len(coming)} events at {n_events:,}, maintain after each",
        ("what", "CPU [s]"),
        [("record", round(cpu[0], 3)), ("maintain, with trees", round(cpu[1], 3))],
        [f"Bytes of trees in the file: {found.size_bytes:,}; newest stage {found.stage}." if found else "No trees."],
        plot=None,
    )
    return [table, day]


def _is_growing(rec: Recommender) -> bool:
    found = rec.stats().trees
    return found is not None and found.growing > 0


def _beside(rec: Recommender, rank: Callable[[], float]) -> tuple[list[float], list[float]]:
    """Let another thread take every step there is, and rank meanwhile: what each step and each ranking took."""
    steps: list[float] = []

    def maintain() -> None:
        more = True
        while more:
            began = time.perf_counter()
            more = rec.maintain(_BUDGET_MS)
            steps.append(time.perf_counter() - began)

    thread = threading.Thread(target=maintain)
    ranked = []
    thread.start()
    while thread.is_alive():
        ranked.append(rank())
    thread.join()
    return steps, ranked


def _row(name: str, seconds: Sequence[float]) -> tuple[str, int, float, float, float]:
    p50, p99, most = (np.percentile(seconds, q) * 1e3 for q in (50, 99, 100))
    return name, len(seconds), round(float(p50), 3), round(float(p99), 3), round(float(most), 3)
