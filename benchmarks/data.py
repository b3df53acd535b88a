"""The real logs behind every number: one folder a set in, a list of logs out.

The sets are not part of the project. They are read from a folder: ``--data``, else the
environment's ``RECSYS_DATA``, else ``../shared/data`` beside the checkout. A set that is
not there is an error that names it; whoever can do without says so and goes on.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.settings import Settings
from recsys.types import Event, Item

__all__ = [
    "RETAIL_SEED",
    "SETS",
    "Log",
    "MissingDataError",
    "data_folder",
    "load",
    "load_items",
    "missing_sets",
    "published_answers",
]

Row = Mapping[str, str]

_US = 1_000_000
_MIN_EVENTS = 50  # users with fewer are left out of the benchmark's sample of kypo-shell and uci-online-retail
_KYPO_USERS = 100
_RETAIL_USERS = 200
RETAIL_SEED = 20101201
_MAX_PIECES = 1000.0  # one order of 80,995 pieces was cancelled at once
_LIKE_STARS, _DISLIKE_STARS = 4.0, 2.0
_STUDY_STEP_S = 60  # nemig-en knows only the order of events: one step, one minute
_REPO = Path(__file__).resolve().parent.parent


class MissingDataError(LookupError):
    """Something that is read from a file is not there; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Log:
    """One user of a set, who stands for one device.

    Parameters
    ----------
    user : str
        The set's own (opaque) name.
    events : list of Event
        Ordered by ``(at_us, uid)``; ties keep the order of the file.
    scored : ndarray of bool, shape (n_events,)
        Which events the set's protocol scores.
    """

    user: str
    events: list[Event]
    scored: NDArray[np.bool_]


def data_folder(given: str | Path | None = None) -> Path:
    """Return the folder of the sets: the one given, else ``RECSYS_DATA``, else ``../shared/data``.

    Raises
    ------
    MissingDataError
        When there is no such folder.
    """
    chosen = given or os.environ.get("RECSYS_DATA") or _REPO.parent / "shared" / "data"
    folder = Path(chosen)
    if not folder.is_dir():
        raise MissingDataError("no data folder: pass --data DIR or set RECSYS_DATA (see benchmarks/README.md)")
    return folder


def missing_sets(folder: Path, names: Iterable[str] | None = None) -> list[str]:
    """Return which of the named sets (default: all known) are not in the folder."""
    return [
        name for name in (SETS if names is None else names) if not (folder / name / "interactions.csv.gz").is_file()
    ]


def load(name: str, folder: Path, *, every_user: bool = False, limit: int | None = None) -> list[Log]:
    """Read a set as logs, users in the order of the file.

    Parameters
    ----------
    name : str
        A key of :data:`SETS`.
    folder : Path
        Where the sets are, from :func:`data_folder`.
    every_user : bool
        True reads all users; False only the benchmark's sample, where the set has one.
    limit : int or None
        At most this many logs, the first ones.

    Raises
    ------
    KeyError
        When there is no set of that name.
    MissingDataError
        When its files are not in the folder.
    """
    spec = SETS[name]
    rows = _rows(folder, name, "interactions.csv.gz")
    keep = spec.keep(folder)
    users = [(user, [row for row in group if keep(row)]) for user, group in groupby(rows, key=lambda r: r["user_id"])]
    if not every_user:
        users = spec.sample(users)
    return [_log(user, spec, kept) for user, kept in users[:limit] if kept]


def load_items(name: str, folder: Path) -> list[Item]:
    """Read a set's catalogue: id, title, categories as tags, the other columns as attributes.

    Raises
    ------
    MissingDataError
        When the file is not in the folder.
    """
    known = ("item_id", "title", "categories", "is_product")
    return [
        Item(
            id=row["item_id"],
            title=row["title"],
            tags=tuple(tag for tag in row["categories"].split("|") if tag),
            attributes={key: _scalar(text) for key, text in row.items() if key not in known and text},
        )
        for row in _rows(folder, name, "items.csv.gz")
        if row.get("is_product", "1") == "1"
    ]


def published_answers(folder: Path) -> dict[tuple[str, int], tuple[str, str, list[str]]]:
    """Read what GPT-3.5 answered on geolife-places: ``(user, nth scored point) -> (truth, top 1, top 10)``.

    Raises
    ------
    MissingDataError
        When the file is not in the folder.
    """
    return {
        (row["user_id"], int(row["nth_scored"])): (row["truth"], row["top1"], row["top10"].split("|"))
        for row in _rows(folder, "geolife-places", "gpt35_predictions.csv.gz")
    }


def _rows(folder: Path, name: str, file: str) -> Iterator[dict[str, str]]:
    path = folder / name / file
    if not path.is_file():
        raise MissingDataError(f"the data set {name} is missing ({file}): pass --data DIR or set RECSYS_DATA")
    return _read(path)


def _read(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        header = next(reader)
        for row in reader:
            yield dict(zip(header, row, strict=True))


def _log(user: str, spec: _Set, rows: list[dict[str, str]]) -> Log:
    events: list[Event] = []
    scored: list[bool] = []
    for event, counts in spec.events(rows):
        events.append(event)
        scored.append(counts)
    order = sorted(range(len(events)), key=lambda i: (events[i].at_us, i))  # uids are given in this order below
    ordered = [replace(events[i], uid=f"{n:016x}") for n, i in enumerate(order)]
    flags = np.array([scored[i] for i in order], dtype=np.bool_)
    return Log(user, ordered, spec.scored(ordered, flags))


def _plain(row: Row, kind: str | None = None, value: float | None = None) -> Event:
    number = value if value is not None else (float(row["value"]) if row["value"] else None)
    return Event(int(row["timestamp"]) * _US, "", row["item_id"], kind or row["event"], value=number)


def _one_each(rows: list[dict[str, str]]) -> Iterator[tuple[Event, bool]]:
    for row in rows:
        yield _plain(row), True


def _geolife(rows: list[dict[str, str]]) -> Iterator[tuple[Event, bool]]:
    for row in rows:
        yield _plain(row), row["scored"] == "1"


def _retail(rows: list[dict[str, str]]) -> Iterator[tuple[Event, bool]]:
    for row in rows:
        yield _plain(row, value=max(-_MAX_PIECES, min(_MAX_PIECES, float(row["value"])))), True


def _kuairand(rows: list[dict[str, str]]) -> Iterator[tuple[Event, bool]]:
    for row in rows:
        yield _plain(row, value=float(row["play_time_ms"] or 0.0) / 1000.0), True


def _movielens(rows: list[dict[str, str]]) -> Iterator[tuple[Event, bool]]:
    for row in rows:
        stars = float(row["value"])
        kind = "like" if stars >= _LIKE_STARS else "dislike" if stars <= _DISLIKE_STARS else "view"
        yield _plain(row, kind), True


def _slates(rows: list[dict[str, str]], step_s: int = 1) -> Iterator[tuple[Event, bool]]:
    # The rows of one list stand together, then the clicks in it. The lists do not say with which
    # probability they were drawn, so every propensity is 1.
    for impression, group in groupby(rows, key=lambda r: (r["event"], r["impression_id"])):
        kind, slate = impression
        kept = list(group)
        if kind == "impression":
            shown = tuple((row["item_id"], position, 1.0) for position, row in enumerate(kept))
            yield Event(int(kept[0]["timestamp"]) * step_s * _US, "", "", "shown", slate=slate, shown=shown), False
            continue
        for row in kept:
            value = float(row["value"]) if row["value"] else None
            at_us = int(row["timestamp"]) * step_s * _US
            yield Event(at_us, "", row["item_id"], "click", value=value, slate=slate or None), True


def _study(rows: list[dict[str, str]]) -> Iterator[tuple[Event, bool]]:
    return _slates(rows, _STUDY_STEP_S)


Users = list[tuple[str, list[dict[str, str]]]]


def _all_users(users: Users) -> Users:
    return users


def _first_users(users: Users) -> Users:
    return [(user, rows) for user, rows in users if len(rows) >= _MIN_EVENTS][:_KYPO_USERS]


def _drawn_users(users: Users) -> Users:
    eligible = [(user, rows) for user, rows in users if sum(r["event"] == "purchase" for r in rows) >= _MIN_EVENTS]
    rng = np.random.default_rng(RETAIL_SEED)
    drawn = rng.choice(len(eligible), size=min(_RETAIL_USERS, len(eligible)), replace=False)
    return [eligible[i] for i in sorted(drawn)]


def _as_flagged(events: list[Event], flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    del events
    return flags


def _second_half(events: list[Event], flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return flags & (np.arange(len(events)) >= len(events) // 2)


def _choices(events: list[Event], flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    weights = Settings().kind_weights
    return flags & np.array([weights.get(event.kind, 1.0) > 0 for event in events], dtype=np.bool_)


def _chosen_second_half(events: list[Event], flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return _choices(events, _second_half(events, flags))


def _keep_all(folder: Path) -> Callable[[Row], bool]:
    del folder
    return lambda row: bool(row["item_id"])


def _products(folder: Path) -> Callable[[Row], bool]:
    products = {item.id for item in load_items("uci-online-retail", folder)}
    return lambda row: row["item_id"] in products


@dataclass(frozen=True, slots=True)
class _Set:
    """How a set is read: rows kept, users sampled, rows to events, events scored."""

    events: Callable[[list[dict[str, str]]], Iterator[tuple[Event, bool]]]
    scored: Callable[[list[Event], NDArray[np.bool_]], NDArray[np.bool_]] = _choices
    sample: Callable[[Users], Users] = _all_users
    keep: Callable[[Path], Callable[[Row], bool]] = _keep_all


SETS: Mapping[str, _Set] = {
    "geolife-places": _Set(_geolife, scored=_as_flagged),
    "kypo-shell": _Set(_one_each, scored=_second_half, sample=_first_users),
    "uci-online-retail": _Set(_retail, scored=_chosen_second_half, sample=_drawn_users, keep=_products),
    "movielens-latest-small": _Set(_movielens),
    "kuairand27k-like-hate": _Set(_kuairand),
    "nemig-en": _Set(_study),
    "ebnerd-test-sample": _Set(_slates),
}


def _scalar(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
