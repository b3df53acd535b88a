"""What a host may ask of one slate beyond the order of scores: boosts, pinned items, caps, diversity.

Boosts are added to scores. The others only arrange: scores stay what they are. Pinned items come first; diversity
re-orders the best by maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998),

    argmax_i  (1 − d) · r_i − d · max_{j above} sim(i, j),

where ``r`` are the scores, stretched to 0 to 1 over those that are looked at; and the slate is filled from the top,
leaving out whatever would exceed a cap. Loaded only when something of it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.inputs import LIMITS, count, finite, text, texts
from recsys.rank.arrange import Placed, place
from recsys.rank.candidates import Catalogue, Pool, steered
from recsys.rank.rest import Rest, among, places_of
from recsys.types import Item

if TYPE_CHECKING:
    from recsys.rank.told import Told

__all__ = ["DIVERSITY", "LOOKED_AT", "PINNED", "Boosted", "Rules", "rules_of"]

PINNED: Final = "pinned"
DIVERSITY: Final = "diversity"
LOOKED_AT: Final = 200  # the best by score, which diversity re-orders
_MOST_BOOST: Final = 10.0

Tags = Sequence[str]
Number = TypeVar("Number", int, float)


def rules_of(diversity: object, caps: object, boosts: object, pinned: object, explore: float) -> Rules | None:
    """Check what a host asks of a slate; None when that is nothing.

    Raises
    ------
    InputError
        When something of it cannot be meant, or is asked of a slate that is drawn.
    """
    rules = Rules(
        diversity=0.0 if diversity is None else finite(diversity, "diversity", 0.0, 1.0),
        caps=_checked(caps, "caps", lambda n: count(n, "caps", 0, LIMITS["slate"])),
        boosts=_checked(boosts, "boosts", lambda w: finite(w, "boosts", -_MOST_BOOST, _MOST_BOOST)),
        pinned=() if pinned is None else texts(pinned, "pinned", "id", LIMITS["slate"]),
    )
    if explore and (rules.diversity or rules.caps):
        name = "diversity" if rules.diversity else "caps"
        raise InputError(f"{name}: not together with explore, whose propensities it would change", field=name)
    return rules if any(rules) else None


class Rules(NamedTuple):
    """What is asked of one slate; checked.

    Parameters
    ----------
    diversity : float
        ``d``, 0 to 1.
    caps : mapping of str to int
        At most so many items with this tag.
    boosts : mapping of str to float
        By item id or tag, in the units of steering.
    pinned : sequence of str
        Distinct ids, the first one first.
    """

    diversity: float
    caps: Mapping[str, int]
    boosts: Mapping[str, float]
    pinned: Sequence[str]

    def prepared(self, pool: Pool, catalogue: Catalogue, k: int) -> tuple[Pool, Told | None, int | None]:
        """Give what is pinned columns of its own; say what the boosts add. O(candidates).

        Also how many of the best by score decide a slate of ``k``; None when any candidate may.
        """
        pool = _apart(pool, self.pinned)
        boosts = _boosted(pool, steered(catalogue, self.boosts)) if self.boosts else None
        if self.caps or self.pinned:
            return pool, boosts, None
        return pool, boosts, max(k, LOOKED_AT) if self.diversity else k

    def arranged(
        self,
        pool: Pool,
        scores: NDArray[np.float64],
        k: int,
        explore: float,
        seed: int | None,
        items: Mapping[str, Item],
    ) -> tuple[list[Placed], list[str]]:
        """Order the candidates as :func:`recsys.rank.arrange.place` does, and by the rules.

        Returns
        -------
        list of (item id, column, score, propensity), list of str
            The slate, and for each place what decided it if it was not the score: ``PINNED`` or ``DIVERSITY``, else
            empty. O(n + k log k); with diversity, ``LOOKED_AT`` times its places more; with caps, up to O(n log n).
        """
        filling = _Filling(k, self.caps, items)
        if self.pinned:
            pool = _pin(self.pinned, pool, scores, filling)
        if explore:
            for one in place(pool, scores, k - len(filling.placed), explore, seed):
                filling.take(one)
            return filling.placed, filling.decided
        if self.diversity:
            _diversify(self.diversity, pool, scores, filling)
        _fill(pool, scores, filling)
        return filling.placed, filling.decided


class Boosted(NamedTuple):
    """What the app adds to the scores, as :class:`recsys.rank.told.Told`: one feature, in the units of scores.

    Parameters
    ----------
    columns : array of float64, shape (n_columns,)
    untouched : array of float64, shape (n_untouched,)
    """

    columns: NDArray[np.float64]
    untouched: NDArray[np.float64]

    @property
    def names(self) -> Sequence[str]:
        """The feature's name."""
        return ("boost",)

    @property
    def groups(self) -> Sequence[str]:
        """Its group of reasons."""
        return ("boost",)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Its weight, shape (1,)."""
        return np.ones(1)

    def offsets(self) -> NDArray[np.float64]:
        """Give what is added to each column's score, shape (n_columns,); the caller's own copy."""
        return self.columns.copy()

    def offsets_untouched(self) -> NDArray[np.float64]:
        """Give what is added to the score of each untouched candidate, shape (n_untouched,)."""
        return self.untouched

    def of(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.float64]:
        """Give the feature of some candidates, shape (1, n); ``places`` among the untouched, -1 for a column's."""
        given, apart = self.columns[columns], places >= 0
        given[apart] = self.untouched[places[apart]]
        return given[None]

    def most_like(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> list[int]:
        """Say nothing of likeness."""
        del places
        return [0] * len(columns)

    def only(self, columns: NDArray[np.intp]) -> Boosted:
        """Keep some columns."""
        return self._replace(columns=self.columns[columns])

    def averages(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.float64]:
        """Give the feature's mean over the candidates, shape (1,)."""
        among_columns = self.columns if allowed is None else self.columns[allowed]
        n = max(len(among_columns) + len(self.untouched), 1)
        return np.array([(float(among_columns.sum()) + float(self.untouched.sum())) / n])


def _boosted(pool: Pool, by_id: Mapping[str, float]) -> Boosted:
    columns = np.fromiter(map(by_id.get, pool.ids, repeat(0.0)), np.float64, len(pool.ids))
    untouched = np.zeros(len(pool.untouched))
    for at in places_of(pool.untouched, by_id):
        untouched[at] = by_id[pool.untouched[at]]
    return Boosted(columns, untouched)


class _Filling:
    """A slate as it fills from the top, and how much room the caps leave."""

    def __init__(self, k: int, caps: Mapping[str, int], items: Mapping[str, Item]) -> None:
        self.k = k
        self.room = dict(caps)
        self.placed: list[Placed] = []
        self.decided: list[str] = []
        self._items = items

    @property
    def is_full(self) -> bool:
        return len(self.placed) >= self.k

    def tags(self, placed: Placed) -> Tags:
        item = self._items.get(placed[0])
        return () if item is None else item.tags

    def take(self, placed: Placed, decided: str = "") -> None:
        """Put an item at the next place, if there is one and no cap is in the way."""
        tags = self.tags(placed)
        if self.is_full or any(self.room.get(tag, 1) < 1 for tag in tags):
            return
        for tag in tags:
            if tag in self.room:
                self.room[tag] -= 1
        self.placed.append(placed)
        self.decided.append(decided)


def _pin(pinned: Sequence[str], pool: Pool, scores: NDArray[np.float64], filling: _Filling) -> Pool:
    """Place those of the pinned that are candidates, and leave them out of the others. O(n)."""
    wanted, allowed = set(pinned), np.ones(len(pool.ids), np.bool_) if pool.allowed is None else pool.allowed.copy()
    columns = {item_id: column for column, item_id in enumerate(pool.ids) if item_id in wanted and allowed[column]}
    for item_id in pinned:
        column = columns.get(item_id)
        if column is not None:
            filling.take((item_id, column, float(scores[column]), 1.0), PINNED)
            allowed[column] = False
    return pool._replace(allowed=allowed)


def _diversify(d: float, pool: Pool, scores: NDArray[np.float64], filling: _Filling) -> None:
    """Fill places from the best by score, each the best of those left by score and by how unlike those above it is."""
    best = place(pool, scores, LOOKED_AT, 0.0, None)
    score = np.array([one[2] for one in best])
    span = float(score[0] - score[-1]) if best else 0.0
    relevance = (score - score[-1]) / span if span > 0.0 else np.zeros(len(best))
    tags = [filling.tags(one) for one in best]
    rows, nearest, left = _rows(tags), np.zeros(len(best)), np.ones(len(best), np.bool_)
    alike = _likeness(tags, rows)
    for one in filling.placed:
        np.maximum(nearest, alike(filling.tags(one)), out=nearest)
    _close(filling.room, filling.room, rows, left)
    while not filling.is_full and left.any():
        i = int(np.where(left, (1.0 - d) * relevance - d * nearest, -np.inf).argmax())  # the first of equals
        left[i] = False
        filling.take(best[i], DIVERSITY if left[:i].any() else "")
        np.maximum(nearest, alike(tags[i]), out=nearest)
        _close(tags[i], filling.room, rows, left)


def _fill(pool: Pool, scores: NDArray[np.float64], filling: _Filling) -> None:
    """Fill the places that are left by score, looking at more of the candidates as long as caps leave room."""
    taken = {one[0] for one in filling.placed}
    seen, looked_at = 0, filling.k + len(taken)
    while not filling.is_full:
        best = place(pool, scores, looked_at, 0.0, None)
        for one in best[seen:]:
            if one[0] not in taken:
                filling.take(one)
        if len(best) < looked_at:
            return
        seen, looked_at = looked_at, 4 * looked_at


def _close(
    tags: Iterable[str], room: Mapping[str, int], rows: Mapping[str, list[int]], left: NDArray[np.bool_]
) -> None:
    """Leave out the items with one of these tags for which there is no room any more."""
    for tag in tags:
        if room.get(tag, 1) < 1:
            left[rows.get(tag, [])] = False


def _rows(tags: Sequence[Tags]) -> dict[str, list[int]]:
    """Give for each tag which of the items have it."""
    rows: dict[str, list[int]] = {}
    for row, names in enumerate(tags):
        for name in names:
            rows.setdefault(name, []).append(row)
    return rows


def _likeness(tags: Sequence[Tags], rows: Mapping[str, list[int]]) -> Callable[[Tags], NDArray[np.float64]]:
    """Give how alike each of these items is to another one, 0 to 1: the share of their tags that they have in common.

    An item without tags is like nothing.
    """
    n_tags = np.array([len(names) for names in tags], np.float64)

    def alike(names: Tags) -> NDArray[np.float64]:
        shared = np.zeros(len(tags))
        for name in names:
            shared[rows.get(name, [])] += 1.0
        given: NDArray[np.float64] = shared / np.maximum(n_tags + len(names) - shared, 1.0)
        return given

    return alike


def _apart(pool: Pool, ids: Iterable[str]) -> Pool:
    """Give untouched candidates columns of their own."""
    own = sorted(item_id for item_id in ids if among(item_id, pool.untouched))
    if not own:
        return pool
    n, gone = len(pool.ids), set(own)
    rest = pool.untouched
    allowed = np.ones(n, np.bool_) if pool.allowed is None else pool.allowed
    slots = np.arange(n)[pool.slots] if isinstance(pool.slots, slice) else pool.slots
    return pool._replace(
        slots=np.concatenate([slots, np.zeros(len(own), np.intp)]),
        ids=[*pool.ids, *own],
        allowed=np.concatenate([allowed, np.ones(len(own), np.bool_)]),
        untouched=rest.without(own) if isinstance(rest, Rest) else [i for i in rest if i not in gone],
        offsets=None if pool.offsets is None else np.concatenate([pool.offsets, np.zeros(len(own))]),
    )


def _checked(given: object, field: str, check: Callable[[object], Number]) -> dict[str, Number]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"{field}: a mapping is needed", field=field)
    if len(given) > LIMITS["slate"]:
        raise InputError(f"{field}: at most {LIMITS['slate']} entries", field=field)
    return {text(name, field, "id"): check(value) for name, value in given.items()}
