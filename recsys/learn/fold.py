"""The fold: the only way anything is learnt.

``fold(state, event)`` takes the state of the log before the event to the state
after it. Live recording, replay after a crash, import, forgetting and every
test call this one function on events in the log's order, so learning as it
happens and learning anew from the log give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.learn.choice import BEGINNING, WITHIN, ChoiceModel, utilities
from recsys.learn.features import features_of
from recsys.learn.gather import IN_SESSION, Question, ask, gather
from recsys.learn.layout import BLOCK, HEAVY, RECENT, RING
from recsys.learn.lessons import Lessons
from recsys.learn.moment import Moment, moment
from recsys.learn.versions import versions
from recsys.types import Context, Event

if TYPE_CHECKING:
    from recsys.learn.forest import Forest
    from recsys.prior import Prior
    from recsys.settings import Settings

__all__ = [
    "Instant",
    "PendingChoice",
    "PendingSlate",
    "State",
    "fold",
    "fold_all",
    "learn_pending",
    "new_state",
    "regime",
    "score",
]

PENDING: Final = 64  # shown slates remembered, waiting for a choice
LOG_UNTOUCHED: Final = math.log(1000.0)  # slot 0 stands for so many untouched items, whatever the catalogue's size
# The weights move after every choice at first, then after blocks that grow with the choices learnt from, so that what
# waits is always a small part of what is known: one more for each so many choices, up to the block.
CHOICES_A_STEP: Final = 64
_CERTAIN: Final = [0.0]  # what stands for itself
DRAWS: Final = 16  # items drawn at random into an organic choice set, at most


class PendingSlate(NamedTuple):
    """A slate that was shown: its slots in order, when, and which were chosen since."""

    slots: tuple[int, ...]
    shown_at_s: float
    chosen: set[int]


class PendingChoice(NamedTuple):
    """A choice that waits for its step.

    Parameters
    ----------
    question : Question
        The moment, as it was.
    slots : list of int
        The candidates.
    target : int
        Which of them was chosen or turned down.
    weight : float
        The kind's.
    n_certain : int
        How many stand for themselves; those after them were drawn. 0 for a slate, all of which do.
    offset : float
        The logarithm of what each drawn one stands for.
    """

    question: Question
    slots: list[int]
    target: int
    weight: float
    n_certain: int
    offset: float


class Instant(NamedTuple):
    """What a choice without a slate is asked: the moment, and what is certain to be among the candidates.

    The first one of an instant that began a session is kept for the others of that instant: what happens in one instant
    (the lines of one order) has no order of its own, and the next session may begin with any.

    Parameters
    ----------
    question : Question
        The moment, as it was before the choice.
    certain : list of int
        The slots that stand for themselves, in ascending order, 0 the first.
    n_slots : int
        How many slots there were.
    """

    question: Question
    certain: list[int]
    n_slots: int


class State:
    """All that was learnt: a pure function of the events folded, the prior and the settings.

    Stability: provisional
    """

    __slots__ = (
        "behaviour",
        "choice_set_size",
        "choices",
        "instant",
        "lessons",
        "n_choices",
        "n_events",
        "pending",
        "shares",
        "slates",
        "steers",
        "trees",
        "weight",
    )

    def __init__(self, prior: Prior, settings: Settings) -> None:
        self.behaviour = Behaviour(settings.session_gap_minutes * 60.0)
        self.choices = tuple(map(ChoiceModel, prior.w0, prior.precision0))
        self.instant: Instant | None = None
        self.lessons = Lessons() if settings.trees else None
        self.trees = prior.trees if settings.trees else None
        self.weight = settings.weight
        self.choice_set_size = settings.choice_set_size
        self.shares = _shares(settings.choice_set_size)
        self.slates: dict[str, PendingSlate] = {}
        self.steers: dict[str, float] = {}
        self.pending: list[PendingChoice] = []
        self.n_choices = 0
        self.n_events = 0


def new_state(prior: Prior, settings: Settings) -> State:
    """Give the state before any event. O(d²)."""
    return State(prior, settings)


def _shares(size: int) -> tuple[int, int, int]:
    """Give how many of a choice set are used most, how many used last and as many following, and how many drawn."""
    quarter, n_heavy = size // 4, min(size // 8, HEAVY)
    return n_heavy, min(quarter, RECENT, RING), min(quarter, DRAWS, size - 2 - 2 * quarter - n_heavy)


def fold_all(state: State, events: Iterable[Event]) -> int:
    """Fold events, which must be in the log's order; returns how many."""
    n = 0
    for event in events:
        fold(state, event)
        n += 1
    return n


def fold(state: State, event: Event) -> None:
    """Learn one event, in place. O(1) in the log's length; 20 to 300 µs.

    Parameters
    ----------
    state : State
        The state of everything before the event.
    event : Event
        Not before any event already folded.
    """
    now = moment(event.at_us, event.offset_min, event.context)
    state.n_events += 1
    if state.lessons is not None:
        state.lessons.at_us = event.at_us
    begins = now.at_s != state.behaviour.newest_s
    full = begins and len(state.pending) >= min(1 + state.n_choices // CHOICES_A_STEP, BLOCK)
    if full or state.behaviour.must_merge(now.at_s):
        learn_pending(state)
    if begins:
        state.instant = None
    if event.kind == "steer":
        state.behaviour.advance(now.at_s)
        _steer(state, event)
    elif event.kind == "shown":
        learn_pending(state)
        state.behaviour.advance(now.at_s)
        _show(state, event, now)
    else:
        _choice(state, event, now)


def learn_pending(state: State) -> None:
    """Move the weights by the choices that wait for it, in one step, and merge the uses that wait."""
    b, waiting = state.behaviour, state.pending
    state.instant = None  # what it was asked is asked of what waits now
    if not b.n_waiting and not waiting:
        return
    found = versions(b)
    rhythm = found.rhythm(b)
    if waiting:
        state.pending = []
        waiting.sort(key=_regime_of)  # stable
        questions, slots, _, _, _, _ = zip(*waiting, strict=True)
        features = features_of(gather(b, questions, slots, rhythm))
        begin = 0
        for number, of_regime in groupby(waiting, _regime_of):
            _, sets, targets, weights, _, _ = zip(*(some := list(of_regime)), strict=True)
            end = begin + sum(sizes := list(map(len, sets)))
            model, given = state.choices[number], (features[:, begin:end], sizes, targets, weights)
            offsets = np.array(_offsets(some))
            if state.lessons is not None:
                _teach(state, state.lessons, given, offsets, utilities(model.w, features[:, begin:end]), sets)
            model.learn(*given, offsets)
            begin = end
    if b.n_waiting:
        b.merge(found, rhythm)


def _teach(
    state: State,
    lessons: Lessons,
    given: tuple[NDArray[np.float64], list[int], Sequence[int], Sequence[float]],
    offsets: NDArray[np.float64],
    said: NDArray[np.float64],
    sets: Sequence[Sequence[int]],
) -> None:
    """Keep choices as lessons, with what the linear model and the prior's trees said of them."""
    of_trees = None
    if state.trees is not None:
        from recsys.learn.standing import added, standing

        known, sizes = np.array([slot for slots in sets for slot in slots]) != 0, np.array(given[1])
        of_trees = added(state.trees, standing(given[0], said, known, sizes), known, sizes).scores
    lessons.add(*given, offsets, said, of_trees)


def regime(question: Question) -> int:
    """Give the number of the choice model for a moment: whether it would begin a session."""
    return WITHIN if question.numbers[IN_SESSION] else BEGINNING


def _regime_of(choice: PendingChoice) -> int:
    return regime(choice.question)


def _offsets(waiting: Sequence[PendingChoice]) -> list[float]:
    """Give the logarithm of what each candidate stands for. In choices without a slate the first is slot 0."""
    offsets: list[float] = []
    for _, slots, _, _, n_certain, offset in waiting:
        if n_certain:
            offsets.append(LOG_UNTOUCHED)
            offsets += _CERTAIN * (n_certain - 1)
            offsets += [offset] * (len(slots) - n_certain)
        else:
            offsets += _CERTAIN * len(slots)
    return offsets


def score(
    state: State,
    item_ids: Sequence[str],
    *,
    at_us: int,
    offset_min: int,
    context: Context,
    forest: Forest | None = None,
    given: Forest | None = None,
) -> NDArray[np.float64]:
    """Give each item's utility ``w·x`` at that moment, shape (n,), with what trees add: own ones, and a prior's.

    Pure. O(n log n).
    """
    slot = state.behaviour.slots.get
    slots, of_item = np.unique([slot(item_id, 0) for item_id in item_ids], return_inverse=True)
    question = ask(state.behaviour, moment(at_us, offset_min, context))
    features = features_of(gather(state.behaviour, [question], [slots.astype(np.intp)]))
    linear = utilities(state.choices[regime(question)].w, features)
    of_trees = np.zeros(len(slots))
    if given is not None:
        from recsys.learn.standing import added, standing

        known, sizes = slots != 0, np.array([len(slots)])
        of_trees = added(given, standing(features, linear, known, sizes), known, sizes).scores
    if forest is not None:
        of_trees = of_trees + forest.of_features(features)
    return (linear + of_trees)[of_item]


def _steer(state: State, event: Event) -> None:
    weight = event.value or 0.0
    state.steers.pop(event.item_id, None)
    if weight:
        state.steers[event.item_id] = weight


def _show(state: State, event: Event, now: Moment) -> None:
    b = state.behaviour
    slots = tuple(b.slot(item_id) for item_id, _, _ in event.shown)
    b.show(np.array(slots, np.intp), now.at_s)
    if event.slate is not None:
        state.slates.pop(event.slate, None)
        if len(state.slates) >= PENDING:
            del state.slates[next(iter(state.slates))]
        state.slates[event.slate] = PendingSlate(slots, now.at_s, set())


def _choice(state: State, event: Event, now: Moment) -> None:
    b = state.behaviour
    weight = state.weight(event.kind, event.value)
    known = b.slots.get(event.item_id, 0)
    slate = state.slates.get(event.slate) if event.slate is not None else None
    if weight and len(b.ids) > 1:
        _wait(state, event, now, known, weight, slate)
    gap_s = b.advance(now.at_s)
    if weight > 0:
        b.use(known or b.slot(event.item_id), now, gap_s, weight)
    elif weight < 0:
        learn_pending(state)
        b.oppose(b.slot(event.item_id), now.at_s, -weight)
    if slate is not None and weight:
        slate.chosen.add(b.slots[event.item_id])


def _wait(state: State, event: Event, now: Moment, known: int, weight: float, slate: PendingSlate | None) -> None:
    """Let the choice wait for its step."""
    if slate is not None and known in slate.slots and known not in slate.chosen:
        examined = slate.slots[: slate.slots.index(known) + 2]  # up to and just past the choice
        slots = [slot for slot in examined if slot not in slate.chosen]
        _put(state, ask(state.behaviour, now, slate.shown_at_s), slots, known, weight, 0, 0.0)
        return
    asked = Instant(ask(state.behaviour, now), _certain(state), len(state.behaviour.ids))
    _put_among(state, event, asked, known, weight)
    if state.instant is not None:
        _put_among(state, event, state.instant, known, weight)
    elif regime(asked.question) == BEGINNING:
        state.instant = asked


def _put(
    state: State, question: Question, slots: list[int], known: int, weight: float, n_certain: int, offset: float
) -> None:
    if len(slots) > 1:
        choice = (question, slots, slots.index(known), weight, n_certain, offset)
        state.pending.append(tuple.__new__(PendingChoice, choice))
        state.n_choices += 1


def _certain(state: State) -> list[int]:
    """Give the slots that stand for themselves where no slate says what was chosen among, in ascending order.

    Up to ``choice_set_size`` all slots. Above, the items used last, those that followed the last item and those used
    most. Slot 0, the first, stands for everything untouched.
    """
    b = state.behaviour
    if len(b.ids) <= state.choice_set_size:
        return list(range(len(b.ids)))
    n_heavy, n_each, _ = state.shares
    certain = {0, *b.heavy[:n_heavy]}
    if n_each:
        certain.update(b.recent[-n_each:])
        certain.update(b.newest_followers(n_each))
    return sorted(certain)


def _put_among(state: State, event: Event, asked: Instant, known: int, weight: float) -> None:
    """Let a choice without a slate wait, made among what is certain and a few drawn, each for its share of the rest.

    What had no slot when it was asked was untouched then.
    """
    _, certain, n_slots = asked
    target = known if known < n_slots else 0
    rest = set()
    if len(certain) < n_slots:
        rest = {target, *_draw(event, n_slots, state.shares[2])}.difference(certain)
    offset = math.log((n_slots - len(certain)) / len(rest)) if rest else 0.0
    slots = [*certain, *sorted(rest)] if rest else certain
    _put(state, asked.question, slots, target, weight, len(certain), offset)


def _draw(event: Event, n_slots: int, n: int) -> range:
    """Draw up to ``n`` slots at equal distances, each as likely as the next, from the event's time and item.

    Never from its random id.
    """
    if n <= 0:
        return range(0)
    step = (n_slots + n - 2) // n  # of the slots from 1: at most n of them
    return range(1 + crc32(b"%d/%s" % (event.at_us, event.item_id.encode())) % step, n_slots, step)
