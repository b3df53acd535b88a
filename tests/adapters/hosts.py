"""What the tests of adapters share: an environment with this tree in it, what is missing here, and how things are run.

``python -m tests.adapters.hosts FOLDER`` makes such an environment and prints its interpreter.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from tests.documents import blocks

__all__ = [
    "ADAPTERS",
    "CONTRACT",
    "ROOT",
    "SEALED",
    "contract_counts",
    "copied_contract",
    "environment",
    "example",
    "lacking",
    "replayed",
    "run",
]

ROOT: Final = Path(__file__).parents[2]
ADAPTERS: Final = ROOT / "adapters"
CONTRACT: Final = ADAPTERS / "contract"
SEALED: Final = [
    sys.executable, "-m", "tests.wall.sealed", "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])",
]  # fmt: skip
"""Before a command: inside the filter that kills what makes a network call."""


def environment(folder: Path) -> Path:
    """Make a virtual environment that holds this tree and NumPy; returns its interpreter.

    A host reads no PYTHONPATH, and where these tests run another recsys may be installed.
    """
    venv.create(folder, symlinks=True)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    lines = [str(ROOT), str(Path(np.__file__).parents[1])]
    Path(paths["purelib"], "this-tree.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "bin" / "python"


def lacking(*programs: str) -> str:
    """Say what is missing to build a host with this Python; empty when nothing is."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)}: not installed"
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        return "Python.h is not installed (Debian: python3-dev)"
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return "this Python has no shared library"
    return ""


def run(
    command: list[str | Path], *, seconds: float = 240, folder: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without an input; what it printed is kept, and nothing is raised when it fails."""
    return subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=None if env is None else {**os.environ, **env},
        stdin=subprocess.DEVNULL,
        timeout=seconds,
    )


def example(adapter: str, language: str, **instead: str) -> str:
    """The first block of a language in an adapter's README, with some of its words replaced."""
    document = (ADAPTERS / adapter / "README.md").read_text(encoding="utf-8")
    text = next(block.text for block in blocks(document) if block.language == language)
    for word, other in {"/opt/app/venv/bin/python": instead.pop("python"), **instead}.items():
        text = text.replace(word, other)
    return text


def contract_counts(*, raw: bool = True) -> tuple[int, int]:
    """How many cases and steps the contract has, with the cases of bytes or without."""
    cases = [case for path in (CONTRACT / "cases").glob("*.json") for case in json.loads(path.read_text("utf-8"))]
    n_raw = len(json.loads((CONTRACT / "raw.json").read_text("utf-8"))) if raw else 0
    return len(cases) + n_raw, sum(len(case["steps"]) for case in cases) + n_raw


def replayed(printed: str) -> tuple[int, int, int]:
    """What a runner says: cases, steps, failed."""
    found = re.search(r"(\d+) cases, (\d+) steps, (\d+) failed", printed)
    assert found, printed
    cases, steps, failed = map(int, found.groups())
    return cases, steps, failed


def copied_contract(folder: Path, *extra: object) -> Path:
    """Copy the contract, with these cases more."""
    shutil.copytree(CONTRACT, folder)
    (folder / "cases" / "zz-more.json").write_text(json.dumps(list(extra)), encoding="utf-8")
    return folder


if __name__ == "__main__":
    print(environment(Path(sys.argv[1]).absolute()))
