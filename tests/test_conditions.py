"""A filter written as a mapping keeps what the same filter written as a function keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import InputError, Item, Recommender
from recsys.conditions import condition_of
from recsys.types import Scalar

AT: Final = 1_700_000_000.0
ITEMS: Final = (
    Item("blue", "Kind of Blue", ("jazz", "modal"), {"year": 1959, "lang": "en", "live": False}),
    Item("train", "Blue Train", ("jazz",), {"year": 1958.0, "lang": "en"}),
    Item("solaris", "Solaris", ("film",), {"year": 1972, "lang": "ru", "live": 1}),
    Item("bare"),
    Item("odd", "", ("film", "jazz"), {"year": "1959", "lang": 7, "live": True}),
)
values = st.sampled_from(("en", "ru", "1959", "", 0, 1, 7, 1958, 1959, 1959.0, 1972, True, False))


@st.composite
def filters(draw: st.DrawFn) -> dict[str, object]:
    """What a host may ask, in every form."""
    asked: dict[str, object] = {}
    if draw(st.booleans()):
        tag = st.sampled_from(("jazz", "modal", "film", "no such tag"))
        asked["tags"] = draw(tag | st.lists(tag, max_size=3) | st.frozensets(tag))
    for name in draw(st.lists(st.sampled_from(("year", "lang", "live", "title", "id", "absent")), unique=True)):
        low, high = sorted(draw(st.tuples(st.integers(1950, 1980), st.integers(1950, 1980))))
        spans = st.sampled_from(({"min": low}, {"max": high}, {"min": low, "max": high}, {"min": "a", "max": "m"}))
        asked[name] = draw(values | st.lists(values, max_size=3) | spans)
    return asked


def alike(found: Scalar, wanted: Scalar) -> bool:
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def kept(item: Item, asked: Mapping[str, object]) -> bool:
    """The slow twin: what the documentation says, line by line."""
    for name, wanted in asked.items():
        listed = list(wanted) if isinstance(wanted, (list, frozenset)) else [wanted]
        if name == "tags":
            if not any(tag in item.tags for tag in listed):
                return False
            continue
        found = {"id": item.id, "title": item.title or None}.get(name, item.attributes.get(name))
        if found is None:
            return False
        if isinstance(wanted, dict):
            for end, limit in wanted.items():
                if isinstance(found, bool) or isinstance(found, str) != isinstance(limit, str):
                    return False
                if not (found >= limit if end == "min" else found <= limit):  # type: ignore[operator]
                    return False
        elif not any(alike(found, one) for one in listed):
            return False
    return True


@given(filters())
def test_a_mapping_keeps_what_the_function_that_says_the_same_keeps(asked: dict[str, object]) -> None:
    with Recommender(":memory:") as rec:
        rec.add(ITEMS)
        rec.record_many([{"item_id": name, "at": AT + n} for n, name in enumerate(("blue", "odd", "never added"))])
        by_mapping = rec.recommend(at=AT + 60, where=asked)  # type: ignore[arg-type]
        by_function = rec.recommend(at=AT + 60, where=lambda item: kept(item, asked))
        assert by_mapping.item_ids == by_function.item_ids
        assert by_mapping.n_candidates == by_function.n_candidates


def test_what_is_asked_of_an_item_that_was_never_added_is_lacking() -> None:
    with Recommender(":memory:") as rec:
        rec.record("never added", at=AT)
        assert rec.recommend(where={"year": {"min": 0}}, at=AT).item_ids == []
        assert rec.recommend(where={"id": "never added"}, at=AT).item_ids == ["never added"]
        assert rec.recommend(where={}, at=AT).item_ids == ["never added"]


@pytest.mark.parametrize(
    "asked",
    [
        {5: "a number for a name"},
        {"": 1},
        {"tags": {"min": 1}},
        {"tags": 5},
        {"tags": ["jazz", ""]},
        {"year": {}},
        {"year": {"most": 3}},
        {"year": {"min": 3, "max": 2}},
        {"year": {"min": 3, "max": "4"}},
        {"year": {"min": True}},
        {"year": {"min": float("nan")}},
        {"year": {"max": None}},
        {"year": None},
        {"year": [None]},
        {"year": [[1]]},
        {"year": float("inf")},
        {"year": 2**63},
        {f"name-{n}": n for n in range(65)},
    ],
)
def test_what_cannot_be_meant_is_refused(asked: dict[object, object]) -> None:
    with pytest.raises(InputError) as caught:
        condition_of(asked)
    assert caught.value.field == "where"
