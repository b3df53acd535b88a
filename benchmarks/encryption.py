"""What encryption at rest costs: the same calls on an encrypted file and on a plain one, in turns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from benchmarks.data import MissingDataError
from benchmarks.lived import folder, past, ranker, recorder
from benchmarks.report import Cell, Result, Table
from benchmarks.timing import Timing, in_turns
from benchmarks.world import SEED, catalogue, happenings
from recsys.recommender import Recommender

__all__ = ["encryption"]

Key: TypeAlias = "bytes | None"
KEYS: tuple[Key, ...] = (bytes(range(32)), None)
N_CANDIDATES = 100


def encryption(data: Path | None, *, quick: bool) -> Result:
    """Time opening, recording, ranking, replaying and forgetting on logs of ten and a hundred thousand events."""
    del data
    if find_spec("sqlcipher3") is None:
        raise MissingDataError("sqlcipher3 is not installed (the extra: encrypted)")
    rows: list[tuple[Cell, ...]] = []
    for n_events in (200,) if quick else (10_000, 100_000):
        rows += _measured(50 if quick else 1_000, n_events, n=2 if quick else 9)
    columns = ("what", "events in the log", "encrypted p50 [ms]", "plain p50 [ms]", "ratio", "calls")
    notes = [
        "In turns, on two files with the same content. record is durable (synchronous=full).",
        "open reads the newest checkpoint; open without checkpoints learns the whole log anew.",
        "rekey encrypts every page of the file anew; a plain file has no such call.",
    ]
    table = Table("what encryption costs", columns, rows, notes, plot=None)
    return Result("privacy/encryption", [table], {"world": SEED}, quick)


def encrypted_copy(plain: Path, path: Path, key: bytes) -> None:
    """Write an encrypted file with the content of a plain, closed one."""
    from sqlcipher3 import dbapi2

    db = dbapi2.connect(str(plain), isolation_level=None)
    db.execute(f"ATTACH '{path}' AS other KEY \"x'{key.hex()}'\"")
    db.execute("SELECT sqlcipher_export('other')").fetchall()
    for pragma in ("application_id", "user_version"):
        (value,) = db.execute(f"PRAGMA main.{pragma}").fetchone()
        db.execute(f"PRAGMA other.{pragma} = {value}")
    db.close()


def _measured(n_items: int, n_events: int, n: int) -> list[tuple[Cell, ...]]:
    with folder() as into:
        paths = [into / "encrypted.db", into / "plain.db"]
        encrypted_copy(past(n_items, n_events), paths[0], KEYS[0] or b"")
        shutil.copy(past(n_items, n_events), paths[1])
        rows = [_row("open", n_events, in_turns(_each(paths, _open), n, warm_up=1))]
        recs = [Recommender(path, key=key) for path, key in zip(paths, KEYS, strict=True)]
        coming = [happenings(40 * n, n_items, first=n_events) for _ in recs]
        ids = [str(item["id"]) for item in catalogue(n_items)][:N_CANDIDATES]
        calls = [recorder(rec, events) for rec, events in zip(recs, coming, strict=True)]
        rows.append(_row("record, durable", n_events, in_turns(calls, 20 * n, warm_up=10)))
        rows.append(
            _row("rank 100", n_events, in_turns([ranker(rec, ids, n_events) for rec in recs], 20 * n, warm_up=10))
        )
        newest = [[event.uid for event in rec._store.events()][-n:] for rec in recs]  # noqa: SLF001 - the same in both
        forgets = [_forgetter(rec, uids) for rec, uids in zip(recs, newest, strict=True)]
        rows.append(_row("forget one event of today", n_events, in_turns(forgets, n)))
        for rec in recs:
            rec._store.drop_checkpoints()  # noqa: SLF001 - caches
            rec.pause()
            rec.close()
        rows.append(_row("open without checkpoints", n_events, in_turns(_each(paths, _replay), max(2, n // 3))))
        rows.append(("rekey", n_events, _rekeyed(paths[0]), None, None, 1))
        sizes = [path.stat().st_size / 1e6 for path in paths]
        rows.append(("size of the file [MB]", n_events, *sizes, sizes[0] / sizes[1], 1))
    return rows


def _row(what: str, n_events: int, timings: list[Timing]) -> tuple[Cell, ...]:
    ours, plain = timings
    return (what, n_events, ours.p50_us / 1000, plain.p50_us / 1000, ours.p50_us / plain.p50_us, ours.n)


def _each(paths: list[Path], call: Callable[[Path, Key], object]) -> list[Callable[[int], object]]:
    def made(path: Path, key: Key) -> Callable[[int], object]:
        return lambda _: call(path, key)

    return [made(path, key) for path, key in zip(paths, KEYS, strict=True)]


def _open(path: Path, key: Key) -> None:
    with Recommender(path, key=key):
        pass


def _replay(path: Path, key: Key) -> None:
    with Recommender(path, key=key) as rec:
        rec.pause()  # so that no checkpoint is written, and the next one learns all of it again


def _forgetter(rec: Recommender, uids: list[str]) -> Callable[[int], object]:
    def call(i: int) -> None:
        assert rec.forget(events=[uids[i]]).status == "erased"

    return call


def _rekeyed(path: Path) -> float:
    with Recommender(path, key=KEYS[0]) as rec:
        start = time.perf_counter()
        rec.rekey(bytes(32))
        return (time.perf_counter() - start) * 1000
