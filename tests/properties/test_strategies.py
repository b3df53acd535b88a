"""What the strategies draw is taken as it is, and is as odd as promised; Hypothesis is loaded by nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from recsys import Event, Item, Recommender, Settings
from recsys.testing import strategies as some
from tests import house
from tests.properties.eyes import python

HOMES: Final = ("recsys.testing",)
PACKAGE: Final = Path(__file__).parents[2] / "recsys"


@settings(max_examples=25)
@given(
    items=st.lists(some.items(), unique_by=lambda item: item.id, max_size=4),
    history=some.histories(max_size=8),
    event=some.events(),
    learnt_with=some.settings(),
    at=some.times(),
    kind=some.kinds(),
    context=some.contexts(),
)
def test_everything_drawn_is_taken_as_it_is(
    items: list[Item],
    history: list[Event],
    event: Event,
    learnt_with: Settings,
    at: float | datetime,
    kind: str,
    context: dict[str, object],
) -> None:
    with Recommender(":memory:", settings=learnt_with) as rec:
        assert rec.add(items) == len(items)
        rec.record_many([*history, event])
        rec.record("a", kind, at=at, context=context)  # type: ignore[arg-type]
        assert rec.stats().n_events == len(history) + 2
        kept = {one.id: one for one, _ in rec._store.items()}
        assert kept == {one.id: one for one in items}


def _has_ties(history: list[Event]) -> bool:
    return len({event.at_us for event in history}) < len(history)


def _goes_back(history: list[Event]) -> bool:
    return any(later.at_us < sooner.at_us for sooner, later in itertools.pairwise(history))


def _chooses_from_a_slate(history: list[Event]) -> bool:
    shown = {event.slate for event in history if event.shown}
    return any(event.slate in shown for event in history if not event.shown)


ODD: Final[dict[str, tuple[st.SearchStrategy[object], Callable[..., bool]]]] = {
    "a long id": (some.ids(), lambda drawn: len(drawn) == 512),
    "an id that is SQL": (some.ids(), lambda drawn: "DROP TABLE" in drawn),
    "an id beyond the basic plane": (some.ids(), lambda drawn: any(ord(c) > 0xFFFF for c in drawn)),
    "a quote": (some.ids(), lambda drawn: '"' in drawn or "'" in drawn),
    "a kind against": (some.kinds(), lambda drawn: drawn == "dislike"),
    "a kind of the host's own": (some.kinds(), lambda drawn: drawn not in Settings().kind_weights),
    "the end of time": (some.times(), lambda drawn: drawn == 2**32 - 1),
    "the beginning of time": (some.times(), lambda drawn: drawn == 0.0),
    "an aware datetime": (some.times(), lambda drawn: isinstance(drawn, datetime) and bool(drawn.utcoffset())),
    "ties": (some.histories(), _has_ties),
    "late events": (some.histories(), _goes_back),
    "a choice from a slate": (some.histories(), _chooses_from_a_slate),
    "a steer": (some.histories(), lambda drawn: any(event.kind == "steer" for event in drawn)),
    "an item with everything": (some.items(), lambda drawn: bool(drawn.title and drawn.tags and drawn.attributes)),
}


@pytest.mark.parametrize("oddity", ODD)
def test_oddities_are_drawn(oddity: str) -> None:
    strategy, is_odd = ODD[oddity]
    find(strategy, is_odd, settings=settings(max_examples=2_000, phases=[Phase.generate]))


def test_hypothesis_is_imported_in_testing_only() -> None:
    found = [line for source in house.sources(PACKAGE) for line in house.import_only_in(source, "hypothesis", HOMES)]
    assert found == []
    assert house.import_only_in(house.Source("recsys.learn.fold", "import hypothesis"), "hypothesis", HOMES) != []


@pytest.mark.parametrize(("code", "loaded"), [("import recsys", False), ("import recsys.testing.strategies", True)])
def test_importing_recsys_does_not_load_hypothesis(code: str, *, loaded: bool) -> None:
    done = python(f"import sys; {code}; print('hypothesis' in sys.modules)")
    assert done.stdout.strip() == str(loaded), done.stderr
