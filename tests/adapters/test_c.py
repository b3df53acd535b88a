"""The C adapter: the contract, threads, failures, the wall and forgetting, through hosts that are built here."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from recsys.testing import assert_forgotten, find_traces
from tests.adapters.hosts import (
    ADAPTERS,
    CONTRACT,
    SEALED,
    contract_counts,
    copied_contract,
    example,
    lacking,
    replayed,
    run,
)
from tests.wall.sealed import why_not

WRONG = {"name": "wrong", "steps": [{"call": "version", "arguments": {}, "expect": {"result": 3}}]}


@pytest.mark.parametrize("runner", ["contract", "contract++"])
def test_the_contract_holds_through_c_and_its_plus_plus(
    runner: str, c_host: Path, python: Path, tmp_path: Path
) -> None:
    done = run([c_host / runner, python, CONTRACT, tmp_path])
    assert done.returncode == 0, done.stderr
    assert replayed(done.stdout) == (*contract_counts(), 0)


def test_a_case_that_does_not_hold_fails(c_host: Path, python: Path, tmp_path: Path) -> None:
    folder = copied_contract(tmp_path / "contract", WRONG)
    (tmp_path / "scratch").mkdir()
    done = run([c_host / "contract", python, folder, tmp_path / "scratch"])
    assert done.returncode == 1
    assert replayed(done.stdout)[2] == 1


def test_many_threads_many_calls_and_wrong_ones_leave_nothing_behind(
    c_host: Path, python: Path, tmp_path: Path
) -> None:
    done = run([c_host / "stress", python, tmp_path, "4000"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 threads; 0 failed" in done.stdout


@pytest.mark.parametrize("host", ["host", "host++"])
def test_an_example_runs_without_an_environment(host: str, c_host: Path, python: Path, tmp_path: Path) -> None:
    done = run(["env", "-i", "HOME=/", c_host / host, python, tmp_path / "me.db"])
    assert done.returncode == 0, done.stderr
    assert '"status":"erased"' in done.stdout
    if host == "host++":
        assert "InputError item_id: item_id: must not be empty" in done.stdout


IN_PYTHON = """
import ctypes, sys, threading
lib = ctypes.CDLL(sys.argv[1])
assert lib.recsys_boot(None) == 1
def ask(method, payload):
    answer, size = ctypes.c_void_p(), ctypes.c_size_t()
    done = lib.recsys_call(method, payload, ctypes.c_size_t(len(payload)), ctypes.byref(answer), ctypes.byref(size))
    told = ctypes.string_at(answer.value, size.value)
    lib.recsys_free(answer)
    return done, told
assert ask(b"batch", b'{"calls":[]}') == (1, b'{"result":[]}')
assert ask(b"stats", b'{"handle":9}')[0] == 0
threads = [threading.Thread(target=lambda: [ask(b"version", b"") for _ in range(50)]) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sys.getswitchinterval())
"""


def test_a_host_that_is_python_keeps_its_own_interpreter(c_host: Path, python: Path) -> None:
    done = run([python, "-c", IN_PYTHON, c_host / "librecsys.so"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "0.005\n", "")


def test_an_interpreter_without_recsys_is_a_clean_error(c_host: Path, tmp_path: Path) -> None:
    import venv

    venv.create(tmp_path / "bare", symlinks=True, system_site_packages=False)
    done = run(["env", "-i", "HOME=/", c_host / "host", tmp_path / "bare" / "bin" / "python"])
    assert done.returncode == 1
    assert done.stderr.startswith("BootError: recsys cannot be imported: No module named '")


def test_a_path_that_was_wrong_is_told_from_one_that_comes_too_late(c_host: Path, python: Path, tmp_path: Path) -> None:
    import venv

    venv.create(tmp_path / "bare", symlinks=True)
    bare = tmp_path / "bare" / "bin" / "python"
    done = run([c_host / "boots", "/", "/etc/passwd", "python3", bare, python, bare])
    told = done.stdout.splitlines()
    assert set(told[:3]) == {"BootError python: the absolute path of a Python interpreter is needed"}
    needed = f"Python {sys.version_info.major}.{sys.version_info.minor} in whose environment it is"
    assert "No module named" in told[3]
    assert needed in told[3]
    late = "BootError python: the interpreter was started at another path before: start another process"
    assert told[4:] == [late, told[3]]
    assert run([c_host / "boots", "/", python, python]).stdout.splitlines()[1:] == ["booted", "booted"]


def test_the_program_of_the_readme_is_built_and_run_as_it_says(python: Path, tmp_path: Path) -> None:
    reason = lacking("make", "cc")
    if reason:
        pytest.skip(reason)
    made = run(
        [
            "make",
            "-s",
            "-C",
            ADAPTERS / "c",
            f"PYTHON={python}",
            f"BUILD={tmp_path}/build",
            "install",
            f"PREFIX={tmp_path}",
        ]
    )
    assert made.returncode == 0, made.stderr
    (tmp_path / "app.c").write_text(example("c", "c", python=str(python)), encoding="utf-8")
    text = (ADAPTERS / "c" / "README.md").read_text(encoding="utf-8")
    command = next(line for line in text.splitlines() if line.startswith("cc app.c"))
    done = run(["sh", "-c", command], folder=tmp_path, env={"APP": str(tmp_path)})
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"result":1}\n', "")


def test_the_example_keeps_within_the_wall(c_host: Path, python: Path, tmp_path: Path) -> None:
    if why_not():
        pytest.skip(str(why_not()))
    done = run([*SEALED, c_host / "host", python, tmp_path / "me.db"])
    assert done.returncode == 0, done.stderr
    assert '"status":"erased"' in done.stdout


def test_what_is_forgotten_through_c_is_in_no_file(c_host: Path, python: Path, tmp_path: Path) -> None:
    steps = [
        {"call": "open", "arguments": {"path": str(tmp_path / "data" / "me.db")}, "keep": {"h": "result"}},
        {"call": "record", "arguments": {"handle": "$h", "item_id": "qzxsecretitem", "context": {"place": "qzxplace"}}},
        {"call": "record", "arguments": {"handle": "$h", "item_id": "innocent"}},
    ]
    closing = {"call": "close", "arguments": {"handle": "$h"}}
    forgetting = {"call": "forget", "arguments": {"handle": "$h", "items": ["qzxsecretitem"]}}
    (tmp_path / "data").mkdir()
    (tmp_path / "scratch").mkdir()
    for number, more in enumerate([[closing], [forgetting, closing]]):
        case = {"name": "forget", "steps": [{"expect": {"$any": True}, **step} for step in [*steps, *more]]}
        folder = tmp_path / f"contract{number}"
        (folder / "cases").mkdir(parents=True)
        (folder / "cases" / "one.json").write_text(json.dumps([case]), encoding="utf-8")
        (folder / "raw.json").write_text("[]", encoding="utf-8")
        done = run([c_host / "contract", python, folder, tmp_path / "scratch"])
        assert done.returncode == 0, done.stderr
        if number == 0:
            assert find_traces(tmp_path / "data", ["qzxsecretitem", "qzxplace"])
    assert_forgotten(tmp_path / "data", ["qzxsecretitem", "qzxplace"])


def test_sanitizers_find_nothing(python: Path, tmp_path: Path) -> None:
    reason = lacking("make", "cc", "c++")
    if reason:
        pytest.skip(reason)
    flags = "-fsanitize=address,undefined -fno-sanitize-recover=all"
    trial = tmp_path / "trial.c"
    trial.write_text("int main(void) { return 0; }\n", encoding="utf-8")
    if run(["cc", *flags.split(), trial, "-o", tmp_path / "trial"]).returncode != 0:
        pytest.skip("the compiler has no sanitizers")
    build = tmp_path / "build"
    names = [build / "contract", build / "stress"]
    made = run(["make", "-s", "-C", ADAPTERS / "c", f"PYTHON={python}", f"BUILD={build}", f"SANITIZE={flags}", *names])
    assert made.returncode == 0, made.stderr
    env = {"ASAN_OPTIONS": "detect_leaks=0"}  # the interpreter stays, and with it what it holds
    (tmp_path / "scratch").mkdir()
    done = run([build / "contract", python, CONTRACT, tmp_path / "scratch"], env=env)
    assert (done.returncode, done.stderr) == (0, "")
    done = run([build / "stress", python, tmp_path, "400"], env=env)
    assert "8 threads; 0 failed" in done.stdout, done.stderr
    assert done.stderr == ""


def test_cmake_builds_the_same(python: Path, tmp_path: Path) -> None:
    reason = lacking("cmake", "make", "cc", "c++")
    if reason:
        pytest.skip(reason)
    source, build = ADAPTERS / "c", tmp_path / "build"
    for command in (
        ["cmake", "-S", source, "-B", build, f"-DPython3_EXECUTABLE={python}"],
        ["cmake", "--build", build],
        ["cmake", "--install", build, "--prefix", tmp_path / "prefix"],
    ):
        done = run(command)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "scratch").mkdir()
    done = run([build / "contract", python, CONTRACT, tmp_path / "scratch"])
    assert replayed(done.stdout)[2] == 0
    assert (tmp_path / "prefix" / "include" / "recsys.h").is_file()


def test_rust_calls_it_too(c_host: Path, python: Path, tmp_path: Path) -> None:
    if shutil.which("cargo") is None:
        pytest.skip("cargo: not installed")
    source = ADAPTERS / "c" / "examples" / "rust"
    env = {"RECSYS_LIB": str(c_host), "CARGO_TARGET_DIR": str(tmp_path / "target")}
    made = run(["cargo", "build", "--offline", "--quiet", "--manifest-path", source / "Cargo.toml"], env=env)
    assert made.returncode == 0, made.stderr
    face = tmp_path / "target" / "debug" / "examples" / "libface.a"
    made = run(
        ["cargo", "build", "--offline", "--quiet", "--example", "face", "--manifest-path", source / "Cargo.toml"],
        env=env,
    )
    assert made.returncode == 0, made.stderr
    runner = c_host / "contract-face"
    made = run(["make", "-s", "-C", ADAPTERS / "c", f"PYTHON={python}", f"BUILD={c_host}", f"FACE={face}", runner])
    assert made.returncode == 0, made.stderr
    (tmp_path / "scratch").mkdir()
    done = run([runner, python, CONTRACT, tmp_path / "scratch"])
    assert replayed(done.stdout) == (*contract_counts(), 0), done.stderr
    done = run([tmp_path / "target" / "debug" / "host", python, tmp_path / "me.db"], env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert '"status":"erased"' in done.stdout
    assert "InputError item_id: item_id: must not be empty" in done.stdout
