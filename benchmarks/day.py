"""What one typical day costs: processor time, bytes written, memory, and an estimate of the energy.

The same day (events, rankings, a call of ``maintain`` every minute) is lived by each contender in a
fresh process of its own, in turns: the recommender, the bare log that is the least an app would
keep, and a peer each of scikit-learn and LightGBM with that log beside it, because they keep none.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.contenders import as_event, first_of_each_library
from benchmarks.fresh import printed
from benchmarks.lived import CONTEXT, folder, past
from benchmarks.peers import PEERS
from benchmarks.report import Cell, Result, Table
from benchmarks.world import SEED, BareLog, Happening, happenings, item_id
from recsys.evaluate.replay import Model
from recsys.recommender import Recommender

__all__ = ["SCENARIOS", "Plan", "live"]

OURS, BARE = "recsys", "sqlite3 log alone"
# One core of a phone at full load: AnandTech measured 1,812 mW above idle on a Cortex-A73 of the Kirin 960
# (HiSilicon Kirin 960: performance and power, 2017).
WATTS = 1.8
PEER_LIBRARIES = ("sklearn", "lightgbm")
PARTS = ("record", "rank", "maintain")
_MB = 1e6

_NOTES = (
    "Starting Python is not counted; opening and closing the file is.",
    f"Energy is an estimate: CPU seconds here times {WATTS} W, AnandTech's figure for one loaded phone core (2017).",
    "Peers keep their models in memory alone, and the bare log beside them; learning earlier days is not counted.",
)

Cost = dict[str, float | None]  # what was spent, by name and unit; None where the system does not say


@dataclass(frozen=True, slots=True)
class Plan:
    """One day: so many minutes, events and rankings, after so many earlier events at the same pace."""

    n_minutes: int = 1_440
    n_events: int = 500
    n_rankings: int = 200
    n_candidates: int = 1_000
    n_items: int = 1_000
    n_earlier: int = 10_000

    @property
    def step_s(self) -> float:
        """The seconds between two events."""
        return 60.0 * self.n_minutes / self.n_events


class Contender(Protocol):
    """What lives a day."""

    def record(self, event: Happening, n: int) -> None: ...
    def rank(self, candidates: Sequence[str], event: Happening) -> object: ...
    def maintain(self) -> object: ...
    def close(self) -> None: ...


class Ours:
    """The recommender: durable, learnt from at once, maintained every minute."""

    def __init__(self, path: Path) -> None:
        self._rec = Recommender(path)

    def record(self, event: Happening, n: int) -> None:
        del n
        self._rec.record(str(event["item_id"]), "play", at=float(str(event["at"])), context=CONTEXT)

    def rank(self, candidates: Sequence[str], event: Happening) -> object:
        return self._rec.rank(candidates, k=10, at=float(str(event["at"])), context=CONTEXT)

    def maintain(self) -> object:
        return self._rec.maintain()

    def close(self) -> None:
        self._rec.close()


class Bare:
    """A log that is only kept, and a model beside it, if any."""

    def __init__(self, path: Path, model: Model | None) -> None:
        self._log = BareLog(path, synchronous="full")
        self._model = model

    def record(self, event: Happening, n: int) -> None:
        self._log.insert(n)
        if self._model is not None:
            self._model.learn(as_event(event, n))

    def rank(self, candidates: Sequence[str], event: Happening) -> object:
        return None if self._model is None else self._model.scores(as_event(event, 0), candidates)

    def maintain(self) -> object:
        return None

    def close(self) -> None:
        self._log.close()


def typical_day(data: Path | None, *, quick: bool) -> Result:
    """Let every contender live the day in turns, each time in a fresh process, and show its median run."""
    del data
    plan = Plan(24, 24, 6, 50, 50, 100) if quick else Plan()
    rounds = 1 if quick else 3
    names, skipped = _contenders()
    lived: dict[str, list[Cost]] = {name: [] for name in names}
    with folder() as into:
        for _ in range(rounds):
            for n, name in enumerate(names):
                lived[name].append(_in_fresh_process(name, plan, into / f"{n}.db"))
    medians = {name: sorted(runs, key=lambda run: run["cpu_s"] or 0.0)[len(runs) // 2] for name, runs in lived.items()}
    if any(run["written_mb"] is None for run in medians.values()):
        skipped["bytes written"] = "there is no /proc/self/io here"
    tables = [_costs(medians, plan, rounds), _parts(medians)]
    return Result("speed/typical-day", tables, {"world": SEED}, quick, skipped)


SCENARIOS: Mapping[str, Callable[..., Result]] = {"speed/typical-day": typical_day}


def live(name: str, plan: Plan, path: Path) -> Cost:
    """Live the day in this process; return what it cost.

    Learning the earlier events, and a last ranking then, come before: a peer's refits of earlier
    days do not count, nor does the recommender's earlier learning; opening and closing its file does.
    """
    model = None if name in {OURS, BARE} else PEERS[name].make()
    if model is not None:
        for n, event in enumerate(happenings(plan.n_earlier, plan.n_items, step_s=plan.step_s)):
            model.learn(as_event(event, n))
    candidates = [item_id(n) for n in range(plan.n_candidates)]
    if model is not None:  # what is refitted once a day was refitted yesterday
        model.scores(as_event(event, 0), candidates)
    coming = list(happenings(plan.n_events, plan.n_items, first=plan.n_earlier, step_s=plan.step_s))
    meter = _Meter(path)
    contender: Contender = Ours(path) if name == OURS else Bare(path, model)
    n_recorded = n_ranked = 0
    for minute in range(1, plan.n_minutes + 1):
        while n_recorded * plan.n_minutes < minute * plan.n_events:
            meter.spend("record", contender.record, coming[n_recorded], plan.n_earlier + n_recorded)
            n_recorded += 1
        while n_ranked * plan.n_minutes < minute * plan.n_rankings:
            meter.spend("rank", contender.rank, candidates, coming[n_recorded - 1])
            n_ranked += 1
        meter.spend("maintain", contender.maintain)
    contender.close()
    assert (n_recorded, n_ranked) == (plan.n_events, plan.n_rankings)
    return meter.read()


class _Meter:
    """Reads what this process spent since the meter was made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts_s = dict.fromkeys(PARTS, 0.0)
        self._io, self._size_bytes = _io(), _size_bytes(path)
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()

    def spend(self, part: str, call: Callable[..., object], *arguments: object) -> None:
        began = time.process_time()
        call(*arguments)
        self._parts_s[part] += time.process_time() - began

    def read(self) -> Cost:
        cost: Cost = {"cpu_s": time.process_time() - self._cpu_s, "wall_s": time.perf_counter() - self._wall_s}
        cost |= self._parts_s
        io = _io()
        for name, counter in (("written_mb", "write_bytes"), ("handed_mb", "wchar")):
            cost[name] = (io[counter] - self._io[counter]) / _MB if io and self._io else None
        return cost | {"grown_mb": (_size_bytes(self._path) - self._size_bytes) / _MB, "peak_mb": _peak_mb()}


def _contenders() -> tuple[list[str], dict[str, str]]:
    """Return the names of ours, the bare log and a peer of each library; and of what is missing, why."""
    first, missing = first_of_each_library()
    beside = {library: first[library] for library in PEER_LIBRARIES if library in first}
    return [OURS, BARE, *beside.values()], missing


def _in_fresh_process(name: str, plan: Plan, path: Path) -> Cost:
    """Lay out the earlier days at ``path`` and live the day there, in another process."""
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    if name == OURS:
        shutil.copy(past(plan.n_items, plan.n_earlier, plan.step_s), path)
    else:
        bare = BareLog(path, synchronous="full")
        bare.fill(plan.n_earlier)
        bare.close()
    script = f"import json; from pathlib import Path; from benchmarks.day import Plan, live; plan = {plan!r}; "
    cost: Cost = json.loads(printed(f"{script}print(json.dumps(live({name!r}, plan, Path({str(path)!r}))))"))
    return cost


def _costs(medians: Mapping[str, Cost], plan: Plan, n_rounds: int) -> Table:
    columns = ("what", "CPU [s]", "ratio to recsys", "wall [s]", "energy, estimated [J]", "written to disk [MB]",
               "handed to the system [MB]", "files grew [MB]", "peak resident [MB]")  # fmt: skip
    ours_s = medians[OURS]["cpu_s"]
    rows: list[tuple[Cell, ...]] = []
    for name, cost in medians.items():
        cpu_s = cost["cpu_s"]
        assert cpu_s is not None
        assert ours_s is not None
        figures = (cost[column] for column in ("written_mb", "handed_mb", "grown_mb", "peak_mb"))
        rows.append((_shown(name), cpu_s, cpu_s / ours_s, cost["wall_s"], cpu_s * WATTS, *figures))
    title = f"a day of {plan.n_events:,} events, {plan.n_rankings:,} rankings of {plan.n_candidates:,} candidates and "
    title += f"{plan.n_minutes:,} calls of maintain, after {plan.n_earlier:,} events"
    notes = [
        f"Median by CPU time of {n_rounds} days lived in turns, each in a fresh process; synchronous full.",
        *_NOTES,
    ]
    return Table(title, columns, rows, notes, plot=None)


def _parts(medians: Mapping[str, Cost]) -> Table:
    rows: list[tuple[Cell, ...]] = [(_shown(name), *(cost[part] for part in PARTS)) for name, cost in medians.items()]
    return Table("of that, CPU seconds by what was asked", ("what", *(f"{p} [s]" for p in PARTS)), rows, plot=None)


def _shown(name: str) -> str:
    return name if name in {OURS, BARE} else f"{name}, and that log"


def _size_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def _io() -> dict[str, int] | None:
    """Return this process's counters: handed to the system (wchar), and to be written to a disk (write_bytes)."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return {name: int(count) for name, count in (line.split(": ") for line in lines)}


def _peak_mb() -> float:
    """Return the most that ever stood in RAM; the system's own counter would take over the parent's peak on Linux."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 / _MB for line in lines if line.startswith("VmHWM"))
    except OSError:
        import resource

        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / _MB
