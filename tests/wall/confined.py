"""Run Python so that it can write below one folder and nowhere else: ``python -m tests.wall.confined FOLDER -m ...``.

Landlock, a part of Linux since 5.13 that needs no rights: whatever the process and all that it starts try to
write, make, move or take away outside the folder is refused with EACCES, in native code too. Reading is free.
Where the kernel can (from 6.7), TCP is refused as well. Exit status 125 when it cannot confine.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["CANNOT", "USAGE", "abi", "confine", "main", "why_not"]

CANNOT: Final = 125
USAGE: Final = (
    "usage: python -m tests.wall.confined FOLDER ARGUMENT... (a folder that exists, then Python's own arguments)"
)
_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every machine
_PATH_BENEATH: Final = 1
_NO_NEW_PRIVS: Final = 38

# The version of Landlock that first has it, the bit, and what it allows. All of them are refused outside the folder.
_WRITES: Final[Mapping[str, tuple[int, int]]] = {
    "write to a file": (1, 1 << 1),
    "remove a folder": (1, 1 << 4),
    "remove a file": (1, 1 << 5),
    "make a character device": (1, 1 << 6),
    "make a folder": (1, 1 << 7),
    "make a file": (1, 1 << 8),
    "make a socket": (1, 1 << 9),
    "make a pipe": (1, 1 << 10),
    "make a block device": (1, 1 << 11),
    "make a symbolic link": (1, 1 << 12),
    "move or link to another folder": (2, 1 << 13),
    "truncate": (3, 1 << 14),
}
_TCP: Final = (4, 0b11)  # bind and connect


def abi() -> int:
    """Return the version of Landlock that this kernel has; 0 when it has none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(_syscall(_CREATE, None, 0, 1), 0)


def why_not() -> str | None:
    """Return why nothing can be confined here, or None when it can."""
    # The third version was the first that also refuses to truncate.
    return (
        None
        if abi() >= 3
        else f"not confined: Landlock is not in this kernel, or older than its third version ({abi()})"
    )


def confine(folder: str | os.PathLike[str]) -> None:
    """Let this process, and all that it will ever start, write below `folder` alone."""
    version = abi()
    writes = sum(bit for since, bit in _WRITES.values() if version >= since)
    tcp = _TCP[1] if version >= _TCP[0] else 0
    rules = struct.pack("=QQ", writes, tcp) if tcp else struct.pack("=Q", writes)
    ruleset = _checked(_syscall(_CREATE, rules, len(rules), 0))
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _checked(_syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", writes, place), 0))
        _checked(ctypes.CDLL(None, use_errno=True).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(place)
        os.close(ruleset)


def main(arguments: Sequence[str]) -> int:
    """Run Python with all but the first of these arguments, confined to the folder that the first names."""
    if len(arguments) < 2 or not Path(arguments[0]).is_dir():
        print(USAGE, file=sys.stderr, flush=True)
        return 2
    reason = why_not()
    if reason:
        print(reason, file=sys.stderr, flush=True)
        return CANNOT
    confine(arguments[0])
    return os.execv(sys.executable, [sys.executable, "-B", *arguments[1:]])  # noqa: S606 - Python itself


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    as_words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result: int = call(ctypes.c_long(number), *as_words)
    return result


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock refused")
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
