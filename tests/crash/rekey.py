"""Kills a process at every write, sync, truncation and removal of a ``rekey``, and looks at what is left.

``python -m tests.crash.rekey`` goes through all of them and prints how many there were; ``scripts/rekey-kills`` runs
it. ``points`` needs ``strace``, which delivers the SIGKILL when the call is entered, before it does anything.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from recsys.errors import WrongKeyError
from recsys.log import Store
from tests.log.examples import ROOT, event, item

OLD: Final = hashlib.sha256(b"old").digest()
NEW: Final = hashlib.sha256(b"new").digest()
STRANGE: Final = hashlib.sha256(b"strange").digest()
CALLS: Final = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink")
EVENTS: Final = [event(number, f"item-{number}", context={"place": "home"}) for number in range(120)]

_CHILD: Final = """
import sys
from recsys.log import Store
with Store(sys.argv[1], key=bytes.fromhex(sys.argv[2])) as store:
    store.rekey(bytes.fromhex(sys.argv[3]))
"""


class Point(NamedTuple):
    """The n-th time that the process makes a system call."""

    call: str
    n: int


def sound(folder: Path) -> Path:
    """A file under the old key, closed."""
    with Store(folder / "sound.db", key=OLD) as store:
        store.append(EVENTS, late=False)
        store.put_items([item("a")])
    return folder / "sound.db"


def rekeyed(path: Path, *options: str) -> int:
    """Give the file the new key in a process under strace; the process's return code."""
    child = [sys.executable, "-c", _CHILD, str(path), OLD.hex(), NEW.hex()]
    command = ["strace", "-f", "-qq", *options, *child]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL, check=False).returncode


def points(path: Path, folder: Path) -> list[Point]:
    """Every system call at which the process can be killed, in the order of their kinds."""
    trace = folder / "trace"
    shutil.copy(path, folder / "traced.db")
    assert rekeyed(folder / "traced.db", "-o", str(trace), "-e", f"trace={','.join(CALLS)}") == 0
    counts = Counter(call for line in trace.read_text().splitlines() for call in CALLS if f" {call}(" in f" {line}")
    return [Point(call, n) for call in CALLS for n in range(1, counts[call] + 1)]


def faults(path: Path, keys: tuple[bytes, bytes]) -> list[str]:
    """What is wrong with a file whose rekey was killed: one of the two keys opens it, and all is in it.

    The order in which they are tried must not matter: a connection that may write puts back what was interrupted.
    """
    wrong = []
    before = _digests(path.parent)
    try:
        Store(path, key=STRANGE).close()
        wrong.append("a strange key opens it")
    except WrongKeyError:
        if _digests(path.parent) != before:
            wrong.append("a strange key changed it")
    opened = []
    for key in keys:
        try:
            with Store(path, key=key) as store:
                opened.append(key)
                if [*store.events()] != EVENTS or [found for found, _ in store.items()] != [item("a")]:
                    wrong.append("something is lost")
                wrong += [f"{what}: {message}" for severity, what, message in store.check() if severity == "error"]
        except WrongKeyError:
            continue
    if len(opened) != 1:
        wrong.append(f"{len(opened)} keys open it")
    return wrong


def killed(point: Point, path: Path, folder: Path) -> Path:
    """A copy of the file, in a folder of its own, whose rekey was killed at the point."""
    copy = folder / f"{point.call}-{point.n}" / "me.db"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    inject = f"inject={point.call}:signal=SIGKILL:when={point.n}"
    code = rekeyed(copy, "-o", os.devnull, "-e", f"trace={point.call}", "-e", inject)
    assert code in (-signal.SIGKILL, 128 + signal.SIGKILL), f"the process was not killed: {code}"
    return copy


def sweep(chosen: Iterable[Point], path: Path, folder: Path) -> Iterator[tuple[Point, str, list[str]]]:
    """Kill at each point: the point, which key the file has then, what is wrong with it."""
    for number, point in enumerate(chosen):
        copy = killed(point, path, folder)
        wrong = faults(copy, (NEW, OLD) if number % 2 else (OLD, NEW))
        try:
            Store(copy, key=OLD).close()
            key = "old"
        except WrongKeyError:
            key = "new"
        yield point, key, wrong
        shutil.rmtree(copy.parent)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def main() -> int:
    """Kill at every point and print what came of it; 1 when anything is wrong."""
    if shutil.which("strace") is None:
        print("strace is not installed: nothing was tried")
        return 1
    keys: Counter[str] = Counter()
    n_wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = sound(folder)
        for point, key, wrong in sweep(points(path, folder), path, folder):
            keys[key] += 1
            n_wrong += bool(wrong)
            if wrong:
                print(f"{point.call} {point.n}: {'; '.join(wrong)}")
    print(
        f"{sum(keys.values())} kills: {keys['old']} files keep the old key, {keys['new']} have the new, {n_wrong} wrong"
    )
    return int(bool(n_wrong) or not keys["old"] or not keys["new"])


if __name__ == "__main__":
    sys.exit(main())
