"""Retention, coarse times, tags that are never learnt, and consent: what the host promises the person."""

from __future__ import annotations

import math
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import ConsentError, Event, FullError, InputError, Item, Recommender, Settings, StoreError
from recsys.learn.checkpoint import encode
from recsys.live import Live
from recsys.log import Store
from recsys.log.connection import Writer
from recsys.mask import Mask
from recsys.retention import Retention
from recsys.settings import RESOLUTIONS_US
from recsys.testing import strategies as some
from tests.keyed import database, plain_only
from tests.log.examples import digests
from tests.properties.eyes import rebuilt_bytes, state_bytes

START: Final = 1_699_920_000  # a midnight in UTC
A_DAY: Final = 86_400
OLD: Final = Path(__file__).parent / "log" / "old"
FAST: Final = Settings(synchronous="normal", checkpoint_events=16)


def learnt(rec: Recommender) -> bytes:
    """All that was learnt, on whatever basis."""
    return encode(rec._live.state, "basis")


def lived(rec: Recommender, n: int, step_s: int, seed: int = 0) -> None:
    draw = random.Random(seed)
    rec.record_many([{"item_id": draw.choice("abcdefgh"), "at": START + k * step_s} for k in range(n)])


def maintained(rec: Recommender, at: float, budget_ms: float = 50.0) -> int:
    """Maintain until nothing is left; how many calls."""
    for n in range(1, 10_000):
        if not rec.maintain(budget_ms, at=at):
            return n
    raise AssertionError("there is always more to do")


def no_space(_: Writer) -> None:
    """A VACUUM on a full disk."""
    raise OSError(28, "no space")


# -- retention -----------------------------------------------------------------------


@pytest.mark.parametrize("budget_ms", [1e-6, 1_000.0])
def test_the_oldest_go_when_there_are_too_many_and_what_stays_is_learnt_as_if_they_had_never_been(
    tmp_path: Path, budget_ms: float
) -> None:
    with Recommender(tmp_path / "me.db", settings=replace(FAST, keep_events=160)) as rec:
        lived(rec, 160, 600)
        assert not rec.maintain(1_000, at=START + A_DAY) or rec.stats().n_events == 160
        lived(rec, 300, 600, seed=1)  # most of them late
        n_steps = maintained(rec, START + 9 * A_DAY, budget_ms)
        assert n_steps > 4 if budget_ms < 1 else n_steps <= 4
        left = [*rec._store.events()]
        assert len(left) == 150, "a sixteenth fewer than may stay, so that the file is not written anew every time"
        assert state_bytes(rec) == rebuilt_bytes(rec)
        with Recommender(tmp_path / "never.db", settings=FAST) as never:
            never.record_many(left)
            assert learnt(rec) == learnt(never)
            assert rec.rank([*"abc"], at=START).item_ids == never.rank([*"abc"], at=START).item_ids
    with Recommender(tmp_path / "me.db", settings=FAST) as again:
        assert [*again._store.events()] == left
        assert learnt(again) == encode(again._live.rebuilt(), "basis")


@given(
    keep_days=st.integers(1, 5),
    ages_s=st.lists(st.integers(0, 8 * A_DAY), min_size=1, max_size=8),
    now=st.integers(0, A_DAY),
)
@settings(max_examples=20)
def test_nothing_older_than_the_days_to_keep_is_left(keep_days: int, ages_s: list[int], now: int) -> None:
    at = START + 10 * A_DAY + now
    with Recommender(":memory:", settings=replace(FAST, keep_days=keep_days)) as rec:
        rec.record_many([{"item_id": "a", "at": at - age} for age in ages_s])
        maintained(rec, at)
        kept = sorted(at - event.at_us // 1_000_000 for event in rec._store.events())
        assert all(age < keep_days * A_DAY for age in kept)
        midnight = START + (10 - keep_days + 1) * A_DAY
        assert kept == sorted(age for age in ages_s if at - age >= midnight), "and all of the days to keep"


def test_what_is_too_old_leaves_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=replace(FAST, keep_days=2)) as rec:
        rec.record("old-secret", at=START, context={"place": "old-place"})
        rec.record("new", at=START + 5 * A_DAY)
        monkeypatch.setattr(Writer, "vacuum", no_space)
        rec.maintain(50, at=START + 5 * A_DAY)
        assert rec._store.erasure_pending()
        monkeypatch.undo()
        assert not rec.maintain(50, at=START + 5 * A_DAY)
    assert b"old-secret" not in path.read_bytes()
    assert b"old-place" not in path.read_bytes()


def test_retention_on_a_full_disk_begins_again_with_what_the_ballast_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise FullError("no space")

    with Recommender(tmp_path / "me.db", settings=replace(FAST, keep_events=160)) as rec:
        lived(rec, 300, 600)
        monkeypatch.setattr(Store, "delete", full)
        assert rec.maintain(1_000, at=START + 9 * A_DAY), "the ballast is given, and there is more to do"
        assert not (tmp_path / "me.db-ballast").exists()
        with pytest.raises(FullError):  # now there is nothing left to give
            rec.maintain(1_000, at=START + 9 * A_DAY)
        assert state_bytes(rec) == rebuilt_bytes(rec)
        monkeypatch.undo()
        maintained(rec, START + 9 * A_DAY)
        assert rec.stats().n_events == 150
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_learning_without_the_old_is_given_up_when_the_log_changes_before_its_end(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=replace(FAST, keep_events=160)) as rec:
        lived(rec, 400, 600)
        for n in range(6):
            rec.maintain(1e-6, at=START + 9 * A_DAY)
            rec.record("late", at=START + 390 * 600 - n)  # among those that stay
            rec.record("new", at=START + 10 * A_DAY + n)
        maintained(rec, START + 9 * A_DAY, 1e-6)
        assert state_bytes(rec) == rebuilt_bytes(rec)
        assert {"late", "new"} <= {event.item_id for event in rec._store.events()}


@pytest.mark.parametrize("change", ["late", "forgotten", "late in another process"])
def test_it_comes_to_an_end_though_the_log_changes_at_its_beginning_between_all_steps(
    tmp_path: Path, change: str
) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=replace(FAST, keep_events=160)) as rec, Recommender(path, settings=FAST) as other:
        lived(rec, 400, 600)
        for n in range(12):
            rec.maintain(1e-6, at=START + 9 * A_DAY)
            if rec._store.n_events() <= 160:
                break
            if change == "forgotten":
                rec.forget(events=[[*rec._store.events()][-149].uid])
            else:
                (other if "another" in change else rec).record("late", at=START + 255 * 600 + n)
        assert n < 12 - 1
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_a_late_event_after_what_was_learnt_undoes_nothing(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=replace(FAST, keep_events=160)) as rec:
        lived(rec, 400, 600)
        steps = 0
        while rec._store.n_events() > 160:
            rec.maintain(1e-6, at=START + 9 * A_DAY)
            if rec._retention.begun:
                rec.record("late", at=START + 399 * 600 - 1 - steps)
                steps += 1
                assert rec._retention.begun
        assert steps > 3
        assert not rec._retention.hurried
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_any_uid_of_the_last_moment_before_the_days_to_keep_goes(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=replace(FAST, keep_days=2)) as rec:
        last = (START + 4 * A_DAY) * 1_000_000 - 1
        rec.record_many([Event(last, "\U0010ffff" * 2, "a"), Event(last + 1, "0", "b")])
        maintained(rec, START + 5 * A_DAY)
        assert [event.item_id for event in rec._store.events()] == ["b"]


def test_idle_upkeep_counts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(*_: object, **__: object) -> int:
        raise AssertionError("the whole log was counted")

    with Recommender(tmp_path / "me.db", settings=replace(HIDING, keep_events=160)) as rec:
        rec.add(CATALOGUE)
        rec.record_many([{"item_id": ("s1", "a", "b")[n % 3], "at": START + n} for n in range(150)])
        maintained(rec, START)
        monkeypatch.setattr(Store, "n_events", counted)
        assert not rec.maintain(50, at=START + A_DAY)
        assert rec.stats().n_events == 150
        monkeypatch.undo()
        rec.record_many([{"item_id": ("s1", "a", "b")[n % 3], "at": START + 200 + n} for n in range(150)])
        maintained(rec, START)
        assert rec.stats().n_events == rec._store.n_events() == 150
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_a_clock_that_was_ahead_once_costs_nothing_later(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=replace(FAST, keep_days=30)) as rec:
        lived(rec, 400, 3_600)
        assert rec.maintain(1e-6, at=START + 35 * A_DAY), "one slice, by a clock that is ahead"
        assert rec.stats().n_events == 400
        rec.maintain(1_000, at=START + 17 * A_DAY)
        maintained(rec, START + 31 * A_DAY)
        oldest = min(event.at_us for event in rec._store.events()) // 1_000_000
        assert oldest == START + 2 * A_DAY, "the last thirty days are all there"


def test_what_another_process_forgets_meanwhile_need_not_go_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=replace(FAST, keep_events=160)) as rec, Recommender(path, settings=FAST) as other:
        lived(rec, 300, 600)
        step = Retention.step

        def forgetting(retention: Retention, *arguments: Any) -> bool:
            done = step(retention, *arguments)
            monkeypatch.setattr(Retention, "step", step)
            other.forget(since=START + 150 * 600)
            return done

        monkeypatch.setattr(Retention, "step", forgetting)
        maintained(rec, START + 9 * A_DAY, 1_000.0)
        assert rec.stats().n_events == 150, "few enough were left"
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_learning_over_a_stale_slice_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recommender(tmp_path / "me.db", settings=replace(FAST, keep_events=160)) as rec:
        lived(rec, 400, 600)
        rec.maintain(1e-6, at=START + 9 * A_DAY)
        rec.maintain(1e-6, at=START + 9 * A_DAY)
        monkeypatch.setattr(Retention, "doubt", lambda *_: None)
        rec.record("late", at=START + 255 * 600 + 1)  # among those that stay, and before what was folded
        while rec._store.n_events() > 200:
            rec.maintain(1e-6, at=START + 9 * A_DAY)
        assert state_bytes(rec) != rebuilt_bytes(rec)


def test_without_limits_nothing_goes(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=FAST) as rec:
        lived(rec, 100, A_DAY)
        maintained(rec, START + 10_000 * A_DAY)
        assert rec.stats().n_events == 100


# -- coarse times ----------------------------------------------------------------------


@pytest.mark.parametrize("resolution", RESOLUTIONS_US)
def test_times_are_rounded_down_and_the_order_stays(resolution: str) -> None:
    unit_us = RESOLUTIONS_US[resolution]
    with Recommender(":memory:", settings=Settings(time_resolution=resolution)) as rec:
        uids = [rec.record(f"i{n}", at=START + 7 * n + 0.123456) for n in range(20)]
        uids += [rec.record(f"now{n}") for n in range(5)]
        uids += rec.record_many([{"item_id": f"many{n}"} for n in range(5)])
        events = [*rec._store.events()]
        assert [event.uid for event in events] == uids
        if unit_us > 1:
            assert all(event.at_us % unit_us < len(events) for event in events), "less than the places in the order"
        assert state_bytes(rec) == rebuilt_bytes(rec)


@pytest.mark.parametrize("resolution", RESOLUTIONS_US)
def test_what_is_recorded_as_it_happens_stays_in_order_when_the_clock_steps_back(
    resolution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recommender(":memory:", settings=Settings(time_resolution=resolution)) as rec:
        uids = []
        for clock_s in (20 * 3_600, 20 * 3_600 + 1, -1, -3 * 3_600, 5, 21 * 3_600, 24 * 3_600 - 1, 24 * 3_600, 9):
            monkeypatch.setattr(time, "time_ns", lambda at=clock_s: (START + at) * 1_000_000_000 + 123_456_789)
            uids.append(rec.record("a"))
            uids += rec.record_many([{"item_id": "b"}, {"item_id": "c"}])
        assert [event.uid for event in rec._store.events()] == uids
        times = [event.at_us for event in rec._store.events()]
        assert len(set(times)) == len(times)
        assert all(at_us % RESOLUTIONS_US[resolution] < len(uids) for at_us in times if resolution != "microsecond")


def test_late_events_of_one_unit_come_in_the_order_in_which_they_were_told() -> None:
    with Recommender(":memory:", settings=Settings(time_resolution="hour")) as rec:
        rec.record("newest", at=START + 9 * 3_600)
        told = [f"late{n}" for n in range(40)]
        for n in range(0, 40, 2):
            rec.record(told[n], at=START + 3_599 - 60 * n)
            rec.record_many([{"item_id": told[n + 1], "at": START + 5}, {"item_id": f"x{n}", "at": START + 7_200}])
        order = [event.item_id for event in rec._store.events()]
        assert [item_id for item_id in order if item_id.startswith("late")] == told
        assert order[-1] == "newest"
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_nothing_of_a_full_time_from_before_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=FAST) as fine:
        fine.record("old", at=START + 1_234.567_891)
    with Recommender(path, settings=replace(FAST, time_resolution="hour")) as rec:
        rec.record("a", at=START + 1_300)
        rec.record("b", at=START + 1_200)
        rec.record("c", at=START + 3_600)
        rec.record_many([Event((START + 1_400) * 1_000_000, "own", "d"), {"item_id": "e", "at": START + 9}])
        at_us = {event.item_id: event.at_us - START * 1_000_000 for event in rec._store.events()}
        assert at_us == {"a": 0, "b": 1, "d": 2, "e": 3, "old": 1_234_567_891, "c": 3_600_000_000}
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_an_export_of_fine_times_comes_in_coarse(tmp_path: Path) -> None:
    with Recommender(":memory:") as fine:
        fine.record("a", at=START + 1234.5)
        fine.export(tmp_path / "all.jsonl")
    with Recommender(":memory:", settings=Settings(time_resolution="hour")) as rec:
        assert rec.import_(tmp_path / "all.jsonl") == 1
        assert rec.import_(tmp_path / "all.jsonl") == 0, "the second time it is there already"
        rec.record("b", at=START + 1300)
        rec.record("c", at=START + 1400)
        rec.export(tmp_path / "own.jsonl")
        assert rec.import_(tmp_path / "own.jsonl") == 0, "its own are rounded already"
        rec.forget(items=["b", "c"])
        assert [event.at_us for event in rec._store.events()] == [START * 1_000_000]


FINE: Final = (0.000_4, 0.003, 0.02, 1.5, 59.0, 1_234.5, 3_599.9)  # some within what a place in the order may take


@pytest.mark.parametrize("resolution", [name for name in RESOLUTIONS_US if name != "microsecond"])
def test_full_times_of_an_export_or_with_uids_leave_nothing_and_keep_their_order(
    resolution: str, tmp_path: Path
) -> None:
    told = [Event(round((START + past_s) * 1e6), f"{9 - n}", f"i{n}") for n, past_s in enumerate(FINE)]
    with Recommender(":memory:") as fine:
        fine.record_many(told)
        fine.export(tmp_path / "all.jsonl")
    with Recommender(":memory:", settings=replace(FAST, time_resolution=resolution)) as rec:
        assert rec.import_(tmp_path / "all.jsonl") == len(told)
        first = [*rec._store.events()]
        assert rec.import_(tmp_path / "all.jsonl") == 0, "each has its place already"
        rec.record_many(told)
        rec.record_many(told[3:4])
        assert [*rec._store.events()] == first
    with Recommender(":memory:", settings=replace(FAST, time_resolution=resolution)) as rec:
        for event in told:
            rec.record_many([event])
        assert [*rec._store.events()] == first
        assert [event.item_id for event in first] == [event.item_id for event in told]
        assert all(event.at_us % RESOLUTIONS_US[resolution] < len(told) for event in first)


def test_an_export_of_rounded_times_comes_in_as_it_is_where_that_tells_no_more(tmp_path: Path) -> None:
    with Recommender(":memory:", settings=replace(FAST, time_resolution="hour")) as rec:
        rec.record_many([{"item_id": f"i{n}", "at": START + 100 * n} for n in range(60)])
        rec.forget(items=["i0", "i7", "i40"])
        events = [*rec._store.events()]
        rec.export(tmp_path / "hours.jsonl")
    for resolution in ("microsecond", "second", "minute", "hour", "day"):
        with Recommender(":memory:", settings=replace(FAST, time_resolution=resolution)) as other:
            assert other.import_(tmp_path / "hours.jsonl") == 57
            assert other.import_(tmp_path / "hours.jsonl") == 0
            if resolution == "day":
                assert [event.at_us - START * 1_000_000 for event in other._store.events()] == [*range(57)]
            else:
                assert [*other._store.events()] == events


@pytest.mark.parametrize("resolution", ["microsecond", "hour"])
def test_an_export_without_events_comes_in(resolution: str, tmp_path: Path) -> None:
    with Recommender(":memory:", settings=replace(FAST, time_resolution=resolution)) as rec:
        rec.add([{"id": "a"}])
        assert rec.export(tmp_path / "items.jsonl") == 0
        assert rec.import_(tmp_path / "items.jsonl") == 0
        assert [item.id for item, _ in rec._store.items()] == ["a"]


def test_an_export_that_claims_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    for claimed in ('"week"', "3", "null", "[]"):
        (tmp_path / "odd.jsonl").write_text(f'{{"recsys": 1, "time_resolution": {claimed}}}\n')
        with Recommender(":memory:") as rec, pytest.raises(InputError, match="line 1: its times") as caught:
            rec.import_(tmp_path / "odd.jsonl")
        assert caught.value.field == "time_resolution"


def test_more_than_the_usual_places_of_a_unit_keep_their_order() -> None:
    with Recommender(":memory:", settings=replace(FAST, time_resolution="second")) as rec:
        uids = rec.record_many([{"item_id": "a", "at": START + 0.5}] * 10_050)
        for n in range(20):
            uids.append(rec.record(f"i{n}", at=START + 0.1))
        assert [event.uid for event in rec._store.events()] == uids
        assert {event.at_us // 1_000_000 for event in rec._store.events()} == {START}


# -- tags never learnt --------------------------------------------------------------------

SENSITIVE: Final = frozenset({"s1", "s2"})
PLAIN: Final = ("a", "b", "c")
CATALOGUE: Final = [
    *(Item(name, name.upper(), ("plain",)) for name in PLAIN),
    *(Item(name, name.upper(), ("health", "plain")) for name in sorted(SENSITIVE)),
]
HIDING: Final = replace(FAST, never_learn=["health", "faith"])


def without(events: list[Event]) -> list[Event]:
    """What is left of a history without what is sensitive: the slow twin of the mask."""
    left = []
    for event in events:
        shown = tuple(place for place in event.shown if place[0] not in SENSITIVE)
        if event.item_id not in {*SENSITIVE, "health", "faith"} and (shown or not event.shown):
            left.append(replace(event, shown=shown))
    return left


@given(history=some.histories(item_ids=[*PLAIN, *sorted(SENSITIVE), "unlisted"], max_size=30), reopen=st.booleans())
@settings(max_examples=40)
def test_nothing_depends_on_what_is_never_learnt(history: list[Event], *, reopen: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        hiding, never = (Recommender(Path(folder) / name, settings=HIDING) for name in ("a.db", "b.db"))
        for rec in (hiding, never):
            rec.add(CATALOGUE)
        hiding.steer("health", 1.0, at=START)
        for event in history:
            hiding.record_many([event])
        never.record_many(without(history))
        if reopen:
            hiding.close()
            hiding = Recommender(Path(folder) / "a.db", settings=HIDING)
        with hiding, never:
            alike(hiding, never)
            assert hiding._store.n_events() == len(history) + 1, "the log itself keeps what the person did"
            for item_id in SENSITIVE:
                assert hiding.explain(item_id, at=START).events == ()


def alike(one: Recommender, other: Recommender) -> None:
    """Whether nothing that a person can see differs."""
    same = state_bytes(one) == state_bytes(other)
    assert same, "what was learnt differs"  # not the bytes: to show how they differ takes minutes
    assert one.profile() == other.profile()
    mine, theirs = (rec.recommend(10, at=some.START + 100_000) for rec in (one, other))
    assert [(r.item_id, r.score, r.reasons) for r in mine] == [(r.item_id, r.score, r.reasons) for r in theirs]
    assert one.evaluate() == other.evaluate()


def _hides_no_slates(mask: Mask, event: Event) -> Event | None:
    return event if event.kind == "shown" or event.item_id not in mask.items else None


def _hides_no_steering(mask: Mask, event: Event) -> Event | None:
    return event if event.kind == "steer" else _seen(mask, event)


_seen: Final = Mask.seen
FAULTS: Final[dict[str, Callable[[Mask, Event], Event | None]]] = {
    "nothing is hidden": lambda _, event: event,
    "slates are not": _hides_no_slates,
    "steering by the tag is not": _hides_no_steering,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mask_with_a_hole_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mask, "seen", FAULTS[fault])
    history = [Event((START + n) * 1_000_000, f"{n:016x}", ("a", "s1", "b")[n % 3]) for n in range(9)]
    history.append(
        Event((START + 20) * 1_000_000, "shown", "", "shown", slate="x", shown=(("s1", 0, 0.5), ("a", 1, 0.5)))
    )
    history.append(Event((START + 21) * 1_000_000, "steer", "health", "steer", value=1.0))
    with Recommender(":memory:", settings=HIDING) as hiding, Recommender(":memory:", settings=HIDING) as never:
        for rec, events in ((hiding, history), (never, without(history))):
            rec.add(CATALOGUE)
            rec.record_many(events)
        with pytest.raises(AssertionError):
            alike(hiding, never)


def test_an_item_that_becomes_sensitive_is_unlearnt_and_one_that_no_longer_is_is_learnt(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=HIDING) as rec:
        rec.add([{"id": "a"}, {"id": "b"}])
        rec.record_many([{"item_id": "ab"[n % 2], "at": START + n} for n in range(40)])
        both = learnt(rec)
        rec.add([{"id": "a", "tags": ["faith"]}])
        assert "a" not in rec._live.state.behaviour.slots
        assert state_bytes(rec) == rebuilt_bytes(rec)
        rec.add([{"id": "a"}])
        assert learnt(rec) == both


def test_two_processes_agree_on_what_is_hidden(tmp_path: Path) -> None:
    with (
        Recommender(tmp_path / "me.db", settings=HIDING) as one,
        Recommender(tmp_path / "me.db", settings=HIDING) as other,
    ):
        one.record_many([{"item_id": "ab"[n % 2], "at": START + n} for n in range(40)])
        other.add([{"id": "a", "tags": ["health"]}])
        one.recommend(1)
        assert state_bytes(one) == state_bytes(other) == rebuilt_bytes(one)
        assert "a" not in one._live.state.behaviour.slots


def test_a_removed_item_stays_hidden_until_the_log_says_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=HIDING) as rec:
        rec.add([{"id": "secret-item", "title": "secret-title", "tags": ["health", "secret-tag"]}, {"id": "b"}])
        rec.record_many([{"item_id": ("secret-item", "b")[n % 2], "at": START + n} for n in range(40)])
        before = learnt(rec)
        assert rec.remove(["secret-item"]) == 1
        tags = ("health", "secret-tag")
        assert [*rec._store.items()] == [(Item("b"), False), (Item("secret-item", tags=tags), True)]
        assert learnt(rec) == before
        rec.export(tmp_path / "all.jsonl")
    with Recommender(path, settings=HIDING) as again:
        assert learnt(again) == before
        with Recommender(":memory:", settings=HIDING) as carried:
            carried.import_(tmp_path / "all.jsonl")
            assert learnt(carried) == before
        receipt = again.forget(items=["secret-item"])
        assert (receipt.status, receipt.n_events, receipt.n_items) == ("erased", 20, 1)
        assert learnt(again) == before, "it had never been learnt"
    assert b"secret" not in path.read_bytes()


@pytest.mark.parametrize("used", [True, False], ids=["used", "only steered"])
def test_what_a_process_without_the_setting_removed_is_hidden_once_it_is_set(tmp_path: Path, *, used: bool) -> None:
    path, told = tmp_path / "me.db", [{"item_id": "a", "at": START + n} for n in range(20)]
    with Recommender(path, settings=FAST) as plain:
        plain.add(CATALOGUE)
        plain.record_many(told)
        if used:
            plain.record_many([{"item_id": "s1", "at": START + 50 + n} for n in range(20)])
        plain.steer("s1", 0.5, at=START + 90)
        assert plain.remove(["s1"]) == 1
        plain.export(tmp_path / "all.jsonl")
    with Recommender(path, settings=HIDING) as hiding, Recommender(":memory:", settings=HIDING) as carried:
        carried.import_(tmp_path / "all.jsonl")
        with Recommender(":memory:", settings=HIDING) as never:
            never.record_many(told)
            assert learnt(hiding) == learnt(carried) == learnt(never)
        hiding.forget(items=["s1"])
        assert "s1" not in {item.id for item, _ in hiding._store.items()}


def test_a_removed_item_that_is_only_steered_any_more_stays_hidden(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=HIDING) as rec:
        rec.add(CATALOGUE)
        uid = rec.record("s1", at=START)
        rec.steer("s1", 0.5, at=START + 1)
        rec.remove(["s1"])
        rec.forget(events=[uid])
        assert (rec._live.state.steers, rec._live.state.n_events) == ({}, 0)
        assert state_bytes(rec) == rebuilt_bytes(rec)
        assert rec.forget(kinds=["steer"]).n_items == 1, "and goes with the last word of it"


def test_an_older_export_takes_no_sensitive_tag_away(tmp_path: Path) -> None:
    with Recommender(":memory:", settings=FAST) as older:
        older.add([{"id": "s", "title": "S", "tags": ["plain"]}, {"id": "p", "tags": ["old"]}])
        older.record_many([{"item_id": "s", "at": START + n} for n in range(5)])
        older.export(tmp_path / "older.jsonl")
    with Recommender(tmp_path / "me.db", settings=HIDING) as rec:
        rec.add([{"id": "s", "tags": ["faith", "new"]}, {"id": "p", "tags": ["new"]}])
        for _ in range(2):
            rec.import_(tmp_path / "older.jsonl")
            items = {item.id: item.tags for item, _ in rec._store.items()}
            assert items == {"s": ("faith", "plain"), "p": ("old",)}
            assert rec._live.state.n_events == 0, "nothing is learnt of it"
        rec.add([{"id": "s", "tags": ["plain"]}])
        assert rec._live.state.n_events == 5, "what the host says itself holds"


def test_an_import_takes_no_tag_from_what_is_removed(tmp_path: Path) -> None:
    with Recommender(":memory:", settings=FAST) as other:
        other.record("s1", at=START)
        other.remove(["s1"])
        other.export(tmp_path / "all.jsonl")
    with Recommender(tmp_path / "me.db", settings=HIDING) as rec:
        rec.add(CATALOGUE)
        rec.record("s1", at=START + 1)
        rec.import_(tmp_path / "all.jsonl")
        assert rec._live.state.n_events == 0
        assert rec._store.item("s1") == (Item("s1", tags=("health", "plain")), True)


def test_what_is_held_is_counted_whether_learnt_or_not(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=HIDING) as rec:
        rec.add(CATALOGUE)
        rec.record_many([{"item_id": ("s1", "a", "b")[n % 3], "at": START + n} for n in range(90)])
        assert (rec.stats().n_events, rec.profile().n_events) == (90, 60)
        maintained(rec, START)
        assert rec.stats().n_checkpoints
        uid = rec.record("s2", at=START + 100)
        rec.record("s2", at=START + 10)
        assert rec.stats().n_events == 92
    with Recommender(path, settings=HIDING) as again:
        assert again.stats().n_events == 92
        again.add([Item("s2"), Item("b", tags=("faith",))])
        assert (again.stats().n_events, again.profile().n_events) == (92, 32)
        again.forget(events=[uid])
        assert again.stats().n_events == 91 == again._store.n_events()


def test_what_is_hidden_changes_no_checkpoint(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=HIDING) as rec:
        rec.add(CATALOGUE)
        rec.record_many([{"item_id": ("s1", "a", "b")[n % 3], "at": START + n} for n in range(300)])
        maintained(rec, START)
        assert rec.stats().n_checkpoints
        rec.record("c", at=START + 100)  # late: learnt again from a checkpoint on the way
        rec.record("c", at=START + 101)
        assert state_bytes(rec) == rebuilt_bytes(rec)
    with Recommender(tmp_path / "me.db", settings=HIDING) as again:
        assert state_bytes(again) == rebuilt_bytes(again)


# -- consent --------------------------------------------------------------------------------

ASKING: Final = replace(FAST, require_consent=True)


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(ConsentError, match="consent"):
        yield


def test_nothing_is_written_and_no_file_made_before_consent(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=ASKING) as rec:
        assert rec.add([{"id": "a", "title": "A"}, {"id": "b"}]) == 2
        rec.remove(["b"])
        assert rec.recommend(5).item_ids == ["a"], "the prior ranks the catalogue without it"
        slate = rec.recommend(1)
        for call in (
            lambda: rec.record("a"),
            lambda: rec.record_many([{"item_id": "a"}]),
            lambda: rec.steer("a", 1.0),
            lambda: rec.shown(slate),
        ):
            with refused():
                call()
        maintained(rec, START)
        assert rec.forget(everything=True).status == "erased", "there is nothing, and that may be said"
        assert rec.withdraw().status == "erased"
        assert rec.stats().n_events == 0
        assert rec.recommend(5).item_ids == ["a"]
    assert [*tmp_path.iterdir()] == []


def test_after_consent_all_is_kept_with_the_purpose_and_the_time(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=ASKING) as rec:
        rec.add([{"id": "a", "title": "A"}])
        rec.consent("to rank what I read", at=START)
        rec.consent("to rank what I read", at=START + 99)
        rec.record("a", at=START)
    with Recommender(path, settings=ASKING) as again:
        assert again.consents() == {"to rank what I read": float(START)}
        assert (again.stats().n_events, again.stats().n_items) == (1, 1)
        again.consent("another", at=START + 5)
        assert again.consents() == {"another": START + 5.0, "to rank what I read": float(START)}


def test_withdrawing_forgets_everything_and_closes_the_door_again(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=ASKING) as rec:
        rec.add([{"id": "a"}])
        rec.consent("secret-purpose", at=START)
        rec.record_many([{"item_id": "secret-item", "at": START + n} for n in range(40)])
        receipt = rec.withdraw()
        assert (receipt.status, receipt.n_events) == ("erased", 40)
        assert rec.consents() == {}
        assert rec.recommend(5).item_ids == ["a"]
        with refused():
            rec.record("a")
        before = digests(path)
        rec.add([{"id": "b"}])
        assert digests(path) == before
        assert b"secret" not in path.read_bytes()
        rec.consent("again", at=START + 1)
        rec.record("b", at=START + 2)
        assert rec.stats().n_events == 1
        assert {finding.severity for finding in rec.check()} == {"ok"}


def test_a_withdrawal_that_is_pending_is_finished_by_maintain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=ASKING) as rec:
        rec.consent("reading", at=START)
        rec.record("secret-item", at=START)
        monkeypatch.setattr(Writer, "vacuum", no_space)
        assert rec.withdraw().status == "pending"
        with refused():
            rec.record("a")
        assert not rec.maintain(), "a further call could do no more now"
        assert rec.stats().erasure_pending
        assert [f.severity for f in rec.check() if f.what == "erasure"] == ["warning"]
        monkeypatch.undo()
        assert rec.maintain(0), "it remains"
        assert not rec.maintain()
        assert not rec.stats().erasure_pending
        assert [f.severity for f in rec.check() if f.what == "erasure"] == ["ok"]
        assert b"secret-item" not in path.read_bytes()
        with refused():
            rec.record("a")


@pytest.mark.parametrize("n_events", [0, 3])
def test_a_withdrawal_elsewhere_is_noticed_before_anything_is_written(tmp_path: Path, n_events: int) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=ASKING) as one:
        one.consent("reading")
        one.export(tmp_path / "all.jsonl")
        with Recommender(path, settings=ASKING) as other:
            for _ in range(n_events):
                one.record("a")
            assert other.stats().n_events == n_events
            one.withdraw()
            for call in (
                lambda: other.record("b"),
                lambda: other.import_(tmp_path / "all.jsonl"),
            ):
                with refused():
                    call()
            other.maintain()
            with refused():
                other.record("b")
            assert other.forget(everything=True).n_events == 0
    with Recommender(path, settings=FAST) as plain:
        assert plain.stats().n_events == 0


def test_a_catalogue_added_after_a_withdrawal_elsewhere_stays_out_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=ASKING) as one, Recommender(path, settings=ASKING) as other:
        one.add([{"id": "a"}])
        one.consent("reading", at=START)
        other.record("a", at=START)
        one.withdraw()
        other.add([{"id": "secret-item"}])  # the call that notices
        other.remove(["a"])
        assert other.recommend(5).item_ids == ["secret-item"]
        with closing(Store(path)) as store:
            assert [item.id for item, _ in store.items()] == ["a"]
        one.consent("again", at=START + 1)
        with Recommender(path, settings=FAST) as plain:
            plain.record("b", at=START + 2)
        assert other.stats().n_events == 1, "what the file holds"
        assert other.recommend(5).item_ids == ["secret-item"], "a read does not go over to it"
        other.record("c", at=START + 3)  # a write notices that it may
        assert one.stats().n_events == other.stats().n_events == 2
        assert set(one.recommend(9).item_ids) == {"b", "c", "secret-item"}, "what was removed meanwhile is gone"


@pytest.mark.parametrize("notice", ["record", "add", "maintain"])
def test_a_consent_given_elsewhere_is_noticed_at_a_write(tmp_path: Path, notice: str) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=ASKING) as other:
        with refused():
            other.record("a")
        with Recommender(path, settings=ASKING) as one:
            one.consent("reading", at=START)
            one.record("a", at=START)
        if notice == "record":
            other.record("b", at=START + 1)
        elif notice == "add":
            other.add([{"id": "b"}])
        else:
            other.maintain()
        assert other.consents() == {"reading": float(START)}
        assert "a" in other.recommend(5).item_ids
        assert state_bytes(other) == rebuilt_bytes(other)


def test_one_purpose_can_be_withdrawn_and_with_the_last_everything_goes(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=replace(ASKING, time_resolution="hour")) as rec:
        for blank in (" ", "\t\n"):
            with pytest.raises(InputError) as caught:
                rec.consent(blank)
            assert caught.value.field == "purpose"
        rec.consent("first-purpose", at=START + 1234.5)
        rec.consent("second", at=START + 3600)
        assert rec.consents() == {"first-purpose": float(START), "second": START + 3600.0}, "rounded as events are"
        rec.record("a", at=START)
        assert (rec.withdraw("unknown").n_events, len(rec.consents())) == (0, 2)
        receipt = rec.withdraw("first-purpose")
        assert (receipt.status, receipt.n_events, rec.stats().n_events) == ("erased", 0, 1)
        assert [*rec.consents()] == ["second"]
        rec.record("a", at=START + 1)
        assert rec.withdraw("second").n_events == 2
        with refused():
            rec.record("a")
    assert b"first-purpose" not in path.read_bytes()


def test_the_words_of_a_consent_leave_the_file_after_a_kill_without_events_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "me.db"
    rec = Recommender(path, settings=ASKING)
    rec.consent("secret-purpose", at=START)
    monkeypatch.setattr(Store, "erase", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rec.withdraw()
    monkeypatch.undo()
    with Recommender(path, settings=ASKING) as again:
        assert not again.stats().erasure_pending
    assert b"secret-purpose" not in path.read_bytes()
    rec.close()


def test_what_was_set_aside_goes_before_the_word_that_an_erasure_is_pending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, aside = tmp_path / "me.db", tmp_path / "me.db-aside-1"
    with Recommender(path, settings=FAST) as rec:
        rec.record("a", at=START)
        for finishing in ("maintain", "open"):
            rec.record("b", at=START)
            aside.write_bytes(b"damaged")
            monkeypatch.setattr(Store, "destroy_set_aside", interrupted)
            with pytest.raises(KeyboardInterrupt):  # a kill just after the commit
                rec.forget(items=["b"])
            monkeypatch.undo()
            assert rec.stats().erasure_pending
            assert aside.exists()
            if finishing == "maintain":
                assert not rec.maintain()
            else:
                Recommender(path, settings=FAST).close()
            assert not rec.stats().erasure_pending
            assert not aside.exists()


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_is_removed_without_consent_is_removed_with_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=ASKING) as rec:
        rec.consent("reading")
        rec.add([{"id": "page-7", "title": "clinic-visited"}, {"id": "b"}, {"id": "kept"}])
        rec.record("page-7", at=START)
        rec.withdraw()
        rec.remove(["page-7"])
        rec.remove(["b"])
        rec.add([{"id": "b"}])  # and back again
        rec.consent("again")
        assert set(rec.recommend(9).item_ids) == {"b", "kept"}
        rec.withdraw()
    with Recommender(path, settings=ASKING) as fresh:  # which has not read the catalogue
        fresh.remove(["kept"])
        fresh.forget(everything=True)
    with Store(path) as store:
        assert [item.id for item, _ in store.items()] == ["b"]
    assert b"clinic-visited" not in path.read_bytes()


def test_a_log_set_aside_that_is_open_leaves_the_erasure_pending(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(tmp_path / "me.db-aside-1", settings=FAST) as mended, Recommender(path, settings=FAST) as rec:
        mended.record("secret-item", at=START)
        rec.record("secret-item", at=START)
        receipt = rec.forget(items=["secret-item"])
        assert (receipt.status, receipt.reason, receipt.n_events) == ("pending", "aside", 1)
        assert not rec.maintain()
        assert rec.stats().erasure_pending
        mended.close()
        rec.maintain()
        assert not rec.stats().erasure_pending
    assert not (tmp_path / "me.db-aside-1").exists()


def test_a_log_set_aside_that_cannot_be_deleted_leaves_the_erasure_pending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused_by_the_system(*_: object, **__: object) -> None:
        raise PermissionError

    path, aside = tmp_path / "me.db", tmp_path / "me.db-aside-1"
    with Recommender(path, settings=FAST) as rec:
        aside.write_bytes(b"damaged")
        monkeypatch.setattr(Path, "unlink", refused_by_the_system)
        assert rec.forget(items=["nothing-of-it"]).reason == "aside"
        monkeypatch.undo()
        assert rec.stats().erasure_pending
        assert rec.forget(items=["nothing-of-it"]).n_set_aside == 1
        assert not rec.stats().erasure_pending


def test_what_is_left_of_a_wal_without_a_log_goes_without_consent_too(tmp_path: Path) -> None:
    """As after a kill of `set_aside`, when its copy stands aside already."""
    (tmp_path / "me.db-aside-1").write_bytes(b"damaged")
    (tmp_path / "me.db-wal").write_bytes(b"secret-item")
    with Recommender(tmp_path / "me.db", settings=ASKING) as rec:
        assert (rec.forget(items=["secret-item"]).status, [*tmp_path.iterdir()]) == ("erased", [])


def test_rekey_notices_a_withdrawal_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("sqlcipher3")
    path, old, new = tmp_path / "me.db", bytes(32), bytes([1] * 32)
    with Recommender(path, key=old, settings=ASKING) as rec:
        rec.consent("reading")
        with Recommender(path, key=old, settings=ASKING) as other:
            other.withdraw()
        with refused():
            rec.rekey(new)
    Recommender(path, key=old, settings=ASKING).close()


def test_an_import_cannot_push_a_sensitive_tag_out(tmp_path: Path) -> None:
    told = tmp_path / "told.jsonl"
    careful = Settings(never_learn=["health"])
    with Recommender(":memory:", settings=careful) as rec:
        rec.add([{"id": "clinic", "tags": [*(f"t{n}" for n in range(63)), "health"]}])
        rec.record("clinic", at=START)
        rec.remove(["clinic"])
        rec.export(told)
    with Recommender(":memory:", settings=careful) as rec:
        rec.add([{"id": "clinic", "tags": [f"other{n}" for n in range(64)]}])
        rec.import_(told)
        assert rec.profile().n_events == 0


def test_a_withdrawal_that_fails_half_way_stops_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise StoreError("broken")

    with Recommender(tmp_path / "me.db", settings=ASKING) as rec:
        rec.consent("reading")
        rec.record("a")
        monkeypatch.setattr(Store, "erase", broken)
        with pytest.raises(StoreError):
            rec.withdraw()
        monkeypatch.undo()
        with refused():
            rec.record("b")


def test_a_withdrawal_that_was_pending_is_finished_at_the_next_opening(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=ASKING) as rec:
        rec.consent("reading")
        rec.record("secret-item", at=START)
        with closing(database(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT COUNT(*) FROM events").fetchone()
            assert rec.withdraw().reason == "reader"
            reader.execute("ROLLBACK")
    with Recommender(path, settings=ASKING):
        pass
    assert b"secret-item" not in path.read_bytes()
    with Store(path) as store:
        assert not store.erasure_pending()


@pytest.mark.parametrize("what", ["forget", "record"])
def test_what_is_cut_short_just_after_its_commit_is_made_good_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with Recommender(tmp_path / "me.db", settings=FAST) as rec:
        rec.record_many([{"item_id": "ab"[n % 2], "at": START + n} for n in range(40)])
        monkeypatch.setattr(Live, "load" if what == "forget" else "learn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rec.forget(items=["a"]) if what == "forget" else rec.record("c", at=START + 50)
        monkeypatch.undo()
        rec.recommend(1)
        assert state_bytes(rec) == rebuilt_bytes(rec)
        assert rec.stats().n_events == (20 if what == "forget" else 41)


def test_a_log_from_before_consent_was_asked_for_is_not_used_without_it(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=FAST) as rec:
        rec.record("a", at=START)
    before = digests(path)
    with Recommender(path, settings=ASKING) as rec:
        assert rec.recommend(5).item_ids == []
        with refused():
            rec.record("b")
    assert digests(path) == before
    with Recommender(path, settings=ASKING) as rec:
        rec.consent("reading")
        assert rec.recommend(5).item_ids == ["a"]


def held_from_before(path: Path) -> dict[str, str]:
    """A file with a log and no consent in it; digests of its bytes."""
    with Recommender(path, settings=FAST) as rec:
        rec.add([{"id": "a", "title": "secret-title"}])
        rec.record_many([{"item_id": ("a", "secret-item")[n % 2], "at": START + n} for n in range(40)])
    return digests(path)


def test_what_is_held_without_consent_can_be_seen_and_taken_out_and_no_byte_changes(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    before = held_from_before(path)
    with Recommender(path, settings=ASKING) as rec:
        stats = rec.stats()
        assert (stats.n_events, stats.n_items, stats.n_known_items) == (40, 1, 2)
        assert stats.size_bytes == sum((tmp_path / name).stat().st_size for name in before)
        assert {finding.severity for finding in rec.check()} == {"ok"}
        assert rec.export(tmp_path / "all.jsonl") == 40
        assert not rec.maintain()
        assert (rec.recommend(5).item_ids, rec.profile().n_events, rec.explain("a").events) == ([], 0, ())
        with refused():
            rec.import_(tmp_path / "all.jsonl")
    assert digests(path) == before
    with Recommender(":memory:", settings=FAST) as carried:
        assert carried.import_(tmp_path / "all.jsonl") == 40


@plain_only  # the old files are
@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_older_version_is_not_migrated_without_consent_and_can_be_taken_out_and_erased(
    tmp_path: Path, version: int
) -> None:
    path = Path(shutil.copy(OLD / f"v{version}.db", tmp_path / "me.db"))
    before = digests(path)
    with Recommender(path, settings=ASKING) as rec:
        n = rec.stats().n_events
        assert n > 0
        assert rec.export(tmp_path / "all.jsonl") == n
        assert {finding.severity for finding in rec.check()} == {"ok", "warning"}
        rec.maintain()
        assert digests(path) == before
        assert rec.forget(everything=True).n_events == n
        assert rec.stats().n_events == 0


@pytest.mark.parametrize("how", ["items", "withdraw"])
def test_what_is_held_without_consent_can_be_erased_without_consenting_first(tmp_path: Path, how: str) -> None:
    path = tmp_path / "me.db"
    held_from_before(path)
    with Recommender(path, settings=ASKING) as rec:
        receipt = rec.forget(items=["secret-item"]) if how == "items" else rec.withdraw()
        assert (receipt.status, receipt.n_events) == ("erased", 20 if how == "items" else 40)
        assert rec.stats().n_events == 40 - receipt.n_events
        assert rec.recommend(5).item_ids == []
        with refused():
            rec.record("a")
    assert b"secret-item" not in path.read_bytes()


def test_an_erasure_without_consent_that_is_pending_is_finished_by_maintain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "me.db"
    held_from_before(path)
    with Recommender(path, settings=ASKING) as rec:
        monkeypatch.setattr(Writer, "vacuum", no_space)
        assert rec.withdraw().status == "pending"
        assert not rec.maintain()
        assert rec.stats().erasure_pending
        monkeypatch.undo()
        assert not rec.maintain()
        assert not rec.stats().erasure_pending
    assert b"secret-item" not in path.read_bytes()


def test_consent_is_kept_where_none_is_required_too(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=FAST) as rec:
        rec.consent("reading", at=START)
        rec.record("a")
        assert rec.withdraw().n_events == 1
        rec.record("b")
        assert rec.stats().n_events == 1


# -- what a host may ask for -------------------------------------------------------------------

WRONG: Final[list[tuple[str, Any]]] = [
    *(("keep_days", value) for value in (0, -1, 1.5, True, "7", 36_501)),
    *(("keep_events", value) for value in (0, 15, 1e3, True, math.nan)),
    *(("time_resolution", value) for value in ("week", "", 3600, None, ["hour"])),
    *(("never_learn", value) for value in ("health", b"health", [1], [""], ["x" * 129], {"health": 1}, None, 5)),
    *(("require_consent", value) for value in (1, None, "yes")),
    *(("ballast", value) for value in (1, None, "yes")),
    *(("dwell", value) for value in (5, ["play"], {"play": 0.0}, {"play": "30"}, {"play": math.inf}, {"skip": 3.0})),
    *(
        ("dwell", value)
        for value in ({"": 1.0}, {"shown": 1.0}, {"k" * 65: 1.0}, {3: 1.0}, {"play": True}, {"play": -1.0}, None)
    ),
    *(("kind_weights", value) for value in (5, [("a", 1.0)], {"k" * 65: 1.0}, {"": 1.0}, {"shown": 1.0})),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=repr)
def test_a_setting_that_cannot_be_is_refused(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        Settings(**{name: value})
    assert caught.value.field == name


def test_what_is_stored_is_not_what_is_learnt() -> None:
    plain, kept = (
        Settings(),
        Settings(keep_days=3, keep_events=99, time_resolution="hour", require_consent=True, ballast=False),
    )
    assert plain.learning() == kept.learning(), "such settings change no checkpoint"
    assert Settings(never_learn=["b", "a", "b"]).never_learn == ("a", "b")


def test_what_settings_show_of_themselves_tells_no_tag() -> None:
    shown = repr(Settings(never_learn=["health", "debts"], keep_days=3, kind_weights={"hum": 2.0}))
    assert "health" not in shown
    assert "never_learn=<2 tags>" in shown
    assert "keep_days=3" in shown
    assert "'hum': 2.0" in shown
