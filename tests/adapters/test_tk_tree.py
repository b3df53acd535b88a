"""The ranked Treeview: rows in the order of the ranking through every change, real events, the thread behind it."""

from __future__ import annotations

import random
import sys
import threading
import time
import tkinter as tk
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters import needs

needs.tk()

from recsys import Event, InputError, Recommendation, Recommender, Slate
from recsys.testing import assert_forgotten, find_traces
from recsys_tk import Learner, RankedTree

N_ROWS = 60
SETTLED_MS = 650


@pytest.fixture(scope="module")
def display() -> Iterator[tk.Tk]:
    root = tk.Tk()
    root.withdraw()
    yield root
    root.destroy()


def pump(root: tk.Misc, ms: int) -> None:
    """Let the main loop run."""
    over = tk.BooleanVar(root)
    root.after(ms, lambda: over.set(True))
    root.wait_variable(over)


class Screen:
    """A window with sixty rows, and the log behind it."""

    def __init__(self, *, log: Path | str = ":memory:", **options: Any) -> None:
        self.root = tk.Tk()
        self.root.geometry("300x300+0+0")
        self.recommender = Recommender(log)
        self.failures: list[BaseException] = []
        self.learner = Learner(self.root, self.recommender, idle_ms=0, failed=self.failures.append)
        self.tree = RankedTree(self.root, self.learner, **{"clicked": "click", "activated": None, **options})
        self.tree.pack(fill="both", expand=True)
        for n in range(N_ROWS):
            self.tree.insert("", "end", iid=f"id-{n}", text=f"Row {n}")
        self.settle()

    def settle(self) -> None:
        pump(self.root, SETTLED_MS)
        assert self.learner.wait()

    def events(self) -> list[Event]:
        found: list[Event] = []
        self.learner.ask(lambda rec: list(rec._store.events()), found.extend)
        assert self.learner.wait()
        return found

    def press(self, iid: str, *, times: int = 1) -> None:
        x, y, _, tall = self.tree.bbox(iid)
        for _ in range(times):
            self.tree.event_generate("<Button-1>", x=x + 20, y=y + tall // 2)
            self.tree.event_generate("<ButtonRelease-1>", x=x + 20, y=y + tall // 2)
        assert self.learner.wait()

    def close(self) -> None:
        self.root.destroy()
        self.recommender.close()


@pytest.fixture
def screen() -> Iterator[Screen]:
    made = Screen()
    yield made
    made.close()
    assert made.failures == []


def test_only_rows_that_stay_on_screen_are_logged_as_shown(screen: Screen) -> None:
    (first,) = screen.events()
    ids = [item_id for item_id, _, _ in first.shown]
    assert 5 < len(ids) < N_ROWS // 2
    assert ids == list(screen.tree.get_children()[: len(ids)])
    screen.tree.yview("moveto", 1.0)
    pump(screen.root, 100)
    screen.tree.yview("moveto", 0.0)  # it only flew by
    screen.settle()
    assert len(screen.events()) == 1
    screen.tree.yview("moveto", 1.0)
    screen.settle()
    second = screen.events()[1]
    assert second.shown[-1][1] == N_ROWS - 1
    assert not set(ids) & {item_id for item_id, _, _ in second.shown}


def test_what_is_not_on_screen_is_not_seen(screen: Screen) -> None:
    screen.root.withdraw()
    screen.root.update()
    assert screen.tree.visible_ids() == []
    screen.tree.refresh()
    screen.settle()
    assert len(screen.events()) == 1


def test_a_click_is_a_choice_from_what_was_shown_and_moves_its_row_up(screen: Screen) -> None:
    iid = screen.tree.get_children()[7]
    screen.press(iid)
    shown, click = screen.events()
    assert (click.kind, click.item_id, click.slate) == ("click", iid, shown.slate)
    assert screen.tree.get_children()[0] == iid
    assert screen.tree.selection() == (iid,)
    screen.settle()
    assert [event.kind for event in screen.events()] == ["shown", "click", "shown"]


def test_a_double_click_and_return_are_activations() -> None:
    screen = Screen(clicked=None, activated="open")
    first, second = screen.tree.get_children()[3:5]
    screen.press(first, times=2)
    screen.tree.focus_force()
    screen.tree.focus(second)
    screen.tree.event_generate("<Return>")
    assert screen.learner.wait()
    assert [(event.kind, event.item_id) for event in screen.events()[1:] if event.kind != "shown"] == [
        ("open", first),
        ("open", second),
    ]
    screen.close()


def test_the_tip_says_why(screen: Screen) -> None:
    iid = screen.tree.get_children()[3]
    screen.press(iid)
    screen.settle()
    x, y, _, tall = screen.tree.bbox(iid)
    screen.tree.event_generate("<Motion>", x=x + 20, y=y + tall // 2)
    pump(screen.root, 700)
    tip = screen.tree._tip.window
    assert tip is not None
    assert "you used this just now" in tip.winfo_children()[0].cget("text")
    screen.tree.event_generate("<Leave>")
    assert screen.tree._tip.window is None


def test_forgetting_and_steering(screen: Screen) -> None:
    heard: list[str] = []
    screen.tree.bind("<<Forgotten>>", lambda _: heard.append(screen.tree.receipt.status), add="+")
    iid = screen.tree.get_children()[5]
    screen.press(iid)
    screen.tree.forget_item(iid)
    assert screen.learner.wait()
    assert heard == ["erased"]
    assert iid not in {event.item_id for event in screen.events()}
    last = screen.tree.get_children()[-1]
    screen.tree.steer(last, 1.0)
    assert screen.learner.wait()
    assert screen.tree.get_children()[0] == last


def test_no_byte_of_what_was_forgotten_is_left_in_a_file(tmp_path: Path) -> None:
    """The row itself stays in the catalogue, which is the app's: what was done with it is looked for."""
    screen = Screen(log=tmp_path / "me.db")
    iid = screen.tree.get_children()[5]
    screen.press(iid)
    clicks = [event.uid for event in screen.events() if event.kind == "click"]
    assert clicks
    assert find_traces(tmp_path, clicks)
    screen.tree.forget_item(iid)
    assert screen.learner.wait()
    screen.close()
    assert_forgotten(tmp_path, clicks)


def test_a_ranking_that_fails_is_told_and_the_next_is_asked_for() -> None:
    screen = Screen(context=lambda: {"x" * 99: 1})
    assert screen.failures
    assert all(isinstance(failure, InputError) for failure in screen.failures)
    n = len(screen.failures)
    screen.tree.refresh()
    assert screen.learner.wait()
    assert len(screen.failures) == n + 1
    screen.close()


def test_contents_are_told_once_and_rows_without_an_item_stand_last() -> None:
    screen = Screen(
        describe=lambda iid: {"title": f"Title of {iid}"}, item_id=lambda iid: None if iid.endswith("0") else iid
    )
    assert [iid[-1] for iid in screen.tree.get_children()[-6:]] == ["0"] * 6
    items = screen.recommender._catalogue.items
    assert len(items) == N_ROWS - 6
    assert screen.recommender._catalogue.title("id-1") == "Title of id-1"
    assert screen.failures == []
    screen.close()


class Later:
    """In place of a learner: keeps jobs until they are let go, with a recommender that orders by chance."""

    def __init__(self, seed: int) -> None:
        self.jobs: list[tuple[Callable[[Any], Any], Callable[[Any], Any] | None]] = []
        self._draw = random.Random(seed)

    def ask(self, job: Callable[[Any], Any], then: Callable[[Any], Any] | None = None, **_: object) -> None:
        self.jobs.append((job, then))

    tell = ask

    def step(self) -> None:
        if self.jobs:
            job, then = self.jobs.pop(0)
            result = job(self)
            if then is not None:
                then(result)

    def rank(self, item_ids: list[str], **_: object) -> Slate:
        ids = list(item_ids)
        self._draw.shuffle(ids)
        ranked = [Recommendation(i, -float(n), n, 1.0, True, lambda _: ()) for n, i in enumerate(ids)]
        return Slate(f"{self._draw.getrandbits(64):016x}", 0, 0, tuple(ranked), len(ids))


changes = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 99)),
    st.tuples(st.just("delete"), st.integers(0, 99)),
    st.tuples(st.just("detach"), st.integers(0, 99)),
    st.tuples(st.just("attach"), st.integers(0, 99)),
    st.tuples(st.just("child"), st.integers(0, 99)),
    st.tuples(st.just("move"), st.integers(0, 99)),
    st.tuples(st.just("answer"), st.just(0)),
    st.tuples(st.just("idle"), st.just(0)),
)


def apply(tree: RankedTree, rows: list[str], away: list[str], change: str, n: int, serial: int) -> None:
    """Do what was drawn, within what is there."""
    there = [iid for iid in rows if iid not in away]
    one = there[n % len(there)] if there else None
    if change == "insert":
        rows.append(tree.insert("", n % (len(there) + 1), iid=f"new-{serial}"))
    elif change == "attach" and away:
        tree.reattach(away.pop(n % len(away)), "", 0)
    elif one is None:
        return
    elif change == "child":
        tree.insert(one, "end", iid=f"child-{serial}")
    elif change == "delete":
        tree.delete(one)
        rows.remove(one)
    elif change == "detach":
        tree.detach(one)
        away.append(one)
    elif change == "move":
        tree.move(one, "", n % len(there))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(start=st.integers(0, 8), changes=st.lists(changes, max_size=25), seed=st.integers(0, 99))
def test_it_follows_every_change_of_its_rows(
    display: tk.Tk, start: int, changes: list[tuple[str, int]], seed: int
) -> None:
    later = Later(seed)
    tree = RankedTree(display, later)
    rows = [tree.insert("", "end", iid=f"start-{n}") for n in range(start)]
    away: list[str] = []
    for serial, (change, n) in enumerate(changes):
        if change == "answer":
            later.step()
        elif change == "idle":
            display.update_idletasks()
        else:
            apply(tree, rows, away, change, n, serial)
        assert sorted(tree.get_children()) == sorted(iid for iid in rows if iid not in away)
    display.update_idletasks()
    while later.jobs:
        later.step()
    there = {iid for iid in rows if iid not in away}
    assert set(tree.get_children()) == there
    if there:
        assert list(tree.get_children()) == [i for i in tree.slate().item_ids if i in there]
        tree.selection_set(tree.get_children()[0])
        picked = tree.selection()
        tree.refresh()
        later.step()
        assert tree.selection() == picked
    tree.destroy()


def test_jobs_run_on_one_other_thread_and_answers_arrive_in_the_main_loop(display: tk.Tk, tmp_path: Any) -> None:
    top = tk.Toplevel(display)
    learner = Learner(top, lambda: Recommender(tmp_path / "me.db"))
    where: list[tuple[int, int, int]] = []
    for n in range(20):
        learner.ask(lambda _, n=n: (n, threading.get_ident()), lambda r: where.append((*r, threading.get_ident())))
    assert learner.wait()
    assert [n for n, _, _ in where] == list(range(20))
    assert {here for _, _, here in where} == {threading.get_ident()}
    assert where[0][1] != threading.get_ident()
    turns: list[int] = []

    def turn() -> None:
        turns.append(1)
        top.after(5, turn)

    turn()
    learner.ask(lambda _: time.sleep(0.3))
    assert learner.wait()
    assert len(turns) > 10
    before = sys.getswitchinterval()
    for n in range(30):
        learner.tell(lambda rec, n=n: rec.record(f"item-{n}", at=1_700_000_000 + n))
        learner.ask(lambda _: turns.clear())
    top.destroy()  # ends the learner, once all is written
    assert turns
    assert sys.getswitchinterval() != before
    with Recommender(tmp_path / "me.db") as recommender:
        assert recommender.stats().n_events == 30


def test_background_work_is_done_when_nothing_is_asked(display: tk.Tk) -> None:
    class Counted:
        n_maintained = 0

        def maintain(self, budget_ms: float) -> bool:
            Counted.n_maintained += budget_ms > 0
            return Counted.n_maintained < 3

        def close(self) -> None: ...

    learner = Learner(display, Counted, idle_ms=5)
    pump(display, 300)
    learner.close()
    assert Counted.n_maintained == 3
