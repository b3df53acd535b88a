"""The full run: every kill point of every deed, thousands of power cuts, every storage error; a table, and counts.

``scripts/crash`` calls it. Fails when a fault was found, when a planted one was not, or when too little was executed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from recsys.learn.trees import can_grow
from tests.crash.company import killed_in_company
from tests.crash.deeds import GROWING, SWEPT
from tests.crash.kill_sweep import Ward, killed, killed_at_tree, points, ward
from tests.crash.power_loss import CONTROLS, TREE_CONTROLS, judged, lived, states
from tests.crash.storage_errors import TRIED, TRIED_GROWING, suffered, troubles
from tests.crash.syscalls import why_not
from tests.keyed import KEY

LEAST = {"kill": 300, "power": 3_000, "storage": 300, "company": 20}
LEAST |= {"kill-trees": 1_000, "power-trees": 1_500, "storage-trees": 300, "company-trees": 20}
N_CONTROL = 400


class Table:
    """Lines of counts, and the sums of what was executed and found."""

    def __init__(self) -> None:
        self.n: Counter[str] = Counter()
        self.n_bad: Counter[str] = Counter()
        self.blind: list[str] = []

    def line(self, part: str, name: str, found: Iterable[list[str]], *, wanted: str | None = None) -> None:
        """Print one line: what was executed, and what was wrong, by kind; `wanted`: a control that must find this."""
        started = time.monotonic()
        n = n_bad = 0
        kinds: Counter[str] = Counter()
        for faults in found:
            n += 1
            n_bad += bool(faults)
            kinds.update({fault.split(":")[0] for fault in faults})
        told = "; ".join(f"{kind} ({count})" for kind, count in kinds.most_common()) or "sound"
        print(f"{part:13} {name:42} {n:6} {time.monotonic() - started:7.1f} s  {told}", flush=True)
        if wanted is None:
            self.n[part] += n
            self.n_bad[part] += n_bad
        elif not kinds[wanted]:
            self.blind.append(f"{part}, {name}")

    def verdict(self, parts: Iterable[str]) -> int:
        """Print the counts; the exit code."""
        failed = bool(self.blind)
        for part in parts:
            enough = self.n[part] >= LEAST[part]
            failed = failed or not enough or self.n_bad[part] > 0
            note = "" if enough else f" (too few: {LEAST[part]} are wanted)"
            print(f"{part}: {self.n[part]} executed{note}, {self.n_bad[part]} with faults")
        for control in self.blind:
            print(f"a planted fault was not found: {control}")
        return int(failed)


def kill(w: Ward, table: Table) -> None:
    """SIGKILL at every call of every deed."""
    for deed in SWEPT:
        deaths = (killed(w, point) for point in points(w, deed))
        table.line("kill", deed, (death.faults for death in deaths if death))
    if KEY:  # in an encrypted file no byte is found in any case
        return
    found = points(w, "forget items", sound=False, fault="naive")
    deaths = (killed(w, point, fault="naive") for point in found)
    wanted = "bytes of a forgotten event are left"
    table.line("kill", "control: forget items, naive", (death.faults for death in deaths if death), wanted=wanted)


def kill_trees(w: Ward, table: Table) -> None:
    """The same where trees are grown; and death at every tree, before it is grown and before it is written."""
    for deed in GROWING:
        deaths = (killed(w, point) for point in points(w, deed))
        table.line("kill-trees", deed, (death.faults for death in deaths if death))
    for deed in GROWING:
        deaths = (killed_at_tree(w, deed, n, grown=grown) for n in itertools.count(1) for grown in (False, True))
        found = itertools.takewhile(bool, deaths)  # up to the last tree that it grows
        table.line("kill-trees", f"{deed}, at a tree", (death.faults for death in found if death))
    for job, wanted in TREE_CONTROLS:
        found = points(w, "grow: forget half grown", sound=False, **job)
        deaths = (killed(w, point, **job) for point in found)
        name = f"control: {job['fault']}"
        table.line("kill-trees", name, (death.faults for death in deaths if death), wanted=wanted)


def power(w: Ward, table: Table) -> None:
    """Power cuts in one life, and in lives with a planted fault."""
    found = list(states(*lived(w), n_random=4, every=2))
    chosen = random.Random(1).sample(found, min(len(found), LEAST["power"] + 500))
    table.line("power", f"a life, {len(found)} states, of them", (judged(w, state) for state in chosen))
    for job, wanted in CONTROLS:
        found = list(states(*lived(w, **job), n_random=1, every=20))
        chosen = random.Random(1).sample(found, min(len(found), N_CONTROL))
        name = "control: " + ", ".join(f"{key} {value}" for key, value in job.items())
        table.line("power", name, (judged(w, state) for state in chosen), wanted=wanted)


def power_trees(w: Ward, table: Table) -> None:
    """Power cuts in a life with trees, and in such lives with a planted fault."""
    life = "life, with trees"
    found = list(states(*lived(w, life), n_random=4, every=3))
    chosen = random.Random(1).sample(found, min(len(found), LEAST["power-trees"] + 500))
    table.line("power-trees", f"a life, {len(found)} states, of them", (judged(w, state, life) for state in chosen))
    for job, wanted in TREE_CONTROLS:
        if job["fault"] == "trees later":  # between its two transactions are few states, all of them found by a kill
            continue
        found = list(states(*lived(w, life, **job), n_random=1, every=20))
        chosen = random.Random(1).sample(found, min(len(found), N_CONTROL))
        name = f"control: {job['fault']}"
        table.line("power-trees", name, (judged(w, state, life) for state in chosen), wanted=wanted)


def storage(w: Ward, table: Table, part: str = "storage", tried: Sequence[str] = TRIED) -> None:
    """Each write, sync and change of size fails; of plain writes in a long row, each tenth."""
    for deed in tried:
        found = points(w, deed)
        chosen = [p for p in found if p.call != "pwrite64" or p.n <= 4 or p.n % 10 == 0 or p.n > len(found) - 4]
        ends: Counter[str] = Counter()

        def outcomes(chosen: list = chosen, ends: Counter[str] = ends) -> Iterable[list[str]]:
            for trouble in troubles(chosen):
                outcome = suffered(w, trouble)
                ends.update(outcome.ends)
                yield outcome.faults

        table.line(part, deed, outcomes())
        print(f"{'':56} ends: {dict(ends)}")


def storage_trees(w: Ward, table: Table) -> None:
    """The same where trees are grown."""
    storage(w, table, "storage-trees", TRIED_GROWING)


def company(
    w: Ward, table: Table, part: str = "company", tried: Sequence[str] = ("forget items", "forget events")
) -> None:
    """Kill one that forgets while two others record."""
    for deed in tried:
        chosen = random.Random(1).sample(points(w, deed), LEAST[part])
        deaths = (killed_in_company(w, point) for point in chosen)
        table.line(part, deed, (death.faults for death in deaths if death))


def company_trees(w: Ward, table: Table) -> None:
    """Kill one that forgets and grows while two others record and grow."""
    company(w, table, "company-trees", ("grow: forget events", "grow: forget half grown"))


PARTS: dict[str, Callable[[Ward, Table], None]] = {
    "kill": kill,
    "power": power,
    "storage": storage,
    "company": company,
    "kill-trees": kill_trees,
    "power-trees": power_trees,
    "storage-trees": storage_trees,
    "company-trees": company_trees,
}


def main() -> int:
    """Run the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="scripts/crash", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of: {', '.join(PARTS)}; all when none is given")
    parts = parser.parse_args().parts or [part for part in PARTS if not part.endswith("-trees") or can_grow()]
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if reason := why_not():
        print(f"skipped: {reason}")
        return 0
    table = Table()
    with ward() as w:
        for part in parts:
            PARTS[part](w, table)
    return table.verdict(parts)


if __name__ == "__main__":
    sys.exit(main())
