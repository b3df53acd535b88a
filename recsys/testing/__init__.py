"""For the tests of apps that embed recsys. Nothing in here is loaded by ``import recsys``.

``recsys.testing.strategies`` draws items, events and whole histories with Hypothesis, odd ones included.
"""

from __future__ import annotations

__all__: list[str] = []
