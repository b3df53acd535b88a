"""What is known of candidates besides the person's log of them, and how it is added to their scores.

Whoever speaks (a prior pack, the items' content) says it in a :class:`Told`: features of the candidates at this
moment with fixed weights. Their weighted sum is added to the model's score, as steering is; nothing of it is learnt or
kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["AT_BEGINNINGS", "Like", "Said", "Told"]

# After a silence, what is known of items says less of what comes next than within a session: this part of the weights
# counts. With all of them what is new crowds out what a person comes back for (quality/uci-online-retail-pack).
AT_BEGINNINGS: Final = 0.15


class Told(Protocol):
    """What one who knows something says of a pool's candidates; ``f`` features."""

    @property
    def names(self) -> Sequence[str]:
        """The features' names."""

    @property
    def groups(self) -> Sequence[str]:
        """Which group of reasons each feature belongs to."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """The features' weights, shape (f,)."""

    def offsets(self) -> NDArray[np.float64]:
        """Give what is added to each column's score, shape (n_columns,)."""

    def offsets_untouched(self) -> NDArray[np.float64]:
        """Give what is added to the score of each untouched candidate, shape (n_untouched,)."""

    def of(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.float64]:
        """Give the features of some candidates, shape (f, n).

        ``places`` are theirs among the untouched, -1 for who has a column.
        """

    def most_like(self, columns: NDArray[np.intp], places: NDArray[np.intp]) -> list[int]:
        """Give the slot of what each of some candidates is most like among the last uses; 0 for none."""

    def only(self, columns: NDArray[np.intp]) -> Told:
        """Keep some columns."""

    def averages(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.float64]:
        """Give the mean of each feature over the candidates, shape (f,)."""


class Like(NamedTuple):
    """Which item used lately another is most like: what a person calls it, how often it was used, and when last.

    ``title`` is empty where it is like none.
    """

    title: str
    n_events: int
    last_at: float | None


class Said(NamedTuple):
    """What one says of the items of a slate: features (f, k), their averages and their weights (f,)."""

    names: Sequence[str]
    groups: Sequence[str]
    features: NDArray[np.float64]
    average: NDArray[np.float64]
    weights: NDArray[np.float64]
    like: Sequence[Like] = ()  # of each item, where content is what speaks

    def contributions(self, position: int) -> NDArray[np.float64]:
        """Give each feature's part in the item's distance from the average, shape (f,)."""
        given: NDArray[np.float64] = self.weights * (self.features[:, position] - self.average)
        return given

    def of_group(self, group: str, position: int) -> float:
        """Sum the parts of one group's features."""
        parts = self.contributions(position).tolist()
        return float(sum(part for part, of in zip(parts, self.groups, strict=True) if of == group))
