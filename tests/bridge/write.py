"""Write what the bridge's table makes: ``python -m tests.bridge.write``, after a change of the table or of a record."""

from __future__ import annotations

import json
from pathlib import Path

from recsys.bridge.schema import page, schema

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- made by tests/bridge/write.py -->\n", "<!-- end -->"

if __name__ == "__main__":
    (DOCS / "bridge.schema.json").write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")
    before, rest = (DOCS / "bridge.md").read_text(encoding="utf-8").split(BEGIN)
    (DOCS / "bridge.md").write_text(before + BEGIN + page() + END + rest.split(END)[1], encoding="utf-8")
