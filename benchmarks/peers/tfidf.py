"""Neighbours by content: scikit-learn's TF-IDF over titles and tags, and the cosine to a profile of what was used.

A profile is a weighted mean of the vectors of what was used; the weightings are those of :data:`WEIGHTINGS`.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recsys.types import Item

__all__ = ["WEIGHTINGS", "TfidfNeighbours", "missing"]

_WORDS: Final = re.compile(r"#\S+|\b\w\w+\b")
# Of the n uses so far, the oldest first: what each weighs in the profile.
WEIGHTINGS: Final[Mapping[str, Callable[[int], NDArray[np.float64]]]] = {
    "the last": lambda n: np.append(np.zeros(n - 1), 1.0),
    "last ten": lambda n: (np.arange(n) >= n - 10).astype(np.float64),
    "all": np.ones,
    "halved every 3": lambda n: np.exp2(np.arange(1 - n, 1) / 3.0),
    "halved every 10": lambda n: np.exp2(np.arange(1 - n, 1) / 10.0),
    "halved every 30": lambda n: np.exp2(np.arange(1 - n, 1) / 30.0),
}


def missing() -> dict[str, str]:
    """Say why these peers cannot run here; nothing when they can."""
    if importlib.util.find_spec("sklearn") is None:
        return {"content neighbours (TF-IDF)": "not installed: sklearn (the `bench` extra)"}
    return {}


class TfidfNeighbours:
    """A catalogue's items as scikit-learn has them: words of two letters or more, and each tag as one word."""

    def __init__(self, items: Sequence[Item]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        words = TfidfVectorizer(tokenizer=_WORDS.findall, token_pattern=None)
        tagged = (" ".join(f"#{'_'.join(tag.split())}" for tag in item.tags) for item in items)
        texts = [f"{item.title} {tags}" for item, tags in zip(items, tagged, strict=True)]
        self._vectors: Any = words.fit_transform(texts) if any(text.strip() for text in texts) else None
        self._n_items = len(items)

    def scores(self, used: NDArray[np.intp], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give every item's cosine to the profile, up to the profile's length, shape (n_items,)."""
        if self._vectors is None or not len(used):
            return np.zeros(self._n_items)
        profile = np.asarray(weights @ self._vectors[used]).ravel()
        given: NDArray[np.float64] = self._vectors @ profile
        return given

    def between(
        self, used: NDArray[np.intp], weights: NDArray[np.float64], wanted: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Give the cosines of some items alone, shape (n_wanted,)."""
        if self._vectors is None or not len(used):
            return np.zeros(len(wanted))
        profile = np.asarray(weights @ self._vectors[used]).ravel()
        length = float(np.sqrt(profile @ profile)) or 1.0
        given: NDArray[np.float64] = self._vectors[wanted] @ (profile / length)
        return given
