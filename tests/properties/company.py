"""What the tests of threads, connections and processes on one file share."""

from __future__ import annotations

from typing import Final

from recsys import Settings

# Few checkpoints are enough; who waits for another waits at most this long.
SETTINGS: Final = Settings(synchronous="normal", checkpoint_events=16, busy_timeout_ms=20_000)
