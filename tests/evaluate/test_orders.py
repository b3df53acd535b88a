"""Slates of the own log say what another order would have been worth, and a person's position bias is recovered."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys import Event, InputError, Prior, Recommender, Settings
from recsys.evaluate import LoggedSlate, logged_slates, what_if
from recsys.evaluate.orders import DEPTH, examination, position_probabilities, value_of_order

LOOKED = np.array([1.0, 0.6, 0.35, 0.2])  # how likely the simulated person looks at each position
N_ITEMS = 8
LIKED = np.linspace(0.05, 0.9, N_ITEMS)


def person(n: int, seed: int, *, looked: NDArray[np.float64] = LOOKED, best_first: float = 1.0) -> list[LoggedSlate]:
    """Slates drawn place by place from all items, the liked ones rather on top; chosen where looked at and liked."""
    rng = np.random.default_rng(seed)
    slates = []
    for _ in range(n):
        left, ids, chances, reward = list(range(N_ITEMS)), [], [], []
        for at in looked:
            p = np.exp(best_first * 2 * LIKED[left])
            p /= p.sum()
            drawn = int(rng.choice(len(left), p=p))
            item = left.pop(drawn)
            ids.append(str(item))
            chances.append(float(p[drawn]))
            reward.append(float(rng.random() < at * LIKED[item]))
        slates.append(LoggedSlate(tuple(ids), tuple(chances), tuple(reward)))
    return slates


def liked(slates: Sequence[LoggedSlate], sign: float = 1.0) -> list[NDArray[np.float64]]:
    return [sign * np.array([LIKED[int(item)] for item in slate.item_ids]) for slate in slates]


def worth(slates: Sequence[LoggedSlate], sign: float = 1.0) -> float:
    """What the slates' items would be worth in the order of liking, or against it."""
    return float(np.mean([np.sort(LIKED[list(map(int, s.item_ids))])[:: -int(sign)] @ LOOKED for s in slates]))


# The chances of an order


def slow_position_probabilities(v: Sequence[float], rest: float) -> NDArray[np.float64]:
    """Every order of the set, by its probability in proportion."""
    k = len(v)
    found = np.zeros((k, k))
    for order in itertools.permutations(range(k)):
        chance, left = 1.0, rest + sum(v)
        for i in order:
            chance *= v[i] / left
            left = rest + sum(v[j] for j in order[order.index(i) + 1 :])
        for position, i in enumerate(order):
            found[i, position] += chance
    return found / found.sum(axis=1)[0]


@settings(max_examples=60)
@given(v=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5), rest=st.sampled_from([0.0, 0.01, 1.0, 1e6]))
def test_the_chances_of_positions_are_sums_over_all_orders(v: list[float], rest: float) -> None:
    quick = position_probabilities(np.array([v]), np.array([rest]))[0]
    np.testing.assert_allclose(quick, slow_position_probabilities(v, rest), atol=1e-9)
    np.testing.assert_allclose(quick.sum(axis=0), 1.0)
    np.testing.assert_allclose(quick.sum(axis=1), 1.0)


@given(log10=st.lists(st.floats(-25, 0), min_size=DEPTH, max_size=DEPTH), rest=st.sampled_from([0.0, 1e-12, 1e12]))
@settings(max_examples=20)
def test_the_chances_stay_finite_where_weights_are_far_apart(log10: list[float], rest: float) -> None:
    v = 10.0 ** (np.array([log10]) - max(log10))
    assert np.isfinite(position_probabilities(v, np.array([rest]))).all()


def test_the_stored_propensities_say_how_likely_every_order_of_the_set_was() -> None:
    """Drawn again and again, the items of one set stand where the stored propensities of any one slate say."""
    slates = [s for s in person(30_000, 1) if set(s.item_ids) == {"7", "6", "5", "4"}]
    at = np.array([[s.item_ids.index(item) for item in "4567"] for s in slates])
    often = np.array([[(at[:, i] == j).mean() for j in range(4)] for i in range(4)])
    one = slates[0]
    p = np.array([one.propensity])
    left = np.cumprod(np.concatenate(([1.0], 1.0 - p[0])))
    said = position_probabilities(p * left[:-1], left[-1:])[0]
    said = said[[one.item_ids.index(item) for item in "4567"]]
    assert len(slates) > 1000
    np.testing.assert_allclose(often, said, atol=0.04)


# A person whose bias is known


def test_the_position_bias_of_a_simulated_person_is_recovered() -> None:
    slates = person(8000, 2, best_first=2.5)
    found = value_of_order(slates, liked(slates), n_resamples=50)
    np.testing.assert_allclose(found.examination, LOOKED, atol=0.03)
    # Planted fault: what was chosen at each position, uncorrected, mixes bias with what stood there.
    raw = np.mean([s.reward for s in slates], axis=0)
    assert np.abs(raw / raw[0] - LOOKED).max() > 0.05


def test_a_person_without_bias_is_found_to_have_none() -> None:
    slates = person(6000, 3, looked=np.ones(4))
    found = value_of_order(slates, liked(slates), n_resamples=50)
    np.testing.assert_allclose(found.examination, 1.0, atol=0.08)


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["liked first", "liked last"])
def test_both_estimates_hold_the_worth_of_another_order_about_as_often_as_they_say(sign: float) -> None:
    held = np.zeros(3)
    widths = np.zeros(2)
    n_persons = 60
    for seed in range(n_persons):
        slates = person(400, 100 + seed)
        truth, as_shown = worth(slates, sign), worth_as_shown(slates)
        found = value_of_order(slates, liked(slates, sign), n_resamples=200, seed=seed)
        assert found.by_position is not None
        assert found.by_examination is not None
        assert found.gain is not None
        held += [
            found.by_position.low <= truth <= found.by_position.high,
            found.by_examination.low <= truth <= found.by_examination.high,
            found.gain.low <= truth - as_shown <= found.gain.high,
        ]
        widths += [one.high - one.low for one in (found.by_position, found.by_examination)]
    assert (held / n_persons >= 0.85).all()
    assert widths[1] < widths[0], "the model of positions makes it narrower"


def worth_as_shown(slates: Sequence[LoggedSlate]) -> float:
    return float(np.mean([LIKED[list(map(int, s.item_ids))] @ LOOKED for s in slates]))


def test_the_weights_average_one() -> None:
    slates = person(4000, 4)
    found = value_of_order(slates, liked(slates), explore=0.3, n_resamples=10)
    assert found.by_position is not None
    assert found.by_examination is not None
    assert found.by_position.mean_weight == pytest.approx(1.0, abs=0.05)
    assert found.by_examination.mean_weight == pytest.approx(1.0, abs=0.05)
    assert found.by_examination.n_effective > found.by_position.n_effective > 100


def test_the_same_order_by_chance_is_worth_what_was_shown() -> None:
    """The other order drawn as the slates were: with nothing else to draw from, its chances are those as shown."""
    rng = np.random.default_rng(5)
    slates, scores = [], []
    for _ in range(300):
        u = rng.normal(size=3)
        order = np.argsort(-(u + rng.gumbel(size=3)))
        p = [np.exp(u[i]) / np.exp(u[order[n:]]).sum() for n, i in enumerate(order)]
        slates.append(LoggedSlate(tuple(map(str, order)), tuple(p), tuple((rng.random(3) < 0.4).astype(float))))
        scores.append(u[order])
    found = value_of_order(slates, scores, explore=1.0, n_resamples=20)
    assert found.shown is not None
    assert found.by_position is not None
    assert found.by_examination is not None
    assert found.by_position.value == pytest.approx(found.shown.value)
    assert found.by_examination.value == pytest.approx(found.shown.value)
    assert found.gain is not None
    assert (found.gain.low, found.gain.high) == pytest.approx((0.0, 0.0))


def test_slates_of_different_lengths_are_weighed_together() -> None:
    short = [LoggedSlate(s.item_ids[:2], s.propensity[:2], s.reward[:2]) for s in person(500, 6)]
    slates = [one for pair in zip(short, person(500, 7), strict=True) for one in pair]
    found = value_of_order(slates, liked(slates), n_resamples=20)
    assert (found.n_used, len(found.examination)) == (1000, 4)
    assert found.shown is not None
    assert found.shown.value == pytest.approx(np.mean([sum(s.reward) for s in slates]))


def test_examination_without_a_choice_is_the_same_everywhere() -> None:
    assert examination(np.full((1, 3, 3), 1 / 3), np.zeros((1, 3))).tolist() == [1.0, 1.0, 1.0]


# No answer


CERTAIN = LoggedSlate(("a", "b"), (1.0, 1.0), (1.0, 0.0))
OPEN = LoggedSlate(("a", "b"), (0.5, 1.0), (1.0, 0.0))


@pytest.mark.parametrize(
    ("reason", "slates"),
    [
        ("slates", []),
        ("overlap", [CERTAIN] * 3),
        ("overlap", [LoggedSlate(("a", "b"), (1.0 - 1e-15, 1.0), (1.0, 0.0))]),
        ("choices", [LoggedSlate(("a", "b"), (0.5, 1.0), (0.0, 0.0))]),
    ],
)
def test_where_the_log_cannot_tell_there_is_a_reason_and_no_number(reason: str, slates: list[LoggedSlate]) -> None:
    found = value_of_order(slates, [np.array([0.0, 1.0])] * len(slates))
    assert found.reason == reason
    assert found.n_slates == len(slates)
    assert (found.shown, found.by_position, found.by_examination, found.gain) == (None,) * 4
    assert found.examination == ()


def test_slates_by_score_alone_are_passed_over_among_others() -> None:
    found = value_of_order([CERTAIN, OPEN, OPEN], [np.array([0.0, 1.0])] * 3)
    assert (found.reason, found.n_slates, found.n_used, found.n_choices) == ("", 3, 2, 2)


@pytest.mark.parametrize(
    ("field", "slates", "scores", "more"),
    [
        ("scores", [OPEN], [], {}),
        ("scores", [OPEN], [np.zeros(3)], {}),
        ("scores", [OPEN], [np.array([0.0, np.nan])], {}),
        ("slates", [LoggedSlate(("a",), (0.5,), (1.0,))], [np.zeros(1)], {}),
        ("explore", [OPEN], [np.zeros(2)], {"explore": -1.0}),
        ("explore", [OPEN], [np.zeros(2)], {"explore": 1e-4}),
        ("explore", [OPEN], [np.zeros(2)], {"explore": float("nan")}),
        ("n_resamples", [OPEN], [np.zeros(2)], {"n_resamples": 0}),
    ],
)
def test_an_argument_that_is_no_use_is_named(
    field: str, slates: list[LoggedSlate], scores: list[NDArray[np.float64]], more: dict[str, float]
) -> None:
    with pytest.raises(InputError) as caught:
        value_of_order(slates, scores, **more)  # type: ignore[arg-type]
    assert caught.value.field == field


# From a log


def shown(at: int, slate: str, *places: tuple[str, int, float]) -> Event:
    return Event(at, f"{at:04}", "", "shown", slate=slate, shown=places)


def chose(at: int, item: str, slate: str | None, kind: str = "click") -> Event:
    return Event(at, f"{at:04}", item, kind, slate=slate)


def test_choices_go_to_the_slate_that_they_name_and_nowhere_else() -> None:
    log = [
        chose(1, "a", "s"),  # before it was shown
        shown(2, "s", ("a", 0, 0.5), ("b", 1, 0.75), ("c", 2, 1.0)),
        shown(3, "t", ("b", 0, 0.25), ("a", 1, 1.0)),
        chose(4, "b", "s"),
        chose(5, "b", "s"),  # again
        chose(6, "z", "s"),  # not in it
        chose(7, "c", "s", "dislike"),
        chose(8, "a", None),
        chose(9, "a", "unknown"),
    ]
    one, two = logged_slates(log)
    assert one == LoggedSlate(("a", "b", "c"), (0.5, 0.75, 1.0), (0.0, 1.0, 0.0))
    assert two == LoggedSlate(("b", "a"), (0.25, 1.0), (0.0, 0.0))
    assert logged_slates(log, Settings(kind_weights={"dislike": 1.0}))[0].reward == (0.0, 1.0, 1.0)


def test_what_stands_below_a_gap_is_left_out() -> None:
    log = [shown(1, "s", ("a", 0, 0.5), ("b", 1, 0.75), ("d", 3, 1.0)), shown(2, "t", ("b", 1, 1.0))]
    assert [slate.item_ids for slate in logged_slates(log)] == [("a", "b")]


def test_at_most_ten_positions_are_looked_at() -> None:
    places = [(f"i{n:02}", n, 0.5) for n in range(14)]
    assert len(logged_slates([shown(1, "s", *places)])[0].item_ids) == DEPTH


def test_a_slate_tells_nothing_in_its_repr() -> None:
    assert repr(LoggedSlate(("secret",), (1.0,), (1.0,))) == "LoggedSlate(<redacted>, n=1, n_chosen=1)"


START = 1_700_000_000


def lived(rec: Recommender, n: int, *, explore: float, seed: int = 0) -> None:
    """Someone whose liking for "a" the model can learn, and who looks at the first of three places twice as often."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        at = START + 3600 * i
        slate = rec.rank(["a", "b", "c"], at=at, explore=explore, seed=i)
        rec.shown(slate, at=at)
        for r, looked in zip(slate, (1.0, 0.5, 0.25), strict=True):
            if rng.random() < looked * {"a": 0.9, "b": 0.2, "c": 0.05}[r.item_id]:
                rec.record(r.item_id, at=at + 1 + r.position, slate=slate)


def test_a_recommender_is_asked_whether_another_order_would_have_been_better() -> None:
    with Recommender(":memory:", settings=Settings(synchronous="normal")) as rec:
        lived(rec, 150, explore=20.0)  # about at random
        by_score, again = rec.what_if(), rec.what_if()
        as_before = rec.what_if(explore=20.0)
        unlearnt = rec.what_if(prior=Prior.flat(1e-6), settings=Settings(kind_weights={"click": 1e-9}))
    assert by_score == again
    assert (by_score.reason, by_score.n_slates, by_score.n_used) == ("", 150, 150)
    assert by_score.gain is not None
    assert by_score.gain.low > 0.1, "what was learnt beats chance"
    assert as_before.gain is not None
    assert as_before.gain.mean == pytest.approx(0.0, abs=0.05)
    assert unlearnt.gain is not None
    assert unlearnt.gain.mean < by_score.gain.mean


def test_slates_shown_by_score_cannot_tell_and_it_says_so() -> None:
    with Recommender(":memory:", settings=Settings(synchronous="normal")) as rec:
        assert rec.what_if().reason == "slates"
        lived(rec, 5, explore=0.0)
        found = rec.what_if(explore=1.0)
    assert (found.reason, found.n_slates, found.n_used, found.by_examination) == ("overlap", 5, 0, None)


def test_the_answer_after_forgetting_is_that_of_a_log_that_never_held_it() -> None:
    with Recommender(":memory:", settings=Settings(synchronous="normal")) as rec:
        lived(rec, 40, explore=5.0)
        before = rec.what_if()
        kept = [event for event in rec._store.events() if event.at_us < (START + 3600 * 20) * 1_000_000]
        rec.forget(since=START + 3600 * 20)
        after = rec.what_if()
        prior = rec._prior
    assert after == what_if(kept, settings=Settings(synchronous="normal"), prior=prior)
    assert after != before


def test_what_is_never_learnt_is_not_looked_at() -> None:
    settings_ = Settings(synchronous="normal", never_learn=["private"])
    with Recommender(":memory:", settings=settings_) as rec:
        rec.add([{"id": "a"}, {"id": "b"}, {"id": "c", "tags": ["private"]}])
        lived(rec, 30, explore=5.0)
        found = rec.what_if()
        seen = logged_slates(event for event in map(rec._live.mask.seen, rec._store.events()) if event is not None)
    assert found.n_slates == sum(len(slate.item_ids) == 2 for slate in seen) > 0
    assert not any("c" in slate.item_ids for slate in seen)
