"""U1 to U4, U6, U8: what was forgotten was never known, from inside and from outside; and every planted fault is found.

The full run, of two thousand examples, is ``scripts/forensics``. U5 is in ``test_configurations.py``, U7 with the
forensics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from recsys import Event, Prior, live
from recsys.grove import Grove
from recsys.learn import fold as fold_module
from recsys.learn.behaviour import Behaviour
from recsys.learn.choice import REGIMES, ChoiceModel
from recsys.learn.fold import State, fold_all, learn_pending, new_state
from recsys.learn.layout import CUES, DECAYED
from recsys.live import Live
from recsys.log import deletion
from recsys.rank.candidates import Catalogue, Pool
from recsys.rank.rest import Rest
from recsys.rank.shelf import Shelf
from recsys.testing import strategies as some
from recsys.testing.strategies import START
from tests.properties import never_known
from tests.properties.eyes import examples, in_order
from tests.properties.never_known import IDS, SETTINGS, Script, compared, plain, scripts, unsound
from tests.small_trees import needs_trees, small_trees

Patch = pytest.MonkeyPatch
COUNTS: Counter[str] = Counter()
_A_US: Final = START * 1_000_000 + 777


def told_apart_by_none(chosen: settings) -> None:
    """Require that no script tells the two apart."""

    @chosen
    @given(scripts())
    def alike(script: Script) -> None:
        found, counts = compared(script)
        COUNTS.update(counts, examples=1)
        assert found == []

    alike()


def test_what_was_forgotten_was_never_known() -> None:
    """U1 to U3, U6: state, recommendations, profile, explanations, whatever happened in between."""
    COUNTS.clear()
    told_apart_by_none(examples(25, 2_000))
    print(", ".join(f"{name}: {n:,}" for name, n in sorted(COUNTS.items())))
    assert COUNTS["examples"] >= 25
    assert COUNTS["events forgotten"] > 0
    if COUNTS["examples"] >= 500:  # a few examples may all be short ones
        assert COUNTS["events forgotten"] > COUNTS["examples"]
        assert COUNTS["reopened"] > COUNTS["examples"] // 4


def test_what_was_used_once_and_forgotten_was_never_used(monkeypatch: Patch) -> None:
    """U1 to U3, where uses decide what is on offer."""
    monkeypatch.setattr(never_known, "SETTINGS", replace(SETTINGS, once=["jazz"]))
    told_apart_by_none(examples(8, 500))


@needs_trees
def test_what_was_forgotten_never_grew_a_tree(monkeypatch: Patch) -> None:
    """U1 to U3 with trees, grown before what is forgotten, after it, or both; what is said of them is the same too."""
    monkeypatch.setattr(never_known, "SETTINGS", replace(SETTINGS, trees=True))
    COUNTS.clear()
    with small_trees():
        told_apart_by_none(examples(10, 500))
    print(", ".join(f"{name}: {n:,}" for name, n in sorted(COUNTS.items())))


def test_a_shelf_that_remembers_what_was_used_is_noticed(monkeypatch: Patch) -> None:
    used_up, remembered = Shelf._used_up, {}  # by shelf

    def remembering(self: Shelf, pool: Pool, *rest: Any) -> Any:
        used = used_up(self, pool, *rest)
        known = remembered.setdefault(self, set())
        known.update(pool.ids[column] for column in used.nonzero()[0].tolist())
        return np.array([item_id in known for item_id in pool.ids], np.bool_)

    told = [Event(_A_US + n, f"{n}" * 16, IDS[0], kind) for n, kind in enumerate(("play", "dislike"))]
    script = Script(told, [("record", 2), ("look", 1), ("forget", {"events": [0]})])
    monkeypatch.setattr(never_known, "SETTINGS", replace(SETTINGS, once=True))
    assert compared(script)[0] == []
    monkeypatch.setattr(Shelf, "_used_up", remembering)
    assert compared(script)[0] != []


# -- U8: what stands out ----------------------------------------------------------------

_LATEST_US: Final = (2**32 - 1) * 1_000_000
OUTLIERS: Final[dict[str, list[Event]]] = {
    "at the end of time": [Event(_LATEST_US, "f" * 16, IDS[0], "play")],
    "at the beginning of time": [Event(0, "f" * 16, IDS[0], "play")],
    "of the greatest value": [Event(_A_US, "f" * 16, IDS[0], "play", value=1.7e308)],
    "the only dislike": [Event(_A_US, "f" * 16, IDS[1], "hate")],
    "an item of its own": [Event(_A_US, "f" * 16, "x" * 512, "play", 1_440, None, {"k" * 64: "v" * 256})],
    "the greatest slate": [
        Event(_A_US, "f" * 16, "", "shown", slate="s", shown=tuple((f"i{n}", n, 1.0) for n in range(300)))
    ],
    "more contexts than are remembered": [
        Event(_A_US + n, f"{n:016x}", IDS[n % 5], "play", context={"n": n}) for n in range(CUES + 40)
    ],
}


def _outlying(events: Sequence[Event], *, last: bool) -> Script:
    """Forget what stands out, told in the midst of a life or after it."""
    ordinary = [event if last else replace(event, at_us=event.at_us + 10**9) for event in plain(40)]
    told = [*ordinary, *events] if last else [*ordinary[:25], *events, *ordinary[25:]]
    known = [event.uid for event in in_order(told)]
    which = [known.index(event.uid) for event in events]
    steps = [("add", (IDS[0], "jazz")), ("record", len(told)), ("reopen", None), ("forget", {"events": which})]
    return Script(told, steps)


@pytest.mark.parametrize("last", [False, True], ids=["in the midst", "last"])
@pytest.mark.parametrize("what", OUTLIERS)
def test_what_stood_out_leaves_no_mark(what: str, *, last: bool) -> None:
    """U8: clocks, rings, rhythms and tables are as they were."""
    found, counts = compared(_outlying(OUTLIERS[what], last=last))
    assert counts["events forgotten"] == len(OUTLIERS[what])
    assert found == []


# -- U4: what comes after ------------------------------------------------------------------


def taught(events: Sequence[Event]) -> list[np.ndarray]:
    """The features of every candidate of every choice, as each of the models was taught them, in order."""
    state = new_state(Prior.default(), SETTINGS)
    seen: list[list[np.ndarray]] = [[] for _ in REGIMES]

    class Pupil(ChoiceModel):
        def learn(self, features: np.ndarray, *_: Any) -> None:
            seen[self.number].append(features.copy())

    state.choices = tuple(Pupil(model.w, model.precision0) for model in state.choices)
    for number, model in enumerate(state.choices):
        model.number = number
    fold_all(state, in_order(events))
    learn_pending(state)
    return [np.concatenate([np.zeros((state.choices[0].w.size, 0)), *of], axis=1) for of in seen]


def depends_on_the_future(events: Sequence[Event], n_before: int) -> bool:
    """Whether the features of the first choices are others when nothing comes after them."""
    cut = in_order(events)[:n_before]
    return any(
        not np.allclose(alone, followed[:, : alone.shape[1]], rtol=1e-6, atol=1e-9)
        for alone, followed in zip(taught(cut), taught(events), strict=True)
    )


@examples(10, 500)
@given(some.histories(item_ids=IDS, max_size=12))
def test_what_a_choice_teaches_does_not_depend_on_what_comes_after(odd: list[Event]) -> None:
    """U4."""
    events = in_order([*plain(90), *odd])
    assert not depends_on_the_future(events, len(events) * 2 // 3)


def test_a_question_that_is_asked_late_is_noticed(monkeypatch: Patch) -> None:
    ask, gather = fold_module.ask, fold_module.gather
    moments: dict[int, Any] = {}

    def remembering(b: Any, now: Any, *rest: Any) -> Any:
        question = ask(b, now, *rest)
        moments[id(question)] = question, now
        return question

    def late(b: Any, questions: Any, *rest: Any) -> Any:
        return gather(b, [ask(b, moments[id(question)][1]) for question in questions], *rest)

    cuts = range(150, 155)  # with some choices waiting that are learnt later when more comes
    assert not any(depends_on_the_future(plain(200), n) for n in cuts)
    monkeypatch.setattr(fold_module, "ask", remembering)
    monkeypatch.setattr(fold_module, "gather", late)
    assert any(depends_on_the_future(plain(200), n) for n in cuts)


# -- planted faults -------------------------------------------------------------------------

Change = Callable[[State, State], None]


def _after_forgetting(monkeypatch: Patch, change: Change) -> None:
    """Change the state that was folded anew, knowing the one before."""
    load = Live.load

    def changed(self: Live, near: Any = None) -> int:
        before = self.state
        n_folded = load(self, near)
        if before.n_events > self.state.n_events > 0:
            change(before, self.state)
        return n_folded

    monkeypatch.setattr(Live, "load", changed)


def _takes_the_precision_back(monkeypatch: Patch) -> None:
    def downdate(before: State, after: State) -> None:
        for old, new in zip(before.choices, after.choices, strict=True):
            evidence = old.precision - new.precision  # of what is forgotten
            new.precision = old.precision - evidence

    _after_forgetting(monkeypatch, downdate)


def _takes_the_counts_back(monkeypatch: Patch) -> None:
    def downdate(before: State, after: State) -> None:
        b, a = before.behaviour, after.behaviour
        for item_id, slot in a.slots.items():
            old = b.table[:DECAYED, b.slots[item_id]]
            a.table[:DECAYED, slot] = old - (old - a.table[:DECAYED, slot])

    _after_forgetting(monkeypatch, downdate)


def _learns_from_the_random_id(monkeypatch: Patch) -> None:
    fold = live.fold

    def superstitious(state: Any, event: Event) -> None:
        fold(state, event)
        state.choices[-1].w[0] += len(event.uid) * 1e-9

    monkeypatch.setattr(live, "fold", superstitious)


def _keeps_the_slot_of_an_item(monkeypatch: Patch) -> None:
    def keep(before: State, after: State) -> None:
        for item_id in before.behaviour.ids[1:]:
            if item_id not in after.behaviour.slots:
                after.behaviour.slot(item_id)

    _after_forgetting(monkeypatch, keep)


def _keeps_the_newest_second(monkeypatch: Patch) -> None:
    def keep(before: State, after: State) -> None:
        after.behaviour.newest_s = max(before.behaviour.newest_s, after.behaviour.newest_s)

    _after_forgetting(monkeypatch, keep)


def _keeps_slates_that_wait(monkeypatch: Patch) -> None:
    _after_forgetting(monkeypatch, lambda before, after: after.slates.update(before.slates))


def _remembers_what_was_removed(monkeypatch: Patch) -> None:
    drop = deletion._drop_tombstones
    monkeypatch.setattr(deletion, "_drop_tombstones", lambda cursor: drop(cursor)[:0])


def _remembers_what_was_touched(monkeypatch: Patch) -> None:
    untouched = Catalogue.untouched

    def cached(self: Catalogue, behaviour: Behaviour) -> Rest:
        return untouched(self, behaviour) if self._untouched is None else Rest(self._untouched)

    monkeypatch.setattr(Catalogue, "untouched", cached)
    drop = Catalogue.drop
    monkeypatch.setattr(Catalogue, "drop", lambda self, ids, kept: drop(self, ids, kept) if ids or kept else None)
    monkeypatch.setattr(Catalogue, "forget_slots", lambda _: None)


FAULTS: Final[list[Callable[[Patch], None]]] = [
    _takes_the_precision_back,
    _takes_the_counts_back,
    _learns_from_the_random_id,
    _keeps_the_slot_of_an_item,
    _keeps_the_newest_second,
    _keeps_slates_that_wait,
    _remembers_what_was_removed,
    _remembers_what_was_touched,
]


def story() -> Script:
    """A script in which every fault above must show."""
    shown = Event(_A_US, "a" * 16, "", "shown", slate="s", shown=((IDS[0], 0, 0.5), ("only here", 1, 0.5)))
    used = [Event(_A_US + 10**12 + n, f"{n}" * 16, name, "play") for n, name in enumerate(("removed", "used once"))]
    told = [*plain(40), shown, *used]
    return Script(
        told,
        [
            ("add", ("removed", "jazz")),
            ("add", ("only here", "jazz")),
            ("add", ("used once", "jazz")),
            ("record", len(told)),
            ("look", 3),
            ("remove", "removed"),
            ("forget", {"items": ["removed", "only here"]}),
            ("look", 3),
            ("forget", {"kinds": ["shown"]}),
            ("forget", {"events": [*range(len(told) // 2, len(told) - 4)]}),
            ("look", 3),
            ("forget", {"items": ["used once"]}),
        ],
    )


def test_without_a_fault_the_story_ends_well() -> None:
    found, counts = compared(story())
    assert found == []
    assert counts["events forgotten"] > 15


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__[1:])
def test_a_planted_fault_is_found(fault: Callable[[Patch], None], monkeypatch: Patch) -> None:
    fault(monkeypatch)
    found, _ = compared(story())
    print(f"{fault.__name__[1:]}: {', '.join(found)}")
    assert found != []


def _keeps_lessons(monkeypatch: Patch) -> None:
    _after_forgetting(monkeypatch, lambda before, after: setattr(after, "lessons", before.lessons))


def _keeps_trees(monkeypatch: Patch) -> None:
    monkeypatch.setattr(deletion, "drop_stages_from", lambda *_: 0)


def _takes_any_trees(monkeypatch: Patch) -> None:
    _keeps_trees(monkeypatch)
    monkeypatch.setattr(Grove, "_fits", lambda *_: True)


def _keeps_evidence(monkeypatch: Patch) -> None:
    refresh = Grove._refresh

    def remembering(self: Grove, *of: Any) -> None:
        known = dict(self._evidence)
        refresh(self, *of)
        self._evidence.update(known)

    monkeypatch.setattr(Grove, "_refresh", remembering)


def growing_story() -> Script:
    """A script in which every fault of trees must show: they know of what is forgotten, and decide about others."""
    told = plain(90)
    which = [n for n in range(25, 85) if n % 3]
    steps = [
        ("record", 70),
        ("maintain", None),
        ("look", 1),
        ("record", 20),
        ("look", 2),
        ("forget", {"events": which}),
    ]
    return Script(told, [*steps, ("look", 3)])


@needs_trees
@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (_keeps_lessons, "the trees"),
        (_keeps_trees, "trees of another log"),
        (_takes_any_trees, "the trees"),
        (_keeps_evidence, "what is said of the trees"),
    ],
    ids=lambda one: one.__name__[1:] if callable(one) else "",
)
def test_a_planted_fault_of_trees_is_found(fault: Callable[[Patch], None], shown: str, monkeypatch: Patch) -> None:
    monkeypatch.setattr(never_known, "SETTINGS", replace(SETTINGS, trees=True))
    with small_trees():
        assert compared(growing_story())[0] == []
        fault(monkeypatch)
        assert shown in compared(growing_story())[0]


@pytest.mark.parametrize("fault", [_takes_the_precision_back, _takes_the_counts_back], ids=lambda f: f.__name__[1:])
def test_random_scripts_find_that_subtracting_is_not_forgetting(
    fault: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        told_apart_by_none(settings(max_examples=200, phases=[Phase.generate]))  # the first one found is enough


def test_what_is_no_number_or_no_precision_is_noticed() -> None:
    state = new_state(Prior.default(), SETTINGS)
    assert unsound(state) == []
    state.choices[0].precision[0, 0] *= -1.0
    state.choices[1].w[3] = np.nan
    assert unsound(state) == ["w is not finite", "a precision is not positive definite"]
