"""People's logs from tables: CSV or Parquet files with a row for each use. Takes pandas, and pyarrow for Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from recsys.errors import InputError, MissingExtraError
from recsys.publish.build import Person

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "read_people"]

_ROWS: Final = 500_000  # of a CSV file, read at once
_PARQUET: Final = (".parquet", ".pq")


class Columns(NamedTuple):
    """What the columns are called; ``kind`` may be empty: then every row counts.

    Parameters
    ----------
    person, item, time, kind : str
        The time in seconds since 1970-01-01 UTC, or a date and time as text, UTC where it names no offset.
    """

    person: str = "user_id"
    item: str = "item_id"
    time: str = "timestamp"
    kind: str = ""


def read_people(
    paths: Iterable[str | os.PathLike[str]], *, columns: Columns | None = None, kinds: Sequence[str] = ()
) -> list[Person]:
    """Read people's uses, each person's ordered by time; equal times keep the order of the rows.

    Parameters
    ----------
    paths : iterable of paths
        Files that end in ``.parquet`` or ``.pq`` are Parquet, all others CSV, compressed or not. One person's rows may
        stand in several.
    columns : Columns, optional
    kinds : sequence of str
        Only rows of these kinds; needs ``columns.kind``. Empty: all.

    Raises
    ------
    MissingExtraError
        Without pandas: ``pip install "recsys-embedded[tools]"``.
    InputError
        When a file cannot be read or lacks a column, or a row has no usable time. No message repeats a row.
    """
    named = columns or Columns()
    if kinds and not named.kind:
        raise InputError("kinds: say which column holds the kind", field="kinds")
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError('to read tables: pip install "recsys-embedded[tools]"') from None
    parts = [_uses(part, named, kinds) for path in paths for part in _parts(Path(path), named)]
    if not parts or not sum(map(len, parts)):
        raise InputError("there is no row to learn from", field="paths")
    table = pd.concat(parts, ignore_index=True)
    table = table.sort_values(["person", "at_s"], kind="stable")
    return [
        Person(str(person), rows["item"].tolist(), rows["at_s"].tolist())
        for person, rows in table.groupby("person", sort=True)
    ]


def _parts(path: Path, columns: Columns) -> Iterator[pd.DataFrame]:
    """Read a file piece by piece, only the columns that are needed, everything as text but numbers of time."""
    import pandas as pd

    wanted = [name for name in columns if name]
    texts = {name: str for name in wanted if name != columns.time}
    try:
        if path.suffix in _PARQUET:
            yield pd.read_parquet(path, columns=wanted)
        else:
            with pd.read_csv(path, usecols=wanted, dtype=texts, keep_default_na=False, chunksize=_ROWS) as pieces:
                yield from pieces
    except ImportError:
        raise MissingExtraError("to read Parquet: pip install pyarrow") from None
    except (OSError, ValueError, KeyError):
        raise InputError(f"a table cannot be read, or lacks one of the columns {wanted}", field="paths") from None


def _uses(part: pd.DataFrame, columns: Columns, kinds: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    if kinds:
        part = part[part[columns.kind].astype(str).isin(list(kinds))]
    times = part[columns.time]
    try:
        at_s = pd.to_numeric(times).astype(np.float64)
    except (ValueError, TypeError):
        try:
            moments = pd.to_datetime(times, utc=True)
        except (ValueError, TypeError):
            raise InputError("a time is neither a number of seconds nor a date", field=columns.time) from None
        at_s = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    item, person = part[columns.item].astype(str), part[columns.person].astype(str)
    if not np.isfinite(at_s).all() or (item == "").any() or (person == "").any():
        raise InputError("a row has no person, no item or no time", field="paths")
    return pd.DataFrame({"person": person, "item": item, "at_s": at_s})
