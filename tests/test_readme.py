"""What the README shows runs as it is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_the_examples_run_one_after_the_other() -> None:
    shown: dict[str, Any] = {"__name__": "readme"}
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 4
    for block in blocks:
        exec(compile(block, "README.md", "exec"), shown)
    assert shown["verdict"].status == "proved"
    assert shown["run"].backend == "generated C"
    assert shown["found"].enclosed
    assert (shown["laws"].count, shown["laws"].bound, shown["laws"].complete) == (3, 3, True)
    shown["test_something_else"]()
