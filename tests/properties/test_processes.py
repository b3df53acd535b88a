"""Two on one file, in one process or in two: each sees the other's doings at its next call, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import Recommender, live
from recsys.log import Store
from recsys.testing import strategies as some
from tests.properties.company import SETTINGS
from tests.properties.eyes import moment, rebuilt_bytes, state_bytes
from tests.properties.peer import Peer, digest

ITEMS: Final = ("a", "b", "c", "d")

# What one of the two may do at second n: a name, and the deed.
DEEDS: Final[dict[str, Callable[[Recommender, int], object]]] = {
    "record": lambda rec, n: rec.record(ITEMS[n % 4], at=moment(some.START + 10 * n), context={"n": n % 3}),
    "record many": lambda rec, n: rec.record_many(
        [{"item_id": ITEMS[k % 4], "at": some.START + 10 * n + k / 10} for k in range(20)]
    ),
    "record late": lambda rec, n: rec.record("late", at=moment(some.START + 10 * n - 35)),
    "forget": lambda rec, n: rec.forget(items=[ITEMS[n % 4]], until=moment(some.START + 10 * n - 20)),
    "forget the newest": lambda rec, n: rec.forget(since=moment(some.START + 10 * n - 15)),
    "add": lambda rec, n: rec.add([{"id": f"new-{n}", "tags": ["t"]}]),
    "remove": lambda rec, n: rec.remove([ITEMS[n % 4]]),
    "steer": lambda rec, n: rec.steer("t", 0.5, at=moment(some.START + 10 * n)),
    "show": lambda rec, n: rec.shown(rec.rank(ITEMS, at=moment(some.START + 10 * n)), at=moment(some.START + 10 * n)),
    "maintain": lambda rec, _: rec.maintain(),
    "look": lambda rec, n: rec.recommend(3, at=moment(some.START + 10 * n)),
}


def seen(rec: Recommender, at: int) -> list[tuple[str, float]]:
    return [(r.item_id, r.score) for r in rec.recommend(50, at=moment(at))]


def agree(one: Recommender, other: Recommender, at: int) -> None:
    """Require that both answer alike, and as the log teaches."""
    assert seen(one, at) == seen(other, at)
    assert one._catalogue.items == other._catalogue.items
    assert one._catalogue.removed == other._catalogue.removed
    assert state_bytes(one) == state_bytes(other) == rebuilt_bytes(one)


def observed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count, from now on, what stores notice of each other."""
    counts: Counter[str] = Counter()
    observe = Store.observe

    def counting(store: Store) -> Any:
        change = observe(store)
        counts[change] += 1
        return change

    monkeypatch.setattr(Store, "observe", counting)
    monkeypatch.setattr(live, "_BYTES_AN_EVENT", 1 << 40)  # a checkpoint every 16 events
    return counts


def test_two_on_one_file_see_each_other_at_the_next_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """R2: in any order of their doings, one of them reopened at times."""
    counts = observed(monkeypatch)

    @settings(max_examples=12)
    @given(deeds=st.lists(st.tuples(st.integers(0, 1), st.sampled_from([*DEEDS, "reopen"])), min_size=4, max_size=12))
    def together(deeds: list[tuple[int, str]]) -> None:
        path = tmp_path_factory.mktemp("two") / "me.db"
        two = [Recommender(path, settings=SETTINGS), Recommender(path, settings=SETTINGS)]
        try:
            DEEDS["record many"](two[0], 0)
            for n, (who, deed) in enumerate(deeds, start=10):
                if deed == "reopen":
                    two[who].close()
                    two[who] = Recommender(path, settings=SETTINGS)
                else:
                    DEEDS[deed](two[who], n)
                agree(two[1 - who], two[who], some.START + 10 * n)
        finally:
            for rec in two:
                rec.close()
        with Recommender(path, settings=SETTINGS) as rec:
            assert state_bytes(rec) == rebuilt_bytes(rec)

    together()
    assert counts["grown"] >= 5
    assert counts["changed"] >= 5


@pytest.mark.parametrize("blind_to", ["grown", "changed"])
def test_one_that_does_not_look_is_noticed(blind_to: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    observe = Store.observe
    monkeypatch.setattr(Store, "observe", lambda store: "same" if (found := observe(store)) == blind_to else found)
    path = tmp_path / "me.db"
    with Recommender(path, settings=SETTINGS) as one, Recommender(path, settings=SETTINGS) as other:
        DEEDS["record"](one, 1)
        if blind_to == "changed":
            agree(one, other, some.START)
            DEEDS["add"](one, 2)
        with pytest.raises(AssertionError):
            agree(one, other, some.START + 100)


# Once a state that another process has outdated could reach the file.


def forget_behind_its_back(how: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one forget while another holds the old state, have that one write a checkpoint, and look what is left."""
    rec = Recommender(path, settings=SETTINGS)
    rec.record_many([{"item_id": "a-secret" if n % 5 == 0 else ITEMS[n % 4], "at": some.START + n} for n in range(100)])
    rec._live._saved = 0  # as if none of it were in a checkpoint yet

    def forget() -> None:
        with Recommender(path, settings=SETTINGS) as other:
            assert other.forget(items=["a-secret"]).status == "erased"

    if how == "record":  # just after the event was committed and before the checkpoint is written
        learn = rec._live.learn
        monkeypatch.setattr(rec._live, "learn", lambda events: (learn(events), forget()))
        rec.record("a", at=moment(some.START + 200))
    else:
        forget()
        getattr(rec, how)()
    rec.close()
    assert b"a-secret" not in path.read_bytes()
    with Recommender(path, settings=SETTINGS) as again:
        assert again.stats().n_checkpoints > 0
        assert "a-secret" not in again._live.state.behaviour.slots
        assert state_bytes(again) == rebuilt_bytes(again)


@pytest.mark.parametrize("how", ["close", "maintain", "record"])
def test_no_checkpoint_brings_back_what_another_has_forgotten(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """F2, U7: whoever writes a checkpoint looks first."""
    forget_behind_its_back(how, tmp_path / "me.db", monkeypatch)


@pytest.mark.parametrize("how", ["close", "record"])
def test_a_checkpoint_written_without_looking_is_noticed(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Recommender, "_save", lambda rec: rec._live.save())
    with pytest.raises(AssertionError):
        forget_behind_its_back(how, tmp_path / "me.db", monkeypatch)


def test_a_write_of_another_during_a_check_is_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=SETTINGS) as rec, Recommender(path, settings=SETTINGS) as other:
        DEEDS["record many"](rec, 0)
        check = rec._store.check
        writes = iter((lambda: DEEDS["record"](other, 9), lambda: DEEDS["record late"](other, 1)))
        monkeypatch.setattr(Store, "check", lambda _: (next(writes)(), check())[1])
        for _ in range(2):
            assert {finding.severity for finding in rec.check()} == {"ok"}
        rec._live.state.choices[0].w[0] += 1.0
        monkeypatch.undo()
        assert [finding.what for finding in rec.check() if finding.severity == "error"] == ["state"]


def test_an_interrupted_look_at_the_other_is_made_good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=SETTINGS) as rec, Recommender(path, settings=SETTINGS) as other:
        for deed in ("record many", "add", "forget"):
            for part, name in ((live, "fold"), (Store, "items")):
                DEEDS[deed](other, 30)

                def interrupted(*_: object) -> None:
                    raise KeyboardInterrupt

                with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
                    patch.setattr(part, name, interrupted)
                    rec.stats()
                agree(rec, other, some.START + 300)


def test_a_checkpoint_that_another_drops_meanwhile_is_no_damage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=SETTINGS) as rec, Recommender(path, settings=SETTINGS) as other:
        DEEDS["record many"](rec, 0)
        assert rec.stats().n_checkpoints > 0
        load = Store.load_checkpoint

        def slowly(store: Store, key: tuple[int, str]) -> bytes:
            other._store.drop_checkpoints()
            return load(store, key)

        monkeypatch.setattr(Store, "load_checkpoint", slowly)
        rec._reload()  # a warning would be an error here
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_two_processes_see_each_other_at_the_next_call(tmp_path: Path) -> None:
    """R2: late events, deletions and the catalogue too."""
    path = tmp_path / "me.db"
    with closing(Peer(path)) as peer, Recommender(path, settings=SETTINGS) as rec:
        for n, deed in enumerate(["record many", "record", "show", "add", "record late", "forget", "remove", "steer"]):
            DEEDS[deed](rec, n + 5)
            assert peer("digest") == digest(rec)
        start = some.START + 1_000
        calls: list[tuple[Any, ...]] = [
            ("record", "a"),
            ("add", [{"id": "theirs", "tags": ["t"]}]),
            ("remove", ["new-8"]),
            ("record_many", [{"item_id": item_id, "at": start + 50} for item_id in ITEMS]),
            ("record_many", [{"item_id": "early", "at": some.START}]),
        ]
        for name, *arguments in calls:
            peer(name, *arguments)
            assert digest(rec) == peer("digest")
            assert state_bytes(rec) == rebuilt_bytes(rec)
        assert "theirs" in rec.recommend(50).item_ids
        assert "new-8" not in rec.recommend(50).item_ids
        assert "Receipt(status='erased'" in peer("forget", items=["early", "a"])
        assert digest(rec) == peer("digest")
        assert "early" not in rec.recommend(50).item_ids


def test_nothing_is_lost_when_three_processes_record_at_once(tmp_path: Path) -> None:
    """R2: the union of what was acknowledged is the log."""
    path = tmp_path / "me.db"
    n_each = 25
    with closing(Peer(path)) as first, closing(Peer(path)) as second, Recommender(path, settings=SETTINGS) as rec:
        # Times interleave, so that each is late for the others again and again.
        for who, peer in enumerate((first, second)):
            peer.tell("record_one_by_one", *((f"item-{n % 5}", some.START + 3 * n + who) for n in range(n_each)))
        uids = [rec.record(f"item-{n % 5}", at=some.START + 3 * n + 2) for n in range(n_each)]
        uids += first.answer() + second.answer()
        assert sorted(event.uid for event in rec._store.events()) == sorted(uids)
        assert len(set(uids)) == 3 * n_each
        assert digest(rec) == first("digest") == second("digest")
        assert state_bytes(rec) == rebuilt_bytes(rec)
        assert {finding.severity for finding in rec.check()} == {"ok"}
