"""A disk that is full: a small file system in memory, mounted for the occasion, and a file that fills it.

Only root may mount it; ``mounted`` gives the reason where it cannot.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILLING = "filling"


@contextmanager
def mounted(folder: Path, size_kb: int) -> Iterator[str | None]:
    """Mount a file system of that size on the folder for the block; or say why that cannot be done."""
    if os.name != "posix" or os.geteuid() != 0:
        yield "only root may mount a small file system"
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k,mode=0700", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        yield "there is no mount command"
        return
    if done.returncode:
        yield f"a small file system cannot be mounted: {done.stderr.strip()}"
        return
    try:
        yield None
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # lazily: a failing test may hold a file open


def fill(folder: Path) -> None:
    """Write until not a byte more fits."""
    with (folder / FILLING).open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break


def free(folder: Path) -> None:
    (folder / FILLING).unlink()
