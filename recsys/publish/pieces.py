"""Tables cut into pieces that are read one by one: blocks of a CSV file, row groups of a Parquet file.

A piece says where it stands and is read wherever that file can be. What is read does not depend on how a file was cut:
cells are text until they are looked at one by one. Takes pandas, and pyarrow for Parquet.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PIECE_BYTES", "Columns", "Piece", "Uses", "cut", "size_of", "uses_of"]

PIECE_BYTES: Final = 1 << 24
_PARQUET: Final = (".parquet", ".pq")
_PACKED: Final = (".gz", ".bz2", ".xz", ".zip", ".zst", ".tar")  # CSV that is read from its beginning only
_UNPACKED: Final = 5  # times as large, by guess
_QUOTED: Final = re.compile(rb'(?<![^,\r\n])"(?:[^"]|"")*(?:"|\Z)')
_LONGEST_US: Final = 9e18
_PLACES: Final = 1 << 40  # rows of a piece, at most


class Columns(NamedTuple):
    """What the columns are called; ``kind`` may be empty: then every row counts.

    Parameters
    ----------
    person, item, time, kind : str
        The time in seconds since 1970-01-01 UTC, or a date and time in the form of ISO 8601, UTC where it names no
        offset; the same in all files.
    """

    person: str = "user_id"
    item: str = "item_id"
    time: str = "timestamp"
    kind: str = ""


class Piece(NamedTuple):
    """Some rows of a table.

    Parameters
    ----------
    path : str
    number : int
        Its place among all pieces; later rows stand in later pieces.
    form : {"csv", "packed", "parquet"}
    begin, end : int
        Bytes of a CSV file, row groups of a Parquet file.
    head : bytes
        The CSV file's line of names.
    """

    path: str
    number: int
    form: str
    begin: int = 0
    end: int = 0
    head: bytes = b""


class Uses(NamedTuple):
    """The rows of a piece that count.

    Parameters
    ----------
    persons, items : list of str
        Each once.
    person_of, item_of : array of int, shape (n_uses,)
    at_us : array of int64, shape (n_uses,)
        Microseconds since 1970-01-01 UTC.
    order : array of int64, shape (n_uses,)
        Ascends with the rows of all files.
    passed : array of bool, shape (n_uses,)
        Which were passed over, and are no uses.
    n_rows : int
        Read, those of other kinds too.
    form : str
        Of the times: ``"number"``, ``"date"``, or empty without a row.
    """

    persons: list[str]
    items: list[str]
    person_of: NDArray[np.intp]
    item_of: NDArray[np.intp]
    at_us: NDArray[np.int64]
    order: NDArray[np.int64]
    passed: NDArray[np.bool_]
    n_rows: int
    form: str


def size_of(paths: Iterable[str | os.PathLike[str]]) -> int:
    """Say how much text some tables hold, roughly, in bytes; what is packed is taken for five times its size."""
    total = 0
    for path in map(Path, paths):
        packed = path.suffix in _PACKED or path.suffix in _PARQUET
        try:
            total += path.stat().st_size * (_UNPACKED if packed else 1)
        except OSError:
            raise InputError("a table cannot be read", field="paths") from None
    return total


def cut(
    paths: Iterable[str | os.PathLike[str]], *, columns: Columns, piece_bytes: int = PIECE_BYTES
) -> Iterator[Piece]:
    """Cut tables into pieces of about so many bytes; CSV files are read once for it, to keep quoted lines whole.

    Raises
    ------
    InputError
        When a file is missing, is no table or lacks a column. Files are numbered from 1 in the message, not named.
    MissingExtraError
        Without pandas, or pyarrow for Parquet.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError("tools") from None
    del pd
    number = 0
    for place, path in enumerate(map(Path, paths), 1):
        for piece in _cut_one(path.absolute(), place, columns, piece_bytes):
            yield piece._replace(number=number)
            number += 1


def _cut_one(path: Path, place: int, columns: Columns, piece_bytes: int) -> Iterator[Piece]:
    wanted = [name for name in columns if name]
    try:
        if path.suffix in _PARQUET:
            yield from _row_groups(path, place, wanted, piece_bytes)
        elif path.suffix in _PACKED:
            import pandas as pd

            _check_names(pd.read_csv(path, nrows=0, dtype=str).columns, wanted, place)
            yield Piece(str(path), 0, "packed")
        else:
            yield from _blocks(path, place, wanted, piece_bytes)
    except InputError:
        raise
    except (OSError, ValueError, EOFError):
        raise InputError(f"table {place} cannot be read", field="paths") from None


def _check_names(names: Iterable[object], wanted: Sequence[str], place: int) -> None:
    known = list(names)
    missing = [name for name in wanted if name not in known]
    if missing:
        raise InputError(f"table {place} cannot be read: it lacks the columns {missing}", field="paths")


def _row_groups(path: Path, place: int, wanted: Sequence[str], piece_bytes: int) -> Iterator[Piece]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise MissingExtraError("publish") from None
    try:
        with ParquetFile(path) as file:
            _check_names(file.schema_arrow.names, wanted, place)
            sizes = [file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups)]
    except ArrowException:
        raise InputError(f"table {place} cannot be read", field="paths") from None
    begin, held = 0, 0
    for n, size in enumerate(sizes, 1):
        held += size
        if held >= piece_bytes or n == len(sizes):
            yield Piece(str(path), 0, "parquet", begin, n)
            begin, held = n, 0


def _blocks(path: Path, place: int, wanted: Sequence[str], piece_bytes: int) -> Iterator[Piece]:
    """Cut between lines, but not within quotes."""
    import pandas as pd

    with path.open("rb") as file:
        head = _whole_lines(file, 1 << 16, only_first=True)
        _check_names(pd.read_csv(io.BytesIO(head), nrows=0, dtype=str).columns, wanted, place)
        begin = len(head)
        while True:
            file.seek(begin)
            end = begin + len(_whole_lines(file, piece_bytes))
            if end == begin:
                return
            yield Piece(str(path), 0, "csv", begin, end, head)
            begin = end


def _whole_lines(file: io.BufferedReader, n_bytes: int, *, only_first: bool = False) -> bytes:
    """Read whole lines, about so many bytes of them; at least one, however long it is."""
    held = file.read(n_bytes)
    while held:
        end = _end_of_lines(held, only_first=only_first)
        if end:
            return held[:end]
        more = file.read(max(n_bytes, len(held)))
        if not more:
            break
        held += more
    return held


def _end_of_lines(text: bytes, *, only_first: bool) -> int:
    """Find where the last line, or the first one, that is whole ends; 0 when none is."""
    find = text.find if only_first else text.rfind
    if b'"' not in text:
        return find(b"\n") + 1
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    spans = np.array([match.span() for match in _QUOTED.finditer(text)], np.int64).reshape(-1, 2)
    span = np.searchsorted(spans[:, 0], ends) - 1
    outside = ends[(span < 0) | (ends >= np.append(spans[:, 1], 0)[span])]
    return int(outside[0 if only_first else -1]) + 1 if len(outside) else 0


def uses_of(piece: Piece, columns: Columns, kinds: Sequence[str], passed: Sequence[str] = ()) -> Iterator[Uses]:
    """Read a piece: one part, or several of a packed file. Rows of the kinds ``passed`` are what was passed over.

    Raises
    ------
    InputError
        When the piece cannot be read any more, or a row of it has no person, no item or no usable time. No message
        repeats a row.
    """
    row = piece.number * _PLACES
    try:
        for table in _tables(piece, columns):
            yield _uses(table, columns, kinds, passed, row)
            row += len(table)
    except InputError:
        raise
    except (OSError, ValueError, EOFError):  # pandas's own are kinds of ValueError
        raise InputError("a table cannot be read: is it whole, and where the workers find it?", field="paths") from None


def _tables(piece: Piece, columns: Columns) -> Iterator[pd.DataFrame]:
    import pandas as pd

    wanted = [name for name in columns if name]
    how: dict[str, Any] = {"usecols": wanted, "dtype": str, "keep_default_na": False}
    if piece.form == "parquet":
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        with ParquetFile(piece.path) as file:
            table = file.read_row_groups(list(range(piece.begin, piece.end)), columns=wanted)
        texts = [name for name in wanted if name != columns.time]  # cast here: pandas takes 1 for 1.0 beside a gap
        for name in texts:
            table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.string()))
        yield table.to_pandas()
    elif piece.form == "packed":
        with pd.read_csv(piece.path, chunksize=PIECE_BYTES // 64, **how) as tables:
            yield from tables
    else:
        with Path(piece.path).open("rb") as file:
            file.seek(piece.begin)
            text = file.read(piece.end - piece.begin)
        if len(text) != piece.end - piece.begin:
            raise InputError("a table became shorter while it was read", field="paths")
        yield pd.read_csv(io.BytesIO(piece.head + text), **how)


def _uses(table: pd.DataFrame, columns: Columns, kinds: Sequence[str], passed: Sequence[str], row: int) -> Uses:
    import pandas as pd

    n_rows, order = len(table), np.arange(row, row + len(table))
    over = np.zeros(n_rows, np.bool_)
    if passed:
        over = table[columns.kind].astype(str).isin(list(passed)).to_numpy()
    if kinds:
        held = table[columns.kind].astype(str).isin(list(kinds)).to_numpy() | over
        table, order, over = table[held], order[held], over[held]
    cells = [table[name] for name in (columns.person, columns.item)]
    if any(cell.isna().any() for cell in cells):
        raise InputError("a row has no person, no item or no time", field="paths")
    (person_of, persons), (item_of, items) = (pd.factorize(cell.astype(str)) for cell in cells)
    if "" in persons or "" in items:
        raise InputError("a row has no person, no item or no time", field="paths")
    at_us, form = _moments(table[columns.time])
    return Uses(list(persons), list(items), person_of, item_of, at_us, order, over, n_rows, form)


def _moments(times: pd.Series) -> tuple[NDArray[np.int64], str]:
    """Read times, each by itself: all are numbers, or all are dates."""
    import pandas as pd

    if not len(times):
        return np.empty(0, np.int64), ""
    if times.isna().any():
        raise InputError("a row has no person, no item or no time", field="paths")
    if pd.api.types.is_datetime64_any_dtype(times):
        return _since_1970(times), "date"
    numbers = pd.to_numeric(times, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if np.isnan(numbers).all():
        return _since_1970(times.astype(str)), "date"
    if np.isnan(numbers).any():
        raise _two_forms(times[np.isnan(numbers)].astype(str))
    if not (np.abs(numbers) < _LONGEST_US / 1e6).all():
        raise InputError("a time is neither a number of seconds nor a date", field="paths")
    return np.rint(numbers * 1e6).astype(np.int64), "number"


def _since_1970(times: pd.Series) -> NDArray[np.int64]:
    import pandas as pd

    try:
        moments = pd.to_datetime(times, utc=True, format="ISO8601")
    except (ValueError, TypeError, OverflowError):
        raise InputError("a time is neither a number of seconds nor a date (ISO 8601)", field="paths") from None
    if moments.isna().any():
        raise InputError("a row has no person, no item or no time", field="paths")
    given: NDArray[np.int64] = moments.dt.as_unit("us").astype(np.int64).to_numpy()
    return given


def _two_forms(others: pd.Series) -> InputError:
    import pandas as pd

    are_dates = pd.to_datetime(others, utc=True, format="ISO8601", errors="coerce").notna().all()
    if are_dates:
        return InputError("times are numbers in some rows and dates in others: give them one form", field="paths")
    return InputError("a time is neither a number of seconds nor a date (ISO 8601)", field="paths")
