"""Raise processes quickly: one that has everything imported forks a child for each life.

The child says on its standard output what it is about to do and what it has done, so that a tracer sees these
lines between the system calls on the file. It waits for a line on its standard input before it begins.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class End(NamedTuple):
    """What a child said, and how it ended: the number of the signal that killed it, or minus its exit code."""

    said: list[list[Any]]
    killed_by: int


class Nursery:
    """A process that raises one child at a time.

    ``raised(job)`` starts one and gives its id; ``begin()`` lets it begin; ``end()`` waits for its end.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.crash.nursery"]
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }  # a fork takes one thread along
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.heard()

    def close(self) -> None:
        """Let it end."""
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def raised(self, **job: Any) -> int:
        """Raise a child for a job; its process id. It waits to begin."""
        self.tell(job)
        line = self.heard()
        while line[0] == "before":
            line = self.heard()
        assert line[0] == "ready", line
        return int(line[1])

    def begin(self) -> None:
        """Let the child begin, or go on where it waits."""
        self.tell("go")

    def end(self) -> End:
        """Wait for the child's end."""
        said = []
        while (line := self.heard())[0] != "ended":
            said.append(line)
        return End(said, line[1])

    def until(self, word: str) -> list[list[Any]]:
        """What the child says up to a line that begins with the word, or until it breaks."""
        said = [self.heard()]
        while said[-1][0] not in (word, "broke"):
            said.append(self.heard())
        return said

    def scan(self, folder: Path, needles: set[bytes]) -> list[str]:
        """Where a needle is, in any file of the folder. Read by this process: SQLite's locks belong to another one."""
        self.tell({"scan": str(folder), "needles": sorted(needle.hex() for needle in needles)})
        return list(self.heard()[1:])

    def tell(self, what: object) -> None:
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def heard(self) -> list[Any]:
        line = self.process.stdout.readline()
        assert line, "the nursery has ended"
        return list(json.loads(line))


def say(*what: object) -> None:
    """Say one line, in one system call."""
    os.write(1, json.dumps(what).encode() + b"\n")


def _lines() -> Iterator[Any]:
    """Lines of standard input, read byte by byte: none is taken from the child that reads the next."""
    line = b""
    while byte := os.read(0, 1):
        line += byte
        if byte == b"\n":
            yield json.loads(line)
            line = b""


def _serve() -> None:
    from tests.crash import lives

    say("open")
    lines = _lines()
    for job in lines:
        if "scan" in job:
            say("found", *found_in(Path(job["scan"]), [bytes.fromhex(needle) for needle in job["needles"]]))
            continue
        lives.warmed(job)
        child = os.fork()
        if not child:
            try:
                lives.live(job, lambda: next(lines))
            except BaseException as error:
                say("broke", f"{type(error).__name__}: {error}")
                raise
            finally:
                os._exit(3)
        status = os.waitpid(child, 0)[1]
        say("ended", os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status))


def found_in(folder: Path, needles: list[bytes]) -> list[str]:
    """Name the files in which a needle is, with the kind of needle."""
    found = []
    for path in sorted(folder.iterdir()):
        with suppress(FileNotFoundError):
            content = path.read_bytes()
            found += [f"{path.name}: {needle!r}" for needle in needles if needle in content]
    return found


if __name__ == "__main__":
    _serve()
