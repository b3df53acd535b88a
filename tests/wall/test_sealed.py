"""Inside the seal the core lives as ever (N1), and every planted leak dies (N5)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wall import sealed
from tests.wall.leaks import ENDLESS, LEAKS
from tests.wall.session import CALLS

REASON = sealed.why_not()
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


def run_sealed(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return run("-m", "tests.wall.sealed", *arguments, env=env)


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120, env=env)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_sequence_of_calls_reaches_for_a_network(seed: int, tmp_path: Path) -> None:
    done = run_sealed("-m", "tests.wall.session", str(tmp_path), str(seed), "30")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == set(CALLS)


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_killed(leak: str) -> None:
    if "lightgbm" in LEAKS[leak]:
        pytest.importorskip("lightgbm")
    done = run_sealed("-c", LEAKS[leak])
    assert done.returncode == sealed.SEALED_TO_DEATH, done.stderr
    assert "sealed: seccomp" in done.stderr
    assert "killed by the seal" in done.stderr


@pytest.mark.parametrize("leak", LEAKS.keys() - ENDLESS)
def test_a_planted_leak_ends_well_where_nothing_stops_it(leak: str) -> None:
    done = run("-c", LEAKS[leak])
    assert done.returncode == 0, done.stderr


def test_a_test_that_leaks_ends_the_whole_run(tmp_path: Path) -> None:
    test = tmp_path / "test_leak.py"
    test.write_text(f"def test_it():\n    exec({LEAKS['C' + chr(39) + 's own connect']!r})\n")
    assert run("-m", "pytest", "-q", str(test)).returncode == 0
    assert run_sealed("-m", "pytest", "-q", str(test)).returncode == sealed.SEALED_TO_DEATH


def test_the_seal_passes_on_how_a_program_ended() -> None:
    assert run_sealed("-c", "raise SystemExit(7)").returncode == 7
    assert run_sealed("-c", "import os; os.abort()").returncode == 128 + 6


@pytest.mark.parametrize("arguments", [[], ["--or-say-why"]])
def test_without_something_to_run_the_usage_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert sealed.main(arguments) == 2
    assert capsys.readouterr().err == f"{sealed.USAGE}\n"


def test_the_user_has_a_name_inside_the_seal_without_a_question_to_a_daemon() -> None:
    nobody = {name: value for name, value in os.environ.items() if name not in ("LOGNAME", "USER", "LNAME", "USERNAME")}
    done = run_sealed("-c", "import getpass; print(getpass.getuser())", env=nobody)
    assert (done.returncode, done.stdout) == (0, f"uid{os.getuid()}\n")


def test_a_machine_that_refuses_filters_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed._is_let.cache_clear()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert "does not let a process put a filter on itself" in str(sealed.why_not())
    sealed._is_let.cache_clear()


def test_without_seccomp_the_reason_is_said_and_nothing_runs_unless_asked(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    ran: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: ran.append(command[1:]) or sys.exit(0))
    assert sealed.main(["-c", "pass"]) == 2
    assert ran == []
    with pytest.raises(SystemExit):
        sealed.main(["--or-say-why", "-c", "pass"])
    assert ran == [["-c", "pass"]]
    assert capfd.readouterr().err == "not sealed: pyseccomp is not installed (the `dev` extra)\n" * 2
