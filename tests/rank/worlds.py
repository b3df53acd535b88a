"""A small world for the tests of ranking: a catalogue, a state, and a moment to ask about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from recsys.learn.fold import State
from recsys.rank.candidates import Catalogue, Pool, everything_known, given
from recsys.rank.slate import Question, explanation, slate
from recsys.reports import Explanation
from recsys.types import Context, Event, Item, Reason, Slate
from tests.learn.histories import learnt

TITLES = {"a": "Apples", "b": "Bread", "c": "", "d": "Dates", "e": "Eggs", "f": "Figs", "g": "Grapes", "h": "Honey"}
TAGS = {"a": ("fruit",), "b": ("baked",), "d": ("fruit", "dry"), "f": ("fruit",), "g": ("fruit", "dry")}


def item(item_id: str) -> Item:
    return Item(item_id, TITLES.get(item_id, ""), TAGS.get(item_id, ()))


def catalogue(item_ids: Iterable[str] = TITLES, removed: Iterable[str] = ()) -> Catalogue:
    return Catalogue([*((item(i), False) for i in item_ids), *((item(i), True) for i in removed)])


@dataclass
class World:
    """What was learnt, what there is, and how to ask."""

    state: State
    catalogue: Catalogue

    def everything(self, exclude: Collection[str] = (), where: object = None) -> Pool:
        return everything_known(self.state.behaviour, self.catalogue, self.state.steers, exclude, where)  # type: ignore[arg-type]

    def given(self, *item_ids: str) -> Pool:
        return given(item_ids, self.state.behaviour, self.catalogue, self.state.steers)

    def slate(
        self, pool: Pool, question: Question, k: int = 1000, explore: float = 0.0, seed: int | None = None
    ) -> Slate:
        return slate(self.state, self.catalogue, pool, question, k=k, explore=explore, seed=seed)

    def explain(self, pool: Pool, question: Question, item_id: str, events: Iterable[Event] = ()) -> Explanation:
        return explanation(self.state, self.catalogue, pool, question, item_id, tuple(events))


def world(events: Iterable[Event], stock: Catalogue | None = None) -> World:
    return World(learnt(events), catalogue() if stock is None else stock)


def asked(at_s: float, context: Context | None = None, offset_min: int = 0) -> Question:
    return round(at_s * 1e6), offset_min, context or {}


def candidates(pool: Pool) -> dict[str, tuple[int, float]]:
    """Every candidate's slot and steering, the slow way."""
    found: dict[str, tuple[int, float]] = {}
    slots = range(len(pool.ids))[pool.slots] if isinstance(pool.slots, slice) else pool.slots.tolist()
    for column, (item_id, slot) in enumerate(zip(pool.ids, slots, strict=True)):
        if pool.allowed is None or pool.allowed[column]:
            assert item_id not in found, "a candidate stands twice"
            found[item_id] = (slot, 0.0 if pool.offsets is None else float(pool.offsets[column]))
    for item_id in pool.untouched:
        assert item_id not in found, "a candidate stands twice"
        found[item_id] = (0, 0.0)
    return found


def by_group(reasons: Iterable[Reason]) -> Mapping[str, Reason]:
    return {reason.group: reason for reason in reasons}
