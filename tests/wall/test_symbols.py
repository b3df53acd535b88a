"""No shared object of the core imports a network call but those on the list, and nothing new does in the extras."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.wall import symbols
from tests.wall.symbols import EXPECTED, NETWORK, PROCESSES, asked_for, loaded_by, unexpected

REASON = symbols.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))
CORE = "import sys, pathlib, tests.wall.session as s; s.live(pathlib.Path(sys.argv[1]), 7, 0)\n"
# Every package of an extra, as recsys or a host would load it.
EXTRAS = ("click", "hypothesis", "lightgbm", "pandas", "rich", "sklearn.linear_model", "sqlcipher3", "sqlite_utils")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return loaded_by(CORE, str(tmp_path_factory.mktemp("core")))


@pytest.fixture(scope="module")
def extras() -> list[Path]:
    there = [name for name in EXTRAS if importlib.util.find_spec(name.split(".")[0])]
    print("extras:", there)
    return loaded_by("".join(f"import {name}\n" for name in there))


def test_the_core_has_no_object_loaded_that_asks_for_a_network_unlisted(core: list[Path]) -> None:
    assert any("numpy" in str(path) for path in core)
    asked = asked_for(core)
    print({path.name: sorted(names) for path, names in asked.items()})
    assert asked  # the interpreter at least can start processes
    assert unexpected(asked, core=True) == []


def test_the_extras_have_no_object_loaded_that_asks_for_a_network_unlisted(extras: list[Path]) -> None:
    asked = asked_for(extras)
    print({path.name: sorted(names) for path, names in asked.items()})
    assert unexpected(asked) == []


def test_an_offender_that_is_taken_off_the_list_is_found(extras: list[Path]) -> None:
    offenders = [pattern for pattern in ("_socket.*", "lib_lightgbm.so") if any(p.match(pattern) for p in extras)]
    for offender in offenders:
        shorter = {pattern: known for pattern, known in EXPECTED.items() if pattern != offender}
        (finding,) = unexpected(asked_for(extras), shorter)
        assert "connect" in finding
    if not offenders:
        pytest.skip("no extra that imports sockets is installed")


def test_the_core_may_not_load_what_only_an_extra_may() -> None:
    asked = {Path("/lib/_socket.so"): frozenset({"connect"})}
    assert unexpected(asked) == []
    assert unexpected(asked, core=True) == ["_socket.so asks for connect"]


def test_a_planted_library_that_calls_connect_is_found(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no planted library: gcc is not installed")
    library = tmp_path / "libquiet.so"
    source = (
        "int socket(int, int, int), system(const char *);\nint leak(void) { return socket(2, 1, 0) + system(0); }\n"
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)], input=source, text=True, check=True)
    loaded = loaded_by(f"import ctypes; ctypes.CDLL({str(library)!r})\n")
    assert unexpected(asked_for(loaded), core=True) == ["libquiet.so asks for socket, system"]


def test_every_row_of_the_list_has_a_reason_and_known_symbols() -> None:
    for known in EXPECTED.values():
        assert known.reason
        assert known.symbols <= NETWORK | PROCESSES
