"""When trees are grown, from what, and whether they may serve: all of it a function of how many lessons there are.

A *stage* comes every ``EVERY`` lessons. It goes on from the trees of the stage before with a few more, grown on the
last ``WINDOW`` lessons; or begins anew, when the lessons have doubled since that was last done or the trees would be
too many. The trees of a stage are judged on the lessons that come after it, up to the next stage, before they are
grown on any of those. The sum of both models serves while, over the last ``JUDGED`` stages, it was clearly better than
the linear model alone; else the linear model does. Nothing here depends on when the trees were grown.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.digest import blake2b
from recsys.errors import CheckpointError
from recsys.learn.forest import LEAVES, NODES, Arrays, Forest
from recsys.learn.lessons import UNTOUCHED, Lessons, Window
from recsys.learn.tree_parameters import Value

__all__ = [
    "EVERY",
    "FIRST",
    "JUDGED",
    "MOST_TREES",
    "REMEMBERED",
    "WINDOW",
    "OfPrior",
    "Stage",
    "Verdict",
    "begins",
    "ending",
    "goal",
    "judged",
    "lessons_after",
    "lessons_of",
    "made_from",
    "ndcg_of",
    "needed",
    "newest",
    "of_prior",
    "verdict",
]

FIRST: Final = 256  # lessons before the first stage
EVERY: Final = 128  # lessons from one stage to the next
WINDOW: Final = 1_024  # lessons that one stage's trees are grown on, at most,
MOST_ROWS: Final = 6_144  # and their candidates: LightGBM takes no longer to be told than a step may take
AT_FIRST: Final = 32  # trees of a stage that begins anew,
MORE: Final = 8  # and of one that goes on
MOST_TREES: Final = 64
JUDGED: Final = 8  # stages whose trees' answers decide
REMEMBERED: Final = 4  # decisions before the newest that can always be told: so many stages more are needed
_BLOCK: Final = 16  # lessons whose mean difference is taken for one independent number
_LEAST_BLOCKS: Final = 16
_CLEAR: Final = 2.5  # standard errors: stages are many, and each is another look
_WORSE: Final = 1.0  # standard errors below 0 at which the prior's trees stand back
_DEPTH: Final = 10  # ranks that count

_MAGIC: Final = b"RSTR"
_FORMAT: Final = 1
_DIGEST_BYTES: Final = 32
_HEAD: Final = struct.Struct("<4sHIBH")  # magic, format, stage, whether complete, trees
_FROM_BYTES: Final = 16
_ARRAYS: Final = (("u1", NODES), ("u1", NODES), ("i1", NODES), ("i1", NODES), ("<f8", NODES), ("<f8", LEAVES))
_TREE_BYTES: Final = 4 * NODES + 8 * (NODES + LEAVES)


class Stage(NamedTuple):
    """What is known of a stage.

    Parameters
    ----------
    number : int
        From 1.
    complete : bool
        Whether all of its trees are grown.
    forest : Forest
        Those that are, with the ones that it went on from.
    made_from : bytes
        A digest of the lessons and trees that it was grown from.
    """

    number: int
    complete: bool
    forest: Forest
    made_from: bytes

    def encode(self, basis: str) -> bytes:
        """Write it as bytes, after a digest keyed with what it depends on besides the log."""
        head = _HEAD.pack(_MAGIC, _FORMAT, self.number, self.complete, self.forest.n_trees)
        arrays: tuple[NDArray[np.generic], ...] = self.forest.arrays
        trees = [one.astype(kind).tobytes() for one, (kind, _) in zip(arrays, _ARRAYS, strict=True)]
        body = b"".join([head, self.made_from, *trees])
        return blake2b(body, digest_size=_DIGEST_BYTES, key=basis.encode()).digest() + body

    @classmethod
    def decode(cls, blob: bytes, basis: str) -> Stage:
        """Read it back.

        Raises
        ------
        CheckpointError
            When the bytes are not exactly what :meth:`encode` wrote on this basis; nothing of them is read then.
        """
        digest, body = blob[:_DIGEST_BYTES], blob[_DIGEST_BYTES:]
        if blake2b(body, digest_size=_DIGEST_BYTES, key=basis.encode()).digest() != digest:
            raise CheckpointError("the digest does not agree")
        try:
            magic, version, number, complete, t = _HEAD.unpack_from(body)
            at = _HEAD.size + _FROM_BYTES
            if magic != _MAGIC or version != _FORMAT or len(body) != at + t * _TREE_BYTES:
                raise CheckpointError("another format")
            arrays = []
            for kind, width in _ARRAYS:
                flat = np.frombuffer(body, kind, t * width, at)
                arrays.append(flat.astype(flat.dtype.newbyteorder("=")).reshape(t, width))
                at += flat.nbytes
            return cls(number, bool(complete), Forest(Arrays(*arrays)), body[_HEAD.size : _HEAD.size + _FROM_BYTES])
        except (ValueError, struct.error) as error:
            raise CheckpointError("the content is no stage of this version") from error


class Verdict(NamedTuple):
    """Which model serves, and why: mean NDCG@10 over the lessons that were judged.

    Parameters
    ----------
    stage : int
        0 before the first.
    serves : bool
        Whether the trees join the score.
    n_lessons : int
    linear, trees, both : float
        With the prior's trees, where it has any, "linear" is the sum of both.
    gain, low, high : float
        What the sum has over the linear model, with its interval; 0 without enough to tell.
    standard_error : float
        Of the gain.
    """

    stage: int
    serves: bool
    n_lessons: int
    linear: float
    trees: float
    both: float
    gain: float
    low: float
    high: float
    standard_error: float = 0.0


class OfPrior(NamedTuple):
    """Whether the trees of the prior serve, and why: mean NDCG@10 over the lessons that were judged.

    Parameters
    ----------
    serves : bool
    n_lessons : int
    linear, both : float
        Without and with them.
    gain, low, high : float
        The difference with its interval; 0 without enough to tell.
    """

    serves: bool
    n_lessons: int
    linear: float
    both: float
    gain: float
    low: float
    high: float


def ending(number: int) -> int:
    """Give how many lessons there are when a stage begins: those after it are not known to its trees."""
    return FIRST + EVERY * (number - 1)


def newest(n_lessons: int) -> int:
    """Give the number of the newest stage; 0 before the first."""
    return max(0, (n_lessons - FIRST) // EVERY + 1) if n_lessons >= FIRST else 0


@cache
def begins(number: int) -> int:
    """Give the stage with which the trees of a stage began. O(number), once."""
    start = 1
    for stage in range(2, number + 1):
        if ending(stage) >= 2 * ending(start) or AT_FIRST + MORE * (stage - start) > MOST_TREES:
            start = stage
    return start


def goal(number: int) -> int:
    """Give how many trees a stage has when it is complete."""
    return AT_FIRST + MORE * (number - begins(number))


def needed(n_lessons: int) -> range:
    """Give the stages needed to serve, to judge and to tell of decisions, in the order in which they are grown."""
    last = newest(n_lessons)
    return range(begins(max(last - JUDGED - REMEMBERED, 1)), last + 1) if last else range(0)


def lessons_of(lessons: Lessons, number: int) -> Window:
    """Give the lessons that a stage's trees are grown on: the last ones before it begins."""
    end = ending(number)
    window = lessons.window(max(end - WINDOW, 0), end)
    n_too_many = len(window.levels) - MOST_ROWS
    n_left_out = int(np.searchsorted(window.sizes.cumsum(), n_too_many)) + 1 if n_too_many > 0 else 0
    return window.part(n_left_out, len(window.sizes))


def lessons_after(lessons: Lessons, number: int) -> Window:
    """Give the lessons that a stage's trees are judged on: those up to the next stage."""
    return lessons.window(ending(number), ending(number + 1))


def made_from(window: Window, before: Stage | None, parameters: Mapping[str, Value]) -> bytes:
    """Digest what a stage is grown from."""
    parts = [repr(sorted(parameters.items())).encode(), before.made_from if before else b"", *window.digest_parts()]
    digest = blake2b(digest_size=_FROM_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def judged(window: Window, forest: Forest) -> NDArray[np.float32]:
    """Give NDCG@10 of the model without the trees, of the trees and of their sum on lessons, shape (3, m).

    Where the prior has trees, they belong to what is without these. NaN where nothing can be said: something was turned
    down, or what was chosen had never been used.
    """
    without = window.utilities.astype(np.float64) + window.given
    trees = forest.scores(window.levels.T)
    return ndcg_of(window, (without, trees, without + trees))


def ndcg_of(window: Window, models: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Give NDCG@10 of each model on lessons, shape (n_models, m); NaN where nothing can be said.

    The rank is as among all that the candidates stand for: one that was drawn counts as often as that. Ties count half.
    """
    starts, sizes = window.starts, window.sizes
    chosen = starts + window.targets
    counts = np.where(window.offsets == UNTOUCHED, 0.0, np.exp(window.offsets.astype(np.float64)))
    silent = (window.weights <= 0) | (window.offsets[chosen] == UNTOUCHED)
    found = np.empty((len(models), len(sizes)), np.float32)
    for row, scores in enumerate(models):
        own = scores[chosen].repeat(sizes)
        above = counts * ((scores > own) + 0.5 * (scores == own))
        above[chosen] = 0.0
        rank = 1.0 + np.add.reduceat(above, starts)
        found[row] = np.where(rank <= _DEPTH, 1.0 / np.log2(1.0 + rank), 0.0)
    found[:, silent] = np.nan
    return found


def of_prior(lessons: Lessons) -> OfPrior:
    """Say whether the trees of the prior serve: until, on the own choices, they are worse than none. O(lessons).

    Whoever published them showed that they help people who are not in them; so it is for the own log to show that they
    do not. As of the newest stage, over as many lessons as decide about the own trees.
    """
    end = ending(newest(lessons.n)) if newest(lessons.n) else 0
    window = lessons.window(max(end - JUDGED * EVERY, 0), end)
    if not end:
        return OfPrior(True, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    linear = window.utilities.astype(np.float64)
    every = ndcg_of(window, (linear, linear + window.given)).astype(np.float64)
    held = every[:, ~np.isnan(every[0])]
    n_lessons, n_blocks = held.shape[1], held.shape[1] // _BLOCK
    without, both = held.mean(axis=1).tolist() if n_lessons else (0.0, 0.0)
    if n_blocks < 2:  # noqa: PLR2004 - an interval takes two
        return OfPrior(True, n_lessons, without, both, 0.0, 0.0, 0.0)
    gain, error = _gain(held[1] - held[0], n_blocks)
    away = _CLEAR * error
    return OfPrior(gain + _WORSE * error >= 0.0, n_lessons, without, both, gain, gain - away, gain + away)


def _gain(differences: NDArray[np.float64], n_blocks: int) -> tuple[float, float]:
    """Give the mean difference and its standard error, by batch means: blocks in a row are taken as independent."""
    means = differences[len(differences) - n_blocks * _BLOCK :].reshape(n_blocks, _BLOCK).mean(axis=1)
    return float(means.mean()), float(means.std(ddof=1)) / math.sqrt(n_blocks)


def verdict(number: int, evidence: Sequence[NDArray[np.float32]]) -> Verdict:
    """Say which model serves at a stage, from what :func:`judged` gave for the stages before it, one after another.

    The interval is that of batch means.
    """
    every = np.concatenate([np.zeros((3, 0), np.float32), *evidence], axis=1).astype(np.float64)
    held = every[:, ~np.isnan(every[0])]
    n_lessons = held.shape[1]
    n_blocks = n_lessons // _BLOCK
    linear, trees, both = held.mean(axis=1).tolist() if n_lessons else (0.0, 0.0, 0.0)
    if len(evidence) < JUDGED // 2 or n_blocks < _LEAST_BLOCKS:
        return Verdict(number, False, n_lessons, linear, trees, both, 0.0, 0.0, 0.0)
    gain, error = _gain(held[2] - held[0], n_blocks)
    away = _CLEAR * error
    return Verdict(number, gain - away > 0.0, n_lessons, linear, trees, both, gain, gain - away, gain + away, error)
