"""What the person allowed, for which purpose and when."""

from __future__ import annotations

from recsys.errors import CorruptError, InputError
from recsys.log import erase
from recsys.log.connection import Readers, Writer, view
from recsys.log.rows import check_text

__all__ = ["consents", "drop", "put"]


def consents(writer: Writer, readers: Readers | None) -> dict[str, int]:
    """See ``Store.consents``."""
    with view(writer, readers) as (cursor, _):
        rows = cursor.execute("SELECT purpose, at_us FROM consents ORDER BY purpose").fetchall()
    if any([*map(type, row)] != [str, int] for row in rows):
        raise CorruptError("a consent in the file is damaged: ask for it again")
    return dict(rows)


def put(writer: Writer, purpose: str, at_us: int) -> None:
    """See ``Store.put_consent``."""
    check_text(purpose, "purpose")
    if type(at_us) is not int or not 0 <= at_us < 2**63:
        raise InputError("at_us: microseconds as an integer are needed", field="at_us")
    with writer as cursor:
        cursor.execute("INSERT OR IGNORE INTO consents (purpose, at_us) VALUES (?, ?)", (purpose, at_us))


def drop(writer: Writer, purpose: str | None) -> int:
    """See ``Store.drop_consents``."""
    with writer as cursor:
        n = cursor.execute("DELETE FROM consents WHERE purpose = ?1 OR ?1 IS NULL", (purpose,)).rowcount
        if n:
            erase.mark(cursor)  # of its words
            writer.bump()  # other processes must notice before they write again
    return n
