"""What is asked of one person's log, what it can change at most, and its noised answer.

All of a query is public: it must be chosen without looking at the log. In go the tags of the items that were
used, out come integers, one for each tag of the query.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from recsys.privacy.noise import Bits, discrete_laplace

__all__ = ["VERSION", "Query", "text_of"]

VERSION = 1  # of the payload's form and of the way it is drawn

Tally = Iterable[tuple[Sequence[str], int]]


@dataclass(frozen=True)
class Query:
    """A histogram of uses by tag, noised so that any two logs of the person are hard to tell apart.

    Parameters
    ----------
    tags : tuple of str
        Distinct; an answer has one integer for each, in this order, whatever the log holds.
    most_per_tag, most_in_all : int
        At least 1: what a tag, and all tags together, count at most.
    kinds : tuple of str, optional
        Sorted; None takes every kind of use.
    since_us, until_us : int, optional
        ``since_us <= at_us < until_us``, microseconds since 1970-01-01 UTC.
    epsilon : Fraction
        Positive: for any two logs and any set of answers, the probabilities differ by a factor of ``exp(epsilon)``
        at most.

    Notes
    -----
    **Sensitivity.** One device holds one person, so neighbours are *any* two logs (and any two catalogues). A clamped
    histogram ``h`` over ``m`` tags has ``0 <= h_i <= c`` and ``Σ h_i <= T``, with ``c = most_per_tag`` and
    ``T = most_in_all``. For any two such ``h``, ``h'``:

    ``Σ |h_i - h'_i| <= min(T, c·⌊m/2⌋) + min(T, c·⌈m/2⌉)``, which is at most ``min(2T, c·m)``.

    *Proof.* Where both are positive, lowering both by the smaller leaves the distance and keeps the bounds; so let them
    have no tag in common, ``h`` on ``k`` tags at most and ``h'`` on ``m - k``. Then the distance is ``Σ h_i + Σ h'_i <=
    f(k) + f(m - k)`` with ``f(k) = min(T, c·k)``. ``f`` is concave, so the sum is largest where ``k`` and ``m - k``
    differ least. It is reached, by ``h`` full on the first half of the tags and ``h'`` on the other.

    Discrete Laplace noise of scale ``sensitivity / epsilon`` on every tag then gives every answer under ``h`` at most
    ``exp(Σ |h_i - h'_i| · epsilon / sensitivity) <= exp(epsilon)`` times its probability under ``h'``.

    Stability: provisional
    """

    tags: tuple[str, ...]
    most_per_tag: int
    most_in_all: int
    kinds: tuple[str, ...] | None
    since_us: int | None
    until_us: int | None
    epsilon: Fraction

    def __repr__(self) -> str:
        return f"Query(<redacted>, n_tags={len(self.tags)})"

    @property
    def sensitivity(self) -> int:
        """How far the clamped histograms of two logs can be apart, in all: see the notes."""
        half = len(self.tags) // 2
        return sum(min(self.most_in_all, self.most_per_tag * k) for k in (half, len(self.tags) - half))

    @property
    def scale(self) -> Fraction:
        """The scale of the noise on each count."""
        return Fraction(self.sensitivity) * Fraction(self.epsilon.denominator, self.epsilon.numerator)

    @property
    def fields(self) -> dict[str, object]:
        """The query as JSON would have it."""
        return {
            "epsilon": text_of(self.epsilon),
            "kinds": self.kinds,
            "most_in_all": self.most_in_all,
            "most_per_tag": self.most_per_tag,
            "since_us": self.since_us,
            "tags": self.tags,
            "until_us": self.until_us,
            "version": VERSION,
        }

    @property
    def text(self) -> str:
        """The one spelling of the query: equal queries, equal texts."""
        return _CANONICAL.encode(self.fields)

    def counted(self, tally: Tally) -> list[int]:
        """How often an item with each tag was used, exactly: never to leave this module's callers.

        Parameters
        ----------
        tally : iterable of (sequence of str, int)
            The tags of an item, and how often it was used.
        """
        counts = dict.fromkeys(self.tags, 0)
        for tags, n in tally:
            for tag in counts.keys() & set(tags):
                counts[tag] += n
        return list(counts.values())

    def clamped(self, counts: Sequence[int]) -> list[int]:
        """Lower all counts in proportion until they sum to ``most_in_all`` at most, then each to ``most_per_tag``.

        What integer division leaves over goes to the largest remainders, of equal ones to the first.
        """
        shares, total, most = list(counts), sum(counts), self.most_in_all
        if total > most:
            shares = [n * most // total for n in counts]
            order = sorted(range(len(counts)), key=lambda i: (-(counts[i] * most % total), i))
            for i in order[: most - sum(shares)]:
                shares[i] += 1
        return [min(n, self.most_per_tag) for n in shares]

    def noised(self, counts: Sequence[int], bits: Bits) -> list[int]:
        """Clamped counts with independent noise on each; may be negative."""
        scale = self.scale
        return [n + discrete_laplace(scale, bits) for n in counts]

    def answer(self, tally: Tally, bits: Bits) -> list[int]:
        """Count, clamp, noise: all that is ever known of a log outside. O(items used + tags).

        Parameters
        ----------
        tally : iterable of (sequence of str, int)
            The tags of an item, and how often it was used.
        bits : callable
            The source of randomness.
        """
        return self.noised(self.clamped(self.counted(tally)), bits)

    def payload(self, counts: Sequence[int], budget: Fraction) -> bytes:
        """Noised counts as what is released: canonical JSON in UTF-8."""
        fields = {
            "budget": text_of(budget),
            "counts": counts,
            "query": self.fields,
            "scale": text_of(self.scale),
            "sensitivity": self.sensitivity,
        }
        return _CANONICAL.encode(fields).encode()


def text_of(number: Fraction) -> str:
    """A rational as ``"n/d"``, in lowest terms."""
    return f"{number.numerator}/{number.denominator}"


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
