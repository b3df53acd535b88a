"""The replay that judges trees grows what a recommender would; what they cost is timed beside the linear model."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.logs import Log
from benchmarks.speed import SCENARIOS
from benchmarks.trees import Core, _prior_of, _replayed
from recsys import Event, Recommender
from recsys.prior import Prior
from tests.properties.trees_world import lived, rows, take_steps
from tests.publish.test_grown import person

pytest.importorskip("lightgbm")


def test_the_replay_grows_what_a_recommender_grows(tmp_path: Path) -> None:
    from recsys import Settings

    events, core = lived(900), Core(Prior.default())
    for event in events:
        core.learn(event)
    with closing(Recommender(tmp_path / "log.db", settings=Settings(trees=True, ballast=False))) as rec:
        rec.record_many(events)
        take_steps(rec, budget_ms=1_000)
        basis, kept = rec._live.basis, rows(rec)
        found = rec.stats().trees
    assert len(kept) >= 4
    assert {number: core.stages[number].encode(basis) for number in kept} == {n: row[2] for n, row in kept.items()}
    assert found is not None
    assert (found.stage, found.serves, found.gain.mean) == (core.verdict.stage, core.verdict.serves, core.verdict.gain)


def test_a_pack_is_made_of_others_and_its_trees_are_asked() -> None:
    people = [person(number, 60, ordered=True) for number in range(60)]
    prior, told = _prior_of("kypo-shell", people)
    assert prior.trees is not None
    assert f"60 other people; {prior.trees.n_trees} trees, NDCG@10 +" in told
    somebody, events = person(1_000, 80, ordered=True), []
    for n, (item, at) in enumerate(zip(somebody.items, somebody.at_s, strict=True)):
        events.append(Event(round(at * 1e6), f"{n:08}", item, "play"))
    found = _replayed(Log("somebody", events, np.arange(80) > 30), Core(prior))
    linear, gated, always = (np.mean([rank for _, rank in ranks]) for ranks in found.ranks.values())
    assert gated == always < linear - 0.3
    assert found.n_asked == found.n_served > 40


def test_costs_are_timed_beside_the_linear_model() -> None:
    scoring, steps, day = SCENARIOS["speed/trees"](None, quick=True).tables
    assert [len(table.rows) for table in (scoring, steps, day)] == [6, 3, 2]
    assert "0.0e+00" in scoring.notes[1], "the raw scores are LightGBM's own"
