"""Run Python inside a seccomp filter that kills whatever reaches for a network.

``python -m tests.wall.sealed -m pytest ...``: the arguments are Python's own. The filter is loaded into a forked child,
which then executes the interpreter anew; every process that it starts inherits the filter, native code included, and
nothing can take it off. A process that makes one of the calls in ``KILLING`` dies on the spot with SIGSYS, and the
exit status says so (159).

With ``--or-say-why`` first, a machine without seccomp runs the same unsealed, after one line with the reason.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from tests.wall.outside import MARK, named_user

__all__ = ["KILLING", "SEALED_TO_DEATH", "USAGE", "main", "seal", "why_not"]

KILLING: Final[Mapping[str, str]] = {
    "socket": "every way out begins with one, AF_UNIX to a daemon of the host included",
    "socketpair": "a way between processes; nothing that we run needs one",
    "connect": "for sockets made before the filter, or inherited",
    "bind": "the same",
    "listen": "the same",
    "accept": "the same",
    "accept4": "the same",
    "sendto": "the same; datagrams need no connect",
    "sendmsg": "the same; hands over open files too",
    "sendmmsg": "the same",
    "recvfrom": "the same; what comes in can be an order",
    "recvmsg": "the same; takes over open files too",
    "recvmmsg": "the same",
    "shutdown": "the same",
    "setsockopt": "the same",
    "io_uring_setup": "does all of the above without a system call of that name",
    "io_uring_enter": "the same, on a ring that was inherited",
    "io_uring_register": "the same",
    "ptrace": "makes another process, outside the filter, do it",
    "process_vm_writev": "the same",
    "pidfd_getfd": "takes an open socket out of another process",
    "mq_open": "a queue that another process reads",
    "msgget": "the same",
}
"""System calls that end the process that makes them, each with the reason."""

USAGE: Final = "usage: python -m tests.wall.sealed [--or-say-why] ARGUMENT... (Python's own)"

SEALED_TO_DEATH: Final = 128 + int(getattr(signal, "SIGSYS", 31))


def why_not() -> str | None:
    """Return why nothing can be sealed here, or None when it can."""
    if not sys.platform.startswith("linux"):
        return "not sealed: seccomp is a part of Linux"
    try:
        import pyseccomp
    except ImportError:
        return "not sealed: pyseccomp is not installed (the `dev` extra)"
    except (OSError, RuntimeError):
        return "not sealed: libseccomp is not on this machine"
    unknown = [name for name in KILLING if _number(pyseccomp, name) is None]
    if unknown:
        return f"not sealed: this libseccomp does not know {', '.join(unknown)}"
    return None if _is_let() else "not sealed: this machine does not let a process put a filter on itself"


def seal() -> None:
    """Put the filter on this process and on all that it will ever start."""
    import pyseccomp

    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    # The same kernel has other doors with other numbers: 32-bit calls, x32.
    rules.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    for name in KILLING:
        rules.add_rule(pyseccomp.KILL_PROCESS, name)
    rules.load()


def main(arguments: Sequence[str]) -> int:
    """Run Python with these arguments inside the filter; returns its exit status."""
    lenient = arguments[:1] == ["--or-say-why"]
    if not arguments[lenient:]:
        print(USAGE, file=sys.stderr, flush=True)
        return 2
    command = [sys.executable, *arguments[lenient:]]
    reason = why_not()
    if reason:
        print(reason, file=sys.stderr, flush=True)
        if not lenient:
            return 2
        os.execv(command[0], command)  # noqa: S606 - Python itself
    print("sealed: seccomp", file=sys.stderr, flush=True)
    status = _run_sealed(command)
    if status == SEALED_TO_DEATH:
        print(
            "killed by the seal: it made a network call. pytest's -v names the test, strace the call.", file=sys.stderr
        )
    return status


@cache
def _is_let() -> bool:
    """Whether a filter can be loaded, tried in another process; some sandboxes refuse it."""
    trial = [sys.executable, "-c", "from tests.wall.sealed import seal; seal()"]
    return subprocess.run(trial, check=False, capture_output=True, cwd=Path(__file__).parents[2]).returncode == 0


def _run_sealed(command: list[str]) -> int:
    child = os.fork()
    if child == 0:
        try:
            seal()
            os.execve(command[0], command, {**named_user(), MARK: "1"})  # noqa: S606 - the same
        finally:
            os._exit(126)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child has its own, and the same terminal
    try:
        ended = os.waitpid(child, 0)[1]
    finally:
        signal.signal(signal.SIGINT, before)
    return 128 + os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)


def _number(pyseccomp: object, name: str) -> int | None:
    try:
        number: int = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)  # type: ignore[attr-defined]
    except (OSError, ValueError):
        return None
    return number if number >= 0 else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
