"""Exponents, means, ranks, sparsity, pairs of limits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import neuron
from theorylab import ops

DEFAULT = {"trials": 6}

HALF, TENTH = Fraction(1, 2), Fraction(1, 10)
SMALL = tl.var(to=0, draw=tl.draw.ladder(1 / 8, 1 / 1024, 8))
small = tl.Setting(h=SMALL, a=tl.var(positive=True), b=tl.var())
draws = tl.Setting(
    u=tl.var("", tl.draw.uniform(0, 1)), g=tl.var("d", tl.draw.normal()), s=tl.var("", tl.draw.uniform(1, 2))
)


def powers(p: float) -> tl.Flow:
    """u' = -u^p for odd p, so that u ~ ((p - 1) t)^(-1/(p - 1))."""
    return tl.Flow(
        lambda q: {"u": -(q.u**p)}, state={"u": ""}, setting=tl.Setting(init={"u": tl.draw.uniform(0.5, 2)})
    )  # fmt: skip


curved = tl.Flow(
    lambda p, c: {"w": -ops.stack([2 * c.a * p.w[0] + p.w[1] ** 2, 2 * p.w[0] * p.w[1] + p.w[1] ** 3])},
    state={"w": "2"}, setting=tl.Setting(h=SMALL, a=tl.var(positive=True)),
)  # fmt: skip
descent = curved.euler(lambda c: c.h)


def defect(p: Any, c: Any) -> Any:
    return ops.norm(descent.after(p, c).w - curved.after(p, c, time=c.h).w)


def scaling(exponent: Any, sense: Any = "==") -> tl.Scaling:
    return tl.Scaling(small, lambda c: c.a * c.h**2 + c.b * c.h**3, exponent, "h", sense=sense)


def order(exponent: Any) -> tl.Scaling:
    return tl.Scaling(descent, defect, exponent, "h", quantifier="almost every")


def in_time(p: int, exponent: Any) -> tl.Scaling:
    return tl.Scaling(powers(p), lambda q: q.u, exponent, "t", horizon=1e6)


def mean(value: Any, sense: Any = "==") -> tl.Mean:
    """E (u - 1/2) / 32 + 1 = 1, with a spread below one percent."""
    return tl.Mean(draws, lambda c: (c.u - HALF) / 32 + 1, value, sense=sense, samples=2048)


def chance(value: Any) -> tl.Mean:
    return tl.Mean(draws, lambda c: ops.step(c.u - Fraction(1, 4)), value, values="boolean", margin=0.05, samples=2048)


def length(value: Any) -> tl.Mean:
    """E |g|^2 = d = 3."""
    return tl.Mean(draws, lambda c: (c.g**2).sum(), value, margin=0.4, samples=4096)


def conditional(value: Any) -> tl.Mean:
    """E[u s | s] = s / 2."""
    return tl.Mean(draws, lambda c: c.u * c.s, value, over=["u"], margin=0.1, samples=2048)


@tl.model(W="d k")
def matrix(p: Any, x: Any) -> Any:
    return p.W @ x


@tl.model(w="d")
def linear(p: Any, x: Any) -> Any:
    return p.w[None, :] @ x


# With invertible inputs the only zero of the loss is a b'.
outer = tl.GradientFlow(
    matrix, loss=tl.loss.square, data=lambda c: (c.x, ops.outer(c.a, c.b) @ c.x),
    setting=tl.Setting(x=tl.var("k k", tl.draw.orthogonal()), a=tl.var("d"), b=tl.var("k")),
)  # fmt: skip
# w ends at x y: the coordinates of y, which has one entry that is not 0, in the basis of the inputs
first = tl.GradientFlow(
    linear, loss=tl.loss.square, data=lambda c: (c.x, (c.x[0] * c.s)[None, :]),
    setting=tl.Setting(x=tl.var("d d", tl.draw.orthogonal()), s=tl.var(positive=True), init={"w": tl.draw.normal(0.5)}),
)  # fmt: skip


def family(gamma: int) -> tl.Flow:
    """One neuron on the data X_gamma of Vardi and Shamir, 2012.05156, theorem 3: limits a (5, -1, s_gamma)."""
    return tl.GradientFlow(
        neuron, loss=tl.loss.square, gates=1,
        data=lambda c: (ops.array([[3, 4, 0], [-1, 2, gamma], [0, 0, gamma]]), c.a * ops.array([[16, 18, 0]])),
        setting=tl.Setting(a=tl.var("", tl.draw.uniform(1, 2), positive=True), init={"w": 0}),
    )  # fmt: skip


def unexplained(other: int, quantity: Any = lambda p: p.w) -> tl.NoFunctional:
    return tl.NoFunctional(family(1), family(other), quantity, settle={"t_end": 50.0})


OPTIONS = {
    name: {"dims": {"d": 3, "k": 2}}
    for name in ("rank one", "rank one, not zero", "rank zero", "rank two", "rank one of a shifted matrix")
}


def rank(value: int, sense: Any = "<=", quantity: Any = lambda p: p.W) -> tl.Rank:
    return tl.Rank(outer, quantity, value, sense=sense, quantifier="almost every")


def sparsity(value: int, sense: Any = "<=") -> tl.Sparsity:
    return tl.Sparsity(first, lambda p: p.w, value, sense=sense, quantifier="almost every")


TRUE = {
    "a square": scaling(2),
    "at least a power 1.9": scaling(2 - TENTH, ">="),
    # one step of size h against the flow: h^2 / 2 theta''
    "order of descent": order(2),
    "u' = -u^3 in time": in_time(3, -HALF),
    "u' = -u^5 in time": in_time(5, -Fraction(1, 4)),
    "mean of a uniform draw": mean(1),
    "mean at least": mean(Fraction(99, 100), ">="),
    "a probability": chance(Fraction(3, 4)),
    "squared length of a normal vector": length(3),
    "mean for every s": conditional(lambda c: c.s / 2),
    "rank one": rank(1),
    "rank one, not zero": rank(1, ">="),
    "one entry": sparsity(1),
    "no functional of a neuron": unexplained(5),
}

FALSE = {
    "a square, exponent 2.1": scaling(2 + TENTH),
    "a square, exponent 1.9": scaling(2 - TENTH),
    "at least a power 2.1": scaling(2 + TENTH, ">="),
    "order of descent, 2.1": order(2 + TENTH),
    "order of descent, 3": order(3),
    "u' = -u^3 in time, 0.1 off": in_time(3, -HALF - TENTH),
    "u' = -u^5 in time, as u' = -u^3": in_time(5, -HALF),
    "mean, one percent": mean(Fraction(101, 100)),
    "mean at least, one percent": mean(Fraction(101, 100), ">="),
    "a probability, 0.05 off": chance(Fraction(4, 5)),
    "squared length, size plus one": length(4),
    "mean for every s, of the mean s": conditional(Fraction(3, 4)),
    "rank zero": rank(0),
    "rank two": rank(2, ">="),
    "rank one of a shifted matrix": rank(1, quantity=lambda p: p.W + 1),
    "no entry": sparsity(0),
    "two entries": sparsity(2, ">="),
    "no functional of one limit": unexplained(1),
    "no functional of two coordinates": unexplained(5, lambda p: p.w[:2]),
}
