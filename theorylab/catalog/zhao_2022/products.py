"""Deep factorizations: balanced factors, and how the singular values of their product move.

Factors are balanced where W_(j+1)' W_(j+1) = W_j W_j', which gradient flow conserves (du-2018):
W_j = Q_j diag(d) Q_(j-1)' with Q_j orthogonal. The singular values of the product are d^N; that they have derivatives
where they are simple is a premise of the field and no claim here.
"""

from __future__ import annotations

from typing import Any

import theorylab as tl
from theorylab import ops
from theorylab.catalog.zhao_2022.paper import DERIVED, PRODUCT
from theorylab.catalog.zhao_2022.penalty import gradient, orthogonal

DEPTHS = (1, 2, 3, 4)


def balanced(N):
    """W_j = Q_j diag(d) Q_(j-1)', any gradient g of the data loss by W, and a coefficient of the penalty."""
    turns: dict[str, Any] = {f"Q{j}": tl.var("r r") for j in range(N + 1)}
    return tl.Setting(
        *map(orthogonal, turns),
        **turns,
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
        source=DERIVED,
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
        source=PRODUCT,
        expect="proved",
    )
    for N in DEPTHS[1:]
}

controls = [
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
    end_to_end[2].but(
        rhs=lambda c: -2 * (c.Q2 * c.d) @ c.Q2.mT @ c.g @ (c.Q0 * c.d) @ c.Q0.mT,
        name="end-to-end-2-both-sides",
        title="Depth two with half of the power on each side of the gradient",
    ),
]

claims = [singular_value_law, end_to_end, controls]
