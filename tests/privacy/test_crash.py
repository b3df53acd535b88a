"""Killed at a write, or with others on the file: what was handed out was charged, and never more than the budget.

A child releases one aggregate after the other and prints each as it has it. It is killed at some of its writes to the
file (with strace, where there is one) or at a seeded moment; then the file is compared with what was printed.
``scripts/epsilon`` kills it at every write.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from recsys import Recommender, Settings
from recsys.privacy import Aggregate

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(synchronous="normal", busy_timeout_ms=20_000)
BUDGET = Fraction(5, 7)
COST = Fraction(1, 7)
N_POINTS = 5  # kills at writes in the suite
CHANGES = ("pwrite64", "pwritev", "write", "fsync", "fdatasync", "ftruncate", "unlink")

CHILD = """
import sys
from fractions import Fraction
from recsys import BudgetError, Recommender, Settings
from recsys.privacy import Aggregate, query
path, name, n, early = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "early"
say = lambda payload: print(payload.decode(), flush=True)
if early:  # the planted fault: bytes are out before their charge is on the disk
    drawn = query.Query.payload
    query.Query.payload = lambda *arguments: [say(payload := drawn(*arguments)), payload][1]
rec = Recommender(path, settings=Settings(synchronous="normal", busy_timeout_ms=20_000))
aggregate = Aggregate(rec, tags=["a", "b"], budget=Fraction(5, 7))
print("ready", flush=True)
sys.stdin.readline()
for number in range(n):
    try:
        payload = aggregate.release(kinds=[f"{name}-{number}"], epsilon=Fraction(1, 7))
    except BudgetError:
        print("over", flush=True)
        continue
    if not early:
        say(payload)
rec.close()
print("done", flush=True)
"""


def fresh(folder: Path) -> Path:
    path = folder / "me.db"
    with Recommender(path, settings=SETTINGS) as rec:
        rec.add([{"id": "x", "tags": ["a"]}, {"id": "y", "tags": ["b"]}])
        rec.record_many([{"item_id": "xy"[n % 2], "at": 1_700_000_000 + n} for n in range(20)])
    return path


def command(path: Path, name: str = "k", *, n: int = 3, early: bool = False) -> list[str]:
    return [sys.executable, "-c", CHILD, str(path), name, str(n), "early" if early else "late"]


def faults(path: Path, said: list[str]) -> list[str]:
    """What is wrong with a file, after payloads from it were printed."""
    found = []
    given = [line for line in said if line.startswith("{") and line.endswith("}")]
    with Recommender(path, settings=SETTINGS) as rec:
        aggregate = Aggregate(rec, tags=["a", "b"], budget=BUDGET)
        charges = aggregate.history()
        if aggregate.spent() > BUDGET:
            found.append("more was charged than the budget")
        if aggregate.spent() != COST * len(charges) or len({charge.query for charge in charges}) != len(charges):
            found.append("the charges are not those of the draws")
        if not {line.encode() for line in given} <= {charge.payload for charge in charges}:
            found.append("something was handed out that was not charged")
        else:
            again = [aggregate.release(kinds=json.loads(line)["query"]["kinds"], epsilon=COST) for line in given]
            if again != [line.encode() for line in given]:
                found.append("another draw was made of what was handed out")
        found += [finding.what for finding in rec.check() if finding.severity != "ok"]
    return sorted(set(found))


# -- killed -------------------------------------------------------------------------


@cache
def no_strace() -> str:
    """Why no system call can be stopped here; empty when it can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False, timeout=60)
    return "" if tried.returncode == 0 else "this system does not let strace trace"


Call = tuple[str, int]  # a system call's name, and which one of that name it is, from 1


def traced(path: Path, log: Path, *, kill_at: Call | None = None, early: bool = False) -> tuple[list[str], list[Call]]:
    """Run the child, killed before one of its calls that change the log's files; its lines, and all those calls."""
    options = ["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={','.join(CHANGES)}"]
    for side in ("", "-wal", "-shm"):
        options += ["-P", f"{path}{side}"]
    if kill_at is not None:
        options += ["-e", f"inject={kill_at[0]}:signal=SIGKILL:when={kill_at[1]}"]
    done = subprocess.run(
        [*options, *command(path, early=early)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        input="\n",
        timeout=120,
    )
    if kill_at is None:
        assert done.returncode == 0, done.stderr
    names = re.findall(rf"\b({'|'.join(CHANGES)})\(", log.read_text())
    return done.stdout.splitlines(), [(name, names[: n + 1].count(name)) for n, name in enumerate(names)]


def points(calls: list[Call], most: int | None) -> list[Call]:
    """Which calls to be killed at: all, or a seeded few with the first and the last among them."""
    if most is None or len(calls) <= most:
        return calls
    chosen = {0, *random.Random(4).sample(range(1, len(calls) - 1), most - 2), len(calls) - 1}
    return [calls[n] for n in sorted(chosen)]


def sweep(folder: Path, most: int | None, *, early: bool = False) -> Iterator[tuple[list[str], list[str]]]:
    """What the child had said, and what is wrong with the file, for each of the calls at which it was killed."""
    folder.mkdir()
    _, calls = traced(fresh(folder), folder / "calls", early=early)
    for number, kill_at in enumerate(points(calls, most)):
        place = folder / str(number)
        place.mkdir()
        path = fresh(place)
        said, _ = traced(path, place / "calls", kill_at=kill_at, early=early)
        yield said, faults(path, said)


def test_killed_at_a_write_nothing_was_handed_out_that_was_not_charged(tmp_path: Path) -> None:
    """D2."""
    if no_strace():
        pytest.skip(no_strace())
    deaths = list(sweep(tmp_path / "sweep", N_POINTS))
    assert [found for _, found in deaths] == [[]] * N_POINTS
    assert not any("done" in said for said, _ in deaths)
    assert len({len(said) for said, _ in deaths}) > 2


def test_a_release_handed_out_before_its_charge_is_found_at_some_write(tmp_path: Path) -> None:
    if no_strace():
        pytest.skip(no_strace())
    found = [found for _, found in sweep(tmp_path / "sweep", N_POINTS, early=True)]
    assert ["something was handed out that was not charged"] in found


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_any_moment_nothing_was_handed_out_that_was_not_charged(tmp_path: Path) -> None:
    """D2: one file, one budget, several lives."""
    path, said = fresh(tmp_path), list[str]()
    for seed in range(4):
        with subprocess.Popen(
            command(path, f"life{seed}", n=50), cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert child.stdout.readline() == "ready\n"
            child.stdin.write("\n")
            child.stdin.flush()
            time.sleep(random.Random(seed).uniform(0.0, 0.01))
            child.send_signal(signal.SIGKILL)
            said += child.stdout.read().splitlines()
        assert child.returncode == -signal.SIGKILL
        assert faults(path, said) == []


def test_what_was_handed_out_and_is_not_in_the_ledger_is_found(tmp_path: Path) -> None:
    path = fresh(tmp_path)
    with Recommender(path, settings=SETTINGS) as rec:
        payload = Aggregate(rec, tags=["a", "b"], budget=BUDGET).release(epsilon=COST, kinds=["k-0"]).decode()
    assert faults(path, [payload]) == []
    assert faults(path, [payload.replace("k-0", "k-1")]) == ["something was handed out that was not charged"]


# -- at once --------------------------------------------------------------------------


def together(path: Path, n_processes: int, n_each: int) -> Iterator[list[str]]:
    """What several children on one file say, that begin to release at the same moment."""
    children = [
        subprocess.Popen(
            command(path, f"p{number}", n=n_each), cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for number in range(n_processes)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        with child:
            yield child.stdout.read().splitlines()
        assert child.returncode == 0


def test_processes_at_once_share_one_budget(tmp_path: Path) -> None:
    """D2: three that each could spend it alone spend exactly it together."""
    path = fresh(tmp_path)
    said = [line for lines in together(path, 3, 4) for line in lines]
    assert said.count("done") == 3
    assert sum(line.startswith("{") for line in said) == 5
    assert said.count("over") == 3 * 4 - 5
    assert faults(path, said) == []


def test_processes_at_once_get_one_draw_of_one_query(tmp_path: Path) -> None:
    """D2: whoever comes second is given what the first has drawn."""
    path = fresh(tmp_path)
    with Recommender(path, settings=SETTINGS) as rec, Recommender(path, settings=SETTINGS) as other:
        here, there = (Aggregate(one, tags=["a", "b"], budget=BUDGET) for one in (rec, other))
        payloads = [
            (here.preview(kinds=[kind], epsilon=COST), there.release(kinds=[kind], epsilon=COST)) for kind in "abc"
        ]
        assert all(ours == theirs for ours, theirs in payloads)
        assert here.spent() == there.spent() == 3 * COST
