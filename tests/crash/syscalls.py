"""The system calls of a running process: record them with their data, or make the n-th of a kind fail or kill.

``strace`` does the work, attached to a child of the nursery. ``why_not`` says why it cannot, where it cannot.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.crash.nursery import End, Nursery

# The calls that change a file, its size or its name, and those that make such a change last.
CHANGING: Final = (
    *("write", "pwrite64", "pwritev", "writev", "ftruncate", "truncate", "fallocate"),
    *("fsync", "fdatasync", "unlink", "unlinkat", "rename", "renameat", "renameat2"),
)
CREATING: Final = ("openat", "open", "creat")
# The first argument is PTRACE_TRACEME.
_TRACE_ME: Final = "import ctypes, os; os._exit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) != 0)"


class Call(NamedTuple):
    """One system call: its name, the file it was on, its data, and where it wrote or how long the file became.

    A line that the child said is a call ``"said"`` with the line as its data.
    """

    name: str
    path: str = ""
    data: bytes = b""
    number: int = 0
    other: str = ""
    ok: bool = True


@functools.cache
def why_not() -> str | None:
    """Why no process can be traced here; None when one can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    status = subprocess.run([sys.executable, "-I", "-c", _TRACE_ME], check=False).returncode
    if status:
        return "a seccomp filter kills what calls ptrace" if status < 0 else "ptrace is not allowed"
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        tracer = subprocess.Popen(["strace", "-o", os.devnull, "-p", str(sleeper.pid)], stderr=subprocess.PIPE)
        attached = b"attached" in tracer.stderr.readline()
        tracer.terminate()
        tracer.communicate()
    finally:
        sleeper.kill()
        sleeper.wait()
    return None if attached else "a process may not be traced by one beside it"


class Tracer:
    """A running strace, attached to one process until that ends or ``leave`` is called."""

    def __init__(self, pid: int, *options: str, out: str | Path = os.devnull) -> None:
        command = ["strace", "-f", "-o", str(out), *options, "-p", str(pid)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stderr.readline()
        if "attached" not in line:
            self.leave()
            raise OSError(f"strace could not attach: {line}")

    def leave(self) -> None:
        """Let the process go on untraced."""
        self.process.send_signal(signal.SIGINT)
        self.wait()

    def wait(self) -> None:
        """Wait until the process has ended."""
        self.process.communicate(timeout=60)


def traced(names: Iterable[str]) -> tuple[str, str]:
    """The option to look at these calls, whichever of them this machine has."""
    return ("-e", "trace=" + ",".join(f"?{name}" for name in names))


def recorded(nursery: Nursery, out: Path, **job: object) -> tuple[End, list[Call]]:
    """Let a child live undisturbed; what it said, and the calls on the files of its folder, with its lines between."""
    pid = nursery.raised(**job)
    options = ("-y", "-xx", "-s", str(1 << 24), *traced([*CHANGING, *CREATING]))
    tracer = Tracer(pid, *options, out=out)
    nursery.begin()
    end = nursery.end()
    tracer.wait()
    folder = str(Path(str(job["path"])).parent)
    return end, list(calls_in(out.read_text(), folder))


_LINE: Final = re.compile(r"(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|\?)")
_PART: Final = re.compile(r'(-?\w+)<((?:\\x..|[^>\\])*)>(?:\(deleted\))?|"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?|([\w|]+)')


def calls_in(text: str, folder: str) -> Iterator[Call]:
    """Read strace's output: calls on files in the folder, or on it, and what was said on standard output."""
    for line in text.splitlines():
        found = _LINE.match(line)
        if not found:
            assert "(" not in line or "+++" in line or "---" in line, f"not understood: {line[:200]}"
            continue
        name, words, result = found.groups()
        parts = [_part(part) for part in _PART.finditer(words)]
        call = _call(name, parts, result)
        if call is not None and (call.name == "said" or _inside(call.path, folder)):
            yield call


def _part(part: re.Match[str]) -> tuple[str, bytes]:
    descriptor, path, text, cut, word = part.groups()
    assert not cut, "strace cut a string short"
    if descriptor is not None:
        return ("fd " + descriptor, _bytes(path))
    return ("text", _bytes(text)) if text is not None else ("word", word.encode())


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()


def _call(name: str, parts: list[tuple[str, bytes]], result: str) -> Call | None:
    """One call; None when it changes nothing. Where it has a descriptor, the file's path comes with that."""
    ok = result.isdigit()
    kind, first = parts[0]
    path = first.decode(errors="replace")
    texts = [text.decode(errors="replace") for what, text in parts if what == "text"]
    numbers = [int(text) for what, text in parts if what == "word" and text.isdigit()]
    call: Call | None
    if name == "write" and kind == "fd 1":
        call = Call("said", data=parts[1][1])
    elif name in ("write", "pwrite64"):
        call = Call(name, path, parts[1][1], numbers[1] if name == "pwrite64" else -1, ok=ok)
    elif name in ("ftruncate", "truncate"):
        call = Call("ftruncate", path, number=numbers[0], ok=ok)
    elif name in ("fsync", "fdatasync", "unlink"):
        call = Call(name, path, ok=ok)
    elif name == "fallocate":
        call = Call(name, path, number=sum(numbers[-2:]), ok=ok)
    elif name in ("rename", "renameat", "renameat2"):
        call = Call("rename", texts[0], other=texts[1], ok=ok)
    elif name == "unlinkat":
        call = Call("unlink", texts[0], ok=ok)
    else:
        assert name in CREATING, f"a call that is not understood: {name}"
        flags = b"|".join(text for what, text in parts if what == "word")
        call = Call("create", texts[0], ok=ok, other="truncate" if b"O_TRUNC" in flags else "")
        call = call if b"O_CREAT" in flags else None
    return call


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")
