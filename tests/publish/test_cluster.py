"""A cluster of two worker processes gives the same bytes, and says what is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys import InputError, StateError
from recsys.publish import Hyper, build_from_logs
from recsys.publish.spread import Here, cluster
from tests.publish.tables import as_csv, as_parquet, rows_of_crowd

distributed = pytest.importorskip("distributed", reason="distributed is not installed")
pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

# The event loop of the standard library leaves a socket or two for the collector; that is no fault of what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

ROOT = Path(__file__).parents[2]
QUICK = Hyper(n_factors=4, epochs=1, rate=0.02)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler and two workers, each a process of its own, on this machine only."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)  # workers are new processes
    try:
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as local:
            yield local.scheduler_address
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def where(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def failing(_: int) -> None:
    raise InputError("this is not usable", field="paths")


def test_two_workers_give_the_same_bytes(address: str, tmp_path: Path) -> None:
    rows = rows_of_crowd()
    paths = [as_csv(tmp_path / "a.csv", rows[:500]), as_parquet(tmp_path / "b.parquet", rows[500:])]
    here = build_from_logs(paths, least_people=5, hyper=QUICK, spread=Here(), judge=True)
    steps = set()
    with cluster(address) as spread:
        there = build_from_logs(
            paths,
            least_people=5,
            hyper=QUICK,
            spread=spread,
            judge=True,
            piece_bytes=900,
            memory_bytes=1,
            progress=lambda step, n_done, n: steps.add((step, n_done, n)),
        )
    assert {name: array.tobytes() for name, array in there.arrays.items()} == {
        name: array.tobytes() for name, array in here.arrays.items()
    }
    assert there.report == here.report
    assert there.evidence is not None
    assert here.evidence is not None
    assert there.evidence.quality == here.evidence.quality
    n_pieces = max(n for step, _, n in steps if step == "reading")
    assert n_pieces > 10
    assert ("reading", n_pieces, n_pieces) in steps


def test_both_workers_work_and_neither_is_this_process(address: str) -> None:
    with cluster(address) as spread:
        pids = set(spread.gather(spread.map("asking", where, [(n,) for n in range(8)], lambda *_: None)))
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_an_error_of_a_worker_arrives_as_what_it_was(address: str) -> None:
    with cluster(address) as spread, pytest.raises(InputError, match="this is not usable") as caught:
        spread.map("failing", failing, [(1,)], lambda *_: None)
    assert caught.value.field == "paths"


def test_the_command_takes_the_address(address: str, tmp_path: Path) -> None:
    testing = pytest.importorskip("click.testing")
    from recsys.cli.app import group

    logs = as_csv(tmp_path / "logs.csv", rows_of_crowd())
    packs = []
    for name, options in (("a.pack", ["--scheduler", address]), ("b.pack", ["--no-dask"])):
        arguments = ["build-prior", str(logs), "--out", str(tmp_path / name), "--least-people", "5", "--quiet"]
        result = testing.CliRunner().invoke(group, [*arguments, *options])
        assert (result.exit_code, result.output) == (0, "")
        packs.append((tmp_path / name).read_bytes())
    assert packs[0] == packs[1]


@pytest.mark.parametrize("address", ["", "nonsense", "http://example.org:80/x", "tcp://nowhere", "tcp://a:b"])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(InputError, match="the scheduler's address is needed") as caught, cluster(address):
        pass
    assert not address or address not in str(caught.value)


def test_a_scheduler_that_does_not_answer_is_given_up_in_time() -> None:
    with (
        pytest.raises(InputError, match=r"no scheduler answered at this address within 0.5 seconds"),
        cluster("tcp://127.0.0.1:9", within_s=0.5),
    ):
        pass


def test_a_scheduler_without_workers_is_given_up_in_time() -> None:
    with (
        distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as local,
        pytest.raises(InputError, match="has no worker"),
        cluster(local.scheduler_address, within_s=0.5),
    ):
        pass


def test_a_cluster_that_is_lost_is_an_error_of_ours() -> None:
    command = [sys.executable, "-c", LONELY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            with pytest.raises(StateError, match="lost"), cluster(address) as spread:
                spread.map("dying", os._exit, [(1,)], lambda *_: None)
        finally:
            process.stdin.close()
            process.wait(timeout=30)


LONELY = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as local:
        print(local.scheduler_address, flush=True)
        sys.stdin.read()
"""
