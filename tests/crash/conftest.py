"""What the sweeps share: where they begin and the processes that are killed, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.kill_sweep import Ward, ward
from tests.crash.syscalls import why_not


@pytest.fixture(scope="module")
def w() -> Iterator[Ward]:
    if reason := why_not():
        pytest.skip(reason)
    with ward() as found:
        yield found
