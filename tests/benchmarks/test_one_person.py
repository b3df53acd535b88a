"""What one person moves in a pack is seen where it is made to be much, and is nothing where it is nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import one_person
from benchmarks.logs import Log
from recsys.publish import Hyper, Person, build
from recsys.types import Event
from tests.publish.crowds import crowd


def log_of(person: Person) -> Log:
    events = [
        Event(round(at * 1e6), f"{n:08}", item_id, "view", 0)
        for n, (item_id, at) in enumerate(zip(person.items, person.at_s, strict=True))
    ]
    return Log(person.name, events, np.ones(len(events), np.bool_))


def test_the_table_has_a_row_for_each_person_who_was_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(one_person, "load", lambda *_, **__: [log_of(person) for person in crowd(40)])
    monkeypatch.setattr(one_person, "data_folder", lambda _: tmp_path)
    (table,) = one_person.pack_one_person(None, quick=True).tables
    assert [row[0] for row in table.rows] == [1, 2]
    assert all(np.isfinite(row[4]) and np.isfinite(row[5]) for row in table.rows)  # type: ignore[arg-type]
    assert "With the person against without" in table.notes[1]


def test_a_person_who_does_what_nobody_does_is_told_from_the_others() -> None:
    odd = Person(
        "odd-2", [f"{'red' if n % 2 else 'blue'}-{n * 5 % 12:02}" for n in range(12)], [60.0 * n for n in range(12)]
    )
    hyper = Hyper(n_factors=16, epochs=60, rate=0.02, dropped=0.0, decay=1e-5)
    with_it, without = (build(people, least_people=3, hyper=hyper) for people in ([*crowd(40), odd], crowd(40)))
    assert one_person._fit(with_it, odd) > one_person._fit(without, odd) + 0.2
