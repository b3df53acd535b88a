"""Damage: a damaged cache is rebuilt, a damaged or foreign file is refused and left as it was."""

from __future__ import annotations

import functools
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import CorruptError, Recommender, Settings, StoreError, VersionError
from recsys.testing import strategies as some
from tests.keyed import database
from tests.log.examples import digests, tamper
from tests.properties.eyes import rebuilt_bytes, state_bytes

SETTINGS: Final = Settings(synchronous="normal", checkpoint_events=16)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with several checkpoints and a few events after the newest."""
    path: Path = tmp_path_factory.mktemp("sound") / "me.db"
    with Recommender(path, settings=SETTINGS) as rec:
        for start in range(0, 120, 8):
            rec.record_many([{"item_id": "abcd"[n % 4], "at": some.START + n} for n in range(start, start + 8)])
        assert rec.stats().n_checkpoints > 1
    return path


def copy(path: Path, folder: Path) -> Path:
    return Path(shutil.copyfile(path, folder / "copy.db"))


@functools.cache
def taught(path: Path) -> bytes:
    """The state that the whole log teaches."""
    with Recommender(path, settings=SETTINGS) as rec:
        return rebuilt_bytes(rec)


def blobs(path: Path) -> list[tuple[int, str, bytes]]:
    db = database(path)
    found = db.execute("SELECT at_us, uid, blob FROM checkpoints ORDER BY at_us").fetchall()
    db.close()
    return found


def put(path: Path, blob: bytes) -> None:
    """Make every checkpoint this one."""
    db = database(path)
    db.execute("UPDATE checkpoints SET blob = ?", (blob,))
    db.close()


def opened(path: Path, *, n_warnings: int, expected: bytes) -> None:
    """Open it, with so many warnings, to this state; then again, with none."""
    for n in (n_warnings, 0):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with Recommender(path, settings=SETTINGS) as rec:
                assert state_bytes(rec) == expected
        assert [warning.category for warning in caught] == [RuntimeWarning] * n


_CUT: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "a flipped bit": lambda blob, at: blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :],
    "cut short": lambda blob, at: blob[:at],
    "something appended": lambda blob, at: blob + bytes(at % 7 + 1),
    "a hole": lambda blob, at: blob[:at] + bytes(len(blob) - at),
}


@settings(max_examples=12)
@given(how=st.sampled_from(sorted(_CUT)), at=st.integers(0, 30_000), data=st.data())
def test_a_damaged_checkpoint_is_rebuilt_with_one_warning(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, how: str, at: int, data: st.DataObject
) -> None:
    """L3: the original or a rebuild, never a crash."""
    path = copy(sound, tmp_path_factory.mktemp("damaged"))
    blob = blobs(path)[-1][2]
    damaged = _CUT[how](blob, at % len(blob))
    if data.draw(st.booleans(), "only the newest"):
        *_, (at_us, uid, _) = blobs(path)
        tamper(path, f"UPDATE checkpoints SET blob = x'{damaged.hex()}' WHERE at_us = {at_us} AND uid = '{uid}'")
    else:
        put(path, damaged)
    opened(path, n_warnings=int(damaged != blob), expected=taught(sound))


@pytest.mark.parametrize(
    ("statement", "n_warnings"),
    [
        ("UPDATE checkpoints SET n_events = 'many'", 1),
        ("UPDATE checkpoints SET n_events = n_events + 1", 1),
        ("UPDATE checkpoints SET basis = x'00'", 1),
        ("UPDATE checkpoints SET blob = 'text'", 1),
        ("UPDATE checkpoints SET blob = x''", 1),
        ("UPDATE checkpoints SET basis = 'made on another basis'", 0),
        ("DELETE FROM checkpoints", 0),
    ],
)
def test_a_damaged_row_among_the_checkpoints_is_rebuilt_with_one_warning(
    sound: Path, tmp_path: Path, statement: str, n_warnings: int
) -> None:
    opened(tamper(copy(sound, tmp_path), statement), n_warnings=n_warnings, expected=taught(sound))


def test_a_checkpoint_damaged_while_open_is_no_fault_of_the_state(sound: Path, tmp_path: Path) -> None:
    path = copy(sound, tmp_path)
    with Recommender(path, settings=SETTINGS) as rec:
        before = state_bytes(rec)
        put(path, b"rubbish")
        assert state_bytes(rec) == before
        with pytest.warns(RuntimeWarning, match="rebuilt from the log") as caught:
            rec.record("a", at=some.START + 100)  # late: learnt anew, for which the checkpoint would be used
        assert len(caught) == 1
        assert state_bytes(rec) == rebuilt_bytes(rec)


# What was done to the file, how it is refused, and what the message tells to do.
UNSOUND: Final[dict[str, tuple[tuple[str, ...], type[StoreError], str]]] = {
    "newer schema": (("PRAGMA user_version = 99",), VersionError, "update recsys"),
    "no schema that ever was": (("PRAGMA user_version = -3",), StoreError, "restore a copy"),
    "another application's": (("PRAGMA application_id = 7",), StoreError, "choose another path"),
    "unexpected trigger": (
        ("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM items; END",),
        StoreError,
        "unexpected trigger",
    ),
    "unexpected view": (("CREATE VIEW v AS SELECT * FROM events",), StoreError, "unexpected view"),
    "unexpected table": (("CREATE TABLE t (x)",), StoreError, "unexpected table"),
    "unexpected index": (("CREATE INDEX i ON events (item_id)",), StoreError, "unexpected index"),
    "damaged context": (("UPDATE events SET context = '{'",), CorruptError, "restore a copy"),
    "damaged time": (("UPDATE events SET offset_min = 9999",), CorruptError, "restore a copy"),
    "damaged value": (("UPDATE events SET value = 'much'",), CorruptError, "restore a copy"),
    "damaged item": (("UPDATE events SET item_id = x'ff'",), CorruptError, "restore a copy"),
    "damaged log and checkpoints": (
        ("UPDATE events SET item_id = x'ff'", "UPDATE checkpoints SET blob = x'00'"),
        CorruptError,
        "restore a copy",
    ),
    "damaged log and rows of checkpoints": (
        ("UPDATE events SET item_id = x'ff'", "UPDATE checkpoints SET n_events = 'many'"),
        CorruptError,
        "restore a copy",
    ),
    "damaged catalogue": (
        ("INSERT INTO items VALUES ('i', 'title', '{', NULL, 0)",),
        CorruptError,
        "restore a copy",
    ),
}


def refused(path: Path, error: type[StoreError], advice: str, meanwhile: Callable[[], object] = str) -> None:
    """Require that the file is refused and that no byte of it, nor a file beside it, has changed."""
    before = digests(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=advice):
            Recommender(path, settings=SETTINGS)
    meanwhile()
    assert digests(path) == before


@pytest.mark.parametrize("fault", UNSOUND)
def test_a_file_that_is_not_sound_is_refused_and_left_as_it_was(sound: Path, tmp_path: Path, fault: str) -> None:
    statements, error, advice = UNSOUND[fault]
    path = copy(sound, tmp_path)
    if error is CorruptError and "checkpoints" not in fault:
        statements = (*statements, "DELETE FROM checkpoints")  # with one, events before it are not read again
    refused(tamper(path, *statements), error, advice)


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + bytes(4080), b"no"])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "me.db"
    path.write_bytes(content)
    refused(path, StoreError, "file")


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    path.write_bytes(b"no")
    with pytest.raises(AssertionError):
        refused(path, StoreError, "file", meanwhile=lambda: path.write_bytes(b"on"))
