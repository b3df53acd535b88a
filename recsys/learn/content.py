"""What the items of a catalogue are: their words, tags, numbers and vectors, ready to be compared.

In go the catalogue's items; out comes an :class:`Index`, a pure function of the items that are there now, whatever the
order in which they came and went: its rows stand in the order of the ids, and how rare a word is (its inverse document
frequency) is counted over those very items. An item is the set of its words and tags, each hashed to one of
``N_BUCKETS`` by CRC-32. Two items are alike by the cosine over what they share,

    cos(i, j) = Σ_{b ∈ i ∩ j} g_b / √(Σ_{b ∈ i} g_b · Σ_{b ∈ j} g_b),  g_b = (1 + log((n + 1) / (df_b + 1)))²

in whole numbers, so that equal items are equally alike wherever they stand. Where both have a vector, it is the mean
of that and of the vectors' cosine.
"""

from __future__ import annotations

import binascii
import re
from array import array
from base64 import b85decode
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.inputs import VECTOR_MARK
from recsys.types import Item

__all__ = [
    "CREATED",
    "N_BINS",
    "TEXTS",
    "VECTOR",
    "Content",
    "Embed",
    "Embedder",
    "Index",
    "Sets",
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
_MOST_NUMBERS: Final = 8  # attributes, the first by name
_UNIT: Final = 256.0  # of ``g``
_LEVELS: Final = 127.0  # of an entry of a vector of length 1
_WORD: Final = re.compile(r"\w+")
_NO_SPACES: Final = "\u2e80"  # from here on, in Unicode, stand scripts that set no spaces between words


class Sets(NamedTuple):
    """A set of numbers for each row: ``members`` row after row, those of row ``r`` from ``begin[r]``."""

    members: NDArray[np.int32]
    begin: NDArray[np.intp]
    n_each: NDArray[np.intp]

    @classmethod
    def of(cls, rows: Sequence[bytes]) -> Sets:
        """Take the rows as the bytes of 32-bit integers."""
        n_each = np.fromiter(map(len, rows), np.intp, len(rows)) // 4
        members = np.frombuffer(b"".join((*rows, b"\0\0\0\0")), np.int32)  # one more: where an empty row begins
        return cls(members, n_each.cumsum() - n_each, n_each)

    def sums(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sum a number of each member, row by row, shape (n_rows,). O(members)."""
        if not len(self.begin):
            return np.zeros(0, np.int64)
        found: NDArray[np.int64] = np.add.reduceat(table.take(self.members), self.begin)
        found[self.n_each == 0] = 0
        return found

    def weighed(self, rows: NDArray[np.intp], weights: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        """Sum, for each of ``n`` numbers, the weights of the rows that have it. O(n + members of the rows)."""
        n_each = self.n_each[rows]
        places = np.arange(int(n_each.sum())) + (self.begin[rows] - n_each.cumsum() + n_each).repeat(n_each)
        found: NDArray[np.float64] = np.bincount(self.members[places], weights.repeat(n_each), n).astype(np.float64)
        return found

    def turned(self, n: int) -> Sets:
        """Give, for each of ``n`` numbers, the rows that have it."""
        members = self.members[:-1]
        of = np.arange(len(self.begin), dtype=np.int32).repeat(self.n_each)
        n_each: NDArray[np.intp] = np.bincount(members, minlength=n)
        return Sets(of[members.argsort(kind="stable")], n_each.cumsum() - n_each, n_each)


class Index(NamedTuple):
    """A catalogue's items side by side, in the order of their ids.

    Parameters
    ----------
    row : mapping of str to int
        Each item's row.
    words : Sets
        Words and tags, numbered from 0 by bucket.
    having : Sets
        The rows that have each of these.
    tags : Sets
        Tags alone, numbered from 0.
    tag_share : array of float64, shape (n_tags,)
        Which part of the items has each tag, smoothed.
    rarity : array of float64, shape (n_words,)
        ``g``, whole numbers.
    length : array of float64, shape (n_rows,)
        ``√Σ g`` of each; 1 for an item without words.
    bins : array of int8, shape (n_numbers, n_rows)
        Where each number stands among the catalogue's, 0 to ``N_BINS - 1``; -1 for none.
    bin_share : array of float64, shape (n_numbers, N_BINS)
    created : array of float64, shape (n_rows,)
        Seconds; not a number where unknown.
    vectors : array of int8, shape (n_rows, d), or None
        Vectors of length 127, rounded; zero for an item without.
    """

    row: Mapping[str, int]
    words: Sets
    having: Sets
    tags: Sets
    tag_share: NDArray[np.float64]
    rarity: NDArray[np.float64]
    length: NDArray[np.float64]
    bins: NDArray[np.int8]
    bin_share: NDArray[np.float64]
    created: NDArray[np.float64]
    vectors: NDArray[np.int8] | None


class _Known(NamedTuple):
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

    def __call__(self, texts: Iterable[str]) -> Mapping[str, bytes]:
        """Give each text's vector as it is kept; asks the host about those that are new, all at once.

        Raises
        ------
        InputError
            When the host's function fails, or what it gives is not usable.
        """
        wanted = set(texts)
        new = sorted(wanted - self._told.keys())
        if new:
            self._told |= zip(new, map(_rounded, self._asked(new)), strict=True)
        for text in self._told.keys() - wanted:
            del self._told[text]
        return self._told

    def _asked(self, texts: list[str]) -> NDArray[np.float64]:
        try:
            found = np.asarray(self._embed(list(texts)), np.float64)
        except Exception:  # noqa: BLE001 - the host's own code, whose words may hold anything
            raise InputError("embedder: it failed", field="embedder") from None
        if found.ndim != 2 or len(found) != len(texts) or not found.shape[1] or not np.isfinite(found).all():  # noqa: PLR2004 - a matrix
            raise InputError("embedder: one row of finite numbers for each text is needed", field="embedder")
        return found


class Content:
    """The items of a catalogue; remembers what each says, and compares them when first asked after a change.

    About 600 bytes an item of eight words and tags, 6 MB for 10,000. Reading an item takes about 10 µs, the first index
    after a change about 2 µs for each item.

    Stability: provisional
    """

    def __init__(self, items: Iterable[Item] = (), embedder: Embedder | None = None) -> None:
        self._embedder = embedder
        self._known: dict[str, _Known] = {}
        self._index: Index | None = None
        self.put(items)

    def put(self, items: Iterable[Item]) -> None:
        """Add or replace items. O(their words)."""
        for item in items:
            self._known[item.id] = _known(item, keep_text=self._embedder is not None)
            self._index = None

    def drop(self, ids: Iterable[str]) -> None:
        """Take items out."""
        for item_id in ids:
            if self._known.pop(item_id, None) is not None:
                self._index = None

    def index(self) -> Index:
        """Give the items side by side. O(1), after a change O(items and their words).

        Raises
        ------
        InputError
            When the host's embedder fails, or what it gives is not usable.
        """
        if self._index is None:
            self._index = self._indexed()
        return self._index

    def _indexed(self) -> Index:
        ids = sorted(self._known)
        known = [self._known[item_id] for item_id in ids]
        n = len(known)
        words = Sets.of([one.words for one in known])
        there, numbered = np.unique(words.members, return_inverse=True)
        words = words._replace(members=numbered.astype(np.int32))
        having = words.turned(len(there))
        rarity = np.rint(_UNIT * (1.0 + np.log((n + 1.0) / (having.n_each + 1.0))) ** 2)
        names = {tag: i for i, tag in enumerate(sorted({tag for one in known for tag in one.tags}))}
        tags = Sets.of([array("i", map(names.__getitem__, one.tags)).tobytes() for one in known])
        bins, bin_share = _binned(known)
        n_tagged: NDArray[np.intp] = np.bincount(tags.members[:-1], minlength=len(names))
        nothing = float("nan")
        return Index(
            row=dict(zip(ids, range(n), strict=True)),
            words=words,
            having=having,
            tags=tags,
            tag_share=np.asarray((n_tagged + 0.5) / (n + 1.0), np.float64),
            rarity=rarity,
            length=np.sqrt(np.maximum(words.sums(rarity.astype(np.int64)), 1)),
            bins=bins,
            bin_share=bin_share,
            created=np.array([one.numbers.get(CREATED, nothing) for one in known]),
            vectors=self._vectors(known),
        )

    def _vectors(self, known: Sequence[_Known]) -> NDArray[np.int8] | None:
        given = [one.vector for one in known]
        if self._embedder is not None:
            told = self._embedder([one.text for one in known if not one.vector and one.text])
            given = [one.vector or told.get(one.text, b"") for one in known]
        n_having = Counter(len(vector) for vector in given if vector)
        if not n_having:
            return None
        d = max(n_having, key=lambda length: (n_having[length], length))  # others cannot be compared: as if without
        joined = b"".join(vector if len(vector) == d else bytes(d) for vector in given)
        return np.frombuffer(joined, np.int8).reshape(len(given), d)


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


def _known(item: Item, *, keep_text: bool) -> _Known:
    numbers = {name: float(value) for name, value in item.attributes.items() if type(value) in (int, float)}
    vector = vector_of(item)
    return _Known(
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


def _binned(known: Collection[_Known]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Put each number where it stands among the catalogue's."""
    names = sorted({name for one in known for name in one.numbers} - {CREATED})[:_MOST_NUMBERS]
    bins = np.full((len(names), len(known)), -1, np.int8)
    share = np.zeros((len(names), N_BINS))
    for i, name in enumerate(names):
        values = np.array([one.numbers.get(name, np.nan) for one in known])
        there = np.flatnonzero(~np.isnan(values))
        ordered = np.sort(values[there])
        edges = ordered[np.arange(1, N_BINS) * len(ordered) // N_BINS]
        bins[i, there] = edges.searchsorted(values[there], side="right")
        share[i] = np.bincount(bins[i, there], minlength=N_BINS) / len(there)
    return bins, share
