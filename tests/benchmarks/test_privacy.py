"""Forgetting is timed for all that can be forgotten, and the search for what is left finds what is there."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from benchmarks import encryption, privacy
from benchmarks.data import MissingDataError
from benchmarks.plot import write_plots
from benchmarks.privacy import CASES, SCENARIOS, look_for
from recsys import Recommender
from tests.keyed import needs_cipher


def test_every_case_is_timed_on_every_length_beside_the_least_that_erases(tmp_path: Path) -> None:
    result = SCENARIOS["privacy/forget-cost"](None, quick=True)
    picture, details = result.tables
    lengths = [row[0] for row in picture.rows]
    assert len(lengths) > 1
    assert [row[:2] for row in details.rows] == [(what, length) for length in lengths for what in CASES]
    for _, _, ours, baseline, ratio, n_refolded, n in details.rows:
        assert min(ours, baseline, ratio, n) > 0
        assert n_refolded >= 0
    pytest.importorskip("matplotlib")
    assert list(write_plots(result, tmp_path)) == [0]


def test_nothing_of_a_forgotten_item_is_found_and_the_search_finds_what_a_plain_delete_leaves() -> None:
    (table,) = SCENARIOS["privacy/residue"](None, quick=True).tables
    ours, plain, *_ = table.rows
    assert str(ours[0]).startswith("recsys")
    assert ours[1] > 0, "it was there"
    assert (ours[2], ours[3], ours[6]) == (0, 0, "yes")
    assert plain[2] > 0
    assert plain[3] > 0
    assert all(row[4] > 0 and row[5] > 0 for row in table.rows)


def test_the_search_counts_in_every_file_below_and_in_both_encodings(tmp_path: Path) -> None:
    (tmp_path / "a-wal").write_bytes(b"..canary..canary..")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b").write_bytes("canary".encode("utf-16-le"))
    assert look_for(["canary", "absent"], tmp_path) == (3, 2, 30)


def test_a_recommender_that_only_lost_the_rows_is_seen_to_know_the_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, untold = privacy._life(20, 100)
    forget = Recommender.forget

    def forget_another(self: Recommender, **_: object) -> object:
        return forget(self, events=[untold[0].uid])

    monkeypatch.setattr(Recommender, "forget", forget_another)
    row = privacy._ours(tmp_path / "ours", 20, told, untold, [privacy.CANARY])
    assert row[2] > 0
    assert row[6] == "no"


@needs_cipher
def test_encryption_is_timed_beside_a_plain_file_with_the_same_content(tmp_path: Path) -> None:
    (table,) = SCENARIOS["privacy/encryption"](None, quick=True).tables
    whats = [row[0] for row in table.rows]
    assert whats == [
        "open", "record, durable", "rank 100", "forget one event of today", "open without checkpoints", "rekey",
        "size of the file [MB]",
    ]  # fmt: skip
    assert all(row[2] > 0 for row in table.rows)
    assert all(row[4] == pytest.approx(row[2] / row[3]) for row in table.rows if row[0] != "rekey")
    with Recommender(tmp_path / "plain.db", key=None) as plain:
        plain.record_many([{"item_id": f"i{n % 3}", "at": 1_700_000_000 + n} for n in range(30)])
    encryption.encrypted_copy(tmp_path / "plain.db", tmp_path / "me.db", bytes(32))
    with Recommender(tmp_path / "plain.db", key=None) as plain, Recommender(tmp_path / "me.db", key=bytes(32)) as rec:
        assert privacy._state(rec) == privacy._state(plain)


def test_without_sqlcipher_the_scenario_is_skipped_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "find_spec", lambda _: None)
    with pytest.raises(MissingDataError, match="sqlcipher3"):
        SCENARIOS["privacy/encryption"](None, quick=True)


@pytest.mark.parametrize("what", CASES)
def test_each_case_deletes_something_of_any_log(what: str, tmp_path: Path) -> None:
    case = CASES[what]
    with Recommender(tmp_path / "me.db") as rec:
        rec.record_many([{"item_id": f"i{n % 3}", "at": 1_700_000_000 + n} for n in range(30)])
        bare = sqlite3.connect(tmp_path / "me.db")
        key = bare.execute(case.keys).fetchone()[0]
        n_events = case.forget(rec, key).n_events
        bare.close()
    assert n_events == {"an item": 10, "everything": 30}.get(what, 1)
