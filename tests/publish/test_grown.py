"""Trees of a pack: published where they help people who did not teach them, and only there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from recsys import MissingExtraError, Recommender, Settings
from recsys.cli.app import group
from recsys.learn.forest import MOST_LEAVES
from recsys.learn.standing import N_STANDINGS
from recsys.prior import Pack, Prior
from recsys.prior.pack import write
from recsys.publish import Hyper, Person, build
from recsys.publish.grown import arrays_of, grown, lived

pytest.importorskip("lightgbm")

HYPER = Hyper(n_factors=2, epochs=1)
N_ITEMS = 10


def person(number: int, n_uses: int, *, ordered: bool) -> Person:
    """Somebody who mostly takes what was used neither lately nor long ago: no sum of features says that."""
    rng = np.random.default_rng(number)
    by_recency, items = list(range(N_ITEMS)), []
    for _ in range(n_uses):
        at = int(rng.choice([4, 5])) if ordered and rng.random() < 0.85 else int(rng.integers(N_ITEMS))
        by_recency.insert(0, by_recency.pop(at))
        items.append(f"item-{by_recency[0]}")
    times = 1_700_000_000.0 + np.cumsum(rng.integers(30, 300, n_uses)).astype(float)
    return Person(f"person-{number}", items, times.tolist())


def people(n: int = 60, n_uses: int = 60, *, ordered: bool = True) -> list[Person]:
    return [person(number, n_uses, ordered=ordered) for number in range(n)]


def told(_: str, __: int, ___: int) -> None:
    """Progress is of no interest here."""


def of(some: Sequence[Person], tmp_path: Path) -> Pack:
    built = build(some, least_people=5, hyper=HYPER, trees=True)
    path = tmp_path / f"{len(some)}-{some[0].items[0]}.pack"
    write(path, built.arrays, provenance={"report": built.report}, n_people=built.n_people, least_people=5)
    return Pack.load(path)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return of(people(), tmp_path_factory.mktemp("pack"))


def test_what_helps_others_is_published(pack: Pack) -> None:
    report = pack.provenance["report"]
    assert report["trees"] > 0
    assert report["trees_people"] == 30
    linear, both = report["trees_ndcg"]
    assert both > linear + 0.02
    assert 0.0 < report["trees_gain"][1] <= report["trees_gain"][0] <= report["trees_gain"][2]
    assert pack.prior is not None
    assert pack.prior.trees is not None
    assert (pack.prior.trees.n_trees, pack.prior.trees.n_leaves) == (report["trees"], MOST_LEAVES)
    assert pack.prior.trees.n_features == N_STANDINGS
    assert sum(array.nbytes for array in arrays_of(pack.prior.trees).values()) <= 150_000


def test_it_ranks_better_for_somebody_new(pack: Pack) -> None:
    some = (1_000, 1_001, 1_002)
    without, with_trees = (np.mean([_places(pack, one, trees=trees) for one in some]) for trees in (False, True))
    assert with_trees < without - 0.3


def _places(pack: Pack, number: int, *, trees: bool) -> float:
    """The mean place of what somebody took next, once everything was used."""
    somebody, places = person(number, 80, ordered=True), list[int]()
    with closing(Recommender(":memory:", prior=pack, settings=Settings(trees=trees))) as rec:
        for n, (item, at) in enumerate(zip(somebody.items, somebody.at_s, strict=True)):
            found = rec.recommend(N_ITEMS, at=at).item_ids
            if n > 30 and item in found:
                places.append(found.index(item))
            rec.record(item, "play", at=at)
    assert len(places) > 40
    return float(np.mean(places))


def test_noise_publishes_nothing(tmp_path: Path) -> None:
    pack = of(people(ordered=False), tmp_path)
    assert pack.provenance["report"]["trees"] == 0
    assert pack.prior is None or pack.prior.trees is None


def test_too_few_people_publish_nothing() -> None:
    logs = [[*_events(one)] for one in people(30)]
    forest, report = grown(lived(logs, Prior.default()), told)
    assert forest is None
    assert report == {"trees": 0}
    assert grown(lived([], Prior.default()), told) == (None, {"trees": 0})


def _events(one: Person) -> list:  # type: ignore[type-arg]
    from recsys import Event

    uses = zip(one.items, one.at_s, strict=True)
    return [Event(round(at * 1e6), f"{n:08}", item, "click", 0) for n, (item, at) in enumerate(uses)]


def test_the_order_of_people_is_of_no_account(pack: Pack) -> None:
    turned = build(people()[::-1], least_people=5, hyper=HYPER, trees=True)
    for name, array in turned.arrays.items():
        if name.startswith("tree_"):
            assert array.tobytes() == np.asarray(pack.arrays[name]).tobytes()
    assert "tree_leaf" in turned.arrays


def test_they_speak_only_of_what_was_used_before() -> None:
    held = lived([_events(one) for one in people(4)], Prior.default())
    window = held.window
    assert window.levels.shape[1] == N_STANDINGS
    assert not (window.offsets > 6.0).any(), "what stands for everything untouched is left out"
    assert (window.sizes > 1).all()
    assert (window.targets < window.sizes).all()
    assert window.sizes.sum() == len(window.levels)
    assert held.person.tolist() == sorted(held.person.tolist())


def test_of_a_long_log_a_part_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys.publish.grown._LESSONS_OF_ONE", 20)
    held = lived([_events(one) for one in people(3)], Prior.default())
    assert np.bincount(held.person).tolist() == [20, 20, 20]


def test_without_lightgbm_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["recsys.publish.build"], "can_grow", lambda: False)
    with pytest.raises(MissingExtraError):
        build(people(4), trees=True)


def test_from_the_command_line(tmp_path: Path) -> None:
    rows = ["user_id,item_id,timestamp"]
    rows += [f"{p.name},{i},{at}" for p in people() for i, at in zip(p.items, p.at_s, strict=True)]
    (tmp_path / "logs.csv").write_text("\n".join(rows))
    arguments = ["build-prior", str(tmp_path / "logs.csv"), "--out", str(tmp_path / "app.pack"), "--least-people", "5"]
    done = CliRunner().invoke(group, [*arguments, "--trees"])
    assert done.exit_code == 0, done.output
    assert "trees: " in done.output
    found = Pack.load(tmp_path / "app.pack")
    assert found.prior is not None
    assert found.prior.trees is not None
