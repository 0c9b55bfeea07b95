"""Predicted limits: functionals that flows minimise over the predictors that fit the data, and their certificates.

`tl.argmin(tl.bias.hypentropy(k))` in a `tl.Limit` is the prediction "a minimiser of this functional among the zero-loss
points". It is tested at the limit itself, by what certifies a minimiser: that the gradient of a smooth functional is
orthogonal to the kernel {z : x' z = 0} of the data, or that a dual point closes the gap to the functional's value. So
functionals with many minimisers are judged as well as others.

A functional of your own is `smooth` (by its gradient), `norm` (by its form in cvxpy and its dual norm), `convex` (by
its form in cvxpy and its conjugate), or any object with name, resolution, dual_residual(b, c), dual_scale(b, c) and
subject_to(constraint). `minimum(x, y)` computes a minimiser with its certificate.
"""

from __future__ import annotations

from theorylab.bias.certificate import Certificate, Constraint, Minimum, interpolators, margins
from theorylab.bias.dual import hypentropy_minimiser
from theorylab.bias.functional import Functional, convex, norm
from theorylab.bias.norms import euclidean, group, l1, l1_weighted, linf, max_margin, nuclear, path_norm, schatten
from theorylab.bias.potentials import (
    Potential,
    bregman,
    diagonal_network,
    entropy,
    hypentropy,
    l2,
    lp,
    power,
    separable,
    smooth,
    weight_normalized,
    weighted_l2,
)
from theorylab.bias.ties import tie_break
from theorylab.bias.variation import slope_variation

__all__ = [
    "Certificate",
    "Constraint",
    "Functional",
    "Minimum",
    "Potential",
    "bregman",
    "convex",
    "diagonal_network",
    "entropy",
    "euclidean",
    "group",
    "hypentropy",
    "hypentropy_minimiser",
    "interpolators",
    "l1",
    "l1_weighted",
    "l2",
    "linf",
    "lp",
    "margins",
    "max_margin",
    "norm",
    "nuclear",
    "path_norm",
    "power",
    "schatten",
    "separable",
    "slope_variation",
    "smooth",
    "tie_break",
    "weight_normalized",
    "weighted_l2",
]
