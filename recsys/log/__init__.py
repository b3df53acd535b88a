"""What happened: the log, the catalogue and the caches, in one SQLite file.

``Store`` is the one door; nothing of learning or ranking is known in here.
"""

from __future__ import annotations

from recsys.log.schema import APPLICATION_ID, SCHEMA_VERSION
from recsys.log.store import Store

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "Store"]
