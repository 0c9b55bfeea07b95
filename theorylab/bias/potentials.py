"""Convex functionals of a predictor b, given by their gradients.

Where a functional is differentiable and convex, b minimises it over {b : x' b = y} if and only if x' b = y and its
gradient lies in the range of x, (d, n): the component of the gradient in the kernel of x' is the dual residual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from theorylab import ops
from theorylab.bias.certificate import Certificate, Constraint, Minimum, checked_data, interpolators, largest
from theorylab.bias.deep import deep_dual, deep_primal
from theorylab.bias.dual import newton
from theorylab.errors import InputError, UnsupportedReading
from theorylab.readings.array import is_number, number
from theorylab.readings.calculus import is_numeric
from theorylab.readings.namespace import Case
from theorylab.readings.numeric import Numeric

OWN_DATA = interpolators()

Parameter = Any
"""A number, or a function of the case (c) that gives a scalar or one value a coordinate."""


@dataclass(frozen=True)
class Potential:
    """A differentiable convex functional. `gradient(b, c)` has the shape of b, (..., d), with inputs of shape (d, n).

    inverse(z, c): the b whose gradient is z, where it is known; `minimum` needs it. resolution: how far the relative
    residual at a minimiser may stay above 0 for reasons other than the run.
    """

    name: str
    gradient: Callable[[Any, Any], Any]
    inverse: Callable[[Any, Any], Any] | None = None
    constraint: Constraint = OWN_DATA
    resolution: float = 1e-12

    def subject_to(self, constraint: Constraint) -> Potential:
        """The functional over the interpolators of other data than the flow's own."""
        if constraint.margins:
            raise InputError(f"{self.name} was given margins; expected a norm for them, such as tl.bias.euclidean")
        return replace(self, constraint=constraint)

    def dual_residual(self, b: Any, c: Any) -> Any:
        """The component of the gradient in the kernel of the data, (..., d): zero exactly at a minimiser.

        A matrix b whose inputs have a row for each of its entries is read as one vector.
        """
        x, gradient = self.constraint.x(c), self.gradient(b, c)
        if gradient.ndim == 2 and x.shape[0] != gradient.shape[1] and is_numeric(gradient):
            gradient = Numeric(gradient.data.reshape(-1))
        return ops.null_component(x, gradient)

    def dual_scale(self, b: Any, c: Any) -> Any:
        """The Euclidean norm of the gradient."""
        return ops.norm(self.gradient(b, c))

    def certificate(self, b: Any, x: Any, c: Any = None) -> Certificate:
        """The dual point at b: the combination of the inputs x, (d, n), that is nearest to the gradient at b, (d,)."""
        b, x = np.asarray(b, float), np.asarray(x, float)
        gradient = self._array(self.gradient, b, c).reshape(-1)
        dual = np.linalg.lstsq(x, gradient, rcond=None)[0]
        size = float(np.linalg.norm(gradient)) or 1.0
        outside = float(np.linalg.norm(gradient - x @ dual)) / size
        return Certificate(dual, (x @ dual).reshape(b.shape), 0.0, 0.0, stationary=outside)

    def minimum(self, x: Any, y: Any, c: Any = None) -> Minimum:
        """The minimiser over {x' b = y} by Newton's method on the dual problem, with its certificate.

        x (d, n), y (n,). c: the case, where the functional has parameters that are functions of it. Raises InputError
        where the inverse of the gradient is not known, and where no b fits y.
        """
        if self.inverse is None:
            raise InputError(f"{self.name} has no inverse of its gradient; expected a potential with inverse=...")
        x, y = checked_data(x, y)
        inverse = self.inverse

        def primal(z: np.ndarray) -> np.ndarray:
            return self._array(inverse, z, c)

        def slopes(z: np.ndarray) -> np.ndarray:
            at = torch.from_numpy(z)
            jacobian = torch.func.jacrev(lambda z: inverse(Numeric(z), self._case(c)).data)(at)
            return jacobian.detach().numpy()  # type: ignore[union-attr]

        b = newton(primal, slopes, x, y)
        found = self.certificate(b, x, c)
        primal_gap = largest(x.T @ b - y) / max(largest(y), float(np.finfo(float).tiny))
        return Minimum(b, float("nan"), replace(found, primal=primal_gap))

    def _array(self, formula: Callable[[Any, Any], Any], at: np.ndarray, c: Any) -> np.ndarray:
        return formula(Numeric(torch.from_numpy(np.ascontiguousarray(at))), self._case(c)).data.numpy()

    @staticmethod
    def _case(c: Any) -> Any:
        return Case({}) if c is None else c


def smooth(
    gradient: Callable[[Any, Any], Any], name: str = "functional", inverse: Callable[[Any, Any], Any] | None = None
) -> Potential:
    """A differentiable convex functional by its gradient(b, c), and by inverse(z, c) where `minimum` is wanted.

    pseudo_huber = tl.bias.smooth(lambda b, c: b / ops.sqrt(1 + b**2), "the pseudo-Huber loss",
                                  inverse=lambda z, c: z / ops.sqrt(1 - z**2))
    """
    if not callable(gradient):
        raise InputError(f"the gradient of a potential is {type(gradient).__name__}; expected a function of (b, c)")
    return Potential(name, gradient, inverse)


def separable(dual: Callable[[Any, Any], Any], name: str = "separable functional") -> Potential:
    """sum_i q_i(b_i) by dual(b, c) = q'(b), entry by entry and increasing."""
    return smooth(dual, name)


l2 = Potential("the squared l2 norm", lambda b, c: b, lambda z, c: z)
"""|b|^2 / 2: gradient flow of a linear predictor that starts at zero."""


def weighted_l2(weights: Parameter) -> Potential:
    """sum_i weights_i b_i^2 / 2, weights > 0."""
    weight = _parameter(weights, "weights")
    return Potential("a weighted l2 norm", lambda b, c: weight(c) * b, lambda z, c: z / weight(c))


def lp(p: float | Fraction) -> Potential:
    """sum_i |b_i|^p / p for 1 < p < infinity: mirror descent with this potential (Gunasekar et al., 1802.08246)."""
    if not is_number(p) or not p > 1:
        raise InputError(f"lp got p={p!r}; expected a number above 1")
    exponent = number(p) - 1
    return Potential(f"the l{p} norm", lambda b, c: ops.sign(b) * abs(b) ** exponent)


def hypentropy(k: Parameter, depth: int = 2) -> Potential:
    """The hyperbolic entropy of diagonal networks b = u^D - v^D whose layers all start at one value.

    D = 2: q'(b) = arcsinh(b / k), q(b) = b arcsinh(b / k) - sqrt(b^2 + k^2) + k, with k = u0^2 + v0^2 for b = u+ v+ -
    u- v-. D > 2: q' is the inverse of z -> k ((1 - z)^(-D/(D-2)) - (1 + z)^(-D/(D-2))), |z| < 1, with k = u0^D.
    k > 0, one number or one a coordinate. Close to the l1 norm (up to a factor) as k -> 0, to the l2 norm as
    k -> infinity. Woodworth et al., 2002.09277.
    """
    width = _parameter(k, "k")
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 2:
        raise InputError(f"hypentropy got the depth {depth!r}; expected an integer of at least 2")
    if depth == 2:
        return Potential(
            "hyperbolic entropy", lambda b, c: ops.arcsinh(b / width(c)), lambda z, c: ops.sinh(z) * width(c)
        )
    p = depth / (depth - 2)
    return Potential(
        f"hyperbolic entropy of depth {depth}",
        lambda b, c: deep_dual(b / width(c), 1, 1, p),
        lambda z, c: width(c) * deep_primal(z, 1, 1, p),
    )


def diagonal_network(plus: Parameter, minus: Parameter, depth: int = 2) -> Potential:
    """The potential of b = u^D - v^D from u(0) = plus, v(0) = minus, positive numbers, one or one a coordinate.

    Its gradient is the time-like variable z along which u^(2-D) = plus^(2-D) - z and v^(2-D) = minus^(2-D) + z (for
    D = 2, log u and log v), so it vanishes at the start: a Bregman divergence where the branches differ.
    """
    up, down = _parameter(plus, "plus"), _parameter(minus, "minus")
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 2:
        raise InputError(f"diagonal_network got the depth {depth!r}; expected an integer of at least 2")
    if depth == 2:
        return Potential(
            "the potential of a diagonal network",
            lambda b, c: ops.arcsinh(b / (2 * up(c) * down(c))) - ops.log(up(c) / down(c) + b * 0),
            lambda z, c: up(c) ** 2 * ops.exp(z) - down(c) ** 2 * ops.exp(-z),
        )
    p = depth / (depth - 2)
    return Potential(
        f"the potential of a diagonal network of depth {depth}",
        lambda b, c: deep_dual(b, up(c) ** (2 - depth), down(c) ** (2 - depth), p),
        lambda z, c: deep_primal(z, up(c) ** (2 - depth), down(c) ** (2 - depth), p),
    )


def weight_normalized(eta: Parameter) -> Potential:
    """sum b log b - |b|_1 log |b|_1 + |b|_1^2 / (2 eta) for b > 0: weight normalization of b = w^2, |v(0)| = 1.

    eta: the rate of g over that of v, in w = g v / |v|. A mirror flow up to time (Chou, Rauhut, Ward, 2305.05448).
    """
    rate = _parameter(eta, "eta")

    def gradient(b: Any, c: Any) -> Any:
        size = b.sum(-1, keepdims=True)
        return ops.log(b / size) + size / rate(c)

    def inverse(z: Any, c: Any) -> Any:
        total = ops.exp(z).sum(-1, keepdims=True)
        return rate(c) * ops.log(total) * ops.exp(z) / total

    return Potential("the entropy of weight normalization", gradient, inverse)


def schatten_power(p: int | float | Fraction) -> Potential:
    """(sum sigma_i^p) / p over the singular values of a matrix b, p > 1."""
    exponent = float(p) - 1

    def gradient(b: Any, c: Any) -> Any:
        if not is_numeric(b):
            raise UnsupportedReading("singular values are no rational function of the entries")
        u, sigma, vt = torch.linalg.svd(b.data, full_matrices=False)
        return Numeric((u * sigma**exponent) @ vt)

    return Potential(f"the Schatten {p} norm", gradient)


entropy = Potential("negative entropy", lambda b, c: ops.log(b), lambda z, c: ops.exp(z))
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
    inverse = potential.inverse
    return Potential(
        f"the Bregman divergence of {potential.name}",
        lambda b, c: potential.gradient(b, c) - potential.gradient(start(c), c),
        inverse and (lambda z, c: inverse(z + potential.gradient(start(c), c), c)),
        potential.constraint,
    )


def _parameter(value: Parameter, what: str) -> Callable[[Any], Any]:
    if callable(value):
        return value
    if is_number(value):
        if not value > 0:
            raise InputError(f"{what} is {value!r}; expected a positive number or a function of the case (c)")
        return lambda c: value
    raise InputError(f"{what} is {type(value).__name__}; expected a positive number or a function of the case (c)")
