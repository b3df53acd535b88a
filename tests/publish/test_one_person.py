"""A pack with one person and without: only what the limit lets differ does, for random logs and each person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import InputError
from recsys.prior.pack import key_of
from recsys.publish import Built, Hyper, Person, build
from recsys.publish.counting import is_aside, places_of

TINY = Hyper(n_factors=2, epochs=1)
WINDOW, MOST_PAIRS, SHRUNK = 5, 24, 20.0
ITEMS = [f"item-{n}" for n in range(6)]


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[Person], int]:
    """A few people who use a few items, so that many supports stand at the limit, and the limit."""
    histories = draw(st.lists(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=8), min_size=3, max_size=9))
    over = st.lists(st.sampled_from(ITEMS), max_size=4) if draw(st.booleans()) else st.just([])
    first = draw(st.integers(0, 1000))
    people = [
        Person(
            f"person-{first + n}",
            items,
            [1_700_000_000.0 + 60.0 * step for step in range(len(items))],
            [(item, 1_700_000_000.0 + 60.0 * step) for step, item in enumerate(draw(over))],
        )
        for n, items in enumerate(histories)
    ]
    return people, draw(st.integers(2, 4))


class Counts:
    """What one person or some add to each count, by dictionaries: people, uses, uses around, pairs, what comes back."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.uses: dict[str, int] = {}
        self.support: dict[str, int] = {}
        self.met: dict[str, int] = {}
        self.passed: dict[str, int] = {}
        self.returned: dict[str, int] = {}
        self.could: dict[str, int] = {}
        self.who: dict[str, int] = {}
        self.had: list[set[str]] = []
        self.beside: dict[str, int] = {}
        self.pairs: dict[tuple[str, str], int] = {}
        self.pair_support: dict[tuple[str, str], int] = {}
        for person in people:
            if not is_aside(places_of([person.name])[:, 0])[0]:
                self._add(person.items, [item for item, _ in person.passed])

    def _add(self, items: Sequence[str], over: Sequence[str]) -> None:
        """Each use is at a time of its own."""
        self.had.append({*items, *over})
        later = {item: len(items) - 1 - items.index(item) for item in items}
        back = [item for n, item in enumerate(items) if item in items[:n]]
        for counts, which in ((self.met, self.had[-1]), (self.passed, over), (self.returned, back)):
            for one in which:
                counts[one] = counts.get(one, 0) + 1
        for item, n in later.items():
            self.could[item] = self.could.get(item, 0) + n
            self.who[item] = self.who.get(item, 0) + (n > 0)
        pairs = [
            (item, other)
            for i, item in enumerate(items)
            for j, other in enumerate(items)
            if i != j and abs(i - j) <= WINDOW
        ]
        for into, what in ((self.uses, items), (self.support, set(items)), (self.beside, [of for of, _ in pairs])):
            for one in what:
                into[one] = into.get(one, 0) + 1
        for into_pairs, which in ((self.pairs, pairs), (self.pair_support, set(pairs))):
            for pair in which:
                into_pairs[pair] = into_pairs.get(pair, 0) + 1

    def items(self, least: int) -> set[str]:
        return {item for item, n in self.met.items() if n >= least}

    def again(self, item: str, least: int) -> float:
        usual = sum(self.returned.values()) / max(sum(self.could.values()), 1)
        if not usual or self.who.get(item, 0) < least:
            return 0.0
        return float(np.log((self.returned.get(item, 0) + 2.0) / (self.could[item] * usual + 2.0)))

    def liked(self, items: set[str]) -> float:
        """Of some items together."""
        n_uses, n_passed = sum(self.uses.values()), sum(self.passed.values())
        if not n_passed:
            return 0.0
        usual = min(n_uses / (n_uses + n_passed), 1 - 1e-9)
        chosen, over = (sum(of.get(item, 0) for item in items) for of in (self.uses, self.passed))
        odds = (chosen + 4.0 * usual) / (over + 4.0 * (1.0 - usual))
        return float(np.log(odds * (1.0 - usual) / usual))

    def lift(self, pair: tuple[str, str]) -> float:
        of, to = pair
        return self.pairs[pair] / (self.beside[of] + SHRUNK) * sum(self.uses.values()) / self.uses[to]


def published(people: Sequence[Person], least: int) -> tuple[set[str], dict[tuple[str, str], float], Built | None]:
    """The items and pairs of a pack, named, with the pairs' lifts; nothing when no item has the people."""
    try:
        built = build(people, least_people=least, hyper=TINY)
    except InputError:
        return set(), {}, None
    a = built.arrays
    names = {key_of(item): item for item in ITEMS}
    items = [names[key] for key in a["keys"].tolist()]
    of = np.repeat(np.arange(len(items)), np.diff(a["near_begin"].astype(np.int64)))
    lifts = np.expm1(a["near_lift"] * float(a["near_unit"][0]))
    pairs = zip(of.tolist(), a["near_item"].tolist(), lifts.tolist(), strict=True)
    return set(items), {(items[i], items[j]): lift for i, j, lift in pairs}, built


@given(crowds())
def test_without_one_person_only_what_the_limit_lets_differ_does(drawn: tuple[list[Person], int]) -> None:
    people, least = drawn
    everybody = Counts(people)
    items, pairs, built = published(people, least)
    assert items == everybody.items(least)
    assert all(everybody.pair_support[pair] >= least for pair in pairs)
    for person in people:
        others = [other for other in people if other is not person]
        without, mine = Counts(others), Counts([person])
        items_without, pairs_without, built_without = published(others, least)
        # An item is there with the person and not without only if it has just as many people as it must.
        assert items_without == without.items(least)
        assert items_without <= items
        assert all(everybody.met[item] == least and item in mine.met for item in items - items_without)
        for pair in pairs.keys() ^ pairs_without.keys():
            crosses = everybody.pair_support.get(pair, 0) >= least > without.pair_support.get(pair, 0)
            assert crosses or (everybody.lift(pair) > 1.0) != (without.lift(pair) > 1.0)
            assert pair in pairs or not crosses, "one person more takes no pair away for want of people"
        assert_counts_differ_by_one_person(everybody, without, mine)
        assert_published_counts(built, everybody)
        assert_published_counts(built_without, without)


def assert_counts_differ_by_one_person(everybody: Counts, without: Counts, mine: Counts) -> None:
    sums = ("uses", "support", "beside", "pairs", "pair_support", "met", "passed", "returned", "could", "who")
    for name in sums:
        of_all, of_others, of_mine = (getattr(counts, name) for counts in (everybody, without, mine))
        assert of_all == {one: of_others.get(one, 0) + of_mine.get(one, 0) for one in of_others.keys() | of_mine.keys()}


def assert_published_counts(built: Built | None, counts: Counts) -> None:
    """What the pack publishes of counts is what the slow twin counts, to the precision of its numbers."""
    if built is None:
        return
    a, names = built.arrays, {key_of(item): item for item in ITEMS}
    items = [names[key] for key in a["keys"].tolist()]
    n_uses = sum(counts.uses.values())
    least = built.least_people
    uses = [counts.uses[item] if counts.support.get(item, 0) >= least else 0.5 for item in items]
    np.testing.assert_array_equal(a["popular"], np.log(np.array(uses) / n_uses).astype(np.float16))
    np.testing.assert_allclose(a["again"].astype(float), [counts.again(item, least) for item in items], atol=2e-3)
    np.testing.assert_allclose(a["liked"].astype(float), [counts.liked({item}) for item in items], rtol=2e-3, atol=2e-3)
    beyond = counts.met.keys() - set(items)
    enough = sum(not had <= set(items) for had in counts.had) >= least
    assert abs(float(a["unknown"][2]) - (counts.liked(beyond) if enough else 0.0)) < 1e-3
    assert built.report["uses_seen"] == n_uses
    assert built.evidence is not None
    held = built.evidence.items[built.evidence.kept]
    for item, row in zip(items, held, strict=True):
        assert (row["people"], row["uses"], row["beside"]) == (
            counts.support.get(item, 0),
            counts.uses.get(item, 0),
            counts.beside.get(item, 0),
        )
    lifts = {
        pair: counts.lift(pair)
        for pair, n in counts.pair_support.items()
        if n >= least and pair[0] != pair[1] and counts.lift(pair) > 1.0
    }
    of = np.repeat(np.arange(len(items)), np.diff(a["near_begin"].astype(np.int64)))
    got = {
        (items[i], items[j]): lift
        for i, j, lift in zip(of.tolist(), a["near_item"].tolist(), a["near_lift"].tolist(), strict=True)
    }
    unit = float(a["near_unit"][0])
    assert got.keys() == lifts.keys()
    assert all(abs(got[pair] * unit - np.log1p(lift)) <= unit for pair, lift in lifts.items())


def test_an_item_at_the_limit_takes_nothing_else_along() -> None:
    """When it drops out, the pairs of all others stay as they were: its uses keep their places in the windows."""
    rare = [
        Person(f"r{n}", ["rare", *(f"i{k}" for k in range(4)), "far"], [60.0 * k for k in range(6)]) for n in range(9)
    ]
    names = [person for person in rare if not is_aside(places_of([person.name])[:, 0])[0]]
    with_it, without = (
        build(some, least_people=len(names), hyper=TINY) for some in (names, [*names[1:], _dull(names[0])])
    )
    keys = [set(built.arrays["keys"].tolist()) for built in (with_it, without)]
    assert keys[0] - keys[1] == {key_of("rare")}
    assert with_it.evidence is not None
    assert without.evidence is not None
    assert (with_it.evidence.left.seen, without.evidence.left.seen) == (30, 20)


def _dull(person: Person) -> Person:
    return person._replace(items=["dull", *person.items[1:]])


def test_who_is_set_aside_goes_by_the_own_name_alone() -> None:
    names = [f"person-{n}" for n in range(4000)]
    aside = is_aside(places_of(names)[:, 0])
    assert 0.13 < aside.mean() < 0.17
    assert is_aside(places_of(names[:7])[:, 0]).tolist() == aside[:7].tolist()


@pytest.mark.parametrize("least", [0, -1])
def test_a_limit_below_one_is_refused(least: int) -> None:
    with pytest.raises(InputError, match="from 1"):
        build([], least_people=least)
