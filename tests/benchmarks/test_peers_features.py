"""The features that are kept up choice by choice are those that a slow reading of the whole log gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from benchmarks.peers.features import ITEM_FEATURES, MOMENT_FEATURES, Features, local_hour, local_weekday
from benchmarks.peers.scale import Scale
from recsys.settings import Settings
from recsys.types import Event

MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
GAP_US = Settings().session_gap_minutes * MINUTE_US


def made_up(n: int) -> list[Event]:
    rng = np.random.default_rng(7)
    at_us, events = 1_700_000_000_000_000, []
    for i in range(n):
        at_us += int(rng.choice([0, 3, 12, 200, 1500])) * MINUTE_US
        kind = "dislike" if i and rng.random() < 0.1 else "play"
        context = {"place": str(rng.choice(["home", "work"]))} if rng.random() < 0.7 else {}
        item = str(rng.choice(list("abcdef"), p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]))
        events.append(Event(at_us, f"{i:016x}", item, kind, context=context, offset_min=60 * int(i % 3)))
    return events


def share(log: Sequence[Event], item: str, broader: float, in_it: Callable[[int], float]) -> float:
    """Weigh each choice by the situation that it was in; the broader share counts as one choice."""
    weights = [in_it(i) for i in range(len(log))]
    own = sum(w for w, event in zip(weights, log, strict=True) if event.item_id == item)
    return (own + broader) / (sum(weights) + 1.0)


def slow(events: Sequence[Event], moment: Event, item: str) -> dict[str, float]:
    log = [event for event in events if event.kind == "play"]
    names = [event.item_id for event in log]
    gap_us = moment.at_us - log[-1].at_us
    broke = float(gap_us > GAP_US)
    values = slow_ages(log, moment, item, broke) | slow_shares(log, moment, item)
    values |= {
        "log_n_after_last": math.log1p(sum(names[i - 1 : i + 1] == [names[-1], item] for i in range(1, len(names)))),
        "log_n_against": math.log1p(sum(e.kind == "dislike" and e.item_id == item for e in events)),
        "is_last_after_break": values["is_last"] * broke,
        "log_p_after_last_after_break": values["log_p_after_last"] * broke,
        "log_gap_s": math.log1p(gap_us / 1e6),
        "is_after_break": broke,
        "hour": local_hour(moment),
        "weekday": local_weekday(moment),
        "log_n_items": math.log1p(len(set(names))),
    }
    return values


def slow_ages(log: Sequence[Event], moment: Event, item: str, broke: float) -> dict[str, float]:
    n, own = len(log), [i for i, event in enumerate(log) if event.item_id == item]
    starts = [i for i in range(n) if i == 0 or log[i].at_us - log[i - 1].at_us > GAP_US]
    age_s, age, again = (moment.at_us - log[own[-1]].at_us) / 1e6, n - own[-1], len(own) > 1
    every_s = (log[own[-1]].at_us - log[own[0]].at_us) / 1e6 / max(1, len(own) - 1)
    every = (own[-1] - own[0]) / max(1, len(own) - 1)
    late = min(5.0, max(-5.0, math.log((age_s + 1) / (every_s + 1)))) if again else 0.0
    days = {d: sum(2 ** -((moment.at_us - log[i].at_us) / DAY_US / d) for i in own) for d in (1, 7, 30)}
    choices = {c: sum(2 ** -((n - i) / c) for i in own) for c in (5, 20, 100)}
    return {
        "log_n": math.log1p(len(own)),
        **{f"log_n_half_life_{d}_days": math.log1p(decayed) for d, decayed in days.items()},
        **{f"log_n_half_life_{c}_choices": math.log1p(decayed) for c, decayed in choices.items()},
        "log_age_s": math.log1p(age_s),
        "log_age_choices": math.log(age),
        "inverse_age_choices": 1 / age,
        "is_last": float(age == 1),
        "is_one_before_last": float(age == 2),
        "is_in_session": float(own[-1] >= starts[-1]) * (1 - broke),
        "log_interval_s": math.log1p(every_s) if again else 0.0,
        "log_overdue": late,
        "is_overdue": float(late > 0),
        "log_overdue_choices": min(5.0, max(-5.0, math.log(age / (every + 1)))) if again else 0.0,
    }


def slow_shares(log: Sequence[Event], moment: Event, item: str) -> dict[str, float]:
    names = [event.item_id for event in log]
    n, overall = len(log), names.count(item) / len(log)
    hour, day, place = local_hour(moment), local_weekday(moment), moment.context.get("place")
    apart = [min((local_hour(e) - hour) % 24, (hour - local_hour(e)) % 24) for e in log]
    after = share(log, item, overall, lambda i: i > 0 and names[i - 1] == names[-1])
    two = share(log, item, after, lambda i: i > 1 and names[i - 2 : i] == names[-2:]) if n > 1 else after
    near = share(log, item, overall, lambda i: {0: 1.0, 1: 0.5}.get(apart[i], 0.0))
    shares = {
        "p_after_last": after,
        "p_after_last_two": two,
        "p_near_hour": near,
        "p_weekday": share(log, item, overall, lambda i: local_weekday(log[i]) == day),
        "p_hour_of_week": share(log, item, near, lambda i: local_weekday(log[i]) == day and apart[i] == 0),
        "p_context": share(log, item, overall, lambda i: log[i].context.get("place") == place) if place else overall,
    }
    values = shares | {f"log_{name}": math.log(p + 0.1 / (n + 1)) for name, p in shares.items()}
    del values["p_weekday"]  # the one share that is read as a logarithm alone
    return values


def test_the_features_are_those_of_a_slow_reading_of_the_log() -> None:
    events, features, n_read = made_up(120), Features(), 0
    for n, event in enumerate(events):
        known = list(features.items)
        if n > 1:
            X = features.read(event, known)
            for row, item in zip(X.tolist(), known, strict=True):
                expected = slow(
                    [e for e in events[:n] if e.kind == "play" or e.item_id in seen(events, n, e)], event, item
                )
                assert dict(zip((*ITEM_FEATURES, *MOMENT_FEATURES), row, strict=True)) == pytest.approx(expected)
                n_read += 1
        features.learn(event)
    assert n_read > 400


def seen(events: Sequence[Event], n: int, of: Event) -> set[str]:
    """What had been chosen before an event: evidence against anything else is not kept."""
    return {e.item_id for e in events[:n] if e.kind == "play" and e.uid < of.uid}


def test_reading_changes_nothing_and_follows_the_order_asked_for() -> None:
    features = Features()
    for event in made_up(60):
        features.learn(event)
    moment = Event(made_up(60)[-1].at_us + DAY_US, "", "", "play")
    items = list(features.items)
    np.testing.assert_array_equal(features.read(moment, items), features.read(moment, items[::-1])[::-1])


def test_the_clock_is_the_events_own() -> None:
    for offset_min in (-300, 0, 345):
        when = datetime(2024, 2, 29, 23, 30, tzinfo=timezone.utc)
        event = Event(int(when.timestamp()) * 1_000_000, "", "", "play", offset_min=offset_min)
        local = when + timedelta(minutes=offset_min)
        assert local_hour(event) == local.hour
        assert (local_weekday(event) + 3) % 7 == local.weekday()  # 0 is a Thursday here, a Monday there


def test_a_scale_learnt_in_batches_is_that_of_all_examples() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(5.0, [1.0, 10.0, 0.0], size=(50, 3))
    scale = Scale(3)
    for part in (X[:7], X[7:8], X[8:]):
        scale.learn(part)
    expected = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    np.testing.assert_allclose(scale(X), expected, atol=1e-9)
