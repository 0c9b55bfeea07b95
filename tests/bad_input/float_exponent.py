"""A decimal exponent in exact algebra."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return (p.w**0.3) @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: p.w)
