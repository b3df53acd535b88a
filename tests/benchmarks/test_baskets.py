"""Baskets are predicted whole at their first line and learnt afterwards; a slow twin agrees."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.baskets import BASKET_METRICS, REPEATS_METRIC, baskets_of, predict_baskets, replay_baskets
from benchmarks.logs import Log
from recsys.evaluate import MostUsed, ndcg
from recsys.types import Event

METRICS = list(BASKET_METRICS)


def log_of(baskets: Sequence[str], user: str = "me", kinds: str = "") -> Log:
    """A letter is an item; the lines of a basket share a moment; a basket named in ``kinds`` is sent back."""
    lines = [(n, item) for n, basket in enumerate(baskets) for item in basket]
    events = [
        Event(n, f"{i:03}", item, "return" if str(n) in kinds else "purchase", value=1.0)
        for i, (n, item) in enumerate(lines)
    ]
    return Log(user, events, np.ones(len(events), dtype=np.bool_), tuple(str(n) for n, _ in lines))


def slowly(baskets: Sequence[str]) -> list[dict[str, float]]:
    """Every metric of "most used", by its definition: count all lines before the basket, sort, look at ten."""
    rows = []
    for n, basket in enumerate(baskets):
        before = "".join(baskets[:n])
        order = sorted(set(before), key=lambda item: (-before.count(item), item))
        chosen = set(basket)
        new = sorted(chosen - set(order))
        gains = [float(item in chosen) for item in order]
        # New items stand last in the relevances and below the tenth place in the ranking.
        padding = [0.0] * 10 + [1.0] * len(new)
        falling = -np.arange(len(gains) + len(padding), dtype=np.float64)
        all_of_it = float(ndcg(np.array([*gains, *padding]), falling, 10))
        repeats = float(ndcg(np.array(gains), falling[: len(gains)], 10)) if gains else 0.0
        top = order[:10]
        recall = len(chosen & set(top)) / len(chosen)
        hit = float(bool(top) and top[0] in chosen)
        rows.append({"hit@1": hit, "NDCG@10": all_of_it, "Recall@10": recall, REPEATS_METRIC: repeats})
    return rows


@pytest.mark.parametrize("seed", range(8))
def test_a_slow_twin_gives_the_same_metrics(seed: int) -> None:
    rng = np.random.default_rng(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    baskets = ["".join(rng.choice(list(letters), size=rng.integers(1, 20))) for _ in range(12)]
    fast = predict_baskets(log_of(baskets), MostUsed())
    twin = slowly(baskets)
    assert fast.shape == (12, len(METRICS))
    for row, expected in zip(fast, twin, strict=True):
        assert dict(zip(METRICS, row.tolist(), strict=True)) == pytest.approx(expected)


def test_new_items_count_as_misses_and_not_against_the_repeats() -> None:
    values = dict(zip(METRICS, predict_baskets(log_of(["a", "axyz"]), MostUsed())[1], strict=True))
    ideal = sum(1 / math.log2(1 + j) for j in range(1, 5))
    assert values == pytest.approx({"hit@1": 1.0, "NDCG@10": 1 / ideal, "Recall@10": 0.25, REPEATS_METRIC: 1.0})


def test_what_a_basket_holds_is_learnt_after_it_was_predicted() -> None:
    class Watcher(MostUsed):
        seen: list[tuple[int, int, tuple[str, ...]]]

        def __init__(self) -> None:
            super().__init__()
            self.learnt = 0
            self.seen = []

        def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
            assert (event.item_id, event.value, event.uid) == ("", None, "")
            self.seen.append((self.learnt, event.at_us, tuple(candidates)))
            return super().scores(event, candidates)

        def learn(self, event: Event) -> None:
            self.learnt += 1
            super().learn(event)

    watcher = Watcher()
    predict_baskets(log_of(["ba", "a", "c"]), watcher)
    assert watcher.seen == [(2, 1, ("b", "a")), (3, 2, ("b", "a"))], "one ranking a basket, of earlier baskets' items"


def test_a_basket_sent_back_is_learnt_and_not_scored() -> None:
    log = log_of(["ab", "a", "ab"], kinds="1")
    assert [basket.chosen for basket in baskets_of(log)] == [("a", "b"), (), ("a", "b")]
    assert predict_baskets(log, MostUsed()).shape[0] == 2


def test_where_no_baskets_are_known_a_moment_is_one() -> None:
    known = log_of(["ab", "c"])
    unknown = Log(known.user, known.events, known.scored)
    assert [basket.chosen for basket in baskets_of(unknown)] == [("a", "b"), ("c",)]


def test_the_second_half_of_each_log_is_marked_and_never_its_first_basket() -> None:
    logs = [log_of(["a", "ab", "c", "d", "a"], "me"), log_of(["a"], "you"), log_of(["a", "a"], "they")]
    measured, second_half = replay_baskets(logs, {"used": MostUsed})
    assert measured.users == ["me"] * 5 + ["you"] + ["they"] * 2
    assert measured.nth.tolist() == [1, 2, 3, 4, 5, 1, 1, 2]
    assert measured.log.tolist() == [0] * 5 + [1] + [2] * 2
    assert second_half.tolist() == [False, False, True, True, True, False, False, True]
    assert measured.is_new.tolist() == [1.0, 0.5, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    assert measured.values["hit@1"]["used"].tolist() == [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]


def test_scores_that_are_no_numbers_are_refused() -> None:
    class Broken(MostUsed):
        def scores(self, event: Event, candidates: Sequence[str]) -> NDArray[np.float64]:
            return super().scores(event, candidates) * np.nan

    with pytest.raises(ValueError, match="finite"):
        predict_baskets(log_of(["a", "a"]), Broken())
