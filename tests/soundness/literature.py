"""Further statements from the literature on training dynamics: layers, flows, schemes, and laws that break late.

Deep linear networks (1312.6120), self-attention without softmax (2306.09927), layer normalisation (1607.06450), mirror
flows and multiplicative updates (2004.01025), heavy ball in continuous time (Polyak, 1964), soft thresholding by weight
decay of products, Lotka and Volterra as two multiplicative players (1803.01686).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import predictor, squares
from theorylab import ops

DEFAULT = {"trials": 6}

S, V, D = tl.Setting, tl.var, tl.draw
BILLION = Fraction(1, 10**9)


@tl.model(A="k d", B="l k", C="m l")
def deep(p: Any, x: Any) -> Any:
    return p.C @ (p.B @ (p.A @ x))


@tl.model(A="k d", B="k k", C="m k")
def skip(p: Any, x: Any) -> Any:
    hidden = p.A @ x
    return p.C @ (hidden + p.B @ hidden)


@tl.model(Q="k d", K="k d", P="k d", x="d T")
def linear_attention(p: Any, x: Any) -> Any:
    return (p.P @ x) @ ((p.K @ x).mT @ (p.Q @ x))


@tl.model(U="d r")
def symmetric(p: Any, x: Any) -> Any:
    return p.U @ p.U.mT @ x


@tl.model(W="k d", a="m k")
def swish(p: Any, x: Any) -> Any:
    z = p.W @ x
    return p.a @ (z / (1 + ops.exp(-z)))


@tl.model(W="k d", a="m k")
def cubic(p: Any, x: Any) -> Any:
    return p.a @ (p.W @ x) ** 3


@tl.model(w="d", v="d")
def powers(p: Any, x: Any) -> Any:
    return (p.w**2 * p.v**3)[None, :] @ x


@tl.model(W="k d", g="k", b="k", a="m k")
def normalised_layer(p: Any, x: Any) -> Any:
    z = p.W @ x
    z = z - z.mean(0, keepdims=True)
    return p.a @ (p.g[:, None] * z / ops.sqrt((z**2).sum(0, keepdims=True)) + p.b[:, None])


@tl.model(f="3", a="m 2", x="5")
def strided(p: Any, x: Any) -> Any:
    """Three taps, stride two."""
    return p.a @ ops.relu(ops.stack([(p.f * x[0:3]).sum(), (p.f * x[2:5]).sum()]))


@tl.model(u="", v="")
def product(p: Any, x: Any) -> Any:
    return p.u * p.v * x


def flow(field: Any, **init: Any) -> tl.Flow:
    return tl.Flow(field, state={"u": "", "v": ""}, setting=S(init=init))


def law(model: Any, quantity: Any, **options: Any) -> tl.Invariant:
    return tl.Invariant(tl.GradientFlow(model, **options), quantity)


def angular(p: Any) -> Any:
    moment = p.velocity_U.mT @ p.U
    return moment - moment.mT


orthonormal = tl.assume("x x' = I", lambda c: c.x @ c.x.mT - ops.eye(c.x @ c.x.mT))
frame = S(orthonormal, x=V("d d", D.orthogonal()), y=V("1 d"))
moving = S(init={"velocity_U": D.normal()})
quadratic = tl.GradientFlow(predictor, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=frame)
rolling = tl.GradientFlow(
    predictor, loss=tl.loss.square, data=lambda c: (c.x, c.y), momentum=2, setting=S(x=V("d n"), y=V("1 n"))
)  # fmt: skip
critical = rolling.with_(setting=frame)
multiplicative = tl.GradientFlow(
    predictor, loss=tl.loss.square, metric=lambda p: {"w": p.w}, data=lambda c: (c.x, c.v[None, :] @ c.x),
    setting=S(
        x=V("d n", D.uniform(0.25, 1), positive=True), v=V("d", D.uniform(0.5, 1), positive=True),
        init={"w": V("d", D.uniform(0.25, 1), positive=True)},
    ),
)  # fmt: skip
thresholded = tl.GradientFlow(
    product, loss=tl.loss.square, weight_decay=lambda c: c.lam, data=lambda c: (c.one, c.y),
    setting=S(
        one=V("1 1", D.one_of(1)), y=V("1 1", D.uniform(2, 3)), lam=V("", D.uniform(0.1, 0.5), positive=True),
        init={"u": D.uniform(0.5, 1), "v": D.uniform(0.5, 1)},
    ),
)  # fmt: skip
rooted = tl.Flow(
    lambda p, c: {"u": p.u * (c.s - p.u**2)}, state={"u": ""},
    setting=S(s=V(positive=True), init={"u": V("", D.uniform(0.25, 1), positive=True)}),
)  # fmt: skip
positive = {"u": V("", D.uniform(0.5, 1), positive=True), "v": V("", D.uniform(0.5, 1), positive=True)}
players = flow(lambda p: {"u": p.u * (p.v - 1), "v": p.v * (1 - p.u)}, **positive)
cycle = flow(lambda p: {"u": -p.v - p.u * (p.u**2 + p.v**2 - 1), "v": p.u - p.v * (p.u**2 + p.v**2 - 1)})
rising = tl.Flow(lambda p: {"u": 0 * p.u + 1}, state={"u": ""})
small = S(h=V("", D.uniform(0.05, 0.5), positive=True))
numbers = S(x=V(), y=V(), s=V(positive=True))


def scheme(step: Any) -> tl.Scheme:
    return tl.Scheme(step, state={"u": "", "v": ""}, setting=small)


def kick(p: Any, c: Any) -> dict[str, Any]:
    half = p.v - c.h / 2 * p.u
    u = p.u + c.h * half
    return {"u": u, "v": half - c.h / 2 * u}


def simultaneous(p: Any, c: Any) -> dict[str, Any]:
    """Descent of u and ascent of v on u v."""
    return {"u": p.u - c.h * p.v, "v": p.v + c.h * p.u}


def solution(c: Any) -> Any:
    return (c.x @ c.y.mT)[:, 0]


def relaxed(decay: Any) -> Any:
    return lambda c: solution(c) + (c.init.w - solution(c)) * decay(c)


def gated(threshold: Any, **init: Any) -> tl.Invariant:
    """v moves where u is beyond the threshold only."""
    return tl.Invariant(flow(lambda p: {"u": 0 * p.u, "v": ops.relu(threshold(p.u))}, **init), lambda p: p.v)


def inequality(lhs: Any, rhs: Any = 0, **options: Any) -> tl.Inequality:
    return tl.Inequality(numbers, lhs, rhs, **options)


def late(start: Any) -> tl.Invariant:
    clock = flow(lambda p: {"u": 0 * p.u + 1, "v": ops.relu(p.u - 5)}, u=start)
    return tl.Invariant(clock, lambda p: p.v)


TRUE = {
    "a deep linear network, lower pair": law(deep, lambda p: p.B.mT @ p.B - p.A @ p.A.mT),
    "a deep linear network, upper pair": law(deep, lambda p: p.C.mT @ p.C - p.B @ p.B.mT),
    "linear attention, queries and keys": law(linear_attention, lambda p: p.Q @ p.Q.mT - p.K @ p.K.mT),
    "linear attention, sizes": law(linear_attention, lambda p: squares(p.Q) - squares(p.P)),
    "cubic units": law(cubic, lambda p: (p.W**2).sum(-1) - 3 * (p.a**2).sum(-2)),
    "powers two and three": law(powers, lambda p: 3 * p.w**2 - 2 * p.v**2),
    "a normalised layer keeps its size": law(normalised_layer, lambda p: squares(p.W)),
    "a normalised layer keeps its mean": law(normalised_layer, lambda p: p.W.sum(0)),
    "gain and shift": law(normalised_layer, lambda p: p.g**2 + p.b**2 - (p.a**2).sum(-2)),
    "a filter with stride": law(strided, lambda p: squares(p.f) - squares(p.a)),
    "symmetric factors turn": law(symmetric, angular, momentum=0, setting=moving),
    "symmetric factors, Euler": tl.Evolution(
        tl.GradientFlow(symmetric), lambda p: squares(p.U), lambda p, c: -4 * ops.dot(c.r, c.f)
    ),
    "logarithms of multiplicative updates": tl.Evolution(
        multiplicative, lambda p: ops.log(p.w), lambda p, c: -(c.x @ c.r.mT)[:, 0]
    ),
    "two players": tl.Invariant(players, lambda p: p.u - ops.log(p.u) + p.v - ops.log(p.v)),
    "Verlet's energy": tl.Evolution(scheme(kick), lambda p, c: p.v**2 + p.u**2 * (1 - c.h**2 / 4), 0),
    "simultaneous steps spiral": tl.Evolution(
        scheme(simultaneous), lambda p: p.u**2 + p.v**2, lambda p, c: c.h**2 * (p.u**2 + p.v**2)
    ),
    "descent on orthonormal inputs": tl.Trajectory(quadratic, lambda p: p.w, relaxed(lambda c: ops.exp(-c.t))),
    "critical friction": tl.Trajectory(
        critical, lambda p: p.w, relaxed(lambda c: (1 + c.t) * ops.exp(-c.t)), horizon=5.0
    ),
    "a soft threshold": tl.Limit(thresholded, lambda p: p.u * p.v, lambda c: c.y.sum() - c.lam),
    "the root of s": tl.Limit(rooted, lambda p: p.u**2, lambda c: c.s),
    "a gate in normal form": tl.Invariant(rising, lambda p: ops.step(p.u) ** 4 - ops.step(p.u) ** 2),
    "a gate that no run opens": gated(lambda u: u - 1000, u=D.uniform(0, 1)),
    "Motzkin's polynomial": inequality(lambda c: c.x**4 * c.y**2 + c.x**2 * c.y**4 + 1, lambda c: 3 * c.x**2 * c.y**2),
}

FALSE = {
    "a network with skips is not balanced": law(skip, lambda p: p.A @ p.A.mT - p.C.mT @ p.C),
    "linear attention, the other side": law(linear_attention, lambda p: p.Q.mT @ p.Q - p.K.mT @ p.K),
    "linear attention, values as matrices": law(linear_attention, lambda p: p.Q @ p.Q.mT - p.P @ p.P.mT),
    "swish is not homogeneous": law(swish, lambda p: (p.W**2).sum(-1) - (p.a**2).sum(-2)),
    "cubic units, as degree two": law(cubic, lambda p: (p.W**2).sum(-1) - 2 * (p.a**2).sum(-2)),
    "powers two and three, swapped": law(powers, lambda p: 2 * p.w**2 - 3 * p.v**2),
    "a normalised layer keeps the size of rows": law(normalised_layer, lambda p: (p.W**2).sum(-1)),
    "gain without shift": law(normalised_layer, lambda p: p.g**2 - (p.a**2).sum(-2)),
    "a filter without its last tap": law(strided, lambda p: squares(p.f[:2]) - squares(p.a)),
    "a billionth": law(powers, lambda p: 3 * p.w**2 - (2 + BILLION) * p.v**2),
    "symmetric factors turn with friction": law(symmetric, angular, momentum=Fraction(1, 1000), setting=moving),
    "symmetric factors, Euler of degree one": tl.Evolution(
        tl.GradientFlow(symmetric), lambda p: squares(p.U), lambda p, c: -2 * ops.dot(c.r, c.f)
    ),
    "two players, without logarithms": tl.Invariant(players, lambda p: p.u + p.v),
    "Verlet's energy is that of the flow": tl.Evolution(scheme(kick), lambda p: p.v**2 + p.u**2, 0),
    "simultaneous steps converge": tl.Evolution(scheme(simultaneous), lambda p: p.u**2 + p.v**2, 0, sense="<="),
    "descent, true to eight digits": tl.Trajectory(
        quadratic, lambda p: p.w, relaxed(lambda c: ops.exp(-c.t) * (1 + BILLION * 10 * c.t))
    ),
    "critical friction, without a turn": tl.Trajectory(
        critical, lambda p: p.w, relaxed(lambda c: ops.exp(-c.t)), horizon=5.0
    ),
    "the loss falls under any friction": tl.Evolution(rolling, rolling.objective, 0, sense="<="),
    "half a soft threshold": tl.Limit(thresholded, lambda p: p.u * p.v, lambda c: c.y.sum() - c.lam / 2),
    "the root of s, true to nine digits": tl.Limit(rooted, lambda p: p.u**2, lambda c: c.s * (1 + BILLION)),
    "every run reaches the cycle": tl.Limit(cycle, lambda p: p.u**2 + p.v**2, 1),
    "powers of a gate": tl.Invariant(rising, lambda p: ops.step(p.u) ** 3 - Fraction(3, 2) * ops.step(p.u) ** 2),
    "powers of a sign": tl.Invariant(rising, lambda p: ops.sign(p.u) ** 3 - 3 * ops.sign(p.u)),
    "beyond a thousand": gated(lambda u: u - 1000),
    "beyond a million": gated(lambda u: u - 10**6),
    "between two numbers": gated(lambda u: Fraction(1, 10**4) - (u - Fraction(7, 3)) ** 2),
    "from the fifth second on": late(0),
    "a small hole": inequality(
        lambda c: (c.x - Fraction(22, 7)) ** 2 + (c.y - Fraction(5, 9)) ** 2 - Fraction(1, 10**6)
    ),
    "more than Motzkin's polynomial": inequality(
        lambda c: c.x**4 * c.y**2 + c.x**2 * c.y**4 + 1, lambda c: Fraction(3001, 1000) * c.x**2 * c.y**2
    ),
    "a saturated tangent": inequality(lambda c: 1 - Fraction(1, 10**6) - ops.tanh(c.x)),
}
