"""Any test on encrypted files: ``RECSYS_TEST_KEY=$(openssl rand -hex 32) scripts/test tests/log``.

Where the variable holds 64 hexadecimal digits, they are the key of every ``Store`` and ``Recommender`` that is opened
without one, in this process and in every child that imports anything of ``tests``. A child that does not is refused
its file, so nothing is left out unnoticed. ``database`` opens a file past the store, plain or encrypted.
"""

from __future__ import annotations

import os
import sqlite3
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from recsys import Recommender
from recsys.log import Store, opening

KEY: Final = bytes.fromhex(os.environ.get("RECSYS_TEST_KEY", "")) or None

needs_cipher = pytest.mark.skipif(
    find_spec("sqlcipher3") is None, reason="sqlcipher3 is not installed (the extra: encrypted)"
)
plain_only = pytest.mark.skipif(KEY is not None, reason="RECSYS_TEST_KEY is set, and this is about plain files")

if KEY:
    for opens in (Store, Recommender):
        (opens.__init__.__kwdefaults__ or {})["key"] = KEY


def database(path: str | Path, key: bytes | None = KEY, *, timeout_s: float = 5.0) -> sqlite3.Connection:
    """A bare connection to a file, made when absent."""
    if key is None:
        return sqlite3.connect(path, isolation_level=None, timeout=timeout_s)
    from recsys.log.cipher import Cipher

    return Cipher(key).connect(opening.address(str(path), "rwc"), timeout_s)
