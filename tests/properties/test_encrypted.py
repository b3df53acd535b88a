"""E5: what holds for plain files holds for encrypted ones; the same tests, in another process with a key.

All of them run so with ``RECSYS_TEST_KEY`` (see ``tests.keyed``); these are the short ones.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.keyed import needs_cipher, plain_only
from tests.log.examples import ROOT

KEY: Final = bytes(range(32)).hex()
SUITES: Final = (
    "tests/log/test_delete.py",
    "tests/log/test_transactions.py",  # threads, processes and forks are in it
    "tests/properties/test_one_fold.py::test_without_a_fault_the_story_ends_well",  # one run of the state machine
)
LEAST: Final = 80

pytestmark = [needs_cipher, plain_only]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the root of the checkout."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_what_holds_for_plain_files_holds_for_encrypted_ones() -> None:
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITES, RECSYS_TEST_KEY=KEY)
    assert done.returncode == 0, done.stdout[-4_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= LEAST


def test_a_killed_process_loses_nothing_of_an_encrypted_file_either(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.crash.test_recommender_kill import live_and_die, losses\n"
        "path, deaths = Path(sys.argv[1]), []\n"
        "for seed in (3, 6):\n"
        "    deaths.append(live_and_die(path, seed)); assert losses(path, deaths) == []\n"
        "print(sum(len(death.recorded) for death in deaths))"
    )
    done = run("-c", code, str(tmp_path / "me.db"), RECSYS_TEST_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
    assert not (tmp_path / "me.db").read_bytes().startswith(b"SQLite")


@pytest.mark.parametrize(("key", "head"), [(KEY, None), ("", b"SQLite format 3\0")])
def test_with_the_variable_and_only_then_files_are_encrypted(tmp_path: Path, key: str, head: bytes | None) -> None:
    code = (
        "import sys; from pathlib import Path; from recsys import Recommender;"
        "from tests.log.examples import made, event; folder = Path(sys.argv[1]);"
        "made(folder / 'a.db', event(1)); Recommender(folder / 'b.db').close()"
    )
    done = run("-c", code, str(tmp_path), RECSYS_TEST_KEY=key)
    assert done.returncode == 0, done.stderr
    for name in ("a.db", "b.db"):
        with (tmp_path / name).open("rb") as file:
            assert (file.read(16) == b"SQLite format 3\0") is (head is not None)


def test_a_suite_that_fails_with_a_key_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text(
        "from tests.log.examples import made\n"
        "def test_head(tmp_path):\n"
        "    assert made(tmp_path / 'a.db').read_bytes().startswith(b'SQLite')\n"
    )
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", str(tmp_path / "test_plain.py"))
    assert run(*arguments, RECSYS_TEST_KEY=KEY).returncode == 1
