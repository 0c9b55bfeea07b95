"""Where flows end: closed forms, minimisers of functionals, limits as a scale vanishes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import PERCENT, predictor

DEFAULT = {"dims": {"d": 3, "n": 1}, "trials": 6}

GIVEN = {"x": tl.var("d n"), "y": tl.var("1 n")}
SCALE = tl.var("", tl.draw.uniform(0.25, 1), positive=True)
SETTLE = {"t_end": 500.0, "atol": 1e-30}


@tl.model(w="d", b="")
def with_bias(p: Any, x: Any) -> Any:
    return p.w[None, :] @ x + p.b


@tl.model(u="d", v="d")
def diagonal(p: Any, x: Any) -> Any:
    return (p.u**2 - p.v**2)[None, :] @ x


@tl.model(u="d", v="d")
def cubes(p: Any, x: Any) -> Any:
    return (p.u**3 - p.v**3)[None, :] @ x


@tl.model(a="", b="")
def product(p: Any, x: Any) -> Any:
    return p.a * p.b * x


def trained(model: Any, setting: tl.Setting, **options: Any) -> Any:
    return tl.GradientFlow(model, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=setting, **options)


def squares(p: Any) -> Any:
    return p.u**2 - p.v**2


def third_powers(p: Any) -> Any:
    return p.u**3 - p.v**3


def weights(p: Any) -> Any:
    return p.w


from_zero = trained(predictor, tl.Setting(**GIVEN, init={"w": 0}))
from_anywhere = trained(predictor, tl.Setting(**GIVEN))
biased = trained(with_bias, tl.Setting(**GIVEN, init={"w": 0, "b": 0}))
one_scale = tl.assume("one scale", lambda c: c.init.v - c.init.u, lambda c: {"init.v": c.init.u})
start = {"u": lambda c: c.a, "v": lambda c: c.b}
shallow = trained(diagonal, tl.Setting(one_scale, a=SCALE, b=SCALE, **GIVEN, init=start))
deep = trained(cubes, tl.Setting(one_scale, a=SCALE, b=SCALE, **GIVEN, init=start))
alpha = tl.var(to=0, draw=tl.draw.ladder(1e-1, 1e-4, 6), positive=True)
vanishing = trained(
    diagonal, tl.Setting(alpha=alpha, **GIVEN, init={"u": lambda c: c.alpha, "v": lambda c: c.alpha})
)  # fmt: skip
orthonormal = tl.Setting(x=tl.var("d d", tl.draw.orthogonal()), y=tl.var("1 d"))
ridge = tl.GradientFlow(
    predictor, loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=orthonormal, weight_decay=1
)  # fmt: skip
plain = ridge.with_(weight_decay=0)
scalar = trained(
    product, tl.Setting(
        x=tl.var("1 1", lambda c: c.one), one=tl.var("1 1", tl.draw.one_of(1)),
        y=tl.var("1 1", tl.draw.uniform(0.5, 2)),
        init={"a": tl.draw.uniform(0.25, 1), "b": tl.draw.uniform(0.25, 1)},
    ),
)  # fmt: skip


def projected(scale: Any) -> Any:
    """x y, the least squares solution for orthonormal inputs."""
    return lambda c: scale * (c.x @ c.y.mT)[:, 0]


def entropy(scale: Any, depth: int = 2) -> tl.Limit:
    """Starts u = v = a: k = 2 a^2 for depth two, a^D above (2002.09277)."""
    k = (lambda c: 2 * scale * c.a**2) if depth == 2 else (lambda c: scale * c.a**3)
    return tl.Limit(shallow, squares, tl.argmin(tl.bias.hypentropy(k, depth)), settle=SETTLE)


least = tl.Limit(from_zero, weights, tl.argmin(tl.bias.l2))
rich = tl.Limit(vanishing, squares, tl.argmin(tl.bias.l1), settle={"t_end": 300.0})
depth_three = tl.Limit(deep, third_powers, tl.argmin(tl.bias.hypentropy(lambda c: c.a**3, 3)), settle=SETTLE)

SQUARE = {"dims": {"d": 3}}
OPTIONS = {
    "orthonormal inputs": SQUARE,
    "orthonormal inputs, one percent": SQUARE,
    "ridge": SQUARE,
    "true only without weight decay": SQUARE,
    "product of two scalars": {"dims": None},
    "product of two scalars, one percent": {"dims": None},
    "each of two scalars": {"dims": None},
}

TRUE = {
    "least squares from 0": least,
    "nearest to the start": tl.Limit(
        from_anywhere, weights, tl.argmin(tl.bias.bregman(tl.bias.l2, lambda c: c.init.w))
    ),
    "orthonormal inputs": tl.Limit(plain, weights, projected(1)),
    # w' = -(w - x y) - w
    "ridge": tl.Limit(ridge, weights, projected(Fraction(1, 2))),
    "product of two scalars": tl.Limit(scalar, lambda p: p.a * p.b, lambda c: c.y.sum()),
    "hyperbolic entropy": entropy(1),
    "hyperbolic entropy of depth three": depth_three,
    "shape of the start": tl.Limit(
        shallow, squares, tl.argmin(tl.bias.diagonal_network(lambda c: c.a, lambda c: c.b)),
        settle=SETTLE,
    ).but(setting=shallow.setting.without("one scale")),
    "l1 as the scale vanishes": rich,
    "Euclidean norm from 0": tl.Limit(from_zero, weights, tl.argmin(tl.bias.euclidean)),
}  # fmt: skip

FALSE = {
    "least squares from anywhere": tl.Limit(from_anywhere, weights, tl.argmin(tl.bias.l2)),
    "l1 from 0": tl.Limit(from_zero, weights, tl.argmin(tl.bias.l1)),
    "l3 from 0": tl.Limit(from_zero, weights, tl.argmin(tl.bias.lp(3))),
    "l2.1 from 0": tl.Limit(from_zero, weights, tl.argmin(tl.bias.lp(Fraction(21, 10)))),
    # the bias learns too: its own data, one more input that is 1
    "true only without bias": tl.Limit(biased, weights, lambda c: (c.x @ c.y.mT)[:, 0] / (c.x**2).sum()),
    "orthonormal inputs, one percent": tl.Limit(plain, weights, projected(PERCENT)),
    "true only without weight decay": tl.Limit(ridge, weights, projected(1)),
    "product of two scalars, one percent": tl.Limit(scalar, lambda p: p.a * p.b, lambda c: PERCENT * c.y.sum()),
    "each of two scalars": tl.Limit(scalar, lambda p: p.a**2, lambda c: c.y.sum()),
    "hyperbolic entropy, one percent": entropy(PERCENT),
    "hyperbolic entropy of another depth": entropy(1, 3),
    "hyperbolic entropy without one scale": entropy(1).without("one scale"),
    "depth two for depth three": tl.Limit(
        deep, third_powers, tl.argmin(tl.bias.hypentropy(lambda c: 2 * c.a**2)), settle=SETTLE
    ),
    "true only as the scale vanishes": tl.Limit(shallow, squares, tl.argmin(tl.bias.l1), settle=SETTLE),
    "true only for large scales": tl.Limit(shallow, squares, tl.argmin(tl.bias.l2), settle=SETTLE),
    "l2 as the scale vanishes": rich.but(value=tl.argmin(tl.bias.l2)),
}  # fmt: skip
