"""Minimisers from their dual problems, by Newton's method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from theorylab.bias.certificate import checked_data, largest
from theorylab.errors import InputError

ITERATIONS = 200
HALVINGS = 60
OVERSHOOT = 0.5

Map = Callable[[np.ndarray], np.ndarray]


def newton(primal: Map, slopes: Map, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The b = primal(x m), (d,), with x' b = y; primal is the gradient of a convex function of z, (d,).

    slopes(z): its derivatives, (d,) if they act entry by entry, else (d, d). x (d, n), y (n,). The equation for m is
    that the convex dual objective, of n variables, has the gradient 0: damped Newton steps until rounding stops them.
    Where z leaves the domain primal gives nan, and steps are shortened. Raises InputError where no b is found.
    """
    m = np.zeros(len(y))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        residual = x.T @ primal(x @ m) - y
        for _ in range(ITERATIONS):
            weight = slopes(x @ m)
            hessian = x.T @ (weight[:, None] * x if weight.ndim == 1 else weight @ x)
            if not np.isfinite(hessian).all():
                break
            step = -np.linalg.lstsq(hessian, residual, rcond=None)[0]
            # exponential maps change by at most exp(reach) along a step, so this length surely descends for them
            reach = largest(x @ step)
            step *= np.log1p(reach) / reach if reach > 0 else 1.0
            found = _search(lambda m: x.T @ primal(x @ m) - y, m, step, residual)
            if found is None:
                break
            m, residual = found
        b = primal(x @ m)
    gap, size = largest(residual), max(largest(y), largest(x) * largest(primal(0 * (x @ m))))
    if not (np.isfinite(gap) and gap <= 1e-9 * size):
        raise InputError(f"no b was found with x' b = y (off by {gap:.1e}); expected targets in the range of x'")
    return b


def _search(
    residual_at: Map, m: np.ndarray, step: np.ndarray, residual: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """A point along the step where the residual is halved, or that does not lie far beyond the least dual value.

    The dual objective is convex, so while its slope along the step is negative it still falls.
    """
    slope, length = float(residual @ step), 1.0
    for _ in range(HALVINGS):
        ahead = m + length * step
        there = residual_at(ahead)
        if np.isfinite(there).all():
            if largest(there) <= largest(residual) / 2:
                return ahead, there
            ahead_slope = float(there @ step)
            if slope < 0 and ahead_slope <= OVERSHOOT * abs(slope) and largest(ahead - m) > 0 and ahead_slope > slope:
                return ahead, there
        length /= 2
    return None


def hypentropy_minimiser(x: ArrayLike, y: ArrayLike, k: ArrayLike, start: ArrayLike = 0.0) -> np.ndarray:
    """The b, (d,), with x' b = y that minimises the divergence of the hyperbolic entropy k from `start`.

    x (d, n), y (n,), k positive, a number or (d,), start a number or (d,); start = 0 gives the minimiser of sum_i
    q_{k_i}(b_i) itself. The dual problem is smooth and convex in n variables: b = k sinh(x m + arcsinh(start / k)),
    where m minimises sum_i k_i cosh((x m)_i + arcsinh(start_i / k_i)) - y' m (Woodworth et al., 2002.09277).

    Raises InputError for wrong shapes, k <= 0, and targets that no b fits.
    """
    x, y = checked_data(x, y)
    k, start = (np.broadcast_to(np.asarray(v, float), len(x)) for v in (k, start))
    if not (k > 0).all():
        raise InputError(f"k has the smallest entry {k.min()}; expected positive numbers")
    offset = np.arcsinh(start / k)
    return newton(lambda z: k * np.sinh(z + offset), lambda z: k * np.cosh(z + offset), x, y)
