"""Whether anything of a secret is left in an app's files: every byte, in every likely encoding.

What goes in are paths and *needles* (what must be gone); what comes out are traces, or an
``AssertionError`` that says where something is and never what. The files are read by a process of their own, so
that SQLite's locks in this one stay as they are.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias

from recsys.errors import InputError
from recsys.inputs import path_of
from recsys.testing import scan
from recsys.testing.needles import Needle, Needles, labelled, patterns
from recsys.testing.tripwire import unwatched

if TYPE_CHECKING:
    from subprocess import Popen

__all__ = ["Forensic", "Paths", "Trace", "assert_forgotten", "assert_private", "digest_of", "find_traces"]

Paths: TypeAlias = "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]"

_MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, repr=False)
class Trace:
    """One needle found in one file in one encoding.

    Parameters
    ----------
    path : str
        The file or folder. Its name may itself tell the needle: then ``within`` is ``"its name"``.
    within : str
        Where in the file: empty for its bytes as they are, else such as ``"gzip at byte 120"``.
    needle : str
        The needle's label, or ``"needle 0"`` and so on when it has none.
    encoding : str
        Such as ``"utf-16-le"`` or ``"base64 +1"``.
    offset : int
        The first byte of its first occurrence, in the file or in what was unpacked.
    n : int
        How many times.

    Stability: provisional
    """

    path: str
    within: str
    needle: str
    encoding: str
    offset: int
    n: int

    def __repr__(self) -> str:
        return f"Trace(<redacted>, encoding={self.encoding!r}, offset={self.offset}, n={self.n})"


def find_traces(paths: Paths, needles: Needles) -> list[Trace]:
    """Find every trace of the needles in the files below some paths, and in the names of the files.

    Parameters
    ----------
    paths : path or iterable of paths
        Files and folders; beside a database its ``-wal``, ``-shm`` and ``-journal`` are looked at too.
        Links are not followed: where they lead is only read as a text.
    needles : iterable or mapping
        What to look for: texts and bytes of at least 4 bytes, integers from 2**23 on, floats that are not round.
        A mapping gives them labels, under which they are reported.

    Returns
    -------
    list of Trace
        In the order of the paths. O(bytes · needles).

    Raises
    ------
    InputError
        When a needle would be found by chance, or there is none, or a path does not exist.
    OSError
        When not everything could be looked at; what was found is not told then.

    Notes
    -----
    Looked for: UTF-8 (composed and decomposed), UTF-16, UTF-32, Latin-1, as a JSON, URL or HTML escape, base64 in
    three alignments, hexadecimal; integers as SQLite stores them, as 64 bits in both orders, and in decimal; floats
    as 64 bits and in decimal. Looked into: gzip, zlib, bzip2, xz and zip. *Not* found: what was encrypted, hashed,
    lower-cased, cut into words, or packed in another way; what a filesystem or a disk keeps of deleted files.

    Stability: provisional
    """
    report, labels = _scanned(paths, needles)
    if report.unread:
        path, why = report.unread[0]
        raise OSError(f"{len(report.unread)} files could not be looked at, the first because {why}: {_file_of(path)}")
    return [Trace(f.path, f.within, labels[f.needle], f.encoding, f.offset, f.n) for f in report.found]


def assert_forgotten(paths: Paths, needles: Needles) -> None:
    """Require that no file below the paths, nor its name, holds any of the needles: the invariant F1.

    Parameters
    ----------
    paths, needles
        As in :func:`find_traces`.

    Raises
    ------
    AssertionError
        When something is left, or not everything could be looked at. It names the file, the needle's
        label, the encoding, the offset and the number; never the needle, nor the bytes around it.
    InputError
        As in :func:`find_traces`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from recsys.testing import assert_forgotten
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "cache").write_bytes("Kind of Blue".encode("utf-16-le"))
    ...     try:
    ...         assert_forgotten(folder, {"title": "Kind of Blue"})
    ...     except AssertionError as error:
    ...         print(error)
    1 trace is left of what was to be forgotten:
      cache: title, as utf-16-le, 1 time, first at byte 0

    Stability: provisional
    """
    __tracebackhide__ = True
    paths, needles = _listed(paths), labelled(needles)
    report, labels = _scanned(paths, needles)
    if not report.found and not report.unread:
        return
    n = len(report.found)
    lines = [f"{n} {'trace is' if n == 1 else 'traces are'} left of what was to be forgotten:"] if n else []
    secrets = [pattern for needle in needles.values() for pattern in patterns(needle).values()]
    for f in report.found[:_MOST_SHOWN]:
        where = _shown(f.path, paths, secrets) + (f", {f.within}" if f.within else "")
        times = "1 time" if f.n == 1 else f"{f.n} times"
        label = _shown(labels[f.needle], (), secrets)
        lines.append(f"  {where}: {label}, as {f.encoding}, {times}, first at byte {f.offset}")
    if n > _MOST_SHOWN:
        lines.append(f"  and {n - _MOST_SHOWN} more")
    lines += [f"  {_shown(path, paths, secrets)}: could not be looked at: {why}" for path, why in report.unread]
    raise AssertionError("\n".join(lines))


def assert_private(folder: str | os.PathLike[str]) -> None:
    """Require that no file below a folder can be read or written by group or others: the invariant L2.

    A file may be given as well. Where files have no such modes (Windows) nothing is required.

    Raises
    ------
    AssertionError
        It names the files and their modes.
    InputError
        When there is nothing at the path.

    Stability: provisional
    """
    __tracebackhide__ = True
    root = Path(path_of(folder))
    if not root.exists():
        raise InputError("folder: it does not exist, so there is nothing to look at", field="folder")
    if os.name == "nt":
        return
    loose = []
    for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if (path.is_symlink() and path != root) or not path.is_file():
            continue
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            name = path.name if path == root else path.relative_to(root)
            loose.append(f"  {name}: mode {mode:04o}, should be {mode & 0o700:04o}")
    if loose:
        raise AssertionError("\n".join([f"files that others can read or write: {len(loose)}", *loose]))


class Forensic:
    """Needles and folders, and whether the ones are still in the others; the fixture ``forensic`` gives one.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from recsys.testing import Forensic
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     look = Forensic().watch(folder).needles(title="Kind of Blue")
    ...     _ = pathlib.Path(folder, "cache").write_text("Kind of Blue")
    ...     look.assert_held()
    ...     pathlib.Path(folder, "cache").unlink()
    ...     look.assert_gone()

    Stability: provisional
    """

    def __init__(self) -> None:
        self._folders: list[str] = []
        self._needles: dict[str, Needle] = {}
        self.unasked = False
        """Whether needles were given and nobody has asked yet whether they are gone."""

    def __repr__(self) -> str:
        return f"Forensic(<redacted>, n_folders={len(self._folders)}, n_needles={len(self._needles)})"

    def watch(self, *folders: str | os.PathLike[str]) -> Forensic:
        """Look below these folders and files too; returns itself."""
        self._folders += [path_of(folder) for folder in folders]
        return self

    def needles(self, *unnamed: Needle, **named: Needle) -> Forensic:
        """Look for these too; a name given here is what a failure calls the needle. Returns itself."""
        given = {f"needle {len(self._needles) + n}": needle for n, needle in enumerate(unnamed)} | named
        for needle in given.values():
            patterns(needle)  # refused here rather than at the end
        self._needles |= given
        self.unasked = True
        return self

    def traces(self) -> list[Trace]:
        """Find what is left, as data; see :func:`find_traces`."""
        return find_traces(self._watched(), self._needles)

    def assert_held(self) -> None:
        """Require that every needle *is* there: before forgetting, so that finding nothing later says something."""
        __tracebackhide__ = True
        found = {trace.needle for trace in self.traces()}
        missing = [label for label in self._needles if label not in found]
        if missing:
            raise AssertionError(f"not in any file, so that nothing shows when it is forgotten: {', '.join(missing)}")

    def assert_gone(self) -> None:
        """Require that no needle is there; see :func:`assert_forgotten`."""
        __tracebackhide__ = True
        self.unasked = False
        assert_forgotten(self._watched(), self._needles)

    def _watched(self) -> list[str]:
        if not self._folders:
            raise InputError("nothing is watched: call watch(folder) first", field="paths")
        return self._folders


def digest_of(paths: Paths) -> str:
    """Digest every name and byte below the paths, read by another process; SQLite's shared memory is left out.

    Stability: provisional
    """
    return str(_ask({"paths": _listed(paths)}))


# -- the process that reads -------------------------------------------------------------


def _scanned(paths: Paths, needles: Needles) -> tuple[scan.Report, list[str]]:
    named = labelled(needles)
    rows = [
        [number, encoding, pattern.hex()]
        for number, needle in enumerate(named.values())
        for encoding, pattern in patterns(needle).items()
    ]
    found, unread, n_files = _ask({"paths": _listed(paths), "patterns": rows})
    report = scan.Report([scan.Found(*row) for row in found], [(path, why) for path, why in unread], n_files)
    return report, list(named)


def _listed(paths: Paths) -> list[str]:
    several = [paths] if isinstance(paths, (str, os.PathLike)) or not isinstance(paths, Iterable) else list(paths)
    found = [os.path.abspath(path_of(path)) for path in several]
    if not found:
        raise InputError("paths: none was given, so there is nothing to look at", field="paths")
    if not all(map(os.path.lexists, found)):
        raise InputError("paths: one does not exist; name the folder when the file may be gone", field="paths")
    return found


def _shown(path: str, paths: Paths, secrets: Sequence[bytes]) -> str:
    """A path below the shortest of the roots; not at all when it tells a needle."""
    raw = os.fsencode(path)
    if any(secret in raw for secret in secrets):
        return "a name that tells it"
    roots = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    for root in (os.path.abspath(os.fspath(one)) for one in roots):
        if path.startswith(root + os.sep):
            return path[len(root) + 1 :]
    return path


def _file_of(path: str) -> str:
    return Path(path).suffix or "a file without a suffix"


class _Witness:
    """The process that reads files for this one: started when first asked, one a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Popen[str] | None = None
        self._pid = 0

    def ask(self, question: Mapping[str, object]) -> Any:
        with self._lock, unwatched():
            into, out = self._pipes()
            try:
                into.write(json.dumps(question) + "\n")
                into.flush()
                line = out.readline()
            except OSError:
                line = ""
            if not line:
                self.end()
                raise RuntimeError("the process that looks at the files has ended; nothing can be said of them")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(f"the files could not be looked at: {reply['error']}")
        return reply["answer"]

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        from subprocess import PIPE, Popen

        if self._process is None or self._pid != os.getpid() or self._process.poll() is not None:
            self.end()
            command = [sys.executable, "-I", "-S", scan.__file__]
            self._process = Popen(command, stdin=PIPE, stdout=PIPE, text=True)  # noqa: S603 - our own file
            self._pid = os.getpid()
            atexit.register(self.end)
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        return into, out

    def end(self) -> None:
        if self._process is None or self._pid != os.getpid():
            return
        self._process.kill()
        self._process.communicate()
        self._process = None


_witness = _Witness()


def _ask(question: Mapping[str, object]) -> Any:
    return _witness.ask(question)
