"""What people come back to, and the ranker's own prior: found where they were planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys import Recommender
from recsys.prior import Pack, Prior
from recsys.prior.pack import key_of, write
from recsys.publish import Hyper, Person, build
from recsys.publish.again import again_of
from recsys.publish.ranker import ranker_prior, surprise
from recsys.types import Event
from tests.publish.crowds import counted, place

DAY_S = 86_400.0
START_S = 1_700_000_000.0
STAPLES = tuple(f"staple-{i}" for i in range(4))
GIFTS = tuple(f"gift-{i}" for i in range(12))


def shopper(n: int, n_times: int = 10) -> Person:
    """At each time one of the staples, again and again, and a gift that never comes back within twelve times."""
    at = [START_S + n * 60 + DAY_S * k for k in range(n_times)]
    items = [item for k in range(n_times) for item in (STAPLES[(n + k) % 2 + n % 3], GIFTS[(n + 5 * k) % 12])]
    return Person(f"shopper-{n}", items, [t for t in at for _ in range(2)])


def test_what_comes_back_is_told_from_what_does_not() -> None:
    items = counted([*(shopper(n) for n in range(60)), Person("odd", ["odd", "odd"], [START_S, START_S + 1.0])])
    again = again_of(items, 5)
    assert min(again[place(items, item)] for item in STAPLES) > 0.3
    assert max(again[place(items, item)] for item in GIFTS) < -1.0
    assert again[place(items, "odd")] == 0.0
    assert not again_of(counted([shopper(n) for n in range(4)]), 5).any(), "of too few people nothing is said"
    assert not again_of(counted([shopper(n, 1) for n in range(60)]), 5).any(), "nobody came back"


def test_a_rate_is_what_a_count_by_hand_says() -> None:
    """Two could come back to a at three times in all, and did at one; one to b at one time, and did not."""
    people = [Person("x", ["a", "a", "b", "a"], [1.0, 2.0, 2.0, 3.0]), Person("y", ["a", "c"], [1.0, 2.0])]
    returned, could = np.array([2.0, 0.0, 0.0]), np.array([3.0, 1.0, 0.0])
    usual = returned.sum() / could.sum()
    expected = np.log((returned + 2.0) / (could * usual + 2.0))
    expected[2] = 0.0
    items = counted(people)
    assert again_of(items, 1)[[place(items, item) for item in "abc"]] == pytest.approx(expected)


def test_of_two_things_used_once_the_one_that_people_come_back_to_stands_higher(tmp_path: Path) -> None:
    built = build([shopper(n) for n in range(80)], least_people=5, hyper=Hyper(n_factors=4, epochs=1))
    weight = float(built.arrays["weights"][-1])
    assert weight == built.report["weights"]["again"] > 0.3
    path = tmp_path / "shop.pack"
    write(path, built.arrays, provenance={}, n_people=80, least_people=5)
    pack = Pack.load(path)
    scores = {}
    for name, prior in (("with", path), ("without", pack.prior)):
        with Recommender(":memory:", prior=prior) as rec:
            bought = enumerate((GIFTS[3], STAPLES[1]))
            rec.record_many([Event(round(START_S * 1e6), f"{n}", item, "buy") for n, item in bought])
            scores[name] = {r.item_id: r.score for r in rec.recommend(2, at=START_S + DAY_S)}
    again = dict(zip(pack.arrays["keys"].tolist(), pack.arrays["again"].astype(float).tolist(), strict=True))
    for item in (GIFTS[3], STAPLES[1]):
        said = scores["with"][item] - scores["without"][item]
        assert said == pytest.approx(weight * again[key_of(item)], rel=1e-6)
    assert again[key_of(STAPLES[1])] > again[key_of(GIFTS[3])] + 1.0


def habit(n: int, seed: int) -> list[Event]:
    """Somebody who never takes the same thing twice running, out of three."""
    rng, at, last, events = np.random.default_rng(seed * 1000 + n), START_S, 0, []
    for k in range(60):
        last = (last + 1 + int(rng.integers(2))) % 3
        at += 300.0 if k % 4 else 2 * DAY_S
        events.append(Event(round(at * 1e6), f"{k:08}", f"thing-{last}", "click"))
    return events


def test_a_prior_fitted_on_some_people_foresees_others_better_than_a_flat_one() -> None:
    start = Prior.flat()
    fitted, n_people = ranker_prior([habit(n, 1) for n in range(30)], start)
    assert n_people == [30, 30]
    others = [habit(n, 2) for n in range(10)]
    assert surprise(others, fitted) < surprise(others, start) - 0.05


def test_where_nobody_teaches_the_prior_stays_as_it_was() -> None:
    start = Prior.default()
    fitted, n_people = ranker_prior([habit(0, 1)[:5]], start)
    assert n_people == [0, 0]
    assert fitted.w0 == pytest.approx(start.w0, abs=1e-6)


def test_a_pack_has_the_ranker_s_prior_only_where_it_foresees_better() -> None:
    people = [
        Person(f"p{n}", [e.item_id for e in habit(n, 3)], [e.at_us / 1e6 for e in habit(n, 3)]) for n in range(120)
    ]
    hyper = Hyper(n_factors=2, epochs=1)
    flat = build(people, least_people=5, hyper=hyper, prior=Prior.flat())
    before, after = flat.report["ranker_nats"]
    assert after < before
    assert flat.report["ranker"] is ("w0" in flat.arrays) is True
    few = build(people[:10], least_people=5, hyper=hyper)
    assert few.report["ranker"] is ("w0" in few.arrays)
