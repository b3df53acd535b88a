"""Cut the packaged demo sample from the "Online Retail" log.

In: a data folder holding ``uci-online-retail/interactions.csv.gz`` and ``items.csv.gz``. Out: ``events.csv.gz`` and
``items.csv.gz`` in ``recsys/data/``. The same input gives the same output.

The shoppers are chosen by a rule that knows nothing of any ranking: among the customers with 500 to 3,000 product
lines, those with the most distinct shopping days, ties by customer id. The catalogue is every product of the shop.

Run as ``python benchmarks/make_sample.py [--data FOLDER] [--out FOLDER]``.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

__all__ = ["choose_shoppers", "cut", "main"]

ROOT = Path(__file__).resolve().parents[1]
N_SHOPPERS = 5
MIN_LINES, MAX_LINES = 500, 3000
SECONDS_PER_DAY = 86_400


def choose_shoppers(lines: Iterable[dict[str, str]]) -> list[str]:
    """Return the ids of the shoppers that the rule picks, first choice first.

    Parameters
    ----------
    lines : iterable of mapping
        Product lines with at least ``user_id`` and ``timestamp`` (seconds since 1970-01-01).
    """
    n_lines: dict[str, int] = {}
    days: dict[str, set[int]] = {}
    for line in lines:
        user = line["user_id"]
        n_lines[user] = n_lines.get(user, 0) + 1
        days.setdefault(user, set()).add(int(line["timestamp"]) // SECONDS_PER_DAY)
    eligible = [user for user, n in n_lines.items() if MIN_LINES <= n <= MAX_LINES]
    return sorted(eligible, key=lambda user: (-len(days[user]), user))[:N_SHOPPERS]


def cut(data: Path, out: Path) -> dict[str, int]:
    """Write the two files of the sample and return their sizes in bytes, by name."""
    source = data / "uci-online-retail"
    titles = {row["item_id"]: row["title"] for row in _rows(source / "items.csv.gz") if row["is_product"] == "1"}
    lines = [row for row in _rows(source / "interactions.csv.gz") if row["item_id"] in titles]
    number = {user: n for n, user in enumerate(choose_shoppers(lines), start=1)}
    chosen = [line for line in lines if line["user_id"] in number]
    # Stable: within an invoice, whose lines share one minute, the published order stays.
    chosen.sort(key=lambda line: (number[line["user_id"]], int(line["timestamp"]), int(line["invoice"])))
    events = [
        (number[line["user_id"]], line["timestamp"], line["item_id"], line["event"], f"{float(line['value']):g}")
        for line in chosen
    ]
    return {
        "events.csv.gz": _write(out / "events.csv.gz", ("shopper", "at", "item_id", "kind", "pieces"), events),
        "items.csv.gz": _write(out / "items.csv.gz", ("item_id", "title"), sorted(titles.items())),
    }


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode("utf-8"), compresslevel=9, mtime=0))
    return path.stat().st_size


def main(arguments: Sequence[str] | None = None) -> int:
    """Cut the sample; return a process exit code."""
    parser = argparse.ArgumentParser(description="Cut the packaged demo sample.")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("RECSYS_DATA", ROOT.parent / "shared" / "data"))
    )
    parser.add_argument("--out", type=Path, default=ROOT / "recsys" / "data")
    options = parser.parse_args(arguments)
    if not (options.data / "uci-online-retail").is_dir():
        parser.error("the set uci-online-retail is missing: name its parent folder with --data or RECSYS_DATA")
    for name, size_bytes in cut(options.data, options.out).items():
        print(f"{name}: {size_bytes:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
