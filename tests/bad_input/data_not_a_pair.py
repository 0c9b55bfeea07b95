"""Inputs without targets."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


flow = tl.GradientFlow(linear, loss=tl.loss.square, data=[[1, 2], [3, 4], [5, 6]])
law = tl.Invariant(flow, lambda p: p.w)
