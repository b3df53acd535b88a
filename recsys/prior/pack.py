"""A prior pack: what many people's logs teach, in one read-only file that ships with an app.

The file is a line of text, a JSON header that names every array with its type, shape and place, and the arrays, each at
a multiple of 64 bytes. A digest over all of it is checked before anything is used; nothing in the file is executed,
and the arrays are mapped, not copied.

Items stand under the first eight bytes of the BLAKE2b digest of their id, in ascending order, so that a pack names no
item to whoever does not know it. What is kept of each:

* ``popular``: the logarithm of its share of all uses;
* ``into`` and ``out``, ``(n, d)`` in single bytes: what using it says of what comes next, and what speaks for it.
  The taste at a moment is ``u = Σ_k M_k Σ_j λ_kj into_j`` over the last uses ``j``, with weights ``λ_kj`` that fade by
  half every ``half_life_k`` uses and have length 1; an item's part in it is ``out·u + bias``;
* ``liked``: the log odds of its being chosen rather than passed over, less the usual ones;
* ``again``: the logarithm of how much oftener than usual those who used it use it again;
* ``near``: which items are used within a few uses of it, and how much oftener than usual.

Besides there may be the prior of the ranker, ``w0`` and ``P0``, and trees that join its score.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from numpy.typing import NDArray

from recsys.digest import blake2b
from recsys.errors import InputError
from recsys.learn.features import FEATURE_VERSION
from recsys.prior.features import MAGIC, PACK_FEATURES
from recsys.prior.weights import Prior
from recsys.prior.whole import write_whole

if TYPE_CHECKING:
    from recsys.learn.forest import Forest

__all__ = ["LASTS", "VERSION", "Pack", "key_of", "write"]

VERSION: Final = 1
LASTS: Final = 256  # last uses that speak for what comes next
_ALIGNED: Final = 64
_MAX_HEADER: Final = 1 << 20
_MAX_ITEMS: Final = 5_000_000
_MAX_FACTORS: Final = 128  # bytes times eleven-bit integers then sum exactly in single precision
_LIMITS: Final = {"weights": 1e4, "weights_given": 1e4, "mix": 1e4, "half_lives": 1e12, "scales": 1e4}

_FINITE: Final = (
    "popular",
    "liked",
    "again",
    "bias",
    "scales",
    "mix",
    "near_unit",
    "unknown",
    "weights",
    "weights_given",
)

# name: dtype, shape in letters (n items, d factors, k half-lives, e pairs, f features, r regimes), whether it may miss.
_ARRAYS: Final[Mapping[str, tuple[str, str]]] = {
    "keys": ("<u8", "n"),
    "popular": ("<f2", "n"),
    "liked": ("<f2", "n"),
    "again": ("<f2", "n"),
    "into": ("|i1", "nd"),
    "out": ("|i1", "nd"),
    "bias": ("<f2", "n"),
    "scales": ("<f4", "2"),  # of a unit of ``into`` and of ``out``
    "mix": ("<f4", "kdd"),
    "half_lives": ("<f4", "k"),
    "near_begin": ("<u4", "n+"),
    "near_item": ("<u4", "e"),
    "near_lift": ("|u1", "e"),
    "near_unit": ("<f4", "1"),
    "unknown": ("<f4", "3"),  # log share, bias and liking of an item that the pack does not have
    "weights": ("<f8", "f"),
    "weights_given": ("<f8", "f"),  # for lists that the host gives
}
_RANKER: Final[Mapping[str, tuple[str, str]]] = {"w0": ("<f8", "rx"), "P0": ("<f8", "rxx")}
# Trees of eight leaves, as recsys.learn.forest has them: t trees, v inner nodes, l leaves.
_TREES: Final[Mapping[str, tuple[str, str]]] = {
    "tree_feature": ("|u1", "tv"),
    "tree_threshold": ("|u1", "tv"),
    "tree_left": ("|i1", "tv"),
    "tree_right": ("|i1", "tv"),
    "tree_value": ("<f8", "tv"),
    "tree_leaf": ("<f8", "tl"),
}
_MOST_TREES: Final = 512  # 75 kB
_LARGEST_VALUE: Final = 1e3  # of a leaf


def key_of(item_id: str) -> int:
    """Give the number under which a pack keeps an item."""
    return int.from_bytes(blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@final
class Pack:
    """A prior pack, mapped into memory.

    Parameters
    ----------
    arrays : mapping of str to array
        As the module says.
    header : mapping
        ``provenance``, ``least_people``, ``n_people``.

    Attributes
    ----------
    n_items, n_factors, size_bytes : int
    digest : str
        Of the whole file, 32 hexadecimal digits.
    prior : Prior or None
        The ranker's, where the publisher fitted one, or trees.

    Stability: provisional
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any], size_bytes: int = 0) -> None:
        _check(arrays)
        a = arrays
        self.arrays = a
        self.n_items, self.n_factors = a["out"].shape
        self.size_bytes = size_bytes
        self.digest = str(header.get("digest", ""))
        self.provenance: Mapping[str, Any] = header.get("provenance", {})
        self.least_people, self.n_people = int(header.get("least_people", 0)), int(header.get("n_people", 0))
        self.prior = _prior_of(a)
        self.weights: NDArray[np.float64] = np.array(a["weights"])
        self.weights_given: NDArray[np.float64] = np.array(a["weights_given"])
        self.half_lives: NDArray[np.float64] = a["half_lives"].astype(np.float64)
        self.mix: NDArray[np.float32] = a["mix"] * (a["scales"][0] * a["scales"][1])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Pack:
        """Map a pack and check it. O(size of the file).

        Raises
        ------
        InputError
            When the file is missing, is no pack, is damaged, or was made for other features.
        """
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):
            raise InputError("the pack cannot be read", field="prior") from None
        header, begin = _header(view)
        digest = blake2b(view[begin:], digest_size=16)
        digest.update(_told(header))
        if digest.hexdigest() != header.get("digest"):
            raise InputError("the pack is damaged: take a sound copy", field="prior")
        return cls(_arrays(view, header, begin), header, len(view))

    def rows(self, item_ids: Iterable[str]) -> NDArray[np.int32]:
        """Find items: the row of each, -1 for what the pack does not have. O(n log n_items)."""
        wanted = np.fromiter(map(key_of, item_ids), np.uint64)
        if not self.n_items:
            return np.full(len(wanted), -1, np.int32)
        at = np.minimum(np.searchsorted(self.arrays["keys"], wanted), self.n_items - 1)
        return np.where(self.arrays["keys"][at] == wanted, at, -1).astype(np.int32)


def write(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    *,
    provenance: Mapping[str, object],
    n_people: int,
    least_people: int,
) -> int:
    """Write a pack; the same content gives the same bytes. Returns the size in bytes.

    Raises
    ------
    InputError
        When the arrays are not those of a pack; nothing was written.
    OSError
        When the file cannot be written; nothing is left of it.
    """
    _check(arrays)
    _prior_of(arrays)
    known = {**_ARRAYS, **_RANKER, **_TREES}
    laid, at = {}, 0
    for name in (name for name in known if name in arrays):
        array = np.ascontiguousarray(arrays[name], known[name][0])
        laid[name] = (at, array)
        at += -(-array.nbytes // _ALIGNED) * _ALIGNED
    body = bytearray(at)
    for begin, array in laid.values():
        body[begin : begin + array.nbytes] = array.tobytes()
    header: dict[str, Any] = {
        "version": VERSION,
        "feature_version": FEATURE_VERSION,
        "features": list(PACK_FEATURES),
        "n_people": n_people,
        "least_people": least_people,
        "provenance": dict(provenance),
        "arrays": {name: [array.dtype.str, list(array.shape), begin] for name, (begin, array) in laid.items()},
    }
    digest = blake2b(body, digest_size=16)
    digest.update(_told(header))
    header["digest"] = digest.hexdigest()
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-(len(MAGIC) + 8 + len(text)) % _ALIGNED)
    return write_whole(path, MAGIC + len(text).to_bytes(8, "little") + text + body)


def _told(header: Mapping[str, Any]) -> bytes:
    return json.dumps({key: header[key] for key in header if key != "digest"}, sort_keys=True).encode()


def _header(view: memoryview) -> tuple[dict[str, Any], int]:
    begin = len(MAGIC) + 8
    n = int.from_bytes(view[len(MAGIC) : begin], "little")
    if bytes(view[: len(MAGIC)]) != MAGIC or n > _MAX_HEADER or begin + n > len(view):
        raise InputError("the file is no prior pack", field="prior")
    try:
        header = json.loads(bytes(view[begin : begin + n]))
        version, features = (header["version"], header["feature_version"]), header["features"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InputError("the pack is damaged: take a sound copy", field="prior") from None
    if version != (VERSION, FEATURE_VERSION) or features != list(PACK_FEATURES):
        raise InputError("the pack was made for another version of recsys: build it anew", field="prior")
    return header, begin + n


def _arrays(view: memoryview, header: Mapping[str, Any], begin: int) -> dict[str, NDArray[Any]]:
    arrays = {}
    known = {**_ARRAYS, **_RANKER, **_TREES}
    try:
        for name, (dtype, shape, at) in header["arrays"].items():
            if dtype != known[name][0] or any(type(n) is not int or n < 0 for n in (at, *shape)):
                raise InputError("the pack is damaged: take a sound copy", field="prior")
            n = int(np.prod(shape, dtype=np.int64))
            arrays[name] = np.frombuffer(view, dtype, n, begin + at).reshape(shape)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise InputError("the pack is damaged: take a sound copy", field="prior") from None
    return arrays


def _prior_of(a: Mapping[str, NDArray[Any]]) -> Prior | None:
    if "w0" not in a and "tree_leaf" not in a:
        return None
    start = Prior(a["w0"], a["P0"]) if "w0" in a else Prior.default()
    return Prior(start.w0, start.covariance, _trees_of(a)) if "tree_leaf" in a else start


def _trees_of(a: Mapping[str, NDArray[Any]]) -> Forest:
    """Read trees, whatever the bytes are: each is walked, and is a tree or refused."""
    from recsys.learn.forest import MOST_LEAVES, Arrays, Forest
    from recsys.learn.standing import N_STANDINGS

    given = [a[name].astype(np.dtype(dtype).newbyteorder("=")) for name, (dtype, _) in _TREES.items()]
    t = len(given[0])
    shapes = [(t, MOST_LEAVES - 1)] * (len(given) - 1) + [(t, MOST_LEAVES)]
    if not 0 < t <= _MOST_TREES or [one.shape for one in given] != shapes:
        raise InputError("the trees of the pack have a wrong shape", field="prior")
    if not all(np.isfinite(one).all() and np.abs(one).max() <= _LARGEST_VALUE for one in given[-2:]):
        raise InputError("the trees of the pack are not usable", field="prior")
    try:
        return Forest(Arrays(*given), n_features=N_STANDINGS)
    except ValueError:
        raise InputError("the trees of the pack are not usable", field="prior") from None


def _check(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Hold the arrays against what the module says of them, so that no later look-up can go astray."""
    sizes = {"3": 3, "2": 2, "1": 1, "f": len(PACK_FEATURES)}
    n_of_trees = len(_TREES.keys() & arrays.keys())
    if (
        not arrays.keys() >= _ARRAYS.keys()
        or ("w0" in arrays) != ("P0" in arrays)
        or n_of_trees not in (0, len(_TREES))
    ):
        raise InputError("the pack lacks some of its parts", field="prior")
    for name, (_, letters) in _ARRAYS.items():
        dimensions = [letter for letter in letters if letter != "+"]
        shape = arrays[name].shape
        if len(shape) != len(dimensions):
            raise InputError("a part of the pack has a wrong shape", field="prior")
        for letter, size in zip(dimensions, shape, strict=True):
            if sizes.setdefault(letter, size - letters.endswith("+")) != size - letters.endswith("+"):
                raise InputError("a part of the pack has a wrong shape", field="prior")
    a, n = arrays, sizes["n"]
    if n > _MAX_ITEMS or sizes["d"] > _MAX_FACTORS:
        raise InputError("the pack is too large", field="prior")
    begin, keys = a["near_begin"], a["keys"]
    sound = (
        all(np.isfinite(a[name]).all() for name in _FINITE)
        and all(np.abs(a[name]).max(initial=0.0) <= most for name, most in _LIMITS.items())
        and bool((a["half_lives"] > 0).all())
        and bool((keys[1:] > keys[:-1]).all())
        and not begin[0]
        and begin[-1] == len(a["near_item"])
        and bool((begin[1:] >= begin[:-1]).all())
        and bool((a["near_item"] < max(n, 1)).all())
    )
    if not sound:
        raise InputError("a part of the pack is not usable", field="prior")
