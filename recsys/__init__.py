"""recsys: a recommender that lives inside an app.

It keeps one person's interaction log in a local SQLite file, learns a small
ranking model from it after every event, and answers in-process. Nothing leaves
the device, and what is forgotten was never known.
"""

import typing as _typing

from recsys.errors import (
    BudgetError,
    BusyError,
    CheckpointError,
    ClosedError,
    ConsentError,
    CorruptError,
    ForkedError,
    FullError,
    InputError,
    MissingExtraError,
    PausedError,
    RecsysError,
    StateError,
    StoreError,
    VersionError,
    WrongKeyError,
)
from recsys.prior import Prior
from recsys.recommender import Recommender
from recsys.settings import Settings
from recsys.types import Event, Item, Reason, Recommendation, Slate

if _typing.TYPE_CHECKING:
    from recsys.log.aside import set_aside
    from recsys.reports import (
        Counterfactual,
        Estimate,
        Evaluation,
        Explanation,
        Finding,
        Habit,
        Metric,
        Profile,
        Receipt,
        Stats,
        Term,
    )

__all__ = [
    "BudgetError",
    "BusyError",
    "CheckpointError",
    "ClosedError",
    "ConsentError",
    "CorruptError",
    "Counterfactual",
    "Estimate",
    "Evaluation",
    "Event",
    "Explanation",
    "Finding",
    "ForkedError",
    "FullError",
    "Habit",
    "InputError",
    "Item",
    "Metric",
    "MissingExtraError",
    "PausedError",
    "Prior",
    "Profile",
    "Reason",
    "Receipt",
    "Recommendation",
    "Recommender",
    "RecsysError",
    "Settings",
    "Slate",
    "StateError",
    "Stats",
    "StoreError",
    "Term",
    "VersionError",
    "WrongKeyError",
    "set_aside",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load the records of reports, and what is seldom needed, when one is first asked for."""
    if name == "set_aside":
        from recsys.log.aside import set_aside

        return set_aside
    if name in __all__:
        from recsys import reports

        return getattr(reports, name)
    raise AttributeError(f"module 'recsys' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the names that load later too."""
    return sorted({*globals(), *__all__})
