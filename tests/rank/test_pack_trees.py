"""With trees of a pack: scores are a sum, reasons add up, what is new keeps its odds, and the own log may end them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from recsys import Recommender, Settings
from recsys.learn import stages
from recsys.learn.checkpoint import encode
from recsys.learn.fold import score
from recsys.learn.forest import Arrays, Forest
from recsys.learn.standing import N_STANDINGS
from recsys.prior import Prior
from recsys.rank import slate as ranking
from tests.learn.standing_world import random_forest
from tests.properties.trees_world import SETTINGS, lived, take_steps

AT = 1_800_000_000.0
CONTEXT = {"morning": True}
N_NEW = 28


def prior_with(forest: Forest) -> Prior:
    start = Prior.default()
    return Prior(start.w0, start.covariance, forest)


def opened(path: Path, forest: Forest, settings: Settings = SETTINGS) -> Recommender:
    rec = Recommender(path, settings=settings, prior=prior_with(forest))
    rec.add([{"id": f"item-{n}", "title": f"Item {n}"} for n in range(12 + N_NEW)])
    return rec


@pytest.fixture
def rec(tmp_path: Path) -> Iterator[Recommender]:
    with closing(opened(tmp_path / "log.db", random_forest(60))) as recommender:
        recommender.record_many(lived(200))
        yield recommender


def test_they_serve_from_the_first_answer_on_with_the_setting_alone(tmp_path: Path) -> None:
    for name, settings, n_kinds in (("with", SETTINGS, 2), ("without", Settings(ballast=False), 1)):
        found = []
        for forest in (random_forest(60), random_forest(60, seed=1)):
            with closing(opened(tmp_path / f"{name}-{forest.spread}.db", forest, settings)) as rec:
                rec.record_many(lived(40))
                found.append(str([(r.item_id, r.score) for r in rec.recommend(5, at=AT)]))
        assert len(set(found)) == n_kinds


def test_the_score_is_a_sum_and_what_is_new_has_nothing_of_it(rec: Recommender) -> None:
    ids = [f"item-{n}" for n in range(12)]
    linear = score(rec._live.state, ids, at_us=int(AT * 1e6), offset_min=0, context=CONTEXT)
    without = {}
    trees, rec._live.state.trees = rec._live.state.trees, None
    for item in rec.recommend(12 + N_NEW, at=AT, context=CONTEXT):
        without[item.item_id] = item.score
    rec._live.state.trees = trees
    given = {r.item_id: r.score - without[r.item_id] for r in rec.recommend(12 + N_NEW, at=AT, context=CONTEXT)}
    assert np.ptp([given[i] for i in ids]) > 0.2, "the trees say something"
    assert not any(given[f"item-{n}"] for n in range(12, 12 + N_NEW))
    first = np.sort(linear)[-10:]
    lifted = [linear[ids.index(i)] + given[i] for i in ids if linear[ids.index(i)] >= first[0]]
    np.testing.assert_allclose(np.exp(lifted).sum(), np.exp(first).sum(), rtol=1e-9)


@pytest.mark.parametrize("where", ["catalogue", "own candidates", "both kinds"])
def test_reasons_and_terms_add_up(rec: Recommender, where: str) -> None:
    if where == "catalogue":
        slate = rec.recommend(20, at=AT, context=CONTEXT)
    else:
        ids = [f"item-{n}" for n in range(12 if where == "own candidates" else 20)]
        slate = rec.rank(ids, at=AT, context=CONTEXT)
    averages = [r.score - sum(reason.contribution for reason in r.reasons) for r in slate]
    assert np.ptp(averages) < 1e-9, "each is as far from the average candidate as its reasons say"
    assert any(reason.group == "habits" and reason.text for r in slate for reason in r.reasons)


def test_an_explanation_names_what_the_trees_add(rec: Recommender) -> None:
    for item in rec.recommend(20, at=AT, context=CONTEXT):
        found = rec.explain(item.item_id, at=AT, context=CONTEXT)
        assert found.score == item.score
        assert abs(sum(term.contribution for term in found.terms) - (found.score - found.average_score)) < 1e-9
        assert len([t for t in found.terms if t.feature.endswith(", trees of the pack")]) == N_STANDINGS + 1
        assert all(abs(t.contribution - t.weight * (t.value - t.average)) < 1e-12 for t in found.terms)


@pytest.mark.parametrize("reach", [256, 10])
def test_a_first_look_leaves_nobody_out(rec: Recommender, monkeypatch: pytest.MonkeyPatch, reach: int) -> None:
    for module in ("recsys.learn.standing", "recsys.rank.narrow"):
        monkeypatch.setattr(f"{module}.REACH", reach)
    asked = [{"at": AT + 3_600.0 * hour, "context": {"morning": hour % 2 == 0}} for hour in range(12)]
    asked += [one | {"exclude": ["item-1", "item-4"]} for one in asked]
    every = [[(r.item_id, r.score) for r in rec.recommend(4, **one)] for one in asked]  # type: ignore[arg-type]
    monkeypatch.setattr(ranking, "WIDE", 2)
    assert [[(r.item_id, r.score) for r in rec.recommend(4, **one)] for one in asked] == every  # type: ignore[arg-type]


def test_lessons_tell_what_they_added_and_forgetting_is_exact(tmp_path: Path) -> None:
    forest, events = random_forest(30), lived(400)
    with closing(opened(tmp_path / "a.db", forest)) as rec:
        rec.record_many(events)
        assert rec._live.state.lessons is not None
        assert np.ptp(rec._live.state.lessons.arrays().given) > 0.1
        rec.forget(events=[e.uid for e in events[150:170]])
        learnt = encode(rec._live.state, rec._live.basis)
    with closing(opened(tmp_path / "b.db", forest)) as never:
        never.record_many([*events[:150], *events[170:]])
        assert encode(never._live.state, never._live.basis) == learnt
    with closing(opened(tmp_path / "a.db", random_forest(30, seed=1))) as other:
        assert encode(other._live.state, other._live.basis) != learnt, "other trees are another basis"


def harmful(state_forest: Forest) -> Forest:
    """The same trees the other way round."""
    a = state_forest.arrays
    return Forest(Arrays(*a[:4], -a.value, -a.leaf), n_features=N_STANDINGS)


def leaning() -> Forest:
    """One tree that lifts the first by utility, clearly."""
    feature, threshold = np.full((1, 7), N_STANDINGS - 2, np.uint8), np.full((1, 7), 240, np.uint8)
    left, right = np.zeros((2, 1, 7), np.int8)
    left[0, 0], right[0, 0] = -1, -2
    leaf = np.zeros((1, 8))
    leaf[0, :2] = -2.0, 2.0
    return Forest(Arrays(feature, threshold, left, right, np.zeros((1, 7)), leaf), n_features=N_STANDINGS)


def test_they_stand_back_where_the_own_log_shows_that_they_harm(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "bad.db", harmful(leaning()))) as rec:
        rec.record_many(lived(200))
        assert rec._grown() is not None, "too little is known before the first stage"
        before = rec.stats().trees
        assert before is not None
        assert before.pack is not None
        assert before.pack.serves
        assert not before.pack.n_choices
        assert before.serves is False
        rec.record_many(lived(900)[200:])
        after = rec.stats().trees
        assert after is not None
        assert after.pack is not None
        assert not after.pack.serves
        assert after.pack.gain.mean < 0.0
        assert after.pack.both < after.pack.linear
        assert after.pack.n_choices > 200
        assert rec._grown() is None, "nor do the own, which go on from them"
    with closing(opened(tmp_path / "good.db", leaning())) as rec:
        rec.record_many(lived(900))
        good = rec.stats().trees
        assert good is not None
        assert good.pack is not None
        assert good.pack.serves
        assert good.pack.n_trees == 1
        assert rec._grown() is not None


def test_they_are_judged_as_of_a_number_of_lessons_alone(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "a.db", harmful(leaning()))) as rec:
        rec.record_many(lived(900))
        lessons = rec._live.state.lessons
        assert lessons is not None
        now = stages.of_prior(lessons)
    with closing(opened(tmp_path / "a.db", harmful(leaning()))) as again:
        assert again._live.state.lessons is not None
        assert stages.of_prior(again._live.state.lessons) == now


def test_own_trees_go_on_from_them(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    blobs = []
    for number, forest in enumerate((random_forest(40), leaning())):
        with closing(opened(tmp_path / f"{number}.db", forest)) as rec:
            rec.record_many(lived(500))
            take_steps(rec, budget_ms=1_000)
            found = rec._grove.stages(rec._store, rec._live)  # type: ignore[union-attr]
            assert found
            assert all(stage.complete for stage in found)
            blobs.append(found[-1].forest.arrays.leaf.tobytes())
    assert blobs[0] != blobs[1]


def test_serving_them_needs_no_lightgbm(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
sys.modules["lightgbm"] = None
from tests.learn.standing_world import random_forest
from tests.properties.trees_world import lived
from tests.rank.test_pack_trees import opened
rec = opened(Path(sys.argv[1]), random_forest(20))
rec.record_many(lived(60))
assert rec._grown().given.n_trees == 20
assert len(rec.recommend(5, at=1_800_000_000)) == 5
rec.close()
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "log.db")], check=True, timeout=60)
