"""Whole lives of an app, drawn by Hypothesis: things are added, used, shown and forgotten, the app closed and opened.

A host derives a class from ``PrivacyMachine`` and says how its app does each of these; everything that the machine
gives the app carries a *canary*, a text or number that stands nowhere else. After each forgetting no file, no name of a
file and no answer may hold the canaries of what was forgotten.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from recsys.testing.forensics import assert_forgotten, assert_private
from recsys.testing.needles import Needle
from recsys.testing.tripwire import no_network, sealed
from recsys.types import Event, Item

__all__ = ["PrivacyMachine"]

_START_US: Final = 1_700_000_000_123_457
_GOLDEN: Final = 0.6180339887498949  # its multiples have all the digits that a float has
_T = TypeVar("_T")
_number = st.integers(0, 9)


class PrivacyMachine(RuleBasedStateMachine):
    """Try whole lives of an app, and after each forgetting look for what should be gone.

    A subclass says how to open the app, to add, record and forget, and what the app shows.

    Attributes
    ----------
    keeps_catalogue : bool
        True: ids, titles, tags and attributes are the app's and stay; only what was *done* must go. False (the
        default): all of it goes.
    allow : tuple of str
        Audit events that the app may cause, as in :func:`recsys.testing.no_network` and ``sealed``.
    counts : Counter
        How often each thing was done, over all lives of this class: a test may require that it was.

    Notes
    -----
    Invariants: F1 (no byte of what was forgotten, nor in a name of a file), its like for what is shown, that it stays
    so when the app is opened again, N1 and N2 as far as Python sees them, L2 (no file that others can read), and U1
    when :meth:`compare` is written. ``as_test()`` gives the test; a failure prints the shortest life that leads to it.
    A life ends at the first thing that is found, so one run tells of one leak: mend it and run again.

    Examples
    --------
    >>> from recsys import Recommender
    >>> from recsys.testing import PrivacyMachine, assert_never_known
    >>> class Shop(PrivacyMachine):
    ...     def open_app(self, folder):
    ...         return Recommender(folder / "me.db")
    ...
    ...     def add(self, app, items):
    ...         app.add(items)
    ...
    ...     def record(self, app, event):
    ...         app.record_many([event])
    ...
    ...     def ask(self, app):
    ...         return app.recommend(5), app.profile()
    ...
    ...     def forget(self, app, item_id):
    ...         app.remove([item_id])
    ...         app.forget(items=[item_id])
    ...
    ...     def compare(self, app, never_knew):
    ...         assert_never_known(app, never_knew)
    >>> Shop.check(max_examples=2, max_steps=6)

    Stability: provisional
    """

    keeps_catalogue: ClassVar[bool] = False
    allow: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[Counter[str]]

    # -- what a host says -------------------------------------------------------------

    def open_app(self, folder: Path) -> Any:
        """Open the app on a folder, new or used before; what is returned is given to all the others."""
        raise NotImplementedError("say how the app is opened: def open_app(self, folder)")

    def add(self, app: Any, items: list[Item]) -> None:
        """Put items into the app's catalogue."""
        raise NotImplementedError("say how items are added: def add(self, app, items)")

    def record(self, app: Any, event: Event) -> None:
        """Let the person do something with an item: ``event`` has an id, a time, a kind, a value and a context."""
        raise NotImplementedError("say how use is recorded: def record(self, app, event)")

    def ask(self, app: Any) -> object:
        """Give whatever the app shows: texts, ids, slates, lists and mappings of them."""
        raise NotImplementedError("say what the app shows: def ask(self, app)")

    def forget(self, app: Any, item_id: str) -> None:
        """Forget an item and all that was done with it."""
        raise NotImplementedError("say how an item is forgotten: def forget(self, app, item_id)")

    def close(self, app: Any) -> None:
        """Close the app; its ``close()`` unless said otherwise."""
        app.close()

    def compare(self, app: Any, never_knew: Any) -> None:
        """Require that the app is as one that never knew what was forgotten; not asked unless written.

        ``never_knew`` was opened on a folder of its own and given, in the same order, all that was not forgotten.
        """

    # -- how it is run ----------------------------------------------------------------

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.counts = Counter()

    @classmethod
    def check(cls, *, max_examples: int = 20, max_steps: int = 10, shrink: bool = True) -> None:
        """Try that many lives of at most that many steps each; without ``shrink`` a failure is told as it was found."""
        run_state_machine_as_test(cls, settings=_settings(max_examples, max_steps, shrink=shrink))

    @classmethod
    def as_test(cls, *, max_examples: int = 20, max_steps: int = 10, shrink: bool = True) -> Any:
        """Give a test case for pytest or unittest: ``TestMyApp = MyApp.as_test()``. As in :meth:`check`."""
        case = cls.TestCase
        case.settings = _settings(max_examples, max_steps, shrink=shrink)
        return case

    def __init__(self) -> None:
        super().__init__()
        self._root = Path(tempfile.mkdtemp(prefix="privacy-machine-"))
        self._folder = self._root / "app"
        self._folder.mkdir(mode=0o700)
        self._items: dict[str, Item] = {}
        self._events: list[Event] = []
        self._story: list[Item | Event] = []
        self._gone: dict[str, Needle] = {}
        self._numbers = 0
        self._sound = True
        try:
            self._app = self._watched(lambda: self.open_app(self._folder))
        except BaseException:
            shutil.rmtree(self._root, ignore_errors=True)
            raise

    def teardown(self) -> None:
        """End the life: the first item is forgotten if none was, so that every life tries it, and the app is closed."""
        __tracebackhide__ = True
        try:
            try:
                if self._sound and not self._gone and self._items:
                    self._forget(next(iter(self._items)))
            finally:
                self._watched(lambda: self.close(self._app))
            if self._sound:
                self._look("closing")
                assert_private(self._folder)
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    # -- what may happen ----------------------------------------------------------------

    @initialize(n_items=st.integers(1, 3), n_events=st.integers(1, 4))
    def begin(self, n_items: int, n_events: int) -> None:
        """Every life begins with something to forget."""
        self.add_items(n_items)
        for n in range(n_events):
            self.use(n, n)

    @rule(n=st.integers(1, 3))
    def add_items(self, n: int) -> None:
        """Add new items."""
        __tracebackhide__ = True  # what it was given are canaries, which pytest would print
        items = [self._new_item() for _ in range(n)]
        self._items |= {item.id: item for item in items}
        self._story += items
        with self._told("items added", n):
            self._watched(lambda: self.add(self._app, items))

    @precondition(lambda self: self._items)
    @rule(which=_number, kind=_number)
    def use(self, which: int, kind: int) -> None:
        """Do something with an item."""
        __tracebackhide__ = True
        item_id = list(self._items)[which % len(self._items)]
        event = self._new_event(item_id, ("click", "play", "skip")[kind % 3])
        self._events.append(event)
        self._story.append(event)
        with self._told("events recorded"):
            self._watched(lambda: self.record(self._app, event))

    @rule()
    def look(self) -> None:
        """Look at what the app shows."""
        with self._told("answers"):
            self._look_at_answers("an answer")

    @precondition(lambda self: self._items)
    @rule(which=_number)
    def forget_item(self, which: int) -> None:
        """Forget an item."""
        __tracebackhide__ = True
        with self._told("items forgotten in a life"):
            self._forget(list(self._items)[which % len(self._items)])

    @rule()
    def reopen(self) -> None:
        """Close the app and open it again."""
        with self._told("reopened"):
            self._watched(lambda: self.close(self._app))
            self._look("closing")
            self._app = self._watched(lambda: self.open_app(self._folder))
            self._look("opening again")

    # -- inside -----------------------------------------------------------------------------

    def _forget(self, item_id: str) -> None:
        __tracebackhide__ = True
        self._watched(lambda: self.forget(self._app, item_id))
        n = len(self._gone)
        item = self._items.pop(item_id)
        events = [event for event in self._events if event.item_id == item_id]
        new = {f"{label} ({n})": needle for label, needle in self._needles(item, events)}
        self._gone |= new
        self._events = [event for event in self._events if event.item_id != item_id]
        self._story = [
            told for told in self._story if _about(told) != item_id or (self.keeps_catalogue and isinstance(told, Item))
        ]
        self.counts["items forgotten"] += 1
        self._look("forgetting", new)  # what was forgotten before is looked for when the app is closed or opened
        self._look_at_answers("an answer after forgetting")
        if type(self).compare is not PrivacyMachine.compare:
            self._compare()

    def _needles(self, item: Item, events: list[Event]) -> Iterator[tuple[str, Needle]]:
        """What must be gone, each with what to call it."""
        if not self.keeps_catalogue:
            yield from {"the id": item.id, "the title": item.title, "the tag": item.tags[0]}.items()
            yield "the attribute", str(item.attributes["note"])
        for n, event in enumerate(events):
            yield f"the time of event {n}", event.at_us
            yield f"the id of event {n}", event.uid
            yield f"the context of event {n}", str(event.context["place"])
            yield f"the value of event {n}", float(event.value or 0.0)

    def _look(self, after: str, needles: Mapping[str, Needle] | None = None) -> None:
        __tracebackhide__ = True
        wanted = self._gone if needles is None else needles
        if wanted:
            self.counts["times the files were looked at"] += 1
            try:
                assert_forgotten(self._folder, wanted)
            except AssertionError as error:
                self._sound = False
                raise AssertionError(f"after {after}: {error}") from None

    def _look_at_answers(self, where: str) -> None:
        __tracebackhide__ = True
        shown = list(_texts(self._watched(lambda: self.ask(self._app))))
        self.counts["texts shown"] += len(shown)
        for label, needle in self._gone.items():
            if any(str(needle) in text for text in shown):
                self._sound = False
                raise AssertionError(f"{where} shows what was forgotten: {label}")

    def _compare(self) -> None:
        __tracebackhide__ = True
        folder = self._root / f"never-knew-{self.counts['twins']}"
        folder.mkdir(mode=0o700)
        self.counts["twins"] += 1
        never_knew = self.open_app(folder)
        try:
            for told in self._story:
                if isinstance(told, Item):
                    self.add(never_knew, [told])
                else:
                    self.record(never_knew, told)
            self.compare(self._app, never_knew)
        except AssertionError:
            self._sound = False
            raise
        finally:
            self.close(never_knew)
            shutil.rmtree(folder, ignore_errors=True)

    def _watched(self, call: Callable[[], _T]) -> _T:
        __tracebackhide__ = True
        with no_network(allow=self.allow), sealed(self._folder, allow=self.allow):
            return call()

    @contextmanager
    def _told(self, what: str, n: int = 1) -> Iterator[None]:
        """Count what the block does; when it fails, the life is over and nothing more is asked of it."""
        __tracebackhide__ = True
        try:
            yield
        except BaseException:
            self._sound = False
            raise
        self.counts[what] += n

    def _canary(self, what: str) -> str:
        self._numbers += 1
        return f"{what}-{(self._numbers * 0x9E3779B97F4A7C15) % 2**64:016x}"

    def _new_item(self) -> Item:
        tag = self._canary("tag")
        return Item(self._canary("id"), f"Title {self._canary('of')} naïve", (tag,), {"note": self._canary("note")})

    def _new_event(self, item_id: str, kind: str) -> Event:
        place = self._canary("place")
        n = self._numbers
        at_us = _START_US + n * 61_000_003  # a minute later, and no two alike in any digit of note
        return Event(
            at_us,
            f"{n:04x}{(n * 0x9E3779B97F4B) % 2**48:012x}",
            item_id,
            kind,
            60,
            n + n * _GOLDEN % 1,
            {"place": place},
        )


def _settings(max_examples: int, max_steps: int, *, shrink: bool) -> settings:
    return settings(
        # To explain a failure takes many more lives, each of which opens files.
        phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if shrink else [])],
        max_examples=max_examples,
        stateful_step_count=max_steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def _about(told: Item | Event) -> str:
    return told.id if isinstance(told, Item) else told.item_id


def _texts(value: object) -> Iterator[str]:
    """Every text in what an app shows, of our own records too, with their reasons."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, Mapping):
        yield from _texts([*value.keys(), *value.values()])
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name) for field in fields(value) if not field.name.startswith("_")]
        yield from _texts([*parts, getattr(value, "reasons", ())])
    elif isinstance(value, Iterable):
        for part in value:
            yield from _texts(part)
    elif value is not None:
        yield str(value)
