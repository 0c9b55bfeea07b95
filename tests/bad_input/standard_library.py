"""A function of the standard library where an operation of theorylab is needed."""

import math

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return math.exp(p.w.sum()) * (p.w @ x)


law = tl.Invariant(tl.GradientFlow(linear), lambda p: p.w)
