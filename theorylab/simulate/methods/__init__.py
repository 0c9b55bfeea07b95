"""Numerical methods, one a file; a method is data."""

from __future__ import annotations

from theorylab.errors import InputError
from theorylab.simulate.methods.dop853 import DOP853
from theorylab.simulate.methods.rock4 import ROCK4
from theorylab.simulate.methods.rodas5p import RODAS5P
from theorylab.simulate.methods.rosenbrock import Rosenbrock
from theorylab.simulate.methods.stabilised import Stabilised
from theorylab.simulate.methods.tableau import ExplicitRungeKutta
from theorylab.simulate.methods.tsit5 import TSIT5

METHODS: dict[str, ExplicitRungeKutta] = {method.name: method for method in (TSIT5, DOP853)}
STIFF_METHODS: dict[str, Stabilised | Rosenbrock] = {method.name: method for method in (ROCK4, RODAS5P)}

__all__ = [
    "DOP853",
    "METHODS",
    "ROCK4",
    "RODAS5P",
    "STIFF_METHODS",
    "TSIT5",
    "ExplicitRungeKutta",
    "Rosenbrock",
    "Stabilised",
    "any_by_name",
    "by_name",
]


def by_name(name: str, *, rtol: float) -> ExplicitRungeKutta:
    """The explicit Runge-Kutta method called `name`; "auto" takes Tsit5, and DOP853 for tolerances below 1e-8.

    Raises InputError for a name that is not in the registry.
    """
    if name == "auto":
        return DOP853 if rtol < 1e-8 else TSIT5
    if name not in METHODS:
        raise InputError(f"method={name!r} is unknown; expected 'auto' or one of {', '.join(map(repr, METHODS))}")
    return METHODS[name]


def any_by_name(name: str, *, rtol: float) -> ExplicitRungeKutta | Stabilised | Rosenbrock:
    """The method called `name`, one for stiff problems included; "auto" as in `by_name`.

    Raises InputError for a name that is not in the registry.
    """
    if name in STIFF_METHODS:
        return STIFF_METHODS[name]
    if name != "auto" and name not in METHODS:
        names = ", ".join(map(repr, (*METHODS, *STIFF_METHODS)))
        raise InputError(f"method={name!r} is unknown; expected 'auto' or one of {names}")
    return by_name(name, rtol=rtol)
