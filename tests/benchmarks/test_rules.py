"""Each peer agrees with a slow twin that looks at the whole history."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rules import RULES, DecayedCount, FirefoxFrecency, HourOfWeek, Markov, ZoxideFrecency, hour_of_week
from recsys.evaluate import Model, replay
from recsys.types import Event

DAY_S = 86_400.0
History = Sequence[Event]

logs = st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 40 * DAY_S)), min_size=1, max_size=25).map(
    lambda rows: [
        Event(int(at_s * 1e6), f"{n:04}", item, offset_min=60)
        for n, (at_s, (item, _)) in enumerate(zip(sorted(at for _, at in rows), rows, strict=True))
    ]
)


def firefox(history: History, item: str, now: Event) -> float:
    days = [e.at_us / 1e6 / DAY_S for e in history if e.item_id == item]
    rate, sampled = math.log(2) / 30, days[-10:]
    score = len(days) * sum(math.exp(-rate * (days[-1] - day)) for day in sampled) / len(sampled)
    return score * math.exp(-rate * (now.at_us / 1e6 / DAY_S - days[-1]))


def zoxide(history: History, item: str, now: Event) -> float:
    times = [e.at_us for e in history if e.item_id == item]
    age_s = (now.at_us - times[-1]) / 1e6
    return len(times) * (4 if age_s < 3600 else 2 if age_s < DAY_S else 0.5 if age_s < 7 * DAY_S else 0.25)


def decayed(history: History, item: str, now: Event) -> float:
    del now
    return math.fsum(0.5 ** ((len(history) - n) / 20) for n, e in enumerate(history, 1) if e.item_id == item)


def share(of: History, item: str) -> float:
    return sum(e.item_id == item for e in of) / len(of)


def followed(history: History, last: Sequence[str]) -> list[Event]:
    items = [e.item_id for e in history]
    return [e for n, e in enumerate(history) if n >= len(last) and items[n - len(last) : n] == list(last)]


def markov(order: int) -> Callable[[History, str, Event], float]:
    def score(history: History, item: str, now: Event) -> float:
        del now
        p = share(history, item)
        for m in range(1, min(order, len(history)) + 1):
            seen = followed(history, [e.item_id for e in history[-m:]])
            p = (sum(e.item_id == item for e in seen) + p) / (len(seen) + 1)
        return p

    return score


def hourly(history: History, item: str, now: Event) -> float:
    same = [e for e in history if hour_of_week(e) == hour_of_week(now)]
    return (sum(e.item_id == item for e in same) + share(history, item)) / (len(same) + 1)


TWINS: dict[str, tuple[Callable[[], Model], Callable[[History, str, Event], float]]] = {
    "Firefox": (FirefoxFrecency, firefox),
    "zoxide": (ZoxideFrecency, zoxide),
    "decayed": (lambda: DecayedCount(20.0), decayed),
    "first order": (lambda: Markov(1), markov(1)),
    "second order": (lambda: Markov(2), markov(2)),
    "hour of week": (HourOfWeek, hourly),
}


@pytest.mark.parametrize("name", TWINS)
@given(log=logs)
def test_a_rule_orders_items_as_its_slow_twin(name: str, log: list[Event]) -> None:
    make, twin = TWINS[name]
    model = make()
    for n, event in enumerate(log):
        known = sorted({e.item_id for e in log[:n]})
        if known:
            fast = model.scores(event, known).tolist()
            slow = [twin(log[:n], item, event) for item in known]
            for i in range(len(known)):
                for j in range(i):
                    if not math.isclose(slow[i], slow[j], rel_tol=1e-9):
                        assert (fast[i] > fast[j]) == (slow[i] > slow[j])
        model.learn(event)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_catches_a_rule_that_missed_events(name: str) -> None:
    make, twin = TWINS[name]
    log = [Event(n * 10_000_000, f"{n:04}", item) for n, item in enumerate("aabbb")]
    deaf, whole = make(), make()
    for event in log:
        whole.learn(event)
        if event.uid < "0003":
            deaf.learn(event)
    now = Event(60_000_000, "", "")
    slow = [twin(log, item, now) for item in "ab"]
    for model, agrees in ((whole, True), (deaf, False)):
        fast = model.scores(now, ["a", "b"]).tolist()
        assert ((fast[0] > fast[1]) == (slow[0] > slow[1])) is agrees


def test_the_hour_of_week_is_local() -> None:
    assert hour_of_week(Event(0, "", "", offset_min=90)) == 1
    assert hour_of_week(Event(0, "", "", offset_min=-60)) == 167
    assert hour_of_week(Event(int(7 * DAY_S * 1e6) + 1, "", "")) == 0


@pytest.mark.parametrize("name", RULES)
def test_every_rule_learns_only_from_choices(name: str) -> None:
    log = [Event(n * 1_000_000, f"{n:04}", item) for n, item in enumerate("abacab")]
    noise = [
        Event(10_000_000, "n1", "b", "dislike"),
        Event(10_000_000, "n2", "", "shown", slate="s", shown=(("b", 0, 1.0),)),
        Event(10_000_000, "n3", "b", "steer", value=1.0),
    ]
    tail = [Event(20_000_000 + n, f"t{n}", item) for n, item in enumerate("abc")]
    quiet = replay([*log, *tail], {"it": RULES[name]()})["it"]
    noisy = replay([*log, *noise, *tail], {"it": RULES[name]()})["it"]
    assert [o.rank for o in quiet] == [o.rank for o in noisy]
