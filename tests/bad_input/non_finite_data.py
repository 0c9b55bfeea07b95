"""Data with a value that is not a number."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


flow = tl.GradientFlow(linear, loss=tl.loss.square, data=([[1.0, float("nan")]], [1.0, 2.0]))
law = tl.Invariant(flow, lambda p: p.w)
