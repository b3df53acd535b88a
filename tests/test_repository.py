"""What no tracked file may say: a registry's host, a path of one machine, the number of an issue.

The project speaks of itself alone, installs by package name, and runs from any folder.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Shipped and benchmarked data say what they say.
DATA = (".csv", ".jsonl", ".tsv")

# Written in pieces where the pattern would find itself.
FORBIDDEN: Mapping[str, re.Pattern[str]] = {
    "a registry's host": re.compile(
        r"\b(?:pypi\.(?:org|python)|test\.pypi|files\.pythonhosted|registry\.(?:npmjs|yarnpkg)|deb\.debian"
        r"|proxy\.golang|index\.crates|static\.crates|repo1?\.maven|conda\.anaconda)\b"
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.~$}*-])/(?:work|root|home|Users)/\w|\.pyenv/versions/\d|[A-Z]:\\Users\\\w"
    ),
    "the number of an issue": re.compile(
        r"\b(?:[Ii]ssues?|[Pp]ull [Rr]equests?|PRs?|GH|[Cc]lose[sd]?|[Ff]ix(?:e[sd])?)[ :-]?#\d+\b"
        r"|\b[Ii]ssue \d+\b|\bGH-\d+\b|(?<=[\s(\[])#\d{1,5}(?=[\s)\].,;:]|$)|/(?:issues|pull)/\d+",
        re.MULTILINE,
    ),
}

PLANTED = [
    ("a registry's host", "https://" + "pypi" + ".org/simple"),
    ("a registry's host", "--index-url https://test." + "pypi" + ".org"),
    ("a registry's host", "https://files." + "pythonhosted.org/packages/x.whl"),
    ("a registry's host", "registry." + "npmjs.org"),
    ("a path of one machine", "see " + "/work" + "/main/x.py"),
    ("a path of one machine", "open('" + "/root" + "/x')"),
    ("a path of one machine", "/home" + "/anne/x"),
    ("a path of one machine", "$HOME/." + "pyenv/versions/3.10.13/bin/python"),
    ("the number of an issue", "as asked in issue " + "#12"),
    ("the number of an issue", "see issue " + "12"),
    ("the number of an issue", "mends the fold (" + "#7)"),
    ("the number of an issue", "# Fixes " + "#345"),
    ("the number of an issue", "https://example.org/a/b/" + "issues/9"),
]

SOUND = """
pip install recsys-embedded            # by name
"${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python
~/notes/home/x and the network/root/leaf, half-way/home/again
color="#123456", "#333"; Acc@1; rank 1; step 3; an issue of 3 pages; # 12 of them; the 1st issue
"""


def findings(text: str) -> list[str]:
    """What of the forbidden a text holds, one line a finding."""
    return [f"{what}: {match.group()!r}" for what, pattern in FORBIDDEN.items() for match in pattern.finditer(text)]


def tracked_texts() -> dict[str, str]:
    """The tracked text files, by name; data and binary files are left out."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    texts = {}
    for name in listed.split("\0"):
        path = ROOT / name
        if name and path.is_file() and not name.endswith(DATA):
            content = path.read_bytes()
            # As git does: a file with a NUL byte near its beginning is binary.
            if b"\0" not in content[:8000]:
                texts[name] = content.decode()
    return texts


def test_no_tracked_file_names_a_registry_a_machine_or_an_issue() -> None:
    texts = tracked_texts()
    assert "pyproject.toml" in texts
    assert [f"{name}: {finding}" for name, text in texts.items() for finding in findings(text)] == []


@pytest.mark.parametrize(("what", "text"), PLANTED, ids=[f"{what}-{i}" for i, (what, _) in enumerate(PLANTED)])
def test_a_planted_mention_is_found(what: str, text: str) -> None:
    assert [finding.split(":")[0] for finding in findings(text)] == [what]


def test_ordinary_text_passes() -> None:
    assert findings(SOUND) == []
