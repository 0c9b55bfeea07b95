"""Two claims with one name."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


flow = tl.GradientFlow(linear)
first = tl.Invariant(flow, lambda p: p.w, name="law")
second = tl.Invariant(flow, lambda p: 2 * p.w, name="law")
