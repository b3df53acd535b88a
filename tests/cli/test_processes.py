"""The command line as a process: its exit codes, its plain output, and what it does without its extra."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys import Recommender
from tests import documents

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "command-line.md"
Run = Callable[..., subprocess.CompletedProcess[str]]
BLOCKED = "import sys; sys.modules[{name!r}] = None; from recsys.cli import main; sys.exit(main())"


def on_a_terminal(*arguments: str, given: bytes = b"", environ: dict[str, str] | None = None) -> tuple[int, str]:
    """Run ``recsys`` on a terminal of 80 columns; return the exit code and all that it showed."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
    process = subprocess.Popen(
        [sys.executable, "-m", "recsys.cli", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**kept, "TERM": "xterm-256color", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **(environ or {})},
    )
    os.close(theirs)
    os.write(ours, given)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(60), shown.decode("utf-8")


@pytest.mark.parametrize("name", ["click", "rich"])
def test_without_its_extra_it_names_the_extra_and_shows_no_traceback(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(name=name), "check", "x"],
        capture_output=True,
        check=False,
        text=True,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'recsys: this needs an optional extra: pip install "recsys-embedded[cli]"\n'


def test_importing_recsys_loads_neither_click_nor_rich() -> None:
    code = "import sys, recsys; sys.exit(any(name in sys.modules for name in ('click', 'rich', 'recsys.cli')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_piped_output_is_plain(run: Run, file: Path) -> None:
    for arguments in (["inspect", file], ["recommend", file], ["explain", file, "ascension"], ["check", file]):
        done = run(*arguments)
        assert done.returncode == 0
        assert done.stdout.isascii()
        assert "\x1b" not in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_terminal_gets_colours_and_boxes(file: Path) -> None:
    code, shown = on_a_terminal("check", str(file))
    assert code == 0
    assert "\x1b[32m" in shown
    assert "─" in shown


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_wants_or_can_no_more_gets_plain_text(file: Path, environ: dict[str, str]) -> None:
    code, shown = on_a_terminal("check", str(file), environ=environ)
    assert code == 0
    assert shown.isascii()
    assert "\x1b" not in shown


def test_forget_asks_on_a_terminal_and_takes_no_for_an_answer(file: Path) -> None:
    code, shown = on_a_terminal("forget", str(file), "--everything", given=b"n\n")
    assert (code, "Erase this for good?" in shown) == (1, True)
    with Recommender(file) as recommender:
        assert recommender.stats().n_events == 62


def test_forget_asks_on_a_terminal_and_takes_yes_for_an_answer(file: Path) -> None:
    code, shown = on_a_terminal("forget", str(file), "--everything", given=b"y\n")
    assert (code, "erased" in shown) == (0, True)
    with Recommender(file) as recommender:
        assert recommender.stats().n_events == 0


def test_it_says_its_version(run: Run) -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("recsys ")


def test_a_reader_that_goes_away_is_no_fault(file: Path) -> None:
    command = f"{sys.executable} -m recsys.cli inspect {file} | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_shell_blocks_of_the_document_run_in_their_order(run: Run) -> None:
    n_run = 0
    for block in documents.blocks(DOCUMENT.read_text(encoding="utf-8")):
        if block.language != "sh" or block.not_run:
            continue
        for line in block.text.splitlines():
            program, *arguments = line.split()
            done = run(*arguments)
            assert (program, done.returncode, done.stderr.count("Error")) == ("recsys", 0, 0), line
            n_run += 1
    assert n_run == 9
