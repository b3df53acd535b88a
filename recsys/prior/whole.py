"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], content: bytes) -> int:
    """Write a file beside its place, and then give it its name; returns the size in bytes.

    Raises
    ------
    OSError
        When that cannot be done; then nothing is left of it, and what had the name before is as it was.
    """
    beside = Path(path).with_name(f".{Path(path).name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:  # noqa: PTH123 (new, or not at all)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    return len(content)
