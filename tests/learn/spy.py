"""Looks over the shoulder of the fold: what its choice models are taught, by event and by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

import recsys.learn.fold as fold_module
from recsys.learn.behaviour import Behaviour
from recsys.learn.choice import REGIMES, ChoiceModel
from recsys.learn.features import N_FEATURES
from recsys.learn.fold import State, fold_all, learn_pending, new_state
from recsys.learn.gather import Gathered, Question, ask, gather
from recsys.learn.moment import Moment
from recsys.settings import Settings
from recsys.types import Event
from tests.learn.histories import PRIOR, SETTINGS

Floats = NDArray[np.float64]
UNTOUCHED = ""  # the candidate that stands for every item never seen


@dataclass(frozen=True)
class Seen:
    """One choice as a model was taught it."""

    number: int  # of the event
    asked: int  # of the event before which the question was asked: another of the same instant, or the same
    regime: str
    items: list[str]
    target: str
    weight: float  # negative: turned down
    shown_at_s: float | None
    offsets: list[float]


class Pupil(ChoiceModel):
    """A choice model that hands on what it is taught."""

    def __init__(self, model: ChoiceModel, spy: Spy, regime: str) -> None:
        super().__init__(model.w, model.precision0)
        self.spy = spy
        self.regime = regime

    def learn(
        self,
        features: Floats,
        sizes: Sequence[int],
        targets: Sequence[int],
        weights: Sequence[float],
        offsets: Floats,
    ) -> None:
        assert features.shape == (N_FEATURES, sum(sizes))
        each = np.split(offsets, np.cumsum(sizes)[:-1])
        for size, target, weight, of_items in zip(sizes, targets, weights, each, strict=True):
            number, (asked, shown_at_s), items = self.spy.gathered.pop(0)
            assert size == len(items)
            self.spy.seen.append(
                Seen(number, asked, self.regime, items, items[target], weight, shown_at_s, of_items.tolist())
            )


class Spy:
    """Writes down what the choice models of a state are taught."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.asked: dict[int, tuple[Question, int, float | None]] = {}  # by the question's identity
        self.numbers: dict[int, list[int]] = {}  # of the events that a question waits to be answered for
        self.gathered: list[tuple[int, tuple[int, float | None], list[str]]] = []
        self.seen: list[Seen] = []
        self.blocks: list[int] = []
        self._put = fold_module._put
        state.choices = tuple(Pupil(*of) for of in zip(state.choices, [self] * 2, REGIMES, strict=True))

    def ask(self, b: Behaviour, now: Moment, shown_at_s: float | None = None) -> Question:
        question = ask(b, now, shown_at_s)
        self.asked[id(question)] = question, self.state.n_events - 1, shown_at_s
        return question

    def put(self, state: State, question: Question, *choice: object) -> None:
        n_before = len(state.pending)
        self._put(state, question, *choice)  # type: ignore[arg-type]
        if len(state.pending) > n_before:
            self.numbers.setdefault(id(question), []).append(state.n_events - 1)

    def gather(
        self, b: Behaviour, questions: Sequence[Question], candidates: Sequence[list[int]], rhythm: NDArray[np.float32]
    ) -> Gathered:
        assert self.gathered == [], "all that was gathered was learnt from"
        for question, slots in zip(questions, candidates, strict=True):
            number = self.numbers[id(question)].pop(0)
            self.gathered.append((number, self.asked[id(question)][1:], [b.ids[slot] for slot in slots]))
        self.blocks.append(len(questions))
        return gather(b, questions, candidates, rhythm)


def spied(events: Sequence[Event], settings: Settings = SETTINGS) -> Spy:
    """A state whose models were taught these events."""
    state = new_state(PRIOR, settings)
    spy = Spy(state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold_module, "ask", spy.ask)
        patch.setattr(fold_module, "_put", spy.put)
        patch.setattr(fold_module, "gather", spy.gather)
        fold_all(state, events)
        learn_pending(state)
    spy.seen.sort(key=lambda seen: (seen.number, -seen.asked))
    return spy


def choices(events: Sequence[Event], settings: Settings = SETTINGS) -> list[Seen]:
    """What these events teach the choice models, event by event."""
    return spied(events, settings).seen


def last(events: Sequence[Event], settings: Settings = SETTINGS) -> Seen:
    """What the last of these events teaches."""
    seen = choices(events, settings)[-1]
    assert seen.number == len(events) - 1, "the last event taught nothing"
    return seen


def weights(state: State) -> list[bytes]:
    """The weights of both models, to the last bit."""
    return [model.w.tobytes() for model in state.choices]
