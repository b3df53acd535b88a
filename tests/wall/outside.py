"""The tests that cannot run within a wall, because they build one or break one; each with its reason.

Inside the seal or under strace they are skipped, and the reason says so; a plain ``pytest`` runs them all, and
``.ci/run`` runs them by ``scripts/wall --outside`` before it runs the others inside the seal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["MARK", "OUTSIDE", "named_user", "reason_outside", "standing_guard"]

MARK: Final = "RECSYS_SEALED"  # set by the seal, since a container may have a filter of its own

_LEAKS: Final = "plants leaks, which the wall would stop or count"
_TRACES: Final = "traces a process, and one that is traced or sealed cannot"

OUTSIDE: Final[Mapping[str, str]] = {
    "tests/adapters/test_c.py::test_rust": "starts cargo, which speaks to the compiler by sockets of this machine",
    "tests/adapters/test_node.py": "starts a compiler from Node, which speaks to its children by sockets",
    "tests/adapters/test_jvm.py": "starts a JVM, which asks a daemon of this machine for the user's name, by a socket",
    "tests/wall/test_sealed.py": _LEAKS,
    "tests/wall/test_strace.py": _TRACES,
    "tests/wall/test_the_wall.py": _TRACES,
    "tests/benchmarks/test_peers_quiet.py::test_training": _TRACES,
    "tests/benchmarks/test_peers_quiet.py::test_a_planted_socket": _TRACES,
    "tests/crash/test_kill_sweep.py": _TRACES,
    "tests/crash/test_power_loss.py": _TRACES,
    "tests/crash/test_rekey_kill.py": _TRACES,
    "tests/crash/test_storage_errors.py": _TRACES,
    "tests/crash/test_syscalls.py": _TRACES,
    "tests/privacy/test_crash.py": _TRACES,
    "tests/publish/test_cluster.py": "speaks to worker processes of its own, by sockets of this machine",
}
"""The beginning of a test's id, with the reason."""


def standing_guard() -> str | None:
    """Return what this process is inside of: ``"the seal"``, ``"strace"``, or None."""
    try:
        with Path("/proc/self/status").open(encoding="utf-8", errors="replace") as lines:
            status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    except OSError:
        return None
    if MARK in os.environ and status.get("Seccomp") == "2":
        return "the seal"
    return "strace" if status.get("TracerPid", "0") != "0" else None


def reason_outside(test_id: str, guard: str | None) -> str | None:
    """Return why the test of this id is not run inside the guard, or None when it is."""
    reasons = (reason for start, reason in OUTSIDE.items() if test_id.startswith(start))
    reason = next(reasons, None)
    return f"not inside {guard}: it {reason} (scripts/wall --outside)" if guard and reason else None


def named_user() -> dict[str, str]:
    """Return the environment with a name for the user in it.

    Without one getpass, and so pytest's folder for temporary files, asks the C library, and that asks a daemon over
    a socket.
    """
    return {"LOGNAME": f"uid{os.getuid()}", **os.environ}
