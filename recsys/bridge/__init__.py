"""All that a host in another language needs: ``call(method, payload) -> answer``, JSON in and out.

A payload is one JSON object with a method's arguments by name; an answer is ``{"result": ...}`` or
``{"error": {"kind", "field", "message"}}``. Recommenders are opened by ``open``, which gives an integer handle.
``docs/bridge.md`` lists all methods; ``schema()`` says the same as JSON Schema.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable, Mapping
from typing import Final, cast

from recsys.bridge.table import METHODS, Argument
from recsys.bridge.values import READERS, encoded, plain, plain_slate, read
from recsys.errors import ClosedError, InputError, MissingExtraError, RecsysError
from recsys.inputs import LIMITS, count
from recsys.recommender import Recommender
from recsys.types import Slate

__all__ = ["MOST_CALLS", "VERSION", "call"]

VERSION: Final = 1
"""Of the table: it grows when a host that was written for an earlier one could fail."""
MOST_CALLS: Final = 10_000
"""In one batch."""

_OUT_OF_MEMORY: Final = b'{"error":{"kind":"InternalError","field":null,"message":"out of memory"}}'
_open: Final[dict[int, Recommender]] = {}
_opening: Final = allocate_lock()
_last: int = 0

Arguments = dict[str, object]


def call(method: str, payload: bytes = b"") -> bytes:
    """Make one call. Never raises.

    Parameters
    ----------
    method : str
        A row of the table in ``docs/bridge.md``.
    payload : bytes
        One JSON object in UTF-8 with the arguments by name; empty for none. What is null is as if it were left out.

    Returns
    -------
    bytes
        JSON in UTF-8. It begins with ``{"result":`` or with ``{"error":``. A ``kind`` is the name of a class of
        :mod:`recsys.errors`, or ``InternalError`` for what nobody foresaw; ``field`` is the argument, or for
        ``MissingExtraError`` the extra, or null. No message carries an id, a text or a context value.

    Notes
    -----
    Any number of threads may call. Costs some microseconds over the method itself, and O(bytes).

    Stability: provisional
    """
    try:
        return _answered(method, read(payload))
    except BaseException as error:  # noqa: BLE001 - nothing may cross into a host that knows no exceptions
        return _refused(error)


def _answered(method: str, given: Arguments) -> bytes:
    """Make a call whose arguments are read."""
    if not isinstance(method, str) or method not in METHODS:
        raise InputError("method: is none of those that the schema lists", field="method")
    row = METHODS[method]
    arguments = _arguments(method, row.arguments, given)
    if row.attribute is None:
        return b'{"result":' + _OWN[method](**arguments) + b"}"
    recommender = _of_handle(arguments.pop("handle"))
    n_reasons = count(arguments.pop("reasons", 0), "reasons", 0, LIMITS["slate"])
    done = getattr(recommender, row.attribute)(**arguments)
    answer = plain_slate(done, n_reasons) if isinstance(done, Slate) else plain(done)
    return b'{"result":' + encoded(answer) + b"}"


def _arguments(method: str, wanted: tuple[Argument, ...], given: Arguments) -> Arguments:
    """Check the names of arguments, and turn what JSON cannot say."""
    found: Arguments = {}
    for name, kind, required, _ in wanted:
        value = given.get(name)
        if value is not None:
            reader = READERS.get(kind)
            found[name] = value if reader is None else reader(value, name)
        elif required:
            raise InputError(f"{name}: is missing", field=name)
    if len(given) > len(found) and not given.keys() <= {argument.name for argument in wanted}:
        names = ", ".join(argument.name for argument in wanted) or "none"
        raise InputError(f"payload: the arguments of {method} are: {names}", field="payload")
    return found


def _of_handle(handle: object) -> Recommender:
    if type(handle) is int:
        recommender = _open.get(handle)
        if recommender is not None:
            return recommender
        if 0 < handle <= _last:
            raise ClosedError("this was closed: open a new one")
    raise InputError("handle: is none that was given", field="handle")


def _refused(error: BaseException) -> bytes:
    """Say what was wrong; of what nobody foresaw only the type, since its words may be a person's."""
    try:
        if isinstance(error, RecsysError):
            field = error.extra if isinstance(error, MissingExtraError) else getattr(error, "field", None)
            told = {"kind": type(error).__name__, "field": field, "message": str(error)}
        else:
            told = {"kind": "InternalError", "field": None, "message": f"unexpected: {type(error).__name__}"}
        return encoded({"error": told})
    except BaseException:  # noqa: BLE001 - the same
        return _OUT_OF_MEMORY


# -- methods of the bridge itself ------------------------------------------------------------


def _version() -> bytes:
    import platform
    import sqlite3

    import numpy as np

    from recsys import __version__

    told = {"recsys": __version__, "bridge": str(VERSION), "python": platform.python_version()}
    return encoded({**told, "numpy": np.__version__, "sqlite": sqlite3.sqlite_version})


def _schema() -> bytes:
    from recsys.bridge.schema import schema

    return encoded(schema())


def _opened(**arguments: object) -> bytes:
    global _last  # noqa: PLW0603 - handles are counted, so that a closed one is told from one that never was
    make = cast("Callable[..., Recommender]", Recommender)
    recommender = make(**arguments)
    with _opening:
        _last += 1
        handle = _last
        _open[handle] = recommender
    return b"%d" % handle


def _closed(handle: object) -> bytes:
    try:
        _of_handle(handle).close()
    except ClosedError:
        return b"null"
    _open.pop(cast("int", handle), None)
    return b"null"


def _closed_all() -> bytes:
    handles = list(_open)
    for handle in handles:
        _closed(handle)
    return b"%d" % len(handles)


def _set_aside(**arguments: object) -> bytes:
    from recsys.log.aside import set_aside

    move = cast("Callable[..., str]", set_aside)
    return encoded(move(**arguments))


def _batch(calls: object) -> bytes:
    given = cast("list[object]", calls)
    if len(given) > MOST_CALLS:
        raise InputError(f"calls: at most {MOST_CALLS}", field="calls")
    return b"[" + b",".join(map(_one_of_a_batch, given)) + b"]"


def _one_of_a_batch(given: object) -> bytes:
    try:
        if not isinstance(given, dict) or not given.keys() <= {"method", "arguments"}:
            raise InputError("calls: objects with a method and arguments are needed", field="calls")
        method, arguments = given.get("method"), given.get("arguments")
        if method == "batch":
            raise InputError("calls: a batch has no batch in it", field="calls")
        if arguments is not None and not isinstance(arguments, dict):
            raise InputError("arguments: an object is needed", field="arguments")
        return _answered(cast("str", method), arguments or {})
    except BaseException as error:  # noqa: BLE001 - one call that fails is no reason to lose the others' answers
        return _refused(error)


_OWN: Final[Mapping[str, Callable[..., bytes]]] = {
    "version": _version,
    "schema": _schema,
    "batch": _batch,
    "open": _opened,
    "close": _closed,
    "close_all": _closed_all,
    "set_aside": _set_aside,
}
