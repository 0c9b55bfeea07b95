"""Statements that are made to get a false claim proved: kinks, zeros, signs, sizes, time, hypotheses, conventions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import predictor
from tests.soundness.invariants import passing
from theorylab import ops
from theorylab.readings.namespace import Namespace

S, V = tl.Setting, tl.var
numbers = S(x=V(), y=V(), s=V(), v=V("n"), w=V("1"))
integers = S(L=V("", tl.draw.integer(1, 3), integer=True), x=V())
half = tl.GradientFlow(predictor, gates=Fraction(1, 2))
one = tl.GradientFlow(predictor, gates=1)
still = tl.Flow(lambda p: {"u": 0 * p.u}, state={"u": ""})
decay = tl.Flow(lambda p: {"u": -p.u}, state={"u": ""})
timed = tl.Flow(lambda p, c: {"u": -p.u * c.t}, state={"u": ""})
clock = tl.Flow(lambda p: {"t": -p.t, "u": 0 * p.u + 1}, state={"t": "", "u": ""})
from_start = tl.Flow(lambda p, c: {"u": c.init.u + 0 * p.u}, state={"u": ""})
summed = decay.with_integral(u=lambda p: p.u)
circle = tl.Flow(lambda p: {"u": -p.v, "v": p.u}, state={"u": "", "v": ""})
radius = tl.Invariant(circle, lambda p: p.u**2 + p.v**2, name="radius")
unknown = tl.GradientFlow(predictor)
square = tl.GradientFlow(predictor, loss=tl.loss.square)
given = S(x=V("d n"), y=V("1 n"), e=V())
told = tl.GradientFlow(predictor, setting=given, data=lambda c: (c.x, c.y))
kernel = tl.assume("s x = 0", lambda c: c.s * c.x)
missing = tl.assume("x (s - 3) = 0", lambda c: c.x * (c.s - 3), lambda c: {"x": 0 * c.x})
factors = S(kernel, s=V("", tl.draw.one_of(0, 1)), x=V("", tl.draw.one_of(0, 2)), y=V())


def identity(lhs: Any, rhs: Any = 0, setting: Any = numbers) -> tl.Identity:
    return tl.Identity(setting, lhs, rhs)


def strict(lhs: Any, rhs: Any = 0) -> tl.Inequality:
    return tl.Inequality(numbers, lhs, rhs, strict=True)


def step(p: Any, c: Any) -> Any:
    return ops.step(p.w[None, :] @ c.x)


def along_x(function: Any) -> Any:
    """The derivative of function(x) by x."""
    return lambda c: ops.derivative(lambda q: function(q.x), Namespace({"x": c.x}), Namespace({"x": c.x * 0 + 1}))


TRUE = {
    # with the premise that x is not 0, where sign has no value
    "the square of a sign": identity(lambda c: ops.sign(c.x) ** 2, 1),
    "a size of one": identity(lambda c: (c.v * c.w).sum(), lambda c: c.v.sum() * c.w.sum()),
    "the kernel of a product": identity(lambda c: c.s * c.x * c.y, 0, factors),
    "a defined variable follows": identity(
        lambda c: c.y, 1, S(
            tl.assume("|x| = 1", lambda c: (c.x**2).sum() - 1, lambda c: {"x": c.x / ops.norm(c.x)}),
            x=V("d"), y=V("", lambda c: (c.x**2).sum()),
        ),
    ),
    "a flow that knows the time": tl.Evolution(timed, lambda p, c: p.u * c.t, lambda p, c: p.u - p.u * c.t**2),
    "a parameter named t": tl.Evolution(clock, lambda p: p.t, lambda p: -p.t),
    "everything goes to 0": tl.Conjugate(decay, decay, lambda p: {"u": 0 * p.u}, time=7),
    "on the circle": tl.Trajectory(
        circle, lambda p: p.u**2 + p.v**2, lambda c: c.init.u**2 + c.init.v**2 + 0 * c.t, on=[radius]
    ),
}  # fmt: skip

FALSE = {
    "root of a square": identity(lambda c: ops.sqrt(c.x**2), lambda c: c.x),
    "norm over norm": identity(lambda c: ops.norm(c.s * c.v) / ops.norm(c.v), lambda c: c.s),
    "steps add to one": identity(lambda c: ops.step(c.x) + ops.step(-c.x), 1),
    "step of a multiple": identity(lambda c: ops.step(c.s * c.x), lambda c: ops.step(c.x)),
    "step of a square": identity(lambda c: ops.step(c.x**2), 1),
    "step times a square": identity(lambda c: ops.step(c.x**2 * c.y), lambda c: ops.step(c.y)),
    "relu of a multiple": identity(lambda c: ops.relu(c.s * c.x), lambda c: c.s * ops.relu(c.x)),
    "sizes add": identity(lambda c: abs(c.x + c.y), lambda c: abs(c.x) + abs(c.y)),
    "a choice that does not matter": identity(lambda c: ops.where(ops.step(c.x), c.y, 2 * c.y), lambda c: c.y),
    "the number n": identity(lambda c: (c.v * 0 + 1).sum(), lambda c: (c.v * 0 + 1).sum() ** 2),
    "a size of one, added": identity(lambda c: (c.v + c.w).sum(), lambda c: c.v.sum() + c.w.sum()),
    "two contractions": identity(
        lambda c: (c.A.mT @ c.B).sum(), lambda c: (c.A @ c.B.mT).sum(), S(A=V("n d"), B=V("n d"))
    ),
    "an integer that is one": identity(lambda c: c.x**2, lambda c: c.x**2 * c.L, integers),
    "one of two factors": identity(lambda c: c.s, 0, factors),
    "a derivative at a kink": identity(along_x(lambda x: ops.relu(x) + ops.relu(-x)), 1),
    "sum of two kinks": strict(lambda c: ops.relu(c.x) + ops.relu(-c.x)),
    "a size that may vanish": strict(lambda c: abs(c.x)),
    "a root beside its number": strict(lambda c: ops.sqrt(c.x**2) + c.x),
    "a quotient of itself": strict(lambda c: c.x * c.y / (c.x * c.y), 1),
    "half gates are no projections": tl.Identity(half, lambda p, c: step(p, c) ** 2 - step(p, c)),
    "open gates at 0": tl.Identity(one, lambda p, c: step(p, c) + step(-p, c), 1),
    "a sign from a size": tl.Invariant(passing, lambda p: abs(p.u) / p.u),
    "a sign from a root": tl.Invariant(passing, lambda p: ops.sqrt(p.u**2) / p.u),
    "a direction from a norm": tl.Invariant(passing.with_(state={"u": "n"}), lambda p: p.u / ops.norm(p.u)),
    "a pole that is passed": tl.Evolution(passing, lambda p: 1 / p.u, 0, sense="<="),
    "a tangent rises": tl.Evolution(circle, lambda p: p.v / p.u, 0, sense=">="),
    "a jump": tl.Invariant(passing, lambda p: p.u * 0 + ops.step(p.u)),
    "the integral of u": tl.Invariant(summed, lambda p, c: p.u + 2 * c.integral.u),
    "a parameter is not the time": tl.Evolution(clock, lambda p: p.t, 1),
    "a flow that forgets the time": tl.Evolution(timed, lambda p, c: p.u * c.t, lambda p, c: -p.u * c.t**2),
    "another flow's invariant": tl.Invariant(decay, lambda p: p.u, on=[tl.Invariant(still, lambda p: p.u, name="u")]),
    "an invariant on itself": tl.Invariant(decay, lambda p: p.u, on=[tl.Invariant(decay, lambda p: p.u)]),
    "a root of an invariant": tl.Trajectory(
        circle, lambda p: p.u, lambda c: ops.sqrt(c.init.u**2 + c.init.v**2), on=[radius]
    ),
    "through 0 by a root": tl.Trajectory(
        tl.Flow(lambda p: {"u": 2 * ops.sqrt(abs(p.u))}, state={"u": ""}), lambda p: p.u,
        lambda c: (ops.sqrt(c.init.u) + c.t) ** 2,
    ),
    "past 0 by a sign": tl.Trajectory(
        tl.Flow(lambda p: {"u": -2 * p.u / abs(p.u)}, state={"u": ""}), lambda p: p.u, lambda c: c.init.u - 2 * c.t
    ),
    # u' = 1 crosses 0, where the image jumps from 0 to 1 and does not stand still
    "an image that jumps": tl.Conjugate(passing, still, lambda p: {"u": ops.step(p.u)}),
    # x = 1, s = 3
    "a factor that enforce never makes 0": identity(lambda c: c.x, 0, S(missing, x=V(), s=V())),
    # the image starts at u0 + 1 and would have that speed
    "a speed that is the start": tl.Conjugate(from_start, from_start, lambda p: {"u": p.u + 1}),
    "twice the speed, twice the time": tl.Conjugate(
        decay, tl.Flow(lambda p: {"u": -2 * p.u}, state={"u": ""}), lambda p: p, time=2
    ),
    "an unknown loss is not square": tl.Conjugate(told, told.with_(data=lambda c: (c.x, 2 * c.y)), lambda p: 2 * p),
    "the slope of an unknown loss": tl.Invariant(unknown, lambda p, c: c.r),
    "descent at every rate": tl.Evolution(
        square.with_(setting=S(e=V()), rates={"w": lambda c: c.e}), square.objective, 0, sense="<="
    ),
    "a functional about another point": tl.Limit(
        tl.GradientFlow(predictor, loss=tl.loss.square, setting=given.with_(init={"w": 0}), data=lambda c: (c.x, c.y)),
        lambda p: p.w, tl.argmin(tl.bias.separable(dual=lambda b, c: b - 1)),
    ),
}  # fmt: skip
