"""Each call of the public face, by its main behaviour, in small examples."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Final

import pytest

from recsys import (
    ClosedError,
    Event,
    InputError,
    Item,
    PausedError,
    Prior,
    Recommender,
    Settings,
    StoreError,
)
from recsys.learn.checkpoint import decode, encode
from recsys.learn.fold import fold_all
from recsys.log import Store

START: Final = 1_700_000_000  # a Tuesday evening
DAY: Final = 86_400
ALBUMS: Final = (
    {"id": "kind-of-blue", "title": "Kind of Blue", "tags": ["jazz"], "year": 1959},
    {"id": "blue-train", "title": "Blue Train", "tags": ["jazz"], "year": 1957},
    {"id": "horses", "title": "Horses", "tags": ["punk"], "year": 1975},
)
FAST: Final = Settings(synchronous="normal")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "me.db"


@pytest.fixture
def rec(path: Path) -> Iterator[Recommender]:
    with Recommender(path, settings=FAST) as opened:
        yield opened


def order(rec: Recommender, *, at: float = START + 90 * DAY, **more: object) -> list[str]:
    return rec.recommend(10, at=at, **more).item_ids


def habit(rec: Recommender, item_id: str = "kind-of-blue", *, days: int = 20, **more: object) -> list[str]:
    """Use the item once a day."""
    return rec.record_many([{"item_id": item_id, "kind": "play", "at": START + DAY * n, **more} for n in range(days)])


# The catalogue


def test_added_items_can_be_recommended_at_once(rec: Recommender) -> None:
    assert rec.add(ALBUMS) == 3
    assert order(rec) == ["blue-train", "horses", "kind-of-blue"]


def test_adding_the_same_again_changes_nothing_and_another_replaces(rec: Recommender) -> None:
    rec.add(ALBUMS)
    assert rec.add(ALBUMS) == 0
    assert rec.add([{**ALBUMS[0], "title": "Kind of Blue (Legacy)"}, Item("new")]) == 2
    assert rec.stats().n_items == 4


def test_items_come_back_from_the_file_as_they_were(path: Path) -> None:
    with Recommender(path, settings=FAST) as rec:
        rec.add(ALBUMS)
    seen: list[Item] = []
    with Recommender(path, settings=FAST) as rec:
        rec.recommend(10, where=lambda item: not seen.append(item))
    assert sorted(item.id for item in seen) == ["blue-train", "horses", "kind-of-blue"]
    assert Item("horses", "Horses", ("punk",), {"year": 1975}) in seen


def test_a_data_frame_can_be_added(rec: Recommender) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "id": ["a", "b", "c"],
            "title": ["A", None, "C"],
            "tags": [["x", "y"], None, []],
            "year": pandas.array([1959, None, 1975], dtype="Int64"),
            "score": [0.5, float("nan"), 2.0],
            "new": [True, False, True],
        }
    )
    assert rec.add(frame) == 3
    seen: dict[str, Item] = {}
    rec.recommend(10, where=lambda item: seen.setdefault(item.id, item) is not None)
    assert seen["a"] == Item("a", "A", ("x", "y"), {"year": 1959, "score": 0.5, "new": True})
    assert seen["b"] == Item("b", "", (), {"new": False})


def test_remove_takes_out_of_the_catalogue_and_keeps_history(rec: Recommender, path: Path) -> None:
    rec.add(ALBUMS)
    habit(rec)
    assert rec.remove(["kind-of-blue", "horses", "nobody-knows-this"]) == 2
    assert order(rec) == ["blue-train"]
    assert rec.remove(["kind-of-blue", "horses"]) == 0
    assert len(rec.explain("kind-of-blue").events) == 20
    assert rec.rank(["kind-of-blue"])[0].known
    rec.close()
    with Recommender(path, settings=FAST) as again:
        assert order(again) == ["blue-train"]
        again.add(ALBUMS[:1])
        assert order(again) == ["kind-of-blue", "blue-train"]


def test_an_item_that_only_the_log_knows_can_be_removed_for_good(rec: Recommender, path: Path) -> None:
    rec.record_many([{"item_id": "a", "at": START}, {"item_id": "b", "at": START + 1}])
    assert rec.remove(["a"]) == 1
    rec.close()
    with Recommender(path, settings=FAST) as again:
        assert order(again) == ["b"]
        again.record("a", at=START + 2)
        assert order(again) == ["b"]


def test_tombstones_vanish_with_the_history_that_needed_them(rec: Recommender, path: Path) -> None:
    rec.add(ALBUMS)
    habit(rec)
    rec.remove(["kind-of-blue"])
    assert b"kind-of-blue" in path.read_bytes() + path.with_name("me.db-wal").read_bytes()
    receipt = rec.forget(items=["kind-of-blue"])
    assert (receipt.status, receipt.n_events, receipt.n_items) == ("erased", 20, 1)
    rec.close()
    assert b"kind-of-blue" not in path.read_bytes()


# What happens


def test_an_unknown_item_becomes_an_item_without_attributes(rec: Recommender) -> None:
    uid = rec.record("found-on-the-way", "visit", at=START, value=3, context={"place": "town"})
    assert len(uid) == 16
    (event,) = rec.explain("found-on-the-way").events
    assert event == Event(START * 1_000_000, uid, "found-on-the-way", "visit", event.offset_min, 3.0, {"place": "town"})
    assert order(rec) == ["found-on-the-way"]


def test_what_is_used_most_comes_first_and_a_dislike_takes_it_down(rec: Recommender) -> None:
    rec.add(ALBUMS)
    habit(rec, "horses")
    assert order(rec)[0] == "horses"
    before = rec.explain("horses", at=START + 90 * DAY).score
    rec.record("horses", "dislike", at=START + 21 * DAY)
    assert rec.explain("horses", at=START + 90 * DAY).score < before


def test_record_many_takes_all_or_none(rec: Recommender) -> None:
    with pytest.raises(InputError):
        rec.record_many([{"item_id": "a"}, {"item_id": ""}])
    assert rec.stats().n_events == 0
    assert rec.record_many([]) == []
    uids = rec.record_many([{"item_id": "a", "at": START}, Event(START * 1_000_000, "own-id", "b")])
    assert (len(uids), uids[1]) == (2, "own-id")


def test_the_same_event_twice_is_one_event_and_another_with_its_key_is_refused(rec: Recommender) -> None:
    event = Event(START * 1_000_000, "own-id", "a", value=2.0, context={"n": 1})
    assert rec.record_many([event, event]) == ["own-id", "own-id"]
    rec.record_many([event])
    assert rec.stats().n_events == 1
    with pytest.raises(InputError) as caught:
        rec.record_many([Event(START * 1_000_000, "own-id", "b")])
    assert caught.value.field == "uid"


def test_what_was_shown_and_passed_over_tires(rec: Recommender) -> None:
    rec.add(ALBUMS)
    habit(rec, days=3)
    before = {r.item_id: r.score for r in rec.recommend(3, at=START + 5 * DAY)}
    for n in range(8):
        slate = rec.rank(["horses", "kind-of-blue"], at=START + 4 * DAY + n)
        rec.shown(slate, at=START + 4 * DAY + n)
        rec.record("kind-of-blue", at=START + 4 * DAY + n + 0.5, slate=slate)
    after = {r.item_id: r.score for r in rec.recommend(3, at=START + 5 * DAY)}
    assert after["kind-of-blue"] - after["horses"] > before["kind-of-blue"] - before["horses"]


def test_a_slate_is_shown_once(rec: Recommender) -> None:
    rec.add(ALBUMS)
    slate = rec.recommend(2)
    rec.shown(slate)
    with pytest.raises(InputError, match="shown already"):
        rec.shown(slate)


def test_steering_moves_an_item_and_every_item_with_the_tag_and_can_be_taken_back(rec: Recommender) -> None:
    rec.add(ALBUMS)
    plain = {r.item_id: r.score for r in rec.recommend(3, at=START)}
    rec.steer("jazz", 0.5, at=START - 3)
    rec.steer("horses", 1.0, at=START - 2)
    steered = {r.item_id: r.score for r in rec.recommend(3, at=START)}
    moved = {item_id: steered[item_id] - plain[item_id] for item_id in plain}
    assert moved["kind-of-blue"] == pytest.approx(moved["blue-train"]) == pytest.approx(moved["horses"] / 2)
    assert rec.profile().steers == {"horses": 1.0, "jazz": 0.5}
    (reason,) = (
        reason for reason in rec.rank(["horses", "blue-train"], at=START)[0].reasons if reason.group == "steer"
    )
    assert reason.text == "you asked for more like this"
    rec.steer("jazz", 0, at=START - 1)
    uid = rec.steer("horses", -1.0, at=START - 1)
    rec.forget(events=[uid])
    assert rec.profile().steers == {"horses": 1.0}
    rec.forget(kinds=["steer"])
    assert {r.item_id: r.score for r in rec.recommend(3, at=START)} == plain


def test_a_text_enumeration_is_taken_for_its_text(rec: Recommender) -> None:
    class Album(str, Enum):
        HORSES = "horses"

    rec.record(Album.HORSES, at=START)
    assert order(rec) == ["horses"]


# Time


def test_rhythms_are_learnt_in_local_time_over_the_change_of_clocks(rec: Recommender) -> None:
    winter, summer = timezone(timedelta(hours=1)), timezone(timedelta(hours=2))
    events = []
    for n in range(40):  # until the last Sunday of March
        morning = datetime(2024, 2, 20, tzinfo=winter) + timedelta(days=n)
        events += [
            {"item_id": "news", "at": morning.replace(hour=7)},
            {"item_id": "mail", "at": morning.replace(hour=9)},
        ]
    rec.record_many(events)
    for n in range(1, 4):
        day = datetime(2024, 4, n, tzinfo=summer)
        at_seven = {r.item_id: r.score for r in rec.rank(["news", "mail"], at=day.replace(hour=7))}
        at_nine = {r.item_id: r.score for r in rec.rank(["news", "mail"], at=day.replace(hour=9))}
        # Nothing was recorded in between: of the two questions only the hour of the day differs much.
        assert at_seven["news"] - at_seven["mail"] > at_nine["news"] - at_nine["mail"]
    same_instant = datetime(2024, 4, 1, 7, tzinfo=summer)
    assert same_instant == same_instant.astimezone(winter)
    here, there = (rec.explain("news", at=at) for at in (same_instant, same_instant.astimezone(winter)))
    rhythm = [{t.feature: t.value for t in why.terms}["hour"] for why in (here, there)]
    assert rhythm[0] > rhythm[1]


def test_the_offset_is_kept_with_the_event(rec: Recommender) -> None:
    at = datetime(2024, 4, 1, 7, 30, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
    rec.record("a", at=at)
    (event,) = rec.explain("a").events
    assert (event.at_us, event.offset_min) == (int(at.timestamp()) * 1_000_000, -210)


def test_a_time_without_a_zone_is_refused(rec: Recommender) -> None:
    with pytest.raises(InputError, match="aware"):
        rec.record("a", at=datetime(2024, 4, 1))  # noqa: DTZ001 - that is what is refused


# Answers


def test_where_and_exclude_leave_items_out(rec: Recommender) -> None:
    rec.add(ALBUMS)
    habit(rec)
    rec.record("unlisted", at=START)
    assert set(order(rec, where=lambda item: item.attributes.get("year", 0) < 1970)) == {
        "kind-of-blue",
        "blue-train",
        "unlisted",
    }
    assert set(order(rec, where=lambda item: "jazz" in item.tags)) == {"kind-of-blue", "blue-train"}
    assert set(order(rec, exclude=["horses", "unlisted", "nobody-knows-this", "horses"])) == {
        "kind-of-blue",
        "blue-train",
    }
    assert rec.recommend(10, exclude=["horses"]).n_candidates == 3


def test_rank_orders_the_host_s_own_candidates_and_marks_the_unknown(rec: Recommender) -> None:
    rec.add(ALBUMS)
    habit(rec)
    slate = rec.rank(["nobody-knows-this", "horses", "kind-of-blue"], at=START + 20 * DAY)
    assert slate.item_ids == ["kind-of-blue", "horses", "nobody-knows-this"]
    assert [r.known for r in slate] == [True, True, False]
    assert [r.position for r in slate] == [0, 1, 2]
    assert {r.propensity for r in slate} == {1.0}
    assert (slate[0], slate[-1:]) == (slate.items[0], slate.items[2:])
    assert slate.n_candidates == 3


def test_the_context_matters(rec: Recommender) -> None:
    rec.record_many(
        [
            {"item_id": item, "at": START + 1_000 * (2 * n + k), "context": {"place": place}}
            for n in range(20)
            for k, (item, place) in enumerate((("desk", "office"), ("sofa", "home")))
        ]
    )
    gap = {}
    for place in ("office", "home"):
        score = {r.item_id: r.score for r in rec.recommend(2, at=START + 90_000, context={"place": place})}
        gap[place] = score["desk"] - score["sofa"]
    assert gap["office"] > gap["home"]


def test_explain_gives_every_term_and_the_events_newest_first(rec: Recommender) -> None:
    rec.add(ALBUMS)
    uids = habit(rec, days=120)
    why = rec.explain("kind-of-blue", at=START + 121 * DAY)
    assert (why.item_id, why.rank, why.n_candidates) == ("kind-of-blue", 1, 3)
    assert [event.uid for event in why.events] == uids[::-1][:100]
    assert sum(term.contribution for term in why.terms) == pytest.approx(why.score - why.average_score)
    assert [reason.contribution for reason in why.reasons] == sorted(
        (reason.contribution for reason in why.reasons), reverse=True
    )
    assert rec.explain("nobody-knows-this").events == ()


def test_profile_tells_habits_in_words(rec: Recommender) -> None:
    rec.add(ALBUMS)
    habit(rec)
    profile = rec.profile()
    assert (profile.n_events, profile.n_items, profile.steers) == (20, 1, {})
    assert profile.habits[0].item_id == "kind-of-blue"
    assert any("Kind of Blue" in habit.text for habit in profile.habits)
    assert profile.weights.keys() == profile.prior_weights.keys()
    assert profile.prior_weights == pytest.approx(dict(zip(profile.weights, Prior.default().w0.ravel(), strict=True)))


def test_evaluate_compares_with_simple_rules(rec: Recommender) -> None:
    assert rec.evaluate().n_scored == 0
    rec.record_many([{"item_id": "ab"[n % 2], "at": START + 600 * n} for n in range(60)])
    result = rec.evaluate()
    assert result.n_events == 60
    assert result.metrics["recsys"]["acc@1"].mean > result.metrics["most used"]["acc@1"].mean
    for by_name in result.metrics.values():
        assert all(metric.low <= metric.mean <= metric.high for metric in by_name.values())


def test_stats_count_and_tell_no_content(rec: Recommender, path: Path) -> None:
    rec.add(ALBUMS)
    habit(rec, "unlisted", days=5)
    stats = rec.stats()
    assert (stats.n_events, stats.n_items, stats.n_known_items, stats.paused) == (5, 3, 4, False)
    assert stats.size_bytes >= path.stat().st_size > 0
    assert stats.state_bytes > 0


def test_check_finds_a_sound_file_sound(rec: Recommender) -> None:
    habit(rec)
    assert {finding.severity for finding in rec.check()} == {"ok"}
    assert {"events", "state"} <= {finding.what for finding in rec.check()}


# The person's rights


@pytest.mark.parametrize(
    ("criteria", "left"),
    [
        ({"items": ["a"]}, ["b", "b"]),
        ({"kinds": ["skip"]}, ["a", "b"]),
        ({"since": START + 2}, ["a", "a"]),
        ({"until": START + 2}, ["b", "b"]),
        ({"items": ["a"], "kinds": ["skip"]}, ["a", "b", "b"]),
        ({"since": START + 1, "until": START + 3}, ["a", "b"]),
        ({"everything": True}, []),
        ({"items": ["unknown"]}, ["a", "a", "b", "b"]),
        ({"items": []}, ["a", "a", "b", "b"]),
    ],
)
def test_forget_takes_what_meets_every_criterion(
    rec: Recommender, criteria: dict[str, object], left: list[str]
) -> None:
    rec.add([{"id": "a"}, {"id": "b"}])
    rec.record_many([{"item_id": "aabb"[n], "kind": ("play", "skip")[n % 2], "at": START + n} for n in range(4)])
    receipt = rec.forget(**criteria)  # type: ignore[arg-type]
    assert (receipt.status, receipt.n_events) == ("erased", 4 - len(left))
    assert [event.item_id for event in rec._store.events()] == left
    assert rec.stats().n_items == 2


def test_forgetting_needs_a_criterion(rec: Recommender) -> None:
    for criteria in ({}, {"everything": True, "kinds": ["play"]}, {"everything": False}):
        with pytest.raises(InputError):
            rec.forget(**criteria)  # type: ignore[arg-type]


def test_a_span_that_is_empty_is_refused(rec: Recommender) -> None:
    rec.record("a", at=START)
    for until in (START - 1, START):
        with pytest.raises(InputError) as caught:
            rec.forget(since=START, until=until)
        assert caught.value.field == "until"
    assert rec.forget(since=START, until=START + 1).n_events == 1


def test_a_forgotten_habit_leaves_the_scores_of_a_life_without_it(rec: Recommender) -> None:
    rec.add(ALBUMS)
    habit(rec, "horses", days=5)
    before = [(r.item_id, r.score) for r in rec.recommend(3, at=START + 9 * DAY)]
    uids = rec.record_many([{"item_id": "blue-train", "at": START + 5 * DAY + n} for n in range(9)])
    assert [(r.item_id, r.score) for r in rec.recommend(3, at=START + 9 * DAY)] != before
    rec.forget(events=uids)
    assert [(r.item_id, r.score) for r in rec.recommend(3, at=START + 9 * DAY)] == before


def test_what_a_reader_holds_back_is_pending_until_maintain_finds_the_way_free(path: Path) -> None:
    """F5."""
    with Recommender(path, settings=Settings(synchronous="normal", busy_timeout_ms=20)) as rec:
        rec.record_many([{"item_id": "a-secret", "at": START}, {"item_id": "b", "at": START + 1}])
        other = Store(path)
        reading = other.events()
        next(reading)
        assert rec.forget(items=["a-secret"]).status == "pending"
        assert order(rec) == ["b"]
        assert rec.maintain() is False, "a further call could do no more now"
        assert rec.stats().erasure_pending
        reading.close()
        assert rec.maintain() is False
        assert not rec.stats().erasure_pending
        other.close()
        rec.pause()  # nothing is written by what comes
    assert b"a-secret" not in path.read_bytes()


def test_an_export_is_readable_private_and_complete(rec: Recommender, tmp_path: Path) -> None:
    rec.add(ALBUMS)
    habit(rec, days=2, context={"place": "home"})
    rec.record("gone", at=START)
    rec.remove(["gone"])
    target = tmp_path / "out.jsonl"
    assert rec.export(target) == 3
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    head, *lines = map(json.loads, target.read_text(encoding="utf-8").splitlines())
    assert head == {"recsys": 1}
    assert [next(iter(line)) for line in lines] == ["item", "removed", "item", "item", "event", "event", "event"]
    assert lines[-1]["event"]["context"] == {"place": "home"}
    with pytest.raises(StoreError, match="exists already"):
        rec.export(target)


def test_importing_twice_changes_nothing(rec: Recommender, tmp_path: Path) -> None:
    rec.add(ALBUMS)
    habit(rec)
    slate = rec.recommend(2, at=START + 30 * DAY)
    rec.shown(slate, at=START + 30 * DAY)
    rec.steer("jazz", 0.5, at=START + 31 * DAY)
    rec.remove(["kind-of-blue"])
    rec.export(tmp_path / "out.jsonl")
    with Recommender(tmp_path / "other.db", settings=FAST) as other:
        assert [other.import_(tmp_path / "out.jsonl") for _ in range(3)] == [22, 0, 0]
        assert order(other) == order(rec) == ["blue-train", "horses"]
        assert other.stats().n_events == 22
        other.export(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()


def test_a_file_with_one_bad_line_is_not_imported_at_all(rec: Recommender, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"recsys":1}\n{"item":{"id":"a"}}\n{"event":{"at_us":1,"uid":"u","item_id":"","kind":"x"}}\n')
    with pytest.raises(InputError, match="line 3") as caught:
        rec.import_(source)
    assert caught.value.field == "item_id"
    assert rec.stats().n_items == 0


def test_while_paused_answers_go_on_and_writes_are_refused(rec: Recommender) -> None:
    rec.add(ALBUMS)
    rec.pause()
    assert rec.stats().paused
    assert len(order(rec)) == 3
    with pytest.raises(PausedError):
        rec.record("horses")
    rec.resume()
    rec.record("horses")


# The object


def test_closing_can_be_done_again_and_everything_else_raises(path: Path) -> None:
    rec = Recommender(path, settings=FAST)
    rec.close()
    rec.close()
    for call in (rec.stats, rec.recommend, rec.pause, rec.resume, rec.maintain, lambda: rec.record_many([])):
        with pytest.raises(ClosedError):
            call()


def test_the_context_manager_closes_and_what_was_learnt_is_there_again(path: Path) -> None:
    with Recommender(path, settings=FAST) as rec:
        rec.add(ALBUMS)
        habit(rec, days=100)
        before = [(r.item_id, r.score) for r in rec.recommend(3, at=START)]
    with pytest.raises(ClosedError):
        rec.stats()
    with Recommender(path, settings=FAST) as again:
        assert [(r.item_id, r.score) for r in again.recommend(3, at=START)] == before
        assert again.stats().n_checkpoints > 0


def test_a_slate_outlives_its_recommender(path: Path) -> None:
    with Recommender(path, settings=FAST) as rec:
        rec.add(ALBUMS)
        habit(rec)
        slate = rec.recommend(3, at=START)
    assert all(reason.text for r in slate for reason in r.reasons)


def test_maintain_says_whether_more_remains_and_nothing_is_done_for_nothing(rec: Recommender) -> None:
    assert rec.maintain() is False
    habit(rec, days=70)
    assert rec.maintain(0) is True
    assert rec.maintain() is False
    assert rec.stats().n_checkpoints == 1


def test_in_memory_everything_works_but_nothing_stays(tmp_path: Path) -> None:
    with Recommender(":memory:") as rec:
        rec.add(ALBUMS)
        habit(rec)
        assert rec.forget(kinds=["play"]).status == "erased"
        assert rec.export(tmp_path / "out.jsonl") == 0
    with Recommender(":memory:") as rec:
        assert order(rec) == []


def test_other_settings_or_another_prior_learn_the_same_log_anew(path: Path, tmp_path: Path) -> None:
    with Recommender(path, settings=FAST) as rec:
        rec.add(ALBUMS)
        habit(rec, days=100)
        learnt = rec.profile().weights
    flat = Prior.flat(0.1)
    flat.dump(tmp_path / "flat.json", {"fitted on": "nothing"})
    for other in (flat, str(tmp_path / "flat.json"), tmp_path / "flat.json"):
        with Recommender(path, settings=FAST, prior=other) as rec:
            assert set(rec.profile().prior_weights.values()) == {0.0}
            assert {finding.severity for finding in rec.check()} == {"ok"}
    with Recommender(path, settings=Settings(kind_weights={"play": -1.0})) as rec:
        assert order(rec)[-1] == "kind-of-blue"
    with Recommender(path, settings=FAST) as rec:
        assert rec.profile().weights == learnt


def test_forgetting_something_early_leaves_the_recent_as_quick_to_forget_as_before(tmp_path: Path) -> None:
    with Recommender(tmp_path / "me.db", settings=Settings(synchronous="normal", checkpoint_events=32)) as rec:
        uids = rec.record_many([{"item_id": f"i{n % 7}", "at": START + 60 * n} for n in range(600)])
        assert rec.forget(events=uids[70:71]).n_refolded == 599
        numbers = [n for _, n, _, _ in rec._store.checkpoints()]
        assert numbers[0] == 64
        assert numbers[-1] >= 600 - 3 * 32, "though every one there was had seen the event"
        assert rec.forget(events=uids[590:591]).n_refolded < 4 * 32
        rec.forget(events=uids[100:101])
        assert 96 in [n for _, n, _, _ in rec._store.checkpoints()], "the one before what changed is not thinned out"
        assert rec.forget(events=uids[101:102]).n_refolded < 600 - 96
        assert rec.check()[-1].severity == "ok"
        for key, *_ in rec._store.checkpoints():
            state = decode(rec._store.load_checkpoint(key), rec._live.basis, rec._prior, rec._settings)
            slow = rec._live.blank()
            fold_all(slow, rec._store.events(until=key))
            assert encode(state, "basis") == encode(slow, "basis")


def test_the_next_change_near_one_that_was_made_folds_little(tmp_path: Path) -> None:
    every = 16
    with Recommender(tmp_path / "me.db", settings=Settings(synchronous="normal", checkpoint_events=every)) as rec:
        uids = rec.record_many([{"item_id": f"i{n % 7}", "at": START + 60 * n} for n in range(300)])
        first = rec.forget(events=uids[250:251])
        assert first.n_refolded == 299  # the one checkpoint there was had seen the event
        assert rec.forget(events=uids[251:252]).n_refolded <= 298 - 240
        assert rec.forget(events=uids[299:]).n_refolded <= 57
        rec.record("i1", at=START + 60 * 280 + 1)
        rec.record("i2", at=START + 60 * 281 + 1)
        assert rec.check()[-1].severity == "ok"
