"""What every test shares: the hypothesis profiles.

``HYPOTHESIS_PROFILE`` chooses one: ``ci`` (the default: the same examples every run),
``explore`` (new examples every run) or ``thorough`` (many new examples).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A shared machine is slow at times; that is no fault of the code under test.
_PATIENT = {"deadline": None, "suppress_health_check": (HealthCheck.too_slow,)}

settings.register_profile("ci", settings.get_profile("default"), derandomize=True, database=None, **_PATIENT)
settings.register_profile("explore", settings.get_profile("default"), derandomize=False, **_PATIENT)
settings.register_profile("thorough", settings.get_profile("explore"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
