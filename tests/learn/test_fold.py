"""The fold learns from each event what it says, and the same from the same events, however they come."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.learn.checkpoint import encode
from recsys.learn.features import FEATURES
from recsys.learn.fold import State, fold, fold_all, learn_pending, new_state, score
from recsys.learn.moment import moment
from recsys.settings import Settings
from recsys.types import Event
from tests.learn.histories import (
    DAY,
    MONDAY_S,
    PRIOR,
    SETTINGS,
    event,
    examples,
    feature_matrix,
    histories,
    learnt,
    shown,
    uses,
    wandering,
)
from tests.learn.spy import UNTOUCHED, choices, last, weights

ROOT = Path(__file__).parents[2]


# -- kinds ------------------------------------------------------------------------


def column(state: State, item: str, at_s: float) -> dict[str, float]:
    """An item's features by name."""
    now = moment(round(at_s * 1e6), 0, {})
    features = feature_matrix(state.behaviour, np.array([state.behaviour.slots.get(item, 0)]), now)
    return dict(zip([f.name for f in FEATURES], features[:, 0].tolist(), strict=True))


def test_a_negative_kind_turns_its_item_down_by_its_weight() -> None:
    seen = last([*uses("abc"), event(3, MONDAY_S + DAY, "b", "skip")])
    assert (seen.target, seen.weight) == ("b", -0.5)
    state = learnt([*uses("abc"), event(3, MONDAY_S + DAY, "b", "skip")])
    assert column(state, "b", MONDAY_S + DAY)["against"] == pytest.approx(np.log(1.5))
    assert column(state, "c", MONDAY_S + DAY)["is_last"] == 1.0, "turning down is no use"


def test_what_was_turned_down_is_ranked_lower() -> None:
    before, after = learnt(uses("abcabc")), learnt([*uses("abcabc"), event(6, MONDAY_S + DAY, "b", "loathe")])
    asked = {"at_us": round((MONDAY_S + DAY) * 1e6), "offset_min": 0, "context": {}}
    (a, b), (a2, b2) = score(before, ["a", "b"], **asked), score(after, ["a", "b"], **asked)
    assert b2 - a2 < b - a


def test_a_kind_that_weighs_nothing_moves_the_clock_and_no_more() -> None:
    state, glanced = learnt(uses("ab")), learnt([*uses("ab"), event(2, MONDAY_S + DAY, "z", "glance")])
    assert choices([*uses("ab"), event(2, MONDAY_S + DAY, "z", "glance")]) == choices(uses("ab"))
    assert glanced.n_events == state.n_events + 1
    assert (glanced.behaviour.newest_s, glanced.behaviour.ids) == (MONDAY_S + DAY, state.behaviour.ids)
    for each in (state, glanced):
        learn_pending(each)  # a later event closes the block: nothing else was to be learnt
    assert weights(glanced) == weights(state)
    assert column(glanced, "b", MONDAY_S + 2 * DAY) == column(state, "b", MONDAY_S + 2 * DAY)
    ages = [column(s, "b", at_s)["log_age"] for s, at_s in ((glanced, MONDAY_S), (state, MONDAY_S + DAY))]
    assert ages[0] == ages[1], "time does not run backwards"


def test_a_kind_nobody_named_weighs_one_and_settings_name_others() -> None:
    log = [*uses("ab"), event(2, MONDAY_S + DAY, "a", "hum")]
    assert last(log).weight == 1.0
    assert last(log, Settings(kind_weights={"hum": 2.5})).weight == 2.5
    assert last(log, Settings(kind_weights={"hum": -0.25})).weight == -0.25


@pytest.mark.parametrize(
    ("value", "weight"),
    [(None, 2.0), (60.0, 2.0), (1e9, 2.0), (30.0, 1.0), (12.0, 0.4), (11.9, -0.5), (0.0, -0.5), (-5.0, -0.5)],
)
def test_how_long_it_lasted_says_how_much_it_weighs(value: float | None, weight: float) -> None:
    told = Settings(kind_weights={"watch": 2.0}, dwell={"watch": 60.0})
    log = [*uses("ab"), replace(event(2, MONDAY_S + DAY, "a", "watch"), value=value)]
    assert last(log, told).weight == pytest.approx(weight)
    assert last(log, Settings(kind_weights={"watch": 2.0})).weight == 2.0, (
        "unless it is asked for, the value says nothing"
    )
    assert told.weight("click", value) == 1.0


def test_a_glance_is_a_skip_and_its_weight_the_host_s() -> None:
    harsh = Settings(kind_weights={"skip": -2.0}, dwell={"play": 30.0})
    mild = Settings(kind_weights={"skip": 0.5}, dwell={"play": 30.0})
    assert harsh.weight("play", 1.0) == -2.0
    assert mild.weight("play", 1.0) == 0.0, "at most it says nothing"
    log = [*uses("ab"), replace(event(2, MONDAY_S + DAY, "a", "play"), value=1.0)]
    state = learnt(log, harsh)
    assert state.behaviour.own_n[state.behaviour.slots["a"]] == 1, "it was no use"


def test_the_first_event_has_nothing_to_be_chosen_from() -> None:
    assert choices(uses("a")) == []
    assert [(s.items, s.target) for s in choices(uses("ab"))] == [([UNTOUCHED, "a"], UNTOUCHED)]


def test_what_was_only_shown_is_known_and_unused() -> None:
    state = learnt([shown(0, MONDAY_S, "s", "ab")])
    assert state.behaviour.ids == ["", "a", "b"]
    assert column(state, "a", MONDAY_S)["new"] == 1.0
    assert column(state, "a", MONDAY_S)["shown"] == pytest.approx(np.log(2.0))
    assert choices([shown(0, MONDAY_S, "s", "ab")]) == []


def test_steering_is_remembered_replaced_and_taken_back() -> None:
    def steers(*given_weights: tuple[str, float]) -> dict[str, float]:
        log = [event(n, MONDAY_S + n, to, "steer", value=v) for n, (to, v) in enumerate(given_weights)]
        assert choices([*uses("ab"), *log]) == choices(uses("ab")), "it is no choice"
        state = learnt([*uses("ab"), *log])
        assert state.behaviour.ids == ["", "a", "b"], "and no use"
        return state.steers

    assert steers(("jazz", 0.5)) == {"jazz": 0.5}
    assert steers(("jazz", 0.5), ("a", -1.0), ("jazz", 1.0)) == {"jazz": 1.0, "a": -1.0}
    assert steers(("jazz", 0.5), ("jazz", 0.0)) == {}
    assert learnt([event(0, MONDAY_S, "jazz", "steer", value=1.0)]).behaviour.newest_s == MONDAY_S


# -- independence of what means nothing ---------------------------------------------


@pytest.mark.parametrize("size", [8, 64])
def test_what_is_learnt_does_not_depend_on_random_ids_or_the_order_of_mappings(size: int) -> None:
    events = [replace(e, context={"n": n % 3, "place": "home"}) for n, e in enumerate(wandering(150, 120))]
    events[70:70] = [shown(0, events[69].at_us / 1e6, "s", ["i1", "i2", "i3"])]
    turned = [
        replace(e, uid=f"{99 - n:x}", context=dict(reversed(e.context.items())), slate=e.slate and "other")
        for n, e in enumerate(events)
    ]
    weights = {"click": 1.0, "hum": 2.0}
    one = Settings(kind_weights=weights, choice_set_size=size)
    other = Settings(kind_weights=dict(reversed(weights.items())), choice_set_size=size)
    first, second = learnt(events, one), learnt(turned, other)
    assert list(first.slates) == ["s"]
    second.slates = dict(zip(first.slates, second.slates.values(), strict=True))  # a slate's id is random too
    assert encode(first, "basis") == encode(second, "basis")


_SCRIPT = """
import sys
from hashlib import blake2b
from recsys.learn.checkpoint import encode
from tests.learn.histories import learnt, wandering
print(blake2b(encode(learnt(wandering(120, 100)), "basis")).hexdigest())
"""


def test_what_is_learnt_does_not_depend_on_the_hash_seed() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


# -- the fold as a whole -----------------------------------------------------------------


@examples(0.3)
@given(histories(most=12, repeats=3))
def test_the_same_log_gives_the_same_bytes_whole_or_event_by_event(events: list[Event]) -> None:
    whole, single = learnt(events), new_state(PRIOR, SETTINGS)
    for e in events:
        fold(single, e)
        score(single, ["a", "z"], at_us=e.at_us, offset_min=0, context={"place": "elsewhere"})  # a read between
    assert encode(whole, "basis") == encode(single, "basis")
    assert whole.n_events == len(events)
    for model in whole.choices:
        assert np.isfinite(model.w).all()
        assert np.isfinite(model.deviation()).all()


def test_folding_counts_events() -> None:
    state = new_state(PRIOR, SETTINGS)
    assert fold_all(state, []) == 0
    assert fold_all(state, iter(uses("abc"))) == 3
    assert state.n_events == 3


def test_before_any_event_the_weights_are_the_priors_and_not_the_same_array() -> None:
    state, priors = new_state(PRIOR, SETTINGS), [w0.tobytes() for w0 in PRIOR.w0]
    assert weights(state) == priors
    fold_all(state, [*uses("abab", every_s=60.0), *uses("abab", MONDAY_S + DAY)])
    assert all(w != w0 for w, w0 in zip(weights(state), priors, strict=True))
    assert weights(new_state(PRIOR, SETTINGS)) == priors


@given(st.lists(st.sampled_from("abcz"), max_size=6))
def test_a_score_is_one_number_an_item_and_items_never_seen_share_one(items: list[str]) -> None:
    state = learnt(uses("abcab"))
    asked = {"at_us": round((MONDAY_S + DAY) * 1e6), "offset_min": 0, "context": {}}
    scores = score(state, items, **asked)
    assert scores.shape == (len(items),)
    assert scores.tolist() == [float(score(state, [item], **asked)[0]) for item in items]
    assert score(state, ["never"], **asked) == score(state, ["ever"], **asked)


def test_a_habit_is_learnt() -> None:
    state = learnt(uses("abc" * 40))
    at_us = round((MONDAY_S + 120 * 3600) * 1e6)
    scores = score(state, ["a", "b", "c"], at_us=at_us, offset_min=0, context={})
    assert int(scores.argmax()) == 0, "after c comes a"
