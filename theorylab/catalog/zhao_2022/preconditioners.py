"""Depth one with a preconditioner: each entry of the gradient has a positive factor, as with Adam's moments.

W' = -P * G, entry by entry. Adam has P = 1 / (root of the second moment + eps), and for G the first moment: here in
continuous time, without the correction of the bias, eps outside of the root.
"""

from __future__ import annotations

import theorylab as tl
from theorylab import Fraction, ops
from theorylab.catalog.zhao_2022.paper import DERIVED
from theorylab.catalog.zhao_2022.penalty import NUMERIC_ONLY, change, decomposed, gradient, matrix, ratio_of

POSITIVE = tl.draw.uniform(0.5, 2)

# --- any preconditioner, in the singular value decomposition ----------------------------------------------------------

# Every change of W = U diag(s) V' is -P * G for some G, and ds is how its singular values move.
directions = decomposed.with_(P=tl.var("r r", POSITIVE, positive=True), G=tl.var("r r", lambda c: -change(c) / c.P))

law = tl.Identity(
    directions,
    lambda c: c.ds,
    lambda c: -ops.diag(c.U.mT @ (c.P * c.G) @ c.V),
    name="preconditioned-direction",
    title="With a diagonal preconditioner P and a direction G, singular values move with -u' (P * G) v",
    statement=r"\dot W = -P \odot G: \quad \dot\sigma_r = -u_r^\top (P \odot G)\, v_r",
    note="G is the gradient without momentum and the first moment with momentum.",
    source=DERIVED,
    expect="proved",
)
one_factor = tl.Identity(
    decomposed.with_(p=tl.var(positive=True)),
    lambda c: (c.p * gradient(c.U, c.s, c.V) * matrix(c.U, c.s, c.V)).sum(),
    name="one-factor-for-all-entries",
    title="With one factor for all entries, the penalty does not feel the scale of W",
    statement=r"P = p\,\mathbf 1\mathbf 1^\top: \quad \langle P \odot \nabla R(W), W\rangle = 0",
    source=DERIVED,
    expect="proved",
)

# --- flows on the entries of W, by autograd ---------------------------------------------------------------------------

preconditioned_setting = tl.Setting(P=tl.var("2 3", POSITIVE, positive=True), y=tl.var("2 3"))


def slope_of_loss(p, c):
    return ops.gradient(lambda q: ((q["W"] - c.y) ** 2).sum() / 2 + ratio_of(q["W"]) / 4, {"W": p.W})["W"]


preconditioned_flow = tl.Flow(
    lambda p, c: {"W": -c.P * slope_of_loss(p, c)}, state={"W": "2 3"}, setting=preconditioned_setting
)


def along_singular_vectors(W, change):
    """u_r' change v_r, (2,); u_r v_r' is the gradient of the singular value r."""
    slopes = [ops.gradient(lambda q, r=r: ops.singular_values(q["W"])[r], {"W": W})["W"] for r in range(2)]
    return ops.stack([(slope * change).sum() for slope in slopes])


preconditioned = tl.Evolution(
    preconditioned_flow,
    lambda p: ops.singular_values(p.W),
    lambda p, c: along_singular_vectors(p.W, -c.P * slope_of_loss(p, c)),
    name="preconditioned",
    title="The same along runs of the loss with the penalty, with the gradient for G",
    statement=r"\dot W = -P \odot \nabla(\ell + \lambda R): \quad "
    r"\dot\sigma_r = -u_r^\top (P \odot \nabla(\ell + \lambda R))\, v_r",
    note=NUMERIC_ONLY,
    source=DERIVED,
    quantifier="almost every",
    horizon=Fraction(1, 4),
    expect="supported",
)

RATE1, RATE2, EPS = Fraction(1), Fraction(1, 10), Fraction(1, 100)


def adam_direction(p):
    """P * G: the first moment over the root of the second plus eps."""
    return p.mean / (ops.sqrt(p.square) + EPS)


def adam_field(p, c):
    slope = slope_of_loss(p, c)
    return {"W": -adam_direction(p), "mean": RATE1 * (slope - p.mean), "square": RATE2 * (slope**2 - p.square)}


adam_flow = tl.Flow(
    adam_field,
    state=dict.fromkeys(("W", "mean", "square"), "2 3"),
    setting=tl.Setting(y=tl.var("2 3"), init={"square": tl.var("2 3", POSITIVE, positive=True)}),
    name="Adam in continuous time",
)
momentum = tl.Evolution(
    adam_flow,
    lambda p: ops.singular_values(p.W),
    lambda p: along_singular_vectors(p.W, -adam_direction(p)),
    name="adam-in-continuous-time",
    title="Along runs of Adam in continuous time, G is the first moment and P is made of the second",
    statement=r"\dot\sigma_r = -u_r^\top \left(\frac{m}{\sqrt v + \varepsilon}\right) v_r",
    note=NUMERIC_ONLY,
    source=DERIVED,
    quantifier="almost every",
    horizon=Fraction(1, 4),
    expect="supported",
)

# --- controls ---------------------------------------------------------------------------------------------------------

preconditioned_penalty = tl.Flow(
    lambda p, c: {"W": -c.P * ops.gradient(lambda q: ratio_of(q.W), p).W},
    state={"W": "2 3"},
    setting=tl.Setting(P=preconditioned_setting.variables["P"]),
)
keeps_frobenius = tl.Invariant(
    preconditioned_penalty,
    lambda p: (p.W**2).sum(),
    name="preconditioned-flow-keeps-the-norm",
    title="The flow of the penalty keeps |W|_F with any diagonal preconditioner",
    statement=r"\dot W = -P \odot \nabla R(W): \quad \frac{d}{dt}\|W\|_F^2 = 0",
    source=DERIVED,
    horizon=Fraction(1, 4),
    expect="refuted",
    control_of="penalty-flow-keeps-the-norm-of-w",
)
controls = [
    law.but(
        rhs=lambda c: -ops.diag(c.U.mT @ c.G @ c.V),
        name="preconditioned-direction-without-p",
        title="The direction alone, without its factors",
    ),
    one_factor.but(
        subject=directions,
        lhs=lambda c: (c.P * gradient(c.U, c.s, c.V) * matrix(c.U, c.s, c.V)).sum(),
        name="factors-that-differ",
        title="With factors that differ, the penalty does not feel the scale of W either",
    ),
    keeps_frobenius,
]

claims = [law, one_factor, preconditioned, momentum, controls]
