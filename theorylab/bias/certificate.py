"""What certifies a minimiser: a dual point, with everything that it is to satisfy evaluated apart from the solver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from theorylab.errors import InputError

Formula = Callable[[Any], Any]


@dataclass(frozen=True)
class Certificate:
    """Why a point b minimises a convex functional f under x' b = y (or margins >= 1), or how far it is from that.

    dual        (n,) the multipliers nu of the samples
    slope       (d,) z = x nu (of margins, x (labels nu)), scaled into the domain of the conjugate: a subgradient of f
                at every minimiser
    primal      how far b is from the constraints, relative to the targets
    scaled_by   how much nu had to shrink for z to lie in the domain, 1 where the solver kept to it
    gap         f(b) - (the dual value) in units of the size of f(b): between 0 and rounding exactly at minimisers, and
                otherwise a bound of how far f(b) is above the minimum, whatever the solver did
    stationary  for smooth functionals, the relative size of the component of the gradient outside the range of x
    """

    dual: np.ndarray
    slope: np.ndarray
    primal: float
    gap: float
    scaled_by: float = 1.0
    stationary: float = 0.0

    @property
    def residual(self) -> float:
        """The largest of what is to vanish."""
        return max(self.primal, abs(self.gap), self.stationary)


@dataclass(frozen=True)
class Minimum:
    """A minimiser b, (d,), its value, and its certificate."""

    b: np.ndarray
    value: float
    certificate: Certificate


@dataclass(frozen=True)
class Constraint:
    """Among which predictors b a functional is minimised.

    margins: y_i <x_i, b> >= 1 for labels y, up to the scale of b; else x' b = y. inputs(c): (d, n), and targets(c):
    (n,) or (1, n); the data of the flow where they are not given.
    """

    name: str
    margins: bool = False
    inputs: Formula | None = None
    targets: Formula | None = None

    def x(self, c: Any) -> Any:
        """The inputs of a case, (d, n)."""
        return c.x if self.inputs is None else self.inputs(c)

    def y(self, c: Any) -> Any:
        """The targets or labels of a case."""
        return c.y if self.targets is None else self.targets(c)


def interpolators(inputs: Formula | None = None) -> Constraint:
    """All b with <x_i, b> = y_i, the targets being those that b itself fits: the loss vanishes as a premise.

    inputs(c): (d, n), by default the inputs of the flow; for a matrix b, its entries one after the other.
    """
    return Constraint("the interpolators", inputs=_formula(inputs, "inputs"))


def margins(inputs: Formula | None = None, labels: Formula | None = None) -> Constraint:
    """All b with y_i <x_i, b> >= 1 for labels y_i = +-1; b itself counts up to its scale."""
    return Constraint("the predictors of margin 1", True, _formula(inputs, "inputs"), _formula(labels, "labels"))


def _formula(given: Formula | None, what: str) -> Formula | None:
    if given is not None and not callable(given):
        raise InputError(f"the {what} of a constraint are {type(given).__name__}; expected a function of the case (c)")
    return given


def checked_data(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """x (d, n) and y (n,) in float64."""
    x, y = np.asarray(x, float), np.asarray(y, float).reshape(-1)
    if x.ndim != 2 or y.shape != (x.shape[1],):
        raise InputError(f"x has shape {x.shape} and y {y.shape}; expected (d, n) and (n,)")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("x or y is not finite; expected finite numbers")
    return x, y


def largest(a: np.ndarray) -> float:
    return float(np.abs(a).max(initial=0.0))
