"""A shape that is no list of sizes."""

import theorylab as tl


@tl.model(w="k-1 d")
def linear(p, x):
    return p.w @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: p.w)
