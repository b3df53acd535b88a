"""The scenario of the films: on a made-up crowd, in which what comes next is the next in a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import films
from benchmarks.films import PACK, SCENARIOS
from benchmarks.peers.crowd import available_peers
from recsys.reports import Metric
from tests.benchmarks import tiny

N = 12


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Eighty people; each begins somewhere and rates nine films of one row in order, at times of their own."""
    rows = [
        (f"u{person:02}", f"{person % 2}{(person * 5 + step) % N:02}", 1_000_000 + 60 * step, "rating", "4")
        for person in range(80)
        for step in range(9)
    ]
    tiny.write_interactions(tmp_path, "movielens-latest-small", rows)
    items = [(f"{row}{number:02}", f"Film {number}", "A|B", "1995") for row in (0, 1) for number in range(N)]
    header = ("item_id", "title", "categories", "year")
    tiny.write_rows(tmp_path, "movielens-latest-small", "items.csv.gz", header, items)
    return tmp_path


def test_the_pack_knows_what_comes_next_and_the_peers_do_not(sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(films, "HYPER", films.Hyper(n_factors=8, epochs=12, rate=0.02, people=4))
    result = SCENARIOS["quality/movielens-latest-small"](sets, quick=False)
    (table,) = result.tables
    rows = {str(row[0]): row[1] for row in table.rows}
    present, missing = available_peers()
    assert rows.keys() == {PACK, *present}
    assert missing.items() <= result.skipped.items()
    assert table.title.startswith("movielens-latest-small: 96 choices of 12 people, 24 films")
    means = {name: cell.mean for name, cell in rows.items() if isinstance(cell, Metric)}
    assert means.keys() == rows.keys()
    assert means[PACK] > 0.9
    assert means[PACK] > max(mean for name, mean in means.items() if name != PACK) + 0.1


def test_nobody_asked_about_is_in_the_pack(sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[str] = []
    build = films.build

    def watched(people: list[films.Person], **options: object) -> object:
        taught.extend(person.name for person in people)
        return build(people, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(films, "build", watched)
    monkeypatch.setattr(films, "HYPER", films.Hyper(n_factors=4, epochs=1))
    SCENARIOS["quality/movielens-latest-small"](sets, quick=False)
    assert len(taught) == len(set(taught)) == 68  # of 80; the other twelve are asked
