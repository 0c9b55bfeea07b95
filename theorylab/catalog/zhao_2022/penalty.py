"""The penalty R(W) = |W|_* / |W|_F: its gradient, its range, and the flow that it gives alone."""

from __future__ import annotations

import theorylab as tl
from theorylab import Fraction, ops
from theorylab.catalog.zhao_2022.paper import DERIVED

NUMERIC_ONLY = "The singular values of a matrix have no formula that the checker reads; the law in them is proved."


def ratio(values):
    """R as a function of the singular values."""
    return values.sum() / ops.norm(values)


def ratio_of(W):
    """R(W); only in the numeric reading."""
    return ratio(ops.singular_values(W))


# --- the gradient of the penalty, in the singular value decomposition -------------------------------------------------


def orthogonal(name):
    return tl.assume(
        f"{name}' {name} = I", lambda c: c[name].mT @ c[name] - ops.eye(c[name]), lambda c: {name: ops.cayley(c[name])}
    )


decomposed = tl.Setting(
    orthogonal("U"),
    orthogonal("V"),
    U=tl.var("r r"),
    V=tl.var("r r"),
    s=tl.var("r", positive=True),
    K=tl.var("r r"),
    L=tl.var("r r"),
    ds=tl.var("r"),
)


def matrix(U, s, V):
    """U diag(s) V'."""
    return (U * s) @ V.mT


def gradient(U, s, V):
    """U V' / |W|_F - |W|_* W / |W|_F^3."""
    size = ops.norm(s)
    return U @ V.mT / size - s.sum() * matrix(U, s, V) / size**3


def change(c):
    """Any change of W = U diag(s) V': the singular vectors turn by skew matrices, the values change by ds."""
    left, right = c.K - c.K.mT, c.L - c.L.mT
    return c.U @ (left * c.s + c.ds[:, None] * ops.eye(c.U) - c.s[:, None] * right) @ c.V.mT


velocity = tl.Identity(
    decomposed,
    lambda c: ops.diag(c.U.mT @ change(c) @ c.V),
    lambda c: c.ds,
    name="singular-values-move",
    title="A singular value moves with the change of W along its pair of singular vectors",
    statement=r"\dot\sigma_r = u_r^\top \dot W v_r",
    source=DERIVED,
    expect="proved",
)
penalty_gradient = tl.Identity(
    decomposed,
    lambda c: (gradient(c.U, c.s, c.V) * change(c)).sum(),
    lambda c: ops.derivative(lambda q: ratio(q["s"]), {"s": c.s}, {"s": c.ds}),
    name="gradient",
    title="The gradient of the penalty",
    statement=r"\nabla R(W) = \frac{UV^\top}{\|W\|_F} - \frac{\|W\|_*\,W}{\|W\|_F^3}",
    source=DERIVED,
    expect="proved",
)
orthogonal_to_w = tl.Identity(
    decomposed,
    lambda c: (gradient(c.U, c.s, c.V) * matrix(c.U, c.s, c.V)).sum(),
    name="gradient-is-orthogonal-to-w",
    title="The penalty does not feel the scale: its gradient is orthogonal to W",
    statement=r"\langle \nabla R(W), W\rangle = 0",
    source=DERIVED,
    expect="proved",
)

# --- the range of the penalty -----------------------------------------------------------------------------------------

positive = tl.Setting(s=tl.var("r", positive=True))
lagrange = tl.Identity(
    positive,
    lambda c: c.s.shape[0] * (c.s**2).sum() - c.s.sum() ** 2,
    lambda c: ((c.s[:, None] - c.s[None, :]) ** 2).sum() / 2,
    name="rank-minus-r-squared",
    title="rank - R^2 is a sum of squared differences of the singular values",
    statement=r"\left(\mathrm{rank}(W) - R(W)^2\right)\|W\|_F^2 = \tfrac12\sum_{i,j} (\sigma_i - \sigma_j)^2 \ge 0",
    source=DERIVED,
    expect="proved",
)
off_diagonal = tl.Identity(
    positive,
    lambda c: c.s.sum() ** 2 - (c.s**2).sum(),
    lambda c: (ops.outer(c.s, c.s) * (1 - ops.eye(ops.outer(c.s, c.s)))).sum(),
    name="r-squared-minus-one",
    title="R^2 - 1 is a sum of products of two singular values each: 0 for rank one, positive for every other",
    statement=r"\left(R(W)^2 - 1\right)\|W\|_F^2 = \sum_{i \ne j} \sigma_i \sigma_j \ge 0",
    source=DERIVED,
    expect="proved",
)
at_least_one = tl.Inequality(
    tl.Setting(W=tl.var("m n")),
    lambda c: ratio_of(c.W),
    1,
    name="at-least-one",
    title="R is at least 1",
    statement=r"R(W) \ge 1",
    note=NUMERIC_ONLY,
    source=DERIVED,
    expect="supported",
)
three_values = tl.Setting(s1=tl.var(positive=True), s2=tl.var(positive=True), s3=tl.var(positive=True))
rank_three = {
    name: tl.Inequality(
        three_values,
        lhs,
        rhs,
        name=f"rank-three-{name}",
        title=title,
        statement=statement,
        source=DERIVED,
        expect="proved",
    )
    for name, lhs, rhs, title, statement in (
        (
            "low",
            lambda c: (c.s1 + c.s2 + c.s3) ** 2,
            lambda c: c.s1**2 + c.s2**2 + c.s3**2,
            "Rank three: R is at least 1",
            r"\mathrm{rank}(W) = 3: \quad R(W) \ge 1",
        ),
        (
            "high",
            lambda c: 3 * (c.s1**2 + c.s2**2 + c.s3**2),
            lambda c: (c.s1 + c.s2 + c.s3) ** 2,
            "Rank three: R is at most the root of 3",
            r"\mathrm{rank}(W) = 3: \quad R(W) \le \sqrt3",
        ),
    )
}

# --- the flow of the penalty alone ------------------------------------------------------------------------------------

values_flow = tl.Flow(
    lambda p: -ops.gradient(lambda q: ratio(q.s), p),
    state={"s": "r"},
    setting=tl.Setting(init={"s": tl.var("r", tl.draw.uniform(0.5, 2), positive=True)}),
    name="penalty on the singular values",
)


def shrinking(seed):
    """The plot of five singular values under the penalty alone."""
    times = [t / 40 for t in range(41)]
    run = tl.simulate(values_flow, dims={"r": 5}, trials=1, seed=seed, t_end=times[-1], times=times)
    curves = tuple(
        tl.Series(f"value {i + 1}", tuple(times), tuple(run.saved["s"][0, :, i].tolist()), "line") for i in range(5)
    )
    return tl.Figure(
        "singular values under the penalty alone", "time", "singular value", curves,
        caption="Values below |W|_F^2 / |W|_* shrink and those above grow; the sum of the squares stays.",
    )  # fmt: skip


keeps_norm = tl.Invariant(
    values_flow,
    lambda p: (p.s**2).sum(),
    name="penalty-flow-keeps-the-norm",
    title="The flow of the penalty alone keeps |W|_F",
    statement=r"\dot\sigma = -\nabla R: \quad \frac{d}{dt}\|W\|_F^2 = 0",
    source=DERIVED,
    expect="proved",
)
threshold = tl.Identity(
    values_flow,
    lambda p, c: values_flow.field(p, c).s * ops.norm(p.s) ** 3,
    lambda p: p.s.sum() * p.s - (p.s**2).sum(),
    name="threshold",
    title="Below |W|_F^2 / |W|_* a singular value shrinks, above it grows",
    statement=r"\dot\sigma_r = \frac{\|W\|_*}{\|W\|_F^3}\left(\sigma_r - \frac{\|W\|_F^2}{\|W\|_*}\right)",
    figures=[shrinking],
    source=DERIVED,
    expect="proved",
)
matrix_flow = tl.Flow(
    lambda p: -ops.gradient(lambda q: ratio_of(q.W), p), state={"W": "2 3"}, name="penalty on the matrix"
)
keeps_frobenius = tl.Invariant(
    matrix_flow,
    lambda p: (p.W**2).sum(),
    name="penalty-flow-keeps-the-norm-of-w",
    title="The flow of the penalty alone keeps |W|_F: the same flow on the entries of W",
    statement=r"\dot W = -\nabla R(W): \quad \frac{d}{dt}\|W\|_F^2 = 0",
    note=NUMERIC_ONLY,
    source=DERIVED,
    horizon=Fraction(1, 4),
    expect="supported",
)

# --- controls ---------------------------------------------------------------------------------------------------------

controls = [
    penalty_gradient.but(
        lhs=lambda c: (c.U @ c.V.mT / ops.norm(c.s) * change(c)).sum(),
        name="gradient-of-the-nuclear-norm-alone",
        title="The gradient without the part of the Frobenius norm",
    ),
    orthogonal_to_w.without("U' U = I", name="gradient-any-u", title="The gradient formula for any matrix U"),
    off_diagonal.but(
        lhs=lambda c: c.s.sum() ** 2 - 2 * (c.s**2).sum(),
        name="r-squared-minus-two",
        title="R^2 - 2 is the sum of products",
    ),
    keeps_norm.but(
        quantity=lambda p: p.s.sum(), name="penalty-flow-keeps-the-nuclear-norm", title="The flow keeps |W|_*"
    ),
    threshold.but(
        rhs=lambda p: p.s.sum() * p.s - 2 * (p.s**2).sum(), name="threshold-doubled", title="Twice the threshold"
    ),
    rank_three["high"].but(
        lhs=lambda c: 2 * (c.s1**2 + c.s2**2 + c.s3**2),
        name="rank-three-root-two",
        title="Rank three: R is at most the root of 2",
    ),
]

claims = [
    velocity, penalty_gradient, orthogonal_to_w, lagrange, off_diagonal, at_least_one, rank_three, keeps_norm,
    threshold, keeps_frobenius, controls,
]  # fmt: skip
