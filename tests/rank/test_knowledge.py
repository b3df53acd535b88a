"""What a pack says of candidates: against a slow account, and through the whole recommender."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from recsys import Event, Recommender
from recsys.prior import Pack
from recsys.prior.features import PACK_FEATURES
from recsys.prior.pack import write
from recsys.publish import Hyper, build
from tests.publish.crowds import N, crowd, name

START = 1_700_000_000
ALL = [name(taste, number) for taste in (0, 1) for number in range(N)]
STRANGERS = ("stranger-a", "stranger-b")  # which the pack does not have


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = build(crowd(), least_people=5, hyper=Hyper(n_factors=8, epochs=6, rate=0.02, people=4))
    at = tmp_path_factory.mktemp("packs") / "app.pack"
    made.arrays["again"] = np.linspace(-1.0, 1.0, len(made.arrays["keys"])).astype(np.float16)
    made.arrays["weights"] = made.arrays["weights_given"] = np.array([0.8, 0.4, 0.2, 0.0, 1.0, 0.7])
    write(at, made.arrays, provenance={}, n_people=made.n_people, least_people=5)
    return at


def told(pack: Pack, uses: Sequence[str], item_id: str, *, begins: bool) -> tuple[float, float, float]:
    """Taste, nearness and popularity of an item after these uses, the oldest first: one number at a time."""
    a = pack.arrays
    row = int(pack.rows([item_id])[0])
    lasts = [r for r in pack.rows(list(uses)[::-1][:256]).tolist() if r >= 0]
    taste = float(a["bias"][row]) if row >= 0 else float(a["unknown"][1])
    if row >= 0:
        u = np.zeros(pack.n_factors)
        for k, half_life in enumerate(a["half_lives"].tolist()):
            weights = [2.0 ** (-j / half_life) for j in range(len(lasts))]
            length = math.sqrt(sum(weight**2 for weight in weights))
            for weight, last in zip(weights, lasts, strict=True):
                u += (
                    (weight / length)
                    * a["into"][last].astype(float)
                    * float(a["scales"][0])
                    @ a["mix"][k].astype(float)
                )
        taste += float(a["out"][row].astype(float) @ u) * float(a["scales"][1])
    n_lasts, half_life = (256, 60.0) if begins else (10, 2.0)
    lift, total = 0.0, sum(2.0 ** (-j / half_life) for j in range(len(lasts[:n_lasts])))
    for j, last in enumerate(lasts[:n_lasts]):
        for pair in range(int(a["near_begin"][last]), int(a["near_begin"][last + 1])):
            if a["near_item"][pair] == row:
                more = math.expm1(float(a["near_lift"][pair]) * float(a["near_unit"][0]))
                lift += 2.0 ** (-j / half_life) / total * more
    popular = float(a["popular"][row]) if row >= 0 else float(a["unknown"][0])
    return taste, math.log1p(lift), popular


def opened(path: Path | None, log: str | Path = ":memory:") -> Recommender:
    rec = Recommender(log, prior=path)
    rec.add([{"id": item_id} for item_id in (*ALL, *STRANGERS)])
    return rec


USES = (name(0, 1), name(0, 2), STRANGERS[0], name(1, 5), name(0, 3), name(0, 1), "not-in-the-catalogue")


def recorded(rec: Recommender, uses: Sequence[str] = USES, first: int = 0) -> None:
    rec.record_many(
        [Event(1_000_000 * (START + 60 * n), f"uid-{n:04}", u, "click", 0) for n, u in enumerate(uses, first)]
    )


@pytest.mark.parametrize("begins", [False, True])
def test_features_are_what_the_slow_account_says(path: Path, begins: bool) -> None:
    pack = Pack.load(path)
    with opened(path) as rec:
        for n, use in enumerate((None, *USES)):
            if use is not None:
                recorded(rec, [use], n)
            for item_id in (name(0, 2), name(0, 4), name(1, 6), *STRANGERS):
                at = START + (3600 if begins else 60 * n)
                terms = {t.feature: t for t in rec.explain(item_id, at=at).terms if t.feature[:5] == "pack_"}
                used = item_id in USES[:n]  # of which nothing is said
                expected = (0.0, 0.0, 0.0) if used else told(pack, USES[:n], item_id, begins=begins or not n)
                for feature, value in zip(("taste", "near", "popular"), expected, strict=True):
                    assert terms[f"pack_{feature}"].value == pytest.approx(value, rel=2e-3, abs=5e-3), (
                        item_id,
                        feature,
                    )
                assert (terms["pack_level"].value == 0.0) is used
                row = int(pack.rows([item_id])[0])  # how readily people come back is said of nothing else
                again = float(pack.arrays["again"][row]) if used and row >= 0 else 0.0
                assert terms["pack_again"].value == again


def test_at_the_beginning_of_a_session_a_part_of_the_weights_counts_and_more_of_what_is_near(path: Path) -> None:
    pack = Pack.load(path)
    with opened(path) as rec:
        recorded(rec)
        for at, part, of_near in ((START + 60 * len(USES), 1.0, 1.0), (START + 86_400, 0.15, 0.6)):
            weights = {t.feature: t.weight for t in rec.explain(name(0, 4), at=at).terms if t.feature[:5] == "pack_"}
            for n, feature in enumerate(PACK_FEATURES):
                kept = {"near": of_near, "level": 1.0, "again": 1.0}.get(feature, part)
                assert weights[f"pack_{feature}"] == pytest.approx(kept * pack.weights[n]), feature


def test_scores_are_the_models_plus_what_the_pack_says(path: Path) -> None:
    """The model itself is the same with the pack and without it; recommend, rank and explain agree."""
    with opened(path) as rec, opened(None) as plain:
        for r in (rec, plain):
            recorded(r)
        at = START + 7200
        own = {r.item_id: r.score for r in plain.recommend(100, at=at)}
        slate = rec.recommend(100, at=at)
        assert set(slate.item_ids) == set(own)
        ranked = {r.item_id: r.score for r in rec.rank(slate.item_ids, at=at)}
        for r in slate:
            explained = rec.explain(r.item_id, at=at)
            terms = {t.feature: t for t in explained.terms}
            said = sum(t.weight * t.value for f, t in terms.items() if f.startswith("pack_"))
            assert r.score == pytest.approx(own[r.item_id] + said, abs=1e-9)
            assert r.score == explained.score == ranked[r.item_id]
            assert explained.rank == r.position + 1
            assert sum(reason.contribution for reason in r.reasons) == pytest.approx(
                r.score - explained.average_score, abs=1e-9
            )
            assert [str(reason) for reason in explained.reasons] == [str(reason) for reason in r.reasons]


def test_ties_are_by_id(path: Path) -> None:
    with opened(path) as rec:
        order = rec.recommend(100, at=START).item_ids
        assert order.index(STRANGERS[0]) + 1 == order.index(STRANGERS[1])


def test_fewer_and_others_do_not_change_a_score(path: Path) -> None:
    with opened(path) as rec:
        recorded(rec)
        at = START + 7200
        everything = {r.item_id: r.score for r in rec.recommend(100, at=at)}
        some = rec.recommend(100, at=at, exclude=[name(0, 2), name(1, 7)])
        assert {r.item_id: r.score for r in some} == {
            i: s for i, s in everything.items() if i not in (name(0, 2), name(1, 7))
        }
        filtered = rec.recommend(3, at=at, where=lambda item: item.id.startswith("red"))
        assert {r.item_id: r.score for r in filtered}.items() <= everything.items()
        assert list(filtered.item_ids) == [i for i in rec.recommend(100, at=at).item_ids if i.startswith("red")][:3]


def test_steering_goes_on_top(path: Path) -> None:
    with opened(path) as rec:
        recorded(rec)
        before = {r.item_id: r.score for r in rec.recommend(100, at=START + 7200)}
        rec.steer(name(1, 9), 0.5, at=START + 7000)  # untouched, so that it gets a column of its own
        after = {r.item_id: r.score for r in rec.recommend(100, at=START + 7200)}
        assert after[name(1, 9)] == pytest.approx(before[name(1, 9)] + 2.0)
        assert after[name(1, 8)] == pytest.approx(before[name(1, 8)])


def test_draws_have_the_probabilities_of_the_scores(path: Path) -> None:
    with opened(path) as rec:
        recorded(rec)
        scores = {r.item_id: r.score for r in rec.recommend(100, at=START + 7200)}
        total = sum(math.exp(s) for s in scores.values())
        for seed in range(20):
            first = rec.recommend(1, at=START + 7200, explore=1.0, seed=seed)[0]
            assert first.score == scores[first.item_id]
            assert first.propensity == pytest.approx(math.exp(first.score) / total)


def test_what_is_forgotten_is_gone_from_what_the_pack_says(path: Path, tmp_path: Path) -> None:
    """Never known: the same slates, whether some uses were forgotten or never happened; and after reopening."""
    kept = [(n, u) for n, u in enumerate(USES) if u != name(0, 1)]
    with opened(path, tmp_path / "a.db") as first:
        recorded(first)
        first.recommend(5, at=START + 600)  # whatever is remembered between calls
        assert first.forget(items=[name(0, 1)]).status == "erased"
    with opened(path, tmp_path / "a.db") as first, opened(path) as second:
        for n, use in kept:
            recorded(second, [use], n)
        for at in (START + 600, START + 90_000):
            ours, theirs = first.recommend(100, at=at), second.recommend(100, at=at)
            assert [(r.item_id, r.score, r.reasons) for r in ours] == [(r.item_id, r.score, r.reasons) for r in theirs]


def test_another_pack_needs_nothing_learnt_anew(path: Path, tmp_path: Path) -> None:
    """The model does not depend on what a pack says: with it, without it, and with another, the state is the same."""
    states = []
    for prior in (path, None, path):
        with opened(prior, tmp_path / "a.db") as rec:
            if not states:
                recorded(rec)
            states.append(
                [(t.feature, t.weight) for t in rec.explain(name(0, 1), at=START + 9).terms if "_" in t.feature]
            )
    assert states[0] == states[2]
    assert states[1] == [(f, w) for f, w in states[0] if not f.startswith("pack_")]
