"""What one item is: its words, tags, numbers and vector, ready to be compared.

In go items; what is kept of each goes into an index (:mod:`recsys.learn.index`). How rare a word is (its inverse
document frequency) is counted over the very items that are there. An item is the set of its words and tags, each hashed
to one of ``N_BUCKETS`` by CRC-32. Two items are alike by the cosine over what they share,

    cos(i, j) = Σ_{b ∈ i ∩ j} g_b / √(Σ_{b ∈ i} g_b · Σ_{b ∈ j} g_b),  g_b = (1 + log((n + 1) / (df_b + 1)))²

in whole numbers, so that equal items are equally alike wherever they stand. Where both have a vector, it is the mean
of that and of the vectors' cosine.
"""

from __future__ import annotations

import binascii
import re
import warnings
from array import array
from base64 import b85decode
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recsys.inputs import VECTOR_MARK
from recsys.types import Item

__all__ = [
    "CREATED",
    "N_BINS",
    "N_BUCKETS",
    "TEXTS",
    "VECTOR",
    "Embed",
    "Embedder",
    "Known",
    "known_of",
    "tokens",
    "vector_of",
]

Embed = Callable[[list[str]], NDArray[np.float64]]

TEXTS: Final = ("text", "description")  # attributes that are read as the title is
CREATED: Final = "created"  # the attribute that says when an item was made, seconds since 1970-01-01 UTC
VECTOR: Final = "vector"
N_WORDS: Final = 98_304  # buckets of words; tags have those after them
N_BUCKETS: Final = 131_072
N_BINS: Final = 32  # of a number: as many items in each
_MOST_WORDS: Final = 128  # of an item, the first ones
_LEVELS: Final = 127.0  # of an entry of a vector of length 1
_WORD: Final = re.compile(r"\w+")
_NO_SPACES: Final = "\u2e80"  # from here on, in Unicode, stand scripts that set no spaces between words


class Known(NamedTuple):
    """What is kept of one item."""

    words: bytes
    tags: tuple[str, ...]
    numbers: Mapping[str, float]
    vector: bytes
    text: str


class Embedder:
    """The host's function from texts to vectors; what it said of a text is remembered.

    Parameters
    ----------
    embed : callable
        Takes a list of n texts, gives an array of floats, shape (n, d), finite.
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._told: dict[str, bytes] = {}

    def __call__(self, wanted: Collection[str], some: Iterable[str]) -> Mapping[str, bytes]:
        """Give the vectors of texts as they are kept; asks the host about those of ``some`` that are new, all at once.

        Those that it fails to give are left out, with a warning that tells no text. Of texts that are not ``wanted``
        any more nothing is remembered.
        """
        new = sorted(set(some) - self._told.keys())
        if new:
            found = self._asked(new)
            if found is not None:
                self._told |= zip(new, map(_rounded, found), strict=True)
        if len(self._told) > len(wanted):
            for text in self._told.keys() - set(wanted):
                del self._told[text]
        return self._told

    def _asked(self, texts: list[str]) -> NDArray[np.float64] | None:
        """Ask the host; None, and a warning, when its function fails or gives something else."""
        try:
            found = np.asarray(self._embed(list(texts)), np.float64)
        except Exception:  # noqa: BLE001 - the host's own code, whose words may hold anything
            _warn("it failed")
            return None
        if found.ndim != 2 or len(found) != len(texts) or not found.shape[1] or not np.isfinite(found).all():  # noqa: PLR2004 - a matrix
            _warn("one row of finite numbers for each text is needed")
            return None
        return found


def _warn(why: str) -> None:
    warnings.warn(f"embedder: {why}; items go on without its vectors", RuntimeWarning, stacklevel=2)


def tokens(item: Item) -> list[int]:
    """Give the buckets of an item's words and tags, distinct, in ascending order."""
    words: list[str] = []
    for text in _texts(item):
        for word in _WORD.findall(text.casefold()):
            words += [word] if word[-1] < _NO_SPACES else [word[i : i + 2] for i in range(max(len(word) - 1, 1))]
        if len(words) >= _MOST_WORDS:
            break
    found = {crc32(word.encode("utf-8", "surrogatepass")) % N_WORDS for word in words[:_MOST_WORDS]}
    n_tags = N_BUCKETS - N_WORDS
    found.update(N_WORDS + crc32(tag.casefold().encode("utf-8", "surrogatepass")) % n_tags for tag in item.tags)
    return sorted(found)


def vector_of(item: Item) -> NDArray[np.float64] | None:
    """Give the vector that the host gave the item, shape (d,); None for none."""
    written = item.attributes.get(VECTOR)
    if not isinstance(written, str) or not written.startswith(VECTOR_MARK):
        return None
    try:
        found = np.frombuffer(b85decode(written[len(VECTOR_MARK) :]), "<f4").astype(np.float64)
    except (ValueError, binascii.Error):
        return None  # a text of the host's own
    return found if len(found) and np.isfinite(found).all() else None


def _texts(item: Item) -> list[str]:
    others = (item.attributes.get(name) for name in TEXTS)
    return [item.title, *(text for text in others if isinstance(text, str))]


def known_of(item: Item, *, keep_text: bool) -> Known:
    """Read an item. O(its words)."""
    numbers = {name: float(value) for name, value in item.attributes.items() if type(value) in (int, float)}
    vector = vector_of(item)
    return Known(
        array("i", tokens(item)).tobytes(),
        item.tags,
        numbers,
        b"" if vector is None else _rounded(vector),
        "\n".join(filter(None, _texts(item))) if keep_text else "",
    )


def _rounded(vector: NDArray[np.float64]) -> bytes:
    most = float(np.abs(vector).max())
    if most > 0.0:
        vector = vector / most  # so that no square overflows
        vector = vector / np.sqrt(np.square(vector).sum())
    return np.rint(vector * _LEVELS).astype(np.int8).tobytes()
