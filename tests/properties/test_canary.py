"""Nothing that a person did or owns is in an error, a log line, a warning, the output or a repr."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recsys
from recsys import Event, InputError, Item, Recommender, RecsysError, Settings, inputs
from recsys.evaluate import logged_slates
from recsys.testing import strategies as some
from tests.log.examples import tamper
from tests.properties.eyes import moment

CANARY: Final = "canary" + "7f3a9c"
AT: Final = moment(some.START)


class Where(NamedTuple):
    """A recommender full of canaries, a text with one in it, and a folder to be filled; and a number for a name."""

    rec: Recommender
    text: str
    folder: Path
    n: int


Call = Callable[[Where], object]
_numbers = itertools.count()


def _raw(folder: Path, content: bytes) -> Path:
    path = folder / "in.jsonl"
    path.write_bytes(content)
    return path


def _lines(folder: Path, text: str) -> Path:
    return _raw(folder, ('{"recsys":1}\n' + text + "\n").encode("utf-8", "replace"))


def _ask_a_damaged_log(w: Where) -> object:
    """Ask a recommender whose file was damaged after it was opened."""
    path = w.folder / f"{w.n}.db"
    with Recommender(path, settings=Settings(synchronous="normal")) as damaged:
        damaged.record(CANARY, context={CANARY: CANARY}, at=AT)
        tamper(path, f"UPDATE events SET context = '{CANARY}'")
        return damaged.explain(CANARY)


# Calls that go wrong because of a text with the canary in it, or with one beside what is wrong.
WRONG: Final[dict[str, Call]] = {
    "open a missing folder": lambda w: Recommender(w.folder / CANARY / "me.db"),
    "open an odd path": lambda w: Recommender(f"{w.folder}/{CANARY}\0{w.text}"),
    "open with a prior": lambda w: Recommender(":memory:", prior=w.folder / CANARY),
    "add the same twice": lambda w: w.rec.add([{"id": CANARY}, {"id": CANARY}]),
    "add an id": lambda w: w.rec.add([{"id": w.text * 600}]),
    "add a title": lambda w: w.rec.add([{"id": "a", "title": w.text * 5_000}]),
    "add a title that is none": lambda w: w.rec.add([{"id": "a", "title": [w.text]}]),
    "add tags": lambda w: w.rec.add([{"id": "a", "tags": [w.text, w.text]}]),
    "add a tag for tags": lambda w: w.rec.add([{"id": "a", "tags": w.text}]),
    "add an attribute": lambda w: w.rec.add([{"id": "a", w.text[:64]: {w.text: w.text}}]),
    "add a long key": lambda w: w.rec.add([{"id": "a", w.text * 65: 1}]),
    "remove one for many": lambda w: w.rec.remove(w.text),
    "remove twice": lambda w: w.rec.remove([CANARY, CANARY]),
    "record": lambda w: w.rec.record(w.text + "\0"),
    "record a lone surrogate": lambda w: w.rec.record(w.text + "\ud800"),
    "record a reserved kind": lambda w: w.rec.record(CANARY, "shown", context={CANARY: CANARY}),
    "record a long kind": lambda w: w.rec.record("a", w.text * 65),
    "record a value": lambda w: w.rec.record(CANARY, value=w.text),
    "record at": lambda w: w.rec.record(CANARY, at=w.text),
    "record a context key": lambda w: w.rec.record("a", context={w.text * 65: 1}),
    "record a context value": lambda w: w.rec.record("a", context={CANARY: w.text * 300}),
    "record an odd value": lambda w: w.rec.record("a", context={CANARY: (w.text,)}),
    "record no context": lambda w: w.rec.record("a", context=w.text),
    "record a slate": lambda w: w.rec.record(CANARY, slate=w.text * 65),
    "record unknown keys": lambda w: w.rec.record_many([{"item_id": CANARY, w.text: 1}]),
    "record a taken key": lambda w: w.rec.record_many([Event(0, "u", CANARY), Event(0, "u", CANARY + w.text)]),
    "show twice": lambda w: [w.rec.shown(slate, at=AT) for slate in [w.rec.rank([CANARY], at=AT)] * 2],
    "show odd places": lambda w: w.rec.record_many([Event(0, "u", "", "shown", slate="s", shown=((w.text, -1, 1.0),))]),
    "steer": lambda w: w.rec.steer(w.text * 513, 0.5),
    "steer by a text": lambda w: w.rec.steer(CANARY, w.text),
    "rank twice": lambda w: w.rec.rank([CANARY, CANARY]),
    "rank one for many": lambda w: w.rec.rank(w.text),
    "recommend": lambda w: w.rec.recommend(w.text),
    "recommend where": lambda w: w.rec.recommend(where=w.text),
    "explain": lambda w: w.rec.explain(w.text + "\0"),
    "forget": lambda w: w.rec.forget(items=[w.text + "\0"], kinds=[CANARY]),
    "forget a text": lambda w: w.rec.forget(events=w.text),
    "export to a missing folder": lambda w: w.rec.export(w.folder / CANARY / "out.jsonl"),
    "export over a file": lambda w: [w.rec.export(w.folder / CANARY) for _ in range(2)],
    "export to an odd path": lambda w: w.rec.export(f"{w.folder}/{CANARY}\ud800{w.text}"),
    "import a missing file": lambda w: w.rec.import_(w.folder / (CANARY + "-missing")),
    "import an odd path": lambda w: w.rec.import_(f"{w.folder}/{CANARY}\0{w.text}"),
    "import nonsense": lambda w: w.rec.import_(_lines(w.folder, w.text)),
    "import a list": lambda w: w.rec.import_(_lines(w.folder, f'["{CANARY}"]')),
    "import an odd record": lambda w: w.rec.import_(_lines(w.folder, f'{{"{CANARY}": {{"{CANARY}": 1}}}}')),
    "import odd fields": lambda w: w.rec.import_(_lines(w.folder, f'{{"event": {{"{CANARY}": 1}}}}')),
    "import an odd event": lambda w: w.rec.import_(
        _lines(w.folder, f'{{"event": {{"at_us": -1, "uid": "{CANARY}", "item_id": "{CANARY}", "kind": "{CANARY}"}}}}')
    ),
    "import an odd item": lambda w: w.rec.import_(_lines(w.folder, f'{{"item": {{"id": "{CANARY}", "tags": 1}}}}')),
    "import text that is none": lambda w: w.rec.import_(_raw(w.folder, CANARY.encode() + b"\xff")),
    "write while paused": lambda w: [w.rec.pause(), w.rec.record(CANARY, context={CANARY: w.text[:9]})],
    "ask what is closed": lambda w: [w.rec.close(), w.rec.explain(CANARY)],
    "read a damaged log": _ask_a_damaged_log,
}
texts = st.builds(lambda before, after: before + CANARY + after, st.text(max_size=3), st.sampled_from(some.HOSTILE))


class Heard:
    """What was logged, warned of and printed, and the error, in every spelling."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.error: Exception | None = None

    def take(self, error: Exception) -> None:
        self.error = error
        self.texts += [str(error), repr(error), *map(str, error.args), *traceback.format_exception(error)]
        self.texts += [str(value) for value in vars(error).values()]

    @property
    def told(self) -> list[str]:
        """What of it tells the canary."""
        return [text for text in self.texts if CANARY in text]


@contextlib.contextmanager
def overheard() -> Iterator[Heard]:
    """Listen to the block, and to the error that ends it."""
    heard = Heard()
    logged, printed = logging.StreamHandler(io.StringIO()), io.StringIO()
    root = logging.getLogger()
    level = root.level
    root.addHandler(logged)
    root.setLevel(0)
    with (
        warnings.catch_warnings(record=True) as warned,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        warnings.simplefilter("always")
        try:
            yield heard
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not tell
            heard.take(error)
        finally:
            root.removeHandler(logged)
            root.setLevel(level)
            heard.texts += [printed.getvalue(), logged.stream.getvalue(), *(str(found.message) for found in warned)]


def provoke(call: Call, text: str, folder: Path) -> list[str]:
    """What tells the canary when the call goes wrong, with an error of ours, on a recommender full of canaries."""
    with overheard() as heard, Recommender(":memory:") as rec:
        rec.add([{"id": CANARY, "title": CANARY, "tags": [CANARY], CANARY: CANARY}])
        rec.record(CANARY, context={CANARY: CANARY}, at=AT)
        call(Where(rec, text, folder, next(_numbers)))
    assert isinstance(heard.error, RecsysError), f"not an error of ours: {type(heard.error).__name__}"
    return heard.told


@pytest.mark.parametrize("name", WRONG)
@settings(max_examples=3)
@given(text=texts)
def test_no_error_log_line_warning_or_output_tells_what_was_given(
    name: str, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """L1."""
    assert provoke(WRONG[name], text, tmp_path_factory.mktemp("canary")) == []


def _message(value: str) -> object:
    raise InputError(f"bad text: {value}", field="id")


def _field(value: str) -> object:
    raise InputError("bad text", field=value)


def _chained(value: str) -> object:
    try:
        raise KeyError(value)
    except KeyError:
        raise InputError("bad text", field="id")  # noqa: B904 - the planted fault


PLANTED: Final[dict[str, Callable[[str], object]]] = {
    "a message": _message,
    "a field": _field,
    "a chained error": _chained,
    "a log line": lambda value: logging.getLogger("recsys").debug("%s", value) or _field("id"),
    "a warning": lambda value: warnings.warn(value, stacklevel=1) or _field("id"),
    "the output": lambda value: print(value) or _field("id"),
    "the error output": lambda value: print(value, file=sys.stderr) or _field("id"),
}


@pytest.mark.parametrize("leak", PLANTED)
def test_a_planted_leak_is_heard(leak: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaking(w: Where) -> None:
        monkeypatch.setattr(inputs, "text", lambda value, *_, **__: PLANTED[leak](value))
        try:
            w.rec.record(w.text)
        finally:
            monkeypatch.undo()

    assert provoke(leaking, "x" + CANARY, tmp_path) != []


def everything_public(path: Path) -> Iterator[object]:
    """An object of every class that the public face gives out, full of canaries."""
    settings_ = Settings(synchronous="normal", checkpoint_events=16)
    with Recommender(path, settings=settings_) as rec:
        yield rec
        item = Item(CANARY, CANARY, (CANARY,), {CANARY: CANARY})
        event = Event(0, CANARY, CANARY, CANARY, 0, 1.0, {CANARY: CANARY}, CANARY)
        yield from (item, event, rec._prior, settings_)
        rec.add([item, Item("b" + CANARY)])
        rec.record_many([{"item_id": CANARY, "at": some.START + n, "context": {CANARY: CANARY}} for n in range(20)])
        rec.steer(CANARY, 1.0, at=moment(some.START + 30))
        slate = rec.recommend(2, at=moment(some.START + 40), context={CANARY: CANARY})
        rec.shown(slate, at=moment(some.START + 41))
        yield from (slate, slate.items, *slate, *(reason for r in slate for reason in r.reasons))
        why, profile = rec.explain(CANARY, context={CANARY: CANARY}), rec.profile()
        yield from (why, why.terms, why.reasons, why.events, *why.terms, *why.events, profile, *profile.habits)
        evaluation = rec.evaluate()
        yield from (evaluation, *(m for by_name in evaluation.metrics.values() for m in by_name.values()))
        drawn = rec.recommend(2, at=moment(some.START + 50), explore=1.0)
        rec.shown(drawn, at=moment(some.START + 51))
        rec.record(drawn[0].item_id, slate=drawn, at=moment(some.START + 52))
        other = rec.what_if()
        yield from (other, other.shown, *logged_slates(rec._store.events()))
        yield from (rec.check(), rec.stats(), rec._store, rec._live, rec._catalogue, rec._gate)
        yield rec.forget(items=[CANARY])
    yield rec


def shapes_of_public_classes() -> set[str]:
    """The public classes that are given out: all but errors."""
    named = [getattr(recsys, name) for name in recsys.__all__ if name[0].isupper()]
    return {one.__name__ for one in named if isinstance(one, type) and not issubclass(one, Exception)}


def test_no_repr_of_a_public_object_tells_what_it_holds(tmp_path: Path) -> None:
    """L1."""
    seen = set()
    for one in everything_public(tmp_path / "me.db"):
        assert CANARY not in repr(one), type(one).__name__
        seen |= {type(part).__name__ for part in (one if isinstance(one, (list, tuple)) else [one])}
    assert shapes_of_public_classes() <= seen


def test_a_repr_that_tells_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Item, "__repr__", lambda self: f"Item({self.id})")
    assert any(CANARY in repr(one) for one in everything_public(tmp_path / "me.db"))


def test_what_goes_well_is_silent_too(tmp_path: Path) -> None:
    with overheard() as heard:
        for _ in everything_public(tmp_path / "me.db"):
            pass
        tamper(tmp_path / "me.db", f"INSERT INTO checkpoints VALUES (0, '{CANARY}', 1, '{CANARY}', x'00')")
        tamper(tmp_path / "me.db", "UPDATE checkpoints SET n_events = 'x'")
        with Recommender(tmp_path / "me.db"):
            pass
    assert any(re.search("damaged checkpoint", text) for text in heard.texts)
    assert heard.error is None
    assert heard.told == []
