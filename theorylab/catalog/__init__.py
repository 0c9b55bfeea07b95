"""The theorems of the literature, one module per paper, written only in the public language.

The module `du_2018` is the paper `du-2018`; the claims in it have the ids `du-2018/NAME`. `index.json` lists
them all, so that the catalogue can be read without importing it; `python -m theorylab.catalog` writes it anew.
"""

from __future__ import annotations

import json
import pkgutil
from importlib import import_module, resources
from types import ModuleType
from typing import TypedDict


class Entry(TypedDict):
    """One line of the catalogue. `expected` is a status, `control_of` the id of the claim that it is a control of."""

    id: str
    paper: str
    kind: str
    title: str
    expected: str | None
    control_of: str | None


def papers() -> list[str]:
    """The keys of all papers, sorted, without importing their modules."""
    return sorted(name.replace("_", "-") for _, name, _ in pkgutil.iter_modules(__path__) if name[-4:].isdigit())


def load(paper: str) -> ModuleType:
    """The module of the paper with the key `paper`, one of `papers()`."""
    return import_module(f"{__name__}.{paper.replace('-', '_')}")


def index() -> list[Entry]:
    """The generated index, in the order of papers and of definitions; imports no claim."""
    return json.loads(resources.files(__name__).joinpath("index.json").read_text(encoding="utf-8"))["claims"]
