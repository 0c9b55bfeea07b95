"""Rows of the table of conservation laws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from theorylab.flow import Flow


@dataclass(frozen=True)
class Row:
    """A flow with the number of its laws as a function of its sizes, and the sizes at which it is counted.

    gap: how many laws are known to be missing from the polynomial ones up to `degree`.
    """

    name: str
    flow: Flow
    sizes: tuple[Mapping[str, int], ...]
    count: Callable[..., int]
    gap: int = 0
    degree: int = 2
    remark: str = ""
