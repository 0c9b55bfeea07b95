"""Convex functionals of a predictor b, given by their gradients.

Where a functional is differentiable and convex, b minimises it over {b : x' b = y} if and only if x' b = y and its
gradient lies in the range of x, (d, n): the component of the gradient in the kernel of x' is the dual residual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theorylab import ops
from theorylab.errors import InputError
from theorylab.readings.array import is_number, number

Parameter = Any
"""A number, or a function of the case (c) that gives a scalar or one value a coordinate."""


@dataclass(frozen=True)
class Potential:
    """A convex functional. `gradient(b, c)` has the shape of b, (..., d), with the inputs c.x of shape (d, n)."""

    name: str
    gradient: Callable[[Any, Any], Any]

    def dual_residual(self, b: Any, c: Any) -> Any:
        """The component of the gradient in the kernel of the data, (..., d): zero exactly at a minimiser."""
        return ops.null_component(c.x, self.gradient(b, c))

    def dual_scale(self, b: Any, c: Any) -> Any:
        """The Euclidean norm of the gradient."""
        return ops.norm(self.gradient(b, c))


def smooth(gradient: Callable[[Any, Any], Any], name: str = "functional") -> Potential:
    """A differentiable convex functional by its gradient(b, c)."""
    if not callable(gradient):
        raise InputError(f"the gradient of a potential is {type(gradient).__name__}; expected a function of (b, c)")
    return Potential(name, gradient)


def separable(dual: Callable[[Any, Any], Any], name: str = "separable functional") -> Potential:
    """sum_i q_i(b_i) by dual(b, c) = q'(b), entry by entry and increasing."""
    return smooth(dual, name)


l2 = Potential("the squared l2 norm", lambda b, c: b)
"""|b|^2 / 2: gradient flow of a linear predictor that starts at zero."""


def weighted_l2(weights: Parameter) -> Potential:
    """sum_i weights_i b_i^2 / 2, weights > 0."""
    weight = _parameter(weights, "weights")
    return Potential("a weighted l2 norm", lambda b, c: weight(c) * b)


def lp(p: float | Fraction) -> Potential:
    """sum_i |b_i|^p / p for 1 < p < infinity: mirror descent with this potential (Gunasekar et al., 1802.08246)."""
    if not is_number(p) or not p > 1:
        raise InputError(f"lp got p={p!r}; expected a number above 1")
    exponent = number(p) - 1
    return Potential(f"the l{p} norm", lambda b, c: ops.sign(b) * abs(b) ** exponent)


def hypentropy(k: Parameter) -> Potential:
    """sum_i q(b_i) with q'(b) = arcsinh(b / k_i), q(b) = b arcsinh(b / k) - sqrt(b^2 + k^2) + k, k > 0.

    Close to the l1 norm (up to a factor) as k -> 0, to the l2 norm as k -> infinity. Diagonal linear networks of depth
    two: Woodworth et al., 2002.09277.
    """
    width = _parameter(k, "k")
    return Potential("hyperbolic entropy", lambda b, c: ops.arcsinh(b / width(c)))


entropy = Potential("negative entropy", lambda b, c: ops.log(b))
"""sum_i b_i log b_i - b_i for b > 0: predictors b = w^2 of depth two."""


def power(exponent: float | Fraction) -> Potential:
    """-sum_i b_i^a / a for b > 0 and 0 < a < 1: predictors b = w^L of depth L > 2, with a = 2 / L."""
    if not is_number(exponent) or not 0 < exponent < 1:
        raise InputError(f"power got the exponent {exponent!r}; expected a number between 0 and 1")
    a = number(exponent)
    return Potential(f"the power {a}", lambda b, c: -(b ** (a - 1)))


def bregman(potential: Potential, start: Callable[[Any], Any]) -> Potential:
    """The Bregman divergence D_q(b, start(c)): mirror flow of q from a start that is not the minimiser of q."""
    if not isinstance(potential, Potential):
        raise InputError(f"bregman got {type(potential).__name__}; expected a potential such as tl.bias.entropy")
    if not callable(start):
        raise InputError(f"the start of bregman is {type(start).__name__}; expected a function of the case (c)")
    return Potential(
        f"the Bregman divergence of {potential.name}",
        lambda b, c: potential.gradient(b, c) - potential.gradient(start(c), c),
    )


def _parameter(value: Parameter, what: str) -> Callable[[Any], Any]:
    if callable(value):
        return value
    if is_number(value):
        if not value > 0:
            raise InputError(f"{what} is {value!r}; expected a positive number or a function of the case (c)")
        return lambda c: value
    raise InputError(f"{what} is {type(value).__name__}; expected a positive number or a function of the case (c)")
