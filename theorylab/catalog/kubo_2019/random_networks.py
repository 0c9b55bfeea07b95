"""Random networks of one hidden layer: how many units switch between two inputs, and how large their gaps are."""

from __future__ import annotations

import math
from typing import Any

import theorylab as tl
from theorylab import Fraction, ops
from theorylab.catalog.kubo_2019.paper import DERIVED
from theorylab.catalog.kubo_2019.segments import gaps, turns

PI = Fraction(math.pi)


def unit(v):
    return v / ops.norm(v)


_directions: dict[str, Any] = {
    "u": tl.var("n"),
    "v": tl.var("n"),
    "theta": tl.var(draw=tl.draw.uniform(0.25, 3)),
    "x0": tl.var("n", lambda c: unit(c.u)),
    "x1": tl.var("n", lambda c: ops.cos(c.theta) * c.x0 + ops.sin(c.theta) * unit(c.v - ops.dot(c.v, c.x0) * c.x0)),
}


def gaussian(m, weights=lambda c: c.sigma_w, outputs=lambda c: c.sigma_a):
    """Networks with m units and independent normal weights, without biases, on unit vectors at the angle theta."""
    return tl.Setting(
        sigma_w=tl.var(draw=tl.draw.uniform(0.5, 2)),
        sigma_a=tl.var(draw=tl.draw.uniform(0.25, 1)),
        w_normal=tl.var(f"{m} n", tl.draw.normal()),
        a_normal=tl.var(f"{m}", tl.draw.normal()),
        **_directions,
        w=tl.var(f"{m} n", lambda c: weights(c) * c.w_normal),
        a=tl.var(f"{m}", lambda c: outputs(c) * c.a_normal),
        b=tl.var(f"{m}", lambda c: 0 * c.a_normal),
    )


def he(m):
    """He's initialization at width m: the variances 2 / n and 2 / m."""
    return gaussian(m, lambda c: ops.sqrt(Fraction(2) / c.u.shape[0]), lambda c: ops.sqrt(ops.array(Fraction(2, m))))


def spread(c):
    """4 / pi sin^2(theta / 2) (theta + sin theta): E <w, x1 - x0>^2 over the units that switch, at variance 1."""
    return 4 / PI * ops.sin(c.theta / 2) ** 2 * (c.theta + ops.sin(c.theta))


WIDTH = 64
_over = ("w_normal", "a_normal")
_protocol = {"over": _over, "groups": 2, "margin": 0.02, "source": DERIVED, "expect": "supported"}

kinks = tl.Mean(
    gaussian(WIDTH),
    lambda c: abs(turns(c)).mean() / (c.theta / PI),
    1,
    samples=2**14,
    name="kinks",
    title="The probability that a random unit switches is theta / pi",
    statement=r"P(\text{kink}) = \theta / \pi,\quad |x_0| = |x_1| = 1,\; \cos\theta = \langle x_0, x_1\rangle",
    **_protocol,
)
closed_form = tl.Mean(
    gaussian(WIDTH),
    lambda c: (gaps(c) ** 2).sum() / (WIDTH * c.sigma_a**2 * c.sigma_w**2 * spread(c)),
    1,
    samples=2**15,
    name="closed-form",
    title="The mean of the sum of squared gaps over random networks, in closed form",
    statement=r"E \sum_j \mathrm{gap}_j^2 = "
    r"m\,\sigma_a^2 \sigma_w^2\,\tfrac{4}{\pi}\sin^2\tfrac\theta2\,(\theta + \sin\theta)",
    **_protocol,
)
deflection_variance = closed_form.but(
    quantity=lambda c: gaps(c).sum() ** 2 / (WIDTH * c.sigma_a**2 * c.sigma_w**2 * spread(c)),
    samples=2**17,
    margin=0.03,
    control_of=None,
    name="deflection-variance",
    title="The gradient deflection has the same second moment",
    statement=r"\mathrm{Var} \sum_j \mathrm{gap}_j = E \sum_j \mathrm{gap}_j^2",
    expect="supported",
)


def he_value(c):
    return 4 / Fraction(c.u.shape[0]) * spread(c)


width = {
    m: tl.Mean(
        he(m),
        lambda c: (gaps(c) ** 2).sum() / he_value(c),
        1,
        samples=2**21 // m,
        name=f"he-{m}",
        title=f"He's initialization: the sum of squared gaps does not depend on the width (m = {m})",
        statement=r"E \sum_j \mathrm{gap}_j^2 = \frac{16}{\pi n}\sin^2\tfrac\theta2\,(\theta + \sin\theta)",
        **_protocol,
    )
    for m in (64, 256, 1024)
}
UNITS = 64
widening = tl.Setting(
    width=tl.var(draw=tl.draw.ladder(16, 4096), to=math.inf, positive=True),
    w_normal=tl.var(f"{UNITS} n", tl.draw.normal()),
    a_normal=tl.var(f"{UNITS}", tl.draw.normal()),
    **_directions,
    w=tl.var(f"{UNITS} n", lambda c: ops.sqrt(Fraction(2) / c.u.shape[0]) * c.w_normal),
    a=tl.var(f"{UNITS}", lambda c: ops.sqrt(2 / c.width) * c.a_normal),
    b=tl.var(f"{UNITS}", lambda c: 0 * c.a_normal),
)


def gap_deviation(c):
    """The standard deviation of the gaps over the kinks."""
    count = abs(turns(c)).sum()
    mean = gaps(c).sum() / count
    return ops.sqrt((abs(turns(c)) * (gaps(c) - mean) ** 2).sum() / count)


per_kink = tl.Scaling(
    widening,
    gap_deviation,
    -Fraction(1, 2),
    "width",
    name="gap-deviation-in-the-width",
    title="He's initialization: the gradient gap deviation falls like the inverse root of the width",
    statement=r"\mathrm{std}_j(\mathrm{gap}_j) = O(m^{-1/2})",
    note=f"A sample of {UNITS} units, whose output weights have the variance 2 / m of a network of width m.",
    source=DERIVED,
    expect="supported",
)

# --- controls ---------------------------------------------------------------------------------------------------------

controls = [
    kinks.but(
        quantity=lambda c: abs(turns(c)).mean() / (c.theta / (2 * PI)),
        samples=2**10,
        name="kinks-half",
        title="The probability that a random unit switches is theta / 2 pi",
    ),
    closed_form.but(
        quantity=lambda c: (
            (gaps(c) ** 2).sum()
            / (WIDTH * c.sigma_a**2 * c.sigma_w**2 * 4 / PI * ops.sin(c.theta / 2) ** 2 * (c.theta - ops.sin(c.theta)))
        ),
        samples=2**10,
        name="closed-form-sign",
        title="theta - sin theta in the closed form",
    ),
    width[256].but(
        quantity=lambda c: (gaps(c) ** 2).sum() / (he_value(c) * 64 / 256),
        samples=2**10,
        name="he-shrinks",
        title="He's initialization: the sum of squared gaps falls like the inverse width, from m = 64 to 256",
    ),
    per_kink.but(exponent=-1, name="gap-deviation-inverse", title="The gap deviation falls like the inverse width"),
]

claims = [kinks, closed_form, deflection_variance, width, per_kink, controls]
