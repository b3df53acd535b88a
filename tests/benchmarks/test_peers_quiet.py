"""The peers that load networked libraries train without a network call and leave no file behind."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from tests.wall import strace
from tests.wall.sealed import KILLING

ROOT = Path(__file__).parents[2]

TRAIN = """
from benchmarks.peers import PEERS
from recsys.types import Event
for name in {names}:
    model = PEERS[name].make()
    for i, item in enumerate("abcacbbaca" * 6):
        event = Event(i * 3_600_000_000, f"{{i:016x}}", item, "play")
        if i > 5:
            model.scores(event, ("a", "b", "c"))
        model.learn(event)
    assert model.model is not None
"""
NAMES = {"sklearn": "scikit-learn SGD", "lightgbm": "LightGBM LambdaRank, daily"}
# joblib, which both import, tries once whether semaphores work: it makes one, gives it its name and takes both away.
PROBE = re.compile(r"/dev/shm/sem\.(?:joblib-\S+|\w{6})")  # noqa: S108 - not a file of ours


def trained(more: str = "") -> strace.Traced:
    """Train the peers that are installed, under strace; both kinds of call in one run, since imports take seconds."""
    reason = strace.why_not()
    if reason:
        pytest.skip(reason)
    names = [name for package, name in NAMES.items() if importlib.util.find_spec(package)]
    if not names:
        pytest.skip("neither scikit-learn nor lightgbm is installed")
    code = TRAIN.format(names=names) + more
    seen = strace.traced(["-B", "-c", code], f"{strace.NETWORK},{strace.FILES}", cwd=ROOT)
    assert seen.status == 0, seen.output
    return seen


def findings(seen: strace.Traced) -> list[str]:
    """Network calls, files written other than joblib's probe, and anything written that is still there."""
    written = strace.written(seen.lines, ROOT)
    return [
        *strace.network_calls(seen.lines, KILLING),
        *(f"wrote {path}" for path in written if not PROBE.fullmatch(str(path))),
        *(f"left {path}" for path in written if path.exists()),
    ]


def test_training_the_peers_makes_no_network_call_and_leaves_no_file() -> None:
    assert findings(trained()) == []


def test_a_planted_socket_and_planted_files_are_seen_after_the_same_training(tmp_path: Path) -> None:
    plant = f"""
import socket, tempfile
socket.socket().close()
tempfile.mkstemp(dir={str(tmp_path)!r})
open({str(tmp_path / "sem.joblib-1")!r}, "w").close()
"""
    found = [
        finding.split()[0 if "wrote" in finding or "left" in finding else 1][:6] for finding in findings(trained(plant))
    ]
    assert found == ["socket", "wrote", "wrote", "left", "left"]


def mentions_jobs(text: str) -> list[int]:
    """The lines that name n_jobs: as a keyword, a name, an attribute or a key."""
    found = []
    for node in ast.walk(ast.parse(text)):
        words = [getattr(node, field, None) for field in ("arg", "id", "attr", "value")]
        if "n_jobs" in words:
            found.append(getattr(node, "lineno", 0))
    return found


def test_no_benchmark_asks_for_more_than_one_job() -> None:
    modules = sorted((ROOT / "benchmarks").rglob("*.py"))
    assert modules
    assert [
        f"{path.name}:{mentions_jobs(path.read_text())}" for path in modules if mentions_jobs(path.read_text())
    ] == []


@pytest.mark.parametrize(
    "text", ["f(n_jobs=2)", "f(**{'n_jobs': 2})", "model.n_jobs = 2", "n_jobs = 2", "def f(n_jobs): ..."]
)
def test_a_planted_job_is_found(text: str) -> None:
    assert mentions_jobs(text) == [1]
