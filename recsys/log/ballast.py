"""A file beside the log that only takes up space, so that forgetting works when the disk is full.

To write a log anew takes as much space as the log has, for a moment. The ballast holds it ready: when there
is no other, it is given up for it, and made again afterwards. It has no content.
"""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["SIDE", "give", "keep"]

SIDE = "-ballast"

_LEAST = 1 << 17  # bytes: the deleting transaction itself, and the log's tables when they are nearly empty
_FLAGS = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def keep(path: str) -> None:
    """Have the ballast be as large as writing the log anew takes; when it cannot be, go without.

    Parameters
    ----------
    path : str
        Of the log, absolute.

    Cost: two look-ups; when it grows, the file system reserves blocks and writes no content where it can.

    Stability: provisional
    """
    with suppress(OSError):
        size = os.lstat(path).st_size + _size(path + "-wal")  # what is in the WAL will be in the file
        wanted = size + size // 16 + _LEAST
        have = _size(path + SIDE)
        if wanted <= have <= 4 * wanted:
            return
        wanted += wanted // 4  # so that it need not grow again soon
        descriptor = os.open(path + SIDE, _FLAGS, 0o600)
        try:
            if have > wanted:
                os.truncate(descriptor, wanted)
            else:
                _reserve(descriptor, have, wanted)
        except OSError:
            os.truncate(descriptor, have)  # some file systems keep what they could get, which would be all there is
            raise
        finally:
            os.close(descriptor)


def give(path: str) -> bool:
    """Give the ballast up; whether there was any.

    Stability: provisional
    """
    if not _size(path + SIDE):
        return False
    try:
        os.unlink(path + SIDE)  # noqa: PTH108 - pathlib is slow to import
    except OSError:
        return False
    return True


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _reserve(descriptor: int, have: int, wanted: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, have, wanted - have)
        return
    os.lseek(descriptor, have, os.SEEK_SET)
    while have < wanted:
        have += os.write(descriptor, bytes(min(1 << 16, wanted - have)))
