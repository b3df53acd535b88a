"""With trees that serve, scores are the sum of both models, reasons add up, and a wide catalogue gives the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from recsys import Recommender
from recsys.grove import Grove
from recsys.learn.fold import score
from recsys.rank import slate as ranking
from tests.properties.trees_world import lived, opened, take_steps

pytest.importorskip("lightgbm")

AT = 1_800_000_000.0
CONTEXT = {"morning": True}


@pytest.fixture
def rec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recommender]:
    """One whose trees serve, whatever they are worth."""
    verdict = Grove.verdict
    with closing(opened(tmp_path / "log.db")) as recommender:
        recommender.add(
            [{"id": f"item-{n}", "title": f"Item {n}", "tags": ["even" if n % 2 else "odd"]} for n in range(40)]
        )
        recommender.record_many(lived(450))
        take_steps(recommender, budget_ms=1_000)
        monkeypatch.setattr(Grove, "verdict", lambda *given: verdict(*given)._replace(serves=True))
        assert recommender._grown() is not None
        yield recommender


def test_the_score_is_the_sum_of_both_models(rec: Recommender) -> None:
    ids = [f"item-{n}" for n in range(12)]
    grown, state = rec._grown(), rec._live.state
    assert grown is not None
    linear = score(state, ids, at_us=int(AT * 1e6), offset_min=0, context=CONTEXT)
    found = {r.item_id: r.score for r in rec.rank(ids, at=AT, context=CONTEXT)}
    added = np.array([found[i] for i in ids]) - linear
    assert np.ptp(added) > 0.01, "the trees say something"
    assert np.ptp(added) <= grown.spread(None) + 3.0  # type: ignore[arg-type]  # and titles something too


@pytest.mark.parametrize("where", ["catalogue", "own candidates"])
def test_reasons_and_terms_add_up(rec: Recommender, where: str) -> None:
    ask = {"at": AT, "context": CONTEXT}
    slate = rec.recommend(10, **ask) if where == "catalogue" else rec.rank([f"item-{n}" for n in range(12)], **ask)  # type: ignore[arg-type]
    averages = [r.score - sum(reason.contribution for reason in r.reasons) for r in slate]
    assert np.ptp(averages) < 1e-9, "each is as far from the average candidate as its reasons say"
    assert np.std([r.score for r in slate]) > 0.01


def test_an_explanation_names_what_the_trees_add(rec: Recommender) -> None:
    found = rec.explain("item-3", at=AT, context=CONTEXT)
    assert abs(sum(term.contribution for term in found.terms) - (found.score - found.average_score)) < 1e-9
    of_trees = [term for term in found.terms if term.feature.endswith(", trees")]
    assert any(term.contribution for term in of_trees)
    assert all(abs(t.contribution - t.weight * (t.value - t.average)) < 1e-12 for t in found.terms)
    assert {term.group for term in of_trees} <= {term.group for term in found.terms if term not in of_trees}
    best = rec.recommend(1, at=AT, context=CONTEXT)[0]
    assert rec.explain(best.item_id, at=AT, context=CONTEXT).score == best.score


def test_a_first_look_leaves_nobody_out_whom_the_trees_lift(rec: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [{"at": AT + 3_600.0 * hour, "context": {"morning": hour % 2 == 0}} for hour in range(12)]
    every = [[(r.item_id, r.score) for r in rec.recommend(4, **one)] for one in asked]  # type: ignore[arg-type]
    monkeypatch.setattr(ranking, "WIDE", 2)
    assert [[(r.item_id, r.score) for r in rec.recommend(4, **one)] for one in asked] == every  # type: ignore[arg-type]


def test_stats_tell_which_serves_and_why(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "log.db")) as rec:
        rec.record_many(lived(1_000))
        before = rec.stats().trees
        assert before is not None
        assert (before.serves, before.stage, before.n_trees, before.size_bytes) == (False, 0, 0, 0)
        assert before.growing > 0
        take_steps(rec, budget_ms=1_000)
        found = rec.stats().trees
        assert found is not None
        assert (found.growing, found.history[-1].number) == (0, found.stage - 1)
        assert found.n_trees > 0
        assert found.size_bytes > 1_000
        assert found.n_choices == sum(one.n_choices for one in found.history)
        assert found.gain.low <= found.gain.mean <= found.gain.high
        assert found.serves == (found.gain.low > 0.0)
        assert abs(found.both - found.linear) < 0.2
        assert 0.0 < found.trees < 1.0
