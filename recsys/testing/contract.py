"""Whether an app's own ranker keeps the contract that recsys's does: a table of checks, each of which asks one thing.

What goes in is a ranker (anything with ``recommend``, ``rank`` and ``record`` like ``Recommender``) or what
makes a fresh one; what comes out are findings.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from recsys.errors import InputError
from recsys.inputs import path_of, texts
from recsys.recommender import Recommender
from recsys.reports import Finding
from recsys.testing.forensics import digest_of

__all__ = ["RANKER_CHECKS", "Ranker", "check_ranker", "ranker_findings"]

_START: Final = 1_700_000_000.0
_DAY: Final = 86_400.0
_CANARY: Final = "an-id-that-nobody-may-tell"
_NEVER: Final = tuple(f"never-used-{letter}" for letter in "dbca")
_USED: Final = tuple(f"used-{letter}" for letter in "caebd")
_NOW: Final = _START + 40 * _DAY


@runtime_checkable
class Ranker(Protocol):
    """What can be checked. ``forget``, ``close`` and ``recommend`` are checked where they are.

    Stability: provisional
    """

    def record(self, item_id: str, kind: str = ..., *, at: Any = ...) -> object:
        """Take in that an item was used."""

    def rank(self, item_ids: Iterable[str], *, k: int | None = ..., at: Any = ...) -> Sequence[Any]:
        """Order items; each result has an ``item_id``, a ``score``, a ``position`` and a ``known``."""


Make: TypeAlias = Callable[[], Any]
Seen: TypeAlias = "list[tuple[str, str]]"
Check: TypeAlias = "Callable[[Make, Sequence[Any]], Iterator[str]]"


def check_ranker(ranker: object, *, paths: Sequence[Any] = (), only: Iterable[str] | None = None) -> None:
    """Require that a ranker keeps the contract; all that is found is told at once.

    Parameters
    ----------
    ranker : callable or ranker
        What makes a fresh, empty ranker each time it is called; or one ranker, to be thrown away afterwards, for which
        the checks that need two alike are weaker.
    paths : sequence of paths
        The ranker's files and folders, whose bytes no read may change. Those of a ``Recommender`` are known.
    only : iterable of str, optional
        Names of ``RANKER_CHECKS``; None: all.

    Raises
    ------
    AssertionError
        One line a finding.
    InputError
        When it is no ranker, a name is unknown, or ``paths`` is no list of paths.

    Examples
    --------
    >>> from recsys import Recommender
    >>> from recsys.testing import check_ranker
    >>> check_ranker(lambda: Recommender(":memory:"))

    Stability: provisional
    """
    __tracebackhide__ = True
    found = ranker_findings(ranker, paths=paths, only=only)
    if found:
        lines = [f"  {finding.what}: {finding.message}" for finding in found]
        raise AssertionError("\n".join(["the ranker breaks its contract:", *lines]))


def ranker_findings(ranker: object, *, paths: Sequence[Any] = (), only: Iterable[str] | None = None) -> list[Finding]:
    """Find where a ranker breaks the contract; empty when it keeps it. See :func:`check_ranker`.

    Stability: provisional
    """
    if isinstance(paths, (str, os.PathLike)) or not isinstance(paths, Iterable):
        raise InputError("paths: a list of paths is needed", field="paths")
    paths = [path_of(path) for path in paths]
    names = list(RANKER_CHECKS) if only is None else texts(only, "only", "title", len(RANKER_CHECKS), distinct=False)
    if not set(names) <= RANKER_CHECKS.keys():
        raise InputError(f"only: names of checks are needed, of {', '.join(RANKER_CHECKS)}", field="only")
    make = _maker(ranker)
    found = []
    for name in names:
        try:
            messages = list(RANKER_CHECKS[name](make, paths))
        except Exception as error:  # noqa: BLE001 - a ranker that falls over is found, not fallen over
            messages = [f"raised {type(error).__name__} where an answer is due"]
        found += [Finding("error", name, message) for message in messages]
    return found


def _maker(ranker: object) -> Make:
    """What gives the ranker to check, in a ``with`` block."""
    if isinstance(ranker, Ranker) and not isinstance(ranker, type):
        _fill(ranker)
        return lambda: nullcontext(ranker)
    if not callable(ranker):
        raise InputError("ranker: something with record() and rank() is needed, or what makes one", field="ranker")

    def fresh() -> Any:
        made = ranker()
        if not isinstance(made, Ranker):
            raise InputError("ranker: what was made has no record() and rank()", field="ranker")
        _fill(made)
        return closing(made) if hasattr(made, "close") else nullcontext(made)

    with fresh():  # so that a wrong factory is an error, and not a finding of every check
        pass
    return fresh


def _fill(ranker: Ranker) -> None:
    """A month in which some items are used every day, and some more often than others."""
    for day in range(30):
        for n, item_id in enumerate(_USED):
            if day % (n + 1) == 0:
                ranker.record(item_id, "click", at=_START + day * _DAY + n * 3_600)


def _seen(slate: Iterable[Any]) -> Seen:
    return [(r.item_id, float(r.score).hex()) for r in slate]


def _ids(slate: Iterable[Any]) -> list[str]:
    return [r.item_id for r in slate]


# -- the checks -------------------------------------------------------------------------


def _well_formed(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        slate = ranker.rank([*_USED, *_NEVER], at=_NOW)
        scores = [float(r.score) for r in slate]
        if not all(-float("inf") < score < float("inf") for score in scores):
            yield "a score is not finite"
        elif scores != sorted(scores, reverse=True):
            yield "the scores do not fall"
        if [r.position for r in slate] != list(range(len(slate))):
            yield "the positions are not 0, 1, 2, ..."


def _reads_change_nothing(make: Make, paths: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        before = _state(ranker, paths), _seen(ranker.rank(_USED, at=_NOW))
        for _ in range(25):  # of one item alone, in case that being asked for counts as being used
            ranker.rank(_USED[-1:], at=_NOW)
            if hasattr(ranker, "recommend"):
                ranker.recommend(3, at=_NOW)
        after = _state(ranker, paths), _seen(ranker.rank(_USED, at=_NOW))
        for what, a, b in zip(("the files or the state", "the answers"), before, after, strict=True):
            if a != b:
                yield f"reading changed {what}"


def _state(ranker: object, paths: Sequence[Any]) -> object:
    """The bytes of the files and, of a recommender, of what was learnt."""
    known = list(paths)
    if not isinstance(ranker, Recommender):
        return digest_of(known) if known else None
    from recsys.learn.checkpoint import encode

    path = str(ranker._store.path)
    known += [] if path == ":memory:" else [path]
    return digest_of(known) if known else None, encode(ranker._live.state, ranker._live.basis)


def _order_of_the_input(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        given = [*_USED[:3], *_NEVER[:2]]
        answers = [_seen(ranker.rank(list(order), at=_NOW)) for order in itertools.permutations(given)]
        if any(answer != answers[0] for answer in answers):
            yield "the answer depends on the order of what is to be ranked"


def _input_left_alone(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        given = [*_NEVER, *_USED]
        ranker.rank(given, at=_NOW)
        if given != [*_NEVER, *_USED]:
            yield "the caller's list was changed"


def _never_pads(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        given = [*_USED, *_NEVER]
        answers = [_ids(ranker.rank(given, k=100, at=_NOW)), _ids(ranker.rank(given[:2], k=5, at=_NOW))]
        if hasattr(ranker, "recommend"):
            more = _ids(ranker.recommend(100, at=_NOW))
            if len(set(more)) < len(more):
                yield "recommend gives an item twice"
        for n, answer in ((len(given), answers[0]), (2, answers[1])):
            if len(answer) > n or not set(answer) <= set(given):
                yield "rank gives more than it was given"
            elif len(answer) < n:
                yield "rank leaves out what it was given"
        if len(ranker.rank([], at=_NOW)):
            yield "ranking nothing gives something"


def _duplicates_refused(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        try:
            ranker.rank([_USED[0], _USED[1], _USED[0]], at=_NOW)
        except ValueError:
            return
        yield "an id given twice is not refused with a ValueError"


def _deterministic(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as one, make() as other:
        given = [*_USED, *_NEVER]
        answers = [_seen(ranker.rank(given, at=_NOW)) for ranker in (one, one, other, other)]
        if any(answer != answers[0] for answer in answers):
            yield "the same history and question give different answers"


def _unknown_ids(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        marks = {r.item_id: r.known for r in ranker.rank([*_USED, *_NEVER], at=_NOW)}
        if any(marks.get(item_id) is not False for item_id in _NEVER if item_id in marks):
            yield "an id that was never seen is not marked known=False"
        if any(marks.get(item_id) is not True for item_id in _USED if item_id in marks):
            yield "an id that was used is not marked known=True"


def _ties_by_id(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        slate = list(ranker.rank([*_USED, *_NEVER], at=_NOW))
        if any(a.score == b.score and a.item_id > b.item_id for a, b in itertools.pairwise(slate)):
            yield "items with equal scores do not stand in the order of their ids"


def _k(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        whole = _ids(ranker.rank(_USED, at=_NOW))
        for k in range(len(whole) + 1):
            if _ids(ranker.rank(_USED, k=k, at=_NOW)) != whole[:k]:
                yield f"the best {k} are not the first {k} of all"
                break
        try:
            ranker.rank(_USED, k=-1, at=_NOW)
        except ValueError:
            return
        yield "a negative k is not refused with a ValueError"


def _errors_tell_nothing(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        wrong: Mapping[str, Callable[[], object]] = {
            "an id given twice": lambda: ranker.rank([_CANARY, _CANARY], at=_NOW),
            "a time that is none": lambda: ranker.record(_CANARY, at=float("nan")),
            "a k that is none": lambda: ranker.rank([_CANARY], k=_CANARY, at=_NOW),
        }
        for what, call in wrong.items():
            try:
                call()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not tell
                chain: list[BaseException | None] = [error, error.__cause__, error.__context__]
                if any(_CANARY in str(one) or _CANARY in repr(one) for one in chain if one is not None):
                    yield f"the error about {what} tells an id"


def _learns(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        before = _ids(ranker.rank(_USED, at=_NOW))
        last = before[-1]
        for n in range(20):
            ranker.record(last, "click", at=_NOW + n * 600.0)
        if _ids(ranker.rank(_USED, at=_NOW + 12_600.0))[0] != last:
            yield "an item that was used twenty times of late is not first"


def _forgets(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        if not hasattr(ranker, "forget"):
            return
        later = _NOW + 3 * _DAY
        asked = [*_USED, "to-be-forgotten"]
        before = _seen(ranker.rank(asked, at=later))
        for n in range(8):
            ranker.record("to-be-forgotten", "click", at=_NOW + _DAY + n * 60.0)
        receipt = ranker.forget(items=["to-be-forgotten"])
        if getattr(receipt, "status", "erased") != "erased":
            yield "forgetting did not come to its end"
        elif _seen(ranker.rank(asked, at=later)) != before:
            yield "after forgetting, the answer is not what it was before"


def _closed(make: Make, _: Sequence[Any]) -> Iterator[str]:
    with make() as ranker:
        if not hasattr(ranker, "close"):
            return
        ranker.close()
        calls: Mapping[str, Callable[[], object]] = {
            "record": lambda: ranker.record(_USED[0], at=_NOW),
            "rank": lambda: ranker.rank(_USED, at=_NOW),
        }
        for name, call in calls.items():
            try:
                call()
            except Exception:  # noqa: BLE001 - any error is right
                answered = False
            else:
                answered = True
            if answered:
                yield f"{name} answers after close"
        with suppress(ValueError):  # a second close is legal, and says nothing
            ranker.close()


RANKER_CHECKS: Final[Mapping[str, Check]] = {
    "well formed": _well_formed,
    "reads change nothing": _reads_change_nothing,
    "order of the input": _order_of_the_input,
    "input left alone": _input_left_alone,
    "never pads": _never_pads,
    "duplicates refused": _duplicates_refused,
    "deterministic": _deterministic,
    "unknown ids": _unknown_ids,
    "ties by id": _ties_by_id,
    "k": _k,
    "errors tell nothing": _errors_tell_nothing,
    "learns": _learns,
    "forgets": _forgets,
    "closed": _closed,  # last: one ranker that was given as such is of no use afterwards
}
"""Every check, by name. Each takes what makes a ranker, and the paths of its files, and yields what it finds."""
