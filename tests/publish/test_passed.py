"""What is passed over: counted by hand, and of use in a list that the host gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys import Recommender
from recsys.prior import Pack
from recsys.prior.features import PACK_FEATURES
from recsys.prior.pack import write
from recsys.publish import Hyper, Person, build
from recsys.publish.passed import liked_of

START_S = 1_700_000_000.0
GOOD, BAD = [f"good-{i}" for i in range(8)], [f"bad-{i}" for i in range(8)]


def reader(n: int) -> Person:
    """Four lists of a good thing and two bad ones; the good one is chosen. Bad ones come into twice as many lists."""
    rng = np.random.default_rng(n)
    good, bad = rng.permutation(8)[:4], rng.permutation(8)
    at = [START_S + 86_400.0 * k + n for k in range(4)]
    passed = [(BAD[bad[2 * k + j]], at[k]) for k in range(4) for j in (0, 1)]
    return Person(f"reader-{n}", [GOOD[i] for i in good], at, passed)


def test_liking_is_what_a_count_by_hand_says() -> None:
    people = [
        Person("x", ["a", "a", "b"], [1.0, 2.0, 3.0], [("b", 2.0), ("c", 2.0)]),
        Person("y", ["a"], [1.0], [("d", 1.0)]),
    ]
    chosen, passed = np.array([3.0, 1.0, 0.0]), np.array([0.0, 1.0, 2.0])  # the last is c and d together
    usual = 4.0 / 7.0
    odds = (chosen + 4.0 * usual) / (passed + 4.0 * (1.0 - usual)) * (1.0 - usual) / usual
    assert liked_of(people, {"a": 0, "b": 1}) == pytest.approx(np.log(odds))
    assert not liked_of([Person("z", ["a"], [1.0])], {"a": 0}).any(), "no log says what was passed over"


def test_in_a_list_of_the_host_s_what_people_choose_stands_above_what_they_pass_over(tmp_path: Path) -> None:
    built = build([reader(n) for n in range(100)], least_people=5, hyper=Hyper(n_factors=4, epochs=1))
    assert built.report["lists"] > 20
    path = tmp_path / "lists.pack"
    write(path, built.arrays, provenance={}, n_people=100, least_people=5)
    pack = Pack.load(path)
    liked = PACK_FEATURES.index("liked")
    assert pack.weights_given[liked] > 0.3
    with Recommender(":memory:", prior=path) as rec:
        slate = rec.rank([*BAD, *GOOD], at=START_S)
        assert set(slate.item_ids[:8]) == set(GOOD)
        explained = {t.feature: t for t in rec.explain(BAD[0], at=START_S).terms}
        assert explained["pack_liked"].weight == pytest.approx(pack.weights[liked] * 0.3)  # a session begins


def test_without_a_word_of_what_was_passed_over_a_list_is_weighed_as_everything_is() -> None:
    people = [reader(n)._replace(passed=()) for n in range(100)]
    built = build(people, least_people=5, hyper=Hyper(n_factors=4, epochs=1))
    assert built.arrays["weights_given"].tolist() == built.arrays["weights"].tolist()
    assert (built.report["lists"], built.arrays["weights"][PACK_FEATURES.index("liked")]) == (0, 0.0)
