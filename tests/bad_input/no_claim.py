"""A file without a claim."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


flow = tl.GradientFlow(linear)
_private = tl.Invariant(flow, lambda p: p.w)
