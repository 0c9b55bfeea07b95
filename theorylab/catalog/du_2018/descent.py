"""Gradient descent: the exact law of one step, its drift against the step size, and matrix factorization."""

from __future__ import annotations

import theorylab as tl
from theorylab import ops
from theorylab.catalog.du_2018.flow import derived, linear, matrix, paper, rectified, unit

# --- one step -------------------------------------------------------------------------------------------------

gradient_step = tl.Evolution(
    linear.euler("h"),
    matrix,
    lambda p, c: c.h**2 * matrix(linear.field(p, c)),
    name="gradient-step",
    title="One step of gradient descent changes W2'W2 - W1W1' by exactly h^2 (G2'G2 - G1G1')",
    statement=r"\Delta\left(W_2^\top W_2 - W_1 W_1^\top\right) = h^2\left(G_2^\top G_2 - G_1 G_1^\top\right)",
    source=derived,
    expect="proved",
)
gradient_step_relu = tl.Evolution(
    rectified.euler("h"),
    unit,
    lambda p, c: c.h**2 * unit(rectified.field(p, c)),
    name="gradient-step-relu",
    title="ReLU: one step of gradient descent changes the balance of a unit by exactly h^2 (|g_in|^2 - |g_out|^2)",
    statement=r"\Delta\left(\|W_1[i,:]\|^2 - \|W_2[:,i]\|^2\right) = h^2\left(\|G_1[i,:]\|^2 - \|G_2[:,i]\|^2\right)",
    source=derived,
    expect="proved",
)

# --- drift against the step size --------------------------------------------------------------------------------------

moderate = tl.Setting(
    x=tl.var("d n", tl.draw.normal(0.25)), y=tl.var("m n"), init={n: tl.draw.normal(0.5) for n in ("W1", "W2")}
)
regression = linear.with_(loss=tl.loss.square, data=lambda c: (c.x, c.y), setting=moderate)


def moved(quantity):
    """The size of the change of a quantity since the start."""
    return lambda p, c: ops.norm((quantity(p) - quantity(c.init)).sum(-1))


_ladder = {"ladder": tuple(2.0**-k for k in range(3, 8)), "trials": 16}

drift = tl.Scaling(
    regression.euler("h"),
    moved(matrix),
    1,
    "h",
    steps=lambda c: 1 / c.h,
    name="gradient-descent-drift",
    title="Gradient descent over a fixed time: the imbalance of linear layers drifts in proportion to the step",
    statement=r"\left\|D_{1/h} - D_0\right\| = \Theta(h),\quad D = W_2^\top W_2 - W_1 W_1^\top",
    source=derived,
    expect="supported",
    settle=_ladder,
)

# --- matrix factorization: U V' against a matrix of the same rank -----------------------------------------------------

_abstract = paper.claim("", note="the abstract's results on matrix factorization; constants and rates derived here")


def product(r="r"):
    """U V' of rank r, with the columns of the identity for samples."""

    @tl.model(U=f"m {r}", V=f"d {r}")
    def network(p, x):
        return p.U @ (p.V.mT @ x)

    return network


def factors(p):
    """U'U - V'V, (r, r)."""
    return p.U.mT @ p.U - p.V.mT @ p.V


any_matrix = tl.GradientFlow(product().embedded())


def factorization(r="r", **variables):
    """1/2 |U V' - A B'|_F^2 from a random start, with A and B of the shapes of U and V."""
    return tl.GradientFlow(
        product(r),
        loss=tl.loss.square,
        data=lambda c: (ops.eye(c.B @ c.B.mT), c.A @ c.B.mT),
        setting=tl.Setting(
            A=tl.var(f"m {r}", tl.draw.uniform(0.5, 1)),
            B=tl.var(f"d {r}", tl.draw.uniform(0.5, 1)),
            init={n: tl.draw.normal(0.5) for n in ("U", "V")},
            **variables,
        ),
    )


factorization_step = tl.Evolution(
    any_matrix.euler("h"),
    factors,
    lambda p, c: c.h**2 * factors(any_matrix.field(p, c)),
    name="factorization-step",
    title="Matrix factorization: one step of any size h changes U'U - V'V by exactly h^2 (G_U'G_U - G_V'G_V)",
    statement=r"\Delta\left(U^\top U - V^\top V\right) = h^2\left(G_U^\top G_U - G_V^\top G_V\right)",
    source=derived,
    expect="proved",
)
bounded_factors = tl.Identity(
    tl.Setting(U=tl.var("m r"), V=tl.var("d r")),
    lambda c: ((c.U.mT @ c.U) ** 2).sum() + ((c.V.mT @ c.V) ** 2).sum(),
    lambda c: (factors(c) ** 2).sum() + 2 * ((c.U @ c.V.mT) ** 2).sum(),
    name="bounded-factors",
    title="Balanced factors are as large as their product: the imbalance and the product bound the factors",
    statement=r"\|U^\top U\|_F^2 + \|V^\top V\|_F^2 = \|U^\top U - V^\top V\|_F^2 + 2\,\|U V^\top\|_F^2",
    source=derived,
    expect="proved",
)


def decreasing(c):
    """h / (t + 1) at step t: of the order t^(-(1/2 + delta)) with delta = 1/2. The squares have a finite sum."""
    return c.h / (1 + c.t)


decreasing_steps = tl.Scaling(
    factorization(h=tl.var(positive=True)).euler(decreasing),
    moved(factors),
    2,
    "h",
    steps=lambda c: 1 / c.h,
    name="decreasing-steps",
    title="Matrix factorization, steps h / (t + 1): over 1/h steps the imbalance drifts by O(h^2) only",
    statement=r"h_t = h / (t + 1):\quad \left\|D_{1/h} - D_0\right\| = \Theta(h^2),\quad D = U^\top U - V^\top V",
    source=_abstract,
    expect="supported",
    settle={**_ladder, "ladder": tuple(2.0**-k for k in range(6, 11))},
)
rank_one = factorization("1", steps=tl.var(draw=tl.draw.ladder(64, 128, 4), positive=True))
rank_one_descent = rank_one.euler(tl.Fraction(1, 8))


def relative_fall(p, c):
    """The share of the loss that the next step takes away."""
    return 1 - rank_one.objective(rank_one_descent.after(p, c), c) / rank_one.objective(p, c)


linear_rate = tl.Scaling(
    rank_one_descent,
    relative_fall,
    0,
    "steps",
    steps=lambda c: c.steps,
    name="rank-one-linear-rate",
    title="Rank one, step 1/8, random start: each step takes away the same share of the loss, a linear rate",
    statement=r"1 - L_{t+1} / L_t = \Theta(1)",
    source=_abstract,
    expect="supported",
    settle={"trials": 16},
)

# --- controls ---------------------------------------------------------------------------------------------------------

descent_controls = [
    gradient_step.but(rate=0, name="gradient-step-conserved", title="Gradient descent conserves like gradient flow"),
    gradient_step.but(
        rate=lambda p, c: c.h * matrix(linear.field(p, c)),
        name="gradient-step-first-order",
        title="A change of first order",
    ),
    gradient_step.but(
        subject=linear.heavy_ball("h", "beta"), name="gradient-step-heavy-ball", title="The same change under momentum"
    ),
    gradient_step.but(subject=linear.adam("h"), name="gradient-step-adam", title="The same change under Adam"),
    drift.but(exponent=2, name="gradient-descent-drift-quadratic", title="A drift like h^2, as that of one step"),
    factorization_step.but(
        rate=0, name="factorization-step-conserved", title="Gradient descent keeps the imbalance of the factors"
    ),
    bounded_factors.but(
        rhs=lambda c: (factors(c) ** 2).sum() + ((c.U @ c.V.mT) ** 2).sum(),
        name="bounded-factors-once",
        title="The product counts once",
    ),
    decreasing_steps.but(
        subject=factorization().euler("h"),
        name="decreasing-steps-constant",
        title="The same drift under constant steps",
    ),
    linear_rate.but(exponent=-1, name="rank-one-sublinear-rate", title="A share that falls like 1 / t"),
]
