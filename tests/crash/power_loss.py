"""The power-loss replay: from the recorded calls of a life, every file as a power cut might have left it.

At a crash point the content of a file is what was written up to its last sync, and of each later write and change of
size it is chosen anew whether it reached the disk: wholly, not at all, or torn at sectors of 512 bytes. Names that
were made or removed since the folder's last sync are there up to any of them. The mapped ``-shm`` is left out: SQLite
makes it anew.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.crash.deeds import DEEDS
from tests.crash.kill_sweep import Ward
from tests.crash.syscalls import Call, recorded
from tests.crash.verdict import faults_in
from tests.keyed import KEY

SECTOR: Final = 512
Image = dict[str, bytes]
Fate = Callable[[int, int], float]  # of the n-th of so many pending changes: the share of its sectors that is kept
# A fault to plant in a life, and what must be found then.
_CONTROLS: Final = (
    ({"synchronous": "normal"}, "an acknowledged event is lost"),  # as documented
    ({"fault": "no sync"}, "it does not open"),
    ({"fault": "keep deleted"}, "bytes of a forgotten event are left"),
    ({"fault": "naive"}, "bytes of a forgotten event are left"),
    ({"fault": "delete only", "synchronous": "normal"}, "a forgotten event came back"),
)
TREE_CONTROLS: Final = (
    ({"fault": "trees stay"}, "trees of another log are in the file"),
    ({"fault": "trees later"}, "trees of another log are in the file"),
    ({"fault": "trees unripe"}, "finished trees are not those of an undisturbed life"),
)
# In an encrypted file no byte is found in any case.
CONTROLS: Final = tuple(control for control in _CONTROLS if not (KEY and control[1].startswith("bytes")))


class State(NamedTuple):
    """What a power cut left: the files, and what the process had said until then."""

    image: Image
    said: list[list[Any]]


@dataclass
class Inode:
    """One file's content: what is safe, and what was written since."""

    safe: bytes = b""
    pending: list[Call] = field(default_factory=list)

    def content(self, fate: Fate, draw: random.Random) -> bytes:
        """The content when each pending change met its fate."""
        found = bytearray(self.safe)
        for n, call in enumerate(self.pending):
            share = fate(n, len(self.pending))
            if call.name in ("ftruncate", "fallocate"):
                if share >= 1.0 or draw.random() < share:
                    _resize(found, call)
            elif share > 0.0:
                _write(found, call, share, draw)
        return bytes(found)

    def sync(self) -> None:
        self.safe, self.pending = self.content(lambda *_: 1.0, random.Random(0)), []


class Disk:
    """Files and names, and which of them would outlast a power cut."""

    def __init__(self, image: Image) -> None:
        self.names = {name: Inode(content) for name, content in image.items()}
        self.safe_names = dict(self.names)
        self.renamings: list[dict[str, Inode]] = []  # the names after each change since the folder's sync

    def take(self, call: Call, folder: str) -> None:
        """Let one call happen."""
        name = Path(call.path).name
        if call.name in ("fsync", "fdatasync"):
            if call.path == folder:
                self.safe_names, self.renamings = dict(self.names), []
            elif name in self.names:
                self.names[name].sync()
        elif call.name == "create":
            assert call.other != "truncate", "emptying a file by opening it is not simulated"
            if name not in self.names:
                self._rename({**self.names, name: Inode()})
        elif call.name == "unlink":
            self._rename({other: inode for other, inode in self.names.items() if other != name})
        elif call.name == "rename":
            names = {other: inode for other, inode in self.names.items() if other != name}
            self._rename({**names, Path(call.other).name: self.names[name]})
        else:
            assert call.number >= 0, f"a write without an offset is not simulated: {name}"
            self.names[name].pending.append(call)

    def _rename(self, names: dict[str, Inode]) -> None:
        self.names = names
        self.renamings.append(names)

    def image(self, fates: Callable[[str], Fate], n_renamings: int, draw: random.Random) -> Image:
        """The files when each met its fate, and so many changes of names reached the disk."""
        names = self.renamings[n_renamings - 1] if n_renamings else self.safe_names
        return {name: inode.content(fates(name), draw) for name, inode in sorted(names.items())}

    @property
    def unsafe(self) -> list[str]:
        """The names of files with changes that may be lost."""
        inodes = {name: inode for names in (self.safe_names, *self.renamings) for name, inode in names.items()}
        return sorted(name for name, inode in inodes.items() if inode.pending)


def _resize(content: bytearray, call: Call) -> None:
    if len(content) < call.number:
        content += bytes(call.number - len(content))
    elif call.name == "ftruncate":
        del content[call.number :]


def _write(content: bytearray, call: Call, share: float, draw: random.Random) -> None:
    """Write, or only those sectors that the draw keeps."""
    end = call.number + len(call.data)
    start = call.number
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        if share >= 1.0 or draw.random() < share:
            if len(content) < stop:
                content += bytes(stop - len(content))
            content[start:stop] = call.data[start - call.number : stop - call.number]
        start = stop


# Fates


def _all(*_: int) -> float:
    return 1.0


def _none(*_: int) -> float:
    return 0.0


def _torn(*_: int) -> float:
    return 0.5


def _random(draw: random.Random) -> Fate:
    """Fates in one of the ways in which disks lose writes."""
    kept, torn = draw.choice((0.3, 0.7, 0.95)), draw.choice((0.0, 0.1))
    part = draw.random()
    ways: tuple[Fate, ...] = (
        lambda *_: 0.5 if draw.random() < torn else float(draw.random() < kept),
        lambda n, n_all: 1.0 if n < part * n_all else 0.5 if n < part * n_all + 1 else 0.0,  # in order, the last torn
        lambda n, n_all: float(n >= part * n_all),  # the last ones only
        lambda n, n_all: float(n != int(part * n_all)),  # all but one
    )
    return draw.choice(ways)


def images(disk: Disk, n_random: int, draw: random.Random) -> Iterator[Image]:
    """What may be left at this moment: all, nothing, one file's changes or all others', and drawn ones."""
    n_all = len(disk.renamings)
    for n_renamings in sorted({0, n_all}):
        for fate in (_all, _none, _torn):
            yield disk.image(lambda _, fate=fate: fate, n_renamings, draw)
        if len(disk.unsafe) > 1:
            for alone in disk.unsafe:
                yield disk.image(lambda name, alone=alone: _all if name == alone else _none, n_renamings, draw)
                yield disk.image(lambda name, alone=alone: _none if name == alone else _all, n_renamings, draw)
    for _ in range(n_random):
        fates = {name: _random(draw) for name in disk.unsafe}
        yield disk.image(lambda name, fates=fates: fates.get(name, _all), draw.randint(0, n_all), draw)


def states(calls: Sequence[Call], folder: str, *, n_random: int, every: int, seed: int = 1) -> Iterator[State]:
    """Different states that a power cut may leave, drawn with a seed.

    The cut comes before each call that is no plain write, when most is unsafe, and before `every` so manyth write.
    """
    draw, disk, said = random.Random(seed), Disk({}), []
    seen: set[bytes] = set()
    watched = [call for call in calls if call.ok and not call.path.endswith("-shm")]
    for number, call in enumerate(watched):
        if call.name not in ("pwrite64", "write") or number % every == 0:
            for image in images(disk, n_random, draw):
                mark = _digest(image, len(said))
                if mark not in seen:
                    seen.add(mark)
                    yield State(image, list(said))
        if call.name == "said":
            said.append(json.loads(call.data))
        else:
            disk.take(call, folder)


def _digest(image: Image, n_said: int) -> bytes:
    digest = hashlib.sha256(b"%d" % n_said)
    for name, content in image.items():
        digest.update(b"/%s/%d/" % (name.encode(), len(content)))
        digest.update(content)
    return digest.digest()


def lived(w: Ward, deed: str = "life", **job: object) -> tuple[list[Call], str]:
    """The calls of one life that began on an empty folder and that nobody disturbed; and that folder."""
    path = w.fresh("none")
    end, calls = recorded(w.nursery, w.folder / "trace", path=str(path), deed=deed, **job)
    assert end.killed_by == 0, end.said[-2:]
    assert [line for line in end.said if line[0] in ("failed", "broke")] == []
    assert [line[2] for line in end.said if line[0] == "done" and line[2] in ("erased", "pending")] == ["erased"] * 3
    return calls, str(path.parent)


def judged(w: Ward, state: State, deed: str = "life") -> list[str]:
    """Write the files of a state to a folder, open them, and say what is wrong."""
    path = w.fresh("none")
    for name, content in state.image.items():
        (path.parent / name).write_bytes(content)
    faults = faults_in(path.parent, DEEDS[deed], state.said, w.nursery)
    w.clear(path)
    return faults


def replayed(w: Ward, chosen: Iterable[State], deed: str = "life") -> list[list[str]]:
    """What is wrong with each of the states."""
    return [judged(w, state, deed) for state in chosen]
