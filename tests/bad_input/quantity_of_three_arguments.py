"""The quantity takes more than the parameters and the case."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p, c, t: p.w)
