"""Write the index of the catalogue and its page of claims anew: `python -m theorylab.catalog`."""

from __future__ import annotations

import json
from pathlib import Path

from theorylab.catalog.collect import build_index
from theorylab.catalog.page import page_text


def index_text() -> str:
    """The contents of index.json: one claim a line, so that a change is one line of a diff."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in build_index())
    return f'{{"claims": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    for name, text in (("index.json", index_text()), ("CLAIMS.md", page_text())):
        path = Path(__file__).with_name(name)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")
