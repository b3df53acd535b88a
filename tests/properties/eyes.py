"""What the properties look with: the bytes of the state, the bytes of the files, and what must stay as it was."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings

from recsys import Recommender
from recsys.learn.checkpoint import encode
from recsys.learn.versions import _versions
from recsys.types import Event, Slate

ROOT = Path(__file__).parents[2]

# A file that SQLite has open must not be opened and closed in this process: its locks would be dropped.
_WITNESS = """
import hashlib, json, sys
for line in sys.stdin:
    path, needles = json.loads(line)
    parts = []
    for side in ("", "-wal"):
        try:
            with open(path + side, "rb") as file:
                parts.append(file.read())
        except FileNotFoundError:
            parts.append(b"")
    digest = hashlib.sha256(b"%d/" % len(parts[0]) + b"".join(parts)).hexdigest()
    found = [needle for needle in needles if any(bytes.fromhex(needle) in part for part in parts)]
    print(json.dumps([digest, found]), flush=True)
"""


@functools.cache
def _witness() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _WITNESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def end() -> None:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)

    atexit.register(end)
    return process


def opened(path: Path | str, **options: Any) -> Recommender:
    """Open a recommender: the one place where a property says how."""
    return Recommender(path, **options)


def file_digest(rec: Recommender | Path) -> str:
    """A digest of the database's bytes and its WAL's, read by another process."""
    return _ask(_path(rec), ())[0]


def bytes_left(rec: Recommender | Path, texts: Iterable[str]) -> list[str]:
    """Those of the texts whose UTF-8 bytes are anywhere in the database or its WAL."""
    return [bytes.fromhex(found).decode() for found in _ask(_path(rec), [text.encode().hex() for text in texts])[1]]


def _path(rec: Recommender | Path) -> str:
    return str(rec if isinstance(rec, Path) else rec._store.path)


def _ask(path: str, needles: Iterable[str]) -> tuple[str, list[str]]:
    witness = _witness()
    witness.stdin.write(json.dumps([path, list(needles)]) + "\n")
    witness.stdin.flush()
    digest, found = json.loads(witness.stdout.readline())
    return digest, found


def state_bytes(rec: Recommender) -> bytes:
    """What was learnt, as bytes."""
    return encode(rec._live.state, rec._live.basis)


def rebuilt_bytes(rec: Recommender) -> bytes:
    """What the whole log teaches from the beginning, as bytes."""
    return encode(rec._live.rebuilt(), rec._live.basis)


def versions_are_right(rec: Recommender) -> bool:
    """Whether what is kept of the uses that wait is what they give anew; it is no part of the state's bytes."""
    b = rec._live.state.behaviour
    if b.versions is None:
        return True
    anew = _versions(b)
    bins = [np.array_equal(kept, anew.bins(b, *key)) for key, kept in b.versions.asked.items()]
    return all([*map(np.array_equal, b.versions[:-1], anew[:-1]), *bins])


@contextmanager
def nothing_changes(rec: Recommender) -> Iterator[None]:
    """Require that neither the file, nor the state, nor the catalogue is changed in the block."""

    def sight() -> tuple[object, ...]:
        catalogue = rec._catalogue
        listed = tuple(sorted(catalogue.items)), tuple(sorted(catalogue.removed))
        on_disk = "" if rec._store.path == ":memory:" else file_digest(rec)
        return on_disk, state_bytes(rec), versions_are_right(rec), rec._live.key, listed

    before = sight()
    yield
    after = sight()
    names = ("the file", "the state", "the versions", "the state's key", "the catalogue")
    changed = [name for name, a, b in zip(names, before, after, strict=True) if a != b]
    assert changed == [], f"changed: {changed}"


def as_seen(slate: Slate) -> list[tuple[str, float, int, float, bool]]:
    """All of a slate but its random id."""
    return [(r.item_id, r.score, r.position, r.propensity, r.known) for r in slate]


def examples(few: int, many: int) -> settings:
    """So few examples in the suite; and many under the profile ``thorough``."""
    return settings(max_examples=many if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else few)


def moment(at_s: int, offset_min: int = 0) -> datetime:
    """That second as an aware datetime."""
    return datetime.fromtimestamp(at_s, timezone(timedelta(minutes=offset_min)))


def in_order(events: Iterable[Event]) -> list[Event]:
    """The events as a log orders them."""
    return sorted(events, key=lambda event: event.key)


def python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in another Python, in the root of the checkout."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=120)
