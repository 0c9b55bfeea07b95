"""Identities and inequalities over cases, states and ends of runs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import PERCENT, predictor, squares, taught
from tests.soundness.invariants import relu
from theorylab import ops

vectors = tl.Setting(x=tl.var("d"), y=tl.var("d"), s=tl.var(), a=tl.var(positive=True), b=tl.var(positive=True))
matrices = tl.Setting(A=tl.var("d d"), B=tl.var("d d"), C=tl.var("d d"))
scales = tl.Setting(s=tl.var("k", positive=True), A=tl.var("k d"), B=tl.var("m k"), x=tl.var("d n"))
signed = scales.with_(s=tl.var("k", nonzero=True))
parallel = tl.assume("x = s y", lambda c: c.x - c.s * c.y, lambda c: {"x": c.s * c.y})
learning = tl.GradientFlow(
    predictor, loss=tl.loss.square, data=lambda c: (c.x, c.v[None, :] @ c.x),
    setting=tl.Setting(x=tl.var("d n"), v=tl.var("d")),
)  # fmt: skip
network = tl.GradientFlow(relu)


def trace(a: Any) -> Any:
    return ops.trace(a)


def dot(c: Any) -> Any:
    return (c.x * c.y).sum()


def outputs(a: Any, b: Any, x: Any) -> Any:
    return b @ ops.relu(a @ x)


def rescaled(c: Any) -> Any:
    return outputs(c.s[:, None] * c.A, c.B / c.s[None, :], c.x)


def plain(c: Any) -> Any:
    return outputs(c.A, c.B, c.x)


def moved(c: Any) -> Any:
    return ops.norm(c.end.w - c.init.w)


TRUE = {
    "cosh^2 - sinh^2 = 1": tl.Identity(vectors, lambda c: ops.cosh(c.s) ** 2 - ops.sinh(c.s) ** 2, 1),
    "trace of a product": tl.Identity(matrices, lambda c: trace(c.A @ c.B), lambda c: trace(c.B @ c.A)),
    "relu(s) - relu(-s) = s": tl.Identity(vectors, lambda c: ops.relu(c.s) - ops.relu(-c.s), lambda c: c.s),
    "a network rescaled": tl.Identity(scales, rescaled, plain),
    "norm of a multiple": tl.Identity(vectors, lambda c: ops.norm(c.s * c.x), lambda c: abs(c.s) * ops.norm(c.x)),
    "Lagrange, parallel": tl.Identity(
        vectors.with_(parallel), lambda c: dot(c) ** 2, lambda c: squares(c.x) * squares(c.y)
    ),
    # W2 is linear in the outputs
    "Euler at a state": tl.Identity(
        network, lambda p, c: (p.W2 * network.field(p, c).W2).sum(), lambda p, c: -ops.dot(c.r, c.f)
    ),
    "Cauchy-Schwarz": tl.Inequality(vectors, lambda c: squares(c.x) * squares(c.y), lambda c: dot(c) ** 2),
    "means": tl.Inequality(vectors, lambda c: c.a**2 + c.b**2, lambda c: 2 * c.a * c.b),
    "triangle": tl.Inequality(vectors, lambda c: ops.norm(c.x) + ops.norm(c.y), lambda c: ops.norm(c.x + c.y)),
    "Jensen": tl.Inequality(
        vectors, lambda c: squares(c.x) * (0 * c.x + 1).sum(), lambda c: c.x.sum() ** 2
    ),
    "Frobenius norm of a product": tl.Inequality(
        matrices, lambda c: squares(c.A) * squares(c.B), lambda c: squares(c.A @ c.B)
    ),
    # |w - v| does not grow, so |w_end - w_0| <= |w_end - v| + |w_0 - v| <= 2 |w_0 - v|
    "no farther than twice": tl.Inequality(
        taught, lambda c: 2 * ops.norm(c.v - c.init.w), moved, settle={"t_end": 300.0}
    ),
    # the end is the projection of v - w_0 on the range of the inputs
    "no farther than a solution": tl.Inequality(learning, lambda c: ops.norm(c.v - c.init.w), moved),
}  # fmt: skip

FALSE = {
    "cosh^2 - sinh^2, one percent": tl.Identity(
        vectors, lambda c: PERCENT * ops.cosh(c.s) ** 2 - ops.sinh(c.s) ** 2, 1
    ),
    "cosh^2 + sinh^2 = 1": tl.Identity(vectors, lambda c: ops.cosh(c.s) ** 2 + ops.sinh(c.s) ** 2, 1),
    "trace of three in another order": tl.Identity(
        matrices, lambda c: trace(c.A @ c.B @ c.C), lambda c: trace(c.A @ c.C @ c.B)
    ),
    "relu(s) + relu(-s) = s": tl.Identity(vectors, lambda c: ops.relu(c.s) + ops.relu(-c.s), lambda c: c.s),
    "a network rescaled by any sign": tl.Identity(signed, rescaled, plain),
    "a network rescaled once": tl.Identity(
        scales, lambda c: outputs(c.s[:, None] * c.A, c.B, c.x), plain
    ),
    "norm of a multiple of any sign": tl.Identity(
        vectors, lambda c: ops.norm(c.s * c.x), lambda c: c.s * ops.norm(c.x)
    ),
    "Lagrange, not parallel": tl.Identity(vectors, lambda c: dot(c) ** 2, lambda c: squares(c.x) * squares(c.y)),
    "square of a sum": tl.Identity(vectors, lambda c: c.x.sum() ** 2, lambda c: squares(c.x)),
    "Cauchy-Schwarz, one percent": tl.Inequality(
        vectors, lambda c: Fraction(99, 100) * squares(c.x) * squares(c.y), lambda c: dot(c) ** 2
    ),
    "means, one percent": tl.Inequality(vectors, lambda c: c.a**2 + c.b**2, lambda c: 2 * PERCENT * c.a * c.b),
    "means of any order": tl.Inequality(vectors, lambda c: c.a**2 - c.b**2),
    "triangle, one percent": tl.Inequality(
        vectors, lambda c: ops.norm(c.x) + ops.norm(c.y), lambda c: PERCENT * ops.norm(c.x + c.y)
    ),
    "Jensen without the size": tl.Inequality(vectors, lambda c: squares(c.x), lambda c: c.x.sum() ** 2),
    "squares are positive": tl.Inequality(vectors, lambda c: squares(c.x), strict=True),
    "Frobenius norm of a product, one percent": tl.Inequality(
        matrices, lambda c: squares(c.A) * squares(c.B), lambda c: PERCENT * squares(c.A @ c.B)
    ),
    # inputs of full rank lead from w_0 to v itself
    "no farther than 0.99 of a solution": tl.Inequality(
        learning, lambda c: Fraction(99, 100) * ops.norm(c.v - c.init.w), moved
    ),
    "always nearer to 0": tl.Inequality(learning, lambda c: ops.norm(c.init.w), lambda c: ops.norm(c.end.w)),
}  # fmt: skip
