"""The house rules as functions: each reads source text and returns what it found, one line a finding.

``tests/test_house.py`` runs them over the package, and over bad samples to see that they find something.
A source is a pair (module name, text); the rooms a module may not know are a table.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import NamedTuple, get_origin

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 40

# Data flows log -> learn -> rank; only those named in KNOWS_ALL_ROOMS see all three.
_ROOMS = ("recsys.log", "recsys.learn", "recsys.rank", "recsys.prior")
_UPSTAIRS = (
    "recsys.live",
    "recsys.portable",
    "recsys.recommender",
    "recsys.bridge",
    "recsys.cli",
    "recsys.evaluate",
    "recsys.testing",
    "recsys.publish",
)
MAY_NOT_KNOW: Mapping[str, tuple[str, ...]] = {
    "recsys.errors": ("recsys",),
    "recsys.types": (*_ROOMS, *_UPSTAIRS),
    "recsys.settings": (*_ROOMS, *_UPSTAIRS),
    "recsys.inputs": (*_ROOMS, *_UPSTAIRS),
    "recsys.log": ("recsys.learn", "recsys.rank", "recsys.prior", *_UPSTAIRS),
    "recsys.learn": ("recsys.log", "recsys.rank", *_UPSTAIRS),
    "recsys.rank": ("recsys.log", *_UPSTAIRS),
    "recsys.prior": ("recsys.log", "recsys.rank", "recsys.recommender", "recsys.bridge", "recsys.cli"),
    "recsys.portable": (*_ROOMS, *_UPSTAIRS),
    "recsys.live": ("recsys.rank", *_UPSTAIRS),
    "recsys.recommender": ("recsys.bridge", "recsys.cli", "recsys.testing", "recsys.publish"),
    "recsys.privacy": (
        "recsys.learn",
        "recsys.rank",
        "recsys.prior",
        "recsys.live",
        "recsys.portable",
        "recsys.bridge",
        "recsys.cli",
        "recsys.evaluate",
        "recsys.testing",
    ),
}
KNOWS_ALL_ROOMS = ("recsys.recommender", "recsys.bridge", "recsys.cli", "recsys.evaluate", "recsys.testing")

# Third parties a room may import at the top of a module, besides NumPy. Everything else loads where it is used.
TOP_LEVEL_GUESTS: Mapping[str, frozenset[str]] = {
    "recsys.cli": frozenset({"click", "rich"}),
    "recsys.testing": frozenset({"hypothesis", "pytest"}),
}
# Standard library modules that the core never loads by itself.
HEAVY_STDLIB = frozenset(
    {"asyncio", "ftplib", "http", "multiprocessing", "smtplib", "socket", "ssl", "subprocess", "xmlrpc"}
)
HEAVY_SUBMODULES = ("urllib.request", "concurrent.futures")
# Modules that can reach a network or another process: nowhere in recsys, not even inside a function.
NETWORKED = frozenset(
    {
        *HEAVY_STDLIB, "_posixsubprocess", "_socket", "_ssl", "aiohttp", "httpx", "imaplib", "nntplib", "poplib", "pty",
        "requests", "select", "selectors", "socketserver", "telnetlib", "urllib3", "webbrowser", "wsgiref",
        "dask", "distributed",
    }
)  # fmt: skip
NETWORKED_SUBMODULES = (*HEAVY_SUBMODULES, "logging.handlers", "email.utils")
# Modules that write where we do not look, reach below Python, or start threads and processes of their own.
SECRETIVE = frozenset({"cffi", "ctypes", "dbm", "joblib", "mmap", "psutil", "tempfile", "threadpoolctl"})
# (module, what it imports or names): why it may.
REASONS: Mapping[tuple[str, str], str] = {
    ("recsys.cli.demo", "tempfile"): "the demo's own log, which is deleted when it ends",
    ("recsys.cli.care", "tempfile"): "the way of an export to another tool, in a folder of mode 0700",
    ("recsys.cli.app", "import_module"): "a command's own module, named in the table of commands",
    ("recsys.learn.checkpoint", "mmap"): "memory without a file, given back to the system at once",
    ("recsys.prior.pack", "mmap"): "a pack is mapped read-only, so that its pages are shared and never written",
    ("recsys.publish.build", "tempfile"): "what a publisher's large tables become, in a folder of mode 0700",
    ("recsys.publish.spread", "dask"): "a publisher's threads, never an app's",
    ("recsys.publish.spread", "distributed"): "a publisher's own cluster, by its address only",
    (
        "recsys.log.connection",
        "ctypes",
    ): "one reference is given away in a forked child, so that nothing is closed there",
}
# They run code that a file brings along.
CODE_RUNNERS = frozenset({"_pickle", "cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"})
# Names that start a process or more jobs than one, or import what no rule can see.
OUTWARD = frozenset(
    {
        "__import__", "execl", "execle", "execlp", "execv", "execve", "execvp", "execvpe", "fork", "forkpty",
        "import_module", "n_jobs", "popen", "posix_spawn", "posix_spawnp", "spawnl", "spawnv", "spawnve", "startfile",
        "system",
    }
)  # fmt: skip
CODE_RUNNING_CALLS = frozenset({"eval", "exec"})


class Source(NamedTuple):
    """One module: its dotted name and its text."""

    module: str
    text: str


class Import(NamedTuple):
    """One imported dotted name, where it stands, and whether it runs when the module is imported."""

    name: str
    line: int
    at_import: bool


def sources(root: Path) -> list[Source]:
    """Every module below the package folder `root`, by name."""
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Source(module, path.read_text(encoding="utf-8")))
    return found


def in_room(module: str, room: str) -> bool:
    """Whether `module` is `room` or stands in it."""
    return module == room or module.startswith(room + ".")


def imports(source: Source) -> Iterator[Import]:
    """Every import of a module, ``from a import b`` as both ``a`` and ``a.b``."""
    tree = ast.parse(source.text)
    late = _lines_not_run_at_import(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield Import(name, node.lineno, node.lineno not in late)


def _lines_not_run_at_import(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                lines.update(range(child.lineno, (child.end_lineno or child.lineno) + 1))
    return lines


def too_long(source: Source) -> list[str]:
    """Modules and functions over the limits; docstrings are free."""
    tree = ast.parse(source.text)
    n_lines = len(source.text.splitlines()) - sum(_docstring_lines(node) for node in ast.walk(tree))
    found = [f"{source.module}: {n_lines} lines"] if n_lines > MAX_MODULE_LINES else []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            n_lines = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
            if n_lines > MAX_FUNCTION_LINES:
                found.append(f"{source.module}:{node.lineno} {node.name}: {n_lines} lines")
    return found


def _docstring_lines(node: ast.AST) -> int:
    if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return 0
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


def upward_imports(source: Source) -> list[str]:
    """Imports, lazy ones too, that go up the list along which data flows down."""
    found = [
        f"{source.module}:{item.line} imports {item.name}"
        for room, strangers in MAY_NOT_KNOW.items()
        if in_room(source.module, room)
        for item in imports(source)
        if any(in_room(item.name, stranger) for stranger in strangers)
    ]
    below = ("recsys.log", "recsys.learn", "recsys.rank")
    known = {room for item in imports(source) for room in below if in_room(item.name, room)}
    if known == set(below) and not any(in_room(source.module, room) for room in KNOWS_ALL_ROOMS):
        found.append(f"{source.module} knows log, learn and rank")
    return found


def heavy_imports(source: Source) -> list[str]:
    """Imports that run with the module and bring more than NumPy and the quiet part of the standard library."""
    guests = {"numpy", "recsys"}
    for room, names in TOP_LEVEL_GUESTS.items():
        if in_room(source.module, room):
            guests |= names
    found = []
    for item in imports(source):
        top = item.name.split(".")[0]
        quiet = (
            top in sys.stdlib_module_names and top not in HEAVY_STDLIB and not item.name.startswith(HEAVY_SUBMODULES)
        )
        if item.at_import and not quiet and top not in guests:
            found.append(f"{source.module}:{item.line} imports {item.name}")
    return found


def networked_imports(source: Source) -> list[str]:
    """Imports, lazy ones too, of what can reach a network or another process, or is secretive; but ``REASONS``."""
    # What is shipped for the tests of apps builds walls and looks from outside; the core may not import it.
    if in_room(source.module, "recsys.testing"):
        return []
    found = []
    for item in imports(source):
        top = item.name.split(".")[0]
        reaches = top in NETWORKED | SECRETIVE or any(in_room(item.name, name) for name in NETWORKED_SUBMODULES)
        if reaches and (source.module, top) not in REASONS:
            found.append(f"{source.module}:{item.line} imports {item.name}")
    return found


def outward_calls(source: Source) -> list[str]:
    """Names that start processes or jobs or import by text: ``os.system`` and its kin, ``n_jobs``, ``__import__``."""
    if in_room(source.module, "recsys.testing"):
        return []
    found = []
    excused = {word for module, word in REASONS if module == source.module}
    for node in ast.walk(ast.parse(source.text)):
        words = {getattr(node, field, None) for field in ("arg", "attr", "id", "value") if hasattr(node, field)}
        if isinstance(node, (ast.Name, ast.Attribute, ast.arg, ast.keyword, ast.Constant)):
            found += [f"{source.module}:{node.lineno} says {word}" for word in words if word in OUTWARD - excused]
    return found


def code_runners(source: Source) -> list[str]:
    """Imports and calls that run code out of data: pickle and its kin, ``eval``, ``exec``, ``allow_pickle``."""
    found = [
        f"{source.module}:{item.line} imports {item.name}"
        for item in imports(source)
        if item.name.split(".")[0] in CODE_RUNNERS
    ]
    for node in ast.walk(ast.parse(source.text)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in CODE_RUNNING_CALLS:
            found.append(f"{source.module}:{node.lineno} calls {name}")
        for keyword in node.keywords:
            allowed = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg == "allow_pickle" and not allowed:
                found.append(f"{source.module}:{node.lineno} allows pickle")
    return found


def import_only_in(source: Source, package: str, homes: Iterable[str]) -> list[str]:
    """Imports of `package` outside the modules `homes`."""
    if any(in_room(source.module, home) for home in homes):
        return []
    return [
        f"{source.module}:{item.line} imports {item.name}" for item in imports(source) if in_room(item.name, package)
    ]


def is_documentable(value: object) -> bool:
    """Whether a value has a docstring of its own: classes and functions, not constants or aliases of types."""
    return isinstance(value, (type, FunctionType)) and get_origin(value) is None


def undocumented(namespace: Mapping[str, object], names: Iterable[str]) -> list[str]:
    """Classes and functions among `names` whose docstring is missing or has no ``Stability:`` line."""
    found = []
    for name in names:
        if is_documentable(namespace[name]):
            lines = [line.strip() for line in (namespace[name].__doc__ or "").splitlines()]
            if not any(line in ("Stability: stable", "Stability: provisional") for line in lines):
                found.append(f"{name} has no docstring with a Stability line")
    return found


def misordered(names: list[str]) -> list[str]:
    """Names of an ``__all__`` that are out of order or twice: constants, classes, functions, each by name."""
    right = sorted(set(names), key=lambda name: (0 if name.isupper() else 1 if name[:1].isupper() else 2, name))
    return [] if names == right else [f"found {names}, wanted {right}"]
