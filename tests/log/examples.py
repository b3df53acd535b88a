"""What the tests of the log share: events, items, hostile strings, and eyes for files and foreign processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from recsys.log import APPLICATION_ID, Store
from recsys.types import Event, Item
from tests.keyed import database

ROOT = Path(__file__).parents[2]

HOSTILE = (
    "'; DROP TABLE events; --",
    '"',
    "`x`",
    "NUL\0inside",
    "\0",
    "%s ? :name @x $y",
    "naïve 🎷 \u202e",
    "\U0010ffff",
    "line\nbreak",
    " ",
    "NULL",
    '{"a":1}',
    "a" * 512,
)
SURROGATE = "lone \ud800 surrogate"

ids = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=8))
scalars = st.one_of(
    st.text(max_size=8),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
contexts = st.dictionaries(st.text(max_size=8), scalars, max_size=3)


def event(number: int, item_id: str = "a", kind: str = "click", **more: object) -> Event:
    """The event at second `number`."""
    return Event(number * 1_000_000, f"{number:016x}", item_id, kind, **more)


def shown(number: int, *item_ids: str) -> Event:
    """A slate that was shown at second `number`."""
    places = tuple((item_id, position, 1.0 / (position + 1)) for position, item_id in enumerate(item_ids))
    return event(number, "", "shown", slate=f"slate-{number}", shown=places)


def item(name: str, **more: object) -> Item:
    return Item(name, f"Title of {name}", **more)


def digests(path: Path) -> dict[str, str]:
    """Every file whose name begins with the path's, and a digest of its bytes. Call it with no store open on it."""
    return {
        found.name: hashlib.sha256(found.read_bytes()).hexdigest()
        for found in sorted(path.parent.iterdir())
        if found.name.startswith(path.name) and found.is_file()
    }


def made(path: Path, *events: Event) -> Path:
    """A store's file with these events, closed."""
    with Store(path, synchronous="normal") as store:
        store.append(list(events), late=False)
    return path


def tamper(path: Path, *statements: str) -> Path:
    """Run statements on the file, past the store."""
    db = database(path)
    for statement in statements:
        db.execute(statement)
    db.close()
    return path


def foreign(path: Path, *statements: str, application_id: int = APPLICATION_ID) -> Path:
    """A file with another schema, closed."""
    return tamper(path, f"PRAGMA application_id = {application_id}", *statements)


def python(*arguments: str | Path, **options: object) -> subprocess.Popen[str]:
    """Start another Python in the root of the checkout."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=ROOT, text=True, stdout=subprocess.PIPE, **options
    )


def compact(store: Store) -> None:
    """Write the whole file anew, as an erasure does, and nothing else of it."""
    store._writer.maintain(store._writer.vacuum)


@contextmanager
def undone(store: Store, error: type[BaseException] = ZeroDivisionError) -> Iterator[None]:
    """A transaction that ends with an exception."""
    try:
        with store.transact():
            yield
            raise error
    except error:
        pass


def mode_of(path: Path) -> int:
    return os.lstat(path).st_mode & 0o777
