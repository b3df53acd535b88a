"""The Node adapter: its own tests, the contract, types, the wall and forgetting, on an addon that is built here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recsys.testing import assert_forgotten, find_traces
from tests.adapters.hosts import ADAPTERS, SEALED, contract_counts, copied_contract, example, lacking, replayed, run
from tests.wall.sealed import SEALED_TO_DEATH, why_not

NODE = ADAPTERS / "node"
SECRETS = ["qzxsecretitem", "qzxplace", "qzxtitle"]
LACKING = {"name": "more", "steps": [{"call": "dream", "arguments": {}, "expect": {"result": {"$any": True}}}]}


@pytest.fixture(scope="session")
def node(python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the adapter is loaded."""
    reason = lacking("node", "cc")
    if reason:
        pytest.skip(reason)
    addon = tmp_path_factory.mktemp("node") / "recsys.node"
    env = {"RECSYS_PYTHON": str(python), "RECSYS_ADDON": str(addon)}
    made = run(["node", NODE / "build.js"], env=env)
    if "node-api-headers" in made.stderr:
        pytest.skip("Node's headers are not installed: npm install in adapters/node")
    assert made.returncode == 0, made.stderr
    return env


def test_the_contract_holds_through_node(node: dict[str, str]) -> None:
    done = run(["node", NODE / "test" / "contract.test.js"], env=node)
    assert done.returncode == 0, done.stdout[-5000:]
    assert replayed(done.stdout) == (*contract_counts(), 0)


def test_a_case_with_a_method_that_node_lacks_fails(node: dict[str, str], tmp_path: Path) -> None:
    folder = copied_contract(tmp_path / "contract", LACKING)
    done = run(["node", NODE / "test" / "contract.test.js"], env={**node, "CONTRACT": str(folder)})
    assert done.returncode == 1
    assert "this adapter lacks dream" in done.stdout
    assert replayed(done.stdout)[2] == 1


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_the_adapter_s_own_tests_pass_in_any_zone(zone: str, node: dict[str, str]) -> None:
    done = run(["node", "--expose-gc", NODE / "test" / "recommender.test.js"], env={**node, "TZ": zone})
    assert done.returncode == 0, done.stdout[-5000:]
    assert "# fail 0" in done.stdout


def test_node_keeps_within_the_wall(node: dict[str, str]) -> None:
    if why_not():
        pytest.skip(str(why_not()))
    done = run([*SEALED, shutil.which("node") or "node", NODE / "test" / "recommender.test.js"], env=node)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert "# fail 0" in done.stdout


def test_the_wall_stops_node() -> None:
    if why_not() or shutil.which("node") is None:
        pytest.skip(why_not() or "node: not installed")
    done = run([*SEALED, shutil.which("node") or "node", "-e", 'require("node:net").connect(9, "127.0.0.1")'])
    assert done.returncode == SEALED_TO_DEATH


def test_what_is_forgotten_through_node_is_in_no_file(node: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "me.db"
    assert run(["node", NODE / "test" / "once.js", file], env=node).returncode == 0
    assert find_traces(tmp_path, SECRETS)
    done = run(["node", NODE / "test" / "once.js", file, SECRETS[0]], env=node)
    assert done.stdout == "erased\n", done.stderr
    assert_forgotten(tmp_path, SECRETS)


def test_the_example_of_the_readme_runs(node: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "recsys-embedded").symlink_to(NODE)
    code = example("node", "js", python=node["RECSYS_PYTHON"])
    (tmp_path / "app.mjs").write_text(code, encoding="utf-8")
    done = run(["node", "app.mjs"], env=node, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 recorded" in done.stdout


def test_an_app_in_typescript_is_typed() -> None:
    modules = NODE / "node_modules"
    if shutil.which("node") is None or not (modules / "typescript").is_dir():
        pytest.skip("typescript is not installed: npm install in adapters/node")
    command = ["node", modules / "typescript" / "bin" / "tsc", "--noEmit", "--strict", "--target", "es2022"]
    done = run([*command, "--module", "nodenext", "--types", "node", "test/types.ts"], folder=NODE)
    assert done.returncode == 0, done.stdout
