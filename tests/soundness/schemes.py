"""Discrete schemes, global and local orders, orbits, expectations of draws, exponents of formulas."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import PERCENT
from theorylab import ops

DEFAULT = {"trials": 6}

S, V = tl.Setting, tl.var
step = S(h=V("", tl.draw.uniform(0.1, 1), positive=True), k=V("", positive=True))
decay = tl.Flow(lambda p: {"u": -p.u}, state={"u": ""})
spring = tl.Flow(lambda p: {"u": p.v, "v": -p.u}, state={"u": "", "v": ""})
walked = S(h=tl.var(to=0, draw=tl.draw.ladder(1 / 8, 1 / 256, 6), positive=True))
small = S(h=tl.var(to=0, draw=tl.draw.ladder(1 / 8, 1 / 1024, 8)), a=V(positive=True))
edge = S(k=V("", tl.draw.uniform(0.05, 0.2), positive=True))
draws = S(u=V("", tl.draw.uniform(0, 1)), v=V("", tl.draw.uniform(0, 1)), g=V("", tl.draw.normal()))
descent = tl.Scheme(lambda p, c: {"u": p.u - c.h * c.k * p.u}, state={"u": ""}, setting=step)


def leapfrog(p: Any, c: Any) -> dict[str, Any]:
    v = p.v - c.h * p.u
    return {"u": p.u + c.h * v, "v": v}


def explicit(p: Any, c: Any) -> dict[str, Any]:
    return {"u": p.u + c.h * p.v, "v": p.v - c.h * p.u}


def kept(scheme: Any, sign: int) -> tl.Evolution:
    """u^2 + v^2 - h u v is kept by leapfrog: both sides are u^2 + h u v1 + v1^2 with v1 = v - h u."""
    made = tl.Scheme(scheme, state={"u": "", "v": ""}, setting=step)
    return tl.Evolution(made, lambda p, c: p.u**2 + p.v**2 + sign * c.h * p.u * p.v, 0)


def contraction(rate: Any) -> tl.Evolution:
    """(1 - h k)^2 - 1 = -2 h k + h^2 k^2."""
    return tl.Evolution(descent, lambda p: p.u**2, rate)


def euler_step(p: Any, c: Any) -> dict[str, Any]:
    return {"u": p.u - c.h * p.u}


def midpoint_step(p: Any, c: Any) -> dict[str, Any]:
    return {"u": p.u - c.h * (p.u - c.h * p.u / 2)}


def global_error(scheme: Any, order: Any) -> tl.Scaling:
    """The distance of u' = -u and a scheme after one unit of time."""
    made = tl.Scheme(scheme, state={"u": ""}, setting=walked)
    return tl.Scaling(
        made, lambda p, c: p.u - c.init.u * ops.exp(0 * c.h - 1), order, "h", steps=lambda c: 1 / c.h,
        quantifier="almost every",
    )  # fmt: skip


def orbit(shift: Any = 1, gain: Any = 1) -> tl.Identity:
    """Descent on (x^2 - 1)^2 / 4, step e = 1 + k: the orbit has p q = 1 / e, p + q = sqrt(1 + 3 / e) (2206.04172)."""

    def gap(c: Any) -> Any:
        e = 1 + c.k
        total, apart = ops.sqrt(shift + 3 * gain / e), ops.sqrt(1 - 1 / e)
        p, q = (total + apart) / 2, (total - apart) / 2
        return p - e * p * (p**2 - 1) - q

    return tl.Identity(edge, gap)


def power(quantity: Any, exponent: Any, sense: Any = "==") -> tl.Scaling:
    return tl.Scaling(small, quantity, exponent, "h", sense=sense)


def mean(quantity: Any, value: Any, margin: float = 0.05, samples: int = 16384) -> tl.Mean:
    return tl.Mean(draws, quantity, value, margin=margin, samples=samples)


def larger(c: Any) -> Any:
    return ops.maximum(c.u, c.v)


TRUE = {
    "leapfrog keeps its energy": kept(leapfrog, -1),
    "a quadratic contracts": contraction(lambda p, c: (-2 * c.h * c.k + c.h**2 * c.k**2) * p.u**2),
    "global order of Euler's scheme": global_error(euler_step, 1),
    "global order of the midpoint rule": global_error(midpoint_step, 2),
    "an orbit of period two": orbit(),
    "a third power in a sine": power(lambda c: ops.sin(c.h) - c.h, 3),
    "the smallest power counts": power(lambda c: c.a * c.h + c.h**2, 1),
    "the larger of two": mean(larger, Fraction(2, 3), 0.02),
    "the mean of an exponential": mean(lambda c: ops.exp(c.g), lambda c: ops.exp(0 * c.g + Fraction(1, 2)), 0.2, 65536),
}

FALSE = {
    "leapfrog keeps its energy, sign": kept(leapfrog, 1),
    "leapfrog keeps the energy of the flow": kept(leapfrog, 0),
    "Euler's scheme keeps the energy of leapfrog": kept(explicit, -1),
    "a quadratic contracts, to first order": contraction(lambda p, c: -2 * c.h * c.k * p.u**2),
    "a quadratic contracts, one percent": contraction(
        lambda p, c: (-2 * c.h * c.k + PERCENT * c.h**2 * c.k**2) * p.u**2
    ),
    "global order of Euler's scheme, the local one": global_error(euler_step, 2),
    "global order of Euler's scheme, 1.1": global_error(euler_step, Fraction(11, 10)),
    "global order of the midpoint rule, 1.9": global_error(midpoint_step, Fraction(19, 10)),
    "an orbit of period two, one percent": orbit(gain=PERCENT),
    "an orbit of period two, off by one": orbit(shift=2),
    "a third power in a sine, 2.9": power(lambda c: ops.sin(c.h) - c.h, Fraction(29, 10)),
    "a first power in a sine": power(lambda c: ops.sin(c.h) - c.h, 1),
    "a power that holds at large scale alone": power(lambda c: Fraction(1, 100) * c.a * c.h + c.h**2, 2),
    "the larger of two, as three": mean(larger, Fraction(3, 4), 0.02),
    "the larger of two, one percent too small": mean(larger, Fraction(66, 100), 0.02, 131072),
    "the mean of an exponential, as at the mean": mean(lambda c: ops.exp(c.g), 1, 0.2),
}
