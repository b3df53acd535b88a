"""Look for bytes in files, also inside what is compressed in them: the part that runs in a process of its own.

A file that SQLite has open must not be opened and closed by the same process, or its locks are
dropped; so :mod:`recsys.testing.forensics` runs this file as a script, which imports nothing but the
standard library. Questions come as JSON lines on the standard input, answers go as JSON lines to the output.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

__all__ = ["Found", "Pattern", "Report", "answer", "digest", "scan"]

CHUNK: Final = 1 << 20
MAX_DEPTH: Final = 4  # an archive in an archive in an archive
MAX_INFLATED: Final = 1 << 30  # bytes, a file; whatever holds more is named as not looked at to its end
BESIDE: Final = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a database

_PIECE: Final = 256  # bytes fed to zlib at once: what a damaged stream holds before the damage is seen up to that
_PROBE: Final = 4096
_MAGIC: Final = re.compile(
    rb"(?P<gzip>\x1f\x8b\x08)|(?P<zip>PK\x03\x04)|(?P<bz2>BZh[1-9]1AY&SY)|(?P<xz>\xfd7zXZ\0)|(?P<zlib>\x78[\x01\x5e\x9c\xda])"
)
_LONGEST_MAGIC: Final = 10
_ZIP_HEAD: Final = 30  # bytes before the name of a file in a zip
_DEFLATED: Final = 8

Chunks = Callable[[int], Iterator[bytes]]  # the bytes from an offset on


class Pattern(NamedTuple):
    """One encoding of one needle."""

    needle: int
    encoding: str
    raw: bytes


class Found(NamedTuple):
    """One encoding of one needle in one place: where it stands first, and how often."""

    path: str
    within: str
    needle: int
    encoding: str
    offset: int
    n: int


class Report(NamedTuple):
    """What was found, and what could not be looked at."""

    found: list[Found]
    unread: list[tuple[str, str]]
    n_files: int


def scan(paths: Sequence[str], patterns: Sequence[Pattern], *, max_inflated: int = MAX_INFLATED) -> Report:
    """Look at every byte below the paths, and at their names. O(bytes · patterns)."""
    report = Report([], [], 0)
    n_files = 0
    for path, kind, name in _below(paths, report):
        report.found.extend(_in_name(path, name, patterns))
        if kind == "file":
            n_files += 1
            _look(path, patterns, report, max_inflated)
    return report._replace(n_files=n_files)


def digest(paths: Sequence[str]) -> str:
    """One digest of every name and byte below the paths, but for SQLite's shared memory, which readers write to."""
    total = hashlib.sha256()
    report = Report([], [], 0)
    for path, kind, name in sorted(_below(paths, report)):
        if path.endswith("-shm"):
            continue
        total.update(b"%d/" % len(name) + name + kind.encode())
        if kind == "file":
            content = hashlib.sha256()
            for chunk in _file_chunks(path)(0):
                content.update(chunk)
            total.update(content.digest())
    if report.unread:
        raise OSError("a file or folder could not be read")
    return total.hexdigest()


def answer(question: dict[str, object]) -> object:
    """Answer one question, as decoded from its JSON line."""
    paths = [str(path) for path in _list(question["paths"])]
    if "patterns" not in question:
        return digest(paths)
    rows = [_list(row) for row in _list(question["patterns"])]
    return scan(paths, [Pattern(int(str(n)), str(name), bytes.fromhex(str(raw))) for n, name, raw in rows])


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


# -- which files --------------------------------------------------------------------


def _below(paths: Sequence[str], report: Report) -> Iterator[tuple[str, str, bytes]]:
    """Every file, folder and link at or below the paths, once: its path, its kind, and the name to look at."""
    seen: set[str] = set()
    for root in paths:
        tops = [root, *(root + side for side in BESIDE if os.path.lexists(root + side))]
        for top in tops:
            for path, kind, name in _walk(top, report):
                if path not in seen:
                    seen.add(path)
                    yield path, kind, name


def _walk(top: str, report: Report) -> Iterator[tuple[str, str, bytes]]:
    if not os.path.isdir(top):
        yield top, _kind(top, follow=True), b""
        return

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            report.unread.append((str(error.filename), "the folder cannot be read"))

    for folder, folders, files in os.walk(top, onerror=failed):
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            raw = os.fsencode(name)
            if os.path.islink(path):
                raw += b"\0" + os.fsencode(os.readlink(path))
            yield path, _kind(path), raw


def _kind(path: str, *, follow: bool = False) -> str:
    """``"file"`` for what has bytes to read; pipes and sockets would wait for ever."""
    try:
        mode = os.stat(path, follow_symlinks=follow).st_mode
    except FileNotFoundError:
        return "gone"
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def _in_name(path: str, name: bytes, patterns: Sequence[Pattern]) -> Iterator[Found]:
    for pattern in patterns:
        if n := name.count(pattern.raw):
            yield Found(path, "its name", pattern.needle, pattern.encoding, name.index(pattern.raw), n)


# -- which bytes --------------------------------------------------------------------


def _file_chunks(path: str) -> Chunks:
    def chunks(start: int) -> Iterator[bytes]:
        size = 1 << 14 if start else CHUNK  # what is packed is mostly small
        with open(path, "rb", buffering=0) as file:
            file.seek(start)
            while chunk := file.read(size):
                yield chunk
                size = min(size * 2, CHUNK)

    return chunks


def _look(path: str, patterns: Sequence[Pattern], report: Report, max_inflated: int) -> None:
    """Look at a file, then at what is packed in it, and in that."""
    left = max_inflated
    waiting: list[tuple[str, Chunks]] = [("", _file_chunks(path))]
    for depth in range(MAX_DEPTH + 1):
        inner: list[tuple[str, Chunks]] = []
        for within, chunks in waiting:
            packed: list[tuple[str, int]] = []
            try:
                read = _search(path, within, chunks(0), patterns, report, packed, left if depth else None)
            except FileNotFoundError:
                return  # it went away while we looked: a journal, say
            except OSError:
                report.unread.append((path, "it cannot be read"))
                return
            left -= read if depth else 0
            if left < 0:
                report.unread.append((path, f"what is packed in it is more than {max_inflated} bytes"))
                return
            for kind, offset in packed:
                where = f"{kind} at byte {offset}" + (f" of {within}" if within else "")
                inner.append((where, _unpacked(kind, chunks, offset)))
        waiting = inner
    if waiting:
        report.unread.append((path, f"it is packed more than {MAX_DEPTH} times over"))


def _search(
    path: str,
    within: str,
    chunks: Iterable[bytes],
    patterns: Sequence[Pattern],
    report: Report,
    packed: list[tuple[str, int]],
    limit: int | None,
) -> int:
    """Find the patterns in a stream, across the borders of its chunks too; returns its length in bytes."""
    keep = max([_LONGEST_MAGIC, *(len(pattern.raw) for pattern in patterns)]) - 1
    first: dict[int, tuple[int, int]] = {}
    tail, base = b"", 0  # the window begins at byte `base`
    for chunk in chunks:
        window = tail + chunk
        for number, pattern in enumerate(patterns):
            raw = pattern.raw
            # What ends inside the tail was found before.
            at = window.find(raw, max(len(tail) - len(raw) + 1, 0))
            while at >= 0:
                offset, n = first.get(number, (base + at, 0))
                first[number] = offset, n + 1
                at = window.find(raw, at + 1)
        packed += [
            (str(m.lastgroup), base + m.start())
            for m in _MAGIC.finditer(window, max(len(tail) - _LONGEST_MAGIC + 1, 0))
            if m.end() > len(tail) and _is_packed(str(m.lastgroup), window[m.start() : m.start() + _PROBE])
        ]
        base += max(len(window) - keep, 0)
        tail = window[-keep:]
        if limit is not None and base > limit:
            break
    report.found.extend(
        Found(path, within, patterns[number].needle, patterns[number].encoding, offset, n)
        for number, (offset, n) in first.items()
    )
    return base + len(tail)


# -- what is packed -----------------------------------------------------------------


def _is_packed(kind: str, begin: bytes) -> bool:
    """Whether a stream of that kind may really begin so; two bytes turn up by chance."""
    if len(begin) < _PROBE // 2:
        return True  # too little to tell: it is tried
    skip, wbits = _head(kind, begin)
    if wbits is None:
        return True
    try:
        zlib.decompressobj(wbits).decompress(begin[skip:])
    except zlib.error:
        return False
    return True


def _head(kind: str, begin: bytes) -> tuple[int, int | None]:
    """Where the packed bytes begin, and zlib's ``wbits`` for them; None when they are not zlib's."""
    if kind != "zip":
        return 0, {"gzip": 31, "zlib": 15}.get(kind)
    if len(begin) < _ZIP_HEAD:
        return 0, None
    method, n_name, n_extra = (int.from_bytes(begin[at : at + 2], "little") for at in (8, 26, 28))
    return _ZIP_HEAD + n_name + n_extra, -15 if method == _DEFLATED else None


def _unpacked(kind: str, chunks: Chunks, offset: int) -> Chunks:
    """The bytes of a packed stream, from any of its offsets on; what is damaged ends where the damage is."""

    def inner(start: int) -> Iterator[bytes]:
        head = b""
        for chunk in chunks(offset):
            head += chunk
            if len(head) >= _PROBE or kind != "zip":
                break
        skip, wbits = _head(kind, head)
        if wbits is not None:
            stream = _inflated(chunks(offset + skip), wbits)
        elif kind in ("bz2", "xz"):
            stream = _expanded(chunks(offset), kind)
        else:
            return  # stored as it is, and so looked at already; or by a method that Python cannot undo
        for piece in stream:
            yield piece[start:] if start else piece
            start = max(start - len(piece), 0)

    return inner


def _inflated(chunks: Iterable[bytes], wbits: int) -> Iterator[bytes]:
    """Inflate as far as it goes, in pieces of about a chunk."""
    engine = zlib.decompressobj(wbits)
    made = bytearray()
    for fed in (chunk[at : at + _PIECE] for chunk in chunks for at in range(0, len(chunk), _PIECE)):
        piece = fed
        try:
            while piece:
                made += engine.decompress(piece, CHUNK)
                piece = engine.unconsumed_tail
                if len(made) >= CHUNK:
                    yield bytes(made)
                    made.clear()
        except zlib.error:
            break
        if engine.eof:
            break
    yield bytes(made)


def _expanded(chunks: Iterable[bytes], kind: str) -> Iterator[bytes]:
    import bz2
    import lzma

    engine = bz2.BZ2Decompressor() if kind == "bz2" else lzma.LZMADecompressor()
    try:
        for chunk in chunks:
            data = chunk
            while not engine.eof:
                yield engine.decompress(data, CHUNK)
                data = b""
                if engine.needs_input:
                    break
            if engine.eof:
                return
    except (OSError, EOFError, lzma.LZMAError):
        return


def main() -> None:
    """Answer questions until the input ends."""
    for line in sys.stdin:
        try:
            reply = {"answer": answer(json.loads(line))}
        except Exception as error:  # noqa: BLE001 - the one who asked is told
            reply = {"error": type(error).__name__}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
