"""The kill sweep: SIGKILL at every system call that changes a file, for every deed; then the file is opened and judged.

The kill comes at the entry of the call, which is then not made. A point counts only when the process really died
there by that signal.
"""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.crash import deeds
from tests.crash.deeds import DEEDS, OLD
from tests.crash.nursery import Nursery
from tests.crash.syscalls import Call, Tracer, recorded, traced
from tests.crash.verdict import faults_in
from tests.small_trees import small_trees


def _sown(path: Path, *, grown: bool = False) -> None:
    with small_trees():
        deeds.fill(path, trees=True, grown=grown)


BASES: Final[dict[str, Callable[[Path], None]]] = {
    "filled": deeds.fill,
    "sown": _sown,
    "grown": lambda path: _sown(path, grown=True),
}


class Point(NamedTuple):
    """Where to kill: at the n-th call of a name on these files, counted from 1."""

    deed: str
    call: str
    n: int
    paths: tuple[str, ...]


class Death(NamedTuple):
    """A point that was executed, and what was wrong afterwards."""

    point: Point
    faults: list[str]


class Ward:
    """A folder for the lives of a sweep: the base files, each made once, and the nurseries; the first one scans too."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._nurseries: list[Nursery] = []
        self._n = 0

    def nurseries(self, n: int) -> list[Nursery]:
        """So many nurseries, for lives at the same time."""
        while len(self._nurseries) < n:
            self._nurseries.append(self._stack.enter_context(closing(Nursery())))
        return self._nurseries[:n]

    @property
    def nursery(self) -> Nursery:
        return self.nurseries(1)[0]

    def fresh(self, base: str) -> Path:
        """A new folder with a copy of the base file; the path of that file."""
        self._n += 1
        folder = self.folder / f"life-{self._n}"
        if base in BASES:
            if not (self.folder / base).exists():
                (self.folder / base).mkdir()
                BASES[base](self.folder / base / "me.db")
            shutil.copytree(self.folder / base, folder)
        else:
            folder.mkdir()
            if base != "none":
                shutil.copyfile(OLD / f"{base}.db", folder / "me.db")
        return folder / "me.db"

    def clear(self, path: Path) -> None:
        """Remove the folder of a file that was judged."""
        shutil.rmtree(path.parent)


@contextmanager
def ward() -> Iterator[Ward]:
    """A ward in a temporary folder, in memory where there is such a file system."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder, ExitStack() as stack:
        yield Ward(Path(folder), stack)


def points(w: Ward, deed: str, *, sound: bool = True, **job: object) -> list[Point]:
    """Every point of a deed, from a life of it that nobody disturbs; `sound`: which must be as it ought to be."""
    path = w.fresh(DEEDS[deed].base)
    end, calls = recorded(w.nursery, w.folder / "trace", path=str(path), deed=deed, **job)
    assert end.killed_by == 0, f"{deed} does not end well undisturbed: {end.said[-2:]}"
    assert sum(line[0] == "done" for line in end.said) == len(DEEDS[deed].steps), end.said
    faults = faults_in(path.parent, DEEDS[deed], end.said, w.nursery)
    assert not (sound and faults), f"{deed} is not sound undisturbed: {faults}"
    return points_of(deed, calls, path.parent)


def points_of(deed: str, calls: Iterable[Call], folder: Path) -> list[Point]:
    """The points at these calls: of each name, the first to the last."""
    changing = [call for call in calls if call.name not in ("said", "create")]
    names = tuple(sorted({str(Path(call.path).relative_to(folder)) for call in changing}))
    counts: Counter[str] = Counter()
    found = []
    for call in changing:
        counts[call.name] += 1
        found.append(Point(deed, call.name, counts[call.name], names))
    return found


def injected(pid: int, point: Point, folder: Path, what: str, *, lasting: bool = False) -> Tracer:
    """Attach a tracer that does something to the process at the point; `lasting`: and at every later such call."""
    watched = [option for name in point.paths for option in ("-P", str(folder / name))]
    when = f"{point.n}+" if lasting else str(point.n)
    return Tracer(pid, *traced([point.call]), *watched, "-e", f"inject={point.call}:{what}:when={when}")


def killed(w: Ward, point: Point, **job: object) -> Death | None:
    """Live until the point, and judge what is left; None when the life ended without reaching it."""
    path = w.fresh(DEEDS[point.deed].base)
    pid = w.nursery.raised(path=str(path), deed=point.deed, **job)
    tracer = injected(pid, point, path.parent, "signal=SIGKILL")
    w.nursery.begin()
    end = w.nursery.end()
    tracer.wait()
    if end.killed_by != signal.SIGKILL:
        return None
    faults = faults_in(path.parent, DEEDS[point.deed], end.said, w.nursery)
    w.clear(path)
    return Death(point, faults)


def killed_at_tree(w: Ward, deed: str, n: int, *, grown: bool) -> Death | None:
    """Have it die at the n-th tree that it grows, and judge what is left; None when it grew fewer."""
    path = w.fresh(DEEDS[deed].base)
    w.nursery.raised(path=str(path), deed=deed, dies_at_tree={"n": n, "grown": grown})
    w.nursery.begin()
    end = w.nursery.end()
    if end.killed_by != signal.SIGKILL:
        assert end.killed_by == 0, end
        return None
    faults = faults_in(path.parent, DEEDS[deed], end.said, w.nursery)
    w.clear(path)
    return Death(Point(deed, "a tree", n, ()), faults)


def sampled(found: dict[str, list[Point]], n: int, seed: int) -> list[Point]:
    """A sample of `n` points with at least one of every deed."""
    draw = random.Random(seed)
    chosen = [draw.choice(those) for those in found.values() if those]
    rest = [point for those in found.values() for point in those if point not in chosen]
    return chosen + draw.sample(rest, max(0, min(len(rest), n - len(chosen))))
