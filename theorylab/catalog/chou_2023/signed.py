"""Signed signals: x = a^L - b^L entry by entry, with one weight normalization of both halves."""

from __future__ import annotations

import theorylab as tl
from theorylab import ops
from theorylab.catalog.chou_2023.diagonal import DEPTHS, limits, named, paths, source


def size(p):
    """|(a, b)|."""
    return ops.sqrt((p.a**2).sum() + (p.b**2).sum())


@tl.model(a="N", b="N")
def signed_plain(p, x, L):
    return (p.a**L - p.b**L)[None, :] @ x


@tl.model(g="", a="N", b="N")
def signed_normalized(p, x, L):
    return ((p.g * p.a / size(p)) ** L - (p.g * p.b / size(p)) ** L)[None, :] @ x


halves = {name: tl.var("N", tl.draw.uniform(0.25, 1), positive=True) for name in ("a", "b")}
signed_start = tl.Setting(
    eta=tl.var(draw=tl.draw.loguniform(0.25, 2), positive=True),
    init={**halves, "g": tl.var("", tl.draw.uniform(0.25, 1), positive=True)},
)
signed_unit_norm = tl.assume(
    "|(a, b)(0)| = 1",
    lambda c: size(c.init) - 1,
    lambda c: {f"init.{name}": c.init[name] / size(c.init) for name in ("a", "b")},
)


def signed_flow(L, setting):
    """Weight normalization on any inputs and any loss."""
    return tl.GradientFlow(signed_normalized.family(L=L), rates={"g": lambda c: c.eta}, setting=setting)


signed_norm = tl.Invariant(
    signed_flow(2, signed_start),
    lambda p: (p.a**2).sum() + (p.b**2).sum(),
    name="signed-norm",
    title="Signed signals: weight normalization conserves the norm of (a, b) (L = 2)",
    statement=r"\frac{d}{dt}\left(\|a\|^2 + \|b\|^2\right) = 0",
    source=source,
    expect="proved",
    settle=paths,
)


def product(L, a, b):
    """log a + log b for L = 2, and a^(2 - L) + b^(2 - L) for L > 2."""
    return ops.log(a) + ops.log(b) if L == 2 else a ** (2 - L) + b ** (2 - L)


signed_plain_invariants = {
    L: tl.Invariant(
        tl.GradientFlow(signed_plain.family(L=L), setting=tl.Setting(init=halves)),
        lambda p, L=L: product(L, p.a, p.b),
        name=named("signed-plain-invariants", L),
        title=f"Signed signals, plain gradient flow: an invariant for each entry, any loss (L = {L})",
        statement=r"\frac{d}{dt}" + (r"\log(a_i b_i) = 0" if L == 2 else rf"(a_i^{{{2 - L}}} + b_i^{{{2 - L}}}) = 0"),
        source=source,
        expect="proved",
        settle=paths,
    )
    for L in DEPTHS
}


def signed_polar(L):
    """The invariants of the directions a / |(a, b)| and b / |(a, b)|."""

    def law(p, c):
        unit = product(L, p.a / size(p), p.b / size(p))
        return unit + p.g**2 / c.eta if L == 2 else ops.exp((2 - L) * p.g**2 / (2 * c.eta)) * unit

    return law


signed_polar_invariants = {
    L: tl.Invariant(
        signed_flow(L, signed_start.with_(signed_unit_norm)),
        signed_polar(L),
        on=[signed_norm.but(subject=signed_flow(L, signed_start), expect="proved", control_of=None)],
        name=named("signed-polar-invariants", L),
        title=f"Signed signals, weight normalization: an invariant for each entry, any loss (L = {L})",
        statement=r"\tilde u_\pm = u_\pm e^{g^2/(2\eta)}:\quad \frac{d}{dt}"
        + (r"\log(\tilde u_{+,i}\,\tilde u_{-,i}) = 0" if L == 2
           else rf"(\tilde u_{{+,i}}^{{{2 - L}}} + \tilde u_{{-,i}}^{{{2 - L}}}) = 0"),
        source=source,
        expect="proved",
        settle=paths,
    )
    for L in DEPTHS
}  # fmt: skip

# --- where weight normalization ends, from equal halves ---------------------------------------------------------------

equal_halves = tl.Setting(
    A=tl.var("M N"),
    y=tl.var("1 M"),
    eta=tl.var(draw=tl.draw.loguniform(0.5, 2), positive=True),
    scale=tl.var(draw=tl.draw.uniform(0.25, 0.75), positive=True),
    ones=tl.var("N", tl.draw.constant(1), positive=True),
    init={
        "a": lambda c: c.ones / ops.sqrt(2 * c.ones.sum()),
        "b": lambda c: c.ones / ops.sqrt(2 * c.ones.sum()),
        "g": lambda c: c.scale,
    },
)


def signed_weights(p):
    return p.g * p.a / size(p), p.g * p.b / size(p)


def signal(p):
    a, b = signed_weights(p)
    return a**2 - b**2


def magnification(c):
    """rho: |w|^2 = g^2 at both ends."""
    return c.init.g / c.end.g * ops.exp((c.end.g**2 - c.init.g**2) / (2 * c.eta))


signed_limit = tl.Limit(
    tl.GradientFlow(
        signed_normalized.family(L=2),
        loss=tl.loss.square,
        data=lambda c: (c.A.mT, c.y),
        rates={"g": lambda c: c.eta},
        setting=equal_halves,
    ),
    signal,
    tl.argmin(tl.bias.hypentropy(lambda c: 2 * c.init.g**2 / (2 * c.ones.sum() * magnification(c) ** 2))),
    name="signed-effective-initialization",
    title="Signed signals: weight normalization ends where plain gradient flow ends from w(0) / rho (L = 2)",
    statement=r"x(\infty) = \arg\min_{Ax = y} Q_k(x),\quad k = 2\,(w(0)/\rho)^2",
    source=source,
    expect="supported",
    settle=limits,
)

# --- controls ---------------------------------------------------------------------------------------------------------

signed_controls = [
    signed_polar_invariants[2].without(
        "|(a, b)(0)| = 1", name="signed-polar-invariants-norm-not-one", title="The invariant of L = 2 for any norm"
    ),
    signed_polar_invariants[3].but(
        quantity=signed_polar(4), name="signed-polar-invariants-wrong-l", title="The invariant of L = 4 for L = 3"
    ),
    signed_plain_invariants[3].but(
        quantity=lambda p: 1 / p.a - 1 / p.b,
        name="signed-plain-invariants-difference",
        title="The difference of the two halves for L = 3",
    ),
    signed_limit.but(
        value=tl.argmin(tl.bias.hypentropy(lambda c: 2 * c.init.g**2 / (2 * c.ones.sum()))),
        name="signed-effective-initialization-without-rho",
        title="Signed signals: weight normalization ends where plain gradient flow ends from the same start",
    ),
]
