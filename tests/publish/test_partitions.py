"""The same pack, to the byte, however the logs are cut and wherever the work is done."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import InputError
from recsys.prior.pack import key_of, write
from recsys.publish import Built, Hyper, Person, build, build_from_logs
from recsys.publish.counting import (
    ROW,
    added_items,
    added_pairs,
    bounds_of_buckets,
    items_of,
    n_beyond,
    pairs_of,
    whole_people,
)
from recsys.publish.pieces import Columns, Piece, cut, uses_of
from recsys.publish.reading import read_people
from recsys.publish.spread import Here, Laid, Threads, laid, loaded
from tests.publish.tables import QUOTED, Row, as_csv, as_parquet, rows_of_crowd

pytest.importorskip("pandas")

QUICK = Hyper(n_factors=4, epochs=2, rate=0.02)
LEAST = 5
NEEDS_PARQUET = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
NEEDS_DASK = pytest.mark.skipif(importlib.util.find_spec("dask") is None, reason="Dask is not installed")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return rows_of_crowd()


@pytest.fixture(scope="module")
def expected(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The pack of the same people, built in memory from no table at all."""
    names = sorted({str(row[0]) for row in rows})
    people = [
        Person(name, [str(r[1]) for r in rows if r[0] == name], [float(str(r[2])) for r in rows if r[0] == name])
        for name in names
    ]
    made = build(people, least_people=LEAST, hyper=QUICK)
    keys = set(made.arrays["keys"].tolist())
    assert key_of(QUOTED) in keys
    assert len(made.arrays["near_item"]) > 20
    return packed(made, tmp_path_factory.mktemp("expected"))


def packed(built: Built, folder: Path) -> bytes:
    path = folder / "a.pack"
    provenance = {"report": built.report}
    write(path, built.arrays, provenance=provenance, n_people=built.n_people, least_people=built.least_people)
    return path.read_bytes()


def made(paths: Sequence[Path], tmp_path: Path, **options: Any) -> bytes:
    return packed(build_from_logs(paths, least_people=LEAST, hyper=QUICK, **options), tmp_path)


def files(kind: str, rows: Sequence[Row], folder: Path, n: int) -> list[Path]:
    """The rows in so many files of a kind."""
    cuts = [round(len(rows) * i / n) for i in range(n + 1)]
    given = []
    for number, (begin, end) in enumerate(pairwise(cuts)):
        path = folder / f"logs-{number}.{kind}"
        given.append((as_parquet if kind == "parquet" else as_csv)(path, rows[begin:end]))
    return given


@pytest.mark.parametrize("n_files", [1, 3])
@pytest.mark.parametrize("kind", ["csv", "csv.gz", pytest.param("parquet", marks=NEEDS_PARQUET)])
@pytest.mark.parametrize("piece_bytes", [1 << 24, 1500, 64])
def test_the_pack_is_the_same_however_tables_are_cut(
    kind: str, n_files: int, piece_bytes: int, rows: list[Row], expected: bytes, tmp_path: Path
) -> None:
    paths = files(kind, rows, tmp_path, n_files)
    n_pieces = len(list(cut(paths, columns=Columns(), piece_bytes=piece_bytes)))
    assert n_pieces == n_files if piece_bytes == 1 << 24 or kind == "csv.gz" else n_pieces > 2 * n_files
    assert made(paths, tmp_path, piece_bytes=piece_bytes) == expected


@pytest.mark.parametrize("n_buckets", [2, 8, 64])
def test_the_pack_is_the_same_in_however_many_buckets_and_ranges(
    n_buckets: int, rows: list[Row], expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = files("csv", rows, tmp_path, 2)
    size = sum(path.stat().st_size for path in paths)
    module = sys.modules["recsys.publish.build"]
    monkeypatch.setattr(module, "_BUCKET_BYTES", -(-size // n_buckets))
    monkeypatch.setattr(module, "_RANGE_BYTES", 9000)
    seen: dict[str, int] = {}
    assert made(paths, tmp_path, progress=lambda step, _, n: seen.update({step: n})) == expected
    assert seen["bringing people together"] == n_buckets
    assert seen["choosing pairs"] > 3


@pytest.mark.parametrize("n_buckets", [1, 8])
def test_what_was_passed_over_is_the_same_in_tables_and_in_memory(
    n_buckets: int, rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some rows say that something was passed over, and some are of a kind that is not read."""
    kinds = np.random.default_rng(0).choice(["view", "skip", "other"], len(rows), p=[0.6, 0.3, 0.1]).tolist()
    logs: list[Row] = [(*row[:3], kind) for row, kind in zip(rows, kinds, strict=True)]
    people = [
        Person(
            name,
            [str(r[1]) for r in logs if r[0] == name and r[3] == "view"],
            [float(str(r[2])) for r in logs if r[0] == name and r[3] == "view"],
            [(str(r[1]), float(str(r[2]))) for r in logs if r[0] == name and r[3] == "skip"],
        )
        for name in sorted({str(row[0]) for row in logs})
    ]
    here = build(people, least_people=LEAST, hyper=QUICK)
    assert here.report["lists"] > 0
    assert here.arrays["liked"].any()
    paths = files("csv", logs, tmp_path, 3)
    size = sum(path.stat().st_size for path in paths)
    monkeypatch.setattr(sys.modules["recsys.publish.build"], "_BUCKET_BYTES", -(-size // n_buckets))
    options: dict[str, Any] = {"columns": Columns(kind="event"), "kinds": ["view"], "passed": ["skip"]}
    expected = packed(here, tmp_path)
    assert made(paths, tmp_path, piece_bytes=700, **options) == expected
    assert made(paths, tmp_path, spread=Here(), memory_bytes=1, work=tmp_path, **options) == expected
    read = read_people(paths, **options)
    assert packed(build(read, least_people=LEAST, hyper=QUICK), tmp_path) == expected


@NEEDS_DASK
def test_the_pack_is_the_same_from_threads_and_from_files_between_the_steps(
    rows: list[Row], expected: bytes, tmp_path: Path
) -> None:
    paths = files("csv", rows, tmp_path, 3)
    work = tmp_path / "work"
    work.mkdir()
    held: set[str] = set()
    threads: set[int] = set()

    def progress(*_: object) -> None:
        held.update(path.name.split("-")[0] for path in work.glob(".recsys-*/*"))
        threads.add(threading.get_ident())

    for spread in (Threads(3), Threads(1), Here()):
        got = made(paths, tmp_path, spread=spread, piece_bytes=500, memory_bytes=1, work=work, progress=progress)
        assert got == expected
    assert {"rows", "people", "uses", "pairs"} == held
    assert len(threads) > 1
    assert list(work.iterdir()) == []
    assert made(paths, tmp_path, memory_bytes=1, work=work) == expected, "what is large is for threads by itself"


def test_working_files_go_when_the_work_fails(rows: list[Row], tmp_path: Path) -> None:
    paths = [*files("csv", rows, tmp_path, 1), as_csv(tmp_path / "bad.csv", [("a", "x", "yesterday", "")])]
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(InputError, match="neither a number of seconds nor a date"):
        build_from_logs(paths, spread=Here(), memory_bytes=1, work=work)
    assert list(work.iterdir()) == []


CELLS = st.text(st.sampled_from('ab",\n\r 5é'), max_size=6)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12), st.integers(1, 60))
def test_lines_are_cut_where_pandas_ends_them(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], piece_bytes: int
) -> None:
    """Quotes that are doubled, newlines and commas in them, and quotes in the middle of a cell that mean nothing."""
    path = tmp_path_factory.mktemp("cut") / "a.csv"
    rows: list[Row] = [(f"p{who}", f"i{what}", n, "") for n, (who, what) in enumerate(cells)]
    as_csv(path, rows)
    with path.open("a", newline="") as file:
        file.write('p5" pipe,i2" nail,77,\n"p","q""",78,\n')
    whole, parts = (
        [
            (uses.persons[i], uses.items[j], at)
            for piece in cut([path], columns=Columns(), piece_bytes=n)
            for uses in uses_of(piece, Columns(), ())
            for i, j, at in zip(uses.person_of, uses.item_of, uses.at_us.tolist(), strict=True)
        ]
        for n in (1 << 24, piece_bytes)
    )
    assert parts == whole
    assert whole[-2:] == [('p5" pipe', 'i2" nail', 77_000_000), ("p", 'q"', 78_000_000)]


LOGS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=40)


@given(LOGS, st.randoms(use_true_random=False), st.sampled_from([1, 2, 16]))
def test_what_comes_back_and_what_is_passed_over_adds_up_in_any_order(
    log: list[tuple[int, int, int]], random: Any, n_buckets: int
) -> None:
    """Against a slow twin, too. Every third row is of something passed over."""
    rows = np.zeros(len(log), ROW)
    for n, (who, what, at) in enumerate(log):
        rows[n] = (who * ((1 << 64) // 6), who, what, at, n, what, n % 3 == 2)
    order = list(range(len(log)))
    random.shuffle(order)
    dealt, bounds = bounds_of_buckets(rows[order], n_buckets)
    people = [whole_people([dealt[a:b]]) for a, b in pairwise(bounds)]
    random.shuffle(people)
    items = added_items([items_of(*each) for each in people])
    names = ("met", "people", "uses", "passed", "returned", "could", "who")
    assert {int(i["key"]): [int(i[name]) for name in names] for i in items} == slow_returns(log)
    kept = np.arange(0, 2, dtype=np.uint64)
    beyond = {who for who, what, _ in log if what >= 2}
    assert sum(n_beyond(*each, kept) for each in people) == len(beyond)


def slow_returns(log: list[tuple[int, int, int]]) -> dict[int, list[int]]:
    given = {what: [0] * 7 for _, what, _ in log}
    for whose in {who for who, _, _ in log}:
        used = [(at, what) for n, (who, what, at) in enumerate(log) if who == whose and n % 3 != 2]
        over = [what for n, (who, what, _) in enumerate(log) if who == whose and n % 3 == 2]
        times = {at for at, _ in used}
        for item in {what for _, what in used} | set(over):
            mine = {at for at, what in used if what == item}
            later = sum(at > min(mine) for at in times) if mine else 0
            n_uses = sum(what == item for _, what in used)
            adds = (1, bool(mine), n_uses, over.count(item), max(len(mine) - 1, 0), later, later > 0)
            given[item] = [n + int(more) for n, more in zip(given[item], adds, strict=True)]
    return given


@given(LOGS, st.randoms(use_true_random=False), st.sampled_from([1, 2, 16]))
def test_counts_add_up_in_any_order(log: list[tuple[int, int, int]], random: Any, n_buckets: int) -> None:
    """Against a slow twin that counts with dictionaries, one person after another."""
    rows = np.zeros(len(log), ROW)
    spread = (1 << 64) // 6
    for n, (who, what, at) in enumerate(log):
        rows[n] = (who * spread, who, what, at, n, what, 0)
    order = list(range(len(log)))
    random.shuffle(order)
    dealt, bounds = bounds_of_buckets(rows[order], n_buckets)
    people = [whole_people([dealt[a:b]]) for a, b in pairwise(bounds)]
    random.shuffle(people)
    items = added_items([items_of(*each) for each in people])
    kept = np.arange(0, 4, dtype=np.uint64)
    pairs = added_pairs([pairs_of(each, kept) for each, _ in people])
    uses, beside, support, times, by = slow_counts(log, n_kept=4)
    assert items["key"].tolist() == sorted(uses)
    assert {i["key"]: (i["people"], i["uses"], i["beside"]) for i in items} == {
        what: (len(support[what]), uses[what], beside[what]) for what in uses
    }
    assert {p["code"]: (p["times"], p["people"]) for p in pairs} == {
        code: (times[code], len(by[code])) for code in times
    }


def slow_counts(log: list[tuple[int, int, int]], n_kept: int) -> tuple[dict[int, Any], ...]:
    uses: dict[int, int] = {}
    beside: dict[int, int] = {}
    support: dict[int, set[int]] = {}
    times: dict[int, int] = {}
    by: dict[int, set[int]] = {}
    for person in {who for who, _, _ in log}:
        mine = [what for at, n, what in sorted((at, n, what) for n, (who, what, at) in enumerate(log) if who == person)]
        for i, what in enumerate(mine):
            uses[what] = uses.get(what, 0) + 1
            support.setdefault(what, set()).add(person)
            around = [other for j, other in enumerate(mine) if j != i and abs(i - j) <= 5]
            beside[what] = beside.get(what, 0) + len(around)
            for other in around:
                if what < n_kept and other < n_kept:
                    code = what * n_kept + other
                    times[code] = times.get(code, 0) + 1
                    by.setdefault(code, set()).add(person)
    return uses, beside, support, times, by


def test_parts_in_files_are_those_in_memory(tmp_path: Path) -> None:
    records = np.zeros(7, np.dtype([("a", "<i8"), ("b", "<u4")]))
    records["a"], records["b"] = np.arange(7), np.arange(7) ** 2
    here, there = laid(records, [0, 2, 2, 7], None), laid(records, [0, 2, 2, 7], tmp_path / "x")
    assert all(isinstance(part, Laid) for part in there)
    assert [loaded(part).tolist() for part in there] == [loaded(part).tolist() for part in here]
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


def test_two_items_of_one_key_are_seen() -> None:
    rows = np.zeros(2, ROW)
    rows["key"], rows["check"] = 7, [1, 2]
    with pytest.raises(InputError, match="two items have the same key"):
        items_of(*whole_people([rows]))


def test_a_table_that_changed_after_it_was_cut_is_an_error(rows: list[Row], tmp_path: Path) -> None:
    (path,) = files("csv", rows, tmp_path, 1)
    *_, last = cut([path], columns=Columns(), piece_bytes=2000)
    assert isinstance(last, Piece)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="became shorter"):
        list(uses_of(last, Columns(), ()))
