"""The core from end to end with nothing but the standard library and NumPy: a plain script, without pytest.

``scripts/pythons`` runs it in an empty environment on every Python. It prints one line and exits 0,
or fails with a traceback. Modules that NumPy and sqlite3 load by themselves are not held against recsys.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path

import numpy as np

# What can reach a network or another process, and what is heavy; the modules below each are meant too.
FORBIDDEN = (
    "_posixsubprocess",
    "_socket",
    "_ssl",
    "asyncio",
    "click",
    "concurrent.futures",
    "ftplib",
    "http",
    "imaplib",
    "joblib",
    "lightgbm",
    "multiprocessing",
    "pandas",
    "poplib",
    "recsys.testing",
    "rich",
    "scipy",
    "selectors",
    "sklearn",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite_utils",
    "ssl",
    "subprocess",
    "urllib.request",
    "webbrowser",
    "xmlrpc",
)
LOADED_BY_NUMPY = tuple(name for name in FORBIDDEN if name in sys.modules)

START = 1_700_000_000.0
HOUR = 3_600.0
SHOP = "a-shop-nobody-need-know-of"
ALBUMS = [
    {"id": "kind-of-blue", "title": "Kind of Blue", "tags": ["jazz"], "year": 1959},
    {"id": "blue-train", "title": "Blue Train", "tags": ["jazz"], "year": 1957},
    {"id": "horses", "title": "Horses", "tags": ["punk"], "year": 1975},
]


def live(path: Path) -> list[tuple[str, float]]:
    """A first run of an app; returns what it ended with: the ids and scores of a slate."""
    from recsys import Recommender

    with Recommender(path) as rec:
        assert len(rec.recommend(5, at=START)) == 0
        assert rec.add(ALBUMS) == len(ALBUMS)
        for day in range(5):
            rec.record("kind-of-blue", "play", at=START + 24 * HOUR * day, context={"place": "home"})
        rec.record(SHOP, "visit", at=START + 10 * HOUR, value=2.5, context={"place": "town"})
        slate = rec.recommend(3, at=START + 150 * HOUR, context={"place": "home"})
        assert slate[0].item_id == "kind-of-blue"
        assert slate[0].reasons
        assert [r.position for r in slate] == [0, 1, 2]
        assert all(np.isfinite(r.score) and 0 < r.propensity <= 1 for r in slate)
        rec.shown(slate)
        rec.record(slate[1].item_id, slate=slate, at=START + 151 * HOUR)
        ranked = rec.rank(["horses", "no-such-album"], at=START + 152 * HOUR)
        assert {r.item_id: r.known for r in ranked} == {"horses": True, "no-such-album": False}
        why = rec.explain("horses", at=START + 152 * HOUR)
        assert abs(sum(term.contribution for term in why.terms) - (why.score - why.average_score)) < 1e-9
        assert rec.forget(items=[SHOP]).status == "erased"
        return [(r.item_id, r.score) for r in rec.recommend(3, at=START + 160 * HOUR)]


def again(path: Path) -> list[tuple[str, float]]:
    """The next run of the app: what it begins with."""
    from recsys import Recommender

    with Recommender(path) as rec:
        assert rec.stats().n_events > 0
        assert [finding for finding in rec.check() if finding.severity == "error"] == []
        return [(r.item_id, r.score) for r in rec.recommend(3, at=START + 160 * HOUR)]


def main() -> None:
    """Run the core from end to end."""
    with tempfile.TemporaryDirectory() as folder:
        before = live(Path(folder) / "me.db")
        for file in Path(folder).iterdir():
            assert SHOP.encode() not in file.read_bytes(), "a forgotten item is still in a file"
        assert again(Path(folder) / "me.db") == before
    loaded = [name for name in FORBIDDEN if name in sys.modules and name not in LOADED_BY_NUMPY]
    assert loaded == [], f"the core loaded {loaded}"
    print(
        f"Python {sys.version.split()[0]}, NumPy {np.__version__}, SQLite {sqlite3.sqlite_version}: the core works; "
        f"of the modules it may not load, NumPy alone brings {list(LOADED_BY_NUMPY) or 'none'}"
    )


if __name__ == "__main__":
    main()
