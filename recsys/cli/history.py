"""Read program names, and nothing else, out of a shell history.

In: the bytes of a bash, zsh or fish history. Out: when which program was started. Arguments, assignments, file names,
here-documents, comments and substitutions are passed over, and a word in command position counts only when it is a
plausible program name. When in doubt a word is left out: it is counted, and never kept or shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from recsys.cli.shellwords import Reading, programs

__all__ = ["Command", "History", "find_history", "parse_history", "read_history"]

MAX_BYTES = 1_000_000  # the newest part of the file; about thirty thousand commands
DOUBT_CHARACTERS = 50_000  # how far an open quote may reach in a history without marks between entries
SPACING_US = 60_000_000  # between commands without a time
EARLIEST_S = 631_152_000  # 1990-01-01: before that a number is no time of a command
DAY_S = 86_400

_ZSH = re.compile(r": (\d{1,12}):\d{1,12};(.*)", re.DOTALL)
_BASH_TIME = re.compile(r"#(\d{1,12})")
_FISH_COMMAND = "- cmd:"
_FISH_TIME = re.compile(r"  when: *(\d{1,12})\s*")
_FISH_ESCAPE = re.compile(r"\\([\\n])")
# Where an entry surely begins.
_MARKS = {
    "bash": re.compile(r"^#\d{9,12}$", re.MULTILINE),
    "fish": re.compile(r"^- cmd:", re.MULTILINE),
    "plain": re.compile(r"(?!)"),
    "zsh": re.compile(r"^: \d{1,12}:\d{1,12};", re.MULTILINE),
}


class _Entry(NamedTuple):
    at_s: int | None
    reading: Reading
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Command:
    """One program start: its name and its moment, microseconds since 1970-01-01 UTC."""

    at_us: int
    program: str


@dataclass(frozen=True, slots=True, repr=False)
class History:
    """What a history file yields.

    Parameters
    ----------
    shell : str
        ``"bash"``, ``"zsh"``, ``"fish"`` or ``"plain"`` (commands without any mark).
    commands : tuple of Command
        Oldest first, at strictly increasing times.
    n_skipped : int
        Simple commands whose first word was no plausible program name.
    n_without_time : int
        Commands for which the file holds no time, so that one was made up.
    """

    shell: str
    commands: tuple[Command, ...]
    n_skipped: int
    n_without_time: int


def find_history(environ: Mapping[str, str], home: Path) -> Path | None:
    """Return the first history file that is there and not empty, or None."""
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    named = [Path(environ["HISTFILE"]).expanduser()] if environ.get("HISTFILE") else []
    usual = [home / ".zsh_history", data / "fish" / "fish_history", home / ".bash_history"]
    for path in (*named, *usual):
        try:
            if path.is_file() and path.stat().st_size > 0:
                return path
        except OSError:
            continue
    return None


def read_history(path: Path, *, now_s: float) -> History:
    """Parse the newest megabyte of a history file.

    Raises
    ------
    OSError
        When the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MAX_BYTES))
        data = file.read(MAX_BYTES)
    return parse_history(data, name=path.name, now_s=now_s, is_cut=size > MAX_BYTES)


def parse_history(data: bytes, *, now_s: float, name: str = "", is_cut: bool = False) -> History:
    """Parse the bytes of a history.

    Parameters
    ----------
    data : bytes
        The file. Its format is told from its contents, and from its name where they leave it open.
    now_s : float
        Seconds since 1970-01-01 UTC; later times in the file are not believed.
    name : str
        The file's name.
    is_cut : bool
        Whether ``data`` begins in the middle of a file, possibly inside an entry.
    """
    shell = _shell_of(data, name)
    text = (_unmetafied(data) if shell == "zsh" else data).decode("utf-8", errors="replace")
    mark = _MARKS[shell].search(text) if is_cut else None
    doubtful_from_start = is_cut and mark is None
    found: list[tuple[int | None, str]] = []
    doubted: list[tuple[int, int | None, str]] = []
    n_skipped = 0
    for entry in _ENTRIES[shell](text[mark.start() if mark else 0 :]):
        at_s = entry.at_s if entry.at_s is not None and EARLIEST_S <= entry.at_s <= now_s + DAY_S else None
        n_skipped += entry.reading.n_skipped
        for program in entry.reading.names:
            if entry.is_doubtful or doubtful_from_start:
                doubted.append((len(found), at_s, program))
            else:
                found.append((at_s, program))
    n_skipped += _settle_doubts(found, doubted)
    return History(shell, _timed(found, now_us=int(now_s * 1e6)), n_skipped, sum(at is None for at, _ in found))


def _settle_doubts(found: list[tuple[int | None, str]], doubted: list[tuple[int, int | None, str]]) -> int:
    """Insert the doubtful commands whose program is known from undoubted ones; return how many are left out."""
    known = {program for _, program in found}
    kept = [doubt for doubt in doubted if doubt[2] in known]
    for n, at_s, program in reversed(kept):
        found.insert(n, (at_s, program))
    return len(doubted) - len(kept)


def _shell_of(data: bytes, name: str) -> str:
    head = data[:65_536].decode("utf-8", errors="replace").splitlines()
    for shell, is_marked in (
        ("fish", lambda line: line.startswith(_FISH_COMMAND)),
        ("zsh", _ZSH.fullmatch),
        ("bash", lambda line: len(line) > 9 and _BASH_TIME.fullmatch(line)),  # noqa: PLR2004 (a time since 1990)
    ):
        if any(map(is_marked, head)):
            return shell
    return next((shell for shell in ("fish", "zsh") if shell in name.lower()), "plain")


def _unmetafied(data: bytes) -> bytes:
    """Undo zsh's escape: 0x83, then the byte with bit 5 flipped."""
    return re.sub(rb"\x83(.)", lambda match: bytes((match[1][0] ^ 32,)), data, flags=re.DOTALL)


def _fish_entries(text: str) -> Iterator[_Entry]:
    command: str | None = None
    at_s: int | None = None
    for line in text.split("\n"):
        if line.startswith(_FISH_COMMAND):
            if command is not None:
                yield _Entry(at_s, programs(command, fish=True))
            escaped = line[len(_FISH_COMMAND) :].strip()
            command, at_s = _FISH_ESCAPE.sub(lambda m: "\n" if m[1] == "n" else "\\", escaped), None
        elif (when := _FISH_TIME.fullmatch(line)) is not None:
            at_s = int(when[1])
    if command is not None:
        yield _Entry(at_s, programs(command, fish=True))


def _zsh_entries(text: str) -> Iterator[_Entry]:
    lines = iter(text.split("\n"))
    for first in lines:
        parts = [first]
        while parts[-1].endswith("\\"):  # an embedded newline
            following = next(lines, None)
            if following is None:
                break
            parts[-1] = parts[-1][:-1]
            parts.append(following)
        entry = "\n".join(parts)
        match = _ZSH.fullmatch(entry)
        yield _Entry(int(match[1]), programs(match[2])) if match else _Entry(None, programs(entry))


def _bash_entries(text: str) -> Iterator[_Entry]:
    """With times: everything between two of them is one entry."""
    at_s: int | None = None
    lines: list[str] = []
    for line in (*text.split("\n"), "#0"):
        match = _BASH_TIME.fullmatch(line)
        if match is None:
            lines.append(line)
            continue
        entry = "\n".join(lines)
        if at_s is None:
            yield from _plain_entries(entry)
        else:
            yield _Entry(at_s, programs(entry))
        at_s, lines = int(match[1]), []


def _plain_entries(text: str) -> Iterator[_Entry]:
    """Without any mark, a line is an entry, and here-documents are passed over.

    Where a line leaves a quote open, nobody can tell whether that was a slip or what follows is quoted text, so the
    next ``DOUBT_CHARACTERS`` are doubtful.
    """
    start = doubt_end = 0
    while start < len(text):
        stop = _line_end(text, start)
        reading = programs(text[start:stop])
        yield _Entry(None, reading, is_doubtful=start < doubt_end)
        if reading.awaits_here and not reading.is_open and start >= doubt_end:
            reading = programs(text, start=start, one_entry=True)
            stop = stop if reading.awaits_here else reading.end
        if reading.is_open or reading.awaits_here:
            doubt_end = stop + DOUBT_CHARACTERS
        start = stop


def _line_end(text: str, start: int) -> int:
    """Return the place after the next newline that no backslash escapes."""
    at = start
    while (newline := text.find("\n", at)) >= 0:
        at = newline + 1
        before = text[start:newline]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            return at
    return len(text)


_ENTRIES: Mapping[str, Callable[[str], Iterator[_Entry]]] = {
    "bash": _bash_entries,
    "fish": _fish_entries,
    "plain": _plain_entries,
    "zsh": _zsh_entries,
}


def _timed(found: list[tuple[int | None, str]], *, now_us: int) -> tuple[Command, ...]:
    """Give every command a time: its own, else the one before it, else a minute before the one after it."""
    first = next((n for n, (at, _) in enumerate(found) if at is not None), len(found))
    anchor_us = (found[first][0] or 0) * 1_000_000 if first < len(found) else now_us + SPACING_US
    moments = [anchor_us - SPACING_US * (first - n) for n in range(first)]
    for at, _ in found[first:]:
        moments.append(at * 1_000_000 if at is not None else moments[-1])
    ordered = sorted(zip(moments, range(len(found)), strict=True))
    commands: list[Command] = []
    last_us = -1
    for moment, n in ordered:
        last_us = max(moment, last_us + 1)
        commands.append(Command(last_us, found[n][1]))
    return tuple(commands)
