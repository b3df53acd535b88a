"""Odd input has one meaning: the table of the design, with one property a row.

What is refused stands in ``test_refused_input.py``, what is damaged in ``test_damaged_files.py``.
"""

from __future__ import annotations

import importlib
import json
import math
import random
import threading
import time
from collections.abc import Mapping
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import Event, Recommender, Settings
from recsys.learn.choice import BEGINNING, REGIMES
from recsys.learn.moment import moment
from recsys.rank import arrange
from recsys.testing import strategies as some
from tests.properties.eyes import as_seen, in_order, nothing_changes, python, rebuilt_bytes, state_bytes

# Input, and the tests that hold what happens.
ODD_INPUT: Final[Mapping[str, tuple[str, ...]]] = {
    "no candidates / empty catalogue": ("test_without_candidates_the_slate_is_empty",),
    "unknown id in `rank`": ("test_an_unknown_id_is_scored_from_the_prior_and_marked",),
    "fewer than `k`": ("test_fewer_than_k_gives_fewer",),
    "duplicate ids in `rank`; NaN or infinite value, feature, time; wrong type; empty id; over a limit": (
        "test_refused_input.test_what_is_refused_changes_nothing",
        "test_refused_input.test_a_change_behind_a_refusal_is_noticed",
    ),
    "equal scores": (
        "test_equal_scores_are_ordered_by_id_whatever_the_order_of_insertion_and_thread",
        "test_equal_scores_are_ordered_by_id_whatever_the_hash_seed",
        "test_an_order_that_depends_on_the_hash_seed_is_noticed",
    ),
    "event older than the newest": ("test_an_older_event_takes_its_place_and_the_caches_follow",),
    "clock jumps back or far ahead": (
        "test_no_clock_makes_anything_infinite",
        "test_a_score_that_is_not_finite_is_noticed",
    ),
    "damaged cache": (
        "test_damaged_files.test_a_damaged_checkpoint_is_rebuilt_with_one_warning",
        "test_damaged_files.test_a_damaged_row_among_the_checkpoints_is_rebuilt_with_one_warning",
    ),
    "damaged log, newer schema, unexpected trigger or view in the file": (
        "test_damaged_files.test_a_file_that_is_not_sound_is_refused_and_left_as_it_was",
        "test_damaged_files.test_a_changed_byte_is_noticed",
    ),
}
AT: Final = some.START + 500_000_000
FAST: Final = Settings(synchronous="normal")


def filled(history: list[Event], catalogue: list[str] | None = None) -> Recommender:
    """A recommender in memory that was given this history, and these items."""
    rec = Recommender(":memory:", settings=FAST)
    rec.add([{"id": item_id} for item_id in catalogue or ()])  # with no content that could tell for or against them
    rec.record_many(history)
    return rec


@pytest.mark.parametrize("row", ODD_INPUT)
def test_every_row_of_the_table_has_its_property(row: str) -> None:
    for name in ODD_INPUT[row]:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(f"tests.properties.{module or 'test_odd_input'}"), function))


@settings(max_examples=20)
@given(history=some.histories(max_size=8), k=st.integers(0, 10_000), explore=st.sampled_from((0.0, 1.0)))
def test_without_candidates_the_slate_is_empty(history: list[Event], k: int, explore: float) -> None:
    with filled([]) as rec:
        assert len(rec.recommend(k, at=AT, explore=explore)) == len(rec.rank([], at=AT, explore=explore)) == 0
    with filled(history) as rec:
        known = rec.recommend(10_000, at=AT).item_ids
        for slate in (
            rec.rank([], at=AT, explore=explore),
            rec.recommend(k, at=AT, explore=explore, exclude=known),
            rec.recommend(k, at=AT, explore=explore, where=lambda _: False),
        ):
            assert (len(slate), slate.n_candidates) == (0, 0)
        for slate in (rec.rank(known, k=0, at=AT, explore=explore), rec.recommend(0, at=AT, explore=explore)):
            assert (len(slate), slate.n_candidates) == (0, len(known))


@settings(max_examples=40)
@given(
    history=some.histories(max_size=12),
    catalogue=st.lists(some.ids(), max_size=4, unique=True),
    asked=st.lists(some.ids(), min_size=1, max_size=6, unique=True),
)
def test_an_unknown_id_is_scored_from_the_prior_and_marked(
    history: list[Event], catalogue: list[str], asked: list[str]
) -> None:
    steers = [event for event in history if event.kind == "steer"]
    with filled([event for event in history if event not in steers], catalogue) as rec:
        slate = rec.rank([*asked, *(set(catalogue) - set(asked)), "nobody has this id"], at=AT)
        log = {event.item_id for event in history if event.kind != "shown"}
        log |= {item_id for event in history for item_id, _, _ in event.shown}
        never_seen = slate[slate.item_ids.index("nobody has this id")].score
        for r in slate:
            assert math.isfinite(r.score)
            if not r.known:
                assert r.item_id not in catalogue
                assert r.score == never_seen
            if r.item_id not in log:
                assert r.known == (r.item_id in catalogue)
                assert r.score == never_seen


def test_with_an_empty_log_the_score_is_the_prior_s() -> None:
    from recsys.prior import Prior
    from tests.learn.histories import feature_matrix

    with filled([], ["known"]) as rec:
        features = feature_matrix(rec._live.state.behaviour, np.zeros(1, np.intp), moment(AT * 1_000_000, 0, {}))
        expected = float(Prior.default().w0[BEGINNING] @ features[:, 0])
        assert [r.score for r in rec.rank(["known", "unknown"], at=AT)] == pytest.approx([expected] * 2, rel=1e-12)


@settings(max_examples=30)
@given(
    history=some.histories(max_size=10),
    catalogue=st.lists(some.ids(), max_size=5, unique=True),
    k=st.integers(0, 30),
    explore=st.sampled_from((0.0, 0.001, 1.0)),
)
def test_fewer_than_k_gives_fewer(history: list[Event], catalogue: list[str], k: int, explore: float) -> None:
    with filled(history, catalogue) as rec:
        everything = rec.recommend(10_000, at=AT).item_ids
        assert len(set(everything)) == len(everything)
        for slate in (rec.recommend(k, at=AT, explore=explore), rec.rank(everything, k=k, at=AT, explore=explore)):
            assert len(slate) == min(k, len(everything))
            assert len(set(slate.item_ids)) == len(slate)
            assert set(slate.item_ids) <= set(everything)
            assert [r.position for r in slate] == [*range(len(slate))]


@settings(max_examples=25)
@given(catalogue=st.lists(some.ids(), min_size=2, max_size=8, unique=True), k=st.integers(1, 8), data=st.data())
def test_equal_scores_are_ordered_by_id_whatever_the_order_of_insertion_and_thread(
    catalogue: list[str], k: int, data: st.DataObject
) -> None:
    # Recorded at one moment in one way, two items are told apart by their order alone: so none is recorded.
    seen = []
    for order in (catalogue, data.draw(st.permutations(catalogue))):
        with filled([], list(order)) as rec:
            threads = [
                threading.Thread(target=lambda rec=rec: seen.append(as_seen(rec.recommend(k, at=AT)))) for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seen.append(as_seen(rec.rank(order, k=k, at=AT)))
            seen.append(as_seen(rec.recommend(10_000, at=AT)[:k]))
    assert [row[0] for row in seen[0]] == sorted(catalogue)[:k]
    assert all(one == seen[0] for one in seen)


_HASHED = """
import json
from recsys import Event, Recommender
names = [f"item-{n}" for n in range(12)]
with Recommender(":memory:") as rec:
    rec.add([{"id": name, "tags": ["t", name]} for name in names])
    rec.steer("t", 0.5, at=1_700_000_000)
    rec.steer(names[3], 0.5, at=1_700_000_001)
    first = rec.recommend(12, at=1_700_000_100)
    rec.shown(first, at=1_700_000_101)
    for n, name in enumerate(names[::3]):
        rec.record(name, "view", at=1_700_000_200 + n, context={"b": 1, "a": 2})
    rec.remove(set(names[:2]))
    last = rec.recommend(12, at=1_700_000_300, exclude={names[5], names[6]})
    drawn = rec.recommend(12, at=1_700_000_300, explore=1.0, seed=7)
    print(json.dumps([[r.item_id, r.score.hex(), str(r.reasons[0])] for s in (first, last, drawn) for r in s]))
    print(json.dumps([[h.text, h.share] for h in rec.profile().habits]))
"""


def hashed(code: str) -> list[str]:
    """What the code prints under three hash seeds."""
    found = []
    for seed in ("0", "1", "2"):
        done = python(code, PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout)
    return found


def test_equal_scores_are_ordered_by_id_whatever_the_hash_seed() -> None:
    first, *others = hashed(_HASHED)
    assert [row[0] for row in json.loads(first.splitlines()[0])][:3] == ["item-3", "item-0", "item-1"]
    assert others == [first, first]


def test_an_order_that_depends_on_the_hash_seed_is_noticed() -> None:
    first, *others = hashed("print([*{f'item-{n}' for n in range(12)}])")
    assert others != [first, first]


@settings(max_examples=40)
@given(history=some.histories(max_size=14), data=st.data())
def test_an_older_event_takes_its_place_and_the_caches_follow(history: list[Event], data: st.DataObject) -> None:
    """U2, U3: one by one in any order, or all at once in the log's."""
    with filled([]) as rec, filled(in_order(history)) as expected:
        for event in data.draw(st.permutations(history)):
            rec.record_many([event])
        assert [*rec._store.events()] == [*expected._store.events()] == in_order(history)
        assert state_bytes(rec) == state_bytes(expected) == rebuilt_bytes(rec)


def infinities(rec: Recommender, at: float) -> list[str]:
    """Whatever is not a finite number in the state, or in what is told at that moment."""
    models = rec._live.state.choices
    arrays = [*rec._live.state.behaviour.arrays(), *(("w", model.w) for model in models)]
    arrays += [("precision", model.precision) for model in models]
    parts = [(name, array[part]) for name, array in arrays for part in array.dtype.names or [...]]
    found = [name for name, array in parts if not np.isfinite(array).all()]
    slate = rec.recommend(50, at=at)
    drawn = rec.recommend(50, at=at, explore=0.5, seed=1)
    told = [("score", r.score) for r in (*slate, *drawn)] + [("propensity", r.propensity) for r in drawn]
    told += [("reason", reason.contribution) for r in slate for reason in r.reasons]
    told += [("term", term.contribution) for item_id in slate.item_ids[:2] for term in rec.explain(item_id).terms]
    told += [(name, number) for name, pair in rec.profile().weights.items() for number in pair]
    told += [("habit", habit.share) for habit in rec.profile().habits]
    return found + [name for name, number in told if not math.isfinite(number)]


@settings(max_examples=40)
@given(history=some.histories(max_size=14), at=some.times(), learnt_with=some.settings(), back=st.booleans())
def test_no_clock_makes_anything_infinite(
    history: list[Event], at: object, learnt_with: Settings, *, back: bool
) -> None:
    """R7: backwards, far ahead, equal."""
    with Recommender(":memory:", settings=learnt_with) as rec:
        for event in history if back else ():
            rec.record_many([event])
        rec.record_many(history)
        assert infinities(rec, at) == []  # type: ignore[arg-type]
        assert infinities(rec, 0) == infinities(rec, 2**32 - 1) == []


@pytest.mark.parametrize("part", [*REGIMES, "decay"])
def test_a_score_that_is_not_finite_is_noticed(part: str) -> None:
    with filled([Event(some.START * 1_000_000, "1", "a")]) as rec:
        rec.recommend(1, at=AT)
        state = rec._live.state
        if part in REGIMES:
            state.choices[REGIMES.index(part)].w[0] = math.inf
        else:
            state.behaviour.uses_week = math.nan
        with np.errstate(all="ignore"):
            assert infinities(rec, AT) != []


def test_a_clock_that_was_far_ahead_is_believed_no_longer_once_it_is_right() -> None:
    with Recommender(":memory:", settings=FAST) as rec:
        rec.record("a", at=2**32 - 10)
        uid = rec.record("b")
        (now,) = rec._store.find([uid])
        assert now.at_us < (2**32 - 10) * 1_000_000
        assert state_bytes(rec) == rebuilt_bytes(rec)


def test_events_without_a_time_come_after_all_others_in_the_order_given() -> None:
    with Recommender(":memory:", settings=FAST) as rec:
        rec.record("ahead", at=float(int(time.time()) + 3600))
        uids = rec.record_many([{"item_id": name} for name in random.Random(1).sample("abcdefghij", 10)])
        uids.append(rec.record("last"))
        assert [event.uid for event in rec._store.events()][1:] == uids


def test_ties_at_the_edge_of_a_slate_go_by_id_too() -> None:
    scores = np.array([1.0, 2.0, 2.0, 2.0, 0.0])
    pool = arrange.Pool(slice(0, 5), ["z", "c", "a", "b", "y"])
    assert [placed[0] for placed in arrange.place(pool, scores, 2, 0.0, None)] == ["a", "b"]


def test_reads_of_odd_questions_change_nothing() -> None:
    with filled([Event(some.START * 1_000_000, "1", "a")]) as rec, nothing_changes(rec):
        for item_id in some.HOSTILE:
            rec.rank([item_id, "a"], at=AT)
            rec.explain(item_id, at=AT, context={item_id: item_id})
