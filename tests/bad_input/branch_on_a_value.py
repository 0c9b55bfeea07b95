"""A branch on the value of a parameter."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x if p.w.sum() > 0 else -p.w @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: p.w)
