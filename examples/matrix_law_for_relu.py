"""A false law: what holds for linear layers does not hold for ReLU layers.

theorylab verify examples/matrix_law_for_relu.py

The search finds a case, shrinks it to the smallest sizes and to simple numbers, and checks it again in exact
arithmetic. Only the diagonal of the matrix law survives: one law for each hidden unit.
"""

import theorylab as tl
from theorylab import ops


@tl.model(W1="k d", W2="m k")
def two_layers(p, x):
    return p.W2 @ ops.relu(p.W1 @ x)


flow = tl.GradientFlow(two_layers)

matrix_law = tl.Invariant(
    flow,
    lambda p: p.W2.mT @ p.W2 - p.W1 @ p.W1.mT,
    name="matrix law",
    statement=r"W_2^\top W_2 - W_1 W_1^\top \text{ is constant}",
    expect="refuted",
)

unit_law = tl.Invariant(
    flow,
    lambda p: (p.W2**2).sum(-2) - (p.W1**2).sum(-1),
    name="unit law",
    statement=r"\|W_{2,\cdot j}\|^2 - \|W_{1,j\cdot}\|^2 \text{ is constant for each unit } j",
    expect="proved",
)
