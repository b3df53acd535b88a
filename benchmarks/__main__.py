"""Run the benchmarks: ``python -m benchmarks {quality|speed|all} [--only ID] [--quick]``.

Scenarios whose data set is not there are named and skipped.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.data import MissingDataError
from benchmarks.plot import write_plots
from benchmarks.report import Result, print_result, write_result

__all__ = ["GROUPS", "main"]

# Each module has SCENARIOS: id -> run(data, quick=...), where data is what --data gave.
GROUPS: Mapping[str, str] = {"quality": "benchmarks.quality", "speed": "benchmarks.speed"}
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
    skipped = []
    for name, run in wanted.items():
        try:
            result = run(options.data, quick=options.quick)
        except MissingDataError as missing:
            skipped.append(f"{name}: {missing}")
            print(f"\nskipped {skipped[-1]}", file=sys.stderr)
            continue
        print_result(result)
        if out is not None:
            write_result(result, out, options.date)
            _plot(result, out)
    if skipped:
        print(f"\n{len(skipped)} of {len(wanted)} scenarios skipped:", *skipped, sep="\n  ", file=sys.stderr)
    return 1 if len(skipped) == len(wanted) else 0


def _plot(result: Result, out: Path) -> None:
    try:
        write_plots(result, out)
    except ModuleNotFoundError:
        print(f"no plot of {result.id}: matplotlib is missing", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure recsys against its peers.")
    parser.add_argument("group", choices=[*GROUPS, "all"])
    parser.add_argument("--data", type=Path, help="folder of the data sets (else RECSYS_DATA, else ../shared/data)")
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="a scenario's id; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a small slice that shows that it runs; writes nothing")
    parser.add_argument("--out", type=Path, help="folder for JSON, Markdown and plots (default: benchmarks/results)")
    parser.add_argument("--date", help="written into the results as it is given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
