"""Exact discrete Laplace noise, from random bits and integers alone.

Floating-point noise is not differentially private: which numbers it can reach depends on what it is added to
(Mironov 2012). Here no floating-point number occurs. The algorithms are those of Canonne, Kamath and Steinke,
"The Discrete Gaussian for Differential Privacy" (2020), section 5: a coin that falls with probability ``exp(-γ)``
from fair draws (their algorithm 1), and from such coins the noise (their algorithm 2).

The time that a draw takes depends on what is drawn; whoever can time it to the microsecond learns something.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

__all__ = ["Bits", "below", "bernoulli_exp", "discrete_laplace"]

Bits: TypeAlias = Callable[[int], int]
"""``bits(k)`` gives ``k`` independent fair bits as an integer in ``[0, 2**k)``, as ``secrets.randbits`` does."""


def below(n: int, bits: Bits) -> int:
    """Draw an integer uniformly from ``[0, n)``.

    Parameters
    ----------
    n : int
        At least 1.
    bits : callable
        The source of randomness.

    Returns
    -------
    int
        Fewer than two tries are expected: what falls outside is drawn again.

    Stability: provisional
    """
    width = (n - 1).bit_length()
    while True:
        drawn = bits(width) if width else 0
        if drawn < n:
            return drawn


def bernoulli_exp(a: int, b: int, bits: Bits) -> bool:
    """Toss a coin that is True with probability ``exp(-a / b)``, exactly.

    ``K`` counts up for as long as a coin of probability ``γ/K`` falls, ``γ = a/b``. So ``P(K > n) = γⁿ/n!``, and
    ``P(K is odd) = Σ (-γ)ⁿ/n! = exp(-γ)``.

    Parameters
    ----------
    a, b : int
        ``0 <= a <= b``, ``b >= 1``.
    bits : callable
        The source of randomness.

    Stability: provisional
    """
    k = 1
    while below(b * k, bits) < a:
        k += 1
    return k % 2 == 1


def discrete_laplace(scale: Fraction, bits: Bits) -> int:
    """Draw an integer ``x`` with probability ``(1 - r) / (1 + r) · r^|x|``, ``r = exp(-1 / scale)``, exactly.

    With ``scale = t/s``: ``u + t·v`` has probability in proportion to ``exp(-(u + t·v) / t)``, its quotient by ``s``
    to ``exp(-y·s/t)``; a fair sign, with the second zero drawn again, makes both sides of it.

    Parameters
    ----------
    scale : Fraction
        Positive. Adding the draw to an integer that changes by at most ``Δ`` is ``Δ / scale``-differentially private.
    bits : callable
        The source of randomness.

    Returns
    -------
    int
        Mean 0, variance ``2r / (1 - r)²``, about ``2·scale²``. Some ten draws of a few bits are expected.

    Stability: provisional
    """
    t, s = scale.numerator, scale.denominator
    while True:
        u = below(t, bits)
        if not bernoulli_exp(u, t, bits):
            continue
        v = 0
        while bernoulli_exp(1, 1, bits):
            v += 1
        magnitude = (u + t * v) // s
        negative = below(2, bits)
        if not negative:
            return magnitude
        if magnitude:
            return -magnitude
