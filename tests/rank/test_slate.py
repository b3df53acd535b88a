"""A slate is the ranking of its pool; an explanation says the same of one item."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.learn.checkpoint import encode
from recsys.learn.fold import score
from recsys.types import Event, Item
from tests.learn.histories import CONTEXTS, DAY, MONDAY_S, OFFSETS, SILENCES, event, examples, histories, uses
from tests.rank.worlds import TITLES, asked, candidates, catalogue, world

Steers = Sequence[tuple[str, float]]


@examples(0.4)
@given(
    histories(most=10, repeats=2),
    st.sampled_from((-DAY, *SILENCES)),
    st.sampled_from(CONTEXTS),
    st.sampled_from(OFFSETS),
    st.lists(st.tuples(st.sampled_from(("a", "h", "fruit")), st.floats(-1, 1)), max_size=2),
    st.sampled_from((None, ["h", "nobody", "a", "anybody"])),
    st.integers(0, 10),
)
def test_a_slate_is_every_candidate_scored_alone_and_sorted(
    events: list[Event],
    later_s: float,
    context: dict[str, object],
    offset_min: int,
    steers: Steers,
    own: list[str] | None,
    k: int,
) -> None:
    now_s = max((e.at_us for e in events), default=0) / 1e6
    w = world([*events, *(event(9_000 + n, now_s, to, "steer", value=v) for n, (to, v) in enumerate(steers))])
    pool = w.given(*own) if own else w.everything()
    question = asked(max(now_s + later_s, 0.0), context, offset_min)
    at_us, _, _ = question
    alone = {
        item_id: float(score(w.state, [item_id], at_us=at_us, offset_min=offset_min, context=context)[0]) + offset
        for item_id, (_, offset) in candidates(pool).items()
    }
    slate = w.slate(pool, question, k=k)
    best = sorted(alone, key=lambda item_id: (-alone[item_id], item_id))
    assert slate.item_ids == best[:k]
    assert [r.score for r in slate] == [alone[item_id] for item_id in best[:k]]
    assert [r.position for r in slate] == list(range(len(slate)))
    assert all(r.propensity == 1.0 for r in slate)
    assert (slate.n_candidates, slate.at_us, slate.offset_min) == (len(alone), at_us, offset_min)
    assert [r.known for r in slate] == [w.catalogue.known(r.item_id, w.state.behaviour) for r in slate]


@examples(0.3)
@given(histories(most=10, repeats=2), st.sampled_from(CONTEXTS), st.sampled_from((None, "fruit", "h", "nobody")))
def test_an_explanation_says_of_one_item_what_the_slate_says(
    events: list[Event], context: dict[str, object], steer: str | None
) -> None:
    now_s = max((e.at_us for e in events), default=0) / 1e6
    w = world([*events, *([event(9_000, now_s, steer, "steer", value=-0.5)] if steer else [])])
    pool, question = w.everything(), asked(now_s, context)
    slate = w.slate(pool, question)
    mean = sum(r.score for r in slate) / len(slate)
    for r in slate:
        told = w.explain(pool, question, r.item_id, events[-2:])
        assert (told.item_id, told.score, told.rank) == (r.item_id, r.score, r.position + 1)
        assert told.n_candidates == len(slate) == slate.n_candidates
        assert told.average_score == pytest.approx(mean, abs=1e-9)
        assert sum(term.contribution for term in told.terms) == pytest.approx(r.score - mean, abs=1e-9)
        assert told.reasons == r.reasons
        assert told.events == tuple(events[-2:])


def test_what_is_no_candidate_can_be_explained_all_the_same() -> None:
    log = [*uses("abz", every_s=1.0), event(5, MONDAY_S + 5, "nobody", "steer", value=1.0)]
    w = world(log, catalogue("abcd", removed="z"))
    pool, question = w.everything(), asked(MONDAY_S + DAY)
    slate = w.slate(pool, question)
    assert "z" not in slate.item_ids
    for item_id in ("z", "nobody", "anybody"):
        told = w.explain(pool, question, item_id)
        given_score = w.slate(w.given(item_id), question)[0].score
        assert told.score == given_score
        assert told.rank == 1 + sum(
            r.score > told.score or (r.score == told.score and r.item_id < item_id) for r in slate
        )
        assert told.n_candidates == 4


def test_asking_changes_nothing_and_gives_the_same_slate_under_another_id() -> None:
    w = world(uses("abcab"))
    before = encode(w.state, "basis")
    question = asked(MONDAY_S + DAY, {"place": "home"})
    one, other = (w.slate(w.everything(), question, k=5, explore=0.7, seed=3) for _ in range(2))
    w.explain(w.everything(), question, "a")
    assert [r.reasons for r in one] == [r.reasons for r in other]
    assert encode(w.state, "basis") == before
    assert one.item_ids == other.item_ids
    assert one.id != other.id
    assert [r.propensity for r in one] == [r.propensity for r in other]


def test_an_explored_slate_keeps_scores_and_says_how_likely_each_place_was() -> None:
    w = world(uses("abcab"))
    question = asked(MONDAY_S + DAY)
    scores = {r.item_id: r.score for r in w.slate(w.everything(), question)}
    slate = w.slate(w.everything(), question, k=4, explore=1.0, seed=11)
    assert len(set(slate.item_ids)) == 4
    for r in slate:
        assert r.score == scores[r.item_id]
        assert 0.0 < r.propensity < 1.0


def test_the_hosts_unknown_items_are_marked_and_share_a_score() -> None:
    w = world(uses("ab"), catalogue("abc"))
    slate = w.slate(w.given("x", "b", "c", "y"), asked(MONDAY_S + DAY))
    by_id = {r.item_id: r for r in slate}
    assert {item_id: r.known for item_id, r in by_id.items()} == {"x": False, "y": False, "b": True, "c": True}
    assert by_id["x"].score == by_id["y"].score == by_id["c"].score
    assert slate.item_ids[0] == "b"


def test_a_thousand_untouched_items_change_no_others_score() -> None:
    w = world(uses("abcab"))
    question = asked(MONDAY_S + DAY)
    before = {r.item_id: r.score for r in w.slate(w.everything(), question)}
    w.catalogue.put([Item(f"new-{n:04}") for n in range(1000)])
    after = w.slate(w.everything(), question)
    assert after.n_candidates == 1000 + len(TITLES)
    assert {r.item_id: r.score for r in after if r.item_id in before} == before


def test_no_candidates_give_an_empty_slate() -> None:
    empty = world([], catalogue(""))
    for pool in (empty.everything(), empty.given()):
        slate = empty.slate(pool, asked(MONDAY_S))
        assert (len(slate), slate.n_candidates, slate.item_ids) == (0, 0, [])
    full = world(uses("ab"))
    assert len(full.slate(full.everything(), asked(MONDAY_S), k=0)) == 0
    assert full.slate(full.everything(), asked(MONDAY_S), k=0).n_candidates == len(TITLES)
