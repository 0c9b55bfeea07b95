"""What formulas take for granted of their arguments, noted while they are read.

A formula that divides by u speaks only of cases where u is not 0, also where u cancels afterwards: x / x = 1 and
exp(log x) = x hold where x is not 0, and where x is positive.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from theorylab.readings.array import Array

ASSUMED = {"inv": "≠ 0", "sign": "≠ 0", "log": "> 0", "sqrt": "> 0"}
"""What a function assumes of its argument; "inv" is the reciprocal."""

Demand = tuple[str, "Array"]
"""A function, and the array that it was applied to entry by entry."""

_noted: ContextVar[list[Demand] | None] = ContextVar("demands of formulas", default=None)


def note(function: str, argument: Array) -> None:
    """Note that a formula applies a function to an argument."""
    found = _noted.get()
    if found is not None and function in ASSUMED:
        found.append((function, argument))


def noting() -> bool:
    """Whether somebody wants to know."""
    return _noted.get() is not None


@contextmanager
def demands() -> Iterator[list[Demand]]:
    """What the formulas demand that are read inside; it is not noted outside."""
    found: list[Demand] = []
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)
