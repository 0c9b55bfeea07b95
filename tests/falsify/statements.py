"""True statements and false variants of them, for the tests of the hunt."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from theorylab import ops

DIMS = {"d": 3, "k": 3, "m": 2, "n": 3}
ONE_PERCENT = Fraction(101, 100)


@tl.model(W1="k d", W2="m k")
def linear_net(p: Any, x: Any) -> Any:
    return p.W2 @ (p.W1 @ x)


@tl.model(W1="k d", W2="m k")
def relu_net(p: Any, x: Any) -> Any:
    return p.W2 @ ops.relu(p.W1 @ x)


@tl.model(W1="k d", b="k", W2="m k")
def biased_net(p: Any, x: Any) -> Any:
    return p.W2 @ ops.relu(p.W1 @ x + p.b[:, None])


def matrix(p: Any) -> Any:
    return p.W2.mT @ p.W2 - p.W1 @ p.W1.mT


def unit(p: Any) -> Any:
    return (p.W1**2).sum(-1) - (p.W2**2).sum(-2)


linear = tl.Invariant(tl.GradientFlow(linear_net), matrix, name="matrix law")
per_unit = tl.Invariant(tl.GradientFlow(relu_net), unit, name="unit law")
biased = tl.Invariant(tl.GradientFlow(biased_net), lambda p: unit(p) + p.b**2, name="unit law with bias")

relu_matrix = per_unit.but(quantity=matrix, name="matrix law for relu")
bias_left_out = biased.but(quantity=unit, name="bias left out")
one_percent = per_unit.but(quantity=lambda p: (p.W1**2).sum(-1) - ONE_PERCENT * (p.W2**2).sum(-2), name="one percent")
wrong_exponent = per_unit.but(quantity=lambda p: (p.W1**2).sum(-1) - (p.W2**4).sum(-2), name="wrong exponent")
with_momentum = tl.Invariant(tl.GradientFlow(linear_net, momentum=0), matrix, name="momentum")


# Weight normalization of diagonal linear nets, Chou, Rauhut, Ward, arXiv 2305.05448.
kernel = tl.assume("A z = 0", lambda c: c.A @ c.z, lambda c: {"A": c.A - ops.outer(c.A @ c.z, c.z) / (c.z**2).sum()})
unit_norm = tl.assume(
    "|v(0)| = 1", lambda c: (c.init.v**2).sum() - 1, lambda c: {"init.v": c.init.v / ops.norm(c.init.v)}
)
polar_setting = tl.Setting(
    kernel,
    unit_norm,
    A=tl.var("M N"),
    z=tl.var("N", nonzero=True),
    y=tl.var("1 M"),
    eta=tl.var("", tl.draw.loguniform(0.25, 2), positive=True),
    init={"v": tl.var("N", tl.draw.uniform(0.5, 1.5), positive=True), "g": tl.var("", tl.draw.uniform(0.125, 1))},
)


@tl.model(g="", v="N")
def normalized(p: Any, x: Any, L: int = 2) -> Any:
    return ((p.g * p.v / ops.norm(p.v)) ** L)[None, :] @ x


def polar_flow(L: int) -> Any:
    return tl.GradientFlow(
        normalized.family(L=L), loss=tl.loss.square, setting=polar_setting,
        data=lambda c: (c.A.mT, c.y), rates={"g": lambda c: c.eta},
    )  # fmt: skip


def polar_quantity(L: int) -> Any:
    def quantity(p: Any, c: Any) -> Any:
        u = p.v / ops.norm(p.v)
        if L == 2:
            return (c.z * ops.log(u)).sum() + p.g**2 / (2 * c.eta) * c.z.sum()
        return ops.exp(-(L - 2) * p.g**2 / (2 * c.eta)) * (c.z * u ** (2 - L)).sum()

    return quantity


norms = {L: tl.Invariant(polar_flow(L), lambda p: (p.v**2).sum(), name="norm of v") for L in (2, 3)}
polar = {
    L: tl.Invariant(norms[L].subject, polar_quantity(L), on=[norms[L]], name=f"polar law, L = {L}") for L in (2, 3)
}


# Diagonal linear nets with two branches, Woodworth et al., arXiv 2002.09277.
alike = tl.assume(
    "both branches start alike",
    lambda c: (c.init.a - c.init.e) ** 2 + (c.init.b - c.init.h) ** 2,
    lambda c: {"init.e": c.init.a, "init.h": c.init.b},
)


@tl.model(a="d", b="d", e="d", h="d")
def two_branches(p: Any, x: Any) -> Any:
    return (p.a * p.b - p.e * p.h)[None, :] @ x


def beta(p: Any) -> Any:
    return p.a * p.b - p.e * p.h


branches = tl.GradientFlow(
    two_branches, loss=tl.loss.square, setting=tl.Setting(alike, x=tl.var("d n"), y=tl.var("1 n")),
    data=lambda c: (c.x, c.y),
).with_integral(s=lambda p, c: -(c.x @ c.r.mT)[:, 0])  # fmt: skip


def path(factor: int) -> Any:
    return lambda c: factor * (c.init.a**2 + c.init.b**2) * ops.sinh(2 * c.integral.s)


closed_path = tl.Trajectory(branches, beta, path(1), name="closed path")


# One ReLU neuron with a teacher, Vardi and Shamir, arXiv 2012.05156, theorem 8.
@tl.model(w="d")
def neuron(p: Any, x: Any) -> Any:
    return ops.relu(p.w[None, :] @ x)


taught = tl.GradientFlow(
    neuron, loss=tl.loss.square, setting=tl.Setting(x=tl.var("d n"), v=tl.var("d")),
    data=lambda c: (c.x, ops.relu(c.v[None, :] @ c.x)),
)  # fmt: skip
nearer = tl.Evolution(taught, lambda p, c: ((p.w - c.v) ** 2).sum(), 0, sense="<=", name="nearer")

orthogonal = tl.assume("M M' = I", lambda c: c.M @ c.M.mT - ops.eye(c.M))
rotated = tl.GradientFlow(
    neuron, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(orthogonal, M=tl.var("d d", tl.draw.orthogonal()), x=tl.var("d n"), y=tl.var("1 n")),
)  # fmt: skip
rotation = tl.Conjugate(
    rotated, rotated.with_(data=lambda c: (c.M @ c.x, c.y)), lambda p, c: p.replace(w=c.M @ p.w), name="rotation"
)

vectors = tl.Setting(x=tl.var("d"), y=tl.var("d"))
cauchy_schwarz = tl.Inequality(
    vectors, lambda c: (c.x**2).sum() * (c.y**2).sum() - (c.x * c.y).sum() ** 2, name="Cauchy-Schwarz"
)
triangle = tl.Inequality(vectors, lambda c: ops.norm(c.x) + ops.norm(c.y) - ops.norm(c.x + c.y), name="triangle")
exponentials = tl.Identity(vectors, lambda c: ops.exp(c.x + c.y), lambda c: ops.exp(c.x) * ops.exp(c.y), name="exp")

TRUE = [
    linear, per_unit, biased, norms[2], norms[3], polar[2], polar[3], closed_path, nearer, rotation, cauchy_schwarz,
    triangle, exponentials,
]  # fmt: skip

FALSE = [
    relu_matrix,
    bias_left_out,
    one_percent,
    wrong_exponent,
    with_momentum,
    polar[2].but(quantity=polar_quantity(3), name="L = 3 for L = 2"),
    polar[3].but(quantity=polar_quantity(2), name="L = 2 for L = 3"),
    polar[2].without("|v(0)| = 1"),
    polar[3].without("|v(0)| = 1"),
    polar[2].without("A z = 0"),
    polar[3].without("A z = 0"),
    closed_path.but(formula=path(2), name="wrong constant"),
    closed_path.but(formula=lambda c: 2 * (c.init.a**2 + c.init.b**2) * c.integral.s, name="first order only"),
    closed_path.without("both branches start alike"),
    nearer.but(sense=">=", name="farther"),
    nearer.but(rate=lambda p, c: -2 * taught.objective(p, c), name="nearer at a rate"),
    rotation.but(map=lambda p, c: p.replace(w=c.M.mT @ p.w), name="the inverse rotation"),
    rotation.without("M M' = I"),
    cauchy_schwarz.but(
        lhs=lambda c: Fraction(99, 100) * (c.x**2).sum() * (c.y**2).sum() - (c.x * c.y).sum() ** 2, name="sharper"
    ),
    triangle.but(lhs=lambda c: ops.norm(c.x + c.y) - ops.norm(c.x) - ops.norm(c.y), name="reversed triangle"),
    exponentials.but(rhs=lambda c: ops.exp(c.x) + ops.exp(c.y), name="sum of exponentials"),
]


def sizes(claim: Any, **dims: int) -> dict[str, int]:
    """Small default sizes for everything the claim speaks of."""
    subject = claim.subject
    return {name: dims.get(name, DIMS.get(name, 3)) for name in subject.sizes}
