"""Learning as it happens is learning anew, whatever happens; and the machine that says so finds planted faults."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from recsys import Event, Recommender, live, portable
from recsys.learn.behaviour import Behaviour
from recsys.learn.layout import NOBODY, PAST, PLACES
from recsys.learn.versions import versions
from recsys.log import deletion, erase, events, scan
from recsys.rank import slate
from recsys.testing import strategies as some
from tests.keyed import plain_only
from tests.properties.eyes import rebuilt_bytes, state_bytes
from tests.properties.machine import ITEMS, OneFold, counted, forgotten

Patch = pytest.MonkeyPatch


def test_learning_as_it_happens_is_learning_anew(monkeypatch: Patch) -> None:
    """F1, F2, U1 to U3, L8."""
    counts = counted(monkeypatch)
    monkeypatch.setattr(OneFold, "counts", counts)
    run_state_machine_as_test(OneFold, settings=settings(max_examples=20, stateful_step_count=20))
    least = {"checkpoints": 5, "late events": 2, "refolds from a checkpoint": 2, "events forgotten": 10, "reopened": 2}
    assert {name: counts[name] for name in least if counts[name] < least[name]} == {}


def _loses_a_field_when_restored(monkeypatch: Patch) -> None:
    restore = Behaviour.restore

    def forgetful(self: Behaviour, *arguments: Any) -> None:
        restore(self, *arguments)
        self.places[:] = NOBODY

    monkeypatch.setattr(Behaviour, "restore", forgetful)


def _learns_from_the_random_id(monkeypatch: Patch) -> None:
    fold = live.fold

    def superstitious(state: Any, event: Event) -> None:
        fold(state, event)
        state.choices[-1].w[0] += (int(event.uid, 16) % 1_000) * 1e-9

    monkeypatch.setattr(live, "fold", superstitious)


def _learns_from_being_asked(monkeypatch: Patch) -> None:
    gather = slate.gather

    def learning(behaviour: Behaviour, *arguments: Any) -> Any:
        behaviour.shown_n[1:] += 1
        return gather(behaviour, *arguments)

    monkeypatch.setattr(slate, "gather", learning)


def _spoils_what_is_kept_of_the_uses_that_wait(monkeypatch: Patch) -> None:
    gather = slate.gather

    def untidy(behaviour: Behaviour, *arguments: Any) -> Any:
        found = gather(behaviour, *arguments)
        versions(behaviour).uses_week[0] += 1.0
        return found

    monkeypatch.setattr(slate, "gather", untidy)


def _keeps_the_checkpoints_of_what_is_forgotten(monkeypatch: Patch) -> None:
    monkeypatch.setattr(deletion, "drop_checkpoints_from", lambda *_: 0)


def _keeps_the_checkpoints_of_what_came_late(monkeypatch: Patch) -> None:
    monkeypatch.setattr(events, "drop_checkpoints_from", lambda *_: 0)


def _takes_the_late_for_the_newest(monkeypatch: Patch) -> None:
    monkeypatch.setattr(live.Live, "is_late", lambda *_: False)


def _forgets_no_items_in_slates(monkeypatch: Patch) -> None:
    monkeypatch.setattr(deletion, "_losing", lambda *_: {})


def _carries_no_slates(monkeypatch: Patch) -> None:
    plain = portable._plain
    monkeypatch.setattr(portable, "_plain", lambda event: {**plain(event), **({} if event.shown else {"slate": None})})


def _leaves_deleted_bytes(monkeypatch: Patch) -> None:
    monkeypatch.setattr(erase, "_rewritten", lambda *_: "")
    monkeypatch.setattr(scan, "scan", lambda *_: ([], 0, 0))


FAULTS: Final[dict[str, Callable[[Patch], None]]] = {
    "a restored field is lost": _loses_a_field_when_restored,
    "the random id is learnt from": _learns_from_the_random_id,
    "a question changes the state": _learns_from_being_asked,
    "a question spoils what is kept of the uses that wait": _spoils_what_is_kept_of_the_uses_that_wait,
    "checkpoints of forgotten events are kept": _keeps_the_checkpoints_of_what_is_forgotten,
    "checkpoints that lack late events are kept": _keeps_the_checkpoints_of_what_came_late,
    "late events are taken for the newest": _takes_the_late_for_the_newest,
    "forgotten items stay in slates": _forgets_no_items_in_slates,
    "an export loses what was chosen from": _carries_no_slates,
    "deleted bytes stay in the file": _leaves_deleted_bytes,
}


def story() -> None:
    """The machine's own rules in an order in which every fault above must show."""
    machine = OneFold()
    steps: list[Callable[[], object]] = [
        lambda: machine.add([ITEMS[0], ITEMS[2]], "jazz"),
        lambda: machine.record_many(1, 20, 0),
        lambda: machine.record(ITEMS[0], "play", {"place": "home"}, 60, 1.5),
        lambda: machine.show(4, 0.0, 0, by_host=True),
        lambda: machine.choose(0, 1, "click"),
        lambda: machine.record_many(2, 24, 10),
        lambda: machine.steer("jazz", 0.5),
        machine.reopen,
        lambda: machine.look(60, {"place": "home"}, 1, 3),
        lambda: machine.record_late(Event(0, "", ITEMS[4], "play"), 5_000),
        machine.move,
        lambda: machine.record_many(3, 20, 0),
        lambda: machine.forget_items([machine.slates[0][2].item_id], ["shown"]),
        lambda: machine.forget_events([30], newest=False),
        lambda: machine.pause_and_resume(ITEMS[0]),
        machine.reopen,
    ]
    try:
        for step in steps:
            step()
            machine.the_state_is_what_the_log_teaches()
            machine.what_is_learnt_does_not_depend_on_random_ids()
    finally:
        machine.teardown()


def test_without_a_fault_the_story_ends_well(monkeypatch: Patch) -> None:
    counts = counted(monkeypatch)
    story()
    assert counts["checkpoints"] >= 2
    assert counts["refolds from a checkpoint"] >= 1


@plain_only  # one of them is that bytes stay, which cannot be seen among encrypted ones
@pytest.mark.parametrize("fault", FAULTS)
def test_the_machine_finds_a_planted_fault(fault: str, monkeypatch: Patch) -> None:
    counted(monkeypatch)
    FAULTS[fault](monkeypatch)
    with pytest.raises((AssertionError, ValueError)):
        story()


def lived(n_events: int) -> list[Event]:
    """Uses of a few items; a quarter of them begins a session, and many fall into one instant."""
    draw, at_us, known = random.Random(n_events), some.START * 1_000_000, []
    for number in range(n_events):
        at_us += draw.choice((0, 0, 60, 5_000)) * 1_000_000
        known.append(Event(at_us, f"{number:016x}", f"item-{draw.randrange(9)}", "play"))
    return known


def stands_in_the_past(rec: Recommender) -> dict[str, int]:
    """How often each item stands among the past uses, and at how many places it is said to; both must agree."""
    b = rec._live.state.behaviour
    cells = [n % PAST for n in range(max(b.position - PAST, 0), b.position)]
    found = Counter(b.ids[slot] for slot in b.past_item[cells].tolist())
    held = b.places >= max(b.position - PAST, 0)
    assert {b.ids[slot]: int(n) for slot, n in enumerate(held.sum(axis=1)) if n} == {
        item: min(n, PLACES) for item, n in found.items()
    }
    assert not b.past_item[min(b.position, PAST) :].any(), "beyond what was used nothing is written"
    return found


@pytest.mark.parametrize("n_events", [40, 400, PAST + 90])
def test_a_forgotten_item_stands_nowhere_in_the_past(n_events: int) -> None:
    known, gone = lived(n_events), "item-3"
    left = [event for event in known if event.item_id != gone]
    with Recommender(":memory:") as rec, Recommender(":memory:") as never_known:
        rec.record_many(known)
        assert stands_in_the_past(rec)[gone] > 0
        rec.forget(items=[gone])
        never_known.record_many(left)
        assert stands_in_the_past(rec) == stands_in_the_past(never_known)
        assert gone not in stands_in_the_past(rec)
        assert sum(stands_in_the_past(rec).values()) == min(len(left), PAST)
        assert state_bytes(rec) == state_bytes(never_known) == rebuilt_bytes(rec)


@pytest.mark.parametrize(
    ("criteria", "left"),
    [
        ({"events": ["1"]}, ["2", "3", "4"]),
        ({"items": ["a"]}, ["2", "3"]),
        ({"items": ["a"], "kinds": ["click"]}, ["2", "3", "4"]),
        ({"since": 2, "until": 4}, ["1", "4"]),
        ({"items": ["a", "b"]}, []),
        ({"kinds": ["shown"]}, ["1", "2", "4"]),
    ],
)
def test_the_slow_twin_of_forget_does_what_is_expected(criteria: dict[str, Any], left: Sequence[str]) -> None:
    known = [
        Event(1_000_000, "1", "a"),
        Event(2_000_000, "2", "b", "play"),
        Event(3_000_000, "3", "", "shown", slate="s", shown=(("a", 0, 0.5), ("b", 1, 1.0))),
        Event(4_000_000, "4", "a", "play"),
    ]
    found = forgotten(known, **criteria)
    assert [event.uid for event in found] == left
    assert all(event.shown for event in found if event.kind == "shown")
