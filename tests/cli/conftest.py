"""What the tests of the command line share: a small file of a made-up person, and ways to run a command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from recsys import Recommender

ROOT = Path(__file__).parents[2]
START_S = 1_700_000_000

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a closed file: 60 plays of three records, two skips, one record never played."""
    path = tmp_path / "me.db"
    with Recommender(path) as recommender:
        names = ("Kind of Blue", "Blue Train", "Ascension", "Never Played")
        recommender.add({"id": name.lower().replace(" ", "-"), "title": name} for name in names)
        recommender.record_many(
            {"item_id": ("kind-of-blue", "blue-train", "ascension")[n % 3], "kind": "play", "at": START_S + 3600.0 * n}
            for n in range(60)
        )
        recommender.record("ascension", "skip", at=START_S + 3600.0 * 61)
        recommender.record("ascension", "skip", at=START_S + 3600.0 * 62)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Give a function that runs ``recsys`` in a process of its own, in the test's folder."""

    def run_recsys(
        *arguments: str | os.PathLike[str], environ: Mapping[str, str] | None = None, given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "HISTFILE")}
        environment = {**kept, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(
            [sys.executable, "-m", "recsys.cli", *map(os.fspath, arguments)],
            capture_output=True,
            check=False,
            cwd=tmp_path,
            encoding="utf-8",
            env={**environment, **(environ or {})},
            input=given,
            timeout=120,
        )

    return run_recsys
