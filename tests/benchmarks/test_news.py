"""The scenario of the news: on made-up people, each of whom keeps to one subject."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import news
from benchmarks.data import load
from benchmarks.news import PACK, PLAIN, RATE, SCENARIOS, auc, lists_of
from recsys.publish import Hyper
from recsys.reports import Metric
from tests.benchmarks import tiny

pytest.importorskip("sklearn")

N_PEOPLE, N_SUBJECTS, N_ARTICLES = 80, 4, 12
SUBJECTS = ("borders", "schools", "courts", "farming")


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Three articles of the own subject are read; then five lists of four, one article from each subject."""
    rows: list[tuple[object, ...]] = []
    for who in range(N_PEOPLE):
        own = who % N_SUBJECTS
        rows += [
            (f"u{who:02}", f"{own}{(who + k) % N_ARTICLES:02}", k + 1, "click", 1.0, "", "", "h") for k in range(3)
        ]
        for k in range(5):
            shown = [f"{subject}{(who + 3 + k) % N_ARTICLES:02}" for subject in range(N_SUBJECTS)]
            shown = shown[who % 3 :] + shown[: who % 3]
            of_list = (f"i{who}-{k}", "")
            rows += [(f"u{who:02}", a, 4 + k, "impression", float(a[0] == str(own)), *of_list, "t") for a in shown]
            if k < 4:  # nothing is chosen from the last list
                rows.append(
                    (f"u{who:02}", next(a for a in shown if a[0] == str(own)), 4 + k, "click", 1.0, *of_list, "t")
                )
    tiny.write_interactions(tmp_path, "nemig-en", rows)
    items = [
        (f"{subject}{number:02}", f"About {SUBJECTS[subject]} no{number}", f"{SUBJECTS[subject]}|news")
        for subject in range(N_SUBJECTS)
        for number in range(N_ARTICLES)
    ]
    tiny.write_rows(tmp_path, "nemig-en", "items.csv.gz", ("item_id", "title", "categories"), items)
    return tmp_path


def test_who_keeps_to_a_subject_is_foreseen_by_content_and_by_a_pack(
    sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "HYPER", Hyper(n_factors=8, epochs=8, rate=0.02, people=4))
    (table,) = SCENARIOS["quality/nemig-en"](sets, quick=False).tables
    means = {str(row[0]): row[1].mean for row in table.rows if isinstance(row[1], Metric)}
    assert table.title.startswith("nemig-en: 48 lists of 12 people"), "lists without a choice are not scored"
    assert means[PLAIN] > 0.9
    assert means[PACK] > 0.9
    assert means[RATE] < 0.7, "every subject is liked alike"


def test_a_list_is_put_back_in_the_order_of_the_screen_and_its_clicks_are_its_own(sets: Path) -> None:
    (log, *_) = load("nemig-en", sets, every_user=True)
    before, lists = lists_of(log)
    assert [len(before), len(lists)] == [3, 5]
    assert [len(shown.clicks) for shown in lists] == [1, 1, 1, 1, 0]
    assert all(shown.chosen <= set(shown.items) for shown in lists)
    slate = [("c", 0.9), ("a", 0.5), ("b", 0.1)]
    from recsys import Recommender

    with Recommender(":memory:") as rec:
        ranked = rec.rank([item for item, _ in slate], at=1.0)
        put = news._as_shown(ranked, ["a", "b", "c"])
        assert list(put.item_ids) == ["a", "b", "c"]
        rec.shown(put, at=1.0)


def test_auc_and_ndcg_give_ties_what_is_due_to_them() -> None:
    chosen = np.array([True, False, False])
    assert auc(np.array([1.0, 1.0, 0.0]), chosen) == 0.75
    assert news._ndcg(np.array([2.0, 1.0, 0.0]), chosen) == 1.0
    assert news._ndcg(np.zeros(3), chosen) == pytest.approx(np.mean(1.0 / np.log2([2.0, 3.0, 4.0])))
