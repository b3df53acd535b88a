"""An aggregate of one person's log that may leave the device: opt-in, noised exactly, paid from a budget.

Nothing else in recsys knows this room, and nothing here sends anything: it returns bytes.
"""

from recsys.privacy.aggregate import Aggregate, Charge

__all__ = ["Aggregate", "Charge"]
