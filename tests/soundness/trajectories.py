"""Closed forms of trajectories, and maps that carry solutions to solutions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import theorylab as tl
from tests.soundness.evolutions import PERCENT, neuron
from theorylab import ops

decay = tl.Flow(lambda p: {"u": -p.u}, state={"u": "n"})
unit = tl.Setting(init={"u": tl.draw.uniform(0.25, 0.75)})
logistic = tl.Flow(lambda p: {"u": p.u * (1 - p.u)}, state={"u": ""}, setting=unit)
saturating = tl.Flow(lambda p: {"u": 1 - p.u**2}, state={"u": ""}, setting=unit)
square = tl.Flow(
    lambda p: {"u": -(p.u**3)}, state={"u": ""}, setting=tl.Setting(init={"u": tl.var("", positive=True)})
)  # fmt: skip
spinning = tl.Flow(
    lambda p, c: {"u": -c.k * p.v, "v": c.k * p.u}, state={"u": "", "v": ""}, setting=tl.Setting(k=tl.var())
)  # fmt: skip

alike = tl.assume(
    "both branches start alike",
    lambda c: ops.stack([c.init.a - c.init.e, c.init.b - c.init.h]),
    lambda c: {"init.e": c.init.a, "init.h": c.init.b},
)


@tl.model(a="d", b="d", e="d", h="d")
def two_branches(p: Any, x: Any) -> Any:
    return (p.a * p.b - p.e * p.h)[None, :] @ x


branches = tl.GradientFlow(
    two_branches, loss=tl.loss.square, data=lambda c: (c.x, c.y),
    setting=tl.Setting(alike, x=tl.var("d n"), y=tl.var("1 n")),
).with_integral(s=lambda p, c: -(c.x @ c.r.mT)[:, 0])  # fmt: skip


def hyperbola(factor: Any = 1, speed: Any = 2) -> Any:
    """With both branches alike, b = (a0^2 + b0^2) sinh(2 s), s = -int X' r dt (2002.09277)."""
    return lambda c: factor * (c.init.a**2 + c.init.b**2) * ops.sinh(speed * c.integral.s)


def logistic_path(speed: Any = 1) -> Any:
    def path(c: Any) -> Any:
        growth = ops.exp(speed * c.t)
        return c.init.u * growth / (1 - c.init.u + c.init.u * growth)

    return path


def saturated(c: Any) -> Any:
    return (c.init.u + ops.tanh(c.t)) / (1 + c.init.u * ops.tanh(c.t))


def powers(speed: Any) -> Any:
    return lambda c: c.init.u / ops.sqrt(1 + speed * c.init.u**2 * c.t)


orthogonal = tl.assume("M M' = I", lambda c: c.M @ c.M.mT - ops.eye(c.M))
frames = tl.Setting(
    orthogonal, M=tl.var("d d", tl.draw.orthogonal()), x=tl.var("d n"), y=tl.var("1 n"), s=tl.var(positive=True)
)  # fmt: skip
learned = tl.GradientFlow(neuron, loss=tl.loss.square, setting=frames, data=lambda c: (c.x, c.y))
rotated = learned.with_(data=lambda c: (c.M @ c.x, c.y))
louder = learned.with_(data=lambda c: (c.x, c.s * c.y))
brighter = learned.with_(data=lambda c: (c.s * c.x, c.y))


def turned(p: Any, c: Any) -> Any:
    return p.replace(w=c.M @ p.w)


TRUE = {
    "exponential decay": tl.Trajectory(decay, lambda p: p.u, lambda c: c.init.u * ops.exp(-c.t)),
    "logistic growth": tl.Trajectory(logistic, lambda p: p.u, logistic_path()),
    "u' = 1 - u^2": tl.Trajectory(saturating, lambda p: p.u, saturated),
    "u' = -u^3": tl.Trajectory(square, lambda p: p.u, powers(2)),
    "a turn": tl.Trajectory(
        spinning, lambda p: p.u, lambda c: c.init.u * ops.cos(c.k * c.t) - c.init.v * ops.sin(c.k * c.t), horizon=5.0
    ),
    "two branches": tl.Trajectory(branches, lambda p: p.a * p.b - p.e * p.h, hyperbola()),
    "rotated inputs": tl.Conjugate(learned, rotated, turned),
    # the field scales like w at fixed inputs
    "scaled targets": tl.Conjugate(learned, louder, lambda p, c: p.replace(w=c.s * p.w)),
    # inputs s x and weights w / s: the same outputs, a field s times as long on weights 1 / s as long
    "scaled inputs": tl.Conjugate(
        learned, brighter, lambda p, c: p.replace(w=p.w / c.s), time=lambda c: 1 / c.s**2
    ),
    "time runs twice as fast": tl.Conjugate(
        decay, tl.Flow(lambda p: {"u": -2 * p.u}, state={"u": "n"}), lambda p: p, time=Fraction(1, 2)
    ),
    "logarithm": tl.Conjugate(
        logistic, tl.Flow(lambda p: {"z": 1 + 0 * p.z}, state={"z": ""}),
        lambda p: {"z": ops.log(p.u / (1 - p.u))},
    ),
}  # fmt: skip

FALSE = {
    "exponential decay, one percent": tl.Trajectory(decay, lambda p: p.u, lambda c: c.init.u * ops.exp(-PERCENT * c.t)),
    "exponential decay, to first order": tl.Trajectory(decay, lambda p: p.u, lambda c: c.init.u * (1 - c.t)),
    "logistic growth, one percent": tl.Trajectory(logistic, lambda p: p.u, logistic_path(PERCENT)),
    "u' = 1 - u^2, from 0 only": tl.Trajectory(saturating, lambda p: p.u, lambda c: c.init.u + ops.tanh(c.t)),
    "u' = -u^3, one percent": tl.Trajectory(square, lambda p: p.u, powers(2 * PERCENT)),
    "u' = -u^3, like u' = -u^2": tl.Trajectory(square, lambda p: p.u, lambda c: c.init.u / (1 + c.init.u * c.t)),
    "a turn the other way": tl.Trajectory(
        spinning, lambda p: p.u, lambda c: c.init.u * ops.cos(c.k * c.t) + c.init.v * ops.sin(c.k * c.t), horizon=5.0
    ),
    "two branches, one percent": tl.Trajectory(branches, lambda p: p.a * p.b - p.e * p.h, hyperbola(PERCENT)),
    "two branches, half the speed": tl.Trajectory(
        branches, lambda p: p.a * p.b - p.e * p.h, hyperbola(2, 1)
    ),
    "two branches that start apart": tl.Trajectory(
        branches, lambda p: p.a * p.b - p.e * p.h, hyperbola()
    ).without("both branches start alike"),
    "rotated inputs, the inverse": tl.Conjugate(learned, rotated, lambda p, c: p.replace(w=c.M.mT @ p.w)),
    "rotated by any matrix": tl.Conjugate(learned, rotated, turned).without("M M' = I"),
    "scaled targets, one percent": tl.Conjugate(
        learned, louder, lambda p, c: p.replace(w=PERCENT * c.s * p.w)
    ),
    "scaled inputs in the same time": tl.Conjugate(learned, brighter, lambda p, c: p.replace(w=p.w / c.s)),
    "time, one percent": tl.Conjugate(
        decay, tl.Flow(lambda p: {"u": -2 * p.u}, state={"u": "n"}), lambda p: p, time=Fraction(99, 200)
    ),
    "logarithm without the odds": tl.Conjugate(
        logistic, tl.Flow(lambda p: {"z": 1 + 0 * p.z}, state={"z": ""}), lambda p: {"z": ops.log(p.u)}
    ),
}  # fmt: skip
