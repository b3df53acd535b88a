"""What a set is read into: one log a person, and the error that names what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.types import Event

__all__ = ["MIN_EVENTS", "Log", "MissingDataError", "Row", "Users"]

MIN_EVENTS = 50  # users with fewer are left out of the samples that the benchmarks draw

Row: TypeAlias = Mapping[str, str]
Users: TypeAlias = list[tuple[str, list[dict[str, str]]]]


class MissingDataError(LookupError):
    """Something that is read from a file is not there; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Log:
    """One user of a set, who stands for one device.

    Parameters
    ----------
    user : str
        The set's own (opaque) name.
    events : list of Event
        Ordered by ``(at_us, uid)``; ties keep the order of the file.
    scored : ndarray of bool, shape (n_events,)
        Which events the set's protocol scores.
    baskets : tuple of str or None
        The invoice or basket of each event, in the set's own names; None where the set knows none.
    """

    user: str
    events: list[Event]
    scored: NDArray[np.bool_]
    baskets: tuple[str, ...] | None = None
