"""F1, F5, F6, F7: what is forgotten leaves the files, whatever they are like; and every search finds a planted fault.

The full run, of ten thousand forgotten events, is ``scripts/forensics``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import Event, Item, Recommender, Settings
from recsys.log import erase
from recsys.testing.strategies import START
from tests.keyed import plain_only
from tests.properties.eyes import ROOT, opened, state_bytes
from tests.properties.forensics import FAULTS, PAIRS, SHORT, TREES, caught
from tests.properties.lives import PAGE_SIZES, Conditions, lived
from tests.properties.needles import Word, apart, encodings, needles, samples, words_of_event, words_of_item
from tests.properties.searcher import SHORTEST, Searcher, present
from tests.small_trees import needs_trees

SETTINGS = Settings(synchronous="normal", busy_timeout_ms=20)
SECRET = "a-secret-7f3a9c21"  # noqa: S105 - what is looked for
# Before it: another item, so that there is something to read.
EVENTS = [Event(START * 1_000_000, "0" * 16, "something"), Event(START * 1_000_000 + 1, "1" * 16, SECRET)]


@pytest.fixture(scope="module")
def searcher() -> Iterator[Searcher]:
    with closing(Searcher()) as searcher:
        yield searcher


# -- F1, F7, U7: whole lives ------------------------------------------------------


@pytest.mark.parametrize("conditions", PAIRS[: len(PAGE_SIZES)], ids=lambda c: f"{c.page_size} bytes, {c.journal}")
def test_no_byte_is_left_of_what_is_forgotten(conditions: Conditions, searcher: Searcher, tmp_path: Path) -> None:
    """F1, U7."""
    life = lived(7, conditions, tmp_path / "life", searcher, *SHORT)
    assert life.findings == []
    assert life.counts["events forgotten"] > 50
    assert life.counts["needles"] > 1_000
    assert life.counts["pieces of old checkpoints"] > 20
    for journal, did in (("left by a killed process", "killed"), ("spilled and rolled back", "rolled back")):
        assert life.counts[did] == (3 if conditions.journal == journal else 0)
    assert (life.counts["bytes in journals"] > 1 << 19) == (conditions.journal != "folded in")


@needs_trees
@pytest.mark.parametrize(("pair", "trees"), [*zip(PAIRS[1:4], TREES[1:], strict=True)], ids=lambda one: str(one)[:6])
def test_no_byte_is_left_of_what_trees_knew(pair: Conditions, trees: str, searcher: Searcher, tmp_path: Path) -> None:
    """Nor does a feature's value ever stand in a tree."""
    life = lived(7, pair._replace(trees=trees), tmp_path / "life", searcher, *SHORT)
    assert life.findings == []
    assert life.counts["stages"] > 5
    assert life.counts["numbers of old trees and lessons"] > 30
    assert life.counts["values looked for in trees"] > 1_000


@plain_only
@pytest.mark.parametrize("fault", [pytest.param(f, marks=[needs_trees] if FAULTS[f].trees else []) for f in FAULTS])
def test_a_planted_fault_is_found(fault: str, searcher: Searcher, tmp_path: Path) -> None:
    """F7."""
    life = caught(fault, tmp_path / "life", searcher)
    assert life is not None
    print(f"{fault}: {life.findings[0]}")


# -- what the search is made of -------------------------------------------------------


@given(
    st.binary(max_size=300),
    st.lists(st.binary(min_size=SHORTEST, max_size=SHORTEST + 3), max_size=6),
    st.lists(st.tuples(st.integers(0, 290), st.integers(SHORTEST, 20)), max_size=6),
)
def test_the_search_finds_what_a_slow_one_finds(data: bytes, strange: list[bytes], own: list[tuple[int, int]]) -> None:
    wanted = strange + [piece for at, n in own if len(piece := data[at : at + n]) == n]
    assert present(data, wanted) == [number for number, needle in enumerate(wanted) if needle in data]


@pytest.mark.parametrize(
    "word",
    [SECRET, "naïve 🎷 and quite long", '"quoted";', "0123456789abcdef", START * 1_000_000 + 654_321, 0.123456789],
)
def test_every_encoding_of_a_word_is_found_in_a_file(word: Word, searcher: Searcher, tmp_path: Path) -> None:
    forms = encodings(word)
    assert forms
    for form in sorted(forms):
        (tmp_path / "any-file").write_bytes(b"\0" * 4099 + form + b"\xff" * 7)
        assert form in {needle for needle, _ in searcher.search(tmp_path, forms).found}


@plain_only
def test_a_moment_is_looked_for_as_sqlite_stores_it(searcher: Searcher, tmp_path: Path) -> None:
    at_us = START * 1_000_000 + 654_321
    with opened(tmp_path / "log.db", settings=SETTINGS) as rec:
        rec.record("x", at=at_us / 1e6, value=0.123456789)
    found = {needle for needle, _ in searcher.search(tmp_path, encodings(at_us) | encodings(0.123456789)).found}
    assert at_us.to_bytes(8, "big") in found
    assert len(found) >= 2


def test_what_is_short_common_or_still_told_is_not_looked_for() -> None:
    assert encodings("jazz") == encodings(1.0) == encodings(1 / 3) == set()
    assert needles([SECRET], [SECRET + " and more"]) == set()
    assert SECRET.encode() in needles([SECRET], ["something else"])
    assert apart([b"a" * 9, b"b" * 9], [b"aaaaaaaaaaa"]) == {b"b" * 9}


def test_all_that_an_event_or_an_item_tells_is_a_word() -> None:
    event = Event(5, "uid", "item", "kind", 60, 0.5, {"key": "text", "n": 7}, "slate", (("shown", 0, 0.25),))
    assert [*words_of_event(event)] == [5, "uid", "item", "kind", "key", "n", 0.5, "slate", "text", "7", "shown", 0.25]
    item = Item("id", "title", ("tag",), {"name": "text"})
    assert [*words_of_item(item)] == ["id", "title", "tag", "name", "text"]


def test_a_checkpoint_is_known_by_its_digest_and_by_what_is_unlike_the_rest_of_it(tmp_path: Path) -> None:
    with opened(tmp_path / "log.db", settings=Settings(checkpoint_events=16)) as rec:
        rec.record_many([{"item_id": f"item-{n % 9}", "at": START + n * n} for n in range(99)])
        blob = rec._store.load_checkpoint(rec._store.checkpoints()[0][0])
    pieces = samples(blob)
    assert pieces[0] == blob[:32]
    assert len(pieces) > 4
    assert all(piece in blob for piece in pieces)


# -- F5: whoever reads the file as it was ---------------------------------------------

_RAW = """
import sys
from tests.keyed import database
db = database(sys.argv[1])
db.execute("BEGIN")
print(db.execute("SELECT COUNT(*) FROM events").fetchone()[0], flush=True)
sys.stdin.readline()
"""
_OURS = """
import sys
from tests.keyed import plain_only
from tests.properties.eyes import opened
with opened(sys.argv[1]) as rec:
    reading = rec._store.events()  # as export and evaluate read
    next(reading)
    print(2, flush=True)
    sys.stdin.readline()
    reading.close()
"""


@contextmanager
def reading(path: Path, code: str) -> Iterator[None]:
    """Have another process read the file as it is now, until the end of the block."""
    command = [sys.executable, "-c", code, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "2\n"
        yield
    finally:
        process.communicate("\n", timeout=20)


def finish(how: str, rec: Recommender, searcher: Searcher) -> Recommender:
    """Come to the next moment at which a pending erasure must be finished; the recommender then open."""
    path = Path(rec._store.path)
    if how == "forget":
        assert rec.forget(items=["nothing has this id"]).status == "erased"
    elif how == "maintain":
        assert rec.maintain() is False
    elif how == "open":
        rec.close()
        return opened(path, settings=SETTINGS)
    else:
        searcher.copy(path.parent, path.parent.with_name("as it died"))
        rec.close()
        return opened(path.parent.with_name("as it died") / path.name, settings=SETTINGS)
    return rec


def held_back(folder: Path, searcher: Searcher, how: str, reader: str) -> list[bytes]:
    """Forget while another process reads; let it end; come to the next moment; and look."""
    wanted = needles(words_of_event(EVENTS[1]), words_of_event(EVENTS[0]))
    rec = opened(folder / "log.db", settings=SETTINGS)
    rec.record_many(EVENTS)
    with reading(folder / "log.db", reader):
        receipt = rec.forget(items=[SECRET])
        assert (receipt.status, receipt.reason, receipt.n_events) == ("pending", "reader", 1)
        with opened(":memory:", settings=SETTINGS) as never_known:
            never_known.record_many(EVENTS[:1])
            assert state_bytes(rec) == state_bytes(never_known)
        assert rec.maintain() is False, "a further call could do no more now"
        assert rec.stats().erasure_pending
        assert rec.forget(kinds=["nothing"]).status == "pending"
        if how == "open while it reads":
            rec.close()
            rec = opened(folder / "log.db", settings=SETTINGS)
            how = "maintain"
    rec = finish(how, rec, searcher)
    found = searcher.search(Path(rec._store.path).parent, wanted).found
    rec.close()
    return [needle for needle, _ in found]


_READERS = {"SQLite alone": _RAW, "ours": _OURS}
_MOMENTS = [
    ("SQLite alone", how) for how in ("forget", "maintain", "open", "open while it reads", "open after it died")
]


@pytest.mark.parametrize(("reader", "how"), [*_MOMENTS, ("ours", "forget"), ("ours", "open")])
def test_what_a_reader_holds_back_leaves_at_the_first_moment_after_it(
    how: str, reader: str, searcher: Searcher, tmp_path: Path
) -> None:
    """F5."""
    folder = tmp_path / "log"
    folder.mkdir()
    assert held_back(folder, searcher, how, _READERS[reader]) == []


def test_an_erasure_that_is_not_remembered_is_noticed(
    searcher: Searcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase, "mark", lambda _: None)
    with pytest.raises(AssertionError):
        held_back(tmp_path, searcher, "maintain", _OURS)


# -- F6: nothing is written anywhere else ----------------------------------------------

_WATCHED = """
import json, os, sys
from pathlib import Path
from tests.keyed import plain_only
from tests.properties.eyes import opened
from recsys import Settings
from recsys.log import opening
folder, fault = Path(sys.argv[1]), sys.argv[2]
opening.WRITER_PRAGMAS = {**opening.WRITER_PRAGMAS, "cache_size": 10}  # pages: what does not fit must go somewhere
if fault == "SQLite makes temporary files":
    opening.PRAGMAS = {**opening.PRAGMAS, "temp_store": "FILE"}
made = []
def hook(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in ("os.mkdir", "os.rename", "os.link", "os.symlink"):
        path = os.path.abspath(os.fsdecode(arguments[1 if event in ("os.rename", "os.link", "os.symlink") else 0]))
        if os.path.dirname(path) != str(folder):
            made.append(path)
with opened(folder / "log.db", settings=Settings(checkpoint_events=16)) as rec:
    sys.addaudithook(hook)
    rec.record_many([{"item_id": f"item-{n % 50}", "at": 1_700_000_000 + n, "context": {"x": "y" * 200}}
                     for n in range(400)])
    for n in range(5):
        assert rec.forget(items=[f"item-{n}"]).status == "erased"
    if fault == "we write beside the folder":
        (folder.parent / "copy.db").write_bytes(b"x")
        (folder.parent / "copy.db").unlink()
    assert rec.forget(everything=True).status == "erased"
print(json.dumps(made))
"""


def elsewhere(top: Path, fault: str) -> list[str]:
    """Let another process forget, and give what it wrote outside of its log's folder, were it only for a moment."""
    folders = [top, top / "temporary", top / "working"]
    for folder in (*folders[1:], top / "data"):
        folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= dict.fromkeys(("SQLITE_TMPDIR", "TMPDIR", "TMP", "TEMP"), str(folders[1]))
    before = [folder.stat().st_mtime_ns for folder in folders]
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, str(top / "data"), fault],
        cwd=folders[2], env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    touched = [folder.name for folder, was in zip(folders, before, strict=True) if folder.stat().st_mtime_ns != was]
    return touched + json.loads(done.stdout)


def test_forgetting_makes_no_file_outside_of_the_logs_folder(tmp_path: Path) -> None:
    """F6."""
    assert elsewhere(tmp_path, "") == []
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {"log.db", "log.db-ballast"}


@pytest.mark.parametrize("fault", ["SQLite makes temporary files", "we write beside the folder"])
def test_a_file_that_is_made_elsewhere_is_noticed(fault: str, tmp_path: Path) -> None:
    assert elsewhere(tmp_path, fault) != []
