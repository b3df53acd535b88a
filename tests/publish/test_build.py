"""Packs: what is published, of how many, and that it is of use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys import InputError, Recommender
from recsys.prior import Pack
from recsys.prior.pack import key_of, write
from recsys.publish import Built, Hyper, Person, build
from tests.publish.crowds import RARE, N, crowd, name

QUICK = Hyper(n_factors=8, epochs=12, rate=0.02, people=4)


@pytest.fixture(scope="module")
def built() -> Built:
    return build(crowd(), least_people=5, hyper=QUICK)


@pytest.fixture(scope="module")
def path(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("packs") / "app.pack"
    write(at, built.arrays, provenance={"made": "up"}, n_people=built.n_people, least_people=built.least_people)
    return at


def test_what_too_few_people_used_is_not_published(built: Built) -> None:
    keys = set(built.arrays["keys"].tolist())
    assert key_of(RARE) not in keys
    assert keys == {key_of(name(taste, number)) for taste in (0, 1) for number in range(N)}
    with pytest.raises(InputError, match="no item was used by 1000 people"):
        build(crowd(), least_people=1000, hyper=QUICK)


def test_pairs_of_too_few_people_are_not_published() -> None:
    """Eight people use a blue thing and a red one together: with five they go together, with nine they do not."""
    odd = [
        Person(f"odd-{n}", [name(0, 0), name(1, 6)], [1_700_000_000.0, 1_700_000_060.0]) for n in range(60)
    ]  # enough that at least nine of them are not set aside
    for least, expected in ((5, True), (90, False)):
        people = [*crowd(240), *odd]
        arrays = build(people, least_people=least, hyper=Hyper(n_factors=4, epochs=1)).arrays
        keys = arrays["keys"].tolist()
        of, to = keys.index(key_of(name(0, 0))), keys.index(key_of(name(1, 6)))
        pairs = arrays["near_item"][arrays["near_begin"][of] : arrays["near_begin"][of + 1]]
        assert (to in pairs.tolist()) is expected


def test_the_order_of_people_does_not_matter(built: Built) -> None:
    turned = build(crowd()[::-1], least_people=5, hyper=QUICK)
    assert turned.report == built.report
    for part, array in built.arrays.items():
        assert array.tobytes() == turned.arrays[part].tobytes(), part


def test_a_pack_knows_what_comes_next_from_the_first_use_on(path: Path) -> None:
    """Red after red, and the next one first; without the pack every item is as good as the other."""
    everything = [{"id": name(taste, number)} for taste in (0, 1) for number in range(N)]
    ranks = {}
    for prior in (None, path):
        with Recommender(":memory:", prior=prior) as rec:
            rec.add([*everything, {"id": "nobody-knows-this"}])
            rec.record(name(1, 3), at=1_700_000_000)
            order = rec.recommend(100, at=1_700_000_060, exclude=[name(1, 3)]).item_ids
            assert len(order) == 2 * N
            ranks[prior] = order.index(name(1, 4))
    assert ranks[path] == 0
    assert ranks[None] > 3


def test_weights_are_those_that_the_people_set_aside_bear_out(built: Built) -> None:
    weights = built.report["weights"]
    assert weights["taste"] > 0.2
    assert built.report["people_aside"] == 12
    assert weights["level"] == 1.0
    assert np.isfinite(list(weights.values())).all()


def test_a_pack_is_small(path: Path, built: Built) -> None:
    """Bytes an item, without what does not grow with them."""
    fixed = built.arrays["mix"].nbytes + 4096
    assert (path.stat().st_size - fixed) / built.report["items"] <= 250


def test_one_person_more_or_less_changes_support_by_one(built: Built) -> None:
    """What is published of counts goes by how many people there are; the factors depend on everybody a little."""
    fewer = build(crowd()[:-1], least_people=5, hyper=QUICK)
    assert fewer.arrays["keys"].tolist() == built.arrays["keys"].tolist()
    difference = np.exp(fewer.arrays["popular"].astype(float)) - np.exp(built.arrays["popular"].astype(float))
    assert np.abs(difference).max() < 0.02


def test_a_pack_tells_itself_apart_from_a_prior(path: Path) -> None:
    assert Pack.load(path).n_items == 2 * N
    assert Pack.load(path).provenance == {"made": "up"}
