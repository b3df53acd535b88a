"""Whether one recommender equals another that never knew: everything that can be asked of both, to the bit.

What goes in are two recommenders, or two adapters of a host's own; what comes out is an
``AssertionError`` that names the first thing that differs, without its content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Final

from recsys.errors import InputError
from recsys.inputs import context_of, finite
from recsys.recommender import Recommender
from recsys.reports import Explanation, Habit, Profile, Stats, Term
from recsys.types import Context, Event, Item, Reason, Recommendation

__all__ = ["assert_never_known", "sight"]

_AHEAD_S: Final = (0, 18_000, 400 * 86_400)
_MOST_CONTEXTS: Final = 2
_MOST_EXPLAINED: Final = 20
_K: Final = 50

Sight = Iterator[tuple[str, object]]  # the name of one thing that can be seen, and what is seen


def assert_never_known(
    rec: object,
    oracle: object,
    *,
    at: Iterable[float] | None = None,
    contexts: Iterable[Context] | None = None,
) -> None:
    """Require that all of ``rec`` is as in ``oracle``, which never knew what ``rec`` forgot: the invariant U1.

    Parameters
    ----------
    rec, oracle : Recommender or adapter
        Of two recommenders are compared the log and the catalogue, the state as bytes, the profile,
        what ``recommend`` and ``rank`` say at every moment and in every context (scores to the bit, and reasons),
        what ``explain`` says at the first, and the counts of ``stats``. Of adapters, ``recommend(k, at=, context=)``
        and what else of these both have.
    at : iterable of float, optional
        Seconds since 1970 UTC to ask for. None: at the newest event and up to 400 days after it; needed for adapters.
    contexts : iterable of mappings, optional
        None: without any, and the last few of the log.

    Raises
    ------
    AssertionError
        It names the first thing that differs, such as ``recommend, moment 2, context 0: item 3, score``.
    InputError
        When an argument is not usable.

    Notes
    -----
    Events have random ids: give the oracle the same ones, with ``record_many(events)`` where each has its ``uid``.
    Sizes in bytes, the checkpoints and the ids of fresh slates are not compared. O(moments · contexts · items).

    Examples
    --------
    >>> from recsys import Event, Recommender
    >>> from recsys.testing import assert_never_known
    >>> kept, gone = Event(1_700_000_000_000_000, "1", "tea"), Event(1_700_000_060_000_000, "2", "rum")
    >>> with Recommender(":memory:") as rec, Recommender(":memory:") as oracle:
    ...     _ = rec.record_many([kept, gone])
    ...     _ = oracle.record_many([kept])
    ...     _ = rec.forget(items=["rum"])
    ...     assert_never_known(rec, oracle)

    Stability: provisional
    """
    __tracebackhide__ = True
    moments = _moments(rec, oracle) if at is None else [finite(one, "at") for one in _listed(at, "at")]
    settings = (
        _contexts(rec, oracle) if contexts is None else [context_of(one) for one in _listed(contexts, "contexts")]
    )
    if not moments or not settings:
        raise InputError("at, contexts: at least one of each is needed, else nothing is asked", field="at")
    both = [name for name in ("recommend", "rank", "explain", "profile", "stats") if _have(rec, oracle, name)]
    if "recommend" not in both:
        raise InputError("both need a method recommend(k, at=, context=)", field="rec")
    ids = _ids(rec, oracle)
    for (name, seen), (_, wanted) in zip(
        sight(rec, both, moments, settings, ids), sight(oracle, both, moments, settings, ids), strict=True
    ):
        where = _difference(seen, wanted)
        if where is not None:
            raise AssertionError(f"not as if it had never been known: {name}{where} differs")


def sight(
    rec: object, methods: Sequence[str], moments: Sequence[float], contexts: Sequence[Context], ids: Sequence[str]
) -> Sight:
    """Everything that can be seen of a recommender, one thing at a time, each with its name.

    Stability: provisional
    """
    if isinstance(rec, Recommender):
        yield from _inside(rec)
    for n, at in enumerate(moments):
        for m, context in enumerate(contexts):
            place = f"moment {n}, context {m}"
            ask = {"at": at, "context": context}
            seen = _plain(_call(rec, "recommend", _K, **ask))
            yield f"recommend, {place}", seen
            if "rank" in methods and ids:
                yield f"rank, {place}", _plain(_call(rec, "rank", ids, **ask))
            if "explain" in methods and n + m == 0:
                for i, item_id in enumerate(ids[:_MOST_EXPLAINED]):
                    yield f"explain, item {i}", _plain(_call(rec, "explain", item_id, **ask))
    if "profile" in methods:
        yield "profile", _plain(_call(rec, "profile"))
    if "stats" in methods:
        yield "stats", _counts(_plain(_call(rec, "stats")))


def _inside(rec: Recommender) -> Sight:
    from recsys.learn.checkpoint import encode

    n_events = rec.stats().n_events  # takes in what other processes did
    yield "log, number of events", n_events
    for n, event in enumerate(rec._store.events()):
        yield f"log, event {n}", _plain(event)
    yield "catalogue", _plain(sorted(rec._store.items(), key=lambda pair: pair[0].id))
    state = encode(rec._live.state, rec._live.basis)
    yield "state, size", len(state)
    yield "state, bytes", state


def _call(rec: object, name: str, *arguments: object, **named: object) -> object:
    method: Callable[..., object] = getattr(rec, name)
    return method(*arguments, **named)


def _have(rec: object, oracle: object, name: str) -> bool:
    return callable(getattr(rec, name, None)) and callable(getattr(oracle, name, None))


def _listed(values: object, field: str) -> list[object]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InputError(f"{field}: a list is needed", field=field)
    return list(values)


# -- what to ask ----------------------------------------------------------------------


def _events(rec: object, oracle: object) -> list[Event]:
    return [event for one in (rec, oracle) if isinstance(one, Recommender) for event in one._store.events()]


def _moments(rec: object, oracle: object) -> list[float]:
    if not isinstance(rec, Recommender) or not isinstance(oracle, Recommender):
        raise InputError("at: adapters need the moments to ask for", field="at")
    newest = max((event.at_us for event in _events(oracle, oracle)), default=0) // 1_000_000
    return [float(min(newest + ahead, 2**32 - 1)) for ahead in _AHEAD_S]


def _contexts(rec: object, oracle: object) -> list[Context]:
    found: dict[str, Context] = {"": {}}
    for event in reversed(_events(rec, oracle)):
        if len(found) > _MOST_CONTEXTS:
            break
        found.setdefault(repr(sorted(event.context.items())), event.context)
    return list(found.values())


def _ids(rec: object, oracle: object) -> list[str]:
    """Every item that either of them knows, and one that neither does."""
    ids = {"an item that nobody knows"}
    for one in (rec, oracle):
        if isinstance(one, Recommender):
            ids |= {item.id for item, _ in one._store.items()}
    ids |= {event.item_id for event in _events(rec, oracle) if event.kind not in ("shown", "steer")}
    return sorted(ids)


# -- how to compare -------------------------------------------------------------------


def _plain(value: object) -> object:
    """Records as mappings, floats as their bits; ids of fresh slates left out."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if hasattr(value, "n_candidates") and hasattr(value, "items") and not callable(value.items):
        return {"n_candidates": value.n_candidates, "item": [_plain(part) for part in value.items]}
    if is_dataclass(value) and not isinstance(value, type):
        named = {f.name: _plain(getattr(value, f.name)) for f in fields(value) if not f.name.startswith("_")}
        reasons = getattr(value, "reasons", None)
        return named if reasons is None else named | {"reason": _plain(reasons)}
    if isinstance(value, (list, tuple)) or (isinstance(value, Sequence) and not isinstance(value, (str, bytes))):
        return [_plain(part) for part in value]
    return value


def _counts(value: object) -> object:
    """What ``stats`` counts; sizes, checkpoints, grown trees and what is pending depend on the way that led there."""
    if not isinstance(value, dict):
        return value
    own_way = ("bytes", "checkpoint", "pending", "trees")
    return {key: part for key, part in value.items() if not any(word in key for word in own_way)}


def _difference(seen: object, wanted: object) -> str | None:
    """Where two plain values differ first, in words without content; None when they are equal."""
    if isinstance(seen, dict) and isinstance(wanted, dict):
        # A key may be content (a steer, a context), so keys are told by their place unless all are the same.
        if seen.keys() != wanted.keys():
            return ", what there is"
        return _first((f", {_told(key, n)}", seen[key], wanted[key]) for n, key in enumerate(seen))
    if isinstance(seen, list) and isinstance(wanted, list):
        found = _first((f" {n}", a, b) for n, (a, b) in enumerate(zip(seen, wanted, strict=False)))
        return found if found is not None or len(seen) == len(wanted) else ", how many"
    if isinstance(seen, bytes) and isinstance(wanted, bytes) and seen != wanted:
        return f", from byte {next((n for n, (a, b) in enumerate(zip(seen, wanted, strict=False)) if a != b), -1)}"
    return None if type(seen) is type(wanted) and seen == wanted else ""


def _first(parts: Iterable[tuple[str, object, object]]) -> str | None:
    for name, seen, wanted in parts:
        inner = _difference(seen, wanted)
        if inner is not None:
            return name + inner
    return None


# The names of our records' fields; any other key may be something that a person did.
_RECORDS: Final = (Event, Explanation, Habit, Item, Profile, Reason, Recommendation, Stats, Term)
_NAMES: Final = frozenset({"item", "n_candidates", "reason", *(f.name for one in _RECORDS for f in fields(one))})


def _told(key: str, number: int) -> str:
    return key if key in _NAMES else f"entry {number}"
