"""Targets that do not fit the outputs."""

import theorylab as tl


@tl.model(w="2")
def linear(p, x):
    return p.w @ x


flow = tl.GradientFlow(linear, loss=tl.loss.square, data=([[1, 2], [3, 4]], [[1, 2, 3]]))
law = tl.Invariant(flow, lambda p: p.w)
