"""Content is a pure function of the items there are, whatever the order in which they came and went."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import InputError, Item, Recommender
from recsys.inputs import item_of
from recsys.learn import index as index_module
from recsys.learn.content import N_BUCKETS, Embedder, tokens, vector_of
from recsys.learn.index import Content, Index
from tests.learn.histories import examples

BOOKS = [
    Item("a", "The Dune Sea", ("sf", "sand"), {"year": 1965, "vector": "words of the host's own"}),
    Item("b", "Dune Messiah", ("sf",), {"year": 1969, "created": 1.6e9}),
    Item("c", "Emma", ("classic",), {"year": 1815, "description": "a novel of manners"}),
    item_of({"id": "d", "title": "Persuasion", "tags": ["classic"], "vector": [1.0, 2.0, -2.0]}),
    Item("e"),
    Item("f", "砂の惑星 砂丘", (), {"pages": 400.5, "lent": True}),
]


def told(index: Index) -> list[object]:
    """All that an index says of its items, by id: where they stand is its own affair."""
    of_items: list[object] = []
    for item_id, row in sorted(index.row.items()):
        of, further = index.further
        tags = [int(layer[row]) for layer in index.layers if layer[row]] + further[of == row].tolist()
        vector = None if index.vectors is None else index.vectors[row].tolist()
        bins = [int(number.bins[row]) for number in index.numbers]
        shares = [float(index.tag_share[tag]) for tag in tags]
        assert index.ids[row] == item_id
        assert index.alive[row]
        of_items.append((item_id, index.words_of(row).tolist(), float(index.length[row]), shares, bins, vector))
        of_items.append(float(np.nan_to_num(index.created[row], nan=-1.0)))
    having = index.having(np.arange(N_BUCKETS), index.rarity)[list(index.row.values())]
    whole = [index.rarity.tolist(), sorted(having.tolist()), index.n_items, int(index.alive.sum()), index.is_dated]
    return [*of_items, *whole, [(n.edges.tolist(), n.share.tolist()) for n in index.numbers]]


@examples(0.5)
@given(st.lists(st.tuples(st.sampled_from(BOOKS), st.booleans(), st.booleans()), max_size=12))
def test_the_index_depends_on_what_is_there_and_not_on_how_it_came(
    changes: list[tuple[Item, bool, bool]],
) -> None:
    there: dict[str, Item] = {}
    content = Content()
    for item, kept, asked in changes:
        if kept:
            content.put([item])
            there[item.id] = item
        else:
            content.drop([item.id])
            there.pop(item.id, None)
        if asked:
            content.index()
    assert told(content.index()) == told(Content(sorted(there.values(), key=lambda item: item.id)).index())


@pytest.mark.parametrize("limits", [{}, {"_LATE": 0, "_LATE_PART": 10**9}, {"_LATE": 10**9}, {"_DEAD": 0}])
def test_a_catalogue_that_changes_item_by_item_says_what_one_that_is_read_at_once_says(
    limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many tags, with rows posted late or at once, with dead rows left or put together."""
    for name, value in limits.items():
        monkeypatch.setattr(index_module, name, value)
    rng, there, content = random.Random(5), dict[str, Item](), Content()
    for step in range(300):
        item_id = f"i{rng.randrange(90)}"
        if rng.random() < 0.3:
            content.drop([item_id])
            there.pop(item_id, None)
        else:
            words, tags = rng.choices("abcdefghij", k=4), rng.sample(range(30), rng.choice((0, 1, 3, 9)))
            number = {"year": rng.randrange(40), **({"created": 1e9 + step} if step % 3 else {})}
            there[item_id] = Item(item_id, " ".join(words), tuple(f"t{tag}" for tag in tags), number)
            content.put([there[item_id]])
        if step % 7 == 0:
            assert told(content.index()) == told(Content(there.values()).index())
    index = content.index()
    assert len(index.ids) == index.n_rows == len(index.length)
    assert index.n_rows - index.n_items <= max(index_module._DEAD, index.n_items // 4)


def test_words_are_hashed_the_same_in_every_process() -> None:
    assert tokens(BOOKS[1]) == [17_933, 47_868, 130_215]


def test_scripts_without_spaces_are_compared_by_pairs_of_characters() -> None:
    assert set(tokens(Item("x", "砂丘"))) < set(tokens(BOOKS[5]))


def test_numbers_stand_where_they_stand_among_the_catalogue_s() -> None:
    index = Content([Item(f"i{n:03}", "", (), {"year": n * n}) for n in range(64)]).index()
    assert index.numbers[0].bins.tolist() == [n // 2 for n in range(64)]
    assert index.numbers[0].share.sum() == pytest.approx(1.0)


def test_a_vector_is_kept_as_an_attribute_and_read_back() -> None:
    found = vector_of(BOOKS[3])
    assert found is not None
    assert found.tolist() == [1.0, 2.0, -2.0]
    assert vector_of(BOOKS[0]) is None  # a text that the host calls so
    index = Content(BOOKS).index()
    assert index.vectors is not None
    assert index.vectors[index.row["d"]].tolist() == [42, 85, -85]
    assert not index.vectors[index.row["a"]].any()


@pytest.mark.parametrize(
    "vector", [[], [float("nan")], [float("inf"), 1.0], [[1.0]], ["x"], 3.0, [0.0] * 4097, [1e39], {"a": 1}]
)
def test_a_vector_is_a_list_of_finite_numbers(vector: object) -> None:
    with pytest.raises(InputError) as caught:
        item_of({"id": "a", "vector": vector})
    assert caught.value.field == "vector"


def test_vectors_of_one_catalogue_have_one_length() -> None:
    with Recommender(":memory:") as rec:
        rec.add([{"id": "a", "vector": [1.0, 2.0]}, {"id": "b"}])
        for items in (
            [{"id": "c", "vector": [1.0]}],
            [{"id": "a", "vector": [1.0, 2.0]}, {"id": "c", "vector": [1.0, 2.0, 3.0]}],
        ):
            with pytest.raises(InputError, match="as many numbers"):
                rec.add(items)
        assert rec.stats().n_items == 2
        assert rec.add([{"id": "a", "vector": [1.0]}]) == 1  # all are replaced


def test_the_host_s_embedder_is_asked_once_about_each_text() -> None:
    asked: list[list[str]] = []

    def embed(texts: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        asked.append(texts)
        return np.array([[len(text), 1.0] for text in texts])

    content = Content([Item("a", "One"), Item("b", "Two"), Item("c")], Embedder(embed))
    content.index()
    content.put([Item("d", "Three"), Item("e", "One")])
    index = content.index()
    assert asked == [["One", "Two"], ["Three"]]
    assert index.vectors is not None
    assert index.vectors[index.row["a"]].tolist() == index.vectors[index.row["e"]].tolist()
    assert not index.vectors[index.row["c"]].any()


@pytest.mark.parametrize("given", [[[1.0]], [[float("nan")], [1.0]], "words", None, [1.0, 2.0], [[], []]])
def test_what_an_embedder_gives_must_be_a_row_of_numbers_for_each_text(given: object) -> None:
    content = Content([Item("a", "One"), Item("b", "Two")], Embedder(lambda _: given))  # type: ignore[arg-type, return-value]
    with pytest.warns(RuntimeWarning, match=r"^embedder: "):
        assert content.index().vectors is None


def test_an_embedder_that_fails_loses_nothing_tells_no_text_and_is_asked_again_after_the_next_change() -> None:
    broken, asked = [True], []

    def embed(texts: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        asked.append(texts)
        if broken:
            raise RuntimeError(texts[0])
        return np.array([[len(text), 1.0] for text in texts])

    with Recommender(":memory:", embedder=embed) as rec, Recommender(":memory:", embedder=embed) as sound:
        rec.add([{"id": "a", "title": "Secret"}, {"id": "b", "title": "Secret too"}])
        rec.record("a", at=1.7e9)
        with pytest.warns(RuntimeWarning, match="it failed") as caught:
            assert set(rec.recommend(2, at=1.7e9).item_ids) == {"a", "b"}
        assert not any("Secret" in str(warning.message) for warning in caught)
        assert len(asked) == 1
        rec.recommend(2, at=1.7e9)
        assert len(asked) == 1, "not at every answer"
        broken.clear()
        rec.add([{"id": "c", "title": "Third"}])
        sound.add([{"id": i, "title": title} for i, title in (("a", "Secret"), ("b", "Secret too"), ("c", "Third"))])
        sound.record("a", at=1.7e9)
        scores = [[(r.item_id, r.score) for r in one.recommend(3, at=1.7e9)] for one in (rec, sound)]
        assert asked[1] == ["Secret", "Secret too", "Third"]
        assert scores[0] == scores[1]
    with pytest.raises(InputError, match="embedder"):
        Recommender(":memory:", embedder=3)  # type: ignore[arg-type]
