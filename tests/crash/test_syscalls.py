"""What strace prints is read exactly, and where nothing can be traced the reason is told."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.kill_sweep import Point, points_of, sampled
from tests.crash.syscalls import Call, calls_in, why_not

ROOT = Path(__file__).parents[2]


def hexed(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


PRINTED = f"""\
7 openat(AT_FDCWD<{hexed("/tree")}>, "{hexed("/f/me.db")}", O_RDWR|O_CREAT|O_EXCL, 0600) = 3<{hexed("/f/me.db")}>
7 openat(AT_FDCWD, "{hexed("/f/me.db")}", O_RDWR|O_CLOEXEC) = 3<{hexed("/f/me.db")}>
7 openat(AT_FDCWD, "{hexed("/f/b")}", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 4<{hexed("/f/b")}>
7 pwrite64(3<{hexed("/f/me.db")}>, "{hexed("data, (x) = 3")}", 13, 4096) = 13
7 write(1<pipe:[12]>, "{hexed('["about", 0]')}\\x0a", 13) = 13
7 write(4<{hexed("/f/b")}>, "{hexed("x")}", 1) = -1 ENOSPC (No space left on device)
7 ftruncate(3<{hexed("/f/me.db")}>, 512) = 0
7 fallocate(4<{hexed("/f/b")}>, 0, 100, 200) = 0
7 fdatasync(3<{hexed("/f/me.db")}>) = 0
7 fsync(5<{hexed("/f")}>) = 0
7 fsync(5<{hexed("/elsewhere")}>) = 0
7 rename("{hexed("/f/b")}", "{hexed("/f/c")}") = 0
7 unlinkat(AT_FDCWD, "{hexed("/f/c")}", 0) = 0
7 unlink("{hexed("/f/none")}") = -1 ENOENT (No such file or directory)
7 pwrite64(3<{hexed("/f/me.db")}>, "{hexed("y")}", 1, 0) = ?
7 +++ killed by SIGKILL +++
"""


def test_what_strace_prints_is_read() -> None:
    assert list(calls_in(PRINTED, "/f")) == [
        Call("create", "/f/me.db"),
        Call("create", "/f/b", other="truncate"),
        Call("pwrite64", "/f/me.db", b"data, (x) = 3", 4096),
        Call("said", data=b'["about", 0]\n'),
        Call("write", "/f/b", b"x", -1, ok=False),
        Call("ftruncate", "/f/me.db", number=512),
        Call("fallocate", "/f/b", number=300),
        Call("fdatasync", "/f/me.db"),
        Call("fsync", "/f"),
        Call("rename", "/f/b", other="/f/c"),
        Call("unlink", "/f/c"),
        Call("unlink", "/f/none", ok=False),
        Call("pwrite64", "/f/me.db", b"y", 0, ok=False),
    ]


@pytest.mark.parametrize("line", ['7 pwrite64(3</f/a>, "\\x00"..., 9, 0) = 9', "7 pwrite64(3</f/a>, <unfinished ...>"])
def test_what_is_cut_short_or_not_understood_is_no_call_but_an_error(line: str) -> None:
    with pytest.raises(AssertionError, match=r"short|understood"):
        list(calls_in(line, "/f"))


def test_points_count_each_kind_of_call_from_one() -> None:
    found = points_of("add", calls_in(PRINTED, "/f"), Path("/f"))
    assert [(point.call, point.n) for point in found if point.call in ("pwrite64", "fsync")] == [
        ("pwrite64", 1),
        ("fsync", 1),
        ("pwrite64", 2),
    ]
    assert found[0].paths == (".", "b", "c", "me.db", "none")


def test_a_sample_has_every_deed() -> None:
    found = {deed: [Point(deed, "write", n, ()) for n in range(100)] for deed in ("a", "b", "c")}
    chosen = sampled(found, 10, seed=1)
    assert len(set(chosen)) == 10
    assert {point.deed for point in chosen} == {"a", "b", "c"}
    assert chosen == sampled(found, 10, seed=1)


# Where nothing can be traced

_ASK = "import json; from tests.crash.syscalls import why_not; print(json.dumps(why_not()))"
_FILTER = """
import pyseccomp
rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
rules.add_rule({action}, "ptrace")
rules.load()
"""


def asked(code: str, **environment: str) -> object:
    """What a process says in which the code was run first."""
    command = [sys.executable, "-c", code + _ASK]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_reason_is_told_when_strace_is_missing(tmp_path: Path) -> None:
    assert asked("", PATH=str(tmp_path)) == "strace is not installed"


@pytest.mark.parametrize(
    ("action", "reason"),
    [("pyseccomp.KILL_PROCESS", "a seccomp filter kills what calls ptrace"), ("pyseccomp.ERRNO(1)", "not allowed")],
)
def test_the_reason_is_told_when_a_filter_forbids_ptrace(action: str, reason: str) -> None:
    if why_not():
        pytest.skip(str(why_not()))
    if importlib.util.find_spec("pyseccomp") is None:
        pytest.skip("pyseccomp is not installed")
    import os

    assert reason in str(asked(_FILTER.format(action=action), PATH=os.environ["PATH"]))
