"""What was on screen counts once for a ranking; a choice names the slate that it was made from."""

from __future__ import annotations

import gc
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import Recommendation, Recommender, Slate

ADAPTERS = Path(__file__).parents[2] / "adapters"
QT, TK = ADAPTERS / "qt" / "recsys_qt", ADAPTERS / "tk" / "recsys_tk"


def load(path: Path) -> ModuleType:
    """Load the module by itself: it needs no toolkit."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


seen_module = load(QT / "seen.py")


def slate_of(ids: list[str], name: str = "s") -> tuple[Slate, dict[str, Recommendation]]:
    ranked = [Recommendation(i, -float(n), n, 1.0, True, lambda _: ()) for n, i in enumerate(ids)]
    return Slate(name, 0, 0, tuple(ranked), len(ids)), {r.item_id: r for r in ranked}


@pytest.mark.parametrize("name", ["collector.py", "seen.py"])
def test_both_adapters_carry_the_same_file(name: str) -> None:
    assert (QT / name).read_bytes() == (TK / name).read_bytes()


def test_the_collector_stands_still_while_any_learner_works_and_is_given_back_as_it_was() -> None:
    collector = load(QT / "collector.py").Collector
    first, second = collector(), collector()
    try:
        for was_enabled in (True, False):
            (gc.enable if was_enabled else gc.disable)()
            first.release()
            first.hold()
            first.hold()
            second.hold()
            first.release()
            assert not gc.isenabled()
            second.release()
            second.release()
            assert gc.isenabled() is was_enabled
    finally:
        gc.enable()


def test_before_any_ranking_nothing_was_shown() -> None:
    seen = seen_module.Seen()
    assert seen.take(["a"]) is None
    assert seen.chosen("a") is None


def test_what_scrolls_into_sight_is_logged_with_its_position_and_once() -> None:
    seen = seen_module.Seen()
    seen.ranked(*slate_of(list("abcdef")))
    first = seen.take(["a", "b"])
    assert [(r.item_id, r.position) for r in first] == [("a", 0), ("b", 1)]
    second = seen.take(["b", "c", "d"])
    assert [(r.item_id, r.position) for r in second] == [("c", 2), ("d", 3)]
    assert seen.take(["a", "b"]) is None
    assert len({first.id, second.id}) == 2
    assert (seen.chosen("a"), seen.chosen("c"), seen.chosen("f")) == (first.id, second.id, None)


def test_a_new_ranking_that_looks_the_same_is_no_new_impression_unless_something_was_chosen() -> None:
    seen = seen_module.Seen()
    seen.ranked(*slate_of(list("abc")))
    part = seen.take(["a", "b"])
    seen.ranked(*slate_of(list("abc")))
    assert seen.take(["a", "b"]) is None
    assert seen.chosen("b") == part.id
    seen.ranked(*slate_of(list("abc")))
    assert seen.take(["a", "b"]) is not None
    seen.ranked(*slate_of(list("bac")))
    assert [r.item_id for r in seen.take(["b", "a"])] == ["b", "a"]


def test_what_was_forgotten_is_not_held() -> None:
    seen = seen_module.Seen()
    seen.ranked(*slate_of(list("abc")))
    seen.take(["a"])
    seen.forget()
    assert seen.chosen("a") is None
    assert seen.take(["a"]) is None


@given(
    n=st.integers(1, 20),
    steps=st.lists(
        st.one_of(st.just("rank"), st.tuples(st.integers(0, 19), st.integers(1, 8)), st.integers(0, 19)), max_size=30
    ),
)
def test_a_recommender_takes_every_part_and_no_row_twice_for_a_ranking(n: int, steps: list[object]) -> None:
    ids = [f"i{k}" for k in range(n)]
    seen = seen_module.Seen()
    with Recommender(":memory:") as recommender:
        logged, fresh = set[str](), True
        for at, step in enumerate(steps):
            if step == "rank":
                slate = recommender.rank(ids, at=1_000_000 + at)
                seen.ranked(slate, {r.item_id: r for r in slate})
                fresh = True
            elif isinstance(step, tuple):
                visible = ids[step[0] % n :][: step[1]]
                part = seen.take(visible)
                if part is not None:
                    shown = {r.item_id for r in part}
                    assert shown <= set(visible)
                    assert not shown & logged or fresh
                    logged = shown if fresh else logged | shown
                    fresh = False
                    recommender.shown(part, at=1_000_000 + at)
            else:
                recommender.record(ids[step % n], slate=seen.chosen(ids[step % n]), at=1_000_000 + at)
        assert all(finding.severity == "ok" for finding in recommender.check())


@pytest.mark.parametrize("n", [10_001])
def test_an_impression_keeps_within_the_core_s_limit(n: int) -> None:
    seen = seen_module.Seen()
    ids = [f"i{k}" for k in range(n)]
    seen.ranked(*slate_of(ids))
    assert len(seen.take(ids)) == 10_000
    assert seen.take(ids[-1:]) is None
