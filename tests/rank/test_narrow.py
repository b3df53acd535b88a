"""A first look in single precision changes no slate; and would be noticed if it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.learn import features as features_module
from recsys.learn.features import features_of, rough_features_of
from recsys.learn.gather import Gathered, ask, gather
from recsys.learn.moment import moment
from recsys.rank import narrow, slate
from recsys.types import Event, Item, Slate
from tests.learn.histories import CONTEXTS, DAY, MONDAY_S, SILENCES, event, examples, histories, learnt, uses
from tests.rank.worlds import World, asked, catalogue, world


@contextmanager
def wide_from(n: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slate, "WIDE", n)
        patch.setattr(features_module, "_WIDE", n)
        yield


def told(given_slate: Slate) -> list[tuple[str, float, int, float, bool]]:
    return [(r.item_id, r.score, r.position, r.propensity, r.known) for r in given_slate]


def both(w: World, at_s: float, context: dict[str, object], k: int, exclude: Sequence[str] = ()) -> tuple[Slate, Slate]:
    """The slate without a first look, and with one."""
    found = []
    for n in (10**9, 0):
        with wide_from(n):
            found.append(w.slate(w.everything(exclude), asked(at_s, context), k=k))
    return found[0], found[1]


@examples(0.5)
@given(
    histories(most=12, repeats=2),
    st.sampled_from((-DAY, *SILENCES)),
    st.sampled_from(CONTEXTS),
    st.lists(st.tuples(st.sampled_from(("a", "h", "fruit")), st.floats(-1, 1)), max_size=2),
    st.lists(st.sampled_from(("a", "c", "h", "nobody")), max_size=2),
    st.integers(0, 12),
)
def test_a_first_look_changes_no_slate(
    events: list[Event],
    later_s: float,
    context: dict[str, object],
    steers: Sequence[tuple[str, float]],
    exclude: Sequence[str],
    k: int,
) -> None:
    now_s = max((e.at_us for e in events), default=0) / 1e6
    w = world([*events, *(event(9_000 + n, now_s, to, "steer", value=v) for n, (to, v) in enumerate(steers))])
    plain, narrowed = both(w, max(now_s + later_s, 0.0), context, k, exclude)
    assert told(narrowed) == told(plain)
    assert narrowed.n_candidates == plain.n_candidates
    for one, other in zip(plain, narrowed, strict=True):  # the average they are told from is rough
        parts = {reason.group: reason.contribution for reason in other.reasons}
        for reason in one.reasons:
            assert parts.get(reason.group, 0.0) == pytest.approx(reason.contribution, abs=1e-3)


@examples(0.3)
@given(
    histories(most=10, repeats=2),
    st.lists(st.sampled_from([*"abcdefgh", "nobody", "anybody"]), min_size=1, unique=True),
    st.integers(0, 10),
)
def test_nor_does_it_change_the_order_of_the_hosts_own_candidates(events: list[Event], own: list[str], k: int) -> None:
    w = world(events)
    question = asked(max((e.at_us for e in events), default=0) / 1e6 + 60.0)
    found = []
    for n in (10**9, 0):
        with wide_from(n):
            found.append(told(w.slate(w.given(*own), question, k=k)))
    assert found[0] == found[1]


def big(n_items: int) -> World:
    rng = np.random.default_rng(3)
    order = [f"i{n}" for n in rng.zipf(1.3, 400) % n_items]
    names = [f"i{n}" for n in range(n_items)]
    w = world(uses([*names, *order], every_s=600.0), catalogue(()))
    w.catalogue.put([Item(f"untouched-{n}") for n in range(50)])
    return w


def test_of_thousands_few_are_looked_at_twice_and_the_slate_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    w = big(3000)
    at_s = MONDAY_S + 600.0 * 3400
    seen: list[int] = []
    original = slate.narrowed

    def counting(*arguments: object) -> object:
        pool, gathered = original(*arguments)  # type: ignore[arg-type]
        seen.append(gathered.columns.shape[1])
        return pool, gathered

    monkeypatch.setattr(slate, "narrowed", counting)
    for k in (1, 10, 100):
        wide = w.slate(w.everything(), asked(at_s, {}), k=k)
        assert k <= seen[-1] < 3 * k + 100
        with wide_from(10**9):
            assert told(w.slate(w.everything(), asked(at_s, {}), k=k)) == told(wide)
    assert len(seen) == 3
    w.slate(w.everything(), asked(at_s, {}), k=10, explore=1.0, seed=1)
    assert len(seen) == 3, "who is drawn may stand anywhere"


def everyone(events: list[Event], later_s: float, context: dict[str, object]) -> Gathered:
    """All that is known, gathered for a moment after the events."""
    b = learnt(events).behaviour
    now_s = max((e.at_us for e in events), default=0) / 1e6
    now = moment(round(max(now_s + later_s, 0.0) * 1e6), 0, context)  # type: ignore[arg-type]
    return gather(b, [ask(b, now)], [slice(0, b.n_slots)])


@examples(0.4)
@given(histories(), st.sampled_from((-DAY, *SILENCES)), st.sampled_from(CONTEXTS))
def test_rough_features_are_within_what_the_slack_takes_for_granted(
    events: list[Event], later_s: float, context: dict[str, object]
) -> None:
    gathered = everyone(events, later_s, context)
    exact, rough = features_of(gathered), rough_features_of(gathered)
    assert np.abs(exact).max() <= 64.0
    assert np.abs(rough - exact).max() <= 64.0 * 2.0**-21


@examples(0.3)
@given(histories(), st.sampled_from((-DAY, *SILENCES)), st.sampled_from(CONTEXTS))
def test_logarithms_left_out_where_they_are_known_are_the_same_bits(
    events: list[Event], later_s: float, context: dict[str, object]
) -> None:
    gathered = everyone(events, later_s, context)
    found = []
    for n in (10**9, 0):
        with wide_from(n):
            found.append((features_of(gathered).tobytes(), rough_features_of(gathered).tobytes()))
    assert found[0] == found[1]


def test_a_slack_that_is_too_small_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    w, at_s = big(300), MONDAY_S + 600.0 * 700
    monkeypatch.setattr(narrow, "_SLACK", -1e-3)
    slates = [both(w, at_s, {}, k) for k in (1, 5, 20)]
    assert any(told(plain) != told(narrowed) for plain, narrowed in slates)
