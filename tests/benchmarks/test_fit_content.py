"""The weights of content are found where they were planted, and the plain neighbours are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.fit_content import Choice, Plain, choices_of, fit, measured, ndcg
from benchmarks.logs import Log
from recsys.rank.likeness import CONTENT_FEATURES
from recsys.types import Event, Item

ITEMS = [Item(f"i{n:02}", f"{('Dune', 'Emma')[n % 2]} {n}", (("sf", "classic")[n % 2],)) for n in range(40)]


def reader(name: str, parity: int) -> Log:
    events = [Event((10**9 + n * 10**4) * 10**6, f"{n:016x}", f"i{2 * n + parity:02}", "click") for n in range(12)]
    return Log(name, events, np.ones(len(events), np.bool_))


def test_who_keeps_to_a_kind_teaches_that_likeness_counts() -> None:
    choices = choices_of([reader(f"u{n}", n % 2) for n in range(6)], ITEMS, plain=True)
    assert {c.person for c in choices} == set(range(6))
    assert all(c.new[c.chosen] for c in choices)
    weights = dict(zip(CONTENT_FEATURES, fit([choices])[0].tolist(), strict=False))
    assert weights["tags"] > 0.0
    assert min(weights.values()) >= 0.0
    found = measured(choices, fit([choices]))
    assert found["content"] > 0.2
    assert set(found) == {"content", "neighbours of last", "neighbours of last ten", "neighbours of all"}


def test_ndcg_counts_what_is_new_and_breaks_ties_by_id() -> None:
    new = np.array([True, False, True, True])
    choice = Choice(0, False, np.zeros((10, 4), np.float32), 2, new, [])
    assert ndcg(np.array([0.0, 9.0, 1.0, 0.5]), choice) == 1.0
    assert ndcg(np.zeros(4), choice) == pytest.approx(1.0 / np.log2(3.0))


def test_plain_neighbours_are_the_cosine_of_words_and_tags() -> None:
    scores = Plain(ITEMS).score([0])
    assert scores[0] == pytest.approx(1.0)
    assert scores[2] > scores[1] == 0.0
