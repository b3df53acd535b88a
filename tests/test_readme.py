"""Every Python block of README.md and docs/ runs, and every documented command exists."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from tests import documents

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = "`" * 3
SAMPLE = f"""
{FENCE}python
x = 20
{FENCE}

Some words.

1. A list:
   {FENCE}python
   y = x + 1
   assert y == 21
   {FENCE}

<!-- not run: it would install -->
{FENCE}sh
pip install recsys-embedded
PYTHON=python3.12 scripts/test -q \\
    tests/log   # some of them
{FENCE}

{FENCE}text
rm -rf nothing
{FENCE}
"""


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def subcommands() -> set[str]:
    """What may follow `recsys` on a command line."""
    click = pytest.importorskip("click")
    from recsys.cli.app import group

    return set(group.list_commands(click.Context(group)))


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_the_python_blocks_of_a_document_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    documents.run_python(path, path.read_text(encoding="utf-8"))
    capsys.readouterr()


def test_the_readme_shows_some_python() -> None:
    languages = [block.language for block in documents.blocks((ROOT / "README.md").read_text(encoding="utf-8"))]
    assert "python" in languages


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_the_commands_of_a_document_exist(path: Path) -> None:
    assert documents.strange_commands(path.read_text(encoding="utf-8"), ROOT, subcommands()) == []


def test_the_blocks_of_a_sample_are_found_and_run_in_one_namespace() -> None:
    assert [(block.language, block.line) for block in documents.blocks(SAMPLE)] == [
        ("python", 3),
        ("python", 10),
        ("sh", 16),
        ("text", 22),
    ]
    assert documents.run_python(Path("sample.md"), SAMPLE) == 2
    assert documents.strange_commands(SAMPLE, ROOT, {"demo"}) == []


def test_a_wrong_python_block_fails_with_the_document_s_own_line() -> None:
    with pytest.raises(NameError) as caught:
        documents.run_python(Path("sample.md"), SAMPLE.replace("x = 20", "z = 20"))
    last = traceback.extract_tb(caught.tb)[-1]
    assert (last.filename, last.lineno) == ("sample.md", 10)


def test_python_cannot_be_marked_as_not_run() -> None:
    with pytest.raises(ValueError, match="always run"):
        documents.run_python(Path("sample.md"), f"<!-- not run: slow -->\n{FENCE}python\nx = 1\n{FENCE}\n")


def test_a_block_that_needs_a_missing_module_is_passed_over_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    block = f"\n{FENCE}python\nran.append(1)\n{FENCE}\n"
    document = f"{FENCE}python\nran = []\n{FENCE}\n<!-- needs: no_such_module -->{block}<!-- needs: json -->{block}"
    assert documents.run_python(Path("sample.md"), document) == 2
    assert capsys.readouterr().out == "sample.md:6: not run, since no_such_module is not installed\n"


def test_a_block_that_is_never_closed_is_an_error() -> None:
    with pytest.raises(ValueError, match="never closed"):
        list(documents.blocks(f"{FENCE}python\nx = 1\n"))


@pytest.mark.parametrize(
    "command",
    ["scripts/no-such-script", "./scripts/no-such-script -q", "recsys frobnicate", "curl example.org", "A=1 make"],
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    for language, line in (("sh", command), ("console", f"$ {command}\nsome output")):
        document = f"{FENCE}{language}\n{line}\n{FENCE}\n"
        assert len(documents.strange_commands(document, ROOT, {"demo"})) == 1
