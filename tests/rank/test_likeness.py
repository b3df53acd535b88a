"""What content says of new items: alike whatever the order, gone with what is forgotten, and adding up."""

from __future__ import annotations

import random

import numpy as np
import pytest

from recsys import Recommender, Settings, Slate
from recsys.rank.likeness import CONTENT_FEATURES, default_weights

START = 1.7e9
HOUR = 3600.0
BOOKS = [
    {"id": f"b{n:02}", "title": f"{('Dune', 'Emma', 'Ulysses')[n % 3]} part {n}", "tags": [("sf", "novel")[n % 3 > 0]]}
    | {"year": 1900 + n}
    for n in range(45)
]
AT = START + 100 * HOUR


def shelf(**more: object) -> Recommender:
    rec = Recommender(":memory:", **more)  # type: ignore[arg-type]
    rec.add(BOOKS)
    return rec


def read(rec: Recommender, *item_ids: str, hour: int = 0) -> list[str]:
    return rec.record_many([{"item_id": i, "at": START + (hour + n) * HOUR} for n, i in enumerate(item_ids)])


def told(slate: Slate) -> list[tuple[str, float, list[tuple[str, float, int, float | None]]]]:
    return [(r.item_id, r.score, [(x.text, x.contribution, x.n_events, x.last_at) for x in r.reasons]) for r in slate]


def test_what_was_turned_down_so_long_ago_that_nothing_is_left_of_it_says_nothing() -> None:
    with shelf() as rec, shelf() as other:
        rec.record("b02", "dislike", at=0.0)
        for one in (rec, other):
            one.record("b00", at=4e9)
        told_like, told_other = (one.recommend(9, at=4e9 + HOUR, exclude=["b00", "b02"]) for one in (rec, other))
        assert told_like.item_ids == told_other.item_ids


def test_new_items_like_those_used_come_first() -> None:
    with shelf() as rec:
        read(rec, "b00", "b03", "b06")
        best = rec.recommend(6, at=AT, exclude=["b00", "b03", "b06"])
        assert all(int(item_id[1:]) % 3 == 0 for item_id in best.item_ids)
        like = next(reason for reason in best[0].reasons if reason.group == "like")
        assert (like.text, like.n_events, like.last_at) == ("it is like Dune part 6", 1, START + 2 * HOUR)


def test_reasons_and_terms_add_up_with_content() -> None:
    with shelf() as rec:
        read(rec, "b00", "b04", "b00", "b09")
        rec.record("b05", "dislike", at=START + 5 * HOUR)
        everyone = rec.recommend(1000, at=AT)
        mean = np.mean([r.score for r in everyone])
        for r in everyone:
            assert sum(reason.contribution for reason in r.reasons) == pytest.approx(r.score - mean, abs=1e-9)
            why = rec.explain(r.item_id, at=AT)
            assert (why.score, why.rank) == (r.score, r.position + 1)
            assert why.average_score == pytest.approx(mean, abs=1e-9)
        scores = {r.item_id: r.score for r in everyone}
        assert {r.item_id: r.score for r in rec.rank(list(scores), at=AT)} == scores


def test_without_titles_tags_and_numbers_content_says_nothing() -> None:
    with Recommender(":memory:") as bare, Recommender(":memory:") as empty:
        bare.add([{"id": f"b{n}"} for n in range(9)])
        empty.add([{"id": f"b{n}", "title": "", "tags": [], "colour": "red"} for n in range(9)])
        for rec in (bare, empty):
            read(rec, "b1", "b2", "b1")
        assert told(bare.recommend(9, at=AT)) == told(empty.recommend(9, at=AT))
        assert bare._catalogue.likeness() is None
        assert bare.explain("b1", at=AT).terms == empty.explain("b1", at=AT).terms


def test_used_items_keep_their_scores() -> None:
    with shelf() as rec, Recommender(":memory:") as bare:
        for one in (rec, bare):
            read(one, "b00", "b03", "b00", "b07")
        bare.add([{"id": book["id"]} for book in BOOKS])
        scores = {r.item_id: r.score for r in bare.recommend(1000, at=AT)}
        with_content = {r.item_id: r.score for r in rec.recommend(1000, at=AT)}
        assert all(with_content[i] == scores[i] for i in ("b00", "b03", "b07"))
        new = [i for i in scores if i not in ("b00", "b03", "b07")]
        assert np.exp([with_content[i] - scores[i] for i in new]).mean() == pytest.approx(1.0)


def test_answers_do_not_depend_on_how_the_catalogue_came_about() -> None:
    with shelf() as one, Recommender(":memory:") as other:
        shuffled = random.Random(3).sample(BOOKS, len(BOOKS))
        other.add([{"id": "gone", "title": "Dune Dune"}, {"id": "b01", "title": "Another", "tags": ["sf"]}])
        read(one, "b00", "b04")
        read(other, "b00", "b04")
        for book in shuffled:
            other.add([book])
            other.recommend(3, at=AT)
        other.remove(["gone"])
        assert told(one.recommend(50, at=AT)) == told(other.recommend(50, at=AT))
        assert told(one.similar("b01", 50, at=AT)) == told(other.similar("b01", 50, at=AT))


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    with shelf() as asked, shelf() as silent:
        used = [f"b{n * 7 % 30:02}" for n in range(60)]
        for n, item_id in enumerate(used):
            read(asked, item_id, hour=n)
            asked.recommend(3, at=AT)
        read(silent, *used)
        assert told(asked.recommend(50, at=AT)) == told(silent.recommend(50, at=AT))


def test_what_is_forgotten_says_nothing_any_more() -> None:
    with shelf() as rec, shelf() as never:
        read(never, "b00", "b04", hour=1)
        rec.record("b02", "dislike", at=START)
        read(rec, "b00", "b04", hour=1)
        gone = read(rec, "b07", "b10", hour=5)
        rec.recommend(9, at=AT)
        rec.similar("b07")
        assert rec.forget(events=gone).status == "erased"
        assert rec.forget(kinds=["dislike"]).status == "erased"
        assert told(rec.recommend(50, at=AT)) == told(never.recommend(50, at=AT))
        assert [told(rec.similar(book["id"], at=AT)) for book in BOOKS] == [  # type: ignore[arg-type]
            told(never.similar(book["id"], at=AT))  # type: ignore[arg-type]
            for book in BOOKS
        ]


def test_what_is_never_learnt_speaks_for_nothing() -> None:
    with shelf(settings=Settings(never_learn=frozenset({"sf"}))) as rec, shelf() as never:
        read(rec, "b01", "b00", "b03")
        read(never, "b01")
        assert told(rec.recommend(50, at=AT)) == told(never.recommend(50, at=AT))


def test_newer_items_stand_a_little_higher() -> None:
    with Recommender(":memory:") as rec:
        rec.add([{"id": i, "title": "Same", "created": AT - days * 86_400} for i, days in (("a", 900), ("b", 2))])
        assert rec.recommend(2, at=AT).item_ids == ["b", "a"]
        assert "it is new" in [reason.text for reason in rec.recommend(2, at=AT)[0].reasons]


def test_vectors_say_what_is_alike_where_words_do_not() -> None:
    with Recommender(":memory:") as rec:
        rec.add(
            [{"id": "a", "vector": [1.0, 0.0]}, {"id": "b", "vector": [0.0, 1.0]}, {"id": "c", "vector": [0.9, 0.1]}]
        )
        rec.record("a", at=START)
        assert rec.recommend(2, at=AT, exclude=["a"]).item_ids == ["c", "b"]
        assert rec.similar("a", at=AT).item_ids == ["c"]


def test_similar_gives_what_is_like_it_and_what_is_used_around_it() -> None:
    with shelf() as rec:
        assert all(i != "b00" for i in rec.similar("b00", 50).item_ids)
        assert int(rec.similar("b00")[0].item_id[1:]) % 3 == 0
        read(rec, *["b00", "b41"] * 6, "b03", "b00", *(f"b{n:02}" for n in range(20, 40)))
        rec.remove(["b03"])
        slate = rec.similar("b00", 50, at=AT)
        assert "b03" not in slate.item_ids
        assert "b41" in slate.item_ids[:15]  # only those of the same words come before it
        reason = next(x for r in slate if r.item_id == "b41" for x in r.reasons if x.group == "sequence")
        assert reason.n_events == 6
        assert reason.last_at == START + 11 * HOUR
        for r in slate:
            assert r.score == pytest.approx(sum(x.contribution for x in r.reasons))
            assert r.score > 0.0
        rec.shown(slate)


def test_similar_to_an_unknown_item_is_nothing() -> None:
    with shelf() as rec:
        slate = rec.similar("never heard of")
        assert (len(slate), slate.n_candidates) == (0, len(BOOKS))
    with Recommender(":memory:") as rec:
        assert len(rec.similar("a")) == 0
        read(rec, "a", "b", "a", "b", *"cdefghijk")
        assert rec.similar("a").item_ids[0] == "b"  # without any content


def test_shipped_weights_are_modest() -> None:
    beginning, within = (dict(zip(CONTENT_FEATURES, of, strict=False)) for of in default_weights().tolist())
    assert all(abs(weight) <= 3.0 for weight in within.values())
    assert all(abs(weight) <= 7.0 for weight in beginning.values()), "of which a part counts"
    assert within["against"] < 0.0 < within["last"]
    assert beginning["against"] < 0.0 < beginning["long"]


def test_the_beginning_of_a_session_goes_by_what_was_read_for_long() -> None:
    """Of the last uses within one; of all of them before one."""
    tales = [{"id": f"{kind}{n}", "title": f"{kind} tale"} for kind in ("dragon", "kitchen") for n in range(30)]
    with Recommender(":memory:") as rec:
        rec.add(tales)
        used = [*(f"dragon{n}" for n in range(20)), "kitchen0", "kitchen1"]
        rec.record_many([{"item_id": item_id, "at": START + 60.0 * n} for n, item_id in enumerate(used)])
        new = [item["id"] for item in tales if item["id"] not in used]
        assert rec.rank(new, at=START + 60.0 * len(used)).item_ids[0].startswith("kitchen")
        later = rec.rank(new, at=START + 86_400.0)
        assert later.item_ids[0].startswith("dragon")
        with Recommender(":memory:") as other:  # which was not asked within the session
            other.add(tales)
            other.record_many([{"item_id": item_id, "at": START + 60.0 * n} for n, item_id in enumerate(used)])
            assert told(other.rank(new, at=START + 86_400.0)) == told(later)


def test_what_is_told_of_the_untouched_is_added_to_each_once() -> None:
    """Column 0 stands for all of them, and what is told of it is told of none."""
    with shelf() as rec:
        read(rec, "b00", "b03")
        state, likeness = rec._live.state, rec._catalogue.likeness()
        assert likeness is not None
        pool = rec._everything((), None, 0)
        told = likeness.told(state.behaviour, pool, AT)
        assert told is not None
        added = pool._replace(told=[told]).added()
        assert told.offsets()[0] != 0.0
        assert added is not None
        assert added.tolist() == [0.0, *told.offsets()[1:].tolist()]
        assert pool._replace(told=[told, told]).added_untouched().tolist() == (2 * told.offsets_untouched()).tolist()


def test_of_what_a_pack_knows_content_says_nothing() -> None:
    with shelf() as rec:
        read(rec, "b00", "b03")
        likeness, pool = rec._catalogue.likeness(), rec._everything((), None, 0)
        assert likeness is not None
        packed = np.array([item_id < "b20" for item_id in pool.untouched])
        told = likeness.told(rec._live.state.behaviour, pool, AT, (np.zeros(len(pool.ids), np.bool_), packed))
        assert told is not None
        assert ((told.offsets_untouched() == 0.0) == packed).all()
