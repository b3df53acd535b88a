"""Each peer learns what is plain to see, is the same every time, and can be weighed; what is missing is named."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.peers import PEERS, available, size_bytes
from benchmarks.peers.linucb import HybridLinUCB, _moment
from benchmarks.peers.ownlog import OwnLog
from benchmarks.peers.thompson import BetaThompson
from benchmarks.peers.trees import LambdaRank
from benchmarks.rules import RULES
from recsys.evaluate.replay import Model, replay
from recsys.evaluate.rules import MostUsed
from recsys.settings import Settings
from recsys.types import Event

HOUR_US = 3_600_000_000
THOMPSON = "Beta-Thompson (Firefox relevancy)"


def log_of(items: Sequence[str], step_us: int = HOUR_US) -> list[Event]:
    return [Event(i * step_us, f"{i:016x}", item, "play") for i, item in enumerate(items)]


def share_first(model: Model, events: Sequence[Event], last: int) -> float:
    outcomes = replay(events, {"it": model})["it"][-last:]
    return sum(outcome.rank == 1 for outcome in outcomes) / last


def maker(name: str) -> Callable[[], Model]:
    for module in PEERS[name].needs:
        pytest.importorskip(module)
    return PEERS[name].make


@pytest.mark.parametrize("name", [name for name in PEERS if name != THOMPSON])
def test_a_peer_that_sees_features_learns_what_follows_what(name: str) -> None:
    # A round of five: neither the most used nor the most recent is ever the next.
    assert share_first(maker(name)(), log_of("abcde" * 30), 40) >= 0.9
    assert share_first(RULES["most used"](), log_of("abcde" * 30), 40) <= 0.2


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_learns_a_favourite(name: str) -> None:
    assert share_first(maker(name)(), log_of("abaacaaada" * 12), 40) >= 0.5


@pytest.mark.parametrize("name", PEERS)
def test_the_same_log_gives_the_same_scores(name: str) -> None:
    found = []
    for _ in range(2):
        model = maker(name)()
        for event in log_of("abcacbbaca" * 6):
            model.learn(event)
        found.append([model.scores(Event(61 * HOUR_US, "", "", "play"), ("a", "b", "c")) for _ in range(3)])
    np.testing.assert_array_equal(found[0], found[1])


def test_a_peer_without_its_library_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "river" else find(name))
    models, reasons = available()
    assert "river logistic regression" not in models
    assert reasons["river logistic regression"] == "not installed: river (the `bench` extra)"
    assert {THOMPSON, "LinUCB, hybrid"} <= set(models)
    assert set(models) | set(reasons) == set(PEERS)
    assert not set(models) & set(reasons)


@pytest.mark.parametrize("name", [*PEERS, *RULES])
def test_the_size_of_a_model_is_that_of_what_it_learnt(name: str) -> None:
    make = maker(name) if name in PEERS else RULES[name]
    few, many = make(), make()
    for event in log_of("abc" * 4):
        few.learn(event)
    for event in log_of([f"a longer name {i % 60}" for i in range(150)]):
        many.learn(event)
    assert 50 < size_bytes(few) < size_bytes(many) < 1_000_000


class Holds(MostUsed):
    """A model that keeps whatever it is given."""

    def __init__(self, held: object) -> None:
        super().__init__()
        self.held = held


def test_the_size_leaves_out_settings_but_not_numbers() -> None:
    numbers = np.arange(1000.0)
    assert size_bytes(Holds(numbers)) >= 8000
    assert size_bytes(Holds(Settings(kind_weights={f"a kind {i}": 1.0 for i in range(500)}))) < 300


class Noted(OwnLog):
    """Keeps the examples that it was given."""

    def __init__(self, n_negatives: int) -> None:
        super().__init__(n_negatives)
        self.given: list[tuple[list[str], list[int]]] = []

    def fit(self, event: Event, items: Sequence[str], y: NDArray[np.int64]) -> None:
        assert event.item_id == items[0]
        assert all(item in self.features.place for item in items)
        self.given.append((list(items), y.tolist()))


def test_a_choice_is_an_example_against_others_and_a_new_item_is_none() -> None:
    model = Noted(n_negatives=2)
    for event in log_of("abcdea"):
        model.learn(event)
    ((items, y),) = model.given
    assert (items[0], y) == ("a", [1, 0, 0])
    assert len(set(items)) == 3
    assert set(items) < set("abcde")


def test_the_negatives_of_a_choice_from_a_list_are_that_lists() -> None:
    model = Noted(n_negatives=5)
    for event in log_of("abcde"):
        model.learn(event)
    shown = (("b", 0, 1.0), ("x", 1, 1.0), ("d", 2, 1.0))
    model.learn(Event(6 * HOUR_US, "6", "", "shown", slate="s", shown=shown))
    model.learn(Event(7 * HOUR_US, "7", "d", "play", slate="s"))
    assert model.given == [(["d", "b"], [1, 0])]


def test_a_negative_kind_is_one_example_against_its_item() -> None:
    model = Noted(n_negatives=5)
    for event in [*log_of("ab"), Event(3 * HOUR_US, "3", "a", "dislike"), Event(4 * HOUR_US, "4", "new", "dislike")]:
        model.learn(event)
    assert model.given == [(["a"], [0])]


def test_a_beta_arm_counts_what_was_selected_and_what_was_passed_over() -> None:
    model = BetaThompson()
    for event in [*log_of("aabca"), Event(9 * HOUR_US, "9", "b", "dislike")]:
        model.learn(event)
    assert model._place == {"a": 0, "b": 1, "c": 2}
    assert model._alpha[:3].tolist() == [4.0, 2.0, 2.0]
    assert model._beta[:3].tolist() == [3.0, 4.0, 2.0]


def test_trees_are_grown_once_a_day_and_when_a_log_has_grown_by_half(monkeypatch: pytest.MonkeyPatch) -> None:
    grown: list[int] = []
    model = LambdaRank(growth=1.5)

    def noted(event: Event) -> None:
        grown.append(event.at_us // HOUR_US)
        model._day, model._n_fitted = event.at_us // (24 * HOUR_US), model._n

    monkeypatch.setattr(model, "_grow", noted)
    replay(log_of("ab" * 50), {"it": model})
    # Ten lists at hour 12, half as many again at 17; then at each day's first hour, and where that was half as many.
    assert grown == [12, 17, 24, 35, 48, 71, 72, 96]


def test_hybrid_linucb_is_one_ridge_regression_over_all_its_weights() -> None:
    model = HybridLinUCB(alpha=0.5, ridge=2.0, ridge_arm=3.0, n_negatives=2)
    examples: list[tuple[NDArray[np.float64], NDArray[np.float64], int, int]] = []
    fit, shape = model.fit, model._z

    def noted(event: Event, items: Sequence[str], y: NDArray[np.int64]) -> None:
        fit(event, items, y)  # after it the scale is that of the moment of learning
        z, x = shape(model.features.read(event, items)), _moment(event)
        arms = [model.features.place[item] for item in items]
        examples.extend(zip(z, [x] * len(items), arms, y.tolist(), strict=True))

    model.fit = noted  # type: ignore[method-assign]
    for event in log_of("abcabdacbbdca"):
        model.learn(event)
    moment, items = Event(14 * HOUR_US, "", "", "play"), ("a", "b", "c", "d")
    n_z, n_x = len(examples[0][0]), len(examples[0][1])

    def row(z: NDArray[np.float64], x: NDArray[np.float64], arm: int) -> NDArray[np.float64]:
        return np.concatenate([z, *(x if a == arm else np.zeros(n_x) for a in range(len(items)))])

    F = np.array([row(z, x, arm) for z, x, arm, _ in examples])
    y = np.array([reward for *_, reward in examples], dtype=np.float64)
    M = F.T @ F + np.diag([2.0] * n_z + [3.0] * n_x * len(items))
    now = np.array([row(z, _moment(moment), i) for i, z in enumerate(shape(model.features.read(moment, items)))])
    expected = now @ np.linalg.solve(M, F.T @ y) + 0.5 * np.sqrt(np.diag(now @ np.linalg.solve(M, now.T)))
    np.testing.assert_allclose(model.scores(moment, items), expected, rtol=1e-6)
