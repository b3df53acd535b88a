"""People's logs from tables, and the command that makes a pack of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from recsys import InputError
from recsys.prior import Pack
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


def test_a_file_that_is_not_there_and_kinds_without_a_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_people([tmp_path / "absent.csv"])
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
