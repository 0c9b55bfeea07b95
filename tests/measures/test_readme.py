"""The README's example of the measures runs as it is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

README = Path(__file__).parents[2] / "README.md"


def test_the_example_runs() -> None:
    section = README.read_text(encoding="utf-8").partition("## On your own network")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    ms, network, x = names["ms"], names["network"], names["x"]
    assert isinstance(names["optimizer"], torch.optim.Optimizer)
    assert bool((ms.margins(network, x, names["labels"]) > 0).all())
    assert ms.path_norm(network, (3,)) == pytest.approx(
        float((network[2].weight.double() ** 2 @ network[0].weight.double() ** 2).sum().detach()) ** 0.5
    )
