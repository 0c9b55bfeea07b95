"""The checker stays as short as its README says, so that one person can read it."""

from __future__ import annotations

import re
from pathlib import Path

import proofs_check

FOLDER = Path(proofs_check.__file__).parent
ROW = re.compile(r"\| (`(?P<file>\w+)`|\*(?P<part>\w+)\*) \| (?P<lines>\d+) \|")
LONGEST = 250  # of a rule beside the core
LARGEST = 3135


def lines(file: str) -> int:
    return len((FOLDER / f"{file}.py").read_text().splitlines())


def test_the_table_has_the_length_of_each_file() -> None:
    rows = [match for match in map(ROW.match, (FOLDER / "README.md").read_text().splitlines()) if match]
    stated = {row["file"]: int(row["lines"]) for row in rows if row["file"]}
    sums = {row["part"]: int(row["lines"]) for row in rows if row["part"]}
    order = [row["file"] or row["part"] for row in rows]
    assert stated == {path.stem: lines(path.stem) for path in FOLDER.glob("*.py")}
    core = order[: order.index("core")]
    assert sums == {"core": sum(map(lines, core)), "sum": sum(map(lines, stated))}
    assert {file: n for file, n in stated.items() if file not in core and n >= LONGEST} == {}
    assert sums["sum"] <= LARGEST
