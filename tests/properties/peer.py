"""Another process on the same file: it does what it is told, line by line, and answers with a line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Peer:
    """A recommender in a process of its own: ``peer("record", "a", at=5)`` calls it there and waits for the answer."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-W", "error", "-m", "tests.properties.peer", str(path)]
        self.process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "ready\n"

    def close(self) -> None:
        """Let it close its recommender and end."""
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def tell(self, name: str, *arguments: Any, **options: Any) -> None:
        """Have it call the method, without waiting."""
        self.process.stdin.write(json.dumps([name, arguments, options]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """What the call that was told first, and not yet answered, gave."""
        outcome, value = json.loads(self.process.stdout.readline())
        assert outcome == "done", value
        return value

    def __call__(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Have it call the method, and wait."""
        self.tell(name, *arguments, **options)
        return self.answer()


def digest(rec: Any) -> str:
    """A digest of the state, after taking in what others did."""
    from tests.properties.eyes import state_bytes

    rec.stats()
    return hashlib.sha256(state_bytes(rec)).hexdigest()


def _serve(path: str) -> None:
    from recsys import Recommender
    from tests.properties.company import SETTINGS

    with Recommender(path, settings=SETTINGS) as rec:
        print("ready", flush=True)
        for line in sys.stdin:
            name, arguments, options = json.loads(line)
            try:
                if name == "digest":
                    value = digest(rec)
                elif name == "record_one_by_one":
                    value = [rec.record(item_id, at=at) for item_id, at in arguments]
                else:
                    value = getattr(rec, name)(*arguments, **options)
                print(json.dumps(["done", value if isinstance(value, (str, int, list, type(None))) else str(value)]))
            except Exception as error:  # noqa: BLE001 - the test tells what may happen
                print(json.dumps(["failed", f"{type(error).__name__}: {error}"]))
            sys.stdout.flush()


if __name__ == "__main__":
    _serve(sys.argv[1])
