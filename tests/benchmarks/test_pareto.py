"""Accuracy stands beside bytes and milliseconds, and the watch changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from benchmarks.data import load
from benchmarks.jobs import by_name
from benchmarks.pareto import GPT, GPT_BYTES, cost_of, model_bytes, pareto_tables
from benchmarks.replays import published_ranks, replay_logs
from benchmarks.rules import RULES
from recsys.evaluate import LearnerModel, MostUsed, ndcg_at_k
from recsys.learn.checkpoint import basis, decode, encode
from recsys.prior import Prior
from recsys.reports import Metric
from recsys.settings import Settings
from recsys.types import Event
from tests.benchmarks import tiny

M = TypeVar("M", LearnerModel, MostUsed)


def test_the_watch_changes_no_rank_and_times_every_call(tmp_path: Path) -> None:
    tiny.write_geolife(tmp_path, n=24)
    logs = load("geolife-places", tmp_path)
    cost = cost_of(logs[0], MostUsed())
    assert cost.ranks.tolist() == replay_logs(logs[:1], {"used": MostUsed}).by_protocol().ranks["used"].tolist()
    assert (len(cost.rank_ms), len(cost.learn_ms)) == (12, 24), "nothing new among the scored, so each was ranked"
    assert (cost.rank_ms > 0).all()
    assert cost.size_bytes == model_bytes(_trained(MostUsed(), logs[0].events))


def test_the_learners_bytes_are_its_checkpoint() -> None:
    prior, settings = Prior.flat(), Settings()
    model = _trained(LearnerModel(prior=prior), [Event(n, f"{n:02}", item) for n, item in enumerate("abcab")])
    blob = encode(model._state, basis(prior, settings))
    assert model_bytes(model) == len(blob)
    assert decode(blob, basis(prior, settings), prior, settings).n_events == 5


def test_both_tables_hold_every_model_and_the_published_answers(tmp_path: Path) -> None:
    tiny.write_geolife(tmp_path)
    logs = load("geolife-places", tmp_path)
    points = replay_logs(logs, {}).by_protocol()
    by_ndcg, by_hit = pareto_tables(logs, by_name(RULES), points, tmp_path, "")
    assert [row[0] for row in by_ndcg.rows] == [GPT, *RULES] == [row[0] for row in by_hit.rows]
    assert (by_ndcg.plot, by_ndcg.columns[1:]) == ("scatter", ("NDCG@10", "model (bytes)", "one ranking (ms)"))
    assert all(len(row) == len(table.columns) for table in (by_ndcg, by_hit) for row in table.rows)
    assert by_ndcg.rows[0][2] == by_hit.rows[0][2] == GPT_BYTES
    kept, _ = published_ranks(replay_logs(logs, by_name(RULES)).by_protocol(), tmp_path)
    expected = float(ndcg_at_k(kept.ranks["most used"], 10).mean())
    cell = by_ndcg.rows[1][1]
    assert isinstance(cell, Metric)
    assert cell.mean == expected
    assert any("estimates" in note for note in by_ndcg.notes)


def _trained(model: M, events: list[Event]) -> M:
    for event in events:
        model.learn(event)
    return model
