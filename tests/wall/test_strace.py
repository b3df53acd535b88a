"""strace, which knows nothing of the seal, counts no network call of the core and finds its writes in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wall import strace
from tests.wall.leaks import ENDLESS, LEAKS, OUTSIDE_WRITES

REASON = strace.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))
ROOT = Path(__file__).parents[2]


def session(folder: Path, seed: int, calls: str) -> strace.Traced:
    folder.mkdir()
    return strace.traced(["-B", "-m", "tests.wall.session", str(folder), str(seed), "30"], calls, cwd=ROOT)


def test_a_session_makes_no_network_call(tmp_path: Path) -> None:
    seen = session(tmp_path / "data", 4, strace.NETWORK)
    assert seen.status == 0, seen.output
    assert strace.network_calls(seen.lines) == []


@pytest.mark.parametrize("leak", LEAKS.keys() - ENDLESS)
def test_a_planted_leak_is_counted(leak: str) -> None:
    seen = strace.traced(["-c", LEAKS[leak]], strace.NETWORK)
    assert seen.status == 0, seen.output
    assert len(strace.network_calls(seen.lines)) >= 1


def test_every_file_that_a_session_writes_is_in_its_folder(tmp_path: Path) -> None:
    """N2, F6: forget, VACUUM and export included."""
    seen = session(tmp_path / "data", 5, strace.FILES)
    assert seen.status == 0, seen.output
    written = strace.written(seen.lines, ROOT)
    assert {path.name for path in written} >= {"me.db", "me.db-wal", "me.db-shm", "export-1.jsonl"}
    assert {path.parent for path in written} == {tmp_path / "data"}


@pytest.mark.parametrize("write", OUTSIDE_WRITES)
def test_a_planted_write_is_found_wherever_it_is(write: str, tmp_path: Path) -> None:
    outside = tmp_path / 'naïve "folder"'
    outside.mkdir()
    (outside / "there").write_text("old")
    seen = strace.traced(["-B", "-c", OUTSIDE_WRITES[write].format(str(outside))], strace.FILES)
    assert seen.status == 0, seen.output
    assert {path.parent for path in strace.written(seen.lines, ROOT)} == {outside}


def test_what_is_relative_to_an_open_folder_is_not_taken_for_the_data_folders() -> None:
    lines = [
        '7 unlinkat(5, "me.db", 0) = 0',
        '7 openat(AT_FDCWD, "a", O_RDONLY|O_CLOEXEC) = 3',
        '7 openat(5, "O_RDWR", 0) = 3',
    ]
    assert strace.written(lines, Path("/data")) == [Path("/unknown folder/me.db")]
    assert strace.written(['openat(AT_FDCWD, "x/../y", O_RDWR <unfinished ...>'], Path("/data")) == [Path("/data/y")]
