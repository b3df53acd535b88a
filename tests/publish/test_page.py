"""The publisher's report: what it says is true, it fetches nothing, and it names nobody and nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from recsys.publish import Built, Hyper, build
from recsys.publish.counting import ITEM
from recsys.publish.page import coverage, page, support_bins
from tests.publish.crowds import RARE, crowd

LEAST = 5


@pytest.fixture(scope="module")
def built() -> Built:
    return build(crowd(200), least_people=LEAST, hyper=Hyper(n_factors=8, epochs=12, rate=0.02, people=4), judge=True)


@pytest.fixture(scope="module")
def text(built: Built) -> str:
    return page(built, size_bytes=51_234, source='<b>"made up"</b> & more')


class Reader(HTMLParser):
    """Which tags there are, whether each is closed, what they fetch, and what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_is_one_file_that_fetches_and_runs_nothing(text: str) -> None:
    reader = read(text)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a"}
    assert not reader.names & {"src", "href", "srcset", "data", "action", "style"}
    assert not [name for name in reader.names if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import|//", text)
    assert "default-src 'none'" in text
    assert {"svg", "polyline", "rect", "circle", "table"} <= reader.tags
    assert 'class="tile"' in text


def test_what_the_publisher_says_is_text(text: str) -> None:
    assert "&lt;b&gt;" in text
    assert '<b>"made' not in text


def test_no_item_and_nobody_is_named(text: str, built: Built) -> None:
    for word in ("person-", "red-", "blue-", RARE, *(f"{key:x}" for key in built.arrays["keys"].tolist())):
        assert word not in text


def test_the_numbers_are_those_of_the_pack(text: str, built: Built) -> None:
    known = built.evidence
    assert known is not None
    said = re.sub(r"\s+", " ", " ".join(read(text).said))
    assert f"{built.report['items']:,} items" in said
    assert f"{built.report['pairs']:,} pairs" in said
    assert f"{known.n_people:,} people in the logs" in said
    smallest = min(known.items["people"][known.kept].min(), known.pair_people.min())
    assert smallest >= LEAST
    assert f"has {known.items['people'][known.kept].min()} , the median" in said
    assert known.quality is not None
    assert known.quality.ndcg["pack"].mean > known.quality.ndcg["popular"].mean
    for key in ("pack", "popular"):
        metric = known.quality.ndcg[key]
        assert f"{metric.mean:.3f} [{metric.low:.3f}, {metric.high:.3f}]" in said


def test_coverage_and_support_are_counted() -> None:
    items = np.zeros(4, ITEM)
    items["met"], items["uses"] = [1, 2, 5, 9], [10, 20, 30, 40]
    assert coverage(items, [1, 2, 5, 10]) == [(1.0, 1.0), (0.75, 0.9), (0.5, 0.7), (0.0, 0.0)]
    assert support_bins(np.array([5, 6, 9, 10, 19, 20, 45]), 5) == (
        ["5 to 9", "10 to 19", "20 to 39", "40 to 79"],
        [3, 2, 1, 1],
    )
    assert support_bins(np.array([1, 1, 2]), 1) == (["1", "2 to 3"], [2, 1])
    assert support_bins(np.empty(0, np.int64), 5) == ([], [])


def test_a_pack_without_pairs_or_choices_has_a_page_too() -> None:
    alone = build(
        [person._replace(items=person.items[:1], at_s=person.at_s[:1]) for person in crowd(300)], least_people=2
    )
    said = " ".join(read(page(alone, size_bytes=1000)).said)
    assert "No pair is published." in said
    assert "nothing can be said" in said
    assert "No source was named." in said


def test_quality_is_judged_by_weights_of_other_people(built: Built) -> None:
    """Of each half by the other's: so a person's own choices never speak for themselves."""
    known = built.evidence
    assert known is not None
    quality = known.quality
    assert quality is not None
    assert quality.n_people <= known.n_asked <= known.n_aside
    assert 0 < quality.n_uses_known <= quality.n_uses
    assert quality.ndcg["difference"].mean == pytest.approx(quality.ndcg["pack"].mean - quality.ndcg["popular"].mean)


def test_writing_leaves_a_file_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from recsys.prior.whole import write_whole

    path = tmp_path / "a.pack"
    assert write_whole(path, b"first") == 5

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"second")
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "b.pack", b"second")
    assert path.read_bytes() == b"first"
    assert [each.name for each in tmp_path.iterdir()] == ["a.pack"]
