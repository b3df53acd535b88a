"""Run the benchmarks: ``python -m benchmarks {quality|speed|privacy|size|all} [--only ID] [--quick]``.

A scenario whose data set or packages are not there is named and skipped; a peer that is not there
is named in the result. Both are summed up at the end.

Exit codes: 0 when anything ran, 1 when every scenario was skipped, 2 on a wrong argument.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.data import MissingDataError
from benchmarks.pages import PAGE, refresh
from benchmarks.plot import write_plots
from benchmarks.report import Result, print_result, write_result

__all__ = ["GROUPS", "main"]

# Each module has SCENARIOS: id -> run(data, quick=..., jobs=...), where data is what --data gave;
# a scenario that times its work runs in one process and takes no jobs, and what --jobs leaves out is its own choice.
GROUPS: Mapping[str, str] = {
    "quality": "benchmarks.quality",
    "speed": "benchmarks.speed",
    "privacy": "benchmarks.privacy",
    "size": "benchmarks.size",
}
RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; return 0 if anything ran, 1 if all was skipped, 2 on a wrong argument."""
    options = _parser().parse_args(arguments)
    groups = list(GROUPS) if options.group == "all" else [options.group]
    scenarios = {
        name: run for group in groups for name, run in importlib.import_module(GROUPS[group]).SCENARIOS.items()
    }
    unknown = [name for name in options.only if name not in scenarios]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are: {', '.join(scenarios)}", file=sys.stderr)
        return 2
    wanted = {name: run for name, run in scenarios.items() if not options.only or name in options.only}
    return _run(wanted, options)


def _run(wanted: Mapping[str, Callable[..., Result]], options: argparse.Namespace) -> int:
    out = options.out or (None if options.quick else RESULTS)
    start_s = time.perf_counter()
    skipped: dict[str, str] = {}
    absent: dict[str, str] = {}
    for n, (name, run) in enumerate(wanted.items(), start=1):
        _say(f"[{n}/{len(wanted)}] {name}, {time.perf_counter() - start_s:.0f} s so far")
        try:
            result = run(options.data, **_choices(run, options))
        except MissingDataError as missing:
            skipped[name] = str(missing)
            _say(f"skipped {name}: {missing}")
            continue
        absent |= {f"{name}: {what}": reason for what, reason in result.skipped.items()}
        print_result(result)
        if out is not None:
            write_result(result, out, options.date, _plots(result, out))
    if out == RESULTS:
        refresh(PAGE, RESULTS)
    _say(f"{len(wanted) - len(skipped)} of {len(wanted)} scenarios in {time.perf_counter() - start_s:.0f} s")
    _sum_up("scenarios skipped", skipped)
    _sum_up("left out of what ran", absent)
    return 1 if len(skipped) == len(wanted) else 0


def _choices(run: Callable[..., Result], options: argparse.Namespace) -> dict[str, object]:
    given: dict[str, object] = {"quick": options.quick}
    if options.jobs is not None and "jobs" in inspect.signature(run).parameters:
        given["jobs"] = options.jobs
    return given


def _plots(result: Result, out: Path) -> dict[int, Path]:
    try:
        return write_plots(result, out)
    except ModuleNotFoundError:
        _say(f"no plot of {result.id}: matplotlib is missing")
        return {}


def _sum_up(what: str, reasons: Mapping[str, str]) -> None:
    if reasons:
        _say("\n  ".join([f"{len(reasons)} {what}:", *(f"{name}: {reason}" for name, reason in reasons.items())]))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure recsys against its peers.")
    parser.add_argument("group", choices=[*GROUPS, "all"])
    parser.add_argument("--data", type=Path, help="folder of the data sets (else RECSYS_DATA, else ../shared/data)")
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="a scenario's id; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a small slice that shows that it runs; writes nothing")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes, for scenarios that time nothing (default: theirs)"
    )
    parser.add_argument("--out", type=Path, help="folder for JSON, Markdown and plots (default: benchmarks/results)")
    parser.add_argument("--date", help="written into the results as it is given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
