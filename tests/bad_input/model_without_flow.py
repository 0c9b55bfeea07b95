"""A claim about a model instead of a flow."""

import theorylab as tl


@tl.model(w="d")
def linear(p, x):
    return p.w @ x


law = tl.Invariant(linear, lambda p: p.w)
