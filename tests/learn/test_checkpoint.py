"""A checkpoint gives back the very state it was made from, or nothing."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile

from recsys.errors import CheckpointError
from recsys.learn import checkpoint
from recsys.learn.checkpoint import basis, decode, encode
from recsys.learn.fold import State, fold_all
from recsys.learn.layout import PAST, expected
from recsys.prior import Prior
from recsys.settings import Settings
from recsys.types import Event
from tests.learn.histories import DAY, MONDAY_S, PRIOR, SETTINGS, event, examples, histories, learnt, shown, uses

BASIS = basis(PRIOR, SETTINGS)
DIGEST_BYTES = 32


def decoded(blob: bytes | bytearray, digest: str = BASIS) -> State:
    return decode(blob, digest, PRIOR, SETTINGS)  # type: ignore[arg-type]


def tiny() -> bytes:
    """The checkpoint of two items, a slate, a steer and a context."""
    log = [
        event(0, MONDAY_S, "a", context={"place": "home"}),
        shown(1, MONDAY_S + 1, "s", "ab"),
        event(2, MONDAY_S + 2, "b", slate="s"),
        event(3, MONDAY_S + 3, "jazz", "steer", value=-0.25),
    ]
    return encode(learnt(log), BASIS)


def accepted(blobs: Iterable[bytes | bytearray]) -> tuple[int, int]:
    """How many blobs were tried, and how many were taken for a checkpoint."""
    n_tried = n_taken = 0
    for blob in blobs:
        n_tried += 1
        try:
            decoded(blob)
        except CheckpointError:
            continue
        n_taken += 1
    return n_tried, n_taken


def flips(blob: bytes, positions: Iterable[int], seed: int = 5) -> Iterator[bytearray]:
    """The blob with one byte changed, at each position in turn; one buffer, changed and mended."""
    rng = np.random.default_rng(seed)
    buffer = bytearray(blob)
    for position in positions:
        change = int(rng.integers(1, 256))
        buffer[position] ^= change
        yield buffer
        buffer[position] ^= change
    assert bytes(buffer) == blob


def sampled(blob: bytes) -> list[int]:
    """Every position of the digest, the header and the last weights, and some between; all for a thorough profile."""
    n = len(blob)
    step = 17 if profile.default.max_examples < 1000 else 1
    return sorted({*range(1200), *range(1200, n, step), *range(n - 300, n)})


@examples(0.3)
@given(histories(most=12, repeats=3), histories(most=4, repeats=1))
def test_a_round_trip_gives_the_same_bytes_and_the_same_future(events: list[Event], later: list[Event]) -> None:
    state = learnt(events)
    blob = encode(state, BASIS)
    again = decoded(blob)
    assert encode(again, BASIS) == blob
    assert encode(state, BASIS) == blob, "encoding changes nothing"
    newest_us = max((e.at_us for e in events), default=0)
    moved = [replace(e, at_us=newest_us + e.at_us % round(DAY * 1e6)) for e in later]
    moved.sort(key=lambda e: e.at_us)
    assert fold_all(state, moved) == fold_all(again, moved)
    assert encode(again, BASIS) == encode(state, BASIS)


@pytest.mark.parametrize("n_events", [130, 131, 132, 133, 500, 507])
def test_choices_that_wait_for_their_step_are_kept(n_events: int) -> None:
    rng = np.random.default_rng(n_events)
    log = uses([f"i{n}" for n in rng.integers(0, 30, 540)])
    log[120:120] = [shown(900, log[119].at_us / 1e6, "s", ["i1", "i2", "i3"])]
    log += [event(901, log[-1].at_us / 1e6, "i2", "loathe", slate="s")]
    state = learnt(log[:n_events])
    again = decoded(encode(state, BASIS))
    assert len(again.pending) == len(state.pending)
    assert fold_all(state, log[n_events:]) == fold_all(again, log[n_events:])
    assert encode(again, BASIS) == encode(state, BASIS) == encode(learnt(log), BASIS)


@pytest.mark.parametrize("n_events", [40, 41, 43, 46])
@pytest.mark.parametrize("size", [8, 64])
def test_an_instant_goes_on_where_it_was(n_events: int, size: int) -> None:
    settings = Settings(choice_set_size=size)
    digest = basis(PRIOR, settings)
    at_once = [event(100 + n, MONDAY_S + 9 * DAY, f"i{n}", context={"place": "home"}) for n in (3, 1, 35, 2, 50, 4)]
    log = [*uses([f"i{n}" for n in range(40)], every_s=60.0), *at_once, event(200, MONDAY_S + 10 * DAY, "i3")]
    state = learnt(log[:n_events], settings)
    assert (state.instant is not None) == (n_events > 40)
    blob = encode(state, digest)
    again = decode(blob, digest, PRIOR, settings)
    assert encode(again, digest) == blob
    assert again.instant == state.instant
    if n_events > 41:
        asked = [choice.question for choice in state.pending]
        assert asked.count(state.instant.question) > 1  # type: ignore[union-attr]
    assert fold_all(state, log[n_events:]) == fold_all(again, log[n_events:])
    assert encode(again, digest) == encode(state, digest) == encode(learnt(log, settings), digest)


def test_a_past_that_went_round_comes_back_and_goes_on() -> None:
    rng = np.random.default_rng(8)
    log = uses([f"i{n}" for n in rng.zipf(1.3, PAST + 150) % 70])
    for n_events in (PAST - 1, PAST, PAST + 77):
        state = learnt(log[:n_events])
        again = decoded(encode(state, BASIS))
        fold_all(state, log[n_events:])
        fold_all(again, log[n_events:])
        assert encode(again, BASIS) == encode(state, BASIS)


def test_a_state_beyond_the_first_capacity_comes_back_and_goes_on_growing() -> None:
    names = [f"i{n}" for n in range(150)]
    state = learnt(uses(names))
    again = decoded(encode(state, BASIS))
    more = uses([f"j{n}" for n in range(200)], start_s=MONDAY_S + 30 * DAY)
    fold_all(state, more)
    fold_all(again, more)
    assert encode(again, BASIS) == encode(state, BASIS)
    assert len(again.behaviour.ids) == 351


def test_odd_ids_come_back() -> None:
    names = ["🎷", "\u202e", '"', "\\", "a\nb", " ", "\x7f", "x" * 512]
    again = decoded(encode(learnt(uses(names)), BASIS))
    assert again.behaviour.ids == ["", *names]


def test_what_it_holds_comes_back_by_meaning() -> None:
    state = decoded(tiny())
    assert (state.n_events, state.steers) == (4, {"jazz": -0.25})
    assert state.behaviour.ids == ["", "a", "b"]
    slate = state.slates["s"]
    assert (slate.slots, slate.shown_at_s, slate.chosen) == ((1, 2), MONDAY_S + 1, {2})


def test_no_truncation_is_taken() -> None:
    blob = tiny()
    lengths = [*range(1500), *range(1500, len(blob), 23), len(blob) - 1]
    assert accepted(blob[:length] for length in lengths) == (len(lengths), 0)
    assert accepted([blob + b"\0", b"\0" + blob, blob + blob, b""]) == (4, 0)
    assert accepted([blob]) == (1, 1)


def test_no_flipped_byte_is_taken() -> None:
    blob = tiny()
    positions = sampled(blob)
    assert accepted(flips(blob, positions)) == (len(positions), 0)
    wide = encode(learnt(uses([f"i{n}" for n in range(120)])), BASIS)
    positions = sorted(np.random.default_rng(1).choice(len(wide), 300, replace=False).tolist())
    assert accepted(flips(wide, positions)) == (300, 0)


def test_without_the_digest_the_same_search_finds_flips_that_get_through(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = tiny()

    class Constant:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def digest(self) -> bytes:
            return blob[:DIGEST_BYTES]

    monkeypatch.setattr(checkpoint, "blake2b", Constant)
    n_tried, n_taken = accepted(flips(blob, range(DIGEST_BYTES, len(blob), 171)))
    assert n_tried > 400
    assert n_taken > n_tried / 2


def test_without_the_digest_a_blob_of_another_shape_is_still_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = tiny()

    class Constant:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def digest(self) -> bytes:
            return blob[:DIGEST_BYTES]

    monkeypatch.setattr(checkpoint, "blake2b", Constant)
    assert accepted([blob]) == (1, 1)
    body = blob[DIGEST_BYTES:]
    bad = [
        blob + b"\0",
        blob[:-1],
        blob[:DIGEST_BYTES],
        blob[: DIGEST_BYTES + 6],
        blob[:DIGEST_BYTES] + b"XXXX" + body[4:],
        blob[:DIGEST_BYTES] + body[:4] + b"\xff\xff" + body[6:],
        blob[:DIGEST_BYTES] + body[:6] + b"\xff\xff\xff\xff" + body[10:],
        blob.replace(b'"ids"', b'"sdi"'),
        blob.replace(b'{"ids"', b'["ids"'),
        blob.replace(b'["a","b"]', b'["a","b" '),
        blob[:DIGEST_BYTES] + body[:10] + b"\xff" + body[11:],
    ]
    assert accepted(bad) == (len(bad), 0)


def test_another_basis_does_not_open_it() -> None:
    other = basis(Prior.flat(), SETTINGS)
    with pytest.raises(CheckpointError):
        decode(tiny(), other, Prior.flat(), SETTINGS)


def test_nothing_is_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    def unpickled(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, unpickled)
    decoded(tiny())
    assert all(not np.dtype(dtype).hasobject for dtype, _ in expected(3).values())
    payload = b"cos\nsystem\n(S'true'\ntR."
    keyed = hashlib.blake2b(payload, digest_size=DIGEST_BYTES, key=BASIS.encode()).digest()
    assert accepted([payload, keyed + payload]) == (2, 0)


def test_a_refusal_names_nothing_that_was_in_the_blob() -> None:
    blob = bytearray(encode(learnt(uses(["a-secret-item", "b"])), BASIS))
    blob[-1] ^= 1
    with pytest.raises(CheckpointError) as caught:
        decoded(blob)
    assert "secret" not in str(caught.value)


# -- the basis ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, kind_weights={"love": 9.0}),
        replace(SETTINGS, kind_weights={**SETTINGS.kind_weights, "new": 1.0}),
        replace(SETTINGS, dwell={"play": 30.0}),
        replace(SETTINGS, session_gap_minutes=31.0),
        replace(SETTINGS, choice_set_size=63),
    ],
)
def test_other_settings_of_learning_are_another_basis(settings: Settings) -> None:
    assert basis(PRIOR, settings) != BASIS


def test_another_number_of_lessons_is_another_basis_where_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    with_trees = replace(SETTINGS, trees=True)
    before = basis(PRIOR, with_trees)
    monkeypatch.setattr(checkpoint, "KEPT", 9_999)
    assert basis(PRIOR, with_trees) != before
    assert basis(PRIOR, SETTINGS) == BASIS


def test_settings_of_storage_and_the_order_of_kinds_are_no_part_of_the_basis() -> None:
    turned = dict(reversed(SETTINGS.kind_weights.items()))
    other = Settings(kind_weights=turned, checkpoint_events=99, synchronous="normal", busy_timeout_ms=1)
    assert basis(PRIOR, other) == BASIS


def test_another_prior_is_another_basis() -> None:
    w0 = PRIOR.w0.copy()
    w0[-1] = np.nextafter(w0[-1], 9.0)
    for prior in (Prior(w0, PRIOR.covariance), Prior(PRIOR.w0, PRIOR.covariance * 1.01), Prior.flat()):
        assert basis(prior, SETTINGS) != BASIS
    assert basis(Prior(PRIOR.w0, PRIOR.covariance), SETTINGS) == BASIS
    assert basis(Prior.default(), SETTINGS) == BASIS


@pytest.mark.parametrize(("name", "value"), [("FEATURE_VERSION", 10_000), ("_FORMAT", 10_000)])
def test_another_version_of_features_or_format_is_another_basis(
    monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(checkpoint, name, value)
    assert basis(PRIOR, SETTINGS) != BASIS


def test_another_numpy_is_another_basis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "0.0.0")
    assert basis(PRIOR, SETTINGS) != BASIS


def test_a_state_from_a_processor_that_rounds_otherwise_is_folded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    here = basis(Prior.default(), SETTINGS)
    assert basis(Prior.default(), SETTINGS) == here
    log = np.log
    monkeypatch.setattr(np, "log", lambda x: np.nextafter(log(x), np.inf))
    assert basis(Prior.default(), SETTINGS) != here
