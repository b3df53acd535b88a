"""R2: while two processes record, a third forgets and is killed: nothing acknowledged is lost."""

from __future__ import annotations

import random

from tests.crash.company import RECORDERS, killed_in_company, together
from tests.crash.deeds import DEEDS
from tests.crash.kill_sweep import Ward, points
from tests.crash.verdict import legal

N_KILLS = 2


def test_a_kill_among_others_loses_nothing(w: Ward) -> None:
    """R2, F3."""
    found = points(w, "forget items")
    deaths = [killed_in_company(w, point) for point in random.Random(1).sample(found, N_KILLS + 1)]
    executed = [death for death in deaths if death is not None]
    assert len(executed) >= N_KILLS
    assert [death for death in executed if death.faults] == []


def test_what_several_acknowledged_is_expected_of_the_one_file() -> None:
    names = [*RECORDERS, "forget items"]
    said = [[[word, n, ""] for n in range(len(DEEDS[name].steps)) for word in ("about", "done")] for name in names]
    deed, lines = together(names, said)
    (held,) = legal(deed, lines).states
    recorded = frozenset().union(*(step.adds for name in RECORDERS for step in DEEDS[name].steps))
    assert len(recorded) > 15
    assert recorded < held
    assert not held & DEEDS["forget items"].steps[0].drops
    assert len(legal(deed, lines[:-1]).states) == 2
