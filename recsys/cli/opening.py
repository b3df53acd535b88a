"""Opens a file for a command: to read, so that nothing in it changes, or to change it.

The key of an encrypted file comes out of another file, which ``--key-file`` or ``RECSYS_KEY_FILE`` names: what stands
on a command line can be read by everyone on the machine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from recsys import InputError, Item, Recommender, Settings
from recsys.log import withheld

__all__ = ["opened", "titles_of"]


@contextmanager
def opened(path: Path, *, writes: bool = False) -> Iterator[Recommender]:
    """Open a file that exists.

    Without ``writes`` the recommender is paused before it closes: it then writes no checkpoint, which it would have
    learnt with other settings than the app that owns the file. Where the file has trees, they are looked at.
    """
    key = _key()
    settings = Settings(trees=withheld.has_stages(os.path.abspath(path), key))
    with Recommender(path, key=key, settings=settings) as recommender:
        try:
            yield recommender
        finally:
            if not writes:
                recommender.pause()


def _key() -> bytes | None:
    """The key that the person named a file of, 32 raw bytes or 64 hexadecimal digits; None without one."""
    path = click.get_current_context().find_root().params.get("key_file")
    if path is None:
        return None
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MOST_KEY_BYTES)
    except (OSError, ValueError):
        raise InputError("--key-file: the file cannot be read", field="key_file") from None
    if os.name != "nt" and stat.S_ISREG(mode) and mode & 0o077:
        raise InputError("--key-file: others may read or change the file: chmod 600 it", field="key_file")
    if len(content) == _RAW_BYTES:
        return content
    try:
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != _RAW_BYTES:
        raise InputError("--key-file: 32 bytes or 64 hexadecimal digits are needed in the file", field="key_file")
    return key


_RAW_BYTES = 32
_MOST_KEY_BYTES = 1024


def titles_of(recommender: Recommender) -> dict[str, str]:
    """Return the title of every item of the catalogue that has one. O(items)."""
    titles: dict[str, str] = {}

    def look(item: Item) -> bool:
        titles[item.id] = item.title
        return False

    recommender.recommend(1, where=look)
    return {item_id: title for item_id, title in titles.items() if title}
