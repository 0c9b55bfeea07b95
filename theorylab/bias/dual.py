"""Minimisers from their dual problems, as a second opinion on where flows end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from theorylab.errors import InputError

ITERATIONS = 200
HALVINGS = 60
ARMIJO = 1e-4


def hypentropy_minimiser(x: ArrayLike, y: ArrayLike, k: ArrayLike, start: ArrayLike = 0.0) -> np.ndarray:
    """The b, (d,), with x' b = y that minimises the divergence of the hyperbolic entropy k from `start`.

    x (d, n), y (n,), k positive, a number or (d,), start a number or (d,); start = 0 gives the minimiser of sum_i
    q_{k_i}(b_i) itself. The dual problem is smooth and convex in n variables: b = k sinh(x m + arcsinh(start / k)),
    where m minimises sum_i k_i cosh((x m)_i + arcsinh(start_i / k_i)) - y' m (Woodworth et al., 2002.09277). Damped
    Newton steps until rounding stops them.

    Raises InputError for wrong shapes, k <= 0, and targets that no b fits.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 2 or y.shape != (x.shape[1],):
        raise InputError(f"x has shape {x.shape} and y {y.shape}; expected (d, n) and (n,)")
    k, start = (np.broadcast_to(np.asarray(v, float), len(x)) for v in (k, start))
    if not (k > 0).all():
        raise InputError(f"k has the smallest entry {k.min()}; expected positive numbers")
    offset = np.arcsinh(start / k)

    def primal(m: np.ndarray) -> np.ndarray:
        return k * np.sinh(x @ m + offset)

    def dual(m: np.ndarray) -> float:
        return float((k * np.cosh(x @ m + offset)).sum() - y @ m)

    m = np.zeros(len(y))
    residual = x.T @ start - y
    with np.errstate(over="ignore"):
        for _ in range(ITERATIONS):
            b = primal(m)
            hessian = x.T @ (np.sqrt(k**2 + b**2)[:, None] * x)
            step = -np.linalg.lstsq(hessian, residual, rcond=None)[0]
            # The second derivative of cosh grows at most by exp(reach) along a step, so this length surely descends.
            reach = _largest(x @ step)
            step *= np.log1p(reach) / reach if reach > 0 else 1.0
            found = _search(dual, lambda m: x.T @ primal(m) - y, m, step, residual)
            if found is None:
                break
            m, residual = found
    gap, size = _largest(residual), _largest(y) + _largest(x) * _largest(start)
    if not gap <= 1e-9 * size:
        raise InputError(f"no b was found with x' b = y (off by {gap:.1e}); expected targets in the range of x'")
    return primal(m)


def _search(
    dual: Callable[[np.ndarray], float],
    residual_at: Callable[[np.ndarray], np.ndarray],
    m: np.ndarray,
    step: np.ndarray,
    residual: np.ndarray,
) -> tuple[np.ndarray, np.ndarray] | None:
    """A point along the step where the dual falls enough or, where rounding hides that, the residual is halved."""
    slope, value, length = float(residual @ step), dual(m), 1.0
    for _ in range(HALVINGS):
        ahead = m + length * step
        there = residual_at(ahead)
        if _largest(there) <= _largest(residual) / 2 or (
            dual(ahead) < value and dual(ahead) <= value + ARMIJO * length * slope
        ):
            return ahead, there
        length /= 2
    return None


def _largest(a: np.ndarray) -> float:
    return float(np.abs(a).max(initial=0.0))
