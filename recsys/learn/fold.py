"""The fold: the only way anything is learnt.

``fold(state, event)`` takes the state of the log before the event to the state
after it. Live recording, replay after a crash, import, forgetting and every
test call this one function on events in the log's order, so learning as it
happens and learning anew from the log give the same bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.digest import blake2b
from recsys.learn.behaviour import HEAVY, RECENT, RING, Behaviour
from recsys.learn.choice import ChoiceModel, utilities
from recsys.learn.features import feature_matrix, features_of
from recsys.learn.gather import OFFSET, Gathered, gather
from recsys.learn.moment import Moment, moment
from recsys.types import Context, Event

if TYPE_CHECKING:
    from recsys.prior import Prior
    from recsys.settings import Settings

__all__ = ["PendingChoice", "PendingSlate", "State", "fold", "fold_all", "learn_pending", "new_state", "score"]

PENDING: Final = 64  # shown slates remembered, waiting for a choice
LOG_UNTOUCHED: Final = math.log(1000.0)  # slot 0 stands for so many untouched items, whatever the catalogue's size
# The weights move after every choice at first, then after blocks that grow with the choices learnt from, so that what
# waits is always a small part of what is known: one more for each so many choices, up to the block.
CHOICES_A_STEP: Final = 64
BLOCK: Final = 16
DRAWS: Final = 16  # items drawn at random into an organic choice set, at most
_NUMBERS: Final = struct.Struct(f"<{DRAWS}I")


class PendingSlate(NamedTuple):
    """A slate that was shown: its slots in order, when, and which were chosen since."""

    slots: tuple[int, ...]
    shown_at_s: float
    chosen: set[int]


class PendingChoice(NamedTuple):
    """A choice that waits for its step: what its features are made of, the column taken, the kind's weight."""

    gathered: Gathered
    target: int
    weight: float


@dataclass(slots=True, eq=False, repr=False)
class State:
    """All that was learnt: a pure function of the events folded, the prior and the settings.

    Stability: provisional
    """

    behaviour: Behaviour
    choice: ChoiceModel
    kind_weights: Mapping[str, float]
    choice_set_size: int
    slates: dict[str, PendingSlate] = field(default_factory=dict)
    steers: dict[str, float] = field(default_factory=dict)
    pending: list[PendingChoice] = field(default_factory=list)
    n_choices: int = 0
    n_events: int = 0


def new_state(prior: Prior, settings: Settings) -> State:
    """Give the state before any event. O(d²)."""
    return State(
        behaviour=Behaviour(settings.session_gap_minutes * 60.0),
        choice=ChoiceModel(prior.w0, prior.precision0),
        kind_weights=settings.kind_weights,
        choice_set_size=settings.choice_set_size,
    )


def fold_all(state: State, events: Iterable[Event]) -> int:
    """Fold events, which must be in the log's order; returns how many."""
    n = 0
    for event in events:
        fold(state, event)
        n += 1
    return n


def fold(state: State, event: Event) -> None:
    """Learn one event, in place. O(1) in the log's length; about 100 µs.

    Parameters
    ----------
    state : State
        The state of everything before the event.
    event : Event
        Not before any event already folded.
    """
    now = moment(event.at_us, event.offset_min, event.context)
    state.n_events += 1
    if event.kind == "steer":
        state.behaviour.advance(now.at_s)
        _steer(state, event)
    elif event.kind == "shown":
        state.behaviour.advance(now.at_s)
        _show(state, event, now)
    else:
        _choice(state, event, now)


def learn_pending(state: State) -> None:
    """Move the weights by the choices that wait for it, in one step."""
    waiting, state.pending = state.pending, []
    if waiting:
        state.choice.learn(
            features_of([choice.gathered for choice in waiting]),
            [choice.gathered.columns.shape[1] for choice in waiting],
            [choice.target for choice in waiting],
            [choice.weight for choice in waiting],
            np.concatenate([choice.gathered.columns[OFFSET] for choice in waiting]),
        )


def score(
    state: State, item_ids: Sequence[str], *, at_us: int, offset_min: int, context: Context
) -> NDArray[np.float64]:
    """Give each item's utility ``w·x`` at that moment, shape (n,); pure. O(n)."""
    slot = state.behaviour.slots.get
    slots = np.array([slot(item_id, 0) for item_id in item_ids], np.intp)
    features = feature_matrix(state.behaviour, slots, moment(at_us, offset_min, context))
    return utilities(state.choice.w, features)


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
    weight = state.kind_weights.get(event.kind, 1.0)
    known = b.slots.get(event.item_id, 0)
    if weight and b.n_slots > 1:
        candidates, offsets, shown_at_s = _choice_set(state, event, known)
        if len(candidates) > 1:
            gathered = gather(b, np.array(candidates, np.intp), now, shown_at_s=shown_at_s)
            gathered.columns[OFFSET] = offsets
            state.pending.append(PendingChoice(gathered, candidates.index(known), weight))
            state.n_choices += 1
            if len(state.pending) >= min(1 + state.n_choices // CHOICES_A_STEP, BLOCK):
                learn_pending(state)
    gap_s = b.advance(now.at_s)
    if weight > 0:
        b.use(b.slot(event.item_id), now, gap_s, weight)
    elif weight < 0:
        b.oppose(b.slot(event.item_id), now.at_s, -weight)
    slate = state.slates.get(event.slate) if event.slate is not None else None
    if slate is not None and weight:
        slate.chosen.add(b.slots.get(event.item_id, 0))


def _choice_set(state: State, event: Event, known: int) -> tuple[list[int], Sequence[float] | float, float | None]:
    """Give the slots among which the event chose, ``known`` among them, their offsets, and when they were shown."""
    slate = state.slates.get(event.slate) if event.slate is not None else None
    if slate is not None and known in slate.slots and known not in slate.chosen:
        examined = slate.slots[: slate.slots.index(known) + 2]  # up to and just past the choice
        return [slot for slot in examined if slot not in slate.chosen], 0.0, slate.shown_at_s
    return *_active(state, event, known), None


def _active(state: State, event: Event, known: int) -> tuple[list[int], list[float]]:
    """Give the slots that an event without a slate chose among, and the logarithm of what each stands for.

    Up to ``choice_set_size`` all slots. Above, the items used last, those that followed the last item
    and those used most stand for themselves; of the rest a few are drawn, and each of
    them stands for its share of the rest. Slot 0 stands for everything untouched.
    """
    b, size = state.behaviour, state.choice_set_size
    if b.n_slots <= size:
        return list(range(b.n_slots)), [LOG_UNTOUCHED] + [0.0] * (b.n_slots - 1)
    position, last = b.cursor[:2].tolist()
    followers = int(b.next_n[last])
    n_recent, n_follow = min(position, RECENT, size // 4), min(followers, RING, size // 4)
    n_heavy = min(size // 8, HEAVY)
    n_draws = min(size // 4, DRAWS, size - 2 - 2 * (size // 4) - n_heavy)
    always = {0, *b.heavy[:n_heavy].tolist()}
    always.update(_newest(b.recent, position, n_recent), _newest(b.next_item[last], followers, n_follow))
    rest = {known, *_draw(event, b.n_slots, n_draws)} - always
    candidates = sorted(always | rest)
    offset = math.log((b.n_slots - len(always)) / len(rest)) if rest else 0.0
    return candidates, [LOG_UNTOUCHED, *(offset if slot in rest else 0.0 for slot in candidates[1:])]


def _newest(ring: NDArray[np.int32], n_written: int, n: int) -> list[int]:
    """Give the ring's newest ``n`` entries, in any order."""
    end = n_written % len(ring)
    newest: list[int] = ring[max(end - n, 0) : end].tolist()
    if n > end:
        newest += ring[len(ring) - (n - end) :].tolist()
    return newest


def _draw(event: Event, n_slots: int, n: int) -> list[int]:
    """Draw slots with a seed that depends on the event's time and item, never on its random id."""
    seed = b"%d/%s" % (event.at_us, event.item_id.encode())
    return [1 + number % (n_slots - 1) for number in _NUMBERS.unpack(blake2b(seed).digest())[:n]]
