"""Opens a file for a command: to read, so that nothing in it changes, or to change it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys import Item, Recommender

__all__ = ["opened", "titles_of"]


@contextmanager
def opened(path: Path, *, writes: bool = False) -> Iterator[Recommender]:
    """Open a file that exists.

    Without ``writes`` the recommender is paused before it closes: it then writes no checkpoint, which it would have
    learnt with other settings than the app that owns the file.
    """
    with Recommender(path) as recommender:
        try:
            yield recommender
        finally:
            if not writes:
                recommender.pause()


def titles_of(recommender: Recommender) -> dict[str, str]:
    """Return the title of every item of the catalogue that has one. O(items)."""
    titles: dict[str, str] = {}

    def look(item: Item) -> bool:
        titles[item.id] = item.title
        return False

    recommender.recommend(1, where=look)
    return {item_id: title for item_id, title in titles.items() if title}
