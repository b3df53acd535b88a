"""Commits that reach the disk, whatever the host chose for the others; and commits of caches, which need not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recsys.log.connection import Writer

__all__ = ["fleeting", "lasting", "transaction"]


@contextmanager
def lasting(writer: Writer) -> Iterator[None]:
    """Let every commit inside the block survive a power cut. Under the writer's lock, not inside a transaction.

    Stability: provisional
    """
    with _at(writer, "FULL"):
        yield


@contextmanager
def fleeting(writer: Writer) -> Iterator[None]:
    """See ``Store.fleeting``."""
    with writer.lock, _at(writer, "NORMAL"), writer:
        yield


@contextmanager
def _at(writer: Writer, wanted: str) -> Iterator[None]:
    level = writer.maintain(lambda: writer.cursor.execute("PRAGMA synchronous").fetchone()[0])
    writer.maintain(lambda: writer.cursor.execute(f"PRAGMA synchronous = {wanted}"))
    try:
        yield
    finally:
        if not writer.closed:
            writer.maintain(lambda: writer.cursor.execute(f"PRAGMA synchronous = {level}"))


@contextmanager
def transaction(writer: Writer) -> Iterator[None]:
    """See ``Store.lasting``."""
    with writer.lock, lasting(writer), writer:
        yield
