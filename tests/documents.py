"""The fenced blocks of a Markdown file: where they stand, in which language, and whether they are to be run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

SHELLS = frozenset({"bash", "console", "sh", "shell"})
# What a documented command may begin with, besides the files in scripts/.
KNOWN_COMMANDS = frozenset({"cd", "export", "git", "pip", "python", "recsys"})

_FENCE = re.compile(r"^(?P<indent> *)(?P<mark>`{3,}|~{3,})(?P<language>[\w+-]*)[^\n`]*$")
_NOT_RUN = re.compile(r"^\s*<!-- not run: (?P<reason>\S.*?) -->\s*$")


_NEEDS = re.compile(r"^\s*<!-- needs: (?P<module>\w+) -->\s*$")


class Block(NamedTuple):
    """One fenced block: its language, its text, the line its text begins on, why it is not run, and what it needs."""

    language: str
    text: str
    line: int
    not_run: str | None
    needs: str | None = None


def blocks(document: str) -> Iterator[Block]:
    """Every fenced block of a document, in order; one that is never closed is an error."""
    lines = document.splitlines()
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        if not opening:
            number += 1
            continue
        mark, start = opening["mark"], number + 1
        above = next((line for line in reversed(lines[:number]) if line.strip()), "")
        skip, needs = _NOT_RUN.match(above), _NEEDS.match(above)
        closing = next((i for i in range(start, len(lines)) if lines[i].strip() == mark), None)
        if closing is None:
            message = f"the block on line {start} is never closed"
            raise ValueError(message)
        text = "\n".join(line.removeprefix(opening["indent"]) for line in lines[start:closing])
        yield Block(
            opening["language"].lower(), text, start + 1, skip["reason"] if skip else None, needs and needs["module"]
        )
        number = closing + 1


def run_python(path: Path, document: str) -> int:
    """Run the Python blocks in order in one fresh namespace; returns how many ran.

    One that needs a module which is not installed is passed over, and that is printed.

    Each is compiled with the document's own name and line numbers, so that a traceback points into it.
    """
    namespace: dict[str, object] = {"__name__": "__main__"}
    n_run = 0
    for block in blocks(document):
        if block.language in ("python", "py"):
            if block.not_run:
                message = f"{path}:{block.line}: Python is always run"
                raise ValueError(message)
            if block.needs and importlib.util.find_spec(block.needs) is None:
                print(f"{path}:{block.line}: not run, since {block.needs} is not installed")
                continue
            exec(compile("\n" * (block.line - 1) + block.text, str(path), "exec"), namespace)  # noqa: S102
            n_run += 1
    return n_run


def strange_commands(document: str, root: Path, subcommands: Collection[str]) -> list[str]:
    """Commands of the shell blocks that this tree does not have, one line each."""
    found = []
    for block in blocks(document):
        if block.language not in SHELLS:
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            # In a console block only the lines after a prompt are commands.
            if block.language == "console" and not line.startswith("$ "):
                continue
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Za-z_]\w*=.*", words[0]):
                words = words[1:]
            if words and not _exists(words, root, subcommands):
                found.append(f"line {block.line}: {' '.join(words)}")
    return found


def _exists(words: list[str], root: Path, subcommands: Collection[str]) -> bool:
    command = words[0].removeprefix("./")
    if command.startswith((".ci/", "scripts/")):
        return (root / command).is_file()
    if command == "recsys" and len(words) > 1 and not words[1].startswith("-"):
        return words[1] in subcommands
    return command in KNOWN_COMMANDS
