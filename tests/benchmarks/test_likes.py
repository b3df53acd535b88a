"""The scenario of what is liked and hated: on made-up videos, half of which everybody likes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import likes
from benchmarks.likes import KNN, PACK, PLAIN, SCENARIOS, SHARE
from recsys.publish import Hyper
from recsys.reports import Metric
from tests.benchmarks import tiny

N_PEOPLE, N_VIDEOS = 60, 24


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Everybody sees twenty videos in an order of their own, likes the even ones and hates the odd ones."""
    rng = np.random.default_rng(1)
    rows: list[tuple[object, ...]] = []
    for who in range(N_PEOPLE):
        for k, video in enumerate(rng.permutation(N_VIDEOS)[:20].tolist()):
            kind, value = ("hate", -1.0) if video % 2 else ("like", 1.0)
            rows.append((f"u{who:02}", f"v{video:02}", 1_000_000 + 600 * k, kind, value, 1, 1, 5000, 9000, 0, 0, 0, 0))
    tiny.write_interactions(tmp_path, "kuairand27k-like-hate", rows)
    header = ("item_id", "title", "categories", "duration_ms")
    items = [(f"v{video:02}", "", "", 9000 + video // 2) for video in range(N_VIDEOS)]
    tiny.write_rows(tmp_path, "kuairand27k-like-hate", "items.csv.gz", header, items)
    return tmp_path


def test_what_others_like_and_hate_is_foreseen(sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likes, "HYPER", Hyper(n_factors=4, epochs=2, rate=0.02, people=4))
    (table,) = SCENARIOS["quality/kuairand27k-like-hate"](sets, quick=False).tables
    means = {str(row[0]): row[1].mean for row in table.rows if isinstance(row[1], Metric)}
    assert table.title.startswith("kuairand27k-like-hate: liked against hated in")
    assert means[SHARE] == 1.0
    assert means[KNN] > 0.7  # it knows nothing before the first list
    assert means[PACK] > 0.8
    assert 0.3 < means[PLAIN] < 0.7


def test_lists_are_of_ten_and_a_list_of_one_kind_does_not_count(sets: Path) -> None:
    from benchmarks.data import load

    log = load("kuairand27k-like-hate", sets, every_user=True)[0]
    lists = likes._lists(log)
    assert [len(one) for one in lists] == [10, 10]
    assert likes._both(lists[0])
    assert not likes._both([event for event in lists[0] if event.kind == "like"])
    assert [e.item_id for one in lists for e in one] == [e.item_id for e in log.events]
