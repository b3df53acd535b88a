"""The one object: what it charges, gives, keeps and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import (
    BudgetError,
    ClosedError,
    ConsentError,
    CorruptError,
    ForkedError,
    InputError,
    PausedError,
    Recommender,
    Settings,
    StateError,
)
from recsys.log import Store
from recsys.privacy import Aggregate
from recsys.privacy import aggregate as aggregates
from recsys.testing import strategies as some
from tests.log.examples import tamper

ROOT = Path(__file__).parents[2]
START = 1_700_000_000
HALF = Fraction(1, 2)
SETTINGS = Settings(synchronous="normal")
TAGS = ["jazz", "rock"]


def filled(path: Path | str = ":memory:") -> Recommender:
    rec = Recommender(path, settings=SETTINGS)
    rec.add([{"id": "blue", "tags": ["jazz", "mine"]}, {"id": "horses", "tags": ["punk", "rock"]}, {"id": "bare"}])
    rec.record_many([{"item_id": item_id, "kind": kind, "at": START + n} for n, (item_id, kind) in enumerate(_DEEDS)])
    return rec


_DEEDS = [("blue", "play")] * 6 + [("horses", "play")] * 2 + [("horses", "skip"), ("bare", "play"), ("unknown", "play")]


@pytest.fixture
def rec() -> Recommender:
    return filled()


def counted(payload: bytes) -> list[int]:
    return json.loads(payload)["counts"]


# -- what it gives ------------------------------------------------------------------


def test_a_payload_is_canonical_and_says_what_it_is(rec: Recommender) -> None:
    """D6: its tags are the given ones, in their order, and nothing of the person's own is in it."""
    aggregate = Aggregate(rec, tags=["rock", "jazz", "folk"], budget=2, most_per_tag=5, most_in_all=8)
    payload = aggregate.release(kinds=["skip", "play"], since=START, until=START + 9, epsilon=HALF, at=START)
    fields = json.loads(payload)
    assert payload == json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert [type(n) for n in fields.pop("counts")] == [int] * 3
    assert fields == {
        "budget": "2/1",
        "query": {
            "epsilon": "1/2",
            "kinds": ["play", "skip"],
            "most_in_all": 8,
            "most_per_tag": 5,
            "since_us": START * 1_000_000,
            "tags": ["rock", "jazz", "folk"],
            "until_us": (START + 9) * 1_000_000,
            "version": 1,
        },
        "scale": "26/1",
        "sensitivity": 13,
    }


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, [6, 3]),
        ({"kinds": ["skip"]}, [0, 1]),
        ({"kinds": ["play", "never"]}, [6, 2]),
        ({"since": START + 5}, [1, 3]),
        ({"until": START + 5}, [5, 0]),
        ({"since": START + 5, "until": START + 7}, [1, 1]),
    ],
)
def test_with_much_epsilon_the_counts_are_the_log_s(rec: Recommender, query: dict, wanted: list[int]) -> None:
    aggregate = Aggregate(rec, tags=TAGS, budget=2**32)
    assert counted(aggregate.release(**query, epsilon=2**32)) == wanted


def test_what_was_steered_shown_or_removed_is_not_counted(rec: Recommender) -> None:
    rec.steer("blue", 1.0)
    rec.shown(rec.recommend(3))
    aggregate = Aggregate(rec, tags=TAGS, budget=2**32)
    assert counted(aggregate.release(epsilon=2**31)) == [6, 3]
    rec.remove(["blue"])
    assert counted(aggregate.release(epsilon=2**31 - 1)) == [0, 3]


def test_kinds_in_another_order_are_the_same_query_and_tags_in_another_order_are_not(rec: Recommender) -> None:
    aggregate = Aggregate(rec, tags=TAGS)
    assert aggregate.release(kinds=["a", "b"], epsilon=HALF) == aggregate.release(kinds=["b", "a"], epsilon=HALF)
    assert aggregate.spent() == HALF
    Aggregate(rec, tags=TAGS[::-1]).release(kinds=["a", "b"], epsilon=HALF)
    assert aggregate.spent() == 1


# -- what it charges ------------------------------------------------------------------


def test_asking_again_is_free_and_gives_the_same_bytes_whatever_has_changed(tmp_path: Path) -> None:
    """D2: also after more events, after forgetting, and after reopening."""
    path = tmp_path / "me.db"
    with filled(path) as rec:
        aggregate = Aggregate(rec, tags=TAGS)
        first = aggregate.release(epsilon=HALF)
        rec.record_many([{"item_id": "horses", "at": START + 100 + n} for n in range(20)])
        assert aggregate.release(epsilon=HALF) == first
        rec.forget(everything=True)
        assert aggregate.release(epsilon=HALF) == first
        assert (aggregate.spent(), aggregate.remaining()) == (HALF, HALF)
    with Recommender(path) as rec:
        assert Aggregate(rec, tags=TAGS).release(epsilon=HALF) == first
        assert [charge.payload for charge in Aggregate(rec, tags=["x"]).history()] == [first]


def test_another_epsilon_is_another_draw(rec: Recommender) -> None:
    aggregate = Aggregate(rec, tags=TAGS)
    first, second = aggregate.release(epsilon=HALF), aggregate.release(epsilon=Fraction(1, 3))
    assert first != second
    assert aggregate.spent() == Fraction(5, 6)
    assert aggregate.release(epsilon=Fraction(2, 4)) == first


def test_a_release_over_the_budget_is_refused_and_nothing_is_drawn(rec: Recommender) -> None:
    aggregate = Aggregate(rec, tags=TAGS, budget=1)
    first = aggregate.release(epsilon=Fraction(2, 3))
    for call in (aggregate.release, aggregate.preview):
        with pytest.raises(BudgetError):
            call(kinds=["play"], epsilon=Fraction(2**31 + 1, 3 * 2**31))
    assert aggregate.remaining() == Fraction(1, 3)
    assert len(aggregate.history()) == 1
    aggregate.release(kinds=["play"], epsilon=Fraction(1, 3))
    assert aggregate.remaining() == 0
    with pytest.raises(StateError):
        aggregate.release(kinds=["play"], epsilon=Fraction(1, 2**32))
    assert aggregate.release(epsilon=Fraction(2, 3)) == first  # what was charged stays to be had


def test_the_smallest_budget_under_which_anything_was_charged_holds_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with filled(path) as rec:
        Aggregate(rec, tags=TAGS, budget=HALF)  # a word without a charge binds nobody
        large = Aggregate(rec, tags=TAGS, budget=3)
        large.release(epsilon=1)
        assert (large.remaining(), Aggregate(rec, tags=TAGS, budget=1).remaining()) == (2, 0)
        Aggregate(rec, tags=["x"], budget=2).release(epsilon=HALF)
        assert large.remaining() == HALF
    with Recommender(path) as rec:
        larger = Aggregate(rec, tags=TAGS, budget=100)
        with pytest.raises(BudgetError):
            larger.release(epsilon=Fraction(3, 4))
        assert json.loads(larger.release(epsilon=HALF))["budget"] == "2/1"
        assert larger.remaining() == 0


def test_a_budget_below_what_is_spent_leaves_nothing(rec: Recommender) -> None:
    Aggregate(rec, tags=TAGS, budget=3).release(epsilon=2)
    assert Aggregate(rec, tags=TAGS, budget=1).remaining() == 0


def test_a_preview_is_what_is_released_later_and_is_paid_once(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with filled(path) as rec:
        aggregate = Aggregate(rec, tags=TAGS)
        seen = aggregate.preview(at=START, epsilon=HALF)
        assert [charge.released_at_us for charge in aggregate.history()] == [None]
        assert aggregate.spent() == HALF
        assert aggregate.preview(epsilon=HALF) == seen
        rec.record("horses")
    with Recommender(path) as rec:
        aggregate = Aggregate(rec, tags=TAGS)
        assert aggregate.release(at=START + 9, epsilon=HALF) == seen
        assert aggregate.release(at=START + 99, epsilon=HALF) == seen
        (charge,) = aggregate.history()
        assert (charge.at_us, charge.released_at_us) == (START * 1_000_000, (START + 9) * 1_000_000)
        assert (charge.number, charge.epsilon, charge.payload) == (1, HALF, seen)
        assert json.loads(charge.query) == json.loads(seen)["query"]
        assert aggregate.spent() == HALF


def test_a_preview_cannot_be_drawn_until_it_pleases(rec: Recommender) -> None:
    aggregate = Aggregate(rec, tags=TAGS)
    assert len({aggregate.preview(epsilon=HALF) for _ in range(20)}) == 1
    assert (
        len({Aggregate(filled(), tags=TAGS).preview(epsilon=HALF) for _ in range(20)}) > 10
    )  # though the noise is what it is


steps = st.tuples(
    st.sampled_from(["release", "preview", "reopen", "forget", "record"]),
    st.sampled_from([None, ["play"], ["skip"], ["play", "skip"]]),
    st.builds(Fraction, st.integers(1, 7), st.sampled_from([3, 7, 10, 12])),
    st.builds(Fraction, st.integers(1, 9), st.integers(1, 4)),
    st.integers(0, 2**32 - 1),
)


@settings(max_examples=10)
@given(st.lists(steps, min_size=5, max_size=14))
def test_whatever_is_asked_the_charges_never_exceed_the_budget(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[tuple]
) -> None:
    """D2, D3: across reopening, forgetting and clocks that jump."""
    path = tmp_path_factory.mktemp("budget") / "me.db"
    model: dict[tuple, tuple[Fraction, bytes]] = {}  # what was asked -> what it cost, what was given
    promised: list[Fraction] = []
    rec = filled(path)
    for deed, kinds, epsilon, budget, at in sequence:
        if deed == "reopen":
            rec.close()
            rec = Recommender(path)
        elif deed == "forget":
            rec.forget(kinds=["skip"])
        elif deed == "record":
            rec.record("blue", at=at)
        else:
            aggregate = Aggregate(rec, tags=TAGS, budget=budget)
            key, spent = (str(kinds), epsilon), sum(cost for cost, _ in model.values())
            allowed = min([budget, *promised])
            if key not in model and spent + epsilon > allowed:
                with pytest.raises(BudgetError):
                    getattr(aggregate, deed)(kinds=kinds, epsilon=epsilon, at=at)
            else:
                payload = getattr(aggregate, deed)(kinds=kinds, epsilon=epsilon, at=at)
                if key not in model:
                    promised.append(allowed)
                assert model.setdefault(key, (epsilon, payload)) == (epsilon, payload)
            assert aggregate.spent() == sum(cost for cost, _ in model.values()) <= min([10**9, *promised])
            assert [charge.payload for charge in aggregate.history()] == [payload for _, payload in model.values()]
    rec.close()


def test_a_charge_is_on_the_disk_before_the_bytes_are_given_whatever_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: with `synchronous="normal"` too, which else a power cut could undo."""
    levels = []
    enter = Store.release

    def spy(store: Store, *entry: object) -> int:
        levels.append(store._writer.cursor.execute("PRAGMA synchronous").fetchone()[0])
        return enter(store, *entry)

    monkeypatch.setattr(Store, "release", spy)
    with filled(tmp_path / "me.db") as rec:
        Aggregate(rec, tags=TAGS).release(epsilon=HALF)
    assert levels == [2, 2]


def test_a_draw_that_is_not_charged_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted twin of D2: with a ledger that never fills, the same sums come out over the budget."""
    with filled(tmp_path / "me.db") as rec:
        aggregate = Aggregate(rec, tags=TAGS, budget=1)
        monkeypatch.setattr(aggregates, "_spent", lambda _: Fraction(0))
        for kind in "abc":
            aggregate.release(kinds=[kind], epsilon=HALF)
        monkeypatch.undo()
        assert aggregate.spent() > 1


def test_a_ledger_with_a_gap_releases_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with filled(path) as rec:
        aggregate = Aggregate(rec, tags=TAGS)
        aggregate.release(epsilon=HALF)
    for damage in ("DELETE FROM releases WHERE number = 1", "UPDATE releases SET payload = x'7b7d', number = 1"):
        tamper(path, damage)
        with Recommender(path) as rec:
            aggregate = Aggregate(rec, tags=TAGS)
            for call in CALLS.values():
                with pytest.raises(CorruptError):
                    call(aggregate)


# -- what it refuses ------------------------------------------------------------------

WRONG_RATIONALS = [
    0.5,
    1.0,
    float("nan"),
    float("inf"),
    np.float64(1.0),
    np.int64(1),
    True,
    False,
    0,
    -1,
    Fraction(0),
    Fraction(-1, 2),
    Fraction(1, 2**32 + 1),
    2**32 + 1,
    "1/2",
    None,
    1j,
]


@pytest.mark.parametrize("value", WRONG_RATIONALS, ids=repr)
def test_an_epsilon_or_a_budget_that_is_no_positive_rational_is_refused(rec: Recommender, value: object) -> None:
    """D3."""
    with pytest.raises(InputError) as caught:
        Aggregate(rec, tags=TAGS, budget=value)
    assert caught.value.field == "budget"
    aggregate = Aggregate(rec, tags=TAGS)
    for call in (aggregate.release, aggregate.preview):
        with pytest.raises(InputError) as caught:
            call(epsilon=value)
        assert caught.value.field == "epsilon"
    assert aggregate.history() == []


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("tags", {"tags": []}),
        ("tags", {"tags": "jazz"}),
        ("tags", {"tags": {"jazz", "rock"}}),
        ("tags", {"tags": frozenset(["jazz"])}),
        ("tags", {"tags": ["a", "a"]}),
        ("tags", {"tags": [""]}),
        ("tags", {"tags": [1]}),
        ("tags", {"tags": [str(n) for n in range(1_001)]}),
        ("most_per_tag", {"tags": TAGS, "most_per_tag": 0}),
        ("most_per_tag", {"tags": TAGS, "most_per_tag": 1.0}),
        ("most_in_all", {"tags": TAGS, "most_in_all": True}),
        ("most_in_all", {"tags": TAGS, "most_in_all": 1_000_001}),
    ],
)
def test_an_argument_that_is_not_usable_is_refused(rec: Recommender, field: str, arguments: dict) -> None:
    with pytest.raises(InputError) as caught:
        Aggregate(rec, **arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "query"),
    [
        ("kinds", {"kinds": []}),
        ("kinds", {"kinds": "play"}),
        ("kinds", {"kinds": ["play", "play"]}),
        ("kinds", {"kinds": [str(n) for n in range(65)]}),
        ("kind", {"kinds": ["steer"]}),
        ("kind", {"kinds": ["shown"]}),
        ("since", {"since": float("nan")}),
        ("until", {"until": "now"}),
        ("until", {"since": START, "until": START}),
        ("at", {"at": -1.0}),
    ],
)
def test_a_query_that_is_not_usable_costs_nothing(rec: Recommender, field: str, query: dict) -> None:
    aggregate = Aggregate(rec, tags=TAGS)
    with pytest.raises(InputError) as caught:
        aggregate.release(epsilon=HALF, **query)
    assert caught.value.field == field
    assert aggregate.spent() == 0


def test_something_else_than_a_recommender_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        Aggregate("me.db", tags=TAGS)
    assert caught.value.field == "rec"


CALLS: dict[str, Callable[[Aggregate], object]] = {
    "release": lambda aggregate: aggregate.release(epsilon=HALF),
    "preview": lambda aggregate: aggregate.preview(epsilon=HALF),
    "spent": lambda aggregate: aggregate.spent(),
    "remaining": lambda aggregate: aggregate.remaining(),
    "history": lambda aggregate: aggregate.history(),
}
WRITES = ("release", "preview")


def test_every_public_method_is_in_the_table_of_calls() -> None:
    public = {name for name, value in vars(Aggregate).items() if not name.startswith("_") and callable(value)}
    assert public == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
def test_while_paused_nothing_is_drawn_and_reading_goes_on(tmp_path: Path, name: str) -> None:
    path = tmp_path / "me.db"
    with filled(path) as rec:
        aggregate = Aggregate(rec, tags=TAGS)
        aggregate.release(kinds=["play"], epsilon=HALF)
        rec.pause()
        before = path.read_bytes()
        if name in WRITES:
            with pytest.raises(PausedError):
                CALLS[name](aggregate)
        else:
            CALLS[name](aggregate)
        assert path.read_bytes() == before
        rec.resume()
        CALLS[name](aggregate)


def test_an_epsilon_has_to_be_chosen(rec: Recommender) -> None:
    aggregate = Aggregate(rec, tags=TAGS)
    for call in (aggregate.release, aggregate.preview):
        with pytest.raises(TypeError, match="epsilon"):
            call()


def test_what_was_drawn_can_be_had_again_while_paused(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with filled(path) as rec:
        aggregate = Aggregate(rec, tags=TAGS)
        released = aggregate.release(epsilon=HALF)
        previewed = aggregate.preview(epsilon=HALF, kinds=["play"])
        rec.pause()
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        assert aggregate.release(epsilon=HALF) == aggregate.preview(epsilon=HALF) == released
        assert aggregate.preview(epsilon=HALF, kinds=["play"]) == previewed
        with pytest.raises(PausedError):
            aggregate.release(epsilon=HALF, kinds=["play"])  # to hand it out is to be noted
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", CALLS)
def test_after_closing_every_call_says_so(rec: Recommender, name: str) -> None:
    aggregate = Aggregate(rec, tags=TAGS)
    rec.close()
    with pytest.raises(ClosedError):
        CALLS[name](aggregate)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_in_a_forked_child_every_call_says_so(tmp_path: Path) -> None:
    with filled(tmp_path / "me.db") as rec:
        aggregate = Aggregate(rec, tags=TAGS)
        child = os.fork()
        if not child:
            refused = 0
            for call in CALLS.values():
                try:
                    call(aggregate)
                except ForkedError:
                    refused += 1
            os._exit(refused)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == len(CALLS)


def test_making_one_and_reading_it_changes_not_a_byte(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    filled(path).close()
    before = path.read_bytes()
    with Recommender(path) as rec:
        aggregate = Aggregate(rec, tags=TAGS)
        for name in CALLS.keys() - set(WRITES):
            CALLS[name](aggregate)
    assert path.read_bytes() == before


# -- what stays and what does not -------------------------------------------------------


def test_forgetting_everything_gives_no_budget_back_and_leaves_only_what_was_released(tmp_path: Path) -> None:
    path, canary = tmp_path / "me.db", "canary" + "9d2e71"
    with Recommender(path) as rec:
        rec.add([{"id": canary, "title": canary, "tags": ["jazz", canary]}])
        rec.record_many([{"item_id": canary, "context": {canary: canary}} for _ in range(30)])
        aggregate = Aggregate(rec, tags=TAGS)
        released = aggregate.release(epsilon=1)
        assert canary.encode() not in released
        rec.remove([canary])
        assert rec.forget(everything=True).status == "erased"
        assert aggregate.remaining() == 0
        assert [charge.payload for charge in aggregate.history()] == [released]
        assert {finding.severity for finding in rec.check()} == {"ok"}
    assert canary.encode() not in path.read_bytes()
    assert released in path.read_bytes()


def test_a_ledger_changes_nothing_that_is_learnt(tmp_path: Path) -> None:
    with filled(tmp_path / "me.db") as rec, Recommender(tmp_path / "me.db") as other:
        before = other.recommend(5, at=START + 50)
        Aggregate(rec, tags=TAGS).release(epsilon=HALF)
        assert other._store.observe() == "grown"  # nothing to learn anew
        assert [r.score for r in other.recommend(5, at=START + 50)] == [r.score for r in before]


@given(text=st.sampled_from(some.HOSTILE))
def test_hostile_tags_and_kinds_are_only_texts(text: str) -> None:
    """L4."""
    with Recommender(":memory:") as rec:
        rec.add([{"id": "a", "tags": [text]}])
        rec.record("a", text)
        rec.record("a", "other")
        aggregate = Aggregate(rec, tags=[text], budget=2**32)
        payload = aggregate.release(kinds=[text], epsilon=2**32)
        assert json.loads(payload)["query"]["tags"] == [text]
        assert counted(payload) == [1]


LEAKS: dict[str, Callable[[Recommender, str], object]] = {
    "tags": lambda rec, text: Aggregate(rec, tags=[text, text]),
    "a tag": lambda rec, text: Aggregate(rec, tags=[text + "\0"]),
    "one for many": lambda rec, text: Aggregate(rec, tags=text),
    "a budget": lambda rec, text: Aggregate(rec, tags=[text], budget=text),
    "a clamp": lambda rec, text: Aggregate(rec, tags=[text], most_per_tag=text),
    "an epsilon": lambda rec, text: Aggregate(rec, tags=[text]).release(epsilon=text),
    "kinds": lambda rec, text: Aggregate(rec, tags=[text]).release(kinds=[text, text], epsilon=HALF),
    "a time": lambda rec, text: Aggregate(rec, tags=[text]).preview(since=text, epsilon=HALF),
    "over the budget": lambda rec, text: Aggregate(rec, tags=[text]).preview(kinds=[text], epsilon=2),
    "a recommender": lambda _, text: Aggregate(text, tags=[text]),
}


@pytest.mark.parametrize("name", LEAKS)
def test_no_error_tells_what_was_given_or_what_is_in_the_log(name: str) -> None:
    """L1."""
    from tests.properties.test_canary import CANARY, overheard

    with overheard() as heard, Recommender(":memory:") as rec:
        rec.add([{"id": CANARY, "tags": [CANARY]}])
        rec.record(CANARY)
        assert CANARY not in repr(Aggregate(rec, tags=[CANARY]))
        LEAKS[name](rec, CANARY)
    assert isinstance(heard.error, (InputError, BudgetError))
    assert heard.told == []


def test_no_repr_tells_a_tag_or_a_count(rec: Recommender) -> None:
    """L1."""
    aggregate = Aggregate(rec, tags=TAGS)
    aggregate.release(epsilon=HALF)
    (charge,) = aggregate.history()
    assert not any(word in repr(aggregate) + repr(charge) for word in ("jazz", "rock", "counts"))


def test_the_core_does_not_load_it() -> None:
    code = """
import sys, recsys
with recsys.Recommender(":memory:") as rec:
    rec.record("a", at=1_700_000_000.0)
    rec.recommend(2)
    rec.forget(items=["a"])
print([name for name in sys.modules if name.startswith(("recsys.privacy", "recsys.log.ledger", "recsys.log.tally"))])
"""
    loaded = [_output(code), _output(code.replace("import sys, recsys", "import sys, recsys, recsys.privacy"))]
    assert loaded[0] == "[]\n"
    assert "recsys.privacy.aggregate" in loaded[1]


def _output(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT).stdout


def test_what_is_never_learnt_is_not_counted_and_may_not_be_asked_for() -> None:
    large, wide = Fraction(10_000), {"most_per_tag": 100, "most_in_all": 100}
    for never_learn, expected in (((), [6, 3]), (("mine",), [0, 3])):
        with Recommender(":memory:", settings=Settings(never_learn=never_learn)) as rec:
            rec.add([{"id": "blue", "tags": ["jazz", "mine"]}, {"id": "horses", "tags": ["rock"]}])
            rec.record_many([{"item_id": item_id, "at": START + n} for n, (item_id, _) in enumerate(_DEEDS)])
            aggregate = Aggregate(rec, tags=TAGS, budget=large, **wide)
            assert counted(aggregate.release(epsilon=large)) == expected, "so little noise that there is none"
    with Recommender(":memory:", settings=Settings(never_learn=["jazz"])) as rec:
        with pytest.raises(InputError) as caught:
            Aggregate(rec, tags=TAGS)
        assert caught.value.field == "tags"


def test_without_consent_nothing_is_drawn_and_the_budget_outlives_a_withdrawal(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=Settings(require_consent=True)) as rec:
        aggregate = Aggregate(rec, tags=TAGS)
        with pytest.raises(ConsentError):
            aggregate.release(epsilon=HALF)
        rec.consent("counting")
        aggregate.release(epsilon=HALF)
        rec.withdraw()
        with pytest.raises(ConsentError):
            aggregate.release(epsilon=HALF)
        assert (aggregate.history(), aggregate.spent(), aggregate.remaining()) == ([], 0, 1)
        rec.consent("counting again")
        assert [charge.number for charge in aggregate.history()] == [1]
        assert aggregate.spent() == HALF


def test_a_withdrawal_of_another_process_is_noticed_before_anything_is_read_or_drawn(tmp_path: Path) -> None:
    asking = Settings(require_consent=True)
    with Recommender(tmp_path / "me.db", settings=asking) as rec:
        rec.consent("counting")
        rec.add([{"id": "a", "tags": ["jazz"]}])
        rec.record("a")
        mine = Aggregate(rec, tags=["jazz"])
        mine.release(epsilon=Fraction(1, 4))
        with Recommender(tmp_path / "me.db", settings=asking) as other:
            other.withdraw()
        with pytest.raises(ConsentError):
            mine.release(epsilon=Fraction(1, 2))
        assert (mine.history(), mine.spent()) == ([], 0)
    with Store(tmp_path / "me.db") as store:
        assert len(store.releases()) == 2, "the draw and that it was handed out, and nothing since"


def test_the_time_in_the_ledger_is_rounded_as_all_others_are(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=Settings(time_resolution="day")) as rec:
        Aggregate(rec, tags=["jazz"]).release(epsilon=1, at=1_700_000_123)
        assert {entry.at_us % 86_400_000_000 for entry in rec._store.releases()} == {0}
