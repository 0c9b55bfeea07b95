"""A rate for a parameter that was not declared."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


law = tl.Invariant(tl.GradientFlow(linear, rates={"g": 2}), lambda p: p.w)
