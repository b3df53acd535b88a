"""recsys: a recommender that lives inside an app.

It keeps one person's interaction log in a local SQLite file, learns a small
ranking model from it after every event, and answers in-process. Nothing leaves
the device, and what is forgotten was never known.
"""

from recsys.errors import (
    BusyError,
    CheckpointError,
    ClosedError,
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
from recsys.types import (
    Evaluation,
    Event,
    Explanation,
    Finding,
    Habit,
    Item,
    Metric,
    Profile,
    Reason,
    Receipt,
    Recommendation,
    Slate,
    Stats,
    Term,
)

__all__ = [
    "BusyError",
    "CheckpointError",
    "ClosedError",
    "CorruptError",
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
]
__version__ = "0.1.0"
