"""The inner sizes of a product differ."""

import theorylab as tl


@tl.model(W1="k d", W2="m k")
def two_layer(p, x):
    return p.W2 @ (p.W1 @ x)


def quantity(p):
    return p.W1 @ p.W1.mT + p.W2


law = tl.Invariant(tl.GradientFlow(two_layer), quantity)
