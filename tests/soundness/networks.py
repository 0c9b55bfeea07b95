"""Laws of products of layers, gates, powers and normalised layers; laws that hold for one sample or one size alone."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import PERCENT, predictor, squares
from theorylab import ops

S, V = tl.Setting, tl.var


@tl.model(Q="k d", K="k d")
def scores(p: Any, x: Any) -> Any:
    """tanh <Q x, K x>, a sample a column."""
    return ops.tanh(((p.Q @ x) * (p.K @ x)).sum(0, keepdims=True))


@tl.model(W="k d", U="k d", a="m k")
def gated(p: Any, x: Any) -> Any:
    return p.a @ ((p.W @ x) * ops.relu(p.U @ x))


@tl.model(w="d")
def cubed(p: Any, x: Any) -> Any:
    return (p.w**3)[None, :] @ x


@tl.model(a="", b="", e="")
def three(p: Any, x: Any) -> Any:
    return p.a * p.b * p.e * x


@tl.model(a="", b="")
def two(p: Any, x: Any) -> Any:
    return p.a * p.b * x


@tl.model(a="", w="d", b="")
def shifted(p: Any, x: Any) -> Any:
    return p.a * ops.relu(p.w[None, :] @ x + p.b)


attention, glu, cubes = tl.GradientFlow(scores), tl.GradientFlow(gated), tl.GradientFlow(cubed)
products, pair, neuron = tl.GradientFlow(three), tl.GradientFlow(two), tl.GradientFlow(shifted)
regression = tl.GradientFlow(
    predictor, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=S(x=V("d n"), y=V("1 n"))
)  # fmt: skip
labelled = regression.with_(loss=tl.loss.logistic, setting=S(y=V("1 n", tl.draw.one_of(-1, 1))))
one_label = labelled.with_(setting=S(x=V("d 1"), y=V("1 1", tl.draw.one_of(1))))
rolling = tl.GradientFlow(
    predictor, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=S(x=V("d n"), y=V("1 n")), momentum=1
)  # fmt: skip
unseen = tl.assume(
    "x' z = 0", lambda c: c.z[None, :] @ c.x,
    lambda c: {"x": c.x - ops.outer(c.z, (c.z[None, :] @ c.x)[0]) / (c.z**2).sum()},
)  # fmt: skip
blind = regression.with_(setting=S(unseen, z=V("d")))


def left(p: Any) -> Any:
    return p.Q @ p.Q.mT - p.K @ p.K.mT


def units(p: Any, layers: Any = 2) -> Any:
    return (p.W**2).sum(-1) + (p.U**2).sum(-1) - layers * (p.a**2).sum(-2)


def of_product(p: Any, c: Any) -> Any:
    """f' / x = -<r, x> (b^2 e^2 + a^2 e^2 + a^2 b^2)."""
    return -(c.r * c.x).sum() * (p.b**2 * p.e**2 + p.a**2 * p.e**2 + p.a**2 * p.b**2)


def euler(factor: Any) -> tl.Evolution:
    """f is of degree 3 in w: d |w|^2 = -2 * 3 <r, f>."""
    return tl.Evolution(cubes, lambda p: squares(p.w), lambda p, c: -2 * factor * ops.dot(c.r, c.f))


def fall(rate: Any) -> tl.Evolution:
    return tl.Evolution(regression, regression.objective, rate)


def one_sample(p: Any, c: Any) -> Any:
    """-2 |x|^2 L, for n = 1."""
    return -2 * squares(c.x) * regression.objective(p, c)


TRUE = {
    # d(Q Q') and d(K K') are both Q G K' + K G' Q', G symmetric
    "queries against keys": tl.Invariant(attention, left),
    # <W, dW> = <U, dU> = <a, da> unit by unit
    "gated units": tl.Invariant(glu, units),
    "the gate against its partner": tl.Invariant(glu, lambda p: (p.W**2).sum(-1) - (p.U**2).sum(-1)),
    "Euler's relation of degree three": euler(3),
    "a product of three": tl.Evolution(products, lambda p: p.a * p.b * p.e, of_product),
    "a neuron with bias": tl.Invariant(neuron, lambda p: p.a**2 - (p.w**2).sum() - p.b**2),
    # w moves in the range of the inputs
    "what no input sees": tl.Invariant(blind, lambda p, c: (c.z * p.w).sum()),
    "the loss of one sample": tl.Evolution(
        regression.with_(setting=S(x=V("d 1"), y=V("1 1"))), regression.objective, one_sample
    ),
    "the logistic loss falls": tl.Evolution(labelled, labelled.objective, 0, sense="<="),
    # f' = |x|^2 s with the slope 0 < s < 1
    "the output for one label 1 grows": tl.Evolution(one_label, lambda p, c: (p.w[None, :] @ c.x).sum(), 0, sense=">="),
}  # fmt: skip

FALSE = {
    "queries against keys, the other side": tl.Invariant(attention, lambda p: p.Q.mT @ p.Q - p.K.mT @ p.K),
    "queries plus keys": tl.Invariant(attention, lambda p: p.Q @ p.Q.mT + p.K @ p.K.mT),
    "gated units, one partner too few": tl.Invariant(glu, lambda p: units(p, 1)),
    "gated units, one percent": tl.Invariant(glu, lambda p: units(p, 2 * PERCENT)),
    "Euler's relation, off by one below": euler(2),
    "Euler's relation, off by one above": euler(4),
    "Euler's relation, degree 3.03": euler(3 * PERCENT),
    "a product of three, a term left out": tl.Evolution(
        products, lambda p: p.a * p.b * p.e,
        lambda p, c: of_product(p, c) + (c.r * c.x).sum() * p.a**2 * p.b**2,
    ),
    "a ratio, kept by balanced starts alone": tl.Invariant(pair, lambda p: p.a / p.b),
    "a product, kept by no start": tl.Invariant(pair, lambda p: p.a * p.b),
    "a neuron whose bias is forgotten": tl.Invariant(neuron, lambda p: p.a**2 - (p.w**2).sum()),
    "a neuron whose bias counts twice": tl.Invariant(neuron, lambda p: p.a**2 - (p.w**2).sum() - 2 * p.b**2),
    "what inputs see": tl.Invariant(blind, lambda p, c: (c.z * p.w).sum()).without("x' z = 0"),
    "the loss of one sample, for several": fall(one_sample),
    "the loss of one sample, without its size": tl.Evolution(
        regression.with_(setting=S(x=V("d 1"), y=V("1 1"))), regression.objective,
        lambda p, c: -2 * regression.objective(p, c),
    ),
    "the loss falls, with momentum": tl.Evolution(rolling, rolling.objective, 0, sense="<="),
    "logistic weights grow": tl.Evolution(labelled, lambda p: squares(p.w), 0, sense=">="),
    "the product of lengths, in one dimension": tl.Identity(
        S(v=V("d"), w=V("d")), lambda c: (c.v * c.w).sum() ** 2, lambda c: squares(c.v) * squares(c.w)
    ),
    "power 1.9 for 2": tl.Evolution(
        cubes.with_(setting=S(init={"w": V("d", positive=True)})),
        lambda p: ops.exp(Fraction(19, 10) * ops.log(p.w)).sum(), lambda p, c: -6 * ops.dot(c.r, c.f),
    ),
}  # fmt: skip
