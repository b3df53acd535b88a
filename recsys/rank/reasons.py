"""Why an item stands where it stands, in terms that add up and in words.

The score is ``w·x`` plus the person's own steering, and what a pack and the items' content say, ``v·z``; so an item's
distance from the average candidate splits exactly:

    score_i − mean_j score_j = Σ_f w_f (x_if − mean_j x_jf) + (s_i − mean_j s_j) + Σ_f v_f (z_if − mean_j z_jf)

Terms are summed by group; each group is worded for a person and carries the
evidence behind it. All of it is copied when the slate is made, so reasons stay
what they were, whatever happens to the recommender afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.learn.behaviour import Behaviour
from recsys.learn.features import FEATURES
from recsys.learn.layout import OWN_RING
from recsys.learn.moment import Moment
from recsys.rank.candidates import Pool
from recsys.rank.told import Said
from recsys.rank.words import Evidence, daypart, phrase
from recsys.types import Reason

if TYPE_CHECKING:
    from recsys.reports import Term

__all__ = ["GROUPS", "Basis", "averages_of", "basis"]

STEER: Final = "steer"
_OF_MODEL: Final = tuple(dict.fromkeys(feature.group for feature in FEATURES))
GROUPS: Final = (*_OF_MODEL, STEER)  # and those of what else is said
_MEMBERS: Final = {
    group: np.array([f.group == group for f in FEATURES]) for group in _OF_MODEL
}  # which features belong to a group


class Basis(NamedTuple):
    """What the reasons of a slate are made from: copies, row by position in the slate.

    ``features`` is (n_features, k), ``average`` (n_features,), ``weights`` (n_features,);
    ``offset_average`` the mean steering over the candidates; ``decided`` says of each place what decided it if it was
    not the score.
    """

    moment: Moment
    features: NDArray[np.float64]
    average: NDArray[np.float64]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    offset_average: float
    slots: NDArray[np.intp]
    uses: NDArray[np.int64]
    last_s: NDArray[np.float64]
    own_at: NDArray[np.uint32]
    own_minute: NDArray[np.uint16]
    against: tuple[NDArray[np.int32], NDArray[np.uint32]]
    shown: tuple[NDArray[np.int32], NDArray[np.uint32]]
    followed: tuple[NDArray[np.int32], NDArray[np.uint32]]
    last_slot: int
    last_title: str
    under: tuple[tuple[NDArray[np.int32], NDArray[np.uint32]], ...]
    newest_s: float
    said: Sequence[Said] = ()
    decided: Sequence[str] = ()

    def contributions(self, position: int) -> NDArray[np.float64]:
        """Give each feature's part in the item's distance from the average, shape (n_features,)."""
        return self.weights * (self.features[:, position] - self.average)

    def terms(self, position: int) -> tuple[Term, ...]:
        """Give every feature's term, in the model's order, then the steering."""
        from recsys.reports import Term

        parts = self.contributions(position)
        given = [
            Term(f.name, f.group, float(x), float(mean), float(w), float(part))
            for f, x, mean, w, part in zip(
                FEATURES, self.features[:, position], self.average, self.weights, parts, strict=True
            )
        ]
        offset = float(self.offsets[position])
        given.append(Term(STEER, STEER, offset, self.offset_average, 1.0, offset - self.offset_average))
        for one in self.said:
            numbers = (one.features[:, position], one.average, one.weights, one.contributions(position))
            given += [
                Term(name, group, *map(float, of_feature))
                for name, group, *of_feature in zip(one.names, one.groups, *numbers, strict=True)
            ]
        return tuple(given)

    def reasons(self, position: int) -> tuple[Reason, ...]:
        """Give the groups' reasons, the greatest contribution first. Their contributions add up.

        What decided the place if it was not the score comes before them, and adds nothing.
        """
        parts = self.contributions(position)
        found = []
        for group in dict.fromkeys((*GROUPS, *(group for one in self.said for group in one.groups))):
            contribution = sum(one.of_group(group, position) for one in self.said)
            if group == STEER:
                contribution += float(self.offsets[position]) - self.offset_average
            elif group in _MEMBERS:
                contribution += float(parts[_MEMBERS[group]].sum())
            if contribution:
                evidence = self._evidence(group, position)
                text = phrase(group, contribution, evidence)
                found.append(Reason(text, group, contribution, evidence.n_events, evidence.last_at))
        found.sort(key=lambda reason: (-reason.contribution, reason.group))
        if self.decided and (decided := self.decided[position]):
            text = phrase(decided, 0.0, self._evidence(STEER, position))
            found.insert(0, Reason(text, decided, 0.0, 0, None))
        return tuple(found)

    def _evidence_said(self, evidence: Evidence, group: str, position: int) -> Evidence:
        """Give what stands behind steering and what else is said: of likeness, the uses of what it is most like."""
        if group != "like":
            return evidence.counted(0, None)
        evidence.last_title, n_events, last_at = next(one.like[position] for one in self.said if one.like)
        return evidence.counted(n_events, last_at)

    def _evidence(self, group: str, position: int) -> Evidence:
        uses = int(self.uses[position])
        last = float(self.last_s[position]) if uses else None
        evidence = Evidence(uses, last, self.moment, self.newest_s, self.last_title, uses)
        if group not in _MEMBERS:
            return self._evidence_said(evidence, group, position)
        slot = int(self.slots[position])
        if group == "rhythm":
            n_remembered = min(uses, OWN_RING)
            here = daypart(self.moment.week_minute)
            at = self.own_at[position, :n_remembered]
            same = np.array([daypart(int(m)) == here for m in self.own_minute[position, :n_remembered]], np.bool_)
            return evidence.of(at[same])
        if group == "sequence":
            evidence.is_last = bool(slot) and slot == self.last_slot
            items, at = self.followed
            return evidence.of(at[(items == slot) & (slot > 0)])
        if group == "context":
            times: Counter[int] = Counter()
            for items, at in self.under:  # an event under two of the values is one event
                times |= Counter(at[(items == slot) & (slot > 0)].tolist())
            return evidence.of(np.array(list(times.elements()), np.uint32))
        if group in ("fatigue", "feedback"):
            n, at = self.shown if group == "fatigue" else self.against
            count = int(n[position])
            return evidence.counted(count, float(at[position]) if count else None)
        return evidence


def basis(
    behaviour: Behaviour,
    pool: Pool,
    features: NDArray[np.float64],
    weights: NDArray[np.float64],
    moment: Moment,
    columns: Sequence[int],
    last_title: str,
    averages: tuple[NDArray[np.float64], float],
    said: Sequence[Said] = (),
    decided: Sequence[str] = (),
) -> Basis:
    """Copy what the reasons of these columns need; ``averages`` from :func:`averages_of`. O(n_features · n_columns)."""
    b = behaviour
    at = np.array(columns, np.intp)
    slots = at if isinstance(pool.slots, slice) else pool.slots[at]
    average, offset_average = averages
    last = b.last
    rows = [b.cues[cue] for cue in moment.cues if cue in b.cues]
    return Basis(
        moment=moment,
        features=features[:, at],
        average=average,
        weights=weights,
        offsets=np.zeros(len(at)) if pool.offsets is None else pool.offsets[at],
        offset_average=offset_average,
        slots=slots,
        uses=b.own_n[slots],
        last_s=b.last_uses_s(slots),
        own_at=b.own_at[slots],
        own_minute=b.own_minute[slots],
        against=(b.against_n[slots], b.against_at[slots]),
        shown=(b.shown_n[slots], b.shown_at[slots]),
        followed=b.followers(last),
        last_slot=last,
        last_title=last_title,
        under=tuple((b.cue_item[r].copy(), b.cue_at[r].copy()) for r in rows),
        newest_s=b.newest_s,
        said=said,
        decided=decided,
    )


def averages_of(pool: Pool, features: NDArray[np.float64] | NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Mean features, shape (n_features,), and mean steering over the candidates. O(n)."""
    allowed = np.ones(features.shape[1], np.bool_) if pool.allowed is None else pool.allowed
    total = (features @ allowed.astype(features.dtype)).astype(np.float64)
    if pool.untouched:
        total += len(pool.untouched) * features[:, 0]
    everyone = max(int(np.count_nonzero(allowed)) + len(pool.untouched), 1)
    offset = 0.0 if pool.offsets is None else float(pool.offsets[allowed].sum())
    return total / everyone, offset / everyone
