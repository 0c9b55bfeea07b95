"""The quantity is a list of arrays."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


law = tl.Invariant(tl.GradientFlow(linear), lambda p: [p.w, p.w])
