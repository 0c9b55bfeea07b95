"""No input fits the product."""

import theorylab as tl


@tl.model(W1="k d", W2="m k")
def two_layer(p, x):
    return p.W1 @ p.W2 @ p.W2 @ x


law = tl.Invariant(tl.GradientFlow(two_layer), lambda p: p.W1)
