"""The packaged sample is what its rule cuts, is small, and says where it came from."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import pytest

from benchmarks import make_sample
from benchmarks.data import load

ROOT = Path(__file__).parents[2]
PACKAGED = ROOT / "recsys" / "data"
DATA = Path(os.environ.get("RECSYS_DATA", ROOT.parent / "shared" / "data"))
MAX_BYTES = 400_000


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def line(user: str, day: int, n: int = 0) -> dict[str, str]:
    return {"user_id": user, "timestamp": str(day * 86_400 + n), "item_id": f"i{n % 7}"}


def days_of_shopping(user: str, n_days: int, n_lines: int) -> list[dict[str, str]]:
    return [line(user, n % n_days, n) for n in range(n_lines)]


def test_the_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in PACKAGED.glob("*.gz")) < MAX_BYTES


def test_every_line_is_of_a_product_in_the_catalogue_and_goes_forward_in_time() -> None:
    titles = {row["item_id"]: row["title"] for row in rows(PACKAGED / "items.csv.gz")}
    events = rows(PACKAGED / "events.csv.gz")
    assert {event["item_id"] for event in events} <= set(titles)
    for shopper in {event["shopper"] for event in events}:
        times = [int(event["at"]) for event in events if event["shopper"] == shopper]
        assert times == sorted(times)
        assert make_sample.MIN_LINES <= len(times) <= make_sample.MAX_LINES


def test_the_attribution_is_packaged_and_its_counts_are_true() -> None:
    text = (PACKAGED / "SOURCE.md").read_text(encoding="utf-8")
    assert "10.24432/C5BW33" in text
    assert "CC BY 4.0" in text
    for name in ("events", "items"):
        assert f"{len(rows(PACKAGED / f'{name}.csv.gz')):,} |" in text


def test_the_rule_takes_the_shoppers_with_most_days_among_those_of_middling_size() -> None:
    lines = [
        *days_of_shopping("few-lines", 400, 499),
        *days_of_shopping("many-lines", 300, 3_001),
        *(line for n in range(6) for line in days_of_shopping(f"s{n}", 100 + n, 600)),
    ]
    assert make_sample.choose_shoppers(lines) == ["s5", "s4", "s3", "s2", "s1"]


def test_equal_numbers_of_days_are_decided_by_id() -> None:
    lines = [line for user in ("b", "c", "a") for line in days_of_shopping(user, 50, 500)]
    assert make_sample.choose_shoppers(lines) == ["a", "b", "c"]


@pytest.mark.skipif(not (DATA / "uci-online-retail").is_dir(), reason="the data folder is not here")
def test_cutting_again_gives_the_packaged_sample(tmp_path: Path) -> None:
    make_sample.cut(DATA, tmp_path)
    for name in ("events.csv.gz", "items.csv.gz"):
        assert rows(tmp_path / name) == rows(PACKAGED / name)


@pytest.mark.skipif(not (DATA / "uci-online-retail").is_dir(), reason="the data folder is not here")
def test_no_shopper_of_the_sample_took_part_in_fitting_the_prior() -> None:
    shoppers: dict[str, set[tuple[int, str]]] = {}
    for row in rows(PACKAGED / "events.csv.gz"):
        shoppers.setdefault(row["shopper"], set()).add((int(row["at"]), row["item_id"]))
    n_logs = 0
    for log in load("uci-online-retail", DATA):
        fitted = {(event.at_us // 1_000_000, event.item_id) for event in log.events}
        assert not any(len(lines & fitted) > len(lines) / 2 for lines in shoppers.values())
        n_logs += 1
    assert n_logs > 100
