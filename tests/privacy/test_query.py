"""Whatever the log holds: the answer's form is the query's, and no two logs are further apart than is declared."""

from __future__ import annotations

import itertools
import json
import random
import secrets
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.privacy.query import Query
from recsys.testing import strategies as some

Tally = list[tuple[tuple[str, ...], int]]

names = st.sampled_from("abcde") | some.tags()
# Nothing at all, little, a lot, and more than there ever were events.
uses = st.integers(0, 3) | st.integers(0, 2_000) | st.sampled_from([2**31, 2**63, 10**30])
tallies = st.lists(st.tuples(st.lists(names, max_size=4).map(tuple), uses), max_size=8)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    tags = draw(st.lists(names, min_size=1, max_size=7, unique=True))
    most = st.integers(1, 6) | st.integers(1, 1_000_000)
    epsilon = draw(st.builds(Fraction, st.integers(1, 2**32), st.integers(1, 2**32)))
    return Query(tuple(tags), draw(most), draw(most), None, None, None, epsilon)


def distance(ours: list[int], theirs: list[int]) -> int:
    return sum(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def apart(query: Query, ours: Tally, theirs: Tally) -> int:
    """How far apart two logs are once they are clamped."""
    return distance(query.clamped(query.counted(ours)), query.clamped(query.counted(theirs)))


@given(query=queries(), ours=tallies, theirs=tallies)
def test_no_two_logs_are_further_apart_than_the_declared_sensitivity(query: Query, ours: Tally, theirs: Tally) -> None:
    """D4, for any two logs of a person."""
    assert apart(query, ours, theirs) <= query.sensitivity
    assert query.sensitivity <= min(2 * query.most_in_all, query.most_per_tag * len(query.tags))


@settings(max_examples=40)
@given(query=queries(), log=tallies, at=st.integers(0, 7), more=st.tuples(st.lists(names, max_size=4).map(tuple), uses))
def test_one_event_more_or_fewer_stays_within_it_too(query: Query, log: Tally, at: int, more: tuple) -> None:
    """D4, for one event."""
    assert apart(query, log, [*log[:at], (more[0], 1), *log[at:]]) <= query.sensitivity
    assert apart(query, log, log[:at] + log[at + 1 :]) <= query.sensitivity


@given(query=queries())
def test_the_declared_sensitivity_is_reached(query: Query) -> None:
    """D4: it is no larger than it has to be."""
    half = len(query.tags) // 2
    ours = [((tag,), 10**9) for tag in query.tags[:half]]
    theirs = [((tag,), 10**9) for tag in query.tags[half:]]
    assert apart(query, ours, theirs) == query.sensitivity


@pytest.mark.parametrize(("n_tags", "c", "t"), [*itertools.product(range(1, 5), range(1, 4), range(1, 6))])
def test_of_all_clamped_histograms_the_two_furthest_apart_are_as_far_as_declared(n_tags: int, c: int, t: int) -> None:
    """D4, by trying them all."""
    query = Query(tuple("abcd"[:n_tags]), c, t, None, None, None, Fraction(1))
    all_of_them = [list(h) for h in itertools.product(range(c + 1), repeat=n_tags) if sum(h) <= t]
    assert max(distance(a, b) for a in all_of_them for b in all_of_them) == query.sensitivity


@settings(max_examples=40)
@given(query=queries(), log=tallies)
def test_clamping_keeps_both_bounds_and_the_shape_as_far_as_integers_can(query: Query, log: Tally) -> None:
    counts = query.counted(log)
    clamped = query.clamped(counts)
    kept = Fraction(min(sum(counts), query.most_in_all), max(sum(counts), 1))  # of each count, before its own bound
    shares = [n * kept for n in counts]
    assert sum(clamped) <= query.most_in_all
    for n, share, count in zip(clamped, shares, counts, strict=True):
        assert 0 <= n <= min(count, query.most_per_tag)
        assert abs(n - min(share, query.most_per_tag)) < 1
    if query.most_per_tag >= query.most_in_all:
        assert sum(clamped) == min(sum(counts), query.most_in_all)


@settings(max_examples=40)
@given(query=queries(), log=tallies)
def test_a_use_counts_once_for_each_tag_of_its_item(query: Query, log: Tally) -> None:
    wanted = [sum(n for tags, n in log if tag in tags) for tag in query.tags]
    assert query.counted(log) == wanted


class Unclamped(Query):
    """A planted fault: nothing is lowered."""

    def clamped(self, counts: list[int]) -> list[int]:
        return list(counts)


class ClampedPerTagOnly(Query):
    """A planted fault: the total is not bounded."""

    def clamped(self, counts: list[int]) -> list[int]:
        return [min(n, self.most_per_tag) for n in counts]


@pytest.mark.parametrize("kind", [Unclamped, ClampedPerTagOnly])
def test_a_planted_clamp_that_does_not_hold_is_further_apart(kind: type[Query]) -> None:
    query = kind(("a", "b", "c", "d"), 2, 3, None, None, None, Fraction(1))
    ours, theirs = [(("a", "b"), 9)], [(("c", "d"), 9)]
    assert apart(query, ours, theirs) > query.sensitivity


def test_a_planted_sensitivity_that_is_too_small_is_exceeded() -> None:
    class OneEvent(Query):
        sensitivity = 1

    query = OneEvent(("a", "b"), 2, 3, None, None, None, Fraction(1))
    assert apart(query, [(("a",), 1)], [(("b",), 1)]) > query.sensitivity


@settings(max_examples=40)
@given(query=queries(), log=tallies)
def test_the_tags_of_an_answer_are_the_query_s_whatever_the_log_holds(query: Query, log: Tally) -> None:
    """D6, D5."""
    counts = query.answer(log, secrets.randbits)
    assert [type(n) for n in counts] == [int] * len(query.tags)
    payload = json.loads(query.payload(counts, Fraction(1)))
    empty = json.loads(query.payload(query.answer([], secrets.randbits), Fraction(1)))
    assert payload["query"]["tags"] == list(query.tags)
    payload["counts"] = empty["counts"] = None
    assert payload == empty


class Telling(Query):
    """A planted fault: it tells of the person's own tags."""

    def counted(self, tally: Tally) -> list[int]:
        return [*super().counted(tally), *(1 for tags, _ in tally if not set(tags) <= set(self.tags))]


def test_a_planted_key_of_the_person_s_own_is_noticed() -> None:
    query = Telling(("a",), 1, 1, None, None, None, Fraction(1))
    assert len(query.answer([(("mine",), 1)], secrets.randbits)) != len(query.tags)


@given(query=queries())
def test_equal_queries_have_one_spelling_and_different_ones_another(query: Query) -> None:
    twin = Query(*(getattr(query, name) for name in query.__dataclass_fields__))
    assert twin.text == query.text
    assert json.loads(query.text) == json.loads(json.dumps(query.fields))
    for name, other in {
        "tags": (*query.tags, "one more"),
        "most_per_tag": query.most_per_tag + 1,
        "most_in_all": query.most_in_all + 1,
        "kinds": ("play",),
        "since_us": 0,
        "until_us": 1,
        "epsilon": query.epsilon + 1,
    }.items():
        fields = {field: getattr(query, field) for field in query.__dataclass_fields__}
        assert Query(**{**fields, name: other}).text != query.text


def test_with_much_epsilon_the_answer_is_nearly_the_clamped_count() -> None:
    query = Query(("a", "b"), 10, 10, None, None, None, Fraction(2**32))
    bits = random.Random(3).getrandbits
    assert query.answer([(("a",), 3), (("a", "b"), 2), (("c",), 9)], bits) == [5, 2]
    assert query.answer([(("a",), 30), (("b",), 10)], bits) == [8, 2]
    assert replace(query, most_per_tag=6).answer([(("a",), 30), (("b",), 10)], bits) == [6, 2]


def test_no_repr_tells_a_tag() -> None:
    assert "secret" not in repr(Query(("secret",), 1, 1, ("secret",), None, None, Fraction(1)))
