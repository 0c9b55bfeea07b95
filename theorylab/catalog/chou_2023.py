"""Chou, Rauhut, Ward: weight normalization of diagonal linear networks acts like a smaller initialization.

Loss |A x - y|^2 / 2 with A (M, N) and x = w^L entry by entry, L >= 2, w > 0. Weight normalization writes w = g v / |v|
and trains g at eta times the rate of v. The convention of this module: |v(0)| = 1, which the flow keeps; otherwise eta
becomes eta |v(0)|^2 everywhere.
"""

from __future__ import annotations

import theorylab as tl
from theorylab import ops

_paper = tl.paper("chou-2023", "Robust implicit regularization via weight normalization", arxiv="2305.05448")
_derived = _paper.claim("", note="formula derived here; the wording of the paper was not consulted")

DEPTHS = (2, 3, 4)


@tl.model(g="", v="N")
def normalized(p, x, L):
    return (weights(p) ** L)[None, :] @ x


@tl.model(w="N")
def plain(p, x, L):
    return (p.w**L)[None, :] @ x


def direction(p):
    """u = v / |v|."""
    return p.v / ops.norm(p.v)


def weights(p):
    """w = g u."""
    return p.g * direction(p)


kernel = tl.assume(
    "A z = 0",
    lambda c: (c.A @ c.z[..., None])[..., 0],
    lambda c: {"A": c.A - (c.A @ c.z[..., None]) @ c.z[None, :] / (c.z**2).sum(-1)},
)
unit_norm = tl.assume(
    "|v(0)| = 1",
    lambda c: ops.norm(c.init.v) - 1,
    lambda c: {"init.v": c.init.v / ops.norm(c.init.v)},
)
some_kernel = tl.Setting(kernel, A=tl.var("M N"), z=tl.var("N"), y=tl.var("1 M"))
some_solution = tl.Setting(
    A=tl.var("M N"),
    solution=tl.var("N", tl.draw.uniform(0.25, 1), positive=True),
    y=tl.var("1 M", lambda c: c.solution[None, :] @ c.A.mT),
)
polar_start = tl.Setting(
    unit_norm,
    eta=tl.var(draw=tl.draw.loguniform(0.25, 2), positive=True),
    init={"v": tl.var("N", tl.draw.uniform(0.5, 1.5), positive=True), "g": tl.var("", tl.draw.uniform(0.25, 1), positive=True)},
)
positive_start = tl.Setting(init={"w": tl.var("N", tl.draw.uniform(0.25, 1), positive=True)})


def weight_normalization(L, setting):
    return tl.GradientFlow(
        normalized.family(L=L),
        loss=tl.loss.square,
        data=lambda c: (c.A.mT, c.y),
        rates={"g": lambda c: c.eta},
        setting=setting.merged(polar_start),
        name="weight normalization",
    )


def gradient_flow(L, setting):
    return tl.GradientFlow(
        plain.family(L=L),
        loss=tl.loss.square,
        data=lambda c: (c.A.mT, c.y),
        setting=setting.merged(positive_start),
        name="plain gradient flow",
    )


# --- conservation laws ------------------------------------------------------------------------------------------------

norm_invariant = {
    L: tl.Invariant(
        weight_normalization(L, some_kernel),
        lambda p: (p.v**2).sum(-1),
        name=f"norm-invariant-{L}",
        title=f"The norm of the direction parameter is conserved (L = {L})",
        statement=r"\frac{d}{dt}\|v\|^2 = 0",
        source=_derived,
        expect="proved",
    )
    for L in DEPTHS
}


def polar(L):
    """<z, log(u exp(g^2 / 2 eta))> for L = 2, and <z, (u exp(g^2 / 2 eta))^(2 - L)> for L > 2."""
    if L == 2:
        return lambda p, c: (c.z * ops.log(direction(p))).sum(-1) + p.g**2 / (2 * c.eta) * c.z.sum(-1)
    return lambda p, c: ops.exp((2 - L) * p.g**2 / (2 * c.eta)) * (c.z * direction(p) ** (2 - L)).sum(-1)


polar_invariants = {
    L: tl.Invariant(
        norm_invariant[L].subject,
        polar(L),
        on=[norm_invariant[L]],
        name=f"polar-invariants-{L}",
        title=f"Weight normalization: one invariant for each z in the kernel of A (L = {L})",
        statement=r"\tilde u = u\,e^{g^2/(2\eta)},\; Az = 0:\quad \frac{d}{dt}"
        + (r"\langle z, \log\tilde u\rangle = 0" if L == 2 else rf"\langle z, \tilde u^{{{2 - L}}}\rangle = 0"),
        source=_derived,
        expect="proved",
    )
    for L in DEPTHS
}
plain_invariants = {
    L: tl.Invariant(
        gradient_flow(L, some_kernel),
        (lambda p, c: (c.z * ops.log(p.w)).sum(-1)) if L == 2 else (lambda p, c, L=L: (c.z * p.w ** (2 - L)).sum(-1)),
        name=f"plain-invariants-{L}",
        title=f"Plain gradient flow, for comparison: one invariant for each z in the kernel of A (L = {L})",
        statement=r"Az = 0:\quad \frac{d}{dt}" + (r"\langle z, \log w\rangle = 0" if L == 2 else rf"\langle z, w^{{{2 - L}}}\rangle = 0"),
        source=_derived,
        expect="proved",
    )
    for L in DEPTHS
}

# --- the mirror form of depth two -------------------------------------------------------------------------------------


def mirror(x, c):
    """The gradient of h(x) = sum x log x - |x|_1 log |x|_1 + |x|_1^2 / (2 eta) for x > 0, (N,)."""
    total = x.sum(-1, keepdims=True)
    return ops.log(x) - ops.log(total) + total / c.eta


# --- effective initialization -----------------------------------------------------------------------------------------


def rho(c):
    """How much smaller the start of plain gradient flow would have to be: known once the limit is."""
    start, end = weights(c.init), weights(c.end)
    return ops.norm(start) / ops.norm(end) * ops.exp(((end**2).sum() - (start**2).sum()) / (2 * c.eta))


def plain_bias(L):
    """What plain gradient flow minimises among the solutions x = w^L, up to its start."""
    return tl.bias.entropy if L == 2 else tl.bias.power(tl.Fraction(2, L))


_runs = {"t_end": 300.0, "atol": 1e-30, "trials": 32}

effective_initialization = {
    L: tl.Limit(
        weight_normalization(L, some_solution),
        lambda p, c, L=L: weights(p) ** L,
        tl.argmin(tl.bias.bregman(plain_bias(L), start=lambda c, L=L: (weights(c.init) / rho(c)) ** L)),
        name=f"effective-initialization-{L}",
        title=f"Weight normalization ends where plain gradient flow ends from w(0) / rho (L = {L})",
        statement=r"w_{\mathrm{WN}}(\infty) = w_{\mathrm{GF}}(\infty)\big|_{w(0)/\rho},\quad "
        r"\rho = \frac{\|w_0\|}{\|w_\infty\|}\exp\frac{\|w_\infty\|^2 - \|w_0\|^2}{2\eta}",
        source=_derived,
        expect="supported",
        settle=_runs,
    )
    for L in DEPTHS
}
