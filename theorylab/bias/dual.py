"""Minimisers from their dual problems, as a second opinion on where flows end."""

from __future__ import annotations

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
    Newton steps until rounding stops them; the relative residual of x' b = y is then about 1e-14.

    Raises InputError for wrong shapes, k <= 0, and targets that no b fits.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 2 or y.shape != (x.shape[1],):
        raise InputError(f"x has shape {x.shape} and y {y.shape}; expected (d, n) and (n,)")
    k, start = (np.broadcast_to(np.asarray(v, float), len(x)) for v in (k, start))
    if not (k > 0).all():
        raise InputError(f"k has the smallest entry {k.min()}; expected positive numbers")
    offset = np.arcsinh(start / k)

    def dual(m: np.ndarray) -> float:
        with np.errstate(over="ignore"):
            return float((k * np.cosh(x @ m + offset)).sum() - y @ m)

    m, size = np.zeros(len(y)), np.abs(y).max(initial=0.0) + np.abs(start).max() * np.abs(x).max()
    b = np.array(start)
    for _ in range(ITERATIONS):
        residual = x.T @ b - y
        hessian = x.T @ (np.sqrt(k**2 + b**2)[:, None] * x)
        step = -np.linalg.lstsq(hessian, residual, rcond=None)[0]
        slope, value, length = residual @ step, dual(m), 1.0
        for _ in range(HALVINGS):
            if dual(m + length * step) <= value + ARMIJO * length * slope:
                break
            length /= 2
        else:
            break
        m = m + length * step
        b = k * np.sinh(x @ m + offset)
        if np.abs(length * step).max() <= 1e-15 * np.abs(m).max(initial=1.0):
            break
    gap = np.abs(x.T @ b - y).max(initial=0.0)
    if not gap <= 1e-9 * size:
        raise InputError(f"no b was found with x' b = y (off by {gap:.1e}); expected targets in the range of x'")
    return b
