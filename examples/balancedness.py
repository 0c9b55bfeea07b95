"""A true law: the layers of a linear network stay balanced, at every width and for every loss.

theorylab verify examples/balancedness.py
"""

import theorylab as tl


@tl.model(W1="k d", W2="m k")
def two_layers(p, x):
    return p.W2 @ p.W1 @ x


flow = tl.GradientFlow(two_layers)

# The difference of the two Gram matrices keeps its initial value. The proof is for symbolic sizes: scope "all sizes".
balancedness = tl.Invariant(
    flow,
    lambda p: p.W2.mT @ p.W2 - p.W1 @ p.W1.mT,
    name="balancedness",
    statement=r"W_2^\top W_2 - W_1 W_1^\top \text{ is constant}",
    expect="proved",
)

# The same with a plus is false; a claim that cannot be told from its control says nothing.
control = balancedness.but(quantity=lambda p: p.W2.mT @ p.W2 + p.W1 @ p.W1.mT, name="with a plus")
