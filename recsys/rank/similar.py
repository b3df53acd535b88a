"""What goes with one item: by content, by what follows it in the own log, and by what a prior pack knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from recsys.learn.behaviour import Behaviour
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

Parts = dict[str, tuple[float, int, float | None]]  # of each item: contribution, events behind it, when the newest was


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
    """Order what goes with an item: whatever it shares nothing with is left out; pure. O(items)."""
    b = state.behaviour
    others = {"sequence": _together(state, item_id), "near": _near(knowledge, catalogue, b, item_id)}
    best = _best(likeness, catalogue, b, item_id, others, k)
    title, none = catalogue.title(item_id), (0.0, 0, None)
    worded = []
    for _, other, like in best:
        parts = {"like": (like, 0, None)} | {group: parts.get(other, none) for group, parts in others.items()}
        worded.append(_worded(parts, title))
    ranked = tuple(
        Recommendation(other, -minus, position, 1.0, True, worded.__getitem__)
        for position, (minus, other, _) in enumerate(best)
    )
    n_known = len(catalogue.items) + sum(other not in catalogue.items for other in b.slots)
    n_gone = sum(other not in catalogue.items and other in b.slots for other in catalogue.removed)
    return Slate(os.urandom(8).hex(), *question, ranked, n_known - n_gone)


def _best(
    likeness: Likeness | None,
    catalogue: Catalogue,
    b: Behaviour,
    item_id: str,
    others: Mapping[str, Parts],
    k: int,
) -> list[tuple[float, str, float]]:
    """Give the best as ``(-score, id, what of it is likeness)``."""
    more: dict[str, float] = {}
    for parts in others.values():
        for other, (part, _, _) in parts.items():
            more[other] = more.get(other, 0.0) + part
    like = dict.fromkeys(more, 0.0)
    if likeness is not None and k:
        index, cosines = likeness.to_item(item_id)
        row = index.row
        like = {other: _WEIGHTS["like"] * float(cosines[row[other]]) if other in row else 0.0 for other in more}
        cosines = np.where(index.alive, cosines, np.float32(0.0))
        least = np.partition(cosines, -k - 1)[-k - 1] if k + 1 < len(cosines) else 0.0
        rows = np.flatnonzero((cosines >= least) & (cosines > 0.0))  # the k best and what equals them
        ids = index.ids
        like |= {
            ids[at]: _WEIGHTS["like"] * cosine for at, cosine in zip(rows.tolist(), cosines[rows].tolist(), strict=True)
        }
    found = [(-(part + more.get(other, 0.0)), other, part) for other, part in like.items()]
    known, removed = catalogue.items, catalogue.removed
    return sorted(
        one
        for one in found
        if one[0] < 0.0 and one[1] != item_id and (one[1] in known or one[1] in b.slots) and one[1] not in removed
    )[:k]


def _worded(parts: Parts, title: str) -> tuple[Reason, ...]:
    reasons = [
        Reason(together(group, title, n_events), group, part, n_events, last_at)
        for group, (part, n_events, last_at) in parts.items()
        if part
    ]
    return tuple(sorted(reasons, key=lambda reason: (-reason.contribution, reason.group)))


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
        lift = _WEIGHTS["sequence"] * float(np.log((n + 1.0) / (len(slots) * shares[other] + 1.0)))
        found[b.ids[other]] = (lift, n, float(at[slots == other].max()))
    return found


def _near(knowledge: Knowledge | None, catalogue: Catalogue, b: Behaviour, item_id: str) -> Parts:
    if knowledge is None:
        return {}
    beside = knowledge.beside(item_id, b, catalogue.untouched(b))
    return {other: (_WEIGHTS["near"] * strength, 0, None) for other, strength in beside.items()}
