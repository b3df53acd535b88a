"""The machine finds an app that keeps what it should forget, shows it, reaches out or writes elsewhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from recsys import Event, Item, Recommender, Settings
from recsys.testing import PrivacyMachine, Tripped, assert_never_known


class Shop:
    """A small app, with a fault if one is named."""

    def __init__(self, folder: Path, fault: str = "") -> None:
        self.folder, self.fault = folder, fault
        self.rec = Recommender(folder / "me.db", settings=Settings(synchronous="normal"))
        self.last: list[str] = []

    def write(self, name: str, content: object, mode: int = 0o600) -> None:
        number = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode)
        with os.fdopen(number, "w") as file:
            file.write(json.dumps(content))

    def close(self) -> None:
        self.rec.close()


class Lives(PrivacyMachine):
    """The shop, tried."""

    fault: ClassVar[str] = ""

    def open_app(self, folder: Path) -> Shop:
        return Shop(folder, self.fault)

    def add(self, app: Shop, items: list[Item]) -> None:
        app.rec.add(items)
        if app.fault == "a cache of titles":
            app.write("titles.json", [item.title for item in items])
        if app.fault == "a file named after a tag":
            app.write(items[0].tags[0], [])

    def record(self, app: Shop, event: Event) -> None:
        app.rec.record_many([event])
        app.last.append(event.item_id)
        faults: dict[str, Callable[[], object]] = {
            "a log of times": lambda: app.write("log", event.at_us),
            "a log of contexts": lambda: app.write("log", event.context),
            "a world-readable file": lambda: (app.write("stamp", 1), (app.folder / "stamp").chmod(0o644)),
            "a file elsewhere": lambda: (app.folder.parent / "elsewhere").write_text("x"),
            "a question to a network": lambda: sys.audit("socket.getaddrinfo", "localhost", 80),
        }
        with suppress(Exception):  # as apps do
            faults.get(app.fault, lambda: None)()

    def ask(self, app: Shop) -> object:
        shown: list[object] = [app.rec.recommend(5), app.rec.profile(), {"n": app.rec.stats().n_events}]
        return [*shown, app.last] if app.fault == "a list of what was used last" else shown

    def forget(self, app: Shop, item_id: str) -> None:
        if app.fault == "forgetting, then taking out":
            app.rec.forget(items=[item_id])
            app.rec.remove([item_id])
            return
        app.rec.remove([item_id])
        if app.fault == "taking out alone":
            return
        app.rec.forget(items=[item_id], **({"kinds": ["play"]} if app.fault == "forgetting one kind" else {}))

    def compare(self, app: Shop, never_knew: Shop) -> None:
        if app.fault == "a mark that something was forgotten":
            app.rec.add([{"id": "a mark"}])
        assert_never_known(app.rec, never_knew.rec)


FAULTS: Final[dict[str, str]] = {
    "a cache of titles": r"after forgetting: .*\n  titles.json: the title",
    "a file named after a tag": r"a name that tells it, its name: the tag",
    "a log of times": r"log: the time of event 0 \(0\), as decimal",
    "a log of contexts": r"log: the context of event 0",
    "a world-readable file": r"stamp: mode 0644",
    "a file elsewhere": r"sealed: 1 tried.*\n  open at test_machine.py",
    "a question to a network": r"no_network: 1 tried.*\n  socket.getaddrinfo at test_machine.py",
    "a list of what was used last": r"an answer after forgetting shows what was forgotten: the id",
    "taking out alone": r"after forgetting: ",
    "forgetting, then taking out": r"me.db.*: the id",
    "forgetting one kind": r"after forgetting: ",
    "a mark that something was forgotten": r"not as if it had never been known: catalogue",
}


def tried(fault: str, **options: Any) -> type[Lives]:
    return type("Faulty", (Lives,), {"fault": fault, **options})


def test_an_app_that_forgets_passes_and_every_kind_of_step_was_taken() -> None:
    """F1, L2, N1, N2, U1."""
    lives = tried("")
    lives.check(max_examples=8, max_steps=8)
    counted = {
        "items added",
        "events recorded",
        "answers",
        "items forgotten",
        "items forgotten in a life",
        "reopened",
        "times the files were looked at",
        "texts shown",
        "twins",
    }
    assert {what for what in counted if not lives.counts[what]} == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_app_is_found(fault: str) -> None:
    with pytest.raises((AssertionError, Tripped), match=FAULTS[fault]) as caught:
        tried(fault).check(max_examples=6, max_steps=5, shrink=False)
    assert "canary" not in str(caught.value)
    assert "0x" not in str(caught.value)


def test_a_failure_tells_no_canary_and_shows_the_life() -> None:
    with pytest.raises(AssertionError) as caught:
        tried("a log of contexts").check(max_examples=6, max_steps=5, shrink=False)
    told = "\n".join([str(caught.value), *caught.value.__notes__]) if hasattr(caught.value, "__notes__") else ""
    if told:  # since Python 3.11
        assert "state.begin(" in told
        assert "place-" not in told


def test_a_catalogue_that_is_the_apps_may_stay() -> None:
    class KeepsItems(Lives):
        keeps_catalogue = True

        def forget(self, app: Shop, item_id: str) -> None:
            app.rec.forget(items=[item_id])

        def ask(self, app: Shop) -> object:
            return app.rec.profile()

    KeepsItems.check(max_examples=4, max_steps=5)
    with pytest.raises(AssertionError, match="the context of event 0"):
        type("Logs", (KeepsItems,), {"fault": "a log of contexts"}).check(max_examples=4, max_steps=5, shrink=False)


def test_what_is_allowed_may_be_done() -> None:
    tried("a question to a network", allow=("socket.getaddrinfo",)).check(max_examples=2, max_steps=3)


def test_a_test_case_runs_the_machine() -> None:
    case = tried("a cache of titles").as_test(max_examples=3, max_steps=3, shrink=False)
    result = case("runTest").run()
    assert len(result.failures) == 1


@pytest.mark.parametrize("method", ["open_app", "add", "record", "ask", "forget"])
def test_a_host_that_says_too_little_is_told_what_to_say(method: str) -> None:
    silent = type("Silent", (Lives,), {method: getattr(PrivacyMachine, method)})
    with pytest.raises(NotImplementedError, match=rf"def {method}\("):
        silent.check(max_examples=2, max_steps=2)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tried("").check(max_examples=2, max_steps=3)
    with pytest.raises(AssertionError):
        tried("a cache of titles").check(max_examples=2, max_steps=3, shrink=False)
    assert list(tmp_path.iterdir()) == []
