"""Laws of change, along flows and in one step of a scheme; near misses beside them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.invariants import linear, matrix, relu, unit
from theorylab import ops

PERCENT = Fraction(101, 100)


@tl.model(w="d")
def predictor(p: Any, x: Any) -> Any:
    return p.w[None, :] @ x


@tl.model(w="d")
def neuron(p: Any, x: Any) -> Any:
    return ops.relu(p.w[None, :] @ x)


@tl.model(w="d")
def direction(p: Any, x: Any) -> Any:
    return (p.w / ops.norm(p.w))[None, :] @ x


given = tl.Setting(x=tl.var("d n"), y=tl.var("1 n"))
taught_setting = tl.Setting(x=tl.var("d n"), v=tl.var("d"))
regression = tl.GradientFlow(predictor, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=given)
shrinking = tl.GradientFlow(linear, setting=tl.Setting(lam=tl.var(positive=True)), weight_decay=lambda c: c.lam)
decayed = tl.GradientFlow(predictor, loss=tl.loss.square, weight_decay=1)
taught = tl.GradientFlow(
    neuron, loss=tl.loss.square, setting=taught_setting, data=lambda c: (c.x, ops.relu(c.v[None, :] @ c.x))
)
untaught = tl.GradientFlow(
    neuron, loss=tl.loss.square, setting=given.with_(v=tl.var("d")), data=lambda c: (c.x, c.y)
)  # fmt: skip
rolling = tl.GradientFlow(
    predictor, loss=tl.loss.square, data=lambda c: (c.x, c.y), momentum=lambda c: c.tau,
    setting=given.with_(tau=tl.var(positive=True)),
)  # fmt: skip
homogeneous = tl.GradientFlow(relu)
spherical = tl.GradientFlow(direction)


def squares(value: Any) -> Any:
    return (value**2).sum()


def slope(flow: Any, p: Any, c: Any) -> Any:
    """The squared length of the field."""
    return sum(squares(v) for v in flow.field(p, c).values())


def energy(p: Any, c: Any) -> Any:
    return squares(p.velocity_w) / 2 + squares(p.w[None, :] @ c.x - c.y) / 2


def exact_step(p: Any, c: Any) -> Any:
    """h^2 (g2' g2 - g1 g1') for the gradients g1, g2: the terms of first order cancel as in the flow."""
    g = tl.GradientFlow(linear).field(p, c)
    return c.h**2 * (g.W2.mT @ g.W2 - g.W1 @ g.W1.mT)


TRUE = {
    # dQ = (what cancels) - 2 lam Q
    "decay of balancedness": tl.Evolution(shrinking, matrix, lambda p, c: -2 * c.lam * matrix(p)),
    "the loss falls": tl.Evolution(regression, regression.objective, lambda p, c: -slope(regression, p, c)),
    "the loss does not rise": tl.Evolution(taught, taught.objective, 0, sense="<="),
    # Euler: <W2, dW2> = -<r, f>
    "Euler's relation": tl.Evolution(homogeneous, lambda p: squares(p.W2), lambda p, c: -2 * ops.dot(c.r, c.f)),
    # <w - v, sum h (relu(v x) - relu(w x)) x> <= 0 term by term
    "nearer to the teacher": tl.Evolution(taught, lambda p, c: squares(p.w - c.v), 0, sense="<="),
    # d(|v|^2 / 2 + L) = -tau |v|^2
    "energy with friction": tl.Evolution(rolling, energy, lambda p, c: -c.tau * squares(p.velocity_w)),
    "balancedness in one step": tl.Evolution(tl.GradientFlow(linear).euler("h"), matrix, exact_step),
    # the gradient is orthogonal to w: |w + h F|^2 - |w|^2 = h^2 |F|^2
    "a direction grows in steps": tl.Evolution(
        spherical.euler("h"), lambda p: squares(p.w), lambda p, c: c.h**2 * squares(spherical.field(p, c).w)
    ),
    "a direction does not shrink in steps": tl.Evolution(
        spherical.euler("h"), lambda p: squares(p.w), 0, sense=">="
    ),
    # |w - v|^2 falls along a convex loss with the minimiser v of value 0 at the rate 4 L at least
    "distance to a solution": tl.Evolution(
        regression.with_(setting=tl.Setting(v=tl.var("d")), data=lambda c: (c.x, c.v[None, :] @ c.x)),
        lambda p, c: squares(p.w - c.v), lambda p, c: -2 * squares((p.w - c.v)[None, :] @ c.x),
    ),
}  # fmt: skip

FALSE = {
    "decay, one percent": tl.Evolution(shrinking, matrix, lambda p, c: -2 * PERCENT * c.lam * matrix(p)),
    "decay, half the rate": tl.Evolution(shrinking, matrix, lambda p, c: -c.lam * matrix(p)),
    "the loss falls, one percent": tl.Evolution(
        regression, regression.objective, lambda p, c: -PERCENT * slope(regression, p, c)
    ),
    "the loss does not rise, with weight decay": tl.Evolution(decayed, decayed.objective, 0, sense="<="),
    "Euler's relation, one percent": tl.Evolution(
        homogeneous, lambda p: squares(p.W2), lambda p, c: -2 * PERCENT * ops.dot(c.r, c.f)
    ),
    "nearer, without a teacher": tl.Evolution(untaught, lambda p, c: squares(p.w - c.v), 0, sense="<="),
    "nearer, at the rate of the loss": tl.Evolution(
        taught, lambda p, c: squares(p.w - c.v), lambda p, c: -4 * taught.objective(p, c), sense="<="
    ),
    "farther from the teacher": tl.Evolution(taught, lambda p, c: squares(p.w - c.v), 0, sense=">="),
    "energy, one percent": tl.Evolution(rolling, energy, lambda p, c: -PERCENT * c.tau * squares(p.velocity_w)),
    "energy, without friction": tl.Evolution(rolling, energy, 0),
    "balancedness kept by a step": tl.Evolution(tl.GradientFlow(linear).euler("h"), matrix, 0),
    "balancedness in one step, h for h^2": tl.Evolution(
        tl.GradientFlow(linear).euler("h"), matrix, lambda p, c: exact_step(p, c) / c.h
    ),
    "descent at every step size": tl.Evolution(regression.euler("h"), regression.objective, 0, sense="<="),
    "a direction keeps its length in steps": tl.Evolution(spherical.euler("h"), lambda p: squares(p.w), 0),
    "unit law with heavy ball": tl.Evolution(homogeneous.heavy_ball("h", "beta"), unit, 0),
    "weights of a network shrink": tl.Evolution(homogeneous, lambda p: squares(p.W2), 0, sense="<="),
}
