"""What was counted and fitted, put into the bytes of a pack."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.prior.features import PACK_FEATURES
from recsys.publish.train import HALF_LIVES, Factors
from recsys.publish.weights import START

__all__ = ["packed", "packed_near"]


def packed(
    keys: NDArray[np.uint64],
    share: NDArray[np.float64],
    factors: Factors,
    liked: NDArray[np.float64],
    again: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    """Put what is known of items into bytes; an item that the pack does not have is taken for one of the rarest."""
    into, into_unit = _bytes(factors.into)
    out, out_unit = _bytes(factors.out)
    rare = np.argsort(share, kind="stable")[: max(len(share) // 10, 1)]
    return {
        "keys": keys.copy(),
        "popular": np.log(share).astype(np.float16),
        "liked": liked[:-1].astype(np.float16),
        "again": again.astype(np.float16),
        "weights": np.array(START),
        "weights_given": np.zeros(len(PACK_FEATURES)),
        "into": into,
        "out": out,
        "bias": factors.bias.astype(np.float16),
        "scales": np.array([into_unit, out_unit], np.float32),
        "mix": factors.mix,
        "half_lives": np.array(HALF_LIVES, np.float32),
        "unknown": np.array([np.log(share.min() / 2.0), factors.bias[rare].mean(), liked[-1]], np.float32),
    }


def _bytes(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], float]:
    unit = float(np.abs(values).max()) / 127.0 or 1.0
    return np.rint(values / unit).astype(np.int8), unit


def packed_near(near: NDArray[Any], n: int) -> dict[str, NDArray[Any]]:
    """Put the pairs into bytes: where each item's begin, with what, and the logarithm of one plus the lift."""
    lift = np.log1p(near["lift"])
    unit = float(lift.max(initial=1.0)) / 255.0
    begin = np.concatenate([[0], np.cumsum(np.bincount(near["of"], minlength=n))])
    return {
        "near_begin": begin.astype(np.uint32),
        "near_item": near["to"].astype(np.uint32),
        "near_lift": np.rint(lift / unit).astype(np.uint8),
        "near_unit": np.array([unit], np.float32),
    }
