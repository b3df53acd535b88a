"""A damaged log is set aside whole and private, and goes with the next thing that is forgotten; R6."""

from __future__ import annotations

from pathlib import Path

import pytest

import recsys
from recsys import CorruptError, InputError, Recommender, StoreError
from tests.log.examples import mode_of

JUNK = b"canary-5f2e" * 2_000


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    path = tmp_path / "me.db"
    path.write_bytes(JUNK)
    path.chmod(0o644)
    path.with_name("me.db-wal").write_bytes(b"frames")
    with pytest.raises((CorruptError, StoreError)):
        Recommender(path)
    return path


def test_a_damaged_log_is_set_aside_and_a_new_one_begins(damaged: Path) -> None:
    aside = Path(recsys.set_aside(damaged))
    assert aside == damaged.with_name("me.db-aside-1")
    assert aside.read_bytes() == JUNK
    assert mode_of(aside) == 0o600
    assert aside.with_name("me.db-aside-1-wal").read_bytes() == b"frames"
    assert not damaged.exists()
    with Recommender(damaged) as rec:
        rec.record("a")
    assert aside.read_bytes() == JUNK, "nothing but a forget deletes it"
    damaged.write_bytes(JUNK)
    assert recsys.set_aside(damaged) == f"{damaged}-aside-2"


@pytest.mark.parametrize("how", [{"items": ["unknown"]}, {"everything": True}])
def test_what_was_set_aside_goes_with_what_is_forgotten(damaged: Path, how: dict[str, object]) -> None:
    recsys.set_aside(damaged)
    neighbours = [damaged.with_name(name) for name in ("me.db2-aside-1", "me.db-aside-notes.txt", "me.db-aside-1.bak")]
    for neighbour in neighbours:
        neighbour.write_bytes(JUNK)
    damaged.with_name("me.db-aside-3").mkdir()
    with Recommender(damaged) as rec:
        rec.record("a")
        receipt = rec.forget(**how)  # type: ignore[arg-type]
        assert (receipt.status, receipt.n_set_aside) == ("erased", 1)
        assert rec.forget(everything=True).n_set_aside == 0
    assert not [*damaged.parent.glob("me.db-aside-1*wal"), *damaged.parent.glob("me.db-aside-1")]
    assert [neighbour.read_bytes() for neighbour in neighbours] == [JUNK] * 3, "what is no log of ours is left alone"


def test_what_is_open_absent_or_no_file_is_not_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path) as rec:
        rec.record("a")
        with pytest.raises(StoreError, match="open in this process"):
            recsys.set_aside(path)
        assert rec.stats().n_events == 1
    link = tmp_path / "link.db"
    link.symlink_to(path)
    for wrong in (tmp_path / "absent.db", tmp_path, link):
        with pytest.raises(StoreError, match="no regular file"):
            recsys.set_aside(wrong)
    with pytest.raises(InputError):
        recsys.set_aside("")
    assert path.exists()
