"""What is known to mislead numerical experiments on training dynamics."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import neuron
from tests.soundness.limits import product
from theorylab import ops

DEFAULT = {"trials": 6}

# --- round-off across a separatrix: 2 x 2 completion with two factors and det > 0 (Razin and Cohen, 2005.06398) ----


@tl.model(V="2 2", W="2 2")
def factors(p: Any, x: Any) -> Any:
    return p.V @ p.W @ x


def observed(f: Any, y: Any) -> Any:
    """f12 and f21 are seen as 1, f22 as 0, f11 is free; y takes no part."""
    return ((f[0, 1] - 1) ** 2 + (f[1, 0] - 1) ** 2 + f[1, 1] ** 2) / 2 + 0 * y.sum()


def completion(*second: Any) -> Any:
    rows = ops.array(second)
    return tl.GradientFlow(
        factors, loss=observed, data=lambda c: (ops.array([[1, 0], [0, 1]]), c.none),
        setting=tl.Setting(
            none=tl.var("2 2", lambda c: ops.array([[0, 0], [0, 0]]) * c.a), a=tl.var("", tl.draw.uniform(0.5, 1)),
            init={"V": lambda c: c.a * ops.array([[1, 0], [0, 1]]), "W": lambda c: c.a * rows},
        ),
    )  # fmt: skip


def corner(p: Any) -> Any:
    return (p.V @ p.W)[0, 0]


above, below = completion([1, 0], [0, 1]), completion([1, 0], [0, -1])

# --- one neuron: units that never wake up, and signs that change ----------------------------------------------------


@tl.model(a="", w="d")
def one_neuron(p: Any, x: Any) -> Any:
    return p.a * p.w[None, :] @ x


awake = tl.GradientFlow(
    neuron, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(
        x=tl.var("d d", tl.draw.orthogonal()), y=tl.var("1 d", positive=True), s=tl.var("d", positive=True),
        init={"w": lambda c: c.x @ c.s},
    ),
)  # fmt: skip
anyhow = tl.GradientFlow(
    neuron, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(x=tl.var("d d", tl.draw.orthogonal()), y=tl.var("1 d", positive=True)),
)  # fmt: skip
lazy = tl.assume("a^2 > |w|^2", lambda c: c.init.a**2 - (c.init.w**2).sum(), positive=True)
crossing = tl.GradientFlow(
    one_neuron, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(
        lazy, x=tl.var("d n"), y=tl.var("1 n"), init={"a": tl.draw.normal(2), "w": tl.draw.normal(0.5)}
    ),
)  # fmt: skip
same_sign = tl.Inequality(crossing, lambda c: c.init.a * c.end.a, quantifier="almost every")

# --- slow exponents, small numbers, saddles -------------------------------------------------------------------------

slow = tl.Flow(lambda p: {"u": -(p.u**3)}, state={"u": ""}, setting=tl.Setting(init={"u": tl.draw.uniform(0.5, 2)}))
slower = tl.Flow(lambda p: {"u": -(p.u**9)}, state={"u": ""}, setting=slow.setting)
ladder = tl.Setting(h=tl.var(to=0, draw=tl.draw.ladder(1 / 8, 1 / 1024, 8)), a=tl.var(positive=True))
fading = tl.Flow(lambda p: {"u": -3 * p.u, "v": 3 * p.v}, state={"u": "", "v": ""})
saddle = tl.GradientFlow(
    product, loss=tl.loss.square, data=lambda c: (ops.array([[1]]), c.y),
    setting=tl.Setting(y=tl.var("1 1", tl.draw.uniform(0.5, 2))),
)  # fmt: skip
reached = tl.Limit(saddle, lambda p: p.a * p.b, lambda c: c.y.sum(), quantifier="almost every")

# --- a start off the slow manifold: heavy ball on a quadratic (Ghosh et al., 2302.00849) ----------------------------

H = tl.var(to=0, draw=tl.draw.ladder(1 / 16, 1 / 1024, 7), positive=True)


def heavy_ball(p: Any, c: Any) -> dict[str, Any]:
    v = p.v / 2 - c.h * p.u
    return {"u": p.u + v, "v": v}


def beside_the_modified_flow(shift: Any) -> tl.Scaling:
    """u after one unit of time, beta = 1/2 and L = u^2 / 2, beside the modified flow u' = -2 u - 6 h u.

    From rest the scheme is on the slow manifold of u0 + h beta / (1 - beta)^2 u0 = (1 + 2 h) u0, up to h^2.
    """
    scheme = tl.Scheme(heavy_ball, state={"u": "", "v": ""}, setting=tl.Setting(h=H, init={"v": 0}))

    def gap(p: Any, c: Any) -> Any:
        return p.u - (1 + shift * c.h) * c.init.u * ops.exp(-2 - 6 * c.h)

    return tl.Scaling(scheme, gap, 2, "h", steps=lambda c: 1 / c.h, quantifier="almost every")


TRUE = {
    # f11 ~ (6 t)^(1/3) while det > 0 falls below 1e-300
    "norms grow to infinity": tl.Scaling(above, corner, Fraction(1, 3), "t", horizon=1e4),
    # all units stay active, x' w solves x' w' = y - x' w
    "an active neuron fits": tl.Limit(awake, lambda p: p.w, lambda c: (c.x @ c.y.mT)[:, 0]),
    "a keeps its sign where it is large": same_sign,
    "squares of one neuron": tl.Invariant(crossing, lambda p: p.a**2 - (p.w**2).sum()),
    "a slow limit": tl.Limit(slow, lambda p: p.u, 0),
    "a slow exponent": tl.Scaling(slower, lambda p: p.u, -Fraction(1, 8), "t", horizon=1e6),
    "a logarithm": tl.Scaling(ladder, lambda c: c.a + 1 / ops.log(c.h), 0, "h"),
    "a product of tiny and huge numbers": tl.Invariant(fading, lambda p: p.u * p.v, horizon=150.0),
    "a logarithm of a tiny number": tl.Evolution(fading, lambda p: ops.log(p.u**2), -6, horizon=100.0),
    "out of a saddle, almost surely": reached,
    "heavy ball on its slow manifold": beside_the_modified_flow(2),
}

FALSE = {
    "norms stay bounded": tl.Scaling(above, corner, 0, "t", horizon=1e4),
    "norms grow on both sides of det = 0": tl.Scaling(below, corner, Fraction(1, 3), "t", horizon=1e4),
    "every neuron fits": tl.Limit(anyhow, lambda p: p.w, lambda c: (c.x @ c.y.mT)[:, 0]),
    "a keeps its sign": same_sign.without("a^2 > |w|^2"),
    "a slow limit, not 0": tl.Limit(slow, lambda p: p.u, Fraction(1, 100)),
    "a slow exponent, 0.1 off": tl.Scaling(slower, lambda p: p.u, -Fraction(9, 40), "t", horizon=1e6),
    "a logarithm as a power": tl.Scaling(ladder, lambda c: -(c.h**2) * ops.log(c.h), Fraction(19, 10), "h"),
    "a tiny number is 0": tl.Limit(fading, lambda p: p.v, 0, horizon=100.0),
    "out of every saddle": tl.Limit(saddle, lambda p: p.a * p.b, lambda c: c.y.sum()),
    "heavy ball from rest": beside_the_modified_flow(0),
}
