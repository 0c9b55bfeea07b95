"""Woodworth et al.: diagonal linear networks of depth two end at a minimiser of the hyperbolic entropy.

b = u+ v+ - u- v- (coordinate by coordinate), a linear predictor of x, (N, M), one sample a column. The scale and the
shape of the initialization choose between the l1 norm (small) and the l2 norm (large, or unbalanced: Azulay et al.,
2102.09769). Along the flow everything is a function of s(t) = -integral of x dLoss/df.
"""

from __future__ import annotations

import theorylab as tl
from theorylab import ops

_paper = tl.paper("woodworth-2020", "Kernel and rich regimes in overparametrized models", arxiv="2002.09277")
_known = _paper.claim("", note="formula as known in the field, derived here")
_shape = _paper.claim("", note="with the initialization shape of Azulay et al., 2102.09769; derived here")


@tl.model(u_plus="N", v_plus="N", u_minus="N", v_minus="N")
def diagonal(p, x):
    return predictor(p)[None, :] @ x


def predictor(p):
    return p.u_plus * p.v_plus - p.u_minus * p.v_minus


positive = tl.draw.loguniform(1 / 16, 1)
alike = tl.assume(
    "both branches start alike",
    lambda c: ops.concat([c.init.u_minus - c.init.u_plus, c.init.v_minus - c.init.v_plus]),
    lambda c: {"init.u_minus": c.init.u_plus, "init.v_minus": c.init.v_plus},
)
any_start = tl.Setting(
    init={name: tl.var("N", positive, positive=True) for name in ("u_plus", "v_plus", "u_minus", "v_minus")}
)
equal_branches = any_start.with_(alike)


def accumulated(p, c):
    """The integrand of s = -integral of x dLoss/df, (N,)."""
    return -(c.x @ c.r.mT)[..., 0]


def k(c):
    """The width of the hyperbolic entropy, u0^2 + v0^2 for each coordinate."""
    return c.init.u_plus**2 + c.init.v_plus**2


# --- conservation laws: any loss, any data, any start -----------------------------------------------------------------

flow = tl.GradientFlow(diagonal, setting=any_start)

plus_branch = tl.Invariant(
    flow,
    lambda p: p.u_plus**2 - p.v_plus**2,
    name="plus-branch",
    title="The layers of the positive branch stay as unbalanced as they started",
    statement=r"\frac{d}{dt}\left(u_+^2 - v_+^2\right) = 0",
    source=_known,
    expect="proved",
)
minus_branch = tl.Invariant(
    flow,
    lambda p: p.u_minus**2 - p.v_minus**2,
    name="minus-branch",
    title="The layers of the negative branch stay as unbalanced as they started",
    statement=r"\frac{d}{dt}\left(u_-^2 - v_-^2\right) = 0",
    source=_known,
    expect="proved",
)
cross_branch = tl.Invariant(
    flow,
    lambda p: p.u_plus * p.u_minus + p.v_plus * p.v_minus,
    name="cross-branch",
    title="The branches see opposite gradients, which conserves u+u- + v+v-",
    statement=r"\frac{d}{dt}\left(u_+ u_- + v_+ v_-\right) = 0",
    source=_known,
    expect="proved",
)

# --- the closed-form path ---------------------------------------------------------------------------------------------

integrated = flow.with_integral(s=accumulated)

exponential_laws = [
    tl.Invariant(
        integrated,
        quantity,
        name=name,
        title=f"Exponential law: {formula} is conserved, with s the integral of -x dLoss/df",
        statement=rf"\frac{{d}}{{dt}}\left({tex}\right) = 0,\quad s = -\int_0^t x\,\nabla_f\ell",
        source=_known,
        expect="proved",
    )
    for name, formula, tex, quantity in [
        (
            "growth-plus",
            "(u+ + v+) exp(-s)",
            r"(u_+ + v_+)\,e^{-s}",
            lambda p, c: (p.u_plus + p.v_plus) * ops.exp(-c.integral.s),
        ),
        (
            "decay-plus",
            "(u+ - v+) exp(s)",
            r"(u_+ - v_+)\,e^{s}",
            lambda p, c: (p.u_plus - p.v_plus) * ops.exp(c.integral.s),
        ),
        (
            "decay-minus",
            "(u- + v-) exp(s)",
            r"(u_- + v_-)\,e^{s}",
            lambda p, c: (p.u_minus + p.v_minus) * ops.exp(c.integral.s),
        ),
        (
            "growth-minus",
            "(u- - v-) exp(-s)",
            r"(u_- - v_-)\,e^{-s}",
            lambda p, c: (p.u_minus - p.v_minus) * ops.exp(-c.integral.s),
        ),
    ]
]
path = tl.Trajectory(
    integrated.with_(setting=equal_branches),
    predictor,
    lambda c: k(c) * ops.sinh(2 * c.integral.s),
    on=exponential_laws,
    name="closed-form-path",
    title="The predictor is (u0^2 + v0^2) sinh(2 s) at all times",
    statement=r"\beta(t) = (u_0^2 + v_0^2)\,\sinh(2 s(t)),\quad s = -\int_0^t x\,\nabla_f\ell",
    source=_known,
    expect="proved",
)


def upper(c):
    """Twice the coefficient of exp(2 s) in the predictor, whatever the start."""
    return ((c.init.u_plus + c.init.v_plus) ** 2 + (c.init.u_minus - c.init.v_minus) ** 2) / 2


def lower(c):
    """Twice the coefficient of -exp(-2 s)."""
    return ((c.init.u_minus + c.init.v_minus) ** 2 + (c.init.u_plus - c.init.v_plus) ** 2) / 2


path_any_start = tl.Trajectory(
    integrated,
    predictor,
    lambda c: (upper(c) * ops.exp(2 * c.integral.s) - lower(c) * ops.exp(-2 * c.integral.s)) / 2,
    on=exponential_laws,
    name="closed-form-path-any-start",
    title="The predictor is a combination of exp(2 s) and exp(-2 s) from any start",
    statement=r"\beta(t) = \tfrac12\left(A e^{2s} - B e^{-2s}\right),\quad "
    r"2A = (u_+ + v_+)^2 + (u_- - v_-)^2,\; 2B = (u_- + v_-)^2 + (u_+ - v_+)^2 \text{ at } t = 0",
    source=_known,
    expect="proved",
)
row_space = tl.Invariant(
    tl.GradientFlow(
        diagonal,
        loss=tl.loss.square,
        data=lambda c: (c.x, c.y),
        setting=tl.Setting(
            tl.assume(
                "x' z = 0",
                lambda c: c.z[None, :] @ c.x,
                lambda c: {"x": c.x - c.z[..., None] @ (c.z[None, :] @ c.x) / (c.z**2).sum(-1)},
            ),
            x=tl.var("N M"),
            y=tl.var("1 M"),
            z=tl.var("N"),
        ),
    ).with_integral(s=accumulated),
    lambda p, c: (c.z * c.integral.s).sum(-1),
    name="row-space",
    title="s stays in the span of the samples: it is the dual certificate of the limit",
    statement=r"x^\top z = 0 \;\Rightarrow\; \langle z, s(t)\rangle = 0",
    source=_known,
    expect="proved",
)

# --- the limit --------------------------------------------------------------------------------------------------------

regression = tl.GradientFlow(
    diagonal,
    loss=tl.loss.square,
    data=lambda c: (c.x, c.y),
    setting=equal_branches.with_(x=tl.var("N M"), y=tl.var("1 M")),
)
hypentropy = tl.Limit(
    regression,
    predictor,
    tl.argmin(tl.bias.hypentropy(k)),
    name="hypentropy",
    title="The limit minimises the hyperbolic entropy of width u0^2 + v0^2 among the interpolators",
    statement=r"\beta(\infty) = \arg\min_{x^\top\beta = y} \sum_i q_{k_i}(\beta_i),\quad "
    r"q_k'(\beta) = \operatorname{arcsinh}(\beta / k),\quad k = u_0^2 + v_0^2",
    source=_shape,
    expect="supported",
    settle={"t_end": 300.0, "atol": 1e-30, "trials": 16},
)
hypentropy_any_start = tl.Limit(
    tl.GradientFlow(
        diagonal,
        loss=tl.loss.square,
        data=lambda c: (c.x, c.y),
        setting=any_start.with_(x=tl.var("N M"), y=tl.var("1 M")),
    ),
    predictor,
    tl.argmin(
        tl.bias.bregman(tl.bias.hypentropy(lambda c: ops.sqrt(upper(c) * lower(c))), start=lambda c: predictor(c.init))
    ),
    name="hypentropy-any-start",
    title="From any start the limit minimises the Bregman divergence from the initial predictor",
    statement=r"\beta(\infty) = \arg\min_{x^\top\beta = y} D_{q_k}(\beta, \beta(0)),\quad k = \sqrt{AB}",
    source=_known,
    expect="supported",
    settle={"t_end": 300.0, "atol": 1e-30, "trials": 16},
)

# --- controls ---------------------------------------------------------------------------------------------------------

controls = [
    cross_branch.but(
        quantity=lambda p: p.u_plus * p.u_minus - p.v_plus * p.v_minus,
        name="cross-branch-difference",
        title="u+u- - v+v- instead of the sum",
    ),
    path.but(
        formula=lambda c: 2 * k(c) * ops.sinh(2 * c.integral.s),
        name="closed-form-path-wrong-k",
        title="Twice the width in the path",
    ),
    path.without(
        "both branches start alike",
        name="closed-form-path-unequal-branches",
        title="The path of equal branches from unequal ones",
    ),
    hypentropy.but(
        value=tl.argmin(tl.bias.hypentropy(lambda c: 2 * k(c))), name="hypentropy-wrong-k", title="Twice the width"
    ),
    hypentropy.without(
        "both branches start alike",
        name="hypentropy-unequal-branches",
        title="The limit of equal branches from unequal ones",
    ),
]
