"""The public face as a user calls it, for the type checker to read; nothing here is run.

``assert_type`` fails when a result's type is wider, narrower or unknown, so that a public signature
cannot lose its types unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from typing_extensions import assert_type

import recsys
from recsys import Item, Recommender, Settings


def opening(path: Path) -> None:
    """A path, a string, a key, settings."""
    with Recommender(path) as rec:
        assert_type(rec, Recommender)
    Recommender(":memory:").close()
    Recommender("me.db", key=b"0" * 32, settings=Settings(kind_weights={"play": 2.0})).close()
    Recommender("me.db", key=lambda: b"0" * 32, prior=None).close()
    Recommender("me.db", prior=recsys.Prior.default()).close()


def catalogue(rec: Recommender) -> None:
    """Mappings and Items, in any iterable."""
    assert_type(rec.add([{"id": "kind-of-blue", "title": "Kind of Blue", "tags": ["jazz"], "year": 1959}]), int)
    assert_type(rec.add(Item(id=str(i)) for i in range(3)), int)
    assert_type(rec.remove(["kind-of-blue"]), int)


def recording(rec: Recommender) -> None:
    """One event, many events, an impression."""
    assert_type(rec.record("kind-of-blue"), str)
    now = datetime.now(tz=timezone.utc)
    assert_type(rec.record("kind-of-blue", "play", value=31.5, at=now, context={"place": "home", "floor": 2}), str)
    assert_type(rec.record("kind-of-blue", at=1_700_000_000.0, slate=rec.recommend(3)), str)
    assert_type(rec.record_many([{"item_id": "kind-of-blue", "kind": "play", "at": 1_700_000_000}]), list[str])
    assert_type(rec.shown(rec.recommend(3)), str)


def asking(rec: Recommender) -> None:
    """Slates, and what stands in them."""
    assert_type(rec.recommend(), recsys.Slate)
    assert_type(rec.similar("kind-of-blue", 5), recsys.Slate)
    assert_type(rec.recommend(5, at=0.0, context={"place": "home"}, exclude=["a"]), recsys.Slate)
    assert_type(rec.recommend(5, where=lambda item: "jazz" in item.tags, explore=0.1, seed=7), recsys.Slate)
    where: dict[str, list[str]] = {"lang": ["en", "de"]}
    assert_type(rec.recommend(where=where), recsys.Slate)
    assert_type(rec.recommend(where={"tags": "jazz", "year": {"min": 1950}, "lang": {"en"}}), recsys.Slate)
    caps, boosts = {"jazz": 2}, {"jazz": 1, "a": -0.5}
    assert_type(rec.recommend(diversity=0.3, caps=caps, boosts=boosts, pinned=["a"]), recsys.Slate)
    assert_type(rec.rank({"a"}, diversity=None, caps=caps, boosts=boosts, pinned=("a",)), recsys.Slate)
    slate = rec.rank(["a", "b"], k=1, at=None, context=None, explore=0.0, seed=None)
    assert_type(slate, recsys.Slate)
    assert_type(slate[0], recsys.Recommendation)
    assert_type(slate[:2], tuple[recsys.Recommendation, ...])
    assert_type(slate.item_ids, list[str])
    for r in slate:
        assert_type(r.item_id, str)
        assert_type(r.score, float)
        assert_type(r.known, bool)
        assert_type(r.reasons, tuple[recsys.Reason, ...])
        assert_type(r.reasons[0].contribution, float)


def understanding(rec: Recommender) -> None:
    """Why, what was learnt, and is it any good."""
    why = rec.explain("a", at=0.0, context={"place": "home"})
    assert_type(why, recsys.Explanation)
    assert_type(why.terms, tuple[recsys.Term, ...])
    assert_type(why.events, tuple[recsys.Event, ...])
    profile = rec.profile()
    assert_type(profile, recsys.Profile)
    assert_type(profile.weights, Mapping[str, tuple[float, float]])
    rec.steer("jazz", -0.5)
    evaluation = rec.evaluate()
    assert_type(evaluation, recsys.Evaluation)
    assert_type(evaluation.metrics["recsys"]["ndcg@10"], recsys.Metric)
    other = rec.what_if(explore=0.5, settings=Settings(), prior="prior.json")
    assert_type(other, recsys.Counterfactual)
    assert_type(other.by_examination, recsys.Estimate | None)


def keeping(rec: Recommender, path: Path) -> None:
    """Forgetting, moving, looking after the file."""
    receipt = rec.forget(items=["a"], since=datetime(2024, 1, 1, tzinfo=timezone.utc), until=1_700_000_000.0)
    assert_type(receipt, recsys.Receipt)
    assert_type(receipt.n_events, int)
    assert_type(rec.forget(events=["0123456789abcdef"], kinds=["play"]), recsys.Receipt)
    assert_type(rec.forget(everything=True), recsys.Receipt)
    assert_type(rec.export(path), int)
    assert_type(rec.import_("me.jsonl"), int)
    rec.pause()
    rec.resume()
    assert_type(rec.maintain(), bool)
    assert_type(rec.maintain(budget_ms=5), bool)
    assert_type(rec.check(), list[recsys.Finding])
    assert_type(rec.stats(), recsys.Stats)
    rec.close()


def failing(rec: Recommender) -> None:
    """An error carries the field that was wrong, or the extra that is missing, and is also a built-in one."""
    try:
        rec.record("")
    except recsys.InputError as error:
        assert_type(error.field, str)
        value_error: ValueError = error
        raise value_error from None
    except recsys.MissingExtraError as error:
        assert_type(error.extra, str)
    except recsys.StoreError as error:
        os_error: OSError = error
        raise os_error from None
