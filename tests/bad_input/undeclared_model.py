"""A flow of a function that was not declared as a model."""

import theorylab as tl


def linear(p, x):
    return p.w @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: p.w)
