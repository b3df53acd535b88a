"""Fit and measure the weights of what content says of new items (:mod:`recsys.rank.likeness`).

``python -m benchmarks.fit_content --shipped`` fits them on the sets whose licence allows shipping what is drawn from
them and writes ``recsys/prior/default/content.json``; ``--measure SET`` prints the NDCG@10 of the next new item among
all that a person has not chosen, on every other person of the set, beside that of plain content neighbours (the cosine
of TF-IDF over words of the title and tags, to the last item, to the mean of the last ten, and of all). It does so with
the shipped weights and with weights fitted on the people in between.

The weights are a conditional logit: of the choices of an item that was never used before, each set counting the same,
among what was chosen and some that were not, with a ridge towards 0 that keeps them modest. None may be below 0: to be
like what was used never speaks against an item. What begins a session is asked before its first event, and fitted by
itself.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import Log, data_folder, load, load_items
from benchmarks.shop import customers
from recsys.learn.choice import REGIMES, WITHIN
from recsys.learn.fold import fold, new_state
from recsys.learn.index import Content
from recsys.prior import Prior
from recsys.rank.likeness import CONTENT_FEATURES, Likeness, default_weights
from recsys.settings import Settings
from recsys.types import Item

__all__ = ["BY_HAND", "fit", "main", "measured"]

Floats = NDArray[np.float64]

# What that set cannot teach: it has few rejections, no tags, one number and no times at which items were made. Tags and
# numbers were chosen among a few values on the people of movielens-latest-small and movielens-100k that teach.
BY_HAND: Final = {"against": -0.5, "tags": 0.4, "numbers": 0.5, "age": 0.1}
_LEVEL: Final = len(CONTENT_FEATURES) - 1
# In each regime: with them the NDCG of the people who teach was lower (films within sessions, the shop before them).
_WITHOUT: Final = (("short", "last", "nearest", "longer", "lately"), ("long",))
_PEOPLE: Final = 1200  # who teach
_OF_ONE: Final = 6  # choices of one person
_DRAWN: Final = 500  # others beside what was chosen
_FEWEST: Final = 3  # items used before a choice counts
_RIDGES: Final = (2.0, 20.0)  # of 1000 choices: what begins a session is told by less, each of which says little
_K: Final = 10


class Choice(NamedTuple):
    """One choice of a new item.

    Parameters
    ----------
    person : int
    begins : bool
        Whether a session begins with it.
    features : array of float32, shape (10, n_items)
        All but the level, of every item.
    chosen : int
        Its row.
    new : array of bool, shape (n_items,)
        What was never used yet.
    plain : sequence of array of float32, shape (n_items,)
        The neighbours' scores.
    """

    person: int
    begins: bool
    features: NDArray[np.float32]
    chosen: int
    new: NDArray[np.bool_]
    plain: Sequence[NDArray[np.float32]]


class Plain:
    """TF-IDF over words and tags, and the cosine to the mean of some items: the baseline."""

    def __init__(self, items: Sequence[Item]) -> None:
        words = [[*re.findall(r"\w\w+", item.title.lower()), *(f"#{tag}" for tag in item.tags)] for item in items]
        number = {word: i for i, word in enumerate(sorted({word for of_item in words for word in of_item}))}
        self._n_words = len(number)
        each = [np.array(sorted({number[w] for w in some}), np.intp) for some in words]
        self._members = members = np.concatenate([*each, np.empty(0, np.intp)])
        n_each = np.array([len(some) for some in each], np.intp)
        self._end = n_each.cumsum()
        idf = np.log((1.0 + len(items)) / (1.0 + np.bincount(members, minlength=len(number)))) + 1.0
        self._values = idf[members]
        self._of = np.arange(len(items)).repeat(n_each)
        self._values /= np.sqrt(np.maximum(np.bincount(self._of, self._values**2, len(items)), 1e-9))[self._of]

    def score(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Give every item's cosine to the mean of some, up to its length."""
        mean = np.zeros(self._n_words)
        for row in rows:
            some = slice(int(self._end[row - 1]) if row else 0, int(self._end[row]))
            mean[self._members[some]] += self._values[some]
        return np.bincount(self._of, self._values * mean[self._members], len(self._end)).astype(np.float32)


def choices_of(logs: Sequence[Log], items: Sequence[Item], *, plain: bool = False) -> list[Choice]:
    """Ask before some of each person's choices of what they never used.

    With ``plain`` the choices have all items and the neighbours' scores, else what was chosen and some others.
    """
    items = sorted(items, key=lambda item: item.id)
    likeness, neighbours = Likeness(Content(items), np.zeros((len(REGIMES), _LEVEL))), Plain(items) if plain else None
    found: list[Choice] = []
    for person, log in enumerate(logs):
        found += _of_person(person, log, likeness, neighbours)
    return found


def _of_person(person: int, log: Log, likeness: Likeness, neighbours: Plain | None) -> Iterator[Choice]:
    row, settings = likeness.content.index().row, Settings()
    chosen = [event.item_id in row and settings.kind_weights.get(event.kind, 1.0) > 0 for event in log.events]
    asked_at = _asked(person, log, chosen, settings)
    state, used = new_state(Prior.flat(), settings), list[int]()
    new = np.ones(len(row), np.bool_)
    for n, event in enumerate(log.events):
        if n in asked_at and used:
            features, _ = likeness.features(state.behaviour, event.at_us / 1e6)
            asked = (used[-1:], used[-_K:], used) if neighbours else ()
            plain = [neighbours.score(rows) for rows in asked] if neighbours else []
            for begins, item_id in asked_at[n]:
                choice = Choice(person, begins, features.astype(np.float32), row[item_id], new.copy(), plain)
                yield choice if neighbours else _drawn(choice)
        fold(state, event)
        if event.item_id in row:
            new[row[event.item_id]] = False
            if chosen[n]:
                used.append(row[event.item_id])


def _asked(person: int, log: Log, chosen: Sequence[bool], settings: Settings) -> dict[int, list[tuple[bool, str]]]:
    """Draw which new items are asked about before which events, and whether a session begins there."""
    first: dict[str, int] = {}
    times = np.array([event.at_us for event in log.events])
    silent = np.append(True, np.diff(times) > settings.session_gap_minutes * 60e6)
    same = np.searchsorted(times, times)  # of all that have its time, the first
    for n, event in enumerate(log.events):
        first.setdefault(event.item_id, n)
    places = np.array([n for n in sorted(first.values()) if chosen[n]][_FEWEST:], np.intp)
    rng = np.random.default_rng(person)
    asked: dict[int, list[tuple[bool, str]]] = {}
    for begins in (True, False):
        some = places[silent[same[places]] if begins else ~silent[places]]
        for n in rng.choice(some, min(_OF_ONE, len(some)), replace=False).tolist() if len(some) else []:
            asked.setdefault(int(same[n]) if begins else n, []).append((begins, log.events[n].item_id))
    return asked


def fit(groups: Sequence[Sequence[Choice]], *, ridges: Sequence[float] = _RIDGES) -> Floats:
    """Fit the weights on some choices of each set, of each regime by itself; shape (2, 10)."""
    both = [[[c for c in group if c.begins == begins] for group in groups] for begins in (True, False)]
    each = zip(both, ridges, _WITHOUT, strict=True)
    return np.array([_fitted(of_regime, ridge, without) for of_regime, ridge, without in each])


def _fitted(groups: Sequence[Sequence[Choice]], ridge: float, without: Sequence[str]) -> Floats:
    sets = [(_drawn(choice).features.astype(np.float64), 1000.0 / len(group)) for group in groups for choice in group]
    for z, _ in sets:
        z[[CONTENT_FEATURES.index(name) for name in without]] = 0.0
    weights = np.zeros(_LEVEL)
    for _ in range(40):
        gradient, information = -ridge * weights, ridge * np.eye(_LEVEL)
        for z, each in sets:
            u = weights @ z
            p = np.exp(u - u.max())
            p /= p.sum()
            mean = z @ p
            gradient += each * (z[:, 0] - mean)
            information += each * ((z * p) @ z.T - np.outer(mean, mean))
        step = np.linalg.solve(information, gradient)
        weights = np.maximum(weights + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-9)), 0.0)
    return weights


def _drawn(choice: Choice) -> Choice:
    """Keep what was chosen, first, and some others that were new."""
    rng = np.random.default_rng(choice.chosen)
    others = np.flatnonzero(choice.new)
    others = rng.choice(others[others != choice.chosen], min(_DRAWN, len(others) - 1), replace=False)
    kept = np.append(choice.chosen, others)
    return choice._replace(features=choice.features[:, kept], chosen=0, new=np.ones(len(kept), np.bool_), plain=())


def ndcg(scores: NDArray[np.floating], choice: Choice) -> float:
    """Give NDCG@10 of what was chosen among what was new; ties stand by id."""
    theirs, own = scores[choice.new], scores[choice.chosen]
    above = int((theirs > own).sum()) + int((scores[: choice.chosen][choice.new[: choice.chosen]] == own).sum())
    return 1.0 / float(np.log2(above + 2.0)) if above < _K else 0.0


def measured(choices: Sequence[Choice], weights: Floats) -> dict[str, float]:
    """Give the mean NDCG@10 of content with these weights, and of each plain neighbour."""
    w = weights.astype(np.float32)
    table = {"content": float(np.mean([ndcg(w[WITHIN - c.begins] @ c.features, c) for c in choices]))}
    for i, name in enumerate(("last", "last ten", "all")):
        table[f"neighbours of {name}"] = float(np.mean([ndcg(c.plain[i], c) for c in choices]))
    return table


def _measure(name: str, folder: Path) -> None:
    choices = choices_of(load(name, folder), load_items(name, folder), plain=True)
    told, tuned = [c for c in choices if c.person % 2], [c for c in choices if not c.person % 2]
    own = fit([tuned])
    print(f"{name}: {len(told)} choices of {len({c.person for c in told})} people")
    for title, weights in (("shipped weights", default_weights()), ("weights of the other people", own)):
        print(f"{title}: {_named(weights)}")
        for begins in (True, False):
            some = [choice for choice in told if choice.begins == begins]
            if some:
                table = measured(some, weights)
                best = max(value for key, value in table.items() if key != "content")
                rounded = {key: round(value, 4) for key, value in table.items()}
                print(REGIMES[not begins], len(some), rounded, f"content / best: {table['content'] / best:.2f}")


def _named(weights: Floats) -> dict[str, dict[str, float]]:
    names = CONTENT_FEATURES[:_LEVEL]
    rows = zip(REGIMES, weights.round(3).tolist(), strict=True)
    return {regime: dict(zip(names, of, strict=True)) for regime, of in rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_content", description="Fit what content says.")
    parser.add_argument("--data", help="folder of the sets (default: RECSYS_DATA, else ../shared/data)")
    parser.add_argument("--shipped", action="store_true", help="fit the weights that ship with recsys")
    parser.add_argument("--measure", metavar="SET", help="print NDCG@10 beside that of plain neighbours")
    given = parser.parse_args(arguments)
    folder = data_folder(given.data)
    if given.measure:
        _measure(given.measure, folder)
    if given.shipped:
        learnt, _, items = customers(folder, quick=False)
        weights = {of: found | BY_HAND for of, found in _named(fit([choices_of(learnt[:_PEOPLE], items)])).items()}
        document = {"provenance": provenance(), "weights": weights}
        out = Path(__file__).parents[1] / "recsys" / "prior" / "default" / "content.json"
        out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(weights)
    return 0


def provenance() -> dict[str, object]:
    """Say where the weights came from, for their file."""
    return {
        "fitted_by": "python -m benchmarks.fit_content --shipped",
        "method": "conditional logit over choices of new items, what begins a session apart; ridge 2 and 20 of 1000",
        "sets": {
            "uci-online-retail": "Chen et al. 2015, UCI Machine Learning Repository, doi 10.24432/C5BW33, CC BY 4.0",
        },
        "set_by_hand": BY_HAND,
    }


if __name__ == "__main__":
    raise SystemExit(main())
