"""Every error that recsys raises on purpose.

::

    RecsysError
    ├─ InputError(ValueError)        the caller's argument; nothing changed
    ├─ StateError(RuntimeError)      the recommender cannot do this now
    │  ├─ ClosedError                it was closed
    │  ├─ PausedError                it is paused: nothing is written
    │  ├─ ConsentError               the person has not allowed it: nothing is written
    │  ├─ BudgetError                a release would cost more privacy than is left
    │  └─ ForkedError                it was opened by the parent of this process
    ├─ StoreError(OSError)           the file
    │  ├─ BusyError                  something else uses it: try again
    │  ├─ FullError                  no space is left on the disk
    │  ├─ CorruptError               the log in it is damaged
    │  ├─ VersionError               it was written by a newer recsys
    │  └─ WrongKeyError              the key does not open it
    ├─ CheckpointError(ValueError)   internal: always answered by a rebuild
    └─ MissingExtraError(ImportError)  names the pip extra to install

No message carries an item id, a text or a context value. The offending field
is named by the attribute ``field``.
"""

from __future__ import annotations

from functools import partial

__all__ = [
    "BudgetError",
    "BusyError",
    "CheckpointError",
    "ClosedError",
    "ConsentError",
    "CorruptError",
    "ForkedError",
    "FullError",
    "InputError",
    "MissingExtraError",
    "PausedError",
    "RecsysError",
    "StateError",
    "StoreError",
    "VersionError",
    "WrongKeyError",
]


class RecsysError(Exception):
    """The root of every error that recsys raises on purpose.

    Stability: stable
    """


class InputError(RecsysError, ValueError):
    """An argument is not usable. Raised before anything changes.

    Parameters
    ----------
    message : str
        What is wrong and what would be right, without the value itself.
    field : str
        The name of the argument, or of the part of it, that is wrong.

    Stability: stable
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field

    def __reduce__(self) -> tuple[partial[InputError], tuple[object, ...]]:
        return partial(type(self), field=self.field), self.args


class StateError(RecsysError, RuntimeError):
    """The recommender is in no state to do this.

    Stability: stable
    """


class ClosedError(StateError):
    """The recommender was closed; open a new one on the same path.

    Stability: stable
    """


class PausedError(StateError):
    """The recommender is paused, so nothing may be written; call ``resume()`` first.

    Stability: stable
    """


class ConsentError(StateError):
    """``Settings(require_consent=True)``, and the person has not consented, so nothing may be written.

    Ask, and call ``consent(purpose)`` when the answer is yes.

    Stability: provisional
    """


class BudgetError(StateError):
    """The file's privacy budget does not allow this release; nothing was drawn or charged.

    Stability: provisional
    """


class ForkedError(StateError):
    """The recommender was opened before a fork; open a new one in the child.

    Stability: stable
    """


class StoreError(RecsysError, OSError):
    """The file cannot be read or written as it is.

    Stability: stable
    """


class BusyError(StoreError):
    """Something else uses the file, or forgot something of it meanwhile; the call may be tried again.

    Stability: stable
    """


class FullError(StoreError):
    """The disk or the file's quota is full; nothing was written.

    Stability: stable
    """


class CorruptError(StoreError):
    """The log is damaged. The file is left exactly as it was found.

    Stability: stable
    """


class VersionError(StoreError):
    """The file was written by a newer recsys; update recsys to open it.

    Stability: stable
    """


class WrongKeyError(StoreError):
    """The key does not open this file.

    Stability: stable
    """


class CheckpointError(RecsysError, ValueError):
    """A checkpoint cannot be used. Internal: the answer is always a rebuild.

    Stability: provisional
    """


class MissingExtraError(RecsysError, ImportError):
    """An optional dependency is missing.

    Parameters
    ----------
    extra : str
        The pip extra that brings it, as in ``pip install "recsys-embedded[cli]"``.

    Stability: stable
    """

    def __init__(self, extra: str) -> None:
        super().__init__(f'this needs an optional extra: pip install "recsys-embedded[{extra}]"')
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str]]:
        return type(self), (self.extra,)
