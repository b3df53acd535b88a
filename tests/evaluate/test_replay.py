"""Replay predicts before it learns, ranks by the documented rule, and cannot be peeked into."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.evaluate import LearnerModel, MostRecent, MostUsed, Outcome, evaluate_log, replay
from recsys.evaluate.replay import METRICS, rank_of
from recsys.prior import Prior
from recsys.reports import Metric
from recsys.settings import Settings
from recsys.types import Event

MINUTE_US = 60_000_000


def events(items: Sequence[str], kind: str = "click") -> list[Event]:
    return [
        Event(n * MINUTE_US, f"{n:016x}", item, kind, offset_min=60, value=7.0, context={"n": n}, slate="s")
        for n, item in enumerate(items)
    ]


class Recorder:
    """Scores by id and remembers what it was asked and told."""

    def __init__(self) -> None:
        self.asked: list[tuple[Event, tuple[str, ...]]] = []
        self.told: list[Event] = []

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        assert len(self.told) == event.context["n"], "asked before it learns, told of everything before"
        self.asked.append((event, tuple(candidates)))
        return np.zeros(len(candidates))

    def learn(self, event: Event) -> None:
        self.told.append(event)


class Peeker(Recorder):
    """Puts the chosen item first, if it can see it."""

    def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
        return np.array([item == event.item_id for item in candidates], dtype=np.float64)


def test_each_choice_is_ranked_among_the_items_chosen_before() -> None:
    log = events(["b", "a", "b", "c", "a", "a"])
    outcomes = replay(log, {"used": MostUsed(), "recent": MostRecent()})
    # counts before each choice: -, b1, b1 a1, b2 a1, b2 a1 c1, b2 a2 c1
    assert outcomes["used"] == [
        Outcome(0, 0, 0, is_new=True),
        Outcome(1, 0, 1, is_new=True),
        Outcome(2, 2, 2, is_new=False),
        Outcome(3, 0, 2, is_new=True),
        Outcome(4, 2, 3, is_new=False),
        Outcome(5, 1, 3, is_new=False),
    ]
    assert [outcome.rank for outcome in outcomes["recent"]] == [0, 0, 2, 0, 3, 1]


def test_candidates_stand_in_the_order_of_their_first_choice() -> None:
    model = Recorder()
    replay(events(["b", "a", "b", "c", "a"]), {"it": model})
    assert [candidates for _, candidates in model.asked] == [("b", "a"), ("b", "a", "c")]


def test_a_model_that_peeks_sees_a_blank() -> None:
    log = events(["a", "b", "a", "b", "a"])
    assert [o.rank for o in replay(log, {"peeker": Peeker()})["peeker"]] == [0, 0, 1, 2, 1], "ties by id: no peek"
    model = Recorder()
    replay(log, {"it": model})
    for (moment, _), event in zip(model.asked, log[2:], strict=True):
        assert (moment.item_id, moment.value, moment.slate, moment.uid) == ("", None, None, "")
        assert (moment.at_us, moment.offset_min, moment.context) == (event.at_us, event.offset_min, event.context)
    assert model.told == log, "what happened is learnt whole"


def test_the_planted_fault_would_show_if_the_item_were_not_blanked() -> None:
    log = events(["a", "b", "a", "b", "a"])
    assert [rank_of("ab".index(e.item_id), Peeker().scores(e, "ab"), "ab") for e in log[2:]] == [1, 1, 1]


def test_what_is_no_choice_is_learnt_and_never_scored() -> None:
    log = [
        *events(["a", "b"]),
        Event(2 * MINUTE_US, "s1", "", "shown", context={"n": 2}, slate="s1", shown=(("z", 0, 1.0),)),
        Event(3 * MINUTE_US, "s2", "a", "steer", value=1.0, context={"n": 3}),
        Event(4 * MINUTE_US, "s3", "c", "dislike", context={"n": 4}),
        Event(5 * MINUTE_US, "s4", "b", "click", context={"n": 5}),
    ]
    model = Recorder()
    outcomes = replay(log, {"it": model})["it"]
    assert [outcome.index for outcome in outcomes] == [0, 1, 5]
    assert outcomes[-1].n_candidates == 2, "neither shown nor disliked items become candidates"
    assert model.told == log


def test_settings_say_which_kinds_are_choices() -> None:
    log = events(["a", "a"], kind="glance")
    assert len(replay(log, {"it": MostUsed()})["it"]) == 2, "a kind that is not named weighs 1"
    settings = Settings(kind_weights={"glance": 0.0})
    assert replay(log, {"it": MostUsed(settings)}, settings=settings)["it"] == []


def test_only_the_marked_choices_are_scored_but_all_are_learnt() -> None:
    log = events(["a", "b", "a", "b"])
    outcomes = replay(log, {"it": MostUsed()}, scored=lambda index, event: index == 3 and event.item_id == "b")["it"]
    assert outcomes == [Outcome(3, 2, 2, is_new=False)]


def test_equal_scores_rank_by_id() -> None:
    scores = np.array([1.0, 1.0, 2.0, 1.0])
    assert [rank_of(i, scores, ["d", "b", "z", "c"]) for i in range(4)] == [4, 2, 1, 3]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 2)), min_size=1, unique_by=lambda pair: pair[0]))
def test_ranks_are_the_places_in_the_sorted_list(pairs: list[tuple[str, int]]) -> None:
    ids, scores = [item for item, _ in pairs], np.array([float(score) for _, score in pairs])
    best_first = sorted(ids, key=lambda item: (-scores[ids.index(item)], item))
    assert [rank_of(i, scores, ids) for i in range(len(ids))] == [best_first.index(item) + 1 for item in ids]


@pytest.mark.parametrize("scores", [[0.0], [[0.0, 1.0]], [0.0, np.nan], [0.0, np.inf]])
def test_scores_that_cannot_be_ranked_are_refused(scores: list[float]) -> None:
    with pytest.raises(InputError) as caught:
        rank_of(0, np.array(scores), ["a", "b"])
    assert caught.value.field == "scores"


@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_the_rules_agree_with_their_slow_twins(items: list[str]) -> None:
    outcomes = replay(events(items), {"used": MostUsed(), "recent": MostRecent()})
    for n, item in enumerate(items):
        before = items[:n]
        by_count = sorted(set(before), key=lambda i: (-before.count(i), i))
        by_last = sorted(set(before), key=before[::-1].index)
        assert outcomes["used"][n].rank == (by_count.index(item) + 1 if item in before else 0)
        assert outcomes["recent"][n].rank == (by_last.index(item) + 1 if item in before else 0)


def test_the_learner_ranks_by_what_it_learnt() -> None:
    log = events(list("abcabcabcabcabcabcabcabc" * 3))
    outcomes = replay(log, {"recsys": LearnerModel(prior=Prior.flat())})["recsys"]
    assert [outcome.rank for outcome in outcomes[-12:]] == [1] * 12


def test_the_learner_gives_unseen_candidates_one_score_and_ids_decide() -> None:
    model = LearnerModel(prior=Prior.flat())
    for event in events(list("ababab")):
        model.learn(event)
    moment = Event(7 * MINUTE_US, "", "")
    scores = model.scores(moment, ["never", "a", "ever", "b"])
    assert scores[0] == scores[2]
    assert rank_of(2, scores, ["never", "a", "ever", "b"]) == rank_of(0, scores, ["never", "a", "ever", "b"]) - 1


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=20), st.data())
def test_what_comes_later_changes_no_earlier_rank(items: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(items)))
    log = events(items)
    for make in (MostUsed, MostRecent, lambda: LearnerModel(prior=Prior.flat())):
        whole, part = (replay(some, {"it": make()})["it"] for some in (log, log[:cut]))
        assert whole[:cut] == part


def test_scoring_changes_nothing_in_the_learner() -> None:
    log = events(list("abcacbabcc" * 3))
    often = [LearnerModel(prior=Prior.flat()) for _ in range(2)]
    for event in log:
        for _ in range(3):
            often[0].scores(event, ["a", "b", "new"])
        for model in often:
            model.learn(event)
    moment = Event(60 * MINUTE_US, "", "")
    assert often[0].scores(moment, ["a", "b", "c"]).tobytes() == often[1].scores(moment, ["a", "b", "c"]).tobytes()


def test_an_evaluation_compares_three_rankers_by_four_metrics() -> None:
    evaluation = evaluate_log(events(list("abcabcabdabc" * 6)), prior=Prior.flat())
    assert (evaluation.n_events, evaluation.n_scored) == (72, 71)
    assert set(evaluation.metrics) == {"recsys", "most used", "most recent"}
    for by_metric in evaluation.metrics.values():
        assert set(by_metric) == {"acc@1", "acc@5", "ndcg@10", "mrr"} == set(METRICS)
        assert all(0.0 <= metric.low <= metric.mean <= metric.high <= 1.0 for metric in by_metric.values())
    assert evaluation.metrics["recsys"]["acc@1"].low > evaluation.metrics["most recent"]["acc@1"].high


@pytest.mark.parametrize("n_events", [0, 1])
def test_a_log_with_nothing_to_score_evaluates_to_zeros(n_events: int) -> None:
    evaluation = evaluate_log(events(["a"] * n_events), prior=Prior.flat())
    assert (evaluation.n_events, evaluation.n_scored) == (n_events, 0)
    assert all(metric == Metric(0.0, 0.0, 0.0) for row in evaluation.metrics.values() for metric in row.values())


def test_a_second_choice_of_the_only_item_is_scored() -> None:
    evaluation = evaluate_log(events(["a", "a"]), prior=Prior.flat())
    assert evaluation.n_scored == 1
    assert all(metric == Metric(1.0, 1.0, 1.0) for row in evaluation.metrics.values() for metric in row.values())
