"""A damaged log is set aside, never deleted on its own account; but what is forgotten takes it along.

Its bytes cannot be searched for single events any more, so the next ``forget`` deletes it whole.
"""

from __future__ import annotations

import os
from pathlib import Path

from recsys.errors import StoreError
from recsys.log.connection import is_open
from recsys.log.failure import translated
from recsys.log.opening import path_of

__all__ = ["destroy", "set_aside"]

_MARK = "-aside-"
_WITH_IT = ("", "-wal", "-journal")
_SIDES = tuple(side.removeprefix("-") for side in _WITH_IT)


def set_aside(path: str | os.PathLike[str]) -> str:
    """Move a log that cannot be opened out of the way, so that a new one may begin at its path.

    The file keeps its content under another name beside it, mode 0600, for whoever can mend it. The next ``forget``
    of a recommender at the path deletes it: it may hold what is to be forgotten.

    Parameters
    ----------
    path : str or os.PathLike
        Of the log. Nobody may have it open.

    Returns
    -------
    str
        Where it is now.

    Raises
    ------
    InputError
        When it is not a usable path.
    StoreError
        When there is no regular file at the path, when it is open in this process, or when it cannot be renamed.

    Stability: provisional
    """
    log = path_of(path)
    if Path(log).is_symlink() or not Path(log).is_file():
        raise StoreError("there is no regular file at the path")
    if is_open(log):
        raise StoreError("the file is open in this process: close it first")
    number = 1
    while any(os.path.lexists(f"{log}{_MARK}{number}{side}") for side in _WITH_IT):
        number += 1
    target = f"{log}{_MARK}{number}"
    try:
        for side in reversed(_WITH_IT):  # the log itself last: cut short before, it can be set aside again
            if not side or os.path.lexists(log + side):
                Path(log + side).rename(target + side)
                Path(target + side).chmod(0o600)
        Path(log + "-shm").unlink(missing_ok=True)
    except OSError as error:
        raise translated(error) from None
    return target


def destroy(path: str) -> int:
    """Delete every file that was set aside from a path; how many logs there were. What cannot be deleted raises.

    Stability: provisional
    """
    log, n = Path(path), 0
    try:
        for entry in sorted(log.parent.iterdir()):
            number, _, side = entry.name.removeprefix(log.name + _MARK).partition("-")
            is_ours = entry.name.startswith(log.name + _MARK) and number.isdecimal() and side in _SIDES
            if is_ours and not entry.is_dir() and not is_open(str(entry)):
                n += not side
                entry.unlink()
    except OSError as error:
        raise translated(error) from None
    return n
