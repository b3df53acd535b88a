"""What goes with one item: by content, by what follows it in the own log, and by what a prior pack knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from recsys.learn.fold import State
from recsys.rank.candidates import Catalogue
from recsys.rank.words import together
from recsys.types import Reason, Recommendation, Slate

if TYPE_CHECKING:
    from recsys.rank.knowledge import Knowledge
    from recsys.rank.likeness import Likeness

__all__ = ["similar"]

_WEIGHTS: Final = {"like": 4.0, "sequence": 2.0, "near": 1.0}
_AROUND: Final = 3  # uses after, and before, that count as together

Floats = NDArray[np.float64]
Parts = dict[str, tuple[float, int, float | None]]  # group: contribution, events behind it, when the newest was


def similar(
    state: State,
    catalogue: Catalogue,
    item_id: str,
    question: tuple[int, int],
    *,
    k: int,
    knowledge: Knowledge | None = None,
    likeness: Likeness | None = None,
) -> Slate:
    """Order what goes with an item: whatever it shares nothing with is left out; pure. O(items and their words)."""
    found: dict[str, Parts] = {}
    for group, parts in (
        ("like", _alike(likeness, item_id)),
        ("sequence", _together(state, item_id)),
        ("near", _near(knowledge, catalogue, state, item_id)),
    ):
        for other, (strength, n_events, last_at) in parts.items():
            found.setdefault(other, {})[group] = (_WEIGHTS[group] * strength, n_events, last_at)
    known = {**dict.fromkeys(catalogue.items), **dict.fromkeys(state.behaviour.slots)}
    scores = {
        other: sum(part for part, _, _ in parts.values())
        for other, parts in found.items()
        if other != item_id and other in known and other not in catalogue.removed
    }
    best = sorted((-score, other) for other, score in scores.items() if score > 0.0)
    title = catalogue.title(item_id)
    worded = [_worded(found[other], title) for _, other in best[:k]]
    ranked = tuple(
        Recommendation(other, -minus, position, 1.0, True, worded.__getitem__)
        for position, (minus, other) in enumerate(best[:k])
    )
    return Slate(os.urandom(8).hex(), *question, ranked, len(known) - len(catalogue.removed & known.keys()))


def _worded(parts: Parts, title: str) -> tuple[Reason, ...]:
    reasons = [
        Reason(together(group, title, n_events), group, part, n_events, last_at)
        for group, (part, n_events, last_at) in parts.items()
        if part
    ]
    return tuple(sorted(reasons, key=lambda reason: (-reason.contribution, reason.group)))


def _alike(likeness: Likeness | None, item_id: str) -> Parts:
    if likeness is None:
        return {}
    index, cosines = likeness.to_item(item_id)
    some = np.flatnonzero(cosines > 0.0)
    ids = list(index.row) if len(some) else []
    return {ids[row]: (cosine, 0, None) for row, cosine in zip(some.tolist(), cosines[some].tolist(), strict=True)}


def _together(state: State, item_id: str) -> Parts:
    """``log((c + 1) / (C s + 1))``: ``c`` of the ``C`` uses around the item's own, where its share of all is ``s``."""
    b, slot = state.behaviour, state.behaviour.slots.get(item_id, 0)
    places = b.places[slot].astype(np.int64)
    oldest = max(b.position - len(b.past_item), 0)
    places = places[(places >= oldest) & (places < b.position)] if slot else places[:0]
    lags = np.concatenate([np.arange(-_AROUND, 0), np.arange(1, _AROUND + 1)])
    around = np.unique((places[:, None] + lags).ravel())
    cells = around[(around >= oldest) & (around < b.position)] % len(b.past_item)
    slots, at = b.past_item[cells], b.past_at[cells]
    if not len(slots):
        return {}
    counts, shares = np.bincount(slots), b.own_n[: slots.max() + 1] / max(b.own_n[: b.n_slots].sum(), 1)
    found: Parts = {}
    for other in np.flatnonzero(counts).tolist():
        n = int(counts[other])
        lift = float(np.log((n + 1.0) / (len(slots) * shares[other] + 1.0)))
        found[b.ids[other]] = (lift, n, float(at[slots == other].max()))
    return found


def _near(knowledge: Knowledge | None, catalogue: Catalogue, state: State, item_id: str) -> Parts:
    if knowledge is None:
        return {}
    ids = sorted(catalogue.items.keys() | state.behaviour.slots.keys())
    strength = knowledge.beside(item_id, ids)
    return {ids[i]: (float(strength[i]), 0, None) for i in np.flatnonzero(strength > 0.0).tolist()}
