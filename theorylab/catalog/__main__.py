"""Write the index of the catalogue anew: `python -m theorylab.catalog`."""

from __future__ import annotations

import json
from pathlib import Path

from theorylab.catalog.collect import build_index


def index_text() -> str:
    """The contents of index.json: one claim a line, so that a change is one line of a diff."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in build_index())
    return f'{{"claims": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    path = Path(__file__).with_name("index.json")
    path.write_text(index_text(), encoding="utf-8")
    print(f"wrote {path}")
