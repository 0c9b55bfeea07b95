"""Zhao: a penalty on |W|_* / |W|_F that lowers the rank with adaptive optimizers, and hardly without.

R(W) = |W|_* / |W|_F is the sum of the singular values over the root of the sum of their squares. W = W_N ... W_1 is a
linear network of depth N; "depth 1" is W itself. Factors are balanced where W_(j+1)' W_(j+1) = W_j W_j', which gradient
flow conserves (du-2018): W_j = Q_j diag(d) Q_(j-1)' with Q_j orthogonal, and the singular values are d^N.
"""

from __future__ import annotations

import theorylab as tl
from theorylab import Fraction, ops

_paper = tl.paper(
    "zhao-2022", "Combining explicit and implicit regularization for efficient learning in deep networks",
    arxiv="2306.00342",
)  # fmt: skip
_derived = _paper.claim("", note="formula derived here, not quoted from the paper")
_empirical = _paper.claim("", note="after the paper's main finding; the protocol is this module's")

DEPTHS = (1, 2, 3, 4)


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
    source=_derived,
    expect="proved",
)
penalty_gradient = tl.Identity(
    decomposed,
    lambda c: (gradient(c.U, c.s, c.V) * change(c)).sum(),
    lambda c: ops.derivative(lambda q: ratio(q["s"]), {"s": c.s}, {"s": c.ds}),
    name="gradient",
    title="The gradient of the penalty",
    statement=r"\nabla R(W) = \frac{UV^\top}{\|W\|_F} - \frac{\|W\|_*\,W}{\|W\|_F^3}",
    source=_derived,
    expect="proved",
)
orthogonal_to_w = tl.Identity(
    decomposed,
    lambda c: (gradient(c.U, c.s, c.V) * matrix(c.U, c.s, c.V)).sum(),
    name="gradient-is-orthogonal-to-w",
    title="The penalty does not feel the scale: its gradient is orthogonal to W",
    statement=r"\langle \nabla R(W), W\rangle = 0",
    source=_derived,
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
    source=_derived,
    expect="proved",
)
at_least_one = tl.Inequality(
    tl.Setting(W=tl.var("m n")),
    lambda c: ratio_of(c.W),
    1,
    name="at-least-one",
    title="R is at least 1",
    statement=r"R(W) \ge 1",
    source=_derived,
    expect="supported",
)
rank_three = {
    name: tl.Inequality(
        tl.Setting(**{f"s{i}": tl.var(positive=True) for i in (1, 2, 3)}),
        lhs,
        rhs,
        name=f"rank-three-{name}",
        title=title,
        statement=statement,
        source=_derived,
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
    times = [t / 20 for t in range(41)]
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
    source=_derived,
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
    source=_derived,
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
    source=_derived,
    horizon=Fraction(1, 4),
    expect="supported",
)

# --- deep factorizations ----------------------------------------------------------------------------------------------


def balanced(N):
    """W_j = Q_j diag(d) Q_(j-1)', any gradient g of the data loss by W, and a coefficient of the penalty."""
    names = [f"Q{j}" for j in range(N + 1)]
    return tl.Setting(
        *map(orthogonal, names),
        **dict.fromkeys(names, tl.var("r r")),
        d=tl.var("r", positive=True),
        g=tl.var("r r"),
        penalty=tl.var(positive=True),
    )


def factors(c, N):
    return [(c[f"Q{j}"] * c.d) @ c[f"Q{j - 1}"].mT for j in range(1, N + 1)]


def product(layers):
    """W_N ... W_1."""
    result = layers[0]
    for layer in layers[1:]:
        result = layer @ result
    return result


def velocity_of_the_product(c, N, slope):
    """W' where each factor follows minus the gradient of <slope, W>."""
    layers, total = factors(c, N), 0
    for j, layer in enumerate(layers):

        def with_factor(q, j=j):
            return product([*layers[:j], q["factor"], *layers[j + 1 :]])

        step = ops.gradient(lambda q, w=with_factor: (w(q) * slope).sum(), {"factor": layer})
        total = with_factor({"factor": -step["factor"]}) + total
    return total


def decomposition(c, N):
    """The singular value decomposition of the product."""
    return c[f"Q{N}"], c.d**N, c.Q0


def along_the_values(c, N):
    """u_r' W' v_r with the penalised loss."""
    U, s, V = decomposition(c, N)
    return ops.diag(U.mT @ velocity_of_the_product(c, N, c.g + c.penalty * gradient(U, s, V)) @ V)


def law_of_depth(c, N):
    U, s, V = decomposition(c, N)
    size = ops.norm(s)
    force = ops.diag(U.mT @ c.g @ V) + c.penalty / size * (1 - s.sum() * s / size**2)
    return -N * c.d ** (2 * N - 2) * force


singular_value_law = {
    N: tl.Identity(
        balanced(N),
        lambda c, N=N: along_the_values(c, N),
        lambda c, N=N: law_of_depth(c, N),
        name=f"singular-values-of-depth-{N}",
        title=f"How the singular values of a balanced product of {N} move under loss and penalty"
        if N > 1
        else "How the singular values of a matrix move under loss and penalty",
        statement=r"\dot\sigma_r = -N \sigma_r^{2 - 2/N} \left[u_r^\top \nabla\ell\, v_r + "
        r"\frac{\lambda}{\|W\|_F}\left(1 - \frac{\|W\|_* \sigma_r}{\|W\|_F^2}\right)\right],\quad " + f"N = {N}",
        source=_derived,
        expect="proved",
    )
    for N in DEPTHS
}


def end_to_end_law(c, N):
    """-sum_j (W W')^((j-1)/N) g (W' W)^((N-j)/N)."""
    left, right, total = c[f"Q{N}"], c.Q0, 0
    for j in range(1, N + 1):
        term = c.g
        if j > 1:
            term = (left * c.d ** (2 * j - 2)) @ left.mT @ term
        if j < N:
            term = term @ (right * c.d ** (2 * N - 2 * j)) @ right.mT
        total = term + total
    return -total


end_to_end = {
    N: tl.Identity(
        balanced(N),
        lambda c, N=N: velocity_of_the_product(c, N, c.g),
        lambda c, N=N: end_to_end_law(c, N),
        name=f"end-to-end-{N}",
        title=f"The velocity of a balanced product of {N}",
        statement=r"\dot W = -\sum_{j=1}^N (WW^\top)^{(j-1)/N}\, \nabla\ell\, (W^\top W)^{(N-j)/N},\quad " + f"N = {N}",
        source=_paper.claim("", note="formula of Arora et al. 2019 as known in the field, derived here"),
        expect="proved",
    )
    for N in DEPTHS[1:]
}

# --- preconditioners --------------------------------------------------------------------------------------------------

preconditioned_setting = tl.Setting(P=tl.var("2 3", tl.draw.uniform(0.5, 2), positive=True), y=tl.var("2 3"))


def slope_of_loss(p, c):
    return ops.gradient(lambda q: ((q.W - c.y) ** 2).sum() / 2 + ratio_of(q.W) / 4, p).W


preconditioned_flow = tl.Flow(
    lambda p, c: {"W": -c.P * slope_of_loss(p, c)}, state={"W": "2 3"}, setting=preconditioned_setting
)


def along_singular_vectors(p, change):
    """u_r' change v_r, (2,); u_r v_r' is the gradient of the singular value r."""
    return ops.stack([(ops.gradient(lambda q, r=r: ops.singular_values(q.W)[r], p).W * change).sum() for r in range(2)])


preconditioned = tl.Evolution(
    preconditioned_flow,
    lambda p: ops.singular_values(p.W),
    lambda p, c: along_singular_vectors(p, -c.P * slope_of_loss(p, c)),
    name="preconditioned",
    title="With a diagonal preconditioner P, singular values move with u' (P * gradient) v",
    statement=r"\dot W = -P \odot \nabla: \quad \dot\sigma_r = -u_r^\top (P \odot \nabla)\, v_r",
    source=_derived,
    quantifier="almost every",
    horizon=Fraction(1, 4),
    expect="supported",
)

# --- matrix completion ------------------------------------------------------------------------------------------------
#
# Protocol. A 30 x 30 matrix A B' / sqrt 2 of rank 2 with normal A and B; each entry is observed with probability 0.27.
# Loss: half the sum of squared errors on the observed entries, plus R / 100 for the penalised arm. Factors start normal
# with deviation 0.01; 2000 steps of gradient descent (step 1/2, 1/64, 1/256 for depth 1, 2, 3) or Adam (step 1/200).
# Both arms start alike. Measured: the relative fall of the effective rank (exponential of the entropy of the singular
# values) and of the relative error on the entries not observed, by which the penalised arm is below the other.
# Claimed: with Adam both means are at least 0; with gradient descent the mean absolute change of each is at most 1/20.
# Fixed before any of these runs.

STEPS = 2000
PENALTY = Fraction(1, 100)
GD_STEP = {1: Fraction(1, 2), 2: Fraction(1, 64), 3: Fraction(1, 256)}
ADAM_STEP = Fraction(1, 200)
SMALL = Fraction(1, 20)


def completion_problem(n, rank, observed):
    """Matrices of a rank, and which entries are observed: each with this probability."""
    share = Fraction(observed)
    return tl.Setting(
        A=tl.var(f"{n} {rank}", tl.draw.normal()),
        B=tl.var(f"{n} {rank}", tl.draw.normal()),
        coin=tl.var(f"{n} {n}", tl.draw.uniform(0, 1)),
        **{f"start{j}": tl.var(f"{n} {n}", tl.draw.normal(0.01)) for j in (1, 2, 3)},
        target=tl.var(f"{n} {n}", lambda c: c.A @ c.B.mT / ops.sqrt(Fraction(rank))),
        mask=tl.var(f"{n} {n}", lambda c: ops.step(share - c.coin)),
    )


def completion(problem, n, depth, penalty):
    """The flow of the penalised loss; the model gives the matrix and its observed entries."""

    @tl.model(**{f"W{j}": f"{n} {n}" for j in range(1, depth + 1)})
    def factorization(p, x):
        W = product([p[f"W{j}"] for j in range(1, depth + 1)])
        return ops.stack([W, x * W])

    def loss(f, y):
        fit = ((f[1] - y[1]) ** 2).sum() / 2
        return fit + penalty * ratio_of(f[0]) if penalty else fit

    return tl.GradientFlow(
        factorization,
        loss=loss,
        data=lambda c: (c.mask, ops.stack([0 * c.target, c.mask * c.target])),
        setting=problem.with_(init={f"W{j}": lambda c, j=j: c[f"start{j}"] for j in range(1, depth + 1)}),
    )


def gradient_descent(flow, depth):
    return flow.euler(GD_STEP[depth])


def adam(flow, depth):
    return flow.adam(ADAM_STEP)


def completed(c, scheme, depth):
    """The product of the factors after training."""
    others = {"mean": 0 * c.mask, "square": 0 * c.mask, "power1": 1, "power2": 1}
    start = {n: c[f"start{n[1:]}"] if n[0] == "W" else others[n.partition("_")[0]] for n in scheme.state}
    p = scheme.after(start, c, STEPS)
    return product([p[f"W{j}"] for j in range(1, depth + 1)])


def effective_rank(W):
    """exp of the entropy of the singular values as shares of their sum."""
    shares = ops.singular_values(W)
    shares = shares / shares.sum()
    return ops.exp(-(shares * ops.log(shares + Fraction(1, 10**12))).sum())


def unseen_error(W, c):
    """The relative error on the entries that were not observed."""
    return ops.norm((1 - c.mask) * (W - c.target)) / ops.norm((1 - c.mask) * c.target)


def falls(c, optimizer, problem, n, depth):
    """(2,): by which share the penalty lowers the effective rank and the test error."""
    plain, penalised = (
        completed(c, optimizer(completion(problem, n, depth, weight), depth), depth) for weight in (0, PENALTY)
    )
    before, after = (ops.vec(effective_rank(W), unseen_error(W, c)) for W in (plain, penalised))
    return (before - after) / before


SIZE, RANK, OBSERVED = 30, 2, Fraction(27, 100)
problem = completion_problem(SIZE, RANK, OBSERVED)
_protocol = {"samples": 16, "confidence": 0.95, "source": _empirical}


def with_adam(depth, **found):
    return tl.Mean(
        problem,
        lambda c: falls(c, adam, problem, SIZE, depth),
        0,
        sense=">=",
        name=f"adam-depth-{depth}",
        title=f"Matrix completion with Adam, depth {depth}: the penalty lowers effective rank and test error",
        statement=r"E\left[1 - \frac{\mathrm{rank}_\lambda}{\mathrm{rank}_0}\right] \ge 0,\quad "
        r"E\left[1 - \frac{\mathrm{error}_\lambda}{\mathrm{error}_0}\right] \ge 0",
        **_protocol,
        **found,
    )


def with_gradient_descent(depth, **found):
    return tl.Mean(
        problem,
        lambda c: abs(falls(c, gradient_descent, problem, SIZE, depth)),
        SMALL,
        sense="<=",
        name=f"gradient-descent-depth-{depth}",
        title=f"Matrix completion with gradient descent, depth {depth}: the penalty hardly changes either",
        statement=r"E\left|1 - \frac{\mathrm{rank}_\lambda}{\mathrm{rank}_0}\right| \le \tfrac1{20},\quad "
        r"E\left|1 - \frac{\mathrm{error}_\lambda}{\mathrm{error}_0}\right| \le \tfrac1{20}",
        **_protocol,
        **found,
    )


# What the runs found is written down after them: at depth 1 the penalty changes what gradient descent finds, too.
# Depths 2 and 3 take minutes each: tl.verify(zhao_2022.with_adam(2)).
adam_completes = with_adam(1, expect="supported")
gradient_descent_completes = with_gradient_descent(1, expect="refuted")

# --- controls ---------------------------------------------------------------------------------------------------------

controls = [
    penalty_gradient.but(
        lhs=lambda c: (c.U @ c.V.mT / ops.norm(c.s) * change(c)).sum(),
        name="gradient-of-the-nuclear-norm-alone",
        title="The gradient without the part of the Frobenius norm",
    ),
    orthogonal_to_w.without("U' U = I", name="gradient-any-u", title="The gradient formula for any matrix U"),
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
    singular_value_law[2].but(
        rhs=lambda c: law_of_depth(c, 2) / 2,
        name="singular-values-of-depth-2-without-n",
        title="Depth two without the factor N",
    ),
    singular_value_law[3].but(
        rhs=lambda c: c.d**2 * law_of_depth(c, 3),
        name="singular-values-of-depth-3-exponent",
        title="Depth three with the exponent 2 instead of 2 - 2/N",
    ),
    keeps_frobenius.but(
        subject=tl.Flow(
            lambda p, c: {"W": -c.P * ops.gradient(lambda q: ratio_of(q.W), p).W},
            state={"W": "2 3"},
            setting=tl.Setting(P=preconditioned_setting.variables["P"]),
        ),
        name="preconditioned-flow-keeps-the-norm",
        title="The flow of the penalty keeps |W|_F with any diagonal preconditioner",
    ),
]
