"""Predicted limits: functionals that a flow minimises over the interpolators, and solvers to check them with.

`tl.argmin(tl.bias.hypentropy(k))` in a `tl.Limit` is the prediction "the minimiser of this functional among the
zero-loss points". It is tested by its dual certificate: at a minimiser over {b : x' b = y} the gradient of the
functional is orthogonal to the kernel {z : x' z = 0} of the data.
"""

from __future__ import annotations

from theorylab.bias.dual import hypentropy_minimiser
from theorylab.bias.potentials import (
    Potential,
    bregman,
    entropy,
    hypentropy,
    l2,
    lp,
    power,
    separable,
    smooth,
    weighted_l2,
)

__all__ = [
    "Potential", "bregman", "entropy", "hypentropy", "hypentropy_minimiser", "l2", "lp", "power", "separable", "smooth",
    "weighted_l2",
]  # fmt: skip
