"""A decimal fraction in exact algebra."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: 0.1 * p.w)
