"""People's logs from tables, and the command that makes a pack of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from recsys import InputError
from recsys.prior import Pack
from recsys.publish import build_from_logs
from tests.publish.crowds import N, crowd

pytest.importorskip("pandas")

from recsys.publish.reading import Columns, read_people

MARK = "canary-7c1f"


def table(path: Path, rows: list[tuple[object, ...]], header: str = "user_id,item_id,timestamp,event") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def test_rows_become_people_in_the_order_of_time(tmp_path: Path) -> None:
    first = table(tmp_path / "a.csv", [("b", "x", 30, "buy"), ("a", "007", 20.5, "buy"), ("b", "y", 10, "look")])
    second = table(tmp_path / "b.csv.gz", [])
    second.unlink()
    more = table(tmp_path / "b.csv", [("a", "NA", 5, "buy"), ("a", "z", 20.5, "buy")])
    people = read_people([first, more])
    assert [(p.name, p.items, p.at_s) for p in people] == [
        ("a", ["NA", "007", "z"], [5.0, 20.5, 20.5]),  # equal times keep the order of the rows; ids stay text
        ("b", ["y", "x"], [10.0, 30.0]),
    ]
    some = read_people([first, more], columns=Columns(kind="event"), kinds=["look"])
    assert [(p.name, p.items) for p in some] == [("b", ["y"])]


def test_dates_are_times_too(tmp_path: Path) -> None:
    rows = [("a", "x", "1970-01-02"), ("a", "y", "1970-01-01T00:00:01+00:00")]
    (person,) = read_people(
        [table(tmp_path / "a.csv", rows[:1], "who,what,when"), table(tmp_path / "b.csv", rows[1:], "who,what,when")],
        columns=Columns("who", "what", "when"),
    )
    assert (person.items, person.at_s) == (["y", "x"], [1.0, 86_400.0])


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([(MARK, MARK, "yesterday", "")], "user_id,item_id,timestamp,event"),
        ([(MARK, MARK, "inf", "")], "user_id,item_id,timestamp,event"),
        ([(MARK, "", 3, "")], "user_id,item_id,timestamp,event"),
        ([("", MARK, 3, "")], "user_id,item_id,timestamp,event"),
        ([(MARK, MARK, 3, "")], "user_id,thing,timestamp,event"),
        ([], "user_id,item_id,timestamp,event"),
    ],
)
def test_what_cannot_be_read_is_said_without_what_it_says(
    tmp_path: Path, rows: list[tuple[object, ...]], header: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_people([table(tmp_path / "a.csv", rows, header)])
    assert MARK not in str(caught.value)


@pytest.mark.parametrize("cut", [True, False], ids=["in one file", "in two"])
def test_times_of_two_forms_are_refused_wherever_they_meet(tmp_path: Path, *, cut: bool) -> None:
    rows: list[tuple[object, ...]] = [(MARK, "x", 5, ""), (MARK, "y", "2024-05-01", "")]
    parts = [rows[:1], rows[1:]] if cut else [rows]
    paths = [table(tmp_path / f"{n}.csv", part) for n, part in enumerate(parts)]
    for read in (read_people, build_from_logs):
        with pytest.raises(InputError, match="numbers in some rows and dates in others") as caught:
            read(paths)
        assert MARK not in str(caught.value)


def test_a_date_whose_day_could_be_its_month_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ISO 8601"):
        read_people([table(tmp_path / "a.csv", [("a", "x", "02/03/2024", "")])])


def test_the_table_that_lacks_a_column_is_told_by_its_number(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    sound = table(tmp_path / "a.csv", [("a", "x", 5, "")])
    lacking = table(tmp_path / "b.csv", [("a", "x", 5, "")], "user_id,item_id,when,event")
    write_table(pyarrow.table({"user_id": ["a"], "item_id": ["x"]}), tmp_path / "b.parquet")
    for second in (lacking, tmp_path / "b.parquet"):
        with pytest.raises(InputError, match=r"table 2 .* lacks the columns \['timestamp'\]"):
            build_from_logs([sound, second])


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe nonsense", b"PAR1 no parquet PAR1"])
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="table 1 cannot be read"):
        build_from_logs([tmp_path / name])


def test_parquet_holds_times_and_ids_of_any_kind(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    moments = pyarrow.array([1_000_000, 2_500_000], pyarrow.timestamp("us", tz="UTC"))
    whole = pyarrow.array([7, 8], pyarrow.int64())
    names = pyarrow.array(["a", "a"]).dictionary_encode()
    write_table(pyarrow.table({"user_id": names, "item_id": whole, "timestamp": moments}), tmp_path / "a.parquet")
    dates = table(tmp_path / "b.csv", [("a", "9", "1970-01-01T00:00:03Z", "")])
    (person,) = read_people([tmp_path / "a.parquet", dates])
    assert (person.items, person.at_s) == (["7", "8", "9"], [1.0, 2.5, 3.0])
    write_table(
        pyarrow.table({"user_id": ["a", None], "item_id": [7, None], "timestamp": [1.0, 2.0]}), tmp_path / "c.parquet"
    )
    with pytest.raises(InputError, match="no person, no item or no time"):
        read_people([tmp_path / "c.parquet"])


def test_a_file_that_is_not_there_and_kinds_without_a_column(tmp_path: Path) -> None:
    for read in (read_people, build_from_logs):
        with pytest.raises(InputError, match="cannot be read"):
            read([tmp_path / "absent.csv"])
    with pytest.raises(InputError, match="which column"):
        read_people([], kinds=["buy"])


def test_the_command_makes_a_pack(tmp_path: Path) -> None:
    testing = pytest.importorskip("click.testing")
    from recsys.cli.app import group

    rows = [(p.name, i, at, "play") for p in crowd() for i, at in zip(p.items, p.at_s, strict=True)]
    logs, out = table(tmp_path / "logs.csv", rows), tmp_path / "app.pack"
    arguments = ["build-prior", str(logs), "--out", str(out), "--least-people", "5", "--source", "made up"]
    result = testing.CliRunner().invoke(group, arguments)
    assert result.exit_code == 0, result.output
    assert re.search(rf"80 people, {len(rows)} uses", result.output)
    assert f"{2 * N:,} items in {out.stat().st_size:,} bytes" in result.output
    pack = Pack.load(out)
    assert (pack.n_items, pack.n_people, pack.provenance["source"]) == (2 * N, 80, "made up")
    again = testing.CliRunner().invoke(group, arguments)
    assert again.exit_code == 2, "a file that exists is not written over"
    few = testing.CliRunner().invoke(group, [*arguments[:3], str(tmp_path / "b.pack"), "--least-people", "500"])
    assert (few.exit_code, (tmp_path / "b.pack").exists()) == (2, False)


def test_the_command_writes_a_report_and_says_nothing_when_quiet(tmp_path: Path) -> None:
    testing = pytest.importorskip("click.testing")
    from recsys.cli.app import group

    rows = [(p.name, i, at, "play") for p in crowd() for i, at in zip(p.items, p.at_s, strict=True)]
    logs, out, page = table(tmp_path / "logs.csv", rows), tmp_path / "app.pack", tmp_path / "app.html"
    arguments = ["build-prior", str(logs), "--out", str(out), "--least-people", "5", "--source", "made <up>"]
    result = testing.CliRunner().invoke(group, [*arguments, "--report", str(page), "--quiet"])
    assert (result.exit_code, result.output) == (0, "")
    text = page.read_text(encoding="utf-8")
    assert "What is in this prior pack" in text
    assert "made &lt;up&gt;" in text
    assert "person-" not in text
    assert sorted(each.name for each in tmp_path.iterdir()) == ["app.html", "app.pack", "logs.csv"]


@pytest.mark.parametrize(
    "options",
    [
        ["--scheduler", "canary-7c1f"],
        ["--scheduler", "tcp://127.0.0.1:1", "--dask"],
        ["--report", "SAME"],
        ["--memory-mb", "0"],
        ["--work", "absent"],
        ["--time", "canary-column"],
    ],
    ids=lambda options: options[0] + " " + options[-1],
)
def test_the_command_refuses_what_it_cannot_do_and_leaves_nothing(tmp_path: Path, options: list[str]) -> None:
    testing = pytest.importorskip("click.testing")
    from recsys.cli.app import group

    logs, out = table(tmp_path / "logs.csv", [("a", "x", 5, "")]), tmp_path / "app.pack"
    options = [str(out) if option == "SAME" else option for option in options]
    result = testing.CliRunner().invoke(group, ["build-prior", str(logs), "--out", str(out), *options])
    assert result.exit_code == 2, result.output
    assert MARK not in result.output
    assert [each.name for each in tmp_path.iterdir()] == ["logs.csv"]
