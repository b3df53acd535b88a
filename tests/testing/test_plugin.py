"""The plugin as a host's pytest loads it, in a process of its own; and the example of docs/testing.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from recsys.testing import strategies
from tests import documents

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = Path(__file__).parent / "example_app"
PAGE: Final = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def ran(folder: Path, *options: str) -> str:
    """Run pytest on a folder, as a host would; gives what it printed."""
    command = [sys.executable, "-m", "pytest", "-p", "recsys_pytest", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(
        [*command, f"--rootdir={folder}", f"--basetemp={folder / 'tmp'}", *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.stdout + done.stderr


HOST: Final = """
import sys
from pathlib import Path

import pytest


def test_nothing_is_loaded_before_a_fixture_is_asked_for():
    assert {"recsys", "numpy", "hypothesis.stateful", "sqlite3"} & set(sys.modules) == set()


def reach():
    import socket
    try:
        socket.create_connection(("localhost", 9))
    except Exception:
        pass


def test_swallowed(no_network):
    reach()


def test_allowed(no_network):
    no_network.allow("socket.connect")
    sys.audit("socket.connect", None, ("localhost", 9))


def test_unguarded():
    sys.audit("socket.connect", None, ("localhost", 9))


@pytest.fixture
def app(no_network):
    yield None
    reach()


def test_at_the_end(app):
    pass


@pytest.fixture
def begun(no_network):
    import socket
    socket.gethostbyname("localhost")


def test_at_the_beginning(begun):
    pass


def test_written_elsewhere(sealed_dir):
    try:
        Path(__file__).with_name("elsewhere").write_text("x")
    except Exception:
        pass


def test_readable(sealed_dir):
    (sealed_dir / "open").touch(mode=0o600)
    (sealed_dir / "open").chmod(0o644)


def test_written_inside(sealed_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(sealed_dir)
    (sealed_dir / "mine").touch(mode=0o600)


def test_needles_left(sealed_dir, forensic):
    (sealed_dir / "mine").touch(mode=0o600)
    (sealed_dir / "mine").write_text("Coping with Insomnia")
    forensic.needles("Coping with Insomnia").assert_held()
    forensic.assert_gone()


def test_needles_gone(tmp_path, forensic):
    (tmp_path / "mine").write_text("nothing to see")
    forensic.watch(tmp_path).needles("Coping with Insomnia").assert_gone()


def test_needles_never_looked_for(tmp_path, forensic):
    forensic.watch(tmp_path).needles("Coping with Insomnia")


def test_failed_for_another_reason(no_network):
    reach()
    assert "the app" == "the test"
"""

ENDS: Final = {
    "test_nothing_is_loaded_before_a_fixture_is_asked_for": "",
    "test_swallowed": "FAILED",
    "test_allowed": "",
    "test_unguarded": "",
    "test_at_the_end": "ERROR",
    "test_at_the_beginning": "ERROR",
    "test_written_elsewhere": "FAILED",
    "test_readable": "FAILED",
    "test_written_inside": "",
    "test_needles_left": "FAILED",
    "test_needles_gone": "",
    "test_needles_never_looked_for": "FAILED",
    "test_failed_for_another_reason": "FAILED",
}


def test_the_fixtures_fail_what_they_should_and_nothing_else(tmp_path: Path) -> None:
    """N1, N2, L2, F1."""
    (tmp_path / "test_host.py").write_text(HOST)
    told = ran(tmp_path)
    ends = {name: end for end, name in re.findall(r"^(FAILED|ERROR) test_host.py::(\w+)", told, re.MULTILINE)}
    assert {name: ends.get(name, "") for name in ENDS} == ENDS, told
    assert len(re.findall(r"^def test_", HOST, re.MULTILINE)) == len(ENDS)
    assert not (tmp_path / "elsewhere").exists()
    assert len(re.findall(r"^ERROR .*::test_at_the_beginning", told, re.MULTILINE)) == 1, "told once"
    for said in (
        r"no_network: 1 tried, and the errors were swallowed:\n  socket.getaddrinfo at test_host.py:\d+, in reach",
        r"sealed: 1 tried, and the errors were swallowed:\n  open at test_host.py:\d+, in test_written_elsewhere",
        r"  open: mode 0644, should be 0600",
        r"mine: needle 0, as utf-8, 1 time, first at byte 0",
        r"nobody asked whether they are gone",
        r"Captured recsys call -+\nno_network: socket.getaddrinfo at test_host.py",
    ):
        assert re.search(said, told), said


def test_the_entry_point_has_the_name_of_the_module() -> None:
    """So that ``-p recsys_pytest`` and the entry point are one plugin, loaded once."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\nrecsys_pytest = "recsys_pytest"\n' in project


def example(folder: Path, app: str) -> str:
    shutil.copy(EXAMPLE / app, folder / "app.py")
    shutil.copy(EXAMPLE / "test_podcasts.py", folder)
    return ran(folder)


def test_the_bug_of_the_example_is_found_as_the_documentation_shows_it(tmp_path: Path) -> None:
    told = example(tmp_path, "app.py")
    assert "2 failed" in told
    (shown,) = (block.text for block in documents.blocks(PAGE) if block.language == "text")
    assert not re.search(r"\b(id|of|tag|note|place)-[0-9a-f]{16}", told), "a canary, where pytest shows arguments"
    lines = [line.removeprefix("E").strip() for line in shown.splitlines()]
    missing = [line for line in lines if not re.search(rf"^E +{re.escape(line)}$", told, re.MULTILINE)]
    assert missing == [] or sys.version_info < (3, 11)  # before, notes are printed in another place
    assert lines[0] in told


def test_the_mended_example_passes(tmp_path: Path) -> None:
    told = example(tmp_path, "app_fixed.py")
    assert "2 passed" in told, told


def test_the_documentation_shows_the_files_that_are_run() -> None:
    pages = {
        name: block.text
        for name, block in zip(
            re.findall(r"<!-- tests/testing/example_app/(\S+) -->", PAGE),
            [block for block in documents.blocks(PAGE) if block.language == "python3"],
            strict=True,
        )
    }
    files = {path.name: path.read_text(encoding="utf-8").rstrip() for path in EXAMPLE.glob("*.py")}
    assert pages.keys() == files.keys()
    assert pages["app.py"] == files["app.py"]
    assert pages["test_podcasts.py"] == files["test_podcasts.py"]
    assert pages["app_fixed.py"] in files["app_fixed.py"]
    old = "\n".join(line for line in pages["app_fixed.py"].splitlines() if "titles" not in line and "_save" not in line)
    assert files["app_fixed.py"].replace(pages["app_fixed.py"], old) == files["app.py"]


def test_the_documentation_lists_every_strategy() -> None:
    named = set(re.findall(r"`(\w+)(?:\(\))?`", PAGE[PAGE.index("## Strategies") :]))
    assert set(strategies.__all__) <= named
