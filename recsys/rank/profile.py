"""What was learnt, worded for the person it is about."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Final

import numpy as np

from recsys.learn.behaviour import Behaviour
from recsys.learn.choice import REGIMES
from recsys.learn.features import FEATURES
from recsys.learn.fold import State
from recsys.learn.layout import LAST_S, N_COUNTS, OWN_RING
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
    names = [[f"{feature.name}, {regime}" for feature in FEATURES] for regime in REGIMES]
    b = state.behaviour
    return Profile(
        n_events=state.n_events,
        n_items=int(np.count_nonzero(b.own_n[: b.n_slots])),
        habits=tuple(_habits(b, catalogue)),
        weights={
            name: (float(w), float(d))
            for of_regime, model in zip(names, state.choices, strict=True)
            for name, w, d in zip(of_regime, model.w, model.deviation(), strict=True)
        },
        prior_weights=dict(zip(chain.from_iterable(names), prior.w0.ravel().tolist(), strict=True)),
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
    followers, at = b.followers(slot)
    n = len(followers)
    follower, times = Counter(followers.tolist()).most_common(1)[0] if n else (0, 0)
    if times < _ENOUGH or times < _CLEAR * n:
        return []
    last = int(at[followers == follower].max())
    text = f"{title}: then usually {catalogue.title(b.ids[follower])}"
    return [Habit(text, b.ids[slot], times / n, times, float(last))]
