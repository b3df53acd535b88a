"""The JVM adapter: the contract, its own tests, Kotlin, Android's engine, the wall and forgetting, built here."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from recsys.testing import assert_forgotten, find_traces
from tests.adapters.hosts import (
    ADAPTERS,
    CONTRACT,
    ROOT,
    contract_counts,
    copied_contract,
    example,
    lacking,
    replayed,
    run,
)

JVM = ADAPTERS / "jvm"
SECRETS = ["qzxsecretitem", "qzxplace", "qzxtitle"]
WRONG = {"name": "wrong", "steps": [{"call": "version", "arguments": {}, "expect": {"result": 3}}]}
LACKING = {"name": "more", "steps": [{"call": "dream", "arguments": {}, "expect": {"result": {"$any": True}}}]}


@pytest.fixture(scope="session")
def build(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the jar, the library and the tests."""
    reason = lacking("make", "cc", "javac", "java", "jar")
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("jvm")
    made = run(["make", "-s", "-C", JVM, f"PYTHON={python}", f"BUILD={folder}", "library", "tests"])
    if "jni.h" in made.stderr:
        pytest.skip("the headers of JNI are not installed (Debian: openjdk-17-jdk-headless)")
    assert made.returncode == 0, made.stderr
    return folder


def java(build: Path, *words: str | Path, options: tuple[str, ...] = ()) -> list[str | Path]:
    path = f"{build}/recsys.jar:{build}/tests:{build}/kotlin.jar"
    library = f"-Drecsys.library={build}/librecsys_jni.so"
    return [shutil.which("java") or "java", *options, library, "-cp", path, *words]


@pytest.mark.parametrize("options", [(), ("-Xcheck:jni",)], ids=["plain", "checked"])
def test_the_contract_holds_through_the_jvm(
    options: tuple[str, ...], build: Path, python: Path, tmp_path: Path
) -> None:
    done = run(java(build, "recsys.Contract", python, CONTRACT, tmp_path, options=options))
    assert done.returncode == 0, done.stderr
    assert replayed(done.stdout) == (*contract_counts(), 0)
    assert "WARNING" not in done.stdout + done.stderr


def test_a_case_with_a_method_that_the_jvm_lacks_fails(build: Path, python: Path, tmp_path: Path) -> None:
    folder = copied_contract(tmp_path / "contract", LACKING)
    (tmp_path / "scratch").mkdir()
    done = run(java(build, "recsys.Contract", python, folder, tmp_path / "scratch"))
    assert done.returncode == 1
    assert "this adapter lacks dream" in done.stderr
    assert replayed(done.stdout)[2] == 1


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_the_adapter_s_own_tests_pass_in_any_zone(zone: str, build: Path, python: Path) -> None:
    done = run(java(build, "recsys.Tests", python, ROOT / "docs" / "bridge.schema.json"), env={"TZ": zone})
    assert done.returncode == 0, done.stderr
    assert "passed, 0 failed" in done.stdout


@pytest.fixture(scope="session")
def kotlin(build: Path, python: Path) -> Path:
    """The jar with Kotlin's face and its tests."""
    if shutil.which("kotlinc") is None:
        pytest.skip("kotlinc: not installed (Debian: kotlin)")
    made = run(["make", "-s", "-C", JVM, f"PYTHON={python}", f"BUILD={build}", "kotlin"])
    assert made.returncode == 0, made.stderr
    return build / "kotlin.jar"


@pytest.mark.usefixtures("kotlin")
def test_kotlin_calls_it_too(build: Path, python: Path, tmp_path: Path) -> None:
    done = run(java(build, "MainKt", python, tmp_path / "me.db"))
    assert done.stdout.splitlines()[-2:] == ["InputError item_id", "erased"], done.stderr


@pytest.mark.usefixtures("kotlin")
def test_the_contract_holds_through_kotlin(build: Path, python: Path, tmp_path: Path) -> None:
    done = run(java(build, "recsys.KotlinContract", python, CONTRACT, tmp_path))
    assert done.returncode == 0, done.stderr
    assert replayed(done.stdout) == (*contract_counts(), 0)


@pytest.mark.usefixtures("kotlin")
@pytest.mark.parametrize("more", [LACKING, WRONG], ids=["lacking", "wrong"])
def test_a_case_that_does_not_hold_in_kotlin_fails(more: object, build: Path, python: Path, tmp_path: Path) -> None:
    folder = copied_contract(tmp_path / "contract", more)
    (tmp_path / "scratch").mkdir()
    done = run(java(build, "recsys.KotlinContract", python, folder, tmp_path / "scratch"))
    assert done.returncode == 1
    assert replayed(done.stdout)[2] == 1


def test_the_example_of_the_readme_runs(build: Path, python: Path, tmp_path: Path) -> None:
    (tmp_path / "App.java").write_text(example("jvm", "java", python=str(python)), encoding="utf-8")
    made = run(["javac", "-cp", build / "recsys.jar", "-d", tmp_path, tmp_path / "App.java"])
    assert made.returncode == 0, made.stderr
    command = java(build, "App")
    command[command.index("-cp") + 1] = f"{build}/recsys.jar:{tmp_path}"
    done = run(command, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "kind-of-blue: []\nerased\n", "")


def test_the_example_in_kotlin_is_built_and_run_as_the_readme_says(build: Path, python: Path, tmp_path: Path) -> None:
    if shutil.which("kotlinc") is None:
        pytest.skip("kotlinc: not installed (Debian: kotlin)")
    (tmp_path / "App.kt").write_text(example("jvm", "kotlin", python=str(python)), encoding="utf-8")
    (tmp_path / "src").symlink_to(JVM / "src")
    (tmp_path / "build").symlink_to(build)
    lines = (JVM / "README.md").read_text(encoding="utf-8").split("```")
    commands = next(block for block in lines if "kotlinc App.kt" in block).removeprefix("sh\n")
    done = run(["sh", "-ec", commands], folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "horses\nkind-of-blue\nerased\n"), done.stderr


def test_a_library_that_is_not_there_is_a_refusal_of_ours(build: Path, python: Path, tmp_path: Path) -> None:
    command = java(build, "recsys.Once", python, tmp_path / "me.db")
    for wrong in ("-Drecsys.library=/no/such/file.so", "-Drecsys.library=relative.so", "-Dnothing=1"):
        done = run([wrong if str(word).startswith("-Drecsys") else word for word in command])
        assert done.returncode == 1
        assert "RecsysException$Boot: library: cannot be loaded: set recsys.library" in done.stderr


def test_the_engine_for_android_compiles(build: Path, python: Path) -> None:
    made = run(["make", "-s", "-C", JVM, f"PYTHON={python}", f"BUILD={build}", "android"])
    assert made.returncode == 0, made.stderr


def test_the_contract_holds_without_any_network(build: Path, python: Path, tmp_path: Path) -> None:
    if run(["unshare", "-rn", "true"]).returncode != 0:
        pytest.skip("this machine does not let a process leave the network")
    done = run(["unshare", "-rn", *java(build, "recsys.Contract", python, CONTRACT, tmp_path)])
    assert done.returncode == 0, done.stderr
    assert replayed(done.stdout)[2] == 0


def spoken(command: list[str | Path], file: Path) -> set[str]:
    """The network calls of a command and of all that it starts, without their numbers."""
    run(["strace", "-f", "-qq", "-e", "trace=%network", "-e", "signal=none", "-o", file, *command])
    lines = file.read_text(encoding="utf-8").splitlines()
    return {re.sub(r"^\d+ +|\b\d+\b", "", line) for line in lines if "(" in line}


def test_with_recsys_the_jvm_makes_no_network_call_that_it_does_not_make_alone(
    build: Path, python: Path, tmp_path: Path
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace: not installed")
    alone = spoken([shutil.which("java") or "java", "-version"], tmp_path / "alone")
    with_it = spoken(java(build, "recsys.Once", python, tmp_path / "me.db"), tmp_path / "with")
    assert with_it <= alone
    assert (tmp_path / "me.db").exists()
    calls = "import socket; socket.socket().connect(('127.0.0.1', 9))"
    assert not spoken([python, "-c", calls], tmp_path / "planted") <= alone


def test_what_is_forgotten_through_the_jvm_is_in_no_file(build: Path, python: Path, tmp_path: Path) -> None:
    file = tmp_path / "me.db"
    made = run(java(build, "recsys.Once", python, file))
    assert made.returncode == 0, made.stderr
    assert find_traces(tmp_path, SECRETS)
    done = run(java(build, "recsys.Once", python, file, SECRETS[0]))
    assert done.stdout == "erased\n", done.stderr
    assert_forgotten(tmp_path, SECRETS)
