"""What every test shares: the hypothesis profiles, and which tests stay outside the wall.

``HYPOTHESIS_PROFILE`` chooses one: ``ci`` (the default: the same examples every run),
``explore`` (new examples every run) or ``thorough`` (many new examples).
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.wall.outside import reason_outside, standing_guard

# A shared machine is slow at times; that is no fault of the code under test.
_PATIENT = {"deadline": None, "suppress_health_check": (HealthCheck.too_slow,)}

settings.register_profile("ci", settings.get_profile("default"), derandomize=True, database=None, **_PATIENT)
settings.register_profile("explore", settings.get_profile("default"), derandomize=False, **_PATIENT)
settings.register_profile("thorough", settings.get_profile("explore"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Inside the seal or under strace, skip the tests that build or break such walls."""
    guard = standing_guard()
    for item in items:
        reason = reason_outside(item.nodeid, guard)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
