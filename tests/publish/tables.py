"""Made-up logs as tables: the same rows as CSV or Parquet, in one file or several, in small row groups."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

from tests.publish.crowds import crowd

Row = tuple[object, ...]
HEADER = ("user_id", "item_id", "timestamp", "event")
QUOTED = 'a "quoted", item\nover two lines'


def rows_of_crowd(n_people: int = 120) -> list[Row]:
    """Rows of a crowd in the order of time, people mixed, with an item whose name needs quotes in a CSV file."""
    rows = [
        (p.name, QUOTED if i.endswith("-03") else i, round(at) + n % 7, "play")
        for n, p in enumerate(crowd(n_people))
        for i, at in zip(p.items, p.at_s, strict=True)
    ]
    return sorted(rows, key=lambda row: (row[2], row[0]))


def as_csv(path: Path, rows: Sequence[Row], header: Sequence[str] = HEADER) -> Path:
    """Write a CSV file; packed when its name says so."""
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def as_parquet(path: Path, rows: Sequence[Row], header: Sequence[str] = HEADER, *, group: int = 100) -> Path:
    """Write a Parquet file with row groups of so many rows."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    table = pa.table({name: [row[n] for row in rows] for n, name in enumerate(header)})
    write_table(table, path, row_group_size=group)
    return path
