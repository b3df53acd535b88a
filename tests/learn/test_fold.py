"""The fold learns from each event what it says: what was chosen among what, what was turned down, what was shown."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import recsys.learn.fold as fold_module
from recsys.learn.behaviour import Behaviour
from recsys.learn.checkpoint import encode
from recsys.learn.choice import ChoiceModel
from recsys.learn.features import FEATURES, N_FEATURES, feature_matrix
from recsys.learn.fold import LOG_UNTOUCHED, PENDING, State, fold, fold_all, learn_pending, new_state, score
from recsys.learn.gather import Gathered, Question, ask, gather
from recsys.learn.layout import BLOCK
from recsys.learn.moment import Moment
from recsys.settings import Settings
from recsys.types import Event
from tests.learn.histories import DAY, MONDAY_S, PRIOR, SETTINGS, event, examples, histories, learnt, shown, uses

Floats = NDArray[np.float64]
ROOT = Path(__file__).parents[2]
UNTOUCHED = ""  # the candidate that stands for every item never seen


@dataclass(frozen=True)
class Seen:
    """One choice as the model was taught it."""

    number: int  # of the event
    items: list[str]
    target: str
    weight: float  # negative: turned down
    shown_at_s: float | None
    offsets: list[float]


class Spy(ChoiceModel):
    """Writes down what it is taught."""

    def __init__(self, state: State) -> None:
        super().__init__(state.choice.w, state.choice.precision0)
        self.state = state
        self.asked: list[tuple[int, float | None]] = []
        self.items: list[list[str]] = []
        self.seen: list[Seen] = []
        self.blocks: list[int] = []

    def ask(self, b: Behaviour, now: Moment, shown_at_s: float | None = None) -> Question:
        self.asked.append((self.state.n_events - 1, shown_at_s))
        return ask(b, now, shown_at_s)

    def gather(
        self, b: Behaviour, questions: Sequence[Question], candidates: Sequence[list[int]], rhythm: NDArray[np.float32]
    ) -> Gathered:
        self.items = [[b.ids[slot] for slot in slots] for slots in candidates]
        return gather(b, questions, candidates, rhythm)

    def learn(
        self,
        features: Floats,
        sizes: Sequence[int],
        targets: Sequence[int],
        weights: Sequence[float],
        offsets: Floats,
    ) -> None:
        assert features.shape == (N_FEATURES, sum(sizes))
        assert sizes == [len(items) for items in self.items]
        self.blocks.append(len(sizes))
        each = np.split(offsets, np.cumsum(sizes)[:-1])
        for (number, shown_at_s), items, target, weight, of_items in zip(
            self.asked, self.items, targets, weights, each, strict=True
        ):
            self.seen.append(Seen(number, items, items[target], weight, shown_at_s, of_items.tolist()))
        self.asked.clear()


def spied(events: Sequence[Event], settings: Settings = SETTINGS) -> Spy:
    """A model that was taught these events."""
    state = new_state(PRIOR, settings)
    spy = Spy(state)
    state.choice = spy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold_module, "ask", spy.ask)
        patch.setattr(fold_module, "gather", spy.gather)
        fold_all(state, events)
        learn_pending(state)
    return spy


def choices(events: Sequence[Event], settings: Settings = SETTINGS) -> list[Seen]:
    """What these events teach the choice model."""
    return spied(events, settings).seen


def test_the_weights_move_after_every_choice_at_first_and_then_after_growing_blocks() -> None:
    events = [event(n, MONDAY_S + 60 * n, "abcde"[n % 5]) for n in range(1, 4500)]
    blocks = spied(events).blocks
    assert blocks[:60] == [1] * 60
    assert sorted(blocks[:-1]) == blocks[:-1]
    assert set(blocks[:-1]) == set(range(1, BLOCK + 1))
    assert sum(blocks) == len(events) - 1, "the first event has nothing to be chosen among"


def last(events: Sequence[Event], settings: Settings = SETTINGS) -> Seen:
    """What the last of these events teaches."""
    seen = choices(events, settings)[-1]
    assert seen.number == len(events) - 1, "the last event taught nothing"
    return seen


# -- slates -----------------------------------------------------------------------


def clicked(*items: str, slate: str = "s", of: str = "abcdef") -> list[Event]:
    """A slate, and clicks on some of its items a second apart."""
    clicks = [event(n, MONDAY_S + n, item, slate=slate) for n, item in enumerate(items, start=1)]
    return [shown(0, MONDAY_S, "s", of), *clicks]


@pytest.mark.parametrize(("item", "examined"), [("a", "ab"), ("c", "abcd"), ("e", "abcdef"), ("f", "abcdef")])
def test_a_slate_is_examined_up_to_and_just_past_the_click(item: str, examined: str) -> None:
    seen = last(clicked(item))
    assert seen.items == list(examined)
    assert (seen.target, seen.weight, seen.shown_at_s, set(seen.offsets)) == (item, 1.0, MONDAY_S, {0.0})


def test_a_second_click_is_a_choice_among_what_was_left() -> None:
    seen = choices(clicked("c", "e", "a"))
    assert [s.items for s in seen] == [["a", "b", "c", "d"], ["a", "b", "d", "e", "f"], ["a", "b"]]
    assert [s.target for s in seen] == ["c", "e", "a"]


def test_a_dislike_settles_an_item_of_a_slate_too() -> None:
    events = [*clicked(), event(1, MONDAY_S + 1, "b", "loathe", slate="s"), event(2, MONDAY_S + 2, "c", slate="s")]
    first, second = choices(events)
    assert (first.items, first.target, first.weight) == (["a", "b", "c"], "b", -10.0)
    assert (second.items, second.target, second.weight) == (["a", "c", "d"], "c", 1.0)


def test_a_kind_that_weighs_nothing_leaves_an_item_of_a_slate_to_be_chosen() -> None:
    events = [*clicked(), event(1, MONDAY_S + 1, "b", "glance", slate="s"), event(2, MONDAY_S + 2, "b", slate="s")]
    assert last(events).items == ["a", "b", "c"]


def test_the_last_item_left_of_a_slate_teaches_nothing() -> None:
    assert choices(clicked("a", of="a")) == []
    assert len(choices(clicked("a", "b", of="ab"))) == 1


@pytest.mark.parametrize(
    ("events", "why"),
    [
        (clicked("z"), "it was not in the slate"),
        (clicked("c", "c"), "it was chosen from it before"),
        (clicked("c", slate="another"), "that slate was never shown"),
        ([*uses("ab"), event(2, MONDAY_S + DAY, "a")], "there was no slate"),
    ],
)
def test_everything_else_is_a_choice_among_all_that_is_active(events: list[Event], why: str) -> None:
    seen = last(events)
    known = {item for e in events[:-1] for item in ([item for item, _, _ in e.shown] or [e.item_id])}
    assert seen.shown_at_s is None, why
    assert sorted(seen.items) == sorted({UNTOUCHED, *known})
    assert seen.target == (events[-1].item_id if events[-1].item_id in known else UNTOUCHED)
    assert seen.offsets == [LOG_UNTOUCHED if item == UNTOUCHED else 0.0 for item in seen.items]
    assert LOG_UNTOUCHED > 0


def test_only_the_newest_slates_wait_for_a_choice() -> None:
    slates = [shown(n, MONDAY_S + n, f"slate-{n}", "abc") for n in range(PENDING + 1)]
    at = len(slates)
    for slate, waits in (("slate-0", False), ("slate-1", True), (f"slate-{PENDING}", True)):
        seen = last([*slates, event(at, MONDAY_S + at, "b", slate=slate)])
        assert (seen.shown_at_s is not None) == waits
    again = shown(at, MONDAY_S + at, "slate-1", "cab")
    newer = shown(at + 1, MONDAY_S + at + 1, "newer", "abc")
    seen = last([*slates, again, newer, event(at + 2, MONDAY_S + at + 2, "a", slate="slate-1")])
    assert (seen.items, seen.shown_at_s) == (["c", "a", "b"], MONDAY_S + at), "shown again, it waits anew"
    assert len(learnt([*slates, again, newer]).slates) == PENDING


def expected(events: Sequence[Event]) -> list[tuple[int, list[str], str, float, float | None]]:
    """The slow twin: the choices of a log of few items, from the rules as they are told."""
    known: list[str] = []
    slates: dict[str, tuple[list[str], float, set[str]]] = {}
    found: list[tuple[int, list[str], str, float, float | None]] = []
    for number, e in enumerate(events):
        weight = SETTINGS.kind_weights.get(e.kind, 1.0)
        if e.kind == "shown":
            items = [item for item, _, _ in e.shown]
            slates[e.slate or ""] = (items, e.at_us / 1e6, set())
            known += [item for item in items if item not in known]
        elif e.kind != "steer" and weight:
            items, shown_at_s, settled = slates.get(e.slate or "", ([], 0.0, set()))
            if e.item_id in items and e.item_id not in settled:
                examined = items[: items.index(e.item_id) + 2]
                among, target, when = [item for item in examined if item not in settled], e.item_id, shown_at_s
            else:
                among, target, when = [UNTOUCHED, *known], e.item_id if e.item_id in known else UNTOUCHED, None
            if len(among) > 1:
                found.append((number, among, target, weight, when))
            settled.add(e.item_id)
            known += [e.item_id] if e.item_id not in known else []
    return found


@examples(0.6)
@given(histories(repeats=2))
def test_choices_are_what_their_slow_twin_says(events: list[Event]) -> None:
    found = [(s.number, s.items, s.target, s.weight, s.shown_at_s) for s in choices(events)]
    assert found == expected(events)


# -- kinds ------------------------------------------------------------------------


def column(state: State, item: str, at_s: float) -> dict[str, float]:
    """An item's features by name."""
    now = fold_module.moment(round(at_s * 1e6), 0, {})
    features = feature_matrix(state.behaviour, np.array([state.behaviour.slots.get(item, 0)]), now)
    return dict(zip([f.name for f in FEATURES], features[:, 0].tolist(), strict=True))


def test_a_negative_kind_turns_its_item_down_by_its_weight() -> None:
    seen = last([*uses("abc"), event(3, MONDAY_S + DAY, "b", "skip")])
    assert (seen.target, seen.weight) == ("b", -0.5)
    state = learnt([*uses("abc"), event(3, MONDAY_S + DAY, "b", "skip")])
    assert column(state, "b", MONDAY_S + DAY)["against"] == pytest.approx(np.log(1.5))
    assert column(state, "c", MONDAY_S + DAY)["is_last"] == 1.0, "turning down is no use"


def test_what_was_turned_down_is_ranked_lower() -> None:
    before, after = learnt(uses("abcabc")), learnt([*uses("abcabc"), event(6, MONDAY_S + DAY, "b", "loathe")])
    asked = {"at_us": round((MONDAY_S + DAY) * 1e6), "offset_min": 0, "context": {}}
    (a, b), (a2, b2) = score(before, ["a", "b"], **asked), score(after, ["a", "b"], **asked)
    assert b2 - a2 < b - a


def test_a_kind_that_weighs_nothing_moves_the_clock_and_no_more() -> None:
    state, glanced = learnt(uses("ab")), learnt([*uses("ab"), event(2, MONDAY_S + DAY, "z", "glance")])
    assert choices([*uses("ab"), event(2, MONDAY_S + DAY, "z", "glance")]) == choices(uses("ab"))
    assert glanced.n_events == state.n_events + 1
    assert (glanced.behaviour.newest_s, glanced.behaviour.ids) == (MONDAY_S + DAY, state.behaviour.ids)
    assert glanced.choice.w.tobytes() == state.choice.w.tobytes()
    assert column(glanced, "b", MONDAY_S + 2 * DAY) == column(state, "b", MONDAY_S + 2 * DAY)
    ages = [column(s, "b", at_s)["log_age"] for s, at_s in ((glanced, MONDAY_S), (state, MONDAY_S + DAY))]
    assert ages[0] == ages[1], "time does not run backwards"


def test_a_kind_nobody_named_weighs_one_and_settings_name_others() -> None:
    log = [*uses("ab"), event(2, MONDAY_S + DAY, "a", "hum")]
    assert last(log).weight == 1.0
    assert last(log, Settings(kind_weights={"hum": 2.5})).weight == 2.5
    assert last(log, Settings(kind_weights={"hum": -0.25})).weight == -0.25


def test_the_first_event_has_nothing_to_be_chosen_from() -> None:
    assert choices(uses("a")) == []
    assert [(s.items, s.target) for s in choices(uses("ab"))] == [([UNTOUCHED, "a"], UNTOUCHED)]


def test_what_was_only_shown_is_known_and_unused() -> None:
    state = learnt([shown(0, MONDAY_S, "s", "ab")])
    assert state.behaviour.ids == ["", "a", "b"]
    assert column(state, "a", MONDAY_S)["new"] == 1.0
    assert column(state, "a", MONDAY_S)["shown"] == pytest.approx(np.log(2.0))
    assert choices([shown(0, MONDAY_S, "s", "ab")]) == []


def test_steering_is_remembered_replaced_and_taken_back() -> None:
    def steers(*given_weights: tuple[str, float]) -> dict[str, float]:
        log = [event(n, MONDAY_S + n, to, "steer", value=v) for n, (to, v) in enumerate(given_weights)]
        assert choices([*uses("ab"), *log]) == choices(uses("ab")), "it is no choice"
        state = learnt([*uses("ab"), *log])
        assert state.behaviour.ids == ["", "a", "b"], "and no use"
        return state.steers

    assert steers(("jazz", 0.5)) == {"jazz": 0.5}
    assert steers(("jazz", 0.5), ("a", -1.0), ("jazz", 1.0)) == {"jazz": 1.0, "a": -1.0}
    assert steers(("jazz", 0.5), ("jazz", 0.0)) == {}
    assert learnt([event(0, MONDAY_S, "jazz", "steer", value=1.0)]).behaviour.newest_s == MONDAY_S


# -- choices without a slate ------------------------------------------------------------


def wandering(n_events: int, n_items: int, seed: int = 1) -> list[Event]:
    """A log with favourites, over many items."""
    rng = np.random.default_rng(seed)
    drawn = np.minimum(rng.geometric(6 / n_items, n_events), n_items)
    return uses([f"i{n}" for n in drawn])


@pytest.mark.parametrize("size", [2, 3, 4, 7, 8, 16, 64, 200])
def test_a_choice_set_is_bounded_and_holds_the_chosen_and_the_recent(size: int) -> None:
    events = wandering(400, 300)
    known: set[str] = set()
    for seen in choices(events, Settings(choice_set_size=size)):
        known |= {e.item_id for e in events[len(known) : seen.number]}
        chosen = events[seen.number].item_id
        assert len(seen.items) == len(set(seen.items)) <= size
        assert seen.target == (chosen if chosen in known else UNTOUCHED)
        assert {UNTOUCHED, seen.target} <= set(seen.items) <= {UNTOUCHED, *known}
        if len(known) < size:
            assert set(seen.items) == {UNTOUCHED, *known}
        else:
            n_recent = min(size // 4, 64)
            recent = {e.item_id for e in events[max(seen.number - n_recent, 0) : seen.number]}
            assert recent <= set(seen.items)


@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_drawn_candidates_stand_for_all_those_not_drawn(size: int) -> None:
    items = [f"i{n % 97 if n < 300 else n * n % 97}" for n in range(600)]
    events = [event(n, MONDAY_S + 60 * n, item) for n, item in enumerate(items)]
    for seen in choices(events, replace(SETTINGS, choice_set_size=size))[-200:]:
        stands_for = dict(zip(seen.items, np.exp(seen.offsets), strict=True))
        assert stands_for.pop(UNTOUCHED) == pytest.approx(np.exp(LOG_UNTOUCHED))
        drawn = [share for share in stands_for.values() if share > 1]
        assert sum(stands_for.values()) == pytest.approx(97) or not drawn
        assert len(set(drawn)) <= 1, "each stands for as many as the next"


def test_large_choice_sets_are_bounded_too() -> None:
    log = uses([*(f"i{n}" for n in range(320)), "i3"])
    for size in (270, 319, 1000):
        seen = last(log, Settings(choice_set_size=size))
        assert {UNTOUCHED, "i3"} <= set(seen.items)
        assert len(seen.items) <= min(size, 321)


def test_a_choice_set_holds_what_usually_follows_and_something_from_far_away() -> None:
    log = uses([*"ab" * 3, *(f"i{n}" for n in range(200)), "a", "z"])
    seen = last(log)
    assert "b" in seen.items, "what followed the last item, though long ago"
    early = {f"i{n}" for n in range(150)}
    appeared = {item for s in choices(wandering(600, 300))[300:] for item in s.items}
    assert early & set(seen.items), "some were drawn"
    assert len(appeared) > 120, "and others each time"


@pytest.mark.parametrize("size", [8, 64])
def test_what_is_learnt_does_not_depend_on_random_ids_or_the_order_of_mappings(size: int) -> None:
    events = [replace(e, context={"n": n % 3, "place": "home"}) for n, e in enumerate(wandering(150, 120))]
    events[70:70] = [shown(0, events[69].at_us / 1e6, "s", ["i1", "i2", "i3"])]
    turned = [
        replace(e, uid=f"{99 - n:x}", context=dict(reversed(e.context.items())), slate=e.slate and "other")
        for n, e in enumerate(events)
    ]
    weights = {"click": 1.0, "hum": 2.0}
    one = Settings(kind_weights=weights, choice_set_size=size)
    other = Settings(kind_weights=dict(reversed(weights.items())), choice_set_size=size)
    first, second = learnt(events, one), learnt(turned, other)
    assert list(first.slates) == ["s"]
    second.slates = dict(zip(first.slates, second.slates.values(), strict=True))  # a slate's id is random too
    assert encode(first, "basis") == encode(second, "basis")


_SCRIPT = """
import sys
from hashlib import blake2b
from recsys.learn.checkpoint import encode
from tests.learn.histories import learnt
from tests.learn.test_fold import wandering
print(blake2b(encode(learnt(wandering(120, 100)), "basis")).hexdigest())
"""


def test_what_is_learnt_does_not_depend_on_the_hash_seed() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


# -- the fold as a whole -----------------------------------------------------------------


@examples(0.3)
@given(histories(most=12, repeats=3))
def test_the_same_log_gives_the_same_bytes_whole_or_event_by_event(events: list[Event]) -> None:
    whole, single = learnt(events), new_state(PRIOR, SETTINGS)
    for e in events:
        fold(single, e)
        score(single, ["a", "z"], at_us=e.at_us, offset_min=0, context={"place": "elsewhere"})  # a read between
    assert encode(whole, "basis") == encode(single, "basis")
    assert whole.n_events == len(events)
    assert np.isfinite(whole.choice.w).all()
    assert np.isfinite(whole.choice.deviation()).all()


def test_folding_counts_events() -> None:
    state = new_state(PRIOR, SETTINGS)
    assert fold_all(state, []) == 0
    assert fold_all(state, iter(uses("abc"))) == 3
    assert state.n_events == 3


def test_before_any_event_the_weights_are_the_priors_and_not_the_same_array() -> None:
    state = new_state(PRIOR, SETTINGS)
    assert state.choice.w.tolist() == PRIOR.w0.tolist()
    fold_all(state, uses("abab"))
    assert state.choice.w.tolist() != PRIOR.w0.tolist()
    assert new_state(PRIOR, SETTINGS).choice.w.tolist() == PRIOR.w0.tolist()


@given(st.lists(st.sampled_from("abcz"), max_size=6))
def test_a_score_is_one_number_an_item_and_items_never_seen_share_one(items: list[str]) -> None:
    state = learnt(uses("abcab"))
    asked = {"at_us": round((MONDAY_S + DAY) * 1e6), "offset_min": 0, "context": {}}
    scores = score(state, items, **asked)
    assert scores.shape == (len(items),)
    assert scores.tolist() == [float(score(state, [item], **asked)[0]) for item in items]
    assert score(state, ["never"], **asked) == score(state, ["ever"], **asked)


def test_a_habit_is_learnt() -> None:
    state = learnt(uses("abc" * 40))
    at_us = round((MONDAY_S + 120 * 3600) * 1e6)
    scores = score(state, ["a", "b", "c"], at_us=at_us, offset_min=0, context={})
    assert int(scores.argmax()) == 0, "after c comes a"
