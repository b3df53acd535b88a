"""Filters over items that are written as a mapping, checked once and then asked of one item after another.

In goes what a host says of ``tags``, ``title``, ``id`` or any attribute: a value, a list of values, or a span.
Out comes a predicate, just like the function that a host may give instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, cast

from recsys.errors import InputError
from recsys.inputs import LIMITS, finite, scalar, text
from recsys.types import Item, Scalar

__all__ = ["condition_of"]

_FIELD: Final = "where"
_ENDS: Final = frozenset({"min", "max"})
_LISTS: Final = (list, tuple, AbstractSet)

Kinded = tuple[bool, Scalar]  # whether it is a boolean, and the value: True is not 1
Test = Callable[[Item], bool]


def condition_of(given: Mapping[object, object]) -> Test | None:
    """Check a filter and give its predicate; None when it asks for nothing.

    Parameters
    ----------
    given : mapping
        Names to what is asked of them, at most 64; an item must answer all of it. ``"tags"`` asks for a tag, or one of
        some tags. ``"id"``, ``"title"`` and every other name, which is an attribute's, ask for a value, one of some
        values, or a mapping with ``"min"``, ``"max"`` or both: numbers, or texts, ends included. An item without the
        attribute, or with one of another type, does not match; ``1`` is ``1.0`` and not ``True``. An empty list
        matches nothing.

    Returns
    -------
    callable or None
        O(len(given)) a call.

    Raises
    ------
    InputError
        When it cannot be meant.
    """
    if len(given) > LIMITS["attributes"]:
        raise InputError(f"{_FIELD}: at most {LIMITS['attributes']} entries", field=_FIELD)
    tests = [_test(text(name, _FIELD, "key"), wanted) for name, wanted in given.items()]
    if len(tests) < 2:  # noqa: PLR2004 - one test needs no loop
        return tests[0] if tests else None

    def holds(item: Item) -> bool:
        for test in tests:  # noqa: SIM110 - all() with a generator takes twice as long
            if not test(item):
                return False
        return True

    return holds


def _test(name: str, wanted: object) -> Test:
    if name == "tags":
        tags = frozenset(text(tag, _FIELD, "tag") for tag in _values(wanted))
        return lambda item: not tags.isdisjoint(item.tags)
    if isinstance(wanted, Mapping):
        within = _within(wanted)
        return lambda item: (found := _found(item, name)) is not None and within(found)
    values = frozenset(_kinded(scalar(value, _FIELD, "attribute")) for value in _values(wanted))
    return lambda item: (found := _found(item, name)) is not None and _kinded(found) in values


def _values(wanted: object) -> list[object]:
    if isinstance(wanted, _LISTS):
        if len(wanted) > LIMITS["candidates"]:
            raise InputError(f"{_FIELD}: at most {LIMITS['candidates']} values", field=_FIELD)
        return list(wanted)
    return [wanted]


def _within(span: Mapping[object, object]) -> Callable[[Scalar], bool]:
    """Check a span and give the test of a value."""
    if not span or not span.keys() <= _ENDS:
        raise InputError(f'{_FIELD}: a span has "min", "max" or both', field=_FIELD)
    ends = {name: _end(end) for name, end in span.items()}
    low, high = ends.get("min"), ends.get("max")
    of_text = isinstance(next(iter(ends.values())), str)
    if any(isinstance(end, str) != of_text for end in ends.values()):
        raise InputError(f"{_FIELD}: the ends of a span are two numbers or two texts", field=_FIELD)
    if low is not None and high is not None and low > high:  # type: ignore[operator]
        raise InputError(f'{_FIELD}: "min" must not be above "max"', field=_FIELD)

    def within(value: Scalar) -> bool:
        if isinstance(value, bool) or isinstance(value, str) != of_text:
            return False
        return (low is None or low <= value) and (high is None or value <= high)  # type: ignore[operator]

    return within


def _end(value: object) -> str | int | float:
    if isinstance(value, str):
        return text(value, _FIELD, "attribute", empty=True)
    finite(value, _FIELD)
    return cast("int | float", scalar(value, _FIELD, "attribute"))


def _found(item: Item, name: str) -> Scalar | None:
    if name == "id":
        return item.id
    return (item.title or None) if name == "title" else item.attributes.get(name)


def _kinded(value: Scalar) -> Kinded:
    return isinstance(value, bool), value
