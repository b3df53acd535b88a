"""The real logs behind every number: one folder a set in, a list of logs out.

The sets are not part of the project. They are read from a folder: ``--data``, else the
environment's ``RECSYS_DATA``, else ``../shared/data`` beside the checkout; two lie in
installed packages instead. A set that is not there is an error that names it; whoever can
do without says so and goes on.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import packaged
from benchmarks.logs import MIN_EVENTS, Log, MissingDataError, Row, Users
from recsys.settings import Settings
from recsys.types import Event, Item

__all__ = [
    "RETAIL_SEED",
    "SETS",
    "BanditLog",
    "Log",
    "MissingDataError",
    "data_folder",
    "load",
    "load_bandit",
    "load_items",
    "missing_sets",
    "published_answers",
]

_US = 1_000_000
_KYPO_USERS = 100
_RETAIL_USERS = 200
RETAIL_SEED = 20101201
_MAX_PIECES = 1000.0  # one order of 80,995 pieces was cancelled at once
_LIKE_STARS, _DISLIKE_STARS = 4.0, 2.0
_STUDY_STEP_S = 60  # nemig-en knows only the order of events: one step, one minute
_REPO = Path(__file__).resolve().parent.parent


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
    return [name for name in (SETS if names is None else names) if not _is_there(name, folder)]


def _is_there(name: str, folder: Path) -> bool:
    if name in packaged.PACKAGES:
        return packaged.is_installed(name)
    return (folder / name / "interactions.csv.gz").is_file()


def load(name: str, folder: Path, *, every_user: bool = False, limit: int | None = None) -> list[Log]:
    """Read a set as logs, users in the order of the file.

    Parameters
    ----------
    name : str
        A key of :data:`SETS`.
    folder : Path
        Where the sets are, from :func:`data_folder`; of no account for those in packages.
    every_user : bool
        True reads all users; False only the benchmark's sample, where the set has one.
    limit : int or None
        At most this many logs, the first ones.

    Raises
    ------
    KeyError
        When there is no set of that name.
    MissingDataError
        When its files are not in the folder, or its package is not installed.
    """
    spec = SETS[name]
    users = spec.users(folder, every_user=every_user)
    return [_log(user, spec, kept) for user, kept in users[:limit] if kept]


def load_items(name: str, folder: Path) -> list[Item]:
    """Read a set's catalogue: id, title, categories as tags, the other columns as attributes.

    Raises
    ------
    MissingDataError
        When the file is not in the folder, or the package is not installed.
    """
    in_package = {"completejourney": packaged.grocery_items, "movielens-100k": packaged.film_items}.get(name)
    rows = in_package() if in_package else _rows(folder, name, "items.csv.gz")
    known = ("item_id", "title", "categories", "is_product")
    return [
        Item(
            id=row["item_id"],
            title=row["title"],
            tags=tuple(tag for tag in row["categories"].split("|") if tag),
            attributes={key: _scalar(text) for key, text in row.items() if key not in known and text},
        )
        for row in rows
        if row.get("is_product", "1") == "1"
    ]


@dataclass(frozen=True, slots=True)
class BanditLog:
    """One policy's log of single items shown: the item's number, its propensity, 1 if clicked; shape (n_rows,) each."""

    action: NDArray[np.intp]
    propensity: NDArray[np.float64]
    reward: NDArray[np.float64]
    n_actions: int


def load_bandit(name: str, folder: Path) -> dict[tuple[str, str], BanditLog]:
    """Read a set of logged bandits: ``(policy, campaign) -> log``. Policies of a campaign number its items alike.

    Raises
    ------
    MissingDataError
        When its file is not in the folder.
    """
    found: dict[tuple[str, str], list[tuple[int, float, float]]] = {}
    items: dict[str, dict[str, int]] = {}
    for row in _rows(folder, name, "interactions.csv.gz"):
        known = items.setdefault(row["campaign"], {})
        action = known.setdefault(row["item_id"], len(known))
        one = (action, float(row["propensity"]), float(row["value"]))
        found.setdefault((row["policy"], row["campaign"]), []).append(one)
    logs = {}
    for (policy, campaign), rows in found.items():
        actions, propensity, reward = zip(*rows, strict=True)
        numbers = np.array(actions, np.intp)
        logs[policy, campaign] = BanditLog(numbers, np.array(propensity), np.array(reward), len(items[campaign]))
    return logs


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
    # Sets that know baskets make one event of each row.
    baskets = tuple(rows[i]["invoice"] for i in order) if "invoice" in rows[0] else None
    return Log(user, ordered, spec.scored(ordered, flags), baskets)


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
        event = _plain(row, value=max(-_MAX_PIECES, min(_MAX_PIECES, float(row["value"]))))
        yield replace(event, offset_min=int(row.get("offset_min", 0))), True


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


def _all_users(users: Users) -> Users:
    return users


def _first_users(users: Users) -> Users:
    return [(user, rows) for user, rows in users if len(rows) >= MIN_EVENTS][:_KYPO_USERS]


def _drawn_users(users: Users) -> Users:
    eligible = [(user, rows) for user, rows in users if sum(r["event"] == "purchase" for r in rows) >= MIN_EVENTS]
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


class _Read(Protocol):
    """The users of a set with the rows of each, the sample or all."""

    def __call__(self, folder: Path, *, every_user: bool) -> Users: ...


def _in_folder(
    name: str,
    sample: Callable[[Users], Users] = _all_users,
    keep: Callable[[Path], Callable[[Row], bool]] = _keep_all,
) -> _Read:
    def read(folder: Path, *, every_user: bool) -> Users:
        rows = _rows(folder, name, "interactions.csv.gz")
        kept = keep(folder)
        users = [(user, [r for r in group if kept(r)]) for user, group in groupby(rows, key=lambda r: r["user_id"])]
        return users if every_user else sample(users)

    return read


@dataclass(frozen=True, slots=True)
class _Set:
    """How a set is read: users with their rows, rows to events, events scored."""

    users: _Read
    events: Callable[[list[dict[str, str]]], Iterator[tuple[Event, bool]]]
    scored: Callable[[list[Event], NDArray[np.bool_]], NDArray[np.bool_]] = _choices


SETS: Mapping[str, _Set] = {
    "geolife-places": _Set(_in_folder("geolife-places"), _geolife, _as_flagged),
    "kypo-shell": _Set(_in_folder("kypo-shell", _first_users), _one_each, _second_half),
    "uci-online-retail": _Set(_in_folder("uci-online-retail", _drawn_users, _products), _retail, _chosen_second_half),
    "completejourney": _Set(packaged.groceries, _retail, _chosen_second_half),
    "movielens-latest-small": _Set(_in_folder("movielens-latest-small"), _movielens),
    "movielens-100k": _Set(packaged.films, _movielens),
    "kuairand27k-like-hate": _Set(_in_folder("kuairand27k-like-hate"), _kuairand),
    "nemig-en": _Set(_in_folder("nemig-en"), _study),
    "ebnerd-test-sample": _Set(_in_folder("ebnerd-test-sample"), _slates),
}


def _scalar(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
