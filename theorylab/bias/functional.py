"""Convex functionals that need not be differentiable, with a solver for their dual certificates.

minimise f(b) subject to x' b = q has the dual problem: maximise q' nu - f*(x nu). A dual optimum nu for q = x' b is a
certificate for b: f(b) + f*(x nu) - b' x nu is never negative, and 0 exactly where b is a minimiser, one of many or the
only one. So a limit is judged by this gap at the limit itself and not by its distance to what a solver prefers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from theorylab.bias.certificate import Certificate, Constraint, Minimum, checked_data, interpolators, largest
from theorylab.bias.solvers import Pair, Solver, conic
from theorylab.errors import InputError
from theorylab.readings.array import Array, is_number
from theorylab.readings.host import per_ensemble

Parameter = Any
"""A number, or a function of the case (c) that gives a scalar or one value a coordinate."""

OWN_DATA = interpolators()
TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class Functional:
    """A convex functional f of a predictor b, in numpy; `tl.bias.norm` and `tl.bias.convex` make one.

    value(b, *parameters)       f(b)
    conjugate(z, *parameters)   f*(z), finite where dual_norm is None or at most 1
    dual_norm(z, *parameters)   for norms: f* is 0 where this is at most 1, and infinite elsewhere
    solver                      finds a minimiser and a dual point; what it says is evaluated apart from it
    parameters                  functions of the case, whose values the others get after b
    resolution                  how far a relative gap may stay above 0 because of the solver
    """

    name: str
    value: Callable[..., float]
    conjugate: Callable[..., float]
    dual_norm: Callable[..., float] | None
    solver: Solver
    parameters: tuple[Callable[[Any], Any], ...] = ()
    resolution: float = 1e-12
    constraint: Constraint = OWN_DATA

    # -- in formulas ------------------------------------------------------------------------------------------

    def subject_to(self, constraint: Constraint) -> Functional:
        """The functional over other predictors than the interpolators of the flow's own data."""
        return replace(self, constraint=constraint)

    def dual_residual(self, b: Any, c: Any) -> Any:
        """The gap at b in units of the size of f(b), a scalar: zero exactly at minimisers. b: (d,) or a matrix.

        Over margins it is nan where b has none, as a limit of the direction is claimed for separated labels only.
        """
        over = self.constraint
        given = [b, over.x(c), *([over.y(c)] if over.margins else []), *(p(c) for p in self.parameters)]
        return per_ensemble(self._gaps, *given, what=f"a dual certificate of {self.name}")

    def dual_scale(self, b: Any, c: Any) -> Any:
        """What the residual is compared with: 1, for it is relative."""
        return (b * 0).sum() + 1

    def _gaps(self, b: torch.Tensor, x: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        columns = [a.cpu().numpy() for a in (b, x, *rest)]
        gaps = [self._gap(*row) for row in zip(*columns, strict=True)]
        return torch.tensor(gaps, dtype=torch.float64, device=b.device)

    def _gap(self, b: np.ndarray, x: np.ndarray, *rest: np.ndarray) -> float:
        labels, parameters = (rest[0].reshape(-1), rest[1:]) if self.constraint.margins else (None, rest)
        if not (np.isfinite(b).all() and np.isfinite(x).all()):
            return float("nan")
        if labels is not None and (labels * (stretched(x, b.shape).T @ b.reshape(-1))).min() <= 0:
            return float("nan")
        return self.certificate(b, x, labels, parameters=parameters).gap

    # -- on arrays --------------------------------------------------------------------------------------------

    def certificate(self, b: Any, x: Any, labels: Any = None, *, parameters: Sequence[Any] = ()) -> Certificate:
        """The best dual certificate for b, (d,) or a matrix, among the predictors with its outputs, or over margins.

        x (d, n), labels (n,), for margins only. A gap is nan where the solver fails. A predictor with a margin that
        is not positive is infinitely far from optimal, which is written as the gap 1.
        """
        b = np.asarray(b, float)
        x = stretched(np.asarray(x, float), b.shape)
        if labels is None:
            targets, size = x.T @ b.reshape(-1), 1.0
        else:
            x = x * np.asarray(labels, float)
            targets, least = np.ones(x.shape[1]), float((x.T @ b.reshape(-1)).min())
            if least <= 0:
                return Certificate(np.zeros(x.shape[1]), np.zeros(b.shape), 1.0, 1.0)
            size = least
        pair = self.solver(x, targets, labels is not None, b.shape, parameters)
        return self._evaluated(b / size, x, targets, labels is not None, pair, parameters)

    def minimum(
        self,
        x: Any,
        y: Any,
        *,
        margins: bool = False,
        shape: Sequence[int] | None = None,
        parameters: Sequence[Any] = (),
    ) -> Minimum:
        """A minimiser over {x' b = y}, or over {y_i <x_i, b> >= 1} with margins=True, and its certificate.

        x (d, n), y (n,); shape: that of a matrix b with d entries. Raises InputError where no b satisfies them.
        """
        x, y = checked_data(x, y)
        targets = np.ones(len(y)) if margins else y
        columns = x * y if margins else x
        form = tuple(shape) if shape is not None else (len(x),)
        if int(np.prod(form)) != len(x):
            raise InputError(
                f"a predictor of shape {form} was asked for with x of shape {x.shape}; expected {len(x)} entries"
            )
        pair = self.solver(columns, targets, margins, form, parameters)
        if pair is None or not np.isfinite(pair.b).all():
            what = "margin at least 1" if margins else "x' b = y"
            raise InputError(f"no b was found with {what}; expected data that some b fits")
        b = pair.b.reshape(form)
        found = self._evaluated(b, columns, targets, margins, pair, parameters)
        return Minimum(b, float(self.value(b, *parameters)), found)

    def _evaluated(
        self,
        b: np.ndarray,
        x: np.ndarray,
        targets: np.ndarray,
        margins: bool,
        pair: Pair | None,
        parameters: Sequence[Any],
    ) -> Certificate:
        """Everything that the dual point is to satisfy, in float64."""
        if pair is None or not np.isfinite(pair.dual).all():
            return Certificate(np.full(x.shape[1], np.nan), np.full(b.shape, np.nan), np.nan, np.nan)
        dual = np.maximum(pair.dual, 0.0) if margins else pair.dual
        slope = (x @ dual).reshape(b.shape)
        scaled = 1.0
        if self.dual_norm is not None:
            scaled = 1.0 / max(1.0, float(self.dual_norm(slope, *parameters)))
            dual, slope = scaled * dual, scaled * slope
        short = x.T @ b.reshape(-1) - targets
        primal = largest(np.minimum(short, 0.0) if margins else short) / max(largest(targets), TINY)
        value, conjugate = float(self.value(b, *parameters)), float(self.conjugate(slope, *parameters))
        gap = value + conjugate - float(targets @ dual)
        return Certificate(dual, slope, primal, gap / max(abs(value), abs(conjugate), TINY), scaled)


def stretched(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """x, (d, n), for the entries of b one after the other: each row of a matrix b (m, d) is a predictor of its own."""
    size = int(np.prod(shape))
    if x.ndim == 2 and x.shape[0] == size:
        return x
    if x.ndim == 2 and len(shape) == 2 and x.shape[0] == shape[1]:
        return np.kron(np.eye(shape[0]), x)
    raise InputError(f"x has shape {x.shape} for a predictor of shape {shape}; expected one row for each entry")


def norm(
    name: str,
    *,
    program: Callable[..., Any],
    dual_norm: Callable[..., float],
    value: Callable[..., float] | None = None,
    parameters: Sequence[Parameter] = (),
    resolution: float = 1e-7,
) -> Functional:
    """A norm as a prediction, from its form in cvxpy and its dual norm.

    program(b, *parameters) takes a cvxpy variable with the shape of b and gives a convex expression; dual_norm(z,
    *parameters) = max of <z, b> over the unit ball, of an array. value(b, *parameters) defaults to the program at b.

        l3 = tl.bias.norm("the l3 norm", program=lambda b: cvxpy.pnorm(b, 3),
                          dual_norm=lambda z: (abs(z) ** 1.5).sum() ** (2 / 3))
        tl.Limit(flow, predictor, tl.argmin(l3))
    """
    _check_callables(name, program=program, dual_norm=dual_norm)
    return Functional(
        name,
        value or _value_of(program),
        lambda z, *p: 0.0,
        dual_norm,
        conic(program),
        _parameters(parameters),
        resolution,
    )


def convex(
    name: str,
    *,
    program: Callable[..., Any],
    conjugate: Callable[..., float],
    value: Callable[..., float] | None = None,
    parameters: Sequence[Parameter] = (),
    resolution: float = 1e-7,
) -> Functional:
    """A convex functional that is no norm, from its form in cvxpy and its conjugate f*(z) = max of <z, b> - f(b).

    The conjugate has to be finite everywhere.

        elastic = tl.bias.convex("the elastic net", program=lambda b: cvxpy.norm1(b) + cvxpy.sum_squares(b) / 2,
                                 conjugate=lambda z: (numpy.maximum(abs(z) - 1, 0) ** 2).sum() / 2)
    """
    _check_callables(name, program=program, conjugate=conjugate)
    return Functional(
        name, value or _value_of(program), conjugate, None, conic(program), _parameters(parameters), resolution
    )


def _value_of(program: Callable[..., Any]) -> Callable[..., float]:
    def value(b: np.ndarray, *parameters: Any) -> float:
        import cvxpy

        return float(program(cvxpy.Constant(b), *parameters).value)

    return value


def _parameters(given: Sequence[Parameter]) -> tuple[Callable[[Any], Any], ...]:
    return tuple(as_formula(g, "a parameter of a functional") for g in given)


def as_formula(value: Any, what: str) -> Callable[[Any], Any]:
    """A number or a function of the case as a function of the case."""
    if callable(value):
        return value
    if is_number(value) or isinstance(value, Array):
        return lambda c: value
    raise InputError(f"{what} is {type(value).__name__}; expected a number or a function of the case (c)")


def _check_callables(name: str, **given: Any) -> None:
    for what, function in given.items():
        if not callable(function):
            raise InputError(f"the {what} of {name!r} is {type(function).__name__}; expected a function of an array")
