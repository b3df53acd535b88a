"""The state as bytes: a versioned, digest-checked, pickle-free blob.

Layout: magic ``RSCK``, format version (u16), length of the header (u32), the
header (JSON: ids, context values, slates, steers, counters), the arrays one
after another in a fixed order (little-endian, C order), and before it all a
BLAKE2b digest keyed with the *basis*: what else the state depends on. Nothing is parsed
before the digest agrees. Equal states give equal bytes.
"""

from __future__ import annotations

import json
import mmap
import struct
import sys
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from recsys.digest import blake2b
from recsys.errors import CheckpointError
from recsys.learn.choice import REGIMES
from recsys.learn.features import FEATURE_VERSION, N_FEATURES
from recsys.learn.fold import Instant, PendingChoice, PendingSlate, State, new_state
from recsys.learn.gather import LASTS, Question
from recsys.learn.layout import PLACES, RING, expected
from recsys.learn.lessons import KEPT, Lessons, Window

if TYPE_CHECKING:
    from recsys.prior import Prior
    from recsys.settings import Settings

__all__ = ["basis", "decode", "encode"]

_MAGIC: Final = b"RSCK"
_FORMAT: Final = 4
_DIGEST_BYTES: Final = 32
# The arrays of the lessons: whether there is one entry a candidate, or one a lesson; and the kind of numbers.
_LESSONS: Final = (
    (True, "u1"),
    (True, "<f4"),
    (True, "<f4"),
    (True, "<f4"),
    (False, "<i2"),
    (False, "<i2"),
    (False, "<f4"),
    (False, "<i8"),
)
_HEAD: Final = struct.Struct("<4sHI")


def basis(prior: Prior, settings: Settings) -> str:
    """Give a digest, 32 hexadecimal digits, of what a state depends on besides the log.

    The prior, the settings that learning reads, the features, how many lessons are kept for trees, the blob's format,
    NumPy's version and the byte order, and how this processor rounds: last bits may differ between them, and a file
    may move.
    """
    parts = {
        "settings": settings.learning(),
        "prior": prior.digest,
        "features": FEATURE_VERSION,
        "format": _FORMAT,
        "numpy": np.__version__,
        "byteorder": sys.byteorder,
        "rounding": _rounding(),
        **({"lessons": KEPT} if settings.trees else {}),
    }
    return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _rounding() -> str:
    """Digest what NumPy's and BLAS's routines for this processor make of one small computation."""
    X = np.linspace(0.1, 30.0, N_FEATURES * 64).reshape(N_FEATURES, 64)
    gram = X @ X.T
    made = (np.log(X), np.exp(-X), np.exp2(-X), gram, np.linalg.solve(gram + np.eye(N_FEATURES), X[:, 0]))
    return blake2b(b"".join(array.tobytes() for array in made), digest_size=16).hexdigest()


def encode(state: State, basis_digest: str) -> bytes:
    """Write a state as bytes. O(items)."""
    b = state.behaviour
    header = {
        "ids": b.ids[1:],
        "cues": list(b.cues.items()),
        "slates": [[key, s.slots, s.shown_at_s, sorted(s.chosen)] for key, s in state.slates.items()],
        "steers": list(state.steers.items()),
        "pending": [[*_numbers(question), *rest] for question, *rest in state.pending],
        "instant": state.instant and [*_numbers(state.instant.question), *state.instant[1:]],
        "n_choices": state.n_choices,
        "n_events": state.n_events,
    }
    held = None if state.lessons is None else state.lessons.arrays()
    if held is not None and state.lessons is not None:
        header["lessons"] = [state.lessons.n, state.lessons.at_us, len(held.sizes), len(held.levels)]
    text = json.dumps(header, ensure_ascii=True, separators=(",", ":")).encode()
    chunks = [_HEAD.pack(_MAGIC, _FORMAT, len(text)), text]
    chunks += [np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes() for _, array in b.arrays()]
    for model in state.choices:
        chunks += [model.w.astype("<f8").tobytes(), model.precision.astype("<f8").tobytes()]
    for question in _questions(state):
        chunks += [_little(ring) for ring in (*question.places, *(ring for _, ring in question.cues))]
    if held is not None:
        every: tuple[NDArray[np.generic], ...] = held
        chunks += [one.astype(kind).tobytes() for one, (_, kind) in zip(every, _LESSONS, strict=True)]
    body = b"".join(chunks)
    return blake2b(body, digest_size=_DIGEST_BYTES, key=basis_digest.encode()).digest() + body


def decode(blob: bytes, basis_digest: str, prior: Prior, settings: Settings) -> State:
    """Read a state back.

    Raises
    ------
    CheckpointError
        When the bytes are not exactly what :func:`encode` wrote on this basis.
    """
    size = len(blob) - _DIGEST_BYTES
    # Its own pages, given back to the system afterwards: among the state's arrays the blob would leave a hole.
    pages = mmap.mmap(-1, max(size, 1))
    body = memoryview(pages)[: max(size, 0)]
    body[:] = memoryview(blob)[_DIGEST_BYTES:]
    digest = blob[:_DIGEST_BYTES]
    del blob
    if blake2b(body, digest_size=_DIGEST_BYTES, key=basis_digest.encode()).digest() != digest:
        raise CheckpointError("the digest does not agree")
    try:
        return _parse(body, new_state(prior, settings))
    except (ValueError, KeyError, TypeError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise CheckpointError("the content is not a state of this version") from error


def _parse(body: memoryview, state: State) -> State:
    magic, version, length = _HEAD.unpack_from(body)
    if magic != _MAGIC or version != _FORMAT:
        raise CheckpointError("another format")
    header = json.loads(bytes(body[_HEAD.size : _HEAD.size + length]))
    arrays: dict[str, NDArray[np.generic]] = {}
    offset = _HEAD.size + length
    shapes = expected(len(header["ids"]) + 1)
    for name in REGIMES:
        shapes |= {f"w-{name}": ("f8", (N_FEATURES,)), f"precision-{name}": ("f8", (N_FEATURES, N_FEATURES))}
    asked = header["pending"] + [header["instant"]] * (header["instant"] is not None)
    for i, (_, cues, *_) in enumerate(asked):
        shapes |= {f"places-{i}-{j}": ("i4", (PLACES,)) for j in range(LASTS)}
        shapes |= {f"cue-{i}-{j}": ("i4", (RING,)) for j in range(len(cues))}
    for name, (dtype, shape) in shapes.items():
        count = int(np.prod(shape, dtype=np.int64))
        flat = np.frombuffer(body, np.dtype(dtype).newbyteorder("<"), count, offset)
        arrays[name] = flat.astype(dtype, copy=False).reshape(shape)
        offset += flat.nbytes
    if state.lessons is not None:
        offset = _lessons(body, offset, state.lessons, header["lessons"])
    if offset != len(body):
        raise CheckpointError("bytes are left over")
    _restore(state, header, asked, arrays)
    return state


def _restore(state: State, header: dict[str, Any], asked: list[Any], arrays: dict[str, NDArray[np.generic]]) -> None:
    rest = []
    for i, (numbers, sizes, *others) in enumerate(asked):
        places = tuple(arrays.pop(f"places-{i}-{j}").tobytes() for j in range(LASTS))
        cues = [(n, arrays.pop(f"cue-{i}-{j}").tobytes()) for j, n in enumerate(sizes)]
        rest.append((Question(tuple(numbers), places, cues), *others))
    if header["instant"] is not None:
        state.instant = Instant(*rest.pop())
    state.pending = [PendingChoice(*choice) for choice in rest]
    for name, model in zip(REGIMES, state.choices, strict=True):
        model.w = arrays.pop(f"w-{name}").astype(np.float64)  # copies: a view would keep all the pages
        model.precision = arrays.pop(f"precision-{name}").astype(np.float64)
    state.behaviour.restore(header["ids"], [(label, row) for label, row in header["cues"]], arrays)
    for key, slots, shown_at_s, chosen in header["slates"]:
        state.slates[key] = PendingSlate(tuple(slots), shown_at_s, set(chosen))
    state.steers.update((target, weight) for target, weight in header["steers"])
    state.n_choices, state.n_events = header["n_choices"], header["n_events"]


def _lessons(body: memoryview, offset: int, lessons: Lessons, numbers: list[int]) -> int:
    """Read the lessons; where they end."""
    n, lessons.at_us, n_lessons, n_rows = numbers
    held: list[NDArray[Any]] = []
    kinds: tuple[NDArray[Any], ...] = lessons.arrays()
    for (by_row, kind), like in zip(_LESSONS, kinds, strict=True):
        width = like.shape[1] if like.ndim > 1 else 1
        flat = np.frombuffer(body, kind, (n_rows if by_row else n_lessons) * width, offset)
        held.append(flat.astype(like.dtype).reshape((-1, *like.shape[1:])))
        offset += flat.nbytes
    lessons.restore(n, Window(*held))
    return offset


def _questions(state: State) -> list[Question]:
    """Give every question that something waits for, the instant's last."""
    asked = [choice.question for choice in state.pending]
    return asked if state.instant is None else [*asked, state.instant.question]


def _numbers(question: Question) -> tuple[tuple[float, ...], list[int]]:
    return question.numbers, [n for n, _ in question.cues]


def _little(native: bytes) -> bytes:
    """Give integers in the byte order of the blob."""
    return np.frombuffer(native, np.int32).astype("<i4").tobytes()
