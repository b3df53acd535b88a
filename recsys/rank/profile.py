"""What was learnt, worded for the person it is about."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from recsys.learn.behaviour import Behaviour
from recsys.learn.features import FEATURES
from recsys.learn.fold import State
from recsys.learn.layout import LAST_S, N_COUNTS, OWN_RING, RING
from recsys.learn.versions import merged
from recsys.prior import Prior
from recsys.rank.candidates import Catalogue
from recsys.rank.words import daypart
from recsys.reports import Habit, Profile

__all__ = ["profile"]

_TOP: Final = 20
_CLEAR: Final = 0.5  # a share from which a sequence or a rhythm is told
_ENOUGH: Final = 3  # events that a told habit needs


def profile(state: State, catalogue: Catalogue, prior: Prior) -> Profile:
    """Describe the state; pure. O(items)."""
    names = [feature.name for feature in FEATURES]
    deviations = state.choice.deviation()
    b = state.behaviour
    return Profile(
        n_events=state.n_events,
        n_items=int(np.count_nonzero(b.own_n[: b.n_slots])),
        habits=tuple(_habits(b, catalogue)),
        weights={n: (float(w), float(d)) for n, w, d in zip(names, state.choice.w, deviations, strict=True)},
        prior_weights={n: float(w) for n, w in zip(names, prior.w0, strict=True)},
        steers=dict(sorted(state.steers.items())),
    )


def _habits(b: Behaviour, catalogue: Catalogue) -> list[Habit]:
    """The items used most lately, each with its clearest rhythm and what usually follows it."""
    table = merged(b)
    slow = table[N_COUNTS - 1]
    total = float(slow.sum())
    used = [s for s in np.argsort(-slow, kind="stable")[:_TOP].tolist() if slow[s] > 0]
    habits = []
    for slot in used:
        title, n = catalogue.title(b.ids[slot]), int(b.own_n[slot])
        last = float(table[LAST_S, slot])
        text = f"{title}: used {n} time{'s' if n > 1 else ''}"
        habits.append(Habit(text, b.ids[slot], float(slow[slot]) / total, n, last))
        habits += _rhythm(b, slot, title)
        habits += _sequence(b, slot, title, catalogue)
    return habits


def _rhythm(b: Behaviour, slot: int, title: str) -> list[Habit]:
    n = min(int(b.own_n[slot]), OWN_RING)
    parts = [daypart(int(m)) for m in b.own_minute[slot, :n]]
    part, times = Counter(parts).most_common(1)[0] if parts else ("", 0)
    if times < _ENOUGH or times < _CLEAR * n:
        return []
    last = max(int(at) for at, p in zip(b.own_at[slot, :n], parts, strict=True) if p == part)
    return [Habit(f"{title}: mostly on {part}", b.ids[slot], times / n, times, float(last))]


def _sequence(b: Behaviour, slot: int, title: str, catalogue: Catalogue) -> list[Habit]:
    n = min(int(b.next_n[slot]), RING)
    followers = b.followers["item"][slot, :n].tolist()
    follower, times = Counter(followers).most_common(1)[0] if followers else (0, 0)
    if times < _ENOUGH or times < _CLEAR * n:
        return []
    last = max(int(at) for at, f in zip(b.followers["at"][slot, :n], followers, strict=True) if f == follower)
    text = f"{title}: then usually {catalogue.title(b.ids[follower])}"
    return [Habit(text, b.ids[slot], times / n, times, float(last))]
