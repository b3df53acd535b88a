"""Every model takes the same events and ranks the same candidates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import contenders
from benchmarks.contenders import DURABLE, OURS, SCENARIOS, as_event, first_of_each_library
from benchmarks.peers import PEERS, available
from benchmarks.plot import write_plots
from benchmarks.rules import RULES
from benchmarks.world import happenings
from recsys.evaluate.rules import MostUsed
from recsys.types import Event


def test_everyone_that_can_run_is_timed_beside_the_recommender(tmp_path: Path) -> None:
    result = SCENARIOS["speed/peers"](None, quick=True)
    models, missing = available()
    table, picture = result.tables
    assert [row[0] for row in table.rows] == [DURABLE, OURS, *RULES, *models]
    assert result.skipped == missing
    assert all(cell > 0 for row in table.rows for cell in row[1:])
    assert table.rows[1][4] == table.rows[1][8] == 1.0
    assert [row[0] for row in picture.rows] == [row[0] for row in table.rows]
    pytest.importorskip("matplotlib")
    assert list(write_plots(result, tmp_path)) == [1]


def test_learning_and_scoring_go_on_where_the_past_ended() -> None:
    coming = list(happenings(3, 10, first=20))
    model = MostUsed()
    learn = contenders._learner(model, coming, 20)
    for n in (7, 8, 9):
        learn(n)
    items = sorted({str(happening["item_id"]) for happening in coming})
    asked: list[tuple[Event, Sequence[str]]] = []
    scores = model.scores
    model.scores = lambda event, candidates: asked.append((event, candidates)) or scores(event, candidates)
    assert contenders._scorer(model, items, coming)(0).sum() == 3
    blind = [event for event, _ in asked]
    assert [(event.at_us, event.uid, event.item_id) for event in blind] == [(as_event(coming[0], 0).at_us, "", "")]
    assert [as_event(happening, 20 + n).uid for n, happening in enumerate(coming)] == [
        f"{n:016x}" for n in (20, 21, 22)
    ]


def test_each_library_is_represented_by_its_first_peer() -> None:
    first, missing = first_of_each_library()
    libraries = {peer.needs[0] for name, peer in PEERS.items() if peer.needs and name not in missing}
    assert set(first) == libraries
    for library, name in first.items():
        assert name == next(n for n, peer in PEERS.items() if peer.needs[:1] == (library,) and n not in missing)
