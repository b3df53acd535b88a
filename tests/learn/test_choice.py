"""The choice model takes the step its formula says, stays sound whatever comes, and finds the weights of choices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.learn.choice import MEMORY, ChoiceModel, utilities
from tests.learn.histories import examples

Floats = NDArray[np.float64]
SEEDS = st.integers(0, 2**32 - 1)


def precision_of(rng: np.random.Generator, d: int, scale: float = 1.0) -> Floats:
    """A random positive definite matrix."""
    root = rng.normal(size=(d, d + 2)) / np.sqrt(d)
    return (root @ root.T + 0.3 * np.eye(d)) / scale


def model_of(rng: np.random.Generator, d: int) -> ChoiceModel:
    """A model that has learnt a little already, so that the evidence is not the prior."""
    model = ChoiceModel(rng.normal(size=d), precision_of(rng, d))
    for _ in range(3):
        choose(model, rng.normal(size=(d, 4)), 1, 1.0)
    return model


def first(X: Floats, offset: float) -> Floats:
    """Offsets of columns of which only the first has one."""
    return np.array([offset] + [0.0] * (X.shape[1] - 1))


def choose(model: ChoiceModel, X: Floats, target: int, weight: float, offset: float = 0.0) -> None:
    """One choice, by itself."""
    model.learn(X, [X.shape[1]], [target], [weight], first(X, offset))


def reject(model: ChoiceModel, X: Floats, target: int, weight: float, offset: float = 0.0) -> None:
    """One rejection, by itself."""
    model.learn(X, [X.shape[1]], [target], [-weight], first(X, offset))


def probabilities(w: Floats, X: Floats, n_first: float = 1.0) -> list[float]:
    """P(i | S) = exp(w·x_i) / Σ_j exp(w·x_j); candidates are columns, the first stands for `n_first` alike."""
    powers = [float(np.exp(sum(w[f] * X[f, i] for f in range(len(w))))) for i in range(X.shape[1])]
    powers[0] *= n_first
    return [power / sum(powers) for power in powers]


def slow_step(
    model: ChoiceModel, X: Floats, target: int, weight: float, *, rejected: bool, n_first: float
) -> tuple[Floats, Floats]:
    """The update, sum by sum; returns the new weights and precision."""
    d, n = X.shape
    p = probabilities(model.w, X, n_first)
    mean = sum(p[i] * X[:, i] for i in range(n))
    if rejected:
        sure = min(p[target], 0.95)
        away = X[:, target] - mean
        information = sure / (1 - sure) * np.outer(away, away)
        gradient = -sure / (1 - sure) * away
    else:
        information = sum((p[i] * np.outer(X[:, i] - mean, X[:, i] - mean) for i in range(n)), np.zeros((d, d)))
        gradient = X[:, target] - mean
    kept = model.precision0 + MEMORY * (model.precision - model.precision0)
    precision = kept + weight * information
    return model.w + weight * np.linalg.inv(precision) @ gradient, precision


@given(
    SEEDS,
    st.integers(1, 6),
    st.integers(2, 9),
    st.sampled_from((0.01, 0.5, 1.0, 10.0)),
    st.booleans(),
    st.sampled_from((1.0, 1000.0)),
)
def test_an_update_is_what_its_slow_twin_says(
    seed: int, d: int, n: int, weight: float, rejected: bool, n_first: float
) -> None:
    rng = np.random.default_rng(seed)
    model, X, target = model_of(rng, d), rng.normal(size=(d, n)) * 2.0, int(rng.integers(n))
    w, precision = slow_step(model, X, target, weight, rejected=rejected, n_first=n_first)
    (reject if rejected else choose)(model, X, target, weight, np.log(n_first))
    np.testing.assert_allclose(model.w, w, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(model.precision, precision, rtol=1e-10, atol=1e-10)


@given(
    SEEDS, st.lists(st.tuples(st.integers(2, 7), st.booleans(), st.sampled_from((0.0, 3.0))), min_size=1, max_size=9)
)
def test_a_block_is_one_step_for_all_its_choices_seen_from_the_same_weights(
    seed: int, block: list[tuple[int, bool, float]]
) -> None:
    rng = np.random.default_rng(seed)
    model, d = model_of(rng, 4), 4
    sets = [rng.normal(size=(d, n)) for n, _, _ in block]
    targets = [int(rng.integers(n)) for n, _, _ in block]
    information, gradient = np.zeros((d, d)), np.zeros(d)
    for X, target, (_, rejected, offset) in zip(sets, targets, block, strict=True):
        alone = ChoiceModel(model.w, model.precision)
        w, precision = slow_step(alone, X, target, 0.7, rejected=rejected, n_first=float(np.exp(offset)))
        information += precision - alone.precision
        gradient += precision @ (w - alone.w)
    kept = MEMORY ** len(block)
    precision = model.precision0 + kept * (model.precision - model.precision0) + information
    expected = model.w + np.linalg.inv(precision) @ gradient
    weights = [-0.7 if rejected else 0.7 for _, rejected, _ in block]
    offsets = np.concatenate([first(X, offset) for X, (_, _, offset) in zip(sets, block, strict=True)])
    model.learn(np.concatenate(sets, axis=1), [n for n, _, _ in block], targets, weights, offsets)
    np.testing.assert_allclose(model.precision, precision, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model.w, expected, rtol=1e-8, atol=1e-9)


def slope(f: Callable[[Floats], float], w: Floats, step: float = 1e-6) -> Floats:
    """The gradient of f at w by central differences."""
    return np.array([(f(w + step * e) - f(w - step * e)) / (2 * step) for e in np.eye(len(w))])


def log_of(X: Floats, target: int, *, rejected: bool) -> Callable[[Floats], float]:
    """The log likelihood of taking, or of not taking, the target."""

    def f(w: Floats) -> float:
        p = probabilities(w, X)
        return float(np.log(sum(p[:target] + p[target + 1 :]) if rejected else p[target]))

    return f


@examples(0.4)
@given(SEEDS, st.floats(0.1, 5.0))
def test_the_first_choice_is_one_newton_step_on_the_log_posterior(seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    d, n = 4, 6
    w0, precision0, X, target = rng.normal(size=d), precision_of(rng, d), rng.normal(size=(d, n)), int(rng.integers(n))
    likelihood = log_of(X, target, rejected=False)

    def log_posterior(w: Floats) -> float:
        return -0.5 * float((w - w0) @ precision0 @ (w - w0)) + weight * likelihood(w)

    gradient = slope(log_posterior, w0)
    hessian = np.array([slope(lambda w, i=i: slope(log_posterior, w, 1e-4)[i], w0, 1e-4) for i in range(d)])
    model = ChoiceModel(w0, precision0)
    choose(model, X, target, weight)
    np.testing.assert_allclose(model.w, w0 - np.linalg.solve(hessian, gradient), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.precision, -hessian, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.deviation(), np.sqrt(np.diag(np.linalg.inv(-hessian))), rtol=1e-4)


@given(SEEDS, st.floats(0.1, 5.0))
def test_the_first_rejection_is_one_fisher_step_on_the_log_posterior(seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    d, n = 4, 6
    w0, precision0, X, target = rng.normal(size=d), precision_of(rng, d), rng.normal(size=(d, n)), int(rng.integers(n))
    p = probabilities(w0, X)[target]
    if p > 0.9:  # beyond, the step is bounded on purpose
        return
    refused, taken = (slope(log_of(X, target, rejected=no), w0) for no in (True, False))
    fisher = (1 - p) * np.outer(refused, refused) + p * np.outer(taken, taken)  # mean square of the score
    model = ChoiceModel(w0, precision0)
    reject(model, X, target, weight)
    precision = precision0 + weight * fisher
    np.testing.assert_allclose(model.precision, precision, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.w, w0 + weight * np.linalg.solve(precision, refused), rtol=1e-5, atol=1e-6)


@given(SEEDS, st.booleans())
def test_a_choice_makes_its_item_likelier_and_a_rejection_less_likely(seed: int, rejected: bool) -> None:
    rng = np.random.default_rng(seed)
    model, X = model_of(rng, 5), rng.normal(size=(5, 7))
    before = probabilities(model.w, X)[2]
    (reject if rejected else choose)(model, X, 2, 0.3)
    after = probabilities(model.w, X)[2]
    assert after < before if rejected else after > before


@given(SEEDS, st.integers(2, 30))
def test_a_first_column_with_an_offset_stands_for_so_many_items_alike(seed: int, n_first: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(3, 4))
    one, many = model_of(np.random.default_rng(seed), 3), model_of(np.random.default_rng(seed), 3)
    choose(one, X, 2, 1.0, float(np.log(n_first)))
    choose(many, np.concatenate([np.repeat(X[:, :1], n_first, axis=1), X[:, 1:]], axis=1), n_first + 1, 1.0)
    np.testing.assert_allclose(one.w, many.w, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(one.precision, many.precision, rtol=1e-9, atol=1e-10)


def test_alternatives_that_are_alike_teach_nothing() -> None:
    model = model_of(np.random.default_rng(0), 3)
    w = model.w.copy()
    choose(model, np.ones((3, 5)), 0, 10.0)
    reject(model, np.ones((3, 5)), 0, 10.0)
    np.testing.assert_allclose(model.w, w, rtol=0, atol=1e-13)


def test_rejecting_what_was_all_but_certain_takes_a_bounded_step() -> None:
    X = np.array([[1000.0, 0.0], [0.0, 1.0]])
    model = ChoiceModel(np.ones(2), np.eye(2))
    reject(model, X, 0, 1.0)
    assert np.isfinite(model.w).all()
    assert np.abs(model.w - 1.0).max() < 20.0


@examples(0.04)
@given(SEEDS, st.sampled_from((1.0, 50.0)), st.sampled_from((0.001, 1.0)))
def test_two_thousand_random_updates_leave_the_model_sound(seed: int, scale: float, prior_scale: float) -> None:
    rng = np.random.default_rng(seed)
    d = 27
    model = ChoiceModel(rng.normal(size=d), precision_of(rng, d, prior_scale))
    for _ in range(2000):
        n = int(rng.integers(2, 20))
        X = rng.normal(size=(d, n)) * scale * (rng.random((d, 1)) < 0.5)
        weight = float(rng.choice((0.01, 1.0, 10.0)))
        (reject if rng.random() < 0.2 else choose)(model, X, int(rng.integers(n)), weight)
        assert np.isfinite(model.w).all()
    size = np.abs(model.precision).max()
    assert np.abs(model.precision - model.precision.T).max() < 1e-12 * size
    assert np.linalg.eigvalsh((model.precision + model.precision.T) / 2)[0] > 0
    assert (model.deviation() > 0).all()


def simulated(rng: np.random.Generator, true_w: Floats, model: ChoiceModel, n_choices: int) -> None:
    """Let somebody with weights `true_w` choose among eight, again and again."""
    d = len(true_w)
    for _ in range(n_choices):
        X = rng.normal(size=(d, 8))
        chosen = int(np.argmax(true_w @ X + rng.gumbel(size=8)))
        choose(model, X, chosen, 1.0)


def test_the_weights_behind_choices_are_found_and_doubted_as_much_as_they_should_be() -> None:
    rng = np.random.default_rng(20240101)
    d, errors, z = 5, {10: [], 400: []}, {10: [], 400: []}
    for _ in range(60):
        true_w = rng.normal(size=d)
        for n_choices in errors:
            model = ChoiceModel(np.zeros(d), np.eye(d))
            simulated(rng, true_w, model, n_choices)
            errors[n_choices] += list(model.w - true_w)
            z[n_choices] += list((model.w - true_w) / model.deviation())
    few, many = (np.sqrt(np.mean(np.square(errors[n]))) for n in (10, 400))
    assert many < 0.15 < few < 0.8, "the error falls with the evidence"
    for scores in z.values():
        assert abs(np.mean(scores)) < 0.25
        assert 0.7 < np.std(scores) < 1.4
        assert 0.9 < np.mean(np.abs(scores) < 2) <= 1.0


def test_old_evidence_makes_room_and_the_prior_stays() -> None:
    rng = np.random.default_rng(1)
    model = model_of(rng, 4)
    w, evidence = model.w.copy(), model.precision - model.precision0
    for _ in range(500):
        choose(model, np.zeros((4, 2)), 0, 1.0)
    np.testing.assert_allclose(model.precision - model.precision0, MEMORY**500 * evidence, rtol=1e-8, atol=1e-12)
    np.testing.assert_array_equal(model.w, w)
    assert 0.99 < MEMORY < 1.0


def test_a_new_habit_replaces_an_old_one() -> None:
    rng = np.random.default_rng(2)
    old, new = np.array([2.0, -1.0, 0.0]), np.array([-1.0, 2.0, 1.0])
    model = ChoiceModel(np.zeros(3), np.eye(3))
    simulated(rng, old, model, 1500)
    assert np.abs(model.w - old).max() < 0.35
    simulated(rng, new, model, 1500)
    assert np.abs(model.w - new).max() < 0.5


def test_the_arrays_given_are_left_alone() -> None:
    rng = np.random.default_rng(3)
    w0, precision0, X = rng.normal(size=3), precision_of(rng, 3), rng.normal(size=(3, 4))
    for array in (w0, precision0, X):
        array.setflags(write=False)
    model = ChoiceModel(w0, precision0)
    before = model.w, model.w.copy()
    choose(model, X, 0, 1.0)
    reject(model, X, 1, 1.0)
    np.testing.assert_array_equal(before[0], before[1], err_msg="weights handed out earlier stay what they were")


@given(SEEDS, st.integers(0, 40), st.integers(1, 30))
def test_a_utility_has_the_same_last_bit_whatever_the_other_candidates(seed: int, n: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    w, X = rng.normal(size=d), rng.normal(size=(d, n))
    together = utilities(w, X)
    assert together.shape == (n,)
    assert together.tolist() == [float(utilities(w, X[:, [i]])[0]) for i in range(n)]
    np.testing.assert_allclose(together, w @ X, rtol=1e-10, atol=1e-12)
    doubled = utilities(w, np.concatenate([X, X], axis=1))
    assert doubled.tolist() == [*together.tolist(), *together.tolist()], "equal features are real ties"
