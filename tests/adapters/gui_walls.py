"""The example apps within walls: what the tests of Qt and of Tk share."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from recsys.testing import assert_forgotten, find_traces
from tests.wall import strace

__all__ = ["check_life", "displayed_only", "no_network"]

ROOT = Path(__file__).parents[2]


def no_network() -> list[str]:
    """What to put before a command so that it has no network at all; skips where that is not allowed."""
    words = ["unshare", "-rn"]
    try:
        tried = subprocess.run([*words, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("unshare: not installed")
    if tried.returncode != 0:
        pytest.skip("this machine does not let a process leave the network")
    return words


def check_life(host: str, before: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
    """Live :mod:`tests.adapters.films_life` behind a wall; what it forgot was on disk before, and is nowhere after."""
    (folder / "own").mkdir()
    words = [
        sys.executable,
        "-m",
        "tests.adapters.films_life",
        host,
        str(folder / "own" / "me.db"),
        str(folder / "copy"),
    ]
    done = subprocess.run(
        [*before, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
        env={**os.environ, **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    uid, said = done.stdout.splitlines()
    assert said == "Forgotten: 1 event, erased"
    assert find_traces(folder / "copy", [uid])
    assert_forgotten(folder / "own", [uid])


def displayed_only(host: str, folder: Path, env: Mapping[str, str] | None = None) -> int:
    """Live it under strace: every network call is one to a display's own socket. Gives how many displays those are."""
    if strace.why_not():
        pytest.skip(str(strace.why_not()))
    trace = folder / "trace"
    calls = "trace=socket,connect,bind,sendto,sendmsg,?io_uring_setup"
    check_life(host, ["strace", "-f", "-qq", "-yy", "-e", calls, "-e", "signal=none", "-o", str(trace)], folder, env)
    lines = [line for line in trace.read_text(encoding="utf-8").splitlines() if "(" in line]
    assert [line for line in lines if "UNIX" not in line] == []
    reached = {path for line in lines for path in re.findall(r'connect\(.*sun_path=@?"([^"]*)"', line)}
    strangers = {path for path in reached if not re.fullmatch(r"/tmp/\.X11-unix/X\d+", path)}  # noqa: S108 - the folder is X's own
    assert strangers <= {"/var/run/nscd/socket"}  # the C library asks there for the name of a user
    return len(reached - strangers)
