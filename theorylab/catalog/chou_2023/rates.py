"""Depth two converges linearly: the exact law of the residual, and the time that each further factor takes."""

from __future__ import annotations

from itertools import pairwise

import theorylab as tl
from theorylab import ops
from theorylab.catalog.chou_2023.diagonal import (
    gradient_flow,
    paths,
    polar_start,
    rates_and_start,
    solvable,
    source,
    weight_normalization,
    weights,
)

_normalized = weight_normalization(2, solvable.merged(polar_start))


def decay_of_residuals(seed):
    times = [0.25 * k for k in range(1, 25)]
    run = tl.simulate(
        _normalized, dims={"M": 2, "N": 4}, trials=6, seed=seed, t_end=6.0, times=times, atol=1e-30,
        observe={"residual": lambda p, c: (c.r**2).sum()},
    )  # fmt: skip
    curves = [[float(v) for v in path.reshape(-1)] for path in run.quantities["residual"]]
    return tl.Figure(
        "linear convergence of weight normalization",
        "t",
        "|A x - y|^2",
        tuple(tl.Series(f"problem {k + 1}", tuple(times), tuple(v)) for k, v in enumerate(curves)),
        "linear",
        "log",
        "Depth two, six random problems: straight lines where the entries of x have settled above 0.",
    )


residual_law = tl.Evolution(
    gradient_flow(2, tl.Setting(A=tl.var("M N"), y=tl.var("1 M"))),
    lambda p, c: (c.r**2).sum(),
    lambda p, c: -8 * (p.w**2 * (c.x @ c.r.mT)[..., 0] ** 2).sum(),
    name="residual-law",
    title="Plain gradient flow: the residual falls at a rate that the entries of x bound from below (L = 2)",
    statement=r"r = Ax - y:\quad \frac{d}{dt}\|r\|^2 = -8 \sum_i x_i (A^\top r)_i^2",
    source=source,
    expect="proved",
    settle=paths,
    figures=[decay_of_residuals],
)


def fall(p, c, q):
    """-d/dt |r|^2 under weight normalization, where q = A'r, (N,)."""
    x, speed = weights(p) ** 2, p.g**2 / (p.v**2).sum()
    radial = (x * q).sum() ** 2 / p.g**2
    return 8 * (speed * ((x * q**2).sum() - radial) + c.eta * radial)


residual_law_normalized = tl.Evolution(
    weight_normalization(2, rates_and_start.with_(A=tl.var("M N"), y=tl.var("1 M"))),
    lambda p, c: (c.r**2).sum(),
    lambda p, c: -fall(p, c, (c.x @ c.r.mT)[..., 0]),
    name="residual-law-normalized",
    title="Weight normalization: the residual falls at two rates, eta along the weights and |x|_1 across them (L = 2)",
    statement=r"r = Ax - y,\; q = A^\top r,\; \|v\| = 1:\quad \frac{d}{dt}\|r\|^2 = "
    r"-8\left(\|x\|_1 \Big(\sum_i x_i q_i^2 - \tfrac{\langle x, q\rangle^2}{\|x\|_1}\Big) "
    r"+ \eta\, \tfrac{\langle x, q\rangle^2}{\|x\|_1}\right)",
    source=source,
    expect="proved",
    settle=paths,
    figures=[decay_of_residuals],
)

# --- linear convergence -----------------------------------------------------------------------------------------------

by_residual = _normalized.with_speed(lambda p, c: (c.r**2).sum() / fall(p, c, (c.x @ c.r.mT)[..., 0]))
"""The flow at the speed at which |r|^2 = |r(0)|^2 exp(-s) at time s."""

FACTORS = (16, 20, 24, 28)


def straightness(c):
    """R^2 of the line of s = -log(|r|^2 / |r(0)|^2) against the time, for s from 16 to 32: seven decades of |r|^2."""

    def time_of_a_factor(p):
        r = (c.A @ (weights(p) ** 2)[..., None])[..., 0] - c.y[0]
        return (r**2).sum() / fall(p, c, r @ c.A)

    speeds = [time_of_a_factor(by_residual.after(c.init, c, s)) for s in FACTORS] + [time_of_a_factor(c.end)]
    times = [0 * speeds[0]]
    for before, after in pairwise(speeds):
        times.append(times[-1] + 2 * (before + after))
    mean = sum(times) / 5
    steps = (-2, -1, 0, 1, 2)
    along = sum(k * t for k, t in zip(steps, times, strict=True))
    return along**2 / (10 * sum((t - mean) ** 2 for t in times))


linear_convergence = tl.Mean(
    by_residual,
    lambda c: ops.step(straightness(c) - tl.Fraction(99, 100)),
    tl.Fraction(9, 10),
    sense=">=",
    values="boolean",
    confidence=0.99,
    samples=256,
    expect="supported",
    horizon=32,
    settle={"atol": 1e-30},
    name="linear-convergence",
    title="Linear convergence of weight normalization: in 9 of 10 random problems log |r|^2 falls along a line (L = 2)",
    statement=r"\mathbb{P}\left(R^2 > 0.99\right) \ge 0.9 \quad\text{for the line of } \log\|r(t)\|^2 "
    r"\text{ over its seven decades from } e^{-16} \text{ to } e^{-32}",
    source=source,
)

# --- controls ---------------------------------------------------------------------------------------------------------

rate_controls = [
    residual_law.but(
        rate=lambda p, c: -8 * ((c.x @ c.r.mT)[..., 0] ** 2).sum(),
        name="residual-law-without-x",
        title="The residual falls like that of a linear regression",
    ),
    residual_law_normalized.but(
        rate=lambda p, c: -8 * p.g**2 / (p.v**2).sum() * (weights(p) ** 2 * (c.x @ c.r.mT)[..., 0] ** 2).sum(),
        name="residual-law-normalized-without-eta",
        title="Weight normalization: the residual falls at the one rate of plain gradient flow",
    ),
    linear_convergence.but(
        setting=solvable.with_(y=tl.var("1 M", lambda c: 0 * c.solution[None, :] @ c.A.mT)).merged(polar_start),
        name="linear-convergence-to-zero",
        title="The same where y = 0, and the entries of x vanish in the limit",
    ),
]
