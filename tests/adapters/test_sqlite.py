"""The extension of SQLite: the contract, through the command line of sqlite3."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.hosts import ADAPTERS, example, lacking, run
from tests.bridge.contract import cases, replay

CASES = dict(cases())


class Shell:
    """One sqlite3, which is asked for one answer after another."""

    def __init__(self, extension: Path, python: Path) -> None:
        self.process = subprocess.Popen(
            ["sqlite3", "-batch", "-init", "/dev/null"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        )  # fmt: skip
        self._tell(f".load {extension}")
        assert self._ask(f"recsys_boot('{python}')") == "1"

    def call(self, method: str, arguments: dict[str, Any]) -> Any:
        """Make a call, and give the answer as the bridge would."""
        told = self._ask("recsys('{}', '{}')".format(method, json.dumps(arguments).replace("'", "''")))
        refused = re.fullmatch(r"Runtime error near line \d+: (\w+) (\w*): (.*)", told)
        if refused:
            return {"error": {"kind": refused[1], "field": refused[2] or None, "message": refused[3]}}
        return {"result": json.loads(told)}

    def _ask(self, expression: str) -> str:
        self._tell(f"SELECT {expression};\n.print")
        assert self.process.stdout is not None
        lines = list(iter(lambda: self.process.stdout.readline().rstrip("\n"), ""))  # type: ignore[union-attr]
        return "\n".join(lines)

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def shell(c_host: Path, python: Path) -> Iterator[Shell]:
    reason = lacking("sqlite3")
    if reason or not Path("/usr/include/sqlite3ext.h").exists():
        pytest.skip(reason or "sqlite3ext.h is not installed (Debian: libsqlite3-dev)")
    extension = c_host / "recsys_sqlite.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden", "-shared", "-Wl,-rpath,$ORIGIN"]
    source = ADAPTERS / "sqlite" / "recsys_sqlite.c"
    where = [f"-I{ADAPTERS / 'c' / 'include'}", f"-L{c_host}"]
    made = run(["cc", *flags, source, "-o", extension, *where, "-lrecsys"])
    assert made.returncode == 0, made.stderr
    opened = Shell(extension, python)
    yield opened
    opened.process.communicate(".quit\n", timeout=60)
    assert opened.process.returncode in (0, 1)  # 1, since refused calls are errors to it


@pytest.mark.parametrize("name", CASES)
def test_a_case_holds_through_sqlite(name: str, shell: Shell, tmp_path: Path) -> None:
    assert replay(CASES[name], shell.call, str(tmp_path)) == []


def test_the_example_of_the_readme_runs(shell: Shell, c_host: Path, python: Path, tmp_path: Path) -> None:
    assert shell.process.poll() is None
    lines = example("sqlite", "sql", python=str(python)).replace("./lib/recsys_sqlite", str(c_host / "recsys_sqlite"))
    (tmp_path / "example.sql").write_text(lines + "\n", encoding="utf-8")
    done = run(["sqlite3", "-batch", "-init", "/dev/null", ":memory:", ".read example.sql"], folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if not line.startswith('"')] == ["1", "1", "tea", "erased"]


def test_it_is_fifty_lines() -> None:
    assert len((ADAPTERS / "sqlite" / "recsys_sqlite.c").read_text(encoding="utf-8").splitlines()) <= 50
