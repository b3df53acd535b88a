"""How often what the catalogue knows was used: counted in the file, without reading the events one by one."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.log.connection import Readers, Writer, view
from recsys.log.rows import ITEM_COLUMNS, item_of_row

__all__ = ["tally"]

_USED = "kind NOT IN ('shown', 'steer')"  # a slate on screen or a correction is no use


def tally(
    writer: Writer,
    readers: Readers | None,
    kinds: Sequence[str] | None,
    since_us: int | None,
    until_us: int | None,
) -> list[tuple[tuple[str, ...], int]]:
    """See ``Store.tally``."""
    conditions, parameters = [_USED], list[object]()
    if kinds is not None:
        conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
        parameters += kinds
    for text, moment in (("at_us >= ?", since_us), ("at_us < ?", until_us)):
        if moment is not None:
            conditions.append(text)
            parameters.append(moment)
    sql = (
        f"SELECT {ITEM_COLUMNS}, n FROM items JOIN (SELECT item_id, COUNT(*) AS n FROM events "
        f"WHERE {' AND '.join(conditions)} GROUP BY item_id) ON id = item_id "
        "WHERE removed = 0 AND tags IS NOT NULL ORDER BY id"
    )
    with view(writer, readers) as (cursor, _):
        rows = cursor.execute(sql, parameters).fetchall()
    return [(item_of_row(row[:-1])[0].tags, row[-1]) for row in rows]
