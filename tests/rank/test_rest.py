"""What stands beside the untouched follows them, whatever comes, goes and changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsys.rank import rest as rest_module
from recsys.rank.rest import Rest, Untouched
from tests.learn.histories import examples

NAMES = [f"i{n:02}" for n in range(12)]
CHANGES = st.lists(st.tuples(st.sampled_from(("add", "discard", "ask")), st.sets(st.sampled_from(NAMES))), max_size=12)


@pytest.mark.parametrize("many", [0, 2, 1000])
@examples(0.3)
@given(CHANGES)
def test_columns_follow_the_ids(many: int, changes: Sequence[tuple[str, set[str]]]) -> None:
    before, rest_module._MANY = rest_module._MANY, many
    try:
        number: dict[str, int] = {}
        untouched, there = Untouched(()), set[str]()

        def look_up(ids: Sequence[str]) -> NDArray[np.intp]:
            return np.array([number[item_id] for item_id in ids], np.intp)

        for step, (what, ids) in enumerate(changes):
            version = untouched.version
            if what == "add":
                number.update((item_id, 100 * step + n) for n, item_id in enumerate(sorted(ids)))
                untouched.add(ids)
                there |= ids
                assert untouched.version > version
            elif what == "discard":
                untouched.discard(ids)
                there -= ids
            else:
                untouched.column("n", 1, look_up)
        assert untouched.ids == sorted(there)
        assert untouched.column("n", 1, look_up).tolist() == [number[item_id] for item_id in sorted(there)]
        number.update(dict.fromkeys(there, 7))
        assert set(untouched.column("n", 2, look_up).tolist()) <= {7}, "another stamp: all anew"
    finally:
        rest_module._MANY = before


@examples(0.3)
@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)), st.data())
def test_a_part_of_them_is_a_list_like_any_other(ids: set[str], gone: set[str], data: st.DataObject) -> None:
    rest = Rest(Untouched(ids)).without(gone)
    expected = sorted(ids - gone)
    which = data.draw(st.lists(st.booleans(), min_size=len(expected), max_size=len(expected)))
    for part, names in (
        (rest, expected),
        (rest.kept(np.array(which, np.bool_)), [i for i, kept in zip(expected, which, strict=True) if kept]),
    ):
        assert list(part) == names == part[:] == [part[n] for n in range(len(part))]
        assert part.column("n", 0, lambda some: np.array([int(i[1:]) for i in some], np.intp)).tolist() == [
            int(i[1:]) for i in names
        ]
