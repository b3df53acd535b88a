"""What is passed over: counted by hand, and of use in a list that the host gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys import Recommender
from recsys.prior import Pack
from recsys.prior.features import PACK_FEATURES
from recsys.prior.pack import key_of, write
from recsys.publish import Hyper, Person, build
from recsys.publish.passed import liked_of
from recsys.rank.told import AT_BEGINNINGS
from tests.publish.crowds import counted, place

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
    items = counted(people)
    rows = [place(items, item) for item in "ab"]
    kept = np.isin(np.arange(len(items)), rows)
    liked = liked_of(items, kept)
    assert [liked[:-1][int(kept[:row].sum())] for row in rows] == pytest.approx(np.log(odds[:2]))
    assert liked[-1] == pytest.approx(np.log(odds[2]))
    assert items["met"][rows].tolist() == [2, 1], "who used it and passed it over is one person"
    assert not liked_of(counted([Person("z", ["a"], [1.0])]), np.ones(1, np.bool_)).any(), "nothing was passed over"


def test_of_too_few_people_nothing_is_told() -> None:
    """What enough people met but too few used has the least share there is; what is left out speaks by enough only."""
    people = [reader(n) for n in range(60)]
    rare = [Person(f"rare-{n}", [GOOD[0], "rare"], [START_S, START_S + 1.0]) for n in range(2)]
    over = [p._replace(passed=[*p.passed, ("rare", p.at_s[0])]) for p in people]
    hyper = Hyper(n_factors=2, epochs=1)
    one, two = (build([*some, *rare], least_people=5, hyper=hyper).arrays for some in (people, over))
    assert key_of("rare") not in one["keys"].tolist()
    assert one["unknown"][2] == 0.0, "two people are all that is left out"
    row = two["keys"].tolist().index(key_of("rare"))
    least = two["popular"].min()
    assert two["popular"][row] == least
    assert two["popular"][two["keys"].tolist().index(key_of(BAD[0]))] == least, "which nobody used"
    assert two["liked"][row] < -1.0
    assert two["again"][row] == 0.0
    assert two["near_begin"][row] == two["near_begin"][row + 1]
    assert row not in two["near_item"].tolist()
    odd = [Person(f"odd-{n}", [f"odd-{n}"], [START_S]) for n in range(40)]
    assert build([*people, *odd], least_people=5, hyper=hyper).arrays["unknown"][2] > 0.0


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
        assert explained["pack_liked"].weight == pytest.approx(pack.weights[liked] * AT_BEGINNINGS)  # a session begins


def test_without_a_word_of_what_was_passed_over_a_list_is_weighed_as_everything_is() -> None:
    people = [reader(n)._replace(passed=()) for n in range(100)]
    built = build(people, least_people=5, hyper=Hyper(n_factors=4, epochs=1))
    assert built.arrays["weights_given"].tolist() == built.arrays["weights"].tolist()
    assert (built.report["lists"], built.arrays["weights"][PACK_FEATURES.index("liked")]) == (0, 0.0)
