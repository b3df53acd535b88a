"""While paused nothing is written: the file's bytes stay as they are, whatever is asked or refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import ConsentError, Event, PausedError, Recommender, Settings
from recsys.gate import Gate
from recsys.testing import strategies as some
from tests.keyed import database
from tests.properties.eyes import file_digest, moment, rebuilt_bytes, state_bytes

SETTINGS: Final = Settings(synchronous="normal", checkpoint_events=16)
AT: Final = moment(some.START + 1_000_000)
ITEMS: Final = ("a", "b", "c")
Deed = Callable[[Recommender, Path], object]

READS: Final[dict[str, Deed]] = {
    "recommend": lambda rec, _: rec.recommend(3, at=AT, explore=1.0),
    "rank": lambda rec, _: [r.reasons for r in rec.rank([*ITEMS, "unknown"], at=AT)],
    "similar": lambda rec, _: rec.similar("a", at=AT),
    "explain": lambda rec, _: rec.explain("a", at=AT),
    "profile": lambda rec, _: rec.profile(),
    "evaluate": lambda rec, _: rec.evaluate(),
    "what_if": lambda rec, _: rec.what_if(explore=0.5),
    "stats": lambda rec, _: rec.stats(),
    "check": lambda rec, _: rec.check(),
    "export": lambda rec, folder: rec.export(folder / f"{len([*folder.iterdir()])}.jsonl"),
    "consents": lambda rec, _: rec.consents(),
    "maintain": lambda rec, _: rec.maintain(1_000),
    "pause": lambda rec, _: rec.pause(),
}
WRITES: Final[dict[str, Deed]] = {
    "add": lambda rec, _: rec.add([{"id": "new"}]),
    "remove": lambda rec, _: rec.remove(["a"]),
    "record": lambda rec, _: rec.record("a"),
    "record late": lambda rec, _: rec.record("a", at=some.START - 1),
    "record_many": lambda rec, _: rec.record_many([{"item_id": "a"}] * 100),
    "shown": lambda rec, _: rec.shown(rec.rank(ITEMS)),
    "steer": lambda rec, _: rec.steer("a", 1.0),
    "rekey": lambda rec, _: rec.rekey(bytes(32)),
    "forget": lambda rec, _: rec.forget(everything=True),
    "consent": lambda rec, _: rec.consent("learning"),
    "withdraw": lambda rec, _: rec.withdraw(),
    "import_": lambda rec, folder: rec.import_(folder / "carried.jsonl"),
}


def stay(rec: Recommender, deeds: list[str], folder: Path) -> None:
    """Pause, do all this, close, and require that not a byte of the file has changed."""
    path = Path(rec._store.path)
    rec.export(folder / "carried.jsonl")
    rec.pause()
    before = file_digest(path)
    state = state_bytes(rec)
    for deed in deeds:
        if deed in READS:
            READS[deed](rec, folder)
        else:
            with pytest.raises(PausedError):
                WRITES[deed](rec, folder)
        assert file_digest(path) == before, deed
    assert state_bytes(rec) == state
    assert rec.stats().paused
    rec.close()
    assert file_digest(path) == before, "close"


@settings(max_examples=10)
@given(
    history=some.histories(item_ids=ITEMS, max_size=12),
    n_more=st.sampled_from((0, 80)),
    deeds=st.lists(st.sampled_from([*READS, *WRITES]), max_size=10),
)
def test_while_paused_no_byte_of_the_file_changes(
    tmp_path_factory: pytest.TempPathFactory, history: list[Event], n_more: int, deeds: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("paused")
    rec = Recommender(folder / "me.db", settings=SETTINGS)
    rec.add([{"id": item_id} for item_id in ITEMS])
    rec.record_many(history)
    rec.record_many([{"item_id": "b", "at": some.START + n} for n in range(n_more)])
    rec._live._saved = 0  # there would be a checkpoint to write
    stay(rec, deeds, folder)


def test_every_call_was_tried() -> None:
    methods = {name for name, value in vars(Recommender).items() if callable(value) and not name.startswith("_")}
    assert {deed.split()[0] for deed in (*READS, *WRITES)} == methods - {"close", "resume"}


@pytest.mark.parametrize("deed", [*READS, *WRITES])
def test_each_call_keeps_a_paused_file_as_it_is(deed: str, tmp_path: Path) -> None:
    rec = Recommender(tmp_path / "me.db", settings=SETTINGS)
    rec.record_many([{"item_id": "a", "at": some.START + n} for n in range(70)])
    stay(rec, [deed], tmp_path)


def test_a_pause_that_holds_nothing_back_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gate, "paused", property(lambda _: False, lambda *_: None), raising=False)
    rec = Recommender(tmp_path / "me.db", settings=SETTINGS)
    with rec, pytest.raises(pytest.fail.Exception):
        stay(rec, ["record"], tmp_path)


def test_a_byte_written_while_paused_is_noticed(tmp_path: Path) -> None:
    rec = Recommender(tmp_path / "me.db", settings=SETTINGS)
    rec.record("a", at=AT)
    quiet = READS["stats"]
    READS["stats"] = lambda rec, _: rec._store.append([Event(0, "u", "a")], late=True)
    try:
        with rec, pytest.raises(AssertionError, match="stats"):
            stay(rec, ["stats"], tmp_path)
    finally:
        READS["stats"] = quiet


@pytest.mark.parametrize("paused", [True, False])
def test_a_read_that_finds_a_damaged_checkpoint_leaves_it_to_the_next_write(tmp_path: Path, *, paused: bool) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=SETTINGS) as rec:
        rec.record_many([{"item_id": "a", "at": some.START + n} for n in range(70)])
        rec.maintain(1_000)
        if paused:
            rec.pause()
        assert rec.stats().n_checkpoints > 0
        with closing(database(path)) as other:
            other.execute("UPDATE checkpoints SET blob = x'00'")
            other.execute("PRAGMA schema_version = 1000")  # as another recommender says that it changed something
        before = file_digest(path)
        with pytest.warns(RuntimeWarning, match="damaged checkpoint"):
            rec.recommend(3)
        rec.check()
        assert file_digest(path) == before
        n_damaged = rec.stats().n_checkpoints
        if paused:
            rec.resume()
        rec.record("a", at=some.START + 100)
        assert n_damaged > 0
        assert sum(size == 1 for *_, size in rec._store.checkpoints()) == 0, "the next write drops it"
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_resume_lets_writes_through_again_and_nothing_was_missed(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=SETTINGS) as rec:
        rec.record("a", at=AT)
        rec.pause()
        with Recommender(tmp_path / "me.db", settings=SETTINGS) as other:
            other.record("b")
        assert rec.recommend(2).n_candidates == 2  # answers go on, and with what others did
        rec.resume()
        rec.record("c")
        assert rec.stats().n_events == 3
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_a_withdrawal_elsewhere_is_seen_while_paused_and_the_file_left_at_resume(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=replace(SETTINGS, require_consent=True)) as rec:
        rec.consent("learning", at=some.START)
        rec.record_many([{"item_id": "a", "at": some.START + n} for n in range(30)])
        rec.pause()
        with Recommender(path, settings=SETTINGS) as other:
            other.withdraw()
            other.record("b", at=some.START + 60)
            before = file_digest(path)
            assert not rec.recommend(3, at=AT).item_ids, "nothing is known of the person"
            assert rec.stats().n_events == 1, "what the file holds"
            with pytest.raises(PausedError):
                rec.record("a")
            assert file_digest(path) == before
        rec.resume()
        with pytest.raises(ConsentError):
            rec.record("a")
        with Recommender(path, settings=SETTINGS) as other:
            assert other.forget(everything=True).status == "erased", "nothing is in the way"
