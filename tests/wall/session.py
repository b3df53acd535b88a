"""Somebody's app for a while: every call of the public face, in an order drawn from a seed, on the files of one folder.

``python -m tests.wall.session FOLDER SEED STEPS`` prints how often each call was made, as JSON. It needs NumPy and the
standard library alone, because it is the core that the walls are built around: the same sessions run inside the
seccomp filter, under strace, confined by Landlock, and to see which modules and shared objects they load.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from recsys import InputError, PausedError, Prior, Recommender, Settings, Slate
from recsys.types import Context

__all__ = ["CALLS", "Session", "live"]

ITEMS: Final = tuple(f"item {n}" for n in range(12))
KINDS: Final = ("click", "play", "view", "skip", "dislike")
PLACES: Final[tuple[Context, ...]] = ({}, {"place": "home"}, {"place": "town", "n": 1})
# Checkpoints often, so that short sessions have some.
SETTINGS: Final = Settings(checkpoint_events=16)


class Session:
    """An open recommender, and what a host holds beside it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.now = 1_700_000_000
        self.n_exports = 0
        self.uids: list[str] = []
        self.rec = Recommender(folder / "me.db", settings=SETTINGS)

    def item(self) -> str:
        return self.random.choice(ITEMS)

    def at(self) -> int:
        """The next moment; now and then one that is late."""
        self.now += self.random.choice((1, 60, 3_600, 90_000))
        return self.now - self.random.choice((0, 0, 0, 0, 5_000))

    def new_export(self) -> Path:
        self.n_exports += 1
        return self.folder / f"export-{self.n_exports}.jsonl"

    def slate(self) -> Slate:
        explore = self.random.choice((0.0, 1.0))
        return self.rec.recommend(4, at=self.now, context=self.random.choice(PLACES), explore=explore, seed=1)


def rekey(session: Session) -> None:
    with suppress(InputError):  # a plain file has no key to change
        session.rec.rekey(bytes(32))


def add(session: Session) -> None:
    some = session.random.sample(ITEMS, 5)
    session.rec.add([{"id": item, "title": item.title(), "tags": [item[-1]], "year": 1959} for item in some])


def record(session: Session) -> None:
    kind, context = session.random.choice(KINDS), session.random.choice(PLACES)
    session.uids.append(session.rec.record(session.item(), kind, at=session.at(), value=0.5, context=context))


def record_now(session: Session) -> None:
    session.rec.record(session.item())


def record_many(session: Session) -> None:
    session.uids += session.rec.record_many([{"item_id": session.item(), "at": session.at()} for _ in range(9)])


def shown(session: Session) -> None:
    slate = session.slate()
    if len(slate):
        session.rec.shown(slate, at=session.at())
        session.rec.record(slate[-1].item_id, at=session.at(), slate=slate)


def forget(session: Session) -> None:
    rec, draw = session.rec, session.random.random()
    if draw < 0.05:
        rec.forget(everything=True)
    elif draw < 0.3:
        rec.forget(kinds=["skip"], since=session.now - 90_000, until=session.now)
    elif draw < 0.6:
        rec.forget(items=[session.item()])
    else:
        rec.forget(events=session.uids[-2:])


def export(session: Session) -> None:
    session.rec.export(session.new_export())


def import_(session: Session) -> None:
    path = session.new_export()
    session.rec.export(path)
    prior = path.with_suffix(".prior")
    Prior.flat().dump(prior, {"fitted": "nowhere"})
    with Recommender(path.with_suffix(".db"), prior=prior) as other:
        other.import_(path)
        other.check()
    session.rec.import_(path)


def pause(session: Session) -> None:
    session.rec.pause()
    session.slate()
    with suppress(PausedError):
        session.rec.record(session.item())
    session.rec.resume()


def close(session: Session) -> None:
    session.rec.close()
    session.rec = Recommender(session.folder / "me.db", settings=SETTINGS)


CALLS: Final[Mapping[str, Callable[[Session], object]]] = {
    "add": add,
    "check": lambda session: session.rec.check(),
    "close": close,
    "consent": lambda session: session.rec.consent("learning", at=session.now),
    "consents": lambda session: session.rec.consents(),
    "evaluate": lambda session: session.rec.evaluate(),
    "explain": lambda session: session.rec.explain(session.item(), at=session.now),
    "export": export,
    "forget": forget,
    "import_": import_,
    "maintain": lambda session: session.rec.maintain(),
    "pause": pause,
    "profile": lambda session: session.rec.profile(),
    "rank": lambda session: [r.reasons for r in session.rec.rank([*ITEMS[:4], "stranger"], at=session.now)],
    "recommend": lambda session: [r.reasons for r in session.slate()],
    "record": record,
    "record_many": record_many,
    "record_now": record_now,
    "rekey": rekey,
    "remove": lambda session: session.rec.remove([session.item()]),
    "resume": lambda session: session.rec.resume(),
    "shown": shown,
    "similar": lambda session: session.rec.similar(session.item(), at=session.now),
    "stats": lambda session: session.rec.stats(),
    "steer": lambda session: session.rec.steer(session.item(), 0.5, at=session.at()),
    "what_if": lambda session: session.rec.what_if(),
    "withdraw": lambda session: session.rec.withdraw(),
}
"""A call of the public face by its name, and what a session does with it; what a person does has more than one."""

_OFTEN: Final = ("record", "record", "record_many", "recommend", "shown", "forget", "close")


def live(folder: Path, seed: int, n_steps: int) -> Counter[str]:
    """Make every call once and then `n_steps` drawn ones; return how often each was made."""
    session = Session(folder, seed)
    order = [*CALLS, *session.random.choices([*CALLS, *_OFTEN], k=n_steps)]
    for name in order:
        CALLS[name](session)
    session.rec.close()
    return Counter(order)


if __name__ == "__main__":
    print(json.dumps(live(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])), sort_keys=True))
