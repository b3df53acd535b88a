"""The wheel holds the package, its pytest plugin and nothing else, asks for NumPy alone, and stays small."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_WHEEL_BYTES = 1_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


def contents(path: Path) -> set[str]:
    """Every file of a wheel but its own metadata."""
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def package_files() -> set[str]:
    """Every file below recsys/ that is, or could be, committed; and the plugin beside it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "recsys", "recsys_pytest.py"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()
    return {name for name in listed if (ROOT / name).is_file()}


def test_the_wheel_is_the_package_and_nothing_else(wheel: Path) -> None:
    assert contents(wheel) == package_files()
    assert "recsys/py.typed" in contents(wheel)


def test_a_stray_file_in_a_wheel_is_seen(wheel: Path, tmp_path: Path) -> None:
    copy = tmp_path / wheel.name
    copy.write_bytes(wheel.read_bytes())
    with zipfile.ZipFile(copy, "a") as archive:
        archive.writestr("tests/test_stray.py", "")
    assert contents(copy) - package_files() == {"tests/test_stray.py"}


def test_pytest_finds_the_plugin_of_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    code = "import sys, pytest; sys.exit(pytest.main(['--fixtures', '-q', '--rootdir=.', '-p', 'no:cacheprovider']))"
    done = subprocess.run(
        [sys.executable, "-P" if sys.version_info >= (3, 11) else "-B", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert re.search(r"^sealed_dir -- .*recsys_pytest.py", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


def test_the_wheel_asks_for_numpy_alone_and_runs_on_any_platform(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    core = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert core == ["numpy>=1.26"]
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert wheel.name.endswith("-py3-none-any.whl")
