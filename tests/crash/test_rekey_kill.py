"""A rekey is killed at any moment: the old key opens the file or the new one, never both, never neither.

Here at some of the moments; ``scripts/rekey-kills`` goes through all of them.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from recsys.log import Store, cipher
from tests.crash.rekey import CALLS, EVENTS, NEW, OLD, Point, faults, killed, points, rekeyed, sound, sweep
from tests.keyed import needs_cipher


def _traces() -> bool:
    """Whether strace is there and may trace here."""
    return shutil.which("strace") is not None and rekeyed(Path("/nonexistent/me.db"), "-o", "/dev/null") == 1


pytestmark = [
    needs_cipher,
    pytest.mark.skipif(
        shutil.which("strace") is None, reason="strace is not installed (Debian: apt-get install strace)"
    ),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not _traces():
        pytest.skip("strace may not trace here (ptrace is forbidden)")
    return sound(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def all_points(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    return points(whole, tmp_path_factory.mktemp("traced"))


@pytest.fixture(scope="module")
def halfway(whole: Path, all_points: list[Point], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose first page is the new key's by now, while the journal would put the old one's back."""
    folder = tmp_path_factory.mktemp("halfway")
    writes = [point for point in all_points if point.call == "pwrite64"]
    for point in writes[len(writes) * 3 // 4 :]:
        path = killed(point, whole, folder)
        with path.open("rb") as file:
            first = file.read(4096)
        hot = [*cipher._first_pages_of_journal(str(path))]
        if hot and cipher.Cipher(OLD)._sealed(hot[0]) and cipher.Cipher(NEW)._sealed(first):
            return path
    pytest.fail("no kill left a file halfway")


def copied(path: Path, folder: Path) -> Path:
    shutil.copytree(path.parent, folder / "copy")
    return folder / "copy" / path.name


def test_a_rekey_killed_at_any_moment_leaves_one_of_the_keys(
    whole: Path, all_points: list[Point], tmp_path: Path
) -> None:
    """E4."""
    assert {point.call for point in all_points} >= {*CALLS} - {"fdatasync", "fsync"}
    assert len(all_points) > 50
    keys: Counter[str] = Counter()
    for point, key, wrong in sweep(all_points[9::20], whole, tmp_path):
        assert wrong == [], point
        keys[key] += 1
    assert min(keys["old"], keys["new"]) > 0
    assert sum(keys.values()) >= 4


@pytest.mark.parametrize("keys", [(OLD, NEW), (NEW, OLD)], ids=["old first", "new first"])
def test_a_file_killed_halfway_keeps_the_old_key(halfway: Path, tmp_path: Path, keys: tuple[bytes, bytes]) -> None:
    path = copied(halfway, tmp_path)
    assert faults(path, keys) == []
    Store(path, key=OLD).close()


def test_a_file_whose_first_page_is_torn_too_keeps_the_old_key(halfway: Path, tmp_path: Path) -> None:
    path = copied(halfway, tmp_path)
    with path.open("r+b") as file:
        file.seek(512)
        file.write(bytes(512))
    assert faults(path, (NEW, OLD)) == []


def test_without_a_look_into_the_journal_neither_key_would_open_it(
    halfway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cipher, "_first_pages_of_journal", lambda _: iter(()))
    assert "0 keys open it" in faults(copied(halfway, tmp_path), (OLD, NEW))


def test_what_is_lost_or_changed_is_noticed(tmp_path: Path) -> None:
    path = sound(tmp_path)
    assert faults(path, (OLD, NEW)) == []
    with Store(path, key=OLD) as store:
        store.delete(uids=[EVENTS[3].uid])
    assert faults(path, (OLD, NEW)) == ["something is lost"]
