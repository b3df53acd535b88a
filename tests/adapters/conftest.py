"""Fixtures of the adapters' tests: an environment, and each adapter built once for all tests of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.hosts import ADAPTERS, environment, lacking, run


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with this tree in it."""
    return environment(tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture(scope="session")
def c_host(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the C library, the examples and the tests are built."""
    reason = lacking("make", "cc", "c++")
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("c")
    made = run(["make", "-s", "-C", ADAPTERS / "c", f"PYTHON={python}", f"BUILD={folder}", "all"])
    assert made.returncode == 0, made.stderr
    return folder
