"""The ledger of aggregates: what was drawn for release, what it cost of the privacy budget, what was handed out.

It only grows. Its entries are numbered from 1 without a gap, so one that is missing is noticed. An entry with a
payload is a charge; one without is the note that the payload charged for the same query was handed out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from recsys.errors import CorruptError, InputError
from recsys.log.connection import Readers, Writer, view
from recsys.log.rows import check_text, damaged

__all__ = ["ENTRY_COLUMNS", "Entry", "append", "entries", "entries_of_rows"]

ENTRY_COLUMNS = "number, query, epsilon, at_us, payload"

_EPSILON = re.compile(r"(0|[1-9][0-9]*)/([1-9][0-9]*)", re.ASCII)


class Entry(NamedTuple):
    """One line of the ledger.

    Parameters
    ----------
    number : int
        From 1.
    query : str
        What was asked, in one canonical form.
    epsilon : Fraction
        What this entry costs; 0 for a note that the payload was handed out.
    at_us : int
        When, microseconds since 1970-01-01 UTC, as the host told; nothing depends on it.
    payload : bytes
        What was drawn; empty for a note.

    Stability: provisional
    """

    number: int
    query: str
    epsilon: Fraction
    at_us: int
    payload: bytes


def entries(writer: Writer, readers: Readers | None) -> list[Entry]:
    """See ``Store.releases``."""
    with view(writer, readers) as (cursor, _):
        rows = cursor.execute(f"SELECT {ENTRY_COLUMNS} FROM releases ORDER BY number").fetchall()
    return entries_of_rows(rows)


def entries_of_rows(rows: Sequence[Sequence[object]]) -> list[Entry]:
    """The whole ledger, from its rows in the order of their numbers.

    Raises
    ------
    CorruptError
        When a row is missing or could not have been written by ``append``.

    Stability: provisional
    """
    found: list[Entry] = []
    for wanted, (number, query, epsilon, at_us, payload) in enumerate(rows, start=1):
        if number != wanted:
            raise CorruptError("an entry of the ledger of releases is missing: nothing more is released from this file")
        match = _EPSILON.fullmatch(epsilon) if type(epsilon) is str else None
        if match is None or type(query) is not str or type(at_us) is not int or type(payload) is not bytes:
            damaged()
        entry = Entry(wanted, query, Fraction(int(match[1]), int(match[2])), at_us, payload)
        if bool(entry.epsilon) != bool(payload):
            damaged()
        found.append(entry)
    return found


def append(writer: Writer, query: str, epsilon: Fraction, at_us: int, payload: bytes) -> int:
    """See ``Store.release``."""
    check_text(query, "query")
    if type(epsilon) is not Fraction or epsilon < 0 or (not epsilon) != (not payload):
        raise InputError("epsilon: a positive Fraction with a payload, or 0 without one", field="epsilon")
    if type(at_us) is not int or not 0 <= at_us < 2**63:
        raise InputError("at_us: microseconds as an integer are needed", field="at_us")
    if type(payload) is not bytes:
        raise InputError("payload: bytes are needed", field="payload")
    with writer as cursor:
        number = int(cursor.execute("SELECT IFNULL(MAX(number), 0) + 1 FROM releases").fetchone()[0])
        cursor.execute(
            f"INSERT INTO releases ({ENTRY_COLUMNS}) VALUES (?, ?, ?, ?, ?)",
            (number, query, f"{epsilon.numerator}/{epsilon.denominator}", at_us, payload),
        )
    return number
