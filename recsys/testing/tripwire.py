"""Tripwires: what an app may not do while a test runs, noticed by an audit hook of Python.

``no_network`` notices what could reach a network, ``sealed`` what writes outside some folders. What was
tried fails at once, and again at the end of the block when the app swallowed the error.

A tripwire is not a sandbox: it sees what passes through Python. It does not see C extensions that call the system
themselves, processes that multiprocessing spawns (it calls C directly), what SQLite opens by itself, sockets that were
connected before, or code that sets out to blind it.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from recsys.errors import InputError
from recsys.inputs import path_of

__all__ = ["Attempt", "Tripped", "Watch", "no_network", "sealed", "unwatched"]

Judge = Callable[[str, "tuple[object, ...]"], bool]  # an audit event and its arguments; True: it may not be

_PROCESSES: Final = frozenset(
    {
        "_posixsubprocess.fork_exec",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
        "os.startfile/2",
        "os.system",
        "pty.spawn",
        "subprocess.Popen",
    }
)
_NETWORK: Final = frozenset(
    {
        "ftplib.connect",
        "ftplib.sendcmd",
        "http.client.connect",
        "http.client.send",
        "imaplib.open",
        "imaplib.send",
        "nntplib.connect",
        "poplib.connect",
        "smtplib.connect",
        "smtplib.send",
        "socket.__new__",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.getnameinfo",
        "socket.sendmsg",
        "socket.sendto",
        "telnetlib.Telnet.open",
        "urllib.Request",
        "webbrowser.open",
    }
)
# Foreign code that could do any of it unseen.
_NATIVE: Final = frozenset({"ctypes.dlopen", "ctypes.dlsym", "ctypes.dlsym/handle", "sqlite3.load_extension"})

# Which arguments of an event are paths that change, and which file descriptor each is relative to, if given.
_WRITES: Final[dict[str, tuple[tuple[int, int | None], ...]]] = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((1, 3),),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.removexattr": ((0, None),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.setxattr": ((0, None),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
    "shutil.copyfile": ((1, None),),
    "shutil.copymode": ((1, None),),
    "shutil.copystat": ((1, None),),
    "shutil.copytree": ((1, None),),
    "shutil.make_archive": ((0, None),),
    "shutil.move": ((0, None), (1, None)),
    "shutil.rmtree": ((0, 1),),
    "shutil.unpack_archive": ((1, None),),
    "tempfile.mkdtemp": ((0, None),),
    "tempfile.mkstemp": ((0, None),),
}
_THROUGH_LINKS: Final = frozenset({"os.chmod", "os.truncate", "os.utime"})  # they change what a link leads to
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_INSTALLED: Final = re.compile(r"[/\\](site|dist)-packages[/\\]")
_DEVICES: Final = ("/dev/null", "/dev/tty", "/dev/pts", "/dev/random", "/dev/urandom")
# What they do of their own accord is not the app's doing.
_MACHINERY: Final = frozenset(
    {"_hypothesis_pytestplugin", "_pytest", "coverage", "hypothesis", "pluggy", "pytest", "recsys_pytest", "xdist"}
)


class Tripped(AssertionError):  # noqa: N818 - it is an assertion that failed
    """Something was tried that a tripwire watches for.

    Stability: provisional
    """


class Attempt(NamedTuple):
    """What was tried, as Python's audit event, and where: the file and line of the app that led to it.

    Stability: provisional
    """

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what} {self.where}"


class Watch:
    """What one tripwire has seen so far.

    Stability: provisional
    """

    def __init__(self, name: str, judge: Judge) -> None:
        self.name = name
        self.attempts: list[Attempt] = []
        self._judge = judge
        self._allowed: set[str] = set()
        self._told = 0

    def allow(self, *events: str) -> Watch:
        """Let these audit events happen from now on, such as ``"subprocess.Popen"``; returns itself.

        Raises
        ------
        InputError
            When one is no audit event that a tripwire watches for.
        """
        if not all(isinstance(event, str) and event in _EVENTS for event in events):
            raise InputError("allow: one is no audit event that is watched for, as subprocess.Popen is", field="allow")
        self._allowed.update(events)
        if "subprocess.Popen" in events:  # what it is made of
            self._allowed.update(("_posixsubprocess.fork_exec", "os.posix_spawn"))
        return self

    def verify(self) -> None:
        """Require that nothing was tried since this was last asked.

        Raises
        ------
        Tripped
            It lists what was tried and where, without any address or path.
        """
        __tracebackhide__ = True
        new, self._told = self.attempts[self._told :], len(self.attempts)
        if new:
            lines = [f"  {attempt}" for attempt in dict.fromkeys(new)]
            raise Tripped(f"{self.name}: {len(new)} tried, and the errors were swallowed:\n" + "\n".join(lines))

    def objects(self, event: str, arguments: tuple[object, ...]) -> bool:
        """Whether this may not be."""
        return event not in self._allowed and self._judge(event, arguments)

    def heard(self) -> None:
        """Take what was tried so far as told: the error reached the test by itself."""
        self._told = len(self.attempts)


@contextmanager
def no_network(*, allow: Iterable[str] = ()) -> Iterator[Watch]:
    """Fail what could reach a network while the block runs: the invariant N1, as far as Python sees it.

    Watched: names looked up, sockets of any kind but pairs of local ones, requests of the standard library, processes
    started, and foreign code loaded by ctypes or SQLite. A tripwire, not a sandbox: C extensions pass unseen, and so
    does a socket connected before. For a proof, run the tests under seccomp.

    Parameters
    ----------
    allow : iterable of str
        Audit events to let happen, such as ``"subprocess.Popen"``.

    Raises
    ------
    Tripped
        In the app where it is tried; and at the block's end when the app swallowed that.
    InputError
        When ``allow`` is no list of audit events that are watched for.

    Examples
    --------
    >>> import socket
    >>> from recsys.testing import Tripped, no_network
    >>> try:
    ...     with no_network():
    ...         socket.getaddrinfo("localhost", 80)
    ... except Tripped as error:
    ...     print(str(error).split(" at ")[0])
    no_network: socket.getaddrinfo

    Stability: provisional
    """
    with _watching(Watch("no_network", _reaches_out).allow(*_listed(allow))) as watch:
        yield watch


@contextmanager
def sealed(*folders: str | os.PathLike[str], allow: Iterable[str] = ()) -> Iterator[Watch]:
    """Fail what writes outside the folders while the block runs: the invariants N2 and F6, as far as Python sees it.

    Watched: files opened for writing, renamed, removed, linked or made, modes and times changed, and databases that
    sqlite3 opens other than in memory or for reading. What pytest, Hypothesis, coverage and Python's bytecode cache
    write is not the app's. Not seen: what SQLite opens by itself (``ATTACH``, ``VACUUM INTO``, temporary files), and
    databases that other libraries than sqlite3 open.

    Parameters
    ----------
    *folders : paths
        Where the app may write, files or folders that exist; none: nowhere.
    allow : iterable of str
        Audit events to let happen anywhere.

    Raises
    ------
    Tripped
        In the app where it is tried; and at the block's end when the app swallowed that.
    InputError
        When a folder does not exist, or ``allow`` is no list of audit events that are watched for.

    Stability: provisional
    """
    roots = [os.path.realpath(path_of(folder)) for folder in folders]
    if not all(map(os.path.lexists, roots)):
        raise InputError("folders: one does not exist; make it before it is sealed", field="folders")
    watch = Watch("sealed", lambda event, arguments: _writes(event, arguments, roots)).allow(*_listed(allow))
    with _watching(watch):
        yield watch


@contextmanager
def unwatched() -> Iterator[None]:
    """Let what this thread does in the block happen: our own looking around.

    Stability: provisional
    """
    before, _thread.busy = _thread.busy, True
    try:
        yield
    finally:
        _thread.busy = before


def _listed(allow: object) -> list[str]:
    if isinstance(allow, (str, bytes)) or not isinstance(allow, Iterable):
        raise InputError("allow: a list of audit events is needed", field="allow")
    return list(allow)


# -- the hook -----------------------------------------------------------------------------


class _Thread(threading.local):
    busy = False


_thread = _Thread()
_lock = threading.Lock()
_watches: tuple[Watch, ...] = ()
_installed = False


@contextmanager
def _watching(watch: Watch) -> Iterator[Watch]:
    global _installed, _watches  # noqa: PLW0603 - a hook is for the whole process, and for ever
    with _lock:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True
        _watches = (*_watches, watch)
    try:
        yield watch
    except BaseException as error:
        if isinstance(error, Tripped):
            watch.heard()
        raise
    finally:
        with _lock:
            _watches = tuple(one for one in _watches if one is not watch)
    watch.verify()


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    __tracebackhide__ = True
    if not _watches or event not in _EVENTS or _thread.busy:
        return
    _thread.busy = True
    try:
        tripped, frame = None, sys._getframe(1)
        for watch in _watches:
            if watch.objects(event, arguments) and not _by_machinery(frame):
                attempt = Attempt(event, _where(frame))
                watch.attempts.append(attempt)
                tripped = tripped or f"{watch.name}: {attempt}"
    finally:
        _thread.busy = False
    if tripped:
        raise Tripped(tripped)


_EVENTS: Final = frozenset({"open", "sqlite3.connect", *_PROCESSES, *_NETWORK, *_NATIVE, *_WRITES})


def _frames(frame: FrameType | None) -> Iterator[tuple[str, FrameType]]:
    """The frames outside the standard library, innermost first, each with its package."""
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in sys.stdlib_module_names or package == "__main__":
            yield package, frame
        frame = frame.f_back


def _by_machinery(frame: FrameType | None) -> bool:
    """Whether a test tool did it, or Python keeping its bytecode; not the app."""
    inner = frame
    while inner is not None:
        name = str(inner.f_globals.get("__name__", ""))
        if name.partition(".")[0] not in sys.stdlib_module_names:
            break
        if name in ("importlib._bootstrap_external", "_frozen_importlib_external"):
            return True
        inner = inner.f_back
    return next((package in _MACHINERY for package, _ in _frames(frame)), False)


def _where(frame: FrameType | None) -> str:
    """The file, line and function of the app that led to it; of an installed package when there is no app."""
    outside = [one for _, one in _frames(frame)]
    own = [one for one in outside if not _INSTALLED.search(one.f_code.co_filename)]
    at = next(iter(own or outside), frame)
    name = threading.current_thread().name
    thread = "" if threading.current_thread() is threading.main_thread() else f", in thread {name}"
    if at is None:
        return f"at an unknown place{thread}"
    return f"at {os.path.basename(at.f_code.co_filename)}:{at.f_lineno}, in {at.f_code.co_name}{thread}"


# -- what may not be ------------------------------------------------------------------------


def _reaches_out(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "socket.__new__":  # a pair of local ones is how an event loop wakes itself; connecting one is an event
        return arguments[1:2] != (getattr(_socket(), "AF_UNIX", None),)
    if event == "ctypes.dlopen":
        return bool(arguments) and arguments[0] is not None  # None, at `import ctypes`, is this process itself
    return event in _NETWORK or event in _PROCESSES or event in _NATIVE


def _socket() -> object:
    return sys.modules.get("socket")


def _writes(event: str, arguments: tuple[object, ...], roots: list[str]) -> bool:
    if event == "open":
        path, _, flags = (*arguments, None, None, None)[:3]
        if not isinstance(flags, int) or not flags & _WRITING:
            return False
        return not _is_inside(_path_of(path, None), roots, follow=True)
    if event == "sqlite3.connect":
        return not _is_inside(_database(arguments[0] if arguments else None), roots, follow=True)
    found = []
    for at, at_folder in _WRITES.get(event, ()):
        folder = arguments[at_folder] if at_folder is not None and at_folder < len(arguments) else None
        found.append(_path_of(arguments[at] if at < len(arguments) else None, folder))
    return not all(_is_inside(path, roots, follow=event in _THROUGH_LINKS) for path in found)


def _is_inside(path: str | None, roots: list[str], *, follow: bool) -> bool:
    if path is None:
        return True
    folder, name = os.path.split(os.path.abspath(path))
    path = os.path.realpath(path) if follow else os.path.join(os.path.realpath(folder), name)
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in (*roots, *_DEVICES))


def _path_of(value: object, folder: object) -> str | None:
    """A path as a text; None for an open file, which was judged when it was opened."""
    if isinstance(value, int) or value is None:
        return None
    path = os.fsdecode(value) if isinstance(value, (str, bytes, os.PathLike)) else str(value)
    if isinstance(folder, int) and folder >= 0 and not os.path.isabs(path):
        return os.path.join(_open_folder(folder), path)
    return path


def _open_folder(number: int) -> str:
    """The path of an open folder; ``/dev/fd/<number>``, which is nowhere a test may write, when it cannot be known."""
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return f"/dev/fd/{number}"


def _database(value: object) -> str | None:
    """The path of a database that is opened; None in memory or for reading alone."""
    path = _path_of(value, None)
    if path is None or path == ":memory:":
        return None
    if path.startswith("file:"):
        parts = urlsplit(path)
        wanted = set(parts.query.split("&"))
        if {"mode=ro", "mode=memory", "immutable=1"} & wanted or unquote(parts.path) == ":memory:":
            return None
        return unquote(parts.path)
    return path or os.path.join(os.sep, "a private database of SQLite's in its own temporary folder")
