"""Conserved quantities of gradient flows, and near misses. Everywhere r is the slope of the loss by the outputs f."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from theorylab import ops

PERCENT = Fraction(101, 100)


@tl.model(W1="k d", W2="m k")
def linear(p: Any, x: Any) -> Any:
    return p.W2 @ (p.W1 @ x)


@tl.model(W1="k d", W2="m k")
def relu(p: Any, x: Any) -> Any:
    return p.W2 @ ops.relu(p.W1 @ x)


@tl.model(W1="k d", W2="m k")
def leaky(p: Any, x: Any) -> Any:
    return p.W2 @ ops.leaky_relu(p.W1 @ x, Fraction(1, 8))


@tl.model(W1="k d", W2="m k")
def smooth(p: Any, x: Any) -> Any:
    return p.W2 @ ops.tanh(p.W1 @ x)


@tl.model(W1="k d", b="k", W2="m k")
def biased(p: Any, x: Any) -> Any:
    return p.W2 @ ops.relu(p.W1 @ x + p.b[:, None])


@tl.model(W="k d", a="m k")
def squared(p: Any, x: Any) -> Any:
    return p.a @ (p.W @ x) ** 2


@tl.model(g="", v="d")
def normalised(p: Any, x: Any) -> Any:
    return (p.g * p.v / ops.norm(p.v))[None, :] @ x


@tl.model(v="d", b="")
def direction_with_bias(p: Any, x: Any) -> Any:
    return (p.v / ops.norm(p.v))[None, :] @ x + p.b


@tl.model(u="d", v="d")
def diagonal(p: Any, x: Any) -> Any:
    return (p.u**2 - p.v**2)[None, :] @ x


@tl.model(a="", b="")
def exponential(p: Any, x: Any) -> Any:
    return ops.exp(p.a) * p.b * x


@tl.model(a="", b="", e="")
def three(p: Any, x: Any) -> Any:
    return p.a * p.b * p.e * x


def matrix(p: Any) -> Any:
    return p.W2.mT @ p.W2 - p.W1 @ p.W1.mT


def unit(p: Any) -> Any:
    return (p.W1**2).sum(-1) - (p.W2**2).sum(-2)


def angular(p: Any) -> Any:
    """<U', A U> - <W', W A> for every antisymmetric A: the symmetry (A U, -W A) leaves W U unchanged."""
    moment = p.velocity_W1 @ p.W1.mT - p.W2.mT @ p.velocity_W2
    return moment - moment.mT


def invariant(model: Any, quantity: Any, **options: Any) -> tl.Invariant:
    return tl.Invariant(tl.GradientFlow(model, **options), quantity)


rates = {"setting": tl.Setting(e=tl.var(positive=True)), "rates": {"W1": lambda c: c.e}}
moving = tl.Setting(init={"velocity_W1": tl.draw.normal(), "velocity_W2": tl.draw.normal()})
turning = tl.Flow(lambda p: {"u": -p.v, "v": p.u}, state={"u": "", "v": ""})
damped = tl.Flow(lambda p: {"u": -p.v, "v": p.u - p.v}, state={"u": "", "v": ""})
passing = tl.Flow(lambda p: {"u": p.u * 0 + 1}, state={"u": ""})

TRUE = {
    # d(W2' W2) = -(W2' r x' W1') + transposed = d(W1 W1')
    "balanced linear layers": invariant(linear, matrix),
    # unit j: <w_j, dw_j> = -a_j r h (w_j x) = <a_j, da_j>
    "balanced relu units": invariant(relu, unit),
    "balanced leaky units": invariant(leaky, unit),
    "balanced units with bias": invariant(biased, lambda p: unit(p) + p.b**2),
    # degree 2 in w, 1 in a: <w, dw> = 2 <a, da>
    "units of degree two": invariant(squared, lambda p: (p.W**2).sum(-1) - 2 * (p.a**2).sum(-2)),
    # the gradient by v is orthogonal to v
    "length of a direction": invariant(normalised, lambda p: (p.v**2).sum()),
    "length of a direction with bias": invariant(direction_with_bias, lambda p: (p.v**2).sum()),
    # u' = -2 u s, v' = 2 v s
    "product of the branches": invariant(diagonal, lambda p: p.u * p.v),
    # a' = -r f, b b' = -r f
    "exponential layer": invariant(exponential, lambda p: p.b**2 / 2 - p.a),
    "three scalars": invariant(three, lambda p: p.a**2 + p.b**2 - 2 * p.e**2),
    # <w, dw> / e = <a, da>
    "rates": invariant(relu, lambda p, c: (p.W1**2).sum(-1) / c.e - (p.W2**2).sum(-2), **rates),
    "angular momentum": invariant(linear, angular, momentum=0, setting=moving),
    # with friction tau it falls like exp(-tau t), from 0
    "angular momentum with friction, from rest": invariant(linear, angular, momentum=1),
    "radius": tl.Invariant(turning, lambda p: p.u**2 + p.v**2),
}

FALSE = {
    "one percent": invariant(relu, lambda p: PERCENT * (p.W1**2).sum(-1) - (p.W2**2).sum(-2)),
    "exponent 2.1": invariant(
        relu,
        lambda p: ops.exp(Fraction(21, 20) * ops.log((p.W1**2).sum(-1))) - (p.W2**2).sum(-2),
    ),
    "matrix law for relu": invariant(relu, matrix),
    "matrix law for leaky relu": invariant(leaky, matrix),
    "unit law for tanh": invariant(smooth, unit),
    "a law that is true only without bias": invariant(biased, unit),
    "degree one for degree two": invariant(squared, lambda p: (p.W**2).sum(-1) - (p.a**2).sum(-2)),
    "true only without momentum": invariant(linear, matrix, momentum=1),
    "angular momentum with friction": invariant(linear, angular, momentum=1, setting=moving),
    "a law that is true only without weight decay": invariant(linear, matrix, weight_decay=Fraction(1, 100)),
    "rates left out": invariant(relu, unit, **rates),
    "sum for product": invariant(diagonal, lambda p: p.u**2 + p.v**2),
    "scale of a direction": invariant(normalised, lambda p: p.g**2 - (p.v**2).sum()),
    "exponential layer, sign": invariant(exponential, lambda p: p.b**2 / 2 + p.a),
    "radius of a damped turn": tl.Invariant(damped, lambda p: p.u**2 + p.v**2),
    "a step that is crossed": tl.Invariant(passing, lambda p: ops.step(p.u)),
    "a sign that is crossed": tl.Invariant(passing, lambda p: ops.sign(p.u)),
}
