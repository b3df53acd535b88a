"""The estimators find a policy's value from another's log, say how sure they are, and refuse a log that cannot tell."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.evaluate import doubly_robust, fitted_means, ips, snips
from recsys.reports import Estimate

LOGGING = np.array([0.5, 0.3, 0.2])
TARGET = np.array([0.1, 0.2, 0.7])
MEANS = np.array([0.2, 0.5, 0.8])  # of rewards that are 0 or 1
TRUTH = float(TARGET @ MEANS)


def plain_dr(reward: object, **rows: Any) -> Estimate:
    """Doubly robust with a model that knows nothing: inverse propensity scores."""
    nothing = np.zeros(len(rows["target"]))
    return doubly_robust(reward, predicted=nothing, expected=nothing, **rows)


ESTIMATORS = [ips, snips, plain_dr]


def expectation(value: Callable[[NDArray[np.intp], NDArray[np.float64]], float], n: int = 3) -> float:
    """The mean of an estimate over every log of n rows, each as often as it would be drawn."""
    total = 0.0
    for actions in itertools.product(range(3), repeat=n):
        for rewards in itertools.product((0, 1), repeat=n):
            a, r = np.array(actions), np.array(rewards, np.float64)
            chance = np.prod(LOGGING[a] * np.where(r == 1, MEANS[a], 1 - MEANS[a]))
            total += float(chance) * value(a, r)
    return total


def drawn(n: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    a = rng.choice(3, size=n, p=LOGGING)
    return a, (rng.random(n) < MEANS[a]).astype(np.float64)


# Right on average


def test_ips_is_right_on_average_over_every_log() -> None:
    assert expectation(lambda a, r: ips(r, target=TARGET[a], logging=LOGGING[a]).value) == pytest.approx(TRUTH)


@pytest.mark.parametrize("q", [[0.0, 0.0, 0.0], [0.2, 0.5, 0.8], [0.9, 0.1, 0.4]], ids=["none", "right", "wrong"])
def test_the_doubly_robust_estimate_is_right_on_average_whatever_the_model(q: list[float]) -> None:
    model = np.array(q)

    def value(a: NDArray[np.intp], r: NDArray[np.float64]) -> float:
        expected = np.full(len(a), TARGET @ model)
        rows = {"target": TARGET[a], "logging": LOGGING[a]}
        return doubly_robust(r, predicted=model[a], expected=expected, **rows).value

    assert expectation(value) == pytest.approx(TRUTH)


def test_the_doubly_robust_estimate_is_right_on_average_with_wrong_propensities_and_a_right_model() -> None:
    wrong = np.array([0.2, 0.2, 0.6])

    def value(a: NDArray[np.intp], r: NDArray[np.float64]) -> float:
        expected = np.full(len(a), TARGET @ MEANS)
        return doubly_robust(r, target=TARGET[a], logging=wrong[a], predicted=MEANS[a], expected=expected).value

    assert expectation(value) == pytest.approx(TRUTH)
    # Planted fault: without the model the same propensities mislead.
    assert expectation(lambda a, r: ips(r, target=TARGET[a], logging=wrong[a]).value) != pytest.approx(TRUTH, abs=0.05)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("interval", ["normal", "bootstrap"])
def test_the_intervals_hold_the_truth_about_as_often_as_they_say(
    estimator: Callable[..., Estimate], interval: str
) -> None:
    held = 0
    for seed in range(200):
        a, r = drawn(300, seed)
        found = estimator(r, target=TARGET[a], logging=LOGGING[a], interval=interval, n_resamples=200)
        held += found.low <= TRUTH <= found.high
    assert 0.90 <= held / 200 <= 0.99


def test_the_bernstein_interval_holds_the_truth_and_is_the_widest() -> None:
    for seed in range(50):
        a, r = drawn(60, seed)
        wide = ips(
            r, target=TARGET[a], logging=LOGGING[a], clip=3.5, interval="bernstein"
        )  # the greatest weight there is
        normal = ips(r, target=TARGET[a], logging=LOGGING[a])
        assert wide.low <= TRUTH <= wide.high
        assert wide.high - wide.low > normal.high - normal.low


def test_an_interval_from_the_rows_of_rounds_takes_rounds_and_not_rows_as_independent() -> None:
    a, r = drawn(100, 1)
    once = ips(r, target=TARGET[a], logging=LOGGING[a])
    four = np.repeat(np.arange(100), 4)
    many = ips(r[four], target=TARGET[a][four], logging=LOGGING[a][four], rounds=four)
    assert (many.n, many.value) == (100, pytest.approx(4 * once.value))
    assert many.high - many.value == pytest.approx(4 * (once.high - once.value))
    assert many.n_effective == pytest.approx(once.n_effective)
    # Planted fault: rows taken for rounds look twice as sure.
    assert ips(r[four], target=TARGET[a][four], logging=LOGGING[a][four]).high < once.high


# Properties

rewards = st.lists(st.floats(-10, 10), min_size=2, max_size=30)
chances = st.floats(0.05, 1.0)


@given(r=rewards, data=st.data())
def test_the_logging_policy_itself_is_worth_its_mean_reward(r: list[float], data: st.DataObject) -> None:
    p = data.draw(st.lists(chances, min_size=len(r), max_size=len(r)))
    for estimator in ESTIMATORS:
        found = estimator(r, target=p, logging=p)
        assert found.value == pytest.approx(np.mean(r), abs=1e-9)
        assert (found.n_effective, found.mean_weight, found.largest_weight) == pytest.approx((len(r), 1, 1))


@given(r=rewards, shift=st.floats(-5, 5), data=st.data())
def test_a_constant_in_every_reward_moves_snips_by_it(r: list[float], shift: float, data: st.DataObject) -> None:
    p, t = (data.draw(st.lists(chances, min_size=len(r), max_size=len(r))) for _ in range(2))
    before, after = (snips(np.array(r) + by, target=t, logging=p) for by in (0.0, shift))
    assert after.value - before.value == pytest.approx(shift, abs=1e-6)
    assert after.high - after.low == pytest.approx(before.high - before.low, abs=1e-6)
    assert min(r) - 1e-9 <= before.value <= max(r) + 1e-9


@given(seed=st.integers(0, 2**32 - 1))
def test_a_perfect_model_leaves_no_variance(seed: int) -> None:
    a, _ = drawn(20, seed)
    found = doubly_robust(
        MEANS[a], target=TARGET[a], logging=LOGGING[a], predicted=MEANS[a], expected=np.full(20, TRUTH)
    )
    assert (found.low, found.value, found.high) == pytest.approx((TRUTH, TRUTH, TRUTH))


@given(r=st.lists(st.floats(0, 1), min_size=2, max_size=30), clip=st.floats(0.1, 20), data=st.data())
def test_clipping_lowers_the_weights_and_the_value_and_is_told(
    r: list[float], clip: float, data: st.DataObject
) -> None:
    p, t = (data.draw(st.lists(chances, min_size=len(r), max_size=len(r))) for _ in range(2))
    whole, clipped = ips(r, target=t, logging=p), ips(r, target=t, logging=p, clip=clip)
    assert clipped.largest_weight <= clip
    assert clipped.value <= whole.value + 1e-12
    assert clipped.share_clipped == pytest.approx(np.mean(np.array(t) / np.array(p) > clip))
    assert 0 < clipped.n_effective <= len(r) + 1e-9
    assert clipped.low <= clipped.value <= clipped.high


def test_one_seed_gives_one_interval() -> None:
    a, r = drawn(50, 3)
    rows = {"target": TARGET[a], "logging": LOGGING[a], "interval": "bootstrap"}
    assert snips(r, **rows, seed=1) == snips(r, **rows, seed=1) != snips(r, **rows, seed=2)


def test_a_single_round_says_nothing_of_the_spread() -> None:
    for interval in ("normal", "bootstrap", "bernstein"):
        found = ips([1.0], target=[0.5], logging=[0.5], interval=interval, clip=2.0)
        assert (found.low, found.value, found.high) == (-np.inf, 1.0, np.inf)


# The simple reward model


def test_fitted_means_are_those_of_the_other_folds() -> None:
    a, r = drawn(40, 5)
    q = fitted_means(a, r, n_actions=3, strength=2.0, n_folds=4, seed=9)
    fold = np.random.default_rng(9).permutation(40) % 4
    for row, action in ((0, 0), (17, 1), (39, 2)):
        others = fold != fold[row]
        of_action = r[others & (a == action)]
        slow = (of_action.sum() + 2.0 * r[others].mean()) / (len(of_action) + 2.0)
        assert q[row, action] == pytest.approx(slow)


def test_a_row_does_not_see_itself_in_the_model() -> None:
    a, r = drawn(40, 6)
    changed = r.copy()
    changed[7] = 1e6
    before, after = (fitted_means(a, rows, n_actions=3) for rows in (r, changed))
    assert (before[7] == after[7]).all()
    assert (before != after).any(), "planted: the others do see it"


def test_a_model_narrows_the_interval_where_actions_differ() -> None:
    rng = np.random.default_rng(7)
    a = rng.choice(3, size=2000, p=LOGGING)
    r = np.array([1.0, 5.0, 9.0])[a] + rng.normal(size=2000)
    q = fitted_means(a, r, n_actions=3)
    rows = {"target": TARGET[a], "logging": LOGGING[a]}
    dr = doubly_robust(r, predicted=q[np.arange(2000), a], expected=q @ TARGET, **rows)
    raw = ips(r, **rows)
    truth = float(TARGET @ [1.0, 5.0, 9.0])
    assert dr.low <= truth <= dr.high
    assert dr.high - dr.low < 0.5 * (raw.high - raw.low)


# What cannot be known or is wrong


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_log_without_chance_cannot_tell_of_another_policy(estimator: Callable[..., Estimate]) -> None:
    with pytest.raises(InputError, match="no overlap") as caught:
        estimator([1.0, 0.0], target=[1.0, 0.0], logging=[1.0, 1.0])
    assert caught.value.field == "logging"
    assert estimator([1.0, 0.0], target=[1.0, 1.0], logging=[1.0, 1.0]).value == 0.5
    with pytest.raises(InputError, match="never do what was logged"):
        estimator([1.0, 0.0], target=[0.0, 0.0], logging=[0.5, 0.5])


def test_a_mean_weight_below_one_tells_of_what_was_never_logged() -> None:
    rng = np.random.default_rng(8)
    a = rng.choice(2, size=1000, p=[0.6, 0.4])  # action 2, which the target policy prefers, is never logged
    found = ips(MEANS[a], target=TARGET[a], logging=np.array([0.6, 0.4])[a])
    assert found.mean_weight == pytest.approx(0.3, abs=0.05)


WRONG: dict[str, tuple[str, dict[str, object]]] = {
    "no rows": ("reward", {"reward": [], "target": [], "logging": []}),
    "text": ("reward", {"reward": ["x", "y"]}),
    "nan": ("reward", {"reward": [np.nan, 0.0]}),
    "shape": ("target", {"target": [0.5]}),
    "two dimensions": ("logging", {"logging": [[0.5, 0.5]]}),
    "target above 1": ("target", {"target": [1.5, 0.5]}),
    "propensity 0": ("logging", {"logging": [0.0, 0.5]}),
    "propensity above 1": ("logging", {"logging": [0.5, 1.5]}),
    "too small to divide by": ("logging", {"logging": [5e-324, 0.5], "target": [1.0, 0.5]}),
    "clip": ("clip", {"clip": 0.0}),
    "level": ("level", {"level": 1.0}),
    "level of a bound": ("level", {"level": 1.0, "interval": "bernstein", "clip": 1.0}),
    "interval": ("interval", {"interval": "exact"}),
    "resamples": ("n_resamples", {"n_resamples": 0, "interval": "bootstrap"}),
    "bound without clip": ("clip", {"interval": "bernstein"}),
    "bound of other rewards": ("reward", {"reward": [2.0, 0.0], "interval": "bernstein", "clip": 1.0}),
    "rounds": ("rounds", {"rounds": [1]}),
    "rounds that are numbers with fractions": ("rounds", {"rounds": [0.5, 1.5]}),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_that_is_no_use_is_named(name: str) -> None:
    field, given_ = WRONG[name]
    rows: dict[str, Any] = {"reward": [1.0, 0.0], "target": [0.5, 0.5], "logging": [0.5, 0.5], **given_}
    with pytest.raises(InputError) as caught:
        ips(rows.pop("reward"), **rows)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "given_"),
    [
        ("action", {"action": [0.0, 1.0]}),
        ("action", {"action": [0, 3]}),
        ("action", {"n_actions": 0}),
        ("n_folds", {"n_folds": 1}),
        ("n_folds", {"n_folds": 3}),
        ("strength", {"strength": 0.0}),
    ],
)
def test_an_argument_that_is_no_use_to_the_model_is_named(field: str, given_: dict[str, Any]) -> None:
    rows: dict[str, Any] = {"action": [0, 1], "n_actions": 2, "n_folds": 2, **given_}
    with pytest.raises(InputError) as caught:
        fitted_means(rows.pop("action"), [1.0, 0.0], **rows)
    assert caught.value.field == field


def test_only_ips_has_a_bound() -> None:
    with pytest.raises(InputError, match="bernstein"):
        snips([1.0, 0.0], target=[0.5, 0.5], logging=[0.5, 0.5], interval="bernstein", clip=2.0)  # type: ignore[arg-type]
