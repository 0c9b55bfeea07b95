"""The family of data sets of Theorem 3, where its flows end, and its zero-loss points."""

from __future__ import annotations

import theorylab as tl
from theorylab import Fraction, ops
from theorylab.catalog.vardi_2020.neuron import at_zero, derived, dot, neuron, relu, theorem_3, weights

in_space = neuron(relu, "3")

# --- the family of data sets of Theorem 3 -----------------------------------------------------------------------------


def samples(c):
    """X_gamma' (3, 3): the samples (3, -1, 0), (4, 2, 0) and (0, gamma, gamma)."""
    return ops.stack([ops.vec(3, 4, 0), ops.vec(-1, 2, c.gamma), ops.vec(0, 0, c.gamma)])


def targets(c):
    """alpha (16, 18, 0), (1, 3)."""
    return c.alpha * ops.vec(16, 18, 0)[None, :]


def all_active(t, c):
    """w(t) / alpha as long as all three samples are active."""
    end = ops.vec(5, -1, 1)
    return end - ops.expm(-t * (samples(c) @ samples(c).mT)) @ end


def exit_time(c):
    """When the third sample reaches <x_3, w> = 0; it stays inactive from then on."""
    return ops.root(lambda t: dot(samples(c)[:, 2], all_active(t, c)), Fraction(1, 128), Fraction(1, 2))


def s(c):
    """Where the third coordinate is frozen."""
    return all_active(exit_time(c), c)[2]


def characteristic(G):
    """(G - 15)^2 - 125, which is 0 for a matrix with the eigenvalues 15 +- 5 root 5."""
    shifted = G - 15 * ops.eye(G)
    return shifted @ shifted - 125 * ops.eye(G)


any_scale = at_zero.with_(
    gamma=tl.var(draw=tl.draw.loguniform(1 / 8, 8), positive=True),
    alpha=tl.var(draw=tl.draw.loguniform(1 / 8, 8), positive=True),
)


def least(c):
    """The zero-loss point of least l2 norm."""
    return c.alpha * ops.vec(5, -1, 0)


def at_gamma(flow, gamma, **variables):
    """The flow for one gamma, and alpha = 1."""
    fixed = {"gamma": gamma, "alpha": 1, **variables}
    return flow.with_(setting=flow.setting.with_(**{n: tl.var(draw=tl.draw.constant(v)) for n, v in fixed.items()}))


family = tl.GradientFlow(
    in_space, loss=tl.loss.square, setting=any_scale, data=lambda c: (samples(c), targets(c)), gates=1
)
interpolator = tl.Identity(
    any_scale,
    lambda c: (c.alpha * ops.vec(5, -1, 1))[None, :] @ samples(c),
    targets,
    name="interpolator",
    title="alpha (5, -1, 1) fits the data as a linear neuron would: towards it the flow moves while all samples are "
    "active",
    statement=r"X_\gamma\,\alpha\,(5, -1, 1)^\top = \alpha\,(16, 18, 0)^\top",
    source=theorem_3,
    expect="proved",
)
after_the_switch = tl.Identity(
    any_scale,
    lambda c: characteristic(samples(c)[:2, :2] @ samples(c)[:2, :2].mT),
    0,
    name="rates-after-the-switch",
    title="Once the third sample is inactive, the first two coordinates settle at the rates 15 + 5 root 5 and 15 - 5 "
    "root 5",
    statement=r"G = \tilde X^\top \tilde X,\; \tilde X = \begin{pmatrix} 3 & -1 \\ 4 & 2 \end{pmatrix}: \quad "
    r"(G - 15 I)^2 = (5\sqrt5)^2 I",
    source=theorem_3,
    expect="proved",
)
_settle = {"t_end": 30.0, "trials": 16}
_settle_exactly = {**_settle, "tolerance": 1e-10, "gtol": 1e-12, "tolerances": (1e-8, 1e-10, 1e-12)}

GAMMAS = (0, 1, 2, 5, 20)


def trajectories(flow, quantity, times):
    """Curves of the third coordinate of the quantity against the first, for each gamma; both flows start at 0."""
    series = []
    for gamma in GAMMAS:
        run = tl.simulate(at_gamma(flow, gamma), trials=1, t_end=times[-1], times=times, observe={"u": quantity})
        path = run.quantities["u"][0]
        series.append(tl.Series(f"gamma = {gamma}", (0.0, *path[:, 0].tolist()), (0.0, *path[:, 2].tolist()), "line"))
    return (*series, tl.Series("least norm", (5.0,), (0.0,), "points"))


def paths(seed):
    return tl.Figure(
        "trajectories",
        "first coordinate",
        "third coordinate",
        trajectories(family, weights, [2.0 * (k / 120) ** 2 for k in range(1, 121)]),
        caption="From 0, with alpha = 1. The third coordinate falls, and is frozen where the third sample becomes "
        "inactive: below 0 unless gamma = 0. The point of least norm is (5, -1, 0).",
    )


def frozen(seed):
    gammas = [2 ** (k / 4) for k in range(-12, 25)]
    ends = []
    for gamma in gammas:
        run = tl.simulate(at_gamma(family, gamma), trials=1, t_end=30.0, until=tl.converged(1e-12))
        ends.append(float(run.params["w"][0, 2]))
    return tl.Figure(
        "where the third coordinate is frozen",
        "gamma",
        "s",
        (tl.Series("s", tuple(gammas), tuple(ends)),),
        "log",
        caption="The limit is alpha (5, -1, s), with s = 0 for gamma = 0 and s about -0.2307 for large gamma.",
    )


limit = tl.Limit(
    family,
    weights,
    lambda c: c.alpha * ops.vec(5, -1, s(c)),
    name="limit",
    title="The flow ends at alpha (5, -1, s), where s depends on gamma alone",
    statement=r"w(\infty) = \alpha\,(5, -1, s(\gamma)),\quad s(\gamma) = w_3(t_1)/\alpha,\; w(t_1) \perp x_3",
    source=theorem_3,
    expect="supported",
    settle=_settle_exactly,
    figures=[paths, frozen],
)
without_third = tl.Limit(
    family.with_(setting=any_scale.with_(gamma=tl.var(draw=lambda c: 0 * c.alpha))),
    weights,
    least,
    name="limit-gamma-0",
    title="gamma = 0: the flow ends at alpha (5, -1, 0), the zero-loss point of least l2 norm",
    statement=r"\gamma = 0:\quad w(\infty) = \alpha\,(5, -1, 0)",
    source=theorem_3,
    expect="supported",
    settle=_settle_exactly,
)
below_zero = tl.Inequality(
    family,
    lambda c: -c.end.w[2],
    strict=True,
    name="third-coordinate",
    premises=("the limit exists",),
    title="The third coordinate of the limit is negative",
    statement=r"s(\gamma) < 0",
    source=theorem_3,
    expect="supported",
    settle=_settle,
)

# What the theorem says of s for gamma = 1, 2, 5, and other exact data sets of the family.
_enclosed = {"1": ("-0.045", "-0.035"), "2": ("-0.12", "-0.1"), "5": ("-0.22", "-0.2"), "355/113": ("-0.168", "-0.167"),
             "1/2": ("-0.012", "-0.011"), "20": ("-0.231", "-0.23")}  # fmt: skip
enclosed = [
    tl.Enclosed(
        family,
        lambda p: p.w[2],
        Fraction(low),
        Fraction(high),
        at={"gamma": Fraction(gamma), "alpha": 1},
        zeros=lambda p, c: dot(samples(c)[:, 2], p.w),
        name=f"enclosed-gamma-{gamma}",
        title=f"gamma = {gamma}: s is in ({low}, {high}), and the third sample changes its sign exactly once",
        statement=rf"\gamma = {gamma}: \quad s(\gamma) \in ({low}, {high})",
        source=theorem_3,
        expect="proved",
        settle=_settle,
    )
    for gamma, (low, high) in _enclosed.items()
]

# --- its zero-loss points ---------------------------------------------------------------------------------------------

ray = tl.Setting(
    gamma=tl.var(positive=True), alpha=tl.var(positive=True), z=tl.var(), s=tl.var(draw=lambda c: -(c.z**2))
)


def loss_on_ray(c):
    """The loss at (5 alpha, -alpha, s)."""
    w = ops.vec(5 * c.alpha, -c.alpha, c.s)
    return tl.loss.square.value(in_space({"w": w}, samples(c), c), targets(c))


zero_loss = tl.Inequality(
    ray,
    lambda c: -loss_on_ray(c),
    name="zero-loss-ray",
    title="(5 alpha, -alpha, s) has no loss for any s <= 0 and any gamma > 0",
    statement=r"L(5\alpha, -\alpha, s) \le 0 \quad\text{for } s = -z^2,\; \alpha, \gamma > 0",
    source=theorem_3,
    expect="proved",
)

nonzero = tl.Setting(p=tl.var(positive=True), alpha=tl.var(positive=True), s=tl.var(nonzero=True))


def power_sum(p, *entries):
    """|w|_p^p, from the entries of w that are not 0."""
    total = 0
    for entry in entries:
        total = abs(entry) ** p + total
    return total


every_lp = tl.Inequality(
    nonzero,
    lambda c: power_sum(c.p, 5 * c.alpha, -c.alpha, c.alpha * c.s),
    lambda c: power_sum(c.p, 5 * c.alpha, -c.alpha),
    strict=True,
    name="every-lp-norm",
    title="Every lp norm with p < infinity is smaller at alpha (5, -1, 0), which has zero loss too",
    statement=r"s \ne 0 \;\Rightarrow\; \|\alpha(5,-1,s)\|_p^p > \|\alpha(5,-1,0)\|_p^p \quad\text{for every } p > 0",
    source=theorem_3,
    expect="proved",
)

# --- one exact data set -----------------------------------------------------------------------------------------------

EXACT_X, EXACT_Y = [[6, -3, 2], [-6, -4, 12], [6, 18, 9]], [[13314, 17514, 0]]
any_data = tl.GradientFlow(in_space, loss=tl.loss.square, setting=at_zero, gates=1)
witness = tl.Fails(
    tl.Limit(any_data, weights, tl.argmin(tl.bias.l2)),
    at={"x": EXACT_X, "y": EXACT_Y},
    name="exact-witness",
    title="An exact data set on which the flow from 0 does not end at the zero-loss point of least l2 norm",
    statement=r"x = \begin{pmatrix} 6 & -3 & 2 \\ -6 & -4 & 12 \\ 6 & 18 & 9 \end{pmatrix},\; y = (13314, 17514, 0): "
    r"\quad w(\infty) = \left(\tfrac{55835}{112}, -\tfrac{191343}{224}, \tfrac{194043}{224}\right)",
    source=derived,
    expect="proved",
)
witness_limit = tl.Limit(
    tl.GradientFlow(
        in_space,
        loss=tl.loss.square,
        setting=at_zero,
        data=(EXACT_X, EXACT_Y),
        gates=1,
    ),
    weights,
    lambda c: ops.array([Fraction(55835, 112), Fraction(-191343, 224), Fraction(194043, 224)]),
    name="exact-witness-limit",
    title="Where the flow of the exact data set ends, by simulation",
    statement=r"w(\infty) = \left(\tfrac{55835}{112}, -\tfrac{191343}{224}, \tfrac{194043}{224}\right)",
    source=derived,
    expect="supported",
    settle={"t_end": 30.0, "trials": 1, "gtol": 1e-8, "tolerance": 1e-9, "tolerances": (1e-8, 1e-10, 1e-12)},
)

# --- controls ---------------------------------------------------------------------------------------------------------


def largest(*entries):
    """The maximum norm."""
    total = 0
    for entry in entries:
        total = ops.maximum(abs(entry), total)
    return total


family_controls = [
    interpolator.but(
        lhs=lambda c: (c.alpha * ops.vec(5, -1, -1))[None, :] @ samples(c),
        name="interpolator-below",
        title="alpha (5, -1, -1) does too",
    ),
    after_the_switch.but(
        lhs=lambda c: characteristic(samples(c) @ samples(c).mT),
        name="rates-before-the-switch",
        title="The same rates with the third sample",
    ),
    enclosed[0].but(
        low=Fraction("-0.12"),
        high=Fraction("-0.1"),
        name="enclosed-gamma-1-as-for-2",
        title="gamma = 1: s is in (-0.12, -0.1)",
    ),
    enclosed[2].but(
        low=Fraction(-1), high=Fraction(0), count=0, name="enclosed-no-switch", title="gamma = 5: no sign changes"
    ),
    limit.but(
        value=least,
        name="limit-of-least-norm",
        title="The flow ends at the zero-loss point of least l2 norm",
        settle=_settle,
    ),
    limit.but(
        value=lambda c: c.alpha * ops.vec(5, -1, 2 * s(c)),
        name="limit-twice-as-low",
        title="The third coordinate is frozen at 2 s",
        settle=_settle,
    ),
    limit.but(
        subject=family.with_(setting=any_scale.with_(init={"w": tl.draw.normal()})),
        name="limit-from-any-start",
        title="The same limit from any start",
        settle=_settle,
    ),
    zero_loss.but(
        setting=ray.with_(s=tl.var(draw=lambda c: c.z**2)), name="zero-loss-ray-upwards", title="No loss for any s >= 0"
    ),
    every_lp.but(
        lhs=lambda c: largest(5 * c.alpha, -c.alpha, c.alpha * c.s),
        rhs=lambda c: largest(5 * c.alpha, -c.alpha),
        name="maximum-norm",
        title="The maximum norm is smaller too",
    ),
]
