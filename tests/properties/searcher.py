"""Another process that looks into the files of a folder, for texts and numbers that must not be there.

A file that SQLite has open must not be opened and closed in this process: its locks would be dropped. So one child
reads them, of any number of searches; and copies them, as a killed process would leave them.

What is looked for are *needles*: bytes, eight at least. A search takes every window of eight bytes of a file and looks
which needles begin with it, so thousands of needles cost little more than one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

__all__ = ["SHORTEST", "Searched", "Searcher", "present"]

SHORTEST: Final = 8  # bytes of a needle


class Searched(NamedTuple):
    """What a search found, and how much it read."""

    found: list[tuple[bytes, str]]  # needle, name of the file
    n_files: int
    size_bytes: int


class Searcher:
    """The child. It reads what is in a folder, whoever has it open.

    Every call waits for its answer.
    """

    def __init__(self) -> None:
        # -I: no folder of ours is on the child's path; it needs NumPy and nothing of recsys.
        command = [sys.executable, "-I", str(Path(__file__))]
        self._process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self) -> None:
        """Let the child end."""
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def search(self, folder: Path, needles: Collection[bytes]) -> Searched:
        """Find the needles in all files below the folder."""
        listed = list(needles)
        found, n_files, size_bytes = self._ask("search", str(folder), [needle.hex() for needle in listed])
        return Searched([(listed[number], name) for number, name in found], n_files, size_bytes)

    def copy(self, folder: Path, to: Path) -> None:
        """Copy the files as they are at this moment, which is what is left when the process that has them open dies."""
        self._ask("copy", str(folder), str(to))

    def _ask(self, *words: object) -> list[object]:
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def present(data: bytes, needles: Sequence[bytes]) -> list[int]:
    """Give the numbers of the needles that are in the data, in ascending order; all have SHORTEST bytes at least."""
    assert all(len(needle) >= SHORTEST for needle in needles)
    if len(data) < SHORTEST or not needles:
        return []
    begins = np.array([int.from_bytes(needle[:SHORTEST], "little") for needle in needles], np.uint64)
    known = np.unique(begins)
    seen: set[int] = set()
    for shift in range(SHORTEST):
        windows = np.frombuffer(data, "<u8", (len(data) - shift) // SHORTEST, shift)
        at = np.minimum(np.searchsorted(known, windows), len(known) - 1)
        seen.update(windows[known[at] == windows].tolist())
    return [n for n, (begin, needle) in enumerate(zip(begins.tolist(), needles, strict=True))
            if begin in seen and needle in data]  # fmt: skip


def _serve() -> None:
    for line in sys.stdin:
        what, folder, asked = json.loads(line)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        if what == "copy":
            Path(asked).mkdir(parents=True)
            for path in files:
                (Path(asked) / path.name).write_bytes(path.read_bytes())
            answer: list[object] = []
        else:
            needles = [bytes.fromhex(needle) for needle in asked]
            contents = [(path.name, path.read_bytes()) for path in files]
            found = [(number, name) for name, data in contents for number in present(data, needles)]
            answer = [found, len(contents), sum(len(data) for _, data in contents)]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
