"""What a slate promises: scores to the last bit, reasons that add up, exact propensities, repeatable draws."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import Event, Item, Recommender, Settings, Slate
from recsys.rank import reasons, slate
from recsys.testing import strategies as some
from tests.properties.eyes import as_seen, nothing_changes

AT: Final = some.START + 200_000
ITEMS: Final = ("a", "b", "naïve 🎷", "'; --", "untouched-1", "untouched-2")
CONTEXT: Final = {"place": "home"}
SETTINGS: Final = Settings(synchronous="normal", choice_set_size=4)

worlds = st.tuples(
    some.histories(item_ids=ITEMS[:4], max_size=16),
    st.lists(some.steers(targets=st.sampled_from((*ITEMS, "jazz", "no such tag"))), max_size=2),
    st.lists(some.items(item_ids=st.sampled_from(ITEMS[2:])), unique_by=lambda item: item.id, max_size=4),
    st.lists(st.sampled_from(ITEMS), max_size=2, unique=True),
)
World = tuple[list[Event], list[Event], list[Item], list[str]]


def living(world: World) -> Recommender:
    history, steers, catalogue, removed = world
    rec = Recommender(":memory:", settings=SETTINGS)
    rec.add(catalogue)
    rec.record_many([*history, *steers])
    rec.remove(removed)
    return rec


def scores(*slates: Slate) -> dict[str, list[float]]:
    """Every score that was given to an item."""
    found: dict[str, list[float]] = {}
    for r in itertools.chain(*slates):
        found.setdefault(r.item_id, []).append(r.score)
    return found


def ask_in_every_way(rec: Recommender) -> dict[str, list[float]]:
    everyone = [*dict.fromkeys((*ITEMS, *rec.recommend(100, at=AT).item_ids, "unknown-1", "unknown-2"))]
    ask = {"at": AT, "context": CONTEXT}
    slates = [
        rec.recommend(100, **ask),
        rec.recommend(2, **ask),
        rec.recommend(100, **ask, exclude=everyone[:3]),
        rec.recommend(100, **ask, where=lambda item: item.id < "n"),
        rec.recommend(100, **ask, explore=1.0),
        rec.rank(everyone, **ask),
        rec.rank(everyone[::-1], **ask, k=4),
        rec.rank(everyone[1::2], **ask, explore=0.5),
        *(rec.rank([item_id], **ask) for item_id in everyone),
        *(rec.rank([item_id, "another"], **ask) for item_id in everyone),
    ]
    found = scores(*slates)
    for item_id in everyone:
        found[item_id].append(rec.explain(item_id, **ask).score)
    return found


@settings(max_examples=25)
@given(world=worlds)
def test_a_score_is_the_same_to_the_last_bit_whatever_the_other_candidates_are(world: World) -> None:
    with living(world) as rec:
        found = ask_in_every_way(rec)
        assert {item_id: seen for item_id, seen in found.items() if len(set(seen)) > 1} == {}


def test_a_score_that_depends_on_the_other_candidates_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    utilities = slate.utilities
    monkeypatch.setattr(slate, "utilities", lambda w, X: utilities(w, X) + X.shape[1] * 1e-15)
    with living(([Event(some.START * 1_000_000, "1", "a")], [], [], [])) as rec:
        found = ask_in_every_way(rec)
        assert any(len(set(seen)) > 1 for seen in found.values())


def unaccounted(given_slate: Slate, everyone: Slate) -> float:
    """The greatest distance between an item's reasons and its distance from the average candidate."""
    mean = math.fsum(r.score for r in everyone) / max(len(everyone), 1)
    gaps = [abs(math.fsum(reason.contribution for reason in r.reasons) - (r.score - mean)) for r in given_slate]
    return max(gaps, default=0.0)


@settings(max_examples=25)
@given(
    world=worlds,
    excluded=st.lists(st.sampled_from(ITEMS), unique=True, max_size=3),
    kept=st.frozensets(st.sampled_from(ITEMS), min_size=1) | st.none(),
    explore=st.sampled_from((0.0, 1.0)),
    k=st.integers(1, 6),
)
def test_reasons_add_up_to_the_distance_from_the_average_candidate(
    world: World, excluded: list[str], kept: frozenset[str] | None, explore: float, k: int
) -> None:
    with living(world) as rec:
        where = None if kept is None else (lambda item: item.id in kept)
        ask = {"at": AT, "context": CONTEXT, "explore": explore, "seed": 1}
        everyone = rec.recommend(100, **ask, exclude=excluded, where=where)
        assert everyone.n_candidates == len(everyone)
        assert unaccounted(rec.recommend(k, **ask, exclude=excluded, where=where), everyone) < 1e-9
        by_host = rec.rank([*ITEMS, "unknown"], **ask)
        assert unaccounted(rec.rank([*ITEMS, "unknown"], k=k, **ask), by_host) < 1e-9
        whole = rec.recommend(100, at=AT, context=CONTEXT)
        for item_id in (*ITEMS, "unknown"):
            why = rec.explain(item_id, at=AT, context=CONTEXT)
            gap = why.score - why.average_score
            assert math.fsum(term.contribution for term in why.terms) == pytest.approx(gap, abs=1e-9)
            assert math.fsum(reason.contribution for reason in why.reasons) == pytest.approx(gap, abs=1e-9)
            if len(whole):
                assert why.average_score == pytest.approx(math.fsum(r.score for r in whole) / len(whole), abs=1e-9)
            if item_id in whole.item_ids:
                assert why.rank == whole.item_ids.index(item_id) + 1


def test_reasons_that_leave_something_out_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "GROUPS", [group for group in reasons.GROUPS if group != "frequency"])
    with living(([Event(some.START * 1_000_000, "1", "a")], [], [Item("b")], [])) as rec:
        seen = rec.recommend(2, at=AT)
        assert unaccounted(seen, seen) > 1e-6


@settings(max_examples=20)
@given(world=worlds, later=some.histories(item_ids=ITEMS, max_size=4))
def test_reasons_stay_what_they_were_whatever_happens_afterwards(world: World, later: list[Event]) -> None:
    with living(world) as rec:
        asked_before = rec.recommend(6, at=AT, context=CONTEXT)
        before = [r.reasons for r in asked_before]
        seen = rec.recommend(6, at=AT, context=CONTEXT)
        for number, event in enumerate(later):
            rec.record_many([Event(event.at_us, f"later-{number}", event.item_id or "a")])
        rec.forget(items=["a"])
        assert [r.reasons for r in seen] == before
    assert [r.reasons for r in seen] == before


# Exploring


def plackett_luce(utility: Sequence[float]) -> list[float]:
    """The probability of each place of a list, given the ones above: the slow twin."""
    return [math.exp(u) / math.fsum(math.exp(other) for other in utility[place:]) for place, u in enumerate(utility)]


def drawn(rec: Recommender, ids: Sequence[str], explore: float, seed: int) -> Slate:
    return rec.rank(ids, at=AT, explore=explore, seed=seed)


@pytest.fixture(scope="module")
def explored() -> Recommender:
    """Five candidates with scores that differ, two of them alike."""
    rec = Recommender(":memory:", settings=SETTINGS)
    rec.record_many([{"item_id": "abac"[n % 4], "at": some.START + 3_600 * n} for n in range(16)])
    return rec


IDS: Final = ("a", "b", "c", "new-1", "new-2")


def exactly(given_slate: Slate, explore: float) -> bool:
    """Whether the propensities are the model's."""
    expected = plackett_luce([r.score / explore for r in given_slate])
    return [r.propensity for r in given_slate] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("explore", [0.5, 1.0, 3.0, 100.0])
def test_the_propensities_of_a_list_are_those_of_the_model(explored: Recommender, explore: float) -> None:
    score = {r.item_id: r.score for r in explored.rank(IDS, at=AT)}
    seen = {}
    for seed in range(400):
        given_slate = drawn(explored, IDS, explore, seed)
        assert exactly(given_slate, explore)
        seen[tuple(given_slate.item_ids)] = math.prod(r.propensity for r in given_slate)
    every = {
        order: math.prod(plackett_luce([score[item_id] / explore for item_id in order]))
        for order in itertools.permutations(IDS)
    }
    assert math.fsum(every.values()) == pytest.approx(1.0)
    assert {order: every[order] for order in seen} == pytest.approx(seen, rel=1e-9)
    assert len(seen) > 10


def test_a_list_cut_short_has_the_propensities_of_the_whole(explored: Recommender) -> None:
    for seed in range(50):
        whole, short = drawn(explored, IDS, 1.0, seed), explored.rank(IDS, k=2, at=AT, explore=1.0, seed=seed)
        assert short.item_ids == whole.item_ids[:2]
        assert [r.propensity for r in short] == pytest.approx([r.propensity for r in whole[:2]], rel=1e-9)


@settings(max_examples=40)
@given(world=worlds, explore=st.sampled_from((0.001, 0.01, 0.1)), seed=st.integers(0, 2**63 - 1), k=st.integers(1, 9))
def test_propensities_are_exact_at_low_temperatures_too(world: World, explore: float, seed: int, k: int) -> None:
    with living(world) as rec:
        ids = [*ITEMS, "new-1", "new-2"]
        given_slate = rec.rank(ids, k=k, at=AT, explore=explore, seed=seed)
        left = [r.score for r in rec.rank(ids, at=AT)]
        for r in given_slate:
            expected = 1.0 / math.fsum(math.exp(min((other - r.score) / explore, 700.0)) for other in left)
            assert r.propensity == pytest.approx(expected, rel=1e-6, abs=1e-300)
            assert 0.0 < r.propensity <= 1.0
            left.remove(r.score)


def chi_square(rec: Recommender, ids: Sequence[str], n: int, *, declared: float, real: float) -> float:
    """How far the first places drawn at the real temperature are from the declared one's propensities."""
    score = {r.item_id: r.score for r in rec.rank(ids, at=AT)}
    every = {
        order: math.prod(plackett_luce([score[item_id] / declared for item_id in order]))
        for order in itertools.permutations(ids)
    }
    counts = Counter(tuple(drawn(rec, ids, real, seed).item_ids) for seed in range(n))
    return math.fsum((counts[order] - n * p) ** 2 / (n * p) for order, p in every.items())


# The one in a million of chi-square with 23 degrees of freedom, the orders of four candidates less one.
ONE_IN_A_MILLION: Final = 70.5


def test_lists_are_drawn_as_often_as_they_say(explored: Recommender) -> None:
    assert chi_square(explored, IDS[1:], 2_000, declared=3.0, real=3.0) < ONE_IN_A_MILLION


def test_lists_drawn_at_another_temperature_are_noticed(explored: Recommender) -> None:
    assert chi_square(explored, IDS[1:], 2_000, declared=3.0, real=2.0) > ONE_IN_A_MILLION


@settings(max_examples=20)
@given(world=worlds, seed=st.integers(0, 2**63 - 1), data=st.data())
def test_a_seed_gives_the_same_slate_again_whatever_the_order_of_the_past(
    world: World, seed: int, data: st.DataObject
) -> None:
    history, steers, catalogue, removed = world
    other: World = (data.draw(st.permutations(history)), steers, data.draw(st.permutations(catalogue)), removed)
    steer_at_other_times = [
        Event(event.at_us + number, f"steer-{number}", event.item_id, "steer", 0, event.value)
        for number, event in enumerate(steers)
    ]
    with (
        living((history, steer_at_other_times, catalogue, removed)) as rec,
        living((other[0], steer_at_other_times, other[2], removed)) as twin,
        nothing_changes(rec),
    ):
        for explore in (0.0, 1.0):
            seen = [
                as_seen(one.recommend(5, at=AT, context=CONTEXT, explore=explore, seed=seed))
                for one in (rec, rec, twin)
            ]
            assert seen[0] == seen[1] == seen[2]
            assert as_seen(drawn(rec, ITEMS, explore, seed)) == as_seen(drawn(twin, ITEMS, explore, seed))


def test_without_a_seed_draws_differ(explored: Recommender) -> None:
    orders = {tuple(explored.rank(IDS, at=AT, explore=3.0).item_ids) for _ in range(50)}
    assert len(orders) > 1
    assert np.isfinite([r.score for r in explored.rank(IDS, at=AT)]).all()
