"""What a call costs through each adapter over the same call in Python: ``python -m tests.adapters.overhead``.

The call is a batch of no calls: what is left is the way there and back. Every host is started anew each round, in turn
with Python, and the least of all rounds counts. It prints a table, in which is also what the bridge costs for a real
ranking, and what each adapter adds to an app's size.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.adapters.hosts import ADAPTERS, ROOT, environment, lacking, run

ROUNDS: Final = 7
CALLS: Final = 30_000
PYTHON: Final = """
import json, sys, time
from recsys.bridge import call
calls, payload, best = int(sys.argv[1]), b'{"calls":[]}', 1e9
for _ in range(3):
    started = time.perf_counter()
    for _ in range(calls):
        call("batch", payload)
    best = min(best, (time.perf_counter() - started) / calls * 1e6)
print(json.dumps({"name": "Python", "us": best}))

from recsys import Recommender
ids = [f"item{n}" for n in range(50)]
handle = json.loads(call("open", b'{"path":":memory:"}'))["result"]
rec = Recommender(":memory:")
for n in range(200):
    rec.record(ids[n * n % 50], at=1.7e9 + n * 3600)
    call("record", json.dumps({"handle": handle, "item_id": ids[n * n % 50], "at": 1.7e9 + n * 3600}).encode())
asked = json.dumps({"handle": handle, "item_ids": ids, "k": 10, "at": 1.701e9}).encode()
worded = json.dumps({"handle": handle, "item_ids": ids, "k": 10, "at": 1.701e9, "reasons": 2}).encode()
for name, work in (
    ("rank 50, the method", lambda: rec.rank(ids, k=10, at=1.701e9)),
    ("rank 50, the bridge", lambda: call("rank", asked)),
    ("rank 50, the bridge, two reasons an item", lambda: call("rank", worded)),
):
    best = 1e9
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(200):
            work()
        best = min(best, (time.perf_counter() - started) / 200 * 1e6)
    print(json.dumps({"name": name, "us": best}))
"""

Host = tuple[list[str], dict[str, str]]


def _hosts(python: Path, folder: Path, calls: int) -> Iterator[Host]:
    """Build each adapter that can be built here; give its command and environment."""
    yield [str(python), "-c", PYTHON, str(calls)], {}
    builds = {
        ("make", "cc", "c++"): ["make", "-s", "-C", ADAPTERS / "c", f"BUILD={folder}/c", "all"],
        ("node", "cc"): ["node", ADAPTERS / "node" / "build.js"],
        ("make", "cc", "javac"): ["make", "-s", "-C", ADAPTERS / "jvm", f"BUILD={folder}/jvm", "library", "tests"],
    }
    node = {
        "RECSYS_PYTHON": str(python),
        "RECSYS_ADDON": f"{folder}/recsys.node",
        "RECSYS_LIB": f"{folder}/c/librecsys.so",
    }
    jvm = [f"-Drecsys.library={folder}/jvm/librecsys_jni.so", "-cp", f"{folder}/jvm/recsys.jar:{folder}/jvm/tests"]
    commands: list[Host] = [
        ([f"{folder}/c/overhead", str(python), "3", str(calls)], {}),
        (["node", str(ADAPTERS / "node" / "bench" / "overhead.js"), "3", str(calls)], node),
        (["java", *jvm, "recsys.Overhead", str(python), "3", str(calls)], {}),
    ]
    for (programs, build), command in zip(builds.items(), commands, strict=True):
        reason = lacking(*programs)
        made = None if reason else run([*build, f"PYTHON={python}"], env=node)
        if reason or (made is not None and made.returncode != 0):
            print(f"left out: {command[0][0]}: {reason or (made and made.stderr.strip())}", file=sys.stderr)
        else:
            yield command


def _timed(hosts: list[Host], rounds: int) -> dict[str, float]:
    """The least microseconds of every kind of call."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for command, more in hosts:
            env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **more}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=ROOT)
            for line in filter(lambda line: line.startswith("{"), done.stdout.splitlines()):
                told = json.loads(line)
                best[told["name"]] = min(best.get(told["name"], 1e9), told["us"])
    return best


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    """What an app ships, in bytes: the adapters, and what they all stand on."""
    for name in ("c/librecsys.so", "recsys.node", "jvm/librecsys_jni.so", "jvm/recsys.jar"):
        if (folder / name).exists():
            yield name, (folder / name).stat().st_size
    import numpy as np

    libpython = Path(sysconfig.get_config_var("LIBDIR")) / sysconfig.get_config_var("LDLIBRARY")
    yield "libpython", libpython.stat().st_size if libpython.exists() else 0
    numpy = Path(np.__file__).parent
    for name, tree in (("numpy", numpy), ("numpy.libs", numpy.with_name("numpy.libs")), ("recsys", ROOT / "recsys")):
        yield name, sum(one.stat().st_size for one in tree.rglob("*") if one.is_file() and one.suffix != ".pyc")
    skipped = {"site-packages", "test", "idlelib", "tkinter", "ensurepip", "__pycache__", "turtledemo"}
    library = Path(sysconfig.get_path("stdlib"))
    files = (one for one in library.rglob("*") if one.is_file() and not skipped & {*one.relative_to(library).parts})
    yield "standard library", sum(one.stat().st_size for one in files if one.suffix != ".a")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--calls", type=int, default=CALLS)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="overhead-"))
    try:
        hosts = list(_hosts(environment(folder / "venv"), folder, options.calls))
        best = _timed(hosts, options.rounds)
        print("| call | µs | over Python |\n|---|---|---|")
        for name, us in best.items():
            base = best["rank 50, the method" if name.startswith("rank") else "Python"]
            print(f"| {name} | {us:.2f} | {us - base:+.2f} |")
        print("\n| part of an app | kB |\n|---|---|")
        for name, size in _sizes(folder):
            print(f"| {name} | {size / 1000:,.0f} |")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    _main()
