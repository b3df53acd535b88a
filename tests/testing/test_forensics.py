"""F1: what is left of a secret is found wherever it stands, and its place is told without it."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import random
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from recsys import InputError, Recommender, Settings
from recsys.testing import Forensic, Trace, assert_forgotten, assert_private, find_traces, forensics, scan

TITLE: Final = "Coping with Insomnia, naïvely"


def zipped(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("inner", content)
    return buffer.getvalue()


NOISE: Final = random.Random(0).randbytes(5_000)
PLANTED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "alone": bytes,
    "in noise": lambda raw: NOISE + raw + NOISE,
    "across the border of a chunk": lambda raw: b"x" * (scan.CHUNK - 3) + raw + b"x" * 9,
    "at the end of the second chunk": lambda raw: b"x" * (2 * scan.CHUNK - len(raw)) + raw,
    "in gzip": lambda raw: NOISE + gzip.compress(b"y" * 99 + raw) + NOISE,
    "in zlib": lambda raw: NOISE + zlib.compress(b"y" * 99 + raw, 9),
    "in a zlib stream that is cut off": lambda raw: zlib.compress(raw + NOISE)[:-2_000],
    "far into a zlib stream": lambda raw: zlib.compress(b"y" * (scan.CHUNK * 2 - 5) + raw),
    "in a zlib stream across the border of a chunk": lambda raw: b"x" * (scan.CHUNK - 1) + zlib.compress(raw),
    "in bzip2": lambda raw: NOISE + bz2.compress(raw),
    "in xz": lzma.compress,
    "in a zip": zipped,
    "stored in a zip": lambda raw: zipped(raw, zipfile.ZIP_STORED),
    "in bzip2 in a zip": lambda raw: zipped(raw, zipfile.ZIP_BZIP2),
    "in gzip in a zip in xz": lambda raw: lzma.compress(zipped(gzip.compress(raw))),
    "in utf-16": lambda raw: raw.decode().encode("utf-16"),
    "in utf-32": lambda raw: raw.decode().encode("utf-32"),
    "in latin-1": lambda raw: raw.decode().encode("latin-1"),
    "in base64": lambda raw: base64.b64encode(b"#" + raw + b"#"),
    "in JSON": lambda raw: json.dumps({"title": raw.decode()}).encode(),
    "in hexadecimal": lambda raw: raw.hex().upper().encode(),
}


@pytest.mark.parametrize("where", PLANTED)
def test_a_planted_secret_is_found_and_not_told(where: str, tmp_path: Path) -> None:
    (tmp_path / "cache.bin").write_bytes(PLANTED[where](TITLE.encode()))
    with pytest.raises(AssertionError) as caught:
        assert_forgotten(tmp_path, {"title": TITLE})
    assert "cache.bin" in str(caught.value)
    for word in (*TITLE.replace(",", "").split(), TITLE.encode().hex()):
        assert word not in str(caught.value).replace("cache.bin", "")


@pytest.mark.parametrize("where", PLANTED)
def test_what_was_never_there_is_not_found(where: str, tmp_path: Path) -> None:
    (tmp_path / "cache.bin").write_bytes(PLANTED[where](TITLE.encode()))
    assert_forgotten(tmp_path, ["another title of that length"])


def test_every_occurrence_is_counted_once_whatever_the_chunks_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log").write_bytes(b"".join(b"Insomnia" + b"." * n for n in range(60)))
    pattern = [scan.Pattern(0, "utf-8", b"Insomnia"), scan.Pattern(1, "utf-8", b"nia.")]
    for size in (1, 2, 7, 8, 9, 64, 4_096):
        monkeypatch.setattr(scan, "CHUNK", size)
        found = scan.scan([str(tmp_path)], pattern).found
        assert [(one.needle, one.offset, one.n) for one in found] == [(0, 0, 60), (1, 13, 59)]


def test_a_trace_says_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"12345678" + gzip.compress(b"--" + b"Insomnia" * 3))
    (found,) = find_traces(tmp_path, ["Insomnia"])
    assert found == Trace(str(tmp_path / "sub" / "b"), "gzip at byte 8", "needle 0", "utf-8", 2, 3)
    assert repr(found) == "Trace(<redacted>, encoding='utf-8', offset=2, n=3)"


def test_names_of_files_and_targets_of_links_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / f"{TITLE}.jpg").touch()
    (tmp_path / "latest").symlink_to(f"{TITLE}.jpg")
    found = find_traces(tmp_path, {"title": TITLE})
    assert {trace.within for trace in found} == {"its name"}
    assert {Path(trace.path).name for trace in found} == {f"{TITLE}.jpg", "latest"}
    with pytest.raises(AssertionError) as caught:
        assert_forgotten(tmp_path, {"title": TITLE})
    assert "Insomnia" not in str(caught.value)


def test_a_label_that_is_the_secret_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text(TITLE, encoding="utf-8")
    with pytest.raises(AssertionError) as caught:
        assert_forgotten(tmp_path, {TITLE: TITLE})
    assert "Insomnia" not in str(caught.value)


def test_a_database_is_looked_at_with_what_stands_beside_it(tmp_path: Path) -> None:
    """F7: the control of F1, with SQLite as it comes."""
    path = tmp_path / "plain.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA secure_delete = OFF")
    db.execute("CREATE TABLE t (title TEXT, at_us INTEGER)")
    db.execute("INSERT INTO t VALUES (?, ?)", (TITLE, 1_700_000_000_123_457))
    db.execute("DELETE FROM t")
    needles = {"title": TITLE, "time": 1_700_000_000_123_457}
    assert {(trace.path, trace.needle) for trace in find_traces(path, needles)} == {
        (f"{path}-wal", "title"),
        (f"{path}-wal", "time"),
    }
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert {trace.path for trace in find_traces(path, needles)} == {str(path)}
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert find_traces(path, needles) == []
    db.close()


def test_recsys_leaves_nothing_where_it_says_erased(tmp_path: Path) -> None:
    """F1, on the open file: id, title, context, value, time and the event's own id."""
    with Recommender(tmp_path / "me.db", settings=Settings(synchronous="normal")) as rec:
        rec.add([{"id": "show-17", "title": TITLE}, {"id": "show-18"}])
        uid = rec.record("show-17", "play", value=61.7, at=1_700_000_000.25, context={"place": "the night shift"})
        rec.record("show-18", at=1_700_000_600)
        look = Forensic().watch(tmp_path)
        look.needles("show-17", TITLE, "the night shift", 61.7, 1_700_000_000_250_000, uid)
        look.assert_held()
        rec.remove(["show-17"])
        assert rec.forget(items=["show-17"]).status == "erased"
        look.assert_gone()
        assert rec.recommend(5, at=1_700_000_700).item_ids == ["show-18"]


def test_looking_leaves_the_locks_of_an_open_database_as_they_are(tmp_path: Path) -> None:
    """Opening and closing a file anywhere in this process would drop them, for POSIX locks are the process's."""
    path = tmp_path / "me.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("CREATE TABLE t (x)")
    db.execute("BEGIN EXCLUSIVE")

    def others_can_write() -> bool:
        code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('INSERT INTO t VALUES (1)')"
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False, timeout=60)
        return done.returncode == 0

    find_traces(path, ["Insomnia"])
    assert not others_can_write()
    path.read_bytes()  # the planted fault
    assert others_can_write()
    db.close()


def test_what_cannot_be_looked_at_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bomb").write_bytes(zlib.compress(b"y" * 100_000))
    report = scan.scan([str(tmp_path)], [scan.Pattern(0, "utf-8", b"Insomnia")], max_inflated=10_000)
    assert report.unread == [(str(tmp_path / "bomb"), "what is packed in it is more than 10000 bytes")]
    monkeypatch.setattr(forensics, "_ask", lambda _: json.loads(json.dumps(report)))
    with pytest.raises(AssertionError, match="bomb: could not be looked at"):
        assert_forgotten(tmp_path, ["Insomnia"])
    with pytest.raises(OSError, match="1 files could not be looked at"):
        find_traces(tmp_path, ["Insomnia"])


def test_a_file_packed_too_often_is_no_pass(tmp_path: Path) -> None:
    packed = b"Insomnia" * 100
    for _ in range(scan.MAX_DEPTH + 1):
        packed = gzip.compress(packed)
    (tmp_path / "nest").write_bytes(packed)
    with pytest.raises(AssertionError, match="packed more than"):
        assert_forgotten(tmp_path, ["another thing"])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "hidden").write_bytes(b"x")
    (tmp_path / "hidden").chmod(0)
    with pytest.raises(AssertionError, match="cannot be read"):
        assert_forgotten(tmp_path, ["Insomnia"])


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert_forgotten(tmp_path, ["Insomnia"])


@pytest.mark.parametrize("paths", [[], ["missing"], "missing"])
def test_a_path_that_is_not_there_is_refused(paths: list[str] | str) -> None:
    with pytest.raises(InputError):
        assert_forgotten(paths, ["Insomnia"])


def test_when_the_process_that_looks_is_gone_nothing_is_said_and_another_one_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("Insomnia")
    (tmp_path / "ends.py").write_text("input()")
    monkeypatch.setattr(forensics, "_witness", forensics._Witness())
    monkeypatch.setattr(scan, "__file__", str(tmp_path / "ends.py"))
    with pytest.raises(RuntimeError, match="nothing can be said"):
        find_traces(tmp_path, ["Insomnia"])
    (tmp_path / "ends.py").write_text('input(); print(\'{"error": "MemoryError"}\')')
    with pytest.raises(RuntimeError, match="MemoryError"):
        find_traces(tmp_path, ["Insomnia"])
    monkeypatch.undo()
    assert len(find_traces(tmp_path, ["Insomnia"])) == 1


def test_a_needle_that_was_never_in_the_files_shows_nothing_by_being_gone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("Insomnia")
    look = Forensic().watch(tmp_path).needles(title="Insomnia", shop="a shop nobody knows")
    with pytest.raises(AssertionError, match=r"not in any file.*: shop$"):
        look.assert_held()


def test_files_that_others_can_read_are_named_with_their_modes(tmp_path: Path) -> None:
    """L2."""
    for mode in (0o600, 0o400, 0o640, 0o604, 0o620):
        (tmp_path / f"{mode:o}").touch()
        (tmp_path / f"{mode:o}").chmod(mode)
    with pytest.raises(AssertionError) as caught:
        assert_private(tmp_path)
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == ["604", "620", "640"]


def test_the_files_of_a_recommender_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Recommender(tmp_path / "me.db") as rec:
            rec.record("show-17")
            rec.export(tmp_path / "all.jsonl")
            assert_private(tmp_path)
    finally:
        os.umask(before)


def test_the_process_that_looks_loads_the_standard_library_only() -> None:
    code = (
        f"import sys, runpy; runpy.run_path({scan.__file__!r}); print(sorted({{'numpy', 'recsys'}} & {{*sys.modules}}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", [5, None, b"bytes", "", "not there"], ids=repr)
def test_what_does_not_exist_is_not_found_private_or_forgotten(path: object, tmp_path: Path) -> None:
    given = tmp_path / "not there" if path == "not there" else path
    for look in (
        lambda: assert_private(given),
        lambda: assert_forgotten(given, [TITLE]),
        lambda: assert_forgotten([tmp_path, given], [TITLE]),
        lambda: find_traces(given, [TITLE]),
        lambda: Forensic().watch(given).needles(TITLE).assert_gone(),
    ):
        with pytest.raises(InputError):
            look()


def test_one_file_is_looked_at_too(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.touch(mode=0o600)
    assert_private(file)
    file.chmod(0o640)
    with pytest.raises(AssertionError, match="mine: mode 0640, should be 0600"):
        assert_private(file)


def test_paths_and_needles_may_be_iterators(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text(TITLE)
    with pytest.raises(AssertionError, match="  mine: needle 0, as utf-8,"):
        assert_forgotten(iter([tmp_path]), iter([TITLE]))
