"""What strace saw: the network calls of a program and of all that it starts, and the files that they wrote.

An independent witness beside the seal: it counts instead of killing, and its list of calls is strace's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.wall.outside import named_user, standing_guard

__all__ = ["FILES", "NETWORK", "Traced", "network_calls", "traced", "why_not", "written"]

NETWORK: Final = "%network,?io_uring_setup,?io_uring_enter,?io_uring_register,?pidfd_getfd"
FILES: Final = "%file"

_CALL: Final = re.compile(r"^(?:\d+ +)?(\w+)\((.*)")
_TEXT: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WRITING: Final = re.compile(r"\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b")
# Of %file, the calls that change the tree or what is in it; open and openat when they are asked to.
_CHANGING_NAMES: Final = (
    "creat chmod chown fchmodat fchmodat2 fchownat futimesat lchown link linkat lremovexattr lsetxattr mkdir mkdirat "
    "mknod mknodat mount removexattr rename renameat renameat2 rmdir setxattr symlink symlinkat truncate unlink "
    "unlinkat utime utimensat utimes"
)
_CHANGING: Final = frozenset(_CHANGING_NAMES.split())


class Traced(NamedTuple):
    """How a traced program ended, what it printed, and the lines of its calls."""

    status: int
    output: str
    lines: list[str]


def why_not() -> str | None:
    """Return why nothing can be traced here, or None when it can."""
    guard = standing_guard()
    if guard:
        return f"not traced: inside {guard} already"
    if shutil.which("strace") is None:
        return "not traced: strace is not installed"
    tried = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False
    )
    return None if tried.returncode == 0 else "not traced: strace is not allowed here, or older than 5.3"


def traced(arguments: Sequence[str], calls: str, *, cwd: Path | None = None, show: bool = False) -> Traced:
    """Run Python with these arguments under strace; `show` lets it print as it goes."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "calls"
        strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "4096", "-e", f"trace={calls}", "-e", "signal=none"]
        command = [*strace, "-o", str(log), sys.executable, *arguments]
        done = subprocess.run(
            command,
            stdout=None if show else subprocess.PIPE,
            stderr=None if show else subprocess.STDOUT,
            text=True,
            check=False,
            cwd=cwd,
            env=named_user(),
        )
        return Traced(
            done.returncode, done.stdout or "", log.read_text(encoding="utf-8", errors="replace").splitlines()
        )


def network_calls(lines: Sequence[str], names: Container[str] | None = None) -> list[str]:
    """Return the lines that are calls, of these names if any are given.

    A call that was interrupted by another process's has two lines and is returned once.
    """
    calls = ((_CALL.match(line), line) for line in lines)
    return [line for call, line in calls if call and (names is None or call.group(1) in names)]


def written(lines: Sequence[str], cwd: Path) -> list[Path]:
    """Return every path that was opened for writing, made, moved, changed or taken away, whether or not that succeeded.

    Relative paths are taken from `cwd`; a call relative to an open folder (``unlinkat(5, "x")``) cannot be placed
    and is given as a path below ``/unknown folder``.
    """
    return [path for line in lines for path in _written_by(line, cwd)]


def _written_by(line: str, cwd: Path) -> Iterator[Path]:
    call = _CALL.match(line)
    if not call:
        return
    name, rest = call.groups()
    if name not in _CHANGING and not (name in ("open", "openat", "openat2") and _WRITING.search(_TEXT.sub("", rest))):
        return
    paths = _TEXT.findall(rest)
    if name.startswith("symlink"):
        paths = paths[1:]  # what a link says is not a file
    for text in paths[:2]:
        path = text.encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
        relative = not path.startswith("/")
        base = (
            cwd if not relative or "at(" not in name + "(" or rest.startswith("AT_FDCWD") else Path("/unknown folder")
        )
        yield Path(os.path.normpath(base / path))
