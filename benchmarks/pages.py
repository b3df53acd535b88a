"""Keep ``docs/benchmarks.md`` in step with the results: its tables and plots come from what was written last.

The text of the page is written by hand. Between ``<!-- what id n -->`` and ``<!-- end -->`` stands what a run
measured: ``plot`` the n-th picture, ``table`` the n-th table, ``notes`` the sentences below it, all counted from 1;
``overview quality -`` one row a set, ``overview speed -`` one row each of what has a budget. A block without
results says how to get them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS
from benchmarks.plot import plot_file
from benchmarks.quality_tables import FLAT, LEARNER
from benchmarks.report import text_of
from benchmarks.rules import RULES
from recsys.reports import Metric

__all__ = ["PAGE", "refresh", "shown"]

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_BLOCK = re.compile(r"<!-- (plot|table|notes|overview) (\S+) (\S+) -->\n.*?<!-- end -->", re.DOTALL)
_MEASURES = ("NDCG@10", "Acc@1", "hit@1")


def refresh(page: Path, results: Path) -> list[Path]:
    """Write the page's blocks anew from the results, copy its plots beside it, and return what was written."""
    pictures = page.parent / "plots"
    written = [page]

    def block(match: re.Match[str]) -> str:
        what, name, n = match.groups()
        if what == "plot":
            body, copied = _plot(name, int(n) - 1, results, pictures)
            written.extend(copied)
        else:
            body = _BODIES[what](name, n, results)
        return f"<!-- {what} {name} {n} -->\n{body}\n<!-- end -->"

    page.write_text(_BLOCK.sub(block, page.read_text(encoding="utf-8")), encoding="utf-8")
    return written


def shown(page: Path) -> set[tuple[str, str, str]]:
    """Return the blocks of a page: what, the scenario's id, and the number."""
    return set(_BLOCK.findall(page.read_text(encoding="utf-8")))


def _plot(name: str, n: int, results: Path, pictures: Path) -> tuple[str, list[Path]]:
    source = plot_file(name, n, results)
    result = _read(name, results)
    if result is None or not source.is_file():
        return _not_yet(name), []
    pictures.mkdir(exist_ok=True)
    copy = pictures / (name.partition("/")[2] + source.stem.removeprefix(Path(name).name) + ".png")
    shutil.copyfile(source, copy)
    title = result["tables"][n]["title"]
    return f"![{name}: {title}](plots/{copy.name})", [copy]


def _table(name: str, n: str, results: Path) -> str:
    result = _read(name, results)
    if result is None:
        return _not_yet(name)
    table = result["tables"][int(n) - 1]
    return _markdown(table["columns"], [[text_of(_cell(cell)) for cell in row] for row in table["rows"]])


def _notes(name: str, n: str, results: Path) -> str:
    result = _read(name, results)
    if result is None:
        return _not_yet(name)
    absent = [f"* Not run: {what}: {reason}" for what, reason in result["skipped"].items()]
    return "\n".join([*(f"* {note}" for note in result["tables"][int(n) - 1]["notes"]), *absent])


def _overview(group: str, _: str, results: Path) -> str:
    firsts = {
        path.stem: _read(f"{group}/{path.stem}", results)["tables"][0]
        for path in sorted((results / group).glob("*.json"))
    }
    head, rows = _ranked(firsts) if group == "quality" else _budgeted(firsts)
    return _markdown(head, rows) if rows else _not_yet(f"{group}/")


def _ranked(firsts: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for stem, table in firsts.items():
        places = [table["columns"].index(measure) for measure in _MEASURES if measure in table["columns"]]
        models = {str(row[0]): row for row in table["rows"]}
        if len(places) == 2 and LEARNER in models:
            own = [_pair(models[name], places) for name in (LEARNER, FLAT)]
            best = [_best(models, among, places) for among in (PEERS, RULES)]
            rows.append([f"[{stem}](../benchmarks/results/quality/{stem}.md)", *own, *best])
    return ["set", LEARNER, FLAT, "best peer", "best rule"], rows


def _budgeted(firsts: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for table in firsts.values():
        columns = table["columns"]
        if columns[-3:] == ["floor", "aim", "verdict"]:
            beside = columns.index("baseline") if "baseline" in columns else None
            unit = "" if columns[-4] == "ratio" else " MB"
            for row in table["rows"]:
                baseline = "-" if beside is None else row[beside]
                rows.append([row[0], baseline, text_of(row[-4]) + unit, *(text_of(cell) for cell in row[-3:])])
    return ["what", "baseline", "ratio to it, or size", "floor", "aim", "verdict"], rows


_BODIES: Mapping[str, Callable[[str, str, Path], str]] = {"table": _table, "notes": _notes, "overview": _overview}


def _pair(row: list[Any], places: list[int]) -> str:
    ndcg, first = (_cell(row[place]) for place in places)
    return f"{_mean(ndcg):.3f} ({_mean(first):.3f})"


def _best(models: Mapping[str, list[Any]], among: Mapping[str, object], places: list[int]) -> str:
    there = [name for name in models if name in among]
    best = max(there, key=lambda name: _mean(_cell(models[name][places[0]])), default=None)
    return "-" if best is None else f"{best}: {_pair(models[best], places)}"


def _mean(cell: object) -> float:
    return cell.mean if isinstance(cell, Metric) else float("nan")


def _cell(cell: Any) -> Any:
    return Metric(**cell) if isinstance(cell, dict) else cell


def _read(name: str, results: Path) -> Any:
    path = results / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _not_yet(name: str) -> str:
    group, _, rest = name.partition("/")
    return f"*Not measured here yet: `python -m benchmarks {group}{f' --only {name}' if rest else ''}`.*"


def _markdown(columns: list[str], rows: list[list[str]]) -> str:
    head = ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    return "\n".join([*head, *("| " + " | ".join(row) + " |" for row in rows)])
