"""The model reads a parameter that was not declared."""

import theorylab as tl


@tl.model(W1="k d", W2="m k")
def two_layer(p, x):
    return p.W3 @ (p.W1 @ x)


law = tl.Invariant(tl.GradientFlow(two_layer), lambda p: p.W1)
