"""A process that records is killed at any moment: nothing acknowledged is lost, nothing forgotten comes back.

The child acknowledges on its standard output; the parent sends SIGKILL at seeded moments and opens the file.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from recsys import Recommender, Settings
from tests.properties.eyes import rebuilt_bytes, state_bytes

ROOT: Final = Path(__file__).parents[2]
SETTINGS: Final = Settings(synchronous="normal", checkpoint_events=16)
N_KILLS: Final = 8

# Each line that it prints is true from then on: "+uid" it is recorded, "?uid" it may be gone, "-uid" it is forgotten.
_CHILD: Final = """
import random, sys
import tests.keyed
from recsys import Recommender, Settings
path, seed, acknowledge = sys.argv[1], int(sys.argv[2]), sys.argv[3]
draw = random.Random(seed)
rec = Recommender(path, settings=Settings(synchronous="normal", checkpoint_events=16))
rec.add([{"id": f"item-{n}", "tags": ["t"]} for n in range(9)])
say = lambda sign, uids: print("".join(f"{sign}{uid}\\n" for uid in uids), end="", flush=True)
mine, second = [], 1_700_000_000 + 1_000_000 * seed
while True:
    second += draw.randrange(100)
    item, deed = f"item-{draw.randrange(12)}", draw.random()
    if deed < 0.5:
        uids = [rec.record(item, draw.choice(("play", "skip")), at=second, context={"n": draw.randrange(4)})]
    elif deed < 0.7:
        uids = rec.record_many([{"item_id": f"item-{k}", "at": second + k / 10} for k in range(draw.randrange(1, 9))])
    elif deed < 0.8:
        uids = [rec.record(item, at=second - 5_000)]
    elif deed < 0.9:
        slate = rec.recommend(4, at=second, explore=1.0)
        uids = [rec.shown(slate, at=second), rec.record(slate[0].item_id, at=second + 1, slate=slate)]
    elif mine and deed < 0.97:
        gone = draw.sample(mine, min(len(mine), 3))
        say("?", gone)
        rec.forget(events=gone)
        mine = [uid for uid in mine if uid not in gone]
        say("-", gone)
        continue
    else:
        rec.maintain()
        continue
    mine += uids
    say("+", uids if acknowledge == "after" else [*uids, "never recorded"])
"""


class Death(NamedTuple):
    """What the child had said when it was killed."""

    recorded: set[str]
    doubtful: set[str]
    forgotten: set[str]


def live_and_die(path: Path, seed: int, *, acknowledge: str = "after") -> Death:
    """Run a child on the file and kill it at a moment that the seed chooses, after its first acknowledgement."""
    command = [sys.executable, "-c", _CHILD, str(path), str(seed), acknowledge]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        said = [child.stdout.readline()]
        assert said[0].startswith("+"), "the child could not begin"
        time.sleep(random.Random(seed).uniform(0.0, 0.4))
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read().split("\n")[:-1]
    assert child.returncode == -signal.SIGKILL
    heard = {sign: {line.strip()[1:] for line in said if line.startswith(sign)} for sign in "+?-"}
    return Death(heard["+"] - heard["?"], heard["?"] - heard["-"], heard["-"])


def losses(path: Path, deaths: list[Death]) -> list[str]:
    """What is wrong with the file after these deaths."""
    wrong = []
    with Recommender(path, settings=SETTINGS) as rec:
        uids = {event.uid for event in rec._store.events()}
        if any(death.recorded - uids for death in deaths):
            wrong.append("an acknowledged event is lost")
        if any(death.forgotten & uids for death in deaths):
            wrong.append("a forgotten event came back")
        if state_bytes(rec) != rebuilt_bytes(rec):
            wrong.append("the state is not what the log teaches")
        wrong += [finding.message for finding in rec.check() if finding.severity == "error"]
        rec.record("item-0", at=1_600_000_000 + len(deaths))
    return wrong


kills = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")


@kills
def test_nothing_acknowledged_is_lost_and_nothing_forgotten_comes_back(tmp_path: Path) -> None:
    """F3, R1: eight lives on one file, each ended by a kill."""
    path = tmp_path / "me.db"
    deaths: list[Death] = []
    for seed in range(N_KILLS):
        deaths.append(live_and_die(path, seed))
        assert losses(path, deaths) == []
    assert len(deaths) == N_KILLS
    assert sum(len(death.recorded) for death in deaths) > 10 * N_KILLS
    assert sum(len(death.forgotten) for death in deaths) > N_KILLS
    content = path.read_bytes()
    assert not any(uid.encode() in content for death in deaths for uid in death.forgotten)


@kills
def test_an_acknowledgement_of_what_was_not_recorded_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    assert losses(path, [live_and_die(path, 1, acknowledge="before")]) == ["an acknowledged event is lost"]


def test_a_forgotten_event_that_comes_back_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path, settings=SETTINGS) as rec:
        uid = rec.record("a")
    assert losses(path, [Death(set(), set(), {uid})]) == ["a forgotten event came back"]
