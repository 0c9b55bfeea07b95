"""Norms that limits are predicted to minimise, with dual certificates: linear programs, conic programs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from theorylab import ops
from theorylab.bias.certificate import Constraint, margins
from theorylab.bias.functional import Functional, Parameter, as_formula, norm
from theorylab.bias.potentials import Potential, schatten_power
from theorylab.bias.solvers import conic, largest_entry, weighted_l1
from theorylab.errors import InputError
from theorylab.readings.array import is_number, number


def _sum_of_sizes(b: np.ndarray, weights: Any = 1.0) -> float:
    return float((np.abs(b) * weights).sum())


def _largest_ratio(z: np.ndarray, weights: Any = 1.0) -> float:
    return float((np.abs(z) / weights).max(initial=0.0))


def _none(z: np.ndarray, *parameters: Any) -> float:
    return 0.0


l1 = Functional("the l1 norm", _sum_of_sizes, _none, _largest_ratio, weighted_l1)
"""sum |b_i|: diagonal networks from a vanishing start (Woodworth et al., 2002.09277). There may be many minimisers."""

linf = Functional("the largest entry", lambda b: float(np.abs(b).max(initial=0.0)), _none, _sum_of_sizes, largest_entry)
"""max |b_i|: sign descent."""


def l1_weighted(weights: Parameter) -> Functional:
    """sum_i weights_i |b_i|, weights > 0: a number, or a function of the case that gives one or d of them."""
    if is_number(weights) and not weights > 0:
        raise InputError(f"weights is {weights!r}; expected a positive number or a function of the case (c)")
    return Functional(
        "a weighted l1 norm", _sum_of_sizes, _none, _largest_ratio, weighted_l1, (as_formula(weights, "weights"),)
    )


def _euclidean(b: Any) -> Any:
    import cvxpy

    return cvxpy.norm(b if b.ndim == 1 else cvxpy.vec(b, order="C"), 2)


def _row_norms(q: Any) -> Any:
    def program(b: Any) -> Any:
        import cvxpy

        if b.ndim == 1:
            return cvxpy.pnorm(b, q)
        rows = cvxpy.norm(b, 2, axis=1) if q == 2 else cvxpy.hstack([cvxpy.pnorm(row, q) for row in b])
        return cvxpy.sum(rows)

    return program


euclidean = norm(
    "the Euclidean norm",
    program=_euclidean,
    dual_norm=lambda z: float(np.linalg.norm(z)),
    value=lambda b: float(np.linalg.norm(b)),
)
"""The l2 norm itself, for margins; `tl.bias.l2` is its square, which has the same minimisers and a gradient."""


def group(q: int | float | Fraction = 2) -> Functional:
    """The sum over the rows of a matrix b, (units, d), of their l_q norms, q >= 1.

    With q = 2 it is the least (|W|^2 + |a|^2) / 2 over factorizations b_j = a_j w_j, so the norm of units in two-layer
    networks; with q = 1 the path norm of Neyshabur et al. (1709.01953).
    """
    if not is_number(q) or not q >= 1:
        raise InputError(f"group got q={q!r}; expected a number of at least 1")
    order = float(q)
    dual = np.inf if order == 1 else order / (order - 1)
    return Functional(
        f"the sum of the l{q} norms of the units",
        lambda b: float(np.linalg.norm(np.atleast_2d(b), order, axis=1).sum()),
        _none,
        lambda z: float(np.linalg.norm(np.atleast_2d(z), dual, axis=1).max(initial=0.0)),
        weighted_l1 if order == 1 else conic(_row_norms(order)),
        resolution=1e-12 if order == 1 else 1e-7,
    )


def path_norm(weights: Sequence[Any], p: int | float | Fraction = 1) -> Any:
    """(sum over paths of the product of |w|^p along the path)^(1/p) of layers W_1 (k, d), W_2 (m, k), ... in order.

    1' |W_L|^p ... |W_1|^p 1, to the power 1/p: invariant under rescaling of units (Neyshabur et al., 1709.01953). A
    formula of arrays for every reading that has the power.
    """
    if not weights:
        raise InputError("path_norm got no layer; expected at least one matrix")
    if not is_number(p) or not p >= 1:
        raise InputError(f"path_norm got p={p!r}; expected a number of at least 1")
    total: Any = None
    for w in weights:
        size = ops.absolute(w) if p == 1 else w**2 if p == 2 else ops.absolute(w) ** number(p)
        total = size.sum(-1) if total is None else size @ total
    paths = total.sum()
    return paths if p == 1 else ops.sqrt(paths) if p == 2 else paths ** (1 / number(p))


def _nuclear(b: Any) -> Any:
    import cvxpy

    return cvxpy.normNuc(b)


nuclear = norm(
    "the nuclear norm", program=_nuclear, dual_norm=lambda z: float(np.linalg.norm(z, 2)),
    value=lambda b: float(np.linalg.svd(b, compute_uv=False).sum()),
)  # fmt: skip
"""The sum of the singular values of a matrix b: factorizations from small starts (Gunasekar et al., 1705.09280)."""


def schatten(p: int | float | Fraction) -> Functional | Potential:
    """The Schatten p norm of a matrix b for p >= 1: `nuclear` for p = 1, and (sum sigma^p) / p above that."""
    if not is_number(p) or not p >= 1:
        raise InputError(f"schatten got p={p!r}; expected a number of at least 1")
    return nuclear if p == 1 else schatten_power(p)


def max_margin(functional: Functional, constraint: Constraint | None = None) -> Functional:
    """The least value of a norm at margin 1: its minimisers are the directions of largest margin for that norm.

    The labels y = +-1 and inputs are those of the flow, or of `tl.bias.margins(inputs, labels)`. The gap at b is
    1 - margin(b) / (the largest margin), where margin(b) = min_i y_i <x_i, b> / |b|: only the direction of b counts.
    """
    if not isinstance(functional, Functional) or functional.dual_norm is None:
        given = getattr(functional, "name", type(functional).__name__)
        raise InputError(f"max_margin got {given}; expected a norm, such as tl.bias.l1 or tl.bias.euclidean")
    return functional.subject_to(constraint or margins())
