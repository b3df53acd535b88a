"""N1, N2, F6: what reaches out or writes elsewhere is noticed, even when swallowed; what is none of it passes."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from recsys import InputError, Recommender
from recsys.testing import Tripped, assert_forgotten, no_network, sealed, tripwire

NOWHERE: Final = ("127.0.0.1", 9)


def _in_a_thread(call: Callable[[], object]) -> None:
    def quietly() -> None:
        with suppress(Exception):
            call()

    thread = threading.Thread(target=quietly, name="sync")
    thread.start()
    thread.join()


def _send() -> None:
    """As a local socket does; these tests also run where making one is fatal."""
    sys.audit("socket.__new__", None, socket.AF_UNIX, socket.SOCK_DGRAM, 0)
    sys.audit("socket.sendto", None, "a daemon")


REACHING: Final[dict[str, tuple[Callable[[], Any], str]]] = {
    "a socket": (socket.socket, "socket.__new__"),
    "a connection": (lambda: socket.create_connection(NOWHERE), "socket.getaddrinfo"),
    "a name": (lambda: socket.gethostbyname("localhost"), "socket.gethostbyname"),
    "a request": (lambda: urllib.request.urlopen("http://localhost:9"), "urllib.Request"),
    "a local daemon": (_send, "socket.sendto"),
    "a process": (lambda: subprocess.run([sys.executable, "-c", ""], check=True), "subprocess.Popen"),
    "a shell": (lambda: os.system("true"), "os.system"),  # noqa: S605
    "a pipe to a shell": (lambda: os.popen("true").read(), "subprocess.Popen"),  # noqa: S605
    "a spawned process": (lambda: os.posix_spawn("/bin/true", ["true"], {}), "os.posix_spawn"),
    "a fork": (lambda: os._exit(0) if not os.fork() else None, "os.fork"),
    "a library": (lambda: ctypes.CDLL("libc.so.6"), "ctypes.dlopen"),
    "a function of this process": (lambda: ctypes.CDLL(None).connect, "ctypes.dlsym"),
    "in a thread": (lambda: _in_a_thread(lambda: socket.gethostbyname("localhost")), "socket.gethostbyname"),
}
OF_LINUX: Final = {"a library", "a function of this process", "a spawned process"}


@pytest.mark.parametrize("how", REACHING)
def test_what_reaches_out_is_told_though_the_app_swallows_it(how: str) -> None:
    """N1."""
    if sys.platform != "linux" and how in OF_LINUX:
        pytest.skip("this way of reaching out is Linux's")
    call, event = REACHING[how]
    with pytest.raises(Tripped) as caught, no_network(), suppress(Exception):
        call()
    told = str(caught.value)
    assert f"  {event} at test_tripwire.py:" in told
    assert ("in thread sync" in told) == (how == "in a thread")
    assert "localhost" not in told
    assert "daemon" not in told


def test_what_reaches_out_fails_at_once_where_it_is_tried() -> None:
    with no_network() as watch:
        with pytest.raises(Tripped, match=r"^no_network: socket.gethostbyname at test_tripwire.py:\d+, in test_what"):
            socket.gethostbyname("localhost")
        watch.heard()


def test_what_is_no_network_passes(tmp_path: Path) -> None:
    """The whole of recsys, a pair of local sockets, a look at the files by a process of our own."""
    with no_network(), sealed(tmp_path):
        for _ in range(2):  # as an event loop does, which wakes itself through a pair of local sockets
            sys.audit("socket.__new__", None, socket.AF_UNIX, socket.SOCK_STREAM, 0)
        with Recommender(tmp_path / "me.db") as rec:
            rec.add([{"id": "show-17"}, {"id": "show-18"}])
            rec.record("show-17")
            slate = rec.recommend(2)
            rec.shown(slate)
            rec.explain("show-17")
            rec.profile()
            rec.evaluate()
            rec.export(tmp_path / "all.jsonl")
            rec.maintain()
            (tmp_path / "all.jsonl").unlink()
            rec.remove(["show-17"])
            rec.forget(items=["show-17"])
            assert_forgotten(tmp_path, ["show-17"])


def test_an_event_that_is_allowed_passes_and_others_do_not() -> None:
    with no_network(allow=["socket.gethostbyname"]) as watch:
        sys.audit("socket.gethostbyname", "localhost")
        watch.allow("subprocess.Popen")
        subprocess.run([sys.executable, "-c", ""], check=True)
    with pytest.raises(Tripped), no_network(allow=["socket.gethostbyname"]):
        socket.socket()


def test_nothing_is_watched_before_and_after() -> None:
    with suppress(Tripped), no_network():
        socket.socket()
    assert tripwire._watches == ()
    sys.audit("socket.connect", None, NOWHERE)  # as if it were tried: nobody minds


def test_watches_stand_one_in_another_and_each_tells() -> None:
    with pytest.raises(Tripped), no_network() as outer, no_network() as inner, suppress(Exception):
        socket.socket()
    assert len(outer.attempts) == len(inner.attempts) == 1


def test_an_error_of_the_app_is_not_hidden_by_what_was_tried_before() -> None:
    def app() -> None:
        with suppress(Tripped):
            socket.socket()
        raise KeyError

    with pytest.raises(KeyError), no_network():
        app()


def _through_a_link(inside: Path, outside: Path) -> None:
    (inside / "link").symlink_to(outside / "target")
    (inside / "link").write_text("x")


def _by_descriptor(_: Path, outside: Path) -> None:
    folder = os.open(outside, os.O_RDONLY)
    try:
        os.remove("there", dir_fd=folder)
    finally:
        os.close(folder)


WRITING: Final[dict[str, tuple[Callable[[Path, Path], Any], str]]] = {
    "a file": (lambda _, outside: (outside / "new").write_text("x"), "open"),
    "an appended file": (lambda _, outside: (outside / "there").open("a"), "open"),
    "a file for reading and writing": (lambda _, outside: os.open(outside / "there", os.O_RDWR), "open"),
    "a bare descriptor": (lambda _, outside: os.open(outside / "new", os.O_CREAT | os.O_WRONLY), "open"),
    "a file moved out": (lambda inside, outside: (inside / "mine").rename(outside / "new"), "os.rename"),
    "a file moved in": (lambda inside, outside: (outside / "there").replace(inside / "new"), "os.rename"),
    "a file removed": (lambda _, outside: (outside / "there").unlink(), "os.remove"),
    "a file removed by descriptor": (_by_descriptor, "os.remove"),
    "a folder": (lambda _, outside: (outside / "new").mkdir(), "os.mkdir"),
    "a tree removed": (lambda _, outside: shutil.rmtree(outside), "shutil.rmtree"),
    "a copy": (lambda inside, outside: shutil.copy(inside / "mine", outside / "new"), "shutil.copyfile"),
    "a link": (lambda inside, outside: (outside / "new").symlink_to(inside / "mine"), "os.symlink"),
    "a hard link": (lambda inside, outside: os.link(inside / "mine", outside / "new"), "os.link"),
    "through a link": (_through_a_link, "open"),
    "a cut": (lambda _, outside: os.truncate(outside / "there", 0), "os.truncate"),
    "a mode": (lambda _, outside: (outside / "there").chmod(0o600), "os.chmod"),
    "a time": (lambda _, outside: os.utime(outside / "there"), "os.utime"),
    "a database": (lambda _, outside: sqlite3.connect(outside / "new.db"), "sqlite3.connect"),
    "a database by its address": (
        lambda _, outside: sqlite3.connect(f"file:{outside}/new%20one.db?mode=rwc", uri=True),
        "sqlite3.connect",
    ),
    "a database that SQLite puts where it likes": (lambda _, __: sqlite3.connect(""), "sqlite3.connect"),
    "a temporary file": (lambda _, __: tempfile.mkstemp(), "tempfile.mkstemp"),
    "a temporary folder": (lambda _, __: tempfile.mkdtemp(), "tempfile.mkdtemp"),
    "a path that climbs out": (lambda inside, _: (inside / ".." / "outside" / "new").write_text("x"), "open"),
}


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    for name, file in ("inside", "mine"), ("outside", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("x")
    return tmp_path / "inside"


def listing(folder: Path) -> list[tuple[str, str]]:
    return sorted((path.name, path.read_text()) for path in folder.iterdir())


@pytest.mark.parametrize("how", WRITING)
def test_what_is_written_elsewhere_is_told_and_did_not_happen(how: str, inside: Path) -> None:
    """N2, F6."""
    call, event = WRITING[how]
    outside = inside.parent / "outside"
    before = listing(outside)
    with pytest.raises(Tripped) as caught, sealed(inside), suppress(Exception):
        call(inside, outside)
    assert f"  {event} at test_tripwire.py:" in str(caught.value)
    assert "there" not in str(caught.value)
    assert listing(outside) == before


def test_what_is_written_inside_or_only_read_passes(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = inside.parent / "outside"
    sqlite3.connect(outside / "other.db").close()
    monkeypatch.chdir(inside)
    with sealed(inside):
        Path("new").write_text("x")
        Path("new").rename("newer")
        (inside / "sub").mkdir()
        (inside / "sub" / "link").symlink_to(outside / "there")
        (inside / "sub" / "link").unlink()
        shutil.copytree(inside / "sub", inside / "copy")
        shutil.rmtree(inside / "copy")
        sqlite3.connect("me.db").close()
        sqlite3.connect(":memory:").close()
        sqlite3.connect(f"file:{outside}/other.db?mode=ro", uri=True).close()
        (outside / "there").read_text()
        list(outside.iterdir())
        Path(os.devnull).write_text("x")
        os.fdopen(os.dup(1), "w").close()


def test_a_folder_with_a_name_that_begins_alike_is_outside(inside: Path) -> None:
    (inside.parent / "inside-out").mkdir()
    with pytest.raises(Tripped), sealed(inside):
        (inside.parent / "inside-out" / "new").write_text("x")


def test_without_a_folder_nothing_may_be_written(tmp_path: Path) -> None:
    with pytest.raises(Tripped), sealed():
        (tmp_path / "new").write_text("x")


def test_what_importing_a_module_writes_is_not_the_apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_module_of_the_app.py").write_text(
        "from pathlib import Path\nPath(__file__ + '.log').write_text('x')\n"
    )
    (tmp_path / "a_sound_module.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "sealed").mkdir()
    with sealed(tmp_path / "sealed"):
        import a_sound_module  # type: ignore[import-not-found]  # noqa: F401
    assert list(tmp_path.glob("__pycache__/a_sound_module*"))
    with pytest.raises(Tripped, match=r"a_module_of_the_app\.py:2"), sealed(tmp_path / "sealed"):
        import a_module_of_the_app  # type: ignore[import-not-found]  # noqa: F401


def test_what_a_hook_cannot_see_is_what_the_documentation_says(inside: Path) -> None:
    """Honest about the limits: these pass, and a guide that says otherwise would be wrong."""
    outside = inside.parent / "outside"
    with sealed(inside):
        db = sqlite3.connect(inside / "me.db")
        db.execute("ATTACH ? AS other", (str(outside / "attached.db"),))
        db.execute("CREATE TABLE other.t (x)")
        db.close()
    assert (outside / "attached.db").exists()
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    for limit in ("ATTACH", "C extension", "multiprocessing", "seccomp", "tripwire"):
        assert limit in page


@pytest.mark.parametrize("allow", ["socket.connect", 5, ["socket.conect"], ["open", 3], [None]], ids=repr)
def test_what_is_no_list_of_audit_events_is_not_allowed(allow: Any) -> None:
    for watched in (no_network, sealed):
        with pytest.raises(InputError) as caught, watched(allow=allow):
            pass
        assert caught.value.field == "allow"
    with no_network() as watch, pytest.raises(InputError):
        watch.allow("socket.connect", "nonsense")


@pytest.mark.parametrize("folder", [5, None, b"bytes", "", "a\0b", "not there"], ids=repr)
def test_what_does_not_exist_cannot_be_sealed(folder: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError), sealed(tmp_path / folder if folder == "not there" else folder):
        pass
