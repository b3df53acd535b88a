"""The tests; their folders mirror the package."""

import os

if os.environ.get("RECSYS_TEST_KEY"):
    import tests.keyed  # noqa: F401 (from here on files are encrypted)
