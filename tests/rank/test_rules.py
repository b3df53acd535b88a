"""Pinned first, caps kept, the best re-ordered as the formula says, boosts in the score: each beside a slow twin."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import Item, Recommender, Slate
from recsys.prior.pack import write
from recsys.publish import Hyper, Person, build
from recsys.rank import rules, slate
from recsys.rank.candidates import STEER_STRENGTH, Pool
from tests.properties.eyes import as_seen, nothing_changes

AT: Final = 1_700_000_000
NAMES: Final = ("a", "b", "c", "d", "e", "f", "g", "h")
TAGS: Final = ("jazz", "rock", "live")
Ask = Mapping[str, Any]
World = tuple[Mapping[str, Sequence[str]], Sequence[str], Sequence[str]]

stocks = st.dictionaries(st.sampled_from(NAMES[:7]), st.lists(st.sampled_from(TAGS), unique=True, max_size=3))
worlds = st.tuples(
    stocks,
    st.lists(st.sampled_from((*NAMES[:4], "h")), max_size=8),
    st.lists(st.sampled_from((*TAGS, "a", "g")), unique=True, max_size=2),
)
caps_of = st.dictionaries(st.sampled_from((*TAGS, "no such tag")), st.integers(0, 3), max_size=3)
pins_of = st.lists(st.sampled_from((*NAMES, "nobody")), unique=True, max_size=4)
boosts_of = st.dictionaries(st.sampled_from((*TAGS, *NAMES, "nobody")), st.floats(-10, 10), max_size=4)
shares = st.sampled_from((0.0, 0.1, 0.5, 0.9, 1.0)) | st.floats(0, 1)


def living(world: World) -> Recommender:
    stock, used, steered = world
    rec = Recommender(":memory:")
    rec.add(Item(name, name.upper(), tuple(tags)) for name, tags in stock.items())
    rec.record_many([{"item_id": name, "at": AT + 60 * n} for n, name in enumerate(used)])
    for n, target in enumerate(steered):
        rec.steer(target, 0.25, at=AT + 3000 + n)
    return rec


def asked(rec: Recommender, own: Sequence[str] | None, k: int = 100, **ask: Any) -> Slate:
    """From the catalogue, or among the host's own."""
    return rec.recommend(k, at=AT + 3600, **ask) if own is None else rec.rank(own, k=k, at=AT + 3600, **ask)


owns = st.none() | st.lists(st.sampled_from((*NAMES, "unknown")), unique=True)


def placed(given_slate: Slate) -> list[tuple[str, float]]:
    return [(r.item_id, r.score) for r in given_slate]


def decided(given_slate: Slate) -> list[str]:
    return [next((r.group for r in one.reasons if r.group in ("pinned", "diversity")), "") for one in given_slate]


# -- the slow twin -----------------------------------------------------------------------


def likeness(one: Collection[str], other: Collection[str]) -> float:
    both = {*one, *other}
    return len({*one} & {*other}) / len(both) if both else 0.0


def twin(
    best: Sequence[tuple[str, float]],
    tags: Mapping[str, Collection[str]],
    k: int,
    *,
    pinned: Sequence[str] = (),
    caps: Mapping[str, int] | None = None,
    diversity: float = 0.0,
) -> list[tuple[str, float]]:
    """The documentation, line by line."""
    score, chosen = dict(best), list[str]()

    def fits(item_id: str) -> bool:
        n = Counter(tag for other in (*chosen, item_id) for tag in tags.get(other, ()))
        return all(n[tag] <= (caps or {}).get(tag, math.inf) for tag in tags.get(item_id, ()))

    for item_id in pinned:
        if item_id in score and fits(item_id) and len(chosen) < k:
            chosen.append(item_id)
    rest = [item_id for item_id, _ in best if item_id not in pinned]
    head = rest[: rules.LOOKED_AT] if diversity else []
    low, span = (score[head[-1]], score[head[0]] - score[head[-1]]) if head else (0.0, 0.0)
    while len(chosen) < k and (left := [i for i in head if i not in chosen and fits(i)]):
        worth = {
            i: (1.0 - diversity) * ((score[i] - low) / span if span > 0 else 0.0)
            - diversity * max((likeness(tags.get(i, ()), tags.get(j, ())) for j in chosen), default=0.0)
            for i in left
        }
        chosen.append(max(left, key=lambda i: worth[i]))  # the first of equals
    for item_id in rest:
        if len(chosen) < k and item_id not in chosen and fits(item_id):
            chosen.append(item_id)
    return [(item_id, score[item_id]) for item_id in chosen]


@settings(max_examples=60)
@given(worlds, owns, pins_of, caps_of, shares, st.integers(0, 9))
def test_a_slate_is_arranged_as_is_documented(
    world: World, own: Sequence[str] | None, pinned: list[str], caps: Mapping[str, int], diversity: float, k: int
) -> None:
    with living(world) as rec, nothing_changes(rec):
        best = placed(asked(rec, own))
        found = asked(rec, own, k, pinned=pinned, caps=caps, diversity=diversity)
        tags = {item.id: item.tags for item in rec._catalogue.items.values()}
        assert placed(found) == twin(best, tags, k, pinned=pinned, caps=caps, diversity=diversity)
        assert found.n_candidates == len(best)
        assert [r.position for r in found] == [*range(len(found))]
        assert {r.propensity for r in found} <= {1.0}
        n = Counter(tag for r in found for tag in tags.get(r.item_id, ()))
        assert all(n[tag] <= most for tag, most in caps.items())


@given(worlds, owns, st.integers(0, 9), st.sampled_from((0.0, 1.0)))
def test_what_asks_for_nothing_is_off(world: World, own: Sequence[str] | None, k: int, explore: float) -> None:
    with living(world) as rec:
        plain = asked(rec, own, k, explore=explore, seed=3)
        for nothing in ({"diversity": 0.0}, {"caps": {}}, {"boosts": {}}, {"pinned": []}, {"diversity": 0, "caps": {}}):
            found = asked(rec, own, k, explore=explore, seed=3, **nothing)
            assert as_seen(found) == as_seen(plain)
            assert [r.reasons for r in found] == [r.reasons for r in plain]


@given(worlds, owns, caps_of, shares, pins_of, st.integers(0, 9))
def test_a_shorter_slate_is_the_beginning_of_a_longer_one(
    world: World, own: Sequence[str] | None, caps: Mapping[str, int], diversity: float, pinned: list[str], k: int
) -> None:
    with living(world) as rec:
        ask = {"caps": caps, "diversity": diversity, "pinned": pinned}
        assert placed(asked(rec, own, k, **ask)) == placed(asked(rec, own, 9, **ask))[:k]


# -- boosts --------------------------------------------------------------------------------


@given(worlds, owns, boosts_of, pins_of, shares)
def test_boosts_are_in_the_score_and_reasons_add_up(
    world: World, own: Sequence[str] | None, boosts: Mapping[str, float], pinned: list[str], diversity: float
) -> None:
    with living(world) as rec:
        before, found = dict(placed(asked(rec, own))), asked(rec, own, boosts=boosts)
        assert {r.item_id for r in found} == before.keys()
        assert [(-r.score, r.item_id) for r in found] == sorted((-r.score, r.item_id) for r in found)
        for r in found:
            item = rec._catalogue.items.get(r.item_id)
            names = {r.item_id, *(item.tags if item else ())}
            added = STEER_STRENGTH * math.fsum(boosts.get(name, 0.0) for name in names)
            assert r.score == pytest.approx(before[r.item_id] + added, abs=1e-9)
        mean = math.fsum(r.score for r in found) / max(len(found), 1)
        for r in (*found, *asked(rec, own, 4, boosts=boosts, pinned=pinned, diversity=diversity)):
            assert math.fsum(reason.contribution for reason in r.reasons) == pytest.approx(r.score - mean, abs=1e-9)


@given(worlds, st.sampled_from((*TAGS, *NAMES)), st.floats(-1, 1))
def test_a_boost_adds_what_steering_adds(world: World, target: str, weight: float) -> None:
    stock, used, _ = world
    with living((stock, used, [])) as rec:
        boosted = asked(rec, None, boosts={target: weight})
        rec.steer(target, weight, at=AT + 3500)
        assert as_seen(asked(rec, None)) == as_seen(boosted)


def test_reasons_name_the_boost_the_pin_and_diversity() -> None:
    with living(({"a": ["jazz"], "b": ["jazz"], "c": ["rock"]}, "aab", ())) as rec:
        found = asked(rec, None, boosts={"rock": 0.25}, pinned=["b"], diversity=0.9)
        assert found.item_ids == ["b", "c", "a"]
        first, second, third = (r.reasons for r in found)
        assert (first[0].group, first[0].text, first[0].contribution) == ("pinned", "the app puts this first", 0.0)
        assert (second[0].group, second[0].text) == ("diversity", "it is unlike what stands above it")
        boost = next(reason for reason in second if reason.group == "boost")
        assert (boost.text, boost.contribution) == ("the app suggests this", pytest.approx(2 / 3))
        assert decided(found)[2] == ""
        assert next(r for r in third if r.group == "boost").text == "the app suggests others more"
        assert all(reason.n_events == 0 for reason in (first[0], second[0], boost))


# -- pinned --------------------------------------------------------------------------------


def test_only_candidates_can_be_pinned() -> None:
    with living(({"a": ["jazz"], "b": [], "c": ["rock"], "d": []}, "abab", ())) as rec:
        rec.remove(["b"])
        pinned = ["nobody", "d", "b", "c", "a"]
        ask: Ask = {"exclude": ["c"], "where": {"id": ["a", "b", "c", "d"]}}
        found = asked(rec, None, 5, pinned=pinned, **ask)
        assert found.item_ids == ["d", "a"]
        assert decided(found) == ["pinned", "pinned"]
        assert asked(rec, None, 1, pinned=pinned).item_ids == ["d"]
        assert asked(rec, ["b", "c"], pinned=pinned).item_ids == ["b", "c"]
        assert asked(rec, None, 5, pinned=["c", "a"], caps={"rock": 0}).item_ids == ["a", "d"]


@settings(max_examples=40)
@given(worlds, owns, pins_of, boosts_of, st.integers(0, 9), st.integers(0, 2**63 - 1))
def test_what_is_drawn_below_the_pinned_has_exact_propensities(
    world: World, own: Sequence[str] | None, pinned: list[str], boosts: Mapping[str, float], k: int, seed: int
) -> None:
    with living(world) as rec:
        ask: Ask = {"boosts": boosts, "pinned": pinned}
        left = dict(placed(asked(rec, own, boosts=boosts)))
        first = [item_id for item_id in pinned if item_id in left][:k]
        found = asked(rec, own, k, explore=1.0, seed=seed, **ask)
        assert found.item_ids[: len(first)] == first
        assert [r.propensity for r in found[: len(first)]] == [1.0] * len(first)
        for item_id in pinned:
            left.pop(item_id, None)
        for r in found[len(first) :]:
            most = max(left.values())
            total = math.fsum(math.exp(score - most) for score in left.values())
            expected = math.exp(left.pop(r.item_id) - most) / total
            assert r.propensity == pytest.approx(expected, rel=1e-9, abs=1e-300)
        assert placed(asked(rec, own, k, explore=1.0, seed=seed, **ask)) == placed(found)


def test_what_was_pinned_is_shown_with_certainty() -> None:
    with living(({"a": [], "b": [], "c": []}, "aab", ())) as rec:
        found = asked(rec, None, 3, pinned=["c"], explore=1.0, seed=1)
        rec.shown(found, at=AT + 3601)
        (event,) = [event for event in rec._store.events() if event.kind == "shown"]
        assert event.shown == tuple((r.item_id, r.position, r.propensity) for r in found)
        assert event.shown[0] == ("c", 0, 1.0)


# -- many candidates -------------------------------------------------------------------------


def crowd(n_used: int, n: int, prior: Path | None = None) -> Recommender:
    rec = Recommender(":memory:", prior=prior)
    rec.add(Item(f"i{i:04}", "", (("jazz", "rock")[i % 7 == 0], f"t{i % 5}")) for i in range(n))
    rec.record_many([{"item_id": f"i{i % n_used:04}", "at": AT + i} for i in range(3 * n_used)])
    return rec


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    "ask",
    [
        {"diversity": 0.5},
        {"diversity": 0.3, "caps": {"jazz": 3, "t1": 1}},
        {"caps": {"jazz": 0, "rock": 2}},
        {"caps": {"jazz": 1, "rock": 40}, "pinned": ["i0399", "i0007"]},
        {"pinned": ["i0350", "i0001"], "diversity": 1.0},
    ],
)
def test_many_candidates_are_arranged_as_few_are(ask: Ask, *, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with crowd(300, 400) as rec:
        tags = {item.id: item.tags for item in rec._catalogue.items.values()}
        best = placed(asked(rec, None, 1000))
        if wide:
            monkeypatch.setattr(slate, "WIDE", 0)
        for k in (10, 230):
            assert placed(asked(rec, None, k, **ask)) == twin(best, tags, k, **ask)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What sixty people did with the items of a crowd, of which it does not know the last ones."""
    draw = random.Random(1)
    people = [
        Person(
            f"p{n}", [f"i{min(int(draw.expovariate(0.02)), 349):04}" for _ in range(40)], [AT + m for m in range(40)]
        )
        for n in range(60)
    ]
    path = tmp_path_factory.mktemp("pack") / "crowd.pack"
    built = build(people, least_people=2, hyper=Hyper(n_factors=8, epochs=2))
    write(path, built.arrays, provenance={}, n_people=built.n_people, least_people=built.least_people)
    return path


@pytest.mark.parametrize(
    "ask",
    [
        {"pinned": ["i0399", "i0200", "i0002"]},
        {"pinned": ["i0200"], "boosts": {"t3": 0.5, "i0250": -1.0}},
        {"diversity": 0.4, "caps": {"t1": 2}, "boosts": {"rock": 1.0}},
    ],
)
def test_what_a_pack_says_stays_with_its_items(pack: Path, ask: Ask) -> None:
    with crowd(40, 400, prior=pack) as rec:
        tags = {item.id: item.tags for item in rec._catalogue.items.values()}
        boosts, left = ask.get("boosts", {}), {name: value for name, value in ask.items() if name != "boosts"}
        plain = dict(placed(asked(rec, None, 1000)))
        assert len(set(plain.values())) > 100
        best = placed(asked(rec, None, 1000, boosts=boosts))
        for item_id, score in best:
            added = STEER_STRENGTH * sum(boosts.get(name, 0.0) for name in (item_id, *tags[item_id]))
            assert score == pytest.approx(plain[item_id] + added, abs=1e-9)
        found = asked(rec, None, 20, **ask)
        assert placed(found) == twin(best, tags, 20, **left)
        mean = math.fsum(score for _, score in best) / len(best)
        for r in found:
            assert math.fsum(reason.contribution for reason in r.reasons) == pytest.approx(r.score - mean, abs=1e-6)


def test_a_cap_that_is_not_kept_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(rules._Filling):
        def take(self, one: Any, why: str = "") -> None:
            self.room = {tag: n + 1 for tag, n in self.room.items()}
            super().take(one, why)

    monkeypatch.setattr(rules, "_Filling", Careless)
    with pytest.raises(AssertionError):
        test_a_slate_is_arranged_as_is_documented()


def test_an_empty_pool_is_arranged_to_an_empty_slate() -> None:
    nobody = Pool(slice(0, 2), ["", "a"], np.array([False, False]), [])
    for one in (nobody, Pool(np.array([], np.intp), [])):
        every = rules.Rules(0.5, {"t": 1}, {}, ["a"])
        assert every.arranged(one, np.zeros(len(one.ids)), 5, 0.0, None, {}) == ([], [])
