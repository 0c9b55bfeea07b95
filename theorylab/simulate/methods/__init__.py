"""Numerical methods, one a file; a method is data."""

from __future__ import annotations

from theorylab.errors import InputError
from theorylab.simulate.methods.dop853 import DOP853
from theorylab.simulate.methods.tableau import ExplicitRungeKutta
from theorylab.simulate.methods.tsit5 import TSIT5

METHODS: dict[str, ExplicitRungeKutta] = {method.name: method for method in (TSIT5, DOP853)}

__all__ = ["DOP853", "METHODS", "TSIT5", "ExplicitRungeKutta", "by_name"]


def by_name(name: str, *, rtol: float) -> ExplicitRungeKutta:
    """The method called `name`; "auto" takes Tsit5, and DOP853 for tolerances below 1e-8.

    Raises InputError for a name that is not in the registry.
    """
    if name == "auto":
        return DOP853 if rtol < 1e-8 else TSIT5
    if name not in METHODS:
        raise InputError(f"method={name!r} is unknown; expected 'auto' or one of {', '.join(map(repr, METHODS))}")
    return METHODS[name]
