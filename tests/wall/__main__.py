"""Run tests plainly, inside the seal and under strace, and say what each wall costs: ``python -m tests.wall``.

The plain run comes first and is what the others are measured by. ``--quick`` takes a small selection,
``--outside`` runs only the tests that cannot run within a wall; other arguments are pytest's. Exit status 1 when a
run failed or strace saw a network call.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.wall import sealed, strace
from tests.wall.outside import OUTSIDE, named_user

__all__ = ["QUICK", "main"]

ROOT: Final = Path(__file__).parents[2]
QUICK: Final = ("tests/wall/test_session.py", "tests/learn/test_moment.py")
_SHOWN_CALLS: Final = 20


class Run(NamedTuple):
    """How one run ended, how long it took, and what was found."""

    name: str
    status: int
    seconds: float
    finding: str


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say; returns the exit status."""
    words = list(arguments)
    if "--outside" in words:
        words.remove("--outside")
        files = {start.partition("::")[0] for start in OUTSIDE} | {"tests/wall"}
        return _pytest(["-m", "pytest", *words, *sorted(files)])[0]
    if "--quick" in words:
        words[words.index("--quick") : words.index("--quick") + 1] = QUICK
    # The same tests in each run: those that stay outside the walls are left out of the plain one too.
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"--deselect={start}" for start in OUTSIDE), *words]
    ways: dict[str, tuple[str | None, Callable[[list[str]], tuple[int, str]]]] = {
        "plain": (None, _pytest),
        "sealed (seccomp)": (sealed.why_not(), lambda tests: _pytest(["-m", "tests.wall.sealed", *tests])),
        "traced (strace)": (strace.why_not(), _traced),
    }
    runs = []
    for name, (reason, way) in ways.items():
        print(f"\n== {name}{': ' + reason if reason else ''}", flush=True)
        if not reason:
            started = time.perf_counter()
            status, finding = way(tests)
            runs.append(Run(name, status, time.perf_counter() - started, finding))
    return _report(runs)


def _pytest(arguments: list[str]) -> tuple[int, str]:
    return subprocess.run([sys.executable, *arguments], check=False, cwd=ROOT, env=named_user()).returncode, ""


def _traced(arguments: list[str]) -> tuple[int, str]:
    seen = strace.traced(arguments, strace.NETWORK, cwd=ROOT, show=True)
    calls = strace.network_calls(seen.lines)
    for line in calls[:_SHOWN_CALLS]:
        print(f"network call: {line}")
    return seen.status or int(bool(calls)), f"network calls: {len(calls)}"


def _report(runs: Sequence[Run]) -> int:
    print(f"\n{'run':<20}{'seconds':>9}{'to plain':>9}  result")
    for run in runs:
        result = "passed" if run.status == 0 else f"FAILED ({run.status})"
        ratio = run.seconds / runs[0].seconds
        print(f"{run.name:<20}{run.seconds:>9.1f}{ratio:>9.2f}  {', '.join(filter(None, (result, run.finding)))}")
    return int(any(run.status for run in runs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
