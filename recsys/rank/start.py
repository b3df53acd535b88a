"""What a recommender starts with: a prior of its weights, and a pack where one is given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from recsys.errors import InputError
from recsys.prior.features import MAGIC
from recsys.prior.weights import Prior

if TYPE_CHECKING:
    from recsys.learn.content import Embedder
    from recsys.rank.knowledge import Knowledge

__all__ = ["embedder_of", "start_of"]


def start_of(given: object) -> tuple[Prior, Knowledge | None]:
    """Take a prior, a pack, or the path of either; None is the prior that ships with recsys.

    Raises
    ------
    InputError
        When it is neither, or cannot be used.
    """
    if given is None or isinstance(given, Prior) or (isinstance(given, (str, os.PathLike)) and not _is_pack(given)):
        return Prior.of(given), None
    from recsys.prior.pack import Pack
    from recsys.rank.knowledge import Knowledge

    pack = given if isinstance(given, Pack) else Pack.load(given) if isinstance(given, (str, os.PathLike)) else None
    if pack is None:
        return Prior.of(given), None  # which says what is needed
    return pack.prior or Prior.default(), Knowledge(pack)


def embedder_of(given: object) -> Embedder | None:
    """Take the host's function from texts to vectors."""
    if given is None:
        return None
    if not callable(given):
        raise InputError("embedder: a function of a list of texts is needed", field="embedder")
    from recsys.learn.content import Embedder

    return Embedder(given)


def _is_pack(path: str | os.PathLike[str]) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is slow to import
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False
