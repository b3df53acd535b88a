"""What is judged is what serves: the replay grows the trees that a recommender grows, and asks the same gate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from typing import Final

import numpy as np
import pytest

from recsys import Recommender, Settings
from recsys.evaluate import LearnerModel, evaluate_log, orders, what_if
from recsys.evaluate.grown import GrownModel
from recsys.evaluate.replay import learner
from recsys.prior import Prior
from tests.learn.standing_world import random_forest
from tests.properties.trees_world import lived
from tests.small_trees import grow, needs_trees, small_trees

pytestmark = needs_trees
SETTINGS: Final = Settings(trees=True, choice_set_size=8)
LINEAR: Final = replace(SETTINGS, trees=False)


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with small_trees():
        yield


def test_at_every_event_the_trees_and_the_gate_are_the_recommenders_own() -> None:
    events, model, n_served = lived(160, seed=2), GrownModel(SETTINGS), 0
    with closing(Recommender(":memory:", settings=SETTINGS)) as rec:
        for event in events:
            rec.record_many([event])
            model.learn(event)
            grow(rec)
            why, forest = rec._grove.verdict(rec._store, rec._live), rec._grove.serving(rec._store, rec._live)[1]
            if not why.stage:
                assert model.newest is None
                continue
            assert model.verdict == why
            assert (forest is not None) == model.verdict.serves
            if forest is not None:
                n_served += 1
                assert all(map(np.array_equal, forest.arrays, model.newest.forest.arrays))
    assert n_served > 10


def test_with_trees_of_a_prior_it_ranks_as_the_recommender_does() -> None:
    start, events, differ = Prior.default(), lived(120, seed=2), 0
    prior = Prior(start.w0, start.covariance, random_forest(20))
    model, linear = GrownModel(SETTINGS, prior), LearnerModel(LINEAR, start)
    with closing(Recommender(":memory:", settings=SETTINGS, prior=prior)) as rec:
        for n, event in enumerate(events):
            ids = sorted({e.item_id for e in events[:n] if e.item_id})[:6]
            if len(ids) > 2 and event.item_id:
                asked = {"at": event.at_us / 1e6, "context": event.context}
                found = {r.item_id: r.score for r in rec.rank(ids, **asked)}  # type: ignore[arg-type]
                assert model.scores(event, ids).tolist() == [found[i] for i in ids]
                differ += model.scores(event, ids).tolist() != linear.scores(event, ids).tolist()
            for one in (rec.record_many, lambda some: [model.learn(e) for e in some]):
                one([event])
            linear.learn(event)
            grow(rec)
    assert differ > 20
    assert learner(SETTINGS, prior).n_by_trees == 0  # type: ignore[union-attr]
    assert evaluate_log(events, SETTINGS, prior).n_by_trees > 0


def test_evaluate_tells_what_serves_and_what_the_linear_model_had_done_alone() -> None:
    events = lived(240, seed=2)
    found, linear = evaluate_log(events, SETTINGS), evaluate_log(events, LINEAR)
    assert 0 < found.n_by_trees < found.n_scored
    assert linear.n_by_trees == 0
    assert found.metrics["without trees"] == linear.metrics["recsys"]
    assert found.metrics["recsys"] != linear.metrics["recsys"]
    assert found.n_scored == linear.n_scored
    assert "without trees" not in linear.metrics


def test_without_lightgbm_the_linear_model_is_judged_and_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("recsys.evaluate.replay"), "can_grow", lambda: False)
    events = lived(120, seed=2)
    assert evaluate_log(events, SETTINGS) == evaluate_log(events, LINEAR)
    assert isinstance(learner(SETTINGS), LearnerModel)


def test_what_if_orders_by_what_served_at_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    events, given = lived(400, seed=2), []
    value = orders.value_of_order

    def overheard(slates: object, scores: list[np.ndarray], **options: object) -> object:
        given.append(scores)
        return value(slates, scores, **options)

    monkeypatch.setattr(orders, "value_of_order", overheard)
    what_if(events, settings=SETTINGS)
    what_if(events, settings=LINEAR)
    model, wanted = GrownModel(SETTINGS), []
    for event in events:
        if event.shown:
            wanted.append(model.scores(event, [item_id for item_id, *_ in event.shown]))
        model.learn(event)
    assert all(map(np.array_equal, given[0], wanted))
    assert len(wanted) == len(given[0]) == 10
    assert not all(map(np.array_equal, given[0], given[1]))


def test_a_recommender_judges_what_it_serves() -> None:
    with closing(Recommender(":memory:", settings=SETTINGS)) as rec:
        rec.record_many(lived(240, seed=2))
        assert rec.evaluate() == evaluate_log(lived(240, seed=2), SETTINGS)
