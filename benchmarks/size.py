"""What it weighs: installed bytes with all that is required, the time to import it, and the memory it stands in.

Peers are measured in the same run. What is installed is read from the records of the installed
distributions; times and memory come from fresh processes, in turns.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import as_event, first_of_each_library
from benchmarks.data import MissingDataError
from benchmarks.fresh import ROOT, fresh_processes, resident_mb
from benchmarks.lived import folder, past
from benchmarks.peers import PEERS
from benchmarks.report import Cell, Result, Table
from benchmarks.world import SEED, START_S, STEP_S, happenings, item_id
from recsys.evaluate.replay import LearnerModel, Model
from recsys.recommender import Recommender
from recsys.types import Event

__all__ = ["LIBRARIES", "REQUIRES", "SCENARIOS", "learn_small", "required", "wheel_bytes"]

OURS, EVENTS = "recsys", "the events alone"
IN_MEMORY, DURABLE = "recsys, in memory", "recsys, durable"
REQUIRES = ("numpy",)  # by recsys
_MB = 1e6
_MAKERS: Mapping[str, Callable[[], Model]] = {IN_MEMORY: LearnerModel}


class Library(NamedTuple):
    """What a peer comes in: the module that must be there, and the import that its users write."""

    module: str
    code: str


# By the name of the distribution.
LIBRARIES: Mapping[str, Library] = {
    "river": Library("river", "from river import linear_model"),
    "vowpalwabbit": Library("vowpalwabbit", "import vowpalwabbit"),
    "scikit-learn": Library("sklearn", "from sklearn.linear_model import SGDClassifier"),
    "lightgbm": Library("lightgbm", "import lightgbm"),
}


def installed(data: Path | None, *, quick: bool) -> Result:
    """Add up the bytes of the package and of each peer, alone and with everything that each requires."""
    del data
    if importlib.util.find_spec("packaging") is None:
        raise MissingDataError("the package packaging, which reads requirements, is missing")
    here, skipped = _libraries()
    package = sum(path.stat().st_size for path in (ROOT / "recsys").rglob("*") if _counts(path))
    whole = package + sum(map(_size_bytes, required(REQUIRES)))
    rows: list[tuple[Cell, ...]] = [(OURS, package / _MB, whole / _MB, 1.0, len(required(REQUIRES)) + 1)]
    for name in here:
        names = required([name])
        total = sum(map(_size_bytes, names))
        rows.append((name, _size_bytes(name) / _MB, total / _MB, total / whole, len(names)))
    try:
        rows.append(("recsys, as a wheel", wheel_bytes() / _MB, None, None, None))
    except MissingDataError as missing:
        skipped["recsys, as a wheel"] = str(missing)
    columns = ("what", "alone [MB]", "with all it requires [MB]", "ratio to recsys", "distributions")
    notes = [
        "Sizes of files as the installed distributions record them, without compiled bytecode and without extras.",
        f"recsys requires {', '.join(REQUIRES)}; to an app that has it already, it adds {package / _MB:.2f} MB.",
    ]
    return Result("size/installed", [Table("installed size", columns, rows, notes, plot=None)], {}, quick, skipped)


def imports(data: Path | None, *, quick: bool) -> Result:
    """Time the import of the package and of each peer, and weigh the process after it and after a small log."""
    del data
    here, skipped = _libraries()
    n, n_weighed = (1, 1) if quick else (20, 5)
    codes = {"numpy": "import numpy", OURS: "import recsys", **{name: LIBRARIES[name].code for name in here}}
    timings = dict(zip(codes, fresh_processes(list(codes.values()), n), strict=True))
    weights = _weighed(codes, n_weighed)
    numpy_us, ours_us = timings["numpy"].p50_us, timings[OURS].p50_us
    rows: list[tuple[Cell, ...]] = [
        (
            codes[name],
            *(timing.p50_us / 1000, timing.p99_us / 1000, timing.p50_us / numpy_us, timing.p50_us / ours_us),
            *(weights[name], weights[name] - weights["numpy"]),
        )
        for name, timing in timings.items()
    ]
    columns = ("import", "p50 [ms]", "p99 [ms]", "ratio to numpy", "ratio to recsys", "resident after it [MB]",
               "more than numpy [MB]")  # fmt: skip
    notes = [f"{n} fresh processes each, in turns, files in the cache; memory is the median of {n_weighed}."]
    tables = [Table("the import", columns, rows, notes, plot=None), _after_a_small_log(n_weighed, quick=quick)]
    return Result("size/import", tables, {"world": SEED}, quick, skipped)


SCENARIOS: Mapping[str, Callable[..., Result]] = {"size/installed": installed, "size/import": imports}


def required(names: Iterable[str]) -> list[str]:
    """Return these distributions and all that they require here, extras left out, by name."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needs = map(Requirement, importlib.metadata.requires(name) or ())
            waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return sorted(found)


def learn_small(name: str, path: Path, n_items: int, n_events: int) -> object:
    """Learn a small log and rank once, in this process; return what must stay in memory.

    ``name`` is that of a peer, ``EVENTS`` for nobody, or one of our own rows; the durable one opens the log at
    ``path``, which has learnt the same events.
    """
    model = _MAKERS[name]() if name in _MAKERS else PEERS[name].make() if name in PEERS else None
    for n, happening in enumerate(happenings(n_events, n_items)):
        event = as_event(happening, n)  # made by everyone, so that its making weighs on everyone
        if model is not None:
            model.learn(event)
    candidates = [item_id(n) for n in range(n_items)]
    at = START_S + n_events * STEP_S
    if name == DURABLE:
        rec = Recommender(path)
        return rec, rec.rank(candidates, at=at)
    return model, None if model is None else model.scores(Event(at * 1_000_000, "", ""), candidates)


def _after_a_small_log(n: int, *, quick: bool) -> Table:
    n_items, n_events = (20, 60) if quick else (200, 2_000)
    first, _ = first_of_each_library()
    names = [EVENTS, IN_MEMORY, DURABLE, *first.values()]
    with folder() as into:
        path = into / "log.db"
        path.write_bytes(past(n_items, n_events).read_bytes())
        called = "from pathlib import Path; from benchmarks.size import learn_small; "
        codes = {
            name: f"{called}kept = learn_small({name!r}, Path({str(path)!r}), {n_items}, {n_events})" for name in names
        }
        weights = _weighed(codes, n)
    ours = weights[IN_MEMORY] - weights[EVENTS]
    more = {name: mb - weights[EVENTS] for name, mb in weights.items()}
    rows: list[tuple[Cell, ...]] = [
        (name, mb, more[name], more[name] / ours if ours > 0 and name != EVENTS else None)
        for name, mb in weights.items()
    ]
    columns = ("model", "resident [MB]", "more than without a model [MB]", f"ratio to {IN_MEMORY}")
    notes = [
        f"Resident after {n_events:,} events of {n_items:,} items and one ranking; median of {n} fresh processes.",
        "Every process holds Python, NumPy and the replay's own modules; the first row is one without a model.",
    ]
    return Table("memory after a small log", columns, rows, notes, plot=None)


def _libraries() -> tuple[list[str], dict[str, str]]:
    missing = [name for name, library in LIBRARIES.items() if importlib.util.find_spec(library.module) is None]
    return [name for name in LIBRARIES if name not in missing], dict.fromkeys(missing, "it is not installed")


def _weighed(codes: Mapping[str, str], n: int) -> dict[str, float]:
    """Return the resident megabytes after each piece of code, medians of n processes in turns."""
    runs = [{name: resident_mb(code) for name, code in codes.items()} for _ in range(n)]
    return {name: statistics.median(run[name] for run in runs) for name in codes}


def _counts(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def _size_bytes(name: str) -> int:
    files = importlib.metadata.files(name) or []
    return sum(path.stat().st_size for path in {Path(str(file.locate())) for file in files} if _counts(path))


def wheel_bytes() -> int:
    """Build the wheel of this checkout and return its size.

    Raises
    ------
    MissingDataError
        When what builds it is not installed.
    """
    if importlib.util.find_spec("build") is None or importlib.util.find_spec("hatchling") is None:
        raise MissingDataError("the packages build and hatchling are missing")
    with folder() as into:
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(into), str(ROOT)]
        subprocess.run(command, check=True, capture_output=True)
        (path,) = into.glob("*.whl")
        return path.stat().st_size
