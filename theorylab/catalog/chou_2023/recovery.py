"""Sparse recovery: the l1 norm of limits, and where weight normalization helps and where not."""

from __future__ import annotations

import theorylab as tl
from theorylab import ops
from theorylab.catalog.chou_2023.diagonal import (
    DEPTHS,
    direction,
    gradient_flow,
    limits,
    named,
    rates_and_start,
    rho,
    solvable,
    source,
    weight_normalization,
    weights,
)

# --- the l1 norm of the limit -----------------------------------------------------------------------------------------

uniform_start = tl.Setting(
    ones=tl.var("N", tl.draw.constant(1), positive=True),
    scale=tl.var(draw=tl.draw.loguniform(0.1, 1), positive=True),
)
uniform_plain = uniform_start.with_(init={"w": lambda c: c.scale * c.ones})
uniform_polar = uniform_start.with_(
    eta=tl.var(draw=tl.draw.loguniform(0.25, 2), positive=True),
    init={"v": lambda c: c.ones / ops.sqrt(c.ones.sum()), "g": lambda c: c.scale * ops.sqrt(c.ones.sum())},
)


def l1_bound(L, start, magnification):
    """What the tangent of the functional at |z|_1 says of |x|_1, for any solution z >= 0.

    start(c): the weights at the start, (N,); magnification(c): rho. Returns the two sides of the inequality.
    """

    def first(c):
        """The l1 norm of the start and its least entry (the soft minimum of one value is that value)."""
        x = start(c) ** L
        return x.sum(), x.sum() / c.ones.sum()

    def spread(c):
        total, least = first(c)
        size = c.solution.sum()
        if L == 2:
            return size * ops.log(total / least)
        power = tl.Fraction(L - 2, L)
        return tl.Fraction(L, 2) * size * (total**power - least**power)

    def excess(c, end):
        total, _ = first(c)
        size, m = c.solution.sum(), magnification(c)
        beyond = (end**L).sum() - size
        if L == 2:
            return beyond * ops.log(m**2 * size / total)
        power = tl.Fraction(L - 2, L)
        return beyond * (m ** (L - 2) * size**power - total**power)

    return spread, excess


def _bounds(L, flow, start, end, magnification, name, words):
    spread, excess = l1_bound(L, start, magnification)
    return tl.Inequality(
        flow,
        spread,
        lambda c: excess(c, end(c)),
        name=named(name, L),
        premises=("the limit exists and has zero loss",),
        title=f"{words}: how much the l1 norm of the limit exceeds that of any solution z >= 0 (L = {L})",
        statement=r"Az = y,\, z \ge 0,\, Q = \|z\|_1,\, \beta = \|x_0\|_1:\quad "
        + (
            r"\left(\|x(\infty)\|_1 - Q\right)\log\frac{\rho^2 Q}{\beta} \le Q\,\log\frac{\beta}{\min_i x_{0,i}}"
            if L == 2
            else rf"\left(\|x(\infty)\|_1 - Q\right)\left(\rho^{{{L - 2}}} Q^\kappa - \beta^\kappa\right) "
            rf"\le \tfrac{{{L}}}{{2}} Q \left(\beta^\kappa - (\beta / N)^\kappa\right),\quad \kappa = 1 - 2/{L}"
        ),
        source=source,
        expect="supported",
        settle=limits,
    )


wn_bound = {
    L: _bounds(
        L,
        weight_normalization(L, solvable.merged(uniform_polar)),
        lambda c: weights(c.init),
        lambda c: weights(c.end),
        rho,
        "l1-bound",
        "Weight normalization from a uniform start",
    )
    for L in DEPTHS
}
plain_bound = {
    L: _bounds(
        L,
        gradient_flow(L, solvable).with_(setting=solvable.merged(uniform_plain)),
        lambda c: c.init.w,
        lambda c: c.end.w,
        lambda c: 1,
        "plain-l1-bound",
        "Plain gradient flow from a uniform start (rho = 1)",
    )
    for L in DEPTHS
}

# --- the magnification factor -----------------------------------------------------------------------------------------

NO_LOGARITHM = "No rule of the checker bounds a logarithm in an inequality."
grown = tl.Setting(
    eta=tl.var(positive=True), above=tl.var(positive=True), more=tl.var(positive=True), start=tl.var(positive=True)
)


def log_rho(total, c):
    """log rho from |x(0)|_1 and |x|_1 = total at the end, for L = 2."""
    return ops.log(c.start / total) / 2 + (total - c.start) / (2 * c.eta)


growth = tl.Inequality(
    grown,
    lambda c: log_rho(c.eta + c.above + c.more, c),
    lambda c: log_rho(c.eta + c.above, c),
    name="rho-grows",
    title="rho grows with the l1 norm of the limit above eta, so that it is at least its value at the least l1 norm",
    statement=r"\rho(X) = \sqrt{\beta / X}\,e^{(X - \beta)/(2\eta)}:\quad X \ge Q \ge \eta \;\Rightarrow\; "
    r"\rho(X) \ge \rho(Q)",
    note=NO_LOGARITHM,
    source=source,
    expect="supported",
)
no_help_above = tl.Inequality(
    grown,
    lambda c: -(ops.log((c.eta + c.above + c.more) / (c.eta + c.above)) / 2 - c.more / (2 * c.eta)),
    name="no-help-from-large-starts",
    title="Where eta <= |x(infinity)|_1 <= |x(0)|_1, rho is at most 1: weight normalization acts like a larger start",
    statement=r"\eta \le X \le \beta \;\Rightarrow\; \rho = \sqrt{\beta / X}\,e^{(X - \beta)/(2\eta)} \le 1",
    note=NO_LOGARITHM,
    source=source,
    expect="supported",
)

# --- random problems of sparse recovery -------------------------------------------------------------------------------


@tl.model(g="", v="20", w="20")
def side_by_side(p, x):
    """A weight-normalised and a plain network of depth two on the same data, (2, n): they do not touch each other."""
    return ops.stack([(weights(p) ** 2)[None, :] @ x, (p.w**2)[None, :] @ x])[:, 0]


def sparse(c):
    """The signal, (20,): which two of its entries are not 0 does not matter, as all columns of A are alike."""
    return ops.concat([c.signal, 0 * c.rest])


def uniform(c):
    """(1, ..., 1), (20,)."""
    return ops.concat([0 * c.signal + 1, c.rest])


def problems(scale, eta=0.25):
    """A (10, 20) normal / sqrt(10), a signal with 2 entries in [1/2, 3/2], both networks from w = scale (1, ..., 1)."""
    return tl.GradientFlow(
        side_by_side,
        loss=tl.loss.square,
        data=lambda c: (c.A.mT, ops.stack([c.y, c.y])),
        rates={"g": lambda c: c.eta},
        setting=tl.Setting(
            A=tl.var("10 20", tl.draw.normal(10**-0.5)),
            signal=tl.var("2", tl.draw.uniform(0.5, 1.5), positive=True),
            rest=tl.var("18", tl.draw.constant(1), positive=True),
            y=tl.var("10", lambda c: c.A @ sparse(c)),
            scale=tl.var(draw=scale, positive=True),
            eta=tl.var(draw=tl.draw.constant(eta), positive=True),
            init={
                "v": lambda c: uniform(c) / ops.sqrt(uniform(c).sum()),
                "g": lambda c: c.scale * ops.sqrt(uniform(c).sum()),
                "w": lambda c: c.scale * uniform(c),
            },
        ),
    )


def errors(p, c):
    """The l1 errors of weight normalization and of plain gradient flow, (2,)."""
    return ops.stack([abs(w**2 - sparse(c)).sum() for w in (weights(p), p.w)])


def difference(c):
    """By how much the l1 error of weight normalization exceeds that of plain gradient flow."""
    found = errors(c.end, c)
    return found[0] - found[1]


def against_scale(seed):
    scales = [10 ** (k / 4 - 2) for k in range(9)]
    means = []
    for scale in scales:
        run = tl.simulate(
            problems(tl.draw.constant(scale)), trials=64, seed=seed, t_end=1000.0, rtol=1e-8, atol=1e-30,
            times=[1000.0], observe={"errors": errors},
        )  # fmt: skip
        final = [float(v) for v in run.quantities["errors"][:, -1].mean(0)]
        means.append(final)
    kinds = ("weight normalization", "plain gradient flow")
    return tl.Figure(
        "l1 error against the scale of the start",
        "scale",
        "mean l1 error",
        tuple(tl.Series(kind, tuple(scales), tuple(m[k] for m in means)) for k, kind in enumerate(kinds)),
        "log",
        "log",
        "64 random problems at each scale, eta = 1/4. For large starts rho is below 1: weight normalization is worse. "
        "From the smallest starts some of its runs end at 0.",
    )


_sampling = {"sense": "<=", "samples": 512, "confidence": 0.999, "horizon": 1000.0, "settle": {"atol": 1e-30}}

# Announced as supported for each scale; this is what was found.
_AT_SCALE = {
    0.01: (
        "refuted",
        "Announced as supported, found to be refuted: by 0.07 larger in the mean, in [0.009, 0.13], as some runs of "
        "weight normalization end at 0 (collapse-from-small-starts).",
    ),
    0.03: (
        "inconclusive",
        "Announced as supported, found to be inconclusive: by 0.067 smaller in the mean, but a few runs carry so much "
        "of the variance that the mean of 512 is not nearly normal.",
    ),
    0.1: ("supported", ""),
    0.3: ("supported", ""),
}

robust_bias = tl.Mean(
    problems(tl.draw.loguniform(0.01, 1)),
    difference,
    0,
    name="robust-bias",
    expect="inconclusive",
    title="Scales from 0.01 to 1, eta = 1/4: on average weight normalization has no larger l1 error than plain flow",
    statement=r"\mathbb{E}\left(\|x_{\mathrm{WN}} - x_*\|_1 - \|x_{\mathrm{GF}} - x_*\|_1\right) \le 0,\quad "
    r"\log w_0 \sim U(\log 0.01, \log 1)",
    source=source,
    figures=[against_scale],
    **_sampling,
)
helps = {
    str(scale): tl.Mean(
        problems(tl.draw.constant(scale)),
        difference,
        0,
        name=f"robust-bias-at-{scale}",
        expect=status,
        note=note,
        title=f"From w(0) = {scale}, eta = 1/4: on average weight normalization has no larger l1 error than plain flow",
        source=source,
        **_sampling,
    )
    for scale, (status, note) in _AT_SCALE.items()
}
no_help = {
    name: tl.Mean(
        flow,
        difference,
        0,
        name=f"no-help-{name}",
        expect="supported",
        title=f"{words}: on average weight normalization has no smaller l1 error than plain flow",
        source=source,
        **{**_sampling, "sense": ">="},
    )
    for name, flow, words in (
        ("at-1", problems(tl.draw.constant(1.0)), "From w(0) = 1, where |x(0)|_1 exceeds the l1 norm of the signal"),
        ("eta-4", problems(tl.draw.constant(0.1), 4.0), "For eta = 4, above the l1 norm of the signal"),
    )
}

# --- from small starts some runs end at 0 -----------------------------------------------------------------------------

radial_law = tl.Evolution(
    weight_normalization(2, rates_and_start.with_(A=tl.var("M N"), y=tl.var("1 M"))),
    lambda p: p.g,
    lambda p, c: -2 * c.eta * p.g * (direction(p) ** 2 * (c.x @ c.r.mT)[..., 0]).sum(),
    name="radial-law",
    title="Weight normalization: g = 0 repels only directions u with <u^2, A'y> > 0 (L = 2)",
    statement=r"r = Ax - y:\quad \dot g = -2\eta\, g\,\langle u^{\odot 2}, A^\top r\rangle",
    source=source,
    expect="proved",
)
collapse = tl.Mean(
    problems(tl.draw.constant(0.01)),
    lambda c: ops.step(tl.Fraction(1, 100) - c.end.g**2),
    tl.Fraction(1, 50),
    name="collapse-from-small-starts",
    values="boolean",
    expect="supported",
    title="From w(0) = 0.01, 1 of 50 runs of weight normalization or more end at 0",
    statement=r"\mathbb{P}\left(\|x_{\mathrm{WN}}\|_1 \le 0.01\right) \ge \tfrac{1}{50}",
    note="By radial-law g vanishes where <u^2, A'y> < 0, and u turns at the speed g^2: from a small start it does not "
    "turn in time. Such runs do not reach Ax = y, which the results on limits assume. The share was fixed after runs "
    "with another seed, where it was 4%.",
    source=source,
    **{**_sampling, "sense": ">=", "confidence": 0.99, "seed": 230505448},
)

# --- controls ---------------------------------------------------------------------------------------------------------

recovery_controls = [
    wn_bound[2].but(
        lhs=lambda c: c.solution.sum(),
        rhs=lambda c: (weights(c.end) ** 2).sum(),
        name="least-l1-norm",
        title="No solution z >= 0 has a smaller l1 norm than the limit",
    ),
    growth.but(
        lhs=lambda c: log_rho(c.above + c.more, c),
        rhs=lambda c: log_rho(c.above, c),
        name="rho-grows-below-eta",
        title="rho grows with every l1 norm",
    ),
    no_help_above.but(
        lhs=lambda c: -(ops.log((c.above + c.more) / c.above) / 2 - c.more / (2 * c.eta)),
        name="no-help-from-small-starts",
        title="rho is at most 1 whatever eta is",
    ),
    radial_law.but(
        rate=lambda p, c: -2 * p.g * (direction(p) ** 2 * (c.x @ c.r.mT)[..., 0]).sum(),
        name="radial-law-without-eta",
        title="g moves at the rate of the weights",
    ),
    collapse.but(
        subject=problems(tl.draw.constant(0.3)),
        name="collapse-from-moderate-starts",
        title="From w(0) = 0.3 as well",
    ),
    helps["0.1"].but(
        subject=problems(tl.draw.constant(1.0)),
        name="robust-bias-at-1",
        title="From w(0) = 1, weight normalization has on average no larger l1 error",
    ),
]
