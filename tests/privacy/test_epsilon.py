"""A release tells no more than it claims: measured from many answers; the same catches a fault in the noise."""

from __future__ import annotations

import json
import random
import secrets
from fractions import Fraction

import numpy as np
import pytest

from recsys import Recommender
from recsys.privacy import Aggregate
from recsys.privacy.query import Query
from tests.privacy.bounds import epsilon_lower_bound
from tests.privacy.epsilon import CLAIMS, FAULTS, WORST, measured

N_DRAWS = 40_000


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_the_worst_two_logs_are_told_apart_no_better_than_claimed(claim: Fraction) -> None:
    """D1."""
    bound = measured(WORST, claim, N_DRAWS)
    print(f"claimed {claim}: at least {bound:.3f}")
    assert claim / 2 < bound <= claim  # and the test is sharp: it finds most of what there is


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_of_the_noise_is_caught(fault: str) -> None:
    """D1."""
    bound = measured(WORST, Fraction(1), N_DRAWS // 4, kind=FAULTS[fault])
    print(f"claimed 1, {fault}: at least {bound:.3f}")
    assert bound > 1


def test_two_logs_that_are_the_same_are_not_told_apart() -> None:
    draws = np.random.default_rng(1).integers(-5, 6, size=(2, 4_000, 2))
    assert epsilon_lower_bound(draws[0], draws[1]) <= 0.0


def test_what_is_measured_is_what_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tally of a file, through `Query.answer`, with the system's random bits: nothing else is in the payload."""
    with Recommender(":memory:") as rec:
        rec.add([{"id": "x", "tags": ["a", "mine"]}, {"id": "y", "tags": ["b", "a"]}, {"id": "z"}, {"id": "gone"}])
        rec.record_many([{"item_id": item_id, "at": 1_700_000_000 + n} for n, item_id in enumerate("xxyzu")])
        monkeypatch.setattr(secrets, "randbits", random.Random(5).getrandbits)
        payload = json.loads(Aggregate(rec, tags=["a", "b"], most_per_tag=2, most_in_all=4).release(epsilon=1))
    query = Query(("a", "b"), 2, 4, None, None, None, Fraction(1))
    wanted = query.answer([(("a", "mine"), 2), (("b", "a"), 1)], random.Random(5).getrandbits)
    assert payload["counts"] == wanted
