"""Predicted limits of other parametrisations, ranks, quantifiers, images of flows, bounds of single runs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import PERCENT, predictor, squares
from theorylab import ops

DEFAULT = {"trials": 6}

S, V = tl.Setting, tl.var
SETTLE = {"t_end": 500.0, "atol": 1e-30}
GIVEN = {"x": V("d n"), "y": V("1 n")}
SCALE = V("", tl.draw.uniform(0.25, 1), positive=True)


@tl.model(w="d")
def squared(p: Any, x: Any) -> Any:
    return (p.w**2)[None, :] @ x


@tl.model(a="", b="")
def product(p: Any, x: Any) -> Any:
    return p.a * p.b * x


@tl.model(W="d k")
def matrix(p: Any, x: Any) -> Any:
    return p.W @ x


def trained(model: Any, setting: tl.Setting, **options: Any) -> Any:
    return tl.GradientFlow(model, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=setting, **options)


def weights(p: Any) -> Any:
    return p.w


from_zero = trained(predictor, S(**GIVEN, init={"w": 0}))
rated = from_zero.with_(setting=S(e=V("d", tl.draw.uniform(0.5, 2), positive=True)), rates={"w": lambda c: c.e})
decayed = from_zero.with_(weight_decay=Fraction(1, 10))
# positive predictors w^2 and targets that one of them fits
positive = tl.GradientFlow(
    squared, loss=tl.loss.square, data=lambda c: (c.x, (c.v**2)[None, :] @ c.x),
    setting=S(
        x=V("d n", tl.draw.uniform(0.25, 1), positive=True), v=V("d", tl.draw.uniform(0.5, 1), positive=True), a=SCALE,
        init={"w": lambda c: c.a + 0 * c.v},
    ),
)  # fmt: skip
scalar = trained(
    product,
    S(
        x=V("1 1", lambda c: c.one), one=V("1 1", tl.draw.one_of(1)), y=V("1 1", tl.draw.uniform(0.5, 2)),
        init={"a": tl.draw.uniform(0.25, 1), "b": tl.draw.uniform(0.25, 1)},
    ),
)  # fmt: skip
plane = tl.GradientFlow(
    matrix, loss=tl.loss.square, data=lambda c: (c.x, (ops.outer(c.a, c.b) + ops.outer(c.e, c.f0)) @ c.x),
    setting=S(x=V("k k", tl.draw.orthogonal()), a=V("d"), b=V("k"), e=V("d"), f0=V("k")),
)  # fmt: skip
vectors = S(v=V("2"), w=V("2"), s=V())
passing = tl.Flow(lambda p: {"u": p.u * 0 + 1}, state={"u": ""})
ahead = passing.with_(setting=S(init={"u": V("", tl.draw.uniform(0.5, 2), positive=True)}))
from_start = tl.Flow(lambda p, c: {"u": c.init.u + 0 * p.u}, state={"u": ""})
circle = tl.Flow(lambda p: {"u": -p.v, "v": p.u}, state={"u": "", "v": ""})
relaxing = tl.Flow(lambda p, c: {"u": c.b - c.k * p.u}, state={"u": ""}, setting=S(k=V(positive=True), b=V()))
meets = tl.assume("a b = 0", lambda c: c.a * c.b, lambda c: {"a": 0 * c.a})

stated = tl.assume("a b = 0", lambda c: c.a * c.b)


def prediction(potential: Any) -> tl.Limit:
    return tl.Limit(rated, weights, tl.argmin(potential))


def nearest(start: Any) -> tl.Limit:
    """(w^2)' = -4 w^2 x r: the logarithms move in the range of the inputs, from log a^2."""
    potential = tl.bias.entropy if start is None else tl.bias.bregman(tl.bias.entropy, start)
    return tl.Limit(positive, lambda p: p.w**2, tl.argmin(potential), settle=SETTLE)


def factor(balanced: bool) -> tl.Limit:
    """a^2 - b^2 is kept and a b tends to y, so a^2 tends to (delta + sqrt(delta^2 + 4 y^2)) / 2."""

    def end(c: Any) -> Any:
        kept = 0 if balanced else c.init.a**2 - c.init.b**2
        return (kept + ops.sqrt(kept**2 + 4 * c.y.sum() ** 2)) / 2

    return tl.Limit(scalar, lambda p: p.a**2, end)


def one_sample(c: Any) -> Any:
    return (c.x @ c.y.mT)[:, 0] / squares(c.x)


def relaxed(extra: Any = 0, sign: int = -1) -> tl.Trajectory:
    def path(c: Any) -> Any:
        end = c.b / c.k
        return end * (1 + extra) + (c.init.u - end) * ops.exp(sign * c.k * c.t)

    return tl.Trajectory(relaxing, lambda p: p.u, path)


def independent(quantifier: str) -> tl.Inequality:
    return tl.Inequality(
        vectors, lambda c: (c.v[0] * c.w[1] - c.v[1] * c.w[0]) ** 2, strict=True, quantifier=quantifier
    )


def at_one(low: Any, high: Any) -> tl.Enclosed:
    """From (1, 0) on the circle: u(1) = cos 1 = 0.540302."""
    return tl.Enclosed(circle, lambda p: p.u, low, high, at={"init.u": 1, "init.v": 0}, time=1)


OF_ONE_SAMPLE = (
    "weights of the rates", "weights of the rates, inverted", "weights of the rates, squared", "rates do not matter",
    "entropy from the start", "entropy from 1", "entropy from the root of the start",
    "entropy from the start, one percent", "one sample's solution", "the end at another speed",
    "the end with weight decay",
)  # fmt: skip
OPTIONS = {
    **{name: {"dims": {"d": 3, "n": 1}} for name in OF_ONE_SAMPLE},
    "one sample's solution for two": {"dims": {"d": 3, "n": 2}},
    **{name: {"dims": {"d": 3, "k": 3}} for name in ("rank of a sum of two", "rank of a sum of two, one")},
}

TRUE = {
    "weights of the rates": prediction(tl.bias.weighted_l2(lambda c: 1 / c.e)),
    "entropy from the start": nearest(lambda c: c.a**2 + 0 * c.v),
    "a factor, any start": factor(False),
    "one sample's solution": tl.Limit(from_zero, weights, one_sample),
    "the end at another speed": tl.Limit(
        from_zero, weights, lambda c: from_zero.with_speed(lambda p: 2).end(c).w
    ),
    "rank of a sum of two": tl.Rank(plane, lambda p: p.W, 2, quantifier="almost every"),
    "relaxation": relaxed(),
    "two vectors, almost surely independent": independent("almost every"),
    "twice a flow that remembers its start": tl.Conjugate(from_start, from_start, lambda p: {"u": 2 * p.u}),
    "a jump that no run passes": tl.Conjugate(ahead, passing, lambda p: {"u": p.u + ops.step(p.u)}),
    "cos 1, in a thousandth": at_one(Fraction(5402, 10000), Fraction(5404, 10000)),
    "a factor that is 0 either way": tl.Identity(
        S(stated, a=V("", tl.draw.one_of(0, 1)), b=V("", tl.draw.one_of(0, 2))), lambda c: (c.a + c.b) ** 2,
        lambda c: c.a**2 + c.b**2,
    ),
    "some product does vanish": tl.Fails(independent("every")),
}  # fmt: skip

FALSE = {
    "weights of the rates, inverted": prediction(tl.bias.weighted_l2(lambda c: c.e)),
    "rates do not matter": prediction(tl.bias.l2),
    "weights of the rates, squared": prediction(tl.bias.weighted_l2(lambda c: 1 / c.e**2)),
    "entropy from 1": nearest(None),
    "entropy from the root of the start": nearest(lambda c: c.a + 0 * c.v),
    "entropy from the start, one percent": nearest(lambda c: PERCENT * c.a**2 + 0 * c.v**2 + c.v * 0 + c.v**2 / 100),
    "a factor, balanced starts alone": factor(True),
    "one sample's solution for two": tl.Limit(from_zero, weights, one_sample),
    "the end with weight decay": tl.Limit(from_zero, weights, lambda c: decayed.end(c).w),
    "rank of a sum of two, one": tl.Rank(plane, lambda p: p.W, 1, quantifier="almost every"),
    "relaxation to another point": relaxed(Fraction(1, 100)),
    "relaxation, sign": relaxed(0, 1),
    "two vectors, always independent": independent("every"),
    "a square of what remembers its start": tl.Conjugate(from_start, from_start, lambda p: {"u": p.u**2}),
    "a jump that runs pass": tl.Conjugate(passing, passing, lambda p: {"u": p.u + ops.step(p.u)}),
    "a size for a number": tl.Conjugate(passing, passing, lambda p: {"u": abs(p.u)}),
    "cos 1, one percent": at_one(Fraction(545, 1000), Fraction(546, 1000)),
    "the factor that enforce picks": tl.Identity(S(meets, a=V(), b=V()), lambda c: c.a),
    "the other branch of a root": tl.Inequality(
        S(tl.assume("a^2 = b^2", lambda c: c.a**2 - c.b**2, lambda c: {"a": abs(c.b)}), a=V(), b=V()), lambda c: c.a
    ),
    "no product vanishes almost surely": tl.Fails(independent("almost every")),
}  # fmt: skip
