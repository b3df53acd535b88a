"""People's logs from tables, as people: for a publisher who wants to look at them before a pack is built."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np

from recsys.errors import InputError
from recsys.publish.build import Person
from recsys.publish.pieces import Columns, cut, uses_of

__all__ = ["Columns", "read_people"]


def read_people(
    paths: Iterable[str | os.PathLike[str]],
    *,
    columns: Columns | None = None,
    kinds: Sequence[str] = (),
    passed: Sequence[str] = (),
) -> list[Person]:
    """Read people's uses, each person's ordered by time; equal times keep the order of the rows.

    Parameters
    ----------
    paths : iterable of paths
        As for :func:`recsys.publish.build_from_logs`, which takes less memory.
    columns : Columns, optional
    kinds : sequence of str
        Only rows of these kinds; needs ``columns.kind``. Empty: all.
    passed : sequence of str
        Rows of these kinds are what was passed over; they need ``columns.kind``, too.

    Raises
    ------
    MissingExtraError
        Without pandas: ``pip install "recsys-embedded[publish]"``.
    InputError
        When a file cannot be read or lacks a column, or a row has no usable time. No message repeats a row.
    """
    named = columns or Columns()
    if (kinds or passed) and not named.kind:
        raise InputError("kinds: say which column holds the kind", field="kinds")
    rows: dict[str, list[tuple[int, int, str, bool]]] = {}
    forms = set()
    for piece in cut(paths, columns=named):
        for uses in uses_of(piece, named, kinds, passed):
            forms |= {uses.form} - {""}
            whom, what = np.array(uses.persons, object)[uses.person_of], np.array(uses.items, object)[uses.item_of]
            told = (uses.at_us.tolist(), uses.order.tolist(), what, uses.passed.tolist())
            for person, at_us, order, item_id, over in zip(whom, *told, strict=True):
                rows.setdefault(person, []).append((at_us, order, item_id, over))
    if not rows:
        raise InputError("there is no row to learn from", field="paths")
    if len(forms) > 1:
        raise InputError("times are numbers in some rows and dates in others: give them one form", field="paths")
    people = []
    for person in sorted(rows):
        ordered = sorted(rows[person])
        used = [row for row in ordered if not row[3]]
        over = [(row[2], row[0] / 1e6) for row in ordered if row[3]]
        people.append(Person(person, [row[2] for row in used], [row[0] / 1e6 for row in used], over))
    return people
