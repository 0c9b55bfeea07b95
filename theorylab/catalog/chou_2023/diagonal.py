"""Chou, Rauhut, Ward: weight normalization of diagonal linear networks acts like a smaller initialization.

Loss |A x - y|^2 / 2 with A (M, N) and x = w^L entry by entry, L >= 2, w > 0. Weight normalization writes w = g v / |v|
and trains g at eta times the rate of v. The convention of this module: |v(0)| = 1, which the flow keeps; otherwise eta
becomes eta |v(0)|^2 everywhere.
"""

from __future__ import annotations

import theorylab as tl
from theorylab import ops

_paper = tl.paper("chou-2023", "Robust implicit regularization via weight normalization", arxiv="2305.05448")
source = _paper.claim("", note="formula derived here, not quoted from the paper")

DEPTHS = (2, 3, 4)


def named(stem, L):
    return stem if L == 2 else f"{stem}-l{L}"


def direction(p):
    """u = v / |v|."""
    return p.v / ops.norm(p.v)


def weights(p):
    """w = g u."""
    return p.g * direction(p)


@tl.model(g="", v="N")
def normalized(p, x, L):
    return (weights(p) ** L)[None, :] @ x


@tl.model(w="N")
def plain(p, x, L):
    return (p.w**L)[None, :] @ x


# --- settings ---------------------------------------------------------------------------------------------------------

in_kernel = tl.assume(
    "A z = 0",
    lambda c: (c.A @ c.z[..., None])[..., 0],
    lambda c: {"A": c.A - (c.A @ c.z[..., None]) @ c.z[None, :] / (c.z**2).sum(-1)},
)
unit_norm = tl.assume(
    "|v(0)| = 1",
    lambda c: ops.norm(c.init.v) - 1,
    lambda c: {"init.v": c.init.v / ops.norm(c.init.v)},
)
rates_and_start = tl.Setting(
    eta=tl.var(draw=tl.draw.loguniform(0.25, 2), positive=True),
    init={
        "v": tl.var("N", tl.draw.uniform(0.5, 1.5), positive=True),
        "g": tl.var("", tl.draw.uniform(0.25, 1), positive=True),
    },
)
polar_start = rates_and_start.with_(unit_norm)
plain_start = tl.Setting(init={"w": tl.var("N", tl.draw.uniform(0.25, 1), positive=True)})
kernel_vector = tl.Setting(in_kernel, A=tl.var("M N"), z=tl.var("N"), y=tl.var("1 M"))
solvable = tl.Setting(
    A=tl.var("M N"),
    solution=tl.var("N", tl.draw.uniform(0.25, 1), positive=True),
    y=tl.var("1 M", lambda c: c.solution[None, :] @ c.A.mT),
)


def weight_normalization(L, setting):
    return tl.GradientFlow(
        normalized.family(L=L),
        loss=tl.loss.square,
        data=lambda c: (c.A.mT, c.y),
        rates={"g": lambda c: c.eta},
        setting=setting,
        name="weight normalization",
    )


def gradient_flow(L, setting):
    return tl.GradientFlow(
        plain.family(L=L),
        loss=tl.loss.square,
        data=lambda c: (c.A.mT, c.y),
        setting=setting.merged(plain_start),
        name="plain gradient flow",
    )


paths = {"horizon": 2.0, "max_steps": 400, "atol": 1e-30}
limits = {"t_end": 300.0, "atol": 1e-30, "trials": 16}

# --- conservation laws ------------------------------------------------------------------------------------------------


@tl.model(g="", v="N")
def normalized_layer(p, x):
    """A weight-normalised vector, each entry times an input of its own: networks of every depth go on from it."""
    return weights(p)[..., None] * x


norm_invariant = tl.Invariant(
    tl.GradientFlow(normalized_layer.embedded(), rates={"g": lambda c: c.eta}, setting=rates_and_start),
    lambda p: (p.v**2).sum(-1),
    name="norm-invariant",
    title="Weight normalization conserves the norm of v: every L, any loss, any ratio of rates",
    statement=r"w = g\,v/\|v\|:\quad \frac{d}{dt}\|v\|^2 = 0",
    source=source,
    expect="proved",
    settle=paths,
)


def polar(L):
    """<z, log(u exp(g^2 / 2 eta))> for L = 2, and <z, (u exp(g^2 / 2 eta))^(2 - L)> for L > 2."""
    if L == 2:
        return lambda p, c: (c.z * ops.log(direction(p))).sum(-1) + p.g**2 / (2 * c.eta) * c.z.sum(-1)
    return lambda p, c: ops.exp((2 - L) * p.g**2 / (2 * c.eta)) * (c.z * direction(p) ** (2 - L)).sum(-1)


polar_invariants = {
    L: tl.Invariant(
        weight_normalization(L, kernel_vector.merged(polar_start)),
        polar(L),
        on=[norm_invariant],
        name=named("polar-invariants", L),
        title=f"Weight normalization: an invariant for each z in the kernel of A (L = {L})",
        statement=r"\tilde u = u\,e^{g^2/(2\eta)},\; Az = 0:\quad \frac{d}{dt}"
        + (r"\langle z, \log\tilde u\rangle = 0" if L == 2 else rf"\langle z, \tilde u^{{{2 - L}}}\rangle = 0"),
        source=source,
        expect="proved",
        settle=paths,
    )
    for L in DEPTHS
}


def plain_law(L):
    """<z, log w> for L = 2, and <z, w^(2 - L)> for L > 2."""
    if L == 2:
        return lambda p, c: (c.z * ops.log(p.w)).sum(-1)
    return lambda p, c: (c.z * p.w ** (2 - L)).sum(-1)


plain_invariants = {
    L: tl.Invariant(
        gradient_flow(L, kernel_vector),
        plain_law(L),
        name=named("plain-invariants", L),
        title=f"Plain gradient flow, for comparison: an invariant for each z in the kernel of A (L = {L})",
        statement=r"Az = 0:\quad \frac{d}{dt}"
        + (r"\langle z, \log w\rangle = 0" if L == 2 else rf"\langle z, w^{{{2 - L}}}\rangle = 0"),
        source=source,
        expect="proved",
        settle=paths,
    )
    for L in DEPTHS
}

# --- where plain gradient flow ends -----------------------------------------------------------------------------------


def bias_of_depth(L):
    """The functional of x = w^L that plain gradient flow minimises, up to its start."""
    return tl.bias.entropy if L == 2 else tl.bias.power(tl.Fraction(2, L))


plain_bias = {
    L: tl.Limit(
        gradient_flow(L, solvable),
        lambda p, L=L: p.w**L,
        tl.argmin(tl.bias.bregman(bias_of_depth(L), start=lambda c, L=L: c.init.w**L)),
        name=named("plain-bias", L),
        title=f"Plain gradient flow ends at the solution closest to its start in Bregman divergence (L = {L})",
        statement=r"x(\infty) = \arg\min_{Ax = y} D_q(x, x(0)),\quad "
        + ("q'(x) = \\log x" if L == 2 else rf"q'(x) = -x^{{2/{L} - 1}}"),
        source=source,
        expect="proved",
        settle=limits,
    )
    for L in DEPTHS
}

# --- weight normalization as a smaller start --------------------------------------------------------------------------


def rho(c):
    """How much smaller the start of plain gradient flow has to be; it is known once the limit is."""
    start, end = weights(c.init), weights(c.end)
    return ops.norm(start) / ops.norm(end) * ops.exp(((end**2).sum() - (start**2).sum()) / (2 * c.eta))


def ends_as_if_from(L, start):
    """The minimiser that plain gradient flow reaches from the weights start(c)."""
    return tl.argmin(tl.bias.bregman(bias_of_depth(L), start=lambda c: start(c) ** L))


effective_initialization = {
    L: tl.Limit(
        weight_normalization(L, solvable.merged(polar_start)),
        lambda p, L=L: weights(p) ** L,
        ends_as_if_from(L, lambda c: weights(c.init) / rho(c)),
        name=named("effective-initialization", L),
        title=f"Weight normalization ends where plain gradient flow ends from w(0) / rho (L = {L})",
        statement=r"w_{\mathrm{WN}}(\infty) = w_{\mathrm{GF}}(\infty)\big|_{w(0)/\rho},\quad "
        r"\rho = \frac{\|w_0\|}{\|w_\infty\|}\exp\frac{\|w_\infty\|^2 - \|w_0\|^2}{2\eta}",
        source=source,
        expect="supported",
        settle=limits,
    )
    for L in DEPTHS
}


def mirror(x, eta):
    """The gradient of h(x) = sum x log x - |x|_1 log |x|_1 + |x|_1^2 / (2 eta) for x > 0, (N,)."""
    total = x.sum(-1, keepdims=True)
    return ops.log(x) - ops.log(total) + total / eta


mirror_form = tl.Evolution(
    tl.GradientFlow(normalized.family(L=2), rates={"g": lambda c: c.eta}, setting=rates_and_start),
    lambda p, c: mirror(weights(p) ** 2, c.eta * (p.v**2).sum()),
    lambda p, c: -4 * p.g**2 / (p.v**2).sum() * (c.x @ c.r.mT)[..., 0],
    name="mirror-form",
    title="Weight normalization of depth two is mirror flow at a changing speed: any loss, any norm of v",
    statement=r"\frac{d}{dt}\nabla h(x) = -\frac{4 g^2}{\|v\|^2} A^\top \nabla\ell(Ax),\quad "
    r"h(x) = \sum_i x_i\log x_i - \|x\|_1\log\|x\|_1 + \frac{\|x\|_1^2}{2\eta\|v\|^2}",
    source=source,
    expect="proved",
    settle=paths,
)
positive_and_any = tl.Setting(x=tl.var("N", positive=True), z=tl.var("N"), eta=tl.var(positive=True))


def curvature(c):
    """z' h''(x) z for the potential h of weight normalization, L = 2."""
    return (c.z * ops.derivative(lambda q: mirror(q.x, c.eta), {"x": c.x}, {"x": c.z})).sum()


mirror_convex = tl.Identity(
    positive_and_any,
    curvature,
    lambda c: (c.x * (c.z / c.x - c.z.sum() / c.x.sum()) ** 2).sum() + c.z.sum() ** 2 / c.eta,
    name="mirror-convex",
    title="The potential of weight normalization is strictly convex: its Hessian is a sum of squares (L = 2)",
    statement=r"z^\top \nabla^2 h(x)\, z = \sum_i x_i\left(\tfrac{z_i}{x_i} - "
    r"\tfrac{\langle 1, z\rangle}{\|x\|_1}\right)^2 + \tfrac{\langle 1, z\rangle^2}{\eta},"
    r"\quad x > 0,\; \|v\| = 1",
    source=source,
    expect="proved",
)
mirror_limit = effective_initialization[2].but(
    value=tl.argmin(
        tl.bias.bregman(
            tl.bias.smooth(lambda x, c: mirror(x, c.eta), name="the potential of weight normalization"),
            start=lambda c: weights(c.init) ** 2,
        )
    ),
    name="mirror-limit",
    control_of=None,
    expect="supported",
    title="The limit of weight normalization minimises a Bregman divergence from its start (L = 2)",
    statement=r"x(\infty) = \arg\min_{Ax = y} D_h(x, x(0))",
)

# --- controls ---------------------------------------------------------------------------------------------------------

controls = [
    mirror_convex.but(
        lhs=lambda c: (c.z * ops.derivative(lambda q: ops.log(q.x), {"x": c.x}, {"x": c.z})).sum(),
        name="mirror-convex-entropy",
        title="The potential of plain gradient flow has the same Hessian",
    ),
    polar_invariants[3].but(
        quantity=polar(2), name="polar-invariants-wrong-l", title="The invariant of L = 2 for L = 3"
    ),
    polar_invariants[2].without(
        "A z = 0", name="polar-invariants-outside-the-kernel", title="The invariant of L = 2 for every z"
    ),
    polar_invariants[4].without(
        "A z = 0", name="polar-invariants-l4-outside-the-kernel", title="The invariant of L = 4 for every z"
    ),
    polar_invariants[2].without(
        "|v(0)| = 1", name="polar-invariants-norm-not-one", title="The invariant of L = 2 for v of any norm"
    ),
    polar_invariants[4].without(
        "|v(0)| = 1", name="polar-invariants-l4-norm-not-one", title="The invariant of L = 4 for v of any norm"
    ),
    effective_initialization[2].but(
        value=ends_as_if_from(2, lambda c: weights(c.init)),
        name="effective-initialization-without-rho",
        title="Weight normalization ends where plain gradient flow ends from the same start",
    ),
]
