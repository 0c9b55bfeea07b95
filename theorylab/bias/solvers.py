"""Solvers of minimise f(b) subject to x' b = q, or x' b >= q: linear programs by HiGHS, conic ones by Clarabel.

What they return is a suggestion: certificates evaluate it without them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TOLERANCE = 1e-10
"""What Clarabel is asked for, relative and absolute."""


@dataclass(frozen=True)
class Pair:
    """A minimiser, (d,), and a dual point, (n,), with x nu a subgradient of f at b."""

    b: np.ndarray
    dual: np.ndarray


Solver = Callable[[np.ndarray, np.ndarray, bool, tuple[int, ...], Sequence[Any]], Pair | None]
"""(x, q, inequality, shape of b, parameters) to a pair; None where there is none."""


def linear(cost: np.ndarray, rows: np.ndarray, targets: np.ndarray, inequality: bool, bounds: Any = (0, None)) -> Any:
    """minimise cost' v subject to rows v = targets, or >=: (v, dual of the rows), or None."""
    from scipy.optimize import linprog

    sides = {"A_ub": -rows, "b_ub": -targets} if inequality else {"A_eq": rows, "b_eq": targets}
    found = linprog(cost, bounds=bounds, method="highs", **sides)
    if found.status != 0:
        return None
    dual = -found.ineqlin.marginals if inequality else found.eqlin.marginals
    return found.x, np.asarray(dual)


def weighted_l1(
    x: np.ndarray, q: np.ndarray, inequality: bool, shape: tuple[int, ...], parameters: Sequence[Any]
) -> Pair | None:
    """minimise sum w_i |b_i|: b is split into its positive and negative parts."""
    weights = np.broadcast_to(np.asarray(parameters[0] if parameters else 1.0, float), shape).reshape(-1)
    found = linear(np.concatenate([weights, weights]), np.hstack([x.T, -x.T]), q, inequality)
    if found is None:
        return None
    parts = found[0]
    return Pair(parts[: len(x)] - parts[len(x) :], found[1])


def largest_entry(
    x: np.ndarray, q: np.ndarray, inequality: bool, shape: tuple[int, ...], parameters: Sequence[Any]
) -> Pair | None:
    """minimise max |b_i| by its dual: maximise q' nu over |x nu|_1 <= 1."""
    from scipy.optimize import linprog

    d, n = x.shape
    rows = np.block([[x, -np.eye(d)], [-x, -np.eye(d)], [np.zeros((1, n)), np.ones((1, d))]])
    bounds = [(0, None) if inequality else (None, None)] * n + [(0, None)] * d
    found = linprog(
        np.concatenate([-q, np.zeros(d)]),
        A_ub=rows,
        b_ub=np.append(np.zeros(2 * d), 1.0),
        bounds=bounds,
        method="highs",
    )
    if found.status != 0:
        return None
    marginals = -found.ineqlin.marginals
    return Pair(marginals[:d] - marginals[d : 2 * d], found.x[:n])


def conic(program: Callable[..., Any]) -> Solver:
    """A functional that is given as a convex expression of a cvxpy variable."""

    def solve(
        x: np.ndarray, q: np.ndarray, inequality: bool, shape: tuple[int, ...], parameters: Sequence[Any]
    ) -> Pair | None:
        import cvxpy

        size = float(np.abs(q).max(initial=0.0)) or 1.0
        b = cvxpy.Variable(shape)
        fitted = x.T @ (b if len(shape) == 1 else cvxpy.vec(b, order="C"))
        constraint = fitted >= q / size if inequality else fitted == q / size
        problem = cvxpy.Problem(cvxpy.Minimize(program(b * size, *parameters)), [constraint])
        # whether a solution is accurate is for the certificate to say
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                problem.solve(
                    solver=cvxpy.CLARABEL,
                    tol_gap_abs=TOLERANCE,
                    tol_gap_rel=TOLERANCE,
                    tol_feas=TOLERANCE,
                    max_iter=200,
                )
        except cvxpy.SolverError:
            return None
        if b.value is None or constraint.dual_value is None:
            return None
        # cvxpy adds <dual, fitted - q> to the objective, and for >= subtracts it.
        sign = 1.0 if inequality else -1.0
        return Pair(np.asarray(b.value).reshape(-1) * size, sign * np.asarray(constraint.dual_value) / size)

    return solve
